"""The inbox of a run, and since when the run has work.

One rule: an inbox numbers its messages with the run's ``last_message``, which only grows, so an id is never given twice.
"""

from __future__ import annotations

from refold_adapters.ports.writes import DEADLINE
from refold_adapters.sql.places import row_id, row_span
from refold_adapters.sql.transaction import Transaction

_PUT = "INSERT INTO inbox (id, ready_at, request_id, data) VALUES (?, ?, ?, ?)"
_COUNT = "UPDATE runs SET last_message = ? WHERE run_key = ?"
# Apart from _COUNT because a column that is named is written to its indexes even where it keeps its value.
_COUNT_AND_WAKE = "UPDATE runs SET last_message = ?, ready_at = ? WHERE run_key = ?"
_DEADLINE = "SELECT fire_at FROM timers WHERE id = ?"
_FIRST = "SELECT ready_at FROM inbox WHERE id = ?"
_EARLIEST_WORK = """
    SELECT min(ready_at) FROM (
        SELECT min(ready_at) AS ready_at FROM inbox WHERE id BETWEEN ? AND ?
        UNION ALL
        SELECT min(fire_at) FROM timers WHERE run_key = ?
    ) AS work
"""


def accept(
    tx: Transaction,
    run: tuple[int, bool, int | None, int],
    data: bytes,
    request_id: str = "",
    at: int | None = None,
) -> int:
    """Append a message that is work from ``at`` on, or at once, and wake the run for it; returns its id.

    The run is given as key, held (parked or paused), ready_at and last_message.
    """
    run_key, held, ready_at, last_message = run
    at = tx.now if at is None else at
    message_id = last_message + 1
    put_message(tx, run_key, message_id, ready_at=at, data=data, request_id=request_id)
    if held or (ready_at is not None and ready_at <= at):
        tx.execute(_COUNT, (message_id, run_key))
    else:
        tx.execute(_COUNT_AND_WAKE, (message_id, at, run_key))
    return message_id


def first_turn_at(tx: Transaction, run_key: int) -> int:
    """When the first turn of a run that has had none is due, by its first message; now, where that is past."""
    first = tx.execute(_FIRST, (row_id(run_key, 1),)).fetchone()
    return tx.now if first is None else max(tx.now, first[0])


def put_message(
    tx: Transaction, run_key: int, message_id: int, *, ready_at: int, data: bytes, request_id: str = ""
) -> None:
    """Append a message; the caller sees to ``last_message`` and ``ready_at`` of the run."""
    tx.execute(_PUT, (row_id(run_key, message_id), ready_at, request_id, data))


def work_of(tx: Transaction, run_key: int, *, paused: bool) -> int | None:
    """Since when, or from when on, a run that is not parked is to be claimed; None for not at all."""
    if not paused:
        return earliest_work(tx, run_key)
    found = tx.execute(_DEADLINE, (row_id(run_key, DEADLINE),)).fetchone()
    return None if found is None else found[0]


def earliest_work(tx: Transaction, run_key: int) -> int | None:
    """Since when, or from when on, a run has work; None where it has no message and no timer."""
    found: int | None = tx.execute(_EARLIEST_WORK, (*row_span(run_key), run_key)).fetchone()[0]
    return found
