"""A history as a person reads it: one step for what was asked for and what came of it.

One rule: nothing is left out.  An event that belongs to no step that is known here is a step of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from refold import Failure
from refold import events as ev
from refold.codec import encode_event
from refold_adapters.cli.texts import duration, failure_line, moment, shortened, values


@attrs.define(eq=False)
class HistoryStep:
    """What was asked for, and what came of it."""

    event_id: int
    at: int
    what: str
    name: str = ""
    outcome: str = "pending"
    took_us: int | None = None
    detail: str = ""

    def end(self, event: ev.HistoryEvent, outcome: str, detail: str = "") -> None:
        """It came to an end."""
        self.outcome = outcome
        self.took_us = event.at - self.at
        self.detail = detail or self.detail


def steps_of(events: Sequence[ev.HistoryEvent]) -> list[HistoryStep]:
    """The steps of a history, in order of their first events."""
    history = _History()
    for event in events:
        history.add(event)
    return history.steps


class _History:
    """The steps so far, and those that are open, by ``seq``."""

    def __init__(self) -> None:
        self.steps: list[HistoryStep] = []
        self._open: dict[int | str, HistoryStep] = {}

    def add(self, event: ev.HistoryEvent) -> None:
        """One more event."""
        begun = _begun(event)
        if begun is not None:
            self.steps.append(begun)
            self._open[_key(event)] = begun
            return
        if event.terminal:
            self._close(event)
            return
        step = self._open.get(_key(event))
        ending = None if step is None else _ending(event)
        if step is None or ending is None:
            self.steps.append(
                HistoryStep(event.event_id, event.at, type(event).__name__, "", "", None, fields_of(event))
            )
        else:
            step.end(event, *ending)

    def _close(self, event: ev.HistoryEvent) -> None:
        begin = self.steps[0].at if self.steps else event.at
        outcome, detail = _closing(event)
        self.steps.append(
            HistoryStep(event.event_id, event.at, "workflow", "", outcome, event.at - begin, detail)
        )
        unreceived: Iterable[int] = getattr(event, "unreceived", ())
        for step in self.steps:
            if step.event_id in unreceived:
                step.outcome = "never received"


def _key(event: ev.HistoryEvent) -> int | str:
    """What links the events of one step: the number of the command, or the id of the update."""
    key: int | str | None = getattr(event, "update_id", None) or getattr(event, "seq", None)
    return key or 0  # no command has the number 0, and nothing that has none is ever continued


def _begun(event: ev.HistoryEvent) -> HistoryStep | None:
    """The step that an event begins, if it begins one."""
    match event:
        case ev.WorkflowExecutionStarted():
            what, outcome, detail = "workflow", "started", values(event.input)
            name = event.workflow_type
        case ev.ActivityTaskScheduled():
            what, name, outcome, detail = "activity", event.activity_type, "pending", values(event.input)
        case ev.TimerStarted():
            what, name, outcome = "timer", duration(event.fire_at - event.at), "pending"
            detail = f"due {moment(event.fire_at)}"
        case ev.WorkflowExecutionSignaled():
            what, name, outcome, detail = "signal", event.signal_name, "accepted", _payload(event.input)
        case ev.WorkflowExecutionCancelRequested():
            what, name, outcome, detail = "cancel request", "", "accepted", shortened(event.reason)
        case ev.WorkflowExecutionPaused():
            what, name, outcome, detail = "pause", "", "recorded", shortened(event.reason)
        case ev.WorkflowExecutionUnpaused():
            what, name, outcome, detail = "resume", "", "recorded", shortened(event.reason)
        case ev.WorkflowExecutionOptionsUpdated():
            what, name, outcome, detail = "options", "", "changed", shortened(json.dumps(event.options))
        case ev.WorkflowExecutionUpdateAccepted():
            what, name, outcome, detail = "update", event.update_name, "accepted", values(event.input)
        case ev.MessageUndelivered():
            what, name, outcome = event.message_kind, event.message_name, "undelivered"
            detail = values(event.input)
        case ev.MarkerRecorded():
            return _marker(event)
        case ev.StartChildWorkflowExecutionInitiated():
            what, name, outcome, detail = "child workflow", event.workflow_type, "pending", event.workflow_id
        case ev.SignalExternalWorkflowExecutionInitiated():
            what, name, outcome, detail = "signal to", event.workflow_id, "pending", event.signal_name
        case ev.RequestCancelExternalWorkflowExecutionInitiated():
            what, name, outcome, detail = "cancel of", event.workflow_id, "pending", ""
        case _:
            return None
    return HistoryStep(event.event_id, event.at, what, name, outcome, None, detail)


def _marker(event: ev.MarkerRecorded) -> HistoryStep:
    match event.marker_name:
        case ev.PATCH_MARKER:
            what, name = "patch", event.patch_id or ""
            outcome, detail = ("deprecated" if event.deprecated else "recorded"), ""
        case ev.SIDE_EFFECT_MARKER:
            what, name, outcome, detail = "side effect", "", "recorded", values(event.value)
        case _:
            what, name, outcome, detail = "marker", event.marker_name, "recorded", values(event.value)
    if event.failure is not None:
        outcome, detail = "failed", failure_line(event.failure)
    return HistoryStep(event.event_id, event.at, what, name, outcome, None, detail)


def _ending(event: ev.HistoryEvent) -> tuple[str, str] | None:
    """How an event changes or ends the step of its ``seq``: outcome, and detail where there is more to say."""
    match event:
        case ev.ActivityTaskCompleted():
            return f"completed{_attempts(event.attempt)}", _payload([event.result])
        case ev.ActivityTaskFailed():
            return f"failed{_attempts(event.attempt)}", failure_line(event.failure)
        case ev.ActivityTaskTimedOut():
            return (
                f"timed out{_attempts(event.attempt)}",
                f"{event.timeout_type} {failure_line(event.last_failure)}".strip(),
            )
        case ev.ActivityTaskCancelRequested():
            return "cancel requested", ""
        case ev.ActivityTaskCanceled() | ev.TimerCanceled() | ev.ChildWorkflowExecutionCanceled():
            return "cancelled", ""
        case ev.TimerFired():
            return "fired", ""
        case ev.ChildWorkflowExecutionStarted():
            return "started", ""
        case ev.ChildWorkflowExecutionCompleted():
            return "completed", _payload([event.result])
        case ev.ChildWorkflowExecutionFailed():
            return "failed", failure_line(event.failure)
        case ev.ChildWorkflowExecutionTimedOut():
            return "timed out", ""
        case ev.ChildWorkflowExecutionTerminated():
            return "terminated", shortened(event.reason)
        case (
            ev.StartChildWorkflowExecutionFailed()
            | ev.SignalExternalWorkflowExecutionFailed()
            | ev.RequestCancelExternalWorkflowExecutionFailed()
        ):
            return "failed", shortened(event.cause)
        case ev.ExternalWorkflowExecutionSignaled() | ev.ExternalWorkflowExecutionCancelRequested():
            return "accepted", ""
        case ev.WorkflowExecutionUpdateCompleted():
            failed = event.failure is not None
            return ("failed" if failed else "completed"), (_failed(event.failure) or _payload([event.result]))
        case _:
            return None


def _closing(event: ev.HistoryEvent) -> tuple[str, str]:
    """How a terminal event ends the run: outcome and detail."""
    match event:
        case ev.WorkflowExecutionCompleted():
            return "completed", _payload([event.result])
        case ev.WorkflowExecutionFailed():
            return "failed", failure_line(event.failure)
        case ev.WorkflowExecutionCanceled():
            return "cancelled", _payload(event.details)
        case ev.WorkflowExecutionTerminated():
            return "terminated", shortened(event.reason)
        case ev.WorkflowExecutionTimedOut():
            return "timed out", ""
        case ev.WorkflowExecutionContinuedAsNew():
            return "continued as new", event.new_run_id
        case _:
            return type(event).__name__, fields_of(event)


def fields_of(event: ev.HistoryEvent) -> str:
    """What an event holds beside what every event has, as short JSON."""
    record: dict[str, Any] = json.loads(encode_event(event))
    for name in ("kind", "event_id", "turn", "at", "source"):
        record.pop(name, None)
    return values(record) if record else ""


def _attempts(attempt: int) -> str:
    return f" (attempt {attempt})" if attempt > 1 else ""


def _failed(failure: Failure | None) -> str:
    return "" if failure is None else failure_line(failure)


def _payload(items: Sequence[Any]) -> str:
    """A payload, or nothing where it is none or null."""
    kept = [item for item in items if item is not None]
    return values(kept[0]) if len(kept) == 1 else values(kept) if kept else ""
