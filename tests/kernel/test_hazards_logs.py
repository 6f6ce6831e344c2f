"""Where workflow engines broke on what is not in the log: events out of order (32), hooks (57), snapshots (58), definition time (60)."""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import attrs
import pytest

from refold import (
    Execution,
    HistoryError,
    NondeterminismError,
    QueryError,
    Workflow,
    fold,
    info,
    now,
    sleep,
    with_timeout,
    workflow,
)
from refold import events as ev
from refold.codec import encode_events
from refold.messages import FireTimer, Message
from tests.kernel.driving import SECOND, drive, start_message
from tests.kernel.parts import HOUR, approval, charge, status
from tests.kernel.samples import SAMPLES, ends_of_turns, history_of

# 32: a completion before the record that its step began, or before the turn that asked for it -------------------------


def _renumbered(events: list[ev.HistoryEvent]) -> list[ev.HistoryEvent]:
    """The events with the numbers of the places where they stand: so it is not the numbers that give them away."""
    numbers = sorted(event.turn for event in events)
    return [
        attrs.evolve(event, event_id=place, turn=turn)
        for place, (event, turn) in enumerate(zip(events, numbers, strict=True), 1)
    ]


def _outcome(name: str, events: list[ev.HistoryEvent]) -> str:
    """What a load of events comes to: the code of the refusal, or that they are taken."""
    try:
        with Execution.load(SAMPLES[name].definition, events) as loaded:
            assert fold(events) == loaded.state
    except (HistoryError, NondeterminismError) as error:
        return error.code
    return "taken"


@pytest.mark.parametrize("name", SAMPLES)
def test_hazard_32_events_out_of_order_are_refused_with_a_code_or_are_a_history(name: str) -> None:
    """No order of events makes the kernel fail in a way of its own, whether they keep their numbers or are given those of their places."""
    history = history_of(name)
    draw = Random(name)
    swapped = [(place, place + 1) for place in range(len(history) - 1)]
    drawn = [tuple(draw.sample(range(len(history)), 2)) for _ in range(30)]
    for one, other in [*swapped, *drawn]:
        events = list(history)
        events[one], events[other] = events[other], events[one]
        assert "RF2001" == _outcome(name, events)
        assert _outcome(name, _renumbered(events)) in ("RF2001", "RF4001", "taken")
    for _ in range(30):
        assert _outcome(name, _renumbered(draw.sample(history, len(history)))) in (
            "RF2001",
            "RF4001",
            "taken",
        )


@pytest.mark.parametrize("name", SAMPLES)
def test_hazard_32_an_outcome_before_what_it_is_the_outcome_of_is_corrupt(name: str) -> None:
    history = history_of(name)
    asked: dict[int, ev.HistoryEvent] = {}
    for event in history:
        if (seq := getattr(event, "seq", None)) is None:
            continue
        command = asked.setdefault(seq, event)
        if event.external:
            assert not command.external
            before = [each for each in history if each is not event]
            before.insert(before.index(command), event)
            with pytest.raises(HistoryError, match="RF2001"):
                fold(_renumbered(before))
            assert _outcome(name, _renumbered(before)) in ("RF2001", "RF4001")


# 57: instrumentation adds a yield point and changes the order ---------------------------------------------------------


def _profiled(record: Callable[[], Any]) -> Any:
    calls: list[str] = []
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, arg: calls.append(event))
    try:
        return record()
    finally:
        sys.setprofile(before)
        assert calls


