"""How a run ended, and its result, from its terminal event."""

from __future__ import annotations

import json
from typing import Any

import attrs

from refold import CancelledError, TerminatedError, TimeoutError, TimeoutType
from refold.codec import decode_events
from refold.events import (
    HistoryEvent,
    WorkflowExecutionCanceled,
    WorkflowExecutionCompleted,
    WorkflowExecutionFailed,
    WorkflowExecutionTerminated,
    WorkflowExecutionTimedOut,
)
from refold.failures import error_of
from refold.payloads import decode
from refold.value import Value
from refold_adapters.ports import RunRow, RunStatus
from refold_adapters.runtime_errors import WorkflowFailedError, WorkflowParkedError


@attrs.frozen(eq=False, repr=False)
class Ending(Value):
    """That a run is closed, or parked, and how."""

    workflow_id: str
    run_id: str
    workflow_type: str
    status: RunStatus
    #: The terminal event, encoded; None where the run is parked.
    closing_event: bytes | None
    #: Why it is parked, encoded; None where it is closed.
    parked: bytes | None
    #: The terminal event, where whoever tells of the end has it at hand; it need not be decoded then.
    event: HistoryEvent | None = None


def ending_of(row: RunRow) -> Ending | None:
    """How a run ended; None if it is open and not parked."""
    if row.closed_at is None and row.parked is None:
        return None
    return Ending(row.workflow_id, row.run_id, row.workflow_type, row.status, row.closing_event, row.parked)


def result_of(ending: Ending, type_: Any) -> Any:
    """The result as ``type_``; raises RF5109 if the run did not complete, RF5106 if it is parked."""
    if ending.closing_event is None:
        raise WorkflowParkedError(
            ending.workflow_id, ending.run_id, reason_in_words(ending.parked) or "no reason was recorded"
        )
    event = ending.event
    if event is None or isinstance(getattr(event, "result", None), list | dict):
        # Each who waits has data of his own, which he may change.
        (event,) = decode_events(ending.closing_event)
    if isinstance(event, WorkflowExecutionCompleted):
        return decode(event.result, type_)
    raise WorkflowFailedError(ending.workflow_id, ending.run_id, ending.status.value, _cause(event))


def next_run_of(closing_event: bytes | None) -> str | None:
    """The run that goes on where a closed one ended: continued as new, or tried again; None if there is none."""
    if closing_event is None or b'"new_run_id"' not in closing_event:
        return None
    (event,) = decode_events(closing_event)
    found: str | None = getattr(event, "new_run_id", None)
    return found


def reason_in_words(parked: bytes | None) -> str | None:
    """Why a run is parked; None if it is not."""
    return None if parked is None else str(json.loads(parked)["message"])


def _cause(event: HistoryEvent) -> BaseException | None:
    match event:
        case WorkflowExecutionFailed():
            return error_of(event.failure)
        case WorkflowExecutionCanceled():
            return CancelledError("the workflow was cancelled", *event.details)
        case WorkflowExecutionTerminated():
            return TerminatedError(event.reason or "the workflow was terminated")
        case WorkflowExecutionTimedOut():
            return TimeoutError("the workflow timed out", type=TimeoutType.START_TO_CLOSE)
        case _:
            return None
