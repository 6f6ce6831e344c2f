"""How each event changes the ledger: ``evolve``, ``fold`` and what is ``outstanding``.

Theory of operation.  State is the fold of the history and nothing else: ``fold(history)`` equals the state kept live, at every
prefix.  ``apply`` changes one private ledger in place, in constant time an event, through a table from event class to function;
``evolve`` is the same as a function from value to value.  An event that cannot follow from those before it is a corrupt history
and raises :class:`HistoryError`: what ``decide`` lets through never does.

One rule: nothing here ever sees a generator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from refold import events as ev
from refold.errors import HistoryError
from refold.flags import check_flags
from refold.search_attributes import changed
from refold.state import TO_OTHERS, ExecutionState, Ledger, WorkflowStatus, initial_state


def evolve(state: ExecutionState, event: ev.HistoryEvent) -> ExecutionState:
    """The state after one more event; raises :class:`HistoryError` (RF2001) if it cannot follow."""
    ledger = state.thaw()
    apply(ledger, event)
    return ledger.freeze()


def fold(history: Iterable[ev.HistoryEvent]) -> ExecutionState:
    """The state after a whole history."""
    ledger = initial_state().thaw()
    for event in history:
        apply(ledger, event)
    return ledger.freeze()


def outstanding(state: ExecutionState | Ledger) -> tuple[ev.Command, ...]:
    """The commands whose outcome is still awaited, in order: what to run again after a crash.

    A cancel request stands right after the activity it is for.  Nothing is outstanding in a closed run.
    """
    commands: list[ev.Command] = []
    for seq, pending in state.pending.items():
        commands.append(pending)
        if seq in state.cancelling:
            commands.append(state.cancelling[seq])
    return tuple(commands)


def apply(ledger: Ledger, event: ev.HistoryEvent) -> None:
    """Fold one event into a private ledger, in place."""
    event_id, turn = event.event_id, event.turn
    if event_id != ledger.last_event_id + 1 or turn < ledger.turn or ledger.closed is not None:
        check_position(ledger, event)
    _APPLY[event.__class__](ledger, event)
    ledger.last_event_id, ledger.turn, ledger.at = event_id, turn, event.at


def check_position(ledger: Ledger, event: ev.HistoryEvent) -> None:
    """Raise :class:`HistoryError` unless an event can be the next one, by its numbers."""
    if event.event_id != ledger.last_event_id + 1:
        raise corrupt(
            event,
            f"it should be number {ledger.last_event_id + 1}: events are missing, repeated or out of order",
        )
    if event.turn < ledger.turn:
        raise corrupt(event, f"its turn {event.turn} comes after turn {ledger.turn}")
    if ledger.closed is not None and type(event) is not ev.MessageUndelivered:
        raise corrupt(event, f"the run was closed by event {ledger.closed.event_id}")


def corrupt(event: ev.HistoryEvent, problem: str) -> HistoryError:
    """The error for an event that cannot follow from those before it."""
    return HistoryError(
        "RF2001",
        f"{type(event).__name__} (event {event.event_id}, turn {event.turn}) cannot stand there: {problem}",
        why="a history is appended turn by turn, and each event follows from those before it",
        fix="restore the run from a backup or terminate it; report it if no one edited the store",
    )


# Life of the run ----------------------------------------------------------------------------------------------------


def _started(ledger: Ledger, event: ev.WorkflowExecutionStarted) -> None:
    if ledger.started is not None:
        raise corrupt(event, "the run had started already")
    check_flags(event.schema_version, event.flags)
    ledger.started = event
    ledger.status = WorkflowStatus.RUNNING
    ledger.build_id = event.build_id
    ledger.memo = event.memo or {}
    ledger.search_attributes = event.search_attributes or {}
    if event.request_id:
        ledger.request_ids[event.request_id] = event.event_id


def _closing(status: WorkflowStatus) -> Callable[[Ledger, ev.HistoryEvent], None]:
    def close(ledger: Ledger, event: ev.HistoryEvent) -> None:
        _need_start(ledger, event)
        ledger.status = status
        ledger.closed = event
        if ledger.pending:
            ledger.orphans = tuple(
                each
                for each in ledger.pending.values()
                if isinstance(each, ev.StartChildWorkflowExecutionInitiated)
            )
            ledger.pending.clear()
        ledger.cancelling.clear()

    return close


def _need_start(ledger: Ledger, event: ev.HistoryEvent) -> None:
    if ledger.started is None:
        raise corrupt(event, "the run has not started")


def _message(ledger: Ledger, event: Any) -> None:
    """A message from outside: remembered by its request id."""
    _need_start(ledger, event)
    if event.request_id:
        ledger.request_ids[event.request_id] = event.event_id


_terminated = _closing(WorkflowStatus.TERMINATED)


def _terminated_by(ledger: Ledger, event: ev.WorkflowExecutionTerminated) -> None:
    _terminated(ledger, event)
    _message(ledger, event)


def _signaled(ledger: Ledger, event: ev.WorkflowExecutionSignaled) -> None:
    _message(ledger, event)
    ledger.signals += 1


def _cancel_requested(ledger: Ledger, event: ev.WorkflowExecutionCancelRequested) -> None:
    _message(ledger, event)
    ledger.cancel_requests += 1


def _options_updated(ledger: Ledger, event: ev.WorkflowExecutionOptionsUpdated) -> None:
    _message(ledger, event)
    if "build_id" in event.options:
        ledger.build_id = event.options["build_id"]


def _paused(ledger: Ledger, event: ev.WorkflowExecutionPaused) -> None:
    _message(ledger, event)
    ledger.paused = True


def _unpaused(ledger: Ledger, event: ev.WorkflowExecutionUnpaused) -> None:
    _message(ledger, event)
    ledger.paused = False


def _update_accepted(ledger: Ledger, event: ev.WorkflowExecutionUpdateAccepted) -> None:
    _message(ledger, event)
    if event.update_id in ledger.updates or event.update_id in ledger.completed_updates:
        raise corrupt(event, f"update {event.update_id!r} was accepted before")
    ledger.updates[event.update_id] = event


def _update_completed(ledger: Ledger, event: ev.WorkflowExecutionUpdateCompleted) -> None:
    if ledger.updates.pop(event.update_id, None) is None:
        raise corrupt(event, f"no update {event.update_id!r} is open")
    ledger.completed_updates[event.update_id] = event.event_id


def _undelivered(ledger: Ledger, event: ev.MessageUndelivered) -> None:
    if ledger.closed is None:
        raise corrupt(event, "only a closing run leaves messages undelivered")


# Commands and what comes back ---------------------------------------------------------------------------------------


def _command(ledger: Ledger, event: Any) -> None:
    """A command that waits for something from outside."""
    seq = event.seq
    if seq != ledger.last_seq + 1 or ledger.started is None:
        raise corrupt(event, f"its seq should be {ledger.last_seq + 1}, in a run that has started")
    ledger.last_seq = seq
    ledger.pending[seq] = event


def _instant_command(ledger: Ledger, event: Any) -> None:
    """A command that is over once it is recorded; patch markers have no seq."""
    _need_start(ledger, event)
    if event.seq is not None:
        if event.seq != ledger.last_seq + 1:
            raise corrupt(event, f"its seq should be {ledger.last_seq + 1}")
        ledger.last_seq = event.seq


def _marker(ledger: Ledger, event: ev.MarkerRecorded) -> None:
    _instant_command(ledger, event)
    if event.patch_id is not None:
        if event.patch_id in ledger.patches:
            raise corrupt(event, f"patch {event.patch_id!r} was decided before")
        ledger.patches[event.patch_id] = True


def _properties(ledger: Ledger, event: ev.WorkflowPropertiesModified) -> None:
    _instant_command(ledger, event)
    ledger.memo = changed(ledger.memo, event.memo)


def _search_attributes(ledger: Ledger, event: ev.UpsertWorkflowSearchAttributes) -> None:
    _instant_command(ledger, event)
    ledger.search_attributes = changed(ledger.search_attributes, event.search_attributes)


def _outcome_of(kind: type[ev.HistoryEvent], what: str) -> Callable[[Ledger, Any], None]:
    def settle(ledger: Ledger, event: Any) -> None:
        if ledger.pending.pop(event.seq, None).__class__ is not kind:
            raise corrupt(event, f"no {what} with seq {event.seq} is open")
        if ledger.cancelling:
            ledger.cancelling.pop(event.seq, None)

    return settle


def _activity_cancel(ledger: Ledger, event: ev.ActivityTaskCancelRequested) -> None:
    scheduled = ledger.pending.get(event.seq)
    if scheduled.__class__ is not ev.ActivityTaskScheduled or event.seq in ledger.cancelling:
        raise corrupt(event, f"no activity with seq {event.seq} is open and not yet asked to stop")
    assert scheduled is not None
    if scheduled.turn == event.turn:
        del ledger.pending[event.seq]  # it never left the kernel
    else:
        ledger.cancelling[event.seq] = event


def _child_started(ledger: Ledger, event: ev.ChildWorkflowExecutionStarted) -> None:
    if (
        ledger.pending.get(event.seq).__class__ is not ev.StartChildWorkflowExecutionInitiated
        or event.seq in ledger.children
    ):
        raise corrupt(event, f"no child with seq {event.seq} was to be started")
    ledger.children[event.seq] = event.run_id


def _child_ended(ledger: Ledger, event: Any) -> None:
    if event.seq not in ledger.children:
        raise corrupt(event, f"no child with seq {event.seq} runs")
    del ledger.children[event.seq]
    _settle_child(ledger, event)


def _child_not_started(ledger: Ledger, event: ev.StartChildWorkflowExecutionFailed) -> None:
    if event.seq in ledger.children:
        raise corrupt(event, f"the child with seq {event.seq} has started")
    _settle_child(ledger, event)


def _taken_back(ledger: Ledger, event: ev.ExternalWorkflowCommandCanceled) -> None:
    """A command to another run that never left the kernel."""
    command = ledger.pending.get(event.seq)
    if not isinstance(command, TO_OTHERS) or command.turn != event.turn:
        raise corrupt(event, f"no command to another run with seq {event.seq} was made in this turn")
    del ledger.pending[event.seq]


_settle_activity = _outcome_of(ev.ActivityTaskScheduled, "activity")
_settle_timer = _outcome_of(ev.TimerStarted, "timer")
_settle_child = _outcome_of(ev.StartChildWorkflowExecutionInitiated, "child")
_settle_signal = _outcome_of(ev.SignalExternalWorkflowExecutionInitiated, "signal to another run")
_settle_cancel = _outcome_of(
    ev.RequestCancelExternalWorkflowExecutionInitiated, "cancel request to another run"
)

_APPLY: dict[type[ev.HistoryEvent], Callable[[Ledger, Any], None]] = {
    ev.WorkflowExecutionStarted: _started,
    ev.WorkflowExecutionCompleted: _closing(WorkflowStatus.COMPLETED),
    ev.WorkflowExecutionFailed: _closing(WorkflowStatus.FAILED),
    ev.WorkflowExecutionCanceled: _closing(WorkflowStatus.CANCELED),
    ev.WorkflowExecutionContinuedAsNew: _closing(WorkflowStatus.CONTINUED_AS_NEW),
    ev.WorkflowExecutionTimedOut: _closing(WorkflowStatus.TIMED_OUT),
    ev.WorkflowExecutionTerminated: _terminated_by,
    ev.WorkflowExecutionPaused: _paused,
    ev.WorkflowExecutionUnpaused: _unpaused,
    ev.WorkflowExecutionOptionsUpdated: _options_updated,
    ev.WorkflowExecutionSignaled: _signaled,
    ev.WorkflowExecutionCancelRequested: _cancel_requested,
    ev.WorkflowExecutionUpdateAccepted: _update_accepted,
    ev.WorkflowExecutionUpdateCompleted: _update_completed,
    ev.MessageUndelivered: _undelivered,
    ev.ActivityTaskScheduled: _command,
    ev.ActivityTaskCompleted: _settle_activity,
    ev.ActivityTaskFailed: _settle_activity,
    ev.ActivityTaskTimedOut: _settle_activity,
    ev.ActivityTaskCancelRequested: _activity_cancel,
    ev.ActivityTaskCanceled: _settle_activity,
    ev.TimerStarted: _command,
    ev.TimerFired: _settle_timer,
    ev.TimerCanceled: _settle_timer,
    ev.MarkerRecorded: _marker,
    ev.WorkflowPropertiesModified: _properties,
    ev.UpsertWorkflowSearchAttributes: _search_attributes,
    ev.StartChildWorkflowExecutionInitiated: _command,
    ev.StartChildWorkflowExecutionFailed: _child_not_started,
    ev.ChildWorkflowExecutionStarted: _child_started,
    ev.ChildWorkflowExecutionCompleted: _child_ended,
    ev.ChildWorkflowExecutionFailed: _child_ended,
    ev.ChildWorkflowExecutionCanceled: _child_ended,
    ev.ChildWorkflowExecutionTimedOut: _child_ended,
    ev.ChildWorkflowExecutionTerminated: _child_ended,
    ev.SignalExternalWorkflowExecutionInitiated: _command,
    ev.ExternalWorkflowExecutionSignaled: _settle_signal,
    ev.SignalExternalWorkflowExecutionFailed: _settle_signal,
    ev.RequestCancelExternalWorkflowExecutionInitiated: _command,
    ev.ExternalWorkflowExecutionCancelRequested: _settle_cancel,
    ev.RequestCancelExternalWorkflowExecutionFailed: _settle_cancel,
    ev.ExternalWorkflowCommandCanceled: _taken_back,
}
