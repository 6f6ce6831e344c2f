"""Which event a message becomes, which were heard before, and which cannot be."""

from __future__ import annotations

import sys
from typing import Any, cast

import attrs
import pytest

from refold import ExecutionState, Failure, MessageError, decide, decide_turn, evolve, fold, initial_state
from refold import events as ev
from refold import messages as ms
from refold.flags import CURRENT_FLAGS, SCHEMA_VERSION

START = ms.StartWorkflow(workflow_id="w-1", run_id="r-1", workflow_type="orders", request_id="start-1")
SIGNAL = ms.SignalWorkflow(signal_name="s", input=[1], request_id="q-1")


def _history() -> list[ev.HistoryEvent]:
    """A run with activity 1 and timer 2 open, and activity 3 done."""
    head: Any = {"turn": 1, "at": 5, "branch": 0}
    started = decide(initial_state(), START, at=5)
    assert started is not None
    return [
        started,
        ev.ActivityTaskScheduled(event_id=2, seq=1, activity_type="charge", **head),
        ev.TimerStarted(event_id=3, seq=2, fire_at=9, **head),
        ev.ActivityTaskScheduled(event_id=4, seq=3, activity_type="reserve", **head),
        ev.ActivityTaskCompleted(event_id=5, turn=2, at=6, seq=3),
    ]


def _with_others(*more: ev.HistoryEvent) -> ExecutionState:
    """A run with child 1, signal 2 and cancel request 3 under way, and what has come back of them."""
    head: Any = {"turn": 1, "at": 5, "branch": 0}
    started = decide(initial_state(), START, at=5)
    assert started is not None
    return fold(
        [
            started,
            ev.StartChildWorkflowExecutionInitiated(
                event_id=2, seq=1, workflow_id="c-1", workflow_type="sub", **head
            ),
            ev.SignalExternalWorkflowExecutionInitiated(
                event_id=3, seq=2, workflow_id="w-2", signal_name="s", **head
            ),
            ev.RequestCancelExternalWorkflowExecutionInitiated(event_id=4, seq=3, workflow_id="w-2", **head),
            *more,
        ]
    )


OPEN = fold(_history())
ASKED = _with_others()
CHILD_RUNS = _with_others(ev.ChildWorkflowExecutionStarted(event_id=5, turn=2, at=6, seq=1, run_id="cr-1"))
CLOSED = evolve(OPEN, ev.WorkflowExecutionCompleted(6, 2, 6))
FAILURE = Failure("application", "no")


