"""What is done to a run from outside without asking its code, as methods of its handle: ending, pausing, resetting, removing.

One rule: what each of them does is told in ``administration`` and ``resets``; here is who asks for it, and of which run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

import attrs

from refold.ids import checked_id
from refold.messages import PauseWorkflow, UnpauseWorkflow, UpdateWorkflowOptions
from refold.payloads import encode
from refold_adapters.activities.hearing import ask_to_stop
from refold_adapters.operating.administration import tell, terminate
from refold_adapters.operating.requests import Request
from refold_adapters.ports import DeleteRun, RunRow
from refold_adapters.random_ids import random_hex
from refold_adapters.turns.results import ending_of

if TYPE_CHECKING:
    from refold_adapters.client.client import Client
    from refold_adapters.operating.retelling import ResetReapplyExcludeType


class RunOperations(ABC):
    """The part of a handle that operates its run."""

    _client: Client
    workflow_id: str
    run_id: str | None
    _result_type: Any

    @abstractmethod
    def current_row(self) -> RunRow:
        """The run that the handle stands for now."""

    def _same_kind(self, workflow_id: str, run_id: str) -> Self:
        """A handle of that run, with the same type of result."""
        make: Any = type(self)
        handle: Self = make(self._client, workflow_id, run_id, self._result_type)
        return handle

    def terminate(self, reason: str = "", *, request_id: str | None = None) -> None:
        """End the run at once, without asking its code; a repeated ``request_id`` changes nothing.  Raises RF5102, RF5103."""
        row = self.current_row()
        store, identity = self._client.store, self._client.identity
        ended = ending_of(
            terminate(store, row, reason=reason, identity=identity, request_id=request_id or "")
        )
        ask_to_stop(store, row.run_id)
        if ended is not None:
            self._client.closings.settle(ended)

    # Each of these changes nothing when it is made again under its ``request_id``, and gives what it gave the first time: in whichever
    # process, and whatever has become of the run since.

    def pause(self, reason: str = "", *, request_id: str | None = None) -> None:
        """Let the code of the run make no progress until it is resumed; what comes for it waits.  Raises RF5102, RF5103.

        A repeated ``request_id`` changes nothing.
        """
        self._tell(PauseWorkflow(reason=reason), "pause", request_id)

    def resume(self, reason: str = "", *, request_id: str | None = None) -> None:
        """Let a paused run go on, with all that came in the meantime.  Raises RF5102, RF5103.

        A repeated ``request_id`` changes nothing.
        """
        self._tell(UnpauseWorkflow(reason=reason), "resume", request_id)

    def update_options(self, *, build_id: str, request_id: str | None = None) -> None:
        """Move the open run to another build of its code; an empty one lets any worker run it.  Raises RF5102, RF5103.

        A repeated ``request_id`` changes nothing.
        """
        self._tell(UpdateWorkflowOptions(options={"build_id": build_id}), "update_options", request_id)

    def _tell(
        self,
        message: PauseWorkflow | UnpauseWorkflow | UpdateWorkflowOptions,
        call: str,
        request_id: str | None,
    ) -> None:
        client = self._client
        request = Request.of(client.store, request_id, call, self.workflow_id)
        if request.first_answer() is None:
            # One request id may serve several calls, but what a run hears under one id is one message.
            told = random_hex() if request_id is None else f"{call} {request_id}"
            message = attrs.evolve(message, identity=client.identity, request_id=told)
            tell(client.store, client.row(self.workflow_id, self.run_id), message, request)

    def delete(self, *, request_id: str | None = None) -> None:
        """Remove the run and its history; an open one is terminated first.  What comes for it later is refused (RF5102).

        A repeated ``request_id`` changes nothing.
        """
        request = Request.of(self._client.store, request_id, "delete", self.workflow_id)
        if request.first_answer() is not None:
            return
        row = self._client.row(self.workflow_id, self.run_id)
        if row.closed_at is None:
            self._same_kind(row.workflow_id, row.run_id).terminate("it is to be deleted")
        request.apply(DeleteRun(run_id=row.run_id))

    def reset(
        self,
        *,
        event_id: int | None = None,
        turn: int | None = None,
        first: bool = False,
        reason: str = "",
        reapply_exclude: Iterable[ResetReapplyExcludeType] = (),
        request_id: str | None = None,
    ) -> Self:
        """Begin the run anew at one of its turns, under another run id, and return its handle.

        The run that is open under the workflow id, be it this or a later one, is terminated in the same commit.

        The turn is given by its number, by one of its events, as the first, or else it is the last one that its code made.  What came
        from outside in it is kept, what the code did in answer is made anew; signals, updates and cancel requests that came after it,
        also to the runs that went on where it ended, come again, in order, but for those kinds that ``reapply_exclude`` names.  Children
        that it waits for at that point go on as its children; those that were started later are terminated.  Its own parent notices
        nothing.  A repeated ``request_id`` changes nothing, and gives the run that was begun.  Raises RF5102, and RF5115 where it
        cannot be.
        """
        from refold_adapters.operating.resets import Point, reset_run  # for the programs that do

        client = self._client
        request = Request.of(client.store, request_id, "reset", self.workflow_id)
        if (answer := request.first_answer()) is not None:
            return self._same_kind(self.workflow_id, *answer)
        reset = reset_run(
            client.store,
            client.row(self.workflow_id, self.run_id),
            Point(event_id=event_id, turn=turn, first=first),
            reason=reason,
            identity=client.identity,
            request=request,
            exclude=list(reapply_exclude),
        )
        for workflow_id, run_id in reset.ended:
            row = client.store.find_run(workflow_id, run_id)
            ended = None if row is None else ending_of(row)
            if ended is not None:
                client.closings.settle(ended)
        return self._same_kind(self.workflow_id, reset.run_id)

    def fork(
        self,
        id: str,
        *args: Any,
        event_id: int | None = None,
        turn: int | None = None,
        first: bool = False,
        request_id: str | None = None,
    ) -> Self:
        """Begin another run, of workflow id ``id``, as a copy of this one up to one of its turns, and return its handle.

        The turn is given as for :meth:`reset`.  With ``args``, the copy has them as its input, and
        they are checked as those of a start are.  This run goes on as if nothing had been.  A repeated ``request_id`` changes nothing, and
        gives the run that was begun.
        """
        from refold_adapters.operating.resets import Point, fork_run

        request = Request.of(self._client.store, request_id, "fork", self.workflow_id, id)
        if (answer := request.first_answer()) is not None:
            return self._same_kind(id, *answer)
        row = self._client.row(self.workflow_id, self.run_id)
        definition = self._client.known_definition(row)
        plain = None
        if args:
            plain = [encode(arg) for arg in args] if definition is None else definition.encode_input(*args)
        run_id = fork_run(
            self._client.store,
            row,
            Point(event_id=event_id, turn=turn, first=first),
            workflow_id=checked_id(id, "workflow id"),
            input=plain,
            identity=self._client.identity,
            request=request,
        )
        return self._same_kind(id, run_id)
