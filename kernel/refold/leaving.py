"""What leaves the kernel when a turn is made: the commands, and what a run that has closed hands to the one that follows.

One rule: what was asked for and taken back within the turn never leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from refold import events as ev
from refold.closing import left_over
from refold.messages import CancelWorkflow, Message, SignalWorkflow
from refold.policies import ParentClosePolicy
from refold.scheduler import Scheduler
from refold.state import Ledger

_ASKED = frozenset(
    (
        ev.ActivityTaskScheduled,
        ev.TimerStarted,
        ev.StartChildWorkflowExecutionInitiated,
        ev.SignalExternalWorkflowExecutionInitiated,
        ev.RequestCancelExternalWorkflowExecutionInitiated,
    )
)
_TAKEN_BACK = frozenset((ev.TimerCanceled, ev.ActivityTaskCancelRequested))
#: Commands that another run receives, and that so outlive this one.
_MESSAGES = (
    ev.SignalExternalWorkflowExecutionInitiated,
    ev.RequestCancelExternalWorkflowExecutionInitiated,
)


def commands_of(ledger: Ledger, events: Sequence[ev.HistoryEvent]) -> tuple[ev.Command, ...]:
    """The events that ask for something to be done: what was asked and taken back within the turn is left out."""
    commands: list[Any] = []
    begun: dict[int, bool] = {}
    for event in events:
        kind = event.__class__
        if kind in _ASKED:
            command: Any = event
            begun[command.seq] = True
            if command.seq in ledger.pending:
                commands.append(command)
        elif kind in _TAKEN_BACK:
            command = event
            if command.seq not in begun:
                commands.append(command)
    return tuple(commands)


def last_commands(events: Sequence[ev.HistoryEvent]) -> tuple[ev.Command, ...]:
    """Of a turn that closes the run: what it has asked of other runs, which outlives it; a child only if it is abandoned."""
    taken_back = [event.seq for event in events if isinstance(event, ev.ExternalWorkflowCommandCanceled)]
    commands: list[ev.Command] = []
    for event in events:
        if isinstance(event, ev.StartChildWorkflowExecutionInitiated):
            policy = (event.options or {}).get("parent_close_policy")
            if policy == ParentClosePolicy.ABANDON.value and event.seq not in taken_back:
                commands.append(event)
        elif isinstance(event, _MESSAGES) and event.seq not in taken_back:
            commands.append(event)
    return tuple(commands)


def carried(run: Scheduler, closed: ev.HistoryEvent) -> list[Message]:
    """What was accepted and never shown to the code, as messages for the run that follows."""
    messages: list[Message] = []
    cancels = isinstance(closed, ev.WorkflowExecutionContinuedAsNew)
    for event in left_over(run, cancels=cancels):
        kind = SignalWorkflow if isinstance(event, ev.WorkflowExecutionSignaled) else CancelWorkflow
        fields = {field.name: getattr(event, field.name) for field in attrs.fields(kind)}
        messages.append(kind(**fields))
    return messages
