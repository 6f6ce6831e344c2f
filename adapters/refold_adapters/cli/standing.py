"""How a run stands, in words and as data: what it waits for, since when, and who could move it on.

One rule: whatever keeps a run from going on is named here, so that nobody has to guess why nothing happens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from refold import Waiting
from refold_adapters.cli.pending import task_record, worker_of
from refold_adapters.cli.selecting import run_record
from refold_adapters.cli.texts import counted, duration, moment, moment_exact
from refold_adapters.client.client import Client
from refold_adapters.client.handles import WorkflowHandle
from refold_adapters.fast_codec import event_decoder
from refold_adapters.operating.inspection import WorkflowDescription
from refold_adapters.ports import SessionRow
from refold_adapters.worker.sessions import process_is_gone

_STEPS_SHOWN = 3


@attrs.frozen(kw_only=True)
class Standing:
    """A run as it stands, with the time of its last event and the workers of the store."""

    description: WorkflowDescription
    now_us: int
    last_event_at: int
    sessions: Sequence[SessionRow]
    #: Whether the code of the workflow was given.
    code_known: bool

    @property
    def live_sessions(self) -> list[SessionRow]:
        """The workers that are at work, as far as can be told."""
        return [row for row in self.sessions if session_state(row, self.now_us) == "at work"]

    def worker_of(self, token: int) -> str:
        """Who holds a run or a task."""
        return worker_of(token, self.sessions)


def standing_of(client: Client, handle: WorkflowHandle[Any]) -> Standing:
    """How the run of a handle stands."""
    description = handle.describe()
    row, store = description.run, client.store
    last = store.read_turns(row.run_id, row.turn - 1) if row.turn else []
    return Standing(
        description=description,
        now_us=store.clock.now_us(),
        last_event_at=event_decoder()(last[-1].data)[-1].at if last else row.started_at,
        sessions=store.list_sessions(),
        code_known=client.registry.find_workflow(row.workflow_type) is not None,
    )


def session_state(row: SessionRow, now_us: int) -> str:
    """Whether a worker is at work: its process may be gone, and its lease may have run out."""
    if process_is_gone(row):
        return "process gone"
    return "at work" if row.expires_at > now_us else "lease run out"


def sentence(standing: Standing) -> str:
    """What the run waits for, and since when."""
    description, row = standing.description, standing.description.run
    ago = duration(standing.now_us - standing.last_event_at)
    since = f"since {moment(standing.last_event_at)} ({ago})"
    if row.closed_at is not None:
        return f"ended {row.status.value} at {moment(row.closed_at)} after {duration(row.closed_at - row.started_at)}"
    if description.parked is not None:
        return f"is parked: it goes on when a worker with mended code starts (its last turn was {ago} ago)"
    if row.paused_at is not None:
        paused = f"since {moment(row.paused_at)} ({duration(standing.now_us - row.paused_at)})"
        return f"is paused {paused}: `refold resume` lets it go on"
    if not row.turn:
        where = f"a worker that knows {row.workflow_type!r} on task queue {row.task_queue!r}"
        return f"waits for {where} {since}{_nobody(standing)}"
    if description.pending_messages:
        messages = counted(description.pending_messages, "message")
        return f"has {messages} that no worker has taken yet, its last turn was {ago} ago{_nobody(standing)}"
    misfit = standing.code_known and description.waiting is None
    note = "; the code given here does not fit its history (`refold replay` says how)" if misfit else ""
    return f"waits for {_waits(standing)} {since}{_nobody(standing)}{note}"


def _nobody(standing: Standing) -> str:
    return "" if standing.live_sessions else "; no worker is at work on this store"


def _waits(standing: Standing) -> str:
    description = standing.description
    if description.waiting:
        return description.waiting[0].wait
    parts = [f"activity {task.activity_type!r} (seq {task.seq})" for task in description.pending_activities]
    parts += [f"timer due {moment(fire_at)} (seq {seq})" for seq, fire_at in description.pending_timers]
    if len(parts) > _STEPS_SHOWN:
        parts[_STEPS_SHOWN:] = [f"{len(parts) - _STEPS_SHOWN} more"]
    if parts:
        return ", ".join(parts)
    return (
        "a message" if standing.code_known else "a message (give its module with -m to see which, and where)"
    )


def standing_record(standing: Standing) -> dict[str, Any]:
    """All of it as plain data."""
    description = standing.description
    return {
        **run_record(description.run),
        "summary": sentence(standing),
        "last_event_at": moment_exact(standing.last_event_at),
        "worker": standing.worker_of(description.run.owner) or None,
        "pending_messages": description.pending_messages,
        "pending_activities": [
            task_record(task, standing.now_us, standing.sessions) for task in description.pending_activities
        ],
        "pending_timers": [
            {"seq": seq, "fire_at": moment_exact(fire_at)} for seq, fire_at in description.pending_timers
        ],
        "waiting": None
        if description.waiting is None
        else [waiting_record(one) for one in description.waiting],
        "workers_at_work": len(standing.live_sessions),
    }


def waiting_record(waiting: Waiting) -> dict[str, Any]:
    """A branch of a run and what it waits for, as plain data."""
    return {"branch": waiting.branch, "wait": waiting.wait, "frames": list(waiting.frames)}


def waiting_lines(waiting: Waiting) -> list[str]:
    """A branch of a run and what it waits for, in lines."""
    return [
        f"branch {waiting.branch} waits for {waiting.wait}",
        *(f"  {frame}" for frame in waiting.frames),
    ]
