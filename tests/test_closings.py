"""Waiting for the end of a run that another process works on: what happens when the store fails, or is closed meanwhile."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import Any, cast

import pytest

from refold_adapters import Client, RunRow, Store, StoreError, open_store
from refold_adapters.closings import Closings


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

    def __init__(self, store: Store) -> None:
        self._store = store
        self.failures = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def find_run(self, workflow_id: str, run_id: str | None = None) -> RunRow | None:
        if threading.current_thread().name == "refold-closings" and not self.failures:
            self.failures += 1
            raise StoreError("RF5006", "the store is busy", why="a test wants it so", fix="wait")
        return self._store.find_run(workflow_id, run_id)


def test_when_looking_is_stopped_the_store_may_be_closed(others: list[threading.Thread]) -> None:
    store = open_store("memory:")
    client = Client(store)
    handle = client.start("anything", id="a-1")
    with pytest.raises(TimeoutError):
        handle.result(timeout=timedelta(0))
    assert 1 == len(new(others))

    client.closings.stop()

    assert [] == new(others)
    store.close()


def test_a_store_that_is_closed_under_those_who_wait_leaves_no_thread_behind(
    others: list[threading.Thread],
) -> None:
    store = open_store("memory:")
    handle = Client(store).start("anything", id="a-1")
    future, _ = handle.watch()
    (watcher,) = new(others)

    store.close()
    watcher.join(30)

    assert (False, False) == (watcher.is_alive(), future.done())


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
