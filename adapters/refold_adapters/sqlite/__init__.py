"""The store on one SQLite file: no server, one commit for all turns of a moment.

``schema`` has the tables, ``opening`` the file checks, ``wal`` the log, ``group`` the sharing of commits, ``file`` the connections
of a process.  ``turns``, ``runs``, ``inbox``, ``tasks``, ``held``, ``claims`` and ``sessions`` carry out the writes, ``reads``
answers questions, and ``store`` is the face.
"""

from refold_adapters.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
