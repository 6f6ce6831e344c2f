"""Handles of runs and updates for asyncio.

One rule: nothing is decided here; a call of a store runs on a thread, and waiting for a result takes none.
"""
# mypy: disable-error-code="empty-body"
# ruff: noqa: ASYNC109, D102 - parameters and docstrings are those of the handles that block

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from refold import Query, Signal, Update
from refold.events import HistoryEvent
from refold_adapters.client.aio_calls import Awaited, arrival, as_in, counterpart
from refold_adapters.client.handles import QueryRejectCondition, WorkflowHandle
from refold_adapters.client.update_handles import WorkflowUpdateHandle
from refold_adapters.operating.inspection import WorkflowDescription
from refold_adapters.turns.results import next_run_of
from refold_adapters.turns.update_news import UpdateNews
from refold_adapters.waiting.update_waits import UpdateWait, WorkflowUpdateStage

if TYPE_CHECKING:
    from refold_adapters.operating.retelling import ResetReapplyExcludeType

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


@counterpart(WorkflowUpdateHandle)
class AsyncWorkflowUpdateHandle(Awaited, Generic[R_co]):
    """One update of one run; see :class:`WorkflowUpdateHandle`."""

    def __init__(self, handle: WorkflowUpdateHandle[R_co]) -> None:
        self._inner: WorkflowUpdateHandle[R_co] = handle
        self.id = handle.id
        self.workflow_id = handle.workflow_id
        self.run_id = handle.run_id

    async def result(self, *, timeout: timedelta | None = None) -> R_co:
        """Wait for the handler to end and return its answer; raises as :meth:`WorkflowUpdateHandle.result` does."""
        result: R_co = self._inner.take_result(await answer_to(self._inner, timeout))
        return result


async def answer_to(handle: WorkflowUpdateHandle[Any], timeout: timedelta | None) -> UpdateNews:
    """Wait for the handler of an update to end, whatever came of it."""
    wait = await asyncio.to_thread(handle.watch)
    try:
        return await arrival(wait.future, timeout)
    finally:
        handle.unwatch(wait)


async def started_update(
    handle: WorkflowHandle[Any],
    wait: UpdateWait,
    update: Any,
    wait_for_stage: WorkflowUpdateStage,
    timeout: timedelta | None,
) -> AsyncWorkflowUpdateHandle[Any]:
    """The handle of an update that was sent, once it is at that stage."""
    try:
        await asyncio.to_thread(handle.look_for, wait)
        news = await arrival(wait.future, timeout)
    finally:
        handle.unwatch_update(wait)
    accepted = handle.accepted_update(wait, update, news)
    if wait_for_stage is WorkflowUpdateStage.COMPLETED:
        accepted = handle.accepted_update(wait, update, await answer_to(accepted, timeout))
    return AsyncWorkflowUpdateHandle(accepted)


