"""How a client has runs created: as the policies of ids say, with what is sent along in the same commit.

One rule: a start is one commit, whatever comes with it; where a worker of this process is to make the run, it is that of its first turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, TypeAlias

import attrs

from refold import WorkflowDefinition, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from refold.codec import encode_message
from refold.messages import Message, StartWorkflow
from refold.payloads import encode
from refold.value import Value
from refold_adapters.built_in import STANDALONE_ACTIVITY
from refold_adapters.operating.administration import terminating
from refold_adapters.ports import (
    Accepted,
    AcceptMessage,
    Committed,
    Created,
    CreateRun,
    Exists,
    Outcome,
    RunRow,
    RunStatus,
    Store,
)
from refold_adapters.registry import Registry, need_declared
from refold_adapters.runtime_errors import WorkflowAlreadyStartedError
from refold_adapters.turns.acceptances import accept_write
from refold_adapters.turns.results import Ending, ending_of
from refold_adapters.turns.starting import StartOptions
from refold_adapters.waiting.closings import Closings
from refold_adapters.waiting.update_waits import UpdateWait, WorkflowUpdateStage
from refold_adapters.worker.worker import Worker

#: What stands for a workflow: its definition, its class or its name.
Workflows: TypeAlias = WorkflowDefinition[..., Any] | type[Any] | str


class NotCreatedError(Exception):
    """A run of the workflow id was there already; never leaves the client."""


@attrs.frozen(eq=False, repr=False)
class Begun(Value):
    """A run that was started, or that is there instead."""

    run_id: str
    result_type: Any
    created: bool = False
    same_request: bool = False
    #: For the update that came with the start.
    wait: UpdateWait | None = None


@attrs.frozen(eq=False, repr=False)
class Starter:
    """Creates runs in a store, on the worker of this process if that can make them."""

    store: Store
    registry: Registry
    identity: str
    closings: Closings
    worker: Worker | None

    def begin(
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
        definition = self.definition_of(workflow)
        name = workflow if isinstance(workflow, str) else need_declared(workflow).name
        plain = [encode(arg) for arg in args] if definition is None else definition.encode_input(*args)
        worker = self.worker
        creation, message = options.order(
            name,
            plain,
            identity=self.identity,
            now=self.store.clock.now_us(),
            owner=0 if worker is None else worker.token,
        )
        return creation, message, Any if definition is None else definition.result_type

    def definition_of(self, workflow: Workflows) -> WorkflowDefinition[..., Any] | None:
        """The code of a workflow, if it is known here."""
        if isinstance(workflow, str):
            return self.registry.find_workflow(workflow)
        definition: WorkflowDefinition[..., Any] = need_declared(workflow)
        return definition

    def _create(
        self, creation: CreateRun, message: StartWorkflow, more: Sequence[Message] = ()
    ) -> Sequence[Outcome]:
        worker = self.worker
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
            found = self.store.find_run(row.workflow_id, row.run_id)
            closed = None if found is None else ending_of(found)
            if closed is not None:
                self.closings.settle(closed)
        return outcomes

    def run_here(
        self,
        workflow: Workflows,
        args: tuple[Any, ...],
        id: str,
        options: dict[str, Any],
    ) -> tuple[Future[Ending], Any] | None:
        """Start a run on the worker of this process and wait for nothing but its end; None if there is no such worker."""
        worker = self.worker
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
