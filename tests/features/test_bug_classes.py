"""Classes of bugs that Temporal's own SDKs had, each shown absent end to end, on every store.

A paused run takes nothing, so what came for it meanwhile is one turn when it is resumed: so two things happen at the same time, for sure.
The same classes are held in every order against the kernel alone in ``tests/kernel/test_hazards_messages.py``.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from refold import (
    CancelledError,
    Query,
    Signal,
    Update,
    Workflow,
    activity,
    cancel,
    continue_as_new,
    log,
    open_executions,
    sleep,
    start,
    workflow,
)
from refold import events as ev
from refold_adapters import Client, Store, WorkflowHandle, activity_context
from tests.features.running import SOON, MakeEngine, until

go_on = Signal("go_on", int)
stop = Signal("stop")
ask = Update("ask", int, result_type=str)
seen = Query("seen", list)


class Stage:
    """What activities did, and a door that holds them."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.entered = threading.Semaphore(0)
        self.door = threading.Event()

    def enter(self, what: str) -> None:
        self.done.append(what)
        self.entered.release()


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.door.set()


def kinds(handle: WorkflowHandle[Any]) -> list[str]:
    return [type(event).__name__ for event in handle.history()]


def turn_of(handle: WorkflowHandle[Any], kind: type[ev.HistoryEvent]) -> list[int]:
    return [event.turn for event in handle.history() if isinstance(event, kind)]


def paused(store: Store, handle: WorkflowHandle[Any]) -> None:
    """Pause a run, and wait until it is."""
    handle.pause()
    until(lambda: Client(store).count("Paused = true") == 1)


# sdk-python#620: a cancel request is swallowed by an activity that completes ------------------------------------------


def test_a_cancel_request_is_not_swallowed_by_an_activity_that_completes_in_the_same_turn(
    make_engine: MakeEngine, store: Store, stage: Stage
) -> None:
    @activity
    def charge() -> int:
        stage.enter("charge")
        assert stage.door.wait(20)
        return 5

    @workflow
    def charges() -> Workflow[str]:
        try:
            yield from charge()
            yield from sleep(timedelta(hours=1))
        except CancelledError:
            return "cancelled"
        return "not cancelled"

    handle = make_engine(workflows=[charges], activities=[charge]).start(charges, id="r")
    assert stage.entered.acquire(timeout=20)
    paused(store, handle)
    handle.cancel()
    stage.door.set()
    until(lambda: len(store.list_inbox(handle.describe().run.run_id)) == 2)
    handle.resume()
    assert "cancelled" == handle.result(timeout=SOON)
    assert turn_of(handle, ev.WorkflowExecutionCancelRequested) == turn_of(handle, ev.ActivityTaskCompleted)


# sdk-python#1813: two cancel requests for one target in one turn ------------------------------------------------------


def test_two_cancel_requests_for_one_activity_in_one_turn_reach_it_as_one(
    make_engine: MakeEngine, store: Store, stage: Stage
) -> None:
    @activity
    def charge() -> None:
        stage.enter("begun")
        activity_context().wait_for_cancellation(20)
        stage.enter("asked to stop")

    @workflow
    def cancels_twice() -> Workflow[str]:
        step = yield from start(charge())

        def again(_: int) -> Workflow[None]:
            yield from cancel(step)
            yield from cancel(step)

        yield from go_on.handle(again)
        try:
            yield from step
        except CancelledError:
            return "cancelled"
        return "not cancelled"

    handle = make_engine(workflows=[cancels_twice], activities=[charge]).start(cancels_twice, id="r")
    assert stage.entered.acquire(timeout=20)
    paused(store, handle)
    handle.signal(go_on, 1)
    handle.signal(go_on, 2)
    handle.cancel("first")
    handle.cancel("second")
    handle.resume()
    assert "cancelled" == handle.result(timeout=SOON)
    assert 1 == kinds(handle).count("ActivityTaskCancelRequested")
    assert 2 == kinds(handle).count("WorkflowExecutionCancelRequested")
    assert stage.entered.acquire(timeout=20)
    assert ["begun", "asked to stop"] == stage.done


# A signal races with the completion of the run, and with continue-as-new ----------------------------------------------


@workflow
def takes_until_told(got: list[int]) -> Workflow[list[int]]:
    yield from go_on.handle(got.append)
    yield from stop.receive()
    return got


