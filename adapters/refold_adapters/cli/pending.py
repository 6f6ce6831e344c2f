"""An activity that is scheduled or running, in words and as data.

One rule: it is shown in the same words wherever it is shown.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from refold.codec import decode_failure
from refold_adapters.activities.task_ends import event_of, options_of
from refold_adapters.cli.texts import duration, failure_line, moment_exact
from refold_adapters.ports import OUTSIDE, SessionRow, TaskRow


def activity_id_of(task: TaskRow) -> str:
    """The id that names it within its run."""
    return event_of(task).activity_id or str(task.seq)


def worker_of(token: int, sessions: Sequence[SessionRow]) -> str:
    """Who holds a run or a task."""
    return next((row.identity for row in sessions if row.token == token), "")


def task_state(task: TaskRow, now_us: int, sessions: Sequence[SessionRow]) -> str:
    """What becomes of it next."""
    if task.cancel_requested:
        return f"asked to stop, attempt {task.attempt}"
    if task.owner == OUTSIDE:
        return f"attempt {task.attempt} waits for its outcome from outside"
    if task.owner:
        ran = "" if task.started_at is None else f" for {duration(now_us - task.started_at)}"
        return f"attempt {task.attempt} runs{ran} on {worker_of(task.owner, sessions) or 'a worker that is gone'}"
    if task.paused:
        return f"paused before attempt {task.attempt}"
    if task.visible_at > now_us:
        return f"attempt {task.attempt} in {duration(task.visible_at - now_us)}"
    return f"attempt {task.attempt} waits for a worker of queue {task.task_queue!r}"


def last_failure(task: TaskRow) -> str:
    """How the last attempt failed, in one line."""
    return "" if task.last_failure is None else failure_line(decode_failure(task.last_failure))


def task_record(task: TaskRow, now_us: int, sessions: Sequence[SessionRow]) -> dict[str, Any]:
    """All of it that says how it stands."""
    return {
        "seq": task.seq,
        "activity_id": activity_id_of(task),
        "activity_type": task.activity_type,
        "task_queue": task.task_queue,
        "attempt": task.attempt,
        "state": task_state(task, now_us, sessions),
        "scheduled_at": moment_exact(task.scheduled_at),
        "started_at": moment_exact(task.started_at),
        "next_attempt_at": None if task.owner else moment_exact(task.visible_at),
        "cancel_requested": task.cancel_requested,
        "paused": task.paused,
        "worker": worker_of(task.owner, sessions) or None,
        "last_failure": last_failure(task) or None,
    }


def activity_record(task: TaskRow, now_us: int, sessions: Sequence[SessionRow]) -> dict[str, Any]:
    """All of it, also what it belongs to and its options."""
    return {
        "workflow_id": task.workflow_id,
        "run_id": task.run_id,
        **task_record(task, now_us, sessions),
        "heartbeat_at": moment_exact(task.heartbeat_at),
        "heartbeat": None if task.heartbeat is None else json.loads(task.heartbeat),
        "options": options_of(task).to_plain(),
    }
