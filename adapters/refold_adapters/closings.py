"""Lets clients wait for runs to end, without polling where the worker is in this process.

One rule: whoever closes a run in this process says so here, at once; a run that another process works on is looked at when that
process has written, and that is asked for at a bounded interval.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future

import attrs

from refold_adapters.ports import RunRow, RunStatus, Store
from refold_adapters.store_errors import StoreError
from refold_adapters.update_waits import UpdateWaits

logger = logging.getLogger("refold.client")

#: How often another process's writes are looked for, while somebody waits.
POLL_SECONDS = 0.02
#: How often a waited-for run is looked at in any case: the bound on what a lost wake-up costs.
FALLBACK_SECONDS = 1.0


@attrs.frozen
class Ending:
    """That a run is closed, or parked, and how."""

    workflow_id: str
    run_id: str
    workflow_type: str
    status: RunStatus
    #: The terminal event, encoded; None where the run is parked.
    closing_event: bytes | None
    #: Why it is parked, encoded; None where it is closed.
    parked: bytes | None


def ending_of(row: RunRow) -> Ending | None:
    """How a run ended; None if it is open and not parked."""
    if row.closed_at is None and row.parked is None:
        return None
    return Ending(row.workflow_id, row.run_id, row.workflow_type, row.status, row.closing_event, row.parked)


class Closings:
    """Futures for runs that are to end, or to be parked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        #: By run id: the workflow id, and who waits.
        self._waiting: dict[str, tuple[str, list[Future[Ending]]]] = {}
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._stopped = False
        #: What else is looked at when another process may have written: the run it is about, and the look.
        self._looks: dict[object, tuple[str, Callable[[], None]]] = {}
        self.updates = UpdateWaits(store, self)
        #: Says whether a worker of this process runs a run; then nothing needs to be looked up.
        self.runs_here: Callable[[str], bool] = lambda _: False

    def watch(self, workflow_id: str, run_id: str) -> Future[Ending] | None:
        """A future of the run's row once it is closed or parked; None if there is no such run."""
        future = self.register(workflow_id, run_id)
        row = self._store.find_run(workflow_id, run_id)
        if row is None:
            self.forget(run_id, future)
            return None
        ending = ending_of(row)
        if ending is not None:
            self.settle(ending)
        elif not self.runs_here(run_id):
            self._look_elsewhere()
        return future

    def add_look(self, run_id: str, look: Callable[[], None]) -> Callable[[], None]:
        """Call ``look`` whenever the run, if it is not live here, may have moved; returns the way to stop it."""
        key = object()
        with self._lock:
            self._looks[key] = (run_id, look)

        def stop() -> None:
            with self._lock:
                self._looks.pop(key, None)

        return stop

    def register(self, workflow_id: str, run_id: str) -> Future[Ending]:
        """A future of the end of a run that a worker of this process is about to begin."""
        future: Future[Ending] = Future()
        with self._lock:
            self._waiting.setdefault(run_id, (workflow_id, []))[1].append(future)
        return future

    def forget(self, run_id: str, future: Future[Ending]) -> None:
        """Nobody waits for this future any more."""
        with self._lock:
            futures = self._waiting.get(run_id, ("", []))[1]
            if future in futures:
                futures.remove(future)
            if not futures:
                self._waiting.pop(run_id, None)

    def is_waited_for(self, run_id: str) -> bool:
        """Whether somebody waits for the run."""
        return run_id in self._waiting

    def settle(self, ending: Ending) -> None:
        """A run is closed or parked: tell those who wait."""
        with self._lock:
            futures = self._waiting.pop(ending.run_id, ("", []))[1]
        for future in futures:
            if future.set_running_or_notify_cancel():
                future.set_result(ending)

    def stop(self) -> None:
        """Look no more; when this returns, the store may be closed."""
        self._stopped = True
        self._wake.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _look_elsewhere(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch_store, name="refold-closings", daemon=True)
                self._thread.start()
        self._wake.set()

    def _watch_store(self) -> None:
        unsubscribe = self._store.subscribe(self._wake.set)
        idle_seconds = 0.0
        try:
            while not self._stopped:
                with self._lock:
                    waiting = [
                        (workflow_id, run_id)
                        for run_id, (workflow_id, _) in self._waiting.items()
                        if not self.runs_here(run_id)
                    ]
                if not waiting:
                    self._wake.wait()
                woken = self._wake.wait(POLL_SECONDS)
                self._wake.clear()
                idle_seconds += POLL_SECONDS
                try:
                    if woken or idle_seconds >= FALLBACK_SECONDS or self._store.changed_elsewhere():
                        idle_seconds = 0.0
                        self._look(waiting)
                except StoreError as error:
                    if error.code == "RF5010":
                        return  # the store was closed, so nobody can be told any more
                    logger.error("the store failed while a run is waited for: %s", error)  # noqa: TRY400 - it has a code
        finally:
            unsubscribe()

    def _look(self, waiting: list[tuple[str, str]]) -> None:
        with self._lock:
            looks = list(self._looks.values())
        for run_id, look in looks:
            if not self.runs_here(run_id):
                look()
        for workflow_id, run_id in waiting:
            row = self._store.find_run(workflow_id, run_id)
            ending = None if row is None else ending_of(row)
            if ending is not None:
                self.settle(ending)
