"""The beginning and the end of a run, and what is changed on it from outside."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from refold.events.base import HistoryEvent, PlainDict
from refold.failures import Failure
from refold.payloads import Plain


@attrs.frozen(eq=False, repr=False)
class WorkflowExecutionStarted(HistoryEvent):
    """The run began; always the first event."""

    external = True
    message = True
    workflow_id: str
    run_id: str
    workflow_type: str
    task_queue: str
    input: Sequence[Plain]
    flags: Sequence[int]
    schema_version: int
    attempt: int = 1
    identity: str = ""
    request_id: str = ""
    #: What random numbers and ids are derived from; the run id unless the run was reset or forked.
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
    #: When the execution timeout ends this run and all that follow it.
    execution_expires_at: int | None = None
    #: Of a run that began as a copy: the run ids under which its first commands were made, each with the ``seq`` of the last of them.
    copied_from: PlainDict | None = None
    #: Of a run that was reset, and of its children: which children it may start again whatever became of them, by their workflow ids,
    #: each with the first run of what was started then and is undone.
    undone: PlainDict | None = None


@attrs.frozen(eq=False, repr=False)
class WorkflowExecutionCompleted(HistoryEvent):
    """The workflow returned."""

    external = False
    terminal = True
    result: Plain = None
    #: Event ids of signals that no receiver and no handler took.
    unreceived: Sequence[int] = ()


@attrs.frozen(eq=False, repr=False)
class WorkflowExecutionFailed(HistoryEvent):
    """The workflow raised a failure."""

    external = False
    terminal = True
    failure: Failure
    retry_state: str | None = None
    new_run_id: str | None = None
    unreceived: Sequence[int] = ()


@attrs.frozen(eq=False, repr=False)
class WorkflowExecutionCanceled(HistoryEvent):
    """The workflow let a cancel request end it."""

    external = False
    terminal = True
    details: Sequence[Plain] = ()
    unreceived: Sequence[int] = ()


@attrs.frozen(eq=False, repr=False)
class WorkflowExecutionContinuedAsNew(HistoryEvent):
    """The workflow ended this run and began another with a fresh history."""

    external = False
    terminal = True
    new_run_id: str
    workflow_type: str
    task_queue: str
    input: Sequence[Plain]
    run_timeout_us: int | None = None
    task_timeout_us: int | None = None
    backoff_us: int | None = None
    retry_policy: PlainDict | None = None
    memo: PlainDict | None = None
    search_attributes: PlainDict | None = None
    headers: PlainDict | None = None
    #: Event ids of unread messages that the next run begins with, in order.
    carried: Sequence[int] = ()
    source: str = ""


@attrs.frozen(eq=False, repr=False)
class WorkflowExecutionTimedOut(HistoryEvent):
    """The run took longer than it was allowed."""

    external = True
    terminal = True
    retry_state: str | None = None
    new_run_id: str | None = None
    unreceived: Sequence[int] = ()


@attrs.frozen(eq=False, repr=False)
class WorkflowExecutionTerminated(HistoryEvent):
    """Someone ended the run without asking its code."""

    external = True
    terminal = True
    reason: str = ""
    details: Sequence[Plain] = ()
    identity: str = ""
    request_id: str = ""


@attrs.frozen(eq=False, repr=False)
class WorkflowExecutionPaused(HistoryEvent):
    """No turns are made until the run is resumed."""

    external = True
    message = True
    reason: str = ""
    identity: str = ""
    request_id: str = ""


@attrs.frozen(eq=False, repr=False)
class WorkflowExecutionUnpaused(HistoryEvent):
    """Turns are made again."""

    external = True
    message = True
    reason: str = ""
    identity: str = ""
    request_id: str = ""


@attrs.frozen(eq=False, repr=False)
class WorkflowExecutionOptionsUpdated(HistoryEvent):
    """Options of the open run were changed from outside, such as the build it is pinned to."""

    external = True
    message = True
    options: PlainDict
    identity: str = ""
    request_id: str = ""
