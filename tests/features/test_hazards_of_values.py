"""Hazards 47, 48 and 51 on every store: values that look like none, values that change on replay, and failures that grow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple, TypedDict
from uuid import UUID

import attrs
import pytest

from refold import (
    ActivityError,
    ApplicationError,
    Query,
    RetryPolicy,
    Signal,
    Update,
    Workflow,
    activity,
    execute_activity,
    execute_child_workflow,
    workflow,
)
from refold_adapters import WorkflowFailedError
from tests.features.running import SOON, MakeEngine

# 47: what is empty is taken for nothing ----------------------------------------------------------------------------------------

EMPTY: list[Any] = [None, "", b"", [], {}, 0, 0.0, False]
anything: Signal[Any] = Signal("anything", object)
blob: Signal[bytes] = Signal("blob", bytes)
echo: Update[Any, Any] = Update("echo", object, result_type=object)
seen = Query("seen", list)


@pytest.mark.parametrize("value", [value for value in EMPTY if value != b""], ids=repr)
def test_hazard_47_what_is_empty_arrives_wherever_a_value_can_stand(
    make_engine: MakeEngine, value: Any
) -> None:
    """As an argument, a result, a payload, an answer, a detail of an error, and what a child returns; each once, live and on replay."""
    calls: list[Any] = []

    @activity
    def gives(given: object) -> object:
        calls.append(given)
        return value

    @activity(retry_policy=RetryPolicy(maximum_attempts=1))
    def fails() -> None:
        raise ApplicationError("", value, type="Empty")

    @workflow
    def child(given: object) -> Workflow[object]:
        return (yield from gives(given))

    @workflow
    def takes(given: object) -> Workflow[list[object]]:
        got: list[object] = [given]
        yield from echo.handle(lambda payload: payload)
        yield from seen.answer(lambda: list(got))
        got.append((yield from gives(given)))
        got.append((yield from anything.receive()))
        got.append((yield from execute_child_workflow(child, given, id="child")))
        try:
            yield from fails()
        except ActivityError as error:
            got += getattr(error.cause, "details", ["no details"])
        yield from anything.receive()
        return got

    engine = make_engine(workflows=[takes, child], activities=[gives, fails], max_cached_workflows=0)
    handle = engine.start(takes, value, id="r")
    assert value == handle.execute_update(echo, value, timeout=SOON)
    handle.signal(anything, value)
    handle.signal(anything, value)
    expected = [value] * 5
    assert expected == handle.result(timeout=SOON)
    assert [type(each) for each in expected] == [type(each) for each in handle.result(timeout=SOON)]
    assert expected == handle.query(seen)
    assert [value] * 2 == calls, "no step was done twice for want of a result"


def test_hazard_47_no_bytes_are_bytes(make_engine: MakeEngine) -> None:
    """With their type declared, as bytes are read back by it."""

    @activity
    def gives(given: bytes) -> bytes:
        assert given == b""
        return given

    @workflow
    def takes(given: bytes) -> Workflow[list[bytes]]:
        return [given, (yield from gives(given)), (yield from blob.receive())]

    handle = make_engine(workflows=[takes], activities=[gives], max_cached_workflows=0).start(
        takes, b"", id="r"
    )
    handle.signal(blob, b"")
    assert [b"", b"", b""] == handle.result(timeout=SOON)


# 48: a value on the first run differs from what replay gives -----------------------------------------------------------------------


class Colour(Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: tuple[int, ...]


class Note(TypedDict):
    text: str


@attrs.frozen
class Box:
    when: datetime
    points: list[Point]
    by_name: dict[str, Decimal]


MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ZOO: list[tuple[Any, Any]] = [
    (tuple[int, ...], (1, 2)),
    (datetime, MOMENT),
    (timedelta, timedelta(microseconds=5)),
    (Decimal, Decimal("1.50")),
    (UUID, UUID(int=7)),
    (Colour, Colour.RED),
    (Point, Point(1, (2, 3))),
    (Note, Note(text="a")),
    (bytes, b"\x00\xff"),
    (float, 1.0),
    (int | None, None),
    (Box, Box(MOMENT, [Point(1, ())], {"a": Decimal("0.10")})),
]


@pytest.mark.parametrize(("type_", "value"), ZOO, ids=[str(type_) for type_, _ in ZOO])
def test_hazard_48_a_value_is_the_same_on_the_first_run_and_on_every_replay(
    make_engine: MakeEngine, type_: Any, value: Any
) -> None:
    """Nothing is kept in memory, so each turn replays those before it; what the code saw is the same, type and all."""
    sent: Signal[Any] = Signal("sent", type_)
    saw: list[list[Any]] = []

    def gives(given: Any) -> Any:
        return given

    def takes(given: Any) -> Workflow[Any]:
        got = [given]
        saw.append(got)
        got.append((yield from giving(given)))
        got.append((yield from sent.receive()))
        yield from sent.receive()
        return got[1]

    gives.__annotations__ = {"given": type_, "return": type_}
    takes.__annotations__ = {"given": type_, "return": Workflow[type_]}
    giving, taking = activity(gives), workflow(takes)
    engine = make_engine(workflows=[taking], activities=[giving], max_cached_workflows=0)
    handle = engine.start(taking, value, id="r")
    handle.signal(sent, value)
    handle.signal(sent, value)
    assert value == handle.result(timeout=SOON)
    assert type(value) is type(handle.result(timeout=SOON))
    full = [got for got in saw if len(got) == 3]
    assert full
    for got in saw:
        assert [value] * len(got) == got
        assert [type(value)] * len(got) == [type(each) for each in got]
        assert len(saw) >= 2


# 51: failures that grow from attempt to attempt ----------------------------------------------------------------------------------------


def test_hazard_51_attempts_take_no_more_room_however_many_they_are(make_engine: MakeEngine) -> None:
    """Each attempt fails because of the failure before it, as its code sees it, so that the chain of causes is as long as it can be."""

    @workflow
    def tries(attempts: int) -> Workflow[None]:
        policy = RetryPolicy(initial_interval=timedelta(0), maximum_attempts=attempts)
        yield from execute_activity("fails", retry_policy=policy)

    sizes: list[int] = []
    for attempts in (30, 150):
        latest: list[BaseException] = [ValueError("the first")]

        @activity(name="fails")
        def fails(latest: list[BaseException] = latest) -> None:
            latest.append(ApplicationError("again"))
            raise latest[-1] from latest[-2]

        engine = make_engine(workflows=[tries], activities=[fails])
        handle = engine.start(tries, attempts, id=f"r-{attempts}")
        with pytest.raises(WorkflowFailedError):
            handle.result(timeout=SOON)
        engine.worker.shutdown()
        assert attempts == len(latest) - 1
        assert 4 == len(handle.history())
        sizes.append(handle.describe().run.history_bytes)
    assert abs(sizes[1] - sizes[0]) < 100
