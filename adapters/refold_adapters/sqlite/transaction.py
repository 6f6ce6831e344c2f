"""A transaction on SQLite: what it says otherwise than other databases do."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from refold_adapters.ports.conditions import Term
from refold_adapters.sql.transaction import Transaction
from refold_adapters.sqlite.schema import RUNS_CLOSED

_PUT_TERM = "INSERT INTO terms (id, run_key, name, kind, value) VALUES (?, ?, ?, ?, ?)"


class SqliteTransaction(Transaction):
    """An open transaction of a connection."""

    __slots__ = ("_cursor",)

    # A term's value is of any type, and its type tells texts from numbers.
    text_term = "typeof(terms.value) = 'text' AND terms.value"
    number_term = "typeof(terms.value) <> 'text' AND terms.value"
    row_errors = (sqlite3.DatabaseError,)

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        # One cursor for all statements: making one costs as much as a small statement.
        super().__init__(cursor.execute)
        self._cursor = cursor

    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Carry out one statement; how many rows it has changed."""
        return self._cursor.execute(statement, values).rowcount

    def insert_run(self, statement: str, values: Sequence[Any]) -> int:
        """Carry out the statement that creates a run; its key."""
        run_key = self._cursor.execute(statement, values).lastrowid
        assert run_key is not None
        return run_key

    def put_term(self, place: int, run_key: int, term: Term) -> None:
        """Write down one value that a run is found by."""
        self.execute(_PUT_TERM, (place, run_key, term.name, term.kind.value, term.value))

    def may_expel(self, token: int) -> bool:  # noqa: ARG002 - one process writes at a time
        """Always."""
        return True

    def prepare_expiry(self) -> None:
        """Make the index of the closed runs: a store that keeps all its runs need not write it at every close."""
        self.execute(RUNS_CLOSED)

    def integrity_problems(self) -> list[str]:
        """What SQLite finds wrong with the pages and indexes of the file; empty if nothing is."""
        found = [str(values[0]) for values in self.execute("PRAGMA integrity_check")]
        return [] if found == ["ok"] else found
