"""What type checkers must refuse: each marked line is a mistake that an author must be told of.

Never run, only read by checkers: ``test_typing`` requires errors on exactly the lines that end with the mark.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from refold import (
    Handle,
    Query,
    Saga,
    Signal,
    Workflow,
    activity,
    all_of,
    any_of,
    cancel,
    execute_activity,
    first_of,
    side_effect,
    sleep,
    start,
    wait_until,
    with_timeout,
    workflow,
)
from refold_adapters import AsyncWorkflowHandle, Client, WorkflowHandle

SECOND = timedelta(seconds=1)


@dataclass
class Order:
    order_id: str


@dataclass
class Receipt:
    order_id: str


orders = Signal("orders", Order)
wake = Signal("wake")
status = Query("status", str)


@activity
def charge(order: Order) -> Receipt:
    return Receipt(order.order_id)


@activity
async def reserve(order: Order) -> list[str]:
    return [order.order_id]


@workflow
def process(order: Order) -> Workflow[Receipt]:
    return (yield from charge(order))


# --- declarations ----------------------------------------------------------------------------------------------------


@workflow  # expect-error
def not_a_generator(order: Order) -> Receipt:
    return Receipt(order.order_id)


@workflow  # expect-error
async def a_coroutine(order: Order) -> Receipt:
    return Receipt(order.order_id)


@activity(retries=3)  # expect-error
def unknown_option(order: Order) -> None:
    return None


@activity(start_to_close_timeout=5)  # expect-error
def timeout_in_seconds(order: Order) -> None:
    return None


@activity(executor="fibre")  # expect-error
def unknown_executor(order: Order) -> None:
    return None


@workflow(failure_exception_types=[5])  # expect-error
def unknown_exceptions() -> Workflow[None]:
    yield from sleep(SECOND)


nameless = Signal(Order)  # expect-error
untyped_query = Query("status")  # expect-error


# --- calls -----------------------------------------------------------------------------------------------------------


def calls(order: Order) -> Workflow[None]:
    yield from charge("order")  # expect-error
    yield from charge()  # expect-error
    yield from charge(order, 1)  # expect-error
    yield from charge(ordre=order)  # expect-error
    yield from process(5)  # expect-error
    yield from reserve(order, loud=True)  # expect-error
    yield from sleep(5)  # expect-error
    yield from execute_activity(charge, order)  # expect-error
    charge(order).order_id  # expect-error
    yield from charge  # expect-error


# --- results ---------------------------------------------------------------------------------------------------------


def results(order: Order) -> Workflow[int]:
    receipt: Order = yield from charge(order)  # expect-error
    items: list[int] = yield from reserve(order)  # expect-error
    again: int = yield from process(order)  # expect-error
    name: str = yield from execute_activity("count", order, result_type=int)  # expect-error
    number: str = yield from side_effect(lambda: 5)  # expect-error
    return (yield from charge(order))  # expect-error


def forgets_yield_from(order: Order) -> Workflow[Receipt]:
    yield from sleep(SECOND)
    return charge(order)  # expect-error


def yields_a_foreign_object(order: Order) -> Workflow[None]:
    yield order  # expect-error


def waits_for_a_value(order: Order) -> Workflow[None]:
    yield from order  # expect-error


# --- combinators -----------------------------------------------------------------------------------------------------


def combinators(order: Order, handle: Handle[int]) -> Workflow[None]:
    a, b, c = yield from all_of(charge(order), reserve(order))  # expect-error
    first: tuple[list[str], Receipt] = yield from all_of(charge(order), reserve(order))  # expect-error
    yield from all_of(charge, reserve)  # expect-error
    yield from all_of(order)  # expect-error
    one: str = yield from any_of(charge(order), charge(order))  # expect-error
    late: str = yield from with_timeout(charge(order), SECOND)  # expect-error
    yield from with_timeout(charge(order), 5)  # expect-error
    yield from start(5)  # expect-error
    yield from cancel(charge(order))  # expect-error
    started: Handle[int] = yield from start(charge(order))  # expect-error
    joined: str = yield from handle  # expect-error
    yield from wait_until(True)  # expect-error
    yield from wait_until(lambda: True, timeout=5)  # expect-error


def decides(order: Order) -> Workflow[str]:
    index, value = yield from first_of(charge(order), sleep(SECOND))
    return value  # expect-error


def matches(order: Order) -> Workflow[str]:
    match (yield from first_of(charge(order), reserve(order))):
        case (0, receipt):
            return receipt.total  # expect-error
        case (1, items):
            return items.order_id  # expect-error


# --- messages --------------------------------------------------------------------------------------------------------


def on_text(text: str) -> None:
    return None


def on_nothing() -> None:
    return None


def on_two(order: Order, more: Order) -> None:
    return None


def messages() -> Workflow[None]:
    text: str = yield from orders.receive()  # expect-error
    payload: str = yield from wake.receive()  # expect-error
    yield from orders.handle(on_text)  # expect-error
    yield from orders.handle(on_nothing)  # expect-error
    yield from orders.handle(on_two)  # expect-error
    yield from wake.handle(on_text)  # expect-error
    yield from status.answer(lambda: 5)  # expect-error
    yield from status.answer("waiting")  # expect-error


# --- sagas -----------------------------------------------------------------------------------------------------------


def undo_text(text: str) -> Workflow[None]:
    yield from sleep(SECOND)


def undo_nothing() -> Workflow[None]:
    yield from sleep(SECOND)


def undo_at_once(receipt: Receipt) -> None:
    return None


def sagas(order: Order) -> Workflow[None]:
    saga = Saga()
    yield from saga.do(charge(order), undo=undo_text)  # expect-error
    yield from saga.do(charge(order), undo=undo_nothing)  # expect-error
    yield from saga.do(charge(order), undo=undo_at_once)  # expect-error
    yield from saga.do(charge(order))  # expect-error
    receipt: str = yield from saga.do(charge(order), undo=lambda receipt: sleep(SECOND))  # expect-error


# --- clients ---------------------------------------------------------------------------------------------------------


def clients(client: Client, order: Order, handle: WorkflowHandle[Receipt]) -> None:
    client.start(process, order)  # expect-error
    client.start(charge, order, id="1")  # expect-error
    receipt: Order = client.run(process, order, id="1")  # expect-error
    result: str = handle.result()  # expect-error
    answer: int = handle.query(status)  # expect-error
    handle.signal(orders, "order")  # expect-error
    handle.query(orders)  # expect-error


async def async_clients(handle: AsyncWorkflowHandle[Receipt]) -> None:
    result: str = await handle.result()  # expect-error
    await handle.signal(orders, "order")  # expect-error
