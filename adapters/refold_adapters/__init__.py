"""refold_adapters: everything impure around the kernel: stores, worker, client and command line."""

from refold_adapters.activity_context import ActivityContext, ActivityInfo, activity_context
from refold_adapters.aio import AsyncClient, AsyncWorkflowHandle
from refold_adapters.client import Client, WorkflowHandle
from refold_adapters.clocks import ManualClock, SystemClock
from refold_adapters.engine import Engine
from refold_adapters.fast_codec import event_decoder
from refold_adapters.inspection import WorkflowDescription
from refold_adapters.memory import MemoryStore
from refold_adapters.ports import RunRow, RunStatus, Store
from refold_adapters.runtime_errors import (
    ExecutionError,
    UnknownTypeError,
    WorkerStoppedError,
    WorkflowAlreadyStartedError,
    WorkflowClosedError,
    WorkflowFailedError,
    WorkflowNotFoundError,
    WorkflowParkedError,
)
from refold_adapters.sqlite import SqliteStore
from refold_adapters.store_errors import StoreError
from refold_adapters.stores import open_store
from refold_adapters.worker import Worker

__all__ = [
    "ActivityContext",
    "ActivityInfo",
    "AsyncClient",
    "AsyncWorkflowHandle",
    "Client",
    "Engine",
    "ExecutionError",
    "ManualClock",
    "MemoryStore",
    "RunRow",
    "RunStatus",
    "SqliteStore",
    "Store",
    "StoreError",
    "SystemClock",
    "UnknownTypeError",
    "Worker",
    "WorkerStoppedError",
    "WorkflowAlreadyStartedError",
    "WorkflowClosedError",
    "WorkflowDescription",
    "WorkflowFailedError",
    "WorkflowHandle",
    "WorkflowNotFoundError",
    "WorkflowParkedError",
    "activity_context",
    "event_decoder",
    "open_store",
]
