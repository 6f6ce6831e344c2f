"""Whoever operates a run or an activity may ask again: a repeated request id changes nothing and gives the first answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest

from refold import ApplicationError, RetryPolicy, Workflow, all_of, execute_activity, workflow
from refold_adapters import (
    ActivityHandle,
    Client,
    Engine,
    ExecutionError,
    RunStatus,
    Store,
    WorkflowHandle,
    open_store,
)
from refold_adapters.operating.requests import Request
from refold_adapters.operating.resets import Point, reset_run
from refold_adapters.ports import ClaimRuns, Opened, OpenSession, ParkRun, RunFilter
from tests.features.running import MakeEngine, until
from tests.features.test_request_ids import word


@workflow
def pays() -> Workflow[object]:
    paid = execute_activity(
        "pay",
        task_queue="nobody",
        start_to_close_timeout=timedelta(minutes=1),
        retry_policy=RetryPolicy(initial_interval=timedelta(0)),
    )
    return (yield from all_of(paid, word.receive()))


def run(client: Client) -> WorkflowHandle[Any]:
    return client.handle("w")


def pay(client: Client) -> ActivityHandle:
    return client.activity("w", "1")


@attrs.frozen
class Operation:
    """A call with a request id, and what takes it back, so that a second call would do something."""

    call: Callable[[Client, str], Any]
    undo: Callable[[Client], Any] = lambda _: None


OPERATIONS: dict[str, Operation] = {
    "WorkflowHandle.pause": Operation(
        lambda client, request: run(client).pause("why", request_id=request),
        lambda client: run(client).resume(),
    ),
    "WorkflowHandle.resume": Operation(
        lambda client, request: run(client).resume("why", request_id=request),
        lambda client: run(client).pause(),
    ),
    "WorkflowHandle.update_options": Operation(
        lambda client, request: run(client).update_options(build_id="b", request_id=request),
        lambda client: run(client).update_options(build_id="c"),
    ),
    "WorkflowHandle.delete": Operation(lambda client, request: run(client).delete(request_id=request)),
    "WorkflowHandle.reset": Operation(
        lambda client, request: run(client).reset(first=True, request_id=request).run_id
    ),
    "WorkflowHandle.fork": Operation(
        lambda client, request: run(client).fork("f", request_id=request).run_id
    ),
    "ActivityHandle.complete": Operation(
        lambda client, request: pay(client).complete("paid", request_id=request)
    ),
    "ActivityHandle.fail": Operation(
        lambda client, request: pay(client).fail(ApplicationError("no money"), request_id=request)
    ),
    "ActivityHandle.report_cancelled": Operation(
        lambda client, request: pay(client).report_cancelled("half", request_id=request)
    ),
    "ActivityHandle.cancel": Operation(lambda client, request: pay(client).cancel(request_id=request)),
    "ActivityHandle.pause": Operation(
        lambda client, request: pay(client).pause(request_id=request), lambda client: pay(client).unpause()
    ),
    "ActivityHandle.unpause": Operation(
        lambda client, request: pay(client).unpause(request_id=request), lambda client: pay(client).pause()
    ),
    "ActivityHandle.reset": Operation(
        lambda client, request: pay(client).reset(request_id=request),
        lambda client: pay(client).fail(ApplicationError("no money")),
    ),
    "ActivityHandle.update_options": Operation(
        lambda client, request: pay(client).update_options(
            heartbeat_timeout=timedelta(seconds=3), request_id=request
        ),
        lambda client: pay(client).update_options(heartbeat_timeout=timedelta(seconds=4)),
    ),
}
every_operation = pytest.mark.parametrize("name", list(OPERATIONS))


def seen(store: Store) -> list[Any]:
    """All that there is of all runs."""
    rows = store.list_runs(RunFilter())
    return [rows, *([store.list_tasks(row.run_id), store.list_inbox(row.run_id)] for row in rows)]


@pytest.fixture
def client(make_engine: MakeEngine, store: Store) -> Client:
    """A run that waits for an activity which nobody takes up; its worker has gone, so that nothing else moves."""
    engine: Engine = make_engine(workflows=[pays])
    engine.start(pays, id="w")
    until(lambda: store.list_tasks(run(engine).describe().run.run_id))
    engine.worker.shutdown()
    return Client(store, workflows=[pays])


@every_operation
def test_a_repeated_request_changes_nothing_and_gives_the_first_answer(client: Client, name: str) -> None:
    operation = OPERATIONS[name]
    answer = operation.call(client, "once")
    operation.undo(client)
    before = seen(client.store)

    assert (answer, before) == (operation.call(client, "once"), seen(client.store))


@every_operation
def test_another_request_is_another(client: Client, name: str) -> None:
    operation = OPERATIONS[name]
    operation.call(client, "once")
    operation.undo(client)
    before = seen(client.store)
    try:
        operation.call(client, "another")
    except ExecutionError:
        return  # it would have done something
    assert before != seen(client.store)


@every_operation
def test_a_request_is_known_when_its_run_is_closed_and_when_it_is_gone(client: Client, name: str) -> None:
    operation = OPERATIONS[name]
    answers = [operation.call(client, "once")]
    while (row := client.store.find_run("w")) is not None:
        if row.status is RunStatus.RUNNING:
            client.handle("w", row.run_id).terminate()
        before = seen(client.store)
        answers.append(operation.call(client, "once"))
        assert before == seen(client.store)
        client.handle("w", row.run_id).delete()
    before = seen(client.store)
    answers.append(operation.call(client, "once"))

    assert (before, [answers[0]] * len(answers)) == (seen(client.store), answers)


@every_operation
def test_a_request_is_known_to_other_processes(client: Client, place: str, name: str) -> None:
    operation = OPERATIONS[name]
    answer = operation.call(client, "once")
    operation.undo(client)
    if place == "memory:":
        assert answer == operation.call(Client(client.store), "once")
        return
    client.store.close()
    again = open_store(place, client.store.clock)
    try:
        assert answer == operation.call(Client(again), "once")
    finally:
        again.close()


def test_one_request_id_serves_several_calls(client: Client) -> None:
    run(client).pause(request_id="deploy-7")
    run(client).update_options(build_id="b", request_id="deploy-7")
    run(client).resume(request_id="deploy-7")
    row = run(client).describe().run

    assert (None, "b") == (row.paused_at, row.build_id)


def test_what_was_so_already_is_remembered_as_asked_for(client: Client) -> None:
    run(client).resume(request_id="once")  # it is not paused
    run(client).pause()
    run(client).resume(request_id="once")

    assert None is not run(client).describe().run.paused_at


def test_of_two_that_ask_at_one_moment_one_resets_and_both_are_given_its_run(client: Client) -> None:
    row = client.row("w", None)

    def ask() -> str:
        # Neither has found the request noted when it begins.
        request = Request.of(client.store, "once", "reset", "w")
        return reset_run(client.store, row, Point(first=True), reason="", identity="", request=request).run_id

    assert ask() == ask() == client.row("w", None).run_id
    assert 2 == client.count()


@workflow
def broken() -> Workflow[None]:
    yield from word.receive()
    raise RuntimeError("a bug")


def test_a_repeated_retry_lets_nothing_be_tried_again_and_gives_the_same_runs(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(workflows=[broken])
    for workflow_id in ("a", "b"):
        engine.start(broken, id=workflow_id).signal(word, "go")
    until(lambda: engine.count(parked=True) == 2)
    engine.worker.shutdown()
    client = Client(engine.store)
    first = {row.run_id for row in client.retry(request_id="once")}
    engine.store.apply(parked_again(engine, "a"))

    assert first == {row.run_id for row in client.retry(request_id="once")}
    assert ["a"] == [row.workflow_id for row in client.list(parked=True)]
    assert ["a"] == [row.workflow_id for row in client.retry(workflow_id="a", request_id="once")]
    assert [] == list(client.list(parked=True))


def parked_again(engine: Engine, workflow_id: str) -> list[Any]:
    """What a worker writes that takes a run up and finds its code still broken."""
    (opened,) = engine.store.apply([OpenSession(identity="", process="", lease_us=1_000_000)])
    assert isinstance(opened, Opened)
    row = engine.row(workflow_id, None)
    claim = ClaimRuns(token=opened.token, task_queues=("default",), limit=9)
    return [claim, ParkRun(token=opened.token, run_id=row.run_id, reason=row.parked or b"{}")]
