"""What a store is: the protocol that memory, SQLite and third-party stores implement.

Providers only store.  A store makes no ids, decides no retry and reads no payload: every write is a value that says exactly what
to put where and under which condition, and the store carries it out whole or not at all.

Writes are applied in batches: the writes of one ``apply`` share one commit, and each of them stands or falls alone, in order.
When ``apply`` returns, what it reports as done is durable.  A write that is refused changed nothing.

Ownership: a worker process opens a *session* and gets a fencing token that only grows.  A session lives as long as its lease,
by the store's clock; once another session has found it dead, every write that carries its token is refused (``Fenced``).
The claims of one session expel every other whose lease has run out.  Runs and activity tasks belong to a session; 0 means nobody.

Times are integer microseconds since the Unix epoch, UTC, by the store's clock, which is the only judge of what is due.
"""

from refold_adapters.ports.administration import ChangeRun, CopyRun, DeleteRun, ExpireRuns
from refold_adapters.ports.any_write import Write
from refold_adapters.ports.once import Askable, Once
from refold_adapters.ports.outcomes import (
    Accepted,
    Beat,
    ClaimedTasks,
    Closed,
    Committed,
    Created,
    Done,
    Exists,
    Expired,
    Fenced,
    Gone,
    NotFound,
    Opened,
    Outcome,
    ReadyRuns,
    Refused,
    Repeated,
    Stale,
    Unseen,
)
from refold_adapters.ports.rows import (
    OUTSIDE,
    InboxMessage,
    Properties,
    ReadyRun,
    RunFilter,
    RunRow,
    RunStatus,
    SessionRow,
    StoredTurn,
    TaskRow,
)
from refold_adapters.ports.store import (
    Clock,
    Store,
)
from refold_adapters.ports.writes import (
    AcceptMessage,
    CancelTask,
    ChangeTask,
    ClaimRuns,
    ClaimTasks,
    CloseSession,
    Closing,
    CommitTurn,
    ConsumeMessages,
    CreateRun,
    DetachTask,
    FinishTask,
    Heartbeat,
    NewTask,
    NextRun,
    OpenSession,
    ParkRun,
    Refusal,
    Relay,
    ReleaseRuns,
    RenewSession,
    RetryTask,
    UnparkRuns,
)

__all__ = [
    "OUTSIDE",
    "AcceptMessage",
    "Accepted",
    "Askable",
    "Beat",
    "CancelTask",
    "ChangeRun",
    "ChangeTask",
    "ClaimRuns",
    "ClaimTasks",
    "ClaimedTasks",
    "Clock",
    "CloseSession",
    "Closed",
    "Closing",
    "CommitTurn",
    "Committed",
    "ConsumeMessages",
    "CopyRun",
    "CreateRun",
    "Created",
    "DeleteRun",
    "DetachTask",
    "Done",
    "Exists",
    "ExpireRuns",
    "Expired",
    "Fenced",
    "FinishTask",
    "Gone",
    "Heartbeat",
    "InboxMessage",
    "NewTask",
    "NextRun",
    "NotFound",
    "Once",
    "OpenSession",
    "Opened",
    "Outcome",
    "ParkRun",
    "Properties",
    "ReadyRun",
    "ReadyRuns",
    "Refusal",
    "Refused",
    "Relay",
    "ReleaseRuns",
    "RenewSession",
    "Repeated",
    "RetryTask",
    "RunFilter",
    "RunRow",
    "RunStatus",
    "SessionRow",
    "Stale",
    "Store",
    "StoredTurn",
    "TaskRow",
    "UnparkRuns",
    "Unseen",
    "Write",
]
