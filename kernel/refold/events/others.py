"""Child workflows and other runs."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from refold.events.base import HistoryEvent, PlainDict
from refold.failures import Failure
from refold.payloads import Plain


@attrs.frozen(eq=False, repr=False)
class StartChildWorkflowExecutionInitiated(HistoryEvent):
    """The workflow asked for a child workflow."""

    external = False
    seq: int
    branch: int
    workflow_id: str
    workflow_type: str
    input: Sequence[Plain] = ()
    options: PlainDict | None = None
    headers: PlainDict | None = None
    source: str = ""


@attrs.frozen(eq=False, repr=False)
class StartChildWorkflowExecutionFailed(HistoryEvent):
    """The child could not be started; ``cause`` is for instance ``WORKFLOW_ALREADY_EXISTS``."""

    external = True
    seq: int
    cause: str


@attrs.frozen(eq=False, repr=False)
class ChildWorkflowExecutionStarted(HistoryEvent):
    """The child runs."""

    external = True
    seq: int
    run_id: str


@attrs.frozen(eq=False, repr=False)
class ChildWorkflowExecutionCompleted(HistoryEvent):
    """The child returned."""

    external = True
    seq: int
    result: Plain = None


@attrs.frozen(eq=False, repr=False)
class ChildWorkflowExecutionFailed(HistoryEvent):
    """The child failed for good."""

    external = True
    seq: int
    failure: Failure
    retry_state: str | None = None


@attrs.frozen(eq=False, repr=False)
class ChildWorkflowExecutionCanceled(HistoryEvent):
    """The child was cancelled."""

    external = True
    seq: int
    details: Sequence[Plain] = ()


@attrs.frozen(eq=False, repr=False)
class ChildWorkflowExecutionTimedOut(HistoryEvent):
    """The child took longer than it was allowed."""

    external = True
    seq: int
    retry_state: str | None = None


@attrs.frozen(eq=False, repr=False)
class ChildWorkflowExecutionTerminated(HistoryEvent):
    """Someone terminated the child."""

    external = True
    seq: int
    reason: str = ""


@attrs.frozen(eq=False, repr=False)
class SignalExternalWorkflowExecutionInitiated(HistoryEvent):
    """The workflow sent a signal to another run."""

    external = False
    seq: int
    branch: int
    workflow_id: str
    signal_name: str
    input: Sequence[Plain] = ()
    run_id: str | None = None
    child_workflow_only: bool = False
    headers: PlainDict | None = None
    source: str = ""
    #: The ``seq`` of the child it is for, where it is for one.
    child_seq: int | None = None


@attrs.frozen(eq=False, repr=False)
class ExternalWorkflowExecutionSignaled(HistoryEvent):
    """The other run accepted the signal."""

    external = True
    seq: int
    run_id: str | None = None


@attrs.frozen(eq=False, repr=False)
class SignalExternalWorkflowExecutionFailed(HistoryEvent):
    """The other run is unknown or closed."""

    external = True
    seq: int
    cause: str


@attrs.frozen(eq=False, repr=False)
class RequestCancelExternalWorkflowExecutionInitiated(HistoryEvent):
    """The workflow asked another run to stop."""

    external = False
    seq: int
    branch: int
    workflow_id: str
    run_id: str | None = None
    child_workflow_only: bool = False
    reason: str = ""
    source: str = ""
    #: The ``seq`` of the child it is for, where it is for one.
    child_seq: int | None = None


@attrs.frozen(eq=False, repr=False)
class ExternalWorkflowExecutionCancelRequested(HistoryEvent):
    """The other run accepted the request."""

    external = True
    seq: int
    run_id: str | None = None


@attrs.frozen(eq=False, repr=False)
class RequestCancelExternalWorkflowExecutionFailed(HistoryEvent):
    """The other run is unknown or closed."""

    external = True
    seq: int
    cause: str


@attrs.frozen(eq=False, repr=False)
class ExternalWorkflowCommandCanceled(HistoryEvent):
    """The workflow took back, within the turn, what it had asked of another run; it never left the kernel."""

    external = False
    #: Of the child, signal or cancel request that is taken back.
    seq: int
    branch: int
    source: str = ""
