"""What a store is: the protocol that memory, SQLite and third-party stores implement.

Providers only store.  A store makes no ids, decides no retry and reads no payload: every write is a value that says exactly what
to put where and under which condition, and the store carries it out whole or not at all.

Writes are applied in batches: the writes of one ``apply`` share one commit, and each of them stands or falls alone, in order.
When ``apply`` returns, what it reports as done is durable.  A write that is refused changed nothing.

Ownership: a worker process opens a *session* and gets a fencing token that only grows.  A session lives as long as its lease,
by the store's clock; once another session has found it dead, every write that carries its token is refused (``Fenced``).
Runs and activity tasks belong to a session; 0 means nobody.

Times are integer microseconds since the Unix epoch, UTC, by the store's clock, which is the only judge of what is due.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol, TypeAlias

import attrs


class Clock(Protocol):
    """Where a store takes the time from."""

    def now_us(self) -> int:
        """Microseconds since the Unix epoch."""
        ...


class RunStatus(str, Enum):
    """The status of a run, in Temporal's words."""

    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    TERMINATED = "TERMINATED"
    TIMED_OUT = "TIMED_OUT"
    CONTINUED_AS_NEW = "CONTINUED_AS_NEW"


# Rows -----------------------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class RunRow:
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


@attrs.frozen
class StoredTurn:
    """One committed turn: its events, encoded, as one blob."""

    number: int
    first_event_id: int
    data: bytes


@attrs.frozen
class InboxMessage:
    """A message accepted for a run that no turn has taken yet; ids grow in order of acceptance."""

    message_id: int
    data: bytes


@attrs.frozen
class ReadyRun:
    """A run that has work, claimed for a session."""

    row: RunRow
    messages: Sequence[InboxMessage]
    #: ``seq`` of the timers that are due, in order of ``(fire_at, seq)``.
    due_timers: Sequence[int]
    #: Times the run was taken over from a dead session since it last made progress.
    takeovers: int


@attrs.frozen(kw_only=True)
class TaskRow:
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
    owner: int
    cancel_requested: bool
    #: Details of the last heartbeat of any attempt (opaque), or None.
    heartbeat: bytes | None
    #: Failure of the last attempt (opaque), or None.
    last_failure: bytes | None


@attrs.frozen
class SessionRow:
    """A worker process that is, or was, at work."""

    token: int
    identity: str
    #: ``host/pid/process start`` for finding out whether a local process is gone; opaque to the store.
    process: str
    expires_at: int


# Writes ---------------------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class OpenSession:
    """Begin a session; answers ``Opened`` with a token larger than any before."""

    identity: str
    process: str
    lease_us: int


@attrs.frozen(kw_only=True)
class RenewSession:
    """Prolong a lease to ``now + lease_us``; ``Fenced`` if the session is gone or has expired and been expelled."""

    token: int
    lease_us: int


@attrs.frozen(kw_only=True)
class CloseSession:
    """End a session: its runs and tasks belong to nobody again.  Also used to expel a session that was found dead.

    With ``only_expired`` it is done only if the lease has run out by the store's clock (``Refused`` otherwise).
    Runs of an expelled session count one takeover when they are next claimed; ``graceful`` says that none is to be counted.
    """

    token: int
    only_expired: bool = False
    graceful: bool = False


@attrs.frozen(kw_only=True)
class CreateRun:
    """Create a run with its first message, unless a run of that workflow id stands in the way.

    ``Created``, or ``Exists`` with the run in the way: an open one always is; a closed one is if its status is listed in
    ``blocked_by``.  A run that was created with the same ``request_id`` is reported as ``Exists(same_request=True)``.
    ``owner`` may name the session that will run it (0: none).  ``ready_at`` is when its first turn is due.
    """

    run_id: str
    workflow_id: str
    workflow_type: str
    task_queue: str
    #: The ``StartWorkflow`` message, encoded; becomes the first inbox message.
    message: bytes
    request_id: str = ""
    blocked_by: Sequence[RunStatus] = ()
    owner: int = 0
    ready_at: int = 0


@attrs.frozen(kw_only=True)
class AcceptMessage:
    """Put a message into the inbox of a run: of ``run_id``, or of the open (else latest) run of ``workflow_id``.

    ``Accepted``; ``NotFound``; ``Closed``.  A ``request_id`` that the inbox of the run still holds is accepted without effect.
    """

    workflow_id: str
    data: bytes
    run_id: str | None = None
    request_id: str = ""


@attrs.frozen(kw_only=True)
class NewTask:
    """An activity task to be created by a turn; ``claimed`` if the committing session runs it at once."""

    seq: int
    activity_type: str
    task_queue: str
    data: bytes
    claimed: bool = False


