"""Questions to the store.

One rule: every answer has an order of its own, and a row that is not what was written spoils no answer about others.
"""

from __future__ import annotations

from typing import Any

from refold_adapters.ports import InboxMessage, RunFilter, RunRow, RunStatus, SessionRow, StoredTurn, TaskRow
from refold_adapters.sql.conditions import Bound, sql_of
from refold_adapters.sql.places import number_of, row_id, row_span
from refold_adapters.sql.rows import (
    SELECT_HELD,
    SELECT_RUNS,
    SELECT_TASKS,
    corrupt_row,
    is_sound,
    run_row,
    skip_corrupt,
    task_row,
)
from refold_adapters.sql.transaction import Transaction
from refold_adapters.store_errors import StoreError

_RUN = SELECT_RUNS + " WHERE run_id = ?"
_LATEST = SELECT_RUNS + " WHERE workflow_id = ? ORDER BY run_key DESC LIMIT 1"
_KEY = "SELECT run_key, turn FROM runs WHERE run_id = ?"
_TURNS = "SELECT id, first_event_id, checksum, data FROM history WHERE id BETWEEN ? AND ? ORDER BY id"
_TASKS = SELECT_TASKS + " WHERE t.id BETWEEN ? AND ? ORDER BY t.id"
_HELD = SELECT_HELD + " WHERE run_id = ? AND held_seq IS NOT NULL"
_TIMERS = "SELECT id, fire_at FROM timers WHERE id BETWEEN ? AND ? ORDER BY id"
_INBOX = "SELECT id, data FROM inbox WHERE id BETWEEN ? AND ? ORDER BY id"
_SESSIONS = "SELECT token, identity, process, expires_at FROM sessions ORDER BY token"

_NEWEST_FIRST = " ORDER BY started_at DESC, run_id DESC LIMIT ?"
_ENDING = SELECT_RUNS + " WHERE ends_at <= ? ORDER BY ends_at, run_key LIMIT ?"
_FIRST_NAME = "SELECT min(name) FROM terms"
_NEXT_NAME = "SELECT min(name) FROM terms WHERE name > ?"
_COUNT = "SELECT count(*) FROM runs"
_KEYS = "SELECT run_key FROM runs"
_BY_KEY = SELECT_RUNS + " WHERE run_key = ?"


def read_turns(tx: Transaction, run_id: str, after_turn: int) -> list[StoredTurn]:
    """The committed turns of a run, in order."""
    run = tx.execute(_KEY, (run_id,)).fetchone()
    if run is None:
        return []
    run_key, last_turn = run
    if type(last_turn) is not int:
        raise corrupt_row(run_id, "the number of the last turn")
    number = max(0, after_turn)
    turns: list[StoredTurn] = []
    span = (row_id(run_key, number + 1), row_span(run_key)[1])
    for place, first_event_id, stored_sum, data in tx.execute(_TURNS, span).fetchall():
        number += 1
        if number_of(place) != number:
            raise corrupt_row(run_id, "the history", f"turn {number} is missing")
        if not is_sound(place, first_event_id, data, stored_sum):
            raise corrupt_row(
                run_id, f"turn {number}", f"run {run_id!r}, turn {number}: its checksum does not fit"
            )
        turns.append(StoredTurn(number, first_event_id, data))
    if number < last_turn and after_turn < last_turn:
        raise corrupt_row(run_id, "the history", f"turn {number + 1} is missing")
    return turns


def find_run(tx: Transaction, workflow_id: str, run_id: str | None) -> RunRow | None:
    """The run of that id if it fits the workflow id; without, the latest of the workflow id, which is open if any is."""
    values = tx.execute(_LATEST, (workflow_id,)) if run_id is None else tx.execute(_RUN, (run_id,))
    found = values.fetchone()
    if found is None:
        return None
    row = run_row(found)
    return row if workflow_id in ("", row.workflow_id) else None


def list_ending(tx: Transaction, now: int, limit: int) -> list[RunRow]:
    """Open runs whose time is up, the longest overdue first; corrupt rows are left out and logged."""
    found: list[RunRow] = []
    for values in tx.execute(_ENDING, (now, max(0, limit))).fetchall():
        try:
            found.append(run_row(values))
        except StoreError as error:
            skip_corrupt(error)
    return found


