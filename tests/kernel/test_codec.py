"""Events, messages and failures as bytes: the format, its refusals, and the frozen files of every release."""

from __future__ import annotations

import itertools
import json
from typing import Any

import attrs
import pytest

from refold import Failure, HistoryError, PayloadError
from refold import events as ev
from refold import messages as ms
from refold.codec import (
    decode_events,
    decode_failure,
    decode_message,
    encode_event,
    encode_events,
    encode_failure,
    encode_message,
    event_builder,
    line_writer,
)
from tests.kernel.codec_cases import ACCEPTED, EVENT_LINES, FIRED, MESSAGE_LINES, REFUSED, SIGNALED

TIMER_FIRED = ev.TimerFired(event_id=3, turn=2, at=5, seq=1)


def signaled(*input: Any) -> ev.WorkflowExecutionSignaled:
    return ev.WorkflowExecutionSignaled(event_id=3, turn=2, at=5, signal_name="s", input=[*input])


def fields_of(lines: list[bytes]) -> dict[str, list[list[str]]]:
    """The names that each line of a kind holds, by kind."""
    found: dict[str, list[list[str]]] = {}
    for line in lines:
        kind, *names = json.loads(line)
        assert "kind" == kind
        found.setdefault(json.loads(line)["kind"], []).append(names)
    return found


# --- the frozen files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", EVENT_LINES, ids=range(1, len(EVENT_LINES) + 1))
def test_a_frozen_event_reads_back_as_the_same_bytes(line: bytes) -> None:
    (event,) = decode_events(line)

    assert type(event).__name__ == json.loads(line)["kind"]
    assert line == encode_event(event)


@pytest.mark.parametrize("line", MESSAGE_LINES, ids=range(1, len(MESSAGE_LINES) + 1))
def test_a_frozen_message_reads_back_as_the_same_bytes(line: bytes) -> None:
    message = decode_message(line)

    assert type(message).__name__ == json.loads(line)["kind"]
    assert line == encode_message(message)


def test_a_frozen_file_is_one_history_too() -> None:
    events = decode_events(b"\n".join(EVENT_LINES))

    assert [decode_events(line)[0] for line in EVENT_LINES] == events
    assert b"\n".join(EVENT_LINES) == encode_events(events)


@pytest.mark.parametrize(
    ("classes", "lines"),
    [(ev.event_kinds(), EVENT_LINES), (ms.MESSAGES, MESSAGE_LINES)],
    ids=["events", "messages"],
)
def test_every_kind_is_frozen_with_all_its_fields_and_with_the_required_ones_only(
    classes: dict[str, type[Any]], lines: list[bytes]
) -> None:
    frozen = fields_of(lines)

    assert list(classes) == list(frozen)
    for kind, cls in classes.items():
        fields = attrs.fields(cls)
        assert [field.name for field in fields] in frozen[kind], kind
        assert [field.name for field in fields if field.default is attrs.NOTHING] in frozen[kind], kind


def test_no_class_has_a_field_that_the_format_could_not_hold() -> None:
    for cls in (*ev.event_kinds().values(), *ms.MESSAGES.values()):
        for field in attrs.fields(cls):
            assert "kind" != field.name
            assert not isinstance(field.default, type(attrs.Factory(list))), field


# --- the format --------------------------------------------------------------------------------------------------------


def test_an_event_is_a_line_with_its_kind_first_and_without_its_defaults() -> None:
    event = ev.ActivityTaskCompleted(
        event_id=2, turn=1, at=17, seq=1, result={"name": "Zoë", "tags": []}, attempt=1
    )

    expected = '{"kind":"ActivityTaskCompleted","event_id":2,"turn":1,"at":17,"seq":1,"result":{"name":"Zoë","tags":[]}}'
    assert expected.encode() == encode_event(event)


