"""The carry-over table: one test a transition and field, and the page that shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from refold import MessageError, RetryPolicy, fold, initial_state
from refold import events as ev
from refold.carry import (
    CARRY_OVER,
    Carry,
    Row,
    deadline_of,
    fork_run,
    next_run,
    next_run_id,
    reset_run,
)
from refold.decide import decide
from refold.failures import Failure
from refold.messages import CancelWorkflow, Message, StartWorkflow

PAGE = Path(__file__).parent.parent.parent / "docs" / "howto" / "continue-as-new.md"
POLICY = RetryPolicy(maximum_attempts=9).to_plain()
FAILURE = Failure("application", "no")
#: A start with no field at its default.
START = StartWorkflow(
    workflow_id="w-1",
    run_id="r-5",
    workflow_type="orders",
    task_queue="q",
    input=[1],
    attempt=3,
    identity="me",
    request_id="start-1",
    random_seed="seed",
    build_id="b-1",
    first_run_id="r-1",
    continued_run_id="r-4",
    parent_workflow_id="p",
    parent_run_id="pr",
    parent_seq=4,
    execution_timeout_us=900_000_000,
    run_timeout_us=60_000_000,
    task_timeout_us=5_000_000,
    start_delay_us=7,
    cron_schedule="0 8 * * *",
    retry_policy=POLICY,
    memo={"a": 1},
    search_attributes={"x": {"type": "INT", "value": 1}},
    headers={"h": 1},
    last_completion_result=[7],
    last_failure=Failure("application", "before"),
    execution_expires_at=800_000_000,
    undone={"child": "run-c"},
)
#: What continue-as-new asks for: other than the run was started with.
ASKED: dict[str, Any] = {
    "workflow_type": "other",
    "task_queue": "q2",
    "input": [2],
    "run_timeout_us": 1,
    "task_timeout_us": 2,
    "retry_policy": None,
    "memo": {"b": 2},
    "search_attributes": {"y": {"type": "INT", "value": 2}},
}
GIVEN: dict[str, Any] = {"run_id": "r-new", "identity": "you", "request_id": "again"}
NEXT = next_run_id("r-5")
EXPECTED: dict[Carry, Any] = {
    Carry.COUNTED: 4,
    Carry.NOW: "b-2",
    Carry.THIS_RUN: "r-5",
    Carry.FIRST_RUN: "r-1",
    Carry.NAMED: NEXT,
    Carry.DELAY: 11,
    Carry.BACKOFF: 4_000_000,
    Carry.FAILURE: FAILURE,
    Carry.SEED: "seed",
}
TRANSITIONS = ("continue_as_new", "retry", "reset", "fork", "fork with an input")


def ended(event: type[ev.HistoryEvent], **fields: Any) -> Any:
    started = decide(initial_state(), START, at=100)
    assert started is not None
    cancel = decide(fold([started]), CancelWorkflow(), at=150)
    assert cancel is not None
    moved = ev.WorkflowExecutionOptionsUpdated(3, 2, 150, options={"build_id": "b-2"})
    return fold([started, cancel, moved, event(4, 2, 200, **fields)])


def made(transition: str) -> StartWorkflow:
    failed = ended(ev.WorkflowExecutionFailed, failure=FAILURE, retry_state="IN_PROGRESS", new_run_id=NEXT)
    match transition:
        case "continue_as_new":
            state = ended(ev.WorkflowExecutionContinuedAsNew, new_run_id=NEXT, backoff_us=11, **ASKED)
            following = next_run(state)
        case "retry":
            following = next_run(failed)
        case "reset":
            return reset_run(failed, **GIVEN)
        case "fork":
            return fork_run(failed, **GIVEN)
        case _:
            return fork_run(failed, workflow_id="w-2", input=[3], **GIVEN)
    assert following is not None
    return following.start


def rule(row: Row, transition: str) -> Carry:
    found: Carry = getattr(row, transition.split(" ", maxsplit=1)[0])
    return found


@pytest.mark.parametrize("transition", TRANSITIONS)
@pytest.mark.parametrize("row", CARRY_OVER, ids=lambda row: row.field)
def test_hazard_40_each_field_of_the_next_run_is_where_the_table_has_it_from(
    row: Row, transition: str
) -> None:
    carry, name = rule(row, transition), row.field
    default = {field.name: field.default for field in attrs.fields(StartWorkflow)}[name]
    given = {**GIVEN, **({"workflow_id": "w-2", "input": [3]} if "input" in transition else {})}
    match carry:
        case Carry.SAME:
            expected = getattr(START, name)
        case Carry.ASKED:
            expected = ASKED[name]
        case Carry.GIVEN:
            expected = GIVEN[name]
        case Carry.GIVEN_OR_SAME:
            expected = given.get(name, getattr(START, name))
        case Carry.CLEARED:
            expected = default
        case _:
            expected = EXPECTED[carry]
    assert expected == getattr(made(transition), name)
    if carry not in (Carry.SAME, Carry.GIVEN_OR_SAME, Carry.FIRST_RUN, Carry.SEED):
        assert getattr(START, name) != expected, "the start must tell the rules apart"


def test_the_table_has_every_field_of_a_start_in_its_order() -> None:
    assert [field.name for field in attrs.fields(StartWorkflow)] == [row.field for row in CARRY_OVER]


def test_the_start_has_no_field_at_its_default_so_that_each_rule_can_be_told_from_another() -> None:
    assert [] == [
        field.name for field in attrs.fields(StartWorkflow) if getattr(START, field.name) == field.default
    ]


def table() -> str:
    """The table as the page shows it."""
    lines = ["| field | continue-as-new | retry | reset | fork |", "|---|---|---|---|---|"]
    lines += [
        f"| `{row.field}` | {row.continue_as_new.value} | {row.retry.value} | {row.reset.value} | {row.fork.value} |"
        for row in CARRY_OVER
    ]
    return "\n".join(lines)


def test_the_page_shows_the_table() -> None:
    assert table() in PAGE.read_text("utf-8"), f"put this into {PAGE.name}:\n{table()}"


def test_messages_are_handed_on_as_they_are() -> None:
    failed = ended(ev.WorkflowExecutionFailed, failure=FAILURE, retry_state="IN_PROGRESS", new_run_id=NEXT)
    messages: list[Message] = [CancelWorkflow()]
    following = next_run(failed, messages)
    assert following is not None
    assert tuple(messages) == following.messages


def test_a_first_run_is_the_first_of_the_chain_and_seeds_its_copies() -> None:
    bare = StartWorkflow(workflow_id="w-1", run_id="r-1", workflow_type="orders")
    started = decide(initial_state(), bare, at=0)
    assert started is not None
    state = fold([started])
    assert ("r-1", "r-1") == (
        reset_run(state, run_id="r-2").first_run_id,
        reset_run(state, run_id="r-2").random_seed,
    )
    assert next_run(state) is None


def test_nothing_follows_a_run_that_has_not_started() -> None:
    assert next_run(initial_state()) is None
    with pytest.raises(MessageError, match="RF3002: there is no run to follow"):
        reset_run(initial_state(), run_id="r-2")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"run_timeout_us": 50}, 150),
        ({"execution_timeout_us": 30}, 130),
        ({"run_timeout_us": 50, "execution_timeout_us": 30}, 130),
        ({"run_timeout_us": 20, "execution_timeout_us": 30}, 120),
        ({"execution_timeout_us": 30, "execution_expires_at": 110}, 110),
    ],
)
def test_a_run_times_out_by_its_own_limit_or_by_that_of_its_chain(
    fields: dict[str, int], expected: int | None
) -> None:
    start = StartWorkflow(workflow_id="w-1", run_id="r-1", workflow_type="orders", **fields)  # type: ignore[arg-type]
    started = decide(initial_state(), start, at=100)
    assert isinstance(started, ev.WorkflowExecutionStarted)
    assert expected == deadline_of(started)
