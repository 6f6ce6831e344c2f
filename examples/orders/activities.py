"""What the order workflow does to the world, as activities.

One rule: each effect goes to the ledger under the activity's idempotency key, which stays the same over attempts, worker crashes
and replays.  An activity may run twice; its effect may not.

The functions know nothing of workflows.  Before any of them runs, ``connect`` says which ledger is theirs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import attrs

from examples.orders.ledger import Caller, Entry, Ledger, Refused
from examples.orders.model import APPROVAL_LIMIT, STOCK, Order, Payment, Reservation, Shipment, Validation
from refold import Activity, ApplicationError, RetryPolicy, activity
from refold_adapters import activity_context

#: Nobody buys more than this at once; more is a slip of the finger.
QUANTITY_MAX = 1_000

_RETRIES = RetryPolicy(
    initial_interval=timedelta(milliseconds=100),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=2),
)


@attrs.define(eq=False)
class _World:
    """What the activities of this process are connected to."""

    ledger: Ledger | None = None
    latency: Callable[[], None] | None = None


_world = _World()


def connect(ledger: Ledger | None, *, latency: Callable[[], None] | None = None) -> None:
    """Use this ledger from now on (``None``: none); ``latency`` is called on each way of a request, to take its time."""
    _world.ledger = ledger
    _world.latency = latency


@activity(start_to_close_timeout=timedelta(seconds=30), retry_policy=RetryPolicy(maximum_attempts=3))
def validate_order(order: Order) -> Validation:
    """Say whether an order makes sense, and whether a person must approve it."""
    _wait()
    if order.item not in STOCK:
        return Validation(f"no such article: {order.item!r}")
    if order.quantity <= 0:
        return Validation(f"the quantity is {order.quantity}")
    if order.quantity > QUANTITY_MAX:
        return Validation(f"the quantity {order.quantity} is beyond the limit of {QUANTITY_MAX}")
    if order.unit_price <= 0:
        return Validation(f"the price is {order.unit_price}")
    return Validation(None, needs_approval=order.total > APPROVAL_LIMIT)


@activity(retry_policy=_RETRIES)
def reserve_stock(order: Order) -> Reservation:
    """Set the units of an order aside."""
    with _asking() as (ledger, caller):
        entry = ledger.reserve(caller, order.order_id, order.item, order.quantity)
    return Reservation(entry.item, entry.quantity)


@activity(retry_policy=_RETRIES)
def release_stock(order: Order) -> None:
    """Put back what is set aside for an order, if anything is."""
    with _asking() as (ledger, caller):
        ledger.release(caller, order.order_id)


@activity(retry_policy=_RETRIES)
def take_payment(order: Order) -> Payment:
    """Charge the card of an order."""
    with _asking() as (ledger, caller):
        if order.card == "tok_declined":
            raise Refused("PaymentDeclined", "the bank declined the card")
        if order.card == "tok_expired":
            raise Refused("PaymentDeclined", "the card has expired")
        if order.card == "tok_flaky" and caller.attempt < 3:
            raise ConnectionError("the payment provider did not answer")
        entry: Entry = ledger.charge(caller, order.order_id, order.total.quantize(Decimal("0.01")))
        if order.card == "tok_lost_reply" and caller.attempt < 2:
            raise ConnectionError("the payment provider's answer was lost on its way")
    return Payment(f"ch-{entry.number:05}", entry.amount)


@activity(retry_policy=_RETRIES)
def refund_payment(order: Order) -> None:
    """Give back what was charged for an order, if anything was."""
    with _asking() as (ledger, caller):
        ledger.refund(caller, order.order_id)


@activity(retry_policy=_RETRIES)
def ship_order(order: Order) -> Shipment:
    """Hand an order's parcel to the carrier; it is tried until the carrier takes it or says that it never will."""
    with _asking() as (ledger, caller):
        if "bouvet island" in order.address.casefold():
            raise Refused("Undeliverable", "the carrier does not go to Bouvet Island")
        entry = ledger.ship(caller, order.order_id)
    return Shipment(f"TRK{entry.number:07}")


ACTIVITIES: Sequence[Activity[..., Any]] = [
    validate_order,
    reserve_stock,
    release_stock,
    take_payment,
    refund_payment,
    ship_order,
]


@contextmanager
def _asking() -> Generator[tuple[Ledger, Caller], None, None]:
    """A request to the world, which takes its time both ways; a refusal is an answer, so it is not tried again."""
    if _world.ledger is None:
        raise ApplicationError("the activities have no ledger", type="NotConnected")
    info = activity_context().info
    _wait()
    try:
        yield _world.ledger, Caller(key=info.idempotency_key, attempt=info.attempt, process=os.getpid())
    except Refused as refusal:
        raise ApplicationError(str(refusal), type=refusal.type, non_retryable=True) from refusal
    _wait()


def _wait() -> None:
    if _world.latency is not None:
        _world.latency()
