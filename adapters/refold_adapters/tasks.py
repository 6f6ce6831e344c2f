"""The activity side of a worker: slots, attempts, their ends, retries and time limits.

Used by whoever has the worker's baton; attempts report to it through the worker.  One rule: every attempt that ends becomes
either a message for its run, or a write that gives the task back for another attempt, and never both.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import attrs

from refold import Activity, ActivityOptions, Failure, next_attempt
from refold.codec import decode_events, encode_failure, encode_message
from refold.events import ActivityTaskScheduled
from refold.messages import CompleteActivity, FailActivity, Message, ReportActivityCanceled, TimeOutActivity
from refold.policies import microseconds
from refold_adapters.activity_context import ActivityContext, ActivityInfo
from refold_adapters.attempts import (
    ActivityRunner,
    Attempt,
    AttemptOutcome,
    Cancelled,
    Raised,
    Returned,
    ThreadJob,
)
from refold_adapters.ports import Clock, FinishTask, Heartbeat, RetryTask, TaskRow
from refold_adapters.registry import Registry

_START_TO_CLOSE = "START_TO_CLOSE"
_HEARTBEAT = "HEARTBEAT"


@attrs.frozen
class Ended:
    """What the end of an attempt comes to: a message for its run, or another attempt."""

    attempt: Attempt
    message: Message | None
    retry: RetryTask | None


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
        heartbeat: Callable[[Attempt, list[Any]], None],
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._identity = identity
        self._heartbeat = heartbeat
        self._runner = ActivityRunner(
            report, report_in_thread, max_threads=max_concurrent, max_processes=max_processes
        )
        self._running: dict[tuple[str, int], Attempt] = {}
        self.free = max_concurrent
        #: ``(due, order, attempt, timeout type)``, earliest first; entries of ended attempts are passed over.
        self._limits: list[tuple[int, int, Attempt, str]] = []
        self._order = 0
        self._beats: dict[tuple[str, int], int] = {}

    # Beginning ------------------------------------------------------------------------------------------------------

    def can_start(self, event: ActivityTaskScheduled) -> bool:
        """Whether this worker has the code and a slot for an activity; takes the slot if so."""
        if self.free <= 0 or event.activity_type not in self._registry.activities:
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
        """Begin the first attempt of an activity that a committed turn has just scheduled; its slot is taken already."""
        info = ActivityInfo(
            activity_id=event.activity_id or str(event.seq),
            activity_type=event.activity_type,
            attempt=1,
            workflow_id=workflow_id,
            run_id=run_id,
            workflow_type=workflow_type,
            task_queue=queue,
            scheduled_at=event.at,
            started_at=self._clock.now_us(),
        )
        self._begin(event, info)

    def start_claimed(self, row: TaskRow) -> None:
        """Begin an attempt of a task that was claimed from the store."""
        self.free -= 1
        (event,) = decode_events(row.data)
        assert isinstance(event, ActivityTaskScheduled)
        info = ActivityInfo(
            activity_id=event.activity_id or str(row.seq),
            activity_type=row.activity_type,
            attempt=row.attempt,
            workflow_id=row.workflow_id,
            run_id=row.run_id,
            workflow_type=row.workflow_type,
            task_queue=row.task_queue,
            scheduled_at=row.scheduled_at,
            started_at=row.started_at or self._clock.now_us(),
        )
        details: list[Any] = [] if row.heartbeat is None else json.loads(row.heartbeat)
        self._begin(event, info, details, cancel_requested=row.cancel_requested)

    def _begin(
        self,
        event: ActivityTaskScheduled,
        info: ActivityInfo,
        details: Sequence[Any] = (),
        *,
        cancel_requested: bool = False,
    ) -> None:
        activity = self._registry.activity(event.activity_type)
        options = _options_of(event, activity)
        attempt = Attempt(
            activity=activity,
            input=list(event.input),
            options=options,
            run_id=info.run_id,
            seq=event.seq,
            number=info.attempt,
            scheduled_at=info.scheduled_at,
            started_at=info.started_at,
            context=ActivityContext(info, lambda beat: self._heartbeat(attempt, beat), details),
            cancel_requested=cancel_requested,
        )
        self._running[(info.run_id, event.seq)] = attempt
        self._limit(attempt, _START_TO_CLOSE, options.start_to_close_timeout)
        self._limit(attempt, _HEARTBEAT, options.heartbeat_timeout)
        if cancel_requested:
            attempt.context.request_cancellation()
        self._runner.start(attempt)

    # Limits ---------------------------------------------------------------------------------------------------------

    def _limit(self, attempt: Attempt, kind: str, timeout: timedelta | None) -> None:
        if timeout is not None and (limit_us := microseconds(timeout, kind)) is not None:
            self._order += 1
            heapq.heappush(self._limits, (self._clock.now_us() + limit_us, self._order, attempt, kind))

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
        now = self._clock.now_us()
        while (due := self.next_limit_at()) is not None and due <= now:
            _, _, attempt, kind = heapq.heappop(self._limits)
            if kind == _HEARTBEAT:
                last = self._beats.get((attempt.run_id, attempt.seq), attempt.started_at)
                beat_us = microseconds(attempt.options.heartbeat_timeout, kind) or 0
                if last + beat_us > now:
                    self._order += 1
                    heapq.heappush(self._limits, (last + beat_us, self._order, attempt, kind))
                    continue
            attempt.abandoned = True
            del self._running[(attempt.run_id, attempt.seq)]
            attempt.context.request_cancellation()
            failure = Failure("timeout", f"the attempt timed out ({kind})", timeout_type=kind)
            ended.append(self._failed(attempt, failure))
        return ended

    def beat(self, attempt: Attempt) -> None:
        """A heartbeat was recorded."""
        self._beats[(attempt.run_id, attempt.seq)] = self._clock.now_us()

    # Ending ---------------------------------------------------------------------------------------------------------

    def ended(self, attempt: Attempt, outcome: AttemptOutcome) -> Ended | None:
        """An attempt reported its end; None if nobody waits for it any more.  Frees its slot."""
        self.free += 1
        key = (attempt.run_id, attempt.seq)
        self._beats.pop(key, None)
        if attempt.abandoned or self._running.get(key) is not attempt:
            return None
        del self._running[key]
        match outcome:
            case Returned():
                return Ended(attempt, CompleteActivity(result=outcome.result, **self._common(attempt)), None)
            case Cancelled():
                return Ended(
                    attempt, ReportActivityCanceled(details=outcome.details, **self._common(attempt)), None
                )
            case Raised():
                return self._failed(attempt, outcome.failure)

    def _common(self, attempt: Attempt) -> dict[str, Any]:
        return {
            "seq": attempt.seq,
            "attempt": attempt.number,
            "identity": self._identity,
            "started_at": attempt.started_at,
        }

    def _failed(self, attempt: Attempt, failure: Failure) -> Ended:
        now = self._clock.now_us()
        common = self._common(attempt)
        if attempt.cancel_requested:
            return Ended(attempt, ReportActivityCanceled(**common), None)
        decision = next_attempt(
            attempt.options, failure, attempt=attempt.number, elapsed_us=now - attempt.scheduled_at
        )
        if decision.delay_us is not None:
            retry = RetryTask(
                token=0,
                run_id=attempt.run_id,
                seq=attempt.seq,
                attempt=attempt.number,
                next_attempt=attempt.number + 1,
                visible_at=now + decision.delay_us,
                failure=encode_failure(failure),
            )
            return Ended(attempt, None, retry)
        state = None if decision.retry_state is None else decision.retry_state.value
        if failure.kind == "timeout" and failure.timeout_type is not None:
            return Ended(
                attempt, TimeOutActivity(timeout_type=failure.timeout_type, retry_state=state, **common), None
            )
        return Ended(attempt, FailActivity(failure=failure, retry_state=state, **common), None)

    # From outside ---------------------------------------------------------------------------------------------------

    def cancel(self, run_id: str, seq: int) -> None:
        """The workflow asked an activity to stop."""
        attempt = self._running.get((run_id, seq))
        if attempt is not None:
            attempt.cancel_requested = True
            attempt.context.request_cancellation()

    def abandon(self, run_id: str | None = None) -> None:
        """Nobody waits for the attempts of a run (or of all runs) any more."""
        for key in [key for key in self._running if run_id is None or key[0] == run_id]:
            attempt = self._running.pop(key)
            attempt.abandoned = True
            attempt.context.request_cancellation()

    def running_of(self, run_id: str) -> Sequence[Attempt]:
        """The attempts of a run that run here."""
        return [attempt for key, attempt in self._running.items() if key[0] == run_id]

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


def finish_write(token: int, ended: Ended) -> FinishTask:
    """The write that puts the outcome of an attempt into the inbox of a run that is not at hand."""
    assert ended.message is not None
    attempt = ended.attempt
    return FinishTask(
        token=token,
        run_id=attempt.run_id,
        seq=attempt.seq,
        attempt=attempt.number,
        message=encode_message(ended.message),
    )


def heartbeat_write(token: int, attempt: Attempt, details: list[Any]) -> Heartbeat:
    """The write that records a heartbeat."""
    return Heartbeat(
        token=token,
        run_id=attempt.run_id,
        seq=attempt.seq,
        attempt=attempt.number,
        details=json.dumps(details, ensure_ascii=False, separators=(",", ":")).encode(),
    )
