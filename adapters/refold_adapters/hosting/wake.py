"""A wake-up for something that sleeps.

One rule: it is not lost, whether it comes before the sleep or in it, and a sleep ends when its time is up.

It is not a ``threading.Event``: an interrupt from the keyboard that hits a thread in the midst of ``set`` leaves its lock taken for good.
Nor is it a ``SimpleQueue``: ``get(timeout=...)`` of one that somebody else has emptied in the meantime goes on for what is left of its
time, and where none is left, as on a machine that is busy, for ever (CPython 3.11).
"""

from __future__ import annotations

import threading
from contextlib import suppress


class Wake:
    """A wake-up for the one that sleeps."""

    def __init__(self) -> None:
        #: Taken as long as nobody has called.
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        """Wake the one that sleeps, or the next one that will."""
        with suppress(RuntimeError):  # it was called before, and nobody has woken yet
            self._lock.release()

    @property
    def is_set(self) -> bool:
        """Whether the next sleep ends at once."""
        return not self._lock.locked()

    def wait(self, seconds: float) -> bool:
        """Sleep until woken, and take that; False if the time is up."""
        return self._lock.acquire(timeout=max(0.0, seconds))

    def clear(self) -> None:
        """Take what wake-ups have come since."""
        self._lock.acquire(blocking=False)
