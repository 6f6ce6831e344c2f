"""What the memory store remembers, and the two orders it is looked up by.

One rule: a run is in ``ready`` exactly if it is open, not parked, and has a message or a timer (if it is paused, its deadline), and a
task is in ``idle`` exactly if no session holds it and neither it nor its run is paused; ``settle`` and the task methods keep
that true.  Conditions of writes are not checked here.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from refold_adapters.memory.agenda import Agenda
from refold_adapters.ports import InboxMessage, Properties, RunRow, RunStatus, SessionRow, StoredTurn, TaskRow
from refold_adapters.ports.conditions import Term
from refold_adapters.ports.writes import DEADLINE


@attrs.frozen
class Message:
    """A message in an inbox, and since when it is work."""

    ready_at: int
    request_id: str
    data: bytes


@attrs.define(eq=False, kw_only=True)
class Run:
    """Everything about one run."""

    #: Number of the run in order of creation.
    order: int
    run_id: str
    workflow_id: str
    workflow_type: str
    task_queue: str
    request_id: str
    started_at: int
    owner: int
    build_id: str | None = None
    ends_at: int | None = None
    #: Where it stands among those that are to be ended.
    listed_end: int | None = None
    #: The run that its chain began with.
    first_run_id: str = ""
    status: RunStatus = RunStatus.RUNNING
    closed_at: int | None = None
    turn_token: str = ""
    last_event_id: int = 0
    history_bytes: int = 0
    takeovers: int = 0
    last_message: int = 0
    ready_at: int | None = None
    parked: bytes | None = None
    parked_at: int | None = None
    parked_kind: str | None = None
    parked_line: str | None = None
    paused_at: int | None = None
    properties: Properties = attrs.field(factory=Properties)
    closing_event: bytes | None = None
    turns: list[StoredTurn] = attrs.field(factory=list[StoredTurn])
    inbox: dict[int, Message] = attrs.field(factory=dict[int, Message])
    #: Why messages were refused, by their ids.
    refusals: dict[int, bytes] = attrs.field(factory=dict[int, bytes])
    tasks: dict[int, TaskRow] = attrs.field(factory=dict[int, TaskRow])
    timers: dict[int, int] = attrs.field(factory=dict[int, int])
    #: The same timers as ``(fire_at, seq)``, in that order.
    due: Agenda[tuple[int, int]] = attrs.field(factory=Agenda[tuple[int, int]])

    def row(self) -> RunRow:
        """What readers are shown."""
        return RunRow(
            run_id=self.run_id,
            workflow_id=self.workflow_id,
            workflow_type=self.workflow_type,
            task_queue=self.task_queue,
            status=self.status,
            started_at=self.started_at,
            closed_at=self.closed_at,
            turn=len(self.turns),
            last_event_id=self.last_event_id,
            history_bytes=self.history_bytes,
            owner=self.owner,
            parked=self.parked,
            closing_event=self.closing_event,
            build_id=self.build_id,
            paused_at=self.paused_at,
            parked_at=self.parked_at,
            parked_kind=self.parked_kind,
            parked_line=self.parked_line,
            memo=self.properties.memo,
            search_attributes=self.properties.search_attributes,
            first_run_id=self.first_run_id,
            ends_at=self.ends_at,
        )

    @property
    def terms(self) -> Sequence[Term]:
        """What it is found by."""
        return self.properties.terms

    def messages(self) -> list[InboxMessage]:
        """The inbox, in order of acceptance."""
        return [InboxMessage(number, message.data) for number, message in self.inbox.items()]

    def put_message(self, ready_at: int, data: bytes, request_id: str = "") -> int:
        """Append to the inbox; returns the id of the message."""
        self.last_message += 1
        self.inbox[self.last_message] = Message(ready_at, request_id, data)
        return self.last_message

    def earliest_work(self) -> int | None:
        """Since when, or from when on, it has a message or a timer."""
        times = [message.ready_at for message in self.inbox.values()]
        timer = self.due.first()
        return min(times if timer is None else [*times, timer[0]], default=None)

    def put_timer(self, seq: int, fire_at: int) -> None:
        """Start a timer, or move the one of that number."""
        self.drop_timer(seq)
        self.timers[seq] = fire_at
        self.due.add((fire_at, seq))

    def drop_timer(self, seq: int) -> None:
        """Forget a timer, if it is there."""
        fire_at = self.timers.pop(seq, None)
        if fire_at is not None:
            self.due.remove((fire_at, seq))


@attrs.frozen
class Tombstone:
    """That there was a run."""

    run_id: str
    workflow_id: str
    request_id: str
    status: RunStatus
    deleted_at: int


class State:
    """All runs, tasks and sessions."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.by_workflow: dict[str, list[Run]] = {}
        self.sessions: dict[int, SessionRow] = {}
        self.last_token = 0
        self.tombstones: dict[str, Tombstone] = {}
        #: Requests that were carried out: when, and what was answered.
        self.requests: dict[str, tuple[int, bytes]] = {}
        #: Run ids, the run that takes the answers to their commands, and up to which command.
        self.heirs: dict[str, tuple[str, int]] = {}
        #: All runs, by ``order``.
        self.created: dict[int, Run] = {}
        self.last_order = 0
        #: ``(ready_at, order)`` of the runs that have, or will have, work.
        self.ready: Agenda[tuple[int, int]] = Agenda()
        #: ``(ends_at, order)`` of the open runs that have a time limit.
        self.ending: Agenda[tuple[int, int]] = Agenda()
        #: ``(visible_at, order, seq)`` of the tasks that no session holds.
        self.idle: Agenda[tuple[int, int, int]] = Agenda()
        #: Grows with every change, so that a commit that changed nothing can be told.
        self.changes = 0

    def add_run(self, run: Run) -> None:
        """Make a run known."""
        self.runs[run.run_id] = run
        self.created[run.order] = run
        self.by_workflow.setdefault(run.workflow_id, []).append(run)
        self.settle(run)

    def remove_run(self, run: Run, now: int) -> None:
        """Forget a run, but for its tombstone."""
        self.settle(run)
        del self.runs[run.run_id], self.created[run.order]
        of_workflow = self.by_workflow[run.workflow_id]
        of_workflow.remove(run)
        if not of_workflow:
            del self.by_workflow[run.workflow_id]
        for run_id in [run_id for run_id, (heir, _) in self.heirs.items() if heir == run.run_id]:
            del self.heirs[run_id]
        self.tombstones[run.run_id] = Tombstone(run.run_id, run.workflow_id, run.request_id, run.status, now)

    def find_run(self, workflow_id: str, run_id: str | None) -> Run | None:
        """The run of that id if it fits the workflow id; without, the latest of the workflow id, which is open if any is."""
        if run_id is None:
            of_workflow = self.by_workflow.get(workflow_id)
            return of_workflow[-1] if of_workflow else None
        run = self.runs.get(run_id)
        return run if run is not None and workflow_id in ("", run.workflow_id) else None

    def heir_of(self, run_id: str, seq: int) -> Run | None:
        """The open run that takes the answer to a command of a run that is closed or gone."""
        heir, last = self.heirs.get(run_id, ("", 0))
        run = self.runs.get(heir)
        return run if run is not None and seq <= last and run.status is RunStatus.RUNNING else None

    def settle(self, run: Run) -> None:
        """Find out anew since when the run has work; called after every change of it."""
        self.changes += 1
        if run.ready_at is not None:
            self.ready.remove((run.ready_at, run.order))
        run.ready_at = None
        if run.parked is None and run.status is RunStatus.RUNNING:
            run.ready_at = run.timers.get(DEADLINE) if run.paused_at is not None else run.earliest_work()
        if run.ready_at is not None:
            self.ready.add((run.ready_at, run.order))
        if run.ends_at != run.listed_end:
            if run.listed_end is not None:
                self.ending.remove((run.listed_end, run.order))
            if run.ends_at is not None:
                self.ending.add((run.ends_at, run.order))
            run.listed_end = run.ends_at

    def pause(self, run: Run, at: int | None) -> None:
        """It is paused since then, or no more."""
        tasks = list(run.tasks.values())
        for task in tasks:
            self.drop_task(run, task.seq)
        run.paused_at = at
        for task in tasks:
            self.put_task(run, task)

    def put_task(self, run: Run, task: TaskRow) -> None:
        """Create a task, or put it in the place of its last version."""
        self.drop_task(run, task.seq)
        run.tasks[task.seq] = task
        if not task.owner and not task.paused and run.paused_at is None:
            self.idle.add((task.visible_at, run.order, task.seq))

    def drop_task(self, run: Run, seq: int) -> None:
        """Forget a task, if it is there."""
        self.changes += 1
        task = run.tasks.pop(seq, None)
        if task is not None and not task.owner and not task.paused and run.paused_at is None:
            self.idle.remove((task.visible_at, run.order, seq))

    def end_session(self, token: int, now: int, *, takeovers: int) -> None:
        """Forget a session; what it owned belongs to nobody, and its runs count so many takeovers more."""
        self.changes += 1
        del self.sessions[token]
        for run in self.runs.values():
            if run.owner == token:
                run.owner = 0
                run.takeovers += takeovers
            for task in list(run.tasks.values()):
                if task.owner == token:
                    self.put_task(run, _given_up(task, now))


def _given_up(task: TaskRow, now: int) -> TaskRow:
    """Nobody knows how far the attempt came, so the next one has another number."""
    return attrs.evolve(task, owner=0, started_at=None, attempt=task.attempt + 1, visible_at=now)
