"""Where stores take the time from: the machine, or a test.

One rule: a clock only says what time it is and how long it is until then.  Whether something is due, a store decides.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from refold_adapters.subscribers import Subscribers


class SystemClock:
    """The wall clock of the machine."""

    __slots__ = ()

    def now_us(self) -> int:
        """Microseconds since the Unix epoch."""
        return time.time_ns() // 1_000

    def seconds_until(self, at_us: int) -> float | None:
        """How long to wait, in real seconds, until ``at_us``; 0 where that is past."""
        return max(0, at_us - self.now_us()) / 1_000_000


class ManualClock:
    """A clock that stands still until it is told to move.  For tests.

    Whatever it is told, also to go back, it does: wall clocks do that too.  Stores made with a manual clock call their own
    subscribers whenever it moves, so a worker that waits for a timer wakes as if the time had come.
    """

    __slots__ = ("_lock", "_now_us", "_subscribers")

    def __init__(self, start_us: int = 1_700_000_000_000_000) -> None:
        self._lock = threading.Lock()
        self._now_us = start_us
        self._subscribers = Subscribers()

    def now_us(self) -> int:
        """Microseconds since the Unix epoch, as last told."""
        return self._now_us

    def seconds_until(self, at_us: int) -> float | None:  # noqa: ARG002
        """None: only whoever moves the clock knows; see :meth:`subscribe`."""
        return None

    def advance(self, us: int) -> int:
        """Move by ``us`` microseconds, call the subscribers, and return the new time."""
        with self._lock:
            self._now_us += us
            now_us = self._now_us
        self._subscribers.call()
        return now_us

    def set(self, now_us: int) -> None:
        """Make it ``now_us`` and call the subscribers."""
        with self._lock:
            self._now_us = now_us
        self._subscribers.call()

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` after every move (on the moving thread); returns the way to stop it."""
        return self._subscribers.add(callback)
