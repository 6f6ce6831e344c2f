"""The state of a run as far as its history tells: the ledger.

Two forms of one thing.  The :class:`Ledger` is private to whoever folds and is changed in place, so that an event costs the same
whatever the history's length; :class:`ExecutionState` is the frozen value handed out.  One rule: neither knows of a generator;
what a workflow's code is waiting for is recomputed, never stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, TypeAlias

import attrs

from refold.events import (
    ActivityTaskCancelRequested,
    ActivityTaskScheduled,
    HistoryEvent,
    RequestCancelExternalWorkflowExecutionInitiated,
    SignalExternalWorkflowExecutionInitiated,
    StartChildWorkflowExecutionInitiated,
    TimerStarted,
    WorkflowExecutionStarted,
    WorkflowExecutionUpdateAccepted,
)
from refold.value import Value


class WorkflowStatus(str, Enum):
    """The status of a run, in Temporal's words."""

    #: No event yet.
    NEW = "NEW"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    TERMINATED = "TERMINATED"
    TIMED_OUT = "TIMED_OUT"
    CONTINUED_AS_NEW = "CONTINUED_AS_NEW"


#: A command that waits for something from outside.
Pending: TypeAlias = (
    ActivityTaskScheduled
    | TimerStarted
    | StartChildWorkflowExecutionInitiated
    | SignalExternalWorkflowExecutionInitiated
    | RequestCancelExternalWorkflowExecutionInitiated
)


#: Commands that ask something of another run.
TO_OTHERS = (
    StartChildWorkflowExecutionInitiated,
    SignalExternalWorkflowExecutionInitiated,
    RequestCancelExternalWorkflowExecutionInitiated,
)


@attrs.define(eq=False)
class Ledger:
    """What has been recorded, folded in place by ``evolve.apply``."""

    status: WorkflowStatus = WorkflowStatus.NEW
    started: WorkflowExecutionStarted | None = None
    #: The terminal event.
    closed: HistoryEvent | None = None
    turn: int = 0
    last_event_id: int = 0
    at: int = 0
    #: The highest ``seq`` used by a command.
    last_seq: int = 0
    #: Commands without an outcome, by ``seq``.
    pending: dict[int, Pending] = attrs.field(factory=dict[int, Pending])
    #: Cancel requests for pending activities, by ``seq``.
    cancelling: dict[int, ActivityTaskCancelRequested] = attrs.field(
        factory=dict[int, ActivityTaskCancelRequested]
    )
    #: Children that have started, ``seq`` to run id.
    children: dict[int, str] = attrs.field(factory=dict[int, str])
    #: The children whose outcome was awaited when the run closed: their parent close policies apply.
    orphans: tuple[StartChildWorkflowExecutionInitiated, ...] = ()
    #: The build that it is pinned to now.
    build_id: str | None = None
    #: As they are now; replaced when they change, never changed in place.
    memo: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    search_attributes: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    #: Updates that were accepted and have no outcome, by update id; in a closed run, those that never will.
    updates: dict[str, WorkflowExecutionUpdateAccepted] = attrs.field(
        factory=dict[str, WorkflowExecutionUpdateAccepted]
    )
    #: Updates that have an outcome, to the event that holds it.
    completed_updates: dict[str, int] = attrs.field(factory=dict[str, int])
    #: Request ids that were heard, to the event they became.
    request_ids: dict[str, int] = attrs.field(factory=dict[str, int])
    #: Answers given to ``patched``, by id, as far as they are recorded.
    patches: dict[str, bool] = attrs.field(factory=dict[str, bool])
    signals: int = 0
    cancel_requests: int = 0
    paused: bool = False

    def freeze(self) -> ExecutionState:
        """The state as a value."""
        return ExecutionState(
            status=self.status,
            started=self.started,
            closed=self.closed,
            turn=self.turn,
            last_event_id=self.last_event_id,
            at=self.at,
            last_seq=self.last_seq,
            pending=MappingProxyType(dict(self.pending)),
            cancelling=MappingProxyType(dict(self.cancelling)),
            children=MappingProxyType(dict(self.children)),
            orphans=self.orphans,
            build_id=self.build_id,
            memo=MappingProxyType(dict(self.memo)),
            search_attributes=MappingProxyType(dict(self.search_attributes)),
            updates=MappingProxyType(dict(self.updates)),
            completed_updates=MappingProxyType(dict(self.completed_updates)),
            request_ids=MappingProxyType(dict(self.request_ids)),
            patches=MappingProxyType(dict(self.patches)),
            signals=self.signals,
            cancel_requests=self.cancel_requests,
            paused=self.paused,
        )


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ExecutionState(Value):
    """The state of a run after some event: a value that can be compared and kept.  The fields are those of the ledger."""

    status: WorkflowStatus
    started: WorkflowExecutionStarted | None
    closed: HistoryEvent | None
    turn: int
    last_event_id: int
    at: int
    last_seq: int
    pending: Mapping[int, Pending]
    cancelling: Mapping[int, ActivityTaskCancelRequested]
    children: Mapping[int, str]
    orphans: tuple[StartChildWorkflowExecutionInitiated, ...]
    build_id: str | None
    memo: Mapping[str, Any]
    search_attributes: Mapping[str, Any]
    updates: Mapping[str, WorkflowExecutionUpdateAccepted]
    completed_updates: Mapping[str, int]
    request_ids: Mapping[str, int]
    patches: Mapping[str, bool]
    signals: int
    cancel_requests: int
    paused: bool

    def thaw(self) -> Ledger:
        """A private copy that can be folded on."""
        fields: dict[str, Any] = {
            field.name: getattr(self, field.name) for field in attrs.fields(ExecutionState)
        }
        for name in _COPIED:
            fields[name] = dict(fields[name])
        return Ledger(**fields)


_COPIED = (
    *("pending", "cancelling", "children", "memo", "search_attributes"),
    *("updates", "completed_updates", "request_ids", "patches"),
)


def initial_state() -> ExecutionState:
    """The state before the first event."""
    return Ledger().freeze()


def is_terminal(state: ExecutionState | Ledger) -> bool:
    """Whether the run is closed."""
    return state.closed is not None
