"""Workflows that do everything that a workflow must not do.  Each line that must be found says so: ``# trap: CODE``."""

import asyncio
import concurrent.futures
import datetime
import io
import itertools
import logging
import multiprocessing
import os
import os.path as osp
import pathlib
import random
import secrets
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from collections import Counter, deque
from contextlib import suppress
from contextvars import ContextVar
from datetime import date, datetime as dt
from functools import partial
from os import environ, urandom
from pathlib import Path
from random import choice as pick
from threading import Thread
from time import perf_counter, sleep as pause
from time import time as clock
from uuid import uuid4 as new_id

import refold as r
from refold import Query, Saga, Signal, Update, Workflow, activity, all_of, first_of, info, now, side_effect, sleep, start, wait_until
from refold import workflow as wf

logger = logging.getLogger(__name__)
approval = Signal("approval", bool)
status = Query("status", str)
price = Update("price", int, result_type=int)
rng = random.Random(7)
numbers = itertools.count(1)
cache: dict[str, int] = {}
totals = Counter()
recent = deque(maxlen=3)
budget = 100
user: ContextVar[str] = ContextVar("user")
COLOURS = {"red", "green", "blue"}
config = type("Config", (), {})()
read_clock = time.time


@activity
def charge(order: str) -> int:
    return int(time.time())


@activity
async def refund(order: str) -> int:
    return 1


def set_budget(amount: int) -> None:
    global budget
    budget = amount


@wf
def clocks(order: str) -> Workflow[None]:
    time.time()  # trap: RFL101
    clock()  # trap: RFL101
    time.time_ns()  # trap: RFL101
    time.monotonic()  # trap: RFL101
    perf_counter()  # trap: RFL101
    time.localtime()  # trap: RFL101
    time.strftime("%Y")  # trap: RFL101
    datetime.datetime.now()  # trap: RFL101
    dt.now(datetime.timezone.utc)  # trap: RFL101
    dt.utcnow()  # trap: RFL101
    date.today()  # trap: RFL101
    time.sleep(1)  # trap: RFL101
    pause(1)  # trap: RFL101
    read_clock()  # trap: RFL101
    here = time.monotonic  # trap: RFL101
    here()  # trap: RFL101
    sorted([1, 2], key=lambda _: time.time())  # trap: RFL101
    deadline = (yield from now()).timestamp() - time.time()  # trap: RFL101
    yield from sleep(datetime.timedelta(seconds=deadline))


@wf(name="chances")
def chance(order: str) -> Workflow[None]:
    random.random()  # trap: RFL102
    random.randint(1, 6)  # trap: RFL102
    pick([1, 2])  # trap: RFL102
    random.shuffle([1, 2])  # trap: RFL102
    random.Random()  # trap: RFL102
    rng.random()  # trap: RFL102
    secrets.token_hex()  # trap: RFL102
    os.urandom(8)  # trap: RFL102
    urandom(8)  # trap: RFL102
    uuid.uuid4()  # trap: RFL102
    uuid.uuid1()  # trap: RFL102
    new_id()  # trap: RFL102
    list(map(random.uniform, [1], [2]))  # trap: RFL102
    yield from charge(order)


@r.workflow
def environment(order: str) -> Workflow[None]:
    os.environ["HOME"]  # trap: RFL103
    os.environ.get("HOME")  # trap: RFL103
    environ["HOME"]  # trap: RFL103
    os.getenv("HOME")  # trap: RFL103
    os.getpid()  # trap: RFL103
    os.getcwd()  # trap: RFL103
    sys.argv  # trap: RFL103
    id(order)  # trap: RFL104
    hash(order)  # trap: RFL104
    sorted([order], key=hash)  # trap: RFL104
    yield from charge(order)


@wf
def files(order: str, place: Path) -> Workflow[None]:
    open("a")  # trap: RFL201
    with open("a") as file:  # trap: RFL201
        file.read()
    io.open("a")  # trap: RFL201
    os.remove("a")  # trap: RFL201
    os.listdir(".")  # trap: RFL201
    osp.exists("a")  # trap: RFL201
    Path("a").read_text()  # trap: RFL201
    pathlib.Path("a").write_bytes(b"")  # trap: RFL201
    (Path("a") / "b").exists()  # trap: RFL201
    place.parent.mkdir()  # trap: RFL201
    Path.cwd()  # trap: RFL201
    shutil.copy("a", "b")  # trap: RFL201
    tempfile.mkdtemp()  # trap: RFL201
    sqlite3.connect("a")  # trap: RFL201
    yield from charge(order)


