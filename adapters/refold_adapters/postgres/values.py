"""How values travel between Python and PostgreSQL, and how a statement names their places.

One rule: nothing that came from outside is ever part of a statement's text; it is bound, in binary, by what is registered here.

PostgreSQL stores no NUL in a text.  So NUL is written as U+0001 U+0001, and U+0001 itself as U+0001 U+0002: what is read is what was
written, and texts keep their order.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from functools import lru_cache
from typing import Any

from psycopg import Connection
from psycopg.abc import Buffer
from psycopg.types.numeric import DecimalBinaryDumper, Int8BinaryDumper
from psycopg.types.string import StrBinaryDumper, TextBinaryLoader

_INDEX_HINT = re.compile(r"INDEXED BY \w+")


@lru_cache(1024)
def translated(statement: str) -> tuple[bytes, bool]:
    """A statement of ``sql`` in the words of the driver, without what only SQLite understands; and whether it may change something."""
    text = _INDEX_HINT.sub("", statement).replace("%", "%%").replace("?", "%b")
    return text.encode(), statement.lstrip().startswith(("INSERT", "UPDATE", "DELETE"))


def written(text: str) -> str:
    """A text as it is stored."""
    if "\x00" in text or "\x01" in text:
        return text.replace("\x01", "\x01\x02").replace("\x00", "\x01\x01")
    return text


def read(text: str) -> str:
    """A text as it was before it was stored."""
    if "\x01" in text:
        return text.replace("\x01\x01", "\x00").replace("\x01\x02", "\x01")
    return text


class _TextDumper(StrBinaryDumper):
    def dump(self, obj: str) -> Buffer | None:
        return written(obj).encode()


class _TextLoader(TextBinaryLoader):
    def load(self, data: Buffer) -> str:
        return read(str(data, "utf-8"))


class _IntDumper(Int8BinaryDumper):
    def dump(self, obj: int) -> Buffer | None:
        if not -(1 << 63) <= obj < 1 << 63:
            raise OverflowError(f"{obj} is beyond 64 bits")
        return super().dump(obj)


class _FloatDumper(DecimalBinaryDumper):
    """Numbers are compared by value, so a float goes over as the exact number that it stands for."""

    def dump(self, obj: Any) -> Buffer | None:
        if math.isinf(obj):
            return super().dump(Decimal("Infinity" if obj > 0 else "-Infinity"))
        return super().dump(Decimal(obj))


def register(connection: Connection[Any]) -> None:
    """Make a connection speak so."""
    adapters = connection.adapters
    adapters.register_dumper(str, _TextDumper)
    adapters.register_dumper(int, _IntDumper)
    adapters.register_dumper(float, _FloatDumper)
    adapters.register_loader("text", _TextLoader)
