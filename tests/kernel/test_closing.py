"""How suspended code is closed: on this thread, marked dead first, and never for ever."""

from __future__ import annotations

import gc
import threading
from types import GeneratorType
from typing import Any

import pytest

from refold import (
    CancelledError,
    Execution,
    Quarantined,
    Workflow,
    all_of,
    branches,
    open_executions,
    quarantined,
    sleep,
    start,
    uuid4,
    workflow,
)
from refold.branches import CLOSES_MAX
from refold.messages import TerminateWorkflow
from tests.kernel.driving import drive, start_message
from tests.kernel.parts import HOUR, Steps, charge, nudge, release


def suspended(definition: Any) -> Execution:
    execution = Execution(definition)
    execution.turn(start_message(definition), at=1)
    return execution


def release_from_quarantine(found: Quarantined) -> None:
    """Close what would not close after all, so that it does not outlive its test."""
    assert isinstance(found.generator, GeneratorType)
    found.generator.close()
    branches._QUARANTINE.remove(found)


def test_code_is_closed_deepest_and_youngest_first() -> None:
    seen: list[str] = []

    def holds(name: str, *below: Steps) -> Steps:
        for step in below:
            yield from start(step)
        try:
            yield from sleep(HOUR)
        finally:
            seen.append(name)

    @workflow
    def tree() -> Workflow[None]:
        yield from start(holds("a", holds("a1"), holds("a2")))
        yield from start(holds("b"))
        yield from holds("main")

    execution = suspended(tree)
    assert () == execution.close()
    assert ["a2", "a1", "b", "a", "main"] == seen
    assert () == execution.close()
    assert 5 == len(seen)


def test_code_that_has_not_begun_has_nothing_to_close() -> None:
    with Execution(charge_only) as execution:
        assert () == execution.close()


@workflow
def charge_only() -> Workflow[int]:
    return (yield from charge(1))


def test_closing_is_not_cancelling() -> None:
    seen: list[str] = []

    @workflow
    def holds() -> Workflow[None]:
        try:
            yield from sleep(HOUR)
        except CancelledError:
            seen.append("cancelled")
        except GeneratorExit:
            seen.append("closed")
            raise

    suspended(holds).close()
    assert ["closed"] == seen


def test_a_yield_while_closing_is_a_complaint_with_its_line_and_its_effect_is_thrown_away() -> None:
    @workflow
    def holds() -> Workflow[None]:
        try:
            yield from sleep(HOUR)
        finally:
            yield from release("x")
            yield from uuid4()

    execution = suspended(holds)
    state = execution.state
    complaints = execution.close()
    (complaint,) = complaints
    assert complaint.startswith("kernel/test_closing.py:")
    assert complaint.endswith(".holds")
    assert state == execution.state
    assert () == quarantined()


def test_the_complaints_of_a_closing_run_come_with_its_last_turn() -> None:
    @workflow
    def ends() -> Workflow[str]:
        def holds() -> Steps:
            try:
                yield from sleep(HOUR)
            finally:
                yield from release("x")

        yield from start(holds())
        yield from charge(1)
        return "done"

    with drive(ends) as run:
        assert 1 == len(run.complete("charge", 1).complaints)
        assert ["charge"] == run.scheduled
    with drive(ends) as run:
        assert 1 == len(run.turn(TerminateWorkflow(reason="enough")).complaints)


def test_an_error_raised_while_closing_is_thrown_away() -> None:
    @workflow
    def holds() -> Workflow[None]:
        try:
            yield from sleep(HOUR)
        finally:
            raise ValueError("nobody is left to tell")

    assert () == suspended(holds).close()


def test_a_generator_that_will_not_close_is_quarantined_and_named_once_and_closing_goes_on() -> None:
    closed: list[str] = []
    deaf_still = True

    @workflow
    def stubborn() -> Workflow[None]:
        def polite() -> Steps:
            try:
                yield from sleep(HOUR)
            finally:
                closed.append("polite")

        def deaf() -> Steps:
            while deaf_still:
                try:
                    yield from sleep(HOUR)
                except BaseException:
                    continue

        yield from start(polite())
        yield from all_of(deaf(), polite())

    before = quarantined()
    execution = suspended(stubborn)
    complaints = execution.close()
    assert CLOSES_MAX == len(complaints)
    assert ["polite", "polite"] == closed
    (found,) = quarantined()[len(before) :]
    assert found.source.startswith("kernel/test_closing.py:")
    assert found.source.endswith(".deaf")
    assert complaints[-1] == found.source
    assert () == execution.close()
    deaf_still = False
    release_from_quarantine(found)


def test_a_generator_that_yields_while_closing_less_often_than_the_limit_is_closed() -> None:
    @workflow
    def slow() -> Workflow[None]:
        try:
            yield from sleep(HOUR)
        finally:
            for _ in range(CLOSES_MAX - 1):
                try:
                    yield from nudge.receive()
                except GeneratorExit:
                    continue

    before = quarantined()
    assert CLOSES_MAX - 1 == len(suspended(slow).close())
    assert before == quarantined()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_while_closing_is_not_swallowed_and_the_rest_can_still_be_closed(
    error: type[BaseException],
) -> None:
    closed: list[str] = []

    @workflow
    def holds() -> Workflow[None]:
        def interrupts() -> Steps:
            try:
                yield from sleep(HOUR)
            finally:
                raise error

        yield from start(interrupts())
        try:
            yield from sleep(HOUR)
        finally:
            closed.append("main")

    execution = suspended(holds)
    with pytest.raises(error):
        execution.close()
    assert () == execution.close()
    assert ["main"] == closed


def test_dropping_every_reference_to_an_execution_runs_none_of_its_code_until_it_is_closed() -> None:
    ran_on: list[str] = []

    @workflow
    def holds() -> Workflow[None]:
        try:
            yield from sleep(HOUR)
        finally:
            ran_on.append(threading.current_thread().name)

    suspended(holds)  # nobody keeps it
    collector = threading.Thread(target=gc.collect, name="collector")
    collector.start()
    collector.join()
    assert [] == ran_on
    open_executions()[-1].close()
    assert [threading.current_thread().name] == ran_on
