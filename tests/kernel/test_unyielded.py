"""A forgotten ``yield from`` is reported with its line in its turn; an effect that is only kept is not."""

# ruff: noqa: PLW0108 - the calls must stand in this file, as it is their lines that are reported

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from refold import (
    ActivityError,
    ApplicationError,
    CancelledError,
    DefinitionError,
    Execution,
    Saga,
    Workflow,
    all_of,
    all_settled,
    any_of,
    cancel,
    deprecate_patch,
    execute_activity,
    first_of,
    info,
    log,
    now,
    patched,
    random,
    shield,
    side_effect,
    sleep,
    start,
    uuid4,
    wait_until,
    with_timeout,
    workflow,
)
from refold.messages import TerminateWorkflow
from tests.kernel.counting import work_of
from tests.kernel.driving import drive, run_to_end, signalled, start_message
from tests.kernel.parts import HOUR, Steps, approval, charge, nudge, number, refund, release, reserve, status


@workflow
def sub() -> Workflow[int]:
    return (yield from charge(1))


def line(mark: str) -> int:
    """The number of the line that ends with a mark."""
    lines = Path(__file__).read_text("utf-8").splitlines()
    return next(n for n, text in enumerate(lines, 1) if text.endswith(f"# line {mark}"))


# Reported -------------------------------------------------------------------------------------------------------------------

FORGOTTEN: dict[str, Callable[[], object]] = {
    "an activity": lambda: charge(1),
    "an activity by name": lambda: execute_activity("charge", 1),
    "a timer": lambda: sleep(HOUR),
    "a receive": lambda: approval.receive(),
    "a handle": lambda: number.handle(print),
    "an answer": lambda: status.answer(str),
    "all_of": lambda: all_of(charge(1), sleep(HOUR)),
    "all_of nothing": lambda: all_of(),
    "all_settled": lambda: all_settled(charge(1)),
    "first_of": lambda: first_of(sleep(HOUR)),
    "any_of": lambda: any_of(charge(1)),
    "start": lambda: start(sub()),
    "shield": lambda: shield(sub()),
    "with_timeout": lambda: with_timeout(charge(1), HOUR),
    "wait_until": lambda: wait_until(lambda: True),
    "wait_until with a timeout": lambda: wait_until(lambda: True, timeout=HOUR),
    "a workflow": lambda: sub(),
    "a side effect": lambda: side_effect(lambda: 1),
    "patched": lambda: patched("p"),
    "deprecate_patch": lambda: deprecate_patch("p"),
    "now": lambda: now(),
    "random": lambda: random(),
    "uuid4": lambda: uuid4(),
    "info": lambda: info(),
    "log": lambda: log("hello"),
    "a step of a saga": lambda: Saga().do(charge(1), undo=refund),
    "the compensation of a saga": lambda: Saga().compensate(),
}


@pytest.mark.parametrize("what", FORGOTTEN)
@pytest.mark.parametrize("then", ["wait", "return", "yield"])
def test_a_forgotten_yield_from_is_reported_with_its_line_in_its_turn(what: str, then: str) -> None:
    @workflow
    def forgets() -> Workflow[int]:
        yield from nudge.receive()
        FORGOTTEN[what]()
        if then != "return":
            yield from log("something else is yielded meanwhile")
        if then == "wait":
            yield from sleep(HOUR)
        return 1

    mark = next(
        n for n, text in enumerate(Path(__file__).read_text("utf-8").splitlines(), 1) if f'"{what}": ' in text
    )
    with drive(forgets) as run:
        with pytest.raises(DefinitionError, match=r"RF1101: [A-Za-z]+ was made and never yielded") as raised:
            run.signal(nudge)
        assert f"kernel/test_unyielded.py:{mark} in <lambda>" == raised.value.where


def test_a_forgotten_cancel_is_reported() -> None:
    @workflow
    def forgets() -> Workflow[int]:
        handle = yield from start(charge(1))
        cancel(handle)
        return (yield from handle)

    with pytest.raises(DefinitionError, match="RF1101: CancelStep was made and never yielded"):
        drive(forgets).__enter__()


