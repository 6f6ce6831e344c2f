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
from refold import Divergence, InputPolicy, NondeterminismError
from refold import events as ev
from refold.failures import Failure

#: Fields that are compared under the policy for inputs.
_INPUTS = {"input": (), "fire_at": 0, "result": None, "details": (), "unreceived": ()}


@law
@given(programs("patches"), schedules(), st.integers(0, 10_000))
def test_a_changed_program_is_caught_in_the_turn_where_it_first_does_otherwise(
    program: Step, schedule: Schedule, pick: int
) -> None:
    mutant = _mutant(program, pick)
    conversation = play(program, schedule)
    found = _first_other_turn(mutant, conversation, inputs=True)
    _held_to(found, mutant, conversation, InputPolicy.STRICT)


@law
@given(programs("patches"), schedules(), st.integers(0, 10_000))
def test_where_inputs_may_differ_only_another_command_is_a_divergence_and_the_rest_is_a_warning(
    program: Step, schedule: Schedule, pick: int
) -> None:
    mutant = _mutant(program, pick)
    conversation = play(program, schedule)
    strictly = _first_other_turn(mutant, conversation, inputs=True)
    found = _first_other_turn(mutant, conversation, inputs=False)
    warnings = _held_to(found, mutant, conversation, InputPolicy.WARN)
    if found is None:
        assert (strictly is not None) == (warnings > 0)


def _mutant(program: Step, pick: int) -> Step:
    choices = list(mutants(program))
    assume(choices)
    mutant = choices[pick % len(choices)]
    note(f"mutant\n{program_text(mutant)}")
    return mutant


def _held_to(found: int | None, mutant: Step, conversation: Conversation, policy: InputPolicy) -> int:
    """Fail unless the mutant diverges in this turn, or never; returns how many warnings there were."""
    note(f"does otherwise first in turn {found}")
    if found is None:
        with Live(mutant, conversation.history, policy=policy) as loaded:
            assert conversation.made[-1].state == loaded.execution.state
            return len(loaded.execution.warnings)
    with pytest.raises(NondeterminismError) as caught:
        Live(mutant, conversation.history, policy=policy)
    assert isinstance(caught.value.divergence, Divergence)
    assert found == caught.value.divergence.turn
    agreed = conversation.made[found - 1].turn.length_before
    with Live(mutant, conversation.history[:agreed], policy=policy) as before:
        assert agreed == before.execution.state.last_event_id
        return len(before.execution.warnings)


def _first_other_turn(mutant: Step, conversation: Conversation, *, inputs: bool) -> int | None:
    """The first turn in which the mutant, told the same, records something else than the program did."""
    markers = [event.value for event in conversation.history if isinstance(event, ev.MarkerRecorded)]
    recorded = chain(markers, repeat(0))
    with Live(mutant, world=World(outside=lambda _: next(recorded))) as live:
        for made in conversation.made:
            turn = live.execution.turn(*made.messages, at=made.at)
            if _observable(made.turn.events, inputs) != _observable(turn.events, inputs):
                return made.turn.number
    return None


def _observable(events: Sequence[ev.HistoryEvent], inputs: bool) -> list[ev.HistoryEvent]:
    """Events without what is a hint only: source lines, frames and causes of failures, and the options of activities."""
    hidden: dict[str, object] = {"source": "", "options": None, **({} if inputs else _INPUTS)}
    found: list[ev.HistoryEvent] = []
    for event in events:
        changes = (
            {} if event.external else {name: value for name, value in hidden.items() if hasattr(event, name)}
        )
        failure = getattr(event, "failure", None)
        if failure is not None and not event.external:
            changes["failure"] = Failure(failure.kind, failure.message, failure.type) if inputs else None
        found.append(attrs.evolve(event, **changes))
    return found
