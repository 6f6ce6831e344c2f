"""Divergence: a changed program is caught in the very turn where it first does otherwise, and only if it does.

The judge is the changed program itself, run live and told the same: the turn in which it first records something else is the one that a
replay must name.  It takes side effects from the history, as a replay does.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, repeat

import attrs
import pytest
from hypothesis import assume, given, note
from hypothesis import strategies as st

from property_tests.changes import mutants
from property_tests.drawing import law, programs, schedules
from property_tests.printing import program_text
from property_tests.programs import Step
from property_tests.running import World
from property_tests.schedules import Conversation, Live, Schedule, play
from refold import Divergence, NondeterminismError
from refold import events as ev
from refold.failures import Failure


@law
@given(programs("patches"), schedules(), st.integers(0, 10_000))
def test_a_changed_program_is_caught_in_the_turn_where_it_first_does_otherwise(
    program: Step, schedule: Schedule, pick: int
) -> None:
    choices = list(mutants(program))
    assume(choices)
    mutant = choices[pick % len(choices)]
    conversation = play(program, schedule)
    note(f"mutant\n{program_text(mutant)}")
    found = _first_other_turn(mutant, conversation)
    note(f"does otherwise first in turn {found}")
    if found is None:
        with Live(mutant, conversation.history) as loaded:
            assert conversation.made[-1].state == loaded.execution.state
        return
    with pytest.raises(NondeterminismError) as caught:
        Live(mutant, conversation.history)
    assert isinstance(caught.value.divergence, Divergence)
    assert found == caught.value.divergence.turn
    agreed = conversation.made[found - 1].turn.length_before
    with Live(mutant, conversation.history[:agreed]) as before:
        assert agreed == before.execution.state.last_event_id


def _first_other_turn(mutant: Step, conversation: Conversation) -> int | None:
    """The first turn in which the mutant, told the same, records something else than the program did."""
    markers = [event.value for event in conversation.history if isinstance(event, ev.MarkerRecorded)]
    recorded = chain(markers, repeat(0))
    with Live(mutant, world=World(outside=lambda _: next(recorded))) as live:
        for made in conversation.made:
            turn = live.execution.turn(*made.messages, at=made.at)
            if _observable(made.turn.events) != _observable(turn.events):
                return made.turn.number
    return None


def _observable(events: Sequence[ev.HistoryEvent]) -> list[ev.HistoryEvent]:
    """Events without what is a hint only: source lines, frames and causes of failures, and the options of activities."""
    hints = {"source": "", "options": None}
    found: list[ev.HistoryEvent] = []
    for event in events:
        changes: dict[str, object] = {name: hint for name, hint in hints.items() if hasattr(event, name)}
        failure = getattr(event, "failure", None)
        if failure is not None:
            changes["failure"] = Failure(failure.kind, failure.message, failure.type)
        found.append(attrs.evolve(event, **changes))
    return found
