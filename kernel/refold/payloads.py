"""Values as plain JSON data, and back.

One rule: what is stored is only ``None``, ``bool``, ``int``, ``float``, ``str``, ``list`` and ``dict`` with text keys, checked
where it is made, so that whatever was accepted can be written and read by any version on any machine.  There is no pickle and
no type name in the data: what a value becomes is decided by the type the reader declares.

A workflow always sees the decoded form of a value, also on its first run: a tuple passed where nothing is declared comes back
as a list, both times.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from uuid import UUID

from refold.errors import PayloadError

if TYPE_CHECKING:
    from cattrs import Converter

#: Plain JSON data. (A recursive alias would make every reader cast; the checks below are at run time.)
Plain: TypeAlias = Any

#: Largest payload, in bytes of canonical JSON.
PAYLOAD_BYTES_MAX = 2 * 1024 * 1024
#: Deepest nesting of lists and dicts.
NESTING_MAX = 64
#: Largest number of decimal digits of an integer (CPython refuses more by default when it reads them back).
INTEGER_DIGITS_MAX = 4300

_INT_LIMIT = 10**INTEGER_DIGITS_MAX
_FLOAT_MAX = 1.7976931348623157e308


def encode(value: object) -> Plain:
    """The plain form of ``value``; raises :class:`PayloadError` (RF1301, RF1303) if it has none.

    attrs classes, dataclasses, NamedTuples, TypedDicts, enums, ``datetime`` (aware), ``date``, ``time``, ``timedelta``
    (integer microseconds), ``Decimal``, ``UUID`` and ``bytes`` (base64) are encoded by type; sets, NaN, infinities, lone
    surrogates and dicts with other keys than text are refused.
    """
    kind = type(value)
    if kind is bool or value is None:
        return value
    if kind is int and -(2**63) <= value < 2**63:  # type: ignore[operator]
        return value
    if kind is str and len(value) <= 1024 and value.isascii():  # type: ignore[arg-type,attr-defined]
        return value
    try:
        plain = _converter().unstructure(value)
    except PayloadError:
        raise
    except Exception as error:
        raise _cannot(f"a {kind.__qualname__} cannot be turned into plain data ({error})", "") from error
    _check(plain, "", 0)
    size = len(json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode())
    if size > PAYLOAD_BYTES_MAX:
        raise PayloadError(
            "RF1303",
            f"a {kind.__qualname__} takes {size:,} bytes; the limit is {PAYLOAD_BYTES_MAX:,}",
            why="every payload is kept in the history and read at each replay",
            fix="store the data elsewhere and pass a reference to it",
        )
    return plain


def decode(plain: Plain, type_: object) -> Any:
    """The value of ``plain`` as ``type_``; raises :class:`PayloadError` (RF1302) where it does not fit."""
    if type_ is Any or type_ is object:
        return plain
    if type_ is None or type_ is type(None):
        if plain is None:
            return None
        raise _misfit(plain, "None", "the value is not null")
    if type_ is bool or type_ is int or type_ is str:
        if type(plain) is type_:
            return plain
        raise _misfit(plain, cast(type, type_).__name__, f"it is {type(plain).__name__}")
    try:
        return _converter().structure(plain, cast(Any, type_))
    except Exception as error:
        from cattrs import transform_error

        problems = "; ".join(transform_error(error)) if not isinstance(error, PayloadError) else str(error)
        raise _misfit(plain, getattr(type_, "__qualname__", str(type_)), problems) from error


def decoder(type_: object) -> Callable[[Plain], Any] | None:
    """A function that decodes to ``type_``, or ``None`` where plain data is what is wanted as it is."""
    if type_ is Any or type_ is object:
        return None
    return lambda plain: decode(plain, type_)


def _check(plain: Plain, path: str, depth: int) -> None:
    """Raise unless ``plain`` is plain through and through."""
    kind = type(plain)
    if plain is None or kind is bool:
        return
    if kind is str:
        _check_text(plain, path)
    elif kind is int:
        if not -_INT_LIMIT < plain < _INT_LIMIT:
            raise _cannot(f"an integer of more than {INTEGER_DIGITS_MAX} digits", path)
    elif kind is float:
        if not -_FLOAT_MAX <= plain <= _FLOAT_MAX:
            raise _cannot(f"the float {plain!r} is not a number that JSON has", path)
    elif depth >= NESTING_MAX:
        raise _cannot(f"it is nested deeper than {NESTING_MAX} levels", path)
    elif kind is list:
        for index, item in enumerate(plain):
            _check(item, f"{path}[{index}]", depth + 1)
    elif kind is dict:
        for key, item in plain.items():
            if type(key) is not str:
                raise _cannot(f"the key {key!r} is {type(key).__name__}, not text (JSON would merge 1 and '1')", path)
            _check_text(key, path)
            _check(item, f"{path}.{key}", depth + 1)
    else:
        raise _cannot(f"{kind.__qualname__} is not a type that can be stored", path)


def _check_text(text: str, path: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _cannot(f"the text {text[:40]!a} holds a lone surrogate", path) from None


def _cannot(problem: str, path: str) -> PayloadError:
    return PayloadError(
        "RF1301",
        f"a value cannot be stored: {problem}" + (f" (at ${path})" if path else ""),
        why="payloads are kept as JSON, without pickle, and must read back the same everywhere",
        fix="pass plain data, an attrs class or dataclass, an enum, datetime, timedelta, Decimal, UUID or bytes",
    )


def _misfit(plain: Plain, wanted: str, problem: str) -> PayloadError:
    shown = json.dumps(plain, ensure_ascii=True)
    return PayloadError(
        "RF1302",
        f"stored data does not fit {wanted}: {problem}",
        why=f"the data is {shown[:120]}{'...' if len(shown) > 120 else ''}",
        fix="declare the type the sender uses, or give new fields a default",
    )


@lru_cache(maxsize=1)
def _converter() -> Converter:
    """The one converter; built at first use, because cattrs takes a while to import."""
    from cattrs import Converter

    converter = Converter(prefer_attrib_converters=False, forbid_extra_keys=False)
    hooks: list[tuple[Any, Callable[[Any], Any], Callable[[Any, Any], Any]]] = [
        (datetime, _datetime_to_text, lambda text, _: _aware(datetime.fromisoformat(_text(text)))),
        (date, lambda value: value.isoformat(), lambda text, _: date.fromisoformat(_text(text))),
        (time, lambda value: value.isoformat(), lambda text, _: time.fromisoformat(_text(text))),
        (timedelta, lambda value: value // timedelta(microseconds=1), lambda us, _: timedelta(microseconds=_int(us))),
        (Decimal, str, lambda text, _: _decimal(_text(text))),
        (UUID, str, lambda text, _: UUID(_text(text))),
        (bytes, lambda value: base64.b64encode(value).decode(), lambda text, _: base64.b64decode(_text(text), validate=True)),
        (int, _bare, lambda value, _: _int(value)),
        (str, _bare, lambda value, _: _text(value)),
        (bool, _bare, lambda value, _: _bool(value)),
        (float, _bare, lambda value, _: _float(value)),
    ]
    for type_, to_plain, from_plain in hooks:
        if type_ in (int, str, bool, float):
            # These exactly, not what derives from them: an enum that is also text or a number is an enum first.
            converter.register_structure_hook_func(lambda wanted, exact=type_: wanted is exact, from_plain)
        else:
            converter.register_structure_hook(type_, from_plain)
        converter.register_unstructure_hook(type_, to_plain)
    converter.register_unstructure_hook_func(_is_plain_tuple, lambda value: [converter.unstructure(v) for v in value])
    return converter


def _is_plain_tuple(type_: object) -> bool:
    return type_ is tuple


def _datetime_to_text(value: datetime) -> str:
    return _aware(value).isoformat()


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise _cannot(f"the datetime {value.isoformat()} has no time zone", "")
    return value


def _bare(value: object) -> object:
    return value.value if isinstance(value, Enum) else value


def _text(value: object) -> str:
    if type(value) is not str:
        raise TypeError(f"expected text, found {type(value).__name__}")
    return value


def _int(value: object) -> int:
    if type(value) is not int:
        raise TypeError(f"expected an integer, found {type(value).__name__}")
    return value


def _bool(value: object) -> bool:
    if type(value) is not bool:
        raise TypeError(f"expected true or false, found {type(value).__name__}")
    return value


def _float(value: object) -> float:
    if type(value) is not float and type(value) is not int:
        raise TypeError(f"expected a number, found {type(value).__name__}")
    return float(value)  # type: ignore[arg-type]


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a decimal number") from None
