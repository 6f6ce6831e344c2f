"""The values of the order example: what is passed to and from the workflow and its activities.

One rule: plain data, nothing that acts.  Everything here can be stored as it is.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from enum import Enum

import attrs

#: Orders above this amount need a person's approval.
APPROVAL_LIMIT = Decimal("1000.00")

#: Units of each article at the start of the day.
STOCK: dict[str, int] = {
    "teapot": 5_000,
    "kettle": 5_000,
    "mug": 20_000,
    "tea, green": 20_000,
    "tea, smoked": 20_000,
    "filter 1/4": 20_000,
    "lamp": 2_000,
    "desk": 1_000,
    "espresso machine": 500,
    "server rack": 100,
    # A small edition: more is ordered than there is, and who gets one depends on who comes first.
    "signed print": 4,
    # Sold out.
    "cuckoo clock": 0,
}


class Stage(str, Enum):
    """Where an order stands; the answer of the ``status`` query."""

    VALIDATING = "validating"
    RESERVING = "reserving stock and taking payment"
    AWAITING_APPROVAL = "awaiting approval"
    SHIPPING = "shipping"
    COMPENSATING = "compensating"
    COMPENSATED = "compensated"
    REJECTED = "rejected"
    COMPLETED = "completed"


@attrs.frozen(kw_only=True)
class Order:
    """One order: one article, some units of it."""

    order_id: str
    customer: str
    address: str
    item: str
    quantity: int
    unit_price: Decimal
    #: What the payment provider knows the card by.
    card: str
    #: How long the shop waits for an approval, where one is needed.
    approval_window: timedelta = timedelta(days=1)

    @property
    def total(self) -> Decimal:
        """What the customer pays."""
        return self.quantity * self.unit_price


@attrs.frozen
class Validation:
    """Whether an order can be processed at all; ``reason`` says why not."""

    reason: str | None
    needs_approval: bool = False


@attrs.frozen
class Reservation:
    """Units set aside for an order."""

    item: str
    quantity: int


@attrs.frozen
class Payment:
    """A charge, as the payment provider confirmed it."""

    charge_id: str
    amount: Decimal


@attrs.frozen
class Approval:
    """A person's answer; the payload of the ``approval`` signal."""

    approved: bool
    approver: str
    comment: str = ""


@attrs.frozen
class Shipment:
    """A parcel on its way."""

    tracking_number: str


@attrs.frozen
class Receipt:
    """What the customer gets when all went well."""

    order_id: str
    charged: Decimal
    tracking_number: str