def test_the_line_is_that_of_the_innermost_user_code_that_made_it() -> None:
    def helper() -> None:
        charge(1)  # line helper

    @workflow
    def forgets() -> Workflow[int]:
        helper()
        yield from sleep(HOUR)
        return 1

    with pytest.raises(DefinitionError) as raised:
        drive(forgets).__enter__()
    assert raised.value.where is not None
    assert raised.value.where.startswith(f"kernel/test_unyielded.py:{line('helper')} in ")


def test_several_are_counted_and_the_first_is_shown() -> None:
    @workflow
    def forgets() -> Workflow[int]:
        charge(1)  # line first
        charge(2)
        all_of(charge(3))
        yield from sleep(HOUR)
        return 1

    with pytest.raises(
        DefinitionError, match=r"ScheduleActivity was made and never yielded \(and 3 more like it\)"
    ) as raised:
        drive(forgets).__enter__()
    assert raised.value.where is not None
    assert f":{line('first')} in " in raised.value.where


@pytest.mark.parametrize(
    "place", ["a started step", "a handler", "a plain handler", "a step", "after the last yield"]
)
def test_it_is_reported_wherever_workflow_code_runs(place: str) -> None:
    @workflow
    def forgets() -> Workflow[int]:
        def steps(_: int = 0) -> Steps:
            yield from now()
            charge(1)
            yield from now()

        def plain(_: int) -> None:
            charge(1)

        if place == "a started step":
            yield from start(steps())
        elif place == "a handler":
            yield from number.handle(steps)
        elif place == "a plain handler":
            yield from number.handle(plain)
        elif place == "a step":
            yield from number.receive()
            yield from all_of(steps(), charge(2))
        yield from number.receive() if place == "after the last yield" else nudge.receive()
        charge(3)
        return 1

    expected = pytest.raises(DefinitionError, match="RF1101: ScheduleActivity was made and never yielded")
    if place == "a started step":
        with expected:
            drive(forgets).__enter__()
    else:
        with drive(forgets) as run, expected:
            run.signal(number, 1)


def test_an_effect_that_was_kept_and_dropped_later_is_reported_in_that_turn() -> None:
    @workflow
    def forgets() -> Workflow[int]:
        kept = [charge(1)]
        yield from nudge.receive()
        yield from nudge.receive()
        kept.clear()
        yield from nudge.receive()
        return 1

    with drive(forgets) as run:
        run.signal(nudge)
        with pytest.raises(DefinitionError, match="RF1101"):
            run.signal(nudge)


def test_nothing_is_noted_outside_workflow_code_or_on_replay() -> None:
    charge(1)
    all_of(charge(1), sleep(HOUR))

    careless = False

    @workflow
    def careful() -> Workflow[int]:
        if careless:
            charge(1)
        return (yield from charge(2))

    with drive(careful, recheck=False) as run:
        run.complete("charge", 2)
        careless = True
        Execution.replay(careful, run.history)


# Not reported ---------------------------------------------------------------------------------------------------------------


def test_an_effect_may_be_kept_and_yielded_later_or_in_another_turn() -> None:
    @workflow
    def keeps() -> Workflow[list[int]]:
        first, second = charge(1), charge(2)
        yield from nudge.receive()
        gc.collect()
        one = yield from second
        yield from nudge.receive()
        return [one, (yield from first)]

    with drive(keeps) as run:
        run.signal(nudge)
        run.complete("charge", 2)
        run.signal(nudge)
        run.complete("charge", 1)
        assert [2, 1] == run.result


def test_an_effect_may_be_yielded_more_than_once() -> None:
    @workflow
    def reuses() -> Workflow[list[int]]:
        again = charge(1)
        group = all_of(again, again)
        one = yield from again
        yield from now()
        two, three = yield from group
        four, five = yield from group
        return [one, two, three, four, five]

    with drive(reuses) as run:
        run.complete("charge", 1)
        run.turn(run.completed("charge", 2), run.completed("charge", 3, nth=1))
        run.turn(run.completed("charge", 4), run.completed("charge", 5, nth=1))
        assert [1, 2, 3, 4, 5] == run.result


