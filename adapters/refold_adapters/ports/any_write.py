"""All that a store is asked to do, as one type."""

from __future__ import annotations

from typing import TypeAlias

from refold_adapters.ports.administration import ChangeRun, CopyRun, DeleteRun, ExpireRuns
from refold_adapters.ports.once import Once
from refold_adapters.ports.writes import (
    AcceptMessage,
    ChangeTask,
    ClaimRuns,
    ClaimTasks,
    CloseSession,
    CommitTurn,
    ConsumeMessages,
    CreateRun,
    DetachTask,
    FinishTask,
    Heartbeat,
    OpenSession,
    ParkRun,
    ReleaseRuns,
    RenewSession,
    RetryTask,
    UnparkRuns,
)

Write: TypeAlias = (
    OpenSession
    | RenewSession
    | CloseSession
    | CreateRun
    | AcceptMessage
    | CommitTurn
    | ConsumeMessages
    | ClaimRuns
    | ClaimTasks
    | RetryTask
    | FinishTask
    | Heartbeat
    | DetachTask
    | ChangeTask
    | ParkRun
    | UnparkRuns
    | ReleaseRuns
    | ChangeRun
    | CopyRun
    | DeleteRun
    | ExpireRuns
    | Once
)
