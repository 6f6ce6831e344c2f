"""The reference has every kind of event with its fields, and every option with its default: what it says is compared with the code."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest

import refold
import refold_adapters
from refold import Execution, Query, Signal, Update, events
from refold.declare import Activity
from refold_adapters import ActivityContext, ActivityHandle, Client, ManualClock, WorkflowUpdateHandle
from tests.option_rows import OPTIONS

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
EVENTS = (REFERENCE / "events.md").read_text("utf-8")
TEMPORAL = (REFERENCE.parent / "coming-from-temporal.md").read_text("utf-8")
OPTIONS_PAGE = (REFERENCE / "options.md").read_text("utf-8")


def rows_under(page: str, title: str) -> list[list[str]]:
    """The rows of the table in a section, without its head."""
    section = re.split(r"^## ", page.partition(f"\n## {title}\n")[2], flags=re.MULTILINE)[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def part_of_turn(kind: type[events.HistoryEvent]) -> str:
    if kind.message:
        return "message"
    return "outcome" if kind.external else "answer"


def test_every_kind_of_event_is_told_once_with_its_part_of_the_turn_and_its_occasion() -> None:
    rows = rows_under(EVENTS, "When each is written")

    assert [(f"`{name}`", part_of_turn(kind)) for name, kind in events.event_kinds().items()] == [
        (row[0], row[1]) for row in rows
    ]
    assert [] == [row[0] for row in rows if not row[2]]


def test_every_field_of_an_event_is_told_once() -> None:
    fields = {field.name for kind in events.event_kinds().values() for field in attrs.fields(kind)}
    rows = rows_under(EVENTS, "What the fields mean")

    assert sorted(f"`{name}`" for name in fields) == sorted(row[0] for row in rows)
    assert [] == [row[0] for row in rows if not row[1]]


@pytest.mark.parametrize("title", OPTIONS)
def test_every_option_is_told_with_its_default(title: str) -> None:
    rows = rows_under(OPTIONS_PAGE, title)

    assert [(f"`{name}`", default) for name, default in OPTIONS[title].items()] == [
        (row[0], row[2]) for row in rows
    ]
    assert [] == [row[0] for row in rows if not (row[1] and row[3])]


#: Whose methods the page for users of Temporal names, beside functions and classes of the two packages.
NAMED = [
    *(Activity, ActivityContext, ActivityHandle, Client, Execution, ManualClock, Query, Signal, Update),
    *(WorkflowUpdateHandle, refold, refold_adapters),
]


def called_in(text: str) -> set[str]:
    """What is called, or named as a class, in the code of a text."""
    codes = re.findall(r"`([^`]+)`", text)
    return {
        name
        for code in codes
        for name in re.findall(r"(\w+)\(|^@?([A-Z][a-z]\w*)$", code)
        for name in name
        if name
    }


def test_what_stands_for_a_name_of_temporal_is_there() -> None:
    rows = rows_under(TEMPORAL, "Names")
    names = {name for row in rows for name in called_in(row[1])}

    assert len(names) > 30
    assert {"charge"} == {name for name in names if not any(hasattr(one, name) for one in NAMED)}


def test_a_name_that_is_not_there_is_found() -> None:
    assert {"receive", "Worker"} == called_in(
        "`signal.receive()`, or a `Worker`, not `USE_EXISTING` or plain Words()"
    )


def test_rows_of_another_section_do_not_count() -> None:
    page = "\n## A\n\n| x | y |\n|---|---|\n| `a` | 1 |\n\n## B\n\n| x | y |\n|---|---|\n| `b` | 2 |\n"

    assert [["`a`", "1"]] == rows_under(page, "A")
