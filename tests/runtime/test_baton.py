"""Who drives a worker: one thread at a time, and whatever comes is done, whoever goes away."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from refold import Workflow, activity, workflow
from refold_adapters import Engine, Store, WorkerStoppedError
from refold_adapters.ports import CommitTurn, Outcome, Write
from refold_adapters.worker.baton import Baton

FAR = 600.0


def elsewhere(function: Callable[[], Any]) -> Any:
    """What a function answers on another thread."""
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(function()))
    thread.start()
    thread.join(20)
    return answers[0]


class Waiting:
    """A thread that waits with the baton, and does what comes until it is told to end."""

    def __init__(self, baton: Baton) -> None:
        self.baton = baton
        self.done: list[str] = []
        self.turns = 0
        self.waits = threading.Event()
        self.ended = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        assert self.waits.wait(20)

    def _run(self) -> None:
        self.baton.take()
        while not self.ended:
            self.waits.set()
            self.baton.wait(FAR)
            self.turns += 1
        self.baton.give(FAR)

    def do(self, what: str) -> None:
        self.done.append(f"{what} {self.baton.is_held_here}")

    def end(self) -> None:
        self.ended = True


def test_one_thread_at_a_time_has_the_baton() -> None:
    baton = Baton()

    assert baton.grab()
    assert (True, False, False) == (
        baton.is_held_here,
        elsewhere(lambda: baton.is_held_here),
        elsewhere(baton.grab),
    )
    baton.give(FAR)
    assert (False, True) == (baton.is_held_here, elsewhere(baton.grab))


def test_what_comes_is_done_by_the_thread_that_waits_with_the_baton_in_its_hand() -> None:
    baton = Baton()
    waiting = Waiting(baton)

    baton.put(lambda: waiting.do("first"))
    baton.put(waiting.end)
    waiting.thread.join(20)

    assert ["first True"] == waiting.done


def test_what_comes_while_another_thread_drives_waits_for_it() -> None:
    baton = Baton()
    waiting = Waiting(baton)
    baton.take()
    baton.put(lambda: waiting.do("first"))
    baton.put(waiting.end)

    assert [] == waiting.done
    baton.give(FAR)
    waiting.thread.join(20)

    assert ["first True"] == waiting.done


def test_what_has_come_is_done_by_whoever_drives() -> None:
    baton = Baton()
    done: list[int] = []
    baton.put(lambda: done.append(1))
    baton.put(lambda: done.append(2))

    baton.take()
    baton.do_all()

    assert [1, 2] == done


def test_whoever_gives_the_baton_away_can_have_the_waiting_thread_look_sooner() -> None:
    baton = Baton()
    waiting = Waiting(baton)
    baton.take()
    waiting.end()
    baton.give(FAR / 2)
    waiting.thread.join(20)

    assert (1, False) == (waiting.turns, waiting.thread.is_alive())


def test_whoever_waits_looks_in_time_though_another_thread_has_done_what_woke_it() -> None:
    """On a busy machine its time may be up before it sees that nothing is left: then it went on waiting for ever."""
    baton = Baton()
    waits, looked = threading.Event(), threading.Event()

    def wait() -> None:
        baton.take()
        waits.set()
        baton.wait(0.3)
        looked.set()
        baton.give(FAR)

    threading.Thread(target=wait, daemon=True).start()
    assert waits.wait(20)
    while not baton.grab():
        pass
    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)  # no other thread runs until its time is up
    try:
        baton.put(lambda: None)
        baton.do_all()
        baton.give(FAR)
        up = time.monotonic() + 0.4
        while time.monotonic() < up:
            pass
    finally:
        sys.setswitchinterval(interval)

    assert looked.wait(20)


class BrokenStore:
    """A store with a mistake in it: it takes the first turn, and no other."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def apply(self, writes: list[Write]) -> list[Outcome]:
        if any(isinstance(write, CommitTurn) and write.finished for write in writes):
            raise RuntimeError("a mistake in the store")
        return self._store.apply(writes)


@activity
def double(number: int) -> int:
    return 2 * number


@workflow
def doubling(number: int) -> Workflow[int]:
    return (yield from double(number))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_stops_whichever_thread_meets_the_mistake(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    broken: Any = BrokenStore(store)
    engine = Engine(broken, workflows=[doubling], activities=[double])
    engine.start(doubling, 1, id="d")
    thread = engine.worker._thread
    assert thread is not None
    thread.join(20)

    assert not thread.is_alive()
    assert ["the worker stopped"] == [
        record.getMessage() for record in caplog.records if record.levelname == "ERROR"
    ]


def test_a_start_is_durable_at_once_though_every_thread_for_activities_is_taken(make_engine: Any) -> None:
    begun, release = threading.Event(), threading.Event()

    @activity(name="double")
    def slow_double(number: int) -> int:
        begun.set()
        release.wait(20)
        return 2 * number

    engine: Engine = make_engine(workflows=[doubling], activities=[slow_double], max_concurrent_activities=1)
    first = engine.start(doubling, 1, id="first")
    assert begun.wait(20)
    second = engine.start(doubling, 2, id="second")

    assert ["RUNNING", "RUNNING"] == [each.describe().run.status.value for each in (first, second)]
    release.set()
    assert [2, 4] == [each.result() for each in (first, second)]


@pytest.mark.parametrize("when", ["before the worker looks a last time", "after it"])
def test_what_is_handed_to_a_worker_that_stops_meanwhile_is_answered(make_engine: Any, when: str) -> None:
    engine: Engine = make_engine(workflows=[doubling], activities=[double])
    worker: Any = engine.worker
    worker._tasks.lend_thread = lambda _: False
    put = worker._baton.put
    client = threading.get_ident()

    def put_late(item: Callable[[], None]) -> None:
        if threading.get_ident() != client:
            put(item)
            return
        worker._baton.put = put
        if when == "after it":
            worker.shutdown()
            put(item)
        else:
            finish = worker._rounds.finish
            worker._rounds.finish = lambda: (put(item), finish())
            worker.shutdown()

    worker._baton.put = put_late
    if when == "after it":
        with pytest.raises(WorkerStoppedError, match="RF5108"):
            engine.start(doubling, 1, id="d")
        assert [] == list(engine.list())
    else:
        assert "RUNNING" == engine.start(doubling, 1, id="d").describe().run.status.value
