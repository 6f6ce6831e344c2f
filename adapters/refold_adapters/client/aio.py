"""The client for asyncio: the same client, with its waiting done off the event loop.

One rule: nothing is decided here; a call of a store runs on a thread, and waiting for a result takes none.
"""
# mypy: disable-error-code="empty-body"
# ruff: noqa: ASYNC109, D102 - parameters and docstrings are those of the client that blocks

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ParamSpec, TypeAlias, TypeVar, Unpack, overload

from refold import Activity, Signal, Update, WorkflowDefinition
from refold_adapters.client.aio_activities import AsyncActivityHandle, AsyncStandaloneActivityHandle
from refold_adapters.client.aio_calls import Awaited, as_in, at_once_as_in
from refold_adapters.client.aio_handles import AsyncWorkflowHandle, AsyncWorkflowUpdateHandle, started_update
from refold_adapters.client.client import Client
from refold_adapters.client.standalone import ActivityKeywords
from refold_adapters.client.starter import Workflows
from refold_adapters.ports import RunRow, RunStatus
from refold_adapters.turns.starting import StartKeywords
from refold_adapters.waiting.update_waits import WorkflowUpdateStage

P = ParamSpec("P")
R = TypeVar("R")
Rows: TypeAlias = list[RunRow]

__all__ = [
    "AsyncActivityHandle",
    "AsyncClient",
    "AsyncStandaloneActivityHandle",
    "AsyncWorkflowHandle",
    "AsyncWorkflowUpdateHandle",
]


