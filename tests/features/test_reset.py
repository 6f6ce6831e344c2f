"""Runs begin anew at a turn, and go on as copies, on every store."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import attrs
import pytest

from refold import (
    CancelledError,
    Execution,
    RefoldError,
    Signal,
    Update,
    Workflow,
    all_handlers_finished,
    carry,
    fold,
    workflow,
)
from refold.events import ActivityTaskScheduled, WorkflowExecutionSignaled, WorkflowExecutionStarted
from refold.messages import StartWorkflow
from refold_adapters import ExecutionError, ManualClock, ResetReapplyExcludeType, RunStatus, WorkflowHandle
from tests.features.operating import charge, drawing, passes, seen, turnstile
from tests.runtime.conftest import MakeEngine

SECONDS = timedelta(seconds=10)
add = Update("add", str, result_type=list[str])
stop = Signal("stop")


@workflow
def counter() -> Workflow[None]:
    """Collects what it is told, for ever."""
    got: list[str] = []

    def append(text: str) -> list[str]:
        got.append(text)
        return list(got)

    yield from seen.answer(lambda: list(got))
    yield from add.handle(append)
    while True:
        try:
            got.append((yield from passes.receive()))
        except CancelledError:
            got.append("cancelled")


@workflow
def till_stopped() -> Workflow[list[str]]:
    """Collects what it is told, charging for each, until it is stopped."""
    got: list[str] = []

    def append(text: str) -> Workflow[list[str]]:
        yield from charge(text)
        got.append(text)
        return list(got)

    yield from seen.answer(lambda: list(got))
    yield from add.handle(append)
    yield from passes.handle(append)
    yield from stop.receive()
    yield from all_handlers_finished()
    return got


def until_seen(handle: WorkflowHandle[Any], expected: list[str]) -> None:
    """Wait until the run has been told so much."""
    for _ in range(5000):
        if handle.describe().run.turn and sorted(handle.query(seen)) == sorted(expected):
            return
    raise AssertionError(f"{handle.query(seen)} instead of {expected}")


def started(handle: WorkflowHandle[Any]) -> WorkflowExecutionStarted:
    event = handle.history()[0]
    assert isinstance(event, WorkflowExecutionStarted)
    return event


def test_a_reset_run_makes_its_turn_anew_and_hears_later_signals_again(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge])
    old = engine.start(turnstile, 3, id="gate")
    for name in ("ann", "bob", "eve"):
        old.signal(passes, name)
    expected = ["charged ann", "charged bob", "charged eve"]
    assert expected == old.result(timeout=SECONDS)
    second = [event for event in old.history() if isinstance(event, ActivityTaskScheduled)][1]

    new = old.reset(event_id=second.event_id, reason="charge again")
    assert expected == new.result(timeout=SECONDS)
    assert new.run_id != old.run_id
    began = new.history()[0]
    assert isinstance(began, WorkflowExecutionStarted)
    assert (new.run_id, old.run_id) == (began.run_id, began.random_seed)
    assert RunStatus.COMPLETED == old.describe().run.status


def test_an_open_run_that_is_reset_is_terminated_and_loses_no_signal(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge])
    old = engine.start(turnstile, 2, id="gate")
    old.signal(passes, "ann")
    old.pause()
    old.signal(passes, "bob")  # accepted and not yet heard
    new = old.reset(first=True)
    assert ["charged ann", "charged bob"] == new.result(timeout=SECONDS)
    assert RunStatus.TERMINATED == old.describe().run.status
    assert new.run_id == engine.handle("gate").describe().run.run_id


def test_a_reset_may_leave_later_signals_out(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge])
    old = engine.start(turnstile, 2, id="gate")
    old.signal(passes, "ann")
    new = old.reset(first=True, reapply_exclude=[ResetReapplyExcludeType.SIGNAL])
    new.signal(passes, "bob")
    new.signal(passes, "eve")
    assert ["charged bob", "charged eve"] == new.result(timeout=SECONDS)


def test_hazard_18_a_reset_run_draws_what_it_drew_before(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[drawing])
    old = engine.start(drawing, 2, id="urn")
    old.signal(passes, "one")
    old.signal(passes, "two")
    drawn = old.result(timeout=SECONDS)
    again = old.reset().result(timeout=SECONDS)
    assert drawn == again
    copy = old.fork("urn-2", first=True)
    copy.signal(passes, "one")
    copy.signal(passes, "two")
    assert drawn == copy.result(timeout=SECONDS)


def test_a_fork_goes_on_beside_the_run_that_it_copies(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge])
    old = engine.start(turnstile, 2, id="gate")
    old.signal(passes, "ann")
    while not old.query(seen):
        old.describe()
    copy = old.fork("gate-2")
    copy.signal(passes, "bob")
    old.signal(passes, "eve")
    assert ["charged ann", "charged bob"] == copy.result(timeout=SECONDS)
    assert ["charged ann", "charged eve"] == old.result(timeout=SECONDS)


def test_a_fork_may_have_another_input(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge])
    old = engine.start(turnstile, 5, id="gate")
    old.signal(passes, "ann")
    while not old.query(seen):
        old.describe()
    assert ["charged ann"] == old.fork("short", 1).result(timeout=SECONDS)
    assert old.describe().run.closed_at is None


def test_a_fork_from_an_event_with_another_input_goes_on_from_there(make_engine: MakeEngine) -> None:
    """The turn of the event is made anew, with the same signal; what came later came to the other run only."""
    engine = make_engine(workflows=[turnstile], activities=[charge])
    old = engine.start(turnstile, 4, id="gate")
    for number, name in enumerate(("ann", "bob", "eve"), start=1):
        old.signal(passes, name)
        while len(old.query(seen)) < number:
            old.describe()
    second = [event for event in old.history() if isinstance(event, ActivityTaskScheduled)][1]
    fork = old.fork("other", 3, event_id=second.event_id)
    fork.signal(passes, "zoe")

    assert ["charged ann", "charged bob", "charged zoe"] == fork.result(timeout=SECONDS)
    assert ["charged ann", "charged bob", "charged eve"] == old.query(seen)


def test_a_reset_to_a_turn_that_is_not_there_is_refused(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge])
    handle = engine.start(turnstile, 1, id="gate")
    with pytest.raises(ExecutionError, match="RF5115"):
        handle.reset(event_id=999)
    assert handle.describe().run.closed_at is None


def test_updates_after_the_point_come_again_and_those_before_it_keep_their_answers(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(workflows=[counter])
    old = engine.start(counter, id="run")
    assert ["a"] == old.execute_update(add, "a", id="u-a")
    old.signal(passes, "b")
    assert ["a", "b", "c"] == old.execute_update(add, "c", id="u-c")
    signal = next(event for event in old.history() if isinstance(event, WorkflowExecutionSignaled))
    new = old.reset(event_id=signal.event_id)
    assert ["a", "b", "c"] == new.get_update_handle("u-c", update=add).result(timeout=SECONDS)
    assert ["a"] == new.execute_update(add, "a", id="u-a"), "it was answered before the point"
    assert ["a", "b", "c"] == new.query(seen)


def test_a_reset_leaves_out_what_it_is_told_to(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[counter])
    kinds = {
        ResetReapplyExcludeType.SIGNAL: ["c", "cancelled"],
        ResetReapplyExcludeType.UPDATE: ["b", "cancelled"],
        ResetReapplyExcludeType.CANCEL_REQUEST: ["b", "c"],
    }
    for kind, expected in kinds.items():
        old = engine.start(counter, id=f"without {kind.value}")
        old.signal(passes, "b")
        old.execute_update(add, "c")
        old.cancel()
        until_seen(old, ["b", "c", "cancelled"])
        until_seen(old.reset(first=True, reapply_exclude=[kind]), expected)


def test_who_waits_for_a_run_that_is_reset_is_told_that_it_was_terminated(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[counter])
    old = engine.start(counter, id="run")
    future, run_id = old.watch()
    old.reset(first=True)
    assert RunStatus.TERMINATED is future.result(10).status
    old.unwatch(run_id, future)


def test_the_input_of_a_fork_is_checked_as_that_of_a_start_is(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge])
    old = engine.start(turnstile, 5, id="gate")
    with pytest.raises(RefoldError) as of_start:
        engine.start(turnstile, "many", id="other")  # type: ignore[arg-type]
    with pytest.raises(RefoldError) as of_fork:
        old.fork("copy", "many")
    assert (of_start.value.code, 1) == (of_fork.value.code, engine.count())


def test_a_reset_run_has_its_time_anew_and_belongs_to_the_chain_and_a_fork_to_none(
    make_engine: MakeEngine, clock: ManualClock
) -> None:
    engine = make_engine(workflows=[counter])
    old = engine.start(
        counter, id="run", execution_timeout=timedelta(hours=2), run_timeout=timedelta(hours=1)
    )
    old.signal(passes, "b")
    until_seen(old, ["b"])
    clock.advance(1_800_000_000)
    began = started(old)
    again, copy = started(old.reset()), started(engine.handle("run", old.run_id).fork("copy"))
    assert began.execution_expires_at is not None
    assert [began.execution_expires_at + 1_800_000_000] * 2 == [
        again.execution_expires_at,
        copy.execution_expires_at,
    ]
    assert (old.run_id, None) == (again.first_run_id, copy.first_run_id)
    fields = {field.name for field in attrs.fields(WorkflowExecutionStarted)}
    told = {field.name for field in attrs.fields(StartWorkflow)}
    assert {"event_id", "turn", "at", "flags", "schema_version", "copied_from"} == fields - told
    state = fold(old.history())
    ours = {"run_id": again.run_id, "request_id": again.request_id, "identity": again.identity}
    for made, table in (
        (again, carry.reset_run(state, **ours)),
        (
            copy,
            carry.fork_run(
                state, workflow_id="copy", **{**ours, "run_id": copy.run_id, "request_id": copy.run_id}
            ),
        ),
    ):
        for name in sorted(told - {"execution_expires_at"}):
            assert getattr(table, name) == getattr(made, name), name


@pytest.mark.parametrize("seed", range(6))
def test_a_run_of_any_history_is_reset_at_each_of_its_events(make_engine: MakeEngine, seed: int) -> None:
    """The new run replays, and hears each signal and update once: those of the turns before the point, of it, and after it."""
    engine = make_engine(workflows=[till_stopped], activities=[charge])
    chance = Random(seed)
    old = engine.start(till_stopped, id="run")
    said: list[str] = []
    for number in range(6):
        said.append(f"{number}")
        if chance.random() < 0.3:
            old.execute_update(add, said[-1])
        else:
            old.signal(passes, said[-1])
        if chance.random() < 0.6:
            until_seen(old, said)
        if chance.random() < 0.3:
            old.pause()
            old.resume()
    until_seen(old, said)
    old.signal(stop)
    expected = old.result(timeout=SECONDS)
    assert sorted(said) == sorted(expected)
    for event in list(old.history()):
        source = engine.handle("run", old.run_id)
        new = source.reset(event_id=event.event_id)
        result = new.result(timeout=SECONDS)
        assert sorted(said) == sorted(result), event
        Execution.replay(till_stopped, new.history())
        assert new.describe().run.parked is None
