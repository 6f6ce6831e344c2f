"""What an interrupt from the keyboard leaves behind, a thread half begun or a lock just taken, and that all goes on from there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from refold import Workflow, workflow
from refold_adapters import Client, Store, Worker
from refold_adapters.hosting.threads import Threads
from refold_adapters.worker.baton import Baton

#: Calls something while the start of a thread is interrupted.
Interrupt = Callable[[Callable[[], Any]], None]


@pytest.fixture(params=["before it begins", "when it has begun"])
def interrupt(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Interrupt:
    class Interrupted(threading.Thread):
        def start(self) -> None:
            if request.param == "when it has begun":
                super().start()
            raise KeyboardInterrupt

    def interrupted(call: Callable[[], Any]) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(threading, "Thread", Interrupted)
            with pytest.raises(KeyboardInterrupt):
                call()

    return interrupted


@workflow
def at_once() -> Workflow[str]:
    yield from ()
    return "done"


def looking() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "refold-closings"}


def test_whoever_waits_next_hears_of_the_end_and_the_waits_can_be_stopped(
    store: Store, interrupt: Interrupt
) -> None:
    others = looking()
    client = Client(store)
    handle = client.start("anything", id="a-1")
    interrupt(handle.watch)

    future, _ = handle.watch()
    Client(store).handle("a-1").terminate()
    assert "TERMINATED" == future.result(30).status.value
    client.closings.stop()
    for thread in looking() - others:  # one that was begun late finds that there is nothing to do
        thread.join(30)
    assert set() == looking() - others


def test_waits_can_be_stopped_right_after(store: Store, interrupt: Interrupt) -> None:
    client = Client(store)
    interrupt(client.start("anything", id="a-1").watch)

    client.closings.stop()


def test_a_worker_whose_start_was_interrupted_can_be_shut_down(store: Store, interrupt: Interrupt) -> None:
    worker = Worker(store, workflows=[at_once])
    interrupt(worker.start)

    worker.shutdown()
    for thread in threading.enumerate():
        if thread.name == "refold-worker":
            thread.join(30)
            assert not thread.is_alive()


def test_a_worker_that_is_shut_down_before_it_begins_takes_no_work(store: Store) -> None:
    handle = Client(store).start(at_once, id="a-1")
    worker = Worker(store, workflows=[at_once])
    worker.shutdown()
    worker.run()

    assert 0 == handle.describe().run.turn


def test_a_pool_does_the_jobs_that_are_given_next(interrupt: Interrupt) -> None:
    threads = Threads(2, "interrupted")
    interrupt(lambda: threads.give(lambda: None))
    done = threading.Event()
    threads.give(done.set)

    assert done.wait(30)
    threads.close()


def test_who_does_not_know_that_it_has_the_baton_can_take_it_and_nobody_else_can() -> None:
    baton = Baton()

    class Interrupted:
        def acquire(self) -> None:
            lock.acquire()
            raise KeyboardInterrupt

    lock, baton._lock = baton._lock, Interrupted()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        baton.take()
    baton._lock = lock
    knew = baton.is_held_here
    baton.take()
    answers: list[bool] = []
    other = threading.Thread(target=lambda: answers.append(baton.grab()))
    other.start()
    other.join(30)

    assert (False, True, [False]) == (knew, baton.is_held_here, answers)