def test_every_message_has_an_event_that_carries_all_it_says() -> None:
    messages: list[tuple[ms.Message, type[ev.HistoryEvent]]] = [
        (SIGNAL, ev.WorkflowExecutionSignaled),
        (ms.CancelWorkflow(reason="enough"), ev.WorkflowExecutionCancelRequested),
        (ms.UpdateWorkflow(update_id="u-2", update_name="u", input=[1]), ev.WorkflowExecutionUpdateAccepted),
        (ms.PauseWorkflow(reason="wait", request_id="q-2"), ev.WorkflowExecutionPaused),
        (ms.UnpauseWorkflow(reason="go on", request_id="q-2"), ev.WorkflowExecutionUnpaused),
        (ms.UpdateWorkflowOptions(options={"build_id": "b"}), ev.WorkflowExecutionOptionsUpdated),
        (ms.TimeOutWorkflow(retry_state="TIMEOUT", new_run_id="r-2"), ev.WorkflowExecutionTimedOut),
        (ms.TerminateWorkflow(reason="enough", details=[1]), ev.WorkflowExecutionTerminated),
        (ms.CompleteActivity(seq=1, result=5, attempt=2, identity="w"), ev.ActivityTaskCompleted),
        (ms.FailActivity(seq=1, failure=FAILURE), ev.ActivityTaskFailed),
        (ms.TimeOutActivity(seq=1, timeout_type="HEARTBEAT", last_failure=FAILURE), ev.ActivityTaskTimedOut),
        (ms.ReportActivityCanceled(seq=1, details=[1]), ev.ActivityTaskCanceled),
        (ms.FireTimer(seq=2), ev.TimerFired),
    ]
    others: list[tuple[ms.Message, type[ev.HistoryEvent]]] = [
        (ms.CompleteChild(seq=1, result=5), ev.ChildWorkflowExecutionCompleted),
        (ms.FailChild(seq=1, failure=FAILURE, retry_state="TIMEOUT"), ev.ChildWorkflowExecutionFailed),
        (ms.ReportChildCanceled(seq=1, details=[1]), ev.ChildWorkflowExecutionCanceled),
        (ms.TimeOutChild(seq=1, retry_state="TIMEOUT"), ev.ChildWorkflowExecutionTimedOut),
        (ms.ReportChildTerminated(seq=1, reason="enough"), ev.ChildWorkflowExecutionTerminated),
        (ms.ReportSignalDelivered(seq=2, run_id="r-2"), ev.ExternalWorkflowExecutionSignaled),
        (ms.ReportSignalFailed(seq=2, cause="x"), ev.SignalExternalWorkflowExecutionFailed),
        (ms.ReportCancelDelivered(seq=3, run_id="r-2"), ev.ExternalWorkflowExecutionCancelRequested),
        (ms.ReportCancelFailed(seq=3, cause="x"), ev.RequestCancelExternalWorkflowExecutionFailed),
    ]
    beginnings: list[tuple[ms.Message, type[ev.HistoryEvent]]] = [
        (ms.ReportChildStarted(seq=1, run_id="cr-1"), ev.ChildWorkflowExecutionStarted),
        (ms.ReportChildStartFailed(seq=1, cause="x"), ev.StartChildWorkflowExecutionFailed),
    ]
    for state, next_id, heard in ((OPEN, 6, messages), (CHILD_RUNS, 6, others), (ASKED, 5, beginnings)):
        for message, kind in heard:
            event = decide(state, message, at=20)
            assert isinstance(event, kind)
            assert (next_id, state.turn + 1, 20) == (event.event_id, event.turn, event.at)
            for field in attrs.fields(type(message)):
                assert getattr(message, field.name) == getattr(event, field.name)
    assert sorted(ms.MESSAGES) == sorted(
        {type(message).__name__ for message, _ in messages + others + beginnings} | {"StartWorkflow"}
    )


def test_a_start_records_the_rules_and_the_schema() -> None:
    event = decide(initial_state(), START, at=5)
    assert isinstance(event, ev.WorkflowExecutionStarted)
    assert (1, 1, 5) == (event.event_id, event.turn, event.at)
    assert (list(CURRENT_FLAGS), SCHEMA_VERSION) == (list(event.flags), event.schema_version)
    assert ("w-1", "r-1", "orders", "default") == (
        event.workflow_id,
        event.run_id,
        event.workflow_type,
        event.task_queue,
    )


def test_what_was_heard_before_is_none() -> None:
    heard = evolve(OPEN, ev.WorkflowExecutionSignaled(6, 3, 7, signal_name="s", request_id="q-1"))
    for state, message in (
        (OPEN, START),  # the same run id
        (heard, SIGNAL),  # the same request id
        (heard, ms.CancelWorkflow(request_id="q-1")),
        (OPEN, ms.CompleteActivity(seq=3)),  # settled
        (OPEN, ms.FailActivity(seq=3, failure=FAILURE)),
        (CLOSED, ms.CompleteActivity(seq=1)),  # fell away with its run
        (CLOSED, ms.FireTimer(seq=2)),
        (CLOSED, START),
    ):
        assert decide(state, message, at=20) is None


@pytest.mark.parametrize(
    ("code", "state", "message"),
    [
        ("RF3001", CLOSED, SIGNAL),
        ("RF3001", CLOSED, ms.CancelWorkflow()),
        ("RF3001", CLOSED, ms.TerminateWorkflow()),
        ("RF3002", initial_state(), SIGNAL),
        ("RF3002", initial_state(), ms.CancelWorkflow()),
        ("RF3002", initial_state(), ms.TerminateWorkflow()),
        ("RF3002", initial_state(), ms.CompleteActivity(seq=1)),
        ("RF3003", OPEN, ms.CompleteActivity(seq=4)),
        ("RF3003", OPEN, ms.CompleteActivity(seq=0)),
        ("RF3003", OPEN, ms.CompleteActivity(seq=-1)),
        ("RF3003", OPEN, ms.CompleteActivity(seq=2)),  # that is a timer
        ("RF3003", OPEN, ms.FireTimer(seq=1)),  # that is an activity
        ("RF3003", OPEN, ms.Message()),
        ("RF3003", CLOSED, ms.FireTimer(seq=9)),
        ("RF3006", OPEN, attrs.evolve(START, run_id="r-2")),
        ("RF3006", CLOSED, attrs.evolve(START, run_id="r-2")),
    ],
)
def test_what_cannot_be_is_refused(code: str, state: Any, message: ms.Message) -> None:
    with pytest.raises(MessageError, match=code):
        decide(state, message, at=20)


