"""A paused run, a run that is timed out from outside, and options that are changed."""

from __future__ import annotations

import itertools

import pytest

from refold import Execution, MessageError, Workflow, WorkflowStatus, fold, workflow
from refold import events as ev
from refold.messages import (
    CompleteActivity,
    FireTimer,
    Message,
    PauseWorkflow,
    TimeOutWorkflow,
    UnpauseWorkflow,
    UpdateWorkflowOptions,
)
from tests.kernel.driving import cancel_asked, drive, signalled, start_message
from tests.kernel.parts import charge, nudge, number, reserve, status


@workflow
def working() -> Workflow[list[int]]:
    got: list[int] = []
    yield from number.handle(got.append)
    yield from status.answer(lambda: str(got))
    got.append((yield from charge(1)))
    yield from reserve("x")
    return got


def test_a_paused_run_makes_no_progress_until_it_is_unpaused() -> None:
    with drive(working) as run:
        paused = run.turn(PauseWorkflow(reason="maintenance", identity="me", request_id="q-1"))
        assert [ev.WorkflowExecutionPaused] == [type(event) for event in paused.events]
        assert run.execution.state.paused
        for message in (signalled(number, 5), run.completed("charge", 1), cancel_asked()):
            with pytest.raises(MessageError, match="RF3008"):
                run.turn(message)
        assert ["charge"] == run.open_activities, "its activities go on"
        assert "[]" == run.query(status), "it can be asked"
        run.turn(UnpauseWorkflow(), signalled(number, 5), run.completed("charge", 1))
        assert ("[5, 1]", False) == (run.query(status), run.execution.state.paused)


def test_a_pause_takes_hold_after_its_own_turn() -> None:
    with drive(working) as run:
        run.turn(PauseWorkflow(), run.completed("charge", 1))
        assert ["charge", "reserve"] == run.scheduled
        assert run.execution.state.paused


def test_hazard_34_a_pause_is_an_event_and_so_the_state_and_the_flag_never_disagree() -> None:
    messages: list[Message] = [
        PauseWorkflow(request_id="p"),
        UnpauseWorkflow(request_id="u"),
        signalled(number, 5, request_id="s"),
        CompleteActivity(seq=1, result=1),
    ]
    for order in itertools.permutations(messages):
        for size in (1, 2, 4):
            with drive(working, recheck=size == 1) as run:
                for turn in _cut(order, size):
                    before = run.execution.state
                    try:
                        run.turn(*turn)
                    except MessageError as error:
                        assert "RF3008" == error.code  # noqa: PT017
                        assert before == run.execution.state, "a refused turn changes nothing"
                assert fold(run.history) == run.execution.state
                pauses = [event for event in run.history if type(event) in PAUSES]
                assert run.execution.state.paused == (
                    bool(pauses) and isinstance(pauses[-1], ev.WorkflowExecutionPaused)
                )
                if run.execution.state.paused:
                    run.turn(UnpauseWorkflow())
                run.turn(signalled(nudge))  # it can always go on
                assert WorkflowStatus.RUNNING is run.execution.state.status


PAUSES = (ev.WorkflowExecutionPaused, ev.WorkflowExecutionUnpaused)


def _cut(order: tuple[Message, ...], size: int) -> list[tuple[Message, ...]]:
    return [order[n : n + size] for n in range(0, len(order), size)]


def test_a_paused_run_may_be_ended_from_outside() -> None:
    with drive(working) as run:
        run.turn(PauseWorkflow())
        run.terminate("enough")
        assert isinstance(run.closed, ev.WorkflowExecutionTerminated)


def test_a_run_that_starts_paused_has_made_its_first_turn() -> None:
    with Execution(working) as execution:
        execution.turn(start_message(working), PauseWorkflow(), at=1)
        assert (1, True) == (len(execution.outstanding), execution.state.paused)


# Timed out, and other options ----------------------------------------------------------------------------------------------


def test_a_run_that_is_timed_out_is_not_asked() -> None:
    seen: list[str] = []

    @workflow
    def cleans_up() -> Workflow[None]:
        try:
            yield from charge(1)
        finally:
            seen.append("closed")
            reserve("x")

    with drive(cleans_up, recheck=False) as run:
        turn = run.turn(TimeOutWorkflow(retry_state="TIMEOUT"))
        assert (["closed"], ["charge"]) == (seen, run.scheduled)
        assert turn.events == (turn.closed,)
        assert isinstance(turn.closed, ev.WorkflowExecutionTimedOut)
        assert ("TIMEOUT", None) == (turn.closed.retry_state, turn.closed.new_run_id)
        assert WorkflowStatus.TIMED_OUT is run.execution.state.status
        assert () == run.turn(TimeOutWorkflow()).events, "told twice, it is one"
        with pytest.raises(MessageError, match="RF3001"):
            run.terminate()


def test_signals_that_nobody_received_are_named_when_a_run_is_timed_out() -> None:
    with drive(working) as run:
        signal = run.signal(nudge).events[0]
        turn = run.turn(TimeOutWorkflow())
        assert isinstance(turn.closed, ev.WorkflowExecutionTimedOut)
        assert [signal.event_id] == turn.closed.unreceived


def test_a_timer_of_a_run_that_was_timed_out_is_of_no_account() -> None:
    with drive(working) as run:
        run.turn(TimeOutWorkflow())
        assert () == run.turn(CompleteActivity(seq=1)).events
        with pytest.raises(MessageError, match="RF3003"):
            run.turn(FireTimer(seq=9))


def test_options_are_recorded_and_the_code_is_not_told() -> None:
    with drive(working) as run:
        waits = run.waits
        turn = run.turn(UpdateWorkflowOptions(options={"build_id": "b-2"}, identity="me", request_id="q"))
        (event,) = turn.events
        assert isinstance(event, ev.WorkflowExecutionOptionsUpdated)
        assert ({"build_id": "b-2"}, "me") == (event.options, event.identity)
        assert (waits, ()) == (run.waits, turn.commands)
        assert () == run.turn(UpdateWorkflowOptions(options={}, request_id="q")).events
