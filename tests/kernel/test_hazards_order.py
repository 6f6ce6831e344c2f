"""Where workflow engines broke on order and races, 20 to 29: two things that happen in one turn."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest

from refold import (
    CancelledError,
    Execution,
    Handle,
    MessageError,
    Workflow,
    all_of,
    cancel,
    continue_as_new,
    decide,
    first_of,
    fold,
    sleep,
    start,
    wait_until,
    workflow,
)
from refold import events as ev
from refold.messages import CompleteActivity, FireTimer, Message, SignalWorkflow
from tests.kernel.driving import cancel_asked, drive, kinds, signalled, start_message
from tests.kernel.parts import (
    HOUR,
    Steps,
    approval,
    charge,
    nudge,
    number,
    patient,
    refund,
    status,
)
from tests.kernel.samples import SAMPLES, history_of


def partitions(messages: Sequence[Message]) -> list[list[list[Message]]]:
    """All ways to make turns of messages: every order, cut at every set of places."""
    found: list[list[list[Message]]] = []
    for order in itertools.permutations(messages):
        for cuts in itertools.product((False, True), repeat=len(order) - 1):
            turns = [[order[0]]]
            for cut, message in zip(cuts, order[1:], strict=True):
                turns.append([message]) if cut else turns[-1].append(message)
            found.append(turns)
    return found


# 20: a signal is accepted while the run completes ---------------------------------------------------------------------------------


def test_hazard_20_no_accepted_signal_is_lost_whatever_it_races_with() -> None:
    @workflow
    def counts() -> Workflow[list[int]]:
        got: list[int] = []
        yield from number.handle(got.append)
        yield from charge(0)
        return got

    completion = CompleteActivity(seq=1, result=0)
    messages = [signalled(number, 1, request_id="a"), signalled(number, 2, request_id="b"), completion]
    for turns in partitions(messages):
        accepted: list[Any] = []
        with drive(counts) as run:
            for turn in turns:
                try:
                    run.turn(*turn)
                except MessageError as error:  # closed: the sender is told, so it is not lost
                    assert error.code == "RF3001"  # noqa: PT017
                else:
                    accepted += [m.input[0] for m in turn if m is not completion]  # type: ignore[attr-defined]
            # The turn that closes the run is redone with a signal that came meanwhile: messages stand first.
            assert sorted(accepted) == sorted(run.result)
            assert [] == run.unreceived


def test_hazard_20_a_signal_that_was_accepted_and_not_received_is_named_by_the_end() -> None:
    @workflow
    def receives_one() -> Workflow[int]:
        yield from charge(0)
        return (yield from number.receive())

    messages = [signalled(number, 1), signalled(number, 2), CompleteActivity(seq=1, result=0)]
    for turns in partitions(messages):
        with drive(receives_one) as run:
            refused = 0
            for turn in turns:
                try:
                    run.turn(*turn)
                except MessageError:
                    refused += 1
            signals = [event for event in run.history if isinstance(event, ev.WorkflowExecutionSignaled)]
            unreceived = [event.input[0] for event in signals if event.event_id in run.unreceived]
            assert sorted([run.result, *unreceived]) == sorted(event.input[0] for event in signals)
            assert 2 == len(signals) + refused


def test_hazard_20_messages_that_no_turn_could_show_are_recorded_behind_the_end() -> None:
    history = history_of("an order that is approved")
    end = history[-1]
    missed = ev.MessageUndelivered(
        end.event_id + 1, end.turn, end.at, message_kind="SignalWorkflow", message_name="s"
    )
    with Execution.load(SAMPLES["an order that is approved"].definition, [*history, missed]) as execution:
        assert execution.closed
        assert fold([*history, missed]) == execution.state


# 21: a signal races with continue-as-new ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reads", [0, 1, 2])
def test_hazard_21_signals_that_race_with_continue_as_new_are_received_carried_or_refused(reads: int) -> None:
    """In every order and every cut into turns; the next run begins with what was carried, in the order in which it came."""

    @workflow
    def goes_on() -> Workflow[None]:
        got: list[int] = []
        yield from status.answer(lambda: str(got))
        yield from charge(0)
        for _ in range(reads):
            match (yield from first_of(number.receive(), all_of())):
                case (0, value):
                    got.append(value)
                case _:
                    break
        yield from continue_as_new()

    messages = [signalled(number, 1, request_id="a"), signalled(number, 2, request_id="b")]
    for turns in partitions([*messages, CompleteActivity(seq=1, result=0)]):
        accepted: list[int] = []
        carried: Sequence[Any] = ()
        with drive(goes_on) as run:
            for turn in turns:
                try:
                    following = run.turn(*turn).next
                    carried = carried if following is None else following.messages
                except MessageError as error:  # closed: the sender addresses the run that followed
                    assert error.code == "RF3001"  # noqa: PT017
                else:
                    accepted += [m.input[0] for m in turn if isinstance(m, SignalWorkflow)]
            assert isinstance(run.closed, ev.WorkflowExecutionContinuedAsNew)
            got = json.loads(str(run.query(status)))
            assert accepted == [*got, *[message.input[0] for message in carried]]
            assert len(got) == min(reads, len(accepted))


def test_hazard_21_a_signal_to_a_run_that_went_on_as_another_is_refused_with_what_became_of_it() -> None:
    history = history_of("an account that continues")
    with pytest.raises(MessageError, match="RF3001: SignalWorkflow came to a run that is CONTINUED_AS_NEW"):
        decide(fold(history), signalled("late"), at=10)


# 22: the workflow completes between two signals of a batch -----------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 5])
def test_hazard_22_every_signal_of_a_turn_is_handled_before_a_condition_that_the_first_made_true(
    count: int,
) -> None:
    @workflow
    def sums() -> Workflow[int]:
        got: list[int] = []
        yield from number.handle(got.append)
        yield from wait_until(lambda: bool(got))
        return sum(got)

    with drive(sums) as run:
        run.turn(*[signalled(number, value) for value in range(1, count + 1)])
        assert sum(range(count + 1)) == run.result


# 23: early signals ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("handled", [True, False])
def test_hazard_23_a_flood_of_early_signals_is_drained_in_order_by_whoever_comes_late(handled: bool) -> None:
    @workflow
    def late() -> Workflow[list[int]]:
        got: list[int] = []
        yield from charge(0)
        if handled:
            yield from number.handle(got.append)
            yield from wait_until(lambda: len(got) == 300)
        else:
            while len(got) < 300:
                got.append((yield from number.receive()))
        return got

    with drive(late, beside=[signalled(number, value) for value in range(100)]) as run:
        run.turn(*[signalled(number, value) for value in range(100, 200)])
        run.turn(run.completed("charge", 0), *[signalled(number, value) for value in range(200, 300)])
        assert list(range(300)) == run.result


# 24: a shared slot for the last received value ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("consumers", [1, 2, 3, 7])
def test_hazard_24_consumers_of_one_queue_take_each_value_once(consumers: int) -> None:
    @workflow
    def shares() -> Workflow[list[list[int]]]:
        def consumer() -> Steps:
            got: list[int] = []
            while True:
                match (yield from first_of(number.receive(), nudge.receive())):
                    case (0, value):
                        got.append(value)
                    case _:
                        return got
                yield from all_of()

        return list((yield from all_of(*[consumer() for _ in range(consumers)])))

    with drive(shares) as run:
        run.turn(*[signalled(number, value) for value in range(10)])
        run.signal(number, 10)
        run.turn(signalled(number, 11), *[signalled(nudge) for _ in range(consumers)])
        assert list(range(12)) == sorted(value for got in run.result for value in got)
        assert [] == run.unreceived


# 25: commands beside the terminal one ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_hazard_25_what_a_handler_asks_for_in_the_closing_turn_is_kept_before_the_end(
    order: tuple[int, int],
) -> None:
    @workflow
    def closes() -> Workflow[str]:
        def handler(value: int) -> Steps:
            yield from status.answer(lambda: f"handled {value}")
            yield from charge(value)

        yield from number.handle(handler)
        yield from nudge.receive()
        return "done"

    messages = [signalled(number, 1), signalled(nudge)]
    with drive(closes) as run:
        turn = run.turn(*[messages[index] for index in order])
        assert ["ActivityTaskScheduled", "WorkflowExecutionCompleted"] == kinds(turn.events)
        assert "handled 1" == run.query(status)
        assert "done" == run.result


# 26 and 27: fired or completed, and cancelled, at the same time -----------------------------------------------------------------------


@workflow
def cancels_a_timer() -> Workflow[list[str]]:
    seen: list[str] = []

    def sleeps() -> Steps:
        try:
            yield from sleep(HOUR)
            seen.append("fired")
        except CancelledError:
            seen.append("cancelled")

    handle: Handle[None] = yield from start(sleeps())
    yield from nudge.receive()
    yield from cancel(handle)
    yield from handle
    yield from approval.receive()
    return seen


def test_hazard_26_a_timer_that_fires_and_is_cancelled_ends_as_the_history_says_and_once() -> None:
    for turns in partitions([FireTimer(seq=1), signalled(nudge)]):
        with drive(cancels_a_timer) as run:
            for turn in turns:
                run.turn(*turn)
            together = len(turns) == 1
            fired_first = not together and isinstance(turns[0][0], FireTimer)
            run.signal(approval, "yes")
            # Messages come first in a turn; a timer that had fired is not withdrawn any more.
            assert ["fired" if fired_first else "cancelled"] == run.result
            assert (0 if together or fired_first else 1) == run.kinds.count("TimerCanceled")


@pytest.mark.parametrize("waits", [True, False])
def test_hazard_27_an_activity_that_completes_and_is_cancelled_ends_as_the_history_says_and_once(
    waits: bool,
) -> None:
    @workflow
    def cancels() -> Workflow[str]:
        try:
            result = yield from (patient(1) if waits else charge(1))
            seen = f"result {result}"
        except CancelledError:
            seen = "cancelled"
        yield from approval.receive()
        return seen

    for turns in partitions([CompleteActivity(seq=1, result=7), cancel_asked(request_id="c")]):
        with drive(cancels) as run:
            for turn in turns:
                run.turn(*turn)
            together = len(turns) == 1
            completed_first = not together and isinstance(turns[0][0], CompleteActivity)
            if completed_first:
                # The request finds the next wait, and what it has come to was recorded before.
                assert isinstance(run.closed, ev.WorkflowExecutionCanceled)
                continue
            run.signal(approval, "yes")
            assert ("result 7" if waits else "cancelled") == run.result
            assert (0 if together else 1) == run.kinds.count("ActivityTaskCancelRequested")


# 28 and 29: cancelled twice, and cancelled before it was sent -----------------------------------------------------------------------


def test_hazard_28_two_cancel_requests_for_one_target_in_one_turn_are_one() -> None:
    @workflow
    def both() -> Workflow[str]:
        handle: Handle[int] = yield from start(patient(1))

        def on_nudge() -> Steps:
            yield from cancel(handle)
            yield from cancel(handle)

        yield from nudge.handle(on_nudge)
        try:
            yield from handle
        except CancelledError:
            yield from cancel(handle)
        yield from refund(1)
        return "done"

    messages = [signalled(nudge), cancel_asked(request_id="c"), signalled(nudge)]
    for order in itertools.permutations(messages):
        with drive(both) as run:
            run.turn(*order)
            assert 1 == run.kinds.count("ActivityTaskCancelRequested")
            run.turn(run.reported_cancelled("patient"))
            run.complete("refund")
            assert "done" == run.result


@pytest.mark.parametrize(
    "what", ["an activity", "a timer", "a patient activity", "a signal", "a condition", "a group"]
)
def test_hazard_29_what_is_taken_back_in_the_turn_that_asked_for_it_is_not_sent(what: str) -> None:
    steps: dict[str, Any] = {
        "an activity": lambda: charge(1),
        "a timer": lambda: sleep(HOUR),
        "a patient activity": lambda: patient(1),
        "a signal": approval.receive,
        "a condition": lambda: wait_until(lambda: False),
        "a group": lambda: all_of(charge(1), patient(2), sleep(HOUR)),
    }

    @workflow
    def hesitates() -> Workflow[str]:
        def begin() -> Steps:
            yield from steps[what]()

        handle: Handle[None] = yield from start(begin())
        others = yield from start(all_of())
        yield from others  # by now it has begun
        yield from cancel(handle)
        yield from nudge.receive()
        return "done"

    execution = Execution(hesitates)
    with execution:
        turn = execution.turn(start_message(hesitates), at=1)
        assert () == turn.commands
        assert () == execution.outstanding
    with drive(hesitates) as run:
        run.signal(nudge)
        assert "done" == run.result