def test_a_failure_is_nested_without_its_defaults() -> None:
    failure = Failure(
        "activity", activity_type="pay", cause=Failure("application", message="no", type="Declined")
    )
    event = ev.ActivityTaskFailed(event_id=2, turn=1, at=17, seq=1, failure=failure)

    expected = (
        b'{"kind":"ActivityTaskFailed","event_id":2,"turn":1,"at":17,"seq":1,"failure":{"kind":"activity",'
        b'"activity_type":"pay","cause":{"kind":"application","message":"no","type":"Declined"}}}'
    )
    assert expected == encode_event(event)
    assert [event] == decode_events(expected)


def test_a_turn_is_its_lines_without_a_newline_at_the_end() -> None:
    assert FIRED + b"\n" + FIRED == encode_events([TIMER_FIRED, TIMER_FIRED])
    assert [TIMER_FIRED, TIMER_FIRED] == decode_events(FIRED + b"\n" + FIRED)


def test_no_events_are_no_bytes() -> None:
    assert b"" == encode_events([])
    assert [] == decode_events(b"")


@pytest.mark.parametrize(
    "value", [None, "", [], {}, 0, 0.0, False, '\x00\n"\\', "\\ud800", "\U0001f44b", [None]]
)
def test_a_value_that_looks_like_none_is_told_from_it(value: object) -> None:
    event = ev.ActivityTaskCompleted(event_id=2, turn=1, at=17, seq=1, result=value)

    (again,) = decode_events(encode_event(event))

    assert isinstance(again, ev.ActivityTaskCompleted)
    assert (type(value), value) == (type(again.result), again.result)


def test_no_arguments_are_told_from_an_empty_list_of_them() -> None:
    without = ev.WorkflowExecutionSignaled(event_id=3, turn=2, at=5, signal_name="s")
    events = [without, signaled()]

    assert events == decode_events(encode_events(events))
    assert events[0] != events[1]


def test_a_decoded_event_is_the_very_class_and_cannot_be_changed() -> None:
    (event,) = decode_events(FIRED)

    assert ev.TimerFired is type(event)
    assert (repr(TIMER_FIRED), hash(TIMER_FIRED)) == (repr(event), hash(event))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.seq = 4  # type: ignore[attr-defined]
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        del event.turn  # type: ignore[misc]


def test_the_builder_takes_what_json_holds_in_declared_order() -> None:
    build = event_builder(ev.ActivityTaskFailed)

    event = build(3, 2, 5, 1, {"kind": "application"}, None, 1, "", None)

    assert ev.ActivityTaskFailed(3, 2, 5, 1, Failure("application")) == event
    with pytest.raises(ValueError, match="a failure is an object, not text"):
        build(3, 2, 5, 1, "application", None, 1, "", None)


# --- what cannot be written ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (float("nan"), "Out of range float values"),
        (float("inf"), "Out of range float values"),
        ("\ud800", "surrogates not allowed"),
        ({1, 2}, "set is not plain data"),
        (10**5000, "Exceeds the limit"),
        ({"a": TIMER_FIRED}, "TimerFired is not plain data"),
    ],
    ids=["nan", "inf", "surrogate", "set", "digits", "event"],
)
def test_what_is_not_plain_data_is_refused(value: object, problem: str) -> None:
    with pytest.raises(PayloadError, match=problem) as caught:
        encode_event(signaled(value))

    assert "RF1301" == caught.value.code
    assert "WorkflowExecutionSignaled cannot be stored" in str(caught.value)


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)

    with pytest.raises(PayloadError, match="RF1301"):
        encode_message(ms.SignalWorkflow(signal_name="s", input=endless))


# --- what cannot be read ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("data", "said"), REFUSED.values(), ids=REFUSED)
def test_damaged_data_is_refused_and_named(data: bytes, said: str) -> None:
    with pytest.raises(HistoryError) as caught:
        decode_events(data)

    assert "RF2004" == caught.value.code
    assert said in caught.value.what


@pytest.mark.parametrize("data", ACCEPTED.values(), ids=ACCEPTED)
def test_data_that_can_mean_only_one_thing_is_read(data: bytes) -> None:
    assert {TIMER_FIRED} == set(decode_events(data))


def test_escaped_surrogate_pairs_are_one_character() -> None:
    assert [signaled("\U0001f44b")] == decode_events(SIGNALED % b'"\\ud83d\\uDC4B"')


