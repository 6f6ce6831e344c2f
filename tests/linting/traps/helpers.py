"""Helpers without a package, as scripts have them."""

import time
from random import random

import clocks

from refold import Workflow, activity


@activity
def charge(order: str) -> str: ...


def checked(order: str) -> bool:
    return _checked(order)


def _checked(order: str) -> bool:
    return clocks.now_ms() > 3


def paid_steps(order: str) -> Workflow[None]:
    yield from _paid(order)


def _paid(order: str) -> Workflow[None]:
    yield from charge(order)
    charge(order)  # trap: RFL501


class Courier:
    def __init__(self, name: str) -> None:
        self.name = name
        self.key = random()  # trap: RFL102

    def send(self, order: str) -> None:
        self._send(order)

    def _send(self, order: str) -> None:
        time.sleep(1)  # trap: RFL101

    def __enter__(self) -> None:
        print("enters")  # trap: RFL204

    def __exit__(self, *_: object) -> None:
        self.send("bye")


def never_called() -> float:
    return time.time()
