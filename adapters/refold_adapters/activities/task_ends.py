"""What the end of an attempt comes to, and when the time of an activity is up: pure functions of a task and the time.

One rule: an attempt that failed becomes either a message for its run or the write that gives the task back, decided here for workers,
for whoever looks after a run, and for those outside alike.  What stores and threads are is not known here.
"""

from __future__ import annotations

import json
from typing import Any

import attrs

from refold import ActivityOptions, Failure, next_attempt
from refold.codec import decode_events, decode_failure, encode_failure
from refold.events import ActivityTaskScheduled
from refold.messages import FailActivity, Message, ReportActivityCanceled, TimeOutActivity
from refold.policies import microseconds
from refold.value import Value
from refold_adapters.ports import OUTSIDE, RetryTask, TaskRow
from refold_adapters.runtime_errors import WorkerLostError

START_TO_CLOSE = "START_TO_CLOSE"
HEARTBEAT = "HEARTBEAT"
SCHEDULE_TO_CLOSE = "SCHEDULE_TO_CLOSE"
SCHEDULE_TO_START = "SCHEDULE_TO_START"

#: Timers of a run with numbers from here on are times to look after the activity of that number.
CHECK = 1 << 31
#: ... and from here on, after a local activity.
CHECK_LOCAL = 3 << 30
#: How often it is looked whether the worker of a local activity is still there.
LOCAL_CHECK_US = 10_000_000


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Held(Value):
    """An attempt, as far as its end needs to be known."""

    run_id: str
    seq: int
    number: int
    options: ActivityOptions
    scheduled_at: int
    started_at: int | None
    identity: str = ""
    cancel_requested: bool = False
    last_failure: Failure | None = None
    #: Details of the last heartbeat, encoded, or None.
    heartbeat: bytes | None = None

    @property
    def common(self) -> dict[str, Any]:
        """What every message about its end says."""
        return {
            "seq": self.seq,
            "attempt": self.number,
            "identity": self.identity,
            "started_at": self.started_at,
        }

    @property
    def details(self) -> list[Any]:
        """Details of the last heartbeat."""
        return [] if self.heartbeat is None else json.loads(self.heartbeat)


def event_of(row: TaskRow) -> ActivityTaskScheduled:
    """What the workflow asked for."""
    (event,) = decode_events(row.data)
    assert isinstance(event, ActivityTaskScheduled)
    return event


def options_of(row: TaskRow) -> ActivityOptions:
    """The options of a task as they stand, with what was changed from outside."""
    plain = event_of(row).options or {} if row.options is None else json.loads(row.options)
    return ActivityOptions.from_plain(plain)


def held(row: TaskRow, identity: str) -> Held:
    """The present attempt of a task."""
    return Held(
        run_id=row.run_id,
        seq=row.seq,
        number=row.attempt,
        options=options_of(row),
        scheduled_at=row.scheduled_at,
        started_at=row.started_at,
        identity=identity,
        cancel_requested=row.cancel_requested,
        last_failure=None if row.last_failure is None else decode_failure(row.last_failure),
        heartbeat=row.heartbeat,
    )


def after_failure(held: Held, failure: Failure, now: int) -> Message | RetryTask:
    """What follows a failed attempt: another one, or the end of the activity."""
    if held.cancel_requested:
        return ReportActivityCanceled(failure=failure, **held.common)
    elapsed_us = now - held.scheduled_at
    decision = next_attempt(
        held.options, failure, attempt=held.number, elapsed_us=elapsed_us, key=f"{held.run_id}/{held.seq}"
    )
    if decision.delay_us is not None:
        return RetryTask(
            token=0,
            run_id=held.run_id,
            seq=held.seq,
            attempt=held.number,
            next_attempt=held.number + 1,
            visible_at=now + decision.delay_us,
            failure=encode_failure(failure),
            heartbeat=held.heartbeat,
        )
    state = None if decision.retry_state is None else decision.retry_state.value
    if failure.kind == "timeout" and failure.timeout_type is not None:
        return timed_out(held, failure.timeout_type, state, held.last_failure)
    if state == "TIMEOUT" and held.options.schedule_to_close_timeout is not None:
        return timed_out(held, SCHEDULE_TO_CLOSE, state, failure)
    return FailActivity(failure=failure, retry_state=state, **held.common)


def timed_out(held: Held, kind: str, state: str | None, last: Failure | None) -> TimeOutActivity:
    """The message that an activity's time is up for good; it carries the last failure that was none of time."""
    return TimeOutActivity(
        timeout_type=kind,
        retry_state=state,
        last_failure=last,
        last_heartbeat_details=held.details,
        **held.common,
    )


def timeout_failure(kind: str) -> Failure:
    """The failure of an attempt whose time was up."""
    return Failure("timeout", f"the attempt timed out ({kind})", timeout_type=kind)


def lost(held: Held) -> Failure | None:
    """Why an attempt must not begin, after a worker was lost with an earlier one; None if it may."""
    limit = 1 if held.options.at_most_once else held.options.retry_policy.maximum_attempts
    if held.number == 1 or not limit or held.number <= limit:
        return None
    error = WorkerLostError(held.number - 1)
    return held.last_failure or Failure("application", str(error), type="WorkerLost", non_retryable=True)


def first_check(event: ActivityTaskScheduled) -> int | None:
    """When it is first to be looked whether the time of a new activity is up; None if it has all the time."""
    plain = event.options or {}
    limits = [plain.get("schedule_to_close_timeout_us"), plain.get("schedule_to_start_timeout_us")]
    return min((event.at + limit for limit in limits if limit is not None), default=None)


def judged(row: TaskRow, options: ActivityOptions, now: int) -> tuple[str | None, int | None]:
    """Which time of a task is up, if any, and when it is to be looked at again.

    A worker that holds an attempt judges its start-to-close and heartbeat timeouts by itself, so here they count only for attempts that
    are left to somebody outside.
    """
    limits: list[tuple[int, str]] = []
    if (limit := microseconds(options.schedule_to_close_timeout, SCHEDULE_TO_CLOSE)) is not None:
        limits.append((row.scheduled_at + limit, SCHEDULE_TO_CLOSE))
    if (limit := microseconds(options.schedule_to_start_timeout, SCHEDULE_TO_START)) is not None:
        waits = row.owner == 0 and not row.paused
        limits.append(((row.visible_at if waits else now) + limit, SCHEDULE_TO_START))
    if row.owner == OUTSIDE and row.started_at is not None:
        if (limit := microseconds(options.start_to_close_timeout, START_TO_CLOSE)) is not None:
            limits.append((row.started_at + limit, START_TO_CLOSE))
        if (limit := microseconds(options.heartbeat_timeout, HEARTBEAT)) is not None:
            limits.append((max(row.started_at, row.heartbeat_at or 0) + limit, HEARTBEAT))
    if not limits:
        return None, None
    at, kind = min(limits)
    return (kind, None) if at <= now else (None, at)
