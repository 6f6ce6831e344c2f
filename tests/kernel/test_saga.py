"""Sagas: what was done is undone, last first, whatever happens meanwhile."""

from __future__ import annotations

import pytest

from refold import (
    ActivityError,
    ApplicationError,
    CancelledError,
    Saga,
    Workflow,
    all_of,
    sleep,
    with_timeout,
    workflow,
)
from tests.kernel.driving import drive
from tests.kernel.parts import HOUR, charge, refund, release, reserve


@workflow
def orders() -> Workflow[str]:
    saga = Saga()
    try:
        item = yield from saga.do(reserve("x"), undo=release)
        yield from saga.do(charge(5), undo=refund)
        yield from sleep(HOUR)
    except (ActivityError, CancelledError):
        yield from saga.compensate()
        raise
    return f"kept {item}"


def test_what_was_done_is_undone_last_first() -> None:
    with drive(orders) as run:
        run.complete("reserve", "item-1")
        run.complete("charge", 99)
        run.cancel()
        assert ["refund"] == run.open_activities
        assert [99] == list(run.execution.outstanding[0].input)  # type: ignore[union-attr]
        run.complete("refund")
        assert ["release"] == run.open_activities
        run.complete("release")
        assert "WorkflowExecutionCanceled" == type(run.closed).__name__


def test_a_step_that_failed_has_nothing_to_undo() -> None:
    with drive(orders) as run:
        run.complete("reserve", "item-1")
        run.fail("charge", ApplicationError("declined"))
        assert ["release"] == run.open_activities
        run.complete("release")
        assert "activity" == run.failure.kind


def test_a_saga_that_is_not_compensated_does_nothing() -> None:
    with drive(orders) as run:
        run.complete("reserve", "item-1")
        run.complete("charge", 99)
        run.fire()
        assert "kept item-1" == run.result


def test_compensations_are_out_of_reach_of_further_cancel_requests() -> None:
    with drive(orders) as run:
        run.complete("reserve", "item-1")
        run.complete("charge", 99)
        run.cancel()
        run.cancel()
        run.complete("refund")
        run.cancel()
        run.complete("release")
        assert ["reserve", "charge", "refund", "release"] == run.scheduled
        assert "WorkflowExecutionCanceled" == type(run.closed).__name__


def test_a_failing_compensation_is_raised_after_the_others_have_run() -> None:
    with drive(orders) as run:
        run.complete("reserve", "item-1")
        run.complete("charge", 99)
        run.cancel()
        run.fail("refund", ApplicationError("bank is closed"))
        run.complete("release")
        assert run.failure.cause is not None
        assert "bank is closed" == run.failure.cause.message


def test_several_failing_compensations_are_raised_together() -> None:
    with drive(orders) as run:
        run.complete("reserve", "item-1")
        run.complete("charge", 99)
        run.cancel()
        run.fail("refund", ApplicationError("bank is closed"))
        run.fail("release", ApplicationError("store is closed"))
        assert "ExceptionGroup" == run.failure.type
        assert run.failure.message.startswith("compensations failed")


def test_an_undo_that_is_added_before_its_step_runs_even_if_the_step_was_cancelled_half_way() -> None:
    @workflow
    def careful() -> Workflow[str]:
        saga = Saga()
        saga.add(lambda: refund(5))
        try:
            yield from charge(5)
        except CancelledError:
            yield from saga.compensate()
        return "done"

    with drive(careful) as run:
        run.cancel()
        run.complete("refund")
        assert ["charge", "refund"] == run.scheduled
        assert "done" == run.result


def test_compensating_twice_undoes_once() -> None:
    @workflow
    def twice() -> Workflow[str]:
        saga = Saga()
        yield from saga.do(charge(5), undo=refund)
        yield from saga.compensate()
        yield from saga.compensate()
        return "done"

    with drive(twice) as run:
        run.complete("charge", 5)
        run.complete("refund")
        assert "done" == run.result
        assert ["charge", "refund"] == run.scheduled


@pytest.mark.parametrize("bounded", [True, False])
def test_steps_of_a_saga_may_run_at_the_same_time_and_are_undone_in_the_order_of_their_results(
    bounded: bool,
) -> None:
    @workflow
    def parallel() -> Workflow[str]:
        saga = Saga()
        steps = saga.do(reserve("x"), undo=release), saga.do(charge(5), undo=refund)
        yield from (with_timeout(all_of(*steps), HOUR) if bounded else all_of(*steps))
        yield from saga.compensate()
        return "done"

    with drive(parallel) as run:
        run.complete("charge", 5)
        run.complete("reserve", "item-1")
        run.complete("release")
        run.complete("refund")
        assert ["release", "refund"] == run.scheduled[2:]
        assert "done" == run.result
