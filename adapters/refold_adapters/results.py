"""The result of a run, from its terminal event."""

from __future__ import annotations

import json
from typing import Any

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
from refold_adapters.ports import RunRow
from refold_adapters.runtime_errors import WorkflowFailedError, WorkflowParkedError


def result_of_row(row: RunRow, type_: Any) -> Any:
    """The result as ``type_``; raises RF5109 if the run did not complete, RF5106 if it is parked."""
    if row.closing_event is None:
        raise WorkflowParkedError(row.workflow_id, row.run_id, parked_reason(row) or "no reason was recorded")
    (event,) = decode_events(row.closing_event)
    if isinstance(event, WorkflowExecutionCompleted):
        return decode(event.result, type_)
    raise WorkflowFailedError(row.workflow_id, row.run_id, row.status.value, _cause(event))


def parked_reason(row: RunRow) -> str | None:
    """Why a run is parked, in words; None if it is not."""
    if row.parked is None:
        return None
    return str(json.loads(row.parked)["message"])


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
