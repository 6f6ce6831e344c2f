"""Workflows for the tests of the command line, which name this module as `tests.cli_shop`."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import attrs

from refold import (
    ApplicationError,
    Query,
    RetryPolicy,
    Signal,
    Workflow,
    activity,
    first_of,
    side_effect,
    sleep,
    workflow,
)

approval = Signal("approval", bool)
status = Query("status", str)


@attrs.frozen
class Order:
    order_id: str
    quantity: int = 1


@activity
def greet(name: str) -> str:
    return f"Hello, {name}!"


#: A copy with other options, as authors keep them beside the activity: the same function for a worker.
greet_quickly = greet.options(start_to_close_timeout=timedelta(seconds=3))


@activity(retry_policy=RetryPolicy(maximum_attempts=2, initial_interval=timedelta(0)))
def charge(order: Order) -> str:
    raise ApplicationError(
        f"card of {order.order_id} was declined", {"order": order.order_id}, type="Declined"
    )


@activity(retry_policy=RetryPolicy(initial_interval=timedelta(hours=1)))
def ring(name: str) -> str:
    raise ConnectionError(f"{name} does not answer")


@activity
def ask(mark: str, answer: str) -> str:
    """Says on the pipe ``mark`` that it runs, then waits for what comes through the pipe ``answer``."""
    Path(mark).write_text("here", "utf-8")
    return Path(answer).read_text("utf-8")


@activity
def never_end(mark: str) -> None:
    """Says on the pipe ``mark`` that it runs, and hears no call to stop."""
    Path(mark).write_text("here", "utf-8")
    threading.Event().wait()


@workflow
def hello(name: str) -> Workflow[str]:
    return (yield from greet_quickly(name))


@workflow
def pay(order: Order) -> Workflow[str]:
    greeting = yield from greet(order.order_id)
    yield from side_effect(lambda: [1, 2])
    return greeting + (yield from charge(order))


@workflow
def approve(subject: str) -> Workflow[str]:
    state = f"waits for {subject}"
    yield from status.answer(lambda: state)
    match (yield from first_of(approval.receive(), sleep(timedelta(hours=24)))):
        case (0, True):
            state = "approved"
            return subject
        case _:
            raise ApplicationError("no", type="NotApproved", non_retryable=True)


@workflow
def call(name: str) -> Workflow[str]:
    return (yield from ring(name))


@workflow
def fetch(mark: str, answer: str) -> Workflow[str]:
    yield from greet("first")
    return (yield from ask(mark, answer))


@workflow
def hang(mark: str) -> Workflow[None]:
    yield from never_end(mark)


@workflow
def divide(by: int) -> Workflow[float]:
    yield from greet("divide")
    return 1 / by
