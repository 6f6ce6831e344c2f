"""How a file becomes a connection that may be trusted.

One rule: nothing of a file is changed before it is known to be ours, and a connection that is handed out has a schema that this
version knows.  Writers and readers differ only in that readers may neither write nor checkpoint.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from refold_adapters.sqlite.schema import APPLICATION_ID, SCHEMA_VERSION, TABLES
from refold_adapters.sqlite.trouble import DRIVER_ERRORS, store_error, translated
from refold_adapters.sqlite.wal import CHECKPOINT_PAGES, SIZE_LIMIT_BYTES
from refold_adapters.store_errors import StoreError

#: STRICT tables came with it; all else that is used here is older.
OLDEST_SQLITE = (3, 37, 0)

#: Two processes that make the same file at once get in each other's way while it is turned to WAL: then it is tried again.
_OPEN_TRIES = 20
_OPEN_PAUSE_SECONDS = 0.05


def has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    """Whether that SQLite can damage a file in WAL mode which two connections write and checkpoint at once."""
    return not (version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45))


def open_writer(path: str, busy_seconds: float) -> sqlite3.Connection:
    """The connection that does all writes and all checkpoints of this process; makes the file where there is none."""
    _check_library(sqlite3.sqlite_version_info)
    if _is_folder(path):
        raise store_error(sqlite3.SQLITE_CANTOPEN, path, "it is a folder")
    connection = _connect(path, busy_seconds)
    try:
        _turn_to_ours(connection, path)
    except DRIVER_ERRORS as error:
        connection.close()
        raise _refusal(error, path) from error
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: str, busy_seconds: float) -> sqlite3.Connection:
    """A connection that only reads, beside a writer of the same process."""
    connection = _connect(path, busy_seconds)
    try:
        _configure(connection)
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA query_only = ON")
    except DRIVER_ERRORS as error:
        connection.close()
        raise _refusal(error, path) from error
    return connection


def _connect(path: str, busy_seconds: float) -> sqlite3.Connection:
    try:
        # Locks of ours, not the driver, see to it that one thread at a time uses a connection.
        return sqlite3.connect(
            path, timeout=busy_seconds, isolation_level=None, check_same_thread=False, cached_statements=256
        )
    except DRIVER_ERRORS as error:
        raise _refusal(error, path) from error


def _configure(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA mmap_size = 0")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA cache_size = -16000")
    connection.execute("PRAGMA trusted_schema = OFF")


def _turn_to_ours(connection: sqlite3.Connection, path: str) -> None:
    for attempt in range(1, _OPEN_TRIES + 1):
        try:
            connection.execute("BEGIN")
            try:
                _check_kind(connection, path)
            finally:
                connection.rollback()
            _configure(connection)
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal":
                raise StoreError(
                    "RF5001",
                    f"{path} cannot be used in WAL mode",
                    why=f"SQLite stays in {mode} mode there, as it does on network file systems",
                    fix="keep the file on a local disk",
                )
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit = {SIZE_LIMIT_BYTES}")
            _make_or_check_tables(connection, path)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or attempt == _OPEN_TRIES:
                raise
            time.sleep(_OPEN_PAUSE_SECONDS)
        else:
            return


def _check_kind(connection: sqlite3.Connection, path: str) -> int:
    """The file's application id, 0 of an empty file; in a transaction, or another process may make its tables between the two looks."""
    (kind,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if kind != APPLICATION_ID and (kind != 0 or tables):
        raise StoreError(
            "RF5008",
            f"{path} is an SQLite database of another program",
            why="it has tables, and does not say that they are refold's",
            fix="give refold a file of its own; it makes one where there is none",
        )
    return int(kind)


def _make_or_check_tables(connection: sqlite3.Connection, path: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _check_kind(connection, path) != APPLICATION_ID:
            for statement in TABLES:
                connection.execute(statement)
            rows = [("schema_version", SCHEMA_VERSION), ("last_token", 0)]
            connection.executemany("INSERT INTO meta (name, value) VALUES (?, ?)", rows)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute("COMMIT")
        else:
            _check_version(connection, path)
            # Only a write shows whether the file is read-only; nothing comes of it.
            connection.execute("UPDATE meta SET value = value WHERE name = 'schema_version'")
            connection.execute("ROLLBACK")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _check_version(connection: sqlite3.Connection, path: str) -> None:
    row = connection.execute("SELECT value FROM meta WHERE name = 'schema_version'").fetchone()
    version: int = row[0] if row else 0
    if version > SCHEMA_VERSION:
        raise StoreError(
            "RF5003",
            f"{path} has schema version {version}; this refold knows versions up to {SCHEMA_VERSION}",
            why="a newer refold has written it, and an older one could break what it does not know",
            fix="upgrade refold in this environment (pip install --upgrade refold)",
        )
    if version != SCHEMA_VERSION:
        raise StoreError(
            "RF5008",
            f"{path} has schema version {version}, which never was",
            why="the file says it is refold's, but its tables do not",
            fix="restore it from a backup, or give refold another file",
        )


def _check_library(version: tuple[int, ...]) -> None:
    if version < OLDEST_SQLITE:
        found, needed = (".".join(map(str, numbers)) for numbers in (version, OLDEST_SQLITE))
        raise StoreError(
            "RF5009",
            f"this Python is linked to SQLite {found}; refold needs {needed} or newer",
            why="its tables are STRICT, which older versions cannot read",
            fix="use a Python that is linked to a newer SQLite, or a store of another kind",
        )


def _refusal(error: BaseException, path: str) -> StoreError:
    """SQLite says "cannot open" also where it only may not write beside the file."""
    result: int = getattr(error, "sqlite_errorcode", 0)
    folder = Path(path).parent
    may_only_look = os.access(folder, os.X_OK) and not os.access(folder, os.W_OK)
    if result & 0xFF == sqlite3.SQLITE_CANTOPEN and may_only_look and _is_folder(folder):
        return store_error(sqlite3.SQLITE_READONLY, path, f"SQLite: {error}")
    return translated(error, path)


def _is_folder(path: str | Path) -> bool:
    """Whether it is a folder; what lies in one that may not be searched is none."""
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir() raises there
