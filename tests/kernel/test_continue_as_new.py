"""Continue-as-new: how a workflow unwinds, what the next run begins with, and what is carried over."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from refold import (
    ContinueAsNewError,
    DefinitionError,
    Execution,
    HistoryError,
    NondeterminismError,
    RetryPolicy,
    SearchAttributeKey,
    Turn,
    Workflow,
    all_of,
    all_settled,
    any_of,
    continue_as_new,
    now,
    shield,
    sleep,
    start,
    upsert_memo,
    workflow,
)
from refold import events as ev
from refold.carry import next_run_id
from refold.messages import CancelWorkflow, SignalWorkflow
from tests.kernel.driving import Driven, cancel_asked, drive, signalled
from tests.kernel.parts import MINUTE, SECOND, Steps, approval, charge, nudge, number, refund, sub


@workflow
def loops(count: int, label: str = "") -> Workflow[str]:
    while True:
        more = yield from number.receive()
        count += more
        if count >= 10:
            yield from continue_as_new(0, f"after {count}")


def ended(run: Driven) -> ev.WorkflowExecutionContinuedAsNew:
    closed = run.closed
    assert isinstance(closed, ev.WorkflowExecutionContinuedAsNew), closed
    return closed


def test_a_workflow_continues_with_new_arguments_under_an_id_that_follows_from_its_own() -> None:
    with drive(loops, 5) as run:
        turn = run.signal(number, 6)
        closed = ended(run)
        assert ("loops", "default", [0, "after 11"]) == (
            closed.workflow_type,
            closed.task_queue,
            closed.input,
        )
        assert next_run_id("r-1") == closed.new_run_id
        assert next_run_id("r-2") != closed.new_run_id
        assert "test_continue_as_new.py" in closed.source
        assert turn.next is not None
        start_ = turn.next.start
        assert ("w-1", closed.new_run_id, "r-1", "r-1", 1) == (
            start_.workflow_id,
            start_.run_id,
            start_.first_run_id,
            start_.continued_run_id,
            start_.attempt,
        )


def test_a_turn_that_does_not_close_the_run_or_ends_it_for_good_has_no_next_run() -> None:
    with drive(sub, 1) as run:
        assert run.execution.closed
        assert [None] == [made.turn.next for made in run._made]


def test_the_next_run_goes_on_from_the_message_and_names_the_first_of_the_chain() -> None:
    with drive(loops, 5) as run:
        first = run.signal(number, 6)
    assert first.next is not None
    with Execution(loops) as execution:
        assert execution.turn(first.next.start, *first.next.messages, at=run.history[-1].at).events
        turn = execution.turn(SignalWorkflow(signal_name="number", input=[10]), at=0)
        assert turn.next is not None
        assert "r-1" == turn.next.start.first_run_id
        assert first.next.start.run_id == turn.next.start.continued_run_id


def test_every_option_replaces_what_the_run_was_started_with() -> None:
    customer = SearchAttributeKey.keyword("customer")
    policy = RetryPolicy(maximum_attempts=2)

    @workflow
    def changes() -> Workflow[None]:
        yield from continue_as_new(
            3,
            workflow=sub,
            task_queue="slow",
            run_timeout=MINUTE,
            task_timeout=SECOND,
            retry_policy=policy,
            memo={"n": 1},
            search_attributes=[customer.value_set("acme")],
            backoff_start_interval=timedelta(seconds=7),
        )

    with drive(changes) as run:
        closed = ended(run)
        assert ("sub", "slow", [3], 60_000_000, 1_000_000, 7_000_000) == (
            closed.workflow_type,
            closed.task_queue,
            closed.input,
            closed.run_timeout_us,
            closed.task_timeout_us,
            closed.backoff_us,
        )
        assert (policy.to_plain(), {"n": 1}) == (closed.retry_policy, closed.memo)
        assert {"customer": {"type": "KEYWORD", "value": "acme"}} == closed.search_attributes


def test_a_workflow_may_continue_as_another_by_name() -> None:
    @workflow
    def moves() -> Workflow[None]:
        yield from continue_as_new(1, "b", workflow="elsewhere")

    with drive(moves) as run:
        assert ("elsewhere", [1, "b"]) == (ended(run).workflow_type, ended(run).input)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: continue_as_new("one", workflow=sub), "RF1302"),
        (lambda: continue_as_new(workflow=5), "RF1002: 5 is no workflow"),  # type: ignore[arg-type]
        (lambda: continue_as_new(task_queue=""), "RF1003"),
        (lambda: continue_as_new(run_timeout=timedelta(0)), "RF1004"),
    ],
)
def test_a_call_that_cannot_be_is_refused_where_it_is_made(call: Any, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        call()


def test_arguments_that_do_not_fit_are_a_mistake_at_the_line_that_gives_them() -> None:
    @workflow
    def errs() -> Workflow[str]:
        try:
            yield from continue_as_new("too", "many", "arguments")
        except DefinitionError as error:
            return error.code
        return ""

    with drive(errs) as run:
        assert "RF1002" == run.result


# Unwinding --------------------------------------------------------------------------------------------------------------


def test_finally_blocks_may_still_run_steps() -> None:
    @workflow
    def tidies() -> Workflow[None]:
        try:
            yield from continue_as_new()
        except Exception:
            yield from refund(1)
        finally:
            yield from charge(2)

    with drive(tidies) as run:
        assert ["charge"] == run.open_activities
        run.complete("charge", 2)
        assert [] == ended(run).input


def test_a_handler_may_continue_the_run() -> None:
    @workflow
    def listens() -> Workflow[None]:
        def handle() -> Steps:
            yield from charge(1)
            yield from continue_as_new()

        yield from nudge.handle(handle)
        yield from sleep(MINUTE)

    with drive(listens) as run:
        run.signal(nudge)
        run.complete("charge", 1)
        assert "listens" == ended(run).workflow_type


@pytest.mark.parametrize("how", ["all_of", "any_of", "start", "shield", "settled"])
def test_a_step_of_its_own_may_continue_the_run(how: str) -> None:
    @workflow
    def steps() -> Workflow[Any]:
        def goes_on() -> Steps:
            yield from charge(1)
            yield from continue_as_new()

        if how == "all_of":
            return (yield from all_of(goes_on(), sleep(MINUTE)))
        if how == "any_of":
            return (yield from any_of(goes_on(), sleep(MINUTE)))
        if how == "shield":
            return (yield from shield(goes_on()))
        if how == "settled":
            return (yield from all_settled(goes_on(), sleep(MINUTE)))
        handle = yield from start(goes_on())
        return (yield from handle)

    with drive(steps) as run:
        run.complete("charge", 1)
        assert "steps" == ended(run).workflow_type


def test_a_workflow_that_swallows_it_goes_on() -> None:
    @workflow
    def stubborn() -> Workflow[str]:
        with suppress(ContinueAsNewError):
            yield from continue_as_new()
        return "stayed"

    with drive(stubborn) as run:
        assert "stayed" == run.result


def test_another_path_than_the_history_is_a_divergence() -> None:
    answer = [1]

    @workflow
    def changed() -> Workflow[None]:
        yield from charge(1)
        if answer[0]:
            yield from continue_as_new(workflow="elsewhere" if answer[0] == 1 else "nowhere")

    with drive(changed, recheck=False) as run:
        run.complete("charge", 1)
        history = list(run.history)
    for other in (0, 2):
        answer[0] = other
        with pytest.raises(NondeterminismError):
            run.execution.load(changed, history)


# What is carried over ---------------------------------------------------------------------------------------------------


def _carried(turn: Turn) -> list[str]:
    assert turn.next is not None
    names: list[str] = []
    for message in turn.next.messages:
        if isinstance(message, SignalWorkflow):
            names.append(f"{message.signal_name} {list(message.input)} {message.request_id}")
        else:
            assert isinstance(message, CancelWorkflow)
            names.append(f"cancel {message.reason}")
    return names


def test_signals_that_nobody_received_are_carried_in_order() -> None:
    with drive(loops, 5) as run:
        turn = run.turn(
            signalled(approval, "first", request_id="q-1"),
            signalled(number, 6),
            signalled(nudge),
            signalled(number, 7, request_id="q-2"),
        )
        assert ["approval ['first'] q-1", "nudge [] ", "number [7] q-2"] == _carried(turn)
        ids = [event.event_id for event in run.history if isinstance(event, ev.WorkflowExecutionSignaled)]
        assert [ids[0], ids[2], ids[3]] == list(ended(run).carried)


@pytest.mark.parametrize("when", ["before", "beside"])
def test_a_cancel_request_that_was_not_delivered_is_carried(when: str) -> None:
    @workflow
    def finishes() -> Workflow[None]:
        if when == "before":
            yield from shield(charge(1))
        yield from continue_as_new()

    beside: Sequence[Any] = [] if when == "before" else [cancel_asked(reason="enough")]
    with drive(finishes, beside=beside) as run:
        if when == "before":
            run.turn(cancel_asked(reason="enough"))
            run.complete("charge", 1)
        turn = run._made[-1].turn
        assert ["cancel enough"] == _carried(turn)
        assert 1 == len(ended(run).carried)


def test_a_cancel_request_that_was_delivered_is_not_carried() -> None:
    @workflow
    def obeys() -> Workflow[None]:
        try:
            yield from sleep(MINUTE)
        finally:
            yield from continue_as_new()

    with drive(obeys) as run:
        assert [] == _carried(run.cancel())


def test_the_memo_as_it_is_now_is_carried() -> None:
    @workflow
    def notes() -> Workflow[None]:
        yield from upsert_memo({"a": None, "b": 2})
        yield from continue_as_new()

    with drive(notes, memo={"a": 1}) as run:
        assert {"b": 2} == ended(run).memo


def test_hazard_41_a_run_that_only_continues_waits_a_second_and_one_that_was_told_something_does_not() -> (
    None
):
    @workflow
    def spins() -> Workflow[None]:
        yield from now()
        yield from continue_as_new()

    with drive(spins) as run:
        following = run._made[-1].turn.next
        assert following is not None
        assert 1_000_000 == following.start.start_delay_us
    with drive(spins, beside=[signalled(nudge)]) as run:
        following = run._made[-1].turn.next
        assert following is not None
        assert following.start.start_delay_us is None


def test_the_end_of_a_run_is_followed_by_nothing() -> None:
    with drive(loops, 5) as run:
        run.signal(number, 6)
        history = [*run.history, ev.WorkflowExecutionSignaled(99, 9, 9, signal_name="s")]
        with pytest.raises(HistoryError, match="RF2001"):
            run.execution.load(loops, history)
