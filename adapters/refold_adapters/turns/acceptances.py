"""Messages on their way into a run: as writes, as what their senders are told, and as what is left of those that came too late."""

from __future__ import annotations

from collections.abc import Sequence

from refold import Turn
from refold.codec import decode_message, encode_message
from refold.events import MessageUndelivered
from refold.messages import CancelWorkflow, Message, StartWorkflow, UpdateWorkflow
from refold_adapters.ports import Accepted, AcceptMessage, Created, InboxMessage, Outcome


def acceptance(run_id: str, message: Message) -> Outcome:
    """What a client is told once its message is durable."""
    if isinstance(message, StartWorkflow):
        return Created(run_id)
    return Accepted(run_id, None)


def accept_write(
    workflow_id: str, run_id: str | None, message: Message, *, wakes: bool = False
) -> AcceptMessage:
    """The write that puts a message into the inbox of a run; a request to cancel ends any wait for its first turn."""
    request_id = getattr(message, "request_id", "")
    if isinstance(message, UpdateWorkflow):
        request_id = f"update {message.update_id}"
    return AcceptMessage(
        workflow_id=workflow_id,
        run_id=run_id,
        data=encode_message(message),
        request_id=request_id,
        wakes=wakes or isinstance(message, CancelWorkflow),
    )


def undelivered_events(turn: Turn, late: Sequence[InboxMessage]) -> list[MessageUndelivered]:
    """What stands behind the terminal event for messages that the workflow could not be shown."""
    events: list[MessageUndelivered] = []
    for inbox in late:
        message = decode_message(inbox.data)
        events.append(
            MessageUndelivered(
                event_id=turn.length_before + len(turn.events) + len(events) + 1,
                turn=turn.number,
                at=turn.at,
                message_kind=type(message).__name__,
                message_name=getattr(message, "signal_name", getattr(message, "update_name", "")),
                input=getattr(message, "input", ()),
                identity=getattr(message, "identity", ""),
                request_id=getattr(message, "request_id", ""),
            )
        )
    return events
