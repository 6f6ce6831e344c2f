"""Signals: buffers, receivers and handlers."""

from __future__ import annotations

from typing import Any

import pytest

from refold import (
    ApplicationError,
    DefinitionError,
    Execution,
    MessageError,
    PayloadError,
    Signal,
    Workflow,
    WorkflowTaskError,
    all_of,
    cancel,
    first_of,
    sleep,
    start,
    wait_until,
    workflow,
)
from tests.kernel.driving import cancel_asked, drive, signalled, start_message
from tests.kernel.parts import HOUR, Steps, approval, charge, nudge, number, reserve

# Receiving ----------------------------------------------------------------------------------------------------------------


@workflow
def receives_late() -> Workflow[list[int]]:
    yield from charge(1)
    return [(yield from number.receive()), (yield from number.receive())]


def test_signals_that_come_early_are_kept_in_order() -> None:
    with drive(receives_late) as run:
        run.signal(number, 1)
        run.signal(number, 2)
        run.complete("charge", 1)
        assert [1, 2] == run.result


def test_signals_that_come_with_the_start_are_kept() -> None:
    with drive(receives_late, beside=[signalled(number, 1), signalled(number, 2)]) as run:
        run.complete("charge", 1)
        assert [1, 2] == run.result


def test_signals_of_different_names_do_not_mix() -> None:
    @workflow
    def two() -> Workflow[list[object]]:
        return [(yield from number.receive()), (yield from approval.receive())]

    with drive(two) as run:
        run.signal(approval, "yes")
        run.signal(number, 1)
        assert [1, "yes"] == run.result


def test_a_signal_without_a_type_carries_nothing() -> None:
    @workflow
    def nudged() -> Workflow[bool]:
        return (yield from nudge.receive()) is None

    with drive(nudged) as run:
        run.signal(nudge)
        assert True is run.result


@pytest.mark.parametrize("payload", [None, "", 0, False, [], {}])
def test_an_empty_payload_is_a_payload(payload: object) -> None:
    anything: Signal[object] = Signal("anything", object)

    @workflow
    def takes() -> Workflow[list[object]]:
        return [(yield from anything.receive())]

    with drive(takes) as run:
        run.signal(anything, payload)
        assert [payload] == run.result


def test_a_signal_with_a_request_id_that_was_heard_is_not_delivered_again() -> None:
    with drive(receives_late) as run:
        run.signal(number, 1, request_id="s-1")
        run.signal(number, 1, request_id="s-1")
        run.turn(signalled(number, 2, request_id="s-2"), signalled(number, 2, request_id="s-2"))
        run.complete("charge", 1)
        assert [1, 2] == run.result


@pytest.mark.parametrize("early", [True, False])
def test_a_payload_that_does_not_fit_raises_in_the_receiver(early: bool) -> None:
    @workflow
    def takes() -> Workflow[list[str]]:
        yield from charge(1)
        seen: list[str] = []
        for _ in range(2):
            try:
                yield from number.receive()
            except PayloadError as error:
                seen.append(error.code)
        return seen

    with drive(takes) as run:
        messages = [
            signalled("number", "five"),
            signalled("number"),
        ]  # of another type, and without a payload
        if early:
            run.turn(*messages)
            run.complete("charge", 1)
        else:
            run.complete("charge", 1)
            run.turn(*messages)
        assert ["RF1302", "RF1302"] == run.result


def test_many_receivers_of_one_name_each_get_one() -> None:
    @workflow
    def shares() -> Workflow[list[list[object]]]:
        def worker(name: str) -> Steps:
            got: list[object] = [name]
            while (value := (yield from number.receive())) > 0:
                got.append(value)
            return got

        return list((yield from all_of(worker("a"), worker("b"))))

    with drive(shares) as run:
        run.turn(*[signalled(number, value) for value in (1, 2, 3)])
        run.turn(signalled(number, 4), signalled(number, 0), signalled(number, 0))
        assert [["a", 1, 3], ["b", 2, 4]] == run.result


def test_a_receiver_takes_what_another_left_even_if_it_came_later_than_the_notification() -> None:
    @workflow
    def leaves() -> Workflow[list[object]]:
        # The cancel request is worked off first, so that nobody receives when the signal's turn comes.
        handle = yield from start(number.receive())

        def stops() -> Steps:
            yield from nudge.receive()
            yield from cancel(handle)

        yield from start(stops())
        yield from charge(1)
        return [(yield from number.receive())]

    with drive(leaves) as run:
        run.turn(signalled(nudge), signalled(number, 5))
        run.complete("charge", 1)
        assert [5] == run.result