@attrs.frozen(kw_only=True)
class CancelTask:
    """A cancel request for a task: one that no session holds is removed and ``report`` put into the inbox instead."""

    seq: int
    report: bytes


@attrs.frozen(kw_only=True)
class Closing:
    """That a turn closes its run."""

    status: RunStatus
    event: bytes


@attrs.frozen(kw_only=True)
class CommitTurn:
    """Append one turn and all that follows from it.

    ``Committed``; ``Fenced`` (the session is gone, or does not own the run); ``Stale`` (the run is not at ``turn - 1``, or is
    closed, unless the last turn carries this very ``turn_token``: then the reply to an earlier try was lost and it is
    ``Committed``); ``Unseen`` (the turn closes the run while its inbox holds messages that are not in ``consumed``);
    ``Gone`` (a task in ``finished`` is no longer held by the session in that attempt).
    Conditions are checked in this order, before anything is changed.  ``token`` 0 is an administrative turn: ownership is not
    checked.  Closing deletes the run's tasks, timers and inbox.
    A run that nobody owns is claimed by the commit.
    """

    token: int
    run_id: str
    turn: int
    turn_token: str
    first_event_id: int
    event_count: int
    #: The events of the turn, encoded, as one blob.
    data: bytes
    #: Ids of the inbox messages that the turn took.
    consumed: Sequence[int] = ()
    #: ``(seq, attempt)`` of tasks whose outcome the turn records straight from the session that ran them.
    finished: Sequence[tuple[int, int]] = ()
    tasks: Sequence[NewTask] = ()
    cancel_tasks: Sequence[CancelTask] = ()
    #: ``(seq, fire_at)``
    timers: Sequence[tuple[int, int]] = ()
    removed_timers: Sequence[int] = ()
    closing: Closing | None = None


@attrs.frozen(kw_only=True)
class ClaimRuns:
    """Claim up to ``limit`` open, unparked runs that have work, of these queues: ``ReadyRuns``.

    Work is an inbox message, or a timer that is due.  Claimable are runs of nobody, of the session itself, and of sessions whose
    lease has run out (those count a takeover).  Fewest takeovers first, then the longest ready.
    ``exclude`` names runs that the session is already working on.
    """

    token: int
    task_queues: Sequence[str]
    limit: int
    exclude: Sequence[str] = ()


@attrs.frozen(kw_only=True)
class ClaimTasks:
    """Claim up to ``limit`` tasks of a queue that are visible and held by no living session: ``ClaimedTasks``."""

    token: int
    task_queues: Sequence[str]
    #: The activity types the session can run; None for any.
    activity_types: Sequence[str] | None
    limit: int


@attrs.frozen(kw_only=True)
class RetryTask:
    """Give a task back for another attempt: ``Done``, ``Fenced`` or ``Gone``.  Cancelled tasks must not be retried by callers."""

    token: int
    run_id: str
    seq: int
    attempt: int
    next_attempt: int
    visible_at: int
    failure: bytes | None
    heartbeat: bytes | None = None


@attrs.frozen(kw_only=True)
class FinishTask:
    """Remove a task and put its outcome into the run's inbox: ``Done``, ``Fenced`` or ``Gone``."""

    token: int
    run_id: str
    seq: int
    attempt: int
    message: bytes


@attrs.frozen(kw_only=True)
class Heartbeat:
    """Record heartbeat details of an attempt: ``Beat``, ``Fenced`` or ``Gone``."""

    token: int
    run_id: str
    seq: int
    attempt: int
    details: bytes


@attrs.frozen(kw_only=True)
class ParkRun:
    """Take an open run out of the claimable ones, with a reason: ``Done`` or ``Fenced``.  The session gives the run up."""

    token: int
    run_id: str
    reason: bytes


@attrs.frozen(kw_only=True)
class UnparkRuns:
    """Make parked runs claimable again: those listed, or all of the queues if ``run_ids`` is None: ``Done``."""

    task_queues: Sequence[str] = ()
    run_ids: Sequence[str] | None = None


@attrs.frozen(kw_only=True)
class ReleaseRuns:
    """Give up runs that the session owns (eviction, drain): ``Done``.  Runs it does not own are left alone."""

    token: int
    run_ids: Sequence[str]


Write: TypeAlias = (
    OpenSession
    | RenewSession
    | CloseSession
    | CreateRun
    | AcceptMessage
    | CommitTurn
    | ClaimRuns
    | ClaimTasks
    | RetryTask
    | FinishTask
    | Heartbeat
    | ParkRun
    | UnparkRuns
    | ReleaseRuns
)


# Outcomes -------------------------------------------------------------------------------------------------------------


