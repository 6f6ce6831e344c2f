"""The client: starts runs and talks to them through typed handles.

One rule: when a call returns, what it did is durable.  Where a worker runs in the same process, messages go into its next turn and share
its commit; otherwise they go into the run's inbox in the store, where any worker finds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from datetime import timedelta
from typing import Any, ParamSpec, TypeAlias, TypeVar, Unpack, overload

import attrs

from refold import (
    Signal,
    Update,
    WorkflowDefinition,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from refold.codec import decode_message, encode_message
from refold.ids import checked_id
from refold.messages import Message, StartWorkflow
from refold.payloads import encode
from refold_adapters.built_in import STANDALONE_ACTIVITY
from refold_adapters.client.activity_handles import ActivityHandle, handle_of
from refold_adapters.client.begun import Begun, NotCreatedError
from refold_adapters.client.handles import WorkflowHandle
from refold_adapters.client.standalone import StandaloneActivities
from refold_adapters.client.update_handles import WorkflowUpdateHandle
from refold_adapters.operating.administration import terminating
from refold_adapters.operating.endings import end_if_due
from refold_adapters.ports import (
    Accepted,
    AcceptMessage,
    Closed,
    Committed,
    Created,
    CreateRun,
    Exists,
    NotFound,
    Outcome,
    RunRow,
    RunStatus,
    Store,
)
from refold_adapters.random_ids import random_hex
from refold_adapters.registry import Registry, need_declared
from refold_adapters.runtime_errors import (
    WorkflowAlreadyStartedError,
    WorkflowClosedError,
    WorkflowNotFoundError,
)
from refold_adapters.turns.acceptances import accept_write
from refold_adapters.turns.results import Ending, ending_of, next_run_of, result_of
from refold_adapters.turns.starting import StartKeywords, StartOptions
from refold_adapters.waiting.closings import Closings
from refold_adapters.waiting.update_waits import UpdateWait, WorkflowUpdateStage
from refold_adapters.worker.worker import Worker

P = ParamSpec("P")
R = TypeVar("R")

#: What stands for a workflow: its definition, its class or its name.
Workflows: TypeAlias = WorkflowDefinition[..., Any] | type[Any] | str


class Client(StandaloneActivities):
    """Starts workflows and gets handles of them; safe to use from several threads."""

    def __init__(
        self,
        store: Store,
        *,
        workflows: Iterable[WorkflowDefinition[..., Any] | type[Any]] = (),
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
        self, workflow: WorkflowDefinition[P, R], *args: Any, id: str, **options: Unpack[StartKeywords]
    ) -> WorkflowHandle[R]: ...
    @overload
    def start(
        self, workflow: str | type[Any], *args: Any, id: str, **options: Unpack[StartKeywords]
    ) -> WorkflowHandle[Any]: ...
    def start(
        self, workflow: Any, *args: Any, id: str, **options: Unpack[StartKeywords]
    ) -> WorkflowHandle[Any]:
        """Start a workflow, durably, and return its handle; the options are those of :class:`StartOptions`.

        Raises :class:`WorkflowAlreadyStartedError` (RF5101) where the policies do not allow another run of that id, and
        :class:`PayloadError` (RF13xx) for arguments that cannot be stored or do not fit the declared types.
        """
        chosen = StartOptions(id=id, **options)
        signal = chosen.signal(self.identity)
        while True:
            begun = self._begin(workflow, args, chosen, () if signal is None else (signal,))
            if signal is not None and not begun.created:
                try:
                    self.send(id, begun.run_id, signal, with_start=True)
                except WorkflowClosedError:
                    if not begun.same_request:
                        continue  # it has closed since: the policies decide anew
            return WorkflowHandle(self, id, begun.run_id, begun.result_type, first_run_id=begun.run_id)

    @overload
    def signal_with_start(
        self,
        workflow: WorkflowDefinition[P, R],
        *args: Any,
        id: str,
        signal: Signal[Any] | str,
        payload: Any = ...,
        **options: Unpack[StartKeywords],
    ) -> WorkflowHandle[R]: ...
    @overload
    def signal_with_start(
        self,
        workflow: str | type[Any],
        *args: Any,
        id: str,
        signal: Signal[Any] | str,
        payload: Any = ...,
        **options: Unpack[StartKeywords],
    ) -> WorkflowHandle[Any]: ...
    def signal_with_start(
        self,
        workflow: Any,
        *args: Any,
        id: str,
        signal: Signal[Any] | str,
        payload: Any = None,
        **options: Unpack[StartKeywords],
    ) -> WorkflowHandle[Any]:
        """Signal the open run of that id; where there is none, start one and signal it, in one commit."""
        options.setdefault("id_conflict_policy", WorkflowIDConflictPolicy.USE_EXISTING)
        options["start_signal"] = (signal, payload)
        handle: WorkflowHandle[Any] = self.start(workflow, *args, id=id, **options)
        return handle

    def update_with_start(
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
    ) -> WorkflowUpdateHandle[R]:
        """Send an update to the open run of that id; where there is none, start one and send it the update.

        Where a worker of this process makes the run, start and update share a commit.  Raises as :meth:`start` and
        :meth:`WorkflowHandle.start_update` do; a run that was started for an update that it refuses stays.
        """
        handle, wait = self.send_update_with_start(
            workflow, args, id=id, update=update, payload=payload, update_id=update_id, options=options
        )
        return handle.started_update(wait, update, wait_for_stage, timeout)

    def send_update_with_start(
        self,
        workflow: Workflows,
        args: tuple[Any, ...],
        *,
        id: str,
        update: Update[Any, Any],
        payload: Any,
        update_id: str | None,
        options: StartKeywords,
    ) -> tuple[WorkflowHandle[Any], UpdateWait]:
        """Have an update taken by a run that may be started for it, and wait for its acceptance."""
        options.setdefault("id_conflict_policy", WorkflowIDConflictPolicy.USE_EXISTING)
        chosen = StartOptions(id=id, **options)
        handle = WorkflowHandle[Any](self, id, None, Any)
        message = handle.update_message(update, payload, update_id or chosen.request_id or random_hex())
        while True:
            begun = self._begin(workflow, args, chosen, (message,), update=message.update_id)
            handle = WorkflowHandle[Any](self, id, begun.run_id, begun.result_type, first_run_id=begun.run_id)
            if begun.wait is not None:
                return handle, begun.wait
            try:
                return handle, handle.send_update(update, payload, message.update_id, with_start=True)
            except WorkflowClosedError:
                if begun.same_request:
                    raise

    def _begin(
        self,
        workflow: Workflows,
        args: tuple[Any, ...],
        options: StartOptions,
        more: Sequence[Message] = (),
        update: str | None = None,
    ) -> Begun:
        """Create a run as the policies say, with ``more`` messages in the same commit; raises RF5101."""
        creation, message, result_type = self._order(workflow, args, options)
        wait = None
        if update is not None:
            wait = self.closings.updates.register(
                options.id, creation.run_id, update, WorkflowUpdateStage.ACCEPTED
            )
        outcomes = self._create(creation, message, more)
        outcome = outcomes[0]
        while isinstance(outcome, Exists) and outcome.status is RunStatus.RUNNING:
            row = self.store.find_run(options.id, outcome.run_id)
            terminates = options.id_conflict_policy is WorkflowIDConflictPolicy.TERMINATE_EXISTING
            if outcome.same_request or row is None or not terminates:
                break
            if (row.workflow_type == STANDALONE_ACTIVITY) != (creation.workflow_type == STANDALONE_ACTIVITY):
                raise WorkflowAlreadyStartedError(options.id, row.run_id, row.status.value, other_kind=True)
            outcomes = (
                self._replace(row, creation, message, more)
                if row.closed_at is None
                else self._create(creation, message, more)
            )
            outcome = outcomes[0]
        if isinstance(outcome, Created):
            if wait is not None and isinstance(outcomes[-1], Accepted):
                wait.message_id = outcomes[-1].message_id
            return Begun(creation.run_id, result_type, created=True, wait=wait)
        if wait is not None:
            self.closings.updates.forget(wait)
        assert isinstance(outcome, Exists), outcome
        takes_it = outcome.status is RunStatus.RUNNING and options.takes_existing
        if outcome.same_request or outcome.run_id == creation.run_id or takes_it:
            return Begun(outcome.run_id, result_type, same_request=outcome.same_request)
        raise WorkflowAlreadyStartedError(options.id, outcome.run_id, outcome.status.value)

    def _order(
        self, workflow: Workflows, args: tuple[Any, ...], options: StartOptions
    ) -> tuple[CreateRun, StartWorkflow, Any]:
        """What creates a run (still without its message), the message, and the type of the result."""
        definition = self._definition(workflow)
        name = workflow if isinstance(workflow, str) else need_declared(workflow).name
        plain = [encode(arg) for arg in args] if definition is None else definition.encode_input(*args)
        worker = self._local_worker
        creation, message = options.order(
            name,
            plain,
            identity=self.identity,
            now=self.store.clock.now_us(),
            owner=0 if worker is None else worker.token,
        )
        return creation, message, Any if definition is None else definition.result_type

    def _definition(self, workflow: Workflows) -> WorkflowDefinition[..., Any] | None:
        if isinstance(workflow, str):
            return self.registry.find_workflow(workflow)
        definition: WorkflowDefinition[..., Any] = need_declared(workflow)
        return definition

    def _create(
        self, creation: CreateRun, message: StartWorkflow, more: Sequence[Message] = ()
    ) -> Sequence[Outcome]:
        worker = self._local_worker
        here = worker is not None and worker.can_run(
            creation.workflow_type, creation.task_queue, creation.build_id
        )
        if worker is not None and here and not creation.ready_at:
            return [future.result() for future in worker.submit_start(creation, message, *more)]
        return self.store.apply(self._creating(creation, message, more))

    def _creating(
        self, creation: CreateRun, message: StartWorkflow, more: Sequence[Message]
    ) -> list[CreateRun | AcceptMessage]:
        first = attrs.evolve(creation, message=encode_message(message), owner=0)
        return [first, *(accept_write(creation.workflow_id, creation.run_id, each) for each in more)]

    def _replace(
        self, row: RunRow, creation: CreateRun, message: StartWorkflow, more: Sequence[Message]
    ) -> Sequence[Outcome]:
        """Terminate the open run and create another, in one commit."""
        reason = "terminated by a new start of the same workflow id"
        end = terminating(self.store, row, reason=reason, identity=self.identity)
        ended, *outcomes = self.store.apply([end, *self._creating(creation, message, more)])
        if isinstance(ended, Committed):
            closed = ending_of(self.row(row.workflow_id, row.run_id))
            if closed is not None:
                self.closings.settle(closed)
        return outcomes

    @overload
    def run(self, workflow: WorkflowDefinition[P, R], *args: Any, id: str, **options: Any) -> R: ...
    @overload
    def run(self, workflow: str | type[Any], *args: Any, id: str, **options: Any) -> Any: ...
    def run(self, workflow: Any, *args: Any, id: str, **options: Any) -> Any:
        """The result of the run of that id: of the one that is open or has completed, or else of a new one.

        So a program that is started again after a crash goes on with its run, or gets the result that it missed.  Options as for
        :meth:`start`; with ``id_reuse_policy=ALLOW_DUPLICATE`` a completed run does not count.  Raises as ``start`` and ``result`` do.
        """
        ending = self._run_here(workflow, args, id, options)
        if ending is not None:
            future, result_type = ending
            try:
                ended = future.result()
                following = next_run_of(ended.closing_event)
                if following is not None:
                    return WorkflowHandle[Any](self, id, following, result_type).result()
                return result_of(ended, result_type)
            except NotCreatedError:
                del ending  # a run of that id was there already
        return self.attach(workflow, *args, id=id, **options).result()

    def attach(self, workflow: Workflows, *args: Any, id: str, **options: Any) -> WorkflowHandle[Any]:
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
        workflow: Workflows,
        args: tuple[Any, ...],
        id: str,
        options: dict[str, Any],
    ) -> tuple[Future[Ending], Any] | None:
        """Start a run on the worker of this process and wait for nothing but its end; None if there is no such worker."""
        worker = self._local_worker
        name = workflow if isinstance(workflow, str) else need_declared(workflow).name
        if worker is None or options or not worker.can_run(name, worker.task_queue):
            return None
        chosen = StartOptions(
            id=id,
            task_queue=worker.task_queue,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
        )
        creation, message, result_type = self._order(workflow, args, chosen)
        ending = self.closings.register(id, creation.run_id)

        def created(start: Future[Outcome]) -> None:
            error = start.exception()
            if error is not None or not isinstance(start.result(), Created):
                self.closings.forget(creation.run_id, ending)
                ending.set_exception(error or NotCreatedError())

        worker.submit_start(creation, message)[0].add_done_callback(created)
        return ending, result_type

    # Finding --------------------------------------------------------------------------------------------------------

    @overload
    def handle(
        self,
        workflow_id: str,
        run_id: str | None = ...,
        *,
        workflow: WorkflowDefinition[P, R],
        first_run_id: str | None = ...,
    ) -> WorkflowHandle[R]: ...
    @overload
    def handle(
        self, workflow_id: str, run_id: str | None = ..., *, first_run_id: str | None = ...
    ) -> WorkflowHandle[Any]: ...
    def handle(
        self,
        workflow_id: str,
        run_id: str | None = None,
        *,
        workflow: Any = None,
        first_run_id: str | None = None,
    ) -> WorkflowHandle[Any]:
        """A handle; nothing is looked up yet.

        With ``run_id``: of that run alone.  With ``first_run_id``: of the run that this one has become by continuing as new and by
        being tried again, so that no message reaches a later run that was started apart.  With neither: of the open, else the latest
        run of the workflow id, at each call.
        """
        result_type = Any if workflow is None else workflow.result_type
        return WorkflowHandle(
            self, workflow_id, run_id or first_run_id, result_type, first_run_id=first_run_id
        )

    def activity(self, token_or_workflow_id: str, activity_id: str | None = None) -> ActivityHandle:
        """A handle of one activity, by the token of an attempt or by the ids of workflow and activity; nothing is looked up yet."""
        return handle_of(self, token_or_workflow_id, activity_id)

    # For handles ----------------------------------------------------------------------------------------------------

    def row(self, workflow_id: str, run_id: str | None) -> RunRow:
        """The run behind a handle; raises :class:`WorkflowNotFoundError` (RF5102)."""
        row = self.store.find_run(checked_id(workflow_id, "workflow id"), run_id)
        if row is None:
            raise WorkflowNotFoundError(workflow_id, run_id)
        return end_if_due(self.store, row)

    def send(
        self, workflow_id: str, run_id: str | None, message: Message, *, with_start: bool = False
    ) -> Outcome:
        """Have a message accepted; raises RF5102 and RF5103.  One that comes ``with_start`` ends the delay of a start."""
        worker = self._local_worker
        outcome: Outcome
        checked_id(workflow_id, "workflow id")
        if worker is not None and run_id is not None and self.closings.runs_here(run_id):
            outcome = worker.submit_message(workflow_id, run_id, message).result()
        else:
            wakes = with_start and run_id is not None and self._is_delayed_by_its_start(run_id)
            outcome = self.store.apply([accept_write(workflow_id, run_id, message, wakes=wakes)])[0]
        match outcome:
            case NotFound():
                raise WorkflowNotFoundError(workflow_id, run_id, deleted=outcome.deleted_at is not None)
            case Closed():
                raise WorkflowClosedError(workflow_id, outcome.run_id, outcome.status.value)
            case _:
                return outcome

    def _is_delayed_by_its_start(self, run_id: str) -> bool:
        """Whether the first turn of the run waits because its starter wants it so, and not because it follows another run."""
        inbox = self.store.list_inbox(run_id)[:1]
        start = decode_message(inbox[0].data) if inbox else None
        return isinstance(start, StartWorkflow) and start.continued_run_id is None

    def definition_of(self, row: RunRow) -> WorkflowDefinition[..., Any]:
        """The code of a run; raises :class:`UnknownTypeError` (RF5104)."""
        return self.known_definition(row) or self.registry.workflow(row.workflow_type)

    def known_definition(self, row: RunRow) -> WorkflowDefinition[..., Any] | None:
        """The code of a run, if it is known here."""
        found = self.registry.find_workflow(row.workflow_type)
        if found is None and self._local_worker is not None:
            found = self._local_worker.registry.find_workflow(row.workflow_type)
        return found
