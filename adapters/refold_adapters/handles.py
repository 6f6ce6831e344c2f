"""The typed handle of one run: what can be done with a run that is there.

One rule: a handle knows ids and a type, and asks its client for the rest each time, so that it never goes stale.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload
from uuid import uuid4

from refold import Query, Signal
from refold.events import HistoryEvent
from refold.ids import checked_id
from refold.messages import CancelWorkflow, Message, SignalWorkflow
from refold.payloads import Plain, decode, encode
from refold_adapters.administration import terminate
from refold_adapters.closings import Ending, ending_of
from refold_adapters.inspection import WorkflowDescription, describe, load_execution, read_history
from refold_adapters.results import result_of
from refold_adapters.runtime_errors import WorkflowNotFoundError

if TYPE_CHECKING:
    from refold_adapters.client import Client

R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


class WorkflowHandle(Generic[R_co]):
    """One run, or the current run of a workflow id."""

    def __init__(self, client: Client, workflow_id: str, run_id: str | None, result_type: Any) -> None:
        self._client = client
        self.workflow_id = workflow_id
        self.run_id = run_id
        self._result_type = result_type

    def __repr__(self) -> str:
        return f"<workflow {self.workflow_id} run {self.run_id or 'current'}>"

    def result(self, *, timeout: timedelta | None = None) -> R_co:
        """Wait for the run to end and return its result.

        Raises :class:`WorkflowFailedError` (RF5109) if it did not complete, :class:`WorkflowParkedError` (RF5106) if it cannot go on
        until its code is mended, ``TimeoutError`` after ``timeout``.
        """
        future, run_id = self.watch()
        try:
            ended = future.result(None if timeout is None else timeout.total_seconds())
        finally:
            self.unwatch(run_id, future)
        result: R_co = self.take_result(ended)
        return result

    def watch(self) -> tuple[Future[Ending], str]:
        """A future of the run's end, and its run id."""
        run_id = self.run_id or self._client.row(self.workflow_id, None).run_id
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
    def signal(self, signal: Signal[None]) -> None: ...
    @overload
    def signal(self, signal: Signal[T], payload: T) -> None: ...
    @overload
    def signal(self, signal: str, payload: Any = ...) -> None: ...
    def signal(self, signal: Signal[Any] | str, payload: Any = None) -> None:
        """Send a signal; it is durable when this returns.  Raises RF5102, RF5103, and RF13xx for a payload that does not fit."""
        if isinstance(signal, str):
            name = checked_id(signal, "signal name")
            plain: list[Plain] = [] if payload is None else [encode(payload)]
        else:
            name, plain = signal.name, signal.encode(payload)
        self._send(
            SignalWorkflow(
                signal_name=name, input=plain, identity=self._client.identity, request_id=uuid4().hex
            )
        )

    def cancel(self, reason: str = "") -> None:
        """Ask the run to stop; it may clean up first, or go on."""
        self._send(CancelWorkflow(reason=reason, identity=self._client.identity, request_id=uuid4().hex))

    def _send(self, message: Message) -> None:
        self._client.send(self.workflow_id, self.run_id, message)

    def terminate(self, reason: str = "") -> None:
        """End the run at once, without asking its code.  Raises RF5102, RF5103."""
        row = self._client.row(self.workflow_id, self.run_id)
        ended = ending_of(terminate(self._client.store, row, reason=reason, identity=self._client.identity))
        if ended is not None:
            self._client.closings.settle(ended)

    @overload
    def query(self, query: Query[T], *args: object) -> T: ...
    @overload
    def query(self, query: str, *args: object) -> Any: ...
    def query(self, query: Query[Any] | str, *args: object) -> Any:
        """Ask the run, open or closed, at the last event of its history.

        Raises :class:`QueryError` (RF111x), and RF5104 where this client does not know the workflow's code.
        """
        row = self._client.row(self.workflow_id, self.run_id)
        with load_execution(self._client.store, row, self._client.definition_of(row)) as execution:
            plain = execution.query(query, *args)
        if isinstance(query, str):
            return plain
        return decode(plain, query.type)

    def describe(self) -> WorkflowDescription:
        """What is known of the run, and what it waits for."""
        row = self._client.row(self.workflow_id, self.run_id)
        return describe(self._client.store, row, self._client.known_definition(row))

    def history(self) -> Sequence[HistoryEvent]:
        """All events so far."""
        row = self._client.row(self.workflow_id, self.run_id)
        return read_history(self._client.store, row.run_id)
