"""Combinators: what decides them, what becomes of the losers, and how they nest."""

from __future__ import annotations

import pytest

from refold import (
    ActivityError,
    ApplicationError,
    CancelledError,
    Outcome,
    Workflow,
    all_of,
    all_settled,
    any_of,
    first_of,
    now,
    sleep,
    with_timeout,
    workflow,
)
from tests.kernel.driving import drive, run_to_end, signalled
from tests.kernel.parts import (
    HOUR,
    Steps,
    approval,
    charge,
    nudge,
    number,
    patient,
    release,
    reserve,
)

# all_of ---------------------------------------------------------------------------------------------------------------


@workflow
def both() -> Workflow[list[object]]:
    return list((yield from all_of(reserve("x"), charge(5))))


def test_all_of_gives_the_results_in_the_order_of_its_steps() -> None:
    with drive(both) as run:
        run.complete("charge", 5)
        run.complete("reserve", "r")
        assert ["r", 5] == run.result


def test_all_of_nothing_is_the_empty_tuple_at_once() -> None:
    @workflow
    def nothing() -> Workflow[bool]:
        return (yield from all_of()) == ()

    assert True is run_to_end(nothing)


def test_all_of_raises_the_first_failure_and_asks_the_siblings_to_stop() -> None:
    with drive(both) as run:
        turn = run.fail("charge", ApplicationError("declined", type="Declined"))
        assert ["ActivityTaskCancelRequested", "WorkflowExecutionFailed"] == [
            type(e).__name__ for e in turn.events if not e.external
        ]
        assert run.failure.cause is not None
        assert "Declined" == run.failure.cause.type


def test_all_of_waits_until_its_cancelled_siblings_have_unwound_before_it_raises() -> None:
    @workflow
    def careful() -> Workflow[str]:
        def held() -> Steps:
            try:
                yield from sleep(HOUR)
            finally:
                yield from release("x")

        try:
            yield from all_of(held(), charge(1))
        except ActivityError:
            return "failed"
        return "not reached"

    with drive(careful) as run:
        run.fail("charge", ApplicationError("declined"))
        assert ["release"] == run.open_activities
        assert ["all_of, decided, unwinding: step 1", "activity 'release' (seq 3)"] == run.waits
        run.complete("release")
        assert "failed" == run.result


def test_all_of_raises_the_failure_that_came_first_not_one_that_came_while_unwinding() -> None:
    @workflow
    def careful() -> Workflow[str]:
        def held() -> Steps:
            try:
                yield from sleep(HOUR)
            finally:
                yield from release("x")

        yield from all_of(held(), charge(1))
        return "not reached"

    with drive(careful) as run:
        run.fail("charge", ApplicationError("first"))
        run.fail("release", ApplicationError("second"))
        assert run.failure.cause is not None
        assert "first" == run.failure.cause.message


def test_all_of_with_a_step_that_fails_at_once_does_not_begin_the_steps_behind_it() -> None:
    @workflow
    def wrong() -> Workflow[str]:
        try:
            yield from all_of(with_timeout(reserve("x"), HOUR), number.receive(), charge(1))
        except ActivityError:
            return "not reached"
        except Exception as error:
            return type(error).__name__
        return "not reached"

    with drive(wrong, beside=[signalled("number", "five")]) as run:
        assert "PayloadError" == run.result
        assert [] == run.scheduled


def test_a_thousand_steps_are_one_all_of() -> None:
    @workflow
    def many() -> Workflow[int]:
        return sum((yield from all_of(*[charge(i) for i in range(1_000)])))

    with drive(many, recheck=False) as run:
        run.turn(*[run.completed("charge", i, nth=i) for i in range(1_000)])
        assert 499_500 == run.result


# all_settled ----------------------------------------------------------------------------------------------------------


def test_all_settled_waits_for_all_and_raises_nothing() -> None:
    @workflow
    def settles() -> Workflow[list[object]]:
        first, second = yield from all_settled(charge(1), charge(2))
        assert isinstance(first.error, ActivityError)
        assert second == Outcome(2)
        return [str(first.error.cause), second.unwrap()]

    with drive(settles) as run:
        run.fail("charge", ApplicationError("declined"))
        assert ["all_settled: activity 'charge' (seq 2)"] == run.waits
        run.complete("charge", 2)
        assert ["declined", 2] == run.result


