"""The callbacks of those who wait for news.

One rule: whoever has news must not suffer from whoever hears it, so a callback that raises is logged and the others are still
called.  It knows nothing of what the news is.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

_log = logging.getLogger("refold")


class Subscribers:
    """Callbacks in order of subscription.  Safe to be used from several threads at once."""

    __slots__ = ("_callbacks", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Replaced, never changed in place: call() walks over one version while add() and remove() make the next.
        self._callbacks: dict[object, Callable[[], None]] = {}

    def add(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` from now on; returns the way to stop it, which may be called twice."""
        key = object()
        with self._lock:
            self._callbacks = {**self._callbacks, key: callback}

        def remove() -> None:
            with self._lock:
                self._callbacks = {k: v for k, v in self._callbacks.items() if k is not key}

        return remove

    def call(self) -> None:
        """Tell everyone, on this thread."""
        for callback in self._callbacks.values():
            try:
                callback()
            except Exception:
                _log.exception("a subscriber of the store failed; the others are still told")
