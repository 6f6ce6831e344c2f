"""The client for asyncio: the same client, with its waiting done off the event loop.

One rule: nothing is decided here; a call of a store runs on a thread, and waiting for a result takes none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from refold import Query, Signal, Update, WorkflowDefinition
from refold.events import HistoryEvent
from refold_adapters.client import Client
from refold_adapters.handles import QueryRejectCondition, WorkflowHandle
from refold_adapters.inspection import WorkflowDescription
from refold_adapters.operations import RunOperations
from refold_adapters.ports import RunRow
from refold_adapters.results import next_run_of
from refold_adapters.update_handles import WorkflowUpdateHandle

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


def _off_the_loop(
    method: Callable[Concatenate[Any, P], R], inner: str
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]:
    """The same method, called on a thread, on what ``inner`` is the attribute of."""

    @wraps(method)
    async def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.to_thread(method, getattr(self, inner), *args, **kwargs)

    return call


class AsyncClient:
    """A :class:`Client` (or :class:`Engine`) to be awaited; options and errors are those of the client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @overload
    async def start(
        self, workflow: WorkflowDefinition[P, R], *args: Any, id: str, **options: Any
    ) -> AsyncWorkflowHandle[R]: ...
    @overload
    async def start(
        self, workflow: str | type[Any], *args: Any, id: str, **options: Any
    ) -> AsyncWorkflowHandle[Any]: ...
    async def start(self, workflow: Any, *args: Any, id: str, **options: Any) -> AsyncWorkflowHandle[Any]:
        """Start a workflow, durably, and return its handle."""
        start: Any = self._client.start
        return AsyncWorkflowHandle(await asyncio.to_thread(start, workflow, *args, id=id, **options))

    @overload
    async def signal_with_start(
        self, workflow: WorkflowDefinition[P, R], *args: Any, id: str, **options: Any
    ) -> AsyncWorkflowHandle[R]: ...
    @overload
    async def signal_with_start(
        self, workflow: str | type[Any], *args: Any, id: str, **options: Any
    ) -> AsyncWorkflowHandle[Any]: ...
    async def signal_with_start(
        self, workflow: Any, *args: Any, id: str, **options: Any
    ) -> AsyncWorkflowHandle[Any]:
        """Signal the open run of that id, or one that is started for it; options as for :meth:`Client.signal_with_start`."""
        call: Any = self._client.signal_with_start
        return AsyncWorkflowHandle(await asyncio.to_thread(call, workflow, *args, id=id, **options))

    async def update_with_start(
        self,
        workflow: WorkflowDefinition[..., Any] | type[Any] | str,
        *args: Any,
        id: str,
        update: Update[Any, R],
        **options: Any,
    ) -> AsyncWorkflowUpdateHandle[R]:
        """Update the open run of that id, or one that is started for it; options as for :meth:`Client.update_with_start`."""
        call: Any = self._client.update_with_start
        return AsyncWorkflowUpdateHandle(
            await asyncio.to_thread(call, workflow, *args, id=id, update=update, **options)
        )

    @overload
    async def run(self, workflow: WorkflowDefinition[P, R], *args: Any, id: str, **options: Any) -> R: ...
    @overload
    async def run(self, workflow: str | type[Any], *args: Any, id: str, **options: Any) -> Any: ...
    async def run(self, workflow: Any, *args: Any, id: str, **options: Any) -> Any:
        """Start a workflow, or attach to the open run of that id, and wait for its result."""
        start: Any = self._client.attach
        handle = AsyncWorkflowHandle[Any](await asyncio.to_thread(start, workflow, *args, id=id, **options))
        return await handle.result()

    def handle(self, workflow_id: str, run_id: str | None = None) -> AsyncWorkflowHandle[Any]:
        """A handle of a run (of the open, else the latest, if no run id is given)."""
        return AsyncWorkflowHandle(self._client.handle(workflow_id, run_id))

    async def count(self, query: str = "", **conditions: Any) -> int:
        """How many runs there are; conditions as for :meth:`list`."""
        return await asyncio.to_thread(self._client.count, query, **conditions)

    async def retry(self, query: str = "", *, dry_run: bool = False, **conditions: Any) -> Sequence[RunRow]:
        """Let parked runs be tried again, and return them; see :meth:`Client.retry`."""
        return await asyncio.to_thread(self._client.retry, query, dry_run=dry_run, **conditions)

    async def count_activities(self, query: str = "", **conditions: Any) -> int:
        """How many stand-alone activities there are; conditions as for :meth:`list`."""
        return await asyncio.to_thread(self._client.count_activities, query, **conditions)

    async def list_activities(self, query: str = "", **conditions: Any) -> list[RunRow]:
        """Stand-alone activities, newest first; conditions are those of :meth:`Client.list_activities`."""
        return await asyncio.to_thread(lambda: [*self._client.list_activities(query, **conditions)])

    async def list(self, query: str = "", **filters: Any) -> list[RunRow]:
        """Runs, newest first; the filters are those of :meth:`Client.list`."""
        return await asyncio.to_thread(lambda: [*self._client.list(query, **filters)])


class AsyncWorkflowUpdateHandle(Generic[R_co]):
    """One update of one run; see :class:`WorkflowUpdateHandle`."""

    def __init__(self, handle: WorkflowUpdateHandle[R_co]) -> None:
        self._handle = handle
        self.id = handle.id
        self.workflow_id = handle.workflow_id
        self.run_id = handle.run_id

    async def result(self, *, timeout: timedelta | None = None) -> R_co:  # noqa: ASYNC109 - as the sync handle has it
        """Wait for the handler to end and return its answer; raises as :meth:`WorkflowUpdateHandle.result` does."""
        wait = await asyncio.to_thread(self._handle.watch)
        try:
            seconds = None if timeout is None else timeout.total_seconds()
            news = await asyncio.wait_for(asyncio.wrap_future(wait.future), seconds)
        finally:
            self._handle.unwatch(wait)
        result: R_co = self._handle.take_result(news)
        return result


