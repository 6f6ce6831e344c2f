"""What a PostgreSQL server allows: the time of a commit by a single client, and of a notification from one connection to another.

One rule: it is the least that any engine on that server must do, through the same driver, by statements that are prepared.
"""

from __future__ import annotations

import time
from typing import Any

import psycopg
from psycopg import Connection

from benchmarks.limits import ROW, RawCommits

_INSERT = "INSERT INTO raw.event VALUES (%b, %b, %b)"
#: Does not wait for the disk, as those of the store do not: a notification that is lost by a crash has nobody to tell.
_NOTIFY = "SELECT set_config('synchronous_commit', 'off', true), pg_notify('raw', '')"


class RawPostgresCommits(RawCommits):
    """By one statement each, which is a transaction of its own."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.connection: Connection[Any] = psycopg.connect(url, autocommit=True)
        self._listening: Connection[Any] = psycopg.connect(url, autocommit=True)
        self._listening.execute("LISTEN raw")
        self.connection.execute("CREATE SCHEMA raw")
        self.connection.execute(
            "CREATE TABLE raw.event (run TEXT NOT NULL, seq BIGINT NOT NULL, data BYTEA NOT NULL, PRIMARY KEY (run, seq))"
        )

    def _commit(self, run: str) -> None:
        self.connection.execute(_INSERT, (run, 1, ROW), prepare=True)

    def notify(self) -> float:
        """Notify a connection that listens; returns the seconds until it has heard."""
        begin = time.perf_counter()
        self.connection.execute(_NOTIFY, prepare=True)
        for _ in self._listening.notifies(stop_after=1):
            return time.perf_counter() - begin
        raise RuntimeError("a notification was not heard")

    def settings(self) -> dict[str, str]:
        names = ("fsync", "full_page_writes", "synchronous_commit")
        return {name: self._told(f"SELECT current_setting('{name}')") for name in names}

    def version(self) -> str:
        return self._told("SELECT current_setting('server_version')")

    def _told(self, question: str) -> str:
        found = self.connection.execute(question.encode()).fetchone()
        assert found is not None
        return str(found[0])

    def close(self) -> None:
        with self.connection:
            self.connection.execute("DROP SCHEMA raw CASCADE")
        self._listening.close()
