"""Reset and fork of runs that have to do with others: children, parents, signals to other runs; on every store."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from refold import (
    ChildWorkflowError,
    Execution,
    ParentClosePolicy,
    Query,
    Signal,
    Workflow,
    WorkflowDefinition,
    external_workflow,
    start_child_workflow,
    workflow,
)
from refold.events import (
    ChildWorkflowExecutionCompleted,
    HistoryEvent,
    StartChildWorkflowExecutionInitiated,
    WorkflowExecutionOptionsUpdated,
)
from refold.messages import StartWorkflow
from refold_adapters import Client, ExecutionError, RunStatus, Store, WorkflowHandle
from refold_adapters.turns.other_runs import creation_of, relays_of
from refold_adapters.turns.turn_writes import commit_of
from tests.features.running import until
from tests.runtime.conftest import MakeEngine

SOON = timedelta(seconds=10)
word = Signal("word", str)
words = Query("words", list)


@workflow
def child() -> Workflow[str]:
    """Answers with the first word it gets."""
    return (yield from word.receive())


@workflow
def parent(policy: str) -> Workflow[list[str]]:
    """Starts a child, gets a word itself, and then waits for the child."""
    got: list[str] = []
    yield from words.answer(lambda: list(got))
    handle = yield from start_child_workflow(child, id="child", parent_close_policy=ParentClosePolicy(policy))
    got.append("begun")
    got.append((yield from word.receive()))
    try:
        got.append((yield from handle))
    except ChildWorkflowError as error:
        got.append(str(error.cause))
    got.append((yield from word.receive()))
    return got


@workflow
def late_parent() -> Workflow[list[str]]:
    """Gets a word, and then runs a child."""
    first = yield from word.receive()
    handle = yield from start_child_workflow(child, id="child")
    return [first, (yield from handle)]


@workflow
def sender(to: str) -> Workflow[str]:
    """Sends a word to another run, and says whether it went there."""
    yield from external_workflow(to).signal(word, "from the sender")
    return "sent"


@workflow
def collecting() -> Workflow[list[str]]:
    """Gets three words."""
    got: list[str] = []
    yield from words.answer(lambda: list(got))
    while len(got) < 3:
        got.append((yield from word.receive()))
    return got


ALL = {"workflows": [child, parent, late_parent, sender, collecting]}


def until_it_says(handle: WorkflowHandle[list[str]], *expected: str) -> None:
    """Wait until the run says that it has got so far."""
    until(lambda: list(expected) == handle.query(words))


def first(handle: WorkflowHandle[list[str]], kind: type[HistoryEvent]) -> HistoryEvent:
    return next(event for event in handle.history() if isinstance(event, kind))


def begun_by_hand(store: Store, definition: WorkflowDefinition[..., Any], *args: object) -> Client:
    """A run of no worker, after its first turn."""
    start = StartWorkflow(
        workflow_id="sender",
        run_id=str(uuid4()),
        workflow_type=definition.name,
        input=definition.encode_input(*args),
    )
    store.apply([creation_of(start, 0)])
    with Execution(definition) as execution:
        turn = execution.turn(start, at=store.clock.now_us())
        started = execution.state.started
        assert started is not None
        commit = commit_of(
            turn,
            token=0,
            run_id=start.run_id,
            turn_token="by hand",
            task_queue="default",
            consumed=[1],
            relays=relays_of(turn, started),
        )
    store.apply([commit])
    return Client(store)


# Children ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["TERMINATE", "REQUEST_CANCEL", "ABANDON"])
def test_a_child_that_is_open_at_the_point_goes_on_as_a_child_of_the_new_run(
    make_engine: MakeEngine, policy: str
) -> None:
    engine = make_engine(**ALL)
    old = engine.start(parent, policy, id="parent")
    until_it_says(old, "begun")
    old.signal(word, "one")
    until_it_says(old, "begun", "one")
    new = old.reset()
    engine.handle("child").signal(word, "hello")
    new.signal(word, "two")
    assert ["begun", "one", "hello", "two"] == new.result(timeout=SOON)
    assert [RunStatus.TERMINATED, RunStatus.COMPLETED] == [
        old.describe().run.status,
        engine.handle("child").describe().run.status,
    ]
    assert 3 == engine.count()


def test_a_child_that_ended_after_the_point_is_told_of_again(make_engine: MakeEngine) -> None:
    engine = make_engine(**ALL)
    old = engine.start(parent, "TERMINATE", id="parent")
    until_it_says(old, "begun")
    old.signal(word, "one")
    engine.handle("child").signal(word, "hello")
    until_it_says(old, "begun", "one", "hello")
    ended = first(old, ChildWorkflowExecutionCompleted)
    new = old.reset(turn=ended.turn - 1)
    new.signal(word, "two")
    assert ["begun", "one", "hello", "two"] == new.result(timeout=SOON)
    assert 3 == engine.count()


def test_a_child_that_ended_after_its_parent_had_closed_is_told_of_at_a_reset(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(**ALL)
    old = engine.start(parent, "ABANDON", id="parent")
    until_it_says(old, "begun")
    old.terminate()
    engine.handle("child").signal(word, "hello")
    engine.handle("child").result(timeout=SOON)
    new = old.reset()
    new.signal(word, "one")
    new.signal(word, "two")
    assert ["begun", "one", "hello", "two"] == new.result(timeout=SOON)


def test_the_new_run_is_told_of_a_child_also_when_the_old_run_was_deleted(make_engine: MakeEngine) -> None:
    engine = make_engine(**ALL)
    old = engine.start(parent, "TERMINATE", id="parent")
    until_it_says(old, "begun")
    middle = old.reset()
    until_it_says(middle, "begun")
    new = middle.reset()
    for each in (old, middle):
        each.delete()
    new.signal(word, "one")
    engine.handle("child").signal(word, "hello")
    new.signal(word, "two")
    assert ["begun", "one", "hello", "two"] == new.result(timeout=SOON)


def test_the_close_policy_of_a_child_holds_when_the_run_that_took_it_over_closes(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(**ALL)
    old = engine.start(parent, "TERMINATE", id="parent")
    until_it_says(old, "begun")
    new = old.reset()
    until_it_says(new, "begun")
    of_child = engine.handle("child")
    assert RunStatus.RUNNING == of_child.describe().run.status
    new.terminate()
    with pytest.raises(ExecutionError, match="TERMINATED"):
        of_child.result(timeout=SOON)


def test_a_child_that_was_started_after_the_point_is_ended_and_started_anew(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(**ALL)
    old = engine.start(late_parent, id="parent")
    old.signal(word, "one")
    while engine.count("WorkflowId = 'child'") == 0:
        old.describe()
    undone = engine.handle("child", engine.handle("child").describe().run.run_id)
    new = old.reset(turn=first(old, StartChildWorkflowExecutionInitiated).turn)
    assert RunStatus.TERMINATED == undone.describe().run.status
    while engine.handle("child").describe().run.run_id == undone.describe().run.run_id:
        new.describe()
    engine.handle("child").signal(word, "hello")
    assert ["one", "hello"] == new.result(timeout=SOON)


def test_the_parent_of_a_child_that_is_reset_waits_for_the_new_run(make_engine: MakeEngine) -> None:
    engine = make_engine(**ALL)
    of_parent = engine.start(parent, "TERMINATE", id="parent")
    until_it_says(of_parent, "begun")
    of_parent.signal(word, "one")
    old = engine.handle("child", engine.handle("child").describe().run.run_id)
    new = old.reset(first=True)
    new.signal(word, "from the new run")
    until_it_says(of_parent, "begun", "one", "from the new run")
    again = new.reset(first=True)  # what the parent has heard it does not hear again
    assert "from the new run" == again.result(timeout=SOON)
    of_parent.signal(word, "two")
    assert ["begun", "one", "from the new run", "two"] == of_parent.result(timeout=SOON)


def test_a_fork_has_the_outcome_of_a_child_and_cannot_have_an_open_one(make_engine: MakeEngine) -> None:
    engine = make_engine(**ALL)
    old = engine.start(parent, "TERMINATE", id="parent")
    until_it_says(old, "begun")
    old.signal(word, "one")
    until_it_says(old, "begun", "one")
    with pytest.raises(ExecutionError, match=r"RF5115.*'child' \(event \d+\) has not ended"):
        old.fork("copy")
    assert 2 == engine.count()
    engine.handle("child").signal(word, "hello")
    until_it_says(old, "begun", "one", "hello")
    copy = old.fork("copy", turn=first(old, ChildWorkflowExecutionCompleted).turn - 1)
    copy.signal(word, "two")
    assert ["begun", "one", "hello", "two"] == copy.result(timeout=SOON)
    assert RunStatus.RUNNING == old.describe().run.status


def test_a_fork_of_a_child_has_no_parent(make_engine: MakeEngine) -> None:
    engine = make_engine(**ALL)
    of_parent = engine.start(parent, "TERMINATE", id="parent")
    until_it_says(of_parent, "begun")
    of_parent.signal(word, "one")
    until_it_says(of_parent, "begun", "one")
    copy = engine.handle("child").fork("copy", first=True)
    copy.signal(word, "nobody waits for it")
    assert "nobody waits for it" == copy.result(timeout=SOON)
    until_it_says(of_parent, "begun", "one")


def test_a_reset_where_a_child_is_gone_says_so(make_engine: MakeEngine) -> None:
    engine = make_engine(**ALL)
    old = engine.start(parent, "ABANDON", id="parent")
    until_it_says(old, "begun")
    old.terminate()
    engine.handle("child").delete()
    with pytest.raises(ExecutionError, match=r"RF5115.*'child' \(event \d+\) had not ended then, and is not"):
        old.reset()
    assert 1 == engine.count()


# Signals to other runs -----------------------------------------------------------------------------------------------------


def test_a_signal_without_an_answer_at_the_point_has_its_answer_after_a_reset(
    make_engine: MakeEngine, store: Store
) -> None:
    client = begun_by_hand(store, sender, "nobody")
    old = client.handle("sender")
    old.update_options(build_id="")
    admin = first(old, WorkflowExecutionOptionsUpdated)
    new = old.reset(event_id=admin.event_id)
    make_engine(**ALL)
    with pytest.raises(ExecutionError, match="RF5109"):
        new.result(timeout=SOON)


def test_a_signal_whose_answer_nobody_read_is_asked_for_again_and_not_heard_twice(
    make_engine: MakeEngine, store: Store
) -> None:
    reader = Client(store).start(collecting, id="reader")
    client = begun_by_hand(store, sender, "reader")
    old = client.handle("sender")
    old.update_options(build_id="")
    admin = first(old, WorkflowExecutionOptionsUpdated)
    old.terminate()
    new = old.reset(event_id=admin.event_id)
    make_engine(**ALL)
    assert "sent" == new.result(timeout=SOON)
    reader.signal(word, "two")
    reader.signal(word, "three")
    assert ["from the sender", "two", "three"] == reader.result(timeout=SOON)
