"""A history as a person tells it: who did what when, and at which line.

One rule: one line an event, in order, and nothing that is not in the history.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from refold import Failure
from refold import events as ev

_VALUE_CHARACTERS = 60
_SECOND = 1_000_000
#: Events that tell the outcome of a command, by the words for it.
_OUTCOMES: dict[type[ev.HistoryEvent], str] = {
    ev.ActivityTaskCompleted: "completes",
    ev.ActivityTaskFailed: "fails",
    ev.ActivityTaskTimedOut: "times out",
    ev.ActivityTaskCanceled: "stops",
    ev.TimerFired: "fires",
    ev.StartChildWorkflowExecutionFailed: "cannot be started",
    ev.ChildWorkflowExecutionStarted: "starts",
    ev.ChildWorkflowExecutionCompleted: "completes",
    ev.ChildWorkflowExecutionFailed: "fails",
    ev.ChildWorkflowExecutionCanceled: "is cancelled",
    ev.ChildWorkflowExecutionTimedOut: "times out",
    ev.ChildWorkflowExecutionTerminated: "is terminated",
    ev.ExternalWorkflowExecutionSignaled: "arrives",
    ev.SignalExternalWorkflowExecutionFailed: "does not arrive",
    ev.ExternalWorkflowExecutionCancelRequested: "arrives",
    ev.RequestCancelExternalWorkflowExecutionFailed: "does not arrive",
}


@attrs.frozen
class Line:
    """One event in words."""

    at_us: int
    who: str
    what: str
    source: str = ""


def timeline(history: Sequence[ev.HistoryEvent]) -> str:
    """The lines of a history under each other, times counted from its start."""
    commands: dict[int, str] = {}
    lines = [_line(event, commands) for event in history]
    begin = history[0].at if history else 0
    who_width = max((len(line.who) for line in lines), default=0)
    what_width = max((len(line.what) for line in lines if line.source), default=0)
    return "\n".join(
        f"{since(line.at_us - begin):>9}  {line.who:<{who_width}}  {line.what:<{what_width if line.source else 0}}"
        f"{'  at ' + line.source if line.source else ''}".rstrip()
        for line in lines
    )


def _line(event: ev.HistoryEvent, commands: dict[int, str]) -> Line:
    seq = getattr(event, "seq", None)
    if event.external and seq is not None:
        return Line(event.at, "outside", f"{commands.get(seq, f'command {seq}')} {_outcome(event)}")
    if event.external:
        return Line(event.at, "client", _message(event))
    what = _command(event, commands)
    if seq is not None and isinstance(event, ev.Command) and seq not in commands:
        commands[seq] = _subject(event)
    return Line(event.at, "workflow", what, _source(event))


def _outcome(event: Any) -> str:
    words = _OUTCOMES[type(event)]
    if isinstance(event, ev.ActivityTaskCompleted | ev.ChildWorkflowExecutionCompleted):
        twice = " after it ran twice" if getattr(event, "attempt", 1) > 1 else ""
        return f"{words} with {shown(event.result)}{twice}"
    failure = getattr(event, "failure", None)
    if failure is not None:
        return f"{words}: {_failure(failure)}"
    if getattr(event, "identity", "").endswith("it had run"):
        return f"{words}, though it had run"
    cause = getattr(event, "cause", "") or getattr(event, "reason", "")
    return f"{words}: {cause}" if cause else words


def _message(event: Any) -> str:
    match event:
        case ev.WorkflowExecutionStarted():
            return f"starts {call(event.workflow_type, event.input)}"
        case ev.WorkflowExecutionSignaled():
            return f"signals {call(event.signal_name, event.input)}"
        case ev.WorkflowExecutionUpdateAccepted():
            return f"updates {call(event.update_name, event.input)}"
        case ev.WorkflowExecutionCancelRequested():
            return "asks it to stop"
        case ev.WorkflowExecutionTerminated():
            return "terminates it"
        case ev.WorkflowExecutionTimedOut():
            return "sees it time out"
        case _:
            return type(event).__name__


def _command(event: Any, commands: dict[int, str]) -> str:
    match event:
        case ev.ActivityTaskScheduled():
            return f"schedules {call(event.activity_type, event.input)}"
        case ev.TimerStarted():
            return f"starts a timer of {since(event.fire_at - event.at)}"
        case ev.StartChildWorkflowExecutionInitiated():
            return f"starts child {call(event.workflow_type, event.input)}"
        case ev.SignalExternalWorkflowExecutionInitiated():
            return f"sends {call(event.signal_name, event.input)} to {event.workflow_id}"
        case ev.RequestCancelExternalWorkflowExecutionInitiated():
            return f"asks {event.workflow_id} to stop"
        case ev.ActivityTaskCancelRequested():
            return f"asks {commands[event.seq]} to stop"
        case ev.TimerCanceled() | ev.ExternalWorkflowCommandCanceled():
            return f"gives up {commands[event.seq]}"
        case ev.MarkerRecorded(patch_id=str(patch_id)):
            return f"takes patch {patch_id!r}"
        case ev.MarkerRecorded():
            return f"records {shown(event.value)}"
        case ev.WorkflowExecutionUpdateCompleted(failure=Failure() as failure):
            return f"fails the update: {_failure(failure)}"
        case ev.WorkflowExecutionUpdateCompleted():
            return f"answers the update with {shown(event.result)}"
        case ev.WorkflowExecutionCompleted():
            return f"returns {shown(event.result)}"
        case ev.WorkflowExecutionFailed():
            return f"fails: {_failure(event.failure)}"
        case ev.WorkflowExecutionCanceled():
            return "ends as cancelled"
        case ev.WorkflowExecutionContinuedAsNew():
            return f"continues as {call(event.workflow_type, event.input)}"
        case _:
            return type(event).__name__


def _subject(event: Any) -> str:
    match event:
        case ev.ActivityTaskScheduled():
            return str(event.activity_type)
        case ev.TimerStarted():
            return f"the timer of {since(event.fire_at - event.at)}"
        case ev.StartChildWorkflowExecutionInitiated():
            return f"child {event.workflow_type}"
        case ev.SignalExternalWorkflowExecutionInitiated():
            return f"signal {event.signal_name} to {event.workflow_id}"
        case _:
            return f"the cancel request to {getattr(event, 'workflow_id', '')}"


def _source(event: Any) -> str:
    source: str = getattr(event, "source", "")
    failure = getattr(event, "failure", None)
    return failure.frames[-1] if not source and failure is not None and failure.frames else source


def _failure(failure: Failure) -> str:
    return f"{failure.type or failure.kind}: {failure.message}"


def call(name: str, args: Iterable[object]) -> str:
    """A name with its arguments, as in Python."""
    return f"{name}({', '.join(map(shown, args))})"


def shown(value: object) -> str:
    """A plain value, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _VALUE_CHARACTERS else text[: _VALUE_CHARACTERS - 3] + "..."


def since(us: int) -> str:
    """A span of time in its largest whole unit."""
    seconds = us / _SECOND
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"
