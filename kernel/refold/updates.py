"""Updates inside a run: refused, or accepted and handled.

An update makes a turn by itself.  Live, it is judged before the turn begins: its handler is looked up, and its validator reads the state
as it stands.  Refused, it leaves no trace; accepted, it is recorded and its handler started, in one turn, so that nothing the handler
asks for leaves before the acceptance is durable.  On replay the record says that it was accepted, and no validator runs.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, cast

from refold.branches import Branch, Waiter
from refold.effects import Effect, Workflow
from refold.errors import DefinitionError
from refold.events import WorkflowExecutionUpdateAccepted
from refold.failures import CancelledError, Failure, failure_of
from refold.handlers import Handling, start_handler
from refold.unyielded import MAKER, ReadOnly
from refold.waits import HandleUpdate

if TYPE_CHECKING:
    from refold.scheduler import Scheduler

#: The type of the failure with which an update without a handler is refused.
UNKNOWN_UPDATE = "UnknownUpdate"


def refusal(run: Scheduler, event: WorkflowExecutionUpdateAccepted) -> Failure | None:
    """Why an update is not accepted; None if it is."""
    effect = run.update_handlers.get(event.update_name)
    if effect is None:
        known = ", ".join(sorted(run.update_handlers)) or "none"
        error = DefinitionError(
            "RF1113",
            f"{run.definition.name} has no handler for update {event.update_name!r} at this point",
            why=f"a workflow handles updates from the moment it has yielded update.handle(...); registered here: {known}",
            fix="check the name, or send it later",
        )
        return Failure("application", str(error), type=UNKNOWN_UPDATE, non_retryable=True)
    token = MAKER.set(ReadOnly(f"the validator of update {event.update_name!r}"))
    try:
        payload = effect.decode(list(event.input))
        if effect.validator is not None:
            effect.validator(*_arguments(effect, payload))
    except (Exception, CancelledError) as error:
        return failure_of(error)
    finally:
        MAKER.reset(token)
    return None


def accepted(run: Scheduler, event: WorkflowExecutionUpdateAccepted) -> None:
    """An update was recorded: put one notification in the queue."""
    run.notify(_handle, run, event)


def add_update_handler(run: Scheduler, waiter: Waiter, branch: Branch, effect: HandleUpdate) -> None:
    """Perform ``update.handle(...)``."""
    run.update_handlers[effect.name] = effect


def _handle(run: Scheduler, event: WorkflowExecutionUpdateAccepted) -> None:
    effect = run.update_handlers.get(event.update_name)
    if effect is None:
        raise run.tape.diverged(
            event, None, f"The code has no handler for update {event.update_name!r} at this point."
        )
    handling = Handling(
        "update", event.update_name, event.event_id, effect.unfinished_policy, event.update_id
    )
    start_handler(run, _calls(effect, event), handling)


def _calls(effect: HandleUpdate, event: WorkflowExecutionUpdateAccepted) -> Workflow[Any]:
    result = effect.handler(*_arguments(effect, effect.decode(list(event.input))))
    if isinstance(result, Generator | Effect):
        return (yield from cast("Workflow[Any]", result))
    return result


def _arguments(effect: HandleUpdate, payload: Any) -> tuple[Any, ...]:
    return (payload,) if effect.takes_payload else ()
