"""Whatever is written, the memory store, the SQLite store and the PostgreSQL store say the same."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import find, given, settings

from refold_adapters import ManualClock, RunStatus, open_store
from refold_adapters.ports import CommitTurn, CopyRun, Once, RunFilter, Store, Write
from refold_adapters.ports.conditions import Condition
from tests.postgres import store_url
from tests.store_writes import (
    ALL_IDS,
    BUILDS,
    NEXT_IDS,
    QUEUES,
    START,
    WORKFLOW_IDS,
    as_write,
    opening,
    plain_writes,
    steps,
)


def everything(store: Store, condition: Condition) -> list[Any]:
    """All that can be asked."""
    filters = (
        RunFilter(),
        RunFilter(parked=True),
        RunFilter(statuses=(RunStatus.RUNNING,)),
        RunFilter(where=condition),
        RunFilter(where=condition, limit=2, before=(START + 20, "run-b")),
    )
    return [
        [(store.list_runs(asked), store.count_runs(asked)) for asked in filters],
        [store.find_run(workflow_id) for workflow_id in WORKFLOW_IDS],
        [store.find_run("wf-1", run_id) for run_id in ALL_IDS],
        [store.read_turns(run_id) for run_id in ALL_IDS],
        [store.list_tasks(run_id) for run_id in ALL_IDS],
        [store.list_timers(run_id) for run_id in ALL_IDS],
        [store.list_inbox(run_id) for run_id in ALL_IDS],
        [store.find_refusal(run_id, number) for run_id in ALL_IDS for number in (1, 2, 3)],
        [store.find_answer(request) for request in ("once", "again")],
        [store.list_ending(limit) for limit in (0, 2, 9)],
        store.list_sessions(),
        [
            store.next_due_at(asked, token, builds)
            for asked in ((), ("q",), QUEUES)
            for token in (None, 1, 2)
            for builds in (None, (), BUILDS)
        ],
    ]


def say_the_same(places: tuple[str, ...], steps: list[tuple[int, list[Any], Condition]]) -> None:
    clocks = [ManualClock(START) for _ in places]
    stores = [open_store(place, clock) for place, clock in zip(places, clocks, strict=True)]
    calls: list[list[None]] = [[] for _ in places]
    unused: list[str] = list(NEXT_IDS)
    try:
        for store, heard in zip(stores, calls, strict=True):
            store.apply(opening)
            store.subscribe(lambda heard=heard: heard.append(None))
        for us, batch, condition in steps:
            for clock in clocks:
                clock.advance(us)
            writes = [as_write(write, stores[0], unused) for write in batch]
            expected, *others = (store.apply(writes) for store in stores)
            assert [expected] * len(others) == others
            expected_answers, *other_answers = (everything(store, condition) for store in stores)
            assert [expected_answers] * len(others) == other_answers
            # A copy that is refused may have been tried and taken back, which wakes in vain.
            assert len({len(heard) for heard in calls}) == 1 or any(
                isinstance(each.write if isinstance(each, Once) else each, CopyRun) for each in writes
            )
            for heard in calls:
                heard.clear()
    finally:
        for store in stores:
            store.close()


@given(steps)
def test_two_stores_that_are_told_the_same_say_the_same(steps: list[tuple[int, list[Any], Condition]]):
    with tempfile.TemporaryDirectory() as folder:
        say_the_same(("memory:", str(Path(folder) / "orders.db")), steps)


# Each question is a journey to the server, so a part of the examples has to do.
@settings(max_examples=max(10, settings().max_examples // 10))
@given(steps=steps)
def test_a_store_on_a_server_says_the_same_too(
    postgres_server: str, steps: list[tuple[int, list[Any], Condition]]
):
    with store_url(postgres_server) as url:
        say_the_same(("memory:", url), steps)


@pytest.mark.parametrize("kind", [each for each in get_args(Write) if each not in {CommitTurn, CopyRun}])
def test_every_write_of_the_protocol_is_drawn(kind: type[Write]):
    assert isinstance(find(plain_writes, lambda write: isinstance(write, kind)), kind)
