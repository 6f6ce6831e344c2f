"""Queries of runs as they may stand, and when they are not asked."""

from __future__ import annotations

from datetime import timedelta

import pytest

from refold import NondeterminismError, Query, QueryError, Signal, Workflow, activity, sleep, workflow
from refold_adapters import (
    Client,
    QueryRejectCondition,
    Store,
    UnknownTypeError,
    WorkflowHandle,
    WorkflowNotFoundError,
    WorkflowParkedError,
    WorkflowQueryRejectedError,
)
from tests.runtime.conftest import MakeEngine

SOON = timedelta(seconds=20)
stage = Query("stage", str)
go = Signal("go", str)
ALL = [None, QueryRejectCondition.NOT_OPEN, QueryRejectCondition.NOT_COMPLETED_CLEANLY]


@activity
def nothing() -> None:
    return None


@workflow
def staged() -> Workflow[str]:
    at = "waiting"
    yield from stage.answer(lambda: at)
    how = yield from go.receive()
    at = f"told to {how}"
    if how == "fail":
        raise ValueError("a bug")
    return how


def asked(handle: WorkflowHandle[str], condition: QueryRejectCondition | None) -> str:
    try:
        return handle.query(stage, reject_condition=condition)
    except WorkflowQueryRejectedError as error:
        return error.status


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        ("open", ["waiting", "waiting", "waiting"]),
        ("completed", ["told to end", "COMPLETED", "told to end"]),
        ("terminated", ["waiting", "TERMINATED", "TERMINATED"]),
    ],
)
def test_a_query_is_not_asked_where_its_condition_holds(
    make_engine: MakeEngine, ending: str, expected: list[str]
) -> None:
    handle = make_engine(workflows=[staged]).start(staged, id="s")
    if ending == "completed":
        handle.signal(go, "end")
        handle.result(timeout=SOON)
    elif ending == "terminated":
        handle.terminate()

    assert expected == [asked(handle, condition) for condition in ALL]


def test_hazard_39_a_run_that_no_worker_has_begun_says_so_at_once(store: Store) -> None:
    client = Client(store, workflows=[staged])
    handle = client.start(staged, id="s")

    with pytest.raises(QueryError, match="RF1111"):
        handle.query(stage)
    assert (0, 1) == (handle.describe().run.turn, handle.describe().pending_messages)


def test_hazard_39_a_parked_run_answers_from_its_last_turn(make_engine: MakeEngine) -> None:
    handle = make_engine(workflows=[staged]).start(staged, id="s")
    handle.signal(go, "fail")
    with pytest.raises(WorkflowParkedError):
        handle.result(timeout=SOON)

    assert "waiting" == handle.query(stage)
    assert handle.describe().parked is not None


def test_hazard_39_a_run_whose_code_has_changed_says_how(make_engine: MakeEngine, store: Store) -> None:
    make_engine(workflows=[staged]).start(staged, id="s").signal(go, "end")

    @workflow(name="staged")
    def changed() -> Workflow[str]:
        yield from nothing()
        yield from sleep(timedelta(hours=1))
        return "another way"

    with pytest.raises(NondeterminismError, match="RF4001"):
        Client(store, workflows=[changed]).handle("s").query(stage)


def test_hazard_39_unknown_runs_and_unknown_code_are_told_apart(
    make_engine: MakeEngine, store: Store
) -> None:
    make_engine(workflows=[staged]).start(staged, id="s")
    client = Client(store)

    with pytest.raises(UnknownTypeError, match="RF5104"):
        client.handle("s").query(stage)
    with pytest.raises(WorkflowNotFoundError, match="RF5102"):
        client.handle("nobody").query(stage)
