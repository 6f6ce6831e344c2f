"""Prints tables: with rich where it is installed, in plain columns where it is not.

One rule: whatever came in from outside, names and reasons, is text and never markup.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from decimal import Decimal


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table with a title; all columns but the first are aligned to the right if they hold numbers."""
    cells = [[str(cell) for cell in row] for row in rows]
    numeric = [
        bool(rows) and all(isinstance(row[at], int | Decimal) for row in rows) for at in range(len(columns))
    ]
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        _plain(title, columns, cells, numeric)
        return
    shown = Table(title=title, title_justify="left", title_style="bold")
    for name, right in zip(columns, numeric, strict=True):
        shown.add_column(name, justify="right" if right else "left")
    for row in cells:
        shown.add_row(*(Text(cell) for cell in row))
    # Off a terminal there is no width to keep to: a log must not break lines or cut words.
    console = Console() if sys.stdout.isatty() else Console(width=200)
    console.print()
    console.print(shown)


def _plain(
    title: str, columns: Sequence[str], cells: Sequence[Sequence[str]], numeric: Sequence[bool]
) -> None:
    widths = [max(len(row[at]) for row in (columns, *cells)) for at in range(len(columns))]
    print(f"\n{title}")
    for row in (columns, ["-" * width for width in widths], *cells):
        padded = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        print("  ".join(padded).rstrip())


class Progress:
    """One line that is written over on a terminal, and nothing in between elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._width = 0

    def show(self, text: str) -> None:
        """How far things are; only on a terminal."""
        if self._terminal:
            print(f"\r{text.ljust(self._width)}", end="", flush=True)
            self._width = len(text)

    def say(self, text: str) -> None:
        """A line that stays."""
        if self._terminal:
            print(f"\r{''.ljust(self._width)}\r", end="")
        print(text, flush=True)
