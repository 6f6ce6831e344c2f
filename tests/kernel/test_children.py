"""Child workflows: how they start, end and fail, and what becomes of waiting for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from refold import (
    ApplicationError,
    CancelledError,
    ChildWorkflowCancellationType,
    ChildWorkflowError,
    ChildWorkflowHandle,
    DefinitionError,
    ParentClosePolicy,
    SearchAttributeKey,
    TimeoutError,
    Workflow,
    WorkflowAlreadyStartedError,
    all_of,
    execute_child_workflow,
    external_workflow,
    first_of,
    shield,
    sleep,
    start_child_workflow,
    with_timeout,
    workflow,
)
from refold import events as ev
from refold.failures import failure_of
from refold.messages import (
    CompleteChild,
    FailChild,
    Message,
    ReportCancelDelivered,
    ReportCancelFailed,
    ReportChildCanceled,
    ReportChildStarted,
    ReportChildStartFailed,
    ReportChildTerminated,
    ReportSignalDelivered,
    ReportSignalFailed,
    TimeOutChild,
)
from tests.kernel.driving import Driven, cancel_asked, drive, signalled
from tests.kernel.parts import HOUR, MINUTE, Steps, approval, charge, nudge, number, sub

Type = ChildWorkflowCancellationType


@workflow
def executes(amount: int) -> Workflow[int]:
    return (yield from execute_child_workflow(sub, amount, id="c-1"))


@workflow
def starts(amount: int) -> Workflow[Any]:
    child = yield from start_child_workflow(sub, amount, id="c-1")
    yield from approval.receive()
    return [child.workflow_id, child.run_id, (yield from child), (yield from child)]


# Starting and ending ----------------------------------------------------------------------------------------------------


def test_a_child_is_asked_for_with_its_type_id_input_and_line() -> None:
    with drive(executes, 5) as run:
        (command,) = run.execution.outstanding
        assert isinstance(command, ev.StartChildWorkflowExecutionInitiated)
        assert ("sub", "c-1", [5], None) == (
            command.workflow_type,
            command.workflow_id,
            command.input,
            command.options,
        )
        assert "test_children.py" in command.source
        assert ["child 'sub' 'c-1' (seq 1)"] == run.waits
        run.turn(run.child_started("sub"))
        run.turn(run.child_completed("sub", 7))
        assert 7 == run.result


def test_the_options_of_a_child_that_are_not_the_default_are_recorded() -> None:
    @workflow
    def asks() -> Workflow[None]:
        yield from execute_child_workflow(
            sub,
            1,
            task_queue="slow",
            run_timeout=MINUTE,
            parent_close_policy=ParentClosePolicy.ABANDON,
            search_attributes=[SearchAttributeKey.int("items").value_set(3)],
        )

    with drive(asks) as run:
        assert {
            "task_queue": "slow",
            "run_timeout_us": 60_000_000,
            "parent_close_policy": "ABANDON",
            "search_attributes": {"items": {"type": "INT", "value": 3}},
        } == run.child("sub").options


def test_a_handle_answers_when_the_child_has_started_and_gives_its_result_any_number_of_times() -> None:
    with drive(starts, 5) as run:
        assert ["start of child 'sub' 'c-1' (seq 1)"] == run.waits
        run.turn(run.child_started("sub", "cr-9"))
        assert ["signal 'approval'"] == run.waits
        run.signal(approval, "yes")
        assert ["child 'sub' 'c-1' (seq 1)"] == run.waits
        run.turn(run.child_completed("sub", 7))
        assert ["c-1", "cr-9", 7, 7] == run.result


def test_a_child_that_ended_before_it_was_waited_for_gives_its_result_at_once() -> None:
    with drive(starts, 5) as run:
        run.turn(run.child_started("sub"), run.child_completed("sub", 7))
        assert ["signal 'approval'"] == run.waits
        run.signal(approval, "yes")
        assert ["c-1", "cr-1", 7, 7] == run.result


def test_a_child_without_an_id_gets_one_that_does_not_depend_on_what_was_drawn_before() -> None:
    @workflow
    def makes() -> Workflow[None]:
        yield from all_of(execute_child_workflow(sub, 1), execute_child_workflow(sub, 2))

    with drive(makes) as run, drive(makes) as again, drive(makes, run_id="r-2") as other:
        ids = [run.child("sub", nth).workflow_id for nth in (0, 1)]
        assert 2 == len(set(ids))
        assert ids == [again.child("sub", nth).workflow_id for nth in (0, 1)]
        assert not set(ids) & {other.child("sub", nth).workflow_id for nth in (0, 1)}


def test_a_child_by_name_gives_what_its_result_is_declared_as() -> None:
    @workflow
    def by_name() -> Workflow[Any]:
        plain = yield from execute_child_workflow("elsewhere", 1, "b", id="c-1")
        typed = yield from execute_child_workflow("elsewhere", id="c-2", result_type=tuple[int, ...])
        return [plain, isinstance(typed, tuple)]

    with drive(by_name) as run:
        assert [1, "b"] == run.child("elsewhere").input
        run.turn(run.child_completed("elsewhere", {"a": 1}))
        run.turn(run.child_completed("elsewhere", [1]))
        assert [{"a": 1}, True] == run.result


def test_a_result_of_another_type_is_a_mistake_at_the_line_that_waits() -> None:
    @workflow
    def fussy() -> Workflow[str]:
        child = yield from start_child_workflow("elsewhere", id="c-1", result_type=int)
        said = []
        for _ in range(2):
            try:
                yield from child
            except DefinitionError as error:
                said.append(error.code)
        return ",".join(said)

    with drive(fussy) as run:
        run.turn(run.child_started("elsewhere"))
        run.turn(run.child_completed("elsewhere", "text"))
        assert "RF1302,RF1302" == run.result


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: execute_child_workflow(sub, 1, retries=3), "RF1004: 'retries' is not an option of a child"),
        (lambda: execute_child_workflow(sub, "one"), "RF1302"),
        (lambda: execute_child_workflow(sub), "RF1002"),
        (lambda: start_child_workflow(len, 1), "RF1002: .* is no workflow"),  # type: ignore[call-overload]
        (lambda: execute_child_workflow(sub, 1, id=""), "RF1003"),
    ],
)
def test_a_call_that_cannot_be_is_refused_where_it_is_made(call: Any, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        call()


# Failing ----------------------------------------------------------------------------------------------------------------


@workflow
def tells() -> Workflow[list[Any]]:
    """What an execute and, in turn, a start and a join of a child raise."""
    try:
        yield from execute_child_workflow(sub, 1, id="c-1")
    except ChildWorkflowError as error:
        cause = error.cause
        return [
            type(cause).__name__,
            str(cause),
            error.workflow_id,
            error.run_id,
            getattr(error.retry_state, "value", None),
        ]
    return []


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            lambda seq: FailChild(seq=seq, failure=failure_of(ApplicationError("no")), retry_state="TIMEOUT"),
            ["ApplicationError", "no", "c-1", "cr-1", "TIMEOUT"],
        ),
        (
            lambda seq: ReportChildCanceled(seq=seq, details=["late"]),
            ["CancelledError", "the child workflow was cancelled", "c-1", "cr-1", None],
        ),
        (
            lambda seq: TimeOutChild(seq=seq, retry_state="TIMEOUT"),
            ["TimeoutError", "the child workflow timed out", "c-1", "cr-1", "TIMEOUT"],
        ),
        (
            lambda seq: ReportChildTerminated(seq=seq, reason="enough"),
            ["TerminatedError", "enough", "c-1", "cr-1", None],
        ),
        (
            lambda seq: ReportChildTerminated(seq=seq),
            ["TerminatedError", "the child workflow was terminated", "c-1", "cr-1", None],
        ),
    ],
)
def test_a_child_that_does_not_complete_raises_with_its_cause(message: Any, expected: list[Any]) -> None:
    with drive(tells) as run:
        run.turn(run.child_started("sub"))
        run.turn(message(1))
        assert expected == run.result


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        ("WORKFLOW_ALREADY_EXISTS", ["WorkflowAlreadyStartedError", "workflow id 'c-1' is in use"]),
        ("NAMESPACE_NOT_FOUND", ["ApplicationError", "the child could not be started: NAMESPACE_NOT_FOUND"]),
    ],
)
def test_a_child_that_cannot_be_started_raises_with_its_cause(cause: str, expected: list[Any]) -> None:
    with drive(tells) as run:
        run.turn(ReportChildStartFailed(seq=1, cause=cause))
        assert [*expected, "c-1", "", None] == run.result


def test_the_cause_of_a_failed_child_is_kept_through_the_failure_of_its_parent() -> None:
    with drive(executes, 5) as run:
        inner = ApplicationError("declined", type="CardDeclined")
        run.turn(FailChild(seq=1, failure=failure_of(inner)))
        assert "child_workflow" == run.failure.kind
        assert run.failure.cause is not None
        assert ("application", "CardDeclined") == (run.failure.cause.kind, run.failure.cause.type)


def test_a_failed_child_that_nobody_waits_for_changes_nothing() -> None:
    @workflow
    def careless() -> Workflow[str]:
        yield from start_child_workflow(sub, 1)
        return (yield from approval.receive())

    with drive(careless) as run:
        run.turn(run.child_started("sub"))
        run.turn(FailChild(seq=1, failure=failure_of(ApplicationError("no"))))
        run.signal(approval, "yes")
        assert "yes" == run.result


def test_a_child_that_failed_before_it_was_waited_for_raises_each_time_afresh() -> None:
    @workflow
    def asks_twice() -> Workflow[list[str]]:
        child = yield from start_child_workflow(sub, 1)
        yield from approval.receive()
        errors: list[BaseException] = []
        for _ in range(2):
            try:
                yield from child
            except ChildWorkflowError as error:
                errors.append(error)
        return [str(error.__cause__) for error in errors] if errors[0] is not errors[1] else []

    with drive(asks_twice) as run:
        run.turn(run.child_started("sub"))
        run.turn(FailChild(seq=1, failure=failure_of(ApplicationError("no"))))
        run.signal(approval, "yes")
        assert ["no", "no"] == run.result


def test_of_what_is_asked_in_the_turn_that_closes_the_run_only_what_outlives_it_leaves() -> None:
    @workflow
    def leaves() -> Workflow[None]:
        def handle() -> Steps:
            other = external_workflow("w-2")
            yield from all_of(
                charge(1),
                other.signal(nudge),
                other.cancel(),
                execute_child_workflow(sub, 1, id="kept", parent_close_policy=ParentClosePolicy.ABANDON),
                execute_child_workflow(sub, 2, id="ended"),
                first_of(other.signal(approval, "given up"), number.receive()),
            )

        yield from nudge.handle(handle)
        yield from approval.receive()

    with drive(leaves) as run:
        turn = run.turn(signalled(approval, "done"), signalled(number, 1), signalled(nudge))
        assert isinstance(turn.closed, ev.WorkflowExecutionCompleted)
        assert [
            "SignalExternalWorkflowExecutionInitiated",
            "RequestCancelExternalWorkflowExecutionInitiated",
            "StartChildWorkflowExecutionInitiated",
        ] == [type(command).__name__ for command in turn.commands]
        assert ["kept", "ended"] == [each.workflow_id for each in run.execution.state.orphans]
        assert run.execution.state.orphans == turn.orphans


def test_several_who_wait_for_one_child_are_all_told_in_order() -> None:
    @workflow
    def both() -> Workflow[list[Any]]:
        told: list[Any] = []
        child = yield from start_child_workflow(sub, 1)

        def waits(name: str) -> Steps:
            told.append([name, (yield from child)])

        yield from all_of(waits("a"), waits("b"), child)
        return told

    with drive(both) as run:
        run.turn(run.child_started("sub"))
        run.turn(run.child_completed("sub", 7))
        assert [["a", 7], ["b", 7]] == run.result


def test_a_handle_of_another_run_is_refused() -> None:
    kept: list[ChildWorkflowHandle[int]] = []

    @workflow
    def borrows(how: str) -> Workflow[str]:
        if not kept:
            kept.append((yield from start_child_workflow(sub, 1)))
            yield from sleep(HOUR)
        try:
            if how == "join":
                yield from kept[0]
            elif how == "signal":
                yield from kept[0].signal(nudge)
            else:
                yield from kept[0].cancel()
        except DefinitionError as error:
            return error.code
        return ""

    with drive(borrows, "", recheck=False) as first:
        first.turn(first.child_started("sub"))
        for how in ("join", "signal", "cancel"):
            with drive(borrows, how, recheck=False) as second:
                assert "RF1109" == second.result


# Cancelling -------------------------------------------------------------------------------------------------------------


@workflow
def typed(how: str, to_the_end: bool) -> Workflow[Any]:
    kind = ChildWorkflowCancellationType(how)
    if to_the_end:
        return (yield from execute_child_workflow(sub, 1, id="c-1", cancellation_type=kind))
    child = yield from start_child_workflow(sub, 1, id="c-1", cancellation_type=kind)
    return (yield from child)


def _asked_to_stop(run: Driven) -> list[int]:
    return [
        each.seq
        for each in run.history
        if isinstance(each, ev.RequestCancelExternalWorkflowExecutionInitiated)
    ]


@pytest.mark.parametrize("how", [each.value for each in Type])
@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("to_the_end", [False, True])
def test_a_cancelled_parent_treats_its_child_by_the_cancellation_type(
    how: str, started: bool, to_the_end: bool
) -> None:
    with drive(typed, how, to_the_end) as run:
        if started:
            run.turn(run.child_started("sub"))
        run.cancel()
        assert ([] if how == "ABANDON" else [2]) == _asked_to_stop(run)
        if how in ("ABANDON", "TRY_CANCEL"):
            assert isinstance(run.closed, ev.WorkflowExecutionCanceled)
            return
        run.cancel()  # a second request is not made again
        assert [2] == _asked_to_stop(run)
        if how == "WAIT_CANCELLATION_REQUESTED":
            assert ["cancel request to reach child 'sub' 'c-1' (seq 2)"] == run.waits
            run.turn(ReportCancelDelivered(seq=2))
        else:
            run.turn(ReportCancelDelivered(seq=2))
            run.turn(ReportChildCanceled(seq=1, details=["stopped"]))
        assert isinstance(run.closed, ev.WorkflowExecutionCanceled)


def test_a_child_that_completes_all_the_same_delivers_its_result() -> None:
    with drive(typed, "WAIT_CANCELLATION_COMPLETED", True) as run:
        run.turn(run.child_started("sub"))
        run.cancel()
        run.turn(ReportCancelFailed(seq=2, cause="EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND"))
        run.turn(run.child_completed("sub", 7))
        assert 7 == run.result


def test_a_child_that_fails_while_it_is_asked_to_stop_raises_its_failure() -> None:
    with drive(typed, "WAIT_CANCELLATION_COMPLETED", True) as run:
        run.cancel()
        run.turn(FailChild(seq=1, failure=failure_of(ApplicationError("no"))))
        assert "child_workflow" == run.failure.kind


@pytest.mark.parametrize("how", [each.value for each in Type])
def test_a_cancel_that_comes_with_the_end_of_the_child(how: str) -> None:
    with drive(typed, how, True) as run:
        run.turn(run.child_started("sub"))
        run.turn(cancel_asked(), run.child_completed("sub", 7))
        assert [] == _asked_to_stop(run)
        if how == "WAIT_CANCELLATION_COMPLETED":
            assert 7 == run.result
        else:
            assert isinstance(run.closed, ev.WorkflowExecutionCanceled)


@pytest.mark.parametrize("how", [each.value for each in Type])
def test_a_child_that_is_asked_for_and_given_up_in_one_turn_never_leaves_the_kernel(how: str) -> None:
    with drive(typed, how, True, beside=[cancel_asked()]) as run:
        turn_commands = [type(each).__name__ for each in run.history if not each.external]
        if how == "ABANDON":
            assert "ExternalWorkflowCommandCanceled" not in turn_commands
        else:
            assert "ExternalWorkflowCommandCanceled" in turn_commands
        assert isinstance(run.closed, ev.WorkflowExecutionCanceled)


def test_a_race_takes_back_the_child_that_lost_before_it_left() -> None:
    @workflow
    def races() -> Workflow[str]:
        (index, _) = yield from first_of(execute_child_workflow(sub, 1), approval.receive())
        yield from sleep(HOUR)
        return str(index)

    with drive(races, beside=[signalled(approval, "yes")]) as run:
        assert ["TimerStarted"] == [type(each).__name__ for each in run.execution.outstanding]
        run.fire()
        assert "1" == run.result


def test_a_timeout_asks_the_child_to_stop_and_waits_for_it() -> None:
    @workflow
    def limited() -> Workflow[str]:
        try:
            yield from with_timeout(execute_child_workflow(sub, 1, id="c-1"), HOUR)
        except TimeoutError:
            return "too slow"
        return ""

    with drive(limited) as run:
        run.turn(run.child_started("sub"))
        run.fire()
        assert ["first_of, decided, unwinding: child 'sub' 'c-1' (seq 1)"] == run.waits
        run.turn(ReportChildCanceled(seq=1))
        assert "too slow" == run.result


def test_a_shielded_child_is_not_asked_to_stop() -> None:
    @workflow
    def shielded() -> Workflow[int]:
        return (yield from shield(execute_child_workflow(sub, 1)))

    with drive(shielded) as run:
        run.cancel()
        assert [] == _asked_to_stop(run)
        run.turn(run.child_completed("sub", 7))
        assert 7 == run.result


# The handle's own requests ----------------------------------------------------------------------------------------------


@workflow
def stops(times: int) -> Workflow[list[str]]:
    child = yield from start_child_workflow(sub, 1, id="c-1")
    for _ in range(times):
        yield from child.cancel("enough")
    try:
        yield from child
    except ChildWorkflowError as error:
        return [type(error.cause).__name__]
    yield from child.cancel()
    return []


@pytest.mark.parametrize("times", [1, 2])
def test_a_child_that_its_parent_stops_is_a_failure_of_the_child(times: int) -> None:
    with drive(stops, times) as run:
        run.turn(run.child_started("sub"))
        (request,) = [
            each
            for each in run.execution.outstanding
            if isinstance(each, ev.RequestCancelExternalWorkflowExecutionInitiated)
        ]
        assert ("c-1", "enough", True, 1) == (
            request.workflow_id,
            request.reason,
            request.child_workflow_only,
            request.child_seq,
        )
        assert ["cancel request to reach child 'sub' 'c-1' (seq 2)"] == run.waits
        run.turn(ReportCancelDelivered(seq=2))
        assert [2] == _asked_to_stop(run)
        run.turn(ReportChildCanceled(seq=1))
        assert ["CancelledError"] == run.result


def test_a_child_that_has_ended_is_not_asked_to_stop() -> None:
    with drive(stops, 0) as run:
        run.turn(run.child_started("sub"), run.child_completed("sub", 7))
        assert [] == _asked_to_stop(run)
        assert [] == run.result


def test_who_waits_for_a_cancel_request_to_arrive_may_be_cancelled_too() -> None:
    with drive(stops, 1) as run:
        run.turn(run.child_started("sub"))
        run.cancel()
        assert isinstance(run.closed, ev.WorkflowExecutionCanceled)
        assert [2] == _asked_to_stop(run)


def test_a_cancel_request_to_a_child_is_taken_back_with_the_step_that_made_it() -> None:
    @workflow
    def changes_its_mind() -> Workflow[int]:
        child = yield from start_child_workflow(sub, 1)
        yield from first_of(child.cancel(), nudge.receive())
        yield from child.cancel("again")
        return (yield from child)

    with drive(changes_its_mind, beside=[signalled(nudge)]) as run:
        turn = run.turn(run.child_started("sub"))
        assert [3] == [each.seq for each in turn.commands]
        run.turn(ReportCancelDelivered(seq=3), run.child_completed("sub", 7))
        assert 7 == run.result


@workflow
def passes_on(amount: int) -> Workflow[str]:
    child = yield from start_child_workflow(sub, amount, id="c-1")
    yield from child.signal(approval, "yes")
    yield from child.signal("raw")
    return "sent"


def test_a_child_is_signalled_through_its_handle() -> None:
    with drive(passes_on, 1) as run:
        run.turn(run.child_started("sub"))
        sent = run.execution.outstanding[-1]
        assert isinstance(sent, ev.SignalExternalWorkflowExecutionInitiated)
        assert ("c-1", "approval", ["yes"], True, 1) == (
            sent.workflow_id,
            sent.signal_name,
            sent.input,
            sent.child_workflow_only,
            sent.child_seq,
        )
        assert ["signal 'approval' to reach workflow 'c-1' (seq 2)"] == run.waits
        run.turn(ReportSignalDelivered(seq=2))
        run.turn(ReportSignalDelivered(seq=3))
        assert "sent" == run.result


def test_a_signal_to_a_child_that_has_ended_fails() -> None:
    with drive(passes_on, 1) as run:
        run.turn(run.child_started("sub"))
        run.turn(
            run.child_completed("sub", 1),
            ReportSignalFailed(seq=2, cause="EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND"),
        )
        assert ("external_workflow", "EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND") == (
            run.failure.kind,
            run.failure.type,
        )


# Hazards ----------------------------------------------------------------------------------------------------------------


def test_hazard_30_start_and_result_of_a_child_are_told_in_order_also_in_one_turn() -> None:
    @workflow
    def ordered() -> Workflow[list[str]]:
        told: list[str] = []
        child = yield from start_child_workflow(sub, 1)
        told.append(f"started {child.run_id}")
        told.append(f"result {(yield from child)}")
        return told

    orders: list[list[Message]] = [
        [ReportChildStarted(seq=1, run_id="cr-1"), CompleteChild(seq=1, result=7)],
        [CompleteChild(seq=1, result=7), ReportChildStarted(seq=1, run_id="cr-1")],
        [CompleteChild(seq=1, result=7)],
    ]
    for messages, run_id in zip(orders, ("cr-1", "cr-1", ""), strict=True):
        with drive(ordered) as run:
            run.turn(*messages)
            assert [f"started {run_id}", "result 7"] == run.result


def test_hazard_30_a_failed_start_settles_start_and_result() -> None:
    @workflow
    def tries() -> Workflow[list[str]]:
        failed: list[str] = []
        for call in (start_child_workflow, execute_child_workflow):
            try:
                yield from call(sub, 1, id="c-1")
            except ChildWorkflowError as error:
                if isinstance(error.cause, WorkflowAlreadyStartedError):
                    failed.append(error.cause.workflow_id)
        return failed

    with drive(tries) as run:
        run.turn(ReportChildStartFailed(seq=1, cause="WORKFLOW_ALREADY_EXISTS"))
        run.turn(ReportChildStartFailed(seq=2, cause="WORKFLOW_ALREADY_EXISTS"))
        assert ["c-1", "c-1"] == run.result
        assert {} == dict(run.execution.state.pending)


@pytest.mark.parametrize("how", ["ABANDON", "TRY_CANCEL", "WAIT_CANCELLATION_REQUESTED"])
@pytest.mark.parametrize(
    "late",
    [
        CompleteChild(seq=1),
        FailChild(seq=1, failure=failure_of(ApplicationError("no"))),
        ReportChildCanceled(seq=1),
        TimeOutChild(seq=1),
        ReportChildTerminated(seq=1),
        ReportChildStartFailed(seq=1, cause="x"),
    ],
    ids=lambda message: type(message).__name__,
)
def test_hazard_31_what_an_abandoned_child_does_later_is_recorded_and_ignored(
    how: str, late: Message
) -> None:
    @workflow
    def goes_on() -> Workflow[str]:
        kind = ChildWorkflowCancellationType(how)
        try:
            yield from execute_child_workflow(sub, 1, cancellation_type=kind)
        except CancelledError:
            yield from approval.receive()
        return "done"

    with drive(goes_on) as run:
        run.cancel()
        if how != "ABANDON":
            run.turn(ReportCancelDelivered(seq=2))
        before = len(run.history)
        run.turn(late)
        assert before < len(run.history)
        assert {} == dict(run.execution.state.pending)
        run.signal(approval, "yes")
        assert "done" == run.result


@pytest.mark.parametrize(
    ("type_", "plain", "value"),
    [
        (tuple[int, ...], [1, 2], (1, 2)),
        (datetime, "2026-03-01T00:00:00+00:00", datetime(2026, 3, 1, tzinfo=UTC)),
        (timedelta, 5, timedelta(microseconds=5)),
        (Decimal, "1.50", Decimal("1.50")),
        (ParentClosePolicy, "ABANDON", ParentClosePolicy.ABANDON),
        (type(None), None, None),
        (bytes, "AA==", b"\x00"),
    ],
)
def test_hazard_48_the_result_of_a_child_has_its_type_live_and_on_replay(
    type_: Any, plain: Any, value: Any
) -> None:
    seen: list[Any] = []

    @workflow
    def looks() -> Workflow[None]:
        child = yield from start_child_workflow("elsewhere", id="c-1", result_type=type_)
        seen.append((yield from child))
        yield from approval.receive()
        seen.append((yield from child))
        yield from nudge.receive()

    with drive(looks, recheck=False) as run:
        run.turn(run.child_started("elsewhere"), run.child_completed("elsewhere", plain))
        run.signal(approval, "go")
        run.execution.load(looks, run.history).close()
        assert [(type(value), value)] * 4 == [(type(each), each) for each in seen]