def test_effects_may_be_passed_around_in_lists_and_arguments() -> None:
    @workflow
    def passes() -> Workflow[int]:
        def one_by_one(steps: list[Any]) -> Steps:
            total = 0
            for step in steps:
                total += yield from step
            return total

        steps: list[Any] = [charge(n) for n in range(3)]
        yield from log("they wait in a list")
        return (yield from one_by_one(steps)) + sum((yield from all_of(*[charge(n) for n in range(3)])))

    with drive(passes) as run:
        for n in range(3):
            run.complete("charge", n)
        run.turn(*[run.completed("charge", n, nth=n) for n in range(3)])
        assert 6 == run.result


def test_effects_inside_composed_steps_count_as_yielded_with_them() -> None:
    @workflow
    def composes() -> Workflow[str]:
        saga = Saga()
        yield from first_of(
            with_timeout(all_of(shield(charge(1)), saga.do(reserve("x"), undo=release)), HOUR),
            start_and_wait(sub()),
        )
        return "done"

    def start_and_wait(step: Any) -> Steps:
        handle = yield from start(step)
        return (yield from handle)

    with drive(composes) as run:
        run.complete("reserve", "r")
        run.turn(run.completed("charge", 1))
        assert "done" == run.result


def test_steps_behind_one_that_is_answered_at_once_are_not_begun_and_not_reported() -> None:
    @workflow
    def races() -> Workflow[int]:
        def helper(step: Any) -> Steps:
            yield from step

        yield from first_of(now(), with_timeout(charge(1), HOUR), helper(charge(2)), all_of(charge(3)))
        yield from sleep(HOUR)
        return 1

    with drive(races) as run:
        assert ["TimerStarted"] == run.kinds
        run.fire()


def test_steps_that_a_failure_skips_are_not_reported() -> None:
    @workflow
    def skips() -> Workflow[str]:
        def one_by_one() -> Steps:
            steps = [charge(n) for n in range(3)]
            for step in steps:
                yield from step

        try:
            yield from one_by_one()
        except ActivityError:
            yield from refund(1)
        return "done"

    with drive(skips) as run:
        run.fail("charge", ApplicationError("declined"))
        run.complete("refund")
        assert "done" == run.result


def test_steps_that_a_cancellation_skips_are_not_reported() -> None:
    @workflow
    def skips() -> Workflow[str]:
        def one_by_one() -> Steps:
            later = charge(2)
            yield from charge(1)
            yield from later

        try:
            yield from one_by_one()
        except CancelledError:
            yield from refund(1)
        return "done"

    with drive(skips) as run:
        run.cancel()
        run.complete("refund")
        assert "done" == run.result


def test_what_suspended_code_still_holds_when_the_run_ends_is_not_reported() -> None:
    @workflow
    def ends() -> Workflow[str]:
        def holds() -> Steps:
            later = charge(2)
            yield from sleep(HOUR)
            yield from later

        yield from start(holds())
        yield from start(holds_argument(charge(3)))
        yield from nudge.receive()
        return "done"

    def holds_argument(step: Any) -> Steps:
        yield from approval.receive()
        yield from step

    with drive(ends) as run:
        run.turn(signalled(nudge))
        assert "done" == run.result
    with drive(ends) as run:
        run.turn(TerminateWorkflow(reason="enough"))


def test_a_step_that_never_began_because_the_workflow_returned_is_not_reported() -> None:
    @workflow
    def ends() -> Workflow[str]:
        yield from start(with_timeout(charge(1), HOUR))
        return "done"

    assert "done" == run_to_end(ends)


def test_a_finally_that_makes_effects_while_it_is_closed_is_a_complaint_and_not_an_error() -> None:
    @workflow
    def ends() -> Workflow[str]:
        def holds() -> Steps:
            try:
                yield from sleep(HOUR)
            finally:
                yield from release("x")  # line release

        yield from start(holds())
        yield from nudge.receive()
        return "done"

    with drive(ends) as run:
        turn = run.signal(nudge)
        (complaint,) = turn.complaints
        assert complaint.startswith(f"kernel/test_unyielded.py:{line('release')} in ")
        assert "done" == run.result


def test_the_watch_costs_the_same_for_each_of_many_effects() -> None:
    @workflow
    def many(count: int) -> Workflow[None]:
        kept = [charge(n) for n in range(count)]
        yield from log("they are kept")
        yield from all_of(*kept)

    def live(count: int) -> int:
        with Execution(many) as execution:
            return work_of(lambda: execution.turn(start_message(many, count), at=1))

    assert live(1_000) < 10.5 * live(100)
