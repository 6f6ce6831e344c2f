"""What is said when a workflow takes another path than its history.

One rule: both sides are shown, each with its source line, with the events before them and what to do.  Whether they differ is not
decided here, and nothing is read from a running workflow: the tape says what it found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, TypeAlias, cast

import attrs

from refold.errors import NondeterminismError
from refold.events import HistoryEvent, MarkerRecorded, WorkflowExecutionStarted, event_kinds
from refold.failures import Failure
from refold.policies import instant
from refold.value import Value

#: How many events before the divergence are shown.
EVENTS_SHOWN = 5
#: How many of the places where the code waits are shown.
WAITS_SHOWN = 5
_VALUE_CHARACTERS = 60
#: Fields that say nothing about what a workflow did.
_NOISE = frozenset(
    {
        *("event_id", "turn", "at", "source", "options", "headers", "flags", "schema_version"),
        *("identity", "request_id", "attempt", "started_at", "retry_state", "run_id", "task_queue"),
    }
)
#: What a failure is told by; the rest of it says where it was raised.
FAILURE_FACTS = ("kind", "type", "message", "non_retryable", "details")
_GUARD = "guard the change with patched(...), or move what is read into an activity or side_effect"

#: Where code is that asks for nothing: what each branch waits for, and the line.
Waits: TypeAlias = Sequence[tuple[str, str]]


class InputPolicy(str, Enum):
    """What a replay does when the same command is asked for with other arguments."""

    #: It is a divergence: for tests and for the deploy gate.
    STRICT = "STRICT"
    #: It is noted as a warning, and the recorded outcome is used: for production.
    WARN = "WARN"


@attrs.frozen(eq=False, repr=False)
class Produced(Value):
    """What the code asked for."""

    kind: str
    fields: Mapping[str, Any]
    #: The line that asked for it; empty where there is none to name.
    source: str


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Divergence(Value):
    """Where code and history part: the recorded event or None, what the code did or None, and what came before."""

    started: WorkflowExecutionStarted | None
    turn: int
    #: The recorded event that the code does not agree with, or else the last one that it agreed with.
    event_id: int
    recorded: HistoryEvent | None
    produced: Produced | None
    before: Sequence[HistoryEvent]
    #: What differs, as a sentence.
    reason: str
    waits: Waits = ()
    fix: str = _GUARD

    def report(self) -> str:
        """The two sides in words."""
        lines = _labelled("after", [describe(event) for event in self.before[-EVENTS_SHOWN:]])
        if self.recorded is None:
            lines += _labelled("history", ["nothing more in this turn"])
        else:
            lines += _labelled("history", _placed(describe(self.recorded), _line(self.recorded)))
        if self.produced is None:
            asked = isinstance(self.recorded, MarkerRecorded) and self.recorded.patch_id is not None
            nothing = "does not ask for this" if asked else "nothing more in this turn"
            lines += _labelled("code", [nothing, *self._waits()])
        else:
            made = _call(
                self.produced.kind, self.produced.fields, _defaults(event_kinds()[self.produced.kind])
            )
            line = self.produced.source or _raised_at(self.produced.fields.get("failure"))
            lines += _labelled("code", _placed(made, line))
        return "\n    ".join([*lines, self.reason])

    def _waits(self) -> list[str]:
        lines = [
            line for wait, place in self.waits[:WAITS_SHOWN] for line in _placed(f"waits for {wait}", place)
        ]
        if len(self.waits) > WAITS_SHOWN:
            lines.append(f"and {len(self.waits) - WAITS_SHOWN} more")
        return lines

    def error(self) -> NondeterminismError:
        """The error to raise."""
        name = run = "?"
        if self.started is not None:
            name = self.started.workflow_type
            run = f"workflow {self.started.workflow_id}, run {self.started.run_id}"
        error = NondeterminismError(
            "RF4001",
            f"{name} took another path than its history\n    {self.report()}",
            where=f"{run}, turn {self.turn}, {'after ' if self.recorded is None else ''}event {self.event_id}",
            why="the workflow's code changed while this run was open, or it reads something that is not in its history"
            " (a clock, a random number, the order of a set, a global)",
            fix=self.fix,
        )
        error.divergence = self
        return error


def describe(event: HistoryEvent) -> str:
    """One event in one line: its number, kind and telling fields."""
    fields = {field.name: getattr(event, field.name) for field in attrs.fields(type(event))}
    return f"{event.event_id} {_call(type(event).__name__, fields, _defaults(type(event)))}"


def _defaults(kind: type[HistoryEvent]) -> dict[str, object]:
    """What goes without saying."""
    return {**{field.name: field.default for field in attrs.fields(kind)}, "branch": 0}


def difference(name: str, recorded: object, produced: object) -> tuple[str, object, object] | None:
    """The first innermost part in which two values differ, named as in Python, and what it is on both sides."""
    old, new = _parts(recorded), _parts(produced)
    if old is None or new is None or old.keys() != new.keys():
        same = old is new is None and type(recorded) is type(produced) and recorded == produced
        return None if same else (name, recorded, produced)
    for key, value in old.items():
        if (found := difference(f"{name}{key}", value, new[key])) is not None:
            return found
    return None


def _parts(value: object) -> dict[str, object] | None:
    """What a value is made of, by how that is named; None for a value that is one."""
    if isinstance(value, Failure):
        return {f".{name}": getattr(value, name) for name in FAILURE_FACTS}
    if isinstance(value, dict):
        return {f"[{key!r}]": item for key, item in cast("dict[str, object]", value).items()}
    if isinstance(value, list | tuple):
        return {f"[{index}]": item for index, item in enumerate(cast("Sequence[object]", value))}
    return None


def sentence(name: str, recorded: object, produced: object) -> str:
    """What differs, in words."""
    return f"They differ in {name}: history has {_value(name, recorded)}, the code {_value(name, produced)}."


def _labelled(label: str, lines: Sequence[str]) -> list[str]:
    """Lines with a label before the first."""
    return [f"{label if number == 0 else '':<7} {line}" for number, line in enumerate(lines)]


def _line(event: HistoryEvent) -> str:
    """The line that asked for what was recorded, or that raised it."""
    return getattr(event, "source", "") or _raised_at(getattr(event, "failure", None))


def _raised_at(failure: Failure | None) -> str:
    return failure.frames[-1] if failure is not None and failure.frames else ""


def _placed(text: str, source: str) -> list[str]:
    return [text, f"  at {source}"] if source else [text]


def _call(kind: str, fields: Mapping[str, object], defaults: Mapping[str, object]) -> str:
    shown = [
        f"{name}={_value(name, value)}"
        for name, value in fields.items()
        if name not in _NOISE and value != defaults.get(name, attrs.NOTHING)
    ]
    return f"{kind}({', '.join(shown)})"


def _value(name: str, value: object) -> str:
    if name == "fire_at" and isinstance(value, int):
        return str(instant(value))
    text = f"{value.type or value.kind}: {value.message}" if isinstance(value, Failure) else repr(value)
    return text if len(text) <= _VALUE_CHARACTERS else text[: _VALUE_CHARACTERS - 3] + "..."
