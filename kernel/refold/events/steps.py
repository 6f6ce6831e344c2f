"""Activities, timers and markers: what a workflow does by itself."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from refold.events.base import HistoryEvent, PlainDict
from refold.failures import Failure
from refold.payloads import Plain


@attrs.frozen(eq=False, repr=False)
class ActivityTaskScheduled(HistoryEvent):
    """The workflow asked for an activity."""

    external = False
    seq: int
    branch: int
    activity_type: str
    input: Sequence[Plain] = ()
    #: The options that are not the default, as ``ActivityOptions.to_plain`` gives them.
    options: PlainDict | None = None
    #: Chosen by the author; the ``seq`` as text where it is None.
    activity_id: str | None = None
    headers: PlainDict | None = None
    source: str = ""


@attrs.frozen(eq=False, repr=False)
class ActivityTaskCompleted(HistoryEvent):
    """The activity returned."""

    external = True
    seq: int
    result: Plain = None
    attempt: int = 1
    identity: str = ""
    started_at: int | None = None


@attrs.frozen(eq=False, repr=False)
class ActivityTaskFailed(HistoryEvent):
    """The activity failed and will not be tried again; attempts before the last leave no event."""

    external = True
    seq: int
    failure: Failure
    retry_state: str | None = None
    attempt: int = 1
    identity: str = ""
    started_at: int | None = None


@attrs.frozen(eq=False, repr=False)
class ActivityTaskTimedOut(HistoryEvent):
    """A timeout of the activity ran out and it will not be tried again."""

    external = True
    seq: int
    timeout_type: str
    retry_state: str | None = None
    last_failure: Failure | None = None
    last_heartbeat_details: Sequence[Plain] = ()
    attempt: int = 1
    identity: str = ""
    started_at: int | None = None


@attrs.frozen(eq=False, repr=False)
class ActivityTaskCancelRequested(HistoryEvent):
    """The workflow asked an activity to stop."""

    external = False
    seq: int
    branch: int
    source: str = ""


@attrs.frozen(eq=False, repr=False)
class ActivityTaskCanceled(HistoryEvent):
    """The activity ended because it was asked to, or never began; ``failure`` is there if it failed then."""

    external = True
    seq: int
    details: Sequence[Plain] = ()
    attempt: int = 1
    identity: str = ""
    started_at: int | None = None
    failure: Failure | None = None


@attrs.frozen(eq=False, repr=False)
class TimerStarted(HistoryEvent):
    """The workflow started a timer that is due at ``fire_at`` (microseconds since the epoch)."""

    external = False
    seq: int
    branch: int
    fire_at: int
    source: str = ""


@attrs.frozen(eq=False, repr=False)
class TimerFired(HistoryEvent):
    """A timer was due by the store's clock."""

    external = True
    seq: int


@attrs.frozen(eq=False, repr=False)
class TimerCanceled(HistoryEvent):
    """The workflow no longer waits for a timer."""

    external = False
    seq: int
    branch: int
    source: str = ""


#: ``MarkerRecorded.marker_name`` of the markers that the kernel itself makes.
PATCH_MARKER = "Patch"
SIDE_EFFECT_MARKER = "SideEffect"
HISTORY_SIZE_MARKER = "HistorySize"


@attrs.frozen(eq=False, repr=False)
class MarkerRecorded(HistoryEvent):
    """A value or a decision that replay takes from here.  Patch markers have no ``seq``: they are found by id."""

    external = False
    marker_name: str
    branch: int
    seq: int | None = None
    patch_id: str | None = None
    deprecated: bool = False
    value: Plain = None
    failure: Failure | None = None
    details: PlainDict | None = None
    source: str = ""


@attrs.frozen(eq=False, repr=False)
class WorkflowPropertiesModified(HistoryEvent):
    """The workflow changed its memo."""

    external = False
    seq: int
    branch: int
    memo: PlainDict
    source: str = ""


@attrs.frozen(eq=False, repr=False)
class UpsertWorkflowSearchAttributes(HistoryEvent):
    """The workflow changed its search attributes."""

    external = False
    seq: int
    branch: int
    search_attributes: PlainDict
    source: str = ""
