"""What type checkers must see: every ``assert_type`` here is the type an author is promised.

Never run, only read by checkers: ``test_typing`` holds each of them to it.
"""

# pyright: strict

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, assert_type
from uuid import UUID

from refold import (
    Activity,
    ActivityError,
    ApplicationError,
    CancelledError,
    ChildWorkflowHandle,
    Effect,
    Handle,
    Outcome,
    Query,
    Random,
    RetryPolicy,
    Saga,
    SearchAttributeKey,
    Signal,
    Step,
    Update,
    Workflow,
    WorkflowDefinition,
    WorkflowInfo,
    activity,
    all_of,
    all_settled,
    any_of,
    cancel,
    continue_as_new,
    deprecate_patch,
    execute_activity,
    execute_child_workflow,
    external_workflow,
    first_of,
    info,
    log,
    now,
    patched,
    random,
    shield,
    side_effect,
    sleep,
    start,
    start_child_workflow,
    upsert_memo,
    upsert_search_attributes,
    uuid4,
    wait_until,
    with_timeout,
    workflow,
)
from refold_adapters import (
    AsyncClient,
    AsyncStandaloneActivityHandle,
    AsyncWorkflowHandle,
    Client,
    Engine,
    RunRow,
    WorkflowHandle,
)

SECOND = timedelta(seconds=1)


@dataclass
class Order:
    order_id: str
    amount: int


@dataclass
class Receipt:
    order_id: str


approval = Signal("approval", bool)
orders = Signal("orders", Order)
lists = Signal("lists", list[Order])
wake = Signal("wake")
status = Query("status", str)



@workflow
class ClassForm:
    @workflow.run
    def run(self) -> Workflow[Receipt]:
        yield from wake.receive()
        return self.replace(Order("", 1))

    @workflow.signal
    def order(self, order: Order) -> None: ...

    @workflow.signal(name="halt")
    def stop(self) -> Workflow[None]:
        yield from wake.receive()

    @workflow.query
    def count(self) -> int:
        return 1

    @workflow.update
    def replace(self, order: Order) -> Receipt:
        return Receipt(order.order_id)

    @replace.validator
    def check(self, order: Order) -> None: ...

    @workflow.update
    def drain(self) -> Workflow[int]:
        yield from wake.receive()
        return 1


assert_type(ClassForm.run, WorkflowDefinition[[], Receipt])
assert_type(ClassForm.order, Signal[Order])
assert_type(ClassForm.stop, Signal[None])
assert_type(ClassForm.count, Query[int])
assert_type(ClassForm.replace, Update[Order, Receipt])
assert_type(ClassForm.drain, Update[None, int])
assert_type(ClassForm().count(), int)

price = Update("price", int, result_type=Receipt)
assert_type(price, Update[int, Receipt])
assert_type(Update("all", result_type=bool), Update[None, bool])
assert_type(Update("plain", int), Update[int, Any])
assert_type(Update("bare"), Update[None, Any])
assert_type(price.decode_result(None), Receipt)

assert_type(approval, Signal[bool])
assert_type(orders, Signal[Order])
assert_type(lists, Signal[list[Order]])
assert_type(wake, Signal[None])
assert_type(status, Query[str])


# --- activities ------------------------------------------------------------------------------------------------------


@activity
def charge(order: Order, attempts: int = 1) -> Receipt:
    return Receipt(order.order_id)


@activity
async def reserve(order: Order) -> list[str]:
    return [order.order_id]


@activity()
def count(order_id: str, *, loud: bool = False) -> int:
    return len(order_id)


@activity(start_to_close_timeout=SECOND, retry_policy=RetryPolicy(maximum_attempts=3), task_queue="gpu")
def render(order_id: str) -> bytes:
    return order_id.encode()


@activity(name="notify", heartbeat_timeout=SECOND)
async def notify(order_id: str, *more: str) -> None:
    return None


@activity(executor="process")
def maybe(order_id: str) -> Order | None:
    return None


assert_type(charge.name, str)


def uses_activities(order: Order) -> Workflow[None]:
    assert_type((yield from charge(order)), Receipt)
    assert_type((yield from charge(order, 2)), Receipt)
    assert_type((yield from charge(order=order, attempts=2)), Receipt)
    assert_type((yield from reserve(order)), list[str])
    assert_type((yield from count("1", loud=True)), int)
    assert_type((yield from render("1")), bytes)
    assert_type((yield from notify("1", "2", "3")), None)
    assert_type((yield from maybe("1")), Order | None)
    assert_type((yield from charge.options(task_queue="other")(order)), Receipt)
    assert_type((yield from execute_activity("charge", order, result_type=Receipt)), Receipt)
    assert_type(
        (yield from execute_activity("charge", order, result_type=Receipt, task_queue="other")), Receipt
    )
    assert_type((yield from execute_activity("charge", order)), Any)


# --- workflows -------------------------------------------------------------------------------------------------------


