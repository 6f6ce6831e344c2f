"""Hazard 46: a cancel request that arrives when the activity has returned, and hits a thread, or the attempt that came after."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

import pytest

from refold import ActivityOptions, Workflow, workflow
from refold import activity as declare
from refold.events import ActivityTaskScheduled
from refold_adapters import Engine
from refold_adapters.activities.activity_context import ActivityContext, ActivityInfo, activity_context
from refold_adapters.activities.activity_runner import ActivityRunner
from refold_adapters.activities.attempts import Attempt, AttemptOutcome, Cancelled, Returned

LATE = 10_000


class Runner:
    """A runner of attempts whose outcomes are waited for."""

    def __init__(self, threads: int) -> None:
        self.outcomes: SimpleQueue[tuple[int, AttemptOutcome]] = SimpleQueue()
        self.runner = ActivityRunner(
            self._report, self._report_in_thread, max_threads=threads, max_processes=1
        )

    def _report(self, attempt: Attempt, outcome: AttemptOutcome) -> None:
        self.outcomes.put((attempt.seq, outcome))

    def _report_in_thread(self, attempt: Attempt, outcome: AttemptOutcome) -> None:
        self._report(attempt, outcome)

    def begin(self, activity: Any, seq: int) -> Attempt:
        info = ActivityInfo(
            activity_id=str(seq),
            activity_type=activity.name,
            attempt=1,
            workflow_id="w",
            run_id="r",
            workflow_type="t",
            task_queue="q",
            scheduled_at=0,
            started_at=0,
        )
        attempt = Attempt(
            activity=activity,
            input=[seq],
            options=ActivityOptions(),
            run_id="r",
            workflow_id="w",
            workflow_type="t",
            task_queue="q",
            seq=seq,
            number=1,
            scheduled_at=0,
            started_at=0,
            make_context=lambda _: ActivityContext(info, lambda details: None),
            event=ActivityTaskScheduled(1, 1, 0, seq, 0, activity.name),
        )
        self.runner.start(attempt)
        return attempt


@pytest.fixture
def one_thread() -> Iterator[Runner]:
    made = Runner(1)
    yield made
    made.runner.shutdown()


def test_hazard_46_ten_thousand_late_cancels_hit_neither_the_thread_nor_the_next_attempt(
    one_thread: Runner,
) -> None:
    """Each is asked to stop once it has returned, when its thread may have begun with the next one: which is not asked."""

    @declare
    def quick(seq: int) -> list[Any]:
        return [seq, activity_context().cancelled, threading.get_ident()]

    threads: dict[int, None] = {}
    last = one_thread.begin(quick, 0)
    for seq in range(1, LATE + 1):
        following = one_thread.begin(quick, seq)
        answered, outcome = one_thread.outcomes.get(timeout=20)
        last.context.request_cancellation()
        last.context.request_cancellation()
        assert answered == seq - 1
        assert isinstance(outcome, Returned)
        assert [answered, False] == outcome.result[:2]
        threads[outcome.result[2]] = None
        last = following
    assert 1 == len(threads), "the thread was never lost"


def test_hazard_46_a_coroutine_that_is_asked_to_stop_as_it_returns_ends_once_and_alone(
    one_thread: Runner,
) -> None:
    """The request is made before it begins, while it waits or after it has returned, as it happens; each ends once, in either way."""

    @declare
    async def quick(seq: int) -> int:
        await asyncio.sleep(0)
        return seq

    ended: dict[int, AttemptOutcome] = {}
    for seq in range(LATE // 4):
        one_thread.begin(quick, 2 * seq).context.request_cancellation()
        one_thread.begin(quick, 2 * seq + 1)
        for _ in range(2):
            answered, outcome = one_thread.outcomes.get(timeout=20)
            assert answered not in ended
            ended[answered] = outcome
        assert isinstance(ended[2 * seq], Returned | Cancelled)
        assert Returned(2 * seq + 1) == ended[2 * seq + 1], "nobody asked this one to stop"
    assert one_thread.outcomes.empty()


def test_an_attempt_that_has_ended_is_not_left_to_the_garbage_collector() -> None:
    """A cycle in each attempt would have the collector go through all that is young, again and again, as long as steps are made."""

    @declare
    def same(value: int) -> int:
        return value

    @workflow
    def steps() -> Workflow[int]:
        total = 0
        for value in range(20):
            total += yield from same(value)
        return total

    with Engine("memory:", workflows=[steps], activities=[same]) as engine:
        gc.collect()
        gc.disable()
        try:
            assert 190 == engine.run(steps, id="steps")
            left = [each for each in gc.get_objects() if isinstance(each, Attempt)]
        finally:
            gc.enable()
    assert len(left) <= 1, "at most the last, in the hands of its thread"
