"""One process of the matrix: it plays a scenario from where the ledger says that the last one got, to its end or to its own.

One rule: whoever plays does not know what is to come of it; that is judged afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from refold_adapters import StoreError
from refold_adapters.ports import RunFilter, RunStatus
from refold_adapters.sqlite import SqliteStore
from tests.crash_matrix import workflows
from tests.crash_matrix.dying import DyingStore, Point
from tests.crash_matrix.ledger import Ledger
from tests.crash_matrix.one_thread import Process, SharedClock
from tests.crash_matrix.scenarios import Scenario, Step

#: How often a client tries a step again whose call has failed.
_TRIES = 5
#: What a process that takes over is given, before the client goes on.
_TAKE_OVER_SECONDS = 20.0


@attrs.frozen
class Place:
    """Where a scenario is played: a file, a ledger beside it, and a clock that outlives processes."""

    folder: Path
    clock: SharedClock
    #: Makes the store a worse one, where a fault is planted.
    fault: Callable[[DyingStore], Any] | None = None

    @property
    def store(self) -> Path:
        return self.folder / "runs.db"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"


def play(scenario: Scenario, place: Place, point: Point | None) -> DyingStore:
    """Play what is left of a scenario; returns the store, for its counts."""
    ledger = workflows.ledger = Ledger(place.ledger)
    store = DyingStore(SqliteStore(place.store, clock=place.clock), ledger, point)
    as_store: Any = store if place.fault is None else place.fault(store)
    process = Process(
        as_store,
        place.clock,
        workflows.WORKFLOWS,
        workflows.ACTIVITIES,
        embedded=scenario.embedded,
        **scenario.worker,
    )
    process.settle()
    done = ledger.steps
    if ledger.crashes:
        process.let_pass(_TAKE_OVER_SECONDS)
    for number, step in enumerate(scenario.steps[done:], done):
        process.is_again = bool(ledger.crashes) and number == done
        _carry_out(process, step)
        ledger.acknowledge(number)
        process.settle()
    # Looked at past the point: it is the judge who looks, and not the program.
    is_open = RunFilter(statuses=[RunStatus.RUNNING])
    process.wait_until(lambda: store.store.count_runs(is_open) <= scenario.left_open)
    process.settle()
    process.stop()
    return store


def _carry_out(process: Process, step: Step) -> None:
    for _ in range(_TRIES):
        try:
            step(process)
        except StoreError:
            process.is_again = True
            process.settle()
        else:
            return
    raise AssertionError("the client has given up")
