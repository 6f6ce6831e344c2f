"""The host of production: threads and the clock of the machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from refold_adapters.hosting.host import Host, Job, Loop, Pool
from refold_adapters.hosting.threads import Threads
from refold_adapters.hosting.wake import Wake


class ThreadedHost:
    """Everything beside everything else, on daemon threads."""

    patience = 1.0
    monotonic = staticmethod(time.monotonic)

    def future(self) -> Future[Any]:
        """A plain future."""
        return Future()

    def pause(self, seconds: float, stop: threading.Event) -> bool:
        """Sleep."""
        return stop.wait(seconds)

    def after(self, seconds: float, job: Job) -> Callable[[], None]:
        """A timer."""
        timer = threading.Timer(seconds, job)
        timer.daemon = True
        timer.start()
        return timer.cancel

    def pool(self, limit: int, name: str) -> Pool:
        """A pool of threads."""
        return Threads(limit, name)

    def begin(self, loop: Loop, wake: Wake, name: str) -> None:
        """A thread of its own."""
        self.look_on(_drive, loop, wake, name=name)

    def look_on(self, watch: Callable[..., None], *args: object, name: str) -> None:
        """A thread of its own."""
        threading.Thread(target=watch, args=args, name=name, daemon=True).start()


THREADS: Host = ThreadedHost()


def _drive(loop: Loop, wake: Wake) -> None:
    try:
        seconds = next(loop)
        while True:
            seconds = loop.send(wake.wait(seconds))
    except StopIteration:
        return
