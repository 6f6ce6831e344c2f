"""Every event a history can hold.

A history is a sequence of *turns*; a turn is one or more **external** events (facts from outside) followed by the **derived**
events that the workflow did in answer.  One rule: an event is a frozen value of plain data; what it does to the ledger is in
``evolve``, how it is written in ``codec``.  The vocabulary covers all of Temporal's, so that formats need not change when more
of it comes to life.

The names are Temporal's.  ``seq`` is the number of a command within its run and links it to what comes back; ``event_id`` is the
event's own number, from 1, without gaps; ``at`` is the turn's time in microseconds since the Unix epoch, UTC; ``source`` is the
user's line that yielded the command, a hint that is never compared; ``branch`` is the number of the branch that yielded it.
"""

from __future__ import annotations

from typing import TypeAlias

from refold.events.base import HistoryEvent, PlainDict
from refold.events.inbox import (
    MessageUndelivered,
    WorkflowExecutionCancelRequested,
    WorkflowExecutionSignaled,
    WorkflowExecutionUpdateAccepted,
    WorkflowExecutionUpdateCompleted,
)
from refold.events.lifetime import (
    WorkflowExecutionCanceled,
    WorkflowExecutionCompleted,
    WorkflowExecutionContinuedAsNew,
    WorkflowExecutionFailed,
    WorkflowExecutionOptionsUpdated,
    WorkflowExecutionPaused,
    WorkflowExecutionStarted,
    WorkflowExecutionTerminated,
    WorkflowExecutionTimedOut,
    WorkflowExecutionUnpaused,
)
from refold.events.others import (
    ChildWorkflowExecutionCanceled,
    ChildWorkflowExecutionCompleted,
    ChildWorkflowExecutionFailed,
    ChildWorkflowExecutionStarted,
    ChildWorkflowExecutionTerminated,
    ChildWorkflowExecutionTimedOut,
    ExternalWorkflowCommandCanceled,
    ExternalWorkflowExecutionCancelRequested,
    ExternalWorkflowExecutionSignaled,
    RequestCancelExternalWorkflowExecutionFailed,
    RequestCancelExternalWorkflowExecutionInitiated,
    SignalExternalWorkflowExecutionFailed,
    SignalExternalWorkflowExecutionInitiated,
    StartChildWorkflowExecutionFailed,
    StartChildWorkflowExecutionInitiated,
)
from refold.events.steps import (
    HISTORY_SIZE_MARKER,
    PATCH_MARKER,
    SIDE_EFFECT_MARKER,
    ActivityTaskCanceled,
    ActivityTaskCancelRequested,
    ActivityTaskCompleted,
    ActivityTaskFailed,
    ActivityTaskScheduled,
    ActivityTaskTimedOut,
    MarkerRecorded,
    TimerCanceled,
    TimerFired,
    TimerStarted,
    UpsertWorkflowSearchAttributes,
    WorkflowPropertiesModified,
)

__all__ = [
    "HISTORY_SIZE_MARKER",
    "PATCH_MARKER",
    "SIDE_EFFECT_MARKER",
    "ActivityTaskCancelRequested",
    "ActivityTaskCanceled",
    "ActivityTaskCompleted",
    "ActivityTaskFailed",
    "ActivityTaskScheduled",
    "ActivityTaskTimedOut",
    "ChildWorkflowExecutionCanceled",
    "ChildWorkflowExecutionCompleted",
    "ChildWorkflowExecutionFailed",
    "ChildWorkflowExecutionStarted",
    "ChildWorkflowExecutionTerminated",
    "ChildWorkflowExecutionTimedOut",
    "Command",
    "ExternalWorkflowCommandCanceled",
    "ExternalWorkflowExecutionCancelRequested",
    "ExternalWorkflowExecutionSignaled",
    "HistoryEvent",
    "MarkerRecorded",
    "MessageUndelivered",
    "PlainDict",
    "RequestCancelExternalWorkflowExecutionFailed",
    "RequestCancelExternalWorkflowExecutionInitiated",
    "SignalExternalWorkflowExecutionFailed",
    "SignalExternalWorkflowExecutionInitiated",
    "StartChildWorkflowExecutionFailed",
    "StartChildWorkflowExecutionInitiated",
    "TimerCanceled",
    "TimerFired",
    "TimerStarted",
    "UpsertWorkflowSearchAttributes",
    "WorkflowExecutionCancelRequested",
    "WorkflowExecutionCanceled",
    "WorkflowExecutionCompleted",
    "WorkflowExecutionContinuedAsNew",
    "WorkflowExecutionFailed",
    "WorkflowExecutionOptionsUpdated",
    "WorkflowExecutionPaused",
    "WorkflowExecutionSignaled",
    "WorkflowExecutionStarted",
    "WorkflowExecutionTerminated",
    "WorkflowExecutionTimedOut",
    "WorkflowExecutionUnpaused",
    "WorkflowExecutionUpdateAccepted",
    "WorkflowExecutionUpdateCompleted",
    "WorkflowPropertiesModified",
    "event_kinds",
]

#: What asks the adapter to act: the derived events that leave the kernel as commands.
Command: TypeAlias = (
    ActivityTaskScheduled
    | ActivityTaskCancelRequested
    | TimerStarted
    | TimerCanceled
    | StartChildWorkflowExecutionInitiated
    | SignalExternalWorkflowExecutionInitiated
    | RequestCancelExternalWorkflowExecutionInitiated
)

_KINDS: dict[str, type[HistoryEvent]] = {
    cls.__name__: cls
    for cls in (
        WorkflowExecutionStarted,
        WorkflowExecutionCompleted,
        WorkflowExecutionFailed,
        WorkflowExecutionCanceled,
        WorkflowExecutionContinuedAsNew,
        WorkflowExecutionTimedOut,
        WorkflowExecutionTerminated,
        WorkflowExecutionPaused,
        WorkflowExecutionUnpaused,
        WorkflowExecutionOptionsUpdated,
        WorkflowExecutionSignaled,
        WorkflowExecutionCancelRequested,
        WorkflowExecutionUpdateAccepted,
        WorkflowExecutionUpdateCompleted,
        MessageUndelivered,
        ActivityTaskScheduled,
        ActivityTaskCompleted,
        ActivityTaskFailed,
        ActivityTaskTimedOut,
        ActivityTaskCancelRequested,
        ActivityTaskCanceled,
        TimerStarted,
        TimerFired,
        TimerCanceled,
        MarkerRecorded,
        WorkflowPropertiesModified,
        UpsertWorkflowSearchAttributes,
        StartChildWorkflowExecutionInitiated,
        StartChildWorkflowExecutionFailed,
        ChildWorkflowExecutionStarted,
        ChildWorkflowExecutionCompleted,
        ChildWorkflowExecutionFailed,
        ChildWorkflowExecutionCanceled,
        ChildWorkflowExecutionTimedOut,
        ChildWorkflowExecutionTerminated,
        SignalExternalWorkflowExecutionInitiated,
        ExternalWorkflowExecutionSignaled,
        SignalExternalWorkflowExecutionFailed,
        RequestCancelExternalWorkflowExecutionInitiated,
        ExternalWorkflowExecutionCancelRequested,
        RequestCancelExternalWorkflowExecutionFailed,
        ExternalWorkflowCommandCanceled,
    )
}


def event_kinds() -> dict[str, type[HistoryEvent]]:
    """Every kind of event, by name."""
    return dict(_KINDS)
