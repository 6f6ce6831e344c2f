"""Classes of bugs that Temporal's own SDKs had with messages, cancellation and eviction, each shown absent."""

from __future__ import annotations

import pytest

from refold import (
    CancelledError,
    Execution,
    Update,
    Workflow,
    all_handlers_finished,
    cancel,
    log,
    sleep,
    start,
    wait_until,
    workflow,
)
from refold import events as ev
from refold.messages import CompleteActivity
from tests.kernel.driving import cancel_asked, drive, kinds, signalled
from tests.kernel.parts import HOUR, Steps, charge, nudge, number, refund
from tests.kernel.test_hazards_order import partitions

ask = Update("ask", int, result_type=str)


# sdk-python#673: an update is replayed before the completion it followed -----------------------------------------------------------


@pytest.mark.parametrize("update_first", [True, False])
def test_an_update_is_replayed_after_the_completion_it_followed(update_first: bool) -> None:
    @workflow
    def answers() -> Workflow[str]:
        seen = "nothing"
        asked: list[int] = []

        def handle(value: int) -> str:
            asked.append(value)
            return seen

        yield from ask.handle(handle, validator=lambda value: None)
        seen = f"charged {(yield from charge(1))}"
        yield from refund(1)
        yield from wait_until(lambda: bool(asked))
        return seen

    with drive(answers) as run:  # what it records is replayed from each of its turns
        if update_first:
            run.update(ask, 1)
            run.complete("charge", 7)
        else:
            run.complete("charge", 7)
            run.update(ask, 1)
        run.complete("refund")
        assert {"u-1": "nothing" if update_first else "charged 7"} == run.answers
        assert "charged 7" == run.result


def test_an_update_whose_handler_was_registered_by_the_completion_before_it_is_replayed() -> None:
    @workflow
    def registers_late() -> Workflow[None]:
        yield from charge(1)
        yield from ask.handle(str)
        yield from nudge.receive()
        yield from all_handlers_finished()

    with drive(registers_late) as run:
        run.complete("charge", 1)
        run.update(ask, 5)
        run.signal(nudge)
        assert {"u-1": "5"} == run.answers


# sdk-python#620: a cancel request is swallowed by an activity that completes --------------------------------------------------------


def test_a_cancel_request_is_not_swallowed_by_a_completing_activity() -> None:
    @workflow
    def notes() -> Workflow[str]:
        try:
            yield from charge(1)
            yield from sleep(HOUR)
        except CancelledError:
            return "cancelled"
        return "not cancelled"

    for turns in partitions([cancel_asked(request_id="c"), CompleteActivity(seq=1, result=1)]):
        with drive(notes) as run:
            for turn in turns:
                run.turn(*turn)
            assert "cancelled" == run.result


# sdk-python#1813: two cancel requests for one target in one turn ---------------------------------------------------------------------


def test_two_cancel_requests_for_one_target_in_one_turn_are_one() -> None:
    @workflow
    def cancels_twice() -> Workflow[str]:
        def work() -> Steps:
            yield from charge(1)

        step = yield from start(work())

        def again(_: int) -> Workflow[None]:
            yield from cancel(step)
            yield from cancel(step)

        yield from number.handle(again)
        try:
            yield from step
        except CancelledError:
            return "cancelled"
        return "not cancelled"

    with drive(cancels_twice) as run:
        run.turn(signalled(number, 1), signalled(number, 2), cancel_asked(), cancel_asked())
        assert "cancelled" == run.result
        assert 1 == kinds(run.history).count("ActivityTaskCancelRequested")


# sdk-python#325: an evicted run whose `finally` emits ----------------------------------------------------------------------------------


def test_nothing_that_an_evicted_run_does_while_it_unwinds_reaches_anyone() -> None:
    said: list[str] = []

    @workflow
    def emits() -> Workflow[None]:
        def handle(value: int) -> Workflow[str]:
            try:
                yield from sleep(HOUR)
            finally:
                yield from refund(value)
            return "done"

        yield from ask.handle(handle)
        try:
            yield from charge(1)
        finally:
            said.append("unwinding")
            yield from log("escaped")

    with drive(emits, recheck=False) as run:
        run.update(ask, 1)
        history, state = list(run.history), run.execution.state
        complaints = run.execution.close()
        assert (2, ["unwinding"]) == (len(complaints), said)
        assert (history, state) == (run.history, run.execution.state)
    with Execution.load(emits, history) as again:
        assert state == again.state
        assert 2 == len(again.outstanding)


# A signal that races the completion of the run in one turn -----------------------------------------------------------------------------


def test_a_signal_that_races_the_completion_of_the_run_in_one_turn_is_handled_or_named() -> None:
    @workflow
    def handles() -> Workflow[list[int]]:
        got: list[int] = []
        yield from number.handle(got.append)
        yield from charge(1)
        return got

    @workflow
    def ignores() -> Workflow[None]:
        yield from charge(1)

    for definition in (handles, ignores):
        with drive(definition) as run:
            run.turn(CompleteActivity(seq=1, result=1), signalled(number, 5))
            signal = next(event for event in run.history if isinstance(event, ev.WorkflowExecutionSignaled))
            if definition is handles:
                assert ([5], []) == (run.result, run.unreceived)
            else:
                assert [signal.event_id] == run.unreceived
