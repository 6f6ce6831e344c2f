"""A transaction on PostgreSQL: what it says otherwise than other databases do.

One rule: statements are sent without waiting for their answers; only who asks for rows waits.  So a turn costs one wait, not five.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection, Cursor

from refold_adapters.ports.conditions import Term
from refold_adapters.postgres.place import Place
from refold_adapters.postgres.values import translated
from refold_adapters.sql.transaction import Transaction

_PUT_TERM = "INSERT INTO terms (id, run_key, name, kind, text_value, number_value) VALUES (?, ?, ?, ?, ?, ?)"
_MAY_EXPEL = "SELECT pg_try_advisory_xact_lock(?)"


class PostgresTransaction(Transaction):
    """An open transaction of a connection in pipeline mode."""

    __slots__ = ("_changes", "_connection", "_place")

    skip_locked = " FOR UPDATE SKIP LOCKED"
    for_update = " FOR UPDATE"
    text_term = "terms.text_value"
    number_term = "terms.number_value"

    def __init__(self, connection: Connection[Any], place: Place) -> None:
        super().__init__(self._execute)
        self._connection = connection
        self._place = place
        self._changes: list[Cursor[Any]] = []

    @property
    def has_changed(self) -> bool:
        """Whether any statement has changed a row, once all answers are there."""
        return any(cursor.rowcount > 0 for cursor in self._changes)

    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Carry out one statement; how many rows it has changed."""
        return len(self._execute(f"{statement} RETURNING 1", values).fetchall())

    def insert_run(self, statement: str, values: Sequence[Any]) -> int:
        """Carry out the statement that creates a run; its key."""
        run_key: int = self._only(f"{statement} RETURNING run_key", values)
        return run_key

    def put_term(self, place: int, run_key: int, term: Term) -> None:
        """Write down one value that a run is found by."""
        text = term.value if isinstance(term.value, str) else None
        number = None if isinstance(term.value, str) else term.value
        self._execute(_PUT_TERM, (place, run_key, term.name, term.kind.value, text, number))

    def prepare_expiry(self) -> None:
        """Nothing: the index is there."""

    def may_expel(self, token: int) -> bool:
        """Whether no write of that session is under way, nor can be before the end of this transaction."""
        may: bool = self._only(_MAY_EXPEL, (self._place.number("session", str(token)),))
        return may

    def _only(self, statement: str, values: Sequence[Any]) -> Any:
        found = self._execute(statement, values).fetchone()
        assert found is not None
        return found[0]

    def _execute(self, statement: str, values: Sequence[Any] = ()) -> Cursor[Any]:
        cursor = self._connection.cursor(binary=True)
        text, may_change = translated(statement)
        cursor.execute(text, values)
        if may_change:
            self._changes.append(cursor)
        return cursor
