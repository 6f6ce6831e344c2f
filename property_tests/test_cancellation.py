"""Cancellation: one ``CancelledError`` for each request, no more and no fewer."""

from __future__ import annotations

from hypothesis import given

from property_tests.drawing import law, schedules, single_programs
from property_tests.programs import Step
from property_tests.schedules import Made, Schedule, play
from refold import events as ev


@law
@given(single_programs(), schedules())
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


def _requests(made: Made) -> int:
    return sum(isinstance(event, ev.WorkflowExecutionCancelRequested) for event in made.turn.events)


def _caught(made: Made) -> int:
    trace: list[str] = made.answer[0]
    return trace.count("caught CancelledError")
