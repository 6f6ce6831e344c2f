"""One database for one store: its connections, its commits, and what becomes of them when a connection is lost.

One rule: a commit is done once.  A transaction that came to nothing is begun again, also on a new connection; where a connection is
lost in the very moment of the commit, the server is asked by the transaction's number what became of it.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from psycopg import Connection, Cursor

from refold_adapters import ports
from refold_adapters.postgres.clock import DatabaseClock
from refold_adapters.postgres.connecting import connect, open_first
from refold_adapters.postgres.listening import Listener
from refold_adapters.postgres.locks import lock_for
from refold_adapters.postgres.place import Place
from refold_adapters.postgres.transaction import PostgresTransaction
from refold_adapters.postgres.trouble import (
    DRIVER_ERRORS,
    closed_store,
    inherited_store,
    is_crossed,
    is_loss,
    translated,
    unknown_fate,
)
from refold_adapters.sql.group import Batch, Group, carry_out
from refold_adapters.sql.perform import perform
from refold_adapters.subscribers import Subscribers

#: How often a transaction is begun again that others have crossed.
_CROSSED_TRIES = 20
#: How long a server is waited for that is restarted, and how often it is asked meanwhile.
_RECONNECT_SECONDS = 10.0
_RECONNECT_PAUSE_SECONDS = 0.1

# Who is alive, what time it is, and the number of the transaction, which means something only to the server, and the timeline of its
# log, that gave it.
_HEADER = """
    SELECT token, expires_at, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, pg_current_xact_id()::text,
        substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)
    FROM (SELECT) AS one LEFT JOIN sessions ON true ORDER BY token
"""
_HEADER_WITHOUT_NUMBER = _HEADER.replace("pg_current_xact_id()::text", "NULL::text")
_NUMBER_IF_ANY = """
    SELECT pg_current_xact_id_if_assigned()::text, substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)
"""
_FATE = "SELECT pg_xact_status(?::text::xid8), substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)"
_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
# All that writes do is to find rows by their indexes.  A plan that was made while a table was small, and then kept, must not read it from
# end to end once it is large.
_BY_INDEX = """
    SELECT set_config(name, 'off', false) FROM unnest('{enable_seqscan, enable_hashjoin, enable_mergejoin, jit}'::text[]) AS name
