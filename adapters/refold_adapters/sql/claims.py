"""Who gets which work.

One rule: finding work costs as much as the work found, however much else the store holds: every query here walks an index from
its beginning and stops at the first row that is not wanted.  A claim first expels the dead, so what they held is nobody's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import attrs

from refold_adapters import ports
from refold_adapters.ports import InboxMessage, Outcome, ReadyRun, RunRow, TaskRow
from refold_adapters.sql.places import number_of, row_span
from refold_adapters.sql.rows import SELECT_RUNS, SELECT_TASKS, run_row, skip_corrupt, task_row
from refold_adapters.sql.sessions import expel_the_dead
from refold_adapters.sql.transaction import Transaction
from refold_adapters.store_errors import StoreError

#: Runs of one owner, task queue and build: these are in the index of the ready ones side by side.
_Group: TypeAlias = tuple[int, str, str]

#: Ready runs are in the order of the index only for one number of takeovers, so these are taken one after the other.
_NEXT_TAKEOVERS = """
    SELECT takeovers FROM runs INDEXED BY runs_ready
    WHERE owner = ? AND task_queue = ? AND build_id = ? AND takeovers > ? AND ready_at IS NOT NULL ORDER BY takeovers LIMIT 1
"""
_READY = """
    SELECT takeovers, ready_at, run_key FROM runs INDEXED BY runs_ready
    WHERE owner = ? AND task_queue = ? AND build_id = ? AND takeovers = ? AND ready_at <= ? ORDER BY ready_at, run_key LIMIT ?
"""
_FIRST_READY_AT = """
    SELECT min(ready_at) FROM runs INDEXED BY runs_ready
    WHERE owner = ? AND task_queue = ? AND build_id = ? AND takeovers = ? AND ready_at IS NOT NULL
"""
_NEXT_BUILD = """
    SELECT min(build_id) FROM runs INDEXED BY runs_ready
    WHERE owner = ? AND task_queue = ? AND build_id > ? AND ready_at IS NOT NULL
"""
_RUN = SELECT_RUNS + " WHERE run_key = ?"
_SET_ASIDE = "UPDATE runs SET ready_at = NULL WHERE run_key = ?"
_OWN = "UPDATE runs SET owner = ? WHERE run_key = ?"
_INBOX = "SELECT id, data FROM inbox WHERE id BETWEEN ? AND ? ORDER BY id"
_DUE_TIMERS = "SELECT id FROM timers WHERE run_key = ? AND fire_at <= ? ORDER BY fire_at, id"

_NEXT_TYPE = """
    SELECT activity_type FROM tasks INDEXED BY tasks_idle
    WHERE owner = 0 AND paused = 0 AND task_queue = ? AND activity_type > ? ORDER BY activity_type LIMIT 1
"""
_FIRST_TYPE = """
    SELECT activity_type FROM tasks INDEXED BY tasks_idle
    WHERE owner = 0 AND paused = 0 AND task_queue = ? ORDER BY activity_type LIMIT 1
"""
_VISIBLE = """
    SELECT visible_at, id FROM tasks INDEXED BY tasks_idle
    WHERE owner = 0 AND paused = 0 AND task_queue = ? AND activity_type = ? AND visible_at <= ? ORDER BY visible_at, id LIMIT ?
"""
_FIRST_VISIBLE_AT = """
    SELECT min(visible_at) FROM tasks INDEXED BY tasks_idle WHERE owner = 0 AND paused = 0 AND task_queue = ? AND activity_type = ?