def test_an_outcome_unwraps_to_its_value_or_raises_its_error() -> None:
    error = ApplicationError("no")

    assert 1 == Outcome(1).unwrap()
    with pytest.raises(ApplicationError) as raised:
        Outcome[int](error=error).unwrap()
    assert error is raised.value


def test_all_settled_of_nothing_is_the_empty_tuple() -> None:
    @workflow
    def nothing() -> Workflow[bool]:
        return (yield from all_settled()) == ()

    assert True is run_to_end(nothing)


# first_of -------------------------------------------------------------------------------------------------------------


@workflow
def waits_a_day() -> Workflow[list[object]]:
    index, value = yield from first_of(approval.receive(), sleep(24 * HOUR))
    return [index, value]


def test_first_of_gives_index_and_value_and_withdraws_the_timer_that_lost() -> None:
    with drive(waits_a_day) as run:
        turn = run.signal(approval, "yes")
        assert ["TimerStarted", "TimerCanceled", "WorkflowExecutionCompleted"] == run.kinds
        assert () == turn.commands  # the run is closed: there is nobody left to withdraw it for
        assert [0, "yes"] == run.result


def test_first_of_withdraws_a_lost_timer_of_a_run_that_goes_on() -> None:
    @workflow
    def goes_on() -> Workflow[int]:
        yield from first_of(approval.receive(), sleep(HOUR))
        return (yield from charge(1))

    with drive(goes_on) as run:
        turn = run.signal(approval, "yes")
        assert ["TimerCanceled", "ActivityTaskScheduled"] == [
            type(command).__name__ for command in turn.commands
        ]
        run.complete("charge", 1)


def test_a_receiver_that_lost_leaves_the_signal_in_the_buffer() -> None:
    @workflow
    def later() -> Workflow[list[object]]:
        index, _ = yield from first_of(approval.receive(), sleep(HOUR))
        return [index, (yield from approval.receive())]

    with drive(later) as run:
        run.fire()
        assert ["signal 'approval'"] == run.waits
        run.signal(approval, "late")
        assert [1, "late"] == run.result


def test_first_of_raises_the_failure_of_the_step_that_ended_first() -> None:
    @workflow
    def races() -> Workflow[str]:
        yield from first_of(charge(1), sleep(HOUR))
        return "not reached"

    with drive(races) as run:
        run.fail("charge", ApplicationError("declined"))
        assert "activity" == run.failure.kind


def test_first_of_does_not_begin_the_steps_behind_one_that_is_answered_at_once() -> None:
    @workflow
    def races() -> Workflow[list[object]]:
        yield from charge(1)
        index, value = yield from first_of(approval.receive(), reserve("x"), sleep(HOUR))
        return [index, value]

    with drive(races) as run:
        run.signal(approval, "early")
        run.complete("charge", 1)
        assert [0, "early"] == run.result
        assert ["charge"] == run.scheduled


def test_first_of_cancels_steps_that_were_begun_before_the_one_that_is_answered_at_once() -> None:
    @workflow
    def races() -> Workflow[int]:
        def held() -> Steps:
            yield from nudge.receive()

        index, _ = yield from first_of(reserve("x"), held(), patient(1), now())
        return index

    with drive(races) as run:
        assert ["ActivityTaskScheduled"] * 2 + ["ActivityTaskCancelRequested"] * 2 == run.kinds[:4]
        assert 3 == run.result


def test_first_of_waits_for_a_loser_whose_clean_up_takes_time() -> None:
    @workflow
    def races() -> Workflow[list[object]]:
        def held() -> Steps:
            try:
                yield from sleep(HOUR)
            finally:
                yield from release("x")

        index, value = yield from first_of(held(), approval.receive())
        return [index, value]

    with drive(races) as run:
        run.signal(approval, "yes")
        assert ["release"] == run.open_activities
        run.complete("release")
        assert [1, "yes"] == run.result


