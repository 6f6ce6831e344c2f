"""Statements that are put off, and then carried out for many runs at once.

A turn of each of a hundred runs is a hundred rows of the history and a hundred updates: as two statements over arrays they cost driver
and server a fraction of what two hundred cost.

One rule: what a statement here does to many rows is what its namesake in ``sql.turns`` does to each of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from refold_adapters.sql.turns import APPEND, CLEAR_TASKS, CLOSE, STEP, STEP_AND_HOLD

_MANY_STEPS = """
    UPDATE runs SET turn = v.turn, turn_token = v.turn_token, last_event_id = v.last_event_id,
        history_bytes = history_bytes + v.bytes
    FROM unnest(?::bigint[], ?::text[], ?::bigint[], ?::bigint[], ?::bigint[])
        AS v (turn, turn_token, last_event_id, bytes, run_key)
    WHERE runs.run_key = v.run_key
"""
_MANY_STEPS_AND_HOLDS = """
    UPDATE runs SET turn = v.turn, turn_token = v.turn_token, last_event_id = v.last_event_id,
        history_bytes = history_bytes + v.bytes,
        held_seq = v.seq, held_type = v.type, held_queue = v.queue, held_at = v.at, held_data = v.data
    FROM unnest(?::bigint[], ?::text[], ?::bigint[], ?::bigint[], ?::bigint[], ?::text[], ?::text[], ?::bigint[], ?::bytea[], ?::bigint[])
        AS v (turn, turn_token, last_event_id, bytes, seq, type, queue, at, data, run_key)
    WHERE runs.run_key = v.run_key
"""
_MANY_CLOSES = """
    UPDATE runs SET turn = v.turn, turn_token = v.turn_token, last_event_id = v.last_event_id,
        history_bytes = history_bytes + v.bytes,
        status = v.status, closed_at = v.at, closing_event = v.event, owner = 0, takeovers = 0, ready_at = NULL, parked = NULL,
        parked_at = NULL, parked_kind = NULL, parked_line = NULL, paused_at = NULL, ends_at = NULL,
        held_seq = NULL, held_type = NULL, held_queue = NULL, held_at = NULL, held_data = NULL
    FROM unnest(?::bigint[], ?::text[], ?::bigint[], ?::bigint[], ?::text[], ?::bigint[], ?::bytea[], ?::bigint[])
        AS v (turn, turn_token, last_event_id, bytes, status, at, event, run_key)
    WHERE runs.run_key = v.run_key
"""
_APPEND_MANY = """
    INSERT INTO history (id, first_event_id, checksum, data) SELECT * FROM unnest(?::bigint[], ?::bigint[], ?::bigint[], ?::bytea[])
"""
_CLEAR_MANY = """
    DELETE FROM tasks USING unnest(?::bigint[], ?::bigint[]) AS v (first, last) WHERE id BETWEEN v.first AND v.last
"""
_OF_MANY = {
    APPEND: _APPEND_MANY,
    STEP: _MANY_STEPS,
    STEP_AND_HOLD: _MANY_STEPS_AND_HOLDS,
    CLOSE: _MANY_CLOSES,
    CLEAR_TASKS: _CLEAR_MANY,
}


class Gathered:
    """What was put off."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[str, list[Sequence[Any]]] = {}

    def __bool__(self) -> bool:
        return bool(self._values)

    def add(self, statement: str, values: Sequence[Any]) -> None:
        """Put off a statement."""
        self._values.setdefault(statement, []).append(values)

    def take(self) -> Iterator[tuple[str, Sequence[Any]]]:
        """All that was put off, as few statements."""
        gathered, self._values = self._values, {}
        for statement, rows in gathered.items():
            if len(rows) == 1:
                yield statement, rows[0]
            else:
                yield _OF_MANY[statement], [list(column) for column in zip(*rows, strict=True)]
