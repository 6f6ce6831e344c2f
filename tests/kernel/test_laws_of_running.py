"""The laws of the kernel, 5 to 7: one door, generators that are owned, and work that grows with the history and no faster."""

from __future__ import annotations

import gc
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from refold import (
    Execution,
    Workflow,
    all_of,
    now,
    open_executions,
    quarantined,
    sleep,
    start,
    wait_until,
    workflow,
)
from refold import events as ev
from refold.messages import CancelWorkflow, CompleteActivity, SignalWorkflow
from tests.kernel.counting import bytes_of, work_of
from tests.kernel.driving import drive, start_message
from tests.kernel.parts import HOUR, Steps, charge, nudge, number, release, reserve
from tests.kernel.samples import SAMPLES, ends_of_turns, history_of

# 5: one door ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
def test_law_5_what_a_run_records_follows_from_its_messages_and_their_times_alone(name: str) -> None:
    expected = history_of(name)
    random.seed(len(expected))
    others = [history_of(other) for other in SAMPLES]  # other runs in between draw their own numbers
    found: list[list[ev.HistoryEvent]] = []
    thread = threading.Thread(target=lambda: found.append(history_of(name)))
    thread.start()
    thread.join()
    assert [expected] == found
    assert expected in others


def test_law_5_an_effect_that_is_not_yielded_does_nothing() -> None:
    made: list[object] = []

    @workflow
    def makes() -> Workflow[str]:
        made[:] = [charge(1), sleep(HOUR), all_of(charge(2)), start(charge(3)), release("x")]
        yield from nudge.receive()
        return "done"

    with drive(makes, recheck=False) as run:
        assert [] == run.kinds
        assert () == run.execution.outstanding


def test_law_5_time_stands_still_between_two_waits_and_is_the_turns() -> None:
    @workflow
    def looks() -> Workflow[list[str]]:
        times = [(yield from now()), (yield from now())]
        yield from charge(1)
        return [each.isoformat() for each in (*times, (yield from now()))]

    with Execution(looks) as execution:
        execution.turn(start_message(looks), at=1_000_000)
        turn = execution.turn(CompleteActivity(seq=1, result=1), at=61_000_000)
        assert isinstance(turn.closed, ev.WorkflowExecutionCompleted)
        assert ["1970-01-01T00:00:01+00:00"] * 2 + ["1970-01-01T00:01:01+00:00"] == turn.closed.result


# 6: the kernel owns its generators --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
def test_law_6_closing_at_any_point_lets_no_command_log_line_or_draw_out(name: str) -> None:
    sample = SAMPLES[name]
    history = history_of(name)
    for end in ends_of_turns(history):
        execution = Execution.load(sample.definition, history[:end])
        before = (execution.state, execution._run.draws, list(execution._run.logs))
        execution.close()
        assert before == (execution.state, execution._run.draws, list(execution._run.logs))
        assert () == execution.waiting()
        assert execution not in open_executions()


def test_law_6_nothing_is_left_to_the_garbage_collector() -> None:
    ran_on: list[str] = []

    @workflow
    def nasty() -> Workflow[None]:
        def step() -> Steps:
            try:
                yield from sleep(HOUR)
            finally:
                ran_on.append(threading.current_thread().name)
                yield from release("x")

        yield from start(step())
        yield from all_of(step(), step())

    before, kept = len(open_executions()), len(quarantined())
    for index in range(50):
        execution = Execution(nasty)
        execution.turn(start_message(nasty), at=1)
        if index % 2:
            execution.close()
        del execution
    collector = threading.Thread(target=gc.collect, name="collector")
    collector.start()
    collector.join()
    assert before + 25 == len(open_executions())
    for left in open_executions()[before:]:
        left.close()
    assert before == len(open_executions())
    assert {threading.current_thread().name: 150} == {
        name: ran_on.count(name) for name in dict.fromkeys(ran_on)
    }
    assert kept == len(quarantined())


def test_law_6_a_run_that_ends_closes_all_its_code_with_its_last_turn() -> None:
    closed: list[str] = []

    @workflow
    def ends() -> Workflow[str]:
        def step(name: str) -> Steps:
            try:
                yield from sleep(HOUR)
            finally:
                closed.append(name)

        yield from start(step("a"))
        yield from start(all_of(step("b"), step("c")))
        yield from charge(1)
        return "done"

    with Execution(ends) as execution:
        execution.turn(start_message(ends), at=1)
        seq = next(e.seq for e in execution.outstanding if isinstance(e, ev.ActivityTaskScheduled))
        turn = execution.turn(CompleteActivity(seq=seq, result=1), at=2)
        assert ["a", "b", "c"] == sorted(closed)
        assert () == turn.complaints
        assert execution not in open_executions()


# 7: linear ----------------------------------------------------------------------------------------------------------------------


@workflow
def sequential(count: int) -> Workflow[int]:
    total = 0
    for index in range(count):
        total += yield from charge(index)
    return total


