"""What a workflow is told of a command that did not succeed.

One rule: the exception for an outcome is made here, fresh for each delivery, from what its event says and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from refold import events as ev
from refold.branches import Waiter
from refold.failures import (
    ActivityError,
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    ExternalWorkflowError,
    RetryState,
    TerminatedError,
    TimeoutError,
    TimeoutType,
    WorkflowAlreadyStartedError,
    error_of,
)


def activity_error(event: Any, waiter: Waiter, asked: Sequence[int]) -> BaseException:
    """The exception for an activity that did not complete."""
    scheduled: ev.ActivityTaskScheduled = waiter.wait
    match event:
        case ev.ActivityTaskCanceled():
            cause: BaseException = CancelledError("the activity was cancelled", *event.details)
            cause.__cause__ = None if event.failure is None else error_of(event.failure)
            if event.seq in asked:
                return cause
            state = None
        case ev.ActivityTaskTimedOut():
            cause = TimeoutError(
                f"the activity timed out ({event.timeout_type})",
                type=TimeoutType(event.timeout_type),
                last_heartbeat_details=event.last_heartbeat_details,
            )
            cause.__cause__ = None if event.last_failure is None else error_of(event.last_failure)
            state = event.retry_state
        case _:
            cause = error_of(event.failure)
            state = event.retry_state
    error = ActivityError(
        f"activity {scheduled.activity_type!r} failed: {cause}",
        activity_type=scheduled.activity_type,
        activity_id=scheduled.activity_id or str(scheduled.seq),
        retry_state=None if state is None else RetryState(state),
    )
    error.__cause__ = cause
    return error


def child_error(
    initiated: ev.StartChildWorkflowExecutionInitiated, run_id: str, event: Any
) -> ChildWorkflowError:
    """The exception for a child that did not complete, or not start."""
    name = {"workflow_type": initiated.workflow_type, "workflow_id": initiated.workflow_id}
    state = None
    match event:
        case ev.StartChildWorkflowExecutionFailed():
            cause: BaseException = (
                WorkflowAlreadyStartedError(f"workflow id {initiated.workflow_id!r} is in use", **name)
                if event.cause == "WORKFLOW_ALREADY_EXISTS"
                else ApplicationError(f"the child could not be started: {event.cause}", type=event.cause)
            )
        case ev.ChildWorkflowExecutionCanceled():
            cause = CancelledError("the child workflow was cancelled", *event.details)
        case ev.ChildWorkflowExecutionTimedOut():
            cause = TimeoutError("the child workflow timed out", type=TimeoutType.START_TO_CLOSE)
            state = event.retry_state
        case ev.ChildWorkflowExecutionTerminated():
            cause = TerminatedError(event.reason or "the child workflow was terminated")
        case _:
            cause = error_of(event.failure)
            state = event.retry_state
    error = ChildWorkflowError(
        f"child workflow {initiated.workflow_type!r} failed: {cause}",
        run_id=run_id,
        retry_state=None if state is None else RetryState(state),
        **name,
    )
    error.__cause__ = cause
    return error


def external_error(
    command: ev.SignalExternalWorkflowExecutionInitiated | ev.RequestCancelExternalWorkflowExecutionInitiated,
    cause: str,
) -> ExternalWorkflowError:
    """The exception for a signal or a cancel request that did not reach another run."""
    run = "" if command.run_id is None else f", run {command.run_id!r}"
    what = (
        f"signal {command.signal_name!r}"
        if isinstance(command, ev.SignalExternalWorkflowExecutionInitiated)
        else "the cancel request"
    )
    return ExternalWorkflowError(
        f"{ExternalWorkflowError.code}: {what} did not reach workflow {command.workflow_id!r}{run}: {cause};"
        " a message reaches only a run that is open, so check the id, or send it from a client that starts the run with it",
        workflow_id=command.workflow_id,
        run_id=command.run_id,
        reason=cause,
    )
