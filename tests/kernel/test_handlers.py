"""Handlers at work: waiting for them, and the end of a run that cuts them off."""

from __future__ import annotations

from typing import Literal

import pytest

from refold import (
    ApplicationError,
    DefinitionError,
    HandlerUnfinishedPolicy,
    Handling,
    TimeoutError,
    Update,
    Workflow,
    all_handlers_finished,
    continue_as_new,
    start,
    with_timeout,
    workflow,
)
from refold import events as ev
from refold.messages import TimeOutWorkflow
from tests.kernel.driving import drive, signalled
from tests.kernel.parts import MINUTE, approval, charge, nudge, number

count = Update("count", int, result_type=int)
WARN, ABANDON = HandlerUnfinishedPolicy.WARN_AND_ABANDON, HandlerUnfinishedPolicy.ABANDON


def charged(amount: int) -> Workflow[int]:
    return (yield from charge(amount))


@workflow
def patient_shop() -> Workflow[str]:
    yield from number.handle(charged)
    yield from count.handle(charged)
    yield from nudge.receive()
    yield from all_handlers_finished()
    return "done"


@workflow
def hasty_shop() -> Workflow[str]:
    yield from number.handle(charged, unfinished_policy=ABANDON)
    yield from count.handle(charged)
    yield from nudge.receive()
    return "done"


def test_a_workflow_may_wait_until_its_handlers_have_ended() -> None:
    with drive(patient_shop) as run:
        run.signal(number, 1)
        run.update(count, 2)
        run.signal(nudge)
        assert "handlers to finish" == run.waits[0]
        run.complete("charge", 1)
        turn = run.complete("charge", 2)
        assert ("done", {"u-1": 2}, ()) == (run.result, run.answers, turn.unfinished)


def test_a_handler_that_begins_while_the_workflow_waits_is_waited_for_too() -> None:
    with drive(patient_shop) as run:
        run.signal(number, 1)
        run.signal(nudge)
        run.turn(signalled(number, 2), run.completed("charge", 1))
        assert ["handlers to finish", "activity 'charge' (seq 2)"] == run.waits
        run.complete("charge", 2)
        assert "done" == run.result


def test_a_workflow_that_waits_for_handlers_may_be_cancelled() -> None:
    with drive(patient_shop) as run:
        run.signal(number, 1)
        run.signal(nudge)
        run.cancel()
        assert isinstance(run.closed, ev.WorkflowExecutionCanceled)


def test_waiting_for_handlers_is_a_step_like_others() -> None:
    @workflow
    def limited() -> Workflow[str]:
        yield from number.handle(charged)
        yield from nudge.receive()
        try:
            yield from with_timeout(all_handlers_finished(), MINUTE)
        except TimeoutError:
            return "gave up"
        return "done"

    with drive(limited) as run:
        run.signal(number, 1)
        run.signal(nudge)
        run.fire()
        assert "gave up" == run.result


@pytest.mark.parametrize("where", ["handler", "below it"])
def test_a_handler_cannot_wait_for_all_handlers(where: Literal["handler", "below it"]) -> None:
    @workflow
    def waits_for_itself() -> Workflow[None]:
        def handle(amount: int) -> Workflow[int]:
            if where == "below it":
                yield from (yield from start(all_handlers_finished()))
            yield from all_handlers_finished()
            return amount

        yield from count.handle(handle)
        yield from nudge.receive()

    with drive(waits_for_itself) as run, pytest.raises(DefinitionError, match="RF1117"):
        run.update(count, 1)


# The end ----------------------------------------------------------------------------------------------------------------


def test_the_turn_that_closes_a_run_names_the_handlers_it_cut_off_with_their_policies() -> None:
    with drive(hasty_shop) as run:
        signal = run.signal(number, 1).events[0]
        update = run.update(count, 2, id="u-7").events[0]
        run.update(count, 3, id="u-8")
        run.turn(run.completed("charge", 3, nth=2))
        turn = run.signal(nudge)
        assert (
            Handling("signal", "number", signal.event_id, ABANDON),
            Handling("update", "count", update.event_id, WARN, "u-7"),
        ) == turn.unfinished
        assert ["u-7"] == list(run.execution.state.updates)
        assert {"u-8": 3} == run.answers


def test_a_turn_that_closes_nothing_names_no_handlers() -> None:
    with drive(hasty_shop) as run:
        assert () == run.signal(number, 1).unfinished


@pytest.mark.parametrize("end", ["terminated", "timed out", "cancelled", "failed"])
def test_handlers_that_are_cut_off_are_named_however_the_run_ends(end: str) -> None:
    with drive(hasty_shop) as run:
        run.update(count, 1)
        match end:
            case "terminated":
                turn = run.terminate()
            case "timed out":
                turn = run.turn(TimeOutWorkflow())
            case "cancelled":
                turn = run.cancel()
            case _:
                run.signal(number, 2)
                turn = run.turn(run.failed("charge", ApplicationError("declined"), nth=1))
        assert ["count"] == [each.name for each in turn.unfinished]


def test_a_handler_of_an_update_may_continue_the_run_as_new_and_leaves_its_update_unanswered() -> None:
    @workflow
    def renews() -> Workflow[None]:
        def handle(amount: int) -> Workflow[int]:
            yield from continue_as_new()
            return amount

        yield from count.handle(handle)
        yield from approval.receive()

    with drive(renews) as run:
        turn = run.update(count, 1)
        assert isinstance(turn.closed, ev.WorkflowExecutionContinuedAsNew)
        assert ["u-1"] == list(run.execution.state.updates)