@workflow
def fanned_out(count: int) -> Workflow[int]:
    return sum((yield from all_of(*[charge(index) for index in range(count)])))


@workflow
def in_branches(count: int) -> Workflow[int]:
    def step(index: int) -> Steps:
        try:
            return (yield from charge(index))
        finally:
            yield from charge(index)

    return sum((yield from all_of(*[step(index) for index in range(count)])))


@workflow
def signalled_often(count: int) -> Workflow[int]:
    got: list[int] = []
    yield from number.handle(got.append)
    yield from wait_until(lambda: len(got) == count)
    return len(got)


@workflow
def unwinding(count: int) -> Workflow[str]:
    def step() -> Steps:
        yield from sleep(HOUR)

    def parent() -> Steps:
        for _ in range(count):
            yield from start(step())
        yield from reserve("x")

    yield from all_of(parent())
    return "done"


def _turns(definition: Any, count: int) -> Iterator[tuple[Any, ...]]:
    """The messages of each turn after the first."""
    if definition is sequential or definition is fanned_out:
        for index in range(count):
            yield (CompleteActivity(seq=index + 1, result=index),)
    elif definition is in_branches:
        for index in range(2 * count):
            yield (CompleteActivity(seq=index + 1, result=index),)
    elif definition is signalled_often:
        for index in range(count):
            yield (SignalWorkflow(signal_name="number", input=[index]),)
    else:
        yield (CompleteActivity(seq=1, result="r"),)


def _history(definition: Any, count: int) -> tuple[list[ev.HistoryEvent], int]:
    """A history of some length, and the work that it took to make it live."""
    history: list[ev.HistoryEvent] = []

    def make() -> None:
        with Execution(definition) as execution:
            history.extend(execution.turn(start_message(definition, count), at=1).events)
            for number, messages in enumerate(_turns(definition, count), start=2):
                history.extend(execution.turn(*messages, at=number).events)
            assert execution.closed, execution.waiting()[:3]

    return history, work_of(make)


SHAPES: list[Callable[..., Any]] = [sequential, fanned_out, in_branches, signalled_often, unwinding]


@pytest.mark.parametrize("definition", SHAPES, ids=repr)
def test_law_7_ten_times_the_events_take_ten_times_the_work_to_replay_and_to_make(definition: Any) -> None:
    short, short_live = _history(definition, 100)
    long, long_live = _history(definition, 1_000)
    replay = [work_of(lambda h=h: Execution.replay(definition, h)) for h in (short, long)]
    assert replay[1] <= 11 * replay[0]
    assert long_live <= 11 * short_live


def _next_turn(count: int, pending: int, measure: Callable[[Callable[[], Any]], int]) -> int:
    """What one more turn costs in a run with some turns behind it and some activities open."""

    @workflow
    def loops() -> Workflow[None]:
        yield from start(all_of(*[release("x") for _ in range(pending)]))
        for index in range(count + 5):
            yield from charge(index)

    with Execution(loops) as execution:
        execution.turn(start_message(loops), at=1)
        for number in range(count):
            execution.turn(CompleteActivity(seq=_last_charge(execution), result=1), at=number + 2)
        message = CompleteActivity(seq=_last_charge(execution), result=1)
        return measure(lambda: execution.turn(message, at=count + 9))


def _last_charge(execution: Execution) -> int:
    seqs = [
        e.seq
        for e in execution.outstanding
        if isinstance(e, ev.ActivityTaskScheduled) and e.activity_type == "charge"
    ]
    return seqs[-1]


def test_law_7_one_more_turn_costs_the_same_in_a_long_run_as_in_a_short_one() -> None:
    assert _next_turn(1_000, 3, work_of) <= 1.5 * _next_turn(10, 3, work_of)
    assert _next_turn(1_000, 3, bytes_of) <= 2 * _next_turn(10, 3, bytes_of)


def test_law_7_one_more_turn_costs_the_same_however_much_is_open() -> None:
    assert _next_turn(3, 1_000, work_of) <= 1.5 * _next_turn(3, 10, work_of)
    assert _next_turn(3, 10_000, bytes_of) <= 2 * _next_turn(3, 10, bytes_of)


def test_law_7_the_containers_of_the_state_are_folded_in_place() -> None:
    with Execution(fanned_out) as execution:
        execution.turn(start_message(fanned_out, 10), at=1)
        ledger = execution._ledger
        before = (
            ledger.pending,
            ledger.cancelling,
            ledger.request_ids,
            ledger.patches,
            ledger.updates,
            ledger.children,
        )
        execution.turn(CompleteActivity(seq=1, result=1), at=2)
        execution.turn(CancelWorkflow(request_id="c"), at=3)
        after = (
            ledger.pending,
            ledger.cancelling,
            ledger.request_ids,
            ledger.patches,
            ledger.updates,
            ledger.children,
        )
    assert all(one is other for one, other in zip(before, after, strict=True))
