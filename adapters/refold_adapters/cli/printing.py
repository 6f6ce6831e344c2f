"""Records and tables on stdout.

One rule: what a program reads (``json``, ``jsonl``, and tables that do not go to a terminal) is complete and plain; only people at
a terminal get colours, and columns that are cut to fit.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

import attrs
import click

from refold_adapters.cli.settings import Settings
from refold_adapters.cli.texts import escaped, isolated, to_json

T = TypeVar("T")

_STYLES = {
    "COMPLETED": "green",
    "completed": "green",
    "ok": "green",
    "FAILED": "red",
    "failed": "red",
    "TIMED_OUT": "red",
    "diverged": "bold red",
    "corrupt": "bold red",
    "PARKED": "bold yellow",
    "PAUSED": "yellow",
    "warning": "yellow",
    "TERMINATED": "magenta",
    "CANCELED": "magenta",
    "RUNNING": "cyan",
}


#: Least widths on a terminal that is too narrow.
_CUT_MIN, _WRAPPED_MIN = 8, 12
_GAP = 2


@attrs.frozen
class Column:
    """A column of a table; on a terminal that is too narrow, those to be ``cut`` lose their end before those to ``wrap`` are wrapped."""

    title: str
    right: bool = False
    fit: Literal["keep", "wrap", "cut"] = "keep"


def is_terminal() -> bool:
    """Whether a person looks at stdout."""
    return sys.stdout.isatty()


def say(text: str) -> None:
    """A remark, for people only: stderr."""
    click.echo(text, err=True)


def print_json(settings: Settings, value: Any) -> None:
    """One value: on one line for ``jsonl``, else indented."""
    click.echo(to_json(value, indent=None if settings.output == "jsonl" else 2, ascii_only=_ascii_only()))


def print_records(
    settings: Settings,
    items: Iterable[T],
    record: Callable[[T], dict[str, Any]],
    columns: Sequence[Column],
    cells: Callable[[T], Sequence[str]],
) -> None:
    """Several things, in the form that was asked for."""
    match settings.output:
        case "jsonl":
            for item in items:
                click.echo(to_json(record(item), ascii_only=_ascii_only()))
        case "json":
            click.echo(to_json([record(item) for item in items], indent=2, ascii_only=_ascii_only()))
        case _:
            print_table(columns, [cells(item) for item in items])


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """A table; nothing at all if it has no rows."""
    if not rows:
        return
    safe = [[escaped(cell) for cell in row] for row in rows]
    if is_terminal():
        _print_rich(columns, safe)
    else:
        for line in plain_lines(columns, safe):
            click.echo(line)


def plain_lines(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table without boxes, aligned by the width of what is shown."""
    from rich.cells import cell_len

    lines = [[column.title.upper() for column in columns], *rows]
    widths = _natural_widths(columns, rows)
    shown: list[str] = []
    for line in lines:
        cells: list[str] = []
        for column, cell, width in zip(columns, line, widths, strict=True):
            padding = " " * (width - cell_len(cell))
            cells.append(padding + cell if column.right else cell + padding)
        shown.append("  ".join(cells).rstrip())
    return shown


def _print_rich(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, _GAP, 0, 0))
    widths = fitted(columns, _natural_widths(columns, rows), console.width)
    for column, width in zip(columns, widths, strict=True):
        table.add_column(
            column.title.upper(),
            justify="right" if column.right else "left",
            overflow="ellipsis" if column.fit == "cut" else "fold",
            no_wrap=column.fit != "wrap",
            width=width,
        )
    for row in rows:
        table.add_row(*(Text(isolated(cell), style=_STYLES.get(cell.partition(" ")[0], "")) for cell in row))
    console.print(table)


def fitted(columns: Sequence[Column], widths: Sequence[int], available: int) -> list[int]:
    """Widths that fit as far as that can be: the widest columns that may be cut are narrowed first, then those that may wrap."""
    found = list(widths)
    over = sum(found) + _GAP * len(found) - available  # the last one has a gap behind it too
    for fit, least in (("cut", _CUT_MIN), ("wrap", _WRAPPED_MIN)):
        wide = [index for index, column in enumerate(columns) if column.fit == fit]
        while over > 0 and any(found[index] > least for index in wide):
            found[max(wide, key=found.__getitem__)] -= 1
            over -= 1
    return found


def _natural_widths(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    from rich.cells import cell_len

    titles = [column.title for column in columns]
    return [max(cell_len(row[index]) for row in (titles, *rows)) for index in range(len(columns))]


def print_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """Facts, one a line: a name and its value."""
    kept = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in kept), default=0)
    for name, value in kept:
        shown = isolated(escaped(value)) if is_terminal() else escaped(value)
        click.echo(f"{click.style(f'{name}:', bold=True)}{' ' * (width - len(name))} {shown}")


@contextmanager
def progress(what: str, total: int | None) -> Generator[Callable[[], None], None, None]:
    """Show how far long work has come, where a person looks at stderr; call what it gives once for each piece of work."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


def _ascii_only() -> bool:
    return not (sys.stdout.encoding or "").lower().replace("_", "-").startswith("utf")
