"""Compares what refold says of the orders with what the ledger says, and names every way in which they disagree.

One rule: it is a pure function over plain records, so that each violation can be planted in a test and must be found.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import attrs

from examples.orders.ledger import Entry, Kind, Try
from examples.orders.model import Order

#: How a run may end, in Temporal's words.
TERMINAL = frozenset({"COMPLETED", "FAILED", "CANCELED", "TERMINATED", "TIMED_OUT"})

#: What the shop promises, and the violations that would break it.
PROMISES: dict[str, frozenset[str]] = {
    "no order is lost": frozenset({"lost order", "no outcome"}),
    "every order has exactly one outcome": frozenset({"two outcomes", "unknown order"}),
    "no idempotency key was used twice": frozenset({"key used twice", "unasked effect"}),
    "every completed order was charged once and shipped once": frozenset(
        {"wrong charge", "wrong shipment", "wrong stock"}
    ),
    "every other order was undone: nothing charged, nothing held, nothing shipped": frozenset(
        {"money kept", "stock not given back", "shipped in vain", "invalid order acted upon"}
    ),
    "nothing was sold that was not there": frozenset({"oversold"}),
}


@attrs.frozen
class Outcome:
    """One run of one order, as refold tells it."""

    order_id: str
    status: str
    #: Why, where it did not complete: the failure's type and message.
    type: str = ""
    message: str = ""


@attrs.frozen
class Violation:
    """A promise that was not kept; ``order_id`` is empty where it concerns no single order."""

    rule: str
    order_id: str
    text: str


def audit(
    orders: Mapping[str, Order],
    outcomes: Sequence[Outcome],
    entries: Sequence[Entry],
    tries: Sequence[Try],
    stock: Mapping[str, int],
) -> list[Violation]:
    """All violations, by order; an empty list is the proof."""
    of_order: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        of_order[outcome.order_id].append(outcome)
    booked: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        booked[entry.order_id].append(entry)
    found: list[Violation] = []
    for order_id, order in orders.items():
        found += _one_outcome(order_id, of_order[order_id])
        if len(of_order[order_id]) == 1:
            found += _outcome_fits(order, of_order[order_id][0], booked[order_id])
    for stranger in sorted((of_order.keys() | booked.keys()) - orders.keys()):
        found.append(Violation("unknown order", stranger, "nobody started this order"))
    found += _keys(entries, tries)
    found += _stock(entries, stock)
    return found


def absorbed(tries: Sequence[Try]) -> tuple[int, int]:
    """How many effects were asked for more than once, and how many of them by more than one process.

    Without their key they would have happened twice; the second number is the work of the kills.
    """
    processes: dict[tuple[Kind, str], list[int]] = defaultdict(list)
    for one in tries:
        processes[one.kind, one.key].append(one.process)
    repeated = [asked for asked in processes.values() if len(asked) > 1]
    return len(repeated), sum(1 for asked in repeated if len(set(asked)) > 1)


def _one_outcome(order_id: str, outcomes: Sequence[Outcome]) -> Iterator[Violation]:
    if not outcomes:
        yield Violation("lost order", order_id, "it was accepted, and there is no run of it")
    elif len(outcomes) > 1:
        yield Violation(
            "two outcomes", order_id, f"it ended {len(outcomes)} times: {[o.status for o in outcomes]}"
        )
    elif outcomes[0].status not in TERMINAL:
        yield Violation("no outcome", order_id, f"it is still {outcomes[0].status}")


def _outcome_fits(order: Order, outcome: Outcome, entries: Sequence[Entry]) -> Iterator[Violation]:
    def units(kind: Kind) -> int:
        return sum(e.quantity for e in entries if e.kind == kind)

    def money(kind: Kind) -> Decimal:
        return sum((e.amount for e in entries if e.kind == kind), Decimal(0))

    shipped = sum(1 for e in entries if e.kind == "ship")
    net, held = money("charge") - money("refund"), units("reserve") - units("release")
    if outcome.status == "COMPLETED":
        charges = sum(1 for e in entries if e.kind == "charge")
        if charges != 1 or net != order.total:
            text = f"completed with {charges} charges, {net} net, instead of one of {order.total}"
            yield Violation("wrong charge", order.order_id, text)
        if shipped != 1 or units("ship") != order.quantity:
            text = (
                f"completed with {shipped} parcels, {units('ship')} units, instead of one of {order.quantity}"
            )
            yield Violation("wrong shipment", order.order_id, text)
        if held != order.quantity:
            text = f"completed with {held} units taken from stock instead of {order.quantity}"
            yield Violation("wrong stock", order.order_id, text)
        return
    if net != 0:
        yield Violation("money kept", order.order_id, f"{outcome.status}, and {net} is still charged")
    if held != 0:
        yield Violation(
            "stock not given back", order.order_id, f"{outcome.status}, and {held} units are still held"
        )
    if shipped:
        yield Violation(
            "shipped in vain", order.order_id, f"{outcome.status}, and it was shipped {shipped} times"
        )
    if outcome.type == "Invalid" and entries:
        yield Violation("invalid order acted upon", order.order_id, f"{[e.kind for e in entries]}")


def _keys(entries: Sequence[Entry], tries: Sequence[Try]) -> Iterator[Violation]:
    asked = {(t.kind, t.key) for t in tries}
    for (kind, key), count in Counter((e.kind, e.key) for e in entries).items():
        if count > 1:
            order_id = next(e.order_id for e in entries if (e.kind, e.key) == (kind, key))
            yield Violation("key used twice", order_id, f"{count} entries of kind {kind} have the key {key}")
        if (kind, key) not in asked:
            order_id = next(e.order_id for e in entries if (e.kind, e.key) == (kind, key))
            yield Violation("unasked effect", order_id, f"a {kind} that nobody asked for, with the key {key}")


def _stock(entries: Sequence[Entry], stock: Mapping[str, int]) -> Iterator[Violation]:
    left = dict(stock)
    for entry in entries:
        if entry.kind in ("reserve", "release"):
            change = entry.quantity if entry.kind == "release" else -entry.quantity
            left[entry.item] = left.get(entry.item, 0) + change
            if left[entry.item] < 0:
                yield Violation(
                    "oversold", entry.order_id, f"{-left[entry.item]} more {entry.item!r} than there are"
                )
