"""The store protocol over a database.

One rule: it only says which question or which writes go to the database; what they do is told in the other modules.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from refold_adapters.clocks import ManualClock
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
from refold_adapters.sql import claims, reads, refusals, requests
from refold_adapters.sql.group import Batch
from refold_adapters.sql.transaction import Transaction
from refold_adapters.store_errors import StoreError
from refold_adapters.subscribers import Subscribers

Answer = TypeVar("Answer")


class Database(Protocol):
    """What a store asks of its database.  Safe to be used from several threads at once."""

    subscribers: Subscribers

    def apply(self, batch: Batch) -> None:
        """See to it that a batch is done, or has an error."""
        ...

    def read(self, question: Callable[[Transaction], Answer]) -> Answer:
        """Ask a question, all of which sees one moment."""
        ...

    def changed_elsewhere(self) -> bool:
        """Whether another process has written since the last call."""
        ...


class SqlStore:
    """A store in a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._database = database
        self._close_lock = threading.Lock()
        self._closed = False
        self._leave_clock = (
            clock.subscribe(database.subscribers.call) if isinstance(clock, ManualClock) else None
        )

    @property
    def clock(self) -> Clock:
        """The judge of what is due."""
        return self._clock

    def apply(self, writes: Sequence[Write]) -> list[Outcome]:
        """Carry out writes in one commit, durable on return."""
        database = self._open()
        if not writes:
            return []
        batch = Batch(writes, self._clock)
        database.apply(batch)
        if batch.error is not None:
            raise batch.error
        return batch.outcomes

    def read_turns(self, run_id: str, after_turn: int = 0) -> list[StoredTurn]:
        """The committed turns of a run, in order; each is checked against its checksum."""
        return self._open().read(lambda tx: reads.read_turns(tx, run_id, after_turn))

    def find_run(self, workflow_id: str, run_id: str | None = None) -> RunRow | None:
        """The run of that id, or the open (else the latest started) run of the workflow id."""
        return self._open().read(lambda tx: reads.find_run(tx, workflow_id, run_id))

    def list_runs(self, filter: RunFilter) -> list[RunRow]:
        """Runs, newest first; corrupt rows are left out and logged."""
        return self._open().read(lambda tx: reads.list_runs(tx, filter))

    def list_ending(self, limit: int) -> list[RunRow]:
        """Open runs whose time is up, the longest overdue first; corrupt rows are left out and logged."""
        now = self._clock.now_us()
        return self._open().read(lambda tx: reads.list_ending(tx, now, limit))

    def count_runs(self, filter: RunFilter) -> int:
        """How many runs match."""
        return self._open().read(lambda tx: reads.count_runs(tx, filter))

    def list_attributes(self) -> list[str]:
        """The names of the search attributes that any run is found by."""
        return self._open().read(reads.list_attributes)

    def list_tasks(self, run_id: str) -> list[TaskRow]:
        """The open activity tasks of a run, by ``seq``."""
        return self._open().read(lambda tx: reads.list_tasks(tx, run_id))

    def list_timers(self, run_id: str) -> list[tuple[int, int]]:
        """``(seq, fire_at)`` of the open timers of a run, by ``seq``."""
        return self._open().read(lambda tx: reads.list_timers(tx, run_id))

    def list_inbox(self, run_id: str) -> list[InboxMessage]:
        """Messages that no turn has taken yet, in order."""
        return self._open().read(lambda tx: reads.list_inbox(tx, run_id))

    def find_refusal(self, run_id: str, message_id: int) -> bytes | None:
        """Why a message was refused; None if it was not, or that is no longer kept."""
        return self._open().read(lambda tx: refusals.find_refusal(tx, run_id, message_id))

    def find_answer(self, request: str) -> bytes | None:
        """What was noted of a request; None if nothing was, or that is no longer kept."""
        return self._open().read(lambda tx: requests.find_answer(tx, request))

    def list_sessions(self) -> list[SessionRow]:
        """All sessions that were not closed, by token."""
        return self._open().read(reads.list_sessions)

    def next_due_at(
        self, task_queues: Sequence[str], token: int | None = None, builds: Sequence[str] | None = None
    ) -> int | None:
        """The earliest time at which a run or a task of these queues has work, or None; may lie in the past."""
        return self._open().read(lambda tx: claims.next_due_at(tx, task_queues, token, builds))

    def changed_elsewhere(self) -> bool:
        """Whether another process has written since the last call."""
        return self._open().changed_elsewhere()

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` after every commit that changed something, as far as this process hears of it."""
        return self._database.subscribers.add(callback)

    def close(self) -> None:
        """Release the database; idempotent."""
        with self._close_lock:
            if self._closed:
                return
            self._closed = True
        if self._leave_clock is not None:
            self._leave_clock()
        self._release()

    def _open(self) -> Database:
        if self._closed:
            raise self._closed_error()
        return self._database

    @abstractmethod
    def _release(self) -> None:
        """Give back what the store has of the database."""

    @abstractmethod
    def _closed_error(self) -> StoreError:
        """What is raised where a closed store is used."""
