"""A history is replayed in stretches, and wherever it is cut, the outcome is the same."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Iterator, Sequence

import pytest

from refold import (
    Execution,
    HistoryError,
    NondeterminismError,
    Workflow,
    all_of,
    patched,
    replaying,
    workflow,
)
from refold.events import HistoryEvent
from tests.kernel.driving import drive, signalled
from tests.kernel.parts import approval, charge, reserve

STEPS = 30


@workflow
def winding() -> Workflow[int]:
    total = 0
    for number in range(STEPS):
        total += yield from charge(number)
    if (yield from patched("wider")):
        yield from all_of(*[reserve(str(number)) for number in range(8)])
    yield from approval.receive()
    return total


@workflow(name="winding")
def changed() -> Workflow[int]:
    total = 0
    for number in range(STEPS):
        total += yield from charge(number if number < STEPS - 1 else 99)
    return total


def _recorded() -> list[HistoryEvent]:
    with drive(winding) as run:
        for number in range(STEPS):
            run.complete("charge", number)
        for number in range(8):
            run.complete("reserve", str(number))
        run.turn(signalled(approval, "yes"))
        return run.history


HISTORY = _recorded()
#: From less than a turn to all at once.
SIZES = (1, 2, 3, 5, 7, 11, len(HISTORY) - 1, len(HISTORY), 4_096)


@pytest.fixture(params=SIZES)
def cut(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    size: int = request.param
    monkeypatch.setattr(replaying, "STRETCH_EVENTS", size)
    return size


def test_every_prefix_replays_to_the_same_state_wherever_it_is_cut(
    cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for end in range(len(HISTORY) + 1):
        if end < len(HISTORY) and end and HISTORY[end].turn == HISTORY[end - 1].turn:
            continue  # a turn is stored whole or not at all
        with Execution.load(winding, HISTORY[:end]) as execution:
            found = execution.state, execution.waiting()
        with monkeypatch.context() as whole:
            whole.setattr(replaying, "STRETCH_EVENTS", len(HISTORY) + 1)
            with Execution.load(winding, HISTORY[:end]) as execution:
                assert (execution.state, execution.waiting()) == found


def test_a_divergence_is_reported_in_the_same_words_wherever_the_history_is_cut(
    cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def report(history: Sequence[HistoryEvent]) -> str:
        with pytest.raises(NondeterminismError) as caught:
            Execution.load(changed, iter(history))
        return str(caught.value)

    found = report(HISTORY)
    monkeypatch.setattr(replaying, "STRETCH_EVENTS", len(HISTORY) + 1)
    assert report(HISTORY) == found
    assert "99" in found


def test_a_gap_in_a_history_is_found_wherever_it_is_cut(cut: int) -> None:
    for gap in range(1, len(HISTORY)):
        with pytest.raises((HistoryError, NondeterminismError)) as caught:
            Execution.replay(winding, HISTORY[:gap] + HISTORY[gap + 1 :])
        assert isinstance(caught.value, HistoryError) or HISTORY[gap].turn == HISTORY[gap - 1].turn


def test_of_a_history_that_comes_from_a_generator_no_more_than_a_stretch_is_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replaying, "STRETCH_EVENTS", 4)
    handed: list[weakref.ref[HistoryEvent]] = []
    most = 0

    def decoded() -> Iterator[HistoryEvent]:
        nonlocal most
        for event in HISTORY[: 2 * STEPS]:
            fresh = copy.copy(event)
            handed.append(weakref.ref(fresh))
            most = max(most, sum(each() is not None for each in handed))
            yield fresh

    Execution.load(winding, decoded()).close()
    # A stretch, what of the next one is read by then, the events that a report would show, the start.
    assert most <= 20
