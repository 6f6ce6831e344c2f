"""Updates: refused without a trace, or accepted, handled and answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from refold import (
    ApplicationError,
    CancelledError,
    DefinitionError,
    Execution,
    Failure,
    InputPolicy,
    MessageError,
    NondeterminismError,
    PayloadError,
    Update,
    Workflow,
    WorkflowTaskError,
    all_handlers_finished,
    cancel,
    sleep,
    start,
    wait_until,
    workflow,
)
from refold import events as ev
from refold.messages import PauseWorkflow
from tests.kernel.driving import drive, signalled, start_message, updated
from tests.kernel.parts import HOUR, Steps, approval, charge, nudge, number, status


@attrs.frozen
class Price:
    amount: int
    currency: str = "EUR"


set_price = Update("set_price", Price, result_type=int)
count = Update("count", int, result_type=int)
ping = Update("ping", result_type=str)
close = Update("close")


@workflow
def shop() -> Workflow[list[int]]:
    """Takes prices by update until it is closed by one."""
    prices: list[int] = []
    closing = False

    def positive(price: Price) -> None:
        if price.amount <= len(prices):
            raise ApplicationError("too cheap", price.amount, type="TooCheap")

    def set_it(price: Price) -> Workflow[int]:
        charged = yield from charge(price.amount)
        prices.append(charged)
        return sum(prices)

    def close_it() -> None:
        nonlocal closing
        closing = True

    yield from status.answer(lambda: str(prices))
    yield from set_price.handle(set_it, validator=positive)
    yield from ping.handle(lambda: "pong")
    yield from close.handle(close_it)
    yield from wait_until(lambda: closing)
    return prices


# Accepted and refused ---------------------------------------------------------------------------------------------------


def test_an_accepted_update_is_recorded_in_the_turn_that_starts_its_handler() -> None:
    with drive(shop) as run:
        turn = run.update(set_price, Price(5), identity="me", request_id="q-1", headers={"h": 1})
        accepted, scheduled = turn.events
        assert isinstance(accepted, ev.WorkflowExecutionUpdateAccepted)
        assert ("u-1", "set_price", [{"amount": 5, "currency": "EUR"}], "me", "q-1", {"h": 1}) == (
            accepted.update_id,
            accepted.update_name,
            accepted.input,
            accepted.identity,
            accepted.request_id,
            accepted.headers,
        )
        assert (scheduled,) == turn.commands
        assert None is turn.rejected
        assert ["u-1"] == list(run.execution.state.updates)
        run.complete("charge", 7)
        assert {"u-1": 7} == run.answers
        assert {"u-1": run.history[-1].event_id} == dict(run.execution.state.completed_updates)
        assert {} == dict(run.execution.state.updates)


def test_an_update_that_waits_for_nothing_is_answered_in_its_own_turn() -> None:
    with drive(shop) as run:
        turn = run.update(ping)
        assert [ev.WorkflowExecutionUpdateAccepted, ev.WorkflowExecutionUpdateCompleted] == [
            type(event) for event in turn.events
        ]
        assert {"u-1": "pong"} == run.answers


def test_a_refused_update_leaves_no_trace() -> None:
    with drive(shop) as run:
        state, waiting = run.execution.state, run.execution.waiting()
        turn = run.update(set_price, Price(0))
        assert ((), (), None) == (turn.events, turn.commands, turn.closed)
        assert isinstance(turn.rejected, Failure)
        assert ("application", "TooCheap", "too cheap", [0]) == (
            turn.rejected.kind,
            turn.rejected.type,
            turn.rejected.message,
            turn.rejected.details,
        )
        assert (state, waiting) == (run.execution.state, run.execution.waiting())
        run.update(set_price, Price(3))  # its id was not used up
        run.complete("charge", 3)
        assert {"u-1": 3} == run.answers


def test_a_validator_sees_what_earlier_updates_did() -> None:
    with drive(shop) as run:
        run.update(set_price, Price(1), id="a")
        run.complete("charge", 1)
        assert None is not run.update(set_price, Price(1), id="b").rejected
        assert None is run.update(set_price, Price(2), id="b").rejected


@pytest.mark.parametrize("error", [ValueError("no"), CancelledError("no"), RecursionError("no")], ids=repr)
def test_whatever_a_validator_raises_refuses_the_update_and_not_the_run(error: BaseException) -> None:
    @workflow
    def strict() -> Workflow[None]:
        def check(amount: int) -> None:
            raise error

        yield from count.handle(lambda amount: amount, validator=check)
        yield from nudge.receive()

    with drive(strict) as run:
        turn = run.update(count, 1)
        assert turn.rejected is not None
        assert "no" == turn.rejected.message
        run.signal(nudge)
        assert None is run.result


def test_an_update_that_nobody_handles_is_refused_and_told_what_is_handled() -> None:
    with drive(shop) as run:
        turn = run.update("refund", 1)
        assert turn.rejected is not None
        assert "UnknownUpdate" == turn.rejected.type
        told = "RF1113: shop has no handler for update 'refund' at this point\n"
        assert told == turn.rejected.message[: len(told)]
        assert "registered here: close, ping, set_price" in turn.rejected.message


def test_an_update_before_the_first_handler_is_refused_and_may_come_again() -> None:
    @workflow
    def late() -> Workflow[int]:
        got: list[int] = []
        yield from charge(1)
        yield from count.handle(lambda amount: got.append(amount) or amount)
        yield from wait_until(lambda: bool(got))
        return got[0]

    with drive(late) as run:
        turn = run.update(count, 4)
        assert turn.rejected is not None
        assert "registered here: none" in turn.rejected.message
        run.complete("charge", 1)
        run.update(count, 4)
        assert (4, {"u-1": 4}) == (run.result, run.answers)


@pytest.mark.parametrize(
    ("input", "problem"),
    [(["five"], "RF1302"), ([], "0 payloads"), ([{"amount": 1}, 2], "2 payloads")],
    ids=str,
)
def test_an_update_whose_payload_does_not_fit_is_refused(input: list[object], problem: str) -> None:
    with drive(shop) as run:
        turn = run.turn(attrs.evolve(updated(set_price, Price(1)), input=input))
        assert turn.rejected is not None
        assert problem in turn.rejected.message
        assert "PayloadError" == turn.rejected.type


def test_a_validator_must_only_read() -> None:
    @workflow
    def acts() -> Workflow[None]:
        yield from count.handle(lambda amount: amount, validator=charge)
        yield from nudge.receive()

    with drive(acts) as run:
        turn = run.update(count, 1)
        assert turn.rejected is not None
        assert "RF1107" in turn.rejected.message
        assert [] == run.scheduled


def test_a_validator_that_drives_its_own_run_is_refused() -> None:
    @workflow
    def reenters() -> Workflow[None]:
        yield from ping.handle(lambda: "pong", validator=lambda: run.signal(nudge))
        yield from nudge.receive()

    with drive(reenters, recheck=False) as run:
        turn = run.update(ping)
        assert turn.rejected is not None
        assert "RF3004" in turn.rejected.message


def test_a_validator_cannot_change_what_the_handler_is_given() -> None:
    lists = Update("lists", list[int], result_type=int)

    @workflow
    def sums() -> Workflow[None]:
        yield from lists.handle(sum, validator=list.clear)
        yield from nudge.receive()

    with drive(sums) as run:
        run.update(lists, [1, 2])
        assert {"u-1": 3} == run.answers


def test_no_validator_runs_on_replay() -> None:
    asked: list[int] = []

    @workflow
    def counts() -> Workflow[None]:
        yield from count.handle(lambda amount: amount, validator=asked.append)
        yield from nudge.receive()

    with drive(counts, recheck=False) as run:
        run.update(count, 5)
        assert [5] == asked
        Execution.replay(counts, run.history)
        assert [5] == asked


# Repeated, and at the wrong time ------------------------------------------------------------------------------------------


def test_a_repeated_update_changes_nothing_before_and_after_its_answer_and_after_the_end() -> None:
    with drive(shop) as run:
        run.update(set_price, Price(5))
        assert ((), None) == ((turn := run.update(set_price, Price(5))).events, turn.rejected)
        run.complete("charge", 5)
        assert () == run.update(set_price, Price(9)).events, "an id is an id, whatever it comes with"
        run.update(close, id="u-2")
        assert [5] == run.result
        assert () == run.update(set_price, Price(5)).events
        assert {"u-1": 5, "u-2": None} == run.answers
        with pytest.raises(MessageError, match="RF3001"):
            run.update(set_price, Price(5), id="u-3")


def test_an_update_is_a_turn_of_its_own() -> None:
    with drive(shop) as run:
        with pytest.raises(MessageError, match="RF3007"):
            run.turn(updated(ping), signalled(nudge))
        run.update(ping)
        assert {"u-1": "pong"} == run.answers


def test_an_update_to_a_paused_run_is_to_be_kept() -> None:
    with drive(shop) as run:
        run.turn(PauseWorkflow())
        with pytest.raises(MessageError, match="RF3008"):
            run.update(ping)


# How a handler ends --------------------------------------------------------------------------------------------------------


def test_a_failing_handler_answers_with_its_failure_and_the_run_goes_on() -> None:
    with drive(shop) as run:
        run.update(set_price, Price(5))
        run.fail("charge", ApplicationError("declined", type="Declined"))
        failure = run.answers["u-1"]
        assert isinstance(failure, Failure)
        assert ("activity", "charge", "Declined") == (
            failure.kind,
            failure.activity_type,
            failure.cause and failure.cause.type,
        )
        run.update(close, id="u-2")
        assert [] == run.result


def test_a_handler_that_is_cancelled_answers_with_that() -> None:
    @workflow
    def gives_up() -> Workflow[None]:
        def handle(amount: int) -> Workflow[int]:
            step = yield from start(sleep(HOUR))
            yield from cancel(step)
            yield from step
            return amount

        yield from count.handle(handle)
        yield from nudge.receive()

    with drive(gives_up) as run:
        run.update(count, 1)
        failure = run.answers["u-1"]
        assert isinstance(failure, Failure)
        assert "cancelled" == failure.kind


def test_errors_that_the_workflow_lists_are_failures_of_its_updates_too() -> None:
    @workflow(failure_exception_types=[ValueError])
    def lists_them() -> Workflow[None]:
        yield from ping.handle(lambda: str(int("x")))
        yield from nudge.receive()

    with drive(lists_them) as run:
        run.update(ping)
        failure = run.answers["u-1"]
        assert isinstance(failure, Failure)
        assert "ValueError" == failure.type


def test_a_bug_in_a_handler_fails_the_turn_and_not_the_run() -> None:
    @workflow
    def buggy() -> Workflow[None]:
        yield from ping.handle(lambda: str(1 // 0))
        yield from nudge.receive()

    with (
        drive(buggy) as run,
        pytest.raises(
            WorkflowTaskError, match="RF1110: the handler of update 'ping' of buggy raised ZeroDiv"
        ),
    ):
        run.update(ping)


def test_an_answer_that_cannot_be_stored_fails_the_turn() -> None:
    @workflow
    def answers_oddly() -> Workflow[None]:
        yield from close.handle(object)
        yield from nudge.receive()

    with drive(answers_oddly) as run, pytest.raises(PayloadError, match="RF1301"):
        run.update(close)


def test_a_mistake_in_a_handler_is_its_author_s() -> None:
    @workflow
    def yields_oddly() -> Workflow[None]:
        def handle() -> Any:
            yield 7

        yield from close.handle(handle)
        yield from nudge.receive()

    with drive(yields_oddly) as run, pytest.raises(DefinitionError, match="RF1102"):
        run.update(close)


def test_a_handler_is_answered_when_what_it_started_has_unwound() -> None:
    @workflow
    def unwinds() -> Workflow[None]:
        def cleans_up() -> Steps:
            try:
                yield from sleep(HOUR)
            finally:
                yield from charge(2)

        def handle() -> Workflow[str]:
            yield from start(cleans_up())
            yield from charge(1)
            return "done"

        yield from ping.handle(handle)
        yield from nudge.receive()

    with drive(unwinds) as run:
        run.update(ping)
        run.complete("charge", 1)
        assert {} == run.answers
        run.complete("charge", 2)
        assert {"u-1": "done"} == run.answers


def test_the_failure_of_a_step_that_nobody_joined_is_the_answer() -> None:
    @workflow
    def loses() -> Workflow[None]:
        def handle() -> Workflow[str]:
            yield from start(charge(1))
            yield from sleep(HOUR)
            return "done"

        yield from ping.handle(handle)
        yield from nudge.receive()

    with drive(loses) as run:
        run.update(ping)
        run.fail("charge", ApplicationError("declined"))
        run.fire()
        failure = run.answers["u-1"]
        assert isinstance(failure, Failure)
        assert "activity" == failure.kind


def test_handlers_of_several_updates_run_beside_each_other() -> None:
    with drive(shop) as run:
        run.update(set_price, Price(5), id="a")
        run.update(set_price, Price(6), id="b")
        run.turn(run.completed("charge", 6, nth=1))
        run.complete("charge", 5)
        assert {"b": 6, "a": 11} == run.answers
        assert "[6, 5]" == run.query(status)


def test_the_handler_registered_last_is_the_one() -> None:
    @workflow
    def changes() -> Workflow[None]:
        yield from ping.handle(lambda: "first")
        yield from nudge.receive()
        yield from ping.handle(lambda: "second")
        yield from nudge.receive()

    with drive(changes) as run:
        run.update(ping, id="a")
        run.signal(nudge)
        run.update(ping, id="b")
        assert {"a": "first", "b": "second"} == run.answers


def test_what_an_update_s_handler_waits_for_is_shown() -> None:
    with drive(shop) as run:
        run.update(set_price, Price(5))
        assert ["condition", "activity 'charge' (seq 1)"] == run.waits


# The end of the run ----------------------------------------------------------------------------------------------------------


@workflow
def ends_by_update() -> Workflow[str]:
    done = False

    def finish() -> str:
        nonlocal done
        done = True
        return "answered"

    yield from ping.handle(finish)
    yield from wait_until(lambda: done)
    return "returned"


def test_hazard_25_an_update_that_ends_the_run_is_answered_before_the_end() -> None:
    with drive(ends_by_update) as run:
        turn = run.update(ping)
        assert [
            "WorkflowExecutionUpdateAccepted",
            "WorkflowExecutionUpdateCompleted",
            "WorkflowExecutionCompleted",
        ] == [type(event).__name__ for event in turn.events]
        assert (("returned", {"u-1": "answered"}), ()) == ((run.result, run.answers), turn.unfinished)


@pytest.mark.parametrize("kind", ["returns", "fails"])
def test_hazard_25_a_handler_that_the_end_sets_free_answers_before_the_end(kind: str) -> None:
    @workflow
    def frees() -> Workflow[str]:
        done = False

        def waits() -> Workflow[str]:
            yield from wait_until(lambda: done)
            return "answered"

        yield from ping.handle(waits)
        yield from charge(1)
        done = True
        if kind == "fails":
            raise ApplicationError("failed")
        return "returned"

    with drive(frees) as run:
        run.update(ping, id="a")
        run.update(ping, id="b")
        turn = run.complete("charge", 1)
        assert {"a": "answered", "b": "answered"} == run.answers
        assert (turn.events[-1], ()) == (turn.closed, turn.unfinished)


def test_after_the_end_no_condition_of_the_workflow_s_own_is_judged() -> None:
    judged: list[bool] = []

    @workflow
    def ends() -> Workflow[None]:
        def asks() -> bool:
            judged.append(done)
            return done

        done = False
        yield from start(wait_until(asks))
        yield from charge(1)
        done = True

    with drive(ends, recheck=False) as run:
        run.complete("charge", 1)
        assert None is run.result
        assert True not in judged


def test_an_update_that_the_end_cuts_off_is_left_without_an_answer_and_named() -> None:
    with drive(shop) as run:
        run.update(set_price, Price(5))
        turn = run.update(close, id="u-2")
        assert [] == run.result
        assert [("update", "set_price", "u-1")] == [(u.kind, u.name, u.update_id) for u in turn.unfinished]
        assert {"u-2": None} == run.answers
        assert ["u-1"] == list(run.execution.state.updates)


# Divergence --------------------------------------------------------------------------------------------------------------------


def _variant(handle: Callable[..., Any] | None, first: Callable[..., Any] = lambda: charge(1)) -> Any:
    def variant() -> Workflow[None]:
        if handle is not None:
            yield from count.handle(handle)
        yield from nudge.receive()

    return workflow(name="variant")(variant)


def _history() -> list[ev.HistoryEvent]:
    with drive(_variant(lambda amount: amount + 1)) as run:
        run.update(count, 1)
        return run.history


def test_code_that_answers_an_update_otherwise_is_told() -> None:
    with pytest.raises(NondeterminismError, match="They differ in result: history has 2, the code 3"):
        Execution.load(_variant(lambda amount: amount + 2), _history())
    lenient = Execution.load(_variant(lambda amount: amount + 2), _history(), input_policy=InputPolicy.WARN)
    assert 1 == len(lenient.warnings)
    lenient.close()


def test_code_that_fails_an_update_that_succeeded_is_told() -> None:
    def fails(amount: int) -> int:
        raise ApplicationError("no")

    with pytest.raises(NondeterminismError, match="They differ in"):
        Execution.load(_variant(fails), _history())


def test_code_that_does_not_answer_in_that_turn_is_told() -> None:
    def waits(amount: int) -> Workflow[int]:
        yield from approval.receive()
        return amount

    with pytest.raises(NondeterminismError, match="The history goes on where the code does not"):
        Execution.load(_variant(waits), _history())


def test_code_that_answers_too_early_is_told() -> None:
    def waits(amount: int) -> Workflow[int]:
        yield from approval.receive()
        return amount

    with drive(_variant(waits)) as run:
        run.update(count, 1)
        history = run.history
    with pytest.raises(NondeterminismError, match="The code goes on where its history does not"):
        Execution.load(_variant(lambda amount: amount), history)


def test_code_that_has_no_handler_any_more_is_told() -> None:
    with pytest.raises(NondeterminismError, match="The code has no handler for update 'count' at this point"):
        Execution.load(_variant(None), _history())


# Declarations ------------------------------------------------------------------------------------------------------------------


def test_an_update_encodes_and_decodes_both_ways() -> None:
    assert [{"amount": 1, "currency": "EUR"}] == set_price.encode(Price(1))
    assert Price(1) == set_price.decode([{"amount": 1}])
    assert 5 == set_price.decode_result(5)
    assert ([], None, {"any": 1}) == (close.encode(None), close.decode([]), close.decode_result({"any": 1}))
    assert "<update close>" == repr(close)
    with pytest.raises(PayloadError, match="RF1302"):
        set_price.encode("five")
    with pytest.raises(PayloadError, match="RF1302"):
        set_price.decode_result("five")
    with pytest.raises(DefinitionError, match="update 'close' takes no payload"):
        close.encode(1)


def _no_validator(amount: int) -> Workflow[None]:
    yield from charge(amount)


async def _async_validator(amount: int) -> None: ...


#: For what a type checker would not let pass.
untyped: Any = count


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Update(""), "RF1003"),
        (
            lambda: untyped.handle(lambda: 1),
            "the handler of update 'count' cannot be called with its payload",
        ),
        (lambda: ping.handle(lambda x: "y"), "the handler of update 'ping' cannot be called with nothing"),
        (
            lambda: untyped.handle(int, validator=lambda: 1),
            "the validator of update 'count' cannot be called",
        ),
        (lambda: count.handle(int, validator=_no_validator), "is a generator or coroutine"),
        (lambda: count.handle(int, validator=_async_validator), "is a generator or coroutine"),
    ],
)
def test_a_misused_declaration_is_refused(make: Callable[[], object], problem: str) -> None:
    with pytest.raises(DefinitionError, match=problem):
        make()


def test_a_policy_that_is_none_is_refused() -> None:
    for declared in (count, number):
        with pytest.raises(DefinitionError, match=r"RF1002: the unfinished_policy of .* is 'SULK'"):
            declared.handle(int, unfinished_policy="SULK")  # type: ignore[call-overload]


def test_a_run_needs_neither_handlers_nor_updates_to_wait_for_them() -> None:
    @workflow
    def idle() -> Workflow[str]:
        yield from all_handlers_finished()
        return "at once"

    with drive(idle) as run:
        assert "at once" == run.result


def test_messages_name_their_update_in_the_first_turn_too() -> None:
    with Execution(shop) as execution:
        with pytest.raises(MessageError, match="RF3007"):
            execution.turn(start_message(shop), updated(ping), at=1)
        with pytest.raises(MessageError, match="RF3002"):
            execution.turn(updated(ping), at=1)