# Handling -----------------------------------------------------------------------------------------------------------------


def test_a_handler_is_called_for_each_signal_and_early_ones_come_first() -> None:
    @workflow
    def handles() -> Workflow[list[int]]:
        got: list[int] = []
        yield from charge(1)
        yield from number.handle(got.append)
        yield from nudge.receive()
        return got

    with drive(handles) as run:
        run.turn(signalled(number, 1), signalled(number, 2))
        run.turn(run.completed("charge", 1), signalled(number, 3))
        run.turn(signalled(number, 4), signalled(nudge))
        assert [1, 2, 3, 4] == run.result


def test_a_handler_may_be_a_generator_and_several_of_its_calls_run_at_the_same_time() -> None:
    @workflow
    def handles() -> Workflow[list[int]]:
        got: list[int] = []

        def handle(value: int) -> Steps:
            got.append((yield from charge(value)))

        yield from number.handle(handle)
        yield from wait_until(lambda: len(got) == 2)
        return got

    with drive(handles) as run:
        run.turn(signalled(number, 1), signalled(number, 2))
        assert ["condition", "activity 'charge' (seq 1)", "activity 'charge' (seq 2)"] == run.waits
        run.turn(run.completed("charge", 20, nth=1), run.completed("charge", 10))
        assert [20, 10] == run.result


def test_a_handler_may_return_an_effect_or_a_workflow_to_be_run() -> None:
    @workflow
    def doubled(value: int) -> Workflow[int]:
        return (yield from charge(2 * value))

    @workflow
    def handles() -> Workflow[str]:
        yield from number.handle(charge)
        yield from approval.handle(lambda _: doubled(4))
        yield from nudge.receive()
        return "done"

    with drive(handles) as run:
        run.turn(signalled(number, 3), signalled(approval, "yes"))
        assert [[3], [8]] == [list(command.input) for command in run.execution.outstanding]  # type: ignore[union-attr]
        run.turn(run.completed("charge", 3), run.completed("charge", 8, nth=1))
        run.signal(nudge)


def test_a_handler_without_a_payload_takes_no_argument() -> None:
    @workflow
    def handles() -> Workflow[int]:
        count = 0

        def on_nudge() -> None:
            nonlocal count
            count += 1

        yield from nudge.handle(on_nudge)
        yield from wait_until(lambda: count == 2)
        return count

    with drive(handles) as run:
        run.turn(signalled(nudge), signalled(nudge))
        assert 2 == run.result


def test_a_new_handler_takes_the_place_of_the_old_one() -> None:
    @workflow
    def handles() -> Workflow[list[str]]:
        got: list[str] = []
        yield from number.handle(lambda value: got.append(f"old {value}"))
        yield from nudge.receive()
        yield from number.handle(lambda value: got.append(f"new {value}"))
        yield from nudge.receive()
        return got

    with drive(handles) as run:
        run.signal(number, 1)
        run.signal(nudge)
        run.turn(signalled(number, 2), signalled(nudge))
        assert ["old 1", "new 2"] == run.result


def test_a_handler_that_fails_fails_the_run() -> None:
    @workflow
    def handles() -> Workflow[None]:
        def handle(value: int) -> Steps:
            yield from charge(value)
            raise ApplicationError("in the handler")

        yield from number.handle(handle)
        yield from sleep(HOUR)

    with drive(handles) as run:
        run.signal(number, 1)
        run.complete("charge", 1)
        assert "in the handler" == run.failure.message


def test_a_step_that_a_handler_starts_belongs_to_the_handler() -> None:
    @workflow
    def handles() -> Workflow[None]:
        def fails() -> Steps:
            yield from reserve("x")
            raise ApplicationError("below the handler")

        def handle(value: int) -> Steps:
            yield from start(fails())
            yield from charge(value)

        yield from number.handle(handle)
        yield from sleep(HOUR)

    with drive(handles) as run:
        run.signal(number, 1)
        run.complete("reserve", "r")
        assert run.execution.state.closed is None  # raised where it belongs: when the handler ends
        run.complete("charge", 1)
        assert "below the handler" == run.failure.message


