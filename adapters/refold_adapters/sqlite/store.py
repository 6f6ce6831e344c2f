"""The SQLite store: a store over a file that all stores of the process share."""

from __future__ import annotations

import os
from pathlib import Path

from refold_adapters.clocks import SystemClock
from refold_adapters.ports import Clock
from refold_adapters.sql.store import SqlStore
from refold_adapters.sqlite.sharing import give_back, share
from refold_adapters.sqlite.transaction import SqliteTransaction
from refold_adapters.sqlite.trouble import closed_store
from refold_adapters.store_errors import StoreError


class SqliteStore(SqlStore):
    """A store in one file.

    ``busy_seconds`` is how long SQLite waits, each of three times, for another process that writes.
    """

    def __init__(
        self, path: str | os.PathLike[str], clock: Clock | None = None, *, busy_seconds: float = 5.0
    ) -> None:
        self._path = os.path.realpath(path)
        self._file = share(self._path, busy_seconds)
        super().__init__(self._file, clock or SystemClock())

    @property
    def url(self) -> str:
        """What ``open_store`` opens it with again."""
        return f"sqlite:///{Path(self._path).as_posix()}"

    def integrity_problems(self) -> list[str]:
        """What SQLite finds wrong with the file, at length: it reads all of it.  Empty if nothing is."""
        return self._file.read(SqliteTransaction.integrity_problems)

    def _release(self) -> None:
        """The last store on the file closes it."""
        give_back(self._file)

    def _closed_error(self) -> StoreError:
        return closed_store(self._path)
