"""refold's side of the step benchmark: its workflows, and an engine with default settings on a store.

One rule: a measurement begins before the call that a user would make and ends when what the user waits for is there and durable.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from attrs import define, field

from refold import Signal, Workflow, activity, workflow
from refold_adapters import AsyncClient, Engine, WorkflowHandle

THREADS = 50
_WARM_UP_BATCHES_MAX = 40

ping = Signal("ping", int)
release = Signal("release", int)


@define(eq=False)
class Stamp:
    """When an activity last ran; it runs in this process, so it can say so."""

    at: float = 0.0
    event: threading.Event = field(factory=threading.Event)


STAMP = Stamp()


@activity
def step(number: int) -> int:
    return number


@activity
def stamp(number: int) -> None:
    STAMP.at = time.perf_counter()
    STAMP.event.set()


@workflow
def steps(number: int) -> Workflow[int]:
    total = 0
    for each in range(number):
        total += yield from step(each)
    return total


@workflow
def listener() -> Workflow[int]:
    heard = 0
    while (number := (yield from ping.receive())) >= 0:
        yield from stamp(number)
        heard += 1
    return heard


@workflow
def parked(number: int) -> Workflow[int]:
    """Some steps, then a wait that lasts."""
    total = 0
    for each in range(number):
        total += yield from step(each)
    return total + (yield from release.receive())


class Ours:
    """An engine on a store, and the workloads on it; each returns its seconds."""

    def __init__(self, store: str) -> None:
        self._store = store
        self.engine = Engine(store, workflows=[steps, listener, parked], activities=[step, stamp])
        self._ids = count(1)
        self._listener: WorkflowHandle[int] | None = None
        self.ways: dict[str, Callable[[int, int], float]] = {
            "loop": self.loop,
            "threads": self.threads,
            "tasks": self.tasks,
        }

    def _id(self) -> str:
        return f"bench-{next(self._ids)}"

    def sequential(self, workflows: int, number: int) -> float:
        """One after another: the next one starts when the result of the one before is in the caller's hands."""
        begin = time.perf_counter()
        results = [self.engine.run(steps, number, id=self._id()) for _ in range(workflows)]
        return self._spent(begin, results, number)

    def loop(self, workflows: int, number: int) -> float:
        """All at once, started by one thread."""
        begin = time.perf_counter()
        handles = [self.engine.start(steps, number, id=self._id()) for _ in range(workflows)]
        results = [handle.result() for handle in handles]
        return self._spent(begin, results, number)

    def threads(self, workflows: int, number: int) -> float:
        """All at once, started by several threads."""
        with ThreadPoolExecutor(THREADS) as pool:
            begin = time.perf_counter()
            handles = list(
                pool.map(lambda _: self.engine.start(steps, number, id=self._id()), range(workflows))
            )
            results = [handle.result() for handle in handles]
            return self._spent(begin, results, number)

    def tasks(self, workflows: int, number: int) -> float:
        """All at once, as coroutines."""
        client = AsyncClient(self.engine)

        async def all_of_them() -> float:
            begin = time.perf_counter()
            runs = [client.run(steps, number, id=self._id()) for _ in range(workflows)]
            results = await asyncio.gather(*runs)
            return self._spent(begin, list(results), number)

        return asyncio.run(all_of_them())

    def _spent(self, begin: float, results: list[int], number: int) -> float:
        seconds = time.perf_counter() - begin
        if any(result != sum(range(number)) for result in results):
            raise RuntimeError(f"wrong results: {results}")
        return seconds

    def signal(self) -> float:
        """From just before a signal is sent to the activity right after its receipt.

        Not to the receipt itself: the code that receives runs before its turn is durable, an activity only afterwards.
        """
        if self._listener is None:
            self._listener = self.engine.start(listener, id=self._id())
        STAMP.event.clear()
        begin = time.perf_counter()
        self._listener.signal(ping, 1)
        if not STAMP.event.wait(60):
            raise RuntimeError("a signal was not delivered within a minute")
        return STAMP.at - begin

    def warm_up(self) -> None:
        """Work until the log file no longer grows: a commit that makes it longer costs about twice as much as later ones."""
        log = Path(f"{self._store}-wal")  # of SQLite; a PostgreSQL server takes up old files of its log again
        before = -1
        for _ in range(_WARM_UP_BATCHES_MAX):
            self.sequential(10, 10)
            size = log.stat().st_size if log.exists() else 0
            if size == before:
                return
            before = size

    def close(self) -> None:
        if self._listener is not None:
            self._listener.signal(ping, -1)
            self._listener.result()
        self.engine.close()
