"""What a copy of a run has open where it begins: activities, timers, children, and questions to other runs.

One rule: whatever the turns of the copy wait for is settled here, one way or another: it is open again, or its answer is told, or
the copy cannot begin there.  So no copy waits for what will never come.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from refold import ExecutionState
from refold import events as ev
from refold import messages as ms
from refold.codec import decode_events, encode_event
from refold_adapters.operating.retelling import FROM_OTHERS
from refold_adapters.ports import NewTask, Relay, RunFilter, RunRow, Store
from refold_adapters.runtime_errors import ExecutionError
from refold_adapters.turns.other_runs import asked_again, child_of, outcome_of_child
from refold_adapters.turns.results import next_run_of
from refold_adapters.turns.turn_writes import is_local, task_queue_of

#: The outcome of a child, and not that it has begun.
_ENDS = tuple(kind for kind in FROM_OTHERS if kind is not ms.ReportChildStarted)
_PAGE = 100


@attrs.define
class Openings:
    """What a copy begins with, beside its turns."""

    tasks: list[NewTask] = attrs.field(factory=list[NewTask])
    timers: list[tuple[int, int]] = attrs.field(factory=list[tuple[int, int]])
    #: What it is told of what it waits for.
    messages: list[ms.Message] = attrs.field(factory=list[ms.Message])
    #: The children that are to be open when it begins.
    children: list[str] = attrs.field(factory=list[str])
    relays: list[Relay] = attrs.field(factory=list[Relay])


def impossible(row: RunRow, why: str) -> ExecutionError:
    """The error for a run that cannot begin anew there."""
    return ExecutionError(
        "RF5115",
        f"workflow {row.workflow_id!r} (run {row.run_id}) cannot begin anew there: {why}",
        why="a run begins anew at a turn that it made, and what it waits for there must be open or have an answer",
        fix="choose another turn; `refold show` lists them",
    )


def newest_of_chain(store: Store, workflow_id: str, first_run_id: str) -> RunRow | None:
    """The run that goes on where one began, by continue-as-new, retry and reset; None if it is gone."""
    latest = store.find_run(workflow_id)
    if latest is not None and latest.first_run_id == first_run_id:
        return latest
    found = runs_of_chain(store, workflow_id, first_run_id)
    last = [row for row in found if row.closing_event is None or next_run_of(row.closing_event) is None]
    return max(last, key=lambda row: row.started_at, default=None)


def runs_of_chain(store: Store, workflow_id: str, first_run_id: str) -> list[RunRow]:
    """The run that one began with, and those that went on where it ended, as far as they are there."""
    found: list[RunRow] = []
    before: tuple[int, str] | None = None
    while True:
        page = store.list_runs(RunFilter(workflow_id=workflow_id, before=before, limit=_PAGE))
        found += [row for row in page if row.first_run_id == first_run_id]
        if len(page) < _PAGE:
            return found
        before = (page[-1].started_at, page[-1].run_id)


@attrs.frozen
class Copier:
    """Finds what is open where a copy of one run begins."""

    store: Store
    row: RunRow
    #: Of the run that is copied.
    started: ev.WorkflowExecutionStarted
    #: What other runs have answered to it after the turn where the copy begins.
    answers: Sequence[ms.Message]
    #: Whether the copy takes the place of the run, and so goes on with its children.
    takes_place: bool

    def open_at(self, state: ExecutionState, told: Sequence[ms.Message]) -> Openings:
        """What is open in that state, before the copy is told ``told``; raises RF5115."""
        openings = Openings()
        settled = dict.fromkeys(
            getattr(message, "seq", 0) for message in told if not isinstance(message, ms.ReportChildStarted)
        )
        for seq, pending in state.pending.items():
            if seq in settled:
                continue
            match pending:
                case ev.TimerStarted():
                    openings.timers.append((seq, pending.fire_at))
                case ev.ActivityTaskScheduled():
                    self._activity(pending, openings, asked_to_stop=seq in state.cancelling)
                case ev.StartChildWorkflowExecutionInitiated():
                    begun = seq in state.children or any(
                        isinstance(message, ms.ReportChildStarted) and message.seq == seq for message in told
                    )
                    self._child(pending, openings, begun=begun)
                case _:
                    answer = self._answer(seq)
                    if answer is None:
                        openings.relays.append(asked_again(pending, self.started))
                    else:
                        openings.messages.append(answer)
        return openings

    def _activity(
        self, scheduled: ev.ActivityTaskScheduled, openings: Openings, *, asked_to_stop: bool
    ) -> None:
        if asked_to_stop:
            openings.messages.append(ms.ReportActivityCanceled(seq=scheduled.seq, attempt=0))
        elif not is_local(scheduled):
            task = NewTask(
                seq=scheduled.seq,
                activity_type=scheduled.activity_type,
                task_queue=task_queue_of(scheduled, self.row.task_queue),
                data=encode_event(scheduled),
            )
            openings.tasks.append(task)

    def _child(
        self, initiated: ev.StartChildWorkflowExecutionInitiated, openings: Openings, *, begun: bool
    ) -> None:
        """It goes on, and tells the copy of its end; if it has ended, the copy is told now."""
        seq = initiated.seq
        first_run_id = child_of(self.started, seq)
        outcome = self._answer(seq)
        if not begun and not isinstance(outcome, ms.ReportChildStartFailed):
            openings.messages.append(ms.ReportChildStarted(seq=seq, run_id=first_run_id))
        if outcome is None:
            child = newest_of_chain(self.store, initiated.workflow_id, first_run_id)
            named = f"its child {initiated.workflow_id!r} (event {initiated.event_id})"
            if child is None:
                raise impossible(self.row, f"{named} had not ended then, and is not there any more")
            if child.closing_event is None:
                if not self.takes_place:
                    raise impossible(self.row, f"{named} has not ended, and has this run for its parent")
                openings.children.append(child.run_id)
                return
            (closed,) = decode_events(child.closing_event)
            outcome = outcome_of_child(seq, closed)
            assert outcome is not None
        openings.messages.append(outcome)

    def _answer(self, seq: int) -> ms.Message | None:
        for message in self.answers:
            if isinstance(message, _ENDS) and getattr(message, "seq", 0) == seq:
                return message
        return None