def test_a_refusal_says_what_the_number_stands_for() -> None:
    with pytest.raises(MessageError, match="FireTimer names seq 1, which is of a ActivityTaskScheduled"):
        decide(OPEN, ms.FireTimer(seq=1), at=20)
    with pytest.raises(MessageError, match="FireTimer names seq 9, which is of no command of this run"):
        decide(OPEN, ms.FireTimer(seq=9), at=20)
    with pytest.raises(MessageError, match="SignalWorkflow came to a run that is COMPLETED"):
        decide(CLOSED, SIGNAL, at=20)


# Children -------------------------------------------------------------------------------------------------------------------


def test_what_is_said_of_the_start_of_a_child_that_runs_is_an_echo() -> None:
    for message in (
        ms.ReportChildStarted(seq=1, run_id="cr-2"),
        ms.ReportChildStartFailed(seq=1, cause="WORKFLOW_ALREADY_EXISTS"),
    ):
        assert decide(CHILD_RUNS, message, at=20) is None
        assert [] == decide_turn(CHILD_RUNS, [message], at=20)


def test_what_is_said_of_a_child_that_has_ended_was_heard_before() -> None:
    ended = evolve(CHILD_RUNS, ev.ChildWorkflowExecutionCompleted(6, 3, 7, seq=1))
    for message in (
        ms.ReportChildStarted(seq=1, run_id="cr-1"),
        ms.ReportChildStartFailed(seq=1, cause="x"),
        ms.ReportChildTerminated(seq=1),
    ):
        assert decide(ended, message, at=20) is None


def test_a_child_may_start_and_end_in_one_turn() -> None:
    events = decide_turn(
        ASKED, [ms.ReportChildStarted(seq=1, run_id="cr-1"), ms.CompleteChild(seq=1, result=5)], at=20
    )
    assert [
        ev.ChildWorkflowExecutionStarted(5, 2, 20, seq=1, run_id="cr-1"),
        ev.ChildWorkflowExecutionCompleted(6, 2, 20, seq=1, result=5),
    ] == events


@pytest.mark.parametrize(
    ("later", "run_id"), [([], ""), ([ms.ReportChildStarted(seq=1, run_id="cr-1")], "cr-1")]
)
def test_the_end_of_a_child_that_is_not_known_to_run_stands_for_its_start_too(
    later: list[ms.Message], run_id: str
) -> None:
    messages = [ms.FireTimer(seq=4), ms.FailChild(seq=1, failure=FAILURE), *later, ms.CompleteChild(seq=1)]
    state = evolve(ASKED, ev.TimerStarted(5, 1, 5, seq=4, branch=0, fire_at=9))
    assert [
        ev.TimerFired(6, 2, 20, seq=4),
        ev.ChildWorkflowExecutionStarted(7, 2, 20, seq=1, run_id=run_id),
        ev.ChildWorkflowExecutionFailed(8, 2, 20, seq=1, failure=FAILURE),
    ] == decide_turn(state, messages, at=20)


def test_of_a_start_that_worked_and_one_that_did_not_the_first_stands() -> None:
    worked = ms.ReportChildStarted(seq=1, run_id="cr-1")
    failed = ms.ReportChildStartFailed(seq=1, cause="WORKFLOW_ALREADY_EXISTS")
    assert ["ChildWorkflowExecutionStarted"] == _kinds(decide_turn(ASKED, [worked, failed], at=20))
    assert ["StartChildWorkflowExecutionFailed"] == _kinds(decide_turn(ASKED, [failed, worked], at=20))


# A turn of several ----------------------------------------------------------------------------------------------------------