@workflow
def takes_one(got: list[int], wanted: int) -> Workflow[list[int]]:
    got = [*got, (yield from go_on.receive())]
    if len(got) < wanted:
        yield from continue_as_new(got, wanted)
    return got


@pytest.mark.parametrize("before", [0, 1, 2])
def test_a_signal_that_races_with_the_completion_of_its_run_in_one_turn_is_in_the_result(
    make_engine: MakeEngine, store: Store, before: int
) -> None:
    handle = make_engine(workflows=[takes_until_told]).start(takes_until_told, [], id="r")
    paused(store, handle)
    for number in range(before):
        handle.signal(go_on, number)
    handle.signal(stop)
    for number in range(before, 2):
        handle.signal(go_on, number)
    handle.resume()
    assert [0, 1] == handle.result(timeout=SOON)
    assert 1 == len(dict.fromkeys(turn_of(handle, ev.WorkflowExecutionSignaled)))


def test_signals_that_race_with_continue_as_new_in_one_turn_reach_the_runs_of_the_chain_in_order(
    make_engine: MakeEngine, store: Store
) -> None:
    handle = make_engine(workflows=[takes_one]).start(takes_one, [], 5, id="r")
    paused(store, handle)
    for number in range(5):
        handle.signal(go_on, number)
    handle.resume()
    assert [0, 1, 2, 3, 4] == handle.result(timeout=SOON)
    assert 5 == Client(store).count("WorkflowId = 'r'")


# sdk-python#673: an update is replayed before the completion it followed ----------------------------------------------


@activity
def double(number: int) -> int:
    return 2 * number


@workflow
def answers() -> Workflow[str]:
    doubled = 0
    yield from ask.handle(lambda number: f"{number} after {doubled}")
    while doubled < 16:
        doubled = yield from double(max(1, doubled))
        yield from go_on.receive()
    return f"doubled {doubled}"


def test_an_update_is_replayed_after_the_completion_that_it_followed(make_engine: MakeEngine) -> None:
    """No run is kept in memory beside another one, so two runs that are addressed in turns are replayed before each turn."""
    engine = make_engine(workflows=[answers], activities=[double], max_cached_workflows=1)
    handles = [engine.start(answers, id=name) for name in ("a", "b")]
    for expected in (2, 4, 8, 16):
        for handle in handles:
            until(
                lambda handle=handle, turns=expected: (
                    len(turn_of(handle, ev.ActivityTaskCompleted)) == turns.bit_length() - 1
                )
            )  # type: ignore[misc]
        for handle in handles:
            assert f"{expected} after {expected}" == handle.execute_update(ask, expected, timeout=SOON)
        for handle in handles:
            handle.signal(go_on, 0)
    assert ["doubled 16"] * 2 == [handle.result(timeout=SOON) for handle in handles]
    for handle in handles:
        assert 4 == kinds(handle).count("WorkflowExecutionUpdateCompleted")


# sdk-python#325: an evicted run whose `finally` emits -----------------------------------------------------------------


def test_a_run_that_is_evicted_does_nothing_in_its_finally(
    make_engine: MakeEngine, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    @activity
    def tidy(name: str) -> None:
        stage.enter(name)

    @workflow
    def emits(name: str) -> Workflow[str]:
        got = 0
        yield from seen.answer(lambda: [got])
        try:
            while got < 3:
                got += yield from go_on.receive()
        finally:
            yield from log(f"{name} ends after {got}")
            yield from tidy(name)
        return name

    engine = make_engine(workflows=[emits], activities=[tidy], max_cached_workflows=1)
    names = ["a", "b", "c"]
    handles = {name: engine.start(emits, name, id=name) for name in names}
    for count in (1, 2):
        for name in names:
            handles[name].signal(go_on, 1)
            until(
                lambda name=name, count=count: (
                    len(turn_of(handles[name], ev.WorkflowExecutionSignaled)) == count
                )
            )  # type: ignore[misc]
    until(lambda: [emits] == [each.definition for each in open_executions() if each.definition is emits])
    assert [] == stage.done
    assert [] == [record for record in caplog.records if "ends after" in record.getMessage()]
    for name in names:
        assert 0 == kinds(handles[name]).count("ActivityTaskScheduled")
        handles[name].signal(go_on, 1)
    assert names == [handles[name].result(timeout=SOON) for name in names]
    assert names == sorted(stage.done)
    said = [record.getMessage() for record in caplog.records if "ends after" in record.getMessage()]
    assert 3 == len(said)
