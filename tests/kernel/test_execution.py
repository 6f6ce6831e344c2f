"""``Execution``: loading, turns, and what it refuses."""

from __future__ import annotations

import threading
from pathlib import Path

import attrs
import pytest

from refold import (
    Execution,
    HistoryError,
    InputPolicy,
    MessageError,
    NondeterminismError,
    Workflow,
    WorkflowStatus,
    WorkflowTaskError,
    execute_activity,
    fold,
    initial_state,
    open_executions,
    sleep,
    start,
    wait_until,
    workflow,
)
from refold import events as ev
from refold.messages import CompleteActivity, FireTimer, SignalWorkflow, TerminateWorkflow
from tests.kernel.driving import drive, signalled, start_message
from tests.kernel.parts import HOUR, Steps, approval, charge, nudge, reserve


@workflow
def plain() -> Workflow[list[object]]:
    return [(yield from charge(1)), (yield from reserve("x"))]


def _recorded() -> list[ev.HistoryEvent]:
    with drive(plain) as run:
        run.complete("charge", 1)
        run.complete("reserve", "r")
        return run.history


HISTORY = _recorded()


# Loading --------------------------------------------------------------------------------------------------------------------


def test_an_empty_history_is_a_run_that_has_not_begun() -> None:
    with Execution.load(plain, []) as execution:
        assert initial_state() == execution.state
        assert ((), (), False) == (execution.outstanding, execution.waiting(), execution.closed)
        assert 2 == len(execution.turn(start_message(plain), at=1).events)


def test_a_loaded_run_goes_on_where_its_history_ends() -> None:
    with Execution.load(plain, HISTORY[:2]) as execution:
        assert ["activity 'charge' (seq 1)"] == [each.wait for each in execution.waiting()]
        turn = execution.turn(CompleteActivity(seq=1, result=1), at=HISTORY[2].at)
        assert HISTORY[2:4] == list(turn.events)


def test_a_history_of_a_closed_run_loads_and_takes_no_more_turns() -> None:
    with Execution.load(plain, HISTORY) as execution:
        assert execution.closed
        assert WorkflowStatus.COMPLETED is execution.state.status
        assert () == execution.waiting()
        with pytest.raises(MessageError, match="RF3001"):
            execution.turn(signalled(nudge), at=1)
        assert () == execution.turn(CompleteActivity(seq=1), at=1).events


def test_replay_gives_the_state_and_leaves_nothing_open() -> None:
    before = open_executions()
    assert fold(HISTORY) == Execution.replay(plain, HISTORY)
    assert fold(HISTORY[:2]) == Execution.replay(plain, HISTORY[:2])
    assert before == open_executions()


def test_a_history_that_does_not_fit_leaves_nothing_open() -> None:
    @workflow(name="plain")
    def other() -> Workflow[None]:
        yield from sleep(HOUR)

    before = open_executions()
    with pytest.raises(NondeterminismError, match="RF4001"):
        Execution.load(other, HISTORY)
    assert before == open_executions()


def test_a_history_of_another_workflow_is_refused_by_its_name() -> None:
    @workflow
    def other() -> Workflow[None]:
        yield from sleep(HOUR)

    with pytest.raises(HistoryError, match="RF2001: the run is a 'plain', not a 'other'"):
        Execution.load(other, HISTORY)


@pytest.mark.parametrize(
    "broken",
    [
        HISTORY[1:],
        HISTORY[:1] + HISTORY[2:],
        HISTORY[:2] + HISTORY[3:],
        [HISTORY[0], attrs.evolve(HISTORY[1], turn=2), *HISTORY[2:]],  # a turn that begins with what code did
        [
            *HISTORY[:2],
            attrs.evolve(HISTORY[2], turn=1),
            *HISTORY[3:],
        ],  # what came from outside, behind what code did
        [*HISTORY, attrs.evolve(HISTORY[2], event_id=7, turn=9)],
    ],
)
def test_a_history_with_missing_or_misplaced_events_is_corrupt(broken: list[ev.HistoryEvent]) -> None:
    with pytest.raises(HistoryError, match="RF2001"):
        Execution.load(plain, broken)


def test_a_turn_whose_completions_stand_before_its_messages_is_corrupt() -> None:
    with drive(plain) as run:
        run.turn(run.completed("charge", 1), signalled(nudge))
        start, scheduled, signal, completed, then = run.history
    swapped = [start, scheduled, attrs.evolve(completed, event_id=3), attrs.evolve(signal, event_id=4), then]
    assert 1 == fold(swapped).signals  # each event follows from those before, so it takes a look at the turn
    with pytest.raises(HistoryError, match="RF2001: WorkflowExecutionSignaled"):
        Execution.load(plain, swapped)


def test_messages_that_no_turn_could_show_to_a_closing_run_stand_after_its_end() -> None:
    missed = [
        ev.MessageUndelivered(
            7, HISTORY[-1].turn, HISTORY[-1].at, message_kind="SignalWorkflow", message_name="s"
        ),
        ev.MessageUndelivered(8, HISTORY[-1].turn + 1, HISTORY[-1].at, message_kind="CancelWorkflow"),
    ]
    with Execution.load(plain, [*HISTORY, *missed]) as execution:
        assert fold([*HISTORY, *missed]) == execution.state
        assert execution.closed


