"""Closes a run: what its outermost frame came to becomes the terminal event, and all its code is closed.

One rule: nothing is decided here of the workflow's own; it has returned or raised already.
"""

from __future__ import annotations

from typing import Any, cast

from refold import events as ev
from refold.branches import discard
from refold.carry import retry_fields
from refold.declare import WorkflowDefinition
from refold.errors import RefoldError
from refold.failures import CancelledError, ContinueAsNewError, FailureError, failure_of
from refold.own_run import continued
from refold.payloads import encode
from refold.scheduler import Scheduler, task_error
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
    if _fails_the_run(run.definition, error):
        failure = failure_of(error)
        started, at = run.ledger.started, run.tape.at
        assert started is not None
        asked = run.ledger.cancel_requests > 0
        return ev.WorkflowExecutionFailed, {
            "failure": failure,
            **retry_fields(started, failure, at=at, cancel_requested=asked),
        }
    if isinstance(error, RefoldError):
        raise error
    raise task_error(
        "RF1110",
        f"{run.definition.name} raised {type(error).__name__}: {error}",
        why="an error that is not a failure is taken for a bug: the run is not failed, it waits for mended code",
        fix="mend the code and restart the worker; to fail the run, raise ApplicationError or list the type in"
        " failure_exception_types",
        error=error,
    ) from error


def _fails_the_run(definition: WorkflowDefinition[..., Any], error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return all(_fails_the_run(definition, inner) for inner in group.exceptions)
    return isinstance(error, (FailureError, CancelledError, *definition.failure_exception_types))
