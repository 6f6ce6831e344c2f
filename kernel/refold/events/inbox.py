"""Messages that were accepted for a run."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from refold.events.base import HistoryEvent, PlainDict
from refold.failures import Failure
from refold.payloads import Plain


@attrs.frozen(eq=False, repr=False)
class WorkflowExecutionSignaled(HistoryEvent):
    """A signal was accepted."""

    external = True
    message = True
    signal_name: str
    input: Sequence[Plain] = ()
    identity: str = ""
    request_id: str = ""
    headers: PlainDict | None = None
    external_workflow_id: str | None = None


@attrs.frozen(eq=False, repr=False)
class WorkflowExecutionCancelRequested(HistoryEvent):
    """The run was asked to stop."""

    external = True
    message = True
    reason: str = ""
    identity: str = ""
    request_id: str = ""
    external_workflow_id: str | None = None


@attrs.frozen(eq=False, repr=False)
class WorkflowExecutionUpdateAccepted(HistoryEvent):
    """An update passed its validator; its handler starts in this turn."""

    external = True
    message = True
    update_id: str
    update_name: str
    input: Sequence[Plain] = ()
    identity: str = ""
    request_id: str = ""
    headers: PlainDict | None = None


@attrs.frozen(eq=False, repr=False)
class WorkflowExecutionUpdateCompleted(HistoryEvent):
    """The handler of an update ended; ``failure`` is None where it returned."""

    external = False
    update_id: str
    result: Plain = None
    failure: Failure | None = None


@attrs.frozen(eq=False, repr=False)
class MessageUndelivered(HistoryEvent):
    """A message that was accepted while the run was closing, and that no turn could show to the workflow."""

    external = True
    message_kind: str
    message_name: str = ""
    input: Sequence[Plain] = ()
    identity: str = ""
    request_id: str = ""
