"""Crashes and eviction: what is in memory can be lost at any turn, and nobody notices."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from property_tests.drawing import law, programs, schedules
from property_tests.programs import Step
from property_tests.schedules import Conversation, Live, Schedule, again, play, same_turn
from refold import MessageError, open_executions, quarantined
from refold.messages import SignalWorkflow


@law
@given(programs(), schedules())
def test_a_run_that_is_reloaded_before_every_turn_has_the_history_of_one_that_was_not(
    program: Step, schedule: Schedule
) -> None:
    conversation = play(program, schedule)
    for made in conversation.made:
        with Live(program, conversation.history[: made.turn.length_before]) as loaded:
            same_turn(made, loaded.turn(made.messages, made.at))


@law
@given(programs(), schedules(), st.integers(0, 20))
def test_a_run_that_is_reloaded_once_goes_on_as_if_it_had_not_been(
    program: Step, schedule: Schedule, pick: int
) -> None:
    conversation = play(program, schedule)
    turns = 1 + pick % len(conversation.made)
    made = conversation.made[turns - 1]
    with Live(program, conversation.history[: made.state.last_event_id]) as loaded:
        assert conversation.execution.closed or made.state.closed is None
        again(loaded, conversation, first=turns)
        assert conversation.execution.state == loaded.execution.state


@law
@given(programs(), schedules())
def test_an_evicted_execution_leaves_no_trace_and_others_alone(program: Step, schedule: Schedule) -> None:
    stuck = quarantined()

    def evict(conversation: Conversation) -> None:
        others = open_executions()
        history = list(conversation.history)
        twin = Live(program, conversation.history).execution
        state, waiting = twin.state, conversation.execution.waiting()
        twin.close()
        assert () == twin.close()
        assert (state, history) == (twin.state, conversation.history)
        assert [] == twin._run.logs
        assert ((), others, stuck) == (twin.waiting(), open_executions(), quarantined())
        assert waiting == conversation.execution.waiting()
        with pytest.raises(MessageError, match="RF3005"):
            twin.turn(SignalWorkflow(signal_name="a", input=[0]), at=state.at)

    conversation = play(program, schedule, after=evict)
    with Live(program) as undisturbed:
        again(undisturbed, conversation)


@law
@given(programs(), programs(), schedules(), schedules())
def test_two_runs_that_are_driven_in_turns_do_not_touch_each_other(
    one: Step, two: Step, schedule_one: Schedule, schedule_two: Schedule
) -> None:
    first, second = play(one, schedule_one), play(two, schedule_two)
    with Live(one) as live_one, Live(two) as live_two:
        for turn in range(max(len(first.made), len(second.made))):
            again(live_one, first, turn, turn + 1)
            again(live_two, second, turn, turn + 1)
