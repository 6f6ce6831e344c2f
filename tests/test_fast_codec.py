"""The decoder that uses msgspec answers what the kernel's own does, to good bytes and to bad."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from refold import HistoryError, codec
from refold_adapters.fast_codec import decode_events_fast, event_decoder
from tests.kernel.codec_cases import ACCEPTED, EVENT_LINES, REFUSED

pytest.importorskip("msgspec", reason="the extra `fast` is not installed")

HISTORY = b"\n".join(EVENT_LINES)


@pytest.mark.parametrize("line", EVENT_LINES, ids=range(1, len(EVENT_LINES) + 1))
def test_a_frozen_event_reads_back_as_the_same_bytes(line: bytes) -> None:
    (event,) = decode_events_fast(line)

    assert codec.decode_events(line) == [event]
    assert line == codec.encode_event(event)


def test_a_whole_history_is_the_same_events() -> None:
    expected = codec.decode_events(HISTORY)
    actual = decode_events_fast(HISTORY)

    assert expected == actual
    assert list(map(repr, expected)) == list(map(repr, actual))
    assert list(map(type, expected)) == list(map(type, actual))


def test_no_bytes_are_no_events() -> None:
    assert [] == decode_events_fast(b"")


def test_good_data_never_needs_the_slower_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(data: bytes) -> None:
        raise AssertionError(data)

    monkeypatch.setattr("refold_adapters.fast_codec.decode_events", refuse)

    assert len(EVENT_LINES) == len(decode_events_fast(HISTORY))


@pytest.mark.parametrize("data", [data for data, _ in REFUSED.values()], ids=REFUSED)
def test_damaged_data_has_the_same_error(data: bytes) -> None:
    with pytest.raises(HistoryError) as expected:
        codec.decode_events(data)
    with pytest.raises(HistoryError) as actual:
        decode_events_fast(data)

    assert str(expected.value) == str(actual.value)


@pytest.mark.parametrize("data", ACCEPTED.values(), ids=ACCEPTED)
def test_data_that_can_mean_only_one_thing_is_read(data: bytes) -> None:
    assert codec.decode_events(data) == decode_events_fast(data)


def test_the_fast_decoder_is_chosen_where_msgspec_is_installed() -> None:
    assert decode_events_fast is event_decoder()


def test_the_decoder_of_the_kernel_is_chosen_on_request() -> None:
    assert codec.decode_events is event_decoder(prefer_fast=False)


def test_the_decoder_of_the_kernel_is_chosen_without_msgspec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    assert codec.decode_events is event_decoder()


def test_msgspec_is_not_imported_before_something_is_decoded() -> None:
    program = (
        "import sys; from refold_adapters.fast_codec import event_decoder; decode = event_decoder();"
        "assert 'msgspec' not in sys.modules; decode(b'');"
        f"decode({EVENT_LINES[0]!r}); assert 'msgspec' in sys.modules"
    )

    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
