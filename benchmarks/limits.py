"""What the machine and the language allow: the least that any engine must do, without the engine.

``BareLoop`` is a generator that is driven through a recorded history and checked against it, with no state, no codec, no timers, no
failures.  ``RawCommits`` writes one row a transaction, into an SQLite file with the settings of the store or, in ``postgres_limits``, to
the server that the store is on.  Neither is a rival: they turn absolute figures, which differ between machines and minutes, into ratios.

    python -m benchmarks.limits
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from attrs import frozen

from benchmarks.figures import a_call, figure, percentile, rates, table

# The bare loop --------------------------------------------------------------------------------------------------------


@frozen
class Began:
    event_id: int
    at: int
    name: str
    input: Any


@frozen
class Scheduled:
    event_id: int
    at: int
    seq: int
    name: str
    input: Any


@frozen
class Picked:
    event_id: int
    at: int
    seq: int
    worker: str


@frozen
class Completed:
    event_id: int
    at: int
    seq: int
    result: Any


@frozen
class Ended:
    event_id: int
    at: int
    result: Any


@frozen
class Call:
    name: str
    input: Any


def _workflow(steps: int) -> Generator[Call, int, int]:
    total = 0
    for number in range(steps):
        total += yield Call("step", number)
    return total


def _ignored(state: object, event: object) -> object:
    """The reducer of an engine that keeps no state; called, because a real one would be."""
    return state


class _Drive:
    """One generator, what it has asked for, and what it waits for: the smallest interpreter that can find a divergence."""

    def __init__(self) -> None:
        self.asked: dict[int, Call] = {}
        self.awaited: dict[int, None] = {}
        self.count = 0
        self.send: Any = None
        self.ended = False
        self.result: Any = None

    def begin(self, steps: int) -> None:
        self.send = _workflow(steps).send
        self.resume(self.send, None)

    def resume(self, send: Callable[[Any], Call], value: Any) -> None:
        try:
            call = send(value)
        except StopIteration as stop:
            self.ended, self.result = True, stop.value
            return
        number = self.count
        self.count = number + 1
        self.asked[number] = call
        self.awaited[number] = None

    def scheduled(self, event: Scheduled) -> None:
        call = self.asked.pop(event.seq, None)
        if call is None or call.name != event.name:
            raise RuntimeError(f"{event} was not asked for")

    def completed(self, event: Completed) -> None:
        self.awaited.pop(event.seq)
        self.resume(self.send, event.result)


_KINDS: dict[type[Any], int] = {Began: 0, Scheduled: 1, Picked: 2, Completed: 3, Ended: 4}


class BareLoop:
    """A generator of sequential steps and its history: scheduled and completed, and, if wanted, picked up in between."""

    def __init__(self, steps: int, *, picked_up: bool = False) -> None:
        self.steps = steps
        events: list[Any] = [Began(1, 1, "workflow", steps)]
        for seq in range(steps):
            number = len(events) + 1
            events.append(Scheduled(number, number, seq, "step", seq))
            if picked_up:
                number += 1
                events.append(Picked(number, number, seq, "worker"))
            events.append(Completed(number + 1, number + 1, seq, seq))
        events.append(Ended(len(events) + 1, len(events) + 1, sum(range(steps))))
        self.history = events

    def replay(self) -> None:
        """Drive the generator to its end; every command must be the recorded one."""
        _replay(self.history, _ignored)


def _replay(history: list[Any], reduce: Callable[[object, object], object]) -> None:
    drive = _Drive()
    kinds = _KINDS
    state: object = None
    for event in history:  # of type Any: narrowing by isinstance() would be a part of what is measured
        state = reduce(state, event)
        kind = kinds[event.__class__]
        if kind == 3:
            drive.completed(event)
        elif kind == 1:
            drive.scheduled(event)
        elif kind == 0:
            drive.begin(event.input)
        elif kind == 4 and not (drive.ended and drive.result == event.result):
            raise RuntimeError(f"{event} is not how it ended")
    if not drive.ended:
        raise RuntimeError("the history ends too soon")


# Raw commits ----------------------------------------------------------------------------------------------------------

#: About what a stored event takes.
ROW = b"r" * 170
_PAGES = 1_200


class RawCommits(ABC):
    """One row of about 200 bytes a transaction, durable when ``commit`` returns."""

    def __init__(self) -> None:
        self._count = 0

    def commit(self) -> float:
        """Commit one row; returns the seconds that it took."""
        self._count += 1
        begin = time.perf_counter()
        self._commit(f"run-{self._count:08d}")
        return time.perf_counter() - begin

    def seconds(self, commits: int) -> float:
        """Time of so many commits."""
        return sum(self.commit() for _ in range(commits))

    @abstractmethod
    def _commit(self, run: str) -> None: ...

    @abstractmethod
    def settings(self) -> dict[str, str]:
        """What its commits owe their durability to, as the database says it."""

    @abstractmethod
    def close(self) -> None: ...


class RawSqliteCommits(RawCommits):
    """Into an SQLite file with the settings of the store: WAL, ``synchronous=FULL``."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.connection = sqlite3.connect(folder / "raw.db", isolation_level=None, check_same_thread=False)
        execute = self.connection.execute
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = FULL")
        execute(
            "CREATE TABLE event (run TEXT NOT NULL, seq INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (run, seq)) WITHOUT ROWID"
        )
        # A commit that makes the log file longer costs about twice as much as one that overwrites it: grow it once.
        execute("CREATE TABLE filler (data BLOB)")
        execute("BEGIN")
        self.connection.executemany("INSERT INTO filler VALUES (?)", [(bytes(3_500),)] * _PAGES)
        execute("COMMIT")
        execute("DELETE FROM filler")

    def _commit(self, run: str) -> None:
        execute = self.connection.execute
        execute("BEGIN IMMEDIATE")
        execute("INSERT INTO event VALUES (?, ?, ?)", (run, 1, ROW))
        execute("COMMIT")

    def settings(self) -> dict[str, str]:
        names = ("journal_mode", "synchronous")
        return {name: str(self.connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in names}

    def close(self) -> None:
        self.connection.close()


def main() -> None:
    loop = BareLoop(1_000)
    loop_seconds = [a_call(loop.replay, 0.1).wall for _ in range(7)]
    with tempfile.TemporaryDirectory(prefix="limits-", dir=".") as folder:
        raw = RawSqliteCommits(Path(folder))
        commits = [[raw.commit() for _ in range(300)] for _ in range(7)]
        raw.close()
    table(
        "limits, median of 7 rounds [min..max]",
        [
            ("bare generator loop, 1,000 steps, events/s", rates(len(loop.history), loop_seconds).text()),
            ("raw single-row commits/s", figure([len(each) / sum(each) for each in commits]).text()),
            ("raw commit, p50, ms", figure([1e3 * percentile(each, 0.5) for each in commits]).text(3)),
        ],
    )


if __name__ == "__main__":
    main()
