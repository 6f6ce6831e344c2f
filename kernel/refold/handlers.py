"""Handlers at work: one branch below the main one for each message that is being handled.

What a handler's end means is decided here: that of a signal answers nobody, and its failure fails the run; that of an update is
recorded as the answer, whether result or failure.  One rule: a handler belongs to the message it was started for, and is counted from
its start until it and all it has started have ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs

from refold.branches import Branch
from refold.bugs import recorded_failure
from refold.events import WorkflowExecutionUpdateCompleted
from refold.failures import ContinueAsNewError
from refold.payloads import encode
from refold.policies import HandlerUnfinishedPolicy
from refold.value import Value

if TYPE_CHECKING:
    from refold.scheduler import Scheduler


@attrs.frozen(eq=False, repr=False)
class Handling(Value):
    """One message that a handler is at work for: ``Turn.unfinished`` holds those that the end of a run cut off."""

    kind: Literal["signal", "update"]
    #: Of the signal or the update.
    name: str
    #: The event that brought the message.
    event_id: int
    policy: HandlerUnfinishedPolicy
    update_id: str | None = None


def start_handler(run: Scheduler, generator: Any, handling: Handling) -> None:
    """Run a handler as a branch below the main one."""
    branch = run.spawn(generator, run.main)
    branch.handler = True
    branch.joined = True
    run.handling[branch.id] = handling
    run.resume(branch)


def handler_ended(run: Scheduler, branch: Branch) -> None:
    """A handler and all it has started have ended."""
    handling = run.handling.pop(branch.id)
    if handling.update_id is not None and not isinstance(branch.error, ContinueAsNewError):
        _answer(run, branch, handling)
    elif branch.error is not None and run.outcome is None:
        run.outcome = (None, branch.error)


def _answer(run: Scheduler, branch: Branch, handling: Handling) -> None:
    fields: dict[str, Any] = {"update_id": handling.update_id}
    if branch.error is None:
        fields["result"] = encode(branch.value)
    else:
        who = f"the handler of update {handling.name!r} of {run.definition.name}"
        fields["failure"] = recorded_failure(run.definition, who, branch.error)
    run.tape.record(WorkflowExecutionUpdateCompleted, fields, lambda: "")


def unfinished(run: Scheduler) -> tuple[Handling, ...]:
    """The messages whose handlers are still at work, in the order in which they were started."""
    return tuple(run.handling.values())
