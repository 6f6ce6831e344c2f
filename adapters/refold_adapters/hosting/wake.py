"""A wake-up for something that sleeps.

One rule: it is not lost, whether it comes before the sleep or in it.  It is not a ``threading.Event``: an interrupt from the keyboard that
hits a thread in the midst of ``set`` leaves its lock taken for good.
"""

from __future__ import annotations

from queue import Empty, SimpleQueue


class Wake:
    """A wake-up for the one that sleeps."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """Wake the one that sleeps, or the next one that will."""
        self._calls.put(None)

    @property
    def is_set(self) -> bool:
        """Whether the next sleep ends at once."""
        return not self._calls.empty()

    def wait(self, seconds: float) -> bool:
        """Sleep until woken, and take that; False if the time is up."""
        try:
            self._calls.get(timeout=seconds)
        except Empty:
            return False
        return True

    def clear(self) -> None:
        """Take all wake-ups that have come since."""
        while self.wait(0):
            pass
