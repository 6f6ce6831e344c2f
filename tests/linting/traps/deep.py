"""Mistakes two calls away from the workflow, and more: in this file, in modules beside it, in packages, in classes and in what is handed on."""

from __future__ import annotations

import shop
import shop.stamps as stamps
from helpers import Courier, checked
from helpers import paid_steps as paid
from shop import reexported
from shop.parcels import Parcel, packed

from refold import Workflow, workflow


@workflow
def near(order: str) -> Workflow[None]:
    yield from outer(order)


def outer(order: str) -> Workflow[None]:
    yield from inner(order)


def inner(order: str) -> Workflow[None]:
    innermost(order)
    yield from paid(order)


def innermost(order: str) -> int:
    return id(order)  # trap: RFL104


@workflow
def far(order: str, courier: Courier, parcel: Parcel) -> Workflow[None]:
    checked(order)
    courier.send(order)
    Courier("x").send(order)
    made = yield from packed(order)
    made.weigh()
    parcel.label.print()
    shop.parcels.labelled(order)
    reexported(order)
    stamps.stamped(order)
    with Courier("y"):
        yield from paid(order)
    sorted([parcel], key=stamps.by_time)


@workflow
def looping(order: str) -> Workflow[None]:
    yield from even(order)


def even(order: str) -> Workflow[None]:
    yield from odd(order)


def odd(order: str) -> Workflow[None]:
    yield from even(order)
    print("odd")  # trap: RFL204
