"""Every error has a code that is listed, documented and used, and says what happened, why, and what to do."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

import refold
from refold import ApplicationError, DefinitionError, HistoryError, RefoldError, RetryPolicy, errors
from refold.codec import decode_events, decode_failure, decode_message, encode_event
from refold.errors import CODES
from refold.events import WorkflowExecutionSignaled, WorkflowExecutionStarted
from refold.flags import CURRENT_FLAGS, SCHEMA_VERSION, check_flags
from refold.ids import checked_id
from refold.payloads import decode, encode

ROOT = Path(__file__).parent.parent.parent
REFERENCE = ROOT / "docs" / "reference" / "errors.md"

#: Codes that no error carries, with what carries them.
NOT_RAISED = {
    "RF1103": "Turn.complaints and the log: an exception out of a closing generator would reach nobody"
}


def codes_in(package: str) -> dict[str, set[str]]:
    """The codes that stand as whole texts in the modules of a package, where they are handed to an error."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        if path.name == "errors.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and re.fullmatch(r"RF\d{4}", node.value)
            ):
                found.setdefault(node.value, set()).add(path.name)
    return found


def test_every_code_of_the_kernel_that_is_used_is_listed() -> None:
    assert [] == sorted(code for code in codes_in("kernel/refold") if code not in CODES)


def test_every_code_of_the_kernel_that_is_listed_is_used() -> None:
    assert sorted(NOT_RAISED) == sorted(set(CODES) - set(codes_in("kernel/refold")))


def test_every_code_of_the_kernel_has_its_section_in_the_reference() -> None:
    sections = re.findall(r"^## (RF\d{4}): (.*)$", REFERENCE.read_text("utf-8"), re.MULTILINE)

    assert [] == sorted(set(CODES.items()) - set(sections))


def test_codes_stand_in_order_and_have_titles_without_a_full_stop() -> None:
    assert sorted(CODES) == list(CODES)
    assert [] == [title for title in CODES.values() if title.endswith(".") or not title[0].isupper()]


def test_an_error_cannot_have_a_code_that_is_not_listed() -> None:
    with pytest.raises(AssertionError, match="unregistered error code RF9999"):
        RefoldError("RF9999", "what", why="why", fix="fix")


def test_an_error_says_what_happened_where_why_and_what_to_do() -> None:
    error = RefoldError(
        "RF2001", "the history ends", why="a row is missing", fix="restore it", where="run r-1, event 7"
    )

    assert ("RF2001", "the history ends", "a row is missing", "restore it", "run r-1, event 7") == (
        error.code,
        error.what,
        error.why,
        error.fix,
        error.where,
    )
    assert str(error) == (
        "RF2001: the history ends\n  where: run r-1, event 7\n  why: a row is missing\n  fix: restore it"
    )


def test_a_place_is_left_out_where_there_is_none() -> None:
    error = RefoldError("RF2001", "the history ends", why="a row is missing", fix="restore it")

    assert "RF2001: the history ends\n  why: a row is missing\n  fix: restore it" == str(error)


def test_every_class_of_errors_is_public_and_says_whose_fault_it_is() -> None:
    classes = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, RefoldError)]

    assert [] == [cls.__name__ for cls in classes if cls.__name__ not in refold.__all__]
    assert [] == [cls.__name__ for cls in classes if not (cls.__doc__ or "").strip()]


# --- the rules a history was made under ------------------------------------------------------------------------------


def test_a_history_under_the_rules_of_today_is_accepted() -> None:
    check_flags(SCHEMA_VERSION, CURRENT_FLAGS)
    check_flags(SCHEMA_VERSION, list(CURRENT_FLAGS))


@pytest.mark.parametrize("flags", [(), (1, 2, 3, 4, 5, 6), (1, 2, 3, 4, 5, 6, 7, 8), (2, 1, 3, 4, 5, 6, 7)])
def test_a_history_under_other_rules_is_refused(flags: tuple[int, ...]) -> None:
    with pytest.raises(HistoryError) as caught:
        check_flags(SCHEMA_VERSION, flags)

    assert "RF2003" == caught.value.code


# --- the texts, to the letter ---------------------------------------------------------------------------------------


@attrs.frozen
class Line:
    sku: str
    count: int


@attrs.frozen
class Order:
    lines: list[Line]


SIGNALED = WorkflowExecutionSignaled(event_id=1, turn=1, at=1, signal_name="s", input=[{1, 2}])


def said(what: str, *, why: str, fix: str, where: str | None = None) -> str:
    place = f"\n  where: {where}" if where else ""
    return f"{what}{place}\n  why: {why}\n  fix: {fix}"


