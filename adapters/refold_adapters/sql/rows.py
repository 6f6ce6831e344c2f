"""Rows as values, and whether they are what was written.

One rule: what does not look like what was written is refused by name of its run, never guessed at.
"""

from __future__ import annotations

import logging
import zlib
from operator import contains
from typing import Any

from refold_adapters.ports import RunRow, RunStatus, TaskRow
from refold_adapters.sql.places import number_of
from refold_adapters.store_errors import StoreError

_log = logging.getLogger("refold")

#: Gives what ``run_row`` takes.
SELECT_RUNS = """
    SELECT run_id, workflow_id, workflow_type, task_queue, status, started_at, closed_at, turn, last_event_id, history_bytes,
        owner, parked, closing_event, nullif(build_id, ''), paused_at, parked_at, parked_kind, parked_line, memo, search_attributes,
        first_run_id, ends_at
    FROM runs
"""
#: Gives what ``task_row`` takes.  The key of a task's run is in the upper bits of its id: see ``schema``.
SELECT_TASKS = """
    SELECT r.run_id, r.workflow_id, r.workflow_type, t.id, t.activity_type, t.task_queue, t.data, t.attempt, t.scheduled_at,
        t.visible_at, t.started_at, t.owner, t.cancel_requested, t.heartbeat, t.last_failure,
        t.heartbeat_at, t.paused, t.options
    FROM tasks AS t JOIN runs AS r ON r.run_key = t.id >> 32
"""

#: Gives the same of the task that stands in its run's row: see ``held``.
SELECT_HELD = """
    SELECT run_id, workflow_id, workflow_type, held_seq, held_type, held_queue, held_data, 1, held_at, held_at, held_at, owner, 0,
        NULL, NULL, NULL, 0, NULL
    FROM runs
"""

_STATUSES = {status.value: status for status in RunStatus}
_NONE = type(None)
#: What the columns of a run may be, in order.
_RUN_TYPES: tuple[tuple[type, ...], ...] = (
    *((str,), (str,), (str,), (str,), (str,), (int,), (int, _NONE), (int,), (int,), (int,), (int,)),
    *((bytes, _NONE), (bytes, _NONE), (str, _NONE), (int, _NONE), (int, _NONE), (str, _NONE), (str, _NONE)),
    *((bytes, _NONE), (bytes, _NONE), (str,), (int, _NONE)),
)


def checksum(history_id: int, first_event_id: int, data: bytes) -> int:
    """Of a turn's events, and of the place where they belong: the run's key, the turn's number, the first event's id."""
    place = (history_id >> 32) * 0x9E3779B1 + (history_id & 0xFFFFFFFF) * 0x85EBCA6B + first_event_id
    return zlib.crc32(data, place & 0xFFFFFFFF)


def is_sound(history_id: int, first_event_id: object, data: object, stored: object) -> bool:
    """Whether what is read at a place of the history is what was written there: also its types may be others."""
    return (
        type(first_event_id) is int
        and type(data) is bytes
        and checksum(history_id, first_event_id, data) == stored
    )


def corrupt_row(run_id: str, what: str, where: str | None = None) -> StoreError:
    """The error for one row that cannot be what was written."""
    return StoreError(
        "RF5007",
        f"{what} of run {run_id!r} is not what was written",
        why="bytes changed on disk, or another program wrote to the store; other runs are not concerned",
        fix="restore the store from a backup, or give this run up; `refold list` shows the others",
        where=where,
    )


def status_of(run_id: str, text: str) -> RunStatus:
    """The status of a run."""
    status = _STATUSES.get(text)
    if status is None:
        raise corrupt_row(run_id, f"the status {text!r}")
    return status


def run_row(values: tuple[Any, ...]) -> RunRow:
    """A run, as ``SELECT_RUNS`` gives it."""
    if not all(map(contains, _RUN_TYPES, map(type, values))):
        raise corrupt_row(str(values[0]), "the row")
    (
        run_id,
        workflow_id,
        workflow_type,
        task_queue,
        status,
        started_at,
        closed_at,
        turn,
        last_event_id,
        history_bytes,
        owner,
        parked,
        closing_event,
        build_id,
        paused_at,
        parked_at,
        parked_kind,
        parked_line,
        memo,
        search_attributes,
        first_run_id,
        ends_at,
    ) = values
    return RunRow(
        run_id=run_id,
        workflow_id=workflow_id,
        workflow_type=workflow_type,
        task_queue=task_queue,
        status=status_of(run_id, status),
        started_at=started_at,
        closed_at=closed_at,
        turn=turn,
        last_event_id=last_event_id,
        history_bytes=history_bytes,
        owner=owner,
        parked=parked,
        closing_event=closing_event,
        build_id=build_id,
        paused_at=paused_at,
        parked_at=parked_at,
        parked_kind=parked_kind,
        parked_line=parked_line,
        memo=memo,
        search_attributes=search_attributes,
        first_run_id=first_run_id,
        ends_at=ends_at,
    )


def task_row(values: tuple[Any, ...]) -> TaskRow:
    """A task, as ``SELECT_TASKS`` gives it."""
    (
        run_id,
        workflow_id,
        workflow_type,
        rowid,
        activity_type,
        task_queue,
        data,
        attempt,
        scheduled_at,
        visible_at,
        started_at,
        owner,
        cancel_requested,
        heartbeat,
        last_failure,
        heartbeat_at,
        paused,
        options,
    ) = values
    return TaskRow(
        run_id=run_id,
        workflow_id=workflow_id,
        workflow_type=workflow_type,
        seq=number_of(rowid),
        activity_type=activity_type,
        task_queue=task_queue,
        data=data,
        attempt=attempt,
        scheduled_at=scheduled_at,
        visible_at=visible_at,
        started_at=started_at,
        owner=owner,
        cancel_requested=bool(cancel_requested),
        heartbeat=heartbeat,
        last_failure=last_failure,
        heartbeat_at=heartbeat_at,
        paused=bool(paused & 1),
        options=options,
    )


def skip_corrupt(error: Exception) -> None:
    """Say that a row was left out of an answer about many runs, which goes on without it."""
    _log.error("left out of the answer: %s", error)
