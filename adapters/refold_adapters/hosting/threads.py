"""Threads for jobs: begun when they are needed, kept, and given one job after another.

One rule: as many threads as there are jobs, up to a limit, and never one more; what a job does with its time, and what became of it,
is its own affair.
"""

from __future__ import annotations

import logging
import threading
from queue import SimpleQueue

from refold_adapters.hosting.host import Job

_log = logging.getLogger("refold")


class Threads:
    """A pool of threads.  They do not keep the process alive."""

    def __init__(self, limit: int, name: str) -> None:
        self._limit = limit
        self._name = name
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._count = 0
        #: Jobs that were given and are not done.
        self._open = 0
        self._closed = False

    def give(self, job: Job) -> None:
        """Have a job done, as soon as a thread is free; dropped if the pool is closed."""
        with self._lock:
            if not self._closed:
                self._give(job)

    def lend(self, job: Job) -> bool:
        """Have a job done by a thread that is free; False if none is."""
        with self._lock:
            is_free = self._open < self._limit and not self._closed
            if is_free:
                self._give(job)
        return is_free

    def close(self) -> None:
        """Begin no other job, and wait for none."""
        with self._lock:
            self._closed = True
            for _ in range(self._count):
                self._jobs.put(None)

    def _give(self, job: Job) -> None:
        self._open += 1
        if self._count < min(self._open, self._limit):
            name = f"{self._name}_{self._count}"
            threading.Thread(target=self._work, name=name, daemon=True).start()
            self._count += 1
        # Last, so that an interrupt from the keyboard leaves no job without a thread.
        self._jobs.put(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None and not self._closed:
            try:
                job()
            except BaseException:
                _log.exception("a job of the threads %s failed", self._name)
            del job  # lest a thread that waits keeps alive what the job holds
            with self._lock:
                self._open -= 1
