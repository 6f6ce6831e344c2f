"""What workflow code may catch, and its data form.

One rule: a :class:`Failure` is plain data that any version can read; the exceptions are what it looks like inside a workflow.
``CancelledError`` is a ``BaseException``, as in asyncio and trio, so that ``except Exception`` in a retry loop cannot swallow it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import Enum
from typing import Any, ClassVar, cast

import attrs

from refold.errors import DefinitionError, PayloadError
from refold.payloads import Plain, encode
from refold.source import traceback_frames
from refold.value import Value

#: Deepest chain of causes that is kept; what lies deeper is cut off.
CAUSES_MAX = 16
#: Longest message kept, in characters.
MESSAGE_CHARACTERS_MAX = 10_000
_FRAMES_MAX = 40


class TimeoutType(str, Enum):
    """Which limit ran out."""

    START_TO_CLOSE = "START_TO_CLOSE"
    SCHEDULE_TO_START = "SCHEDULE_TO_START"
    SCHEDULE_TO_CLOSE = "SCHEDULE_TO_CLOSE"
    HEARTBEAT = "HEARTBEAT"
    #: A ``with_timeout`` or ``wait_until`` of the workflow's own.
    STEP = "STEP"


class RetryState(str, Enum):
    """Why an activity or a workflow is not tried again."""

    NON_RETRYABLE_FAILURE = "NON_RETRYABLE_FAILURE"
    MAXIMUM_ATTEMPTS_REACHED = "MAXIMUM_ATTEMPTS_REACHED"
    TIMEOUT = "TIMEOUT"
    RETRY_POLICY_NOT_SET = "RETRY_POLICY_NOT_SET"
    CANCEL_REQUESTED = "CANCEL_REQUESTED"
    #: It is tried again: of a workflow, by a run that follows.
    IN_PROGRESS = "IN_PROGRESS"


@attrs.frozen(eq=False, repr=False)
class Failure(Value):
    """An error as data: what events and task rows hold."""

    #: ``application``, ``activity``, ``timeout``, ``cancelled``, ``terminated``, ``child_workflow``, ``already_started`` or
    #: ``external_workflow``.
    kind: str
    message: str = ""
    #: Of an application failure: its type, by which retry policies and handlers tell it apart.
    type: str | None = None
    non_retryable: bool = False
    details: Sequence[Plain] = ()
    #: The raising frames, outermost first, as ``file:line in function``.
    frames: Sequence[str] = ()
    next_retry_delay_us: int | None = None
    timeout_type: str | None = None
    retry_state: str | None = None
    activity_type: str | None = None
    activity_id: str | None = None
    workflow_type: str | None = None
    workflow_id: str | None = None
    run_id: str | None = None
    cause: Failure | None = None


class FailureError(Exception):
    """Base of the failures that workflow code may catch; one that leaves a workflow fails the run."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def cause(self) -> BaseException | None:
        """What led to it, for example the :class:`ApplicationError` inside an :class:`ActivityError`."""
        return self.__cause__


