"""A transaction on PostgreSQL: what it says otherwise than other databases do.

One rule: statements are sent without waiting for their answers; only who asks for rows waits.  So a turn costs one wait, not five.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection, Cursor

from refold_adapters.ports import CommitTurn, Write
from refold_adapters.ports.conditions import Term
from refold_adapters.postgres.gathering import Gathered
from refold_adapters.postgres.locks import Asked
from refold_adapters.postgres.place import Place
from refold_adapters.postgres.values import translated
from refold_adapters.sql.transaction import Transaction

_PUT_TERM = "INSERT INTO terms (id, run_key, name, kind, text_value, number_value) VALUES (?, ?, ?, ?, ?, ?)"
_MAY_EXPEL = "SELECT pg_try_advisory_xact_lock(?)"


class PostgresTransaction(Transaction):
    """An open transaction of a connection in pipeline mode."""

    __slots__ = ("_changes", "_connection", "_gathered", "_place")

    skip_locked = " FOR UPDATE SKIP LOCKED"
    for_update = " FOR UPDATE"
    text_term = "terms.text_value"
    number_term = "terms.number_value"

    def __init__(self, connection: Connection[Any], place: Place) -> None:
        super().__init__(self.send)
        self._connection = connection
        self._place = place
        self._changes: list[Cursor[Any]] = []
        self._gathered = Gathered()

    @property
    def has_changed(self) -> bool:
        """Whether any statement has changed a row, once all answers are there."""
        return any(cursor.rowcount > 0 for cursor in self._changes)

    def know(self, alive: dict[int, int], asked: Asked, writes: Sequence[Write]) -> None:
        """Take in what was asked for all writes at once: who is alive, what turns ask of their runs, and creations of their ids."""
        self._sessions = alive
        if asked.taken is not None:
            self.taken = {each for (each,) in asked.taken.fetchall()}
        if asked.runs is not None:
            runs = {row[0]: row[1:] for row in asked.runs.fetchall()}
            for write in writes:
                # Only for the first turn of a run: the next one has to ask what the first has left.
                if isinstance(write, CommitTurn) and (row := runs.pop(write.run_id, None)) is not None:
                    self.foreseen[write.run_id] = (write.token in alive, *row)

    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Carry out one statement; how many rows it has changed."""
        return len(self.send(f"{statement} RETURNING 1", values).fetchall())

    def insert_run(self, statement: str, values: Sequence[Any]) -> int:
        """Carry out the statement that creates a run; its key."""
        run_key: int = self._only(f"{statement} RETURNING run_key", values)
        return run_key

    def put_term(self, place: int, run_key: int, term: Term) -> None:
        """Write down one value that a run is found by."""
        text = term.value if isinstance(term.value, str) else None
        number = None if isinstance(term.value, str) else term.value
        self.send(_PUT_TERM, (place, run_key, term.name, term.kind.value, text, number))

    def prepare_expiry(self) -> None:
        """Nothing: the index is there."""

    def may_expel(self, token: int) -> bool:
        """Whether no write of that session is under way, nor can be before the end of this transaction."""
        may: bool = self._only(_MAY_EXPEL, (self._place.number("session", str(token)),))
        return may

    def _only(self, statement: str, values: Sequence[Any]) -> Any:
        found = self.send(statement, values).fetchone()
        assert found is not None
        return found[0]

    def put_off(self, statement: str, values: Sequence[Any]) -> None:
        """Carry out one statement before the next one that is not put off, with others like it."""
        self._gathered.add(statement, values)

    def send(self, statement: str, values: Sequence[Any] = ()) -> Cursor[Any]:
        """Carry out one statement, after all that was put off, without waiting for its answer."""
        if self._gathered:
            for each, of_each in self._gathered.take():
                self._send(each, of_each)
        return self._send(statement, values)

    def _send(self, statement: str, values: Sequence[Any]) -> Cursor[Any]:
        cursor = self._connection.cursor(binary=True)
        text, may_change = translated(statement)
        cursor.execute(text, values)
        if may_change:
            self._changes.append(cursor)
        return cursor
