"""Whatever is wrong with what comes in: a coded error with a cause and a remedy, and nothing accepted is lost."""

from __future__ import annotations

import math
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from refold import DefinitionError, PayloadError, RefoldError, Signal, Workflow, activity, workflow
from refold_adapters import (
    Client,
    Engine,
    ExecutionError,
    Store,
    StoreError,
    UnknownTypeError,
    Worker,
    WorkflowParkedError,
    open_store,
)

MakeEngine = Callable[..., Engine]
SOON = timedelta(seconds=20)


@attrs.frozen
class Order:
    item: str
    amount: int


order_in = Signal("order", Order)


@activity
def identity(value: Any) -> Any:
    return value


@workflow
def echo(value: Any) -> Workflow[Any]:
    return (yield from identity(value))


@workflow
def take(order: Order) -> Workflow[str]:
    again = yield from order_in.receive()
    return order.item + again.item


def problem(error: RefoldError) -> tuple[str, bool, bool]:
    return error.code, bool(error.why), bool(error.fix)


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, "\ud800", {"\udfff": 1}, {1: "int key"}, {1, 2}, object(), [[math.nan]]],
    ids=["nan", "inf", "-inf", "surrogate", "surrogate key", "int key", "set", "object", "nested nan"],
)
def test_a_value_that_cannot_be_stored_is_refused_at_the_start(make_engine: MakeEngine, value: Any) -> None:
    engine = make_engine(workflows=[echo], activities=[identity])
    with pytest.raises(PayloadError) as caught:
        engine.start(echo, value, id="e")

    assert ("RF1301", True, True) == problem(caught.value)
    assert [] == list(engine.list())


def test_an_oversized_value_is_refused_at_the_start(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[echo], activities=[identity])
    with pytest.raises(PayloadError) as caught:
        engine.start(echo, "x" * (2 * 1024 * 1024 + 1), id="e")

    assert ("RF1303", True, True) == problem(caught.value)


def test_deep_nesting_and_huge_integers_are_refused(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[echo], activities=[identity])
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    for value in (deep, 10**5000):
        with pytest.raises(PayloadError) as caught:
            engine.start(echo, value, id="e")
        assert "RF1301" == caught.value.code


def test_input_of_the_wrong_type_is_refused_before_it_is_stored(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[take])
    for arguments in ([{"item": 1}], ["text"], [Order("lamp", "many")]):  # type: ignore[arg-type]
        with pytest.raises(PayloadError, match="RF1302"):
            engine.start(take, *arguments, id="t")
    with pytest.raises(DefinitionError, match="RF1002"):
        engine.start(take, id="t")

    assert [] == list(engine.list())


def test_a_signal_of_the_wrong_type_is_refused_where_it_is_sent(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[take])
    handle = engine.start(take, Order("lamp", 1), id="t")
    with pytest.raises(PayloadError, match="RF1302"):
        handle.signal(order_in, {"item": 3})  # type: ignore[misc]
    handle.signal(order_in, Order("shade", 1))

    assert "lampshade" == handle.result(timeout=SOON)


def test_a_signal_by_name_that_does_not_fit_parks_the_run_and_is_kept(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[take])
    handle = engine.start(take, Order("lamp", 1), id="t")
    handle.signal("order", "no order at all")
    with pytest.raises(WorkflowParkedError, match="RF1302"):
        handle.result(timeout=SOON)

    assert 1 == handle.describe().pending_messages


HOSTILE = ["", "a\nb", "tab\there", "nul\x00", "\ud800", "x" * 1025, "é" * 600]
FINE = ["'; DROP TABLE runs; --", '"quoted"', "100%_\\", "\u202egnirts", "x" * 1024, "Ünïcode 注文", "a b"]


@pytest.mark.parametrize("name", HOSTILE)
def test_ids_that_are_no_plain_text_are_refused_everywhere(make_engine: MakeEngine, name: str) -> None:
    engine = make_engine(workflows=[echo], activities=[identity])
    for call in (
        lambda: engine.start(echo, 1, id=name),
        lambda: engine.start(echo, 1, id="fine", task_queue=name),
        lambda: engine.start(name, 1, id="fine"),
        lambda: engine.handle(name).describe(),
        lambda: engine.handle(name).cancel(),
        lambda: engine.handle("fine").signal(name),
    ):
        with pytest.raises(DefinitionError) as caught:
            call()
        assert ("RF1003", True, True) == problem(caught.value)


@pytest.mark.parametrize("name", FINE)
def test_odd_but_plain_ids_are_just_ids(make_engine: MakeEngine, name: str) -> None:
    engine = make_engine(workflows=[echo], activities=[identity])

    assert name == engine.run(echo, name, id=name)
    assert [name] == [row.workflow_id for row in engine.list(workflow_id=name)]


def test_undeclared_and_doubled_functions_are_refused(store: Store) -> None:
    @activity(name="identity")
    def other(value: Any) -> Any:
        return value

    wrongs: list[dict[str, Any]] = [
        {"workflows": [lambda: None]},
        {"activities": [print]},
        {"activities": [identity, other]},
    ]
    for wrong in wrongs:
        with pytest.raises(ExecutionError, match="RF5111"):
            Worker(store, **wrong)


