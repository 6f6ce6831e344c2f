"""The task that a run's owner was given by the turn that scheduled it.

A sequential run has one task at a time, and whoever runs it holds that from the start.  Such a task stands in the run's own row, which
every turn writes anyway, so that a step touches no other table for it.

One rule: it stands there only as long as the run has that owner and nothing more is known of it than the turn said.  Whoever has more
to say, or takes the run from its owner, first moves it to its place among ``tasks``.
"""

from __future__ import annotations

from typing import TypeAlias

from refold_adapters.sql.transaction import Transaction

#: Seq, type, queue, time and data of the task; all None where there is none.
Held: TypeAlias = tuple[int | None, str | None, str | None, int | None, bytes | None]
NONE: Held = (None, None, None, None, None)

_COPY = """
    INSERT INTO tasks (id, activity_type, task_queue, scheduled_at, visible_at, started_at, owner, data, attempt, cancel_requested)
    SELECT run_key << 32 | held_seq, held_type, held_queue, held_at, held_at, held_at, owner, held_data, 1, 0
    FROM runs
"""
_CLEAR = (
    "UPDATE runs SET held_seq = NULL, held_type = NULL, held_queue = NULL, held_at = NULL, held_data = NULL"
)
_COPY_ONE = _COPY + " WHERE run_id = ? AND held_seq IS NOT NULL"
_CLEAR_ONE = _CLEAR + " WHERE run_id = ?"
# Only open runs have owners, so the index of the open ones bounds the search.
_COPY_ALL = _COPY + " INDEXED BY runs_open WHERE status = 'RUNNING' AND owner = ? AND held_seq IS NOT NULL"
_CLEAR_ALL = _CLEAR + " WHERE status = 'RUNNING' AND owner = ? AND held_seq IS NOT NULL"


def settle(tx: Transaction, run_id: str) -> None:
    """Move the task of a run, if it stands in the run's row, to its place among the others."""
    if tx.change(_COPY_ONE, (run_id,)):
        tx.execute(_CLEAR_ONE, (run_id,))


def settle_all(tx: Transaction, token: int) -> None:
    """The same for all runs that a session owns."""
    if tx.change(_COPY_ALL, (token,)):
        tx.execute(_CLEAR_ALL, (token,))
