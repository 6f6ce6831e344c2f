"""Mistakes of the code under way: each is told in the turn in which it happens, with the line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from refold import (
    CancelledError,
    DefinitionError,
    Execution,
    Handle,
    Workflow,
    WorkflowTaskError,
    all_of,
    cancel,
    now,
    shield,
    start,
    workflow,
)
from refold.performers import DEPTH_MAX
from refold.scheduler import CHAIN_MAX
from tests.kernel.driving import drive, run_to_end, start_message
from tests.kernel.parts import Steps, charge, nudge


def refused(definition: Any, *, match: str) -> WorkflowTaskError:
    """The error of a first turn of which nothing may be stored."""
    with Execution(definition) as execution, pytest.raises(WorkflowTaskError, match=match) as raised:
        execution.turn(start_message(definition), at=1)
    return raised.value


def line_of(definition: Any, text: str) -> int:
    """The line of this file that holds a text, in a function."""
    lines, first = inspect.getsourcelines(definition.fn)
    return first + next(index for index, line in enumerate(lines) if text in line)


# What is yielded ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "foreign", [7, None, "text", charge, (n for n in [1])], ids=lambda value: type(value).__name__
)
def test_what_is_no_effect_is_refused_at_the_line_that_yielded_it(foreign: object) -> None:
    @workflow
    def strays() -> Workflow[str]:
        try:
            yield foreign  # type: ignore[misc]  # pyright: ignore[reportReturnType]
        except DefinitionError as error:
            return f"{error.code} {error.what}"
        return "went on"

    assert f"RF1102 a {type(foreign).__name__} was yielded: {foreign!r:.80}" == run_to_end(strays)


def test_code_that_does_not_mend_a_foreign_yield_makes_no_turn() -> None:
    @workflow
    def strays() -> Workflow[None]:
        yield 7  # type: ignore[misc]  # pyright: ignore[reportReturnType]

    with Execution(strays) as execution, pytest.raises(DefinitionError, match="RF1102") as raised:
        execution.turn(start_message(strays), at=1)
    assert raised.value.where is not None
    assert f"test_mistakes.py:{line_of(strays, 'yield 7')} in " in raised.value.where


def test_a_handle_of_another_run_is_refused() -> None:
    kept: list[Handle[Any]] = []

    @workflow
    def gives() -> Workflow[None]:
        kept.append((yield from start(charge(1))))
        yield from nudge.receive()

    @workflow
    def takes(how: str) -> Workflow[str]:
        handle = kept[0]
        steps: dict[str, Callable[[], Any]] = {
            "join": lambda: handle,
            "cancel": lambda: cancel(handle),
            "all_of": lambda: all_of(handle),
        }
        try:
            yield from steps[how]()
        except DefinitionError as error:
            return error.code
        return "took it"

    with drive(gives, recheck=False):
        assert ["RF1109"] * 3 == [run_to_end(takes, how) for how in ("join", "cancel", "all_of")]


# What is raised -------------------------------------------------------------------------------------------------------


def test_a_stop_iteration_out_of_workflow_code_is_told_with_its_line() -> None:
    @workflow
    def leaks() -> Workflow[int]:
        yield from now()
        return next(iter([]))

    error = refused(leaks, match="RF1104: StopIteration leaked out of workflow code")

    assert error.where is not None
    assert f"test_mistakes.py:{line_of(leaks, 'next(iter')} in " in error.where


@pytest.mark.parametrize("kind", [SystemExit, GeneratorExit, RecursionError, MemoryError])
def test_an_error_that_depends_on_the_machine_does_not_decide_a_workflow(kind: type[BaseException]) -> None:
    @workflow
    def breaks() -> Workflow[None]:
        yield from now()
        raise kind("here")

    error = refused(breaks, match=rf"RF1106: {kind.__name__} in workflow code: here")

    assert kind is type(error.__cause__)
    assert error.where is not None
    assert f"test_mistakes.py:{line_of(breaks, 'raise kind')} in " in error.where


def test_an_interrupt_of_the_user_goes_through() -> None:
    @workflow
    def breaks() -> Workflow[None]:
        yield from now()
        raise KeyboardInterrupt

    with Execution(breaks) as execution, pytest.raises(KeyboardInterrupt):
        execution.turn(start_message(breaks), at=1)


# Depth ----------------------------------------------------------------------------------------------------------------


def chained(depth: int) -> Steps:
    """Code that is ``depth`` generators deep where it waits."""
    if depth > 1:
        return (yield from chained(depth - 1))
    return (yield from now())


@pytest.mark.parametrize("over", [0, 1])
def test_a_chain_of_yield_from_has_a_limit_that_does_not_depend_on_the_stack(over: int) -> None:
    @workflow
    def deep() -> Workflow[str]:
        yield from chained(CHAIN_MAX - 2 + over)  # the workflow and the effect are links too
        return "done"

    if not over:
        assert "done" == run_to_end(deep)
        return
    error = refused(
        deep, match=f"RF1105: the chain of yield from is {CHAIN_MAX + 1} deep; the limit is {CHAIN_MAX}"
    )
    assert error.where is not None
    assert " in chained" in error.where


@pytest.mark.parametrize("over", [0, 1])
def test_steps_inside_steps_have_a_limit_too(over: int) -> None:
    def nested(depth: int) -> Any:
        return all_of(nested(depth - 1)) if depth else now()

    @workflow
    def deep() -> Workflow[str]:
        yield from nested(DEPTH_MAX + over)
        return "done"

    if not over:
        assert "done" == run_to_end(deep)
        return
    refused(deep, match=f"RF1105: steps are nested {DEPTH_MAX + 1} deep; the limit is {DEPTH_MAX}")


def test_started_steps_that_start_steps_have_that_limit_too() -> None:
    def starts(depth: int) -> Steps:
        yield from start(starts(depth + 1))
        yield from nudge.receive()

    @workflow
    def deep() -> Workflow[None]:
        yield from starts(0)

    refused(deep, match=f"RF1105: steps are nested {DEPTH_MAX + 1} deep")


def test_a_shield_around_a_handle_waits_for_it() -> None:
    @workflow
    def shields() -> Workflow[object]:
        handle = yield from start(charge(1))
        try:
            return (yield from shield(handle))
        except CancelledError:
            return "cancelled"

    with drive(shields) as run:
        run.complete("charge", 5)
        assert 5 == run.result
