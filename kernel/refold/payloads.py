"""Values as plain JSON data, and back.

One rule: what is stored is only ``None``, ``bool``, ``int``, ``float``, ``str``, ``list`` and ``dict`` with text keys, checked
where it is made, so that whatever was accepted can be written and read by any version on any machine.  There is no pickle and
no type name in the data: what a value becomes is decided by the type the reader declares.

A workflow always sees the decoded form of a value, also on its first run: a tuple passed where nothing is declared comes back
as a list, both times.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, TypeAlias
from uuid import UUID

import attrs

from refold.errors import PayloadError
from refold.scalars import Misfit, anything, refuse
from refold.typed import is_pydantic, name_of, reader_of

#: Plain JSON data. (A recursive alias would make every reader cast; the checks below are at run time.)
Plain: TypeAlias = Any

#: Largest payload, in bytes of canonical JSON.
PAYLOAD_BYTES_MAX = 2 * 1024 * 1024
#: Deepest nesting of lists and dicts.
NESTING_MAX = 64
#: Largest number of decimal digits of an integer (CPython refuses more by default when it reads them back).
INTEGER_DIGITS_MAX = 4300

_INT_LIMIT = 10**INTEGER_DIGITS_MAX


def encode(value: object) -> Plain:
    """The plain form of ``value``; raises :class:`PayloadError` (RF1301, RF1303) if it has none.

    attrs classes, dataclasses, Pydantic models, NamedTuples, TypedDicts, enums, ``datetime`` (aware), ``date``, ``time``, ``timedelta``
    (integer microseconds), ``Decimal``, ``UUID`` and ``bytes`` (base64) are encoded by what the value is, not by what a field is
    declared as; sets, NaN, infinities, lone surrogates and dicts with other keys than text are refused.
    """
    kind = type(value)
    if kind is bool or value is None:
        return value
    if kind is int and -(2**63) <= value < 2**63:  # type: ignore[operator]
        return value
    if kind is str and len(value) <= 1024 and value.isascii():  # type: ignore[arg-type,attr-defined]
        return value
    try:
        plain = _plain(value, 0)
    except Misfit as error:
        raise PayloadError(
            "RF1301",
            f"a value cannot be stored: {error}",
            why="payloads are kept as JSON, without pickle, and must read back the same everywhere",
            fix="pass plain data, an attrs class, dataclass or Pydantic model, an enum, datetime, timedelta, Decimal, UUID or bytes",
        ) from None
    size = _size(plain)
    if size > PAYLOAD_BYTES_MAX:
        raise PayloadError(
            "RF1303",
            f"a {kind.__qualname__} takes {size:,} bytes; the limit is {PAYLOAD_BYTES_MAX:,}",
            why="every payload is kept in the history and read at each replay",
            fix="store the data elsewhere and pass a reference to it",
        )
    return plain


def decode(plain: Plain, type_: object) -> Any:
    """The value of ``plain`` as ``type_``; raises :class:`PayloadError` (RF1302) where it does not fit.

    Nothing is converted that was not encoded like this: text is no list, a number no text, an object without a required field no
    instance of its class.  What a class does not know is passed over, as a newer sender may know more.
    """
    try:
        return reader_of(type_)(plain)
    except Misfit as error:
        raise _unfit(plain, type_, error) from error.__cause__


def decoder(type_: object) -> Callable[[Plain], Any] | None:
    """A function that decodes to ``type_``, or ``None`` where plain data is what is wanted as it is."""
    reader = reader_of(type_)
    if reader is anything:
        return None

    def read(plain: Plain) -> Any:
        try:
            return reader(plain)
        except Misfit as error:
            raise _unfit(plain, type_, error) from error.__cause__

    return read


def _unfit(plain: Plain, type_: object, error: Misfit) -> PayloadError:
    shown = json.dumps(plain, ensure_ascii=True)
    return PayloadError(
        "RF1302",
        f"stored data does not fit {name_of(type_)}: {error}",
        why=f"the data is {shown[:120]}{'...' if len(shown) > 120 else ''}",
        fix="declare the type the sender uses, or give new fields a default",
    )


# Writing --------------------------------------------------------------------------------------------------------------

_Writer: TypeAlias = Callable[[Any, int], Plain]


def _plain(value: Any, depth: int) -> Plain:
    """``value`` as plain data through and through; raises :class:`Misfit`."""
    cls = value.__class__
    writer = _WRITERS.get(cls)
    if writer is None:
        writer = _WRITERS[cls] = _writer_of(cls)
    return writer(value, depth)


def _as_it_is(value: Any, depth: int) -> Plain:
    return value


def _text(value: str, depth: int) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            refuse(f"the text {value[:40]!a} holds a lone surrogate")
    return str.__str__(value)


def _integer(value: int, depth: int) -> int:
    if not -_INT_LIMIT < value < _INT_LIMIT:
        refuse(f"an integer of more than {INTEGER_DIGITS_MAX} digits")
    return int.__int__(value)


def _number(value: float, depth: int) -> float:
    if value - value != 0:
        refuse(f"the float {value!r} is not a number that JSON has")
    return float.__float__(value)


def _instant(value: datetime, depth: int) -> str:
    if value.tzinfo is None:
        refuse(f"the datetime {value.isoformat()} has no time zone")
    return value.isoformat()


def _list(items: Sequence[Any], depth: int) -> list[Plain]:
    if depth >= NESTING_MAX:
        refuse(f"it is nested deeper than {NESTING_MAX} levels")
    result: list[Plain] = []
    try:
        for item in items:
            result.append(_plain(item, depth + 1))  # noqa: PERF401 - the number of items done says which one is wrong
    except Misfit as error:
        raise error.under(f"[{len(result)}]") from None
    return result


def _dict(items: dict[Any, Any], depth: int) -> dict[str, Plain]:
    if depth >= NESTING_MAX:
        refuse(f"it is nested deeper than {NESTING_MAX} levels")
    result: dict[str, Plain] = {}
    for key, value in items.items():
        name = key.value if isinstance(key, Enum) else key
        if not isinstance(name, str):
            refuse(f"the key {key!r:.60} is {type(key).__qualname__}, not text (JSON would merge 1 and '1')")
        name = _text(name, depth)
        if name in result:
            refuse(f"two keys are stored as {name!r:.60}")
        try:
            result[name] = _plain(value, depth + 1)
        except Misfit as error:
            raise error.under(f".{name}") from None
    return result


_WRITERS: dict[type[Any], _Writer] = {
    type(None): _as_it_is,
    bool: _as_it_is,
    str: _text,
    int: _integer,
    float: _number,
    datetime: _instant,
    date: lambda value, _: value.isoformat(),
    time: lambda value, _: value.isoformat(),
    timedelta: lambda value, _: value // timedelta(microseconds=1),
    Decimal: lambda value, _: str(value),
    UUID: lambda value, _: str(value),
    bytes: lambda value, _: base64.b64encode(value).decode(),
    list: _list,
    tuple: _list,
    dict: _dict,
}
_BASES = tuple(_WRITERS)


def _writer_of(cls: Any) -> _Writer:
    """How instances of a class of the author's are written."""
    if issubclass(cls, Enum):
        return lambda value, depth: _plain(value.value, depth)
    if attrs.has(cls):
        names = [field.name for field in attrs.fields(cls) if field.init]
        return lambda value, depth: _dict({name: getattr(value, name) for name in names}, depth)
    if dataclasses.is_dataclass(cls):
        names = [field.name for field in dataclasses.fields(cls) if field.init]
        return lambda value, depth: _dict({name: getattr(value, name) for name in names}, depth)
    if is_pydantic(cls):
        return _model
    for base in _BASES:
        if issubclass(cls, base):
            return _WRITERS[base]
    raise Misfit(f"{cls.__qualname__} is not a type that can be stored")


def _model(value: Any, depth: int) -> Plain:
    """A Pydantic model writes itself, by the names it reads."""
    try:
        data = value.model_dump(mode="json", by_alias=True, round_trip=True)
    except ValueError as error:
        raise Misfit(f"{type(value).__qualname__} does not write itself as JSON: {error}") from error
    return _plain(data, depth)


def _size(plain: Plain) -> int:
    """The bytes of canonical JSON; or some number within the limit, if they are surely within it."""
    # No character of `repr` stands for more than four bytes of JSON, and it takes a third of the time.
    bound = 4 * len(repr(plain))
    if bound <= PAYLOAD_BYTES_MAX:
        return bound
    return len(json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode())
