"""Where workflow engines broke on generators, 1 to 6: eviction, collection, closing, what is yielded and caught."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Callable
from types import GeneratorType
from typing import Any

import pytest

from refold import (
    ApplicationError,
    CancelledError,
    DefinitionError,
    Execution,
    Handle,
    Workflow,
    all_of,
    branches,
    cancel,
    now,
    open_executions,
    quarantined,
    shield,
    sleep,
    start,
    wait_until,
    with_timeout,
    workflow,
)
from tests.kernel.driving import cancel_asked, drive, start_message
from tests.kernel.parts import HOUR, Steps, approval, charge, number, refund, release
from tests.kernel.samples import SAMPLES, ends_of_turns, history_of

# 1: eviction runs clean-up code that acts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
def test_hazard_01_closing_a_run_at_any_point_lets_nothing_out_and_touches_no_other_run(name: str) -> None:
    sample = SAMPLES[name]
    history = history_of(name)
    ends = ends_of_turns(history)
    bystander = Execution.load(sample.definition, history[: ends[0]])
    before = (bystander.state, bystander.waiting())
    for end in ends:
        execution = Execution.load(sample.definition, history[:end])
        state = execution.state
        execution.close()  # its finally blocks yield activities and log lines
        assert state == execution.state
        assert [] == execution._run.logs
        assert before == (bystander.state, bystander.waiting())
    bystander.close()


# 2: a dropped generator is closed by the garbage collector, on any thread -------------------------------------------------------


def test_hazard_02_a_run_dropped_in_a_cycle_is_kept_from_the_collector_of_another_thread() -> None:
    ran_on: list[str] = []

    @workflow
    def holds() -> Workflow[None]:
        try:
            yield from sleep(HOUR)
        finally:
            ran_on.append(threading.current_thread().name)

    before = len(open_executions())
    execution = Execution(holds)
    execution.turn(start_message(holds), at=1)
    cycle: list[object] = [execution]
    cycle.append(cycle)
    del execution, cycle
    collector = threading.Thread(target=gc.collect)
    collector.start()
    collector.join()
    assert [] == ran_on
    assert before + 1 == len(open_executions())  # this is what a shutdown counts, and must bring to nothing
    open_executions()[-1].close()
    assert [threading.current_thread().name] == ran_on
    assert before == len(open_executions())


# 3: code that ignores being closed ------------------------------------------------------------------------------------------


class Switch:
    """Lets code that would not end end after the test."""

    deaf = True


@workflow
def yields_in_finally() -> Workflow[None]:
    try:
        yield from sleep(HOUR)
    finally:
        yield from release("x")


@workflow
def swallows_everything() -> Workflow[None]:
    while Switch.deaf:
        try:
            yield from sleep(HOUR)
        except BaseException:
            continue


def test_hazard_03_ten_thousand_evictions_of_code_that_will_not_close_leave_no_slot_taken() -> None:
    before, kept = len(open_executions()), len(quarantined())
    Switch.deaf = True
    stubborn = 0
    try:
        for index in range(10_000):
            definition = (yields_in_finally, swallows_everything)[index % 2]
            execution = Execution(definition)
            execution.turn(start_message(definition), at=1)
            complaints = execution.close()
            stubborn += definition is swallows_everything
            assert len(complaints) == (1 if definition is yields_in_finally else branches.CLOSES_MAX)
        assert before == len(open_executions())
        found = quarantined()[kept:]
        assert 5_000 == stubborn == len(found)
        assert {"kernel/test_hazards_generators.py"} == {each.source.partition(":")[0] for each in found}
        assert {" swallows_everything"} == {each.source.partition(" in")[2] for each in found}
    finally:
        Switch.deaf = False
        for each in quarantined()[kept:]:
            assert isinstance(each.generator, GeneratorType)
            each.generator.close()
        del branches._QUARANTINE[kept:]


@pytest.mark.parametrize("body", ["pass", "import colorsys", "timedelta(hours=1)"])
def test_hazard_03_a_process_with_code_that_will_not_close_ends_without_running_it_again(body: str) -> None:
    """While an interpreter is torn down, imports fail and globals are gone: code that catches everything would loop for ever."""
    program = f"""
from datetime import timedelta
from refold import Execution, Workflow, quarantined, sleep, workflow
from refold.messages import StartWorkflow

@workflow
def deaf() -> Workflow[None]:
    effect = sleep(timedelta(hours=1))
    while True:
        try:
            {body}
            yield from effect
        except BaseException:
            continue

execution = Execution(deaf)
execution.turn(StartWorkflow(workflow_id="w", run_id="r", workflow_type="deaf"), at=1)
execution.close()
print(len(quarantined()))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert ("1\n", "") == (done.stdout, done.stderr)


# 4: what is yielded after a caught error is dropped -----------------------------------------------------------------------------

