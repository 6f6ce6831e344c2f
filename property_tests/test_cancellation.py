"""Cancellation: one ``CancelledError`` for each request, no more and no fewer, and none in a shield."""

from __future__ import annotations

from hypothesis import given

from property_tests.changes import with_plain_shields
from property_tests.drawing import law, programs, schedules, single_programs
from property_tests.programs import Shielded, Step, parts
from property_tests.schedules import Made, Schedule, play
from refold import events as ev


@law
@given(single_programs(), schedules("cancel"))
def test_each_request_is_delivered_once_to_a_run_that_does_one_thing_at_a_time(
    program: Step, schedule: Schedule
) -> None:
    conversation = play(program, schedule)
    *open_, last = conversation.made
    requests = 0
    for made in open_:
        requests += _requests(made)
        assert requests == _caught(made)
    if isinstance(last.turn.closed, ev.WorkflowExecutionCanceled):
        assert requests <= _caught(last) < requests + _requests(last)
    else:
        assert requests <= _caught(last) <= requests + _requests(last)


@law
@given(programs().map(with_plain_shields), schedules("cancel"))
def test_no_cancellation_reaches_into_a_shield(program: Step, schedule: Schedule) -> None:
    conversation = play(program, schedule)
    shielded = [part.step for part in parts(program) if isinstance(part, Shielded)]
    inside = [step for shield in shielded for step in parts(shield)]
    hit = [step for step in conversation.live.world.cancelled if any(step is each for each in inside)]
    assert [] == hit


def _requests(made: Made) -> int:
    return sum(isinstance(event, ev.WorkflowExecutionCancelRequested) for event in made.turn.events)


def _caught(made: Made) -> int:
    trace: list[str] = made.answer[0]
    return trace.count("caught CancelledError")
