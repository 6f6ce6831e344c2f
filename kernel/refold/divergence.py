"""What is said when a workflow takes another path than its history.

One rule: both sides are shown, each with its source line, with the events before them and what to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import attrs

from refold.errors import NondeterminismError
from refold.events import HistoryEvent, WorkflowExecutionStarted

#: How many events before the divergence are shown.
EVENTS_SHOWN = 5
_VALUE_CHARACTERS = 60
_HEAD_FIELDS = frozenset({"event_id", "turn", "at", "source"})


class InputPolicy(str, Enum):
    """What a replay does when the same command is asked for with other arguments."""

    #: It is a divergence: for tests and for the deploy gate.
    STRICT = "STRICT"
    #: It is noted as a warning, and the recorded outcome is used: for production.
    WARN = "WARN"


@attrs.frozen
class Produced:
    """What the code asked for."""

    kind: str
    fields: Mapping[str, Any]
    source: str


@attrs.frozen
class Divergence:
    """Where code and history part: the recorded event or None, what the code did or None, and what came before."""

    started: WorkflowExecutionStarted | None
    turn: int
    event_id: int
    recorded: HistoryEvent | None
    produced: Produced | None
    before: Sequence[HistoryEvent]
    reason: str

    def report(self) -> str:
        """The two sides in words."""
        lines = [f"after   {describe(event)}" for event in self.before[-EVENTS_SHOWN:]]
        lines.append(
            f"history {describe(self.recorded)}"
            if self.recorded is not None
            else "history nothing more in this turn"
        )
        if self.produced is None:
            lines.append("code    nothing more in this turn")
        else:
            lines.append(
                f"code    {_call(self.produced.kind, self.produced.fields)}{_at(self.produced.source)}"
            )
        lines.append(self.reason)
        return "\n    ".join(lines)

    def error(self) -> NondeterminismError:
        """The error to raise."""
        name = run = "?"
        if self.started is not None:
            name = self.started.workflow_type
            run = f"workflow {self.started.workflow_id}, run {self.started.run_id}"
        error = NondeterminismError(
            "RF4001",
            f"{name} took another path than its history\n    {self.report()}",
            where=f"{run}, turn {self.turn}, event {self.event_id}",
            why="the workflow's code changed while this run was open, or it reads something that is not in its history"
            " (a clock, a random number, the order of a set, a global)",
            fix="guard the change with patched(...), or move what is read into an activity or side_effect",
        )
        error.divergence = self
        return error


def describe(event: HistoryEvent) -> str:
    """One event in one line: its number, kind, telling fields and source."""
    fields = {
        field.name: getattr(event, field.name)
        for field in attrs.fields(type(event))
        if field.name not in _HEAD_FIELDS and getattr(event, field.name) != field.default
    }
    return f"{event.event_id} {_call(type(event).__name__, fields)}{_at(getattr(event, 'source', ''))}"


def _call(kind: str, fields: Mapping[str, Any]) -> str:
    return f"{kind}({', '.join(f'{name}={_short(value)}' for name, value in fields.items())})"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _VALUE_CHARACTERS else text[: _VALUE_CHARACTERS - 3] + "..."


def _at(source: str) -> str:
    return f"  [{source}]" if source else ""
