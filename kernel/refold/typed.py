"""Plain data as values of declared types.

One rule: data that is not exactly what the type says is refused, with the path to what is wrong; nothing is converted that was
not encoded like this.  What a workflow sees of a stored value is part of the replay contract, so it is decided here and not by
a library whose next release may see it differently.
"""

from __future__ import annotations

import base64
import collections.abc
import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Context, Decimal, InvalidOperation
from enum import Enum
from typing import Any, Literal, NoReturn, TypeAlias, TypeVar, Union, cast
from uuid import UUID

import attrs

Reader: TypeAlias = Callable[[Any], Any]

_JSON_NAMES = {
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


def reader_of(type_: Any) -> Reader:
    """The function that reads plain data as ``type_``; it raises :class:`Misfit`.

    A type that no data can be read as gives a reader that says so: what is declared and never used does no harm.
    """
    try:
        reader = _READERS.get(type_)
    except TypeError:  # Annotated with something that has no hash
        return _make(type_)
    if reader is None:
        reader = _make(type_)
        if not _has_union(type_):
            _READERS[type_] = reader
    return reader


def _has_union(type_: Any) -> bool:
    """Whether the order of a union plays a part: `A | B` equals `B | A`, so neither may be found under the other's name."""
    return typing.get_origin(type_) in (Union, types.UnionType) or any(map(_has_union, typing.get_args(type_)))


def _make(type_: Any) -> Reader:
    origin = typing.get_origin(type_)
    args = typing.get_args(type_)
    base = origin or type_
    if type_ is Any or type_ is object or isinstance(type_, TypeVar):
        return _anything
    if origin is typing.Annotated:
        return reader_of(args[0])
    if origin in (Union, types.UnionType):
        return _union(args)
    if origin is Literal:
        return _literal(args)
    if isinstance(type_, typing.NewType):
        return reader_of(type_.__supertype__)
    if hasattr(type_, "__value__"):  # what the `type` statement of Python 3.12 makes
        return lambda plain: reader_of(type_.__value__)(plain)
    if base in _LISTS:
        return _list(list, args[0] if args else Any)
    if base in _DICTS:
        return _dict(*(args or (str, Any)))
    if base is tuple:
        return _tuple(args)
    if isinstance(base, type):
        if issubclass(base, Enum):
            return _enum(base)
        if issubclass(base, tuple) and hasattr(base, "_fields"):
            return _named_tuple(cast(Any, base))
        if typing.is_typeddict(base):
            return _Class(base, args, _typed_dict_fields)
        if attrs.has(base):
            return _Class(base, args, _attrs_fields)
        if dataclasses.is_dataclass(base):
            return _Class(base, args, _dataclass_fields)
    return lambda _: _refuse(f"no data can be read as {name_of(type_)}")


def name_of(type_: Any) -> str:
    """A type as people write it."""
    if isinstance(type_, type) and not typing.get_args(type_):
        return type_.__qualname__
    return str(type_).replace("typing.", "")


def _refuse(problem: str) -> NoReturn:
    raise Misfit(problem)


def need(plain: Any, kind: type) -> Any:
    """``plain``, which must be of this kind of JSON."""
    if type(plain) is not kind:
        _refuse(f"expected {_JSON_NAMES[kind]}, found {_JSON_NAMES.get(type(plain), type(plain).__name__)}")
    return plain


# Scalars --------------------------------------------------------------------------------------------------------------

# An author's own decimal context must not change how a stored number is read.
_STRICT = Context(traps=[InvalidOperation])


def _anything(plain: Any) -> Any:
    return plain


def _exactly(kind: type) -> Reader:
    return lambda plain: need(plain, kind)


def _float(plain: Any) -> float:
    if type(plain) is int:
        try:
            return float(plain)
        except OverflowError:
            _refuse("the integer is too large for a float")
    return cast(float, need(plain, float))


def _from_text(parse: Callable[[str], Any], wanted: str) -> Reader:
    def read(plain: Any) -> Any:
        text = need(plain, str)
        try:
            return parse(text)
        except (ValueError, InvalidOperation):
            _refuse(f"{text!r:.60} is not {wanted}")

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
        _refuse("the duration is longer than a timedelta can be")


_READERS: dict[Any, Reader] = {
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


def _enum(cls: type[Enum]) -> Reader:
    members = [(_json_of(member.value), member) for member in cls]

    def read(plain: Any) -> Enum:
        for value, member in members:
            if type(value) is type(plain) and value == plain:
                return member
        try:
            if type(plain) in (int, str):
                return cls(plain)  # a combination of flags, or what the author's `_missing_` makes of an old value
        except ValueError:
            pass
        _refuse(f"{plain!r:.60} is no {cls.__qualname__}")

    return read


def _json_of(value: Any) -> Any:
    return [_json_of(item) for item in value] if isinstance(value, tuple | list) else value


def _literal(choices: tuple[Any, ...]) -> Reader:
    values = [(choice.value if isinstance(choice, Enum) else choice, choice) for choice in choices]

    def read(plain: Any) -> Any:
        for value, choice in values:
            if type(value) is type(plain) and value == plain:
                return choice
        _refuse(f"{plain!r:.60} is none of {', '.join(repr(value) for value, _ in values)}")

    return read