def _logged(record: Callable[[], Any]) -> Any:
    class Loud(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            record.getMessage()

    root, loud = logging.getLogger(), Loud()
    level = root.level
    root.addHandler(loud)
    root.setLevel(logging.DEBUG)
    try:
        return record()
    finally:
        root.removeHandler(loud)
        root.setLevel(level)


#: Whatever can watch a run from outside of its code.
HOOKS: dict[str, Callable[[Callable[[], Any]], Any]] = {"a profiler": _profiled, "loud logs": _logged}


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("name", SAMPLES)
def test_hazard_57_instruments_change_nothing_that_is_recorded(name: str, hook: str) -> None:
    expected = encode_events(history_of(name))
    assert expected == HOOKS[hook](lambda: encode_events(history_of(name)))
    HOOKS[hook](lambda: Execution.replay(SAMPLES[name].definition, history_of(name)))


@pytest.mark.parametrize("name", SAMPLES)
def test_hazard_57_whoever_looks_at_a_run_after_each_turn_changes_nothing_that_is_recorded(name: str) -> None:
    sample = SAMPLES[name]
    with drive(sample.definition, *sample.args, recheck=False, run_id=f"run of {name}") as run:
        turn = run.turn

        def watched(*messages: Message, at: int | None = None) -> Any:
            made = turn(*messages, at=at)
            if not run.execution.closed:
                run.execution.waiting()
                with suppress(QueryError):
                    run.execution.query(status)
            assert str(run.execution.state) + repr(made) + repr(run.execution.outstanding)
            return made

        run.turn = watched  # type: ignore[method-assign]
        sample.course(run)
        assert encode_events(history_of(name)) == encode_events(run.history)


def test_hazard_57_there_is_no_place_where_an_instrument_could_yield() -> None:
    """An interceptor would have to be given to an execution, and it takes nothing but code, history and a policy."""
    assert ["definition", "input_policy"] == list(inspect.signature(Execution.__init__).parameters)[1:]
    assert ["definition", "history", "input_policy"] == list(inspect.signature(Execution.load).parameters)


# 58: state from a snapshot that is ahead of the log ----------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
def test_hazard_58_a_replay_knows_only_the_history_it_was_given_whatever_has_run_further_before(
    name: str,
) -> None:
    """There is no snapshot: state is the fold of the events.  Runs that are ahead, in this process, leave nothing behind."""
    definition, history = SAMPLES[name].definition, history_of(name)
    ends = ends_of_turns(history)

    def alone(end: int) -> tuple[Any, ...]:
        with Execution.load(definition, history[:end]) as execution:
            return execution.state, execution.waiting(), execution.outstanding

    forwards = {end: alone(end) for end in ends}
    with Execution.load(definition, history) as ahead:
        beside = {end: alone(end) for end in reversed(ends)}
        assert ahead.state == fold(history)
    assert forwards == beside
    assert [fold(history[:end]) for end in ends] == [forwards[end][0] for end in ends]


def test_hazard_58_what_code_keeps_outside_of_a_run_is_a_divergence_and_no_state() -> None:
    """Read, changed and written back in a place that a replay finds as the last run left it."""
    kept = {"count": 0}

    @workflow
    def counts() -> Workflow[int]:
        kept["count"] += 1
        return (yield from charge(kept["count"]))

    with drive(counts, recheck=False) as run:
        history = list(run.history)
    with pytest.raises(NondeterminismError, match="RF4001"):
        Execution.load(counts, history)


# 60: times that are computed where a workflow is defined or started ---------------------------------------------------


@workflow
def keeps_time() -> Workflow[list[str]]:
    began = (yield from info()).started_at
    first = yield from now()
    yield from sleep(HOUR)
    second = yield from now()
    yield from with_timeout(approval.receive(), HOUR)
    return [each.isoformat() for each in (began, first, second)]


def test_hazard_60_times_are_those_of_the_turn_in_which_the_code_asks() -> None:
    """The first turn is made two hours after the run was asked for; its timer is due an hour after that, not before."""
    begin, late = 1_700_000_000 * SECOND, 2 * 3600 * SECOND
    effect = sleep(HOUR)  # made long before it is used: a duration is no time
    with Execution(keeps_time) as run:
        first = run.turn(start_message(keeps_time, start_delay_us=late), at=begin + late)
        (timer,) = [event for event in first.events if isinstance(event, ev.TimerStarted)]
        assert begin + late + 3600 * SECOND == timer.fire_at
        assert HOUR == effect.duration


def test_hazard_60_no_effect_reads_a_clock_when_it_is_made() -> None:
    """Effects that were made at the definition of a workflow, and at the start of one run, mean the same in any later one."""
    made = [now(), sleep(HOUR), info()]

    @workflow
    def uses() -> Workflow[list[str]]:
        one = yield made[0]
        yield made[1]
        two = yield made[0]
        return [str(one), str(two)]

    def results(at: int) -> list[Any]:
        with Execution(uses) as run:
            first = run.turn(start_message(uses), at=at)
            timer = first.commands[0]
            assert isinstance(timer, ev.TimerStarted)
            closed = run.turn(FireTimer(seq=1), at=timer.fire_at).closed
            assert isinstance(closed, ev.WorkflowExecutionCompleted)
            return list(closed.result)

    for at in (0, 1_700_000_000 * SECOND):
        begin = datetime.fromtimestamp(at / SECOND, UTC)
        assert [str(begin), str(begin + timedelta(hours=1))] == results(at)
