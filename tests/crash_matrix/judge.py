"""The judge: what must be so of a store and a ledger, however often processes were killed on the way.

One rule: it is told what came of the scenario without a crash, and nothing of where the crashes were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import attrs

from refold import Execution, is_terminal
from refold.codec import decode_events
from refold.events import (
    ActivityTaskCompleted,
    ActivityTaskScheduled,
    HistoryEvent,
    WorkflowExecutionCompleted,
)
from refold_adapters import RunRow, Store
from refold_adapters.cli.checks import Level, checks_of
from refold_adapters.cli.settings import Settings
from refold_adapters.ports import RunFilter
from refold_adapters.registry import Registry
from refold_adapters.sqlite import SqliteStore
from tests.crash_matrix import workflows
from tests.crash_matrix.ledger import Ledger
from tests.crash_matrix.play import Place
from tests.crash_matrix.scenarios import Scenario

#: Said of the SQLite that Python is linked to, and of sessions that their workers could not close: of nothing that is lost.
_NOT_OF_THE_STORE = ("sqlite", "worker ")


@attrs.frozen
class Outcome:
    """What came of a scenario, as far as it is the same whatever happened on the way."""

    #: By workflow id: how each of its runs ended.
    endings: dict[str, list[str]]
    #: By workflow id: how many events of each kind its runs have.
    events: dict[str, Counter[str]]
    #: How often each activity of each workflow id has done its work.
    effects: Counter[tuple[str, str]]


def judge(
    scenario: Scenario, place: Place, expected: Outcome | None, crashes: int
) -> tuple[Outcome, list[str]]:
    """The outcome, and what is wrong with it."""
    ledger = Ledger(place.ledger)
    store = SqliteStore(place.store, clock=place.clock)
    try:
        rows = sorted(store.list_runs(RunFilter(limit=1_000)), key=lambda row: (row.started_at, row.turn))
        histories = {row.run_id: _history(store, row.run_id) for row in rows}
        outcome = _outcome(rows, histories, ledger)
        wrong = [*_runs(store, rows, histories), *_ledger(ledger, rows, histories)]
    finally:
        store.close()
    wrong += _doctor(place)
    if expected is not None:
        wrong += _compared(scenario, expected, outcome, crashes)
    return outcome, wrong


def _history(store: Store, run_id: str) -> list[HistoryEvent]:
    return [event for turn in store.read_turns(run_id) for event in decode_events(turn.data)]


def _outcome(rows: Sequence[RunRow], histories: dict[str, list[HistoryEvent]], ledger: Ledger) -> Outcome:
    endings: dict[str, list[str]] = {}
    events: dict[str, Counter[str]] = {}
    for row in rows:
        history = histories[row.run_id]
        last = history[-1] if history else None
        text = (
            f'{row.status.name} "{last.result}"'
            if isinstance(last, WorkflowExecutionCompleted)
            else row.status.name
        )
        endings.setdefault(row.workflow_id, []).append(text)
        events.setdefault(row.workflow_id, Counter()).update(type(event).__name__ for event in history)
    # Runs of a chain may begin at the same microsecond, so their order is not told.
    return Outcome({name: sorted(each) for name, each in endings.items()}, events, ledger.count())


def _runs(store: Store, rows: Sequence[RunRow], histories: dict[str, list[HistoryEvent]]) -> Iterator[str]:
    """Each run by itself: its rows agree with each other, and each prefix of its history replays."""
    known = Registry(workflows.WORKFLOWS)
    for row in rows:
        name, history = f"run of {row.workflow_id}", histories[row.run_id]
        turns = [turn.number for turn in store.read_turns(row.run_id)]
        if turns != list(range(1, row.turn + 1)):
            yield f"{name}: its turns are {turns}, its row says {row.turn}"
        ids = [event.event_id for event in history]
        if ids != list(range(1, row.last_event_id + 1)):
            yield f"{name}: its events are {ids}, its row says {row.last_event_id}"
        ends = [event for event in history if _ends(event)]
        if len(ends) != (row.closed_at is not None):
            yield f"{name}: it is {row.status.value} and has {len(ends)} terminal events"
        if row.parked is not None:
            yield f"{name}: it is parked: {row.parked!r}"
        if row.closed_at is not None:
            left = (store.list_inbox(row.run_id), store.list_tasks(row.run_id), store.list_timers(row.run_id))
            if any(left):
                yield f"{name}: it is closed, and left are {left}"
        yield from _replays(known, row, history)


def _ends(event: HistoryEvent) -> bool:
    return type(event).__name__ in {
        "WorkflowExecutionCompleted",
        "WorkflowExecutionFailed",
        "WorkflowExecutionCanceled",
        "WorkflowExecutionTerminated",
        "WorkflowExecutionTimedOut",
        "WorkflowExecutionContinuedAsNew",
    }


def _replays(known: Registry, row: RunRow, history: list[HistoryEvent]) -> Iterator[str]:
    definition = known.workflow(row.workflow_type)
    for turn in range(1, row.turn + 1):
        prefix = [event for event in history if event.turn <= turn]
        with Execution.load(definition, prefix) as loaded:
            if loaded.warnings:
                yield f"run of {row.workflow_id}: turn {turn} replays with {loaded.warnings}"
            if turn == row.turn and is_terminal(loaded.state) != (row.closed_at is not None):
                yield f"run of {row.workflow_id}: replayed, it is not {row.status.value}"


def _ledger(
    ledger: Ledger, rows: Sequence[RunRow], histories: dict[str, list[HistoryEvent]]
) -> Iterator[str]:
    """What is recorded was done, and what was done had been asked for."""
    did = {(each.run_id, each.activity_id) for each in ledger.effects}
    # A history that was copied by a reset or a fork has what was done for the run that it is a copy of.
    did_for_any = {activity_id for _, activity_id in did}
    for row in rows:
        name = f"run of {row.workflow_id}"
        asked: dict[int, str] = {}
        for event in histories[row.run_id]:
            if isinstance(event, ActivityTaskScheduled):
                asked[event.seq] = event.activity_id or str(event.seq)
            elif isinstance(event, ActivityTaskCompleted) and asked[event.seq] not in did_for_any:
                yield f"{name}: activity {asked[event.seq]} is completed, and nobody has done it"
        for run_id, activity_id in sorted(did):
            if run_id == row.run_id and activity_id not in asked.values():
                yield f"{name}: activity {activity_id} was done, and nobody had asked for it"


def _doctor(place: Place) -> Iterator[str]:
    for check in checks_of(Settings(given_store=f"sqlite:///{place.store}"), integrity=True):
        if check.level is not Level.OK and not check.name.startswith(_NOT_OF_THE_STORE):
            yield f"doctor: {check.name}: {check.finding}"


def _compared(scenario: Scenario, expected: Outcome, outcome: Outcome, crashes: int) -> Iterator[str]:
    """What came of it is what comes of it without a crash, but for attempts that were begun once more."""
    for workflow_id in sorted({*expected.endings, *outcome.endings}):
        usual, found = expected.endings.get(workflow_id), outcome.endings.get(workflow_id)
        if usual == found:
            if expected.events[workflow_id] != outcome.events[workflow_id]:
                more = outcome.events[workflow_id] - expected.events[workflow_id]
                less = expected.events[workflow_id] - outcome.events[workflow_id]
                yield f"{workflow_id}: more events are {dict(more)}, missing are {dict(less)}"
        elif found != [scenario.also.get(workflow_id)]:
            yield f"{workflow_id}: it ended as {found}, and without a crash as {usual}"
    for key in sorted({*expected.effects, *outcome.effects}):
        usual_count, found_count = expected.effects[key], outcome.effects[key]
        if found_count > usual_count + crashes:
            yield f"{key}: done {found_count} times with {crashes} crashes, and {usual_count} times without"
