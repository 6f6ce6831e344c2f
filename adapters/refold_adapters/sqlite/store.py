"""The SQLite store: the store protocol over a file that all stores of the process share.

One rule: it only says which question or which writes go to the file; what they do is told in the other modules.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from refold_adapters.clocks import ManualClock, SystemClock
from refold_adapters.ports import (
    Clock,
    InboxMessage,
    Outcome,
    RunFilter,
    RunRow,
    SessionRow,
    StoredTurn,
    TaskRow,
    Write,
)
from refold_adapters.sql import claims, reads, refusals
from refold_adapters.sql.group import Batch
from refold_adapters.sqlite.file import SqliteFile
from refold_adapters.sqlite.sharing import give_back, share
from refold_adapters.sqlite.transaction import SqliteTransaction
from refold_adapters.sqlite.trouble import closed_store


class SqliteStore:
    """A store in one file.

    ``busy_seconds`` is how long SQLite waits, each of three times, for another process that writes.
    """

    def __init__(
        self, path: str | os.PathLike[str], clock: Clock | None = None, *, busy_seconds: float = 5.0
    ) -> None:
        self._clock = clock or SystemClock()
        self._path = os.path.realpath(path)
        self._file = share(self._path, busy_seconds)
        self._close_lock = threading.Lock()
        self._closed = False
        self._leave_clock = (
            clock.subscribe(self._file.subscribers.call) if isinstance(clock, ManualClock) else None
        )

    @property
    def clock(self) -> Clock:
        """The judge of what is due."""
        return self._clock

    @property
    def url(self) -> str:
        """What ``open_store`` opens it with again."""
        return f"sqlite:///{Path(self._path).as_posix()}"

    def apply(self, writes: Sequence[Write]) -> list[Outcome]:
        """Carry out writes in one commit, durable on return."""
        file = self._open_file()
        if not writes:
            return []
        batch = Batch(writes, self._clock)
        file.apply(batch)
        if batch.error is not None:
            raise batch.error
        return batch.outcomes

    def read_turns(self, run_id: str, after_turn: int = 0) -> list[StoredTurn]:
        """The committed turns of a run, in order; each is checked against its checksum."""
        return self._open_file().read(lambda tx: reads.read_turns(tx, run_id, after_turn))

    def find_run(self, workflow_id: str, run_id: str | None = None) -> RunRow | None:
        """The run of that id, or the open (else the latest started) run of the workflow id."""
        return self._open_file().read(lambda tx: reads.find_run(tx, workflow_id, run_id))

    def list_runs(self, filter: RunFilter) -> list[RunRow]:
        """Runs, newest first; corrupt rows are left out and logged."""
        return self._open_file().read(lambda tx: reads.list_runs(tx, filter))

    def list_ending(self, limit: int) -> list[RunRow]:
        """Open runs whose time is up, the longest overdue first; corrupt rows are left out and logged."""
        now = self._clock.now_us()
        return self._open_file().read(lambda tx: reads.list_ending(tx, now, limit))

    def count_runs(self, filter: RunFilter) -> int:
        """How many runs match."""
        return self._open_file().read(lambda tx: reads.count_runs(tx, filter))

    def list_attributes(self) -> list[str]:
        """The names of the search attributes that any run is found by."""
        return self._open_file().read(reads.list_attributes)

    def list_tasks(self, run_id: str) -> list[TaskRow]:
        """The open activity tasks of a run, by ``seq``."""
        return self._open_file().read(lambda tx: reads.list_tasks(tx, run_id))

    def list_timers(self, run_id: str) -> list[tuple[int, int]]:
        """``(seq, fire_at)`` of the open timers of a run, by ``seq``."""
        return self._open_file().read(lambda tx: reads.list_timers(tx, run_id))

    def list_inbox(self, run_id: str) -> list[InboxMessage]:
        """Messages that no turn has taken yet, in order."""
        return self._open_file().read(lambda tx: reads.list_inbox(tx, run_id))

    def find_refusal(self, run_id: str, message_id: int) -> bytes | None:
        """Why a message was refused; None if it was not, or that is no longer kept."""
        return self._open_file().read(lambda tx: refusals.find_refusal(tx, run_id, message_id))

    def list_sessions(self) -> list[SessionRow]:
        """All sessions that were not closed, by token."""
        return self._open_file().read(reads.list_sessions)

    def next_due_at(
        self, task_queues: Sequence[str], token: int | None = None, builds: Sequence[str] | None = None
    ) -> int | None:
        """The earliest time at which a run or a task of these queues has work, or None; may lie in the past."""
        return self._open_file().read(lambda tx: claims.next_due_at(tx, task_queues, token, builds))

    def integrity_problems(self) -> list[str]:
        """What SQLite finds wrong with the file, at length: it reads all of it.  Empty if nothing is."""
        return self._file.read(SqliteTransaction.integrity_problems)

    def changed_elsewhere(self) -> bool:
        """Whether another process has written since the last call."""
        return self._open_file().changed_elsewhere()

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` after every commit to the file by this process that changed something."""
        return self._file.subscribers.add(callback)

    def close(self) -> None:
        """Release the file; the last store on it closes it.  Idempotent."""
        with self._close_lock:
            if self._closed:
                return
            self._closed = True
        if self._leave_clock is not None:
            self._leave_clock()
        give_back(self._file)

    def _open_file(self) -> SqliteFile:
        if self._closed:
            raise closed_store(self._path)
        return self._file
