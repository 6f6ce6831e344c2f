"""Prints a program and a conversation for people: what failed reads as code and as a dialogue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from property_tests.programs import Node, Step
from refold.divergence import describe

if TYPE_CHECKING:
    from property_tests.schedules import Made


def program_text(program: Step) -> str:
    """A program, one step a line, what is inside it indented."""
    return "\n".join(_lines(program, 1))


def _lines(step: Node, depth: int) -> Iterator[str]:
    plain: list[str] = []
    inner: list[tuple[str, Node]] = []
    for field in attrs.fields(type(step)):
        value = getattr(step, field.name)
        if isinstance(value, Node):
            inner.append((field.name, value))
        elif isinstance(value, tuple):
            for item in value:
                found, label = item if isinstance(item, tuple) else (item, None)
                inner.append(("" if label is None else f"undo by reserve({label})", found))
        elif value is not None:
            plain.append(f"{field.name}={value}" if isinstance(value, bool) else str(value))
    yield f"{'    ' * depth}{type(step).__name__.lower()} {' '.join(plain)}".rstrip() + (":" if inner else "")
    for name, each in inner:
        if name in ("", "step"):
            yield from _lines(each, depth + 1)
        else:
            yield f"{'    ' * (depth + 1)}{name}:"
            yield from _lines(each, depth + 2)


def conversation_text(program: Step, made: Sequence[Made]) -> str:
    """A program and what was said: messages with ``<-``, events with their numbers."""
    lines = ["", "program", program_text(program), "conversation"]
    begin = made[0].at if made else 0
    for each in made:
        lines.append(f"    turn {each.turn.number} at {(each.turn.at - begin) / 1_000_000:g} s")
        lines += [f"        <- {message_text(message)}" for message in each.messages]
        lines += [f"        {describe(event)}" for event in each.turn.events]
    return "\n".join(lines)


def message_text(message: Any) -> str:
    """A message without what has its default."""
    fields = [
        f"{field.name}={getattr(message, field.name)!r}"
        for field in attrs.fields(type(message))
        if getattr(message, field.name) != field.default
    ]
    return f"{type(message).__name__}({', '.join(fields)})"
