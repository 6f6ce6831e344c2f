"""``Host``: what workers and clients need of the machine beside a store, as one thing that can be replaced.

One rule: whoever waits, or wants something done beside what it does itself, asks its host.  So the same worker runs on threads in
production, and step by step on one thread, in virtual time, in the simulator.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Any, Protocol, TypeAlias

from refold_adapters.hosting.wake import Wake

Job: TypeAlias = Callable[[], object]
#: Something that goes on beside everything else: yields how many seconds it sleeps, and is sent whether it was woken.
Loop: TypeAlias = Generator[float, bool, None]


class Pool(Protocol):
    """Does jobs beside each other, up to a limit."""

    def give(self, job: Job) -> None:
        """Have a job done as soon as there is room; dropped if the pool is closed."""
        ...

    def lend(self, job: Job) -> bool:
        """Have a job done if there is room; False if there is none."""
        ...

    def close(self) -> None:
        """Begin no other job, and wait for none."""
        ...


class Host(Protocol):
    """Where a worker or a client lives."""

    @property
    def patience(self) -> float:
        """How many times longer than on a machine it is well to wait before looking for what nobody has told of."""
        ...

    def monotonic(self) -> float:
        """Seconds that have passed since some moment."""
        ...

    def future(self) -> Future[Any]:
        """A future whose ``result`` waits while everything else goes on."""
        ...

    def pause(self, seconds: float, stop: threading.Event) -> bool:
        """Let so much time pass, or less if ``stop`` is set; whether it is."""
        ...

    def after(self, seconds: float, job: Job) -> Callable[[], None]:
        """Have a job done when so much time has passed; returns the way to call it off."""
        ...

    def pool(self, limit: int, name: str) -> Pool:
        """A pool for jobs that take their time."""
        ...

    def begin(self, loop: Loop, wake: Wake, name: str) -> None:
        """Have a loop go on from now on, which ``wake`` wakes."""
        ...

    def look_on(self, watch: Callable[..., None], *args: object, name: str) -> None:
        """Have something done that only watches others at work; left out where nobody could be at work meanwhile."""
        ...
