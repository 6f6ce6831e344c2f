"""``open_store``: from a place to a store.

One rule: what a place may look like is told here and nowhere else.
"""

from __future__ import annotations

import os
import re

from refold_adapters.ports import Clock, Store
from refold_adapters.store_errors import StoreError

_MEMORY = ("memory:", ":memory:")
_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql://", "postgres://")


def open_store(url: str | os.PathLike[str], clock: Clock | None = None) -> Store:
    """Open the store at a place, and make it where there is none.

    A path, or ``sqlite:///path`` (absolute paths have four slashes), is an SQLite file; ``memory:`` is a new store that is gone
    when it is closed; ``postgresql://user@host/database`` is a schema of a PostgreSQL database (extra ``postgres``).
    ``clock`` is for tests; without it, the store goes by the clock of the machine, or of the database.
    """
    if isinstance(url, str):
        if url in _MEMORY:
            from refold_adapters.memory import MemoryStore

            return MemoryStore(clock)
        if url.startswith(_POSTGRES):
            return _open_postgres(url, clock)
        if not url.startswith(_SQLITE) and "://" in url:
            raise _unknown(url)
    place = os.fspath(url)
    place = place.removeprefix(_SQLITE)
    if not place or "\x00" in place:
        raise _unknown(place)
    from refold_adapters.sqlite import SqliteStore

    return SqliteStore(place, clock)


def shown_url(url: str) -> str:
    """The URL of a store as it may be shown to people: without a password."""
    return re.sub(r"^(\w+://[^:@/?]*):[^@/?]*@", r"\1@", url)


def _open_postgres(url: str, clock: Clock | None) -> Store:
    try:
        from refold_adapters.postgres import PostgresStore
    except ImportError as error:
        raise StoreError(
            "RF5015",
            "a PostgreSQL store needs the driver psycopg, which cannot be imported",
            why=str(error),
            fix='pip install "refold[postgres]"',
        ) from error
    return PostgresStore(url, clock)


def _unknown(url: str) -> StoreError:
    return StoreError(
        "RF5001",
        f"{url!r} names no store",
        why="refold opens SQLite files, PostgreSQL databases and memory stores",
        fix="give a path, sqlite:///relative/path, sqlite:////absolute/path, postgresql://user@host/database, or memory:",
    )
