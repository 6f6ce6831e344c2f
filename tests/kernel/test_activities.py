"""Activities as a workflow sees them: what is recorded, what comes back, and typed errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from refold import (
    ActivityError,
    ApplicationError,
    CancelledError,
    DefinitionError,
    Execution,
    PayloadError,
    RetryPolicy,
    RetryState,
    TerminatedError,
    TimeoutError,
    TimeoutType,
    Workflow,
    WorkflowTaskError,
    activity,
    all_of,
    execute_activity,
    workflow,
)
from refold import events as ev
from refold.failures import failure_of
from tests.kernel.driving import drive, start_message
from tests.kernel.parts import MINUTE, SECOND, charge


@attrs.frozen
class Order:
    id: str
    placed: datetime
    lines: tuple[str, ...] = ()


@attrs.frozen
class Receipt:
    order: Order
    total: int


@activity(
    task_queue="money",
    start_to_close_timeout=MINUTE,
    heartbeat_timeout=SECOND,
    retry_policy=RetryPolicy(maximum_attempts=3),
)
def bill(order: Order, amount: int = 5, *extras: int) -> Receipt: ...


ORDER = Order("o-1", datetime(2024, 2, 29, 12, 0, tzinfo=UTC), ("a", "b"))


@workflow
def bills(order: Order) -> Workflow[int]:
    receipt = yield from bill(order)
    return receipt.total if isinstance(receipt, Receipt) and receipt.order == order else -1


def test_an_activity_is_recorded_with_its_name_its_arguments_and_the_line_that_yielded_it() -> None:
    with drive(bills, ORDER) as run:
        (scheduled,) = run.execution.outstanding
        assert isinstance(scheduled, ev.ActivityTaskScheduled)
        assert ("bill", 1, 0) == (scheduled.activity_type, scheduled.seq, scheduled.branch)
        assert [{"id": "o-1", "placed": "2024-02-29T12:00:00+00:00", "lines": ["a", "b"]}] == scheduled.input
        assert scheduled.source.startswith("kernel/test_activities.py:")
        assert scheduled.source.endswith(" in bills")
        run.complete("bill", {"order": scheduled.input[0], "total": 7})
        assert 7 == run.result


def test_only_options_that_are_not_the_default_are_recorded() -> None:
    with drive(bills, ORDER) as run:
        (scheduled,) = run.execution.outstanding
        assert isinstance(scheduled, ev.ActivityTaskScheduled)
        options = dict(scheduled.options or {})
        assert 3 == options.pop("retry_policy")["maximum_attempts"]
        assert {
            "task_queue": "money",
            "start_to_close_timeout_us": 60_000_000,
            "heartbeat_timeout_us": 1_000_000,
        } == options
        run.complete("bill", {"order": scheduled.input[0], "total": 7})


def test_an_activity_without_options_records_none() -> None:
    @workflow
    def plain() -> Workflow[int]:
        return (yield from charge(1))

    with drive(plain) as run:
        (scheduled,) = run.execution.outstanding
        assert isinstance(scheduled, ev.ActivityTaskScheduled)
        assert scheduled.options is None
        run.complete("charge", 1)


def test_options_of_one_call_are_recorded_and_leave_the_activity_as_it_is() -> None:
    @workflow
    def changed() -> Workflow[int]:
        return (yield from charge.options(task_queue="slow")(1))

    with drive(changed) as run:
        (scheduled,) = run.execution.outstanding
        assert isinstance(scheduled, ev.ActivityTaskScheduled)
        assert {"task_queue": "slow"} == scheduled.options
        run.complete("charge", 1)
    assert charge.default_options.task_queue is None


def test_an_activity_is_called_by_name_where_its_code_is_not_at_hand() -> None:
    @workflow
    def by_name() -> Workflow[list[object]]:
        typed = yield from execute_activity(
            "bill", ORDER, 5, result_type=Receipt, task_queue="money", start_to_close_timeout=MINUTE
        )
        plain = yield from execute_activity("bill", ORDER)
        return [typed.total, plain["total"]]

    with drive(by_name) as run:
        (scheduled,) = run.execution.outstanding
        assert isinstance(scheduled, ev.ActivityTaskScheduled)
        assert {"task_queue": "money", "start_to_close_timeout_us": 60_000_000} == scheduled.options
        receipt = {"order": scheduled.input[0], "total": 7}
        run.complete("bill", receipt)
        run.complete("bill", receipt)
        assert [7, 7] == run.result


def test_a_result_that_does_not_fit_its_type_raises_in_the_workflow_at_the_line_that_yielded() -> None:
    @workflow
    def checks() -> Workflow[str]:
        try:
            yield from charge(1)
        except PayloadError as error:
            return error.code
        return "not reached"

    with drive(checks) as run:
        run.complete("charge", "a hundred")
        assert "RF1302" == run.result


def test_a_result_that_does_not_fit_in_a_combinator_is_a_failure_of_that_step() -> None:
    @workflow
    def checks() -> Workflow[str]:
        try:
            yield from all_of(charge(1), charge(2))
        except PayloadError as error:
            return error.code
        return "not reached"

    with drive(checks) as run:
        run.complete("charge", "a hundred")
        assert "RF1302" == run.result


def test_an_argument_that_cannot_be_stored_raises_in_the_workflow_and_schedules_nothing() -> None:
    @workflow
    def wrong() -> Workflow[str]:
        try:
            yield from execute_activity("count", {1, 2, 3})
        except PayloadError as error:
            return error.code
        return "not reached"

    with drive(wrong) as run:
        assert "RF1301" == run.result
        assert [] == run.scheduled


def test_an_argument_that_cannot_be_stored_is_a_failure_of_its_step_in_a_combinator() -> None:
    @workflow
    def wrong() -> Workflow[str]:
        try:
            yield from all_of(charge(1), execute_activity("count", {1, 2, 3}), charge(2))
        except PayloadError as error:
            return error.code
        return "not reached"

    with drive(wrong) as run:
        assert "RF1301" == run.result
        assert ["charge"] == run.scheduled


def test_a_mistake_that_the_workflow_does_not_catch_fails_the_turn_and_not_the_run() -> None:
    @workflow
    def wrong() -> Workflow[None]:
        yield from execute_activity("count", float("nan"))

    execution = Execution(wrong)
    with execution, pytest.raises(PayloadError, match="RF1301"):
        execution.turn(start_message(wrong), at=1)


# Typed errors -----------------------------------------------------------------------------------------------------------


@workflow
def catches() -> Workflow[list[Any]]:
    try:
        yield from charge(1)
    except ActivityError as error:
        cause = error.cause
        state = None if error.retry_state is None else error.retry_state.value
        return [error.activity_type, error.activity_id, state, type(cause).__name__, str(cause)]
    return []


def test_a_failed_activity_raises_an_activity_error_with_what_the_activity_raised_as_its_cause() -> None:
    with drive(catches) as run:
        run.fail("charge", ApplicationError("declined", type="Declined"), retry_state="NON_RETRYABLE_FAILURE")
        assert ["charge", "1", "NON_RETRYABLE_FAILURE", "ApplicationError", "declined"] == run.result


def test_an_application_error_comes_back_with_its_type_and_details() -> None:
    @workflow
    def looks() -> Workflow[list[Any]]:
        try:
            yield from charge(1)
        except ActivityError as error:
            cause = error.cause
            if isinstance(cause, ApplicationError):
                return [cause.type, list(cause.details), cause.non_retryable, cause.message]
        return []

    failure = ApplicationError("declined", {"code": 51}, "insufficient", type="Declined", non_retryable=True)
    with drive(looks) as run:
        run.fail("charge", failure)
        assert ["Declined", [{"code": 51}, "insufficient"], True, "declined"] == run.result


def test_an_activity_that_timed_out_has_a_timeout_as_its_cause_with_the_last_failure_behind_it() -> None:
    @workflow
    def looks() -> Workflow[list[Any]]:
        try:
            yield from charge(1)
        except ActivityError as error:
            cause = error.cause
            if isinstance(cause, TimeoutError):
                return [cause.type.value, list(cause.last_heartbeat_details), str(cause.__cause__)]
        return []

    last = failure_of(ApplicationError("still trying"))
    with drive(looks) as run:
        run.turn(
            run.timed_out(
                "charge",
                "HEARTBEAT",
                retry_state="MAXIMUM_ATTEMPTS_REACHED",
                last_failure=last,
                last_heartbeat_details=[3],
            )
        )
        assert ["HEARTBEAT", [3], "still trying"] == run.result
    with drive(catches) as run:
        run.turn(run.timed_out("charge", "START_TO_CLOSE"))
        assert ["charge", "1", None, "TimeoutError", "the activity timed out (START_TO_CLOSE)"] == run.result


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ApplicationError("x"), "ApplicationError"),
        (ValueError("x"), "ApplicationError"),
        (TimeoutError("x", type=TimeoutType.STEP), "TimeoutError"),
        (TerminatedError("x"), "TerminatedError"),
        (CancelledError("x"), "CancelledError"),
        (
            ActivityError("x", activity_type="a", activity_id="1", retry_state=RetryState.TIMEOUT),
            "ActivityError",
        ),
    ],
)
def test_every_kind_of_failure_comes_back_as_its_class(error: BaseException, name: str) -> None:
    with drive(catches) as run:
        run.fail("charge", error)
        assert name == run.result[3]


def test_an_activity_error_that_is_not_caught_fails_the_run_with_its_chain_of_causes() -> None:
    @workflow
    def plain() -> Workflow[int]:
        return (yield from charge(1))

    with drive(plain) as run:
        run.fail("charge", ApplicationError("declined", type="Declined"))
        assert ("activity", "charge") == (run.failure.kind, run.failure.activity_type)
        assert run.failure.cause is not None
        assert ("application", "Declined") == (run.failure.cause.kind, run.failure.cause.type)
        assert run.failure.frames[-1].endswith(".<locals>.plain")


# How a run ends ---------------------------------------------------------------------------------------------------------


def test_a_plain_bug_fails_the_turn_with_its_frames_and_nothing_of_it_is_recorded() -> None:
    @workflow
    def buggy() -> Workflow[None]:
        yield from charge(1)
        {}["missing"]

    with drive(buggy) as run:
        with pytest.raises(WorkflowTaskError, match="RF1110: buggy raised KeyError: 'missing'") as raised:
            run.complete("charge", 1)
        assert raised.value.frames[-1].endswith(".buggy")
        assert raised.value.frames[-1] == raised.value.where
        assert isinstance(raised.value.__cause__, KeyError)
        assert ["ActivityTaskScheduled"] == run.kinds


def test_a_listed_exception_fails_the_run() -> None:
    @workflow(failure_exception_types=[LookupError])
    def listed() -> Workflow[None]:
        yield from charge(1)
        {}["missing"]

    with drive(listed) as run:
        run.complete("charge", 1)
        assert ("application", "KeyError", "'missing'") == (
            run.failure.kind,
            run.failure.type,
            run.failure.message,
        )


@pytest.mark.parametrize("bug", [True, False])
def test_a_group_fails_the_run_if_all_in_it_are_failures(bug: bool) -> None:
    @workflow
    def groups(with_bug: bool) -> Workflow[None]:
        yield from charge(1)
        inner: list[Exception] = [
            ApplicationError("a"),
            ValueError("b") if with_bug else ApplicationError("b"),
        ]
        raise ExceptionGroup("outer", [ApplicationError("c"), ExceptionGroup("inner", inner)])

    with drive(groups, bug) as run:
        if bug:
            with pytest.raises(WorkflowTaskError, match="RF1110"):
                run.complete("charge", 1)
        else:
            run.complete("charge", 1)
            assert "ExceptionGroup" == run.failure.type


def test_a_result_that_cannot_be_stored_fails_the_turn() -> None:
    @workflow
    def wrong() -> Workflow[object]:
        yield from charge(1)
        return {1, 2}

    with drive(wrong) as run, pytest.raises(PayloadError, match="RF1301"):
        run.complete("charge", 1)


def test_input_that_does_not_fit_fails_the_turn() -> None:
    execution = Execution(bills)
    with execution, pytest.raises(DefinitionError, match="RF1302"):
        execution.turn(start_message(bills, ORDER, input=[{"id": 5}]), at=1)


def test_a_workflow_always_sees_the_decoded_form_of_its_input() -> None:
    @workflow
    def looks(anything: Any, when: timedelta) -> Workflow[list[str]]:
        yield from charge(1)
        return [type(anything).__name__, type(when).__name__]

    with drive(looks, (1, 2), MINUTE) as run:
        run.complete("charge", 1)
        assert ["list", "timedelta"] == run.result
