"""Which event a message becomes.

``decide(state, message)`` answers with the external event to record, or with None where the message was heard before, or raises
:class:`MessageError` where it cannot be: unknown activities and timers, runs that are closed or have not begun.  Adapters are
at-least-once, so a repeated completion is silently the same as none; it is never logged and never recorded twice.

One rule: nothing is decided here that is not a function of the state and the message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from refold import events as ev
from refold import messages as ms
from refold.carry import retry_fields
from refold.errors import MessageError
from refold.failures import Failure, TimeoutType
from refold.flags import CURRENT_FLAGS, SCHEMA_VERSION
from refold.shapes import shape_of
from refold.state import ExecutionState, Ledger, WorkflowStatus

#: Message class to the event it becomes, for those that settle a command.
_OUTCOMES: dict[type[ms.Message], tuple[type[ev.HistoryEvent], type[ev.HistoryEvent]]] = {
    ms.CompleteActivity: (ev.ActivityTaskScheduled, ev.ActivityTaskCompleted),
    ms.FailActivity: (ev.ActivityTaskScheduled, ev.ActivityTaskFailed),
    ms.TimeOutActivity: (ev.ActivityTaskScheduled, ev.ActivityTaskTimedOut),
    ms.ReportActivityCanceled: (ev.ActivityTaskScheduled, ev.ActivityTaskCanceled),
    ms.FireTimer: (ev.TimerStarted, ev.TimerFired),
    ms.ReportChildStarted: (ev.StartChildWorkflowExecutionInitiated, ev.ChildWorkflowExecutionStarted),
    ms.ReportChildStartFailed: (
        ev.StartChildWorkflowExecutionInitiated,
        ev.StartChildWorkflowExecutionFailed,
    ),
    ms.CompleteChild: (ev.StartChildWorkflowExecutionInitiated, ev.ChildWorkflowExecutionCompleted),
    ms.FailChild: (ev.StartChildWorkflowExecutionInitiated, ev.ChildWorkflowExecutionFailed),
    ms.ReportChildCanceled: (ev.StartChildWorkflowExecutionInitiated, ev.ChildWorkflowExecutionCanceled),
    ms.TimeOutChild: (ev.StartChildWorkflowExecutionInitiated, ev.ChildWorkflowExecutionTimedOut),
    ms.ReportChildTerminated: (ev.StartChildWorkflowExecutionInitiated, ev.ChildWorkflowExecutionTerminated),
    ms.ReportSignalDelivered: (
        ev.SignalExternalWorkflowExecutionInitiated,
        ev.ExternalWorkflowExecutionSignaled,
    ),
    ms.ReportSignalFailed: (
        ev.SignalExternalWorkflowExecutionInitiated,
        ev.SignalExternalWorkflowExecutionFailed,
    ),
    ms.ReportCancelDelivered: (
        ev.RequestCancelExternalWorkflowExecutionInitiated,
        ev.ExternalWorkflowExecutionCancelRequested,
    ),
    ms.ReportCancelFailed: (
        ev.RequestCancelExternalWorkflowExecutionInitiated,
        ev.RequestCancelExternalWorkflowExecutionFailed,
    ),
}
#: Message class to the event it becomes, for what is heard once for a request id and only by an open run.
_INBOX: dict[type[ms.Message], type[ev.HistoryEvent]] = {
    ms.SignalWorkflow: ev.WorkflowExecutionSignaled,
    ms.CancelWorkflow: ev.WorkflowExecutionCancelRequested,
    ms.UpdateWorkflow: ev.WorkflowExecutionUpdateAccepted,
    ms.PauseWorkflow: ev.WorkflowExecutionPaused,
    ms.UnpauseWorkflow: ev.WorkflowExecutionUnpaused,
    ms.UpdateWorkflowOptions: ev.WorkflowExecutionOptionsUpdated,
    ms.TimeOutWorkflow: ev.WorkflowExecutionTimedOut,
    ms.TerminateWorkflow: ev.WorkflowExecutionTerminated,
}
#: What a paused run takes in a turn without an unpause: it changes the ledger only, or closes the run.
_WHILE_PAUSED = (
    ev.WorkflowExecutionPaused,
    ev.WorkflowExecutionOptionsUpdated,
    ev.WorkflowExecutionTimedOut,
    ev.WorkflowExecutionTerminated,
)
#: How a child may have ended, or not have begun.
_CHILD_OUTCOMES = (
    ms.ReportChildStartFailed,
    ms.CompleteChild,
    ms.FailChild,
    ms.ReportChildCanceled,
    ms.TimeOutChild,
    ms.ReportChildTerminated,
)
_BEGINNINGS = (ev.ChildWorkflowExecutionStarted, ev.StartChildWorkflowExecutionFailed)


def decide_turn(
    state: ExecutionState | Ledger, messages: Sequence[ms.Message], *, at: int
) -> list[ev.HistoryEvent]:
    """The external events of one turn: what ``messages`` become, messages to the workflow first (rule 1 of ``flags``).

    Changes nothing; a message that repeats an earlier one of the same turn is left out like one heard before.  A child whose end
    comes before its start has both in that turn.  Raises :class:`MessageError` for the first message that cannot be, RF3007 for
    one that must be alone and is not, and RF3008 for what a paused run does not take.
    """
    if len(messages) > 1:
        messages = _unaccompanied(messages)
    events: list[ev.HistoryEvent] = []
    if len(messages) == 1 and not isinstance(messages[0], _CHILD_OUTCOMES):
        # As most turns are made of: a message that nothing of its own turn can repeat, or come before.
        alone = decide(state, messages[0], at=at)
        if alone is not None:
            events.append(alone)
        if state.paused:
            _need_unpaused(events)
        return events
    heard: dict[tuple[str, object] | None, bool] = {}
    starting = False
    ordered = sorted(messages, key=lambda message: message.rank) if len(messages) > 1 else messages
    for message in ordered:
        key = _identity(message)
        if key in heard:
            continue
        event_id = state.last_event_id + 1 + len(events)
        event = decide(state, message, at=at, event_id=event_id, starting=starting)
        if event is None:
            continue
        if isinstance(message, _CHILD_OUTCOMES) and message.seq not in state.children:
            start = ("start", message.seq)
            if isinstance(message, ms.ReportChildStartFailed):
                if start in heard:
                    continue  # it was started, by an attempt whose answer was lost
            elif start not in heard:
                run_id = _run_id_of(message.seq, messages)
                events.append(ev.ChildWorkflowExecutionStarted(event_id, event.turn, at, message.seq, run_id))
                event = attrs.evolve(event, event_id=event_id + 1)
            heard[start] = True
        if key is not None:
            heard[key] = True
        starting = starting or isinstance(message, ms.StartWorkflow)
        events.append(event)
    if state.paused:
        _need_unpaused(events)
    return events


def _unaccompanied(messages: Sequence[ms.Message]) -> Sequence[ms.Message]:
    """The messages, if none of them has to be alone; one that has, and that only came more than once, is one."""
    for message in messages:
        if message.alone:
            if all(other == message for other in messages):
                return [message]
            raise MessageError(
                "RF3007",
                f"{type(message).__name__} came together with other messages",
                why="an update is judged by the state as it stands, and what ends a run from outside would lose the others",
                fix="make a turn of it alone",
            )
    return messages


def _need_unpaused(events: Sequence[ev.HistoryEvent]) -> None:
    if any(isinstance(event, ev.WorkflowExecutionUnpaused) for event in events):
        return
    for event in events:
        if not isinstance(event, _WHILE_PAUSED):
            raise MessageError(
                "RF3008",
                f"{type(event).__name__} cannot be recorded now: the run is paused",
                why="the code of a paused run makes no progress, so what arrives has to wait outside",
                fix="keep the message, and give it with or after the unpause",
            )


def _run_id_of(seq: int, messages: Sequence[ms.Message]) -> str:
    """The run id that some message of the turn reports for a child; empty where none does."""
    found = [each.run_id for each in messages if isinstance(each, ms.ReportChildStarted) and each.seq == seq]
    return found[0] if found else ""


def _identity(message: ms.Message) -> tuple[str, object] | None:
    """What makes two messages of a turn the same: the command they settle, or the request they carry."""
    outcome = _OUTCOMES.get(type(message))
    if isinstance(message, ms.ReportChildStarted):
        return ("start", message.seq)
    if outcome is not None:
        return (outcome[0].__name__, getattr(message, "seq", None))
    if isinstance(message, ms.StartWorkflow):
        return ("run", message.run_id)
    request_id = getattr(message, "request_id", "")
    return ("request", request_id) if request_id else None


def decide(
    state: ExecutionState | Ledger,
    message: ms.Message,
    *,
    at: int,
    event_id: int | None = None,
    starting: bool = False,
) -> ev.HistoryEvent | None:
    """The event that ``message`` becomes in the next turn, at time ``at``, or None if it was heard before.

    ``event_id`` is the number it gets (the next one, if None); ``starting`` says that the run starts earlier in the same turn.
    Raises :class:`MessageError` (RF3001, RF3002, RF3003, RF3006).
    """
    head = (state.last_event_id + 1 if event_id is None else event_id, state.turn + 1, at)
    if isinstance(message, ms.StartWorkflow):
        return _start(state, message, head, starting)
    if state.started is None and not starting:
        raise MessageError(
            "RF3002",
            f"{type(message).__name__} came before the run has started",
            why="the first message of every run is StartWorkflow",
            fix="start the run first",
        )
    outcome = _OUTCOMES.get(type(message))
    if outcome is not None:
        return _settle(state, message, outcome, head)
    inbox = _INBOX.get(type(message))
    if inbox is not None:
        if _heard(state, message):
            return None
        _need_open(state, message)
        if (
            isinstance(message, ms.TimeOutWorkflow)
            and message.retry_state is None
            and state.started is not None
        ):
            return ev.WorkflowExecutionTimedOut(*head, **_after_timeout(state, head[2]))
        return inbox(*head, **_fields(message))
    raise MessageError(
        "RF3003",
        f"{type(message).__name__} is not a message this kernel knows",
        why="only the messages of refold.messages have a meaning",
        fix="see the reference of messages",
    )


def _after_timeout(state: ExecutionState | Ledger, at: int) -> dict[str, Any]:
    """Whether another run follows one that times out now, where whoever says so has not decided it."""
    assert state.started is not None
    failure = Failure("timeout", timeout_type=TimeoutType.START_TO_CLOSE.value)
    return retry_fields(state.started, failure, at=at, cancel_requested=state.cancel_requests > 0)


def _start(
    state: ExecutionState | Ledger, message: ms.StartWorkflow, head: tuple[int, int, int], starting: bool
) -> ev.HistoryEvent | None:
    if state.started is not None and state.started.run_id == message.run_id:
        return None
    if state.started is not None or starting:
        raise MessageError(
            "RF3006",
            "the run has started already"
            if state.started is None
            else f"run {state.started.run_id} has started already",
            why="a run has one beginning",
            fix="start a new run under another run id",
        )
    fields: dict[str, Any] = {
        **_fields(message),
        "task_queue": message.task_queue,
        "input": list(message.input),
    }
    if message.execution_timeout_us is not None and message.execution_expires_at is None:
        fields["execution_expires_at"] = head[2] + message.execution_timeout_us
    return ev.WorkflowExecutionStarted(
        *head, flags=list(CURRENT_FLAGS), schema_version=SCHEMA_VERSION, **fields
    )


def _settle(
    state: ExecutionState | Ledger,
    message: Any,
    outcome: tuple[type[ev.HistoryEvent], type[ev.HistoryEvent]],
    head: tuple[int, int, int],
) -> ev.HistoryEvent | None:
    opened, settled = outcome
    pending = state.pending.get(message.seq)
    if pending.__class__ is opened:
        if settled in _BEGINNINGS and message.seq in state.children:
            return None  # it runs: what is said of its start now is an echo of the first attempt
        return settled(*head, **_fields(message))
    if pending is None and 0 < message.seq <= state.last_seq:
        return None  # it was settled before, or fell away with its branch or its run
    raise MessageError(
        "RF3003",
        f"{type(message).__name__} names seq {message.seq}, which is "
        + (f"of a {type(pending).__name__}" if pending is not None else "of no command of this run"),
        why=f"the run has used the numbers 1 to {state.last_seq}",
        fix="check that the message belongs to this run",
    )


def _heard(state: ExecutionState | Ledger, message: Any) -> bool:
    """Whether the same request was heard before, the same update accepted, or the run timed out already."""
    request_id = getattr(message, "request_id", "")
    if request_id and request_id in state.request_ids:
        return True
    if isinstance(message, ms.UpdateWorkflow):
        return message.update_id in state.updates or message.update_id in state.completed_updates
    return isinstance(message, ms.TimeOutWorkflow) and state.status is WorkflowStatus.TIMED_OUT


def _need_open(state: ExecutionState | Ledger, message: ms.Message) -> None:
    if state.closed is not None:
        raise MessageError(
            "RF3001",
            f"{type(message).__name__} came to a run that is {state.status.value}",
            why="a closed run takes no messages",
            fix="address the run that is open now, or start one",
        )


def _fields(message: ms.Message) -> dict[str, Any]:
    """The fields of the event that have not their default, which is the message's too: sequences as lists, as storage gives them."""
    fields = shape_of(type(message)).sparse(message, {})
    if tuple in map(type, fields.values()):
        for name, value in fields.items():
            if value.__class__ is tuple and value:
                fields[name] = list(value)
    return fields
