"""How each event changes the state, and which orders of events cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from refold import (
    ExecutionState,
    Failure,
    HistoryError,
    WorkflowStatus,
    evolve,
    fold,
    initial_state,
    is_terminal,
    outstanding,
)
from refold import events as ev
from refold.flags import CURRENT_FLAGS, SCHEMA_VERSION

Kind = type[ev.HistoryEvent]
#: An event without its head: the head follows from where it stands.
Bare = tuple[Kind, dict[str, Any]]

FAILURE = Failure("application", "no")
START: Bare = (
    ev.WorkflowExecutionStarted,
    {
        "workflow_id": "w-1",
        "run_id": "r-1",
        "workflow_type": "orders",
        "task_queue": "default",
        "input": [],
        "flags": list(CURRENT_FLAGS),
        "schema_version": SCHEMA_VERSION,
        "request_id": "start-1",
    },
)
ACTIVITY: Bare = (ev.ActivityTaskScheduled, {"seq": 1, "branch": 0, "activity_type": "charge"})
TIMER: Bare = (ev.TimerStarted, {"seq": 1, "branch": 0, "fire_at": 5})
CHILD: Bare = (
    ev.StartChildWorkflowExecutionInitiated,
    {"seq": 1, "branch": 0, "workflow_id": "c-1", "workflow_type": "child"},
)
CHILD_RUNS: Bare = (ev.ChildWorkflowExecutionStarted, {"seq": 1, "run_id": "cr-1"})
SIGNAL_OTHER: Bare = (
    ev.SignalExternalWorkflowExecutionInitiated,
    {"seq": 1, "branch": 0, "workflow_id": "w-2", "signal_name": "s"},
)
CANCEL_OTHER: Bare = (
    ev.RequestCancelExternalWorkflowExecutionInitiated,
    {"seq": 1, "branch": 0, "workflow_id": "w-2"},
)
TAKEN_BACK: Bare = (ev.ExternalWorkflowCommandCanceled, {"seq": 1, "branch": 0})
NOTED: Bare = (
    ev.WorkflowExecutionStarted,
    {**START[1], "memo": {"a": 1, "b": 2}, "search_attributes": {"x": {"type": "INT", "value": 1}}},
)
UPDATE: Bare = (
    ev.WorkflowExecutionUpdateAccepted,
    {"update_id": "u-1", "update_name": "change", "request_id": "q-1"},
)
COMPLETED: Bare = (ev.WorkflowExecutionCompleted, {"result": 7})
CONTINUED: Bare = (
    ev.WorkflowExecutionContinuedAsNew,
    {"new_run_id": "r-2", "workflow_type": "orders", "task_queue": "default", "input": []},
)


def history(*bare: Bare, turns: Sequence[int] = ()) -> list[ev.HistoryEvent]:
    """Events with their heads: each in a turn of its own unless told, but what takes back in that of the event before it."""
    numbers = turns or [
        n - (kind is ev.ExternalWorkflowCommandCanceled) for n, (kind, _) in enumerate(bare, 1)
    ]
    return [
        kind(number, turn, turn * 10, **fields)
        for number, (turn, (kind, fields)) in enumerate(zip(numbers, bare, strict=True), start=1)
    ]


def changed(before: ExecutionState, after: ExecutionState) -> dict[str, Any]:
    """The fields in which two states differ, without those that every event moves."""
    names = [field.name for field in attrs.fields(ExecutionState)]
    found = {n: getattr(after, n) for n in names if getattr(before, n) != getattr(after, n)}
    moved = {n: found.pop(n) for n in ("turn", "last_event_id", "at") if n in found}
    assert "last_event_id" in moved
    return {n: dict(value) if hasattr(value, "keys") else value for n, value in found.items()}


#: Each kind of event: what must stand before it, the event, and what it changes.  EVENT stands for the event itself.
EVENT = object()
FOLDS: list[tuple[list[Bare], Bare, dict[str, Any]]] = [
    (
        [],
        START,
        {"status": WorkflowStatus.RUNNING, "started": EVENT, "request_ids": {"start-1": 1}},
    ),
    ([START], COMPLETED, {"status": WorkflowStatus.COMPLETED, "closed": EVENT}),
    (
        [START],
        (ev.WorkflowExecutionFailed, {"failure": FAILURE}),
        {"status": WorkflowStatus.FAILED, "closed": EVENT},
    ),
    ([START], (ev.WorkflowExecutionCanceled, {}), {"status": WorkflowStatus.CANCELED, "closed": EVENT}),
    ([START], CONTINUED, {"status": WorkflowStatus.CONTINUED_AS_NEW, "closed": EVENT}),
    ([START], (ev.WorkflowExecutionTimedOut, {}), {"status": WorkflowStatus.TIMED_OUT, "closed": EVENT}),
    ([START], (ev.WorkflowExecutionTerminated, {}), {"status": WorkflowStatus.TERMINATED, "closed": EVENT}),
    ([START], (ev.WorkflowExecutionPaused, {}), {"paused": True}),
    ([START, (ev.WorkflowExecutionPaused, {})], (ev.WorkflowExecutionUnpaused, {}), {"paused": False}),
    ([START], (ev.WorkflowExecutionOptionsUpdated, {"options": {}}), {}),
    ([START], (ev.WorkflowExecutionOptionsUpdated, {"options": {"build_id": "b"}}), {"build_id": "b"}),
    (
        [START],
        (ev.WorkflowExecutionSignaled, {"signal_name": "s", "request_id": "q-1"}),
        {"signals": 1, "request_ids": {"start-1": 1, "q-1": 2}},
    ),
    ([START], (ev.WorkflowExecutionCancelRequested, {}), {"cancel_requests": 1}),
    ([START], UPDATE, {"updates": {"u-1": EVENT}, "request_ids": {"start-1": 1, "q-1": 2}}),
    (
        [START, UPDATE],
        (ev.WorkflowExecutionUpdateCompleted, {"update_id": "u-1"}),
        {"updates": {}, "completed_updates": {"u-1": 3}},
    ),
    ([START, COMPLETED], (ev.MessageUndelivered, {"message_kind": "SignalWorkflow"}), {}),
    ([START], ACTIVITY, {"last_seq": 1, "pending": {1: EVENT}}),
    ([START, ACTIVITY], (ev.ActivityTaskCompleted, {"seq": 1}), {"pending": {}}),
    ([START, ACTIVITY], (ev.ActivityTaskFailed, {"seq": 1, "failure": FAILURE}), {"pending": {}}),
    ([START, ACTIVITY], (ev.ActivityTaskTimedOut, {"seq": 1, "timeout_type": "HEARTBEAT"}), {"pending": {}}),
    ([START, ACTIVITY], (ev.ActivityTaskCanceled, {"seq": 1}), {"pending": {}}),
    (
        [START, ACTIVITY],
        (ev.ActivityTaskCancelRequested, {"seq": 1, "branch": 0}),
        {"cancelling": {1: EVENT}},
    ),
    ([START], TIMER, {"last_seq": 1, "pending": {1: EVENT}}),
    ([START, TIMER], (ev.TimerFired, {"seq": 1}), {"pending": {}}),
    ([START, TIMER], (ev.TimerCanceled, {"seq": 1, "branch": 0}), {"pending": {}}),
    ([START], (ev.MarkerRecorded, {"marker_name": "SideEffect", "branch": 0, "seq": 1}), {"last_seq": 1}),
    (
        [START],
        (ev.MarkerRecorded, {"marker_name": "Patch", "branch": 0, "patch_id": "p"}),
        {"patches": {"p": True}},
    ),
    (
        [NOTED],
        (ev.WorkflowPropertiesModified, {"seq": 1, "branch": 0, "memo": {"a": None, "c": 3}}),
        {"last_seq": 1, "memo": {"b": 2, "c": 3}},
    ),
    (
        [NOTED],
        (
            ev.UpsertWorkflowSearchAttributes,
            {"seq": 1, "branch": 0, "search_attributes": {"x": {"type": "INT", "value": 2}}},
        ),
        {"last_seq": 1, "search_attributes": {"x": {"type": "INT", "value": 2}}},
    ),
    ([START], CHILD, {"last_seq": 1, "pending": {1: EVENT}}),
    ([START, CHILD], (ev.StartChildWorkflowExecutionFailed, {"seq": 1, "cause": "x"}), {"pending": {}}),
    ([START, CHILD], CHILD_RUNS, {"children": {1: "cr-1"}}),
    *[
        ([START, CHILD, CHILD_RUNS], (kind, {"seq": 1, **fields}), {"pending": {}, "children": {}})
        for kind, fields in (
            (ev.ChildWorkflowExecutionCompleted, {}),
            (ev.ChildWorkflowExecutionFailed, {"failure": FAILURE}),
            (ev.ChildWorkflowExecutionCanceled, {}),
            (ev.ChildWorkflowExecutionTimedOut, {}),
            (ev.ChildWorkflowExecutionTerminated, {}),
        )
    ],
    ([START], SIGNAL_OTHER, {"last_seq": 1, "pending": {1: EVENT}}),
    ([START, SIGNAL_OTHER], (ev.ExternalWorkflowExecutionSignaled, {"seq": 1}), {"pending": {}}),
    (
        [START, SIGNAL_OTHER],
        (ev.SignalExternalWorkflowExecutionFailed, {"seq": 1, "cause": "x"}),
        {"pending": {}},
    ),
    ([START], CANCEL_OTHER, {"last_seq": 1, "pending": {1: EVENT}}),
    ([START, CANCEL_OTHER], (ev.ExternalWorkflowExecutionCancelRequested, {"seq": 1}), {"pending": {}}),
    (
        [START, CANCEL_OTHER],
        (ev.RequestCancelExternalWorkflowExecutionFailed, {"seq": 1, "cause": "x"}),
        {"pending": {}},
    ),
    *[([START, command], TAKEN_BACK, {"pending": {}}) for command in (CHILD, SIGNAL_OTHER, CANCEL_OTHER)],
]


def test_every_kind_of_event_is_folded_below() -> None:
    assert sorted(ev.event_kinds()) == sorted({kind.__name__ for _, (kind, _), _ in FOLDS})


@pytest.mark.parametrize(
    ("before", "event", "expected"), FOLDS, ids=[f"{len(b)} before {e[0].__name__}" for b, e, _ in FOLDS]
)
def test_an_event_changes_what_it_should_and_nothing_else(
    before: list[Bare], event: Bare, expected: dict[str, Any]
) -> None:
    events = history(*before, event)
    state = fold(events[:-1])
    after = evolve(state, events[-1])

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(item) for key, item in value.items()}
        return events[-1] if value is EVENT else value

    assert filled(expected) == changed(state, after)
    assert after == fold(events)
    assert is_terminal(after) == any(e.terminal for e in events)


def test_a_closed_run_has_nothing_outstanding_and_tells_the_updates_that_were_left_unanswered() -> None:
    state = fold(
        history(START, ACTIVITY, (ev.ActivityTaskCancelRequested, {"seq": 1, "branch": 0}), UPDATE, COMPLETED)
    )
    assert ({}, {}) == (dict(state.pending), dict(state.cancelling))
    assert ["u-1"] == list(state.updates)
    assert () == outstanding(state)


def test_what_is_outstanding_is_in_order_with_a_cancel_request_behind_its_activity() -> None:
    second: Bare = (ev.TimerStarted, {"seq": 2, "branch": 0, "fire_at": 5})
    third: Bare = (ev.ActivityTaskScheduled, {"seq": 3, "branch": 0, "activity_type": "charge"})
    cancel: Bare = (ev.ActivityTaskCancelRequested, {"seq": 1, "branch": 0})
    events = history(START, ACTIVITY, second, third, cancel, turns=[1, 1, 1, 1, 2])
    assert (events[1], events[4], events[2], events[3]) == outstanding(fold(events))


def test_an_activity_asked_to_stop_in_the_turn_that_scheduled_it_never_was() -> None:
    state = fold(
        history(START, ACTIVITY, (ev.ActivityTaskCancelRequested, {"seq": 1, "branch": 0}), turns=[1, 1, 1])
    )
    assert (1, {}, {}) == (state.last_seq, dict(state.pending), dict(state.cancelling))


def test_an_activity_that_stops_leaves_no_cancel_request_behind() -> None:
    cancel: Bare = (ev.ActivityTaskCancelRequested, {"seq": 1, "branch": 0})
    state = fold(history(START, ACTIVITY, cancel, (ev.ActivityTaskCanceled, {"seq": 1})))
    assert ({}, {}) == (dict(state.pending), dict(state.cancelling))


def test_a_run_that_closes_tells_the_children_that_it_leaves() -> None:
    ended: Bare = (ev.ChildWorkflowExecutionCompleted, {"seq": 1})
    second: Bare = (CHILD[0], {**CHILD[1], "seq": 2, "workflow_id": "c-2"})
    timer: Bare = (ev.TimerStarted, {**TIMER[1], "seq": 3})
    state = fold(history(START, CHILD, second, timer, CHILD_RUNS, ended, COMPLETED))
    assert ["c-2"] == [each.workflow_id for each in state.orphans]


def test_a_state_is_a_value_that_no_later_event_changes() -> None:
    events = history(START, ACTIVITY, (ev.ActivityTaskCompleted, {"seq": 1}))
    states = [initial_state()]
    for event in events:
        states.append(evolve(states[-1], event))
    assert [fold(events[:n]) for n in range(4)] == states
    with pytest.raises(TypeError):
        states[2].pending[5] = events[1]  # type: ignore[index]


# Orders that cannot be ------------------------------------------------------------------------------------------------------

TWO: Bare = (ev.ActivityTaskScheduled, {"seq": 2, "branch": 0, "activity_type": "charge"})
CORRUPT: list[tuple[str, list[Bare]]] = [
    ("a second start", [START, START]),
    ("an update accepted twice", [START, UPDATE, UPDATE]),
    (
        "an update completed that is not open",
        [START, (ev.WorkflowExecutionUpdateCompleted, {"update_id": "u-1"})],
    ),
    (
        "a message undelivered by an open run",
        [START, (ev.MessageUndelivered, {"message_kind": "SignalWorkflow"})],
    ),
    ("a seq that was skipped", [START, TWO]),
    ("a seq used twice", [START, ACTIVITY, TIMER]),
    (
        "a marker whose seq was skipped",
        [START, (ev.MarkerRecorded, {"marker_name": "x", "branch": 0, "seq": 2})],
    ),
    (
        "a patch decided twice",
        [START, *[(ev.MarkerRecorded, {"marker_name": "Patch", "branch": 0, "patch_id": "p"})] * 2],
    ),
    ("an outcome of nothing", [START, (ev.ActivityTaskCompleted, {"seq": 1})]),
    ("an outcome of another kind", [START, TIMER, (ev.ActivityTaskCompleted, {"seq": 1})]),
    ("a timer that fires as an activity", [START, ACTIVITY, (ev.TimerFired, {"seq": 1})]),
    (
        "two outcomes",
        [START, ACTIVITY, (ev.ActivityTaskCompleted, {"seq": 1}), (ev.ActivityTaskCompleted, {"seq": 1})],
    ),
    ("a cancel request for nothing", [START, (ev.ActivityTaskCancelRequested, {"seq": 1, "branch": 0})]),
    (
        "a cancel request for a timer",
        [START, TIMER, (ev.ActivityTaskCancelRequested, {"seq": 1, "branch": 0})],
    ),
    (
        "two cancel requests",
        [START, ACTIVITY, *[(ev.ActivityTaskCancelRequested, {"seq": 1, "branch": 0})] * 2],  # type: ignore[list-item]
    ),
    ("a child that runs and was never asked for", [START, CHILD_RUNS]),
    ("a child that starts twice", [START, CHILD, CHILD_RUNS, CHILD_RUNS]),
    (
        "a child that did not start and runs",
        [START, CHILD, CHILD_RUNS, (ev.StartChildWorkflowExecutionFailed, {"seq": 1, "cause": "x"})],
    ),
    ("a command taken back that was never made", [START, TAKEN_BACK]),
    ("a timer taken back as a command to another run", [START, TIMER, TAKEN_BACK]),
    (
        "a command taken back in a later turn",
        [START, CHILD, (ev.WorkflowExecutionSignaled, {"signal_name": "s"}), TAKEN_BACK],
    ),
    ("a child that ends and never ran", [START, CHILD, (ev.ChildWorkflowExecutionCompleted, {"seq": 1})]),
    ("an event after the end", [START, COMPLETED, (ev.WorkflowExecutionSignaled, {"signal_name": "s"})]),
    ("a second end", [START, COMPLETED, COMPLETED]),
]


@pytest.mark.parametrize(("what", "bare"), CORRUPT, ids=[what for what, _ in CORRUPT])
def test_a_history_cannot_have(what: str, bare: list[Bare]) -> None:
    events = history(*bare)
    good = fold(events[:-1])
    with pytest.raises(HistoryError, match=r"RF2001: .* cannot stand there") as raised:
        evolve(good, events[-1])
    with pytest.raises(HistoryError) as again:
        fold(events)
    assert str(raised.value) == str(again.value)


@pytest.mark.parametrize(
    "event", [bare for _, bare, _ in FOLDS if bare is not START], ids=lambda bare: bare[0].__name__
)
def test_no_event_but_the_start_can_be_the_first(event: Bare) -> None:
    with pytest.raises(HistoryError, match="RF2001"):
        fold(history(event))


@pytest.mark.parametrize("event_id", [1, 3])
def test_events_are_numbered_without_gaps(event_id: int) -> None:
    events = history(START, ACTIVITY)
    with pytest.raises(
        HistoryError, match="it should be number 2: events are missing, repeated or out of order"
    ):
        fold([events[0], attrs.evolve(events[1], event_id=event_id)])


def test_turns_do_not_go_back() -> None:
    events = history(START, ACTIVITY, turns=[2, 1])
    with pytest.raises(HistoryError, match="its turn 1 comes after turn 2"):
        fold(events)


def test_a_newer_schema_is_refused_by_its_number() -> None:
    kind, fields = START
    with pytest.raises(
        HistoryError, match="RF2002: the history has schema version 2; this refold knows up to 1"
    ):
        fold(history((kind, {**fields, "schema_version": 2})))


@pytest.mark.parametrize("flags", [[*CURRENT_FLAGS, 99], list(CURRENT_FLAGS[:-1]), []])
def test_a_history_under_other_rules_is_refused_by_their_numbers(flags: list[int]) -> None:
    kind, fields = START
    with pytest.raises(HistoryError, match="RF2003: the history was made under rules") as raised:
        fold(history((kind, {**fields, "flags": flags})))
    assert ("99" in str(raised.value)) == (99 in flags)
