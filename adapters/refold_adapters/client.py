"""The client: starts runs and talks to them through typed handles.

One rule: when a call returns, what it did is durable.  Where a worker runs in the same process, messages go into its next turn and share
its commit; otherwise they go into the run's inbox in the store, where any worker finds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar, overload
from uuid import uuid4

import attrs

from refold import (
    WorkflowDefinition,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from refold.codec import encode_message
from refold.ids import checked_id
from refold.messages import Message, StartWorkflow
from refold.payloads import encode
from refold_adapters.acceptances import accept_write
from refold_adapters.closings import Closings, Ending
from refold_adapters.handles import WorkflowHandle
from refold_adapters.ports import (
    Closed,
    Created,
    CreateRun,
    Exists,
    NotFound,
    Outcome,
    RunFilter,
    RunRow,
    RunStatus,
    Store,
)
from refold_adapters.registry import Registry
from refold_adapters.results import result_of
from refold_adapters.runtime_errors import (
    WorkflowAlreadyStartedError,
    WorkflowClosedError,
    WorkflowNotFoundError,
)
from refold_adapters.worker import Worker

P = ParamSpec("P")
R = TypeVar("R")

_CLOSED = [status for status in RunStatus if status is not RunStatus.RUNNING]
_BLOCKED_BY: dict[WorkflowIDReusePolicy, Sequence[RunStatus]] = {
    WorkflowIDReusePolicy.ALLOW_DUPLICATE: (),
    WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY: (RunStatus.COMPLETED, RunStatus.CONTINUED_AS_NEW),
    WorkflowIDReusePolicy.REJECT_DUPLICATE: tuple(_CLOSED),
}


class NotCreatedError(Exception):
    """A run of the workflow id was there already; never leaves this module."""


class Client:
    """Starts workflows and gets handles of them; safe to use from several threads."""

    def __init__(
        self,
        store: Store,
        *,
        workflows: Iterable[WorkflowDefinition[..., Any]] = (),
        identity: str = "",
        local_worker: Worker | None = None,
        closings: Closings | None = None,
    ) -> None:
        self.store = store
        self.registry = Registry(workflows)
        self.identity = identity
        self._local_worker = local_worker
        self.closings = closings or Closings(store)

    # Starting -------------------------------------------------------------------------------------------------------

    @overload
    def start(
        self,
        workflow: WorkflowDefinition[P, R],
        *args: Any,
        id: str,
        task_queue: str = ...,
        id_reuse_policy: WorkflowIDReusePolicy = ...,
        id_conflict_policy: WorkflowIDConflictPolicy = ...,
        request_id: str | None = ...,
    ) -> WorkflowHandle[R]: ...
    @overload
    def start(
        self,
        workflow: str,
        *args: Any,
        id: str,
        task_queue: str = ...,
        id_reuse_policy: WorkflowIDReusePolicy = ...,
        id_conflict_policy: WorkflowIDConflictPolicy = ...,
        request_id: str | None = ...,
    ) -> WorkflowHandle[Any]: ...
    def start(
        self,
        workflow: Any,
        *args: Any,
        id: str,
        task_queue: str = "default",
        id_reuse_policy: WorkflowIDReusePolicy = WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        id_conflict_policy: WorkflowIDConflictPolicy = WorkflowIDConflictPolicy.FAIL,
        request_id: str | None = None,
    ) -> WorkflowHandle[Any]:
        """Start a workflow, durably, and return its handle.

        Raises :class:`WorkflowAlreadyStartedError` (RF5101) where the policies do not allow another run of that id, and
        :class:`PayloadError` (RF13xx) for arguments that cannot be stored or do not fit the declared types.  A repeated
        ``request_id`` starts nothing new.
        """
        creation, message, result_type = self._creation(
            workflow, args, id, task_queue, id_reuse_policy, request_id
        )
        run_id = creation.run_id
        outcome = self._create(creation, message)
        if isinstance(outcome, Exists) and not outcome.same_request and outcome.run_id != run_id:
            is_open = outcome.status is RunStatus.RUNNING
            if is_open and id_conflict_policy is WorkflowIDConflictPolicy.TERMINATE_EXISTING:
                self.handle(id, outcome.run_id).terminate("terminated by a new start of the same workflow id")
                outcome = self._create(creation, message)
            takes_it = is_open and id_conflict_policy is WorkflowIDConflictPolicy.USE_EXISTING
            if isinstance(outcome, Exists) and not takes_it:
                raise WorkflowAlreadyStartedError(id, outcome.run_id, outcome.status.value)
        if isinstance(outcome, Exists):
            run_id = outcome.run_id
        return WorkflowHandle(self, id, run_id, result_type)

    def _creation(  # noqa: PLR0917 - one caller's arguments, passed on
        self,
        workflow: WorkflowDefinition[..., Any] | str,
        args: tuple[Any, ...],
        id: str,
        task_queue: str,
        id_reuse_policy: WorkflowIDReusePolicy,
        request_id: str | None,
    ) -> tuple[CreateRun, StartWorkflow, Any]:
        """What creates a run (still without its message), the message, and the type of the result."""
        definition = self._definition(workflow)
        name = workflow if isinstance(workflow, str) else workflow.name
        plain = [encode(arg) for arg in args] if definition is None else definition.encode_input(*args)
        run_id = str(uuid4())
        message = StartWorkflow(
            workflow_id=checked_id(id, "workflow id"),
            run_id=run_id,
            workflow_type=checked_id(name, "workflow name"),
            task_queue=checked_id(task_queue, "task queue"),
            input=plain,
            identity=self.identity,
            request_id=request_id or run_id,
        )
        creation = CreateRun(
            run_id=run_id,
            workflow_id=id,
            workflow_type=name,
            task_queue=task_queue,
            message=None,
            request_id=request_id or run_id,
            blocked_by=_BLOCKED_BY[id_reuse_policy],
            ready_at=0,
        )
        result_type = Any if definition is None else definition.result_type
        return creation, message, result_type

    def _definition(
        self, workflow: WorkflowDefinition[..., Any] | str
    ) -> WorkflowDefinition[..., Any] | None:
        if not isinstance(workflow, str):
            return workflow
        return self.registry.workflows.get(workflow)

    def _create(self, creation: CreateRun, message: StartWorkflow) -> Outcome:
        worker = self._local_worker
        if worker is not None and worker.can_run(creation.workflow_type, creation.task_queue):
            return worker.submit_start(creation, message).result()
        return self.store.apply([attrs.evolve(creation, message=encode_message(message))])[0]

    @overload
    def run(self, workflow: WorkflowDefinition[P, R], *args: Any, id: str, **options: Any) -> R: ...
    @overload
    def run(self, workflow: str, *args: Any, id: str, **options: Any) -> Any: ...
    def run(self, workflow: Any, *args: Any, id: str, **options: Any) -> Any:
        """The result of the run of that id: of the one that is open or has completed, or else of a new one.

        So a program that is started again after a crash goes on with its run, or gets the result that it missed.  Options as for
        :meth:`start`; with ``id_reuse_policy=ALLOW_DUPLICATE`` a completed run does not count.  Raises as ``start`` and ``result`` do.
        """
        ending = self._run_here(workflow, args, id, options)
        if ending is not None:
            future, result_type = ending
            try:
                return result_of(future.result(), result_type)
            except NotCreatedError:
                del ending  # a run of that id was there already
        return self.attach(workflow, *args, id=id, **options).result()

    def attach(
        self, workflow: WorkflowDefinition[..., Any] | str, *args: Any, id: str, **options: Any
    ) -> WorkflowHandle[Any]:
        """The handle of the run of that id: of the one that is open or has completed, or else of a new one."""
        options.setdefault("id_conflict_policy", WorkflowIDConflictPolicy.USE_EXISTING)
        options.setdefault("id_reuse_policy", WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY)
        start: Any = self.start
        try:
            handle: WorkflowHandle[Any] = start(workflow, *args, id=id, **options)
        except WorkflowAlreadyStartedError as error:
            definition = self._definition(workflow)
            return WorkflowHandle(
                self, id, error.run_id, Any if definition is None else definition.result_type
            )
        return handle

    def _run_here(
        self,
        workflow: WorkflowDefinition[..., Any] | str,
        args: tuple[Any, ...],
        id: str,
        options: dict[str, Any],
    ) -> tuple[Future[Ending], Any] | None:
        """Start a run on the worker of this process and wait for nothing but its end; None if there is no such worker."""
        worker = self._local_worker
        name = workflow if isinstance(workflow, str) else workflow.name
        if worker is None or options or not worker.can_run(name, worker.task_queue):
            return None
        creation, message, result_type = self._creation(
            workflow, args, id, worker.task_queue, WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY, None
        )
        ending = self.closings.register(id, creation.run_id)

        def created(start: Future[Outcome]) -> None:
            error = start.exception()
            if error is not None or not isinstance(start.result(), Created):
                self.closings.forget(creation.run_id, ending)
                ending.set_exception(error or NotCreatedError())

        worker.submit_start(creation, message).add_done_callback(created)
        return ending, result_type

    # Finding --------------------------------------------------------------------------------------------------------

    @overload
    def handle(
        self, workflow_id: str, run_id: str | None = ..., *, workflow: WorkflowDefinition[P, R]
    ) -> WorkflowHandle[R]: ...
    @overload
    def handle(self, workflow_id: str, run_id: str | None = ...) -> WorkflowHandle[Any]: ...
    def handle(
        self, workflow_id: str, run_id: str | None = None, *, workflow: Any = None
    ) -> WorkflowHandle[Any]:
        """A handle of a run (of the open, else the latest, if no run id is given); nothing is looked up yet."""
        return WorkflowHandle(self, workflow_id, run_id, Any if workflow is None else workflow.result_type)

    def list(
        self,
        *,
        workflow_id: str | None = None,
        workflow_type: str | None = None,
        statuses: Sequence[RunStatus] | None = None,
        parked: bool | None = None,
        limit: int | None = None,
    ) -> Iterator[RunRow]:
        """Runs, newest first, read page by page."""
        before: tuple[int, str] | None = None
        left = limit
        while left is None or left > 0:
            page = self.store.list_runs(
                RunFilter(
                    workflow_id=workflow_id,
                    workflow_type=workflow_type,
                    statuses=statuses,
                    parked=parked,
                    limit=min(200, left if left is not None else 200),
                    before=before,
                )
            )
            yield from page
            if not page:
                return
            before = (page[-1].started_at, page[-1].run_id)
            left = None if left is None else left - len(page)

    # For handles ----------------------------------------------------------------------------------------------------

    def row(self, workflow_id: str, run_id: str | None) -> RunRow:
        """The run behind a handle; raises :class:`WorkflowNotFoundError` (RF5102)."""
        row = self.store.find_run(checked_id(workflow_id, "workflow id"), run_id)
        if row is None:
            raise WorkflowNotFoundError(workflow_id, run_id)
        return row

    def send(self, workflow_id: str, run_id: str | None, message: Message) -> None:
        """Have a message accepted; raises RF5102 and RF5103."""
        worker = self._local_worker
        outcome: Outcome
        checked_id(workflow_id, "workflow id")
        if worker is not None and run_id is not None and self.closings.runs_here(run_id):
            outcome = worker.submit_message(workflow_id, run_id, message).result()
        else:
            outcome = self.store.apply([accept_write(workflow_id, run_id, message)])[0]
        match outcome:
            case NotFound():
                raise WorkflowNotFoundError(workflow_id, run_id)
            case Closed():
                raise WorkflowClosedError(workflow_id, outcome.run_id, outcome.status.value)
            case _:
                return

    def definition_of(self, row: RunRow) -> WorkflowDefinition[..., Any]:
        """The code of a run; raises :class:`UnknownTypeError` (RF5104)."""
        return self.known_definition(row) or self.registry.workflow(row.workflow_type)

    def known_definition(self, row: RunRow) -> WorkflowDefinition[..., Any] | None:
        """The code of a run, if it is known here."""
        found = self.registry.workflows.get(row.workflow_type)
        if found is None and self._local_worker is not None:
            found = self._local_worker.registry.workflows.get(row.workflow_type)
        return found
