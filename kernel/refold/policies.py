"""Retry policies, activity options, and the pure arithmetic of when to try again.

One rule: whether and when an attempt is repeated is decided here and nowhere else; stores and workers only carry out the
answer.  Durations are integers in microseconds inside, so that no rounding and no overflow can change a decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import attrs

from refold.errors import DefinitionError
from refold.failures import Failure, RetryState
from refold.ids import checked_id
from refold.payloads import Plain
from refold.prng import Random, seed_for
from refold.value import Value

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: No delay is longer than this (a hundred years): longer ones would leave the calendar.
DELAY_US_MAX = 100 * 365 * 24 * 3600 * 1_000_000


class HandlerUnfinishedPolicy(str, Enum):
    """What is said of a handler of a signal or an update that is still at work when its run ends; it is closed either way."""

    #: A worker logs a warning.
    WARN_AND_ABANDON = "WARN_AND_ABANDON"
    #: Nothing.
    ABANDON = "ABANDON"


class ActivityCancellationType(str, Enum):
    """What a workflow does about an activity when the branch that waits for it is cancelled."""

    #: Ask the activity to stop and raise ``CancelledError`` at once.
    TRY_CANCEL = "TRY_CANCEL"
    #: Ask the activity to stop and wait until it has: its result, if it finishes all the same, is delivered.
    WAIT_CANCELLATION_COMPLETED = "WAIT_CANCELLATION_COMPLETED"
    #: Raise ``CancelledError`` at once and let the activity run on, its outcome unseen.
    ABANDON = "ABANDON"


class WorkflowIDReusePolicy(str, Enum):
    """Whether a workflow id may be used again once its run is closed."""

    ALLOW_DUPLICATE = "ALLOW_DUPLICATE"
    ALLOW_DUPLICATE_FAILED_ONLY = "ALLOW_DUPLICATE_FAILED_ONLY"
    REJECT_DUPLICATE = "REJECT_DUPLICATE"


class WorkflowIDConflictPolicy(str, Enum):
    """What a start does when a run of that workflow id is open."""

    FAIL = "FAIL"
    USE_EXISTING = "USE_EXISTING"
    TERMINATE_EXISTING = "TERMINATE_EXISTING"


class ParentClosePolicy(str, Enum):
    """What becomes of a child workflow when its parent closes."""

    TERMINATE = "TERMINATE"
    ABANDON = "ABANDON"
    REQUEST_CANCEL = "REQUEST_CANCEL"


def microseconds(value: timedelta | None, what: str, *, zero: bool = False) -> int | None:
    """A duration as integer microseconds; raises :class:`DefinitionError` (RF1004) unless it is positive (or zero)."""
    if value is None:
        return None
    if not isinstance(value, timedelta):
        raise _refuse(what, f"it is {type(value).__name__}, not a timedelta")
    count = value // _MICROSECOND
    if count < 0 or (count == 0 and not zero):
        raise _refuse(what, f"{value} is not {'at least zero' if zero else 'positive'}")
    return min(count, DELAY_US_MAX)


def instant(at: int) -> datetime:
    """Microseconds since the epoch as a time (aware, UTC)."""
    return _EPOCH + at * _MICROSECOND


def _refuse(what: str, problem: str) -> DefinitionError:
    return DefinitionError(
        "RF1004",
        f"the {what} is not acceptable: {problem}",
        why="options are checked where they are given, not when they are first needed",
        fix="see the reference of the option",
    )


def _as_tuple(names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise _refuse("non_retryable_error_types", "it is one text, not a list of them")
    return tuple(names)


def _is_finite(number: object) -> bool:
    try:
        return isinstance(number, int | float) and float(number) < float("inf")
    except OverflowError:
        return False


@attrs.frozen(kw_only=True, eq=False, repr=False)
class RetryPolicy(Value):
    """How an activity or a workflow is retried; the defaults are Temporal's: for ever, from 1 s, doubling, to at most 100 s apart."""

    initial_interval: timedelta = timedelta(seconds=1)
    backoff_coefficient: float = 2.0
    #: ``None`` stands for 100 times the initial interval.
    maximum_interval: timedelta | None = None
    #: 0 stands for no limit.
    maximum_attempts: int = 0
    #: Types of failures by name, as in ``ApplicationError(type=...)`` or the name of an exception class.
    non_retryable_error_types: Sequence[str] = attrs.field(default=(), converter=_as_tuple)
    #: From 0.0 to 1.0: up to that part of each delay is left out, so that what failed together is not tried again together.
    jitter: float = 0.0
    #: The budget of time for all attempts of an activity: none begins later than this after the first was scheduled.  Of a workflow,
    #: its execution timeout is the budget.
    expiration_interval: timedelta | None = None

    def __attrs_post_init__(self) -> None:
        if microseconds(self.initial_interval, "initial_interval", zero=True) is None:
            raise _refuse("initial_interval", "it is None")
        microseconds(self.maximum_interval, "maximum_interval")
        microseconds(self.expiration_interval, "expiration_interval")
        if not _is_finite(self.jitter) or not 0 <= self.jitter <= 1:
            raise _refuse("jitter", f"{self.jitter!r} is not a number from 0 to 1")
        if not _is_finite(self.backoff_coefficient) or self.backoff_coefficient < 1:
            raise _refuse(
                "backoff_coefficient", f"{self.backoff_coefficient!r} is not a finite number of at least 1"
            )
        if type(self.maximum_attempts) is not int or self.maximum_attempts < 0:
            raise _refuse(
                "maximum_attempts", f"{self.maximum_attempts!r} is not a whole number of at least 0"
            )
        if self.maximum_interval is not None and self.maximum_interval < self.initial_interval:
            raise _refuse("maximum_interval", "it is shorter than initial_interval")
        for name in self.non_retryable_error_types:
            if not isinstance(name, str):
                raise _refuse(
                    "non_retryable_error_types", f"it holds {name!r}, which is not the name of a type"
                )

    def to_plain(self) -> dict[str, Plain]:
        """The policy as plain data."""
        plain: dict[str, Plain] = {
            "initial_interval_us": microseconds(self.initial_interval, "initial_interval", zero=True),
            "backoff_coefficient": float(self.backoff_coefficient),
            "maximum_interval_us": microseconds(self.maximum_interval, "maximum_interval"),
            "maximum_attempts": self.maximum_attempts,
            "non_retryable_error_types": list(self.non_retryable_error_types),
        }
        if self.jitter:
            plain["jitter"] = float(self.jitter)
        if self.expiration_interval is not None:
            plain["expiration_interval_us"] = microseconds(self.expiration_interval, "expiration_interval")
        return plain

    @classmethod
    def from_plain(cls, plain: dict[str, Plain]) -> RetryPolicy:
        """The policy that :meth:`to_plain` made ``plain`` of."""
        maximum = plain.get("maximum_interval_us")
        budget = plain.get("expiration_interval_us")
        return cls(
            initial_interval=timedelta(microseconds=plain["initial_interval_us"]),
            backoff_coefficient=plain["backoff_coefficient"],
            maximum_interval=None if maximum is None else timedelta(microseconds=maximum),
            maximum_attempts=plain["maximum_attempts"],
            non_retryable_error_types=tuple(plain["non_retryable_error_types"]),
            jitter=plain.get("jitter", 0.0),
            expiration_interval=None if budget is None else timedelta(microseconds=budget),
        )


