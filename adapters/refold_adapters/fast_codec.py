"""Histories decoded with msgspec, where it is installed (extra ``fast``).

One rule: whatever this decoder answers, ``refold.codec.decode_events`` answers too, for the same bytes.  It gets there by being
the stricter one: msgspec parses each line into a struct that has the fields of one kind and refuses any other, and where that
fails, for whatever reason, the kernel's own decoder has the last word and words the error.
"""

from __future__ import annotations

import importlib.util
import types
import typing
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import attrs

from refold import Failure
from refold.codec import LINE_START, decode_events, event_builder
from refold.events import HistoryEvent, event_kinds

if TYPE_CHECKING:
    from msgspec import Struct

EventDecoder: TypeAlias = Callable[[bytes], list[HistoryEvent]]

_START = LINE_START.encode()


def event_decoder(prefer_fast: bool = True) -> EventDecoder:
    """A function from stored bytes to events: one that uses msgspec if that is wanted and installed, else the kernel's own.

    Both answer the same and raise the same errors (RF2004, RF2002).
    """
    if prefer_fast and importlib.util.find_spec("msgspec") is not None:
        return decode_events_fast
    return decode_events


def decode_events_fast(data: bytes) -> list[HistoryEvent]:
    """What ``refold.codec.decode_events`` answers, in a third of the time; needs msgspec."""
    return _decoder()(data)


class _Builders(dict["type[Struct]", Callable[..., HistoryEvent]]):
    """The constructor of the events of each struct, made when its kind is first met."""

    def __missing__(self, struct: type[Struct]) -> Callable[..., HistoryEvent]:
        builder = self[struct] = event_builder(event_kinds()[struct.__name__])
        return builder


@cache
def _decoder() -> EventDecoder:
    """Built at first use, because it takes some ten milliseconds, half of them to import msgspec."""
    import msgspec

    structs = [
        msgspec.defstruct(
            kind, _struct_fields(cls), tag_field="kind", tag=kind, forbid_unknown_fields=True, gc=False
        )
        for kind, cls in event_kinds().items()
    ]
    lines = msgspec.json.Decoder(cast(Any, typing.Union[tuple(structs)]))  # noqa: UP007 - only this spelling takes a list
    parse: Callable[[bytes], Struct] = lines.decode
    values: Callable[[Struct], tuple[Any, ...]] = msgspec.structs.astuple
    builders = _Builders()

    def decode(data: bytes) -> list[HistoryEvent]:
        events: list[HistoryEvent] = []
        try:
            for line in data.split(b"\n"):
                if not line.startswith(_START):  # msgspec does not mind where the kind stands
                    return decode_events(data)
                struct = parse(line)
                events.append(builders[struct.__class__](*values(struct)))
        except (ValueError, RecursionError):  # msgspec's own errors are among them
            return decode_events(data)
        return events

    return decode


def _struct_fields(cls: type[HistoryEvent]) -> list[Any]:
    hints = typing.get_type_hints(cls)
    return [
        (field.name, _as_json(hints[field.name]))
        if field.default is attrs.NOTHING
        else (field.name, _as_json(hints[field.name]), field.default)
        for field in attrs.fields(cls)
    ]


def _as_json(hint: Any) -> Any:
    """The type of a field before the kernel's constructor has made a failure of an object."""
    if hint is Failure:
        return dict[str, Any]
    if isinstance(hint, types.UnionType) and Failure in typing.get_args(hint):
        return dict[str, Any] | None
    return hint