# Turns ----------------------------------------------------------------------------------------------------------------------


def test_a_turn_tells_all_that_has_to_be_stored_and_done() -> None:
    with Execution(plain) as execution:
        execution.turn(start_message(plain), at=5)
        turn = execution.turn(CompleteActivity(seq=1, result=1), at=9)
        assert (2, 9, 2) == (turn.number, turn.at, turn.length_before)
        assert ["ActivityTaskCompleted", "ActivityTaskScheduled"] == [
            type(event).__name__ for event in turn.events
        ]
        assert (turn.events[1],) == turn.commands == execution.outstanding
        assert ((), (), None) == (turn.logs, turn.complaints, turn.closed)
        last = execution.turn(CompleteActivity(seq=2, result="r"), at=10)
        assert last.events[-1] is last.closed
        assert () == last.commands


def test_a_turn_of_messages_heard_before_changes_nothing() -> None:
    with Execution(plain) as execution:
        execution.turn(start_message(plain), at=5)
        execution.turn(CompleteActivity(seq=1, result=1), at=9)
        state = execution.state
        turn = execution.turn(CompleteActivity(seq=1, result=1), start_message(plain), at=50)
        assert ((), (), (), None, 2, 4) == (
            turn.events,
            turn.commands,
            turn.logs,
            turn.closed,
            turn.number,
            turn.length_before,
        )
        assert state == execution.state


@pytest.mark.parametrize(
    "message",
    [
        CompleteActivity(seq=9),
        FireTimer(seq=1),
        start_message(plain, run_id="r-2"),
        SignalWorkflow(signal_name="s"),
    ],
)
def test_a_message_that_cannot_be_leaves_the_execution_as_it_is(message: object) -> None:
    with Execution.load(plain, HISTORY[:2]) as execution:
        state, waiting = execution.state, execution.waiting()
        with pytest.raises(MessageError):
            execution.turn(CompleteActivity(seq=1, result=1), message, TerminateWorkflow(), at=9)  # type: ignore[arg-type]
        assert (state, waiting) == (execution.state, execution.waiting())
        assert HISTORY[2:4] == list(
            execution.turn(CompleteActivity(seq=1, result=1), at=HISTORY[2].at).events
        )


def test_a_start_of_another_type_is_refused_and_the_execution_can_still_be_started() -> None:
    @workflow
    def other() -> Workflow[None]:
        yield from sleep(HOUR)

    with Execution(plain) as execution:
        with pytest.raises(MessageError, match="RF3003: the message starts a 'other', and this is a 'plain'"):
            execution.turn(start_message(other), at=1)
        assert 2 == len(execution.turn(start_message(plain), at=1).events)


def test_a_turn_that_fails_leaves_an_execution_that_can_only_be_closed() -> None:
    @workflow
    def buggy() -> Workflow[None]:
        yield from nudge.receive()
        raise ValueError("a bug")

    execution = Execution(buggy)
    execution.turn(start_message(buggy), at=1)
    with pytest.raises(WorkflowTaskError, match="RF1110"):
        execution.turn(signalled(nudge), at=2)
    with pytest.raises(
        MessageError, match="RF3005: the execution cannot be driven: an earlier turn failed"
    ) as raised:
        execution.turn(signalled(nudge), at=3)
    assert "(WorkflowTaskError)" in raised.value.what
    assert execution in open_executions()
    assert () == execution.close()
    assert execution not in open_executions()
    with pytest.raises(MessageError, match="an earlier turn failed"):
        execution.turn(signalled(nudge), at=3)


def test_a_closed_execution_cannot_be_driven() -> None:
    execution = Execution(plain)
    execution.turn(start_message(plain), at=1)
    execution.close()
    assert () == execution.close()
    with pytest.raises(MessageError, match="RF3005: the execution cannot be driven: it was closed"):
        execution.turn(CompleteActivity(seq=1), at=2)


def test_an_execution_is_open_until_it_is_closed_or_has_ended() -> None:
    before = len(open_executions())
    execution = Execution(plain)
    assert execution in open_executions()
    execution.turn(start_message(plain), at=1)
    execution.turn(CompleteActivity(seq=1, result=1), at=2)
    execution.turn(CompleteActivity(seq=2, result="r"), at=3)
    assert execution not in open_executions()
    assert before == len(open_executions())


# One driver at a time -------------------------------------------------------------------------------------------------------


