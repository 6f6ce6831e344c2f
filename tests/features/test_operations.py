"""Runs are paused, resumed, ended, deleted and let go on from outside, on every store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from refold import Workflow, workflow
from refold.events import WorkflowExecutionPaused, WorkflowExecutionUnpaused
from refold_adapters import (
    Client,
    ManualClock,
    Store,
    WorkflowClosedError,
    WorkflowFailedError,
    WorkflowHandle,
    WorkflowNotFoundError,
    WorkflowParkedError,
)
from refold_adapters.ports import CommitTurn, Stale
from tests.features.operating import charge, customer, napping, passes, seen, turnstile
from tests.runtime.conftest import MakeEngine

SECONDS = timedelta(seconds=10)
HOUR = 3_600_000_000


def test_a_paused_run_takes_nothing_until_it_is_resumed(make_engine: MakeEngine, store: Store) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge])
    handle = engine.start(turnstile, 1, id="gate")
    handle.pause("the books are open")
    handle.signal(passes, "ann")

    assert 1 == engine.count("Paused = true")
    assert [] == handle.query(seen)
    assert 1 == len(store.list_inbox(handle.describe().run.run_id))
    with pytest.raises(TimeoutError):
        handle.result(timeout=timedelta(milliseconds=50))

    handle.resume()
    assert ["charged ann"] == handle.result(timeout=SECONDS)
    assert [WorkflowExecutionPaused, WorkflowExecutionUnpaused] == [
        type(event)
        for event in handle.history()
        if isinstance(event, WorkflowExecutionPaused | WorkflowExecutionUnpaused)
    ]


def test_a_timer_that_comes_due_in_a_paused_run_fires_when_it_is_resumed(
    make_engine: MakeEngine, clock: ManualClock
) -> None:
    engine = make_engine(workflows=[napping])
    handle = engine.start(napping, id="nap")
    handle.pause()
    clock.advance(2 * HOUR)
    with pytest.raises(TimeoutError):
        handle.result(timeout=timedelta(milliseconds=50))
    handle.resume()
    assert "rested" == handle.result(timeout=SECONDS)


def test_a_paused_run_can_be_terminated_with_a_reason(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge])
    handle = engine.start(turnstile, 1, id="gate")
    handle.pause()
    handle.terminate("no longer wanted")
    with pytest.raises(WorkflowFailedError) as caught:
        handle.result(timeout=SECONDS)
    assert "no longer wanted" in str(caught.value.__cause__)
    with pytest.raises(WorkflowClosedError):
        handle.pause()


def test_pausing_twice_and_resuming_once_lets_a_run_go_on(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge])
    handle = engine.start(turnstile, 1, id="gate")
    handle.pause()
    handle.pause()
    handle.resume()
    handle.signal(passes, "bob")
    assert ["charged bob"] == handle.result(timeout=SECONDS)


def test_a_deleted_run_is_gone_and_refuses_what_comes_late(make_engine: MakeEngine, store: Store) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge])
    handle = engine.start(turnstile, 1, id="gate")
    run_id = handle.describe().run.run_id
    handle.delete()

    assert 0 == engine.count()
    assert [] == store.read_turns(run_id)
    late = engine.handle("gate", run_id)
    with pytest.raises(WorkflowNotFoundError, match="why: it was deleted"):
        late.signal(passes, "late")
    assert "gate" == engine.start(turnstile, 1, id="gate").workflow_id


def test_a_start_that_is_repeated_after_its_run_was_deleted_starts_nothing(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge])
    first = engine.start(turnstile, 1, id="gate", request_id="once")
    first.delete()
    again = engine.start(turnstile, 1, id="gate", request_id="once")
    assert (first.run_id, 0) == (again.run_id, engine.count())


def test_closed_runs_are_removed_when_their_retention_is_over(
    make_engine: MakeEngine, clock: ManualClock, store: Store
) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge], retention=timedelta(days=1))
    engine.run(turnstile, 0, id="old")
    kept = engine.start(turnstile, 1, id="open")
    clock.advance(23 * HOUR)
    engine.run(turnstile, 0, id="young")
    clock.advance(1 * HOUR)
    kept.signal(passes, "ann")  # a turn after the sweep
    kept.result(timeout=SECONDS)
    assert ["young", "open"] == sorted((row.workflow_id for row in engine.list()), reverse=True)


def test_parked_runs_are_found_by_kind_and_line_and_retried_after_a_dry_run(make_engine: MakeEngine) -> None:
    broken = True

    @workflow
    def fragile() -> Workflow[str]:
        if broken:
            raise KeyError("a bug")
        return "mended"
        yield

    engine = make_engine(workflows=[fragile])
    handle = engine.start(fragile, id="cup")
    with pytest.raises(WorkflowParkedError):
        handle.result(timeout=SECONDS)
    (row,) = engine.list("Parked = true AND ParkedKind = 'RF1110'")
    assert row.parked_line is not None
    assert row.parked_at is not None
    assert "test_operations.py" in row.parked_line
    line = row.parked_line.replace("'", "''")
    assert 1 == engine.count(f"ParkedLine = '{line}'")

    broken = False
    assert ["cup"] == [found.workflow_id for found in engine.retry("ParkedKind = 'RF1110'", dry_run=True)]
    assert 1 == engine.count("Parked = true")
    assert ["cup"] == [found.workflow_id for found in engine.retry()]
    assert "mended" == handle.result(timeout=SECONDS)


def test_hazard_34_a_turn_under_way_when_its_run_is_paused_is_refused(
    make_engine: MakeEngine, store: Store
) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge])
    handle = engine.start(turnstile, 1, id="gate")
    before = handle.describe().run
    engine.worker.shutdown()
    under_way = CommitTurn(
        token=0,
        run_id=before.run_id,
        turn=before.turn + 1,
        turn_token="under way",
        first_event_id=before.last_event_id + 1,
        event_count=1,
        data=b"",
    )
    client = Client(store)
    client.handle("gate").pause()
    assert [Stale(before.turn + 1)] == store.apply([under_way])
    assert 1 == client.count("Paused = true")

    client.handle("gate").resume()
    client.handle("gate").signal(passes, "ann")
    again = make_engine(workflows=[turnstile], activities=[charge])
    assert ["charged ann"] == again.handle("gate").result(timeout=SECONDS)


def test_what_is_done_to_every_run_of_a_list_is_done_to_those_that_fit_and_to_no_other(
    make_engine: MakeEngine,
) -> None:
    """As the command line does it for a query: each operation, run by run."""
    engine = make_engine(workflows=[turnstile], activities=[charge])
    for number, name in enumerate(("acme", "zeta", "acme")):
        engine.start(turnstile, 1, id=f"gate-{number}", search_attributes=[customer.value_set(name)])
    query = "Customer = 'acme' AND ExecutionStatus = 'Running'"

    def each(act: Callable[[WorkflowHandle[Any]], Any]) -> None:
        for row in engine.list(query):
            act(engine.handle(row.workflow_id, row.run_id))

    each(lambda handle: handle.pause())
    assert 2 == engine.count("Paused = true")
    each(lambda handle: handle.resume())
    each(lambda handle: handle.update_options(build_id=""))
    each(lambda handle: handle.signal(passes, "all"))
    for number in (0, 2):
        assert ["charged all"] == engine.handle(f"gate-{number}", workflow=turnstile).result(timeout=SECONDS)
    assert [] == list(engine.list(query))
    assert ["gate-1"] == [row.workflow_id for row in engine.list("ExecutionStatus = 'Running'")]
