"""The database's clock, which all processes of a fleet go by.

One rule: it says what the database said last, and how long ago that was by this machine's steady clock.  So a machine whose wall clock
is wrong disturbs nobody.
"""

from __future__ import annotations

import threading
import time


class DatabaseClock:
    """The clock of a database, as last heard."""

    __slots__ = ("_ahead_us", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: How far the database's clock is ahead of this machine's steady one.
        self._ahead_us = 0

    def heard(self, now_us: int) -> None:
        """The database has just said what time it is."""
        with self._lock:
            self._ahead_us = now_us - time.monotonic_ns() // 1_000

    def now_us(self) -> int:
        """Microseconds since the Unix epoch."""
        return time.monotonic_ns() // 1_000 + self._ahead_us

    def seconds_until(self, at_us: int) -> float | None:
        """How long to wait, in real seconds, until ``at_us``; 0 where that is past."""
        return max(0, at_us - self.now_us()) / 1_000_000
