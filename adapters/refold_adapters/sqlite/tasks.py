"""Activity tasks, after they were scheduled and claimed.

One rule: a write to a task names the session and the attempt that hold it, and one statement both checks that and does it.
"""

from __future__ import annotations

from refold_adapters import ports
from refold_adapters.ports import Outcome
from refold_adapters.sqlite.inbox import accept
from refold_adapters.sqlite.schema import row_id
from refold_adapters.sqlite.transaction import Transaction

_RUN = "SELECT run_key, parked IS NOT NULL, ready_at, last_message FROM runs WHERE run_id = ?"
_RETRY = """
    UPDATE tasks SET attempt = ?, visible_at = ?, started_at = NULL, owner = 0, last_failure = ?,
        heartbeat = coalesce(?, heartbeat)
    WHERE id = ? AND attempt = ? AND owner = ?
"""
_FINISH = "DELETE FROM tasks WHERE id = ? AND attempt = ? AND owner = ?"
_HEARTBEAT = (
    "UPDATE tasks SET heartbeat = ? WHERE id = ? AND attempt = ? AND owner = ? RETURNING cancel_requested"
)


def retry_task(tx: Transaction, write: ports.RetryTask) -> Outcome:
    """Give a task back for another attempt."""
    if write.token not in tx.sessions:
        return ports.Fenced()
    run = tx.execute(_RUN, (write.run_id,)).fetchone()
    if run is None:
        return ports.Gone()
    task = (row_id(run[0], write.seq), write.attempt, write.token)
    tx.execute(_RETRY, (write.next_attempt, write.visible_at, write.failure, write.heartbeat, *task))
    return ports.Done() if tx.cursor.rowcount == 1 else ports.Gone()


def finish_task(tx: Transaction, write: ports.FinishTask) -> Outcome:
    """Turn a task into a message with its outcome."""
    if write.token not in tx.sessions:
        return ports.Fenced()
    run = tx.execute(_RUN, (write.run_id,)).fetchone()
    if run is None:
        return ports.Gone()
    tx.execute(_FINISH, (row_id(run[0], write.seq), write.attempt, write.token))
    if tx.cursor.rowcount != 1:
        return ports.Gone()
    accept(tx, run, write.message)
    return ports.Done()


def heartbeat(tx: Transaction, write: ports.Heartbeat) -> Outcome:
    """Record details of an attempt."""
    if write.token not in tx.sessions:
        return ports.Fenced()
    run = tx.execute(_RUN, (write.run_id,)).fetchone()
    if run is None:
        return ports.Gone()
    task = tx.execute(
        _HEARTBEAT, (write.details, row_id(run[0], write.seq), write.attempt, write.token)
    ).fetchone()
    return ports.Gone() if task is None else ports.Beat(bool(task[0]))