_DURATIONS = (
    "schedule_to_close_timeout",
    "schedule_to_start_timeout",
    "start_to_close_timeout",
    "heartbeat_timeout",
)


_SWITCHES = ("at_most_once", "local")


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ActivityOptions(Value):
    """How one activity is run; they live with the activity and may be changed for one call by ``.options(...)``.

    Temporal insists on a timeout; here none is required, as an embedded run has no lost worker to wait for.
    """

    task_queue: str | None = None
    schedule_to_close_timeout: timedelta | None = None
    schedule_to_start_timeout: timedelta | None = None
    start_to_close_timeout: timedelta | None = None
    heartbeat_timeout: timedelta | None = None
    retry_policy: RetryPolicy = RetryPolicy()
    cancellation_type: ActivityCancellationType = ActivityCancellationType.TRY_CANCEL
    #: Never begun a second time, also where nobody knows how its one attempt ended; the retry policy does not apply.
    at_most_once: bool = False
    #: Run by the worker that made the turn, without a task of its own; ``activity.local(...)`` sets it.
    local: bool = False

    def __attrs_post_init__(self) -> None:
        for name in _DURATIONS:
            microseconds(getattr(self, name), name)
        for name in _SWITCHES:
            if not isinstance(getattr(self, name), bool):
                raise _refuse(name, f"it is {getattr(self, name)!r}, not True or False")
        if self.task_queue is not None:
            checked_id(self.task_queue, "task queue")
        if not isinstance(self.retry_policy, RetryPolicy):
            raise _refuse("retry_policy", f"it is {self.retry_policy!r}, not a RetryPolicy")
        if not isinstance(self.cancellation_type, ActivityCancellationType):
            raise _refuse(
                "cancellation_type", f"it is {self.cancellation_type!r}, not an ActivityCancellationType"
            )

    def changed(self, changes: dict[str, Any]) -> ActivityOptions:
        """A copy with some options changed; raises :class:`DefinitionError` (RF1004) for what is no option."""
        known = [field.name for field in attrs.fields(ActivityOptions)]
        for name in changes:
            if name not in known:
                raise DefinitionError(
                    "RF1004",
                    f"{name!r} is not an activity option",
                    why=f"the options are {', '.join(sorted(known))}",
                    fix="check the spelling",
                )
        return attrs.evolve(self, **changes)

    def to_plain(self) -> dict[str, Plain]:
        """The options as plain data, without what is the default."""
        plain: dict[str, Plain] = {}
        if self.task_queue is not None:
            plain["task_queue"] = self.task_queue
        for name in _DURATIONS:
            if (value := microseconds(getattr(self, name), name)) is not None:
                plain[f"{name}_us"] = value
        if self.retry_policy != RetryPolicy():
            plain["retry_policy"] = self.retry_policy.to_plain()
        if self.cancellation_type is not ActivityCancellationType.TRY_CANCEL:
            plain["cancellation_type"] = self.cancellation_type.value
        plain.update({name: True for name in _SWITCHES if getattr(self, name)})
        return plain

    @classmethod
    def from_plain(cls, plain: dict[str, Plain]) -> ActivityOptions:
        """The options that :meth:`to_plain` made ``plain`` of."""
        fields: dict[str, Any] = {
            name: timedelta(microseconds=plain[f"{name}_us"]) for name in _DURATIONS if f"{name}_us" in plain
        }
        if "task_queue" in plain:
            fields["task_queue"] = plain["task_queue"]
        if "retry_policy" in plain:
            fields["retry_policy"] = RetryPolicy.from_plain(plain["retry_policy"])
        if "cancellation_type" in plain:
            fields["cancellation_type"] = ActivityCancellationType(plain["cancellation_type"])
        fields.update({name: plain[name] for name in _SWITCHES if name in plain})
        return cls(**fields)


