"""Scope and messages: what holds whatever arrives, and however often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from property_tests.changes import with_signals_taken_in_branches
from property_tests.drawing import law, programs, schedules
from property_tests.programs import Finally, Step, parts
from property_tests.schedules import Conversation, Live, Schedule, again, play, same_turn
from refold import MessageError, open_executions, quarantined
from refold import events as ev
from refold.messages import (
    CancelWorkflow,
    CompleteActivity,
    FireTimer,
    Message,
    ReportActivityCanceled,
    SignalWorkflow,
    StartWorkflow,
    TerminateWorkflow,
)


@law
@given(programs(), schedules())
def test_a_run_has_one_terminal_event_and_it_is_the_last_one(program: Step, schedule: Schedule) -> None:
    conversation = play(program, schedule)
    assert [event for event in conversation.history if event.terminal] == [conversation.history[-1]]
    assert [made.turn.closed for made in conversation.made] == [None] * (len(conversation.made) - 1) + [
        conversation.history[-1]
    ]
    assert conversation.closed is conversation.history[-1]


@law
@given(programs(), schedules())
def test_at_the_end_nothing_is_outstanding_and_no_code_is_open(program: Step, schedule: Schedule) -> None:
    before, stuck = open_executions(), quarantined()
    ends: list[Any] = []

    def look(conversation: Conversation) -> None:
        assert conversation.execution.closed == (conversation.execution not in open_executions())
        if conversation.execution.closed:
            world = conversation.live.world
            ends.append((conversation.execution.outstanding, conversation.execution.waiting(), world.open))

    conversation = play(program, schedule, after=look)
    assert ((), (), 0) == ends[0]
    assert (before, stuck) == (open_executions(), quarantined())
    assert () == conversation.execution.close(), "nothing was left for close() to do"
    if not any(isinstance(part, Finally) and part.cleanup is not None for part in parts(program)):
        assert [()] * len(conversation.made) == [made.turn.complaints for made in conversation.made]


@law
@given(programs(), schedules())
def test_no_command_outlives_its_scope(program: Step, schedule: Schedule) -> None:
    conversation = play(program, schedule)
    for made in conversation.made:
        open_now = dict(made.state.pending)
        for each in made.waiting:
            for seq in each.seqs:
                command = made.state.pending[seq]
                open_now.pop(seq, None)
                if not isinstance(command, ev.StartChildWorkflowExecutionInitiated | _Request):
                    assert (
                        each.branch == command.branch
                    )  # any branch may wait for a child that it has the handle of
        for seq, left in open_now.items():
            assert not isinstance(left, ev.TimerStarted), "no timer outlives its scope"
            if not isinstance(left, ev.ActivityTaskScheduled):
                continue
            how = (left.options or {}).get("cancellation_type", "TRY_CANCEL")
            assert how == "ABANDON" or (how == "TRY_CANCEL" and seq in made.state.cancelling)


# Messages that repeat, and messages that cannot be --------------------------------------------------------------------


_Request: TypeAlias = ev.RequestCancelExternalWorkflowExecutionInitiated


@law
@given(programs(), schedules())
def test_whatever_is_delivered_again_in_a_later_turn_changes_nothing(
    program: Step, schedule: Schedule
) -> None:
    def repeat(conversation: Conversation) -> None:
        state = conversation.execution.state
        sent = [message for made in conversation.made for message in made.messages]
        together = [message for message in sent if not message.alone]
        for messages in [*([message] for message in sent), together]:
            turn = conversation.execution.turn(*messages, at=state.at + 1)
            assert ([], [], []) == (list(turn.events), list(turn.commands), list(turn.logs))
            assert state == conversation.execution.state

    conversation = play(program, schedule, after=repeat)
    with Live(program) as undisturbed:
        again(undisturbed, conversation)


@law
@given(programs(), schedules(), st.data())
def test_whatever_is_delivered_again_in_the_same_turn_changes_nothing(
    program: Step, schedule: Schedule, data: st.DataObject
) -> None:
    conversation = play(program, schedule)
    with Live(program) as live:
        for made in conversation.made:
            messages = list(made.messages)
            for message in made.messages:
                if message.alone:
                    continue
                first = messages.index(message)
                messages.insert(data.draw(st.integers(first + 1, len(messages))), message)
            answered = live.turn(messages, made.at)
            same_turn(made, answered)


@law
@given(programs(), schedules())
def test_what_names_nothing_of_this_run_is_refused_and_changes_nothing(
    program: Step, schedule: Schedule
) -> None:
    def refuse(conversation: Conversation) -> None:
        execution = conversation.execution
        state, answer = execution.state, execution.query("seen")
        for message in _impossible(conversation):
            with pytest.raises(MessageError):
                execution.turn(message, at=state.at + 1)
            with pytest.raises(MessageError):
                execution.turn(SignalWorkflow(signal_name="a", input=[0]), message, at=state.at + 1)
        assert (state, answer) == (execution.state, execution.query("seen"))

    conversation = play(program, schedule, after=refuse)
    with Live(program) as undisturbed:
        again(undisturbed, conversation)


def _impossible(conversation: Conversation) -> Sequence[Message]:
    state = conversation.execution.state
    found: list[Message] = [
        StartWorkflow(workflow_id="w-1", run_id="r-2", workflow_type="random_program"),
    ]
    for seq in (-1, 0, state.last_seq + 1, state.last_seq + 100):
        found += [CompleteActivity(seq=seq), ReportActivityCanceled(seq=seq), FireTimer(seq=seq)]
    for seq, pending in state.pending.items():
        found.append(
            CompleteActivity(seq=seq) if isinstance(pending, ev.TimerStarted) else FireTimer(seq=seq)
        )
    if state.closed is not None:
        found += [SignalWorkflow(signal_name="a", input=[1]), CancelWorkflow(), TerminateWorkflow()]
    return found


# Signals --------------------------------------------------------------------------------------------------------------


@law
@given(programs(), schedules("signal a", "signal b"))
def test_every_accepted_signal_is_taken_in_order_or_named_as_unreceived(
    program: Step, schedule: Schedule
) -> None:
    def taken_in_order(conversation: Conversation) -> None:
        for name in "abxy":
            accepted = _payloads(conversation.history, name)
            assert accepted[: len(_taken(conversation, name))] == _taken(conversation, name)

    conversation = play(program, schedule, after=taken_in_order)
    if isinstance(conversation.closed, ev.WorkflowExecutionTerminated):
        return
    closed = conversation.closed
    carries = isinstance(closed, ev.WorkflowExecutionContinuedAsNew)
    unreceived: Sequence[int] = getattr(closed, "carried" if carries else "unreceived")
    left = [event for event in conversation.history if event.event_id in unreceived]
    assert sorted(unreceived) == list(unreceived)
    for name in "abxy":
        assert _payloads(conversation.history, name) == _taken(conversation, name) + _payloads(left, name)


def _payloads(events: Sequence[ev.HistoryEvent], name: str) -> list[int]:
    return [
        event.input[0]
        for event in events
        if isinstance(event, ev.WorkflowExecutionSignaled) and event.signal_name == name
    ]


def _taken(conversation: Conversation, name: str) -> list[int]:
    return [payload for signal, payload in conversation.live.world.consumed if signal == name]


@law
@given(programs().map(with_signals_taken_in_branches), schedules("signal a", "signal b"))
def test_what_is_taken_reaches_the_code_that_took_it(program: Step, schedule: Schedule) -> None:
    conversation = play(program, schedule)
    for made in conversation.made:
        trace: list[str] = made.answer[0]
        received = [line.removeprefix("Receive: ") for line in trace if line.startswith("Receive: ")]
        heard = [line.removeprefix("heard ") for line in trace if line.startswith(("heard x", "heard y"))]
        taken = made.consumed
        assert [str(payload) for name, payload in taken if name in "ab"] == received
        assert [f"{name} {payload}" for name, payload in taken if name in "xy"] == heard


@law
@given(programs(), schedules())
def test_after_a_turn_nothing_is_left_that_could_be_done(program: Step, schedule: Schedule) -> None:
    def idle(conversation: Conversation) -> None:
        if conversation.execution.closed:
            return
        run = conversation.execution._run
        assert [] == run.queue
        for name, buffer in run.mailbox.items():
            assert not (buffer and run.receivers.get(name)), "a receiver waits for what is there"
            assert not (buffer and name in run.handlers), "a handler was not given what is there"
        for _, holds in run.conditions:
            assert not holds(), "a condition holds and its branch waits"
        seqs = sorted(seq for each in conversation.execution.waiting() for seq in each.seqs)
        children = [
            seq
            for seq, child in run.children.items()
            for _ in [*filter(None, [child.starter]), *child.joiners]
        ]
        requests = [seq for seq, child in run.requests.items() for _ in [*child.callers, *child.requesters]]
        assert seqs == sorted([*run.waits, *children, *requests])

    play(program, schedule, after=idle)