def test_a_newer_version_is_named_before_what_is_new_in_it_is_met() -> None:
    (started,) = decode_events(EVENT_LINES[1])
    assert isinstance(started, ev.WorkflowExecutionStarted)
    newer = encode_event(attrs.evolve(started, schema_version=2)).replace(b'"turn"', b'"mood":1,"turn"')

    with pytest.raises(HistoryError) as caught:
        decode_events(newer)

    assert "RF2002" == caught.value.code


def test_an_error_shows_the_beginning_of_the_damaged_line_only() -> None:
    with pytest.raises(HistoryError) as caught:
        decode_events(FIRED + b"\n" + b"x" * 500)

    assert f"b'{'x' * 120}'..." == caught.value.where


def test_any_number_of_combinations_of_types_is_read() -> None:
    optional = [
        "build_id",
        "first_run_id",
        "parent_seq",
        "memo",
        "headers",
        "start_delay_us",
        "last_failure",
        "retry_policy",
    ]
    required = json.loads(EVENT_LINES[1])
    full = json.loads(EVENT_LINES[0])
    lines = [
        json.dumps({**required, **{name: full[name] for name in names}})
        .replace('{"kind": "', '{"kind":"', 1)
        .encode()
        for count in range(len(optional) + 1)
        for names in itertools.combinations([*optional, "attempt"], count)
    ]

    events = decode_events(b"\n".join(lines))

    assert len(lines) == len(set(map(encode_event, events)))
    with pytest.raises(HistoryError, match="'attempt' is text"):
        decode_events(b"\n".join(lines).replace(b'"attempt": 3', b'"attempt": "3"'))


# --- messages and failures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"kind":"FireTimer"}', "a message cannot be decoded: FireTimer: the field 'seq' is missing"),
        (FIRED, "a message cannot be decoded: this version knows no kind 'TimerFired'"),
        (b"", "a message cannot be decoded: it does not begin with"),
        (
            b'{"kind":"SignalWorkflow","input":' + b"[" * 100_000,
            "a message cannot be decoded: it is nested too deeply",
        ),
    ],
    ids=["field", "event", "empty", "nested"],
)
def test_a_damaged_message_is_refused_and_named(data: bytes, said: str) -> None:
    with pytest.raises(HistoryError) as caught:
        decode_message(data)

    assert "RF2004" == caught.value.code
    assert said in caught.value.what


@pytest.mark.parametrize("make", [None, lambda *_: lambda record, level: ("no", "such", "text")])
def test_the_documented_way_to_write_a_line_serves_where_the_quick_one_is_not_there_or_differs(
    make: Any,
) -> None:
    write = line_writer(make)

    assert '{"kind":"x","input":[1.5,"é",null]}' == write({"kind": "x", "input": [1.5, "é", None]})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write({"input": float("nan")})


def test_both_ways_to_write_a_line_give_the_same_for_every_kind() -> None:
    documented = line_writer(None)
    quick = line_writer(getattr(json.encoder, "c_make_encoder", None))

    for line in (*EVENT_LINES, *MESSAGE_LINES):
        record = json.loads(line)
        assert documented(record) == quick(record)


def test_a_failure_alone_is_one_object() -> None:
    failure = Failure("timeout", timeout_type="HEARTBEAT", details=[1], cause=Failure("application"))

    data = encode_failure(failure)

    assert (
        b'{"kind":"timeout","details":[1],"timeout_type":"HEARTBEAT","cause":{"kind":"application"}}' == data
    )
    assert failure == decode_failure(data)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"[]", "a failure is an object, not a list"),
        (b"{", "Expecting property name"),
        (b"{}", "the field 'kind' is missing"),
        (b'{"kind":"timeout","timeout_type":"LATE"}', "'LATE' is none of"),
        (b'{"kind":"\xff"}', "can't decode byte 0xff"),
    ],
)
def test_a_damaged_failure_is_refused_and_named(data: bytes, said: str) -> None:
    with pytest.raises(HistoryError) as caught:
        decode_failure(data)

    assert "RF2004" == caught.value.code
    assert said in caught.value.what
