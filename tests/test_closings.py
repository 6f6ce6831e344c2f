"""Waiting for the end of a run, whoever works on it and whoever ends it; also where the store fails, or is closed meanwhile."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, cast

import pytest

from refold import Signal, Workflow, workflow
from refold.codec import encode_event
from refold.events import WorkflowExecutionCompleted
from refold_adapters import (
    Client,
    Engine,
    RunRow,
    RunStatus,
    Store,
    StoreError,
    WorkerStoppedError,
    WorkflowNotFoundError,
    open_store,
)
from refold_adapters.turns.results import Ending, result_of
from refold_adapters.waiting import closings as module
from refold_adapters.waiting.closings import Closings

go = Signal("go")


@workflow
def waiting() -> Workflow[str]:
    yield from go.receive()
    return "gone"


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    store = open_store(place)
    yield store
    store.close()


@pytest.fixture
def no_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is looked at without a reason: what is lost is lost."""
    monkeypatch.setattr(module, "FALLBACK_SECONDS", 1e9)


def terminate_elsewhere(store: Store, workflow_id: str) -> None:
    """End a run as another process does: nobody here is told."""
    Client(store).handle(workflow_id).terminate("by somebody else")


def watchers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "refold-closings"]


@pytest.fixture
def others() -> list[threading.Thread]:
    """Threads that earlier tests have left behind."""
    return watchers()


def new(others: list[threading.Thread]) -> list[threading.Thread]:
    return [thread for thread in watchers() if thread not in others]


class Failing:
    """A store that fails the first time a waited-for run is looked at again."""

    def __init__(self, store: Store, code: str = "RF5006") -> None:
        self._store = store
        self._code = code
        self.failures = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def find_run(self, workflow_id: str, run_id: str | None = None) -> RunRow | None:
        if threading.current_thread().name == "refold-closings" and not self.failures:
            self.failures += 1
            raise StoreError(self._code, "the store has trouble", why="a test wants it so", fix="wait")
        return self._store.find_run(workflow_id, run_id)


def test_when_looking_is_stopped_the_store_may_be_closed(others: list[threading.Thread]) -> None:
    store = open_store("memory:")
    client = Client(store)
    handle = client.start("anything", id="a-1")
    with pytest.raises(TimeoutError):
        handle.result(timeout=timedelta(0))
    (watcher,) = new(others)

    client.closings.stop()

    assert set() == client.closings._looking
    store.close()
    watcher.join(30)
    assert not watcher.is_alive()


def test_a_store_that_is_closed_under_those_who_wait_tells_them_and_leaves_no_thread_behind(
    others: list[threading.Thread],
) -> None:
    store = open_store("memory:")
    handle = Client(store).start("anything", id="a-1")
    future, _ = handle.watch()
    (watcher,) = new(others)

    store.close()
    watcher.join(30)

    assert not watcher.is_alive()
    with pytest.raises(StoreError, match="RF5010"):
        future.result(timeout=0)


def test_a_store_that_fails_for_a_moment_is_looked_at_again(caplog: pytest.LogCaptureFixture) -> None:
    failing = Failing(open_store("memory:"))
    client = Client(cast(Store, failing))
    handle = client.start("anything", id="a-1")
    with caplog.at_level(logging.ERROR, "refold.client"):
        future, _ = handle.watch()
        handle._client.closings.runs_here = lambda run_id: False
        Client(failing._store, closings=Closings(failing._store)).handle("a-1").terminate()

        assert "TERMINATED" == future.result(timeout=30).status.value
    assert 1 == failing.failures
    assert "the store failed while a run is waited for: RF5006" in caplog.text
    client.closings.stop()
    failing.close()


def test_a_run_that_is_live_here_and_ended_from_elsewhere_is_heard_of(store: Store) -> None:
    with Engine(store, workflows=[waiting]) as engine:
        future, _ = engine.start(waiting, id="a-1").watch()
        terminate_elsewhere(store, "a-1")

        assert "TERMINATED" == future.result(timeout=30).status.value