def test_a_loser_whose_own_clean_up_fails_is_raised_in_place_of_the_result() -> None:
    @workflow
    def races() -> Workflow[str]:
        def held() -> Steps:
            try:
                yield from sleep(HOUR)
            except CancelledError:
                raise ApplicationError("could not give it back", type="Leak") from None

        yield from first_of(held(), approval.receive())
        return "not reached"

    with drive(races) as run:
        run.signal(approval, "yes")
        assert "Leak" == run.failure.type


def test_a_loser_that_catches_its_cancellation_and_returns_has_no_say() -> None:
    @workflow
    def races() -> Workflow[list[object]]:
        def held() -> Steps:
            try:
                yield from sleep(HOUR)
            except CancelledError:
                return "ignored"

        index, value = yield from first_of(held(), approval.receive())
        return [index, value]

    with drive(races) as run:
        run.signal(approval, "yes")
        assert [1, "yes"] == run.result


def test_a_loser_that_is_a_plain_effect_has_no_say_even_if_it_fails_while_it_is_waited_for() -> None:
    @workflow
    def races() -> Workflow[int]:
        index, _ = yield from first_of(patient(1), approval.receive())
        return index

    with drive(races) as run:
        run.signal(approval, "yes")
        assert ["first_of, decided, unwinding: activity 'patient' (seq 1)"] == run.waits
        run.fail("patient", ApplicationError("too late to matter"))
        assert 1 == run.result


def test_the_failing_clean_up_of_a_loser_inside_a_losing_combinator_is_raised() -> None:
    @workflow
    def races() -> Workflow[str]:
        def held() -> Steps:
            try:
                yield from sleep(HOUR)
            finally:
                raise ApplicationError("deep down", type="Leak")

        yield from first_of(approval.receive(), all_of(charge(1), first_of(held(), nudge.receive())))
        return "not reached"

    with drive(races) as run:
        run.signal(approval, "yes")
        assert "Leak" == run.failure.type


# any_of ---------------------------------------------------------------------------------------------------------------


@workflow
def either() -> Workflow[int]:
    return (yield from any_of(charge(1), charge(2)))


def test_any_of_takes_the_first_success_and_passes_over_failures() -> None:
    with drive(either) as run:
        run.fail("charge", ApplicationError("declined"))
        run.complete("charge", 2)
        assert 2 == run.result


def test_any_of_asks_the_others_to_stop_once_one_has_succeeded() -> None:
    with drive(either) as run:
        run.complete("charge", 1)
        assert "ActivityTaskCancelRequested" in run.kinds
        assert 1 == run.result


def test_any_of_raises_a_group_of_all_failures_if_all_fail_and_that_fails_the_run() -> None:
    with drive(either) as run:
        run.fail("charge", ApplicationError("one"))
        run.fail("charge", ApplicationError("two"))
        assert "ExceptionGroup" == run.failure.type


def test_the_group_of_any_of_holds_the_failures_in_the_order_of_the_steps() -> None:
    @workflow
    def catches() -> Workflow[list[str]]:
        try:
            yield from any_of(charge(1), reserve("x"))
        except ExceptionGroup as group:
            return [str(error.__cause__) for error in group.exceptions]
        return []

    with drive(catches) as run:
        run.fail("reserve", ApplicationError("second step"))
        run.fail("charge", ApplicationError("first step"))
        assert ["first step", "second step"] == run.result


def test_a_step_of_any_of_that_fails_before_another_succeeds_is_no_loser() -> None:
    @workflow
    def tries() -> Workflow[int]:
        def first() -> Steps:
            yield from reserve("x")
            raise ApplicationError("this way is closed")

        return (yield from any_of(first(), charge(2)))

    with drive(tries) as run:
        run.complete("reserve", "r")
        run.complete("charge", 2)
        assert 2 == run.result


def test_a_loser_of_any_of_whose_clean_up_fails_is_raised() -> None:
    @workflow
    def tries() -> Workflow[int]:
        def held() -> Steps:
            try:
                yield from sleep(HOUR)
            finally:
                raise ApplicationError("could not give it back", type="Leak")

        return (yield from any_of(held(), charge(2)))

    with drive(tries) as run:
        run.complete("charge", 2)
        assert "Leak" == run.failure.type