class AsyncClient(Awaited):
    """A :class:`Client` (or :class:`Engine`) to be awaited; options and errors are those of the client."""

    def __init__(self, client: Client) -> None:
        self._inner: Client = client

    # Starting -------------------------------------------------------------------------------------------------------

    @overload
    async def start(
        self, workflow: WorkflowDefinition[P, R], *args: Any, id: str, **options: Unpack[StartKeywords]
    ) -> AsyncWorkflowHandle[R]: ...
    @overload
    async def start(
        self, workflow: str | type[Any], *args: Any, id: str, **options: Unpack[StartKeywords]
    ) -> AsyncWorkflowHandle[Any]: ...
    @as_in(Client)
    async def start(
        self, workflow: Any, *args: Any, id: str, **options: Unpack[StartKeywords]
    ) -> AsyncWorkflowHandle[Any]: ...

    @overload
    async def signal_with_start(
        self,
        workflow: WorkflowDefinition[P, R],
        *args: Any,
        id: str,
        signal: Signal[Any] | str,
        payload: Any = ...,
        **options: Unpack[StartKeywords],
    ) -> AsyncWorkflowHandle[R]: ...
    @overload
    async def signal_with_start(
        self,
        workflow: str | type[Any],
        *args: Any,
        id: str,
        signal: Signal[Any] | str,
        payload: Any = ...,
        **options: Unpack[StartKeywords],
    ) -> AsyncWorkflowHandle[Any]: ...
    @as_in(Client)
    async def signal_with_start(
        self,
        workflow: Any,
        *args: Any,
        id: str,
        signal: Signal[Any] | str,
        payload: Any = None,
        **options: Unpack[StartKeywords],
    ) -> AsyncWorkflowHandle[Any]: ...

    @as_in(Client)
    async def attach(
        self, workflow: Workflows, *args: Any, id: str, **options: Any
    ) -> AsyncWorkflowHandle[Any]: ...

    async def update_with_start(
        self,
        workflow: Workflows,
        *args: Any,
        id: str,
        update: Update[Any, R],
        payload: Any = None,
        update_id: str | None = None,
        wait_for_stage: WorkflowUpdateStage = WorkflowUpdateStage.ACCEPTED,
        timeout: timedelta | None = None,
        **options: Unpack[StartKeywords],
    ) -> AsyncWorkflowUpdateHandle[R]:
        """Update the open run of that id, or one that is started for it; raises as :meth:`Client.update_with_start` does."""
        handle, wait = await asyncio.to_thread(
            self._inner.send_update_with_start,
            workflow,
            args,
            id=id,
            update=update,
            payload=payload,
            update_id=update_id,
            options=options,
        )
        return await started_update(handle, wait, update, wait_for_stage, timeout)

    @overload
    async def run(self, workflow: WorkflowDefinition[P, R], *args: Any, id: str, **options: Any) -> R: ...
    @overload
    async def run(self, workflow: str | type[Any], *args: Any, id: str, **options: Any) -> Any: ...
    async def run(self, workflow: Any, *args: Any, id: str, **options: Any) -> Any:
        """Start a workflow, or attach to the open run of that id, and wait for its result; see :meth:`Client.run`."""
        handle = await self.attach(workflow, *args, id=id, **options)
        return await handle.result()

    # Activities -----------------------------------------------------------------------------------------------------

    @overload
    async def start_activity(
        self, activity: Activity[..., R], *args: Any, id: str, **options: Unpack[ActivityKeywords]
    ) -> AsyncStandaloneActivityHandle[R]: ...
    @overload
    async def start_activity(
        self,
        activity: str,
        *args: Any,
        id: str,
        result_type: type[R],
        **options: Unpack[ActivityKeywords],
    ) -> AsyncStandaloneActivityHandle[R]: ...
    @overload
    async def start_activity(
        self, activity: str, *args: Any, id: str, **options: Unpack[ActivityKeywords]
    ) -> AsyncStandaloneActivityHandle[Any]: ...
    @as_in(Client)
    async def start_activity(
        self, activity: Any, *args: Any, id: str, result_type: Any = Any, **options: Any
    ) -> AsyncStandaloneActivityHandle[Any]: ...

    @overload
    async def execute_activity(
        self,
        activity: Activity[..., R],
        *args: Any,
        id: str,
        timeout: timedelta | None = ...,
        **options: Unpack[ActivityKeywords],
    ) -> R: ...
    @overload
    async def execute_activity(
        self,
        activity: str,
        *args: Any,
        id: str,
        result_type: type[R],
        timeout: timedelta | None = ...,
        **options: Unpack[ActivityKeywords],
    ) -> R: ...
    @overload
    async def execute_activity(
        self,
        activity: str,
        *args: Any,
        id: str,
        timeout: timedelta | None = ...,
        **options: Unpack[ActivityKeywords],
    ) -> Any: ...
    async def execute_activity(
        self, activity: Any, *args: Any, id: str, timeout: timedelta | None = None, **options: Any
    ) -> Any:
        """Start an activity and wait for its result; see :meth:`Client.execute_activity`."""
        handle: AsyncStandaloneActivityHandle[Any] = await self.start_activity(
            activity, *args, id=id, **options
        )
        return await handle.result(timeout=timeout)

    # Finding --------------------------------------------------------------------------------------------------------

    @overload
    def handle(
        self,
        workflow_id: str,
        run_id: str | None = ...,
        *,
        workflow: WorkflowDefinition[P, R],
        first_run_id: str | None = ...,
    ) -> AsyncWorkflowHandle[R]: ...
    @overload
    def handle(
        self, workflow_id: str, run_id: str | None = ..., *, first_run_id: str | None = ...
    ) -> AsyncWorkflowHandle[Any]: ...
    @at_once_as_in(Client)
    def handle(
        self,
        workflow_id: str,
        run_id: str | None = None,
        *,
        workflow: Any = None,
        first_run_id: str | None = None,
    ) -> AsyncWorkflowHandle[Any]: ...

    @at_once_as_in(Client)
    def activity(self, token_or_workflow_id: str, activity_id: str | None = None) -> AsyncActivityHandle: ...

    @at_once_as_in(Client)
    def get_activity_handle(
        self, id: str, run_id: str | None = None, *, activity: Activity[..., R] | None = None
    ) -> AsyncStandaloneActivityHandle[R]: ...

    @as_in(Client)
    async def list(
        self,
        query: str = "",
        *,
        workflow_id: str | None = None,
        workflow_type: str | None = None,
        task_queue: str | None = None,
        statuses: Sequence[RunStatus] | None = None,
        parked: bool | None = None,
        limit: int | None = None,
    ) -> Rows: ...

    @as_in(Client)
    async def list_activities(self, query: str = "", **conditions: Any) -> Rows: ...

    @as_in(Client)
    async def count(self, query: str = "", **conditions: Any) -> int: ...

    @as_in(Client)
    async def count_activities(self, query: str = "", **conditions: Any) -> int: ...

    @as_in(Client)
    async def retry(
        self, query: str = "", *, dry_run: bool = False, request_id: str | None = None, **conditions: Any
    ) -> Sequence[RunRow]: ...