def test_a_bug_in_a_handler_fails_the_turn() -> None:
    @workflow
    def handles() -> Workflow[None]:
        yield from number.handle(lambda value: 1 // value)
        yield from sleep(HOUR)

    with drive(handles) as run, pytest.raises(WorkflowTaskError, match=r"RF1110.*ZeroDivisionError"):
        run.signal(number, 0)


def test_a_payload_that_does_not_fit_its_handler_fails_the_turn() -> None:
    @workflow
    def handles() -> Workflow[None]:
        yield from number.handle(print)
        yield from sleep(HOUR)

    with drive(handles) as run, pytest.raises(PayloadError, match="RF1302"):
        run.signal("number", "five")


def test_what_a_handler_waits_for_after_the_workflow_has_returned_falls_away() -> None:
    @workflow
    def handles() -> Workflow[str]:
        def handle(value: int) -> Steps:
            yield from charge(value)
            yield from reserve("never")

        yield from number.handle(handle)
        yield from nudge.receive()
        return "done"

    with drive(handles) as run:
        run.signal(number, 1)
        run.turn(signalled(nudge), run.completed("charge", 1))
        assert ["charge"] == run.scheduled
        assert "done" == run.result


def test_a_handler_still_receives_other_signals_of_the_closing_turn() -> None:
    @workflow
    def handles() -> Workflow[list[int]]:
        def handle(value: int) -> Steps:
            yield from charge(value)

        yield from nudge.receive()
        yield from number.handle(handle)
        return []

    with drive(handles) as run:
        run.turn(signalled(number, 1), signalled(nudge), signalled(number, 2))
        assert ["ActivityTaskScheduled"] * 2 == run.kinds[:2]
        assert [] == run.unreceived


# Not both -----------------------------------------------------------------------------------------------------------------


def test_a_signal_with_a_handler_cannot_be_received() -> None:
    @workflow
    def both() -> Workflow[str]:
        yield from number.handle(lambda value: None)
        try:
            yield from first_of(number.receive(), sleep(HOUR))
        except DefinitionError as error:
            return f"{error.code} {str(error.where).partition(':')[0]}"
        return "not reached"

    with drive(both) as run:
        assert "RF1108 kernel/test_signals.py" == run.result


def test_a_signal_that_is_being_received_cannot_be_handled() -> None:
    @workflow
    def both() -> Workflow[str]:
        yield from start(number.receive())
        yield from all_of()
        yield from nudge.receive()
        yield from number.handle(lambda value: None)
        return "not reached"

    with drive(both) as run, pytest.raises(DefinitionError, match="RF1108"):
        run.signal(nudge)


def test_a_signal_that_is_received_no_more_can_be_handled() -> None:
    @workflow
    def one_after_the_other() -> Workflow[list[int]]:
        got = [(yield from number.receive())]
        yield from number.handle(got.append)
        yield from wait_until(lambda: len(got) == 2)
        return got

    with drive(one_after_the_other) as run:
        run.turn(signalled(number, 1), signalled(number, 2))
        assert [1, 2] == run.result


# Declaring ----------------------------------------------------------------------------------------------------------------


def test_a_payload_is_checked_where_it_is_sent() -> None:
    assert [5] == number.encode(5)
    assert [] == nudge.encode(None)
    with pytest.raises(PayloadError, match="RF1302"):
        number.encode("five")
    with pytest.raises(DefinitionError, match="RF1002: signal 'nudge' takes no payload"):
        nudge.encode(5)


def test_a_handler_that_takes_other_arguments_than_the_signal_brings_is_refused() -> None:
    with pytest.raises(
        DefinitionError, match="RF1002: the handler of signal 'number' cannot be called with its payload"
    ):
        number.handle(lambda: None)  # type: ignore[arg-type]
    with pytest.raises(
        DefinitionError, match="RF1002: the handler of signal 'nudge' cannot be called with nothing"
    ):
        nudge.handle(lambda value: None)


def test_a_handler_may_have_parameters_with_defaults_or_be_a_function_that_tells_nothing_of_its_parameters() -> (
    None
):
    def with_default(value: int, factor: int = 2) -> int:
        return value * factor

    handlers: list[Any] = [with_default, print, max, dict.pop]
    for handler in handlers:
        assert handler is number.handle(handler).handler


def test_a_signal_shows_its_name() -> None:
    assert "<signal approval>" == repr(approval)
    with pytest.raises(DefinitionError, match="RF1003"):
        Signal("")


def test_a_cancel_request_before_the_start_is_refused_and_changes_nothing() -> None:
    @workflow
    def plain() -> Workflow[int]:
        return (yield from charge(1))

    execution = Execution(plain)
    with execution:
        with pytest.raises(MessageError, match="RF3002"):
            execution.turn(cancel_asked(), at=1)
        with pytest.raises(MessageError, match="RF3002"):
            execution.turn(signalled(number, 1), start_message(plain), at=1)
        assert 2 == len(execution.turn(start_message(plain), at=1).events)