class ApplicationError(FailureError):
    """A failure with a meaning of the application's own; raise it in workflows and activities."""

    def __init__(
        self,
        message: str,
        *details: Any,
        type: str | None = None,
        non_retryable: bool = False,
        next_retry_delay: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        if type is not None and not isinstance(type, str):
            raise _unusable("type", type, "text, by which retry policies and handlers tell it apart")
        if next_retry_delay is not None and not isinstance(next_retry_delay, timedelta):
            raise _unusable("next_retry_delay", next_retry_delay, "a timedelta")
        self.details = details
        self.type = type
        self.non_retryable = non_retryable
        self.next_retry_delay = next_retry_delay


class TimeoutError(FailureError):
    """A limit in time ran out; ``type`` says which."""

    def __init__(
        self, message: str, *, type: TimeoutType, last_heartbeat_details: Sequence[Plain] = ()
    ) -> None:
        super().__init__(message)
        self.type = type
        self.last_heartbeat_details = tuple(last_heartbeat_details)


class TerminatedError(FailureError):
    """A child workflow was terminated from outside."""


class ActivityError(FailureError):
    """An activity failed for good; ``cause`` says how its last attempt did."""

    def __init__(
        self, message: str, *, activity_type: str, activity_id: str, retry_state: RetryState | None
    ) -> None:
        super().__init__(message)
        self.activity_type = activity_type
        self.activity_id = activity_id
        self.retry_state = retry_state


class ChildWorkflowError(FailureError):
    """A child workflow did not complete, or not even start; ``cause`` says why."""

    def __init__(
        self,
        message: str,
        *,
        workflow_type: str,
        workflow_id: str,
        run_id: str,
        retry_state: RetryState | None = None,
    ) -> None:
        super().__init__(message)
        self.workflow_type = workflow_type
        self.workflow_id = workflow_id
        #: Of its first run; empty where it did not start.
        self.run_id = run_id
        self.retry_state = retry_state


class WorkflowAlreadyStartedError(FailureError):
    """A child workflow was not started: its id is in use, or may not be used again."""

    def __init__(self, message: str, *, workflow_type: str, workflow_id: str) -> None:
        super().__init__(message)
        self.workflow_type = workflow_type
        self.workflow_id = workflow_id


class ExternalWorkflowError(FailureError):
    """A signal or a cancel request did not reach another run; ``reason`` is Temporal's word for why."""

    code: ClassVar[str] = "RF1115"

    def __init__(self, message: str, *, workflow_id: str, run_id: str | None, reason: str) -> None:
        super().__init__(message)
        self.workflow_id = workflow_id
        self.run_id = run_id
        self.reason = reason


class ContinueAsNewError(BaseException):
    """Unwinds a workflow that goes on as a new run; raised by ``continue_as_new``, and not to be caught for good.

    A ``BaseException``, so that ``except Exception`` does not swallow it.  ``finally`` blocks may still run steps.
    """

    def __init__(self, command: object, source: str) -> None:
        super().__init__("the workflow continues as a new run")
        #: What the next run begins with, and the line that asked for it; for the kernel.
        self.command = command
        self.source = source


class CancelledError(BaseException):
    """The branch, activity or run was asked to stop; raised once per request, at the current ``yield``."""

    def __init__(self, message: str = "cancelled", *details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


def _unusable(option: str, value: object, wanted: str) -> DefinitionError:
    return DefinitionError(
        "RF1004",
        f"the {option} of an ApplicationError is {value!r}",
        why=f"it must be {wanted}",
        fix="change it where the error is raised",
    )


def failure_of(error: BaseException, *, depth: int = 0) -> Failure:
    """The data form of any exception; an unknown type becomes an application failure named after its class.

    A detail that cannot be stored does not hide the failure: text says what it was.
    """
    cause_error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    cause = (
        failure_of(cause_error, depth=depth + 1) if cause_error is not None and depth < CAUSES_MAX else None
    )
    common: dict[str, Any] = {
        "message": _text(_message(error)),
        "frames": [_text(frame) for frame in traceback_frames(error)[-_FRAMES_MAX:]] or (),
        "cause": cause,
    }
    match error:
        case ApplicationError():
            delay = error.next_retry_delay
            return Failure(
                "application",
                type=error.type or (None if type(error) is ApplicationError else type(error).__name__),
                non_retryable=error.non_retryable,
                details=_details(error.details),
                next_retry_delay_us=None if delay is None else max(0, delay // timedelta(microseconds=1)),
                **common,
            )
        case TimeoutError():
            return Failure(
                "timeout",
                timeout_type=error.type.value,
                details=_details(error.last_heartbeat_details),
                **common,
            )
        case CancelledError():
            return Failure("cancelled", details=_details(error.details), **common)
        case TerminatedError():
            return Failure("terminated", **common)
        case ActivityError():
            state = error.retry_state
            return Failure(
                "activity",
                activity_type=error.activity_type,
                activity_id=error.activity_id,
                retry_state=None if state is None else state.value,
                **common,
            )
        case ChildWorkflowError():
            state = error.retry_state
            return Failure(
                "child_workflow",
                workflow_type=error.workflow_type,
                workflow_id=error.workflow_id,
                run_id=error.run_id,
                retry_state=None if state is None else state.value,
                **common,
            )
        case WorkflowAlreadyStartedError():
            return Failure(
                "already_started", workflow_type=error.workflow_type, workflow_id=error.workflow_id, **common
            )
        case ExternalWorkflowError():
            return Failure(
                "external_workflow",
                type=error.reason,
                workflow_id=error.workflow_id,
                run_id=error.run_id,
                **common,
            )
        case _:
            return Failure("application", type=type(error).__name__, **common)


def error_of(failure: Failure) -> BaseException:
    """A fresh exception for a failure: one object per delivery, so that no traceback grows from replay to replay."""
    error = _bare_error(failure)
    if failure.cause is not None:
        error.__cause__ = error_of(failure.cause)
    return error


def _bare_error(failure: Failure) -> BaseException:
    match failure.kind:
        case "timeout":
            return TimeoutError(
                failure.message,
                type=TimeoutType(failure.timeout_type or TimeoutType.STEP),
                last_heartbeat_details=failure.details,
            )
        case "cancelled":
            return CancelledError(failure.message, *failure.details)
        case "terminated":
            return TerminatedError(failure.message)
        case "activity":
            return ActivityError(
                failure.message,
                activity_type=failure.activity_type or "",
                activity_id=failure.activity_id or "",
                retry_state=None if failure.retry_state is None else RetryState(failure.retry_state),
            )
        case "child_workflow":
            return ChildWorkflowError(
                failure.message,
                workflow_type=failure.workflow_type or "",
                workflow_id=failure.workflow_id or "",
                run_id=failure.run_id or "",
                retry_state=None if failure.retry_state is None else RetryState(failure.retry_state),
            )
        case "already_started":
            return WorkflowAlreadyStartedError(
                failure.message,
                workflow_type=failure.workflow_type or "",
                workflow_id=failure.workflow_id or "",
            )
        case "external_workflow":
            return ExternalWorkflowError(
                failure.message,
                workflow_id=failure.workflow_id or "",
                run_id=failure.run_id,
                reason=failure.type or "",
            )
        case _:
            delay = failure.next_retry_delay_us
            return ApplicationError(
                failure.message,
                *failure.details,
                type=failure.type,
                non_retryable=failure.non_retryable,
                next_retry_delay=None if delay is None else timedelta(microseconds=delay),
            )


def _message(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        members = [f"{type(member).__name__}: {_message(member)}" for member in group.exceptions]
        return f"{group.message} ({'; '.join(members)})"
    message = getattr(error, "message", None)
    if isinstance(message, str) and message:
        return message
    try:
        return str(error)
    except Exception as problem:
        return f"<{type(error).__name__} cannot be shown: {type(problem).__name__}>"


def _details(items: Sequence[object]) -> Sequence[Plain]:
    return [_detail(item) for item in items] or ()


def _detail(item: object) -> Plain:
    try:
        return encode(item)
    except PayloadError:
        # Not its `repr`: that may hold an address or the order of a set, and be another on replay.
        return (
            _text(item) if isinstance(item, str) else f"<a {type(item).__qualname__} that cannot be stored>"
        )


def _text(message: str) -> str:
    """A message that can be stored: within the limit, and with what is not text made visible."""
    clean = message.encode("utf-8", "backslashreplace").decode()
    if len(clean) <= MESSAGE_CHARACTERS_MAX:
        return clean
    return clean[:MESSAGE_CHARACTERS_MAX] + f"... ({len(clean) - MESSAGE_CHARACTERS_MAX} more characters)"
