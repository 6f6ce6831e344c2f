"""Combinators: they end when all of their steps have, and with what follows from how those ended."""

from __future__ import annotations

from hypothesis import given

from property_tests.changes import watched
from property_tests.drawing import law, programs, schedules
from property_tests.programs import Step
from property_tests.schedules import Schedule, play


@law
@given(programs("starts", "shields", "patient"), schedules())
def test_the_outcome_of_a_combinator_follows_from_how_its_steps_ended_and_in_which_order(
    program: Step, schedule: Schedule
) -> None:
    assert [] == play(watched(program, "closely"), schedule).live.world.faults


@law
@given(programs("starts"), schedules("cancel"))
def test_no_step_outlives_its_combinator_and_no_outcome_is_made_up(program: Step, schedule: Schedule) -> None:
    assert [] == play(watched(program, "loosely"), schedule).live.world.faults
