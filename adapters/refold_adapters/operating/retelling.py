"""What came to a run from outside, as it can be told to a copy of it.

Pure.  One rule: an event is told again as the very message that it was, so that the kernel decides on it as it did before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum

import attrs

from refold import events as ev
from refold import messages as ms
from refold_adapters.turns.acceptances import accept_write

#: What an event from outside was before it was recorded, for what can be told again.
AGAIN: dict[type[ev.HistoryEvent], type[ms.Message]] = {
    ev.WorkflowExecutionSignaled: ms.SignalWorkflow,
    ev.WorkflowExecutionCancelRequested: ms.CancelWorkflow,
    ev.WorkflowExecutionUpdateAccepted: ms.UpdateWorkflow,
    ev.ActivityTaskCompleted: ms.CompleteActivity,
    ev.ActivityTaskFailed: ms.FailActivity,
    ev.ActivityTaskTimedOut: ms.TimeOutActivity,
    ev.ActivityTaskCanceled: ms.ReportActivityCanceled,
    ev.TimerFired: ms.FireTimer,
    ev.ChildWorkflowExecutionStarted: ms.ReportChildStarted,
    ev.StartChildWorkflowExecutionFailed: ms.ReportChildStartFailed,
    ev.ChildWorkflowExecutionCompleted: ms.CompleteChild,
    ev.ChildWorkflowExecutionFailed: ms.FailChild,
    ev.ChildWorkflowExecutionCanceled: ms.ReportChildCanceled,
    ev.ChildWorkflowExecutionTimedOut: ms.TimeOutChild,
    ev.ChildWorkflowExecutionTerminated: ms.ReportChildTerminated,
    ev.ExternalWorkflowExecutionSignaled: ms.ReportSignalDelivered,
    ev.SignalExternalWorkflowExecutionFailed: ms.ReportSignalFailed,
    ev.ExternalWorkflowExecutionCancelRequested: ms.ReportCancelDelivered,
    ev.RequestCancelExternalWorkflowExecutionFailed: ms.ReportCancelFailed,
}
#: What other runs have answered, or become.
FROM_OTHERS = (
    ms.ReportChildStarted,
    ms.ReportChildStartFailed,
    ms.CompleteChild,
    ms.FailChild,
    ms.ReportChildCanceled,
    ms.TimeOutChild,
    ms.ReportChildTerminated,
    ms.ReportSignalDelivered,
    ms.ReportSignalFailed,
    ms.ReportCancelDelivered,
    ms.ReportCancelFailed,
)


class ResetReapplyExcludeType(str, Enum):
    """What came after the turn that a run is reset to, and is not to come again."""

    SIGNAL = "SIGNAL"
    UPDATE = "UPDATE"
    CANCEL_REQUEST = "CANCEL_REQUEST"


#: What people and other runs have said, which is not to be lost, and what keeps it from coming again.
_SAID: dict[type[ms.Message], ResetReapplyExcludeType] = {
    ms.SignalWorkflow: ResetReapplyExcludeType.SIGNAL,
    ms.UpdateWorkflow: ResetReapplyExcludeType.UPDATE,
    ms.CancelWorkflow: ResetReapplyExcludeType.CANCEL_REQUEST,
}


def told_again(events: Iterable[ev.HistoryEvent]) -> list[ms.Message]:
    """The messages that events were; what cannot be told again is left out."""
    return [message for message in map(_told_again, events) if message is not None]


def said_again(
    messages: Iterable[ms.Message], exclude: Sequence[ResetReapplyExcludeType]
) -> list[ms.Message]:
    """Those of the messages that come again after a reset."""
    kinds = [kind for kind, excluded in _SAID.items() if excluded not in exclude]
    return [message for message in messages if type(message) in kinds]


def as_inbox(messages: Sequence[ms.Message]) -> list[tuple[bytes, str]]:
    """Messages as the inbox of a run that is created holds them: each with its request id, as if it had been sent there."""
    writes = [accept_write("", None, message) for message in messages]
    return [(write.data, write.request_id) for write in writes]


def _told_again(event: ev.HistoryEvent) -> ms.Message | None:
    if isinstance(event, ev.MessageUndelivered) and event.message_kind == "SignalWorkflow":
        return ms.SignalWorkflow(
            signal_name=event.message_name,
            input=event.input,
            identity=event.identity,
            request_id=event.request_id,
        )
    kind = AGAIN.get(type(event))
    if kind is None:
        return None
    return kind(**{field.name: getattr(event, field.name) for field in attrs.fields(kind)})
