"""Where workflow engines broke on changed code, 52 to 56: what must be noticed, what must not, and what must last.

56 is in ``test_markers``, beside the other tests of patches; 57 to 60 are in ``test_hazards_logs``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest

from refold import (
    ActivityError,
    ApplicationError,
    CancelledError,
    DefinitionError,
    Divergence,
    Execution,
    FailureError,
    HistoryError,
    InputPolicy,
    MessageError,
    NondeterminismError,
    Workflow,
    WorkflowTaskError,
    all_of,
    execute_activity,
    fold,
    sleep,
    workflow,
)
from refold import events as ev
from refold.codec import decode_events, encode_events
from refold.flags import CURRENT_FLAGS
from tests.kernel.driving import drive
from tests.kernel.parts import MINUTE, Steps, charge, refund, release, reserve
from tests.kernel.samples import GOLDEN, SAMPLES, history_of

# 52: a change that goes unnoticed -------------------------------------------------------------------------------------------------


def original() -> Steps:
    yield from reserve("x")
    yield from sleep(MINUTE)
    total = 0
    for index in range(2):
        total += yield from charge(index)
    yield from all_of(release("x"), refund(total))
    return total


def dropped_first() -> Steps:
    yield from sleep(MINUTE)
    total = 0
    for index in range(2):
        total += yield from charge(index)
    yield from all_of(release("x"), refund(total))
    return total


def dropped_last() -> Steps:
    yield from reserve("x")
    yield from sleep(MINUTE)
    return (yield from charge(0)) + (yield from charge(1))


def swapped() -> Steps:
    yield from sleep(MINUTE)
    yield from reserve("x")
    total = 0
    for index in range(2):
        total += yield from charge(index)
    yield from all_of(release("x"), refund(total))
    return total


def renamed() -> Steps:
    yield from reserve("x")
    yield from sleep(MINUTE)
    total = 0
    for index in range(2):
        total += yield from execute_activity("charge_card", index)
    yield from all_of(release("x"), refund(total))
    return total


def other_argument() -> Steps:
    yield from reserve("x")
    yield from sleep(MINUTE)
    total = 0
    for index in range(2):
        total += yield from charge(index + 1)
    yield from all_of(release("x"), refund(total))
    return total


def argument_of_another_type() -> Steps:
    yield from reserve("x")
    yield from sleep(MINUTE)
    total = (yield from charge(False)) + (yield from charge(1))
    yield from all_of(release("x"), refund(total))
    return total


def other_duration() -> Steps:
    yield from reserve("x")
    yield from sleep(MINUTE + timedelta(microseconds=1))
    return 0


def reordered() -> Steps:
    yield from reserve("x")
    yield from sleep(MINUTE)
    total = 0
    for index in range(2):
        total += yield from charge(index)
    yield from all_of(refund(total), release("x"))
    return total


def looped_less() -> Steps:
    yield from reserve("x")
    yield from sleep(MINUTE)
    total = yield from charge(0)
    yield from all_of(release("x"), refund(total))
    return total


def looped_more() -> Steps:
    yield from reserve("x")
    yield from sleep(MINUTE)
    total = 0
    for index in range(3):
        total += yield from charge(index)
    return total


def in_a_branch_of_its_own() -> Steps:
    yield from all_of(original())
    return 30


def one_more_at_the_end() -> Steps:
    result = yield from original()
    yield from charge(9)
    return result


def other_result() -> Steps:
    return (yield from original()) + 1


def fails_instead() -> Steps:
    yield from original()
    raise ApplicationError("no result")


def empty() -> Steps:
    yield from ()


#: Each change, and the turn in which the run first takes another course by it.
CHANGES: list[tuple[Callable[[], Steps], int]] = [
    (dropped_first, 1),
    (dropped_last, 5),
    (swapped, 1),
    (renamed, 3),
    (other_argument, 3),
    (argument_of_another_type, 3),
    (other_duration, 2),
    (reordered, 5),
    (looped_less, 4),
    (looped_more, 5),
    (in_a_branch_of_its_own, 1),
    (one_more_at_the_end, 7),
    (other_result, 7),
    (fails_instead, 7),
    (empty, 1),
]


#: Which version of the code is deployed.
CODE: dict[str, Callable[[], Steps]] = {"deployed": original}


@workflow
def deployed() -> Workflow[Any]:
    return (yield from CODE["deployed"]())


def _recorded() -> list[ev.HistoryEvent]:
    with drive(deployed) as run:
        run.complete("reserve", "r")
        run.fire()
        run.complete("charge", 10)
        run.complete("charge", 20)
        run.complete("refund")
        run.complete("release")
        assert 30 == run.result
        return run.history


@pytest.mark.parametrize(("change", "turn"), CHANGES, ids=[change.__name__ for change, _ in CHANGES])
def test_hazard_52_a_changed_workflow_is_caught_in_the_turn_where_it_first_matters(
    change: Callable[[], Steps], turn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = _recorded()
    monkeypatch.setitem(CODE, "deployed", change)
    with pytest.raises(NondeterminismError, match="RF4001") as raised:
        Execution.replay(deployed, history)
    divergence = raised.value.divergence
    assert isinstance(divergence, Divergence)
    assert turn == divergence.turn
    # Not before: the turns up to there are the same for both.
    before = [event for event in history if event.turn < turn]
    with Execution.load(deployed, before) as execution:
        assert fold(before) == execution.state


# 53: a false alarm ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
def test_hazard_53_every_turn_of_an_unchanged_run_replays_from_memory_and_from_storage(name: str) -> None:
    definition = SAMPLES[name].definition
    history = history_of(name)
    for events in (history, decode_events(encode_events(history))):
        for end in range(1, len(events) + 1):
            if end == len(events) or events[end].turn != events[end - 1].turn:
                with Execution.load(definition, events[:end]) as execution:
                    assert fold(history[:end]) == execution.state
                    assert () == execution.warnings


def test_hazard_53_other_inputs_are_a_warning_where_that_is_the_policy_and_the_recorded_outcome_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    history = _recorded()
    monkeypatch.setitem(CODE, "deployed", other_argument)
    with Execution.load(deployed, history, input_policy=InputPolicy.WARN) as execution:
        assert fold(history) == execution.state
        assert 2 == len(execution.warnings)
        assert all("RF4001" in warning for warning in execution.warnings)
    monkeypatch.setitem(CODE, "deployed", renamed)
    with pytest.raises(NondeterminismError):
        Execution.load(deployed, history, input_policy=InputPolicy.WARN)


# 54: one kind of error taken for another ------------------------------------------------------------------------------------------


def test_hazard_54_failures_bugs_and_divergences_are_told_apart() -> None:
    for error in (NondeterminismError, HistoryError, MessageError, DefinitionError):
        assert not issubclass(error, FailureError)
        assert not issubclass(error, CancelledError)
    for one in (NondeterminismError, HistoryError, MessageError):
        assert not issubclass(one, DefinitionError)
        assert not issubclass(DefinitionError, one)


@pytest.mark.parametrize("kind", ["a failure", "a failing activity", "a bug"])
def test_hazard_54_what_a_workflow_raises_is_never_taken_for_a_divergence(kind: str) -> None:
    @workflow
    def raises() -> Workflow[None]:
        yield from charge(1)
        if kind == "a failure":
            raise ApplicationError("no")
        if kind == "a bug":
            raise KeyError("no")

    with drive(raises) as run:
        if kind == "a bug":
            with pytest.raises(WorkflowTaskError, match="RF1110"):
                run.complete("charge", 1)
        elif kind == "a failure":
            run.complete("charge", 1)
            assert "application" == run.failure.kind
        else:
            run.fail("charge", ApplicationError("no"))
            assert "activity" == run.failure.kind


def test_hazard_54_a_workflow_cannot_catch_a_divergence(monkeypatch: pytest.MonkeyPatch) -> None:
    def catches() -> Steps:
        try:
            yield from charge(99)
        except (Exception, ActivityError, CancelledError):
            yield from reserve("x")

    history = _recorded()
    monkeypatch.setitem(CODE, "deployed", catches)
    with pytest.raises(NondeterminismError, match="RF4001"):
        Execution.load(deployed, history)


# 55: mending the rules breaks old histories ---------------------------------------------------------------------------------------

GOLDEN_FILES = sorted(GOLDEN.glob("*/*.jsonl"))


def test_hazard_55_every_sample_has_a_history_of_every_release() -> None:
    releases = sorted({path.parent.name for path in GOLDEN_FILES})
    assert "0.1.0" in releases
    for release_ in releases:
        names = {path.stem.replace("-", " ") for path in GOLDEN_FILES if path.parent.name == release_}
        assert names <= set(SAMPLES)
        assert 9 <= len(names)


@pytest.mark.parametrize("path", GOLDEN_FILES, ids=lambda path: f"{path.parent.name} {path.stem}")
def test_hazard_55_what_a_release_recorded_replays_and_is_written_the_same(path: Any) -> None:
    stored = path.read_bytes().removesuffix(b"\n")
    history = decode_events(stored)
    sample = SAMPLES[path.stem.replace("-", " ")]
    assert fold(history) == Execution.replay(sample.definition, history)
    assert stored == encode_events(history)


def test_hazard_55_a_history_under_a_rule_that_is_unknown_is_refused_and_never_guessed_at() -> None:
    history = history_of("an order that is approved")
    newer = attrs.evolve(history[0], flags=[*CURRENT_FLAGS, 8])
    with pytest.raises(HistoryError, match="RF2003: the history was made under rules"):
        Execution.load(SAMPLES["an order that is approved"].definition, [newer, *history[1:]])
