"""The client: starts runs and talks to them through typed handles.

One rule: when a call returns, what it did is durable.  How runs are created is the business of the starter, how messages get to them that
of the sender; here is what users call.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar, Unpack, overload

from refold import (
    Signal,
    Update,
    WorkflowDefinition,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from refold.ids import checked_id
from refold_adapters.client.activity_handles import ActivityHandle, handle_of
from refold_adapters.client.handles import WorkflowHandle
from refold_adapters.client.sender import Sender
from refold_adapters.client.standalone import StandaloneActivities
from refold_adapters.client.starter import NotCreatedError, Starter, Workflows
from refold_adapters.client.update_handles import WorkflowUpdateHandle
from refold_adapters.operating.endings import end_if_due
from refold_adapters.ports import (
    RunRow,
    Store,
)
from refold_adapters.random_ids import random_hex
from refold_adapters.registry import Registry
from refold_adapters.runtime_errors import (
    WorkflowAlreadyStartedError,
    WorkflowClosedError,
    WorkflowNotFoundError,
)
from refold_adapters.turns.results import next_run_of, result_of
from refold_adapters.turns.starting import StartKeywords, StartOptions
from refold_adapters.waiting.closings import Closings
from refold_adapters.waiting.update_waits import UpdateWait, WorkflowUpdateStage
from refold_adapters.worker.worker import Worker

P = ParamSpec("P")
R = TypeVar("R")


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
        self.sender = Sender(store, self.closings, local_worker)
        self._starter = Starter(store, self.registry, identity, self.closings, local_worker)

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
            begun = self._starter.begin(workflow, args, chosen, () if signal is None else (signal,))
            if signal is not None and not begun.created:
                try:
                    self.sender.send(id, begun.run_id, signal, with_start=True)
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
            begun = self._starter.begin(workflow, args, chosen, (message,), update=message.update_id)
            handle = WorkflowHandle[Any](self, id, begun.run_id, begun.result_type, first_run_id=begun.run_id)
            if begun.wait is not None:
                return handle, begun.wait
            try:
                return handle, handle.send_update(update, payload, message.update_id, with_start=True)
            except WorkflowClosedError:
                if begun.same_request:
                    raise

    @overload
    def run(self, workflow: WorkflowDefinition[P, R], *args: Any, id: str, **options: Any) -> R: ...
    @overload
    def run(self, workflow: str | type[Any], *args: Any, id: str, **options: Any) -> Any: ...
    def run(self, workflow: Any, *args: Any, id: str, **options: Any) -> Any:
        """The result of the run of that id: of the one that is open or has completed, or else of a new one.

        So a program that is started again after a crash goes on with its run, or gets the result that it missed.  Options as for
        :meth:`start`; with ``id_reuse_policy=ALLOW_DUPLICATE`` a completed run does not count.  Raises as ``start`` and ``result`` do.
        """
        ending = self._starter.run_here(workflow, args, id, options)
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
            definition = self._starter.definition_of(workflow)
            return WorkflowHandle(
                self, id, error.run_id, Any if definition is None else definition.result_type
            )
        return handle

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

    def definition_of(self, row: RunRow) -> WorkflowDefinition[..., Any]:
        """The code of a run; raises :class:`UnknownTypeError` (RF5104)."""
        return self.known_definition(row) or self.registry.workflow(row.workflow_type)

    def known_definition(self, row: RunRow) -> WorkflowDefinition[..., Any] | None:
        """The code of a run, if it is known here."""
        found = self.registry.find_workflow(row.workflow_type)
        if found is None and self._local_worker is not None:
            found = self._local_worker.registry.find_workflow(row.workflow_type)
        return found
