"""Where workflow engines broke on generators, 7 to 11: forgotten yields, lost lines, leaks, re-entrancy, recursion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from refold import (
    ActivityError,
    ApplicationError,
    DefinitionError,
    Execution,
    MessageError,
    Workflow,
    WorkflowTaskError,
    all_of,
    now,
    side_effect,
    sleep,
    start,
    wait_until,
    workflow,
)
from refold import events as ev
from refold.messages import CompleteActivity
from refold.performers import DEPTH_MAX
from refold.scheduler import CHAIN_MAX
from tests.kernel.driving import cancel_asked, drive, signalled, start_message
from tests.kernel.mutants import without_each_yield
from tests.kernel.parts import HOUR, Steps, charge, nudge, number
from tests.kernel.samples import SAMPLES, ordering

# 7: a forgotten yield ---------------------------------------------------------------------------------------------------------


COURSES = ("an order that is approved", "an order that nobody approves in time", "an order that is cancelled")


def test_hazard_07_every_yield_dropped_from_a_workflow_is_reported_with_its_line() -> None:
    lines: list[int] = []
    for mutant, line in without_each_yield(ordering.fn):
        definition = workflow(name="ordering")(mutant)
        reports: list[str] = []
        for course in COURSES:
            try:
                with drive(definition, "x", 5, recheck=False) as run:
                    SAMPLES[course].course(run)
            except DefinitionError as error:  # of the other courses, some never come to that line
                reports.append(f"{error.code} {error.where}")
        assert reports
        assert all(f":{line} in " in report or report.startswith("RF1110") for report in reports), (
            line,
            reports,
        )
        lines.append(line)
    assert 6 == len(lines)


# 8: tracebacks lose the user's frames -------------------------------------------------------------------------------------------


def _line(mark: str) -> int:
    lines = Path(__file__).read_text("utf-8").splitlines()
    return next(n for n, text in enumerate(lines, 1) if text.endswith(f"# line {mark}"))


def test_hazard_08_an_error_three_generators_deep_keeps_every_line() -> None:
    def third() -> Steps:
        yield from charge(1)  # line third

    def second() -> Steps:
        yield from third()  # line second

    @workflow
    def first() -> Workflow[None]:
        yield from second()  # line first

    with drive(first) as run:
        run.fail("charge", ApplicationError("no"))
        assert [_line("first"), _line("second"), _line("third")] == [
            int(frame.split(":")[1].split(" ")[0]) for frame in run.failure.frames
        ]


def test_hazard_08_an_error_in_a_handler_or_a_step_keeps_its_own_lines() -> None:
    @workflow
    def handles() -> Workflow[None]:
        def handler(value: int) -> Steps:
            yield from charge(value)
            raise ApplicationError("in the handler")  # line handler

        def step() -> Steps:
            yield from nudge.receive()
            raise ApplicationError("in the step")  # line step

        yield from number.handle(handler)
        yield from all_of(step(), sleep(HOUR))  # line join

    with drive(handles) as run:
        run.signal(number, 1)
        run.complete("charge", 1)
        assert f":{_line('handler')} in " in run.failure.frames[-1]
    with drive(handles) as run:
        run.signal(nudge)
        lines = [int(frame.split(":")[1].split(" ")[0]) for frame in run.failure.frames]
        assert [_line("join"), _line("step")] == lines


# 9: StopIteration -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place", ["the workflow", "a helper", "a function", "a step", "a handler", "a condition"]
)
def test_hazard_09_a_stop_iteration_never_completes_anything(place: str) -> None:
    def empty() -> object:
        return next(iter([]))  # line empty

    def helper() -> Steps:
        yield from now()
        raise StopIteration("not a result")  # noqa: PLR1708 - that is the mistake

    def handler(_: int) -> None:
        empty()

    @workflow
    def stops() -> Workflow[str]:
        yield from number.handle(handler)
        yield from nudge.receive()
        if place == "the workflow":
            raise StopIteration("not a result")  # noqa: PLR1708 - that is the mistake
        if place == "a helper":
            yield from helper()
        if place == "a function":
            empty()
        if place == "a step":
            yield from all_of(helper(), charge(1))
        if place == "a condition":
            yield from wait_until(lambda: bool(empty()))
        yield from sleep(HOUR)
        return "not reached"

    with drive(stops) as run:
        with pytest.raises(
            WorkflowTaskError, match="RF1104: StopIteration leaked out of workflow code"
        ) as raised:
            run.turn(signalled(number, 1) if place == "a handler" else signalled(nudge))
        assert raised.value.frames[-1].startswith("kernel/test_hazards_frames.py:")
        assert run.execution.state.closed is None or place == "a handler"


def test_hazard_09_a_stop_iteration_of_an_activity_or_a_side_effect_is_an_error_like_any_other() -> None:
    @workflow
    def stops() -> Workflow[str]:
        try:
            yield from charge(1)
        except ActivityError as error:
            return str(error.cause)
        return "not reached"

    with drive(stops) as run:
        run.fail("charge", StopIteration("empty"))
        assert "empty" == run.result

    @workflow
    def computes() -> Workflow[None]:
        yield from side_effect(lambda: next(iter([])))

    with pytest.raises(WorkflowTaskError, match="RF1110: a side effect failed with StopIteration"):
        drive(computes).__enter__()


def test_hazard_09_only_the_return_of_the_outermost_frame_completes_the_run() -> None:
    @workflow
    def outer() -> Workflow[list[object]]:
        def inner() -> Steps:
            yield from now()
            return "inner"

        values = [(yield from inner())]
        yield from charge(1)
        return [*values, "outer"]

    with drive(outer) as run:
        assert run.execution.state.closed is None
        run.complete("charge", 1)
        assert ["inner", "outer"] == run.result


# 10: re-entrancy --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inline", [True, False])
def test_hazard_10_a_message_from_inside_the_code_that_runs_is_refused_and_disturbs_nothing(
    inline: bool,
) -> None:
    executions: list[Execution] = []

    def meddle() -> str:
        try:
            executions[-1].turn(signalled(number, 1), at=9)
        except MessageError as error:
            return error.code
        return "accepted"

    @workflow
    def main() -> Workflow[str]:
        yield from nudge.receive()
        told = (yield from side_effect(meddle)) if inline else meddle()
        yield from charge(1)
        return told

    execution = Execution(main)
    executions.append(execution)
    with execution:
        execution.turn(start_message(main), at=1)
        turn = execution.turn(signalled(nudge), at=2)
        assert ["nudge"] == [
            event.signal_name for event in turn.events if isinstance(event, ev.WorkflowExecutionSignaled)
        ]
        assert "ActivityTaskScheduled" == type(turn.events[-1]).__name__
        last = execution.turn(CompleteActivity(seq=execution.state.last_seq, result=1), at=3)
        assert isinstance(last.closed, ev.WorkflowExecutionCompleted)
        assert "RF3004" == last.closed.result


# 11: recursion ----------------------------------------------------------------------------------------------------------------


def _deep(frames: int, call: Callable[[], Any]) -> Any:
    """Call something from below that many frames more."""
    return call() if frames == 0 else _deep(frames - 1, call)


@workflow
def recursive(depth: int) -> Workflow[int]:
    def down(left: int) -> Steps:
        if left == 1:
            return (yield from charge(1))
        return (yield from down(left - 1))

    return (yield from down(depth))


@pytest.mark.parametrize("frames", [0, 300, 500])
def test_hazard_11_the_depth_of_yield_from_is_limited_by_a_count_of_our_own(frames: int) -> None:
    def live(depth: int) -> Any:
        with Execution(recursive) as execution:
            return [
                type(event).__name__ for event in execution.turn(start_message(recursive, depth), at=1).events
            ]

    assert ["WorkflowExecutionStarted", "ActivityTaskScheduled"] == _deep(frames, lambda: live(CHAIN_MAX - 2))
    with pytest.raises(
        WorkflowTaskError, match=f"RF1105: the chain of yield from is {CHAIN_MAX + 1} deep"
    ) as raised:
        _deep(frames, lambda: live(CHAIN_MAX - 1))
    assert raised.value.where is not None
    assert raised.value.where.endswith(".down")


@pytest.mark.parametrize("frames", [0, 300, 500])
@pytest.mark.parametrize("shape", ["combinators in combinators", "steps in steps", "started in started"])
def test_hazard_11_the_depth_of_nested_steps_is_limited_by_a_count_of_our_own(
    frames: int, shape: str
) -> None:
    @workflow
    def nests(depth: int) -> Workflow[str]:
        if shape == "combinators in combinators":
            step: Any = sleep(HOUR)
            for _ in range(depth):
                step = all_of(step)
            yield from step
        else:
            yield from steps(depth)
        return "not reached"

    def steps(left: int) -> Steps:
        if left == 0:
            yield from sleep(HOUR)
        elif shape == "steps in steps":
            yield from all_of(steps(left - 2))
        else:
            yield from (yield from start(steps(left - 1)))

    def live(depth: int) -> Any:
        with Execution(nests) as execution:
            execution.turn(start_message(nests, depth), at=1)
            return execution.turn(cancel_asked(), at=2).closed

    assert "WorkflowExecutionCanceled" == type(_deep(frames, lambda: live(DEPTH_MAX))).__name__
    with pytest.raises(WorkflowTaskError, match=r"RF1105: steps are nested \d+ deep; the limit is 100"):
        _deep(frames, lambda: live(DEPTH_MAX + 2))


@pytest.mark.parametrize("error", [RecursionError, MemoryError, SystemExit, GeneratorExit])
def test_hazard_11_what_depends_on_the_machine_never_becomes_a_result(error: type[BaseException]) -> None:
    @workflow(failure_exception_types=[BaseException])
    def breaks() -> Workflow[None]:
        yield from nudge.receive()
        raise error("deep down")

    with (
        drive(breaks) as run,
        pytest.raises(WorkflowTaskError, match=f"RF1106: {error.__name__} in workflow code"),
    ):
        run.signal(nudge)


def test_hazard_11_a_condition_that_recurses_without_end_cannot_be_caught_by_the_workflow() -> None:
    def endless() -> bool:
        return endless()

    @workflow
    def waits() -> Workflow[str]:
        try:
            yield from wait_until(endless)
        except Exception:
            return "caught"
        return "not reached"

    with pytest.raises(WorkflowTaskError, match="RF1106: RecursionError in workflow code"):
        drive(waits).__enter__()


def test_hazard_11_ctrl_c_in_workflow_code_is_the_users_and_is_passed_on() -> None:
    @workflow(failure_exception_types=[BaseException])
    def interrupted() -> Workflow[None]:
        yield from nudge.receive()
        raise KeyboardInterrupt

    with drive(interrupted) as run, pytest.raises(KeyboardInterrupt):
        run.signal(nudge)
