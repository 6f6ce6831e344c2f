"""What ``docs/features.md`` claims: its rows, and the tests that each claim is held by.

A row has four cells: the feature, what Temporal has, what refold has (``Y``, ``P`` for in part, ``N``), and the tests, each
in backticks as ``path::name``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "features.md"

_TEST = re.compile(r"`((?:tests|property_tests)/[\w/]+\.py::\w+)`")


@frozen
class Row:
    """One row of a table of features."""

    line: int
    feature: str
    leader: str
    ours: str
    tests: tuple[str, ...]


def rows_of(text: str) -> list[Row]:
    """The rows of every table with four columns, without heads and rules."""
    rows: list[Row] = []
    for number, line in enumerate(text.splitlines(), 1):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|") or len(cells) != 4 or cells[1] == "Temporal" or set(cells[1]) <= {"-"}:
            continue
        rows.append(Row(number, cells[0], cells[1], cells[2], tuple(_TEST.findall(cells[3]))))
    return rows


def claimed_tests() -> dict[str, int]:
    """The tests that the page names, with the line that does."""
    return {test: row.line for row in rows_of(PAGE.read_text("utf-8")) for test in row.tests}


def unproven(passed: Mapping[str, bool]) -> list[str]:
    """The claims whose test did not run, or did not pass under all its parameters."""
    return [
        f"docs/features.md:{line}: {test}" for test, line in claimed_tests().items() if not passed.get(test)
    ]