class AsyncWorkflowHandle(Generic[R_co]):
    """One run; see :class:`WorkflowHandle`."""

    def __init__(self, handle: WorkflowHandle[R_co]) -> None:
        self._handle = handle
        self.workflow_id = handle.workflow_id

    async def result(self, *, timeout: timedelta | None = None, follow_runs: bool = True) -> R_co:  # noqa: ASYNC109 - as the sync handle has it
        """Wait for the run to end and return its result; raises as :meth:`WorkflowHandle.result` does."""
        async with asyncio.timeout(None if timeout is None else timeout.total_seconds()):
            following: str | None = None
            while True:
                future, run_id = await asyncio.to_thread(self._handle.watch, following)
                try:
                    ended = await asyncio.wrap_future(future)
                finally:
                    self._handle.unwatch(run_id, future)
                following = next_run_of(ended.closing_event) if follow_runs else None
                if following is None:
                    result: R_co = self._handle.take_result(ended)
                    return result

    @overload
    async def signal(self, signal: Signal[None], *, request_id: str | None = ...) -> None: ...
    @overload
    async def signal(self, signal: Signal[T], payload: T, *, request_id: str | None = ...) -> None: ...
    @overload
    async def signal(self, signal: str, payload: Any = ..., *, request_id: str | None = ...) -> None: ...
    async def signal(self, signal: Any, payload: Any = None, *, request_id: str | None = None) -> None:
        """Send a signal; it is durable when this returns."""
        await asyncio.to_thread(self._handle.signal, signal, payload, request_id=request_id)

    @overload
    async def execute_update(self, update: Update[Any, R], payload: Any = ..., **options: Any) -> R: ...
    @overload
    async def execute_update(self, update: str, payload: Any = ..., **options: Any) -> Any: ...
    async def execute_update(self, update: Any, payload: Any = None, **options: Any) -> Any:
        """Send an update and wait for its answer; options and errors are those of :meth:`WorkflowHandle.execute_update`."""
        timeout: timedelta | None = options.pop("timeout", None)
        async with asyncio.timeout(None if timeout is None else timeout.total_seconds()):
            started: AsyncWorkflowUpdateHandle[Any] = await self.start_update(update, payload, **options)
            return await started.result()

    @overload
    async def start_update(
        self, update: Update[Any, R], payload: Any = ..., **options: Any
    ) -> AsyncWorkflowUpdateHandle[R]: ...
    @overload
    async def start_update(
        self, update: str, payload: Any = ..., **options: Any
    ) -> AsyncWorkflowUpdateHandle[Any]: ...
    async def start_update(
        self, update: Any, payload: Any = None, **options: Any
    ) -> AsyncWorkflowUpdateHandle[Any]:
        """Send an update; options and errors are those of :meth:`WorkflowHandle.start_update`."""
        start: Any = self._handle.start_update
        return AsyncWorkflowUpdateHandle(await asyncio.to_thread(start, update, payload, **options))

    async def get_update_handle(
        self, id: str, *, update: Update[Any, Any] | None = None
    ) -> AsyncWorkflowUpdateHandle[Any]:
        """The handle of an update that was sent before."""
        find: Any = self._handle.get_update_handle
        return AsyncWorkflowUpdateHandle(await asyncio.to_thread(find, id, update=update))

    @overload
    async def query(
        self, query: Query[T], *args: object, reject_condition: QueryRejectCondition | None = ...
    ) -> T: ...
    @overload
    async def query(
        self, query: str, *args: object, reject_condition: QueryRejectCondition | None = ...
    ) -> Any: ...
    async def query(
        self, query: Any, *args: object, reject_condition: QueryRejectCondition | None = None
    ) -> Any:
        """Ask the run, open or closed, at the last event of its history."""
        ask: Any = self._handle.query
        return await asyncio.to_thread(ask, query, *args, reject_condition=reject_condition)

    async def cancel(self, reason: str = "", *, request_id: str | None = None) -> None:
        """Ask the run to stop."""
        await asyncio.to_thread(self._handle.cancel, reason, request_id=request_id)

    async def terminate(self, reason: str = "", *, request_id: str | None = None) -> None:
        """End the run at once, without asking its code."""
        await asyncio.to_thread(self._handle.terminate, reason, request_id=request_id)

    async def describe(self) -> WorkflowDescription:
        """What is known of the run, and what it waits for."""
        return await asyncio.to_thread(self._handle.describe)

    pause = _off_the_loop(RunOperations.pause, "_handle")
    resume = _off_the_loop(RunOperations.resume, "_handle")
    delete = _off_the_loop(RunOperations.delete, "_handle")
    update_options = _off_the_loop(RunOperations.update_options, "_handle")

    async def reset(self, **options: Any) -> AsyncWorkflowHandle[R_co]:
        """Begin anew at an earlier turn, in a new run; options as for :meth:`WorkflowHandle.reset`."""
        reset: Any = self._handle.reset
        return AsyncWorkflowHandle(await asyncio.to_thread(reset, **options))

    async def fork(self, id: str, *args: Any, **options: Any) -> AsyncWorkflowHandle[R_co]:
        """Begin another run at an earlier turn of this one; options as for :meth:`WorkflowHandle.fork`."""
        fork: Any = self._handle.fork
        return AsyncWorkflowHandle(await asyncio.to_thread(fork, id, *args, **options))

    async def history(self) -> Sequence[HistoryEvent]:
        """All events so far."""
        return await asyncio.to_thread(self._handle.history)
