"""Declaring activities, workflows and queries: checked when they are made, known by name, and only values."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from refold import (
    Activity,
    DefinitionError,
    Execution,
    PayloadError,
    Query,
    RetryPolicy,
    Workflow,
    WorkflowDefinition,
    activity,
    all_of,
    any_of,
    execute_activity,
    first_of,
    shield,
    sleep,
    start,
    with_timeout,
    workflow,
)
from refold.effects import ScheduleActivity
from refold.waits import Routine
from tests.kernel.parts import HOUR, Steps, charge

# Activities -----------------------------------------------------------------------------------------------------------------


@activity
def ship(item: str, count: int = 1, *marks: str) -> list[str]:
    """Send it off."""
    return [item, str(count), *marks]


def test_calling_an_activity_makes_an_inert_effect_and_fn_is_the_function_itself() -> None:
    effect = ship("x", 2, "fragile")
    assert isinstance(effect, ScheduleActivity)
    assert (ship.type, ("x", 2, "fragile")) == (effect.activity, effect.args)
    assert ["x", "2", "fragile"] == ship.fn("x", 2, "fragile")
    assert ("ship", "Send it off.", "<activity ship>") == (ship.__name__, ship.__doc__, repr(ship))


def test_arguments_are_stored_in_order_up_to_the_last_one_given_however_they_are_given() -> None:
    assert ("x",) == ship("x").args
    assert ("x", 3) == ship(item="x", count=3).args
    assert ("x",) == ship(item="x").args
    assert ("x", 1, "a", "b") == ship("x", 1, "a", "b").args

    @activity
    def three(a: int, b: int = 2, c: int = 3) -> int: ...

    assert ((1, 2, 5), (1, 4), (1,)) == (three(1, c=5).args, three(b=4, a=1).args, three(a=1).args)


@pytest.mark.parametrize(
    ("args", "named"), [((), {}), (("x",), {"size": 3}), ((), {"count": 1}), (("x",), {"item": "y"})]
)
def test_a_call_that_does_not_fit_the_function_is_refused_where_it_stands(args: Any, named: Any) -> None:
    with pytest.raises(
        DefinitionError, match="RF1002: activity 'ship' was called with other arguments than it takes"
    ):
        ship(*args, **named)


def test_stored_arguments_are_read_as_the_declared_types() -> None:
    @activity
    def wait(first: timedelta, then: Any, untyped=None, *more: timedelta) -> None: ...  # type: ignore[no-untyped-def]

    second = timedelta(seconds=1)
    assert (second, [1], "x", second, second) == wait.decode_input(
        [1_000_000, [1], "x", 1_000_000, 1_000_000]
    )
    assert (second, 1) == wait.decode_input([1_000_000, 1])
    with pytest.raises(PayloadError, match="RF1302: activity 'wait' was given 1 arguments and takes 2 to "):
        wait.decode_input([1_000_000])
    with pytest.raises(
        PayloadError, match="RF1302: activity 'charge' was given 2 arguments and takes 1 to 1"
    ):
        charge.decode_input([1, 2])


def test_where_an_activity_runs_follows_from_its_function() -> None:
    @activity
    async def asynchronous() -> int:
        return 1

    @activity(executor="process")
    def heavy() -> int:
        return 1

    assert ("async", "process", "thread") == (asynchronous.executor, heavy.executor, charge.executor)
    assert int is asynchronous.result_type


@pytest.mark.parametrize("executor", ["fiber", "process"])
def test_an_executor_that_does_not_fit_the_function_is_refused(executor: Any) -> None:
    async def asynchronous() -> None: ...

    with pytest.raises(DefinitionError, match="RF1002: executor="):
        activity(executor=executor)(asynchronous)


def test_generators_cannot_be_activities() -> None:
    def generator() -> Any:
        yield

    async def async_generator() -> Any:
        yield

    functions: list[Any] = [generator, async_generator]
    for function in functions:
        with pytest.raises(DefinitionError, match=r"RF1002: .* cannot be an activity"):
            activity(function)


def test_nothing_can_be_taken_by_name_only() -> None:
    def loose(**options: int) -> None: ...

    def named(item: str, *, count: int = 1) -> None: ...

    for function, parameter in ((loose, "options"), (named, "count")):
        with pytest.raises(DefinitionError, match=f"RF1002: activity '.*' takes '{parameter}' by name only"):
            activity(function)


def test_an_activity_has_the_name_it_is_given() -> None:
    named = activity(name="send off")(ship.fn)
    assert "send off" == named.name
    with pytest.raises(DefinitionError, match="RF1003: the activity name"):
        activity(name="a\nb")(ship.fn)


def test_options_make_a_copy_and_leave_the_activity_as_it_was() -> None:
    quick = ship.options(
        start_to_close_timeout=timedelta(seconds=1), retry_policy=RetryPolicy(maximum_attempts=1)
    )
    assert isinstance(quick, Activity)
    assert (timedelta(seconds=1), 1) == (
        quick.default_options.start_to_close_timeout,
        quick.default_options.retry_policy.maximum_attempts,
    )
    assert ship.default_options.start_to_close_timeout is None
    assert (ship.fn, ship.name) == (quick.fn, quick.name)


def test_another_function_can_run_in_place_of_an_activity() -> None:
    other = ship.running(str.upper)

    assert (ship.name, ship.default_options, "thread") == (other.name, other.default_options, other.executor)
    assert "SENT" == other.fn("sent")


def test_an_option_that_does_not_exist_is_refused_with_those_that_do() -> None:
    for misuse in (
        lambda: ship.options(timeout=HOUR),
        lambda: activity(timeout=HOUR),  # type: ignore[call-overload]
        lambda: execute_activity("ship", timeout=HOUR),
    ):
        with pytest.raises(DefinitionError, match="RF1004: 'timeout' is not an activity option") as raised:
            misuse()
        assert "start_to_close_timeout" in raised.value.why


def test_annotations_that_cannot_be_resolved_are_refused_when_they_are_needed() -> None:
    @activity
    def lost(value: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(
        DefinitionError, match="RF1002: the annotations of activity 'lost' cannot be resolved"
    ):
        lost.decode_input([1])


# Workflows ------------------------------------------------------------------------------------------------------------------


@workflow
def orders(item: str, count: int = 1) -> Workflow[list[int]]:
    """Order it."""
    yield from sleep(HOUR)
    return [count]


def test_a_workflow_knows_its_name_its_types_and_its_text() -> None:
    assert ("orders", "Order it.", "orders", "<workflow orders>") == (
        orders.name,
        orders.__doc__,
        orders.__name__,
        repr(orders),
    )
    assert list[int] == orders.result_type
    assert ["x", 1] == orders.encode_input(item="x", count=1)
    assert ["x"] == orders.encode_input("x")
    assert ["x", 2] == orders.encode_input(count=2, item="x")


def test_calling_a_workflow_makes_an_inert_effect() -> None:
    assert isinstance(orders("x"), Routine)


def test_input_is_checked_where_the_run_is_started() -> None:
    with pytest.raises(DefinitionError, match="RF1002"):
        orders.encode_input()
    with pytest.raises(PayloadError, match="RF1302"):
        orders.encode_input(5)
    with pytest.raises(PayloadError, match="RF1301"):
        orders.encode_input({1})


def test_a_workflow_without_a_result_type_gives_what_it_gives() -> None:
    @workflow
    def untyped(item):  # type: ignore[no-untyped-def]
        yield from sleep(HOUR)

    @workflow
    def bare() -> Steps:
        yield from sleep(HOUR)

    assert (Any, Any) == (untyped.result_type, bare.result_type)


@pytest.mark.parametrize("kind", ["not a generator function", "an async function", "an async generator"])
def test_only_a_generator_function_can_be_a_workflow(kind: str) -> None:
    def plain() -> int:
        return 1

    async def coroutine() -> int:
        return 1

    async def async_generator() -> Any:
        yield

    function: Any = {
        "not a generator function": plain,
        "an async function": coroutine,
        "an async generator": async_generator,
    }[kind]
    with pytest.raises(DefinitionError, match=f"RF1001: .* is {kind}"):
        workflow(function)


def test_a_workflow_has_the_name_it_is_given() -> None:
    named = workflow(name="order book")(orders.fn)
    assert isinstance(named, WorkflowDefinition)
    assert "order book" == named.name
    with pytest.raises(DefinitionError, match="RF1003: the workflow name"):
        workflow(name="")(orders.fn)


# Steps and durations --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [5, None, "charge", [charge(1)], charge, orders])
def test_only_steps_can_be_combined(step: Any) -> None:
    for combine in (all_of, first_of, any_of, start, shield, lambda s: with_timeout(s, HOUR)):
        with pytest.raises(DefinitionError, match=r"RF1002: \w+\(\) was given"):
            combine(step)


@pytest.mark.parametrize("combine", [first_of, any_of])
def test_a_race_needs_a_step(combine: Any) -> None:
    with pytest.raises(DefinitionError, match=r"RF1002: \w+\(\) was called without steps"):
        combine()


@pytest.mark.parametrize("duration", [-HOUR, 5, None, 1.5])
def test_durations_are_checked_where_they_are_given(duration: Any) -> None:
    for make in (sleep, lambda d: with_timeout(charge(1), d)):
        if duration is not None:
            with pytest.raises(DefinitionError, match="RF1004"):
                make(duration)


def test_queries_and_effects_are_values() -> None:
    assert "progress" == Query("progress", int).name
    assert charge(1) == charge(1)
    assert charge(1) != charge(2)
    assert all_of(charge(1)) == all_of(charge(1))
    assert 0 == len(Execution(orders).close())
