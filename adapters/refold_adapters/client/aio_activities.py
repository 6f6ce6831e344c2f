"""Handles of activities for asyncio.

One rule: nothing is decided here; a call of a store runs on a thread, and waiting for a result takes none.
"""
# mypy: disable-error-code="empty-body"
# ruff: noqa: ASYNC109, D102 - parameters and docstrings are those of the handles that block

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, Generic, TypeVar

from refold import ActivityOptions
from refold_adapters.client.activity_handles import ActivityHandle
from refold_adapters.client.aio_calls import Awaited, arrival, as_in, counterpart
from refold_adapters.client.aio_handles import AsyncWorkflowHandle
from refold_adapters.client.standalone import StandaloneActivityDescription, StandaloneActivityHandle
from refold_adapters.ports import TaskRow

R_co = TypeVar("R_co", covariant=True)


@counterpart(ActivityHandle)
class AsyncActivityHandle(Awaited):
    """One open activity; see :class:`ActivityHandle`."""

    def __init__(self, handle: ActivityHandle) -> None:
        self._inner: ActivityHandle = handle
        self.workflow_id = handle.workflow_id
        self.run_id = handle.run_id
        self.activity_id = handle.activity_id

    @as_in(ActivityHandle)
    async def describe(self) -> TaskRow: ...

    @as_in(ActivityHandle)
    async def complete(self, result: Any = None, *, request_id: str | None = None) -> None: ...

    @as_in(ActivityHandle)
    async def fail(self, error: BaseException, *, request_id: str | None = None) -> None: ...

    @as_in(ActivityHandle)
    async def report_cancelled(self, *details: Any, request_id: str | None = None) -> None: ...

    @as_in(ActivityHandle)
    async def heartbeat(self, *details: Any) -> bool: ...

    @as_in(ActivityHandle)
    async def cancel(self, *, request_id: str | None = None) -> None: ...

    @as_in(ActivityHandle)
    async def pause(self, *, request_id: str | None = None) -> None: ...

    @as_in(ActivityHandle)
    async def unpause(self, *, request_id: str | None = None) -> None: ...

    @as_in(ActivityHandle)
    async def reset(self, *, forget_heartbeat: bool = False, request_id: str | None = None) -> None: ...

    @as_in(ActivityHandle)
    async def update_options(self, *, request_id: str | None = None, **changes: Any) -> ActivityOptions: ...


@counterpart(StandaloneActivityHandle)
class AsyncStandaloneActivityHandle(Awaited, Generic[R_co]):
    """One stand-alone activity, or the latest one of its id; see :class:`StandaloneActivityHandle`."""

    def __init__(self, handle: StandaloneActivityHandle[R_co]) -> None:
        self._inner: StandaloneActivityHandle[R_co] = handle
        self.id = handle.id
        self.run_id = handle.run_id

    async def result(self, *, timeout: timedelta | None = None) -> R_co:
        """Wait for the activity to end and return its result; raises as :meth:`StandaloneActivityHandle.result` does."""
        async with asyncio.timeout(None if timeout is None else timeout.total_seconds()):
            future, run_id = await asyncio.to_thread(self._inner.run.watch)
            try:
                ended = await arrival(future)
            finally:
                self._inner.run.unwatch(run_id, future)
        result: R_co = self._inner.take_result(ended)
        return result

    @property
    def run(self) -> AsyncWorkflowHandle[Any]:
        """The run that the activity is: pauses it, deletes it, has its history."""
        return AsyncWorkflowHandle(self._inner.run)

    @as_in(StandaloneActivityHandle)
    async def open_attempt(self) -> AsyncActivityHandle: ...

    @as_in(StandaloneActivityHandle)
    async def describe(self) -> StandaloneActivityDescription: ...

    @as_in(StandaloneActivityHandle)
    async def cancel(self, reason: str = "", *, request_id: str | None = None) -> None: ...

    @as_in(StandaloneActivityHandle)
    async def terminate(self, reason: str = "", *, request_id: str | None = None) -> None: ...