def list_runs(tx: Transaction, filter: RunFilter) -> list[RunRow]:
    """Runs, newest first."""
    where, bound = _conditions(type(tx), filter)
    if filter.before is not None:
        where = [*where, "(started_at, run_id) < (?, ?)"]
        bound = [*bound, *filter.before]
    bound = [*bound, max(0, filter.limit)]
    selection = _where(where) + _NEWEST_FIRST
    found: list[tuple[Any, ...]] = []
    try:
        found = tx.execute(SELECT_RUNS + selection, bound).fetchall()
    except tx.row_errors:
        # Perhaps a text that is no text any more: then the sound rows can still be had, one at a time.
        for (run_key,) in tx.execute(_KEYS + selection, bound).fetchall():
            found += _row_by_key(tx, run_key)
    rows: list[RunRow] = []
    for values in found:
        try:
            rows.append(run_row(values))
        except StoreError as error:
            skip_corrupt(error)
    return rows


def count_runs(tx: Transaction, filter: RunFilter) -> int:
    """How many runs match."""
    where, bound = _conditions(type(tx), filter)
    found: int = tx.execute(_COUNT + _where(where), bound).fetchone()[0]
    return found


def list_attributes(tx: Transaction) -> list[str]:
    """The names of the search attributes that any run is found by: one step in the index a name."""
    names: list[str] = []
    found = tx.execute(_FIRST_NAME).fetchone()[0]
    while found is not None:
        names.append(found)
        found = tx.execute(_NEXT_NAME, (found,)).fetchone()[0]
    return names


def list_tasks(tx: Transaction, run_id: str) -> list[TaskRow]:
    """The open activity tasks of a run, by ``seq``."""
    found = _of_run(tx, run_id, _TASKS) + tx.execute(_HELD, (run_id,)).fetchall()
    return sorted((task_row(values) for values in found), key=lambda row: row.seq)


def list_timers(tx: Transaction, run_id: str) -> list[tuple[int, int]]:
    """``(seq, fire_at)`` of the open timers of a run, by ``seq``."""
    return [(number_of(place), fire_at) for place, fire_at in _of_run(tx, run_id, _TIMERS)]


def list_inbox(tx: Transaction, run_id: str) -> list[InboxMessage]:
    """Messages that no turn has taken yet, in order."""
    return [InboxMessage(number_of(place), data) for place, data in _of_run(tx, run_id, _INBOX)]


def list_sessions(tx: Transaction) -> list[SessionRow]:
    """All sessions that were not closed, by token."""
    return [SessionRow(*values) for values in tx.execute(_SESSIONS)]


def _row_by_key(tx: Transaction, run_key: int) -> list[tuple[Any, ...]]:
    """The row, or none if it cannot be read."""
    try:
        return tx.execute(_BY_KEY, (run_key,)).fetchall()
    except tx.row_errors as error:
        skip_corrupt(error)
        return []


def _of_run(tx: Transaction, run_id: str, statement: str) -> list[tuple[Any, ...]]:
    run = tx.execute(_KEY, (run_id,)).fetchone()
    return [] if run is None else tx.execute(statement, row_span(run[0])).fetchall()


def _conditions(tx: type[Transaction], filter: RunFilter) -> tuple[list[str], Bound]:
    """Conditions on runs, of fixed text, and what is bound to them."""
    where: list[str] = []
    bound: Bound = []
    for column, value in (
        ("workflow_id", filter.workflow_id),
        ("workflow_type", filter.workflow_type),
        ("task_queue", filter.task_queue),
    ):
        if value is not None:
            where.append(f"{column} = ?")
            bound.append(value)
    if filter.statuses is not None:
        statuses = dict.fromkeys(filter.statuses)
        if list(statuses) == [RunStatus.RUNNING]:
            where.append("status = 'RUNNING'")  # in these words the index of the open runs serves
        else:
            where.append(f"status IN ({', '.join('?' * len(statuses))})" if statuses else "FALSE")
            bound += [status.value for status in statuses]
    if filter.parked is not None:
        where.append("parked IS NOT NULL" if filter.parked else "parked IS NULL")
    if filter.where is not None:
        text, values = sql_of(tx, filter.where)
        where.append(text)
        bound += values
    return where, bound


def _where(conditions: list[str]) -> str:
    return " WHERE " + " AND ".join(conditions) if conditions else ""
