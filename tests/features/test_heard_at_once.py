"""A running activity of the same process hears at once that it is to stop: it need not send a heartbeat first."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest

from refold import (
    ActivityCancellationType,
    ActivityError,
    CancelledError,
    Workflow,
    activity,
    cancel,
    sleep,
    start,
    workflow,
)
from refold_adapters import Client, Engine, Store, Worker, WorkflowFailedError, activity_context
from tests.features.running import SOON, MakeEngine, until

begun = threading.Event()
stopped = threading.Event()


@pytest.fixture(autouse=True)
def _anew() -> None:
    begun.clear()
    stopped.clear()


@activity
def in_a_thread() -> None:
    """It never sends a heartbeat."""
    context = activity_context()
    begun.set()
    assert context.wait_for_cancellation(20)
    stopped.set()
    context.raise_if_cancelled()


@activity
async def on_the_loop() -> None:
    begun.set()
    try:
        await asyncio.sleep(20)
    finally:
        stopped.set()


@activity(task_queue="elsewhere")
def on_another_queue() -> None:
    in_a_thread.fn()


@workflow
def one(name: str) -> Workflow[None]:
    yield from {"in_a_thread": in_a_thread, "on_the_loop": on_the_loop}[name]()


@workflow
def asks_another() -> Workflow[str]:
    waits = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
    handle = yield from start(on_another_queue.options(cancellation_type=waits)())
    yield from sleep(timedelta(seconds=1))
    yield from cancel(handle)
    try:
        yield from handle
    except (ActivityError, CancelledError):
        return "it has stopped"
    return "it has not"


def cause_of(handle: Any) -> BaseException | None:
    """Why the activity did not complete."""
    with pytest.raises((WorkflowFailedError, ActivityError)) as caught:
        handle.result(timeout=SOON)
    error: BaseException | None = caught.value
    while error is not None and not isinstance(error, CancelledError):
        error = error.__cause__
    return error


@pytest.fixture
def engine(make_engine: MakeEngine) -> Engine:
    return make_engine(workflows=[one, asks_another], activities=[in_a_thread, on_the_loop])


@pytest.mark.parametrize("name", ["in_a_thread", "on_the_loop"])
def test_an_activity_that_is_cancelled_by_a_client_of_its_store_stops(
    engine: Engine, store: Store, name: str
) -> None:
    """The client knows no worker."""
    handle = engine.start(one, name, id="r")
    assert begun.wait(20)
    (task,) = handle.describe().pending_activities
    Client(store).activity("r", str(task.seq)).cancel()

    assert stopped.wait(20)
    assert isinstance(cause_of(handle), CancelledError)


def test_a_stand_alone_activity_that_is_cancelled_stops(engine: Engine, store: Store) -> None:
    handle = engine.start_activity(in_a_thread, id="a")
    assert begun.wait(20)
    Client(store).get_activity_handle("a").cancel("enough")

    assert stopped.wait(20)
    assert isinstance(cause_of(handle), CancelledError)


def test_a_stand_alone_activity_that_is_terminated_stops(engine: Engine, store: Store) -> None:
    engine.start_activity(in_a_thread, id="a")
    assert begun.wait(20)
    Client(store).get_activity_handle("a").terminate("enough")

    assert stopped.wait(20)


def test_an_activity_that_another_worker_of_the_process_runs_stops_when_its_workflow_wants_it(
    engine: Engine, store: Store, clock: Any
) -> None:
    other = Worker(store, activities=[on_another_queue], task_queue="elsewhere")
    other.start()
    handle = engine.start(asks_another, id="r")
    assert begun.wait(20)
    clock.advance(1_000_000)

    assert stopped.wait(20)
    assert "it has stopped" == handle.result(timeout=SOON)
    other.shutdown()


def test_a_worker_that_has_stopped_hears_no_more(engine: Engine, store: Store) -> None:
    from refold_adapters.activities.hearing import _listeners

    until(lambda: id(store) in _listeners)
    engine.worker.shutdown()

    assert id(store) not in _listeners
