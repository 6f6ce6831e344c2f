"""Who drives: whatever comes to a worker is worked off by one thread at a time, and mostly by the one that brought it.

The worker's own thread sleeps here until something comes, or until it is time for something.  A thread that brings something may take
the baton, if nobody has it, and work it off itself, which saves waking another one; if it may not, or somebody is at work, it leaves what
it brings in the queue, where the worker's own thread finds it.  So nothing is ever left lying, whoever goes away.

One rule: whoever holds the baton is the only one that touches executions, runs and attempts.  What they are is not known here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import NoReturn, TypeAlias

from refold_adapters.hosting.wake import Wake

Item: TypeAlias = Callable[[], None]


class Baton:
    """The right to work off what comes in, and the queue of what has come."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Item] = SimpleQueue()
        self._wake = Wake()
        #: Whoever has it may take it once more: after an interrupt from the keyboard a thread may not know that it has it.
        self._lock = threading.RLock()
        self._holder: int | None = None
        #: When the thread that waits will look by itself, by the monotonic clock; 0 if none waits.
        self._wakes_at = 0.0

    # Any thread -------------------------------------------------------------------------------------------------------

    def put(self, item: Item) -> None:
        """Have something done by whoever has the baton next."""
        self._queue.put(item)
        if self._wakes_at:
            self._wake.set()

    @property
    def is_held_here(self) -> bool:
        """Whether it is this thread that drives."""
        return self._holder == threading.get_ident()

    @property
    def is_free(self) -> bool:
        """Whether nobody drives at this moment."""
        return self._holder is None

    @property
    def has_items(self) -> bool:
        """Whether something has come that nobody has done yet."""
        return not self._queue.empty()

    def grab(self) -> bool:
        """Take the baton if nobody has it; whether it was taken."""
        if self.is_held_here or not self._lock.acquire(blocking=False):
            return False
        self._holder = threading.get_ident()
        return True

    def take(self) -> None:
        """Take the baton, when whoever has it gives it away."""
        self._lock.acquire()
        self._holder = threading.get_ident()

    # Only who has it --------------------------------------------------------------------------------------------------

    def give(self, look_within: float) -> None:
        """Give it away; the thread that waits, if any, will look at least within so many seconds."""
        wake = time.monotonic() + look_within < self._wakes_at
        self._release()
        if wake:
            self._wake.set()

    def wait(self, seconds: float) -> None:
        """Give it away until something comes, or the time is up; then do what has come, with the baton in hand again."""
        self._wakes_at = time.monotonic() + seconds
        self._release()
        try:
            if (
                self._queue.empty()
            ):  # asked last: whoever puts something from now on knows that somebody waits
                self._wake.wait(seconds)
        finally:
            self.take()
            self._wakes_at = 0.0
        self.do_all()

    def do_all(self) -> None:
        """Do all that has come."""
        while not self._queue.empty():  # asked first, as nothing is what has come most often
            try:
                item = self._queue.get_nowait()
            except Empty:
                return
            item()

    def _release(self) -> None:
        self._holder = None
        self._lock.release()


def raise_it(error: BaseException) -> NoReturn:
    """An item that fails whoever takes it."""
    raise error