FAILING: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {
    "an activity": (lambda: charge(1), lambda run: run.fail("charge", ApplicationError("no"))),
    "a combinator": (
        lambda: all_of(charge(1), sleep(HOUR)),
        lambda run: run.fail("charge", ApplicationError("no")),
    ),
    "a bounded step": (lambda: with_timeout(approval.receive(), HOUR), lambda run: run.fire()),
    "a timer": (lambda: sleep(HOUR), lambda run: run.cancel()),
    "a signal": (approval.receive, lambda run: run.cancel()),
    "a signal that does not fit": (number.receive, lambda run: run.signal("number", "five")),
    "a condition": (lambda: wait_until(lambda: False), lambda run: run.cancel()),
    "a shielded step": (lambda: shield(charge(1)), lambda run: run.fail("charge", ApplicationError("no"))),
}


@pytest.mark.parametrize("what", FAILING)
@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("then", ["yield", "return", "raise"])
def test_hazard_04_a_command_yielded_after_a_caught_error_is_kept(what: str, nested: bool, then: str) -> None:
    step, provoke = FAILING[what]

    def catches() -> Steps:
        try:
            yield from step()
        except (Exception, CancelledError) as error:
            if then == "raise":
                raise ApplicationError("another") from error
            if then == "return":
                return "returned"
            return (yield from refund(1))

    def three_deep() -> Steps:
        def two_deep() -> Steps:
            return (yield from catches())

        return (yield from two_deep())

    @workflow
    def main() -> Workflow[Any]:
        return (yield from (three_deep() if nested else catches()))

    with drive(main) as run:
        provoke(run)
        if then == "yield":
            assert run.waits[-1].startswith("activity 'refund' (seq ")
            run.complete("refund", None)
            assert run.result is None
        elif then == "return":
            assert "returned" == run.result
        else:
            assert "another" == run.failure.message


# 5: cancelled before the first yield ------------------------------------------------------------------------------------------


def test_hazard_05_a_run_cancelled_with_its_start_still_cleans_up() -> None:
    @workflow
    def cleans() -> Workflow[str]:
        try:
            yield from charge(1)
        except CancelledError:
            yield from release("x")
            return "cleaned up"
        return "not reached"

    with drive(cleans, beside=[cancel_asked()]) as run:
        assert ["activity 'release' (seq 2)"] == run.waits
        run.complete("release")
        assert "cleaned up" == run.result


# 6: something that is no effect is yielded --------------------------------------------------------------------------------------


def _foreign() -> dict[str, Callable[[], Any]]:
    def generator() -> Steps:
        yield from now()

    async def coroutine() -> None: ...

    def closed() -> Any:
        made = coroutine()
        made.close()
        return made

    return {
        "None": lambda: None,
        "a number": lambda: 5,
        "a generator": generator,
        "an activity that was not called": lambda: charge,
        "a workflow that was not called": lambda: yields_in_finally,
        "a signal": lambda: approval,
        "a coroutine": closed,
        "a list of effects": lambda: [5],
    }


@pytest.mark.parametrize("what", sorted(_foreign()))
def test_hazard_06_a_foreign_object_is_an_error_at_the_line_that_yielded_it(what: str) -> None:
    @workflow
    def yields() -> Workflow[list[str]]:
        seen: list[str] = []
        try:
            yield _foreign()[what]()
        except DefinitionError as error:
            seen = [error.code, str(error.where).partition(":")[0]]
        yield from charge(1)  # and it goes on
        return seen

    with drive(yields) as run:
        run.complete("charge", 1)
        assert ["RF1102", "kernel/test_hazards_generators.py"] == run.result


def test_hazard_06_a_foreign_object_that_nobody_catches_fails_the_turn() -> None:
    @workflow
    def yields() -> Workflow[None]:
        yield 5  # type: ignore[misc]

    with pytest.raises(DefinitionError, match="RF1102: a int was yielded: 5"):
        drive(yields).__enter__()


def test_hazard_06_a_handle_of_another_run_is_refused_and_no_run_waits_for_it() -> None:
    leaked: list[Handle[int]] = []

    @workflow
    def leaks() -> Workflow[None]:
        leaked.append((yield from start(charge(1))))
        yield from sleep(HOUR)

    @workflow
    def borrows() -> Workflow[list[str]]:
        codes: list[str] = []
        for use in (
            lambda: leaked[0],
            lambda: cancel(leaked[0]),
            lambda: all_of(leaked[0]),
            lambda: start(leaked[0]),
        ):
            try:
                handle = yield from use()  # type: ignore[misc]
                yield from handle  # type: ignore[misc]
            except DefinitionError as error:
                codes.append(error.code)
        return codes

    with drive(leaks, recheck=False) as owner:
        waits = owner.waits
        with drive(borrows) as run:
            assert ["RF1109"] * 4 == run.result
        assert waits == owner.waits