@pytest.mark.parametrize(
    "option",
    [
        {"max_concurrent_activities": 0},
        {"max_concurrent_activities": True},
        {"max_concurrent_workflow_turns": -1},
        {"max_cached_workflows": -1},
        {"max_activity_processes": 0},
        {"max_activity_processes": 1.5},
        {"lease": timedelta(0)},
        {"lease": timedelta(days=2)},
        {"lease": 10},
    ],
    ids=repr,
)
def test_options_with_which_a_worker_would_stand_still_are_refused(
    store: Store, option: dict[str, Any]
) -> None:
    (name,) = option
    with pytest.raises(ExecutionError, match=rf"RF5113: the worker's option {name}="):
        Worker(store, **option)


def test_a_worker_of_an_unacceptable_task_queue_is_refused(store: Store) -> None:
    with pytest.raises(DefinitionError, match="RF1003: the task queue is not acceptable"):
        Worker(store, task_queue="a\nb")


def test_a_parked_run_can_be_terminated(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[echo])
    handle = engine.start(echo, 1, id="e")
    with pytest.raises(WorkflowParkedError):
        handle.result(timeout=SOON)
    handle.terminate("no use")

    assert "TERMINATED" == handle.describe().run.status.value


def test_a_corrupt_turn_parks_its_run_and_no_other(tmp_path: Path) -> None:
    place = tmp_path / "c.db"
    with Engine(place, workflows=[take]) as engine:
        for name in ("good", "bad"):
            engine.start(take, Order(name, 1), id=name)
        bad_run = engine.handle("bad").describe().run.run_id
    database = sqlite3.connect(place)
    database.execute(
        "UPDATE history SET data = CAST(replace(CAST(data AS TEXT), '\"bad\"', '\"BAD\"') AS BLOB)"
    )
    database.commit()
    database.close()
    with Engine(place, workflows=[take]) as engine:
        for name in ("good", "bad"):
            engine.handle(name).signal(order_in, Order("!", 1))
        assert "good!" == engine.handle("good", workflow=take).result(timeout=SOON)
        with pytest.raises((WorkflowParkedError, StoreError), match="RF5007"):
            engine.handle("bad").result(timeout=SOON)
        assert {"good", "bad"} == {row.workflow_id for row in engine.list()}
    assert bad_run


def test_places_that_cannot_be_a_store_say_so(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("these are notes, not a database, and there are quite a few of them\n" * 50)
    for place, code in (
        (text, "RF5008"),
        (tmp_path / "no" / "such" / "folder.db", "RF5001"),
        ("ftp://elsewhere/x", "RF5001"),
        (tmp_path, "RF5001"),
    ):
        with pytest.raises(StoreError) as caught:
            Engine(str(place), workflows=[echo])
        assert (code, True, True) == problem(caught.value)


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "n.db"
    open_store(place).close()
    database = sqlite3.connect(place)
    assert 1 == database.execute("UPDATE meta SET value = 99 WHERE name LIKE '%schema%'").rowcount
    database.commit()
    database.close()
    with pytest.raises(StoreError) as caught:
        open_store(place)

    assert ("RF5003", True, True) == problem(caught.value)


READ_ONLY = """
import os, sys
from refold_adapters import Client, StoreError, open_store
import refold_adapters.sqlite
Client(open_store("memory:")).start("echo", 1, id="x")
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    Client(open_store(sys.argv[1])).start("echo", 1, id="x")
except StoreError as error:
    print(error.code)
"""


@pytest.fixture
def sealed() -> Iterator[Path]:
    """A store that may be read and not written.

    In a folder of its own: pytest takes those that it makes away from other users each time that any run of it begins.
    """
    with tempfile.TemporaryDirectory(prefix="refold-sealed-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        place = folder / "r.db"
        open_store(place).close()
        place.chmod(0o444)
        folder.chmod(0o555)
        yield place
        folder.chmod(0o755)


def code_for_a_stranger(place: Path) -> str:
    """The code that a user is told who has no rights of his own to the store."""
    done = subprocess.run(
        [sys.executable, "-c", READ_ONLY, str(place)], check=False, capture_output=True, text=True, timeout=60
    )
    return done.stdout.strip() or done.stderr


def test_a_read_only_file_is_refused_with_its_remedy(sealed: Path) -> None:
    assert "RF5002" == code_for_a_stranger(sealed)


@pytest.mark.parametrize("mode", [0o000, 0o400], ids=["none", "read"])
def test_a_file_in_a_folder_that_may_not_be_searched_cannot_be_opened(sealed: Path, mode: int) -> None:
    sealed.parent.chmod(mode)

    assert "RF5001" == code_for_a_stranger(sealed)


def test_a_query_of_a_client_without_code_is_refused(store: Store) -> None:
    handle = Client(store).start("echo", 1, id="e")
    with pytest.raises(UnknownTypeError, match="RF5104"):
        handle.query("anything")
