"""Workflows of which nothing must be said: what only looks like a mistake."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import logging
import os
import random as chance
import socket
import subprocess
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import refold
from refold import (
    ActivityError,
    ApplicationError,
    CancelledError,
    Query,
    Saga,
    Signal,
    Update,
    Workflow,
    activity,
    all_of,
    any_of,
    cancel,
    first_of,
    info,
    log,
    now,
    random,
    shield,
    side_effect,
    sleep,
    start,
    start_child_workflow,
    uuid4,
    wait_until,
    with_timeout,
    workflow,
)

if TYPE_CHECKING:
    from concurrent.futures import Future

logger = logging.getLogger(__name__)
approval = Signal("approval", bool)
status = Query("status", str)
price = Update("price", int, result_type=int)
STARTED = time.time()
HOME = os.environ.get("HOME", "/")
RATES = {"EUR": 1.0, "USD": 1.1}
LIMITS = [10, 20]
COLOURS = {"red", "green"}
jobs: deque[str] = deque()
_cache: dict[str, int] = {}


@activity
def charge(order: str) -> str:
    logger.info("charging %s", order)
    _cache[order] = int(time.time())
    with open("/dev/null") as file:
        file.read()
    return str(uuid.uuid4())


@activity(start_to_close_timeout=timedelta(seconds=1))
async def refund(order: str) -> str:
    await asyncio.sleep(1)
    print(os.getpid(), id(order))
    return str(chance.random())


def not_of_a_workflow() -> None:
    global STARTED_AGAIN
    STARTED_AGAIN = time.time()
    jobs.append("x")
    threading.Thread(target=print).start()


class Colour(Enum):
    RED = 1


@dataclass
class Cart:
    order: str
    made: datetime.datetime | None = None
    lines: list[str] = field(default_factory=list)
    id: int = 0

    def open(self) -> None:
        self.lines.append("open")

    def print(self) -> str:
        return json.dumps(self.lines)

    def hash(self) -> int:
        return self.id


@workflow
def time_and_chance(order: str) -> Workflow[float]:
    at = yield from now()
    later = at + timedelta(days=1)
    dice = yield from random()
    key = yield from uuid4()
    stamp = yield from side_effect(lambda: time.time())
    host = yield from side_effect(socket.gethostname)
    seeded = chance.Random(7)
    seeded.shuffle([1, 2])
    time.strftime("%Y", (2026, 1, 1, 0, 0, 0, 0, 0, 0))
    time.gmtime(0)
    datetime.datetime.fromisoformat("2026-01-01")
    datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc).date()
    date(2026, 1, 1)
    uuid.UUID(int=1)
    uuid.uuid5(uuid.NAMESPACE_DNS, order)
    yield from sleep(later - at)
    yield from refold.sleep(timedelta(seconds=1))
    return dice.random() + stamp + key.int + len(host)


@workflow
def names(order: str, time: float, open: bool, id: str, cart: Cart) -> Workflow[str]:
    print = cart.print
    if open:
        cart.open()
    cart.hash()
    hash = cart.id
    path = PurePosixPath("a") / "b"
    os.path.join("a", "b")
    Path("a").with_suffix(".txt").name
    isinstance(order, threading.Thread)
    try:
        yield from charge(order)
    except subprocess.CalledProcessError:
        raise
    except (OSError, socket.timeout, asyncio.TimeoutError):
        yield from charge(id)
    yield from log(f"{order} {time} {hash}", cart=print())
    return str(path)


@workflow
def sets(order: str, tags: set[str]) -> Workflow[int]:
    for tag in sorted(tags):
        yield from charge(tag)
    if "vip" in tags and len(tags) > 1 and tags <= COLOURS and not tags.isdisjoint(COLOURS):
        tags.add("seen")
        tags.discard("new")
    if any(tag.startswith("a") for tag in tags) or all(tags) or max(tags) == "z":
        yield from charge("any")
    others = {tag.upper() for tag in tags} | {"b"}
    total = sum(len(tag) for tag in others)
    ordered = sorted(tag for tag in tags if tag)
    for each in ordered:
        yield from charge(each)
    names = set(ordered)
    names = sorted(names)
    for name in names:
        yield from charge(name)
    rates = {"EUR": 1.0}
    for currency, rate in rates.items():
        total += int(rate)
        yield from charge(currency)
    for key in rates.keys():
        yield from charge(key)
    {key: 1 for key in rates}
    waiting = ["x"]
    waiting.pop()
    rates.pop("EUR")
    left = 7 - total
    for number in range(left):
        total += number
    yield from all_of(*(charge(tag) for tag in sorted(others)))
    yield from all_of(*[charge(name) for name in ordered])
    return total


@workflow
def variables(order: str) -> Workflow[float]:
    cache: dict[str, int] = {}
    cache[order] = 1
    cache.update({order: 2})
    counts = Counter([order])
    counts[order] += 1
    cart = Cart(order)
    cart.lines.append("tea")
    cart.made = yield from now()

    def note(line: str) -> None:
        nonlocal order
        order = line
        cart.lines.append(line)

    note("x")
    note.__name__
    yield from charge(str(LIMITS[0]))
    return RATES["EUR"] + STARTED + len(COLOURS) + len(HOME) + Colour.RED.value


@workflow
def effects(order: str) -> Workflow[str]:
    step = charge(order)
    yield from step
    steps = [charge(each) for each in ("a", "b")]
    steps.append(charge("c"))
    yield from all_of(*steps)
    yield from all_of(charge(order), refund(order), helper(order))
    yield from first_of(approval.receive(), sleep(timedelta(days=1)))
    yield charge(order)
    handle = yield from start(helper(order))
    yield from cancel(handle)
    saga = Saga()
    saga.add(lambda: refund(order))
    yield from saga.do(charge(order), undo=lambda _: refund(order))
    yield from saga.compensate()
    yield from with_timeout(shield(charge(order)), timedelta(seconds=1))
    yield from any_of(*map(charge, ["a", "b"]))
    yield from charge.options(at_most_once=True)(order)
    yield from (plan(order) if order else charge(order))
    timer = sleep(timedelta(seconds=1)) if order else None
    if timer is not None:
        yield from timer
    chosen = charge(order) if order else refund(order)
    answer = yield from chosen
    for part in chunks([1, 2, 3]):
        yield from charge(str(part))
    list(chunks([1]))
    deadline = (yield from now()) + timedelta(days=1)
    if (yield from now()) > deadline or (yield from info()).cancel_requested:
        return answer
    child = yield from start_child_workflow(sets, order, set(), id="child")
    yield from child
    with section("a"):
        yield from charge(order)
    return (yield from plan(order))


def plan(order: str) -> refold.Effect[str]:
    return charge(order)


def helper(order: str) -> Workflow[str]:
    """A step for others to yield."""
    result = yield from charge(order)
    return result


def chunks(items: list[int]) -> Iterator[list[int]]:
    for item in items:
        yield [item]


@contextmanager
def section(name: str) -> Iterator[str]:
    try:
        yield name
    finally:
        name = ""


@workflow
def stopping(order: str) -> Workflow[None]:
    try:
        yield from charge(order)
    except (ActivityError, CancelledError):
        yield from shield(refund(order))
        raise
    finally:
        order = ""
    try:
        yield from charge(order)
    except Exception as error:
        raise ApplicationError(str(error)) from error
    try:
        yield from charge(order)
    except CancelledError:
        pass
    try:
        yield from charge(order)
    except BaseException:
        order = "failed"
        raise
    try:
        json.loads(order)
    except:  # noqa: E722
        order = "{}"
    with suppress(ActivityError), contextlib.suppress(BaseException):
        json.loads(order)
    try:
        yield from charge(order)
    finally:

        def unused() -> Workflow[None]:
            yield from charge(order)


@workflow
def handlers(order: str) -> Workflow[None]:
    seen: list[bool] = []

    def on_price(amount: int) -> Workflow[int]:
        yield from charge(order)
        return amount

    yield from approval.handle(seen.append)
    yield from price.handle(on_price, validator=lambda amount: amount > 0)
    yield from status.answer(lambda: f"{seen} {sorted({order})}")
    yield from wait_until(lambda: bool(seen), timeout=timedelta(days=1))


@workflow
class Order:
    kinds: tuple[str, ...] = ("a", "b")

    @workflow.init
    def __init__(self, order: str) -> None:
        self.order = order
        self.lines: list[str] = []
        self.tags: set[str] = set()

    @workflow.run
    def run(self, order: str) -> Workflow[str]:
        yield from wait_until(lambda: self.done)
        yield from self.pay(order)
        for line in self.lines:
            yield from charge(line)
        for tag in sorted(self.tags):
            yield from charge(tag)
        for kind in self.kinds:
            yield from charge(kind)
        return self.order

    @property
    def done(self) -> bool:
        return "tea" in self.tags

    def pay(self, order: str) -> Workflow[None]:
        self.lines.append((yield from charge(order)))

    @workflow.signal
    def add(self, line: str) -> None:
        self.lines.append(line)
        self.tags.add(line)

    @workflow.query
    def all(self) -> list[str]:
        return [*self.lines, *sorted(self.tags)]

    @workflow.update
    def remove(self, line: str) -> int:
        self.lines.remove(line)
        return len(self.lines)

    @remove.validator
    def check(self, line: str) -> None:
        if line not in self.lines:
            raise ApplicationError("unknown")

    @staticmethod
    def report() -> None:
        print("called from outside only")


@workflow
def allowed(order: str) -> Workflow[None]:
    time.time()  # noqa: RFL101
    print(time.time())  # noqa: RFL101, RFL204
    print("x")  # noqa
    print(
        "many",
        "lines",
    )  # noqa: RFL204
    yield from charge(order)


def main() -> None:
    """What starts workflows is no workflow."""
    print(time.time(), os.getpid(), uuid.uuid4(), list(COLOURS))
    charge("x")
