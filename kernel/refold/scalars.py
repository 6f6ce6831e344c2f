"""Plain data as values that are one piece of JSON each: numbers, text, and what is stored as text or a number.

One rule: data that is not exactly what the type says is refused with a :class:`Misfit`; nothing is converted that was not
encoded like this.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Context, Decimal, InvalidOperation
from enum import Enum
from typing import Any, NoReturn, TypeAlias, cast
from uuid import UUID

Reader: TypeAlias = Callable[[Any], Any]

_JSON_NAMES: dict[type[Any], str] = {
    type(None): "null",
    bool: "true or false",
    int: "an integer",
    float: "a number with a fraction",
    str: "text",
    list: "a list",
    dict: "an object",
}


class Misfit(Exception):
    """Data that does not fit a type, or a value that is no data; ``path`` grows outwards while it passes through containers."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path = ""

    def under(self, step: str) -> Misfit:
        """The same, seen from the container that holds it at ``step``."""
        self.path = step + self.path
        return self

    def __str__(self) -> str:
        return f"{self.problem} (at ${self.path})" if self.path else self.problem


def refuse(problem: str) -> NoReturn:
    """Raise :class:`Misfit`."""
    raise Misfit(problem)


def need(plain: Any, kind: type[Any]) -> Any:
    """``plain``, which must be of this kind of JSON."""
    found = plain.__class__
    if found is not kind:
        refuse(f"expected {_JSON_NAMES[kind]}, found {_JSON_NAMES.get(found, found.__qualname__)}")
    return plain


# An author's own decimal context must not change how a stored number is read.
_STRICT = Context(traps=[InvalidOperation])


def anything(plain: Any) -> Any:
    """The reader of ``Any``."""
    return plain


def _exactly(kind: type) -> Reader:
    def read(plain: Any) -> Any:
        return plain if plain.__class__ is kind else need(plain, kind)

    return read


def _float(plain: Any) -> float:
    if type(plain) is int:
        try:
            return float(plain)
        except OverflowError:
            refuse("the integer is too large for a float")
    return cast(float, need(plain, float))


def _from_text(parse: Callable[[str], Any], wanted: str) -> Reader:
    def read(plain: Any) -> Any:
        text = need(plain, str)
        try:
            return parse(text)
        except (ValueError, InvalidOperation):
            refuse(f"{text!r:.60} is not {wanted}")

    return read


def _aware(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError
    return value


def _timedelta(plain: Any) -> timedelta:
    try:
        return timedelta(microseconds=need(plain, int))
    except OverflowError:
        refuse("the duration is longer than a timedelta can be")


#: The types whose values are one piece of JSON each.
SCALARS: dict[Any, Reader] = {
    None: _exactly(type(None)),
    type(None): _exactly(type(None)),
    bool: _exactly(bool),
    int: _exactly(int),
    str: _exactly(str),
    float: _float,
    datetime: _from_text(_aware, "a date and time with a time zone"),
    date: _from_text(date.fromisoformat, "a date"),
    time: _from_text(time.fromisoformat, "a time of day"),
    timedelta: _timedelta,
    Decimal: _from_text(lambda text: Decimal(text, _STRICT), "a decimal number"),
    UUID: _from_text(UUID, "a UUID"),
    bytes: _from_text(lambda text: base64.b64decode(text, validate=True), "base64"),
}


def enum_reader(cls: type[Enum]) -> Reader:
    """A reader of the values of an enum."""
    members = [(_json_of(member.value), member) for member in cls]

    def read(plain: Any) -> Enum:
        for value, member in members:
            if type(value) is type(plain) and value == plain:
                return member
        if type(plain) in (int, str):
            with contextlib.suppress(ValueError):
                return cls(
                    plain
                )  # a combination of flags, or what the author's `_missing_` makes of an old value
        refuse(f"{plain!r:.60} is no {cls.__qualname__}")

    return read


def _json_of(value: Any) -> Any:
    return (
        [_json_of(item) for item in cast(Sequence[Any], value)] if isinstance(value, tuple | list) else value
    )


def literal_reader(choices: tuple[Any, ...]) -> Reader:
    """A reader of the choices of a ``Literal``."""
    values = [(choice.value if isinstance(choice, Enum) else choice, choice) for choice in choices]

    def read(plain: Any) -> Any:
        for value, choice in values:
            if type(value) is type(plain) and value == plain:
                return choice
        refuse(f"{plain!r:.60} is none of {', '.join(repr(value) for value, _ in values)}")

    return read
