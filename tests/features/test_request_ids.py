"""Every call of a client that takes a request id changes nothing when it is made again with the same one, on each store."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from refold import Signal, Update, Workflow, activity, workflow
from refold_adapters import (
    ActivityHandle,
    Client,
    Engine,
    ExecutionError,
    StandaloneActivityHandle,
    WorkflowHandle,
)
from tests.features.running import SOON, MakeEngine, until

word = Signal("word", str)
add = Update("add", int, result_type=int)


@workflow
def listens() -> Workflow[list[str]]:
    total = 0

    def added(number: int) -> int:
        nonlocal total
        total += number
        return total

    yield from add.handle(added)
    heard: list[str] = []
    while len(heard) < 9:
        heard.append((yield from word.receive()))
    return heard


@activity
def double(number: int) -> int:
    return 2 * number


def run(engine: Engine) -> WorkflowHandle[Any]:
    return engine.handle("w")


def elsewhere(engine: Engine) -> StandaloneActivityHandle[Any]:
    return engine.get_activity_handle("a")


#: Each call, made with a request id.
CALLS: dict[str, Callable[[Engine, str], Any]] = {
    "Client.start": lambda engine, request: engine.start(listens, id="new", request_id=request),
    "Client.signal_with_start": lambda engine, request: engine.signal_with_start(
        listens, id="w", signal=word, payload="a", request_id=request
    ),
    "Client.update_with_start": lambda engine, request: engine.update_with_start(
        listens, id="w", update=add, payload=1, request_id=request, timeout=SOON
    ),
    "Client.start_activity": lambda engine, request: engine.start_activity(
        double, 1, id="new", task_queue="nobody", request_id=request
    ),
    "Client.execute_activity": lambda engine, request: engine.execute_activity(
        double, 1, id="new", request_id=request
    ),
    "WorkflowHandle.signal": lambda engine, request: run(engine).signal(word, "a", request_id=request),
    "WorkflowHandle.cancel": lambda engine, request: run(engine).cancel(request_id=request),
    "WorkflowHandle.terminate": lambda engine, request: run(engine).terminate(request_id=request),
    "StandaloneActivityHandle.cancel": lambda engine, request: elsewhere(engine).cancel(request_id=request),
    "StandaloneActivityHandle.terminate": lambda engine, request: elsewhere(engine).terminate(
        request_id=request
    ),
}

#: These take the run that is there, whoever started it, so there is nothing for a request id to keep from happening twice.
ATTACHING = {"Client.run", "Client.attach"}
#: These are tried in ``test_repeated_operations``.
OPERATIONS = {
    *("Client.retry", "WorkflowHandle.pause", "WorkflowHandle.resume", "WorkflowHandle.update_options"),
    *("WorkflowHandle.delete", "WorkflowHandle.reset", "WorkflowHandle.fork"),
    *(
        f"ActivityHandle.{name}"
        for name in ("complete", "fail", "report_cancelled", "cancel", "pause", "unpause")
    ),
    *("ActivityHandle.reset", "ActivityHandle.update_options"),
}
#: What ``update_with_start`` and its asynchronous form share.
SHARED = {"Client.send_update_with_start"}


def takes_request_id(function: Any) -> bool:
    parameters = inspect.signature(function).parameters
    return "request_id" in parameters or "options" in parameters


def test_these_are_all_the_calls_that_take_a_request_id() -> None:
    found = {
        f"{cls.__name__}.{name}"
        for cls in (Client, WorkflowHandle, ActivityHandle, StandaloneActivityHandle)
        for name, function in inspect.getmembers(cls, inspect.isfunction)
        if not name.startswith("_") and takes_request_id(function)
    }

    assert found - ATTACHING - SHARED == set(CALLS) | OPERATIONS


def seen(engine: Engine) -> list[tuple[str, int]]:
    """Each run, and how many events and unread messages it has."""
    rows = [*engine.list(), *engine.list_activities()]
    return sorted(
        (
            row.run_id,
            len(engine.handle(row.workflow_id, row.run_id).history())
            + len(engine.store.list_inbox(row.run_id)),
        )
        for row in rows
    )


def settled(engine: Engine) -> list[tuple[str, int]]:
    until(
        lambda: all(
            row.task_queue != "default" or not engine.store.list_inbox(row.run_id) for row in engine.list()
        )
    )
    return seen(engine)


def made_again(engine: Engine, call: Callable[[Engine, str], Any], request_id: str) -> bool:
    """Whether the call did something, or was refused because it would have."""
    before = settled(engine)
    try:
        call(engine, request_id)
    except ExecutionError:
        return True
    return settled(engine) != before


@pytest.mark.parametrize("name", list(CALLS))
def test_a_repeated_request_id_changes_nothing_and_another_one_does(
    make_engine: MakeEngine, name: str
) -> None:
    engine = make_engine(workflows=[listens], activities=[double])
    engine.start(listens, id="w")
    engine.start_activity(double, 1, id="a", task_queue="nobody")
    CALLS[name](engine, "once")

    assert not made_again(engine, CALLS[name], "once")
    assert made_again(engine, CALLS[name], "another time")
