"""One database file in this process: its connections, its commits, and who hears of them.

One rule: one connection does all writes and all checkpoints of the process, and one more only reads, however many stores are open
on the file.  SQLite before 3.51.3 can damage a file that two connections write and checkpoint at once.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from refold_adapters.sql.group import Batch, Group, carry_out
from refold_adapters.sql.perform import perform
from refold_adapters.sqlite.opening import has_wal_reset_bug, open_reader, open_writer
from refold_adapters.sqlite.transaction import SqliteTransaction
from refold_adapters.sqlite.trouble import DRIVER_ERRORS, closed_store, inherited_store, translated
from refold_adapters.sqlite.wal import GROW_AFTER_COMMITS, grow
from refold_adapters.subscribers import Subscribers

#: How often a commit is begun again when another process kept the file locked all the time that SQLite waits.
_BUSY_TRIES = 3

_log = logging.getLogger("refold")

Answer = TypeVar("Answer")


class SqliteFile:
    """An open file.  Safe to be used from several threads at once."""

    def __init__(self, path: str, busy_seconds: float) -> None:
        self.path = path
        self.subscribers = Subscribers()
        #: Set in a child process that was forked: SQLite connections must not cross that border.
        self.inherited = False
        self._busy_seconds = busy_seconds
        self._write_lock = threading.Lock()
        self._writer: sqlite3.Connection | None = open_writer(path, busy_seconds)
        self._read_lock = threading.Lock()
        self._reader: sqlite3.Connection | None = None
        self._group = Group(self._carry_out)
        self._commits = 0
        self._warned = False
        self._version = self._data_version()

    def apply(self, batch: Batch) -> None:
        """Carry out a batch, in one commit with those of other threads."""
        if self.inherited:
            raise inherited_store(self.path)
        self._group.submit(batch)
        if batch.has_news:
            self.subscribers.call()

    def read(self, question: Callable[[SqliteTransaction], Answer]) -> Answer:
        """Ask a question beside whatever is being written; it sees every commit that has returned, and nothing that comes meanwhile."""
        if self.inherited:
            raise inherited_store(self.path)
        with self._read_lock:
            if self._writer is None:
                raise closed_store(self.path)
            if self._reader is None:
                self._reader = open_reader(self.path, self._busy_seconds)
            try:
                cursor = self._reader.cursor()
                cursor.execute("BEGIN")
                try:
                    return question(SqliteTransaction(cursor))
                finally:
                    self._reader.rollback()
            except DRIVER_ERRORS as error:
                raise translated(error, self.path) from error

    def changed_elsewhere(self) -> bool:
        """Whether another process has written since the last call."""
        if self.inherited:
            raise inherited_store(self.path)
        version = self._data_version()
        changed = version != self._version
        self._version = version
        if changed:
            self._warn_of_other_process()
            self.subscribers.call()
        return changed

    def close(self) -> None:
        """Close both connections, the writing one last: it does the last checkpoint."""
        with self._read_lock, self._write_lock:
            reader, writer, self._reader, self._writer = self._reader, self._writer, None, None
            if self.inherited:
                return
            if reader is not None:
                reader.close()
            if writer is not None:
                writer.close()

    def _carry_out(self, batches: list[Batch]) -> None:
        """See to it that every batch is done; one that fails must not take the others with it."""
        with self._write_lock:
            if self._writer is None:
                for batch in batches:
                    batch.fail(closed_store(self.path))
                return
            changes = self._writer.total_changes
            carry_out(batches, partial(self._commit, self._writer), self._translated)
            if self._writer.total_changes != changes:
                batches[0].has_news = True
                self._commits += 1
                if self._commits == GROW_AFTER_COMMITS:
                    grow(self._writer, self.path)

    def _translated(self, error: Exception) -> Exception:
        return translated(error, self.path) if isinstance(error, DRIVER_ERRORS) else error

    def _commit(self, writer: sqlite3.Connection, batches: list[Batch]) -> None:
        tx = SqliteTransaction(writer.cursor())
        committing = False
        try:
            _begin(tx)
            for batch in batches:
                tx.now = batch.clock.now_us()
                batch.outcomes = [perform(tx, write) for write in batch.writes]
            committing = True
            tx.execute("COMMIT")
        except BaseException as error:
            if writer.in_transaction:
                writer.execute("ROLLBACK")
            elif committing and not isinstance(error, Exception):
                _mark_done(batches)  # an interrupt that came between the commit and the next line
            raise
        _mark_done(batches)

    def _data_version(self) -> int:
        """A number that changes when another connection writes.  This process has no other that does."""
        with self._write_lock:
            if self._writer is None:
                raise closed_store(self.path)
            try:
                version: int = self._writer.execute("PRAGMA data_version").fetchone()[0]
            except DRIVER_ERRORS as error:
                raise translated(error, self.path) from error
            return version

    def _warn_of_other_process(self) -> None:
        if self._warned or not has_wal_reset_bug(sqlite3.sqlite_version_info):
            return
        self._warned = True
        _log.warning(
            "%s is written by another process too, and this Python is linked to SQLite %s, which can damage a file that two "
            "processes write at once (the WAL-reset bug); use one process a file, or a Python linked to SQLite 3.51.3 or newer",
            self.path,
            sqlite3.sqlite_version,
        )


def _begin(tx: SqliteTransaction) -> None:
    for attempt in range(1, _BUSY_TRIES + 1):
        try:
            tx.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or attempt == _BUSY_TRIES:
                raise
        else:
            return


def _mark_done(batches: list[Batch]) -> None:
    for batch in batches:
        batch.done = True
