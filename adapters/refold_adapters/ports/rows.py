"""What a store shows of what it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import attrs

from refold.value import Value
from refold_adapters.ports.conditions import Condition, Term

#: The owner of a task whose attempt is not in any worker's hands any more: its outcome comes from outside.
OUTSIDE = -1


class RunStatus(str, Enum):
    """The status of a run, in Temporal's words."""

    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    TERMINATED = "TERMINATED"
    TIMED_OUT = "TIMED_OUT"
    CONTINUED_AS_NEW = "CONTINUED_AS_NEW"


@attrs.frozen(kw_only=True, eq=False, repr=False)
class RunRow(Value):
    """What is known of a run without reading its history."""

    run_id: str
    workflow_id: str
    workflow_type: str
    task_queue: str
    status: RunStatus
    started_at: int
    closed_at: int | None
    #: Number of the last turn committed; 0 before the first.
    turn: int
    #: Id of the last event committed.
    last_event_id: int
    #: Total bytes of the history.
    history_bytes: int
    #: Token of the session that owns the run; 0 for none.
    owner: int
    #: Why the run is parked (opaque to the store), or None.
    parked: bytes | None
    #: The terminal event, encoded; None while the run is open.
    closing_event: bytes | None
    #: The build of the code that alone may run it; None where any may.
    build_id: str | None = None
    #: Since when it is paused, or None.
    paused_at: int | None = None
    #: Since when it is parked, or None; and for what kind of failure, at which line of code, as ``ParkRun`` said.
    parked_at: int | None = None
    parked_kind: str | None = None
    parked_line: str | None = None
    #: What its starter and its code noted of it (opaque to the store), or None.
    memo: bytes | None = None
    search_attributes: bytes | None = None
    #: The run that its chain of continue-as-new, retry and reset began with.
    first_run_id: str = ""
    #: When whoever looks is to end it, whatever its code does; None where it has no time limit, and when it is closed.
    ends_at: int | None = None


@attrs.frozen(eq=False, repr=False)
class Properties(Value):
    """What is noted of a run for readers: opaque but for the terms, which it is found by."""

    memo: bytes | None = None
    search_attributes: bytes | None = None
    terms: Sequence[Term] = ()


@attrs.frozen(eq=False, repr=False)
class StoredTurn(Value):
    """One committed turn: its events, encoded, as one blob."""

    number: int
    first_event_id: int
    data: bytes


@attrs.frozen(eq=False, repr=False)
class InboxMessage(Value):
    """A message accepted for a run that no turn has taken yet; ids number the run's messages in order of acceptance, from 1."""

    message_id: int
    data: bytes


@attrs.frozen(eq=False, repr=False)
class ReadyRun(Value):
    """A run that has work, claimed for a session."""

    row: RunRow
    messages: Sequence[InboxMessage]
    #: ``seq`` of the timers that are due, in order of ``(fire_at, seq)``.
    due_timers: Sequence[int]
    #: Times the run was taken over from a dead session since it last made progress.
    takeovers: int


@attrs.frozen(kw_only=True, eq=False, repr=False)
class TaskRow(Value):
    """An activity task."""

    run_id: str
    workflow_id: str
    workflow_type: str
    seq: int
    activity_type: str
    task_queue: str
    #: The ``ActivityTaskScheduled`` event, encoded.
    data: bytes
    attempt: int
    scheduled_at: int
    #: Not to be started before.
    visible_at: int
    #: When the present attempt was claimed, or None.
    started_at: int | None
    #: Token of the session that holds it, 0 for none, ``OUTSIDE`` where its outcome comes from outside.
    owner: int
    cancel_requested: bool
    #: Details of the last heartbeat of any attempt (opaque), or None.
    heartbeat: bytes | None
    #: Failure of the last attempt (opaque), or None.
    last_failure: bytes | None
    #: When the last heartbeat of any attempt was recorded, or None.
    heartbeat_at: int | None = None
    #: Not to be claimed until that is taken back; an attempt that runs is left alone.
    paused: bool = False
    #: Options that were changed from outside (opaque), or None.
    options: bytes | None = None


@attrs.frozen(eq=False, repr=False)
class SessionRow(Value):
    """A worker process that is, or was, at work."""

    token: int
    identity: str
    #: ``host/pid/process start`` for finding out whether a local process is gone; opaque to the store.
    process: str
    expires_at: int


@attrs.frozen(kw_only=True, eq=False, repr=False)
class RunFilter(Value):
    """Which runs to list; all conditions must hold.  Newest first; ``before`` continues after a row of the last page."""

    workflow_id: str | None = None
    workflow_type: str | None = None
    task_queue: str | None = None
    statuses: Sequence[RunStatus] | None = None
    parked: bool | None = None
    #: Whatever else is to hold.
    where: Condition | None = None
    limit: int = 100
    #: ``(started_at, run_id)`` of the last row seen.
    before: tuple[int, str] | None = None