TEXTS: dict[str, tuple[Callable[[], Any], str]] = {
    "RF1003": (
        lambda: checked_id("a\nb", "workflow id"),
        said(
            "RF1003: the workflow id is not acceptable: 'a\\nb' holds a control character",
            why="identifiers are stored, listed and printed, so they must be plain text",
            fix="use 1 to 1024 bytes of UTF-8 text without control characters",
        ),
    ),
    "RF1004 of a policy": (
        lambda: RetryPolicy(initial_interval=timedelta(-1)),
        said(
            "RF1004: the initial_interval is not acceptable: -1 day, 0:00:00 is not at least zero",
            why="options are checked where they are given, not when they are first needed",
            fix="see the reference of the option",
        ),
    ),
    "RF1004 of a failure": (
        lambda: ApplicationError("no", next_retry_delay=5),  # type: ignore[arg-type]
        said(
            "RF1004: the next_retry_delay of an ApplicationError is 5",
            why="it must be a timedelta",
            fix="change it where the error is raised",
        ),
    ),
    "RF1301": (
        lambda: encode({"orders": [Order([Line("a", float("nan"))])]}),  # type: ignore[arg-type]
        said(
            "RF1301: a value cannot be stored: the float nan is not a number that JSON has (at $.orders[0].lines[0].count)",
            why="payloads are kept as JSON, without pickle, and must read back the same everywhere",
            fix="pass plain data, an attrs class, dataclass or Pydantic model, an enum, datetime, timedelta, Decimal, UUID or bytes",
        ),
    ),
    "RF1301 of an event": (
        lambda: encode_event(SIGNALED),
        said(
            "RF1301: WorkflowExecutionSignaled cannot be stored: set is not plain data",
            why="histories are kept as JSON and must read back the same everywhere",
            fix="give payloads to refold.payloads.encode first: it says what is wrong, and where",
        ),
    ),
    "RF1302": (
        lambda: decode({"lines": [{"sku": "a", "count": "2"}]}, Order),
        said(
            "RF1302: stored data does not fit Order: expected an integer, found text (at $.lines[0].count)",
            why='the data is {"lines": [{"sku": "a", "count": "2"}]}',
            fix="declare the type the sender uses, or give new fields a default",
        ),
    ),
    "RF1303": (
        lambda: encode(b"x" * 1_600_000),
        said(
            "RF1303: a bytes takes 2,133,338 bytes; the limit is 2,097,152",
            why="every payload is kept in the history and read at each replay",
            fix="store the data elsewhere and pass a reference to it",
        ),
    ),
    "RF2002": (
        lambda: check_flags(2, CURRENT_FLAGS),
        said(
            "RF2002: the history has schema version 2; this refold knows up to 1",
            why="a newer refold wrote it",
            fix="upgrade refold on this worker",
        ),
    ),
    "RF2003": (
        lambda: check_flags(1, [1, 2, 3, 4, 5, 6, 9]),
        said(
            "RF2003: the history was made under rules [1, 2, 3, 4, 5, 6, 9] (unknown: [9], missing: [7])",
            why="each rule of order has a number, and a run must be replayed under the rules it was made under",
            fix="run it with the version of refold that made it, or a newer one",
        ),
    ),
    "RF2004 of an event": (
        lambda: decode_events(b'{"kind":"TimerFired","event_id":1,"turn":1,"at":1,"seq":1,"mood":"new"}'),
        said(
            "RF2004: an event cannot be decoded: line 1: TimerFired: this version knows no field 'mood'",
            where='b\'{"kind":"TimerFired","event_id":1,"turn":1,"at":1,"seq":1,"mood":"new"}\'',
            why="the stored data is damaged, or a newer refold wrote it",
            fix="upgrade refold on this worker; if it is the newest, restore the data from a backup",
        ),
    ),
    "RF2004 of a message": (
        lambda: decode_message(b'{"kind":"Hail"}'),
        said(
            "RF2004: a message cannot be decoded: this version knows no kind 'Hail'",
            where='b\'{"kind":"Hail"}\'',
            why="the stored data is damaged, or a newer refold wrote it",
            fix="upgrade refold on this worker; if it is the newest, restore the data from a backup",
        ),
    ),
    "RF2004 of a failure": (
        lambda: decode_failure(b"7"),
        said(
            "RF2004: a failure cannot be decoded: a failure is an object, not an integer",
            where="b'7'",
            why="the stored data is damaged, or a newer refold wrote it",
            fix="upgrade refold on this worker; if it is the newest, restore the data from a backup",
        ),
    ),
}


@pytest.mark.parametrize(("cause", "text"), TEXTS.values(), ids=TEXTS)
def test_the_text_of_an_error_is_what_it_was(cause: Callable[[], Any], text: str) -> None:
    with pytest.raises(RefoldError) as caught:
        cause()

    assert text == str(caught.value)


def test_errors_are_told_apart_by_whose_fault_they_are() -> None:
    faults = {"RF10": DefinitionError, "RF13": DefinitionError, "RF20": HistoryError}

    for name, (cause, _) in TEXTS.items():
        with pytest.raises(faults[name[:4]]):
            cause()


def test_the_first_event_says_which_rules_it_follows() -> None:
    fields = attrs.fields_dict(WorkflowExecutionStarted)

    assert attrs.NOTHING is fields["flags"].default
    assert attrs.NOTHING is fields["schema_version"].default
