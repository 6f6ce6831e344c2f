"""A timer that comes due while the worker is busy is not forgotten."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

import pytest

from refold import Workflow, sleep, workflow
from refold_adapters import Client, Worker, open_store


class TickingClock:
    """A clock that moves by a millisecond each time it is read, so that time passes between any two looks at it."""

    def __init__(self) -> None:
        self._now_us = 1_700_000_000_000_000

    def now_us(self) -> int:
        self._now_us += 1_000
        return self._now_us

    def seconds_until(self, at_us: int) -> float | None:
        return max(0, at_us - self.now_us()) / 1_000_000


@workflow
def nap(milliseconds: int) -> Workflow[int]:
    yield from sleep(timedelta(milliseconds=milliseconds))
    return milliseconds


@pytest.mark.parametrize("milliseconds", range(1, 25))
def test_a_timer_that_comes_due_between_the_claim_and_the_sleep_fires(milliseconds: int) -> None:
    with closing(open_store("memory:", clock=TickingClock())) as store:
        worker = Worker(store, workflows=[nap])
        worker.start()
        try:
            handle = Client(store, workflows=[nap]).start(nap, milliseconds, id="nap")
            assert milliseconds == handle.result(timeout=timedelta(seconds=30))
        finally:
            worker.shutdown()
