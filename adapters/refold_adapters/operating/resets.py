"""Runs that begin in the midst of another one: reset and fork.

A run is reset to a turn: the new run has all turns before it, and what came from outside in that turn is put into its inbox, so that
its code answers it anew.  Activities and timers that were open then are open again, and children go on as children of the new run;
those that were started later are ended, as their start is undone.  So are the runs that went on where it ended, with their children.

One rule: the new run, all that it begins with, and the ends of the old one and of these children are one commit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import attrs

from refold import carry, fold
from refold import events as ev
from refold import messages as ms
from refold.carry import deadline_of
from refold.codec import decode_message, encode_event
from refold.payloads import Plain
from refold_adapters.operating.administration import terminating
from refold_adapters.operating.copying import Copier, impossible
from refold_adapters.operating.endings import end_due_runs, ends_others
from refold_adapters.operating.inspection import read_history
from refold_adapters.operating.requests import Request
from refold_adapters.operating.retelling import (
    AGAIN,
    FROM_OTHERS,
    ResetReapplyExcludeType,
    as_inbox,
    said_again,
    told_again,
)
from refold_adapters.operating.undoing import Later, Undone, children_in, later_runs, open_run, without
from refold_adapters.ports import (
    CopyRun,
    Created,
    CreateRun,
    Exists,
    Properties,
    Repeated,
    RunRow,
    RunStatus,
    Stale,
    Store,
    StoredTurn,
    Unseen,
)
from refold_adapters.random_ids import random_uuid
from refold_adapters.runtime_errors import (
    WorkflowAlreadyStartedError,
    WorkflowClosedError,
    WorkflowNotFoundError,
)
from refold_adapters.turns.properties import properties_after, properties_of
from refold_adapters.turns.turn_writes import DEADLINE


@attrs.frozen(kw_only=True)
class Point:
    """A turn of a run: by its number, by one of its events, the first, or else the last one that its code made."""

    event_id: int | None = None
    turn: int | None = None
    first: bool = False

    def turn_of(self, history: Sequence[ev.HistoryEvent], row: RunRow) -> int:
        """Its number; raises RF5115 where there is no such turn."""
        made = [
            event.turn
            for event in history
            if not event.external or type(event) in AGAIN or isinstance(event, ev.WorkflowExecutionStarted)
        ]
        if self.first:
            made = made[:1]
        elif self.event_id is not None:
            made = [event.turn for event in history if event.event_id == self.event_id]
        elif self.turn is not None:
            made = [event.turn for event in history if event.turn == self.turn]
        if not made:
            raise impossible(row, "it has no such turn or event")
        return made[-1]


@attrs.frozen
class Reset:
    """A reset that was done."""

    run_id: str
    #: ``(workflow_id, run_id)`` of the runs that it ended.
    ended: Sequence[tuple[str, str]]


def reset_run(
    store: Store,
    row: RunRow,
    point: Point,
    *,
    reason: str,
    identity: str,
    request: Request,
    exclude: Sequence[ResetReapplyExcludeType] = (),
) -> Reset:
    """Begin a run anew at a turn, and end the one that is open under its workflow id: itself, or a later one."""
    run_id = random_uuid()
    why = f"reset to another run: {reason}" if reason else "reset to another run"
    while True:
        try:
            write, ended = _reset(
                store, row, point, run_id=run_id, why=why, identity=identity, exclude=exclude
            )
            outcome = request.apply(write, run_id)
        except WorkflowClosedError:
            outcome = Stale(0)  # one of those that are to be ended has ended
            write, ended = None, []
        if isinstance(outcome, Repeated):
            return Reset(json.loads(outcome.answer), [])
        if write is not None and (
            isinstance(outcome, Created) or (isinstance(outcome, Exists) and outcome.run_id == run_id)
        ):
            if write.closes is not None and ends_others(write.closes):
                ended += end_due_runs(store)
            return Reset(run_id, [(each.workflow_id, each.run_id) for each in ended])
        assert isinstance(outcome, Exists | Stale | Unseen), (
            outcome
        )  # something has moved since it was looked at
        found = store.find_run(row.workflow_id, row.run_id)
        if found is None:
            raise WorkflowNotFoundError(row.workflow_id, row.run_id, deleted=True)
        row = found


def _reset(
    store: Store,
    row: RunRow,
    point: Point,
    *,
    run_id: str,
    why: str,
    identity: str,
    exclude: Sequence[ResetReapplyExcludeType],
) -> tuple[CopyRun, list[RunRow]]:
    """The write that does it as things stand, and the runs that it ends."""
    source = _Source.read(store, row, point)
    later, current = later_runs(store, row), open_run(store, row)
    undone = source.undone(store, later, current)
    start = carry.reset_run(fold(source.history), run_id=run_id, identity=identity, request_id=run_id)
    start = attrs.evolve(start, undone={**(source.started.undone or {}), **undone.first_runs} or None)
    copy = source.copy(store, start, takes_place=True)
    said = [*told_again(source.after), *source.unread, *(message for run in later for message in run.said)]
    closes = None
    if current is not None:
        closes = terminating(store, current, reason=why, identity=identity)
        # A parent that waits for the run goes on waiting, for the new one; what becomes of its children is settled here.
        children = [*undone.first_runs.values(), *source.children]
        closes = without(closes, children, answers=current.first_run_id == row.first_run_id)
    copy = attrs.evolve(
        copy,
        closes=closes,
        ends=undone.ends(store, identity),
        messages=[*copy.messages, *as_inbox(said_again(said, exclude))],
    )
    return copy, [*([] if current is None else [current]), *undone.open]


def fork_run(
    store: Store,
    row: RunRow,
    point: Point,
    *,
    workflow_id: str,
    input: Sequence[Plain] | None,
    identity: str,
    request: Request,
) -> str:
    """Begin another run as a copy of this one up to a turn; returns its run id."""
    run_id = random_uuid()
    source = _Source.read(store, row, point)
    start = carry.fork_run(
        fold(source.history),
        run_id=run_id,
        workflow_id=workflow_id,
        input=input,
        identity=identity,
        request_id=run_id,
    )
    outcome = request.apply(source.copy(store, start, takes_place=False), run_id)
    if isinstance(outcome, Repeated):
        answer: str = json.loads(outcome.answer)
        return answer
    if isinstance(outcome, Exists) and outcome.run_id != run_id:
        raise WorkflowAlreadyStartedError(workflow_id, outcome.run_id, RunStatus(outcome.status).value)
    return run_id


@attrs.frozen
class _Source:
    """A run as it is copied: its history, and where the copy begins."""

    row: RunRow
    history: Sequence[ev.HistoryEvent]
    #: The turn that the copy makes anew.
    number: int
    #: What nobody has heard yet.
    unread: Sequence[ms.Message]

    @classmethod
    def read(cls, store: Store, row: RunRow, point: Point) -> _Source:
        inbox = store.list_inbox(row.run_id)  # before the history: what a turn takes in between is in both
        history = read_history(store, row.run_id)
        unread = [decode_message(message.data) for message in inbox]
        return cls(row, history, point.turn_of(history, row), unread)

    @property
    def started(self) -> ev.WorkflowExecutionStarted:
        started = self.history[0]
        assert isinstance(started, ev.WorkflowExecutionStarted)
        return started

    @property
    def after(self) -> list[ev.HistoryEvent]:
        return [event for event in self.history if event.turn > self.number]

    @property
    def children(self) -> list[str]:
        """The first runs of all children that it has asked for."""
        return [first_run_id for first_run_id, _ in children_in(self.history)]

    def undone(self, store: Store, later: Sequence[Later], current: RunRow | None) -> Undone:
        """The children that the run has started from the turn on, and those of the runs that went on where it ended."""
        undone = Undone()
        for first_run_id, event in children_in(self.history):
            if event.turn >= self.number:
                undone.add(store, event.workflow_id, first_run_id)
        for run in later:
            undone.add_children(store, run.history)
        known = [self.row.run_id, *(run.row.run_id for run in later)]
        if (
            current is not None
            and current.run_id not in known
            and current.first_run_id == self.row.first_run_id
        ):
            undone.add_children(store, read_history(store, current.run_id), but=self.children)
        return undone

    def copy(self, store: Store, start: ms.StartWorkflow, *, takes_place: bool) -> CopyRun:
        """The write that begins a run with the turns before the one that it makes anew, and tells it again what that was told."""
        kept = [event for event in self.history if event.turn < self.number]
        state = fold(kept)
        copied = _origins(self.started, state.last_seq)
        began = self._began(start, copied, store.clock.now_us())
        told = told_again(event for event in self.history if event.turn == self.number and event.external)
        answers = [*told_again(self.after), *self.unread]
        answers = [message for message in answers if isinstance(message, FROM_OTHERS)]
        openings = Copier(store, self.row, self.started, answers, takes_place).open_at(state, told)
        timers = openings.timers
        deadline = deadline_of(attrs.evolve(began, at=store.clock.now_us()))  # its time begins anew, too
        if kept:
            kept[0] = began
            timers += [] if deadline is None else [(DEADLINE, deadline)]
            if state.paused:
                told.insert(0, ms.UnpauseWorkflow(reason="reset", request_id=f"{start.run_id} unpause"))
        else:
            told.insert(0, start)
        return CopyRun(
            run=attrs.evolve(_creation(start, _properties(began, kept)), ends_at=deadline),
            turns=_turns(kept),
            last_event_id=state.last_event_id,
            tasks=openings.tasks,
            timers=timers,
            messages=as_inbox([*told, *openings.messages]),
            open_runs=openings.children,
            stands_for=list(copied.items()) if takes_place else (),
            relays=openings.relays,
        )

    def _began(
        self, start: ms.StartWorkflow, copied: dict[str, int], now: int
    ) -> ev.WorkflowExecutionStarted:
        """The beginning of the copy, in the place of that of the run."""
        fields = {field.name: getattr(start, field.name) for field in attrs.fields(ms.StartWorkflow)}
        timeout = start.execution_timeout_us
        fields["execution_expires_at"] = None if timeout is None else now + timeout
        fields["input"] = list(start.input)
        return attrs.evolve(self.started, **fields, copied_from=copied or None)


def _origins(started: ev.WorkflowExecutionStarted, last_seq: int) -> dict[str, int]:
    """Under which run ids the commands up to that one were made, each with the last of them."""
    found: dict[str, int] = {}
    done = 0
    copied: dict[str, int] = started.copied_from or {}
    for run_id, last in [*sorted(copied.items(), key=lambda each: each[1]), (started.run_id, last_seq)]:
        if done < last_seq:
            done = found[run_id] = min(last, last_seq)
    return found


def _creation(start: ms.StartWorkflow, properties: Properties | None) -> CreateRun:
    return CreateRun(
        run_id=start.run_id,
        workflow_id=start.workflow_id,
        workflow_type=start.workflow_type,
        task_queue=start.task_queue,
        message=None,
        request_id=start.request_id,
        build_id=start.build_id,
        properties=properties,
        first_run_id=start.first_run_id or "",
    )


def _properties(began: ev.WorkflowExecutionStarted, kept: Sequence[ev.HistoryEvent]) -> Properties | None:
    return properties_after(None, kept) or properties_of(began.memo, began.search_attributes)


def _turns(kept: Sequence[ev.HistoryEvent]) -> list[StoredTurn]:
    by_turn: dict[int, list[ev.HistoryEvent]] = {}
    for event in kept:
        by_turn.setdefault(event.turn, []).append(event)
    return [
        StoredTurn(number, events[0].event_id, b"\n".join(map(encode_event, events)))
        for number, events in by_turn.items()
    ]
