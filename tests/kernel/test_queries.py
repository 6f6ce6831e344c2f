"""Queries: at every position of every history, also on closed runs, and only to look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from refold import (
    CancelledError,
    DefinitionError,
    Execution,
    MessageError,
    Query,
    QueryError,
    Workflow,
    WorkflowTaskError,
    all_of,
    cancel,
    deprecate_patch,
    first_of,
    info,
    log,
    now,
    patched,
    random,
    shield,
    side_effect,
    sleep,
    start,
    uuid4,
    wait_until,
    with_timeout,
    workflow,
)
from refold.messages import TerminateWorkflow
from tests.kernel.driving import drive, signalled, start_message
from tests.kernel.parts import HOUR, approval, charge, nudge, number, reserve, status

total: Query[int] = Query("total", int)


@workflow
def reports() -> Workflow[str]:
    current = "charging"
    amounts: list[int] = []
    yield from status.answer(lambda: current)
    yield from total.answer(lambda *more: sum(amounts) + sum(more))
    amounts.append((yield from charge(1)))
    current = "reserving"
    yield from reserve("x")
    current = "done"
    return current


def test_a_query_is_answered_at_every_position_also_when_the_run_has_closed() -> None:
    with drive(reports) as run:
        assert ("charging", 0) == (run.query(status), run.query(total))
        run.complete("charge", 5)
        assert ("reserving", 5) == (run.query(status), run.query("total"))
        run.complete("reserve", "r")
        assert ("done", 5) == (run.query("status"), run.query(total))
        history = list(run.history)
    positions = [2, 4, 6]
    answers = []
    for position in positions:
        with Execution.load(reports, history[:position]) as loaded:
            answers.append(loaded.query(status))
        answers.append(
            loaded.query(status)
        )  # closed by its owner: nothing runs any more, but it still answers
    assert ["charging", "charging", "reserving", "reserving", "done", "done"] == answers


def test_a_terminated_run_still_answers() -> None:
    with drive(reports) as run:
        run.turn(TerminateWorkflow(reason="enough"))
        assert "charging" == run.query(status)


def test_a_query_may_have_arguments() -> None:
    with drive(reports) as run:
        assert 30 == run.query(total, 10, 20)


def test_a_query_changes_neither_the_state_nor_what_is_recorded_next() -> None:
    with drive(reports) as run:
        before, waiting = run.execution.state, run.execution.waiting()
        for _ in range(3):
            run.query(status)
        assert (before, waiting) == (run.execution.state, run.execution.waiting())
        run.complete("charge", 5)


def test_an_answer_is_plain_data() -> None:
    as_tuple: Query[tuple[int, int]] = Query("pair", tuple[int, int])

    @workflow
    def pairs() -> Workflow[None]:
        yield from as_tuple.answer(lambda: (1, 2))
        yield from sleep(HOUR)

    with drive(pairs) as run:
        assert [1, 2] == run.query(as_tuple)


def test_the_last_answer_registered_is_the_one_that_counts() -> None:
    @workflow
    def changes() -> Workflow[None]:
        yield from status.answer(lambda: "first")
        yield from nudge.receive()
        yield from status.answer(lambda: "second")
        yield from sleep(HOUR)

    with drive(changes) as run:
        assert "first" == run.query(status)
        run.signal(nudge)
        assert "second" == run.query(status)


def test_a_query_without_an_answer_names_those_that_have_one() -> None:
    with drive(reports) as run:
        with pytest.raises(QueryError, match="RF1111: reports has no answer to query 'progress'") as raised:
            run.query("progress")
        assert raised.value.why.endswith("known here: status, total")


def test_a_run_that_has_not_begun_has_no_answer() -> None:
    with Execution(reports) as execution, pytest.raises(QueryError, match="RF1111") as raised:
        execution.query(status)
    assert raised.value.why.endswith("known here: none")


@pytest.mark.parametrize("error", [ZeroDivisionError("by zero"), CancelledError("odd")])
def test_a_query_that_fails_says_so_with_its_line(error: BaseException) -> None:
    @workflow
    def broken() -> Workflow[None]:
        def answer() -> str:
            raise error

        yield from status.answer(answer)
        yield from sleep(HOUR)

    with drive(broken) as run:
        with pytest.raises(
            QueryError, match=f"RF1112: query 'status' failed with {type(error).__name__}: {error}"
        ) as raised:
            run.query(status)
        assert raised.value.where is not None
        assert raised.value.where.startswith("kernel/test_queries.py:")
        assert raised.value.where.endswith(".answer")


def test_a_query_called_with_wrong_arguments_fails_without_a_line() -> None:
    with drive(reports) as run, pytest.raises(QueryError, match="RF1112") as raised:
        run.query(status, "unexpected")
    assert raised.value.where is None


def test_an_answer_that_cannot_be_stored_is_refused() -> None:
    @workflow
    def odd() -> Workflow[None]:
        yield from status.answer(lambda: {1, 2})  # type: ignore[arg-type,return-value]
        yield from sleep(HOUR)

    with drive(odd) as run, pytest.raises(DefinitionError, match="RF1301"):
        run.query(status)


def test_a_query_must_be_a_plain_function() -> None:
    def generator() -> Any:
        yield

    async def coroutine() -> Any: ...

    functions: list[Any] = [generator, coroutine]
    for function in functions:
        with pytest.raises(
            DefinitionError, match="RF1002: the answer of query 'status' is a generator or coroutine"
        ):
            status.answer(function)
    assert "<query status>" == repr(status)


FORBIDDEN: dict[str, Callable[[], object]] = {
    "call an activity": lambda: charge(1),
    "start a timer": lambda: sleep(HOUR),
    "receive a signal": approval.receive,
    "handle a signal": lambda: number.handle(lambda value: None),
    "answer another query": lambda: total.answer(lambda: 1),
    "combine steps": all_of,
    "race steps": lambda: first_of(nudge.receive()),
    "start a step": lambda: start(reports()),
    "shield a step": lambda: shield(reports()),
    "bound a step": lambda: with_timeout(reports(), HOUR),
    "wait for a condition": lambda: wait_until(lambda: True),
    "compute a side effect": lambda: side_effect(lambda: 1),
    "ask for a patch": lambda: patched("p"),
    "deprecate a patch": lambda: deprecate_patch("p"),
    "log": lambda: log("hello"),
    "ask the time": now,
    "draw a random number": random,
    "draw an id": uuid4,
    "ask for information": info,
    "run another workflow by hand": lambda: list(reports()),
}


@pytest.mark.parametrize("action", FORBIDDEN)
def test_a_query_must_not(action: str) -> None:
    @workflow
    def looks() -> Workflow[None]:
        yield from status.answer(lambda: FORBIDDEN[action]())  # type: ignore[arg-type,return-value]  # noqa: PLW0108
        yield from sleep(HOUR)

    with drive(looks) as run:
        before = run.execution.state
        with pytest.raises(DefinitionError, match="RF1107: query 'status' made a ") as raised:
            run.query(status)
        assert raised.value.where is not None
        assert raised.value.where.startswith("kernel/test_queries.py:")
        assert before == run.execution.state
        run.cancel()


def test_a_query_must_not_cancel_a_step() -> None:
    @workflow
    def looks() -> Workflow[None]:
        handle = yield from start(charge(1))
        yield from status.answer(lambda: cancel(handle))  # type: ignore[arg-type,return-value]
        yield from sleep(HOUR)

    with (
        drive(looks) as run,
        pytest.raises(DefinitionError, match="RF1107: query 'status' made a CancelStep"),
    ):
        run.query(status)


def test_a_query_must_not_enter_a_workflow_that_was_made_before() -> None:
    @workflow
    def looks() -> Workflow[None]:
        sub = reports()
        yield from total.answer(lambda: list(sub))  # type: ignore[arg-type,return-value]
        yield from all_of(sleep(HOUR))
        yield from sub

    with drive(looks) as run, pytest.raises(DefinitionError, match="RF1107: query 'total' made a Routine"):
        run.query(total)


def test_conditions_and_side_effects_only_look_as_well() -> None:
    @workflow
    def acts_in_a_condition() -> Workflow[str]:
        try:
            yield from wait_until(lambda: bool(charge(1)))
        except DefinitionError as error:
            return error.what
        return "not reached"

    @workflow
    def acts_in_a_side_effect() -> Workflow[None]:
        yield from side_effect(lambda: charge(1))

    with drive(acts_in_a_condition) as run:
        assert "a condition made a ScheduleActivity" == run.result
    with pytest.raises(WorkflowTaskError, match=r"RF1110.*a side effect made a ScheduleActivity"):
        drive(acts_in_a_side_effect).__enter__()


def test_a_run_whose_turn_failed_is_not_asked_as_its_code_is_ahead_of_its_history() -> None:
    @workflow
    def breaks() -> Workflow[None]:
        current = "waiting"
        yield from status.answer(lambda: current)
        yield from nudge.receive()
        current = "never recorded"
        raise ValueError("a bug")

    with drive(breaks) as run:
        with pytest.raises(WorkflowTaskError, match="RF1110"):
            run.signal(nudge)
        with pytest.raises(MessageError, match="RF3005"):
            run.query(status)
        with Execution.load(breaks, run.history) as loaded:
            assert "waiting" == loaded.query(status)


def test_a_workflow_cannot_query_itself() -> None:
    executions: list[Execution] = []

    @workflow
    def asks() -> Workflow[str]:
        yield from status.answer(lambda: "me")
        yield from nudge.receive()
        try:
            executions[-1].query(status)
        except MessageError as error:
            return error.code
        return "not reached"

    execution = Execution(asks)
    executions.append(execution)
    with execution:
        execution.turn(start_message(asks), at=1)
        turn = execution.turn(signalled(nudge), at=2)
        assert "RF3004" == turn.closed.result  # type: ignore[union-attr]