@wf
def network(order: str) -> Workflow[None]:
    connection = socket.socket()  # trap: RFL202
    connection.connect(("localhost", 1))  # trap: RFL202
    socket.create_connection(("localhost", 1))  # trap: RFL202
    urllib.request.urlopen("http://localhost")  # trap: RFL202
    subprocess.run(["true"])  # trap: RFL203
    subprocess.Popen(["true"]).wait()  # trap: RFL203
    os.system("true")  # trap: RFL203
    multiprocessing.Process()  # trap: RFL203
    os.fork()  # trap: RFL203
    yield from charge(order)


@wf
def output(order: str) -> Workflow[None]:
    print(order)  # trap: RFL204
    logging.info("x")  # trap: RFL204
    logger.warning("x")  # trap: RFL204
    logging.getLogger("x").error("x")  # trap: RFL204
    sys.stdout.write("x")  # trap: RFL204
    print("x", file=sys.stderr)  # trap: RFL204, RFL204
    input()  # trap: RFL204
    yield from charge(order)


@wf
def threads(order: str) -> Workflow[None]:
    threading.Thread(target=print)  # trap: RFL301, RFL204
    Thread(target=charge)  # trap: RFL301
    threading.Lock()  # trap: RFL301
    with concurrent.futures.ThreadPoolExecutor():  # trap: RFL301
        pass
    asyncio.run(None)  # trap: RFL302
    asyncio.sleep(1)  # trap: RFL302
    coroutine()  # trap: RFL302
    yield from charge(order)


async def coroutine() -> None: ...


@wf
def sets(order: str, tags: set[str], others: "frozenset[str] | None") -> Workflow[None]:
    for tag in tags:  # trap: RFL401
        yield from charge(tag)
    for tag in {order, "b"}:  # trap: RFL401
        yield from charge(tag)
    for tag in set(order):  # trap: RFL401
        yield from charge(tag)
    for tag in others:  # trap: RFL401
        yield from charge(tag)
    for colour in COLOURS:  # trap: RFL401
        yield from charge(colour)
    names = {order}
    list(names)  # trap: RFL401
    [name for name in names]  # trap: RFL401
    tuple(names | {"b"})  # trap: RFL401
    ",".join(names)  # trap: RFL401
    names.pop()  # trap: RFL401
    first, second = {1, 2}  # trap: RFL401
    next(iter(names))  # trap: RFL401
    f"{names}"  # trap: RFL401
    {name: 1 for name in names}  # trap: RFL401
    yield from all_of(*(charge(name) for name in names))  # trap: RFL401
    yield from all_of(*{charge("a")})  # trap: RFL401
    left, right = {"a": 1}, {"b": 2}
    for key in left.keys() - right.keys():  # trap: RFL401
        yield from charge(key)
    for key in names.union(tags):  # trap: RFL401
        yield from charge(key)


@wf
def variables(order: str) -> Workflow[None]:
    global budget
    budget = 3  # trap: RFL402
    cache[order] = 1  # trap: RFL402
    cache.update({order: 2})  # trap: RFL402
    del cache[order]  # trap: RFL402
    totals[order] += 1  # trap: RFL402
    recent.append(order)  # trap: RFL402
    config.seen = order  # trap: RFL402
    next(numbers)  # trap: RFL402
    Basket.made += 1  # trap: RFL402
    user.get()  # trap: RFL402
    yield from charge(order)


@wf
def reads(order: str) -> Workflow[int]:
    yield from charge(order)
    return budget + cache.get(order, 0)  # trap: RFL402, RFL402


class Basket:
    made = 0


@wf
def unyielded(order: str) -> Workflow[int]:
    charge(order)  # trap: RFL501
    sleep(datetime.timedelta(1))  # trap: RFL501
    r.sleep(datetime.timedelta(1))  # trap: RFL501
    steps(order)  # trap: RFL501
    approval.receive()  # trap: RFL501
    approval.handle(print)  # trap: RFL501, RFL204
    status.answer(lambda: order)  # trap: RFL501
    saga = Saga()
    saga.do(charge(order), undo=lambda _: refund(order))  # trap: RFL501
    charge.options(at_most_once=True)(order)  # trap: RFL501
    charge.local(order)  # trap: RFL501
    all_of(charge(order))  # trap: RFL501
    never = charge(order)  # trap: RFL501
    if now() > order:  # trap: RFL501
        pass
    if info().cancel_requested:  # trap: RFL501
        pass
    paid = charge(order)
    total = paid + 1  # trap: RFL501
    for _ in steps(order):  # trap: RFL501
        pass
    yield steps(order)  # trap: RFL501
    clocks(order)  # trap: RFL501
    start(charge(order))  # trap: RFL501
    return total + charge(order)  # trap: RFL501