def _kinds(events: list[ev.HistoryEvent]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_the_messages_of_a_turn_are_numbered_in_their_order() -> None:
    events = decide_turn(OPEN, [ms.FireTimer(seq=2), SIGNAL, ms.CompleteActivity(seq=1)], at=20)
    assert ["WorkflowExecutionSignaled", "TimerFired", "ActivityTaskCompleted"] == _kinds(events)
    assert [6, 7, 8] == [event.event_id for event in events]
    assert {(3, 20)} == {(event.turn, event.at) for event in events}


def test_what_is_said_twice_in_a_turn_is_heard_once() -> None:
    cancel = ms.CancelWorkflow(request_id="c-1")
    done = ms.CompleteActivity(seq=1, result=1)
    messages = [SIGNAL, done, cancel, SIGNAL, ms.FailActivity(seq=1, failure=FAILURE), cancel, done]
    events = decide_turn(OPEN, messages, at=20)
    assert [
        "WorkflowExecutionSignaled",
        "WorkflowExecutionCancelRequested",
        "ActivityTaskCompleted",
    ] == _kinds(events)
    assert [6, 7, 8] == [event.event_id for event in events]


def test_signals_without_a_request_id_are_all_heard() -> None:
    signal = ms.SignalWorkflow(signal_name="s")
    assert 3 == len(decide_turn(OPEN, [signal, signal, signal], at=20))


def test_a_turn_in_which_all_was_heard_before_is_empty() -> None:
    assert [] == decide_turn(OPEN, [START, ms.CompleteActivity(seq=3)], at=20)
    assert [] == decide_turn(OPEN, [], at=20)


def test_a_run_may_be_signalled_and_cancelled_in_the_turn_that_starts_it() -> None:
    events = decide_turn(initial_state(), [START, SIGNAL, START, ms.CancelWorkflow()], at=5)
    assert [
        "WorkflowExecutionStarted",
        "WorkflowExecutionSignaled",
        "WorkflowExecutionCancelRequested",
    ] == _kinds(events)


def test_two_different_starts_in_one_turn_are_refused() -> None:
    with pytest.raises(MessageError, match="RF3006: the run has started already"):
        decide_turn(initial_state(), [START, attrs.evolve(START, run_id="r-2")], at=5)


def test_a_completion_in_the_turn_that_starts_the_run_is_of_nothing() -> None:
    with pytest.raises(MessageError, match="RF3003"):
        decide_turn(initial_state(), [START, ms.CompleteActivity(seq=1)], at=5)


def test_a_termination_that_is_repeated_changes_nothing_and_another_one_is_refused() -> None:
    order = ms.TerminateWorkflow(request_id="once")
    terminated = evolve(OPEN, decide_turn(OPEN, [order], at=20)[0])
    assert [] == decide_turn(terminated, [order], at=30)
    for other in (ms.TerminateWorkflow(request_id="twice"), ms.TerminateWorkflow()):
        with pytest.raises(MessageError, match="RF3001"):
            decide_turn(terminated, [other], at=30)


def test_a_termination_is_alone_in_its_turn() -> None:
    assert ["WorkflowExecutionTerminated"] == _kinds(decide_turn(OPEN, [ms.TerminateWorkflow()], at=20))
    with pytest.raises(MessageError, match="RF3007"):
        decide_turn(OPEN, [SIGNAL, ms.TerminateWorkflow()], at=20)


@pytest.mark.parametrize(
    "message",
    [ms.UpdateWorkflow(update_id="u", update_name="u"), ms.TimeOutWorkflow(), ms.TerminateWorkflow()],
    ids=lambda message: type(message).__name__,
)
def test_what_must_be_alone_in_its_turn_is_refused_with_others(message: ms.Message) -> None:
    assert 1 == len(decide_turn(OPEN, [message], at=20))
    with pytest.raises(MessageError, match=f"RF3007: {type(message).__name__} came together with other"):
        decide_turn(OPEN, [SIGNAL, message], at=20)


@pytest.mark.parametrize(
    "message",
    [ms.UpdateWorkflow(update_id="u", update_name="u"), ms.TimeOutWorkflow(), ms.TerminateWorkflow()],
    ids=lambda message: type(message).__name__,
)
def test_what_must_be_alone_and_is_only_told_twice_is_one(message: ms.Message) -> None:
    assert 1 == len(decide_turn(OPEN, [message, attrs.evolve(message)], at=20))


def test_an_update_that_was_accepted_is_heard_no_more_whether_or_not_it_is_answered() -> None:
    asked = ms.UpdateWorkflow(update_id="u", update_name="n", request_id="q")
    accepted = evolve(OPEN, cast(ev.HistoryEvent, decide(OPEN, asked, at=20)))
    answered = evolve(accepted, ev.WorkflowExecutionUpdateCompleted(7, 3, 20, update_id="u"))
    closed = evolve(answered, ev.WorkflowExecutionCompleted(8, 3, 20))
    for state in (accepted, answered, closed):
        assert [] == decide_turn(state, [asked], at=30)
        assert [] == decide_turn(state, [attrs.evolve(asked, request_id="")], at=30)
    with pytest.raises(MessageError, match="RF3001"):
        decide_turn(closed, [attrs.evolve(asked, update_id="v", request_id="")], at=30)


PAUSED = evolve(OPEN, ev.WorkflowExecutionPaused(6, 3, 7, request_id="p-1"))


@pytest.mark.parametrize(
    "message",
    [
        SIGNAL,
        ms.CancelWorkflow(),
        ms.CompleteActivity(seq=1),
        ms.FireTimer(seq=2),
        ms.UpdateWorkflow(update_id="u", update_name="u"),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_paused_run_takes_nothing_that_its_code_would_have_to_answer(message: ms.Message) -> None:
    with pytest.raises(MessageError, match=r"RF3008: WorkflowExecution\w+|RF3008: (Activity|Timer)"):
        decide_turn(PAUSED, [message], at=20)
    if not message.alone:
        assert 2 == len(decide_turn(PAUSED, [message, ms.UnpauseWorkflow()], at=20))


@pytest.mark.parametrize(
    "message",
    [
        ms.PauseWorkflow(reason="again"),
        ms.UnpauseWorkflow(),
        ms.UpdateWorkflowOptions(options={"build_id": "b"}),
        ms.TimeOutWorkflow(),
        ms.TerminateWorkflow(),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_paused_run_takes_what_its_code_is_not_asked_about(message: ms.Message) -> None:
    assert 1 == len(decide_turn(PAUSED, [message], at=20))


def test_what_a_paused_run_has_heard_before_is_none() -> None:
    assert [] == decide_turn(PAUSED, [ms.PauseWorkflow(request_id="p-1"), ms.CompleteActivity(seq=3)], at=20)


def test_a_run_may_be_paused_and_unpaused_in_one_turn() -> None:
    events = decide_turn(OPEN, [ms.PauseWorkflow(), ms.UnpauseWorkflow(), SIGNAL], at=20)
    assert [
        "WorkflowExecutionPaused",
        "WorkflowExecutionUnpaused",
        "WorkflowExecutionSignaled",
    ] == _kinds(events)


def test_one_message_that_cannot_be_refuses_the_turn() -> None:
    with pytest.raises(MessageError, match="RF3003"):
        decide_turn(OPEN, [SIGNAL, ms.FireTimer(seq=1)], at=20)
    with pytest.raises(
        MessageError, match="RF3003"
    ):  # also where another message settles that number in this turn
        decide_turn(OPEN, [ms.CompleteActivity(seq=1), ms.FireTimer(seq=1)], at=20)


def test_what_a_message_leaves_at_its_default_is_the_default_of_its_event() -> None:
    table = vars(sys.modules["refold.decide"])
    events = {cls: outcome[1] for cls, outcome in table["_OUTCOMES"].items()} | table["_INBOX"]
    events[ms.StartWorkflow] = ev.WorkflowExecutionStarted
    assert set(ms.MESSAGES.values()) == set(events)
    for message, event in events.items():
        defaults = {field.name: field.default for field in attrs.fields(event)}
        differing = [field.name for field in attrs.fields(message) if field.default != defaults[field.name]]
        # Those two are always given.
        assert (["task_queue", "input"] if message is ms.StartWorkflow else []) == differing, message


def test_an_event_has_lists_where_its_message_has_tuples_as_storage_gives_them() -> None:
    signal = ms.SignalWorkflow(signal_name="s", input=(1, "a"))
    failed = ms.ReportActivityCanceled(seq=1, details=("stopped",))
    events: list[Any] = [decide(OPEN, signal, at=20), decide(OPEN, failed, at=20)]
    assert [[1, "a"], ["stopped"]] == [events[0].input, events[1].details]
