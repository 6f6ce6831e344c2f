"""Pydantic models as payloads: written by themselves, read strictly, found wherever they stand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Generic, TypeVar
from uuid import UUID

import attrs
import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, field_serializer

from refold import Execution, PayloadError, Workflow, activity, workflow
from refold.messages import CompleteActivity, StartWorkflow
from refold.payloads import decode, encode

T = TypeVar("T")


class Colour(Enum):
    RED = "red"


class Line(BaseModel):
    sku: str
    quantity: int = Field(gt=0)


class Order(BaseModel):
    order_id: UUID
    placed_at: datetime
    patience: timedelta
    total: Decimal
    colour: Colour
    lines: list[Line]
    note: str | None = None


class Aliased(BaseModel):
    model_config = ConfigDict(frozen=True)
    order_id: int = Field(alias="orderId")


class Names(RootModel[list[str]]):
    pass


class Page(BaseModel, Generic[T]):
    items: list[T]


@attrs.frozen
class Envelope:
    line: Line


class Broken(BaseModel):
    value: int

    @field_serializer("value")
    def refuse(self, value: int) -> str:
        raise ValueError("not today")


ORDER = Order(
    order_id=UUID(int=7),
    placed_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    patience=timedelta(hours=1),
    total=Decimal("12.50"),
    colour=Colour.RED,
    lines=[Line(sku="a", quantity=2)],
)


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (ORDER, Order),
        (Aliased(orderId=3), Aliased),
        (Names(["a", "b"]), Names),
        (Page[Line](items=[Line(sku="x", quantity=1)]), Page[Line]),
        (Envelope(Line(sku="x", quantity=1)), Envelope),
        ([Line(sku="x", quantity=1)], list[Line]),
        (None, Line | None),
    ],
    ids=["all kinds of fields", "alias", "root", "generic", "in attrs", "in a list", "optional"],
)
def test_a_model_reads_back_as_it_was_written(value: Any, type_: Any) -> None:
    assert value == decode(encode(value), type_)


def test_a_model_is_written_by_the_names_that_it_reads() -> None:
    assert encode(Aliased(orderId=3)) == {"orderId": 3}


def test_a_model_converts_nothing() -> None:
    with pytest.raises(PayloadError, match="RF1302") as caught:
        decode({"sku": "a", "quantity": "2"}, Line)

    assert "Line refuses it: 1 validation error for Line quantity" in str(caught.value)


def test_the_checks_of_a_model_hold_for_stored_data() -> None:
    with pytest.raises(PayloadError, match="greater than 0"):
        decode({"sku": "a", "quantity": 0}, Line)


def test_a_model_that_cannot_write_itself_is_refused_where_it_is_made() -> None:
    with pytest.raises(PayloadError, match="Broken does not write itself as JSON") as caught:
        encode(Broken(value=1))

    assert caught.value.code == "RF1301"


@activity
def price(order: Order) -> Line:
    return order.lines[0]


@workflow
def buy(order: Order) -> Workflow[Line]:
    line = yield from price(order)
    return line


def test_a_workflow_takes_and_gives_models() -> None:
    start = StartWorkflow(workflow_id="w", run_id="r", workflow_type="buy", input=buy.encode_input(ORDER))
    with Execution(buy) as execution:
        scheduled = execution.turn(start, at=1).commands[0]
        closed = execution.turn(CompleteActivity(seq=1, result={"sku": "a", "quantity": 2}), at=2).closed

    assert [encode(ORDER)] == scheduled.input  # type: ignore[union-attr]
    assert {"sku": "a", "quantity": 2} == closed.result  # type: ignore[union-attr]