@counterpart(WorkflowHandle)
class AsyncWorkflowHandle(Awaited, Generic[R_co]):
    """One run, or the current run of a workflow id; see :class:`WorkflowHandle`."""

    def __init__(self, handle: WorkflowHandle[R_co]) -> None:
        self._inner: WorkflowHandle[R_co] = handle
        self.workflow_id = handle.workflow_id
        self.run_id = handle.run_id
        self.first_run_id = handle.first_run_id

    # Waiting --------------------------------------------------------------------------------------------------------

    async def result(self, *, timeout: timedelta | None = None, follow_runs: bool = True) -> R_co:
        """Wait for the run to end and return its result; raises as :meth:`WorkflowHandle.result` does."""
        async with asyncio.timeout(None if timeout is None else timeout.total_seconds()):
            following: str | None = None
            while True:
                future, run_id = await asyncio.to_thread(self._inner.watch, following)
                try:
                    ended = await arrival(future)
                finally:
                    self._inner.unwatch(run_id, future)
                following = next_run_of(ended.closing_event) if follow_runs else None
                if following is None:
                    result: R_co = self._inner.take_result(ended)
                    return result

    @overload
    async def execute_update(
        self, update: Update[None, R], *, id: str | None = ..., timeout: timedelta | None = ...
    ) -> R: ...
    @overload
    async def execute_update(
        self, update: Update[T, R], payload: T, *, id: str | None = ..., timeout: timedelta | None = ...
    ) -> R: ...
    @overload
    async def execute_update(
        self, update: str, payload: Any = ..., *, id: str | None = ..., timeout: timedelta | None = ...
    ) -> Any: ...
    async def execute_update(
        self,
        update: Update[Any, Any] | str,
        payload: Any = None,
        *,
        id: str | None = None,
        timeout: timedelta | None = None,
    ) -> Any:
        """Send an update and wait for its answer; raises as :meth:`WorkflowHandle.execute_update` does."""
        async with asyncio.timeout(None if timeout is None else timeout.total_seconds()):
            wait = await asyncio.to_thread(self._inner.send_update, update, payload, id)
            started = await started_update(self._inner, wait, update, WorkflowUpdateStage.ACCEPTED, None)
            return await started.result()

    @overload
    async def start_update(
        self,
        update: Update[Any, R],
        payload: Any = ...,
        *,
        id: str | None = ...,
        wait_for_stage: WorkflowUpdateStage = ...,
        timeout: timedelta | None = ...,
    ) -> AsyncWorkflowUpdateHandle[R]: ...
    @overload
    async def start_update(
        self,
        update: str,
        payload: Any = ...,
        *,
        id: str | None = ...,
        wait_for_stage: WorkflowUpdateStage = ...,
        timeout: timedelta | None = ...,
    ) -> AsyncWorkflowUpdateHandle[Any]: ...
    async def start_update(
        self,
        update: Update[Any, Any] | str,
        payload: Any = None,
        *,
        id: str | None = None,
        wait_for_stage: WorkflowUpdateStage = WorkflowUpdateStage.ACCEPTED,
        timeout: timedelta | None = None,
    ) -> AsyncWorkflowUpdateHandle[Any]:
        """Send an update and wait until it is accepted or answered; raises as :meth:`WorkflowHandle.start_update` does."""
        wait = await asyncio.to_thread(self._inner.send_update, update, payload, id)
        return await started_update(self._inner, wait, update, wait_for_stage, timeout)

    # On a thread ----------------------------------------------------------------------------------------------------

    @overload
    async def get_update_handle(self, id: str, *, update: Update[Any, R]) -> AsyncWorkflowUpdateHandle[R]: ...
    @overload
    async def get_update_handle(self, id: str) -> AsyncWorkflowUpdateHandle[Any]: ...
    @as_in(WorkflowHandle)
    async def get_update_handle(
        self, id: str, *, update: Update[Any, Any] | None = None
    ) -> AsyncWorkflowUpdateHandle[Any]: ...

    @overload
    async def signal(self, signal: Signal[None], *, request_id: str | None = ...) -> None: ...
    @overload
    async def signal(self, signal: Signal[T], payload: T, *, request_id: str | None = ...) -> None: ...
    @overload
    async def signal(self, signal: str, payload: Any = ..., *, request_id: str | None = ...) -> None: ...
    @as_in(WorkflowHandle)
    async def signal(
        self, signal: Signal[Any] | str, payload: Any = None, *, request_id: str | None = None
    ) -> None: ...

    @overload
    async def query(
        self, query: Query[T], *args: object, reject_condition: QueryRejectCondition | None = ...
    ) -> T: ...
    @overload
    async def query(
        self, query: str, *args: object, reject_condition: QueryRejectCondition | None = ...
    ) -> Any: ...
    @as_in(WorkflowHandle)
    async def query(
        self, query: Query[Any] | str, *args: object, reject_condition: QueryRejectCondition | None = None
    ) -> Any: ...

    @as_in(WorkflowHandle)
    async def reset(
        self,
        *,
        event_id: int | None = None,
        turn: int | None = None,
        first: bool = False,
        reason: str = "",
        reapply_exclude: Iterable[ResetReapplyExcludeType] = (),
        request_id: str | None = None,
    ) -> AsyncWorkflowHandle[R_co]: ...

    @as_in(WorkflowHandle)
    async def fork(
        self,
        id: str,
        *args: Any,
        event_id: int | None = None,
        turn: int | None = None,
        first: bool = False,
        request_id: str | None = None,
    ) -> AsyncWorkflowHandle[R_co]: ...

    @as_in(WorkflowHandle)
    async def cancel(self, reason: str = "", *, request_id: str | None = None) -> None: ...

    @as_in(WorkflowHandle)
    async def terminate(self, reason: str = "", *, request_id: str | None = None) -> None: ...

    @as_in(WorkflowHandle)
    async def describe(self) -> WorkflowDescription: ...

    @as_in(WorkflowHandle)
    async def history(self) -> Sequence[HistoryEvent]: ...

    @as_in(WorkflowHandle)
    async def pause(self, reason: str = "", *, request_id: str | None = None) -> None: ...

    @as_in(WorkflowHandle)
    async def resume(self, reason: str = "", *, request_id: str | None = None) -> None: ...

    @as_in(WorkflowHandle)
    async def delete(self, *, request_id: str | None = None) -> None: ...

    @as_in(WorkflowHandle)
    async def update_options(self, *, build_id: str, request_id: str | None = None) -> None: ...
