"""Runs that are removed, and what is told to those who come late, on every store."""

from __future__ import annotations

from datetime import timedelta

import pytest

from refold import (
    ChildWorkflowError,
    Query,
    Signal,
    Update,
    Workflow,
    WorkflowIDReusePolicy,
    continue_as_new,
    start_child_workflow,
    workflow,
)
from refold_adapters import Engine, ManualClock, RunStatus, Store, WorkflowHandle, WorkflowNotFoundError
from tests.features.running import until
from tests.runtime.conftest import MakeEngine

SOON = timedelta(seconds=10)
DAY = 24 * 3_600_000_000
word = Signal("word", str)
words = Query("words", list)
add = Update("add", str, result_type=int)


@workflow
def child() -> Workflow[str]:
    """Answers with the first word it gets."""
    return (yield from word.receive())


@workflow
def parent() -> Workflow[str]:
    """Waits for a child."""
    yield from words.answer(list)
    handle = yield from start_child_workflow(child, id="child")
    yield from words.answer(lambda: ["begun"])
    try:
        return f"got {yield from handle}"
    except ChildWorkflowError as error:
        return type(error.cause).__name__


@workflow
def renewing(left: int) -> Workflow[str]:
    """Begins anew at each word."""
    yield from words.answer(lambda: [str(left)])
    yield from word.receive()
    if left:
        yield from continue_as_new(left - 1)
    return "the last"


@workflow
def updatable() -> Workflow[None]:
    """Refuses every update, until it gets a word."""

    def refuse(text: str) -> None:
        raise ValueError(f"not {text}")

    yield from add.handle(len, validator=refuse)
    yield from word.receive()


@pytest.fixture
def engine(make_engine: MakeEngine) -> Engine:
    return make_engine(workflows=[child, parent, renewing, updatable], retention=timedelta(days=30))


def until_says(handle: WorkflowHandle[str], *expected: str) -> None:
    for _ in range(5000):
        if handle.describe().run.turn and handle.query(words) == list(expected):
            return
    raise AssertionError("it never was")


def test_every_call_on_a_deleted_run_says_that_there_is_none(engine: Engine) -> None:
    handle = engine.start(child, id="run")
    assert handle.run_id is not None
    handle.delete()
    for call in (
        lambda: handle.result(timeout=SOON),
        lambda: handle.signal(word, "late"),
        handle.cancel,
        handle.terminate,
        handle.pause,
        handle.resume,
        handle.reset,
        lambda: handle.fork("copy"),
        lambda: handle.execute_update(add, "late", timeout=SOON),
        lambda: handle.query(words),
        handle.describe,
        handle.history,
        handle.delete,
    ):
        with pytest.raises(WorkflowNotFoundError, match="RF5102"):
            call()


def test_who_waits_for_a_run_that_is_deleted_is_told_that_it_was_terminated(engine: Engine) -> None:
    handle = engine.start(child, id="run")
    future, run_id = handle.watch()
    handle.delete()
    assert "TERMINATED" == future.result(10).status.value
    handle.unwatch(run_id, future)


def test_the_parent_of_a_deleted_child_is_told_that_it_was_terminated(engine: Engine) -> None:
    handle = engine.start(parent, id="parent")
    until_says(handle, "begun")
    engine.handle("child").delete()
    assert "TerminatedError" == handle.result(timeout=SOON)


def test_the_child_of_a_deleted_parent_is_terminated_by_its_close_policy(engine: Engine) -> None:
    handle = engine.start(parent, id="parent")
    until_says(handle, "begun")
    left = engine.handle("child", engine.handle("child").describe().run.run_id)
    handle.delete()
    until(lambda: left.describe().run.closed_at is not None)
    assert RunStatus.TERMINATED == left.describe().run.status


def test_a_run_in_the_midst_of_a_chain_is_deleted_and_the_chain_goes_on(engine: Engine, store: Store) -> None:
    first = engine.start(renewing, 2, id="run", start_signal=(word, "one"))
    until_says(engine.handle("run"), "1")
    middle = engine.handle("run", engine.handle("run").describe().run.run_id)
    middle.signal(word, "two")
    until_says(engine.handle("run"), "0")
    middle.delete()
    engine.handle("run").signal(word, "three")
    assert "the last" == engine.handle("run").result(timeout=SOON)
    with pytest.raises(WorkflowNotFoundError, match="RF5102"):
        first.result(timeout=SOON)  # it follows the runs one by one, and one of them is gone
    assert 2 == engine.count()


@pytest.mark.parametrize("policy", list(WorkflowIDReusePolicy))
def test_a_deleted_run_stands_in_the_way_of_no_other(engine: Engine, policy: WorkflowIDReusePolicy) -> None:
    engine.start(child, id="run", start_signal=(word, "one")).result(timeout=SOON)
    engine.handle("run").delete()
    again = engine.start(child, id="run", id_reuse_policy=policy, start_signal=(word, "two"))
    assert "two" == again.result(timeout=SOON)


def test_retention_leaves_open_runs_and_open_children_of_removed_parents(
    engine: Engine, clock: ManualClock
) -> None:
    handle = engine.start(parent, id="parent")
    until_says(handle, "begun")
    old = handle.reset()  # the closed run is older than what the child waits to tell
    until_says(old, "begun")
    clock.advance(31 * DAY)
    engine.start(child, id="other", start_signal=(word, "a turn")).result(timeout=SOON)
    until(lambda: engine.count("WorkflowId = 'parent'") == 1)
    engine.handle("child").signal(word, "hello")
    assert "got hello" == old.result(timeout=SOON)
