"""What an adapter tells the kernel.

One rule: a message is a claim, an event is a fact.  ``decide`` turns a message into the external event it becomes, refuses it, or
finds that it was heard before.  Messages are plain frozen values, so an adapter can store one until its turn comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, TypeAlias

import attrs

from refold.failures import Failure
from refold.payloads import Plain
from refold.value import Value

PlainDict: TypeAlias = dict[str, Any]


@attrs.frozen(eq=False, repr=False)
class Message(Value):
    """Base of all messages; ``rank`` 0 stands before 1 in a turn (rule 1 of the order within a turn)."""

    rank: ClassVar[int] = 1
    #: It makes a turn by itself.
    alone: ClassVar[bool] = False


@attrs.frozen(kw_only=True, eq=False, repr=False)
class StartWorkflow(Message):
    """Begin the run; the fields are those of ``WorkflowExecutionStarted``."""

    rank = 0
    workflow_id: str
    run_id: str
    workflow_type: str
    task_queue: str = "default"
    input: Sequence[Plain] = ()
    attempt: int = 1
    identity: str = ""
    request_id: str = ""
    random_seed: str | None = None
    build_id: str | None = None
    first_run_id: str | None = None
    continued_run_id: str | None = None
    parent_workflow_id: str | None = None
    parent_run_id: str | None = None
    parent_seq: int | None = None
    execution_timeout_us: int | None = None
    run_timeout_us: int | None = None
    task_timeout_us: int | None = None
    start_delay_us: int | None = None
    cron_schedule: str | None = None
    retry_policy: PlainDict | None = None
    memo: PlainDict | None = None
    search_attributes: PlainDict | None = None
    headers: PlainDict | None = None
    last_completion_result: Sequence[Plain] | None = None
    last_failure: Failure | None = None
    #: None in the first run of a chain: the kernel counts it from there.
    execution_expires_at: int | None = None
    undone: PlainDict | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class SignalWorkflow(Message):
    """Deliver a signal; a repeated ``request_id`` changes nothing."""

    rank = 0
    signal_name: str
    input: Sequence[Plain] = ()
    identity: str = ""
    request_id: str = ""
    headers: PlainDict | None = None
    external_workflow_id: str | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CancelWorkflow(Message):
    """Ask the run to stop; a repeated ``request_id`` changes nothing."""

    rank = 0
    reason: str = ""
    identity: str = ""
    request_id: str = ""
    external_workflow_id: str | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class UpdateWorkflow(Message):
    """Run a validator on the state as it stands and, if it agrees, a handler; a repeated ``update_id`` changes nothing."""

    rank = 0
    alone = True
    update_id: str
    update_name: str
    input: Sequence[Plain] = ()
    identity: str = ""
    request_id: str = ""
    headers: PlainDict | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class PauseWorkflow(Message):
    """Let the code of the run make no progress after this turn, until it is unpaused."""

    rank = 0
    reason: str = ""
    identity: str = ""
    request_id: str = ""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class UnpauseWorkflow(Message):
    """Let the code of the run go on, from this turn on."""

    rank = 0
    reason: str = ""
    identity: str = ""
    request_id: str = ""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class UpdateWorkflowOptions(Message):
    """Record options of the open run that were changed from outside; its code is not told."""

    rank = 0
    options: PlainDict
    identity: str = ""
    request_id: str = ""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class TimeOutWorkflow(Message):
    """End the run, because it took longer than it may, without asking its code.

    ``new_run_id`` is that of its next attempt; where both are None, the kernel decides by the retry policy of the run.
    """

    alone = True
    retry_state: str | None = None
    new_run_id: str | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class TerminateWorkflow(Message):
    """End the run without asking its code; ``request_id`` lets a repeated request be told from another."""

    alone = True
    reason: str = ""
    details: Sequence[Plain] = ()
    identity: str = ""
    request_id: str = ""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CompleteActivity(Message):
    """An activity returned ``result`` (plain data)."""

    seq: int
    result: Plain = None
    attempt: int = 1
    identity: str = ""
    started_at: int | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class FailActivity(Message):
    """An activity failed and will not be tried again."""

    seq: int
    failure: Failure
    retry_state: str | None = None
    attempt: int = 1
    identity: str = ""
    started_at: int | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class TimeOutActivity(Message):
    """A timeout of an activity ran out and it will not be tried again."""

    seq: int
    timeout_type: str
    retry_state: str | None = None
    last_failure: Failure | None = None
    last_heartbeat_details: Sequence[Plain] = ()
    attempt: int = 1
    identity: str = ""
    started_at: int | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ReportActivityCanceled(Message):
    """An activity stopped because it was asked to, or was withdrawn before it began; ``failure`` says that it did not stop in order."""

    seq: int
    details: Sequence[Plain] = ()
    attempt: int = 1
    identity: str = ""
    started_at: int | None = None
    failure: Failure | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class FireTimer(Message):
    """A timer is due."""

    seq: int


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ReportChildStarted(Message):
    """A child workflow that was asked for runs."""

    seq: int
    run_id: str


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ReportChildStartFailed(Message):
    """A child workflow could not be started; ``cause`` is for instance ``WORKFLOW_ALREADY_EXISTS``."""

    seq: int
    cause: str


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CompleteChild(Message):
    """A child workflow returned ``result`` (plain data); of several runs of it, the last."""

    seq: int
    result: Plain = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class FailChild(Message):
    """A child workflow failed for good."""

    seq: int
    failure: Failure
    retry_state: str | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ReportChildCanceled(Message):
    """A child workflow let a cancel request end it."""

    seq: int
    details: Sequence[Plain] = ()


@attrs.frozen(kw_only=True, eq=False, repr=False)
class TimeOutChild(Message):
    """A child workflow took longer than it was allowed."""

    seq: int
    retry_state: str | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ReportChildTerminated(Message):
    """Someone terminated a child workflow."""

    seq: int
    reason: str = ""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ReportSignalDelivered(Message):
    """Another run accepted the signal that this one sent it."""

    seq: int
    run_id: str | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ReportSignalFailed(Message):
    """A signal could not be delivered; ``cause`` is for instance ``EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND``."""

    seq: int
    cause: str


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ReportCancelDelivered(Message):
    """Another run accepted the cancel request that this one sent it."""

    seq: int
    run_id: str | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ReportCancelFailed(Message):
    """A cancel request could not be delivered; ``cause`` as for signals."""

    seq: int
    cause: str


MESSAGES: dict[str, type[Message]] = {
    cls.__name__: cls
    for cls in (
        StartWorkflow,
        SignalWorkflow,
        CancelWorkflow,
        UpdateWorkflow,
        PauseWorkflow,
        UnpauseWorkflow,
        UpdateWorkflowOptions,
        TimeOutWorkflow,
        TerminateWorkflow,
        CompleteActivity,
        FailActivity,
        TimeOutActivity,
        ReportActivityCanceled,
        FireTimer,
        ReportChildStarted,
        ReportChildStartFailed,
        CompleteChild,
        FailChild,
        ReportChildCanceled,
        TimeOutChild,
        ReportChildTerminated,
        ReportSignalDelivered,
        ReportSignalFailed,
        ReportCancelDelivered,
        ReportCancelFailed,
    )
}
