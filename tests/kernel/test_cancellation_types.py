"""How activities are cancelled, and what is asked for and taken back within one turn."""

from __future__ import annotations

from refold import (
    ActivityError,
    ApplicationError,
    CancelledError,
    Handle,
    Workflow,
    all_of,
    cancel,
    first_of,
    now,
    sleep,
    start,
    workflow,
)
from tests.kernel.driving import cancel_asked, drive, kinds, signalled
from tests.kernel.parts import (
    HOUR,
    Steps,
    abandoned,
    approval,
    charge,
    nudge,
    patient,
    refund,
    release,
    reserve,
)

# The three cancellation types ---------------------------------------------------------------------------------------------


@workflow
def cleans_up() -> Workflow[str]:
    try:
        yield from charge(1)
    except CancelledError:
        yield from refund(1)
        return "cleaned up"
    return "charged"


def test_try_cancel_asks_the_activity_to_stop_and_does_not_wait() -> None:
    with drive(cleans_up) as run:
        turn = run.cancel()
        assert ["ActivityTaskCancelRequested", "ActivityTaskScheduled"] == kinds(turn.events)
        run.turn(run.reported_cancelled("charge"))  # accepted, and ignored
        run.complete("refund")
        assert "cleaned up" == run.result


def test_a_result_that_comes_after_try_cancel_is_accepted_and_ignored() -> None:
    with drive(cleans_up) as run:
        run.cancel()
        assert ["ActivityTaskCompleted"] == [
            type(event).__name__ for event in run.complete("charge", 1).events
        ]
        run.complete("refund")
        assert "cleaned up" == run.result


@workflow
def waits_for_it() -> Workflow[str]:
    try:
        return f"result {(yield from patient(1))}"
    except CancelledError as error:
        return f"cancelled {list(error.details)}"
    except ActivityError as error:
        return f"failed: {error.cause}"


def test_wait_cancellation_completed_asks_and_raises_when_the_activity_has_stopped() -> None:
    with drive(waits_for_it) as run:
        assert ["ActivityTaskCancelRequested"] == kinds(run.cancel().events)
        assert ["activity 'patient' (seq 1)"] == run.waits
        run.turn(run.reported_cancelled("patient", "half way"))
        assert "cancelled ['half way']" == run.result


def test_wait_cancellation_completed_gives_the_result_of_an_activity_that_finishes_all_the_same() -> None:
    with drive(waits_for_it) as run:
        run.cancel()
        run.complete("patient", 7)
        assert "result 7" == run.result


def test_wait_cancellation_completed_raises_the_failure_of_an_activity_that_fails_instead() -> None:
    with drive(waits_for_it) as run:
        run.cancel()
        run.fail("patient", ApplicationError("broke"))
        assert "failed: broke" == run.result


def test_wait_cancellation_completed_gives_a_result_that_came_in_the_turn_of_the_request() -> None:
    with drive(waits_for_it) as run:
        turn = run.turn(run.completed("patient", 7), cancel_asked())
        assert ["WorkflowExecutionCompleted"] == kinds(turn.events)
        assert "result 7" == run.result


def test_wait_cancellation_completed_asks_once_however_often_it_is_cancelled() -> None:
    with drive(waits_for_it) as run:
        run.turn(cancel_asked(), cancel_asked())
        run.cancel()
        assert 1 == run.kinds.count("ActivityTaskCancelRequested")
        run.turn(run.reported_cancelled("patient"))
        assert "cancelled []" == run.result


def test_abandon_raises_at_once_and_does_not_ask() -> None:
    @workflow
    def abandons() -> Workflow[str]:
        try:
            yield from abandoned(1)
        except CancelledError:
            yield from refund(1)
        return "done"

    with drive(abandons) as run:
        assert ["ActivityTaskScheduled"] == kinds(run.cancel().events)
        assert ["abandoned", "refund"] == run.open_activities
        run.complete("abandoned", 1)
        run.complete("refund")
        assert "done" == run.result


def test_an_activity_that_stops_without_having_been_asked_has_failed() -> None:
    @workflow
    def plain() -> Workflow[str]:
        try:
            yield from charge(1)
        except ActivityError as error:
            return f"{error.cause} {list(error.cause.details) if isinstance(error.cause, CancelledError) else []}"
        return "not reached"

    with drive(plain) as run:
        run.turn(run.reported_cancelled("charge", "why"))
        assert "the activity was cancelled ['why']" == run.result


# Taking back within a turn --------------------------------------------------------------------------------------------------


def test_what_is_asked_for_and_taken_back_in_one_turn_never_leaves_the_kernel() -> None:
    @workflow
    def hesitates() -> Workflow[str]:
        activity = yield from start(charge(1))
        timer = yield from start(sleep(HOUR))
        careful = yield from start(patient(1))
        yield from all_of()

        def take_back() -> Steps:
            for handle in (activity, timer, careful):
                yield from cancel(handle)

        yield from first_of(take_back(), nudge.receive())
        yield from approval.receive()
        return "done"

    with drive(hesitates) as run:
        first = run.execution.state
        assert {} == dict(first.pending)
        assert () == run.execution.outstanding
        run.signal(approval, "yes")
        assert "done" == run.result


def test_the_commands_of_a_turn_leave_out_what_it_took_back_and_keep_the_rest() -> None:
    @workflow
    def hesitates() -> Workflow[str]:
        yield from nudge.receive()
        yield from first_of(charge(1), sleep(HOUR), now())
        yield from reserve("x")
        return "done"

    with drive(hesitates) as run:
        turn = run.signal(nudge)
        assert [
            "ActivityTaskScheduled",
            "TimerStarted",
            "ActivityTaskCancelRequested",
            "TimerCanceled",
            "ActivityTaskScheduled",
        ] == kinds(turn.events)
        assert [turn.events[-1]] == list(turn.commands)
        run.complete("reserve", "r")


def test_an_explicit_and_an_external_request_in_one_turn_ask_the_activity_once() -> None:
    @workflow
    def both() -> Workflow[str]:
        handle: Handle[int] = yield from start(patient(1))

        def on_signal() -> Steps:
            yield from cancel(handle)

        yield from nudge.handle(on_signal)
        try:
            yield from handle
        except CancelledError:
            yield from cancel(handle)
            yield from release("x")
        return "done"

    with drive(both) as run:
        run.turn(signalled(nudge), cancel_asked(), signalled(nudge))
        assert 1 == run.kinds.count("ActivityTaskCancelRequested")
        run.complete("release")
        assert "done" == run.result
