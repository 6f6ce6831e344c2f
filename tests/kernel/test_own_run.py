"""What a workflow knows and changes of its own run: info, memo, search attributes, and turns without an end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from refold import (
    ApplicationError,
    DefinitionError,
    Execution,
    NondeterminismError,
    RetryPolicy,
    SearchAttributeKey,
    Workflow,
    WorkflowInfo,
    WorkflowTaskError,
    first_of,
    info,
    log,
    now,
    side_effect,
    sleep,
    start,
    upsert_memo,
    upsert_search_attributes,
    wait_until,
    workflow,
)
from refold import events as ev
from refold.failures import failure_of
from refold.messages import SignalWorkflow
from tests.kernel.driving import drive, start_message
from tests.kernel.parts import MINUTE, Steps, approval, charge, nudge, number

CUSTOMER = SearchAttributeKey.keyword("customer")
ITEMS = SearchAttributeKey.int("items")


def seen_by(**fields: Any) -> WorkflowInfo:
    """What a run started like that sees of itself."""
    found: list[WorkflowInfo] = []

    @workflow
    def looks() -> Workflow[None]:
        found.append((yield from info()))

    with drive(looks, recheck=False, **fields):
        return found[0]


def test_a_run_that_was_started_plainly() -> None:
    seen = seen_by()
    assert (None, "r-1", None, None, False) == (
        seen.parent,
        seen.first_run_id,
        seen.continued_run_id,
        seen.build_id,
        seen.continue_as_new_suggested,
    )
    assert [None] * 4 == [seen.execution_timeout, seen.run_timeout, seen.task_timeout, seen.retry_policy]
    assert [{}, {}, {}] == [seen.memo, seen.search_attributes, seen.headers]
    assert (None, None) == (seen.last_completion_result, seen.last_failure)


def test_a_run_that_was_started_with_everything() -> None:
    policy = RetryPolicy(maximum_attempts=3)
    seen = seen_by(
        parent_workflow_id="p-1",
        parent_run_id="pr-1",
        first_run_id="r-0",
        continued_run_id="r-00",
        build_id="b-1",
        attempt=2,
        execution_timeout_us=60_000_000,
        run_timeout_us=30_000_000,
        task_timeout_us=10_000_000,
        retry_policy=policy.to_plain(),
        memo={"a": 1},
        search_attributes={"items": {"type": "INT", "value": 3}},
        headers={"trace": "t"},
        last_completion_result=[None],
        last_failure=failure_of(ApplicationError("before", type="T")),
    )
    assert (("p-1", "pr-1"), "r-0", "r-00", "b-1", 2) == (
        seen.parent,
        seen.first_run_id,
        seen.continued_run_id,
        seen.build_id,
        seen.attempt,
    )
    assert [timedelta(seconds=60), timedelta(seconds=30), timedelta(seconds=10), policy] == [
        seen.execution_timeout,
        seen.run_timeout,
        seen.task_timeout,
        seen.retry_policy,
    ]
    assert ({"a": 1}, 3, {"trace": "t"}) == (seen.memo, ITEMS.value_in(seen.search_attributes), seen.headers)
    assert [None] == seen.last_completion_result
    assert isinstance(seen.last_failure, ApplicationError)
    assert "T" == seen.last_failure.type


# Memo and search attributes ---------------------------------------------------------------------------------------------


@workflow
def notes() -> Workflow[list[Any]]:
    yield from upsert_memo({"step": 1, "old": None})
    yield from upsert_search_attributes(CUSTOMER.value_set("acme"), ITEMS.value_unset())
    seen = yield from info()
    yield from approval.receive()
    yield from upsert_memo({"step": 2})
    later = yield from info()
    return [
        dict(seen.memo),
        CUSTOMER.value_in(seen.search_attributes),
        dict(later.memo),
        len(later.search_attributes),
    ]


def test_memo_and_search_attributes_are_changed_recorded_and_seen() -> None:
    with drive(notes, memo={"old": 1}, search_attributes={"items": {"type": "INT", "value": 3}}) as run:
        assert ["WorkflowPropertiesModified", "UpsertWorkflowSearchAttributes"] == run.kinds
        assert all("test_own_run.py" in getattr(each, "source", "") for each in run.history[1:])
        assert {"step": 1} == dict(run.execution.state.memo)
        assert {"customer": {"type": "KEYWORD", "value": "acme"}} == dict(
            run.execution.state.search_attributes
        )
        run.signal(approval, "go")
        assert [{"step": 1}, "acme", {"step": 2}, 1] == run.result


def test_another_change_than_the_recorded_one_is_a_divergence() -> None:
    value = ["a"]

    @workflow
    def changed() -> Workflow[None]:
        yield from upsert_memo({"v": value[0]})
        yield from approval.receive()

    with drive(changed, recheck=False) as run:
        history = list(run.history)
    value[0] = "b"
    with pytest.raises(NondeterminismError, match="They differ in memo"):
        Execution.load(changed, history)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: upsert_memo(["a"]), "RF1002"),  # type: ignore[arg-type]
        (lambda: upsert_memo({"a": {1, 2}}), "RF1301"),
        (lambda: upsert_search_attributes(CUSTOMER.value_set("a"), CUSTOMER.value_unset()), "RF1002"),
    ],
)
def test_a_change_that_cannot_be_is_refused(call: Any, code: str) -> None:
    with pytest.raises(DefinitionError, match=code):
        call()


# The suggestion to continue as new --------------------------------------------------------------------------------------


@workflow
def asks_twice() -> Workflow[list[bool]]:
    answers: list[bool] = []
    for _ in range(3):
        yield from nudge.receive()
        answers.append((yield from info()).continue_as_new_suggested)
        answers.append((yield from info()).continue_as_new_suggested)
    return answers


def test_a_large_history_is_suggested_to_end_and_the_suggestion_is_recorded_once() -> None:
    sizes = [4 * 1024 * 1024 - 1, 4 * 1024 * 1024, 0]
    history: list[ev.HistoryEvent] = []
    with Execution(asks_twice) as execution:
        history += execution.turn(start_message(asks_twice), at=0).events
        for number_, size in enumerate(sizes):
            nudged = SignalWorkflow(signal_name="nudge")
            history += execution.turn(nudged, at=number_ + 1, history_bytes=size).events
    closed = history[-1]
    assert isinstance(closed, ev.WorkflowExecutionCompleted)
    assert [False, False, True, True, True, True] == closed.result
    markers = [each for each in history if isinstance(each, ev.MarkerRecorded)]
    assert ["HistorySize"] == [each.marker_name for each in markers]
    for end in range(len(history) + 1):
        if end == len(history) or history[end].external:
            Execution.replay(asks_twice, history[:end])


def test_the_mark_of_a_large_history_may_stand_where_nobody_asks_any_more() -> None:
    asking = [True]

    @workflow
    def asks() -> Workflow[None]:
        if asking[0]:
            yield from info()
        yield from nudge.receive()

    with Execution(asks) as execution:
        history = list(execution.turn(start_message(asks), at=0, history_bytes=10**9).events)
    asking[0] = False
    assert 2 == len(history)
    Execution.replay(asks, history)


def test_a_long_history_is_suggested_to_end() -> None:
    @workflow
    def goes_on() -> Workflow[int]:
        turns = 0
        while not (yield from info()).continue_as_new_suggested:
            yield from number.receive()
            turns += 1
        return turns

    with drive(goes_on, recheck=False) as run:
        while not run.execution.closed:
            run.turn(*[SignalWorkflow(signal_name="number", input=[1])] * 500)
        assert 4096 <= len(run.history) <= 5100
        Execution.replay(goes_on, run.history)


# Turns without an end ---------------------------------------------------------------------------------------------------


@workflow
def spins(how: str) -> Workflow[None]:
    def step() -> Steps:
        yield from log("once")

    while True:
        if how == "question":
            yield from now()
        elif how == "command":
            yield from side_effect(lambda: 1)
        elif how == "condition":
            yield from wait_until(lambda: True)
        elif how == "condition in a race":
            yield from first_of(wait_until(lambda: False), wait_until(lambda: True))
        elif how == "branch":
            handle = yield from start(step())
            yield from handle
        else:
            yield from sleep(timedelta(0))


@pytest.mark.parametrize("how", ["question", "command", "condition", "condition in a race", "branch"])
def test_hazard_41_a_loop_in_which_nothing_waits_fails_its_turn(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("refold.scheduler.ANSWERS_MAX", 300)
    with pytest.raises(
        WorkflowTaskError, match="RF1116: the turn did not come to an end after 300 effects"
    ) as raised:
        drive(spins, how).__enter__()
    assert "test_own_run.py" in str(raised.value.where)


def test_hazard_41_a_loop_of_sleeps_of_no_time_makes_one_step_a_turn() -> None:
    with drive(spins, "sleep") as run:
        for _ in range(3):
            assert 2 >= len(run.fire().events)


def test_the_effects_of_one_turn_are_counted_anew_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refold.scheduler.ANSWERS_MAX", 20)

    @workflow
    def busy() -> Workflow[None]:
        for _ in range(5):
            for _ in range(15):
                yield from now()
            yield from charge(1)

    with drive(busy) as run:
        for _ in range(5):
            run.complete("charge", 1)
        assert run.execution.closed


# Local activities -------------------------------------------------------------------------------------------------------


def test_a_local_activity_is_one_with_a_mark_in_its_options() -> None:
    @workflow
    def uses() -> Workflow[list[int]]:
        first = yield from charge.local(1)
        second = yield from charge.options(start_to_close_timeout=MINUTE).local(amount=2)
        return [first, second]

    with drive(uses) as run:
        (scheduled,) = run.execution.outstanding
        assert isinstance(scheduled, ev.ActivityTaskScheduled)
        assert {"local": True} == scheduled.options
        run.complete("charge", 7)
        (scheduled,) = run.execution.outstanding
        assert isinstance(scheduled, ev.ActivityTaskScheduled)
        assert ({"start_to_close_timeout_us": 60_000_000, "local": True}, [2]) == (
            scheduled.options,
            scheduled.input,
        )
        run.complete("charge", 8)
        assert [7, 8] == run.result
