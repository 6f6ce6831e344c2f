"""What a store answers to a write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import attrs

from refold.value import Value
from refold_adapters.ports.rows import InboxMessage, ReadyRun, RunStatus, TaskRow


@attrs.frozen(eq=False, repr=False)
class Opened(Value):
    """A session was opened."""

    token: int


@attrs.frozen(eq=False, repr=False)
class Done(Value):
    """The write was carried out."""


@attrs.frozen(eq=False, repr=False)
class Refused(Value):
    """The condition of the write does not hold."""


@attrs.frozen(eq=False, repr=False)
class Fenced(Value):
    """The session is gone, or does not own what it writes to."""


@attrs.frozen(eq=False, repr=False)
class Stale(Value):
    """The run has moved on; ``turn`` is the last turn committed."""

    turn: int


@attrs.frozen(eq=False, repr=False)
class Unseen(Value):
    """Messages that the closing turn has not seen, in order."""

    messages: Sequence[InboxMessage]


@attrs.frozen(eq=False, repr=False)
class Gone(Value):
    """The task is not there any more in that attempt."""


@attrs.frozen(eq=False, repr=False)
class NotFound(Value):
    """There is no such run; of one that was deleted, a tombstone may tell when."""

    deleted_at: int | None = None


@attrs.frozen(eq=False, repr=False)
class Closed(Value):
    """The run is closed."""

    run_id: str
    status: RunStatus


@attrs.frozen(eq=False, repr=False)
class Created(Value):
    """The run was created."""

    run_id: str


@attrs.frozen(eq=False, repr=False)
class Exists(Value):
    """Another run of the workflow id stands in the way."""

    run_id: str
    status: RunStatus
    same_request: bool = False


@attrs.frozen(eq=False, repr=False)
class Expired(Value):
    """So many runs were removed; of the closed ones that are left, the earliest was closed at ``next_closed_at``."""

    count: int
    next_closed_at: int | None


@attrs.frozen(eq=False, repr=False)
class Accepted(Value):
    """The message is durable; ``message_id`` is None where the request id was known already."""

    run_id: str
    message_id: int | None


@attrs.frozen(eq=False, repr=False)
class Committed(Value):
    """The turn is durable."""


@attrs.frozen(eq=False, repr=False)
class Beat(Value):
    """The heartbeat was recorded; ``cancel_requested`` says whether the activity was asked to stop."""

    cancel_requested: bool


@attrs.frozen(eq=False, repr=False)
class ReadyRuns(Value):
    """Runs that were claimed."""

    runs: Sequence[ReadyRun]


@attrs.frozen(eq=False, repr=False)
class ClaimedTasks(Value):
    """Tasks that were claimed."""

    tasks: Sequence[TaskRow]


@attrs.frozen(eq=False, repr=False)
class Repeated(Value):
    """It was done before, by a request of that name; ``answer`` was noted then."""

    answer: bytes


#: What says that a write was done.
DONE: tuple[type[Value], ...] = (Done, Created, Committed, Accepted, Beat)

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
    | Expired
    | Accepted
    | Committed
    | Beat
    | Repeated
    | ReadyRuns
    | ClaimedTasks
)
