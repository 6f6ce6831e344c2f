"""Continue-as-new end to end: one commit, nothing lost, and a result at the end of the chain."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import combinations, pairwise
from typing import Any

import pytest

from refold import (
    Query,
    RetryPolicy,
    SearchAttributeKey,
    Signal,
    Workflow,
    activity,
    continue_as_new,
    info,
    upsert_memo,
    workflow,
)
from refold_adapters import ManualClock, RunStatus, Worker
from refold_adapters.ports import Store
from refold_adapters.turns.results import next_run_of
from tests.features.running import SECOND, SOON, MakeEngine, begin, done_by, ended_by, kinds, until

news = Signal("news", str)
go = Signal("go")
read = Query("read", int)


@activity
def double(number: int) -> int:
    return 2 * number


@workflow
def counting(left: int) -> Workflow[str]:
    yield from double(left)
    if left:
        yield from continue_as_new(left - 1)
    return (yield from info()).run_id


@workflow
def at_once(left: int) -> Workflow[int]:
    if left:
        yield from continue_as_new(left - 1)
    return left


@workflow
def delayed() -> Workflow[str]:
    who = yield from info()
    if who.continued_run_id is None:
        yield from continue_as_new(backoff_start_interval=timedelta(minutes=1))
    return "after a minute"


@workflow
def elsewhere() -> Workflow[str]:
    who = yield from info()
    if who.continued_run_id is None:
        yield from double(1)
        yield from continue_as_new(task_queue="others")
    return who.task_queue


customer = SearchAttributeKey.keyword("Customer")


@workflow
def asks_for_all() -> Workflow[list[object]]:
    """Goes on as another workflow, with every option that it can give."""
    yield from upsert_memo({"changed": True})
    return (
        yield from continue_as_new(
            "given",
            workflow=tells,
            run_timeout=timedelta(minutes=2),
            task_timeout=timedelta(seconds=3),
            retry_policy=RetryPolicy(maximum_attempts=4),
            memo={"of": "the next"},
            search_attributes=[customer.value_set("zeta")],
        )
    )


@workflow
def asks_for_nothing() -> Workflow[list[object]]:
    yield from upsert_memo({"changed": True})
    return (yield from continue_as_new("kept", workflow=tells))


@workflow
def tells(text: str) -> Workflow[list[object]]:
    who = yield from info()
    attempts = who.retry_policy.maximum_attempts if who.retry_policy else None
    memo, customers = dict(who.memo), customer.value_in(who.search_attributes)
    return [text, str(who.run_timeout), str(who.task_timeout), attempts, memo, customers]


@workflow
def fills_up(number: int) -> Workflow[int]:
    """Reads until it is told that its history has grown."""
    yield from read.answer(lambda: number)
    while not (yield from info()).continue_as_new_suggested:
        yield from news.receive()
        number += 1
    return number


@workflow
def hears_later(heard: list[str]) -> Workflow[list[str]]:
    """Takes nothing in its first run, so that all it was sent goes on to the next."""
    who = yield from info()
    if who.continued_run_id is None:
        yield from go.receive()
        yield from continue_as_new([])
    while len(heard) < 3:
        heard.append((yield from news.receive()))
    return heard


@workflow
def collecting(heard: list[str]) -> Workflow[list[str]]:
    """One signal a run."""
    heard = [*heard, (yield from news.receive())]
    if len(heard) < 4:
        yield from continue_as_new(heard)
    return heard


WORKFLOWS = [counting, at_once, delayed, elsewhere, hears_later, collecting]
TELLING = [asks_for_all, asks_for_nothing, tells, fills_up]


def test_the_result_is_that_of_the_last_run_of_the_chain(make_engine: MakeEngine):
    engine = make_engine(workflows=WORKFLOWS, activities=[double])
    handle = engine.start(counting, 5, id="chain")
    last = handle.result(timeout=SOON)
    runs = list(engine.list(workflow_id="chain"))
    assert 6 == len(runs)
    assert last in [row.run_id for row in runs if row.status is RunStatus.COMPLETED]
    assert 5 == sum(row.status is RunStatus.CONTINUED_AS_NEW for row in runs)
    assert last == engine.handle("chain", handle.run_id).result(timeout=SOON)
    assert last == engine.run(counting, 5, id="chain")


def test_each_run_of_a_chain_names_the_first_and_the_one_before(make_engine: MakeEngine):
    engine = make_engine(workflows=WORKFLOWS, activities=[double])
    first = engine.start(counting, 2, id="chain")
    first.result(timeout=SOON)
    chain = [first.run_id]
    while (closed := engine.row("chain", chain[-1]).closing_event) and (after := next_run_of(closed)):
        chain.append(after)
    assert 3 == len(chain)
    for before, after in pairwise(chain):
        started = engine.handle("chain", after).history()[0]
        assert (chain[0], before) == (started.first_run_id, started.continued_run_id)  # type: ignore[attr-defined]


def test_a_run_that_does_nothing_but_continue_is_held_back(make_engine: MakeEngine, clock: ManualClock):
    engine = make_engine(workflows=WORKFLOWS, activities=[double])
    begun = clock.now_us()
    handle = engine.start(at_once, 2, id="chain")
    ended_by(clock, SECOND // 2, handle)
    assert 0 == handle.result(timeout=SOON)
    assert 2 * SECOND <= clock.now_us() - begun


def test_a_call_that_runs_a_workflow_gives_the_result_of_the_last_run_of_its_chain(
    make_engine: MakeEngine, clock: ManualClock
):
    engine = make_engine(workflows=WORKFLOWS, activities=[double])
    with ThreadPoolExecutor(1) as pool:
        called = pool.submit(engine.run, at_once, 2, id="chain")
        done_by(clock, SECOND // 2, called)
    assert 0 == called.result()


def test_the_next_run_begins_after_the_delay_asked_for(make_engine: MakeEngine, clock: ManualClock):
    engine = make_engine(workflows=WORKFLOWS, activities=[double])
    handle = engine.start(delayed, id="chain")
    clock.advance(59 * SECOND)
    assert RunStatus.RUNNING is engine.row("chain", None).status
    ended_by(clock, SECOND, handle)
    assert "after a minute" == handle.result(timeout=SOON)


def test_the_next_run_may_be_on_another_task_queue(make_engine: MakeEngine, store: Store):
    engine = make_engine(workflows=WORKFLOWS, activities=[double])
    other = Worker(store, workflows=[elsewhere], task_queue="others")
    other.start()
    try:
        assert "others" == engine.start(elsewhere, id="chain").result(timeout=SOON)
    finally:
        other.shutdown()


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (asks_for_all, ["given", "0:02:00", "0:00:03", 4, {"of": "the next"}, "zeta"]),
        (asks_for_nothing, ["kept", "1:00:00", "0:00:09", 2, {"first": 1, "changed": True}, "acme"]),
    ],
    ids=["all", "nothing"],
)
def test_the_next_run_has_the_options_that_were_asked_for_and_else_those_that_the_run_has_now(
    make_engine: MakeEngine, clock: ManualClock, how: Any, expected: list[object]
):
    handle = make_engine(workflows=TELLING).start(
        how,
        id="chain",
        run_timeout=timedelta(hours=1),
        task_timeout=timedelta(seconds=9),
        retry_policy=RetryPolicy(maximum_attempts=2),
        memo={"first": 1},
        search_attributes=[customer.value_set("acme")],
    )
    ended_by(clock, SECOND, handle)
    assert expected == handle.result(timeout=SOON)


@pytest.mark.parametrize("cached", [0, 100])
def test_a_run_whose_history_has_grown_is_told_so(make_engine: MakeEngine, cached: int):
    """Eight signals of half a megabyte make the four after which it is suggested; the ninth finds it so."""
    handle = make_engine(workflows=TELLING, max_cached_workflows=cached).start(fills_up, 0, id="full")
    for number in range(1, 10):
        handle.signal(news, "x" * 512 * 1024)
        until(lambda number=number: handle.query(read) == number)  # type: ignore[misc]
    assert 9 == handle.result(timeout=SOON)


def test_signals_that_nobody_received_go_on_in_order(make_engine: MakeEngine):
    engine = make_engine(workflows=WORKFLOWS, activities=[double])
    handle = engine.start(hears_later, [], id="chain")
    for text in ("one", "two", "three"):
        handle.signal(news, text)
    handle.signal(go)
    assert ["one", "two", "three"] == handle.result(timeout=SOON)


def test_a_handle_of_the_first_run_signals_the_present_one(make_engine: MakeEngine):
    engine = make_engine(workflows=WORKFLOWS, activities=[double])
    handle = engine.start(collecting, [], id="chain")
    for text in "abcd":
        handle.signal(news, text)
    assert ["a", "b", "c", "d"] == handle.result(timeout=SOON)


def test_a_handle_of_the_first_run_terminates_the_present_one(make_engine: MakeEngine):
    engine = make_engine(workflows=WORKFLOWS, activities=[double])
    handle = engine.start(hears_later, [], id="chain")
    handle.signal(go)
    until(lambda: engine.row("chain", None).run_id != handle.run_id)
    row = engine.row("chain", None)
    handle.terminate("enough")
    assert RunStatus.TERMINATED is engine.row("chain", row.run_id).status


@pytest.mark.parametrize("places", list(combinations(range(4), 2)))
def test_hazard_21_signals_around_continue_as_new_are_neither_lost_nor_heard_twice(
    make_engine: MakeEngine, places: tuple[int, int]
):
    """Two signals, before or after the runs that they could reach have begun; the worker is there from the start, or comes late."""
    engine = make_engine(workflows=WORKFLOWS, activities=[double])
    handle = (
        begin(engine, collecting, [], id="chain") if places[0] else engine.start(collecting, [], id="chain")
    )
    texts = ["a", "b", "c", "d"]
    for number, text in enumerate(texts):
        if number in places:
            engine.handle("chain").signal(news, text)
        else:
            handle.signal(news, text)
    assert texts == handle.result(timeout=SOON)
    assert "WorkflowExecutionContinuedAsNew" == kinds(engine.handle("chain", handle.run_id))[-1]