@attrs.frozen(eq=False, repr=False)
class RetryDecision(Value):
    """What follows a failed attempt: another one after ``delay_us``, or none, because of ``retry_state``."""

    delay_us: int | None
    retry_state: RetryState | None = None


def next_attempt(
    options: ActivityOptions,
    failure: Failure,
    *,
    attempt: int,
    elapsed_us: int,
    cancel_requested: bool = False,
    key: str = "",
) -> RetryDecision:
    """Decide what follows the failure of attempt number ``attempt`` (1 for the first).

    ``elapsed_us`` is the time since the activity was first scheduled: an attempt that could only start after the
    schedule-to-close timeout, or after the policy's budget, is not made.  A delay that the failure asks for replaces the policy's, for
    this once.  ``key`` tells this activity from others, such as its idempotency key: jitter is drawn from it.
    """
    if options.at_most_once and not cancel_requested:
        return RetryDecision(None, RetryState.MAXIMUM_ATTEMPTS_REACHED)
    budget_us = microseconds(options.schedule_to_close_timeout, "schedule_to_close_timeout")
    return next_try(
        options.retry_policy,
        failure,
        attempt=attempt,
        elapsed_us=elapsed_us,
        budget_us=budget_us,
        cancel_requested=cancel_requested,
        key=key,
    )


def next_try(
    policy: RetryPolicy,
    failure: Failure,
    *,
    attempt: int,
    elapsed_us: int,
    budget_us: int | None,
    cancel_requested: bool,
    key: str,
) -> RetryDecision:
    """Decide by a retry policy alone; ``budget_us`` is the time for all attempts, beside the policy's own."""
    if cancel_requested:
        return RetryDecision(None, RetryState.CANCEL_REQUESTED)
    if failure.non_retryable or (
        failure.type is not None and failure.type in policy.non_retryable_error_types
    ):
        return RetryDecision(None, RetryState.NON_RETRYABLE_FAILURE)
    if failure.kind == "timeout" and failure.timeout_type in ("SCHEDULE_TO_CLOSE", "SCHEDULE_TO_START"):
        return RetryDecision(None, RetryState.TIMEOUT)
    if policy.maximum_attempts and attempt >= policy.maximum_attempts:
        return RetryDecision(None, RetryState.MAXIMUM_ATTEMPTS_REACHED)
    delay_us = failure.next_retry_delay_us
    if delay_us is None:
        delay_us = backoff_us(policy, attempt, key=key)
    for limit_us in (budget_us, microseconds(policy.expiration_interval, "expiration_interval")):
        if limit_us is not None and elapsed_us + delay_us >= limit_us:
            return RetryDecision(None, RetryState.TIMEOUT)
    return RetryDecision(min(delay_us, DELAY_US_MAX))


def backoff_us(policy: RetryPolicy, attempt: int, *, key: str = "") -> int:
    """The policy's delay after attempt number ``attempt``: exponential, saturating at the maximum interval, less the jitter."""
    initial = policy.initial_interval // _MICROSECOND
    limit = initial * 100 if policy.maximum_interval is None else policy.maximum_interval // _MICROSECOND
    limit = min(limit, DELAY_US_MAX)
    try:
        factor = float(policy.backoff_coefficient) ** (attempt - 1)
    except OverflowError:
        factor = float("inf")
    delay = initial * factor if initial else 0
    whole = limit if delay >= limit else int(delay)
    if not policy.jitter:
        return whole
    return whole - int(whole * policy.jitter * Random(seed_for(f"{key}/jitter", attempt)).random())
