"""The order workflow: validate, reserve and pay side by side, ask for approval, ship; undo what was done if any of it fails.

One rule, the one that makes a saga hold under crashes: how to undo a step is remembered *before* the step is tried.  A step
that failed, was cancelled or died with its worker may have had its effect all the same, and only the outside knows.
So the undo steps say "whatever there is of this order", and they may be run when there is nothing.
"""

from __future__ import annotations

from datetime import timedelta

from examples.orders.activities import (
    refund_payment,
    release_stock,
    reserve_stock,
    ship_order,
    take_payment,
    validate_order,
)
from examples.orders.model import Approval, Order, Receipt, Stage
from refold import (
    ActivityError,
    ApplicationError,
    CancelledError,
    Query,
    Saga,
    Signal,
    Workflow,
    all_of,
    first_of,
    log,
    shield,
    sleep,
    workflow,
)

approval = Signal("approval", Approval)
status = Query("status", Stage)


@workflow
def process_order(order: Order) -> Workflow[Receipt]:
    """Process one order to its end: a receipt, or a failure after which nothing is charged and nothing held."""
    stage = Stage.VALIDATING
    yield from status.answer(lambda: stage)
    validation = yield from validate_order(order)
    if validation.reason is not None:
        stage = Stage.REJECTED
        raise ApplicationError(validation.reason, type="Invalid", non_retryable=True)

    saga = Saga()
    try:
        stage = Stage.RESERVING
        yield from saga.do(log("reserving stock"), undo=lambda _: release_stock(order))
        yield from saga.do(log("taking payment"), undo=lambda _: refund_payment(order))
        _, payment = yield from all_of(reserve_stock(order), take_payment(order))

        if validation.needs_approval:
            stage = Stage.AWAITING_APPROVAL
            yield from await_approval(order.approval_window)

        # A parcel that is being handed over cannot be called back, so a cancellation that comes now comes too late.
        stage = Stage.SHIPPING
        shipment = yield from shield(ship_order(order))
    except (ActivityError, ApplicationError, CancelledError):
        stage = Stage.COMPENSATING
        yield from saga.compensate()
        stage = Stage.COMPENSATED
        raise

    stage = Stage.COMPLETED
    return Receipt(order.order_id, payment.amount, shipment.tracking_number)


def await_approval(window: timedelta) -> Workflow[None]:
    """Return once a person has approved; raise if one declined, or if nobody answered in time."""
    match (yield from first_of(approval.receive(), sleep(window))):
        case (0, Approval(approved=True)):
            return
        case (0, Approval(approver=approver, comment=comment)):
            raise ApplicationError(f"{approver} declined: {comment}", type="NotApproved", non_retryable=True)
        case _:
            raise ApplicationError(f"no answer within {window}", type="ApprovalTimedOut", non_retryable=True)
