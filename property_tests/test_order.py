"""The rules of order within a turn: which order counts, and which does not."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from hypothesis import given, note
from hypothesis import strategies as st

from property_tests.drawing import (
    confluent_programs,
    handling_programs,
    law,
    programs,
    schedules,
)
from property_tests.printing import conversation_text
from property_tests.programs import Act, Beside, Gather, Guard, Seq, Shielded, Step, Sub, Timer
from property_tests.running import World
from property_tests.schedules import Conversation, Live, Schedule, play, same_turn
from refold import events as ev
from refold.failures import Failure
from refold.messages import CompleteActivity, FailActivity, FireTimer, Message, PauseWorkflow, UnpauseWorkflow


@law
@given(programs(), schedules(), st.data())
def test_the_order_of_arrival_counts_only_among_messages_and_among_completions(
    program: Step, schedule: Schedule, data: st.DataObject
) -> None:
    conversation = play(program, schedule)
    with Live(program) as live:
        for made in conversation.made:
            messages = [message for message in made.messages if message.rank == 0]
            position = 0
            for completion in (message for message in made.messages if message.rank == 1):
                position = data.draw(st.integers(position, len(messages)))
                messages.insert(position, completion)
                position += 1
            same_turn(made, live.turn(messages, made.at))


@law
@given(programs("patient", "info", "others"), schedules())
def test_completions_of_one_turn_work_as_if_each_had_come_alone(program: Step, schedule: Schedule) -> None:
    conversation = play(program, schedule)
    with Live(program) as live:
        for made in conversation.made:
            together = [
                message
                for message in made.messages
                if message.rank == 0 and not isinstance(message, PauseWorkflow | UnpauseWorkflow)
            ]
            alone = [message for message in made.messages if message.rank == 1]
            for messages in [together, *([message] for message in alone)]:
                if messages:
                    live.execution.turn(*messages, at=made.at)
            assert made.answer == live.execution.query("seen")
            assert _kind_and_outcome(made.state.closed) == _kind_and_outcome(live.execution.state.closed)


@law
@given(confluent_programs(), st.integers(0, 30), st.lists(st.integers(0, 5)), st.lists(st.integers(1, 3)))
def test_the_order_of_completions_that_no_race_compares_does_not_change_the_result(
    program: Step, failing: int, order: list[int], sizes: list[int]
) -> None:
    expected = _settled_in_order(program, failing, [], [])
    assert expected == _settled_in_order(program, failing, order, sizes)


def _settled_in_order(
    program: Step, failing: int, order: Sequence[int], sizes: Sequence[int]
) -> tuple[str, object]:
    """How a program ends if its commands end in some order, so many in a turn; the activity labelled ``failing`` fails."""
    picks, counts = iter(order), iter(sizes)
    conversation = Conversation(program)
    try:
        conversation.begin(())
        while not conversation.execution.closed:
            waiting = [each for each in conversation.execution.outstanding if not isinstance(each, _REQUEST)]
            chosen = [
                waiting.pop(next(picks, 0) % len(waiting)) for _ in range(min(next(counts, 1), len(waiting)))
            ]
            conversation.tell(*[_outcome(command, failing) for command in chosen])
    finally:
        conversation.execution.close()
        note(conversation_text(program, conversation.made))
    return _kind_and_outcome(conversation.closed, "value")


_REQUEST = ev.ActivityTaskCancelRequested


def _outcome(command: ev.Command, failing: int) -> Message:
    if isinstance(command, ev.TimerStarted):
        return FireTimer(seq=command.seq)
    assert isinstance(command, ev.ActivityTaskScheduled)
    label = command.input[0]
    if label == failing:
        return FailActivity(seq=command.seq, failure=Failure("application", "no", type="Refused"))
    return CompleteActivity(seq=command.seq, result=label * 10)


def _kind_and_outcome(closed: ev.HistoryEvent | None, *fields: str) -> tuple[str, object]:
    """The kind of a terminal event, and what the workflow returned (or of that, some fields) or failed with."""
    outcome: object = None
    if isinstance(closed, ev.WorkflowExecutionCompleted):
        result: Any = closed.result
        outcome = {name: result[name] for name in fields} if fields else result
    elif isinstance(closed, ev.WorkflowExecutionFailed):
        outcome = (closed.failure.kind, closed.failure.type, closed.failure.message)
    return type(closed).__name__, outcome


# Who comes first -----------------------------------------------------------------------------------------------------


@law
@given(confluent_programs(answered=False))
def test_steps_begin_from_left_to_right_and_branches_in_the_order_in_which_they_were_made(
    program: Step,
) -> None:
    conversation = Conversation(program)
    conversation.begin(())
    conversation.execution.close()
    note(conversation_text(program, conversation.made))
    assert _begun(program) == [_name(command) for command in conversation.execution.outstanding]


def _begun(program: Step) -> list[str]:
    """The commands of the first turn, by the rule: what stands in a branch begins at once, new branches queue up."""
    commands: list[str] = []
    queue = deque([program])

    def walk(step: Step) -> None:
        match step:
            case Act() | Timer():
                commands.append(_name(step))
            case Seq(steps):
                walk(steps[0])
            case Gather(_, steps):
                for each in steps:
                    begin(each)
            case Beside(started, own):
                queue.append(started)
                walk(own)
            case Shielded(inner):
                begin(inner)
            case Sub(inner, True):
                queue.append(inner)
            case Sub(inner, False) | Guard(inner):
                walk(inner)
            case _:
                raise AssertionError(step)

    def begin(step: Step) -> None:
        """One step of a combinator: an effect where it stands, anything else as a branch of its own."""
        if isinstance(step, Act | Timer | Gather | Shielded):
            walk(step)
        else:
            queue.append(step.step if isinstance(step, Sub) else step)

    while queue:
        walk(queue.popleft())
    return commands


def _name(command: object) -> str:
    match command:
        case Act(name, label):
            return f"{name} {label}"
        case ev.ActivityTaskScheduled():
            return f"{command.activity_type} {command.input[0]}"
        case _:
            return "timer"


@law
@given(handling_programs(), schedules())
def test_a_condition_is_judged_when_every_handler_of_the_turn_has_begun(
    program: Step, schedule: Schedule
) -> None:
    world = World()
    told: list[Conversation] = []

    def judge() -> None:
        if told:
            accepted = told[0].accepted("x", "y")
            assert len(accepted) == len(world.heard["x"]) + len(world.heard["y"])

    world.judged = judge
    play(program, schedule, world=world, after=told.append)
