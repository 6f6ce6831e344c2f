"""Reads an order book: CSV as people and programs really write it.

One rule: no row disappears.  Each becomes an order or a rejection with a reason, and the reader guesses nothing: where a price
could mean two things, the row is rejected.  Whether an order makes *sense* is not asked here; that is the workflow's business.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import attrs

from examples.orders.model import Order

COLUMNS: tuple[str, ...] = ("order_id", "customer", "address", "item", "quantity", "unit_price", "card")

_CURRENCY = re.compile(r"^(?:EUR|€)\s*|\s*(?:EUR|€)$")
# Digits in groups of three with one kind of separator, then perhaps another separator and one or two decimals; or no groups.
_GROUPED = re.compile(r"^(-?)(\d{1,3})((?:([ '.,])\d{3})(?:\4\d{3})*)(?:([.,])(\d{1,2}))?$")
_PLAIN = re.compile(r"^(-?\d+)(?:[.,](\d{1,2}))?$")


@attrs.frozen
class Line:
    """An order and the line of the file it began on."""

    number: int
    order: Order


@attrs.frozen
class Rejection:
    """A row that is no order: where it began, what it called itself, and why it was not taken."""

    number: int
    order_id: str
    reason: str


@attrs.frozen
class Book:
    """All rows of a file, in order."""

    lines: list[Line]
    rejections: list[Rejection]


class Unreadable(ValueError):
    """A row that is no order."""


def read_book(path: Path, *, approval_window: timedelta = timedelta(days=1)) -> Book:
    """Read a file; UTF-8, with or without a byte order mark.  A row with other bytes is rejected, not the file."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        return parse_book(file, approval_window=approval_window)


def parse_book(text: Iterable[str], *, approval_window: timedelta = timedelta(days=1)) -> Book:
    """Read rows; the first must name the columns.  Rows without any content are no rows."""
    reader = csv.reader(text)
    header = [cell.strip() for cell in next(reader, list[str]())]
    if tuple(header) != COLUMNS:
        raise Unreadable(f"the first row must be {','.join(COLUMNS)}; it is {','.join(header)}")
    lines: list[Line] = []
    rejections: list[Rejection] = []
    while True:
        number, cells = reader.line_num + 1, [""]
        try:
            row = next(reader, None)
            if row is None:
                return Book(lines, rejections)
            cells = [clean(cell) for cell in row]
            if any(cells):
                lines.append(Line(number, parse_row(cells, approval_window)))
        except (Unreadable, csv.Error) as error:
            rejections.append(Rejection(number, _on_one_line(cells[0]), str(error)))


def parse_row(cells: list[str], approval_window: timedelta) -> Order:
    """An order from one cell a column; raises :class:`Unreadable`."""
    if len(cells) != len(COLUMNS):
        raise Unreadable(f"{len(cells)} columns instead of {len(COLUMNS)}")
    values = dict(zip(COLUMNS, cells, strict=True))
    for column, value in values.items():
        if value == "":
            raise Unreadable(f"{column} is missing")
        if value != _printable(value):
            raise Unreadable(f"{column} holds bytes that are not UTF-8")
    return Order(
        order_id=_one_line(values, "order_id"),
        customer=_one_line(values, "customer"),
        address=values["address"],
        item=_one_line(values, "item"),
        quantity=parse_quantity(values["quantity"]),
        unit_price=parse_price(values["unit_price"]),
        card=_one_line(values, "card"),
        approval_window=approval_window,
    )


def clean(cell: str) -> str:
    """A cell without what surrounds and hides in it: spaces of all kinds, zero-width marks; composed where it can be."""
    visible = "".join(ch for ch in cell if ch not in "\ufeff\u200b\u2060")
    return unicodedata.normalize("NFC", visible).strip()


def parse_quantity(text: str) -> int:
    """A whole number, of any size and sign."""
    digits = unicodedata.normalize("NFKC", text)
    if not re.fullmatch(r"-?[0-9]{1,40}", digits):
        raise Unreadable(f"the quantity {text!r} is not a whole number")
    return int(digits)


def parse_price(text: str) -> Decimal:
    """An amount in any of the usual styles: ``1299.00``, ``1.299,00``, ``1 299,00``, ``1'299.00``, ``EUR 19,90``.

    ``1,299`` is refused: it is twelve hundred or one and a bit, and a reader that guesses will charge one of them.
    """
    plain = _CURRENCY.sub("", unicodedata.normalize("NFKC", text).replace("’", "'")).strip()
    if match := _PLAIN.match(plain):
        whole, cents = match.groups()
        return Decimal(f"{whole}.{cents or 0}")
    match = _GROUPED.match(plain)
    if match is None:
        raise Unreadable(f"the price {text!r} is not an amount")
    sign, head, groups, separator, point, cents = match.groups()
    if point == separator:
        raise Unreadable(f"the price {text!r} is not an amount")
    if point is None and separator in ".," and len(groups) == 4:
        raise Unreadable(f"the price {text!r} can be read in two ways")
    return Decimal(f"{sign}{head}{groups.replace(separator, '')}.{cents or 0}")


def _on_one_line(text: str) -> str:
    """Text that can be printed in a table, with what cannot made visible."""
    return "".join(ch if ch.isprintable() else ascii(ch)[1:-1] for ch in text)


def _printable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


def _one_line(values: Mapping[str, str], column: str) -> str:
    value = values[column]
    if any(unicodedata.category(ch) in ("Cc", "Zl", "Zp") for ch in value):
        raise Unreadable(f"{column} holds a line break or another control character")
    return value
