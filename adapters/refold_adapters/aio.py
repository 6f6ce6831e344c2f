"""The client for asyncio: the same client, with its waiting done off the event loop.

One rule: nothing is decided here; a call of a store runs on a thread, and waiting for a result takes none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Generic, ParamSpec, TypeVar, overload

from refold import Query, Signal, WorkflowDefinition
from refold.events import HistoryEvent
from refold_adapters.client import Client
from refold_adapters.handles import WorkflowHandle
from refold_adapters.inspection import WorkflowDescription
from refold_adapters.ports import RunRow

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


class AsyncClient:
    """A :class:`Client` (or :class:`Engine`) to be awaited; options and errors are those of the client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @overload
    async def start(
        self, workflow: WorkflowDefinition[P, R], *args: Any, id: str, **options: Any
    ) -> AsyncWorkflowHandle[R]: ...
    @overload
    async def start(self, workflow: str, *args: Any, id: str, **options: Any) -> AsyncWorkflowHandle[Any]: ...
    async def start(self, workflow: Any, *args: Any, id: str, **options: Any) -> AsyncWorkflowHandle[Any]:
        """Start a workflow, durably, and return its handle."""
        start: Any = self._client.start
        return AsyncWorkflowHandle(await asyncio.to_thread(start, workflow, *args, id=id, **options))

    @overload
    async def run(self, workflow: WorkflowDefinition[P, R], *args: Any, id: str, **options: Any) -> R: ...
    @overload
    async def run(self, workflow: str, *args: Any, id: str, **options: Any) -> Any: ...
    async def run(self, workflow: Any, *args: Any, id: str, **options: Any) -> Any:
        """Start a workflow, or attach to the open run of that id, and wait for its result."""
        start: Any = self._client.attach
        handle = AsyncWorkflowHandle[Any](await asyncio.to_thread(start, workflow, *args, id=id, **options))
        return await handle.result()

    def handle(self, workflow_id: str, run_id: str | None = None) -> AsyncWorkflowHandle[Any]:
        """A handle of a run (of the open, else the latest, if no run id is given)."""
        return AsyncWorkflowHandle(self._client.handle(workflow_id, run_id))

    async def list(self, **filters: Any) -> list[RunRow]:
        """Runs, newest first; the filters are those of :meth:`Client.list`."""
        return await asyncio.to_thread(lambda: list(self._client.list(**filters)))


class AsyncWorkflowHandle(Generic[R_co]):
    """One run; see :class:`WorkflowHandle`."""

    def __init__(self, handle: WorkflowHandle[R_co]) -> None:
        self._handle = handle
        self.workflow_id = handle.workflow_id

    async def result(self, *, timeout: timedelta | None = None) -> R_co:  # noqa: ASYNC109 - as the sync handle has it
        """Wait for the run to end and return its result; raises as :meth:`WorkflowHandle.result` does."""
        future, run_id = await asyncio.to_thread(self._handle.watch)
        try:
            seconds = None if timeout is None else timeout.total_seconds()
            row = await asyncio.wait_for(asyncio.wrap_future(future), seconds)
        finally:
            self._handle.unwatch(run_id, future)
        result: R_co = self._handle.take_result(row)
        return result

    @overload
    async def signal(self, signal: Signal[None]) -> None: ...
    @overload
    async def signal(self, signal: Signal[T], payload: T) -> None: ...
    @overload
    async def signal(self, signal: str, payload: Any = ...) -> None: ...
    async def signal(self, signal: Any, payload: Any = None) -> None:
        """Send a signal; it is durable when this returns."""
        await asyncio.to_thread(self._handle.signal, signal, payload)

    @overload
    async def query(self, query: Query[T], *args: object) -> T: ...
    @overload
    async def query(self, query: str, *args: object) -> Any: ...
    async def query(self, query: Any, *args: object) -> Any:
        """Ask the run, open or closed, at the last event of its history."""
        return await asyncio.to_thread(self._handle.query, query, *args)

    async def cancel(self, reason: str = "") -> None:
        """Ask the run to stop."""
        await asyncio.to_thread(self._handle.cancel, reason)

    async def terminate(self, reason: str = "") -> None:
        """End the run at once, without asking its code."""
        await asyncio.to_thread(self._handle.terminate, reason)

    async def describe(self) -> WorkflowDescription:
        """What is known of the run, and what it waits for."""
        return await asyncio.to_thread(self._handle.describe)

    async def history(self) -> Sequence[HistoryEvent]:
        """All events so far."""
        return await asyncio.to_thread(self._handle.history)
