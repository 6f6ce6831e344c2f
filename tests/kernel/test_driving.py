"""The driver of these tests: what it checks on leaving must be able to fail."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from refold import NondeterminismError, Workflow, sleep, workflow
from tests.kernel.driving import drive
from tests.kernel.parts import HOUR, charge, reserve

NUMBERS: Iterator[int] = count()


@workflow
def reads_a_global() -> Workflow[None]:
    yield from charge(next(NUMBERS))


@workflow
def does_more_in_a_later_turn() -> Workflow[int]:
    yield from charge(1)
    result = next(NUMBERS)
    yield from sleep(HOUR)
    return result


def test_a_workflow_that_replays_otherwise_is_found_on_leaving() -> None:
    with pytest.raises(NondeterminismError, match="RF4001"), drive(reads_a_global):
        pass


def test_a_workflow_that_goes_on_otherwise_is_found_on_leaving() -> None:
    def drives() -> None:
        with drive(does_more_in_a_later_turn) as run:
            run.complete("charge", 1)
            run.fire()

    with pytest.raises((AssertionError, NondeterminismError)):
        drives()


def test_a_failing_test_is_not_hidden_by_the_check() -> None:
    with pytest.raises(ZeroDivisionError), drive(reads_a_global):
        raise ZeroDivisionError


def test_asking_for_what_is_not_open_says_what_is() -> None:
    @workflow
    def waits() -> Workflow[str]:
        return (yield from reserve("x"))

    with drive(waits) as run:
        with pytest.raises(AssertionError, match=r"no open activity 'charge'; waiting: \["):
            run.complete("charge", 1)
        with pytest.raises(AssertionError, match="no open timer"):
            run.fire()
        with pytest.raises(AssertionError, match="the run is open"):
            assert run.result
