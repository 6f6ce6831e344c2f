"""Cancel requests: delivered once each, at a yield, and what becomes of whatever was waited for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from refold import (
    ApplicationError,
    CancelledError,
    Handle,
    MessageError,
    Workflow,
    all_of,
    cancel,
    first_of,
    info,
    now,
    sleep,
    start,
    wait_until,
    with_timeout,
    workflow,
)
from refold import events as ev
from tests.kernel.driving import cancel_asked, drive, kinds
from tests.kernel.parts import (
    HOUR,
    Steps,
    approval,
    charge,
    nudge,
    number,
    refund,
)

# Delivery ---------------------------------------------------------------------------------------------------------------


@workflow
def cleans_up() -> Workflow[str]:
    try:
        yield from charge(1)
    except CancelledError:
        yield from refund(1)
        return "cleaned up"
    return "charged"


def test_a_request_that_leaves_the_workflow_ends_the_run_as_cancelled() -> None:
    @workflow
    def plain() -> Workflow[int]:
        return (yield from charge(1))

    with drive(plain) as run:
        run.cancel()
        assert isinstance(run.closed, ev.WorkflowExecutionCanceled)


def test_a_request_can_be_caught_cleaned_up_after_unshielded_and_the_run_still_completes() -> None:
    with drive(cleans_up) as run:
        run.cancel()
        assert ["refund"] == run.open_activities[1:]
        run.complete("refund")
        assert "cleaned up" == run.result


def test_an_ordinary_except_does_not_catch_a_request() -> None:
    @workflow
    def retries() -> Workflow[str]:
        for _ in range(10):
            try:
                yield from charge(1)
            except Exception:
                continue
        return "not reached"

    with drive(retries) as run:
        run.cancel()
        assert isinstance(run.closed, ev.WorkflowExecutionCanceled)


def test_info_tells_of_a_request_also_after_it_was_caught() -> None:
    @workflow
    def sticky() -> Workflow[list[bool]]:
        before = (yield from info()).cancel_requested
        try:
            yield from charge(1)
        except CancelledError:
            yield from refund(1)
        return [before, (yield from info()).cancel_requested]

    with drive(sticky) as run:
        run.cancel()
        run.complete("refund")
        assert [False, True] == run.result


def test_a_request_with_the_start_is_delivered_at_the_first_yield_that_waits() -> None:
    @workflow
    def begins() -> Workflow[list[str]]:
        seen = ["began"]
        try:
            yield from now()
            seen.append("asked the time")
            yield from charge(1)
        except CancelledError:
            seen.append("cancelled")
        return seen

    with drive(begins, beside=[cancel_asked()]) as run:
        assert ["began", "asked the time", "cancelled"] == run.result
        # It had reached its first wait when the request came, so the activity is taken back within the turn.
        assert [
            "ActivityTaskScheduled",
            "ActivityTaskCancelRequested",
            "WorkflowExecutionCompleted",
        ] == run.kinds


def test_each_request_is_delivered_once() -> None:
    @workflow
    def counts() -> Workflow[int]:
        caught = 0
        while caught < 3:
            try:
                yield from nudge.receive()
                break
            except CancelledError:
                caught += 1
        return caught

    with drive(counts) as run:
        run.cancel()
        run.cancel()
        run.signal(nudge)
        assert 2 == run.result


def test_two_requests_of_one_turn_are_delivered_at_two_yields() -> None:
    @workflow
    def twice() -> Workflow[list[str]]:
        seen: list[str] = []
        try:
            yield from charge(1)
        except CancelledError:
            seen.append("first")
            try:
                yield from refund(1)
            except CancelledError:
                seen.append("second")
        yield from nudge.receive()
        return seen

    with drive(twice) as run:
        run.turn(cancel_asked(), cancel_asked())
        run.signal(nudge)
        assert ["first", "second"] == run.result


def test_a_request_that_was_heard_before_is_not_delivered_again() -> None:
    with drive(cleans_up) as run:
        run.turn(cancel_asked(request_id="c-1"))
        assert () == run.turn(cancel_asked(request_id="c-1")).events
        run.complete("refund")
        assert "cleaned up" == run.result


def test_a_request_comes_to_a_closed_run_in_vain() -> None:
    with drive(cleans_up) as run:
        run.complete("charge", 1)
        with pytest.raises(MessageError, match="RF3001: CancelWorkflow came to a run that is COMPLETED"):
            run.cancel()


def test_the_details_of_a_cancellation_that_leaves_the_workflow_are_recorded() -> None:
    @workflow
    def details() -> Workflow[None]:
        try:
            yield from sleep(HOUR)
        except CancelledError:
            raise CancelledError("stopped at", {"page": 3}) from None

    with drive(details) as run:
        run.cancel()
        assert isinstance(run.closed, ev.WorkflowExecutionCanceled)
        assert [{"page": 3}] == list(run.closed.details)


def test_a_cancellation_that_nobody_asked_for_fails_the_run() -> None:
    @workflow
    def gives_up() -> Workflow[None]:
        yield from now()
        raise CancelledError("on my own")

    with drive(gives_up) as run:
        assert ("cancelled", "on my own") == (run.failure.kind, run.failure.message)


def test_a_failure_after_a_request_fails_the_run() -> None:
    @workflow
    def fails() -> Workflow[None]:
        try:
            yield from sleep(HOUR)
        except CancelledError:
            raise ApplicationError("could not stop") from None

    with drive(fails) as run:
        run.cancel()
        assert "could not stop" == run.failure.message


def test_the_clean_up_of_a_cancelled_combinator_is_not_lost_when_it_fails() -> None:
    @workflow
    def gathers() -> Workflow[None]:
        def held() -> Steps:
            try:
                yield from sleep(HOUR)
            finally:
                raise ApplicationError("could not give it back", type="Leak")

        yield from all_of(held(), charge(1))

    with drive(gathers) as run:
        run.cancel()
        assert "Leak" == run.failure.type


def test_a_handler_is_not_cancelled_with_the_workflow() -> None:
    @workflow
    def handles() -> Workflow[list[object]]:
        seen: list[object] = []

        def handle(value: int) -> Steps:
            seen.append((yield from charge(value)))

        yield from number.handle(handle)
        try:
            yield from nudge.receive()
        except CancelledError:
            yield from wait_until(lambda: bool(seen))
        return seen

    with drive(handles) as run:
        run.signal(number, 5)
        run.cancel()
        run.complete("charge", 5)
        assert [5] == run.result


# What was waited for ----------------------------------------------------------------------------------------------------


def _waits() -> dict[str, Callable[[], object]]:
    def held() -> Steps:
        yield from approval.receive()

    def joined() -> Steps:
        handle: Handle[int] = yield from start(charge(1))
        try:
            yield from handle
        finally:
            yield from cancel(handle)

    return {
        "an activity": lambda: charge(1),
        "a timer": lambda: sleep(HOUR),
        "a signal": approval.receive,
        "a condition": lambda: wait_until(lambda: False),
        "a condition with a timeout": lambda: wait_until(lambda: False, timeout=HOUR),
        "all of some": lambda: all_of(charge(1), sleep(HOUR), held()),
        "the first of some": lambda: first_of(all_of(charge(1)), approval.receive()),
        "a bounded step": lambda: with_timeout(charge(1), HOUR),
        "a started step": joined,
        "a branch": held,
    }


@pytest.mark.parametrize("what", sorted(_waits()))
def test_a_request_ends_the_wait_for(what: str) -> None:
    @workflow
    def waits() -> Workflow[str]:
        step = _waits()[what]()
        try:
            yield from step  # type: ignore[misc]
        except CancelledError:
            # Nothing of the wait is left: what comes later goes to whoever asks for it next.
            return (yield from approval.receive())
        return "not reached"

    with drive(waits) as run:
        run.cancel()
        assert ["signal 'approval'"] == run.waits
        run.signal(approval, "later")
        assert "later" == run.result


def test_a_timer_is_withdrawn() -> None:
    @workflow
    def sleeps() -> Workflow[str]:
        try:
            yield from sleep(HOUR)
        except CancelledError:
            yield from charge(1)
        return "done"

    with drive(sleeps) as run:
        turn = run.cancel()
        assert ["TimerCanceled", "ActivityTaskScheduled"] == [
            type(command).__name__ for command in turn.commands
        ]
        run.complete("charge", 1)


def test_a_timer_that_fired_in_the_turn_of_the_request_is_not_withdrawn() -> None:
    @workflow
    def sleeps() -> Workflow[str]:
        try:
            yield from sleep(HOUR)
        except CancelledError:
            return "cancelled"
        return "not reached"

    with drive(sleeps) as run:
        turn = run.turn(run.fired(), cancel_asked())
        assert ["WorkflowExecutionCompleted"] == kinds(turn.events)
        assert "cancelled" == run.result


def test_an_activity_whose_outcome_came_in_the_turn_of_the_request_is_not_asked_to_stop() -> None:
    with drive(cleans_up) as run:
        turn = run.turn(run.completed("charge", 1), cancel_asked())
        assert ["ActivityTaskScheduled"] == kinds(turn.events)
        run.complete("refund")
        assert "cleaned up" == run.result
