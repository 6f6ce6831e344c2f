"""Reset where other runs came after the one that is reset, and where what it started cannot be started twice; on every store."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from refold import (
    ParentClosePolicy,
    Query,
    QueryError,
    Signal,
    Workflow,
    WorkflowIDReusePolicy,
    continue_as_new,
    start_child_workflow,
    workflow,
)
from refold.events import StartChildWorkflowExecutionInitiated, WorkflowExecutionSignaled
from refold_adapters import Client, RunStatus, WorkflowHandle
from tests.features.running import until
from tests.runtime.conftest import MakeEngine

SOON = timedelta(seconds=10)
word = Signal("word", str)
words = Query("words", list)
ONCE = WorkflowIDReusePolicy.REJECT_DUPLICATE


@workflow
def page(left: int, got: list[str]) -> Workflow[list[str]]:
    """Two words a run; the last run has a third."""
    yield from words.answer(lambda: list(got))
    got.append((yield from word.receive()))
    got.append((yield from word.receive()))
    if left:
        yield from continue_as_new(left - 1, got)
    got.append((yield from word.receive()))
    return got


@workflow
def waiting() -> Workflow[str]:
    return (yield from word.receive())


@workflow
def owner(policy: str) -> Workflow[list[str]]:
    """One word a run, and the second run has a child."""
    first = yield from word.receive()
    if first != "again":
        yield from start_child_workflow(waiting, id="of owner", parent_close_policy=ParentClosePolicy(policy))
        return [first, (yield from word.receive())]
    yield from continue_as_new(policy)
    return []


@workflow
def middle() -> Workflow[str]:
    """A child that has a child, each of which is started once only."""
    handle = yield from start_child_workflow(waiting, id="grandchild", id_reuse_policy=ONCE)
    return (yield from handle)


@workflow
def grandparent() -> Workflow[list[str]]:
    first = yield from word.receive()
    handle = yield from start_child_workflow(middle, id="child", id_reuse_policy=ONCE)
    return [first, (yield from handle)]


@workflow
def twice() -> Workflow[str]:
    """Starts a child that is started once only, and then once more."""
    yield from word.receive()
    handle = yield from start_child_workflow(waiting, id="child", id_reuse_policy=ONCE)
    yield from handle
    try:
        yield from start_child_workflow(waiting, id="child", id_reuse_policy=ONCE)
    except Exception as error:
        return type(error).__name__
    return "started twice"


ALL: dict[str, Any] = {"workflows": [page, waiting, owner, middle, grandparent, twice]}


def run_of(client: Client, workflow_id: str) -> str:
    """The present run of a workflow id, once there is one."""
    until(lambda: client.count(workflow_id=workflow_id) > 0)
    return client.handle(workflow_id).describe().run.run_id


def statuses(client: Client, workflow_id: str) -> dict[str | None, RunStatus]:
    return {row.run_id: row.status for row in client.list(workflow_id=workflow_id)}


def seen(handle: WorkflowHandle[Any], *expected: str) -> None:
    def is_so() -> bool:
        try:
            return list(expected) == handle.query(words)
        except QueryError:  # it has not begun
            return False

    until(is_so)


def test_a_reset_of_an_earlier_run_ends_the_later_one_and_hears_what_both_were_told(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(**ALL)
    first = engine.start(page, 1, [], id="page")
    for each in ("a", "b"):
        engine.handle("page").signal(word, each)
    until(lambda: engine.count(workflow_id="page") == 2)
    second = engine.handle("page", run_of(engine, "page"), workflow=page)
    second.signal(word, "c")
    seen(second, "a", "b", "c")
    earlier = engine.handle("page", first.run_id, workflow=page)
    told = next(event for event in earlier.history() if isinstance(event, WorkflowExecutionSignaled))

    again = earlier.reset(event_id=told.event_id, reason="from the start")
    until(lambda: engine.count(workflow_id="page") == 4)  # it too has continued as new
    engine.handle("page").signal(word, "d")
    engine.handle("page").signal(word, "e")
    assert ["a", "b", "c", "d", "e"] == again.result(timeout=SOON)
    found = statuses(engine, "page")
    assert RunStatus.CONTINUED_AS_NEW == found[first.run_id] == found[again.run_id]
    assert RunStatus.TERMINATED == found[second.run_id]


def test_what_a_run_handed_on_unread_is_heard_once_after_a_reset(make_engine: MakeEngine) -> None:
    engine = make_engine(**ALL)
    first = engine.start(page, 1, [], id="page", start_signal=(word, "a"))
    seen(engine.handle("page", first.run_id), "a")
    engine.handle("page").pause()
    for each in ("b", "c", "d"):  # all of one turn: two of them go on to the next run
        engine.handle("page").signal(word, each)
    engine.handle("page").resume()
    until(lambda: engine.count(workflow_id="page") == 2)
    second = engine.handle("page", run_of(engine, "page"))
    seen(second, "a", "b", "c", "d")
    again = engine.handle("page", first.run_id, workflow=page).reset(first=True)
    until(lambda: engine.count(workflow_id="page") == 4)
    engine.handle("page").signal(word, "e")
    assert ["a", "b", "c", "d", "e"] == again.result(timeout=SOON)


@pytest.mark.parametrize("policy", ["TERMINATE", "ABANDON"])
def test_the_children_of_the_run_that_a_reset_ends_are_told_by_their_policy(
    make_engine: MakeEngine, policy: str
) -> None:
    engine = make_engine(**ALL)
    first = engine.start(owner, policy, id="owner")
    engine.handle("owner").signal(word, "again")
    until(lambda: engine.count(workflow_id="owner") == 2)
    engine.handle("owner").signal(word, "now")
    child = run_of(engine, "of owner")
    engine.handle("owner", first.run_id).reset(first=True)
    expected = RunStatus.TERMINATED if policy == "TERMINATE" else RunStatus.RUNNING
    assert expected == statuses(engine, "of owner")[child]


def test_a_run_that_began_under_the_id_since_is_ended_by_a_reset_and_its_words_are_its_own(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(**ALL)
    old = engine.start(page, 0, [], id="page")
    for each in ("a", "b", "c"):
        old.signal(word, each)
    assert ["a", "b", "c"] == old.result(timeout=SOON)
    other = engine.start(page, 0, ["x"], id="page")
    other.signal(word, "y")
    seen(other, "x", "y")
    again = old.reset(first=True)
    assert ["a", "b", "c"] == again.result(timeout=SOON)
    assert RunStatus.TERMINATED == statuses(engine, "page")[other.run_id]


def test_a_run_may_be_reset_again_though_its_reset_is_open(make_engine: MakeEngine) -> None:
    engine = make_engine(**ALL)
    old = engine.start(grandparent, id="top")
    old.signal(word, "one")
    run_of(engine, "grandchild")
    at = next(event for event in old.history() if isinstance(event, StartChildWorkflowExecutionInitiated))
    runs: list[str | None] = [old.run_id]
    for number in range(2, 4):
        runs.append(engine.handle("top", old.run_id).reset(turn=at.turn).run_id)
        until(lambda number=number: engine.count(workflow_id="grandchild") == number)  # type: ignore[misc]
    engine.handle("grandchild").signal(word, "done")
    assert ["one", "done"] == engine.handle("top", workflow=grandparent).result(timeout=SOON)
    assert [RunStatus.TERMINATED, RunStatus.TERMINATED, RunStatus.COMPLETED] == [
        statuses(engine, "top")[run_id] for run_id in runs
    ]


def test_children_that_are_started_once_only_are_started_again_where_a_reset_undoes_their_start(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(**ALL)
    old = engine.start(grandparent, id="top")
    old.signal(word, "one")
    before = run_of(engine, "grandchild")
    engine.handle("grandchild").signal(word, "first")
    assert ["one", "first"] == old.result(timeout=SOON)
    new = engine.handle("top", workflow=grandparent).reset(first=True)
    until(lambda: engine.count(workflow_id="grandchild") == 2)
    engine.handle("grandchild").signal(word, "second")
    assert ["one", "second"] == new.result(timeout=SOON)
    assert {before: RunStatus.COMPLETED} == {
        run_id: status for run_id, status in statuses(engine, "grandchild").items() if run_id == before
    }


def test_a_reset_lets_a_child_be_started_again_once_and_no_more(make_engine: MakeEngine) -> None:
    engine = make_engine(**ALL)
    old = engine.start(twice, id="top")
    old.signal(word, "go")
    run_of(engine, "child")
    engine.handle("child").signal(word, "one")
    refused = old.result(timeout=SOON)
    assert "started twice" != refused
    new = old.reset(first=True)
    until(lambda: engine.count(workflow_id="child") == 2)
    engine.handle("child").signal(word, "two")
    assert refused == new.result(timeout=SOON)
    assert 2 == engine.count(workflow_id="child")
