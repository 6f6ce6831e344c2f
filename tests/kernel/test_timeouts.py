"""``with_timeout``, ``wait_until`` and ``sleep``."""

from __future__ import annotations

from datetime import timedelta

from refold import (
    Execution,
    TimeoutError,
    Workflow,
    first_of,
    sleep,
    wait_until,
    with_timeout,
    workflow,
)
from tests.kernel.driving import BEGIN, drive, start_message
from tests.kernel.parts import HOUR, Steps, approval, charge, nudge, patient, release


def test_with_timeout_gives_the_result_in_time_and_withdraws_its_timer() -> None:
    @workflow
    def bounded() -> Workflow[int]:
        result = yield from with_timeout(charge(1), HOUR)
        yield from nudge.receive()
        return result

    with drive(bounded) as run:
        turn = run.complete("charge", 3)
        assert ["TimerCanceled"] == [type(command).__name__ for command in turn.commands]
        run.signal(nudge)
        assert 3 == run.result


def test_with_timeout_raises_once_the_step_has_been_cancelled_and_has_unwound() -> None:
    @workflow
    def bounded() -> Workflow[str]:
        def held() -> Steps:
            try:
                yield from charge(1)
            finally:
                yield from release("x")

        try:
            yield from with_timeout(held(), HOUR)
        except TimeoutError as error:
            return error.type.value
        return "not reached"

    with drive(bounded) as run:
        run.fire()
        assert ["release"] == run.open_activities[1:]
        run.complete("release")
        assert "STEP" == run.result


def test_with_timeout_waits_for_an_activity_whose_cancellation_is_waited_for() -> None:
    @workflow
    def bounded() -> Workflow[str]:
        try:
            yield from with_timeout(patient(1), HOUR)
        except TimeoutError:
            return "timed out"
        return "not reached"

    with drive(bounded) as run:
        run.fire()
        run.turn(run.reported_cancelled("patient"))
        assert "timed out" == run.result


def test_a_timeout_that_leaves_the_workflow_fails_the_run() -> None:
    @workflow
    def bounded() -> Workflow[int]:
        return (yield from with_timeout(charge(1), HOUR))

    with drive(bounded) as run:
        run.fire()
        assert ("timeout", "STEP") == (run.failure.kind, run.failure.timeout_type)


def test_wait_until_holds_at_once_where_its_condition_does() -> None:
    @workflow
    def waits() -> Workflow[str]:
        yield from wait_until(lambda: True)
        return "done"

    with drive(waits) as run:
        assert "done" == run.result


def test_wait_until_with_a_timeout_raises_when_the_timer_fires_first() -> None:
    @workflow
    def waits() -> Workflow[str]:
        try:
            yield from wait_until(lambda: False, timeout=HOUR)
        except TimeoutError:
            return "gave up"
        return "not reached"

    with drive(waits) as run:
        run.fire()
        assert "gave up" == run.result


def test_a_condition_that_raises_raises_in_the_workflow() -> None:
    @workflow
    def waits() -> Workflow[str]:
        values: list[int] = []
        try:
            yield from wait_until(lambda: values[0] > 0)
        except IndexError:
            return "raised here"
        return "not reached"

    with drive(waits) as run:
        assert "raised here" == run.result


def test_a_condition_whose_branch_was_cancelled_is_not_judged_again() -> None:
    @workflow
    def waits() -> Workflow[str]:
        judged: list[int] = []

        def counts() -> bool:
            judged.append(1)
            return len(judged) > 2

        yield from first_of(wait_until(counts), nudge.receive())
        yield from approval.receive()
        return str(len(judged))

    with drive(waits) as run:
        run.signal(nudge)
        run.signal(approval, "yes")
        assert "1" == run.result


def test_a_sleep_of_zero_ends_with_the_next_turn() -> None:
    @workflow
    def naps() -> Workflow[str]:
        yield from sleep(timedelta(0))
        return "awake"

    with drive(naps) as run:
        timer = run.execution.outstanding[0]
        assert run.execution.state.at == timer.fire_at  # type: ignore[union-attr]
        run.fire()
        assert "awake" == run.result


def test_a_sleep_beyond_the_calendar_is_due_at_its_last_instant() -> None:
    last = 253_402_300_799_999_999

    @workflow
    def naps() -> Workflow[None]:
        yield from sleep(timedelta.max)

    with drive(naps) as run:
        assert 100 * 365 * 24 * 3_600_000_000 == run.execution.outstanding[0].fire_at - BEGIN  # type: ignore[union-attr]

    with Execution(naps) as execution:
        execution.turn(start_message(naps), at=last - 1)
        assert last == execution.outstanding[0].fire_at  # type: ignore[union-attr]
        assert "timer due 9999-12-31 23:59:59+00:00 (seq 1)" == execution.waiting()[0].wait
