"""The activity side of a worker: slots, attempts, their ends, retries and time limits.

Used by whoever has the worker's baton; attempts report to it through the worker.  One rule: every attempt that ends becomes
either a message for its run, or a write that gives the task back for another attempt, and never both.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import attrs

from refold import Activity, ActivityOptions, Failure
from refold.codec import decode_failure
from refold.events import ActivityTaskScheduled
from refold.messages import CompleteActivity, FailActivity, ReportActivityCanceled
from refold.policies import microseconds
from refold_adapters.activities.activity_context import ActivityContext, ActivityInfo
from refold_adapters.activities.activity_runner import ActivityRunner, ThreadJob
from refold_adapters.activities.attempt_ends import Ended, heartbeat_write
from refold_adapters.activities.attempts import (
    Attempt,
    AttemptOutcome,
    Cancelled,
    Elsewhere,
    Raised,
    Returned,
)
from refold_adapters.activities.task_ends import (
    CHECK,
    HEARTBEAT,
    SCHEDULE_TO_CLOSE,
    START_TO_CLOSE,
    after_failure,
    event_of,
    lost,
    options_of,
    timeout_failure,
)
from refold_adapters.hosting.host import Host
from refold_adapters.ports import (
    Clock,
    DetachTask,
    Heartbeat,
    RetryTask,
    TaskRow,
)
from refold_adapters.registry import Registry

#: Among the limits: held-back details are due, and so is the next attempt of a local activity.
_FLUSH = "FLUSH"
_RETRY = "RETRY"


class Tasks:
    """The attempts that run in this worker."""

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        *,
        identity: str,
        max_concurrent: int,
        max_processes: int,
        report: Callable[[Attempt, AttemptOutcome], None],
        report_in_thread: Callable[[Attempt, AttemptOutcome], Attempt | None],
        heartbeat: Callable[[Attempt, list[Any] | None], None],
        host: Host,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self.identity = identity
        self._heartbeat = heartbeat
        self._runner = ActivityRunner(
            report, report_in_thread, max_threads=max_concurrent, max_processes=max_processes, host=host
        )
        self._running: dict[tuple[str, int], Attempt] = {}
        self.free = max_concurrent
        #: ``(due, order, attempt, timeout type)``, earliest first; entries of ended attempts are passed over.
        self._limits: list[tuple[int, int, Attempt, str]] = []
        self._order = 0
        #: Attempts that were given up with all others, whose details may not be recorded yet.
        self._given_up: list[Attempt] = []

    # Beginning ------------------------------------------------------------------------------------------------------

    def can_start(self, event: ActivityTaskScheduled, queue: str) -> bool:
        """Whether this worker, which serves ``queue``, has the code and a slot for an activity; takes the slot if so."""
        if self.free <= 0 or event.activity_type not in self._registry.activities:
            return False
        if event.options and event.options.get("task_queue", queue) != queue:
            return False
        self.free -= 1
        return True

    def lend_thread(self, job: ThreadJob) -> bool:
        """Have a job done by a thread for activities that is free; False if none is.  From any thread."""
        return self._runner.lend(job)

    def hold_one(self) -> None:
        """A thread for activities drives: of those that begin from now on it will carry out one itself."""
        self._runner.hold_one()

    def held_one(self) -> Attempt | None:
        """The attempt that the thread is to carry out, if any began that it can; the end of what ``hold_one`` says."""
        return self._runner.held_one()

    def give_back_slot(self) -> None:
        """A slot that ``can_start`` took is not used after all."""
        self.free += 1

    def start_scheduled(
        self, event: ActivityTaskScheduled, *, run_id: str, workflow_id: str, workflow_type: str, queue: str
    ) -> None:
        """Begin the first attempt of an activity that a committed turn has just scheduled.

        Its slot is taken already, but for a local one, which takes one more.
        """
        activity = self._registry.activity(event.activity_type)
        attempt = Attempt(
            activity=activity,
            input=list(event.input),
            options=_options_of(event, activity),
            run_id=run_id,
            workflow_id=workflow_id,
            workflow_type=workflow_type,
            task_queue=queue,
            seq=event.seq,
            number=1,
            scheduled_at=event.at,
            started_at=self._clock.now_us(),
            make_context=self._context_of,
            event=event,
        )
        self.free -= attempt.options.local
        self._begin(attempt)

    def start_claimed(self, row: TaskRow) -> Ended | None:
        """Begin an attempt of a task that was claimed from the store; or end it, if it must not begin."""
        event = event_of(row)
        activity = self._registry.activity(event.activity_type)
        attempt = Attempt(
            activity=activity,
            input=list(event.input),
            options=_options_of(event, activity) if row.options is None else options_of(row),
            run_id=row.run_id,
            workflow_id=row.workflow_id,
            workflow_type=row.workflow_type,
            task_queue=row.task_queue,
            seq=row.seq,
            number=row.attempt,
            scheduled_at=row.scheduled_at,
            started_at=row.started_at or self._clock.now_us(),
            make_context=self._context_of,
            event=event,
            details=row.heartbeat,
            last_failure=None if row.last_failure is None else decode_failure(row.last_failure),
        )
        if row.cancel_requested:
            return self.stopped(attempt)
        if row.attempt > 1 and (failure := lost(attempt.held(self.identity))) is not None:
            state = "MAXIMUM_ATTEMPTS_REACHED"
            common = attempt.held(self.identity).common
            return Ended(attempt, FailActivity(failure=failure, retry_state=state, **common))
        self.free -= 1
        self._begin(attempt)
        return None

    def _context_of(self, attempt: Attempt) -> ActivityContext:
        event = attempt.event
        info = ActivityInfo(
            activity_id=event.activity_id or str(attempt.seq),
            activity_type=event.activity_type,
            attempt=attempt.number,
            workflow_id=attempt.workflow_id,
            run_id=attempt.run_id,
            workflow_type=attempt.workflow_type,
            task_queue=attempt.task_queue,
            scheduled_at=attempt.scheduled_at,
            started_at=attempt.started_at,
        )
        details: list[Any] = [] if attempt.details is None else json.loads(attempt.details)
        return ActivityContext(info, partial(self._heartbeat, attempt), details)

    def _begin(self, attempt: Attempt) -> None:
        options = attempt.options
        self._running[(attempt.run_id, attempt.seq)] = attempt
        if (
            options.start_to_close_timeout
            or options.heartbeat_timeout
            or options.schedule_to_close_timeout is not None
        ):
            now = self._clock.now_us()
            self._limit(attempt, START_TO_CLOSE, options.start_to_close_timeout, now)
            self._limit(attempt, HEARTBEAT, options.heartbeat_timeout, now)
            self._limit(attempt, SCHEDULE_TO_CLOSE, options.schedule_to_close_timeout, attempt.scheduled_at)
        self._runner.start(attempt)

    # Limits ---------------------------------------------------------------------------------------------------------

    def _limit(self, attempt: Attempt, kind: str, timeout: timedelta | None, since: int) -> None:
        if timeout is not None and (limit_us := microseconds(timeout, kind)) is not None:
            self._at(since + limit_us, attempt, kind)

    def _at(self, due: int, attempt: Attempt, kind: str) -> None:
        self._order += 1
        heapq.heappush(self._limits, (due, self._order, attempt, kind))

    def next_limit_at(self) -> int | None:
        """When the next attempt may run out of time."""
        while self._limits and self._is_over(self._limits[0][2]):
            heapq.heappop(self._limits)
        return self._limits[0][0] if self._limits else None

    def _is_over(self, attempt: Attempt) -> bool:
        return attempt.abandoned or self._running.get((attempt.run_id, attempt.seq)) is not attempt

    def overdue(self) -> list[Ended]:
        """End the attempts whose time is up; their code is asked to stop, and whatever it returns is not waited for."""
        ended: list[Ended] = []
        if not self._limits:
            return ended
        now = self._clock.now_us()
        while (due := self.next_limit_at()) is not None and due <= now:
            _, _, attempt, kind = heapq.heappop(self._limits)
            if kind == _FLUSH:
                attempt.flushes = False
                self._heartbeat(attempt, None)
                continue
            if kind == _RETRY:
                ended += self._retry_local(attempt)
                continue
            if kind == HEARTBEAT:
                beat_us = microseconds(attempt.options.heartbeat_timeout, kind) or 0
                if (next_due := (attempt.beat_at or attempt.started_at) + beat_us) > now:
                    self._at(next_due, attempt, kind)
                    continue
            self.abandon_one(attempt.run_id, attempt.seq)
            ended += self._failed(attempt, timeout_failure(kind))
        return ended

    def beat(self, attempt: Attempt, *, anew: bool) -> bool:
        """A heartbeat came (or is to be sent at last): whether to record it now; if not, that is done later."""
        now = self._clock.now_us()
        if anew:
            attempt.beat_at = now
        if attempt.sent_at is not None and attempt.sent_at + attempt.beat_interval_us > now:
            if not attempt.flushes:
                attempt.flushes = True
                self._at(attempt.sent_at + attempt.beat_interval_us, attempt, _FLUSH)
            return False
        attempt.sent_at = now
        return not attempt.options.local

    # Ending ---------------------------------------------------------------------------------------------------------

    def ended(self, attempt: Attempt, outcome: AttemptOutcome) -> Ended | None:
        """An attempt reported its end; None if nobody waits for it any more, or it goes on here.  Frees its slot."""
        self.free += 1
        key = (attempt.run_id, attempt.seq)
        if attempt.abandoned or self._running.get(key) is not attempt:
            return None
        del self._running[key]
        match outcome:
            case Returned():
                return Ended(
                    attempt,
                    CompleteActivity(
                        seq=attempt.seq,
                        result=outcome.result,
                        attempt=attempt.number,
                        identity=self.identity,
                        started_at=attempt.started_at,
                    ),
                )
            case Cancelled():
                common = attempt.held(self.identity).common
                return Ended(attempt, ReportActivityCanceled(details=outcome.details, **common))
            case Elsewhere():
                return Ended(attempt, None, detach=self._detach(attempt))
            case Raised():
                return next(iter(self._failed(attempt, outcome.failure)), None)

    def stopped(self, attempt: Attempt) -> Ended:
        """The end of an attempt that was asked to stop: there is no other one."""
        return Ended(attempt, ReportActivityCanceled(**attempt.held(self.identity).common))

    def _failed(self, attempt: Attempt, failure: Failure) -> list[Ended]:
        """What the failure of an attempt comes to; nothing yet, if it is local and tried again."""
        now = self._clock.now_us()
        end = after_failure(attempt.held(self.identity), failure, now)
        if not isinstance(end, RetryTask):
            return [Ended(attempt, end)]
        if not attempt.options.local:
            return [Ended(attempt, None, retry=end)]
        again = attrs.evolve(
            attempt,
            number=attempt.number + 1,
            started_at=now,
            last_failure=failure,
            details=None,
            beat_at=None,
            sent_at=None,
            flushes=False,
            waits=True,
        )
        self._running[(attempt.run_id, attempt.seq)] = again
        self._at(end.visible_at, again, _RETRY)
        return []

    def _retry_local(self, attempt: Attempt) -> list[Ended]:
        if not attempt.waits:
            return []
        attempt.waits = False
        if attempt.cancel_requested:
            del self._running[(attempt.run_id, attempt.seq)]
            return [self.stopped(attempt)]
        self.free -= 1
        attempt.started_at = self._clock.now_us()
        self._begin(attempt)
        return []

    def _detach(self, attempt: Attempt) -> DetachTask:
        options = attempt.options
        times = (
            (attempt.started_at, options.start_to_close_timeout),
            (attempt.beat_at or attempt.started_at, options.heartbeat_timeout),
            (attempt.scheduled_at, options.schedule_to_close_timeout),
        )
        limits = [
            since + (microseconds(limit, "timeout") or 0) for since, limit in times if limit is not None
        ]
        return DetachTask(
            token=0,
            run_id=attempt.run_id,
            seq=attempt.seq,
            attempt=attempt.number,
            check=attempt.seq | CHECK,
            check_at=min(limits, default=None),
        )

    # From outside ---------------------------------------------------------------------------------------------------

    def cancel(self, run_id: str, seq: int) -> None:
        """The workflow asked an activity to stop."""
        attempt = self._running.get((run_id, seq))
        if attempt is not None:
            attempt.cancel_requested = True
            attempt.context.request_cancellation()
            if attempt.waits:
                self._at(0, attempt, _RETRY)

    def abandon(self, run_id: str | None = None) -> None:
        """Nobody waits for the attempts of a run (or of all runs) any more."""
        for key in [key for key in self._running if run_id is None or key[0] == run_id]:
            attempt = self._running.pop(key)
            attempt.abandoned = True
            if run_id is None and attempt.flushes:
                self._given_up.append(attempt)
            attempt.context.request_cancellation()

    def abandon_one(self, run_id: str, seq: int) -> None:
        """Nobody waits for an attempt any more; its code is asked to stop."""
        attempt = self._running.pop((run_id, seq), None)
        if attempt is not None:
            attempt.abandoned = True
            attempt.context.request_cancellation()

    def announce_shutdown(self) -> None:
        """Tell every attempt that its worker is going down."""
        for attempt in self._running.values():
            attempt.context.announce_shutdown()

    def unsent(self, token: int) -> list[Heartbeat]:
        """The details that were held back so far, as writes."""
        return [
            heartbeat_write(token, attempt)
            for attempt in (*self._given_up, *self._running.values())
            if attempt.flushes and not attempt.options.local
        ]

    def runs(self, run_id: str, seq: int) -> bool:
        """Whether an activity runs here."""
        return (run_id, seq) in self._running

    @property
    def idle(self) -> bool:
        """Whether no attempt is running whose outcome counts."""
        return not self._running

    def shutdown(self) -> None:
        """Stop the pools."""
        self.abandon()
        self._runner.shutdown()


def _options_of(event: ActivityTaskScheduled, activity: Activity[..., Any]) -> ActivityOptions:
    """The options of a scheduled activity; nearly always those it is declared with."""
    if (event.options or {}) == activity.type.options:
        return activity.default_options
    return ActivityOptions.from_plain(event.options or {})