@workflow
def process(order: Order, note: str = "") -> Workflow[Receipt]:
    receipt = yield from charge(order)
    assert_type(receipt, Receipt)
    return receipt


@workflow(name="longer", failure_exception_types=[ValueError])
def longer(order: Order) -> Workflow[list[Receipt]]:
    first = yield from process(order)
    assert_type(first, Receipt)
    second = yield from process(order, note="again")
    return [first, second]


@workflow
def nothing() -> Workflow[None]:
    yield from sleep(SECOND)


assert_type(process.name, str)


def helper(order: Order) -> Workflow[int]:
    answer = yield from longer(order)
    assert_type(answer, list[Receipt])
    return len(answer)


def uses_workflows(order: Order) -> Workflow[None]:
    assert_type((yield from helper(order)), int)
    assert_type((yield from nothing()), None)
    assert_type(
        (yield from all_of(helper(order), process(order), charge(order))), tuple[int, Receipt, Receipt]
    )


# --- combinators -----------------------------------------------------------------------------------------------------


def uses_combinators(order: Order, handle: Handle[int], steps: Sequence[Step[int]]) -> Workflow[None]:
    assert_type((yield from all_of()), tuple[()])
    assert_type((yield from all_of(charge(order))), tuple[Receipt])
    receipt, items = yield from all_of(charge(order), reserve(order))
    assert_type(receipt, Receipt)
    assert_type(items, list[str])
    five = yield from all_of(charge(order), reserve(order), count("1"), sleep(SECOND), handle)
    assert_type(five, tuple[Receipt, list[str], int, None, int])
    assert_type((yield from all_of(*steps)), tuple[int, ...])
    assert_type((yield from all_of(*[charge(order) for _ in range(3)])), tuple[Receipt, ...])

    assert_type((yield from all_settled(*steps)), tuple[Outcome[int], ...])
    for outcome in (yield from all_settled(*[charge(order)])):
        assert_type(outcome.value, Receipt | None)
        assert_type(outcome.error, BaseException | None)
        assert_type(outcome.unwrap(), Receipt)

    assert_type((yield from any_of(count("1"), handle)), int)
    assert_type((yield from shield(charge(order))), Receipt)
    assert_type((yield from with_timeout(charge(order), SECOND)), Receipt)
    assert_type((yield from with_timeout(helper(order), SECOND)), int)


def uses_first_of(order: Order, steps: Sequence[Step[int]]) -> Workflow[int | str]:
    assert_type((yield from first_of(*steps)), tuple[int, int])
    assert_type((yield from first_of(charge(order))), tuple[Literal[0], Receipt])
    decided = yield from first_of(approval.receive(), sleep(SECOND))
    assert_type(decided, tuple[Literal[0], bool] | tuple[Literal[1], None])
    match (yield from first_of(approval.receive(), charge(order), sleep(SECOND))):
        case (0, approved):
            assert_type(approved, bool)
            return 1
        case (1, receipt):
            assert_type(receipt, Receipt)
            return receipt.order_id
        case (2, nothing):
            assert_type(nothing, None)
            return "late"


def uses_first_of_four(order: Order) -> Workflow[None]:
    index, value = yield from first_of(count("1"), reserve(order), charge(order), approval.receive())
    assert_type(index, Literal[0, 1, 2, 3])
    assert_type(value, int | list[str] | Receipt | bool)


def uses_handles(order: Order) -> Workflow[None]:
    handle = yield from start(charge(order))
    assert_type(handle, Handle[Receipt])
    assert_type((yield from handle), Receipt)
    assert_type((yield from cancel(handle)), None)
    branch = yield from start(helper(order))
    assert_type(branch, Handle[int])
    assert_type((yield from all_of(handle, branch)), tuple[Receipt, int])


# --- messages --------------------------------------------------------------------------------------------------------


def on_order(order: Order) -> None:
    return None


def on_order_step_by_step(order: Order) -> Workflow[None]:
    yield from charge(order)


def on_wake() -> None:
    return None


def uses_messages() -> Workflow[None]:
    assert_type((yield from approval.receive()), bool)
    assert_type((yield from orders.receive()), Order)
    assert_type((yield from lists.receive()), list[Order])
    assert_type((yield from wake.receive()), None)
    assert_type((yield from orders.handle(on_order)), None)
    assert_type((yield from orders.handle(on_order_step_by_step)), None)
    assert_type((yield from orders.handle(lambda order: print(order.amount))), None)
    assert_type((yield from wake.handle(on_wake)), None)
    assert_type((yield from status.answer(lambda: "waiting")), None)


# --- conditions, time and the rest -----------------------------------------------------------------------------------


