"""Signals from clients: with a start, repeated, early, and after the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from refold import PayloadError, Signal, Workflow, sleep, wait_until, workflow
from refold.events import WorkflowExecutionSignaled
from refold_adapters import (
    AsyncClient,
    Client,
    Engine,
    ExecutionError,
    ManualClock,
    Store,
    WorkflowClosedError,
)
from tests.runtime.conftest import MakeEngine

SOON = timedelta(seconds=20)
word = Signal("word", str)
stop = Signal("stop")


@workflow
def listen(count: int) -> Workflow[list[str]]:
    heard: list[str] = []
    for _ in range(count):
        heard.append((yield from word.receive()))
    return heard


@workflow
def listen_late(count: int) -> Workflow[list[str]]:
    heard: list[str] = []
    yield from sleep(timedelta(hours=1))
    yield from word.handle(heard.append)
    yield from wait_until(lambda: len(heard) >= count)
    return heard


def signals_of(handle: Any) -> list[Any]:
    return [event.input for event in handle.history() if isinstance(event, WorkflowExecutionSignaled)]


def test_signal_with_start_starts_and_then_only_signals(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[listen])
    first = engine.signal_with_start(listen, 2, id="l", signal=word, payload="a")
    second = engine.signal_with_start(listen, 2, id="l", signal=word, payload="b")

    assert (first.run_id, ["a", "b"]) == (second.run_id, second.result(timeout=SOON))


def test_the_start_and_its_signal_are_one_turn(make_engine: MakeEngine) -> None:
    handle = make_engine(workflows=[listen]).signal_with_start(listen, 2, id="l", signal=word, payload="a")

    assert [1, 1] == [event.turn for event in handle.history()]


def test_a_client_without_a_worker_puts_start_and_signal_into_one_commit(
    store: Store, make_engine: MakeEngine
) -> None:
    client = Client(store, workflows=[listen])
    handle = client.signal_with_start(listen, 1, id="l", signal=word, payload="a")
    assert [1, 2] == [message.message_id for message in store.list_inbox(handle.run_id or "")]
    make_engine(workflows=[listen])

    assert ["a"] == handle.result(timeout=SOON)
    client.closings.stop()


def test_a_repeated_signal_with_start_changes_nothing(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[listen])

    def call() -> str | None:
        return engine.signal_with_start(listen, 1, id="l", signal=word, payload="a", request_id="r").run_id

    first = call()
    engine.handle("l").result(timeout=SOON)
    again = call()

    assert (first, 1, [["a"]]) == (again, len(list(engine.list())), signals_of(engine.handle("l")))


def test_a_closed_run_makes_signal_with_start_begin_another(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[listen])
    first = engine.signal_with_start(listen, 1, id="l", signal=word, payload="a")
    first.result(timeout=SOON)
    second = engine.signal_with_start(listen, 1, id="l", signal=word, payload="b")

    assert (["b"], False) == (second.result(timeout=SOON), first.run_id == second.run_id)


def test_a_payload_that_does_not_fit_starts_nothing(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[listen])
    with pytest.raises(PayloadError):
        engine.signal_with_start(listen, 1, id="l", signal=word, payload=7)

    assert [] == list(engine.list())


@pytest.mark.parametrize("here", [True, False])
def test_a_repeated_request_id_of_a_signal_or_cancel_changes_nothing(
    make_engine: MakeEngine, store: Store, here: bool
) -> None:
    engine = make_engine(workflows=[listen])
    engine.start(listen, 2, id="l")
    client = engine if here else Client(store, workflows=[listen])
    handle = client.handle("l")
    for _ in range(3):
        handle.signal(word, "a", request_id="r1")
    handle.signal(word, "b", request_id="r2")
    assert ["a", "b"] == handle.result(timeout=SOON)

    handle.signal(
        word, "b", request_id="r2"
    )  # it was accepted: that the run has closed since changes nothing
    with pytest.raises(WorkflowClosedError, match="RF5103"):
        handle.signal(word, "c", request_id="r3")
    with pytest.raises(WorkflowClosedError):
        handle.cancel(request_id="r4")
    client.closings.stop()


def test_a_repeated_request_id_of_a_termination_changes_nothing(make_engine: MakeEngine) -> None:
    handle = make_engine(workflows=[listen]).start(listen, 1, id="l")
    handle.terminate("enough", request_id="r")
    before = handle.history()
    handle.terminate("enough", request_id="r")

    assert before == handle.history()
    with pytest.raises(WorkflowClosedError):
        handle.terminate("enough", request_id="another")


def test_hazard_23_signals_before_their_handler_are_kept_in_order(
    make_engine: MakeEngine, clock: ManualClock
) -> None:
    """A flood before the registration, across an eviction."""
    engine = make_engine(workflows=[listen_late], max_cached_workflows=0)
    handle = engine.start(listen_late, 200, id="l")
    words = [f"word {number}" for number in range(200)]
    for each in words:
        handle.signal(word, each)
    clock.advance(3600 * 1_000_000)

    assert words == handle.result(timeout=SOON)


def test_the_asyncio_client_signals_with_a_start(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[listen])

    async def converse() -> list[str]:
        client = AsyncClient(engine)
        handle = await client.signal_with_start(listen, 2, id="l", signal=word, payload="a")
        await handle.signal(word, "b", request_id="r")
        return await handle.result(timeout=SOON)

    assert ["a", "b"] == asyncio.run(converse())


@pytest.mark.parametrize(
    "send",
    [
        lambda engine: engine.signal_with_start(listen, 1, id="w", signal=(word, 1)),
        lambda engine: engine.start(listen, 1, id="w", start_signal=word),
        lambda engine: engine.start(listen, 1, id="w", start_signal=(1, 2)),
        lambda engine: engine.start(listen, 1, id="h").signal((word, 1)),
        lambda engine: engine.start(listen, 1, id="h").execute_update(word, 1),
    ],
)
def test_what_is_no_signal_or_update_is_told_before_anything_is_stored(
    make_engine: MakeEngine, send: Callable[[Engine], object]
) -> None:
    engine = make_engine(workflows=[listen])
    with pytest.raises(ExecutionError, match="RF5136"):
        send(engine)
    assert 0 == engine.count("WorkflowId = 'w'")
