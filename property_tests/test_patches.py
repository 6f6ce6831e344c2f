"""Patches: a change behind ``patched`` leaves old runs as they were, from its first release to its last."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import assume, given, note
from hypothesis import strategies as st

from property_tests.changes import replaced
from property_tests.drawing import law, programs, schedules
from property_tests.printing import program_text
from property_tests.programs import Act, Patch, Step
from property_tests.schedules import Conversation, Live, Schedule, play
from refold import Divergence, NondeterminismError
from refold import events as ev

_NEW = Act("reserve", 77)
_places = st.integers(0, 10_000)


def _edited(program: Step, place: int, change: Callable[[Step], Step]) -> Step:
    """The program with one step of one sequence changed."""
    choices = list(replaced(program, change))
    assume(choices)
    edited = choices[place % len(choices)]
    note(f"edited\n{program_text(edited)}")
    return edited


def _patched(step: Step) -> Step:
    return Patch("new", _NEW, step)


def _deprecated(step: Step) -> Step:
    return Patch("new", _NEW, None)


def _without_patch(step: Step) -> Step:
    return _NEW


def _replays(program: Step, conversation: Conversation) -> None:
    for made in conversation.made:
        with Live(program, conversation.history[: made.state.last_event_id]) as loaded:
            assert made.state == loaded.execution.state


@law
@given(programs("patches"), schedules(), _places)
def test_runs_from_before_a_patch_take_the_old_path(program: Step, schedule: Schedule, place: int) -> None:
    _replays(_edited(program, place, _patched), play(program, schedule))


@law
@given(programs("patches"), schedules(), _places)
def test_runs_with_a_patch_go_on_when_it_is_deprecated_and_not_when_it_is_removed_at_once(
    program: Step, schedule: Schedule, place: int
) -> None:
    conversation = play(_edited(program, place, _patched), schedule)
    _replays(_edited(program, place, _deprecated), conversation)
    removed = _edited(program, place, _without_patch)
    markers = [
        event.turn
        for event in conversation.history
        if isinstance(event, ev.MarkerRecorded) and event.patch_id
    ]
    if not markers:
        _replays(removed, conversation)
        return
    with pytest.raises(NondeterminismError) as caught:
        Live(removed, conversation.history)
    assert isinstance(caught.value.divergence, Divergence)
    assert markers == [caught.value.divergence.turn]


@law
@given(programs("patches"), schedules(), _places)
def test_runs_with_a_deprecated_patch_go_on_when_it_is_removed_and_when_it_comes_back(
    program: Step, schedule: Schedule, place: int
) -> None:
    conversation = play(_edited(program, place, _deprecated), schedule)
    _replays(_edited(program, place, _without_patch), conversation)
    _replays(_edited(program, place, _patched), conversation)