def uses_the_rest(order: Order) -> Workflow[None]:
    assert_type((yield from sleep(SECOND)), None)
    assert_type((yield from wait_until(lambda: order.amount > 0)), None)
    assert_type((yield from wait_until(lambda: True, timeout=SECOND)), None)
    assert_type((yield from now()), datetime)
    rng = yield from random()
    assert_type(rng, Random)
    assert_type(rng.random(), float)
    assert_type(rng.choice([order]), Order)
    assert_type((yield from uuid4()), UUID)
    about = yield from info()
    assert_type(about, WorkflowInfo)
    assert_type(about.cancel_requested, bool)
    assert_type((yield from patched("fix")), bool)
    assert_type((yield from deprecate_patch("fix")), bool)
    assert_type((yield from side_effect(lambda: len(order.order_id))), int)
    assert_type((yield from side_effect(lambda: order, result_type=Order)), Order)
    assert_type((yield from log("shipping", order_id=order.order_id)), None)


def undo(receipt: Receipt) -> Effect[None]:
    return log("undone", order_id=receipt.order_id)


def uses_a_saga(order: Order) -> Workflow[Receipt]:
    saga = Saga()
    try:
        receipt = yield from saga.do(charge(order), undo=undo)
        assert_type(receipt, Receipt)
        items = yield from saga.do(reserve(order), undo=lambda items: count(items[0]))
        assert_type(items, list[str])
        return receipt
    except (ActivityError, CancelledError) as error:
        assert_type((yield from saga.compensate()), None)
        raise ApplicationError("undone", type="Undone") from error


# --- passing definitions around ---------------------------------------------------------------------------------------


def takes_definitions(
    one: Activity[..., bytes],
    two: WorkflowDefinition[..., list[Receipt]],
    three: Callable[[Order], Workflow[int]],
) -> Workflow[None]:
    assert_type((yield from one("1")), bytes)
    assert_type((yield from two(Order("1", 2))), list[Receipt])
    assert_type((yield from three(Order("1", 2))), int)


def passes_definitions() -> Workflow[None]:
    yield from takes_definitions(render, longer, helper)


def takes_any_step(step: Step[str]) -> Workflow[str]:
    return (yield from step)


def gives_any_step(handle: Handle[str], signal: Signal[str]) -> Workflow[None]:
    assert_type((yield from takes_any_step(handle)), str)
    assert_type((yield from takes_any_step(signal.receive())), str)
    assert_type((yield from takes_any_step(takes_any_step(handle))), str)


# --- clients ---------------------------------------------------------------------------------------------------------


def uses_a_client(client: Client, engine: Engine, order: Order) -> None:
    handle = client.start(process, order, id="1")
    assert_type(handle, WorkflowHandle[Receipt])
    assert_type(handle.result(), Receipt)
    assert_type(handle.query(status), str)
    handle.signal(orders, order)
    handle.signal(wake)
    assert_type(engine.start(longer, order, id="1").result(timeout=SECOND), list[Receipt])
    assert_type(engine.run(process, order, "a note", id="1"), Receipt)
    assert_type(client.start("process", order, id="1"), WorkflowHandle[Any])


async def uses_an_async_client(client: AsyncClient, order: Order) -> None:
    handle = await client.start(process, order, id="1")
    assert_type(handle, AsyncWorkflowHandle[Receipt])
    assert_type(await handle.result(), Receipt)
    assert_type(await handle.query(status), str)
    await handle.signal(orders, order)
    found = client.handle("1", workflow=process)
    assert_type(found, AsyncWorkflowHandle[Receipt])
    assert_type(await (await found.reset(first=True)).result(), Receipt)
    assert_type(await client.run(process, order, id="1"), Receipt)
    assert_type(await client.execute_activity(charge, order, id="2"), Receipt)
    assert_type(await client.execute_activity("charge", order, id="2", result_type=Receipt), Receipt)
    alone = await client.start_activity(charge, order, id="2")
    assert_type(alone, AsyncStandaloneActivityHandle[Receipt])
    assert_type(await alone.result(), Receipt)
    assert_type(await client.get_activity_handle("2", activity=charge).result(), Receipt)
    assert_type(await client.activity("1", "1").heartbeat(), bool)
    assert_type(await client.list(), list[RunRow])
    assert_type(await client.count(), int)
    assert_type(await handle.pause("why"), None)


@workflow
def counts(word: str) -> Workflow[int]:
    yield from now()
    return len(word)


@workflow
def other_runs() -> Workflow[None]:
    child = yield from start_child_workflow(counts, "word", id="c-1")
    assert_type(child, ChildWorkflowHandle[int])
    assert_type((yield from child), int)
    assert_type((yield from execute_child_workflow(counts, "word")), int)
    assert_type((yield from execute_child_workflow("counts", "word", result_type=int)), int)
    assert_type((yield from all_of(child, execute_child_workflow(counts, "x"))), tuple[int, int])
    assert_type((yield from child.cancel()), None)
    assert_type((yield from external_workflow("w").signal("name", 1)), None)
    assert_type((yield from upsert_memo({"a": 1})), None)
    items = SearchAttributeKey.int("items")
    assert_type(items, SearchAttributeKey[int])
    assert_type((yield from upsert_search_attributes(items.value_set(3))), None)
    assert_type(items.value_in((yield from info()).search_attributes), int | None)
    yield from continue_as_new("word")
