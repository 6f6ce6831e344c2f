"""Replay: a history and unmodified code always agree, and end where the run was live."""

from __future__ import annotations

from hypothesis import given

from property_tests.drawing import law, programs, schedules
from property_tests.programs import Step
from property_tests.running import World
from property_tests.schedules import Live, Schedule, again, play, same_position
from refold.codec import decode_events, encode_events


def _not_again(value: int) -> int:
    raise AssertionError(f"a replay computed side effect {value} again")


@law
@given(programs(), schedules())
def test_a_run_told_the_same_again_answers_the_same_byte_for_byte(program: Step, schedule: Schedule) -> None:
    conversation = play(program, schedule)
    with Live(program) as live:
        again(live, conversation)


@law
@given(programs(), schedules())
def test_every_prefix_that_ends_at_a_turn_replays_to_the_state_the_answer_and_the_lines_of_then(
    program: Step, schedule: Schedule
) -> None:
    conversation = play(program, schedule)
    for made, position in zip(conversation.made, conversation.positions(), strict=True):
        for _ in range(2):
            with Live(program, conversation.history[:position]) as loaded:
                execution = loaded.execution
                same_position(made, execution.state, execution.query("seen"), execution.waiting())
                assert () == execution.warnings


@law
@given(programs(), schedules())
def test_a_replay_from_bytes_takes_every_recorded_value_from_there(program: Step, schedule: Schedule) -> None:
    conversation = play(program, schedule)
    stored = decode_events(encode_events(conversation.history))
    assert conversation.history == stored
    with Live(program, stored, World(outside=_not_again)) as loaded:
        made = conversation.made[-1]
        same_position(
            made, loaded.execution.state, loaded.execution.query("seen"), loaded.execution.waiting()
        )
        assert conversation.live.world.consumed == loaded.world.consumed
        assert conversation.live.world.heard == loaded.world.heard
