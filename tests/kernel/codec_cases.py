"""Bytes that are no history, and what is said of them: shared by the tests of both decoders."""

from __future__ import annotations

from pathlib import Path

GOLDEN = Path(__file__).parent.parent / "golden"
EVENT_LINES = (GOLDEN / "events-v1.jsonl").read_bytes().splitlines()
MESSAGE_LINES = (GOLDEN / "messages-v1.jsonl").read_bytes().splitlines()

FIRED = b'{"kind":"TimerFired","event_id":3,"turn":2,"at":5,"seq":1}'
FAILED = b'{"kind":"ActivityTaskFailed","event_id":3,"turn":2,"at":5,"seq":1,"failure":%s}'
SIGNALED = b'{"kind":"WorkflowExecutionSignaled","event_id":3,"turn":2,"at":5,"signal_name":"s","input":[%s]}'

#: What is damaged, the bytes, and a part of what is said.
REFUSED: dict[str, tuple[bytes, str]] = {
    "nothing but a newline": (b"\n", "line 1: it does not begin with"),
    "an empty last line": (FIRED + b"\n", "line 2: it does not begin with"),
    "an empty line between": (FIRED + b"\n\n" + FIRED, "line 2: it does not begin with"),
    "a space before the line": (b" " + FIRED, "line 1: it does not begin with"),
    "a byte order mark": (b"\xef\xbb\xbf" + FIRED, "line 1: it does not begin with"),
    "another encoding": (FIRED.decode().encode("utf-16"), "line 1: 'utf-8' codec can't decode"),
    "a list instead of an object": (b'["kind"]', "line 1: it does not begin with"),
    "the kind in the second place": (
        b'{"event_id":3,"kind":"TimerFired","turn":2,"at":5,"seq":1}',
        "line 1: it does not begin with",
    ),
    "a kind that is no text": (
        b'{"kind":"","kind":[1],"event_id":3}',
        "line 1: this version knows no kind [1]",
    ),
    "an unknown kind": (
        FIRED.replace(b"TimerFired", b"TimerExploded"),
        "line 1: this version knows no kind 'TimerExploded'",
    ),
    "the base of all kinds": (
        b'{"kind":"HistoryEvent","event_id":1,"turn":1,"at":1}',
        "no kind 'HistoryEvent'",
    ),
    "a cut line": (FIRED[:-1], "line 1: Expecting ',' delimiter (character 57)"),
    "two events on a line": (FIRED + FIRED, "line 1: Extra data (character 58)"),
    "two events on a line with a space": (FIRED + b" " + FIRED, "line 1: Extra data (character 59)"),
    "an event on two lines": (FIRED.replace(b',"turn"', b',\n"turn"'), "line 1: Expecting property name"),
    "an event on two lines beside two on one": (
        SIGNALED % b'\n{"kind":"x"}' + FIRED,
        "line 1: Expecting value",
    ),
    "a missing field": (FIRED.replace(b',"at":5', b""), "line 1: TimerFired: the field 'at' is missing"),
    "an unknown field": (
        FIRED.replace(b"}", b',"zeal":1}'),
        "TimerFired: this version knows no field 'zeal'",
    ),
    "an unknown field beside a missing one": (
        FIRED.replace(b"seq", b"zeal"),
        "TimerFired: this version knows no field 'zeal'",
    ),
    "a second kind": (
        FIRED.replace(b"}", b',"kind":"TimerStarted"}'),
        "TimerStarted: the field 'branch' is missing",
    ),
    "text for an integer": (
        FIRED.replace(b'"seq":1', b'"seq":"1"'),
        "the field 'seq' is text where an integer is due",
    ),
    "a fraction for an integer": (
        FIRED.replace(b'"seq":1', b'"seq":1.0'),
        "the field 'seq' is a number with a fraction where an integer is due",
    ),
    "true for an integer": (
        FIRED.replace(b'"seq":1', b'"seq":true'),
        "the field 'seq' is true or false where an integer is due",
    ),
    "null for an integer": (
        FIRED.replace(b'"seq":1', b'"seq":null'),
        "the field 'seq' is null where an integer is due",
    ),
    "a number for text": (
        SIGNALED.replace(b'"s"', b"5") % b"",
        "the field 'signal_name' is an integer where text is due",
    ),
    "an object for a list": (
        SIGNALED.replace(b"[%s]", b"{}"),
        "the field 'input' is an object where a list is due",
    ),
    "a list for an object or null": (
        (SIGNALED % b"").replace(b"}", b',"headers":[]}'),
        "the field 'headers' is a list where an object or null is due",
    ),
    "text for a failure": (FAILED % b'"no"', "the field 'failure' is text where an object is due"),
    "a failure without a kind": (
        FAILED % b"{}",
        "ActivityTaskFailed: in the field 'failure', the field 'kind' is missing",
    ),
    "a failure with an unknown field": (
        FAILED % b'{"kind":"application","mood":1}',
        "in the field 'failure', this version knows no field 'mood'",
    ),
    "text for the cause of a failure": (
        FAILED % b'{"kind":"activity","cause":{"kind":"application","cause":"no"}}',
        "in the field 'failure', in the field 'cause', the field 'cause' is text where an object or null is due",
    ),
    "a number among the frames of a failure": (
        FAILED % b'{"kind":"activity","frames":["a",1]}',
        "in the field 'failure', in the field 'frames', it holds an integer where text is due",
    ),
    "an unknown type of timeout": (
        b'{"kind":"ActivityTaskTimedOut","event_id":3,"turn":2,"at":5,"seq":1,"timeout_type":"LATE"}',
        "in the field 'timeout_type', 'LATE' is none of START_TO_CLOSE, SCHEDULE_TO_START",
    ),
    "an unknown retry state": (
        (FAILED % b'{"kind":"application"}').replace(b'"seq":1', b'"seq":1,"retry_state":"SULKING"'),
        "in the field 'retry_state', 'SULKING' is none of NON_RETRYABLE_FAILURE",
    ),
    "text among integers": (
        b'{"kind":"WorkflowExecutionCompleted","event_id":3,"turn":2,"at":5,"unreceived":[1,"2"]}',
        "in the field 'unreceived', it holds text where an integer is due",
    ),
    "NaN": (SIGNALED % b"NaN", "line 1: NaN is not a number that JSON has"),
    "an infinity": (SIGNALED % b"-Infinity", "line 1: -Infinity is not a number that JSON has"),
    "a number beyond all floats": (SIGNALED % b"1e999", "line 1: 1e999 is not a number that JSON has"),
    "an integer of 4,301 digits": (SIGNALED % (b"9" * 4301), "line 1: Exceeds the limit (4300 digits)"),
    "half a surrogate pair": (
        SIGNALED % b'"\\ud800"',
        "line 1: 'utf-8' codec can't encode character '\\ud800'",
    ),
    "half a surrogate pair in capitals": (SIGNALED % b'"\\uDC00"', "line 1: 'utf-8' codec can't encode"),
    "half a surrogate pair in a key": (SIGNALED % b'{"\\ud800":1}', "line 1: 'utf-8' codec can't encode"),
    "a byte that is no UTF-8": (SIGNALED % b'"\xff"', "line 1: 'utf-8' codec can't decode byte 0xff"),
    "a raw control character": (SIGNALED % b'"\x01"', "line 1: Invalid control character"),
    "endless nesting": (SIGNALED % (b"[" * 100_000), "line 1: it is nested too deeply"),
    "damage in the third line": (b"\n".join([FIRED, FIRED, FIRED[1:]]), "line 3: it does not begin with"),
}

#: Bytes that no encoder of ours writes and that can mean only one thing.
ACCEPTED: dict[str, bytes] = {
    "spaces inside": b'{"kind":"TimerFired" , "event_id" : 3, "turn":2,"at":5,"seq":1 }',
    "spaces after": FIRED + b"  \r",
    "spaces after, and another line": FIRED + b" \n" + FIRED,
    "fields in another order": b'{"kind":"TimerFired","seq":1,"at":5,"turn":2,"event_id":3}',
    "an escaped kind": FIRED.replace(b"TimerFired", b"Timer\\u0046ired"),
    "an escaped name": FIRED.replace(b'"seq"', b'"se\\u0071"'),
    "a field twice": FIRED.replace(b'"seq":1', b'"seq":9,"seq":1'),
    "the kind twice": FIRED.replace(b"}", b',"kind":"TimerFired"}'),
}
