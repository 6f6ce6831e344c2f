"""Runs that begin as copies of others, and runs that are removed.

One rule: a removed run leaves nothing but its tombstone.
"""

from __future__ import annotations

from collections.abc import Sequence

from refold_adapters import ports
from refold_adapters.ports import Outcome, RunStatus
from refold_adapters.sql.inbox import earliest_work, put_message, work_of
from refold_adapters.sql.places import row_span
from refold_adapters.sql.relays import relay_all
from refold_adapters.sql.requests import forget_requests
from refold_adapters.sql.rows import status_of
from refold_adapters.sql.runs import deleted_at, put_run, run_in_the_way
from refold_adapters.sql.transaction import Transaction
from refold_adapters.sql.turns import commit_turn, pause, pin, put_task, put_timer, put_turn

_SET_COPY = "UPDATE runs SET turn = ?, last_event_id = ?, history_bytes = ?, ready_at = ? WHERE run_key = ?"
_IS_OPEN = "SELECT 1 FROM runs WHERE run_id = ? AND status = 'RUNNING'"
_STAND_FOR = """
    INSERT INTO heirs (run_id, run_key, last_seq) VALUES (?, ?, ?)
    ON CONFLICT (run_id) DO UPDATE SET run_key = excluded.run_key, last_seq = excluded.last_seq
"""
_BEGINNING = """
    SELECT run_key, status, turn, last_message, parked IS NOT NULL, paused_at IS NOT NULL FROM runs WHERE run_id = ?
"""
_DISOWN = "UPDATE runs SET owner = 0 WHERE run_key = ?"
_SET_WORK = "UPDATE runs SET last_message = ?, ready_at = ? WHERE run_key = ?"
_STANDING = "SELECT run_key, status FROM runs WHERE run_id = ?"
_BURY = """
    INSERT INTO tombstones (run_id, workflow_id, request_id, status, deleted_at)
    SELECT run_id, workflow_id, request_id, status, ? FROM runs WHERE run_key = ?
"""
#: Each removes what belongs to a run from one table.
_REMOVALS = (
    "DELETE FROM history WHERE id BETWEEN ? AND ?",
    "DELETE FROM inbox WHERE id BETWEEN ? AND ?",
    "DELETE FROM tasks WHERE id BETWEEN ? AND ?",
    "DELETE FROM timers WHERE id BETWEEN ? AND ?",
    "DELETE FROM terms WHERE id BETWEEN ? AND ?",
    "DELETE FROM refusals WHERE id BETWEEN ? AND ?",
)
_DISINHERIT = "DELETE FROM heirs WHERE run_key = ?"
_REMOVE = "DELETE FROM runs WHERE run_key = ?"
_EXPIRED = """
    SELECT run_key FROM runs INDEXED BY runs_closed WHERE closed_at IS NOT NULL AND closed_at <= ?
    ORDER BY closed_at, run_key LIMIT ?
"""
_NEXT_CLOSED_AT = "SELECT min(closed_at) FROM runs INDEXED BY runs_closed WHERE closed_at IS NOT NULL"
_FORGET = "DELETE FROM tombstones WHERE deleted_at <= ?"


def copy_run(tx: Transaction, write: ports.CopyRun) -> Outcome:
    """Create a run that begins with turns, and close the one whose place it takes."""
    closes = write.closes
    in_the_way = run_in_the_way(tx, write.run, None if closes is None else closes.run_id)
    if in_the_way is not None:
        return in_the_way
    if any(tx.execute(_IS_OPEN, (run_id,)).fetchone() is None for run_id in write.open_runs):
        return ports.Stale(0)
    refusal = _commit_all(tx, [*([] if closes is None else [closes]), *write.ends])
    if refusal is not None:
        return refusal
    run_key = put_run(tx, write.run, None, len(write.messages))
    for turn in write.turns:
        put_turn(tx, run_key, turn)
    for seq, fire_at in write.timers:
        put_timer(tx, run_key, seq, fire_at)
    for number, (data, request_id) in enumerate(write.messages, start=1):
        put_message(tx, run_key, number, ready_at=tx.now, data=data, request_id=request_id)
    for new in write.tasks:
        put_task(tx, run_key, 0, new)
    size = sum(len(turn.data) for turn in write.turns)
    ready_at = earliest_work(tx, run_key)
    tx.execute(_SET_COPY, (len(write.turns), write.last_event_id, size, ready_at, run_key))
    for run_id, last in write.stands_for:
        tx.execute(_STAND_FOR, (run_id, run_key, last))
    relay_all(tx, write.run.run_id, write.relays)
    return ports.Created(write.run.run_id)


def _commit_all(tx: Transaction, commits: Sequence[ports.CommitTurn]) -> Outcome | None:
    """Append the turns, all of them or none; what refuses the first that cannot be."""
    tx.execute("SAVEPOINT copies")
    refusal: Outcome | None = None
    for commit in commits:
        outcome = commit_turn(tx, commit)
        if not isinstance(outcome, ports.Committed):
            refusal = outcome
            tx.execute("ROLLBACK TO copies")
            break
    tx.execute("RELEASE copies")
    return refusal


def change_run(tx: Transaction, write: ports.ChangeRun) -> Outcome:
    """Change how a run stands that has had no turn."""
    row = tx.execute(_BEGINNING, (write.run_id,)).fetchone()
    if row is None:
        return ports.NotFound()
    run_key, status, turn, message_id, parked, paused = row
    if status != RunStatus.RUNNING.value:
        return ports.Closed(write.run_id, status_of(write.run_id, status))
    if turn:
        return ports.Stale(turn)
    ready_at = earliest_work(tx, run_key)
    place = tx.now if ready_at is None else ready_at
    put_message(tx, run_key, message_id + 1, ready_at=place, data=write.message, request_id=write.request_id)
    if write.paused is not None:
        paused = write.paused
        pause(tx, run_key, paused=paused)
    if write.build_id is not None:
        pin(tx, run_key, write.build_id)
        tx.execute(_DISOWN, (run_key,))
    tx.execute(_SET_WORK, (message_id + 1, None if parked else work_of(tx, run_key, paused=paused), run_key))
    return ports.Done()


def delete_run(tx: Transaction, write: ports.DeleteRun) -> Outcome:
    """Remove a closed run."""
    row = tx.execute(_STANDING, (write.run_id,)).fetchone()
    if row is None:
        return ports.NotFound(deleted_at(tx, write.run_id))
    if row[1] == RunStatus.RUNNING.value:
        return ports.Refused()
    _remove(tx, row[0])
    return ports.Done()


def expire_runs(tx: Transaction, write: ports.ExpireRuns) -> Outcome:
    """Remove what was closed long ago."""
    tx.prepare_expiry()
    expired = tx.execute(_EXPIRED + tx.skip_locked, (write.closed_until, max(0, write.limit))).fetchall()
    for (run_key,) in expired:
        _remove(tx, run_key)
    tx.execute(_FORGET, (write.forget_until,))
    forget_requests(tx, write.forget_until)
    return ports.Expired(len(expired), tx.execute(_NEXT_CLOSED_AT).fetchone()[0])


def _remove(tx: Transaction, run_key: int) -> None:
    tx.execute(_BURY, (tx.now, run_key))
    span = row_span(run_key)
    for removal in _REMOVALS:
        tx.execute(removal, span)
    tx.execute(_DISINHERIT, (run_key,))
    tx.execute(_REMOVE, (run_key,))
