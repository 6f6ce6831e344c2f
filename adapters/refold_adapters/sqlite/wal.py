"""The write-ahead log: how long it is, and why it is made long at once.

One rule: a commit into a log that must grow costs the file system a second write for the new length; one into a log that is recycled
does not.  So a process that commits often makes the log as long as it will get, once, with a transaction that is rolled back.
"""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

#: When the log is carried over into the file, in pages: more saves work, less saves space.
CHECKPOINT_PAGES = 2_000
#: Above it, the log is cut to this size when it is recycled.
SIZE_LIMIT_BYTES = 64 << 20
#: Commits after which a process counts as one that commits often: a command line never gets there.
GROW_AFTER_COMMITS = 32

#: A checkpoint comes at the end of the commit that reaches the mark, so the log gets a little longer than the mark.
_GROWN_BYTES = (CHECKPOINT_PAGES + 200) * 4096

_log = logging.getLogger("refold")


def grow(connection: sqlite3.Connection, path: str) -> None:
    """Make the log as long as it will get.  Nothing depends on it, so a failure is only noted."""
    try:
        if Path(f"{path}-wal").stat().st_size >= _GROWN_BYTES:
            return
        (cache_size,) = connection.execute("PRAGMA cache_size").fetchone()
        connection.execute("BEGIN IMMEDIATE")
        try:
            # With next to no cache, the pages of an open transaction go to the log.
            connection.execute("PRAGMA cache_size = 20")
            connection.execute("CREATE TABLE filler (data BLOB)")
            connection.execute("INSERT INTO filler (data) VALUES (zeroblob(?))", (_GROWN_BYTES,))
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            connection.execute(f"PRAGMA cache_size = {cache_size}")
    except (sqlite3.Error, OSError) as error:
        _log.info("the log of %s stays short for now: %s", path, error)
