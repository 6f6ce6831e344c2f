"""Clients and workers in virtual time: the same API, and nothing that waits for the clock of the machine."""

from __future__ import annotations

from datetime import timedelta

import pytest

from refold import ApplicationError, RetryPolicy, Signal, Workflow, activity, sleep, workflow
from refold_adapters import WorkflowFailedError
from refold_adapters.simulation import Faults, Simulation, SimulationError

go = Signal("go", str)


@activity(start_to_close_timeout=timedelta(seconds=30), retry_policy=RetryPolicy(maximum_attempts=3))
def greet(name: str) -> str:
    return f"Hello, {name}"


@activity
async def bow(name: str) -> str:
    return f"bows to {name}"


@workflow
def meet(name: str) -> Workflow[str]:
    greeting = yield from greet(name)
    bowing = yield from bow(name)
    yield from sleep(timedelta(days=365))
    word = yield from go.receive()
    return f"{greeting}, {bowing}, {word}"


@workflow
def nod(name: str) -> Workflow[str]:
    greeting = yield from greet(name)
    yield from sleep(timedelta(seconds=40))
    return greeting + (yield from bow(name))


def simulation(seed: int = 0, faults: Faults | None = None) -> Simulation:
    chosen = {} if faults is None else {"faults": faults}
    return Simulation(seed, workflows=[meet, nod], activities=[greet, bow], **chosen)


def test_a_year_passes_in_virtual_time_and_a_run_goes_on_after_it() -> None:
    with simulation() as sim:
        sim.worker()
        handle = sim.client.start(meet, "Ann", id="meeting")
        sim.run_until_idle()
        assert timedelta(days=365) <= timedelta(microseconds=sim.clock.passed_us) < timedelta(days=366)
        handle.signal(go, "well met")

        assert "Hello, Ann, bows to Ann, well met" == handle.result()


def test_time_passes_only_as_far_as_it_is_told_to() -> None:
    with simulation() as sim:
        sim.worker()
        handle = sim.client.start(meet, "Ann", id="meeting")
        sim.run_for(timedelta(days=1))

        assert timedelta(days=1) == timedelta(microseconds=sim.clock.passed_us)
        assert "timer" in str(handle.describe().waiting)


def test_an_activity_is_mocked_and_its_failures_are_retried() -> None:
    calls: list[str] = []

    def fails_twice(name: str) -> str:
        calls.append(name)
        if len(calls) < 3:
            raise ApplicationError("not yet")
        return f"{name}, at last"

    with simulation() as sim:
        sim.mock(greet, fails_twice)
        sim.mock("bow", lambda name: name.lower())
        sim.worker()
        handle = sim.client.start(meet, "Ann", id="meeting", start_signal=(go, "go"))
        assert "Ann, at last, ann, go" == handle.result()
    assert ["Ann"] * 3 == calls


def test_a_failure_is_told_to_who_waits() -> None:
    def fails(name: str) -> str:
        raise ApplicationError("never", non_retryable=True)

    with simulation() as sim:
        sim.mock(greet, fails)
        sim.worker()
        with pytest.raises(WorkflowFailedError, match="never"):
            sim.client.start(meet, "Ann", id="meeting").result()


def test_who_waits_for_what_can_never_come_is_told_so() -> None:
    with simulation() as sim:
        sim.worker()
        handle = sim.client.start(meet, "Ann", id="meeting")
        with pytest.raises(SimulationError, match="RF5401"):
            handle.result()


def test_who_waits_for_a_bounded_time_waits_no_longer() -> None:
    with simulation() as sim:
        sim.worker()
        handle = sim.client.start(meet, "Ann", id="meeting")
        before = sim.clock.passed_us
        with pytest.raises(TimeoutError):
            handle.result(timeout=timedelta(hours=2))
        assert timedelta(hours=2) == timedelta(microseconds=sim.clock.passed_us - before)


def test_a_run_goes_on_in_another_worker_when_its_own_is_killed() -> None:
    with simulation() as sim:
        first = sim.worker()
        handle = sim.client.start(meet, "Ann", id="meeting", start_signal=(go, "go"))
        sim.run_for(timedelta(days=1))
        sim.kill(first)
        sim.worker()

        assert "Hello, Ann, bows to Ann, go" == handle.result()


def test_a_worker_is_drained_and_gives_its_runs_back() -> None:
    with simulation() as sim:
        first = sim.worker()
        handle = sim.client.start(meet, "Ann", id="meeting", start_signal=(go, "go"))
        sim.run_for(timedelta(days=1))
        first.shutdown()
        sim.run_for(timedelta(seconds=1))
        assert [0] == [row.owner for row in sim.rows()]
        sim.worker()

        assert "Hello, Ann, bows to Ann, go" == handle.result()


def history(seed: int) -> list[bytes]:
    with simulation(seed, Faults(delayed=0.3, delay_seconds=20.0, busy=0.1, news_lost=0.3)) as sim:
        for _ in range(2):
            sim.worker(lease=timedelta(seconds=10))
        handle = sim.client.start(nod, "Ann", id="meeting")
        handle.result()
        return [turn.data for turn in sim.store.read_turns(handle.run_id or "")]


def test_a_seed_does_the_same_each_time_and_another_one_something_else() -> None:
    assert history(7) == history(7)
    assert history(7) != history(8)
