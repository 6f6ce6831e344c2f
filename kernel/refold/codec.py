"""Events, messages and failures as bytes, and back.

A turn is stored as JSON Lines: one event a line, its ``kind`` first, then the fields in their declared order, those that have
their default left out, without spaces, as UTF-8.  One rule: the same value gives the same bytes everywhere, and bytes that do
not say exactly what a class of this version declares are refused (RF2004) rather than guessed at: a reader that overlooked a
field of a newer version could replay the run wrongly.

What a payload means is not known here, nor where the bytes are kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn, cast

from refold.errors import HistoryError, PayloadError
from refold.events import HistoryEvent, event_kinds
from refold.failures import Failure
from refold.flags import SCHEMA_VERSION, check_flags
from refold.messages import MESSAGES, Message
from refold.shapes import Shape, failure_of_plain, shape_of

__all__ = [
    "LINE_START",
    "decode_events",
    "decode_failure",
    "decode_message",
    "encode_event",
    "encode_events",
    "encode_failure",
    "encode_message",
    "event_builder",
]

#: What every line of an encoded turn begins with.
LINE_START: Final = '{"kind":"'


# Encoding -----------------------------------------------------------------------------------------------------------


def encode_event(event: HistoryEvent) -> bytes:
    """One event as a line, without its newline; raises :class:`PayloadError` (RF1301) for what is not plain data."""
    return _encode(event, {"kind": type(event).__name__})


def encode_events(events: Sequence[HistoryEvent]) -> bytes:
    """Events as lines, joined by newlines, without one at the end; raises :class:`PayloadError` (RF1301)."""
    return b"\n".join([encode_event(event) for event in events])


def encode_message(message: Message) -> bytes:
    """A message, in the form of an event; raises :class:`PayloadError` (RF1301) for what is not plain data."""
    return _encode(message, {"kind": type(message).__name__})


def encode_failure(failure: Failure) -> bytes:
    """A failure as one object; raises :class:`PayloadError` (RF1301) for what is not plain data."""
    return _encode(failure, {})


def _encode(value: object, record: dict[str, Any]) -> bytes:
    try:
        return _to_json(shape_of(type(value)).sparse(value, record)).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise PayloadError(
            "RF1301",
            f"{type(value).__name__} cannot be stored: {error}",
            why="histories are kept as JSON and must read back the same everywhere",
            fix="give payloads to refold.payloads.encode first: it says what is wrong, and where",
        ) from error


def _sparse_failure(value: object) -> dict[str, Any]:
    if type(value) is not Failure:
        raise TypeError(f"{type(value).__qualname__} is not plain data")
    return shape_of(Failure).sparse(value, {})


_encoder = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"), default=_sparse_failure
)


#: What tells whether two encoders write the same.
_SAMPLE = {"a": [1.5, "\u00e9"]}


def line_writer(make: Any) -> Callable[[Any], str]:
    """What ``_encoder.encode`` answers for an object, by one encoder in C for all of them; ``encode`` makes one each time.

    How it is made is not documented, so where it cannot be made like this, it is ``encode`` itself.
    """
    try:
        chunks = make(
            None, _encoder.default, json.encoder.encode_basestring, None, ":", ",", False, False, False
        )
        is_same = "".join(chunks(_SAMPLE, 0)) == _encoder.encode(_SAMPLE)
    except TypeError:  # this Python makes it otherwise, or not at all
        return _encoder.encode
    return (lambda record: "".join(chunks(record, 0))) if is_same else _encoder.encode


_to_json = line_writer(getattr(json.encoder, "c_make_encoder", None))


# Decoding -----------------------------------------------------------------------------------------------------------


class _Shapes(dict[str, Shape]):
    """The layout of each kind, found when the kind is first met."""

    def __init__(self, classes: dict[str, type[Any]]) -> None:
        super().__init__()
        self.classes = classes

    def __missing__(self, kind: str) -> Shape:
        shape = self[kind] = shape_of(self.classes[kind])
        return shape


_EVENTS = _Shapes({**event_kinds()})
_MESSAGES = _Shapes({**MESSAGES})


def decode_events(data: bytes) -> list[HistoryEvent]:
    """The events of one turn, or of several joined by newlines; raises :class:`HistoryError` (RF2004, RF2002)."""
    if not data:
        return []
    try:
        return _decode_quickly(data)
    except (ValueError, LookupError, TypeError, RecursionError):
        return _decode_carefully(data)


def decode_message(data: bytes) -> Message:
    """The message that :func:`encode_message` made ``data`` of; raises :class:`HistoryError` (RF2004)."""
    try:
        return cast(Message, _decode_line(data, _MESSAGES))
    except (ValueError, RecursionError) as error:
        _refuse("a message", error, data)


def decode_failure(data: bytes) -> Failure:
    """The failure that :func:`encode_failure` made ``data`` of; raises :class:`HistoryError` (RF2004)."""
    try:
        return cast(Failure, failure_of_plain(_from_json(data.decode())))
    except (ValueError, RecursionError) as error:
        _refuse("a failure", error, data)


def event_builder(cls: type[HistoryEvent]) -> Callable[..., HistoryEvent]:
    """A positional constructor of a class of events, several times as fast as the class, for readers of the same format.

    It takes the values of all fields as decoded JSON.  Their own types are for the caller to have checked, as the class
    declares them; what is inside a failure or a choice of words is checked here and raises ``ValueError``.
    """
    return shape_of(cls).build


def _decode_quickly(data: bytes) -> list[HistoryEvent]:
    """Events, without telling what is wrong: raises one of several errors wherever a closer look is needed."""
    text = data.decode()
    if "\\ud" in text or "\\uD" in text:
        raise ValueError  # half a surrogate pair, perhaps
    shapes = _EVENTS
    events: list[HistoryEvent] = []
    position = 0
    end = len(text)
    while position < end:
        if not text.startswith(LINE_START, position):
            raise ValueError
        record, position = _scan(text, position)
        shape = shapes[record.pop("kind")]
        fields = {**shape.template, **record}
        values = tuple(fields.values())
        if tuple(map(type, values)) not in shape.checked:
            shape.check(fields)
        events.append(shape.build(*values))
        if position < end and text[position] != "\n":
            raise ValueError  # two events on one line, perhaps
        position += 1
    if len(events) != text.count("\n") + 1:
        raise ValueError  # an event on two lines, or an empty line
    return events


def _decode_carefully(data: bytes) -> list[HistoryEvent]:
    """Events, one line at a time, so that an error can say which line and what is wrong with it."""
    events: list[HistoryEvent] = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        try:
            events.append(_decode_line(line, _EVENTS))
        except (ValueError, RecursionError) as error:
            _refuse("an event", error, line, f"line {number}: ")
    return events


def _decode_line(line: bytes, shapes: _Shapes) -> Any:
    text = line.decode()
    if not text.startswith(LINE_START):
        raise ValueError(f"it does not begin with {LINE_START}")
    record = _from_json(text)
    kind = record.pop("kind")
    if type(kind) is not str or kind not in shapes.classes:
        raise ValueError(f"this version knows no kind {kind!r:.80}")
    if kind == "WorkflowExecutionStarted":
        _check_version(record)
    try:
        return shapes[kind].read(record)
    except ValueError as error:
        raise ValueError(f"{kind}: {error}") from None


def _check_version(record: dict[str, Any]) -> None:
    """Refuse a newer version by its name, where it is known before what is new in it is met."""
    version = record.get("schema_version")
    if type(version) is int and version > SCHEMA_VERSION:
        check_flags(version, ())


def _from_json(text: str) -> Any:
    value = _decoder.decode(text)
    if "\\ud" in text.lower():
        _to_json(value).encode()
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text:.40} is not a number that JSON has")


def _finite(text: str) -> float:
    value = float(text)
    if value - value != 0:
        _no_number(text)
    return value


_decoder = json.JSONDecoder(parse_float=_finite, parse_constant=_no_number)
_scan = _decoder.raw_decode


def _refuse(what: str, error: Exception, data: bytes, place: str = "") -> NoReturn:
    problem = str(error)
    if isinstance(error, json.JSONDecodeError):
        problem = f"{error.msg} (character {error.pos})"
    elif isinstance(error, RecursionError):
        problem = "it is nested too deeply"
    raise HistoryError(
        "RF2004",
        f"{what} cannot be decoded: {place}{problem}",
        why="the stored data is damaged, or a newer refold wrote it",
        fix="upgrade refold on this worker; if it is the newest, restore the data from a backup",
        where=f"{data[:120]!r}{'...' if len(data) > 120 else ''}",
    ) from error
