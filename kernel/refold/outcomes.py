"""What a workflow is told of a command that did not succeed.

One rule: the exception for an outcome is made here, fresh for each delivery, from what its event says and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from refold import events as ev
from refold.branches import Waiter
from refold.failures import ActivityError, CancelledError, RetryState, TimeoutError, TimeoutType, error_of


def activity_error(event: Any, waiter: Waiter, asked: Sequence[int]) -> BaseException:
    """The exception for an activity that did not complete."""
    scheduled: ev.ActivityTaskScheduled = waiter.wait
    match event:
        case ev.ActivityTaskCanceled():
            cause: BaseException = CancelledError("the activity was cancelled", *event.details)
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
