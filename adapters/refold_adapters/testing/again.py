"""Lets a saved history happen again, to the code as it is now.

A replay would compare commands, and code that was mended asks for others.  So only what came from outside is taken from the history:
each outcome goes to the same command of the run now (of the same kind and name, counted from the start), or nowhere if there is none,
and what is outstanding after that comes to its usual end.

One rule: nothing is compared here; whether the run is right now, a property says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Any, TypeAlias

import attrs

from refold import events as ev
from refold import messages as ms
from refold_adapters.testing.scope import Move, Scope
from refold_adapters.testing.trial import Trial

_MESSAGES: dict[type[ev.HistoryEvent], type[ms.Message]] = {
    ev.WorkflowExecutionSignaled: ms.SignalWorkflow,
    ev.WorkflowExecutionCancelRequested: ms.CancelWorkflow,
    ev.WorkflowExecutionUpdateAccepted: ms.UpdateWorkflow,
    ev.WorkflowExecutionTerminated: ms.TerminateWorkflow,
    ev.WorkflowExecutionTimedOut: ms.TimeOutWorkflow,
    ev.ActivityTaskCompleted: ms.CompleteActivity,
    ev.ActivityTaskFailed: ms.FailActivity,
    ev.ActivityTaskTimedOut: ms.TimeOutActivity,
    ev.ActivityTaskCanceled: ms.ReportActivityCanceled,
    ev.TimerFired: ms.FireTimer,
    ev.ChildWorkflowExecutionStarted: ms.ReportChildStarted,
    ev.StartChildWorkflowExecutionFailed: ms.ReportChildStartFailed,
    ev.ChildWorkflowExecutionCompleted: ms.CompleteChild,
    ev.ChildWorkflowExecutionFailed: ms.FailChild,
    ev.ChildWorkflowExecutionCanceled: ms.ReportChildCanceled,
    ev.ChildWorkflowExecutionTimedOut: ms.TimeOutChild,
    ev.ChildWorkflowExecutionTerminated: ms.ReportChildTerminated,
    ev.ExternalWorkflowExecutionSignaled: ms.ReportSignalDelivered,
    ev.SignalExternalWorkflowExecutionFailed: ms.ReportSignalFailed,
    ev.ExternalWorkflowExecutionCancelRequested: ms.ReportCancelDelivered,
    ev.RequestCancelExternalWorkflowExecutionFailed: ms.ReportCancelFailed,
}

#: What a command is known by: its kind, its name, and how many of these came before it.
_Label: TypeAlias = tuple[type[ev.HistoryEvent], str, int]


def play_again(scope: Scope, history: Sequence[ev.HistoryEvent], moves_max: int) -> Trial:
    """A trial to which what a history tells has happened; it is the caller's to close."""
    trial = Trial(scope)
    try:
        trial.begin()
        labels = {seq: label for label, seq in _labels(history).items()}
        for turn, events in groupby(history, key=lambda event: event.turn):
            if turn > 1:
                _tell(trial, [event for event in events if event.external], labels)
        for _ in range(moves_max):
            if trial.at_rest:
                break
            trial.take(trial.moves()[:1])
    except BaseException:
        trial.close()
        raise
    return trial


def _tell(trial: Trial, events: Sequence[ev.HistoryEvent], labels: dict[int, _Label]) -> None:
    if trial.execution.closed:
        return
    now = _labels(trial.history)
    moves: list[Move] = []
    for event in events:
        fields = {field.name: getattr(event, field.name) for field in attrs.fields(type(event))}
        kind = _MESSAGES[type(event)]
        told = {field.name: fields[field.name] for field in attrs.fields(kind) if field.name in fields}
        not_before = 0
        if "seq" in told:
            pending: Any = trial.execution.state.pending.get(now.get(labels[told["seq"]], 0))
            if pending is None:
                continue
            told["seq"] = pending.seq
            not_before = getattr(pending, "fire_at", 0)
        moves.append(Move(kind(**told), not_before=not_before))
    if moves:
        trial.take(moves)


def _labels(history: Sequence[ev.HistoryEvent]) -> dict[_Label, int]:
    """The commands of a history that wait for an outcome: the ``seq`` of each by its label."""
    counts: Counter[tuple[type[ev.HistoryEvent], str]] = Counter()
    found: dict[_Label, int] = {}
    for event in history:
        name: str | None = None
        match event:
            case ev.ActivityTaskScheduled():
                name = event.activity_type
            case ev.TimerStarted():
                name = ""
            case ev.StartChildWorkflowExecutionInitiated():
                name = event.workflow_type
            case (
                ev.SignalExternalWorkflowExecutionInitiated()
                | ev.RequestCancelExternalWorkflowExecutionInitiated()
            ):
                name = event.workflow_id
            case _:
                continue
        found[(type(event), name, counts[type(event), name])] = event.seq
        counts[type(event), name] += 1
    return found
