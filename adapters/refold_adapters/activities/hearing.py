"""Who is told at once, in this process, that an activity is to stop.

One rule: it is only quicker than the store.  What is told here is on record before, and whoever is not told learns of it by a heartbeat.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

from refold_adapters.ports import Store

#: Is given the run, and the activity; None stands for all activities of the run, whose outcomes no longer count.
Listener: TypeAlias = Callable[[str, int | None], None]

_LOCK = threading.Lock()
#: By the identity of the store, which whoever listens keeps alive.  Replaced, never changed in place.
_listeners: dict[int, tuple[Listener, ...]] = {}


def listen(store: Store, listener: Listener) -> Callable[[], None]:
    """Have somebody told of what is to stop on that store; returns the way to end it, which may be called twice."""
    with _LOCK:
        _listeners[id(store)] = (*_listeners.get(id(store), ()), listener)

    def stop() -> None:
        with _LOCK:
            left = tuple(each for each in _listeners.get(id(store), ()) if each is not listener)
            if left:
                _listeners[id(store)] = left
            else:
                _listeners.pop(id(store), None)

    return stop


def ask_to_stop(store: Store, run_id: str, seq: int | None = None) -> None:
    """It is on record that an activity is to stop, or that its run is no more: tell whoever may run it."""
    for listener in _listeners.get(id(store), ()):
        listener(run_id, seq)