"""
_LOOK = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# The news need not be durable: whoever misses them looks by himself after a while.
_NOTIFY = "SELECT set_config('synchronous_commit', 'off', true), pg_notify(?, ?)"

_CLAIMS = (ports.ClaimRuns, ports.ClaimTasks)

_log = logging.getLogger("refold")

Answer = TypeVar("Answer")


class PostgresDatabase:
    """A database.  Safe to be used from several threads at once."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.subscribers = Subscribers()
        self.clock = DatabaseClock()
        self._pid = os.getpid()
        self._closed = False
        self._has_news = False
        self._write_lock = threading.Lock()
        self._writer: Connection[Any] | None = open_first(place)
        self._read_lock = threading.Lock()
        self._reader: Connection[Any] | None = None
        self._listener = Listener(place, self.subscribers)
        self._group = Group(self._carry_out)
        self._writer.execute(_BY_INDEX)
        self._hear_the_time(self._writer)

    def apply(self, batch: Batch) -> None:
        """Carry out a batch, in one commit with those of other threads."""
        self._check_process()
        self._group.submit(batch)
        if batch.has_news:
            self.subscribers.call()

    def read(self, question: Callable[[PostgresTransaction], Answer]) -> Answer:
        """Ask a question beside whatever is being written; it sees every commit that has returned, and nothing that comes meanwhile."""
        self._check_process()
        with self._read_lock:
            try:
                return self._look(question)
            except DRIVER_ERRORS as error:
                self._drop_reader()
                if not is_loss(error):
                    raise translated(error, self.place.shown) from error
            # It is only a look: on a new connection it may be taken again.
            try:
                self._reader = self._connect()
                return self._look(question)
            except DRIVER_ERRORS as error:
                self._drop_reader()
                raise translated(error, self.place.shown) from error

    def listen(self) -> None:
        """Hear of what other processes write, from now on."""
        self._check_process()
        self._listener.start()

    def changed_elsewhere(self) -> bool:
        """Whether another process has written since the last call, as far as this one has heard."""
        self._check_process()
        if self._closed:
            raise closed_store(self.place.shown)
        self._listener.start()
        return self._listener.has_news()

    def close(self) -> None:
        """Close all connections."""
        self._closed = True
        if self._pid != os.getpid():
            return
        self._listener.stop()
        with self._read_lock, self._write_lock:
            self._drop_reader()
            self._drop_writer()

    # Writing --------------------------------------------------------------------------------------------------------

    def _carry_out(self, batches: list[Batch]) -> None:
        """See to it that every batch is done; one that fails must not take the others with it."""
        with self._write_lock:
            carry_out(batches, self._commit, self._translated)
            if self._has_news:
                self._has_news = False
                batches[0].has_news = True

    def _translated(self, error: Exception) -> Exception:
        return translated(error, self.place.shown) if isinstance(error, DRIVER_ERRORS) else error

    def _commit(self, batches: list[Batch]) -> None:
        """Carry batches out in one transaction, however often it has to be begun."""
        deadline: float | None = None
        crossed = 0
        while True:
            if self._closed:
                raise closed_store(self.place.shown)
            try:
                if self._writer is None:
                    self._writer = self._connect_writer()
                self._try(self._writer, batches)
            except psycopg.Error as error:
                if is_crossed(error) and crossed < _CROSSED_TRIES:
                    crossed += 1
                    continue
                if not is_loss(error):
                    raise
                self._drop_writer()
                deadline = deadline or time.monotonic() + _RECONNECT_SECONDS
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_RECONNECT_PAUSE_SECONDS)
            else:
                return

    def _try(self, connection: Connection[Any], batches: list[Batch]) -> None:
        """Carry batches out in one transaction.  Returns if it is done; raises if it is not."""
        writes = [write for batch in batches for write in batch.writes]
        # A claim that finds nothing should cost the disk nothing, so it is given a number only once it has found something.
        only_claims = all(isinstance(write, _CLAIMS) for write in writes)
        number: tuple[str | None, str] = (None, "")
        commit: Cursor[Any] | None = None
        try:
            with connection.pipeline():
                tx = PostgresTransaction(connection, self.place)
                tx.execute("BEGIN")
                asked = lock_for(tx, self.place, writes)
                header = tx.execute(_HEADER_WITHOUT_NUMBER if only_claims else _HEADER).fetchall()
                self.clock.heard(header[-1][2])
                number = header[-1][3:]
                alive = {token: expires_at for token, expires_at, *_ in header if token is not None}
                tx.know(alive, asked, writes)
                for batch in batches:
                    tx.now = batch.clock.now_us()
                    batch.outcomes = [perform(tx, write) for write in batch.writes]
                if only_claims:
                    number = tx.execute(_NUMBER_IF_ANY).fetchone()
                commit = tx.send("COMMIT")
                if number[0] is not None:
                    # A transaction of its own, whose answer comes with that of the commit.  If it fails, others look by themselves.
                    tx.execute(_NOTIFY, (self.place.channel, self._listener.name))
            self._has_news = self._has_news or tx.has_changed
        except BaseException as error:
            is_lost = connection.closed or not isinstance(error, Exception)
            is_done = commit is not None and commit.statusmessage == "COMMIT"
            if not is_lost and not is_done:
                self._roll_back(connection)
                raise
            self._drop_writer()
            if not is_done and (commit is None or not self._was_done(*number)):
                raise
            self._has_news = True
            if not isinstance(error, Exception):
                _mark_done(batches)
                raise
        _mark_done(batches)

    def _roll_back(self, connection: Connection[Any]) -> None:
        try:
            connection.execute("ROLLBACK")
        except psycopg.Error:
            _log.info(
                "a transaction could not be rolled back, so its connection is closed: %s", self.place.shown
            )
            self._drop_writer()

    def _was_done(self, number: str | None, timeline: str) -> bool:
        """What became of a transaction whose connection was lost during its commit; one without a number has changed nothing."""
        if number is None:
            return False
        deadline = time.monotonic() + _RECONNECT_SECONDS
        while time.monotonic() < deadline:
            try:
                connection = self._writer = self._writer or self._connect_writer()
                found = connection.execute(_FATE.replace("?", "%s"), (number,)).fetchone()
            except psycopg.Error as error:
                if not is_loss(error):
                    raise unknown_fate(self.place.shown) from error
                self._drop_writer()
            else:
                assert found is not None
                state, present_timeline = found
                if present_timeline != timeline or state is None:
                    raise unknown_fate(self.place.shown)
                if state != "in progress":
                    return bool(state == "committed")
            time.sleep(_RECONNECT_PAUSE_SECONDS)
        raise unknown_fate(self.place.shown)

    # Connections ----------------------------------------------------------------------------------------------------

    def _look(self, question: Callable[[PostgresTransaction], Answer]) -> Answer:
        if self._closed:
            raise closed_store(self.place.shown)
        connection = self._reader = self._reader or self._connect()
        with connection.pipeline():
            tx = PostgresTransaction(connection, self.place)
            tx.execute(_LOOK)
            try:
                return question(tx)
            finally:
                tx.execute("ROLLBACK")

    def _connect(self) -> Connection[Any]:
        connection = connect(self.place)
        self._hear_the_time(connection)
        return connection

    def _connect_writer(self) -> Connection[Any]:
        connection = self._connect()
        connection.execute(_BY_INDEX)
        return connection

    def _hear_the_time(self, connection: Connection[Any]) -> None:
        found = connection.execute(_NOW).fetchone()
        assert found is not None
        self.clock.heard(found[0])

    def _drop_writer(self) -> None:
        connection, self._writer = self._writer, None
        if connection is not None:
            connection.close()

    def _drop_reader(self) -> None:
        connection, self._reader = self._reader, None
        if connection is not None:
            connection.close()

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            raise inherited_store(self.place.shown)


def _mark_done(batches: list[Batch]) -> None:
    for batch in batches:
        batch.done = True
