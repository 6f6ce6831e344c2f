"""Steps that cancellation does not reach, and effects that are yielded without ``from``."""

from __future__ import annotations

import pytest

from refold import (
    ApplicationError,
    CancelledError,
    Workflow,
    all_of,
    first_of,
    now,
    shield,
    sleep,
    start,
    wait_until,
    with_timeout,
    workflow,
)
from tests.kernel.driving import drive
from tests.kernel.parts import HOUR, MINUTE, Steps, charge, nudge, refund, reserve

# shield ---------------------------------------------------------------------------------------------------------------


def test_a_shielded_step_runs_to_its_end_and_the_request_is_delivered_at_the_next_yield_that_may_wait() -> (
    None
):
    @workflow
    def shields() -> Workflow[list[object]]:
        seen: list[object] = []
        seen.append((yield from shield(charge(1))))
        seen.append((yield from now()).year)  # cannot wait, so it is answered
        try:
            yield from refund(1)
        except CancelledError:
            seen.append("cancelled")
        return seen

    with drive(shields) as run:
        run.cancel()
        assert ["shield: activity 'charge' (seq 1)"] == run.waits
        run.complete("charge", 5)
        assert [5, 2023, "cancelled"] == run.result
        assert ["charge"] == run.scheduled


def test_a_shielded_step_that_fails_raises_and_the_request_is_still_delivered() -> None:
    @workflow
    def shields() -> Workflow[list[str]]:
        seen: list[str] = []

        def fails() -> Steps:
            yield from charge(1)
            raise ApplicationError("inside")

        try:
            yield from shield(fails())
        except ApplicationError as error:
            seen.append(str(error))
        try:
            yield from sleep(HOUR)
        except CancelledError:
            seen.append("cancelled")
        return seen

    with drive(shields) as run:
        run.cancel()
        run.complete("charge", 1)
        assert ["inside", "cancelled"] == run.result


def test_a_workflow_that_returns_after_its_shielded_step_completes() -> None:
    @workflow
    def shields() -> Workflow[int]:
        return (yield from shield(charge(1)))

    with drive(shields) as run:
        run.cancel()
        run.complete("charge", 5)
        assert 5 == run.result


def test_a_shield_inside_a_combinator_is_waited_for() -> None:
    @workflow
    def shields() -> Workflow[str]:
        try:
            yield from all_of(shield(charge(1)), sleep(HOUR))
        except CancelledError:
            return "cancelled"
        return "not reached"

    with drive(shields) as run:
        run.cancel()
        assert ["all_of, decided, unwinding: (shield: activity 'charge' (seq 1))"] == run.waits
        run.complete("charge", 5)
        assert "cancelled" == run.result


def test_a_step_under_a_shield_may_still_be_cancelled_by_its_own_combinator() -> None:
    @workflow
    def shields() -> Workflow[int]:
        index, _ = yield from shield(first_of(charge(1), nudge.receive()))
        return index

    with drive(shields) as run:
        run.signal(nudge)
        assert "ActivityTaskCancelRequested" in run.kinds
        assert 1 == run.result


# yield without from -------------------------------------------------------------------------------------------------------


def test_yield_and_yield_from_mean_the_same_for_every_kind_of_effect() -> None:
    @workflow
    def sub(amount: int) -> Workflow[int]:
        return (yield charge(amount))  # type: ignore[return-value]

    @workflow
    def bare() -> Workflow[list[object]]:
        one = yield charge(1)
        yield sleep(MINUTE)
        two, three = yield all_of(charge(2), sub(3))  # type: ignore[misc]
        four = yield sub(4)
        five = yield with_timeout(charge(5), HOUR)
        yield wait_until(lambda: True, timeout=HOUR)
        handle = yield start(charge(6))
        six = yield from handle  # type: ignore[var-annotated,attr-defined]
        return [one, two, three, four, five, six]

    with drive(bare) as run:
        run.complete("charge", 1)
        run.fire()
        run.turn(run.completed("charge", 2), run.completed("charge", 3, nth=1))
        for amount in (4, 5, 6):
            run.complete("charge", amount)
        assert [1, 2, 3, 4, 5, 6] == run.result


@pytest.mark.parametrize("bare", [True, False])
def test_a_cancel_request_reaches_the_code_inside_a_workflow_yielded_with_or_without_from(bare: bool) -> None:
    @workflow
    def sub() -> Workflow[str]:
        try:
            yield from charge(1)
        except CancelledError:
            yield from refund(1)
            return "cleaned up"
        return "not reached"

    @workflow
    def main() -> Workflow[str]:
        if bare:
            return (yield sub())  # type: ignore[return-value]
        return (yield from sub())

    with drive(main) as run:
        run.cancel()
        run.complete("refund")
        assert "cleaned up" == run.result


@pytest.mark.parametrize("bare", [True, False])
def test_a_request_that_waits_for_delivery_goes_into_a_workflow_and_comes_out_of_it_again(bare: bool) -> None:
    @workflow
    def quick() -> Workflow[str]:
        yield from now()
        return "quick"

    @workflow
    def slow() -> Workflow[str]:
        try:
            yield from charge(1)
        except CancelledError:
            return "cancelled inside"
        return "not reached"

    @workflow
    def main() -> Workflow[list[object]]:
        yield from shield(reserve("x"))
        if bare:
            return [(yield quick()), (yield slow())]
        return [(yield from quick()), (yield from slow())]

    with drive(main) as run:
        run.cancel()
        run.complete("reserve", "r")
        assert ["quick", "cancelled inside"] == run.result


def test_a_workflow_yielded_without_from_raises_what_it_raises() -> None:
    @workflow
    def sub() -> Workflow[str]:
        yield from charge(1)
        raise ApplicationError("inside")

    @workflow
    def main() -> Workflow[str]:
        try:
            yield sub()
        except ApplicationError as error:
            return str(error)
        return "not reached"

    with drive(main) as run:
        run.complete("charge", 1)
        assert "inside" == run.result