def test_a_workflow_that_drives_its_own_execution_is_refused_and_its_turn_is_not_disturbed() -> None:
    executions: list[Execution] = []

    @workflow
    def meddles() -> Workflow[list[str]]:
        seen: list[str] = []
        yield from nudge.receive()
        for meddling in (
            lambda: executions[-1].turn(signalled(approval, "me"), at=9),
            lambda: executions[-1].turn(at=9),
            executions[-1].close,
        ):
            try:
                meddling()
            except MessageError as error:
                seen.append(error.code)
        yield from charge(1)
        return seen

    execution = Execution(meddles)
    executions.append(execution)
    with execution:
        history = list(execution.turn(start_message(meddles), at=1).events)
        turn = execution.turn(signalled(nudge), at=2)
        history += turn.events
        assert ["WorkflowExecutionSignaled", "ActivityTaskScheduled"] == [
            type(event).__name__ for event in turn.events
        ]
        last = execution.turn(CompleteActivity(seq=1, result=1), at=3)
        assert ["RF3004"] * 3 == last.closed.result  # type: ignore[union-attr]
        history += last.events
    replayed = Execution(meddles)
    executions.append(replayed)
    with replayed:
        replayed._replay(history)
        assert fold(history) == replayed.state


def test_a_handler_or_a_condition_that_drives_is_refused_too() -> None:
    executions: list[Execution] = []

    @workflow
    def meddles() -> Workflow[list[str]]:
        seen: list[str] = []

        def meddle(_: object = None) -> bool:
            try:
                executions[-1].turn(signalled(nudge), at=9)
            except MessageError as error:
                seen.append(error.code)
            return True

        yield from approval.handle(meddle)
        yield from wait_until(meddle)
        yield from sleep(HOUR)
        return seen

    execution = Execution(meddles)
    executions.append(execution)
    with execution:
        execution.turn(start_message(meddles), at=1)
        execution.turn(signalled(approval, "yes"), at=2)
        turn = execution.turn(FireTimer(seq=1), at=3)
        assert ["RF3004", "RF3004"] == turn.closed.result  # type: ignore[union-attr]


def test_another_thread_that_drives_at_the_same_time_is_refused() -> None:
    executions: list[Execution] = []
    refusals: list[str] = []

    def elsewhere() -> None:
        for call in (lambda: executions[-1].turn(signalled(nudge), at=9), executions[-1].close):
            try:
                call()
            except MessageError as error:
                refusals.append(error.code)

    @workflow
    def slow() -> Workflow[None]:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        yield from sleep(HOUR)

    execution = Execution(slow)
    executions.append(execution)
    with execution:
        execution.turn(start_message(slow), at=1)
        assert ["RF3004", "RF3004"] == refusals
        execution.turn(FireTimer(seq=1), at=2)


# What replay finds ------------------------------------------------------------------------------------------------------------


def test_a_message_that_only_the_state_knows_of_leaves_the_code_where_it_is() -> None:
    paused = ev.WorkflowExecutionPaused(3, 2, HISTORY[1].at + 1)

    with Execution.load(plain, [*HISTORY[:2], paused]) as execution:
        assert execution.state.paused
        assert ["activity 'charge' (seq 1)"] == [each.wait for each in execution.waiting()]


@pytest.mark.parametrize("args", [(), (1, 2)])
def test_an_argument_more_or_less_is_a_divergence(args: tuple[int, ...]) -> None:
    given: tuple[int, ...] = (1,)

    @workflow
    def asks() -> Workflow[None]:
        yield from execute_activity("count", *given)

    with drive(asks, recheck=False) as run:
        given = args
        with pytest.raises(NondeterminismError, match="They differ in input"):
            Execution.load(asks, run.history, input_policy=InputPolicy.STRICT)


# Waiting --------------------------------------------------------------------------------------------------------------------


def test_waiting_shows_the_exact_lines_of_every_branch_outermost_first() -> None:
    @workflow
    def deep() -> Workflow[None]:
        def inner() -> Steps:
            yield from charge(1)  # line A

        def outer() -> Steps:
            yield from inner()  # line B

        yield from start(outer())
        yield from nudge.receive()  # line C

    def line(mark: str) -> int:
        lines = Path(__file__).read_text("utf-8").splitlines()
        return next(n for n, text in enumerate(lines, 1) if text.endswith(f"# line {mark}"))

    name = "test_waiting_shows_the_exact_lines_of_every_branch_outermost_first.<locals>.deep"
    with drive(deep) as run:
        main, child = run.execution.waiting()
        assert (0, "signal 'nudge'", ()) == (main.branch, main.wait, main.seqs)
        assert [f"kernel/test_execution.py:{line('C')} in {name}"] == list(main.frames)
        assert (1, "activity 'charge' (seq 1)", (1,)) == (child.branch, child.wait, child.seqs)
        assert [
            f"kernel/test_execution.py:{line('B')} in {name}.<locals>.outer",
            f"kernel/test_execution.py:{line('A')} in {name}.<locals>.inner",
        ] == list(child.frames)
        run.signal(nudge)
        assert () == run.execution.waiting()


def test_an_execution_knows_the_event_that_it_began_with():
    with drive(plain) as run:
        assert run.execution.state.started == run.execution.started
        assert isinstance(run.execution.started, ev.WorkflowExecutionStarted)
    with Execution(plain) as fresh:
        assert fresh.started is None
