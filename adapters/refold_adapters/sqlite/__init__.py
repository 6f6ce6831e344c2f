"""The store on one SQLite file: no server, one commit for all turns of a moment.

``schema`` has the tables, ``opening`` the file checks, ``wal`` the log, ``file`` the connections of a process, and ``store`` is the
face.  What a write does is told in ``sql``, for all databases.
"""

from refold_adapters.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
