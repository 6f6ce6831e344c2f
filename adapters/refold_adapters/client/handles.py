"""The typed handle of one run: what can be done with a run that is there.

One rule: a handle knows ids and a type, and asks its client for the rest each time, so that it never goes stale.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from refold import Query, Signal, Update, fold
from refold.events import HistoryEvent
from refold.ids import checked_id
from refold.messages import CancelWorkflow, Message, UpdateWorkflow
from refold.payloads import Plain, decode, encode
from refold_adapters.client.operations import RunOperations
from refold_adapters.client.update_handles import WorkflowUpdateHandle, raise_refusal
from refold_adapters.operating.inspection import WorkflowDescription, describe, load_execution, read_history
from refold_adapters.ports import Accepted, Outcome, RunRow, RunStatus
from refold_adapters.random_ids import random_hex
from refold_adapters.runtime_errors import (
    WorkflowClosedError,
    WorkflowNotFoundError,
    WorkflowQueryRejectedError,
)
from refold_adapters.turns.results import Ending, next_run_of, result_of
from refold_adapters.turns.starting import not_sendable, signal_message
from refold_adapters.turns.update_news import UpdateNews
from refold_adapters.waiting.update_waits import UpdateWait, WorkflowUpdateStage

if TYPE_CHECKING:
    from refold_adapters.client.client import Client

R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")
T = TypeVar("T")


class QueryRejectCondition(str, Enum):
    """When a query is not to be asked."""

    #: The run is closed.
    NOT_OPEN = "NOT_OPEN"
    #: The run is closed, and not because it completed.
    NOT_COMPLETED_CLEANLY = "NOT_COMPLETED_CLEANLY"

    @property
    def statuses(self) -> tuple[RunStatus, ...]:
        """The statuses in which it holds."""
        allowed = [RunStatus.RUNNING]
        if self is QueryRejectCondition.NOT_COMPLETED_CLEANLY:
            allowed += [RunStatus.COMPLETED, RunStatus.CONTINUED_AS_NEW]
        return tuple(status for status in RunStatus if status not in allowed)


class WorkflowHandle(RunOperations, Generic[R_co]):
    """One run, or the current run of a workflow id."""

    def __init__(
        self,
        client: Client,
        workflow_id: str,
        run_id: str | None,
        result_type: Any,
        *,
        first_run_id: str | None = None,
    ) -> None:
        self._client = client
        self.workflow_id = workflow_id
        self.run_id = run_id
        #: Given where messages follow the run that this one becomes by continuing as new or by being tried again.
        self.first_run_id = first_run_id
        self._result_type = result_type
        self._current = run_id

    def __repr__(self) -> str:
        return f"<workflow {self.workflow_id} run {self.run_id or 'current'}>"

    def result(self, *, timeout: timedelta | None = None, follow_runs: bool = True) -> R_co:
        """Wait for the run to end and return its result; of a run that goes on in another, the result of the last.

        Raises :class:`WorkflowFailedError` (RF5109) if it did not complete, :class:`WorkflowParkedError` (RF5106) if it cannot go on
        until its code is mended, ``TimeoutError`` after ``timeout``.  Without ``follow_runs``, a run that continued as new has failed.
        """
        monotonic = self._client.closings.host.monotonic
        end = None if timeout is None else monotonic() + timeout.total_seconds()
        future, run_id = self.watch()
        while True:
            try:
                ended = future.result(None if end is None else max(0.0, end - monotonic()))
            finally:
                self.unwatch(run_id, future)
            following = next_run_of(ended.closing_event) if follow_runs else None
            if following is None:
                result: R_co = self.take_result(ended)
                return result
            future, run_id = self.watch(following)

    def watch(self, run_id: str | None = None) -> tuple[Future[Ending], str]:
        """A future of the end of the run (or of that one), and its run id."""
        run_id = run_id or self.run_id or self._client.row(self.workflow_id, None).run_id
        future = self._client.closings.watch(self.workflow_id, run_id)
        if future is None:
            raise WorkflowNotFoundError(self.workflow_id, run_id)
        return future, run_id

    def unwatch(self, run_id: str, future: Future[Ending]) -> None:
        """Nobody waits for that future any more."""
        self._client.closings.forget(run_id, future)

    def take_result(self, ending: Ending) -> Any:
        """The result of an ended run, as its type; raises as :meth:`result` does."""
        type_ = self._result_type
        if type_ is Any and ending.workflow_type in self._client.registry.workflows:
            type_ = self._client.registry.workflows[ending.workflow_type].result_type
        return result_of(ending, type_)

    @overload
    def signal(self, signal: Signal[None], *, request_id: str | None = ...) -> None: ...
    @overload
    def signal(self, signal: Signal[T], payload: T, *, request_id: str | None = ...) -> None: ...
    @overload
    def signal(self, signal: str, payload: Any = ..., *, request_id: str | None = ...) -> None: ...
    def signal(
        self, signal: Signal[Any] | str, payload: Any = None, *, request_id: str | None = None
    ) -> None:
        """Send a signal; it is durable when this returns.  A repeated ``request_id`` changes nothing.

        Raises RF5102, RF5103, and RF13xx for a payload that does not fit.
        """
        identity = self._client.identity
        message = signal_message(signal, payload, identity=identity, request_id=request_id)
        self._send(message, None if request_id is None else message.request_id)

    def cancel(self, reason: str = "", *, request_id: str | None = None) -> None:
        """Ask the run to stop; it may clean up first, or go on.  A repeated ``request_id`` changes nothing."""
        identity = self._client.identity
        message = CancelWorkflow(reason=reason, identity=identity, request_id=request_id or random_hex())
        self._send(message, request_id)

    def _send(self, message: Message, request_id: str | None = None) -> tuple[str, Outcome]:
        """Have a message accepted by the run, or by the one that it has become; returns which, and the answer."""
        while True:
            run_id = self._current
            try:
                outcome = self._client.sender.send(self.workflow_id, run_id, message)
            except WorkflowClosedError as error:
                # First of all: a run that goes on elsewhere has heard it too, and the next one must not hear it again.
                if request_id is not None and self._has_heard(error.run_id, request_id):
                    return error.run_id, Accepted(error.run_id, None)
                if self._move_on():
                    continue
                raise
            return (outcome.run_id if isinstance(outcome, Accepted) else run_id or ""), outcome

    def _move_on(self) -> bool:
        """Turn to the run that goes on where the current one ended, if messages follow it and there is one."""
        if self.first_run_id is None or self._current is None:
            return False
        following = next_run_of(self._client.row(self.workflow_id, self._current).closing_event)
        if following is None:
            return False
        self._current = following
        return True

    def _has_heard(self, run_id: str, request_id: str) -> bool:
        return request_id in fold(read_history(self._client.store, run_id)).request_ids

    def current_row(self) -> RunRow:
        """The run that this handle stands for now."""
        row = self._client.row(self.workflow_id, self._current)
        while row.closed_at is not None and self._move_on():
            row = self._client.row(self.workflow_id, self._current)
        return row

    # Updates --------------------------------------------------------------------------------------------------------

    @overload
    def execute_update(
        self, update: Update[None, R], *, id: str | None = ..., timeout: timedelta | None = ...
    ) -> R: ...
    @overload
    def execute_update(
        self, update: Update[T, R], payload: T, *, id: str | None = ..., timeout: timedelta | None = ...
    ) -> R: ...
    @overload
    def execute_update(
        self, update: str, payload: Any = ..., *, id: str | None = ..., timeout: timedelta | None = ...
    ) -> Any: ...
    def execute_update(
        self,
        update: Update[Any, Any] | str,
        payload: Any = None,
        *,
        id: str | None = None,
        timeout: timedelta | None = None,
    ) -> Any:
        """Send an update, wait for its handler to end, and return the answer; raises as :meth:`start_update` and ``result`` do."""
        monotonic = self._client.closings.host.monotonic
        end = None if timeout is None else monotonic() + timeout.total_seconds()
        wait = self.send_update(update, payload, id)
        started: WorkflowUpdateHandle[Any] = self.started_update(
            wait, update, WorkflowUpdateStage.ACCEPTED, timeout
        )
        return started.result(timeout=None if end is None else timedelta(seconds=max(0.0, end - monotonic())))

    @overload
    def start_update(
        self,
        update: Update[Any, R],
        payload: Any = ...,
        *,
        id: str | None = ...,
        wait_for_stage: WorkflowUpdateStage = ...,
        timeout: timedelta | None = ...,
    ) -> WorkflowUpdateHandle[R]: ...
    @overload
    def start_update(
        self,
        update: str,
        payload: Any = ...,
        *,
        id: str | None = ...,
        wait_for_stage: WorkflowUpdateStage = ...,
        timeout: timedelta | None = ...,
    ) -> WorkflowUpdateHandle[Any]: ...
    def start_update(
        self,
        update: Update[Any, Any] | str,
        payload: Any = None,
        *,
        id: str | None = None,
        wait_for_stage: WorkflowUpdateStage = WorkflowUpdateStage.ACCEPTED,
        timeout: timedelta | None = None,
    ) -> WorkflowUpdateHandle[Any]:
        """Send an update and wait until it is accepted, or until its handler has ended; a repeated ``id`` changes nothing.

        Raises :class:`WorkflowUpdateRejectedError` (RF5131) if the run refuses it, :class:`WorkflowUpdateUnfinishedError` (RF5133)
        if the run ends first, :class:`WorkflowParkedError` (RF5106), RF5102, RF5103, and ``TimeoutError`` after ``timeout``: it may
        still be accepted then, and a call with the same ``id`` tells.
        """
        return self.started_update(self.send_update(update, payload, id), update, wait_for_stage, timeout)

    def send_update(
        self, update: Update[Any, Any] | str, payload: Any, id: str | None, *, with_start: bool = False
    ) -> UpdateWait:
        """Have an update taken by the run, and wait for its acceptance."""
        message = self.update_message(update, payload, id or random_hex())
        updates = self._client.closings.updates
        row = self.current_row() if self._current is None else None
        run_id = self._current or (row.run_id if row is not None else "")
        while True:
            wait = updates.register(self.workflow_id, run_id, message.update_id, WorkflowUpdateStage.ACCEPTED)
            try:
                outcome = self._client.sender.send(self.workflow_id, run_id, message, with_start=with_start)
            except WorkflowClosedError:
                wait.look()  # the same call may have been made before
                if wait.accepted:
                    return wait
                updates.forget(wait)
                if not self._move_on() or self._current is None:
                    raise
                run_id = self._current
                continue
            except BaseException:
                updates.forget(wait)
                raise
            if isinstance(outcome, Accepted):
                wait.message_id = outcome.message_id
            if wait.message_id is None and not wait.find():
                updates.forget(wait)
                continue  # the same update was on its way, and was refused since: this one is another try
            return wait

    def started_update(
        self,
        wait: UpdateWait,
        update: Update[Any, Any] | str,
        wait_for_stage: WorkflowUpdateStage,
        timeout: timedelta | None,
    ) -> WorkflowUpdateHandle[Any]:
        """The handle of an update that was sent, once it is at that stage."""
        try:
            self.look_for(wait)
            news = wait.future.result(None if timeout is None else timeout.total_seconds())
        finally:
            self.unwatch_update(wait)
        handle = self.accepted_update(wait, update, news)
        if wait_for_stage is WorkflowUpdateStage.COMPLETED:
            handle = self.accepted_update(wait, update, handle.wait_for_answer(timeout=timeout))
        return handle

    def look_for(self, wait: UpdateWait) -> None:
        """Look whether something became of an update that nobody has told yet."""
        if not wait.future.done():
            self._client.closings.updates.check(wait)

    def unwatch_update(self, wait: UpdateWait) -> None:
        """Nobody waits for that update any more."""
        self._client.closings.updates.forget(wait)

    def accepted_update(
        self, wait: UpdateWait, update: Update[Any, Any] | str, news: UpdateNews
    ) -> WorkflowUpdateHandle[Any]:
        """The handle of an update, with what is known of it; raises RF5131 if it was refused."""
        raise_refusal(self.workflow_id, news)
        result_type = Any if isinstance(update, str) else update.result_type
        return WorkflowUpdateHandle(
            self._client, self.workflow_id, wait.run_id, wait.update_id, result_type, news
        )

    def update_message(self, update: Update[Any, Any] | str, payload: Any, update_id: str) -> UpdateWorkflow:
        """An update as a message; raises RF13xx for a payload that does not fit, and RF5136 for what is no update."""
        given: object = update
        if not isinstance(given, Update | str):
            raise not_sendable(given, "the update, and its payload after it or as payload=...")
        if isinstance(update, str):
            name = checked_id(update, "update name")
            plain: list[Plain] = [] if payload is None else [encode(payload)]
        else:
            name, plain = update.name, update.encode(payload)
        return UpdateWorkflow(
            update_id=checked_id(update_id, "update id"),
            update_name=name,
            input=plain,
            identity=self._client.identity,
        )

    @overload
    def get_update_handle(self, id: str, *, update: Update[Any, R]) -> WorkflowUpdateHandle[R]: ...
    @overload
    def get_update_handle(self, id: str) -> WorkflowUpdateHandle[Any]: ...
    def get_update_handle(
        self, id: str, *, update: Update[Any, Any] | None = None
    ) -> WorkflowUpdateHandle[Any]:
        """The handle of an update that was sent before, by this process or another one."""
        run_id = self._current or self.current_row().run_id
        result_type = Any if update is None else update.result_type
        return WorkflowUpdateHandle(
            self._client, self.workflow_id, run_id, checked_id(id, "update id"), result_type
        )

    # Questions ------------------------------------------------------------------------------------------------------

    @overload
    def query(
        self, query: Query[T], *args: object, reject_condition: QueryRejectCondition | None = ...
    ) -> T: ...
    @overload
    def query(
        self, query: str, *args: object, reject_condition: QueryRejectCondition | None = ...
    ) -> Any: ...
    def query(
        self, query: Query[Any] | str, *args: object, reject_condition: QueryRejectCondition | None = None
    ) -> Any:
        """Ask the run, open, parked or closed, at the last event of its history; it never waits for a worker.

        Raises :class:`QueryError` (RF111x, also where the run has not begun), RF5104 where this client does not know the workflow's
        code, and :class:`WorkflowQueryRejectedError` (RF5134) where ``reject_condition`` holds.
        """
        row = self.current_row()
        if reject_condition is not None and row.status in reject_condition.statuses:
            raise WorkflowQueryRejectedError(
                row.workflow_id, row.run_id, row.status.value, reject_condition.value
            )
        with load_execution(self._client.store, row, self._client.definition_of(row)) as execution:
            plain = execution.query(query, *args)
        if isinstance(query, str):
            return plain
        return decode(plain, query.type)

    def describe(self) -> WorkflowDescription:
        """What is known of the run, and what it waits for."""
        row = self.current_row()
        return describe(self._client.store, row, self._client.known_definition(row))

    def history(self) -> Sequence[HistoryEvent]:
        """All events so far."""
        row = self.current_row()
        return read_history(self._client.store, row.run_id)
