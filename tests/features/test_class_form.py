"""Workflows as classes, end to end: started, signalled, queried, updated, and taken up by another process's worker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest

from refold import ApplicationError, Workflow, activity, all_handlers_finished, now, wait_until, workflow
from refold_adapters import ExecutionError, WorkflowUpdateRejectedError
from tests.runtime.conftest import MakeEngine

SOON = timedelta(seconds=20)


@dataclass
class Line:
    sku: str
    count: int


@activity
def price_of(sku: str) -> int:
    return 10 * len(sku)


@workflow
class Cart:
    @workflow.init
    def __init__(self, customer: str) -> None:
        self.customer = customer
        self.lines: list[Line] = []
        self.closed = False

    @workflow.run
    def run(self, customer: str) -> Workflow[int]:
        yield from wait_until(lambda: self.closed)
        yield from all_handlers_finished()
        total = 0
        for line in self.lines:
            price = yield from price_of(line.sku)
            total += price * line.count
        return total

    @workflow.signal
    def add(self, line: Line) -> None:
        self.lines.append(line)

    @workflow.signal(name="checkout")
    def close(self) -> None:
        self.closed = True

    @workflow.query
    def skus(self) -> list[str]:
        return [line.sku for line in self.lines]

    @workflow.update
    def quote(self, sku: str) -> Workflow[int]:
        return (yield from price_of(sku))

    @quote.validator
    def check_quote(self, sku: str) -> None:
        if sku not in self.skus():
            raise ApplicationError(f"{sku} is not in the cart", type="NotInCart")


@workflow
class FirstLine:
    def __init__(self) -> None:
        self.noted: list[str] = []

    @workflow.run
    def run(self) -> Workflow[list[str]]:
        noted = list(self.noted)
        yield from now()
        return noted

    @workflow.signal
    def note(self, what: str) -> None:
        self.noted.append(what)


def test_a_class_runs_and_its_methods_handle_messages(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[Cart.run], activities=[price_of])
    cart = engine.start(Cart.run, "Ada", id="cart-1")
    cart.signal(Cart.add, Line("tea", 2))
    cart.signal(Cart.add, Line("cup", 1))
    assert 30 == cart.execute_update(Cart.quote, "tea", timeout=SOON)
    with pytest.raises(WorkflowUpdateRejectedError, match="pen is not in the cart"):
        cart.execute_update(Cart.quote, "pen", timeout=SOON)
    assert ["tea", "cup"] == cart.query(Cart.skus)
    cart.signal(Cart.close)

    assert 90 == cart.result(timeout=SOON)
    assert ["tea", "cup"] == cart.query(Cart.skus)


def test_a_signal_that_comes_with_the_start_is_handled_first(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[FirstLine.run])
    handle = engine.signal_with_start(FirstLine.run, id="first", signal=FirstLine.note, payload="early")

    assert ["early"] == handle.result(timeout=SOON)


def test_a_class_is_taken_up_again_from_its_history(make_engine: MakeEngine) -> None:
    first = make_engine(workflows=[Cart.run], activities=[price_of])
    first.start(Cart.run, "Ada", id="cart-3").signal(Cart.add, Line("tea", 1))
    first.handle("cart-3").query(Cart.skus)
    first.worker.shutdown()
    second = make_engine(workflows=[Cart.run], activities=[price_of])
    second.handle("cart-3").signal(Cart.close)

    assert 30 == second.handle("cart-3").result(timeout=SOON)


class Plain:
    """No workflow."""


class BiggerCart(Cart):
    """Not decorated itself."""


def test_a_class_stands_for_its_run(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[Cart, FirstLine], activities=[price_of])
    cart = engine.start(Cart, "Ada", id="cart-1")
    cart.signal(Cart.add, Line("tea", 2))
    cart.signal(Cart.close)
    first = engine.signal_with_start(FirstLine, id="first", signal=FirstLine.note, payload="early")

    assert (60, ["early"]) == (cart.result(timeout=SOON), first.result(timeout=SOON))
    assert 60 == engine.handle("cart-1", workflow=Cart.run).result()
    assert [] == engine.run(FirstLine, id="second")
    assert {"Cart", "FirstLine"} == {row.workflow_type for row in engine.list()}


@pytest.mark.parametrize("wrong", [Plain, BiggerCart])
def test_a_class_that_is_not_decorated_is_refused(make_engine: MakeEngine, wrong: type) -> None:
    with pytest.raises(ExecutionError, match=r"RF5111.*not declared with @workflow"):
        make_engine(workflows=[wrong])
    with pytest.raises(ExecutionError, match=r"RF5111"):
        make_engine(workflows=[Cart]).start(wrong, id="w")