def test_a_call_that_runs_a_workflow_here_hears_of_its_end_from_elsewhere(store: Store) -> None:
    with Engine(store, workflows=[waiting]) as engine, ThreadPoolExecutor(1) as pool:
        called = pool.submit(engine.run, waiting, id="a-1")
        while not engine.count(workflow_id="a-1"):
            pass
        terminate_elsewhere(store, "a-1")

        assert "RF5109" == getattr(called.exception(timeout=30), "code", None)


def test_a_run_that_leaves_this_process_while_it_is_waited_for_is_heard_of(store: Store) -> None:
    client = Client(store)
    client.closings.runs_here = lambda _: True
    future, _ = client.start("anything", id="a-1").watch()
    client.closings.runs_here = lambda _: False
    terminate_elsewhere(store, "a-1")

    assert "TERMINATED" == future.result(timeout=30).status.value
    client.closings.stop()


class Waking(module.Wake):
    """A wake-up with something that happens just before it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.before: Callable[[], None] | None = None

    def clear(self) -> None:
        before, self.before = self.before, None
        if before is not None:
            before()
        super().clear()


@pytest.mark.usefixtures("no_fallback")
def test_whoever_begins_to_wait_while_others_are_told_is_not_passed_over(store: Store) -> None:
    client = Client(store)
    wake = client.closings._wake = Waking()
    handles = [client.start("anything", id=name) for name in ("a-1", "a-2")]
    second: list[Any] = []

    def begin_to_wait_and_end() -> None:
        second.append(handles[1].watch()[0])
        terminate_elsewhere(store, "a-2")

    first, _ = handles[0].watch()
    wake.before = begin_to_wait_and_end
    terminate_elsewhere(store, "a-1")

    assert "TERMINATED" == first.result(timeout=30).status.value
    assert "TERMINATED" == second[0].result(timeout=30).status.value
    client.closings.stop()


def test_a_run_whose_row_is_corrupt_keeps_nobody_else_waiting(store: Store) -> None:
    failing = Failing(store, "RF5007")
    client = Client(cast(Store, failing))
    first, second = (client.start("anything", id=name).watch()[0] for name in ("a-1", "a-2"))
    with pytest.raises(StoreError, match="RF5007"):
        first.result(timeout=30)
    terminate_elsewhere(store, "a-2")

    assert "TERMINATED" == second.result(timeout=30).status.value
    client.closings.stop()


def test_a_run_that_is_deleted_while_it_is_waited_for_is_told_to_be_gone(store: Store) -> None:
    client = Client(store)
    client.closings.runs_here = lambda _: True
    future, _ = client.start("anything", id="a-1").watch()
    Client(store).handle("a-1").delete()
    with pytest.raises(WorkflowNotFoundError, match="RF5102"):
        future.result(timeout=30)
    client.closings.stop()


def test_whoever_still_waits_when_an_engine_is_closed_is_told(store: Store) -> None:
    engine = Engine(store, workflows=[waiting])
    future, _ = engine.start(waiting, id="a-1").watch()
    engine.close()
    with pytest.raises(WorkerStoppedError, match="RF5108"):
        future.result(timeout=30)


def test_a_thread_that_nobody_needs_ends(store: Store, others: list[threading.Thread]) -> None:
    client = Client(store)
    with pytest.raises(TimeoutError):
        client.start("anything", id="a-1").result(timeout=timedelta(0))
    for watcher in new(others):
        watcher.join(30)

    assert [] == new(others)


def test_each_who_waits_for_a_result_has_one_of_his_own() -> None:
    event = WorkflowExecutionCompleted(3, 1, 1, result=[1])
    ending = Ending("w", "r", "t", RunStatus.COMPLETED, encode_event(event), None, event)
    first, second = result_of(ending, Any), result_of(ending, Any)
    first.append(2)
    assert ([1], [1]) == (second, result_of(ending, Any))
