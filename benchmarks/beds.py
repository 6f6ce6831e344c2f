"""What a benchmark runs on: a folder for SQLite files, or a PostgreSQL server, with room for everyone who is compared.

One rule: all of it lies on the same disk, is as durable as it would be in production, and is gone afterwards.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Generator
from pathlib import Path

from attrs import frozen

from benchmarks.limits import RawCommits, RawSqliteCommits

#: As a server of its own machine would have them; ``fsync`` and ``synchronous_commit`` are on, as they are by default.
SERVER_SETTINGS = {
    "fsync": "on",
    "full_page_writes": "on",
    "listen_addresses": "",
    "max_connections": "200",
    "max_wal_size": "4GB",
    "shared_buffers": "256MB",
    "synchronous_commit": "on",
}


@frozen
class Bed:
    """A place for each of those who are compared."""

    kind: str
    #: Of the database.
    version: str
    raw: RawCommits
    #: The place of the store of that name, which is made by whoever opens it.
    store: Callable[[str], str]
    #: The URL of DBOS's database of that name.
    dbos: Callable[[str], str]
    #: Gives back what stores of these names, and DBOS's databases, have taken.
    drop: Callable[[str], None]
    #: Seconds from a notification to its being heard on another connection; None where there is none.
    notify: Callable[[], float] | None = None


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument(
        "--server",
        help="the URL of a database on a PostgreSQL server that is there already; else one is started",
    )
    parser.add_argument(
        "--dir", type=Path, default=Path(), help="a folder on a real disk; by default the current one"
    )


@contextlib.contextmanager
def bed_of(args: Namespace) -> Generator[Bed, None, None]:
    """The bed that the options ask for, as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=args.dir) as name:
        folder = Path(name).resolve()
        with sqlite_bed(folder) if args.store == "sqlite" else postgres_bed(folder, args.server) as bed:
            yield bed


@contextlib.contextmanager
def sqlite_bed(folder: Path) -> Generator[Bed, None, None]:
    """Files in a folder."""

    def dbos(name: str) -> str:
        (folder / "dbos").mkdir(exist_ok=True)
        return f"sqlite:///{folder}/dbos/{name}.db"

    def drop(name: str) -> None:
        for path in (folder / f"{name}.db", folder / "dbos" / f"{name}.db"):
            for each in path.parent.glob(f"{path.name}*"):
                each.unlink()

    raw = RawSqliteCommits(folder)
    try:
        yield Bed("sqlite", sqlite3.sqlite_version, raw, lambda name: str(folder / f"{name}.db"), dbos, drop)
    finally:
        raw.close()


@contextlib.contextmanager
def postgres_bed(folder: Path, server: str | None = None) -> Generator[Bed, None, None]:
    """Schemas of a database, and for DBOS databases beside it; on a server of its own in the folder, unless one is given."""
    import psycopg

    from benchmarks.postgres_limits import RawPostgresCommits
    from tests.postgres import running, with_schema

    with contextlib.ExitStack() as stack:
        if server is None:
            folder.chmod(0o755)  # a server that root starts is another user's
            server = stack.enter_context(running(folder, SERVER_SETTINGS))
        url = server
        made: set[str] = set()

        def store(name: str) -> str:
            made.add(name)
            return with_schema(url, f"bench_{name}")

        def dbos(name: str) -> str:
            made.add(name)
            head, _, tail = url.partition("?")
            return f"{head.rpartition('/')[0]}/bench_{name}{'?' if tail else ''}{tail}"

        def drop(name: str) -> None:
            made.discard(name)
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("SET client_min_messages = warning")
                connection.execute(f"DROP SCHEMA IF EXISTS bench_{name} CASCADE".encode())
                connection.execute(f"DROP DATABASE IF EXISTS bench_{name} WITH (FORCE)".encode())

        raw = RawPostgresCommits(url)
        stack.callback(lambda: [drop(name) for name in list(made)])
        stack.callback(raw.close)
        yield Bed("postgres", raw.version(), raw, store, dbos, drop, raw.notify)
