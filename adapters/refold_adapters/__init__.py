"""refold_adapters: everything impure around the kernel: stores, worker, client and command line."""

import importlib
import typing

from refold_adapters.activities.activity_context import ActivityContext, ActivityInfo, activity_context
from refold_adapters.client.activity_handles import ActivityHandle
from refold_adapters.client.client import Client
from refold_adapters.client.handles import QueryRejectCondition, WorkflowHandle
from refold_adapters.client.standalone import StandaloneActivityDescription, StandaloneActivityHandle
from refold_adapters.client.update_handles import WorkflowUpdateHandle
from refold_adapters.clocks import ManualClock, SystemClock
from refold_adapters.engine import Engine
from refold_adapters.fast_codec import event_decoder
from refold_adapters.operating.inspection import WorkflowDescription
from refold_adapters.ports import RunRow, RunStatus, Store
from refold_adapters.runtime_errors import (
    ActivityNotFoundError,
    ExecutionError,
    UnknownTypeError,
    WorkerStoppedError,
    WorkflowAlreadyStartedError,
    WorkflowClosedError,
    WorkflowFailedError,
    WorkflowNotFoundError,
    WorkflowParkedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateNotFoundError,
    WorkflowUpdateRejectedError,
    WorkflowUpdateUnfinishedError,
)
from refold_adapters.store_errors import StoreError
from refold_adapters.stores import open_store
from refold_adapters.turns.starting import StartOptions
from refold_adapters.waiting.update_waits import WorkflowUpdateStage
from refold_adapters.worker.worker import Worker
from refold_adapters.worker.worker_options import VersioningBehavior

if typing.TYPE_CHECKING:
    from refold_adapters.client.aio import (
        AsyncActivityHandle,
        AsyncClient,
        AsyncStandaloneActivityHandle,
        AsyncWorkflowHandle,
        AsyncWorkflowUpdateHandle,
    )
    from refold_adapters.memory import MemoryStore
    from refold_adapters.operating.retelling import ResetReapplyExcludeType
    from refold_adapters.sqlite import SqliteStore

__all__ = [
    "ActivityContext",
    "ActivityHandle",
    "ActivityInfo",
    "ActivityNotFoundError",
    "AsyncActivityHandle",
    "AsyncClient",
    "AsyncStandaloneActivityHandle",
    "AsyncWorkflowHandle",
    "AsyncWorkflowUpdateHandle",
    "Client",
    "Engine",
    "ExecutionError",
    "ManualClock",
    "MemoryStore",
    "QueryRejectCondition",
    "ResetReapplyExcludeType",
    "RunRow",
    "RunStatus",
    "SqliteStore",
    "StandaloneActivityDescription",
    "StandaloneActivityHandle",
    "StartOptions",
    "Store",
    "StoreError",
    "SystemClock",
    "UnknownTypeError",
    "VersioningBehavior",
    "Worker",
    "WorkerStoppedError",
    "WorkflowAlreadyStartedError",
    "WorkflowClosedError",
    "WorkflowDescription",
    "WorkflowFailedError",
    "WorkflowHandle",
    "WorkflowNotFoundError",
    "WorkflowParkedError",
    "WorkflowQueryRejectedError",
    "WorkflowUpdateFailedError",
    "WorkflowUpdateHandle",
    "WorkflowUpdateNotFoundError",
    "WorkflowUpdateRejectedError",
    "WorkflowUpdateStage",
    "WorkflowUpdateUnfinishedError",
    "activity_context",
    "event_decoder",
    "open_store",
]


#: What is imported when it is first asked for, as a program needs one store and mostly no event loop: name to module.
_LATER = {
    "AsyncActivityHandle": "refold_adapters.client.aio",
    "AsyncClient": "refold_adapters.client.aio",
    "AsyncStandaloneActivityHandle": "refold_adapters.client.aio",
    "AsyncWorkflowHandle": "refold_adapters.client.aio",
    "AsyncWorkflowUpdateHandle": "refold_adapters.client.aio",
    "MemoryStore": "refold_adapters.memory",
    "ResetReapplyExcludeType": "refold_adapters.operating.retelling",
    "SqliteStore": "refold_adapters.sqlite",
}


def __getattr__(name: str) -> typing.Any:
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
