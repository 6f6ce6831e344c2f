"""What becomes of an update, as it is told to those who wait for it.

One rule: a refusal is told, and kept by the store, in the form of the event that the answer of an accepted update has; in a history it
never stands.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from refold.codec import decode_events, encode_event
from refold.events import (
    HistoryEvent,
    WorkflowExecutionUpdateAccepted,
    WorkflowExecutionUpdateCompleted,
)
from refold.failures import Failure
from refold.value import Value

_KINDS = frozenset((WorkflowExecutionUpdateAccepted, WorkflowExecutionUpdateCompleted))


@attrs.frozen(eq=False, repr=False)
class UpdateNews(Value):
    """That an update was accepted, answered or refused."""

    update_id: str
    #: None where it was accepted and has no answer yet.
    answer: WorkflowExecutionUpdateCompleted | None = None
    refused: bool = False


def refusal_of(update_id: str, failure: Failure) -> UpdateNews:
    """The news that an update was refused."""
    event = WorkflowExecutionUpdateCompleted(0, 0, 0, update_id=update_id, failure=failure)
    return UpdateNews(update_id, event, refused=True)


def encode_refusal(news: UpdateNews) -> bytes:
    """A refusal as a store keeps it."""
    assert news.answer is not None
    return encode_event(news.answer)


def decode_refusal(data: bytes) -> UpdateNews:
    """A refusal that a store has kept."""
    (event,) = decode_events(data)
    assert isinstance(event, WorkflowExecutionUpdateCompleted)
    return UpdateNews(event.update_id, event, refused=True)


def news_in(events: Sequence[HistoryEvent]) -> list[UpdateNews]:
    """What events tell of updates, in order."""
    found: list[UpdateNews] = []
    if _KINDS.isdisjoint(map(type, events)):  # as nearly always
        return found
    for event in events:
        if isinstance(event, WorkflowExecutionUpdateAccepted):
            found.append(UpdateNews(event.update_id))
        elif isinstance(event, WorkflowExecutionUpdateCompleted):
            found.append(UpdateNews(event.update_id, event))
    return found
