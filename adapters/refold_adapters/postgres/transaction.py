"""A transaction on PostgreSQL: what it says otherwise than other databases do.

One rule: statements are sent without waiting for their answers; only who asks for rows waits.  So a turn costs one wait, not five.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection, Cursor

from refold_adapters.ports import CommitTurn, Write
from refold_adapters.ports.conditions import Term
from refold_adapters.postgres.place import Place
from refold_adapters.postgres.values import translated
from refold_adapters.sql.transaction import Rows, Transaction

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

    def know(self, sessions: Rows, locked: Rows | None, writes: Sequence[Write]) -> None:
        """Take in what was asked for all writes at once: who is alive, and what turns ask of their runs."""
        self._sessions = alive = dict(sessions.fetchall())
        if locked is not None:
            runs = {row[0]: row[1:] for row in locked.fetchall()}
            for write in writes:
                # Only for the first turn of a run: the next one has to ask what the first has left.
                if isinstance(write, CommitTurn) and (row := runs.pop(write.run_id, None)) is not None:
                    self.foreseen[write.run_id] = (write.token in alive, *row)

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
