"""The vocabulary of events and messages: complete, frozen, and the same wherever it is listed."""

from __future__ import annotations

import attrs
import pytest

from refold import events as ev
from refold import messages as ms
from refold.decide import decide
from refold.events import HistoryEvent, event_kinds
from refold.state import initial_state

#: Temporal's events that have their like here, by the names of its API; its workflow task events have none, by design.
TEMPORAL = [
    "WorkflowExecutionStarted",
    "WorkflowExecutionCompleted",
    "WorkflowExecutionFailed",
    "WorkflowExecutionTimedOut",
    "WorkflowExecutionCanceled",
    "WorkflowExecutionTerminated",
    "WorkflowExecutionContinuedAsNew",
    "WorkflowExecutionSignaled",
    "WorkflowExecutionCancelRequested",
    "WorkflowExecutionUpdateAccepted",
    "WorkflowExecutionUpdateCompleted",
    "WorkflowExecutionOptionsUpdated",
    "WorkflowExecutionPaused",
    "WorkflowExecutionUnpaused",
    "ActivityTaskScheduled",
    "ActivityTaskCompleted",
    "ActivityTaskFailed",
    "ActivityTaskTimedOut",
    "ActivityTaskCancelRequested",
    "ActivityTaskCanceled",
    "TimerStarted",
    "TimerFired",
    "TimerCanceled",
    "MarkerRecorded",
    "UpsertWorkflowSearchAttributes",
    "WorkflowPropertiesModified",
    "StartChildWorkflowExecutionInitiated",
    "StartChildWorkflowExecutionFailed",
    "ChildWorkflowExecutionStarted",
    "ChildWorkflowExecutionCompleted",
    "ChildWorkflowExecutionFailed",
    "ChildWorkflowExecutionCanceled",
    "ChildWorkflowExecutionTimedOut",
    "ChildWorkflowExecutionTerminated",
    "SignalExternalWorkflowExecutionInitiated",
    "SignalExternalWorkflowExecutionFailed",
    "ExternalWorkflowExecutionSignaled",
    "RequestCancelExternalWorkflowExecutionInitiated",
    "RequestCancelExternalWorkflowExecutionFailed",
    "ExternalWorkflowCommandCanceled",
    "ExternalWorkflowExecutionCancelRequested",
]
OURS = ["MessageUndelivered"]

KINDS = pytest.mark.parametrize("cls", event_kinds().values(), ids=event_kinds())


def test_the_vocabulary_is_temporal_s_but_for_what_has_no_like_there() -> None:
    assert sorted([*TEMPORAL, *OURS]) == sorted(event_kinds())


def test_every_kind_is_under_its_own_name() -> None:
    for kinds in (event_kinds(), ms.MESSAGES):
        assert list(kinds) == [cls.__name__ for cls in kinds.values()]


def test_every_class_of_events_and_messages_is_a_kind() -> None:
    events = {
        name
        for name, value in vars(ev).items()
        if isinstance(value, type) and issubclass(value, HistoryEvent)
    }
    messages = {
        name for name, value in vars(ms).items() if isinstance(value, type) and issubclass(value, ms.Message)
    }

    assert events - {"HistoryEvent"} == set(event_kinds())
    assert messages - {"Message"} == set(ms.MESSAGES)


def test_the_list_of_kinds_is_a_copy() -> None:
    event_kinds().clear()

    assert event_kinds()


@KINDS
def test_an_event_begins_with_its_number_its_turn_and_its_time(cls: type[HistoryEvent]) -> None:
    assert ["event_id", "turn", "at"] == [field.name for field in attrs.fields(cls)][:3]


@KINDS
def test_an_event_is_frozen_small_and_documented(cls: type[HistoryEvent]) -> None:
    event = object.__new__(cls)

    assert not hasattr(event, "__dict__")
    assert (cls.__doc__ or "").strip()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.turn = 1  # type: ignore[misc]


@KINDS
def test_an_event_says_where_it_came_from(cls: type[HistoryEvent]) -> None:
    assert isinstance(cls.external, bool)
    assert not cls.message or cls.external, "a message comes from outside"
    assert not (cls.message and cls.terminal), "a message does not close a run"


@KINDS
def test_a_command_names_the_branch_and_the_line_that_yielded_it(cls: type[HistoryEvent]) -> None:
    fields = attrs.fields_dict(cls)

    assert ("branch" in fields) <= (not cls.external)
    assert ("branch" in fields) <= ("source" in fields)


def test_every_message_becomes_an_event_or_is_refused() -> None:
    messages: list[ms.Message] = [
        ms.StartWorkflow(workflow_id="w", run_id="r", workflow_type="t"),
        ms.SignalWorkflow(signal_name="s"),
    ]
    state = initial_state()

    started = decide(state, messages[0], at=5, event_id=1, starting=False)

    assert isinstance(started, ev.WorkflowExecutionStarted)
    assert (1, 1, 5, "w", "r", "t") == (
        started.event_id,
        started.turn,
        started.at,
        started.workflow_id,
        started.run_id,
        started.workflow_type,
    )


def test_messages_to_the_workflow_stand_before_completions() -> None:
    first = {cls.__name__ for cls in ms.MESSAGES.values() if cls.rank == 0}

    assert {
        *("StartWorkflow", "SignalWorkflow", "CancelWorkflow", "UpdateWorkflow"),
        *("PauseWorkflow", "UnpauseWorkflow", "UpdateWorkflowOptions"),
    } == first


def test_what_begins_a_run_has_every_field_of_the_event_it_becomes() -> None:
    message = {field.name for field in attrs.fields(ms.StartWorkflow)}
    event = {field.name for field in attrs.fields(ev.WorkflowExecutionStarted)}

    assert {"event_id", "turn", "at", "flags", "schema_version", "copied_from"} == event - message
    assert set() == message - event