def steps(order: str) -> Workflow[int]:
    return (yield from charge(order))


@wf
def cleaning(order: str) -> Workflow[None]:
    try:
        yield from charge(order)
    finally:
        yield from refund(order)  # trap: RFL502
    try:
        yield charge(order)
    except:
        yield from refund(order)  # trap: RFL502
        raise
    try:
        yield charge(order)
    except BaseException:
        yield from refund(order)  # trap: RFL502


@wf
def deaf(order: str) -> Workflow[None]:
    try:
        yield from charge(order)
    except:  # trap: RFL503
        pass
    try:
        yield from charge(order)
    except BaseException as error:  # trap: RFL503
        order = str(error)
    try:
        yield from charge(order)
    except (ValueError, BaseException):  # trap: RFL503
        return
    with suppress(BaseException):  # trap: RFL503
        yield from charge(order)
    while True:
        try:
            yield from charge(order)
        finally:
            return  # trap: RFL503


@wf
def handlers(order: str) -> Workflow[None]:
    def on_approval(approved: bool) -> None:
        time.time()  # trap: RFL101

    def on_price(amount: int) -> Workflow[int]:
        yield from charge(order)
        return random.randint(0, amount)  # trap: RFL102

    def is_fair(amount: int) -> None:
        if amount > hash(order):  # trap: RFL104
            raise ValueError

    yield from approval.handle(on_approval)
    yield from price.handle(on_price, validator=is_fair)
    yield from status.answer(lambda: str(time.time()))  # trap: RFL101
    yield from wait_until(lambda: time.monotonic() > 7)  # trap: RFL101
    yield from all_of(charge(order), partial(later, order)())


def later(order: str) -> Workflow[None]:
    yield from charge(order)
    uuid.uuid4()  # trap: RFL102


class Base:
    tags: set[str]

    def note(self) -> None:
        print("noted")  # trap: RFL204


@wf
class Order(Base):
    lines: list[str] = []

    @wf.init
    def __init__(self, order: str) -> None:
        self.made = time.time()  # trap: RFL101
        self.seen: set[str] = set()
        self.place = Path("orders")

    @wf.run
    def run(self, order: str) -> Workflow[list[str]]:
        yield from wait_until(lambda: self.done())
        self.note()
        for each in self.seen:  # trap: RFL401
            yield from charge(each)
        self.place.exists()  # trap: RFL201
        yield from self.pay(order)
        self.pay(order)  # trap: RFL501
        return sorted(self.tags) + [self.age]

    def done(self) -> bool:
        return time.monotonic() > 3  # trap: RFL101

    def pay(self, order: str) -> Workflow[None]:
        yield from charge(order)
        self.stamp()

    def stamp(self) -> None:
        uuid.uuid4()  # trap: RFL102

    @property
    def age(self) -> str:
        return str(dt.now())  # trap: RFL101

    @wf.signal
    def approve(self, by: str) -> None:
        self.lines.append(by)  # trap: RFL402
        self.at = dt.now()  # trap: RFL101

    @wf.query
    def where(self) -> str:
        return os.getcwd()  # trap: RFL103

    @wf.update
    def price(self, amount: int) -> Workflow[int]:
        yield from charge("x")
        return random.randint(1, 6)  # trap: RFL102

    @price.validator
    def check(self, amount: int) -> None:
        open("prices")  # trap: RFL201


def declared_later(order: str) -> Workflow[None]:
    yield from charge(order)
    time.time()  # trap: RFL101


later_declared = wf(name="later")(declared_later)


def tell(order: str) -> Workflow[None]:
    match (yield from first_of(approval.receive(), sleep(datetime.timedelta(1)))):
        case (0, True):
            print(order)  # trap: RFL204
        case _:
            yield from side_effect(lambda: time.time())


@wf
def tells(order: str) -> Workflow[None]:
    yield from tell(order)
    yield from (yield from start(tell(order)))
