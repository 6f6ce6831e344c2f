"""Sample workflows that deal with other runs and with the run that follows; ``samples`` has them beside its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refold import (
    ApplicationError,
    ChildWorkflowCancellationType,
    ChildWorkflowError,
    ExternalWorkflowError,
    ParentClosePolicy,
    RetryPolicy,
    SearchAttributeKey,
    Workflow,
    WorkflowDefinition,
    all_of,
    all_settled,
    continue_as_new,
    execute_child_workflow,
    external_workflow,
    first_of,
    info,
    sleep,
    start_child_workflow,
    upsert_memo,
    upsert_search_attributes,
    workflow,
)
from refold import events as ev
from refold.failures import failure_of
from refold.messages import (
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
from tests.kernel.driving import Driven, cancel_asked, signalled
from tests.kernel.parts import MINUTE, approval, charge, nudge, number, sub

customer = SearchAttributeKey.keyword("customer")
UNKNOWN = "EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND"


# A family: children that end in every way ---------------------------------------------------------------------------------


@workflow
def raising(names: list[str]) -> Workflow[list[str]]:
    told: list[str] = []
    eldest = yield from start_child_workflow(
        sub, 1, id="eldest", retry_policy=RetryPolicy(maximum_attempts=2), memo={"rank": 1}
    )
    yield from eldest.signal(approval, "go")
    outcomes = yield from all_settled(
        *[execute_child_workflow("elsewhere", name, id=name, run_timeout=MINUTE) for name in names]
    )
    for outcome in outcomes:
        error = outcome.error
        cause = error.cause if isinstance(error, ChildWorkflowError) else None
        told.append(str(outcome.value) if error is None else type(cause).__name__)
    yield from first_of(execute_child_workflow(sub, 2, id="stillborn"), nudge.receive())
    yield from eldest.cancel("enough")
    told.append(str((yield from eldest)))
    return told


def family_raised(run: Driven) -> None:
    run.turn(run.child_started("sub"))
    run.turn(ReportSignalDelivered(seq=2, run_id="cr-1"))
    endings: list[Message] = [
        ReportChildStartFailed(seq=3, cause="WORKFLOW_ALREADY_EXISTS"),
        FailChild(seq=4, failure=failure_of(ApplicationError("no", type="Refused"))),
        ReportChildCanceled(seq=5, details=["late"]),
        TimeOutChild(seq=6),
        ReportChildTerminated(seq=7, reason="enough"),
    ]
    run.turn(*[ReportChildStarted(seq=seq, run_id=f"cr-{seq}") for seq in (4, 5, 6)])
    run.signal(nudge)
    run.turn(*endings)
    run.turn(ReportCancelDelivered(seq=run.history[-1].seq))  # type: ignore[attr-defined]
    run.turn(run.child_completed("sub", 7))


def family_cancelled(run: Driven) -> None:
    run.turn(run.child_started("sub"))
    run.turn(ReportSignalFailed(seq=2, cause=UNKNOWN))


# Neighbours: other runs, and a cancelled parent ---------------------------------------------------------------------------


@workflow
def calling(other: str) -> Workflow[str]:
    told = ""
    try:
        yield from all_of(external_workflow(other).signal(approval, "yes"), external_workflow(other).cancel())
        yield from external_workflow(other, "r-9").signal("raw")
    except ExternalWorkflowError as error:
        told = error.reason
    yield from first_of(external_workflow(other).signal(nudge), nudge.receive())
    kinds = ChildWorkflowCancellationType
    yield from all_of(
        execute_child_workflow(sub, 1, id="tried", cancellation_type=kinds.TRY_CANCEL),
        execute_child_workflow(sub, 2, id="asked", cancellation_type=kinds.WAIT_CANCELLATION_REQUESTED),
        execute_child_workflow(sub, 3, id="awaited"),
        execute_child_workflow(
            sub,
            4,
            id="left",
            cancellation_type=kinds.ABANDON,
            parent_close_policy=ParentClosePolicy.ABANDON,
        ),
    )
    return told


def calls_cancelled(run: Driven) -> None:
    run.turn(ReportSignalDelivered(seq=1), ReportCancelDelivered(seq=2))
    run.turn(ReportSignalFailed(seq=3, cause=UNKNOWN), signalled(nudge))
    run.turn(run.child_started("sub"))
    run.cancel()
    requests = [
        each.seq
        for each in run.execution.outstanding
        if isinstance(each, ev.RequestCancelExternalWorkflowExecutionInitiated)
    ]
    run.turn(*[ReportCancelDelivered(seq=seq) for seq in requests[:2]])
    run.turn(*[ReportCancelFailed(seq=seq, cause=UNKNOWN) for seq in requests[2:]])
    run.turn(ReportChildCanceled(seq=run.child("sub", 2).seq))


# An account that goes on as a new run, and one that is tried again ----------------------------------------------------------


@workflow
def accounting(total: int) -> Workflow[int]:
    yield from upsert_memo({"total": total, "old": None})
    yield from upsert_search_attributes(customer.value_set(f"c-{total}"))
    while True:
        more = yield from number.receive()
        if more < 0:
            raise ApplicationError("overdrawn", type="Overdrawn")
        total += more
        if total >= 10 or (yield from info()).continue_as_new_suggested:
            try:
                yield from continue_as_new(total, run_timeout=MINUTE)
            finally:
                yield from charge(total)


def account_continued(run: Driven) -> None:
    run.signal(number, 4)
    run.turn(signalled(number, 7), signalled(approval, "unread"), signalled(number, 1))
    run.complete("charge", 11)


def account_overdrawn(run: Driven) -> None:
    run.turn(signalled(number, -1), signalled(nudge))


def account_grown(run: Driven) -> None:
    run.signal(number, 1)
    run.history_bytes = 10**9
    run.signal(number, 2)
    run.complete("charge", 3)


# A nap that is cancelled while it continues ---------------------------------------------------------------------------------


@workflow
def napping() -> Workflow[None]:
    try:
        yield from sleep(MINUTE)
    finally:
        yield from continue_as_new(workflow="elsewhere", backoff_start_interval=MINUTE)


def nap_ended(run: Driven) -> None:
    run.turn(cancel_asked(reason="wake up"))


OTHERS: dict[str, tuple[WorkflowDefinition[..., Any], tuple[object, ...], Callable[[Driven], None]]] = {
    "a family that is raised": (raising, (["a", "b", "c", "d", "e"],), family_raised),
    "a family that fails early": (raising, (["a"],), family_cancelled),
    "calls that are cancelled": (calling, ("w-2",), calls_cancelled),
    "an account that continues": (accounting, (0,), account_continued),
    "an account that is overdrawn": (accounting, (0,), account_overdrawn),
    "an account whose history grows large": (accounting, (0,), account_grown),
    "a nap that continues elsewhere": (napping, (), nap_ended),
}
