"""Any event reads back as itself with either decoder, and no bytes can make a decoder do anything but answer or refuse."""

from __future__ import annotations

import sys
import typing
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from refold import Failure, HistoryError, RetryState, TimeoutType
from refold.codec import (
    decode_events,
    decode_failure,
    decode_message,
    encode_events,
    encode_failure,
    encode_message,
)
from refold.events import HistoryEvent, event_kinds
from refold.messages import MESSAGES, Message
from refold_adapters.fast_codec import event_decoder

decode_fast = event_decoder()
decode_fast(b"")  # what it needs is loaded now, so that whatever is loaded later is a finding

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
PLAIN = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
CHOICES = {
    "timeout_type": st.sampled_from([choice.value for choice in TimeoutType]),
    "retry_state": st.sampled_from([choice.value for choice in RetryState]),
}


def values_for(name: str, hint: Any) -> st.SearchStrategy[Any]:
    """What a field may hold, by its name and its declared type."""
    if hint is Any:
        return PLAIN
    if name == "schema_version":  # a newer one is refused, whatever the event
        return st.integers(max_value=1)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is dict:
        return st.dictionaries(TEXT, PLAIN, max_size=3)
    if origin is not None and type(None) in args:
        (inner,) = (arg for arg in args if arg is not type(None))
        return st.none() | values_for(name, inner)
    if origin is not None:
        return st.lists(values_for("", args[0]), max_size=3)
    simple: dict[Any, st.SearchStrategy[Any]] = {
        int: st.integers(),
        bool: st.booleans(),
        str: CHOICES.get(name, TEXT),
    }
    return simple.get(hint, FAILURES)


def instances(cls: type[Any]) -> st.SearchStrategy[Any]:
    """Instances of a class with any of its optional fields set, or left as they are."""
    hints = typing.get_type_hints(cls)
    fields = {
        field.name: values_for(field.name, hints[field.name])
        if field.default is attrs.NOTHING
        else st.just(field.default) | values_for(field.name, hints[field.name])
        for field in attrs.fields(cls)
    }
    return st.builds(cls, **fields)


FAILURES: st.SearchStrategy[Failure] = st.deferred(lambda: instances(Failure))
EVENTS: st.SearchStrategy[HistoryEvent] = st.sampled_from(list(event_kinds().values())).flatmap(instances)
MESSAGES_OF_ANY_KIND: st.SearchStrategy[Message] = st.sampled_from(list(MESSAGES.values())).flatmap(instances)


@pytest.mark.parametrize("cls", event_kinds().values(), ids=event_kinds())
def test_every_kind_of_event_reads_back_as_itself(cls: type[HistoryEvent]) -> None:
    @given(instances(cls))
    def reads_back(event: HistoryEvent) -> None:
        data = encode_events([event])

        assert [event] == decode_events(data) == decode_fast(data)
        assert data == encode_events(decode_events(data))

    reads_back()


@given(st.lists(EVENTS, max_size=5))
def test_a_turn_reads_back_as_itself_with_either_decoder(events: list[HistoryEvent]) -> None:
    data = encode_events(events)

    assert events == decode_events(data) == decode_fast(data)
    assert repr(events) == repr(decode_events(data)) == repr(decode_fast(data))


@given(MESSAGES_OF_ANY_KIND)
def test_a_message_reads_back_as_itself(message: Message) -> None:
    assert message == decode_message(encode_message(message))


@given(FAILURES)
def test_a_failure_reads_back_as_itself(failure: Failure) -> None:
    assert failure == decode_failure(encode_failure(failure))


def outcome(decode: typing.Callable[[bytes], object], data: bytes) -> str:
    """What a decoder makes of bytes: the value or the error it refuses them with."""
    try:
        return repr(decode(data))
    except HistoryError as error:
        return str(error)


def both_answer_the_same(data: bytes) -> None:
    modules = set(sys.modules)

    assert outcome(decode_events, data) == outcome(decode_fast, data)
    outcome(decode_message, data)
    outcome(decode_failure, data)

    assert set() == set(sys.modules) - modules


@given(st.binary(max_size=200))
@example(b'{"kind":"' + b"\xff" * 3)
def test_any_bytes_are_refused_alike(data: bytes) -> None:
    both_answer_the_same(data)
    both_answer_the_same(b'{"kind":"TimerFired",' + data)


# Pieces that make a difference to a parser, put where they hurt.
SPACE = [b"\n", b"\r", b" "]
MARKS = [b",", b":", b'"', b"[", b"]", b"{", b"}", b"\\", b"\\u", b"\\ud800"]
NUMBERS = [b"0", b"-", b".", b"e99", b"9" * 400, b"1e999", b"NaN", b"null", b"true"]
KINDS = [b'"kind":', b'{"kind":"', b'{"kind":"TimerFired"']
BYTES = [b"\xff", b"\x00", b"\xc3"]
PIECES = st.sampled_from([*SPACE, *MARKS, *NUMBERS, *KINDS, *BYTES])


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(encode_events(draw(st.lists(EVENTS, min_size=1, max_size=3))))
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(data)))
        end = min(len(data), begin + draw(st.sampled_from([0, 0, 1, 1, 2, 9])))
        data[begin:end] = draw(PIECES | st.binary(max_size=2) | st.just(bytes(data[begin:end]) * 2))
    return bytes(data)


@given(mutated())
def test_damaged_lines_are_answered_or_refused_alike(data: bytes) -> None:
    both_answer_the_same(data)
