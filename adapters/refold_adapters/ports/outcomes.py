"""What a store answers to a write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import attrs

from refold_adapters.ports.rows import InboxMessage, ReadyRun, RunStatus, TaskRow


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
    """There is no such run; of one that was deleted, a tombstone may tell when."""

    deleted_at: int | None = None


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
class Expired:
    """So many runs were removed; of the closed ones that are left, the earliest was closed at ``next_closed_at``."""

    count: int
    next_closed_at: int | None


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
    | Expired
    | Accepted
    | Committed
    | Beat
    | ReadyRuns
    | ClaimedTasks
)
