"""A simulated process: what lives and dies together, and the host that its workers and clients live on.

One rule: a process that is killed does nothing more, to anybody: its jobs are passed over, and its calls to the store never get there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from refold_adapters.hosting.host import Loop
from refold_adapters.hosting.wake import Wake
from refold_adapters.simulation.errors import never_ends
from refold_adapters.simulation.scheduler import Job, Scheduler
from refold_adapters.store_errors import StoreError
from refold_adapters.worker.worker import Worker

#: In virtual time nothing is gained by looking often for what is told anyway.
PATIENCE = 100_000.0
#: From a wake-up to the moment when who was woken goes on.
WAKING_SECONDS = 0.000_05
RESTART_SECONDS = 1.0
#: How long to wait for a worker that is in the midst of a round, before looking again.
BUSY_SECONDS = 1.0


class Killed(BaseException):
    """Unwinds what a killed process was doing."""


class SimulatedFuture(Future[Any]):
    """A future whose ``result`` lets virtual time pass."""

    def __init__(self, process: Process) -> None:
        super().__init__()
        self._process = process

    def result(self, timeout: float | None = None) -> Any:
        """Let time pass until there is one; raises RF5401 if there will never be."""
        if not self.done():
            self._process.wait_until(self.done, timeout)
        return super().result(0)


class Process:
    """One process; it is the :class:`Host` of what lives in it."""

    def __init__(
        self,
        name: str,
        scheduler: Scheduler,
        *,
        activity_seconds: Callable[[], float] = lambda: 0.0,
        patience: float = PATIENCE,
    ) -> None:
        self.name = name
        self.scheduler = scheduler
        self.patience = patience
        self.alive = True
        self.worker: Worker | None = None
        #: Whether so many virtual seconds have passed without anything that could end a wait.
        self.is_quiet: Callable[[float], bool] = lambda _: False
        self._activity_seconds = activity_seconds
        self._loops: list[_Sleeper] = []

    # Life -----------------------------------------------------------------------------------------------------------

    def run(self, worker: Worker) -> None:
        """Have a worker work in it."""
        self.worker = worker
        self._loops.append(_DrivenWorker(self, worker))

    def kill(self) -> None:
        """It is gone, wherever it is; what it was in the midst of is unwound when it next calls the store."""
        self.alive = False
        self.bury()

    def bury(self) -> None:
        """Let go of what a killed process held, if nobody is in the midst of it."""
        worker = self.worker
        if not self.alive and worker is not None and not worker.is_driven:
            self.worker = None
            worker.vanish()

    def do(self, job: Job) -> None:
        """Do a job in it, unless it is gone."""
        if self.alive:
            try:
                job()
            except Killed:
                self.alive = False
        self.bury()

    def look(self) -> None:
        """Have those woken who sleep and for whom something has come."""
        if self.alive:
            for loop in self._loops:
                loop.look()

    def wait_until(self, is_done: Callable[[], bool], timeout: float | None) -> None:
        """Let time pass until something is so, or so many seconds; raises RF5401 if it never will be."""
        scheduler = self.scheduler
        if timeout is not None:
            until = scheduler.clock.passed_us + round(timeout * 1_000_000)
            scheduler.run_until(is_done, until)
        elif not scheduler.run_until(lambda: is_done() or self.is_quiet(2 * self.patience)) or not is_done():
            raise never_ends()

    # A host ---------------------------------------------------------------------------------------------------------

    def monotonic(self) -> float:
        """Virtual seconds."""
        return self.scheduler.clock.passed_us / 1_000_000

    def future(self) -> Future[Any]:
        """A future that lets virtual time pass."""
        return SimulatedFuture(self)

    def pause(self, seconds: float, stop: threading.Event) -> bool:
        """Let virtual time pass."""
        if not stop.is_set():
            self.scheduler.pause(seconds)
        if not self.alive:
            raise Killed
        return stop.is_set()

    def after(self, seconds: float, job: Job) -> Callable[[], None]:
        """A job of the scheduler."""
        return self.scheduler.after(seconds, partial(self.do, job))

    def pool(self, limit: int, name: str) -> _Pool:  # noqa: ARG002 - the worker's slots are the limit
        """A pool whose jobs take virtual time."""
        return _Pool(self, self._activity_seconds)

    def begin(self, loop: Loop, wake: Wake, name: str) -> None:  # noqa: ARG002 - only threads have names
        """A loop of the scheduler."""
        self._loops.append(_Sleeper(self, _going_on(loop, wake), lambda: wake.is_set))

    def look_on(self, watch: Callable[..., None], *args: object, name: str) -> None:
        """Nothing: on one thread nobody is at work while another looks on."""


class _Pool:
    def __init__(self, process: Process, seconds: Callable[[], float]) -> None:
        self._process = process
        self._seconds = seconds
        self._closed = False

    def give(self, job: Job) -> None:
        """Do it when it would be done."""
        if not self._closed:
            self._process.after(self._seconds(), partial(self._do, job))

    def lend(self, job: Job) -> bool:
        """Do it soon."""
        if not self._closed:
            self._process.after(WAKING_SECONDS, partial(self._do, job))
        return not self._closed

    def close(self) -> None:
        """Drop what is not done."""
        self._closed = True

    def _do(self, job: Job) -> None:
        if not self._closed:
            job()


class _Sleeper:
    """Something that goes on, sleeps until a time, and may be woken before."""

    def __init__(
        self, process: Process, go_on: Callable[[], float | None], has_come: Callable[[], bool]
    ) -> None:
        self._process = process
        self._go_on = go_on
        self._has_come = has_come
        self._wakes_at: int | None = None
        self._call_off: Callable[[], None] = lambda: None
        self._sleep(0)

    def look(self) -> None:
        """Wake it soon, if something has come."""
        if self._wakes_at is not None and self._has_come():
            at = self._process.scheduler.clock.passed_us + round(WAKING_SECONDS * 1_000_000)
            if at < self._wakes_at:
                self._call_off()
                self._sleep(WAKING_SECONDS)

    def _sleep(self, seconds: float) -> None:
        scheduler = self._process.scheduler
        self._wakes_at = scheduler.clock.passed_us + round(seconds * 1_000_000)
        self._call_off = scheduler.after(seconds, partial(self._process.do, self._wake), is_look=True)

    def _wake(self) -> None:
        self._wakes_at = None
        seconds = self._go_on()
        if seconds is not None:
            self._sleep(max(seconds, WAKING_SECONDS))


class _DrivenWorker(_Sleeper):
    """A worker that is driven as its own thread would drive it."""

    def __init__(self, process: Process, worker: Worker) -> None:
        def drive() -> float | None:
            if worker.is_driven:
                return BUSY_SECONDS  # another of its threads is at work, and lets time pass
            try:
                return worker.drive()
            except StoreError:
                if worker.token:
                    raise
                return RESTART_SECONDS  # it could not begin: whoever looks after processes begins it again

        super().__init__(process, drive, lambda: worker.has_come)


def _going_on(loop: Loop, wake: Wake) -> Callable[[], float | None]:
    begun: list[bool] = []

    def go_on() -> float | None:
        try:
            if not begun:
                begun.append(True)
                return next(loop)
            return loop.send(wake.wait(0))
        except StopIteration:
            return None

    return go_on
