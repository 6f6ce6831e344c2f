"""A worker and a client that live on one thread, in time that only passes when there is nothing to do.

One rule: nothing here knows of crashes.  The clock lies in memory that forked processes share, so time goes on where the last one left it.
"""

from __future__ import annotations

import heapq
import math
import mmap
import struct
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any

from refold_adapters import Client, StoreError, Worker
from refold_adapters.hosting.host import Job, Loop
from refold_adapters.hosting.wake import Wake
from refold_adapters.ports import Store
from refold_adapters.waiting.closings import Closings

SECOND_US = 1_000_000
_START_US = 1_700_000_000 * SECOND_US
#: A process that does so many things while no time passes will never come to rest.
_STEPS_MAX = 3_000
#: The last that a scenario may take, in virtual time.
_PATIENCE_US = 10 * 24 * 3_600 * SECOND_US
#: How often a worker is begun that cannot begin.
_STARTS_MAX = 5


class SharedClock:
    """A clock that stands still until it is moved, for a process and for those that it forks."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8)
        self.restart()

    def restart(self) -> None:
        """Set it to where every scenario begins."""
        self._memory[:] = struct.pack("q", _START_US)

    def now_us(self) -> int:
        """Microseconds since the Unix epoch."""
        now: int = struct.unpack("q", self._memory[:])[0]
        return now

    def seconds_until(self, at_us: int) -> float | None:
        """How long to wait, in virtual seconds."""
        return max(0, at_us - self.now_us()) / SECOND_US

    def pass_until(self, at_us: int) -> None:
        """Let time pass; never back."""
        self._memory[:] = struct.pack("q", max(at_us, self.now_us()))


class _Future(Future[Any]):
    """A future whose ``result`` lets everything go on that it may wait for."""

    def __init__(self, process: Process) -> None:
        super().__init__()
        self._process = process

    def result(self, timeout: float | None = None) -> Any:
        self._process.wait_until(self.done)
        return super().result(0)


class _Pool:
    """Does one job after another: those that are given when there is time, one that is lent at once."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._closed = False

    def give(self, job: Job) -> None:
        def do() -> None:
            if not self._closed:
                job()

        self._process.after(0, do)

    def lend(self, job: Job) -> bool:
        if not self._closed:
            job()
        return not self._closed

    def close(self) -> None:
        self._closed = True


class Process:
    """One process with a worker and a client; it is the host that they live on."""

    #: Within a process every wake-up is heard, so nothing is gained by looking often.
    patience = 10_000.0

    def __init__(
        self,
        store: Store,
        clock: SharedClock,
        workflows: Iterable[Any],
        activities: Iterable[Any],
        *,
        embedded: bool,
        **worker_options: Any,
    ) -> None:
        self.store = store
        self.clock = clock
        #: Whether the step that the client carries out may have been carried out before.
        self.is_again = False
        self._jobs: list[tuple[int, int, Job]] = []
        self._numbers = count()
        worker_options.setdefault("lease", timedelta(hours=6))
        closings = Closings(store, self)
        for _ in range(_STARTS_MAX):
            self.worker = Worker(
                store, workflows=workflows, activities=activities, closings=closings, **worker_options
            )
            try:
                self.worker.drive()
            except StoreError:  # it could not begin: whoever looks after processes begins another
                self.worker.vanish()
            else:
                break
        else:
            raise AssertionError("no worker can begin")
        self.client = Client(
            store, workflows=workflows, closings=closings, local_worker=self.worker if embedded else None
        )

    # A host ---------------------------------------------------------------------------------------------------------

    def monotonic(self) -> float:
        return self.clock.now_us() / SECOND_US

    def future(self) -> Future[Any]:
        return _Future(self)

    def pause(self, seconds: float, stop: threading.Event) -> bool:
        self.clock.pass_until(self.clock.now_us() + round(seconds * SECOND_US))
        return stop.is_set()

    def after(self, seconds: float, job: Job) -> Callable[[], None]:
        entry = (self.clock.now_us() + math.ceil(seconds * SECOND_US), next(self._numbers), job)
        heapq.heappush(self._jobs, entry)

        def call_off() -> None:
            if entry in self._jobs:
                self._jobs.remove(entry)
                heapq.heapify(self._jobs)

        return call_off

    def pool(self, limit: int, name: str) -> _Pool:
        return _Pool(self)

    def begin(self, loop: Loop, wake: Wake, name: str) -> None:
        def go_on(*, begins: bool = False) -> None:
            try:
                seconds = next(loop) if begins else loop.send(wake.wait(0))
            except StopIteration:
                return
            # However soon it wants to look: a second is soon enough where nobody else is at work.
            self.after(max(1.0, seconds), go_on)

        self.after(0, partial(go_on, begins=True))

    def look_on(self, watch: Callable[..., None], *args: object, name: str) -> None:
        """Nothing: nobody is at work while another looks on."""

    # Time passes ----------------------------------------------------------------------------------------------------

    def settle(self) -> int:
        """Work until there is nothing to do now; when there will be."""
        for _ in range(_STEPS_MAX):
            if self._jobs and self._jobs[0][0] <= self.clock.now_us():
                heapq.heappop(self._jobs)[2]()
                continue
            seconds = self.worker.drive()
            now = self.clock.now_us()  # time passes while a worker pauses because its store has failed
            if seconds is None:
                raise AssertionError("its worker has stopped")
            at = now + math.ceil(seconds * SECOND_US)
            if at > now and not self.worker.has_come and not (self._jobs and self._jobs[0][0] <= now):
                return min(at, self._jobs[0][0]) if self._jobs else at
        raise AssertionError("it never comes to rest")

    def wait_until(self, is_done: Callable[[], bool]) -> None:
        """Work, and let time pass, until something is so."""
        until = self.clock.now_us() + _PATIENCE_US
        while not is_done():
            at = self.settle()
            if is_done():
                return
            if at > until:
                raise AssertionError("it never ends")
            self.clock.pass_until(at)

    def let_pass(self, seconds: float) -> None:
        """Work for so long."""
        until = self.clock.now_us() + round(seconds * SECOND_US)
        while (at := self.settle()) < until:
            self.clock.pass_until(at)
        self.clock.pass_until(until)
        self.settle()

    def stop(self) -> None:
        """Shut the worker down, as at the end of a program."""
        self.worker.shutdown(grace=timedelta(0))
        for _ in range(_STEPS_MAX):
            if (seconds := self.worker.drive()) is None:
                break
            self.clock.pass_until(self.clock.now_us() + math.ceil(seconds * SECOND_US))
        self.client.closings.stop()
        self.store.close()
