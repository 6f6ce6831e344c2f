"""Lets clients wait for runs to end, without polling where the worker is in this process.

One rule: whoever closes a run in this process says so here, at once; a run that another process works on is looked at when that
process has written, and that is asked for at a bounded interval.  Who works on a run may change at any moment, and a run may be ended
by somebody who does not work on it: so each run that is waited for is looked at every so often in any case.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future

import attrs

from refold_adapters.hosting.host import Host, Loop
from refold_adapters.hosting.threaded import THREADS
from refold_adapters.hosting.wake import Wake
from refold_adapters.operating.endings import end_if_due
from refold_adapters.ports import Store
from refold_adapters.runtime_errors import WorkerStoppedError, WorkflowNotFoundError
from refold_adapters.store_errors import StoreError
from refold_adapters.turns.results import Ending, ending_of
from refold_adapters.waiting.update_waits import UpdateWaits

logger = logging.getLogger("refold.client")

#: How often another process's writes are looked for, while somebody waits.
POLL_SECONDS = 0.02
#: How often a waited-for run is looked at in any case: the bound on what a lost wake-up costs.
FALLBACK_SECONDS = 1.0


@attrs.define(eq=False)
class _Waited:
    """A run that is waited for."""

    workflow_id: str
    futures: list[Future[Ending]] = attrs.field(factory=list[Future[Ending]])
    #: Whether it was found in the store; else it is perhaps only about to be created.
    was_there: bool = False


class Closings:
    """Futures for runs that are to end, or to be parked."""

    def __init__(self, store: Store, host: Host = THREADS) -> None:
        self.store = store
        #: Where its loop goes on, and what those live on who wait.
        self.host = host
        self._lock = threading.Lock()
        self._waiting: dict[str, _Waited] = {}
        #: Whether a thread was begun that looks.
        self._is_looked_after = False
        #: The threads that do look: one, or more where an interrupt from the keyboard came while one was begun.
        self._looking: set[threading.Thread] = set()
        self._wake = Wake()
        #: Whether a run is waited for that no worker of this process runs: then every write may be news of it.
        self._is_away = False
        self._stopped = False
        #: What else is looked at when another process may have written: the run it is about, and the look.
        self._looks: dict[object, tuple[str, Callable[[], None]]] = {}
        self.updates = UpdateWaits(self)
        #: Says whether a worker of this process runs a run; then it is told, and only the fallback looks.
        self.runs_here: Callable[[str], bool] = lambda _: False

    def watch(self, workflow_id: str, run_id: str) -> Future[Ending] | None:
        """A future of the run's row once it is closed or parked; None if there is no such run."""
        future = self.register(workflow_id, run_id)
        row = self.store.find_run(workflow_id, run_id)
        if row is None:
            self.forget(run_id, future)
            return None
        if (waited := self._waiting.get(run_id)) is not None:
            waited.was_there = True
        ending = ending_of(end_if_due(self.store, row))
        if ending is not None:
            self.settle(ending)
        elif not self.runs_here(run_id):
            self._is_away = True
            self._wake.set()
        if self._stopped:
            self._fail_all(WorkerStoppedError())
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
        future: Future[Ending] = self.host.future()
        with self._lock:
            self._waiting.setdefault(run_id, _Waited(workflow_id)).futures.append(future)
            if not self._is_looked_after and not self._stopped:
                self.host.begin(self._watch_store(), self._wake, "refold-closings")
                self._is_looked_after = (
                    True  # last: an interrupt from the keyboard leaves nobody to wait in vain
                )
        return future

    def forget(self, run_id: str, future: Future[Ending]) -> None:
        """Nobody waits for this future any more."""
        with self._lock:
            waited = self._waiting.get(run_id)
            if waited is not None and future in waited.futures:
                waited.futures.remove(future)
                if not waited.futures:
                    del self._waiting[run_id]

    def settle(self, ending: Ending) -> None:
        """A run is closed or parked: tell those who wait."""
        for future in self._take(ending.run_id):
            future.set_result(ending)

    def stop(self) -> None:
        """Look no more, and tell those who still wait; when this returns, the store may be closed."""
        with self._lock:
            self._stopped = True
            looking = self._looking - {threading.current_thread()}
        for _ in looking:
            self._wake.set()
        for thread in looking:
            thread.join()
        self._fail_all(WorkerStoppedError())

    def _take(self, run_id: str) -> list[Future[Ending]]:
        """Those who wait for a run; nobody else tells them anything from now on."""
        with self._lock:
            waited = self._waiting.pop(run_id, None)
        return (
            []
            if waited is None
            else [future for future in waited.futures if future.set_running_or_notify_cancel()]
        )

    def _fail(self, run_id: str, error: BaseException) -> None:
        for future in self._take(run_id):
            future.set_exception(error)

    def _fail_all(self, error: BaseException) -> None:
        for run_id in list(self._waiting):
            self._fail(run_id, error)

    # Looking, on a thread of its own as long as somebody waits --------------------------------------------------------

    def _store_changed(self) -> None:
        if self._is_away:
            self._wake.set()

    def _watch_store(self) -> Loop:
        with self._lock:
            if self._stopped:
                return
            self._looking.add(threading.current_thread())
        try:
            yield from self._look_until_stopped()
        finally:
            with self._lock:
                self._looking.discard(threading.current_thread())

    def _look_until_stopped(self) -> Loop:
        # Heard of from before the first look on, and the wake-up is taken before each look: whatever is written after a look makes
        # another one, and whoever waits was registered before he looked himself.
        unsubscribe = self.store.subscribe(self._store_changed)
        looked = 0.0
        try:
            while not self._stopped:
                woken = yield self._pause()
                self._wake.clear()
                is_due = self.host.monotonic() - looked >= FALLBACK_SECONDS * self.host.patience
                if is_due:
                    looked = self.host.monotonic()
                    if not woken and self._ends_idle():
                        return
                try:
                    if woken or is_due or self.store.changed_elsewhere():
                        self._look(everything=is_due)
                except StoreError as error:
                    if error.code == "RF5010":
                        self._fail_all(error)  # it was closed, so nobody will be told anything else any more
                        return
                    logger.error("the store failed while a run is waited for: %s", error)  # noqa: TRY400 - it has a code
        finally:
            unsubscribe()

    def _pause(self) -> float:
        """How long nothing needs to be looked at, unless something is written."""
        with self._lock:
            self._is_away = not all(map(self.runs_here, self._waiting))
        return self.host.patience * (POLL_SECONDS if self._is_away else FALLBACK_SECONDS)

    def _ends_idle(self) -> bool:
        """Whether nobody waits: then the thread ends, and the next one who waits begins another."""
        with self._lock:
            if self._waiting:
                return False
            self._is_looked_after = False
        return True

    def _look(self, *, everything: bool) -> None:
        """Look at the runs that are waited for; at those that are live here only if ``everything`` is to be looked at."""
        with self._lock:
            looks = list(self._looks.values())
            waiting = list(self._waiting.items())
        for run_id, look in looks:
            if everything or not self.runs_here(run_id):
                look()
        for run_id, waited in waiting:
            if everything or not self.runs_here(run_id):
                self._look_at(run_id, waited)

    def _look_at(self, run_id: str, waited: _Waited) -> None:
        try:
            row = self.store.find_run(waited.workflow_id, run_id)
        except StoreError as error:
            if error.code != "RF5007":
                raise
            self._fail(run_id, error)  # its row is corrupt, which is no reason to let the others wait
            return
        if row is None:
            if waited.was_there:  # it was deleted
                self._fail(run_id, WorkflowNotFoundError(waited.workflow_id, run_id))
            return
        waited.was_there = True
        ending = ending_of(end_if_due(self.store, row))
        if ending is not None:
            self.settle(ending)
