"""What a program is told of its run is what the history says, to the turn."""

from __future__ import annotations

from datetime import datetime

from hypothesis import given

from property_tests.drawing import law, programs, schedules
from property_tests.programs import Step
from property_tests.schedules import Made, Schedule, play
from refold import events as ev


@law
@given(programs(), schedules("cancel"))
def test_the_time_the_length_and_the_cancel_request_are_those_of_the_turn(
    program: Step, schedule: Schedule
) -> None:
    conversation = play(program, schedule)
    told = 0
    for made in conversation.made:
        trace: list[str] = made.answer[0]
        for line in trace[told:]:
            match line.split():
                case ["Ask:", length, requested] if length.startswith("["):
                    assert [made.turn.length_before, made.state.cancel_requests > 0] == [
                        int(length.strip("[,")),
                        requested == "True]",
                    ]
                case ["Ask:", day, time] if not day.startswith("["):
                    assert made.at == datetime.fromisoformat(f"{day} {time}").timestamp() * 1_000_000
                case _:
                    pass
        told = len(trace)


@law
@given(programs(), schedules())
def test_a_log_line_is_said_once_and_only_live(program: Step, schedule: Schedule) -> None:
    conversation = play(program, schedule)
    said = 0
    for made in conversation.made:
        said += len(made.turn.logs)
        assert _told(made) <= said, "what was logged is handed out in the turn that logged it"
    assert conversation.made[-1].turn.closed is not None


def _told(made: Made) -> int:
    trace: list[str] = made.answer[0]
    return trace.count("Ask: None")


@law
@given(programs(), schedules())
def test_a_timer_is_due_its_duration_after_the_turn_that_started_it(
    program: Step, schedule: Schedule
) -> None:
    conversation = play(program, schedule)
    for event in conversation.history:
        if isinstance(event, ev.TimerStarted):
            assert 0 <= event.fire_at - event.at <= 6_000_000
            assert 0 == (event.fire_at - event.at) % 1_000_000