@attrs.frozen
class Opened:
    """A session was opened."""

    token: int


@attrs.frozen
class Done:
    """The write was carried out."""


@attrs.frozen
class Refused:
    """The condition of the write does not hold."""


@attrs.frozen
class Fenced:
    """The session is gone, or does not own what it writes to."""


@attrs.frozen
class Stale:
    """The run has moved on; ``turn`` is the last turn committed."""

    turn: int


@attrs.frozen
class Unseen:
    """Messages that the closing turn has not seen, in order."""

    messages: Sequence[InboxMessage]


@attrs.frozen
class Gone:
    """The task is not there any more in that attempt."""


@attrs.frozen
class NotFound:
    """There is no such run."""


@attrs.frozen
class Closed:
    """The run is closed."""

    run_id: str
    status: RunStatus


@attrs.frozen
class Created:
    """The run was created."""

    run_id: str


@attrs.frozen
class Exists:
    """Another run of the workflow id stands in the way."""

    run_id: str
    status: RunStatus
    same_request: bool = False


@attrs.frozen
class Accepted:
    """The message is durable; ``message_id`` is None where the request id was known already."""

    run_id: str
    message_id: int | None


@attrs.frozen
class Committed:
    """The turn is durable."""


@attrs.frozen
class Beat:
    """The heartbeat was recorded; ``cancel_requested`` says whether the activity was asked to stop."""

    cancel_requested: bool


@attrs.frozen
class ReadyRuns:
    """Runs that were claimed."""

    runs: Sequence[ReadyRun]


@attrs.frozen
class ClaimedTasks:
    """Tasks that were claimed."""

    tasks: Sequence[TaskRow]


Outcome: TypeAlias = (
    Opened
    | Done
    | Refused
    | Fenced
    | Stale
    | Unseen
    | Gone
    | NotFound
    | Closed
    | Created
    | Exists
    | Accepted
    | Committed
    | Beat
    | ReadyRuns
    | ClaimedTasks
)


@attrs.frozen(kw_only=True)
class RunFilter:
    """Which runs to list; all conditions must hold.  Newest first; ``before`` continues after a row of the last page."""

    workflow_id: str | None = None
    workflow_type: str | None = None
    task_queue: str | None = None
    statuses: Sequence[RunStatus] | None = None
    parked: bool | None = None
    limit: int = 100
    #: ``(started_at, run_id)`` of the last row seen.
    before: tuple[int, str] | None = None


class Store(Protocol):
    """A place that keeps runs.  Safe to be used from several threads at once."""

    @property
    def clock(self) -> Clock:
        """The judge of what is due."""
        ...

    @property
    def url(self) -> str:
        """What ``open_store`` opens it with again."""
        ...

    def apply(self, writes: Sequence[Write]) -> list[Outcome]:
        """Carry out writes in one commit, each whole or not at all, in order; durable on return.

        Raises ``StoreError``: then none of them was done, or, where the commit's reply was lost, it is unknown; ``CommitTurn``
        may be repeated safely, as its turn token is looked up first.
        """
        ...

    def read_turns(self, run_id: str, after_turn: int = 0) -> list[StoredTurn]:
        """The committed turns of a run, in order; empty for an unknown run."""
        ...

    def find_run(self, workflow_id: str, run_id: str | None = None) -> RunRow | None:
        """The run of that id, or the open (else the latest started) run of the workflow id."""
        ...

    def list_runs(self, filter: RunFilter) -> list[RunRow]:
        """Runs, newest first."""
        ...

    def count_runs(self, filter: RunFilter) -> int:
        """How many runs match (``limit`` and ``before`` aside)."""
        ...

    def list_tasks(self, run_id: str) -> list[TaskRow]:
        """The open activity tasks of a run, by ``seq``."""
        ...

    def list_timers(self, run_id: str) -> list[tuple[int, int]]:
        """``(seq, fire_at)`` of the open timers of a run, by ``seq``."""
        ...

    def list_inbox(self, run_id: str) -> list[InboxMessage]:
        """Messages that no turn has taken yet, in order."""
        ...

    def list_sessions(self) -> list[SessionRow]:
        """All sessions that were not closed, by token."""
        ...

    def next_due_at(self, task_queues: Sequence[str]) -> int | None:
        """The earliest time at which a run or a task of these queues has work, or None; may lie in the past."""
        ...

    def changed_elsewhere(self) -> bool:
        """Whether another process has written since the last call: the poll that bounds what a lost wake-up costs."""
        ...

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` after every commit of this process (on the committing thread); returns the way to stop it."""
        ...

    def close(self) -> None:
        """Release everything; idempotent."""
        ...
