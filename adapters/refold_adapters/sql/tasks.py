"""Activity tasks, after they were scheduled and claimed.

One rule: a write to a task names the session and the attempt that hold it, and one statement both checks that and does it.
"""

from __future__ import annotations

from typing import TypeAlias

from refold_adapters import ports
from refold_adapters.ports import Outcome
from refold_adapters.sql.held import settle
from refold_adapters.sql.inbox import accept, earliest_work
from refold_adapters.sql.places import row_id
from refold_adapters.sql.transaction import Transaction

_RUN = "SELECT run_key, parked IS NOT NULL OR paused_at IS NOT NULL, ready_at, last_message FROM runs WHERE run_id = ?"
# Somebody with token 0 stands outside of every session: only the attempt is checked.
_RETRY = """
    UPDATE tasks SET attempt = ?, visible_at = ?, started_at = NULL, owner = 0, last_failure = ?,
        heartbeat = coalesce(?, heartbeat)
    WHERE id = ? AND attempt = ? AND ? IN (0, owner) AND cancel_requested = 0
"""
_HOLDER = "SELECT attempt, owner FROM tasks WHERE id = ?"
_FINISH = "DELETE FROM tasks WHERE id = ? AND attempt = ? AND ? IN (0, owner) AND coalesce(?, owner) = owner"
_HEARTBEAT = """
    UPDATE tasks SET heartbeat = ?, heartbeat_at = ? WHERE id = ? AND attempt = ? AND ? IN (0, owner)
    RETURNING cancel_requested
"""
_DETACH = "UPDATE tasks SET owner = -1 WHERE id = ? AND attempt = ? AND ? IN (0, owner)"
_PUT_CHECK = """
    INSERT INTO timers (id, run_key, fire_at) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET fire_at = excluded.fire_at
"""
_SET_READY_AT = "UPDATE runs SET ready_at = ? WHERE run_key = ?"
_CHANGE = """
    UPDATE tasks SET paused = (paused & 2) | coalesce(?, paused & 1), options = coalesce(?, options), task_queue = coalesce(?, task_queue),
        attempt = CASE owner WHEN 0 THEN coalesce(?, attempt) ELSE attempt END,
        visible_at = CASE owner WHEN 0 THEN coalesce(?, visible_at) ELSE visible_at END,
        heartbeat = CASE ? WHEN 1 THEN NULL ELSE heartbeat END, cancel_requested = cancel_requested | ?
    WHERE id = ? AND coalesce(?, owner) = owner
"""


#: Key, held (parked or paused), ready_at and last_message.
_Run: TypeAlias = tuple[int, bool, int | None, int]


def _run_of(
    tx: Transaction,
    write: ports.RetryTask | ports.FinishTask | ports.Heartbeat | ports.DetachTask | ports.ChangeTask,
) -> _Run | ports.Fenced | ports.Gone:
    """The run whose task a write is about, with that task in its place; or why the write must not be done."""
    token = 0 if isinstance(write, ports.ChangeTask) else write.token
    if token and token not in tx.sessions:
        return ports.Fenced()
    settle(tx, write.run_id)
    run: _Run | None = tx.execute(_RUN, (write.run_id,)).fetchone()
    return run or ports.Gone()


def retry_task(tx: Transaction, write: ports.RetryTask) -> Outcome:
    """Give a task back for another attempt."""
    run = _run_of(tx, write)
    if not isinstance(run, tuple):
        return run
    held = (row_id(run[0], write.seq), write.attempt, write.token)
    if tx.change(_RETRY, (write.next_attempt, write.visible_at, write.failure, write.heartbeat, *held)):
        return ports.Done()
    holder = tx.execute(_HOLDER, held[:1]).fetchone()
    is_held = holder is not None and holder[0] == write.attempt and write.token in (0, holder[1])
    return ports.Refused() if is_held else ports.Gone()


def finish_task(tx: Transaction, write: ports.FinishTask) -> Outcome:
    """Turn a task into a message with its outcome."""
    run = _run_of(tx, write)
    if not isinstance(run, tuple):
        return run
    if not tx.change(_FINISH, (row_id(run[0], write.seq), write.attempt, write.token, write.holder)):
        return ports.Gone()
    accept(tx, run, write.message)
    return ports.Done()


def heartbeat(tx: Transaction, write: ports.Heartbeat) -> Outcome:
    """Record details of an attempt."""
    run = _run_of(tx, write)
    if not isinstance(run, tuple):
        return run
    held = (row_id(run[0], write.seq), write.attempt, write.token)
    task = tx.execute(_HEARTBEAT, (write.details, tx.now, *held)).fetchone()
    return ports.Gone() if task is None else ports.Beat(bool(task[0]))


def detach_task(tx: Transaction, write: ports.DetachTask) -> Outcome:
    """Leave an attempt to somebody outside."""
    run = _run_of(tx, write)
    if not isinstance(run, tuple):
        return run
    run_key, parked, _, _ = run
    if not tx.change(_DETACH, (row_id(run_key, write.seq), write.attempt, write.token)):
        return ports.Gone()
    if write.check_at is not None:
        tx.execute(_PUT_CHECK, (row_id(run_key, write.check), run_key, write.check_at))
        if not parked:
            tx.execute(_SET_READY_AT, (earliest_work(tx, run_key), run_key))
    return ports.Done()


def change_task(tx: Transaction, write: ports.ChangeTask) -> Outcome:
    """Change a task from outside."""
    run = _run_of(tx, write)
    if not isinstance(run, tuple):
        return run
    paused = None if write.paused is None else int(write.paused)
    place = row_id(run[0], write.seq)
    values = (paused, write.options, write.task_queue, write.attempt, write.visible_at)
    asked = (int(write.forget_heartbeat), int(write.cancel_requested))
    return ports.Done() if tx.change(_CHANGE, (*values, *asked, place, write.holder)) else ports.Gone()
