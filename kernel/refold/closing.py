"""Closes a run: what its outermost frame came to becomes the terminal event, and all its code is closed.

One rule: nothing is decided here of the workflow's own; it has returned or raised already.
"""

from __future__ import annotations

from typing import Any

from refold import events as ev
from refold.branches import discard
from refold.bugs import recorded_failure
from refold.carry import retry_fields
from refold.failures import CancelledError, ContinueAsNewError
from refold.own_run import continued
from refold.payloads import encode
from refold.scheduler import Scheduler
from refold.tape import encoded


def finish(run: Scheduler) -> list[str]:
    """Record how the run ended, and close all its code."""
    assert run.outcome is not None
    kind, fields = _terminal_event(run, *run.outcome)
    carries_on = kind is ev.WorkflowExecutionContinuedAsNew
    left = [event.event_id for event in left_over(run, cancels=carries_on)]
    fields["carried" if carries_on else "unreceived"] = left or ()
    error = run.outcome[1]
    source = error.source if isinstance(error, ContinueAsNewError) else ""
    run.tape.record(kind, fields, lambda: source)
    run.waits.clear()
    run.conditions.clear()
    run.receivers.clear()
    return close_code(run)


def left_over(
    run: Scheduler, *, cancels: bool
) -> list[ev.WorkflowExecutionSignaled | ev.WorkflowExecutionCancelRequested]:
    """Signals that nobody received and, with ``cancels``, cancel requests that were not delivered, in order of arrival."""
    left: list[ev.WorkflowExecutionSignaled | ev.WorkflowExecutionCancelRequested] = [
        event for buffer in run.mailbox.values() for event in buffer
    ]
    if cancels and run.main is not None and run.main.cancels:
        left += run.cancels[-run.main.cancels :]
    return sorted(left, key=lambda event: event.event_id)


def close_code(run: Scheduler) -> list[str]:
    """Close all code of the run; returns where it yielded while it was closed."""
    if run.recorder is not None:
        run.recorder.forgive()
    return [] if run.main is None else discard(run.main)


def _terminal_event(
    run: Scheduler, value: Any, error: BaseException | None
) -> tuple[type[ev.HistoryEvent], dict[str, Any]]:
    if error is None:
        return ev.WorkflowExecutionCompleted, {"result": encode(value)}
    if isinstance(error, CancelledError) and run.ledger.cancel_requests:
        return ev.WorkflowExecutionCanceled, {"details": encoded(error.details)}
    if isinstance(error, ContinueAsNewError):
        return ev.WorkflowExecutionContinuedAsNew, continued(run, error)
    failure = recorded_failure(run.definition, run.definition.name, error)
    started, at = run.ledger.started, run.tape.at
    assert started is not None
    asked = run.ledger.cancel_requests > 0
    return ev.WorkflowExecutionFailed, {
        "failure": failure,
        **retry_fields(started, failure, at=at, cancel_requested=asked),
    }