"""
_TAKE = "UPDATE tasks SET owner = ?, started_at = ? WHERE id = ?"
_TASK = SELECT_TASKS + " WHERE t.id = ?"


def claim_runs(tx: Transaction, write: ports.ClaimRuns) -> Outcome:
    """Claim runs that have work."""
    if write.token not in tx.sessions:
        return ports.Fenced()
    expel_the_dead(tx, but=write.token)
    exclude = frozenset(write.exclude)
    limit = max(0, write.limit)
    ready: list[tuple[int, int, int]] = []
    for queue in dict.fromkeys(write.task_queues):
        for owner in (write.token, 0):
            for build_id in dict.fromkeys(("", *write.builds)):
                ready += _ready(tx, (owner, queue, build_id), limit + len(exclude))
    claimed: list[ReadyRun] = []
    for takeovers, _, run_key in sorted(ready):
        if len(claimed) == limit:
            break
        row = _sound_row(tx, run_key)
        if row is None or row.run_id in exclude:
            continue
        if row.owner != write.token:
            tx.execute(_OWN, (write.token, run_key))
            row = attrs.evolve(row, owner=write.token)
        messages = [
            InboxMessage(number_of(place), data) for place, data in tx.execute(_INBOX, row_span(run_key))
        ]
        due = [number_of(place) for (place,) in tx.execute(_DUE_TIMERS, (run_key, tx.now))]
        claimed.append(ReadyRun(row, messages, due, takeovers))
    return ports.ReadyRuns(claimed)


def claim_tasks(tx: Transaction, write: ports.ClaimTasks) -> Outcome:
    """Claim tasks that are visible."""
    if write.token not in tx.sessions:
        return ports.Fenced()
    expel_the_dead(tx, but=write.token)
    limit = max(0, write.limit)
    visible: list[tuple[int, int]] = []
    for queue in dict.fromkeys(write.task_queues):
        for activity_type in _idle_types(tx, queue):
            if write.activity_types is None or activity_type in write.activity_types:
                visible += tx.execute(
                    _VISIBLE + tx.skip_locked, (queue, activity_type, tx.now, limit)
                ).fetchall()
    visible.sort()
    claimed: list[TaskRow] = []
    for _, rowid in visible[:limit]:
        tx.execute(_TAKE, (write.token, tx.now, rowid))
        claimed.append(task_row(tx.execute(_TASK, (rowid,)).fetchone()))
    return ports.ClaimedTasks(claimed)


def next_due_at(
    tx: Transaction, task_queues: Sequence[str], token: int | None, builds: Sequence[str] | None
) -> int | None:
    """When somebody should look for work again."""
    owners = (0, *tx.sessions) if token is None else (0, token)
    times: list[int | None] = []
    for queue in task_queues:
        for owner in owners:
            for build_id in _builds(tx, owner, queue) if builds is None else ("", *builds):
                for takeovers in _takeovers(tx, (owner, queue, build_id)):
                    times += tx.execute(_FIRST_READY_AT, (owner, queue, build_id, takeovers)).fetchone()
        for activity_type in _idle_types(tx, queue):
            times += tx.execute(_FIRST_VISIBLE_AT, (queue, activity_type)).fetchone()
    if token is not None:
        times += [expires_at for other, expires_at in tx.sessions.items() if other != token]
    return min((time for time in times if time is not None), default=None)


def _ready(tx: Transaction, group: _Group, limit: int) -> list[tuple[int, int, int]]:
    """Takeovers, ready_at and key of the runs of a group that have work now, in order of claim."""
    found: list[tuple[int, int, int]] = []
    for takeovers in _takeovers(tx, group):
        found += tx.execute(
            _READY + tx.skip_locked, (*group, takeovers, tx.now, limit - len(found))
        ).fetchall()
        if len(found) >= limit:
            break
    return found


def _sound_row(tx: Transaction, run_key: int) -> RunRow | None:
    """The row of a run; one that is not what was written is set aside, lest it stand in the way of others for ever."""
    unreadable: tuple[type[Exception], ...] = (StoreError, *tx.row_errors)
    try:
        return run_row(tx.execute(_RUN, (run_key,)).fetchone())
    except unreadable as error:
        skip_corrupt(error)
        tx.execute(_SET_ASIDE, (run_key,))
        return None


def _builds(tx: Transaction, owner: int, queue: str) -> Iterator[str]:
    """The builds that runs with work are pinned to, in order; first the empty one, for those that are not."""
    last: str | None = ""
    while last is not None:
        yield last
        last = tx.execute(_NEXT_BUILD, (owner, queue, last)).fetchone()[0]


def _takeovers(tx: Transaction, group: _Group) -> Iterator[int]:
    """The numbers of takeovers that there are, ascending."""
    last = -1
    while (row := tx.execute(_NEXT_TAKEOVERS, (*group, last)).fetchone()) is not None:
        last = row[0]
        yield last


def _idle_types(tx: Transaction, queue: str) -> Iterator[str]:
    """The types of the tasks that no session holds, in order."""
    row = tx.execute(_FIRST_TYPE, (queue,)).fetchone()
    while row is not None:
        yield row[0]
        row = tx.execute(_NEXT_TYPE, (queue, row[0])).fetchone()
