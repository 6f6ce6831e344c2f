"""What a write is given to work with: one transaction, its time, and who is alive in it.

One rule: everything here is true inside the transaction, from its first statement to its last; nothing is kept beyond it.
"""

from __future__ import annotations

import sqlite3

_SESSIONS = "SELECT token, expires_at FROM sessions ORDER BY token"


class Transaction:
    """An open transaction of the writing connection."""

    __slots__ = ("_sessions", "born", "cursor", "execute", "now")

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self.cursor = cursor
        #: For statements whose rows are fetched before the next one: making a cursor costs as much as a small statement.
        self.execute = cursor.execute
        #: The time of the batch that is being carried out, by the clock of its store.
        self.now = 0
        #: Id, key and owner of the run without a message that the last write has created: of such a run nothing need be read.
        self.born: tuple[str, int, int] | None = None
        self._sessions: dict[int, int] | None = None

    @property
    def sessions(self) -> dict[int, int]:
        """When the lease of each session runs out, by token.  Those that change sessions change it too."""
        if self._sessions is None:
            self._sessions = dict(self.execute(_SESSIONS).fetchall())
        return self._sessions
