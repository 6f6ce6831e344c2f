"""The PostgreSQL store: a store over a schema of a database, for any number of processes."""

from __future__ import annotations

from collections.abc import Callable

from refold_adapters.ports import Clock
from refold_adapters.postgres.database import PostgresDatabase
from refold_adapters.postgres.place import place_of
from refold_adapters.postgres.trouble import closed_store
from refold_adapters.sql.store import SqlStore
from refold_adapters.store_errors import StoreError


class PostgresStore(SqlStore):
    """A store in a schema of a PostgreSQL database.

    It goes by the clock of the database, unless it is given another.  A store has a connection that writes, one that reads, and where
    somebody waits for news, one that listens.
    """

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self._url = url
        self._place = place_of(url)
        self._connections = PostgresDatabase(self._place)
        super().__init__(self._connections, clock or self._connections.clock)

    @property
    def url(self) -> str:
        """What ``open_store`` opens it with again: with the password, if it was given with one."""
        return self._url

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` after every commit that changed something, also of other processes."""
        stop = super().subscribe(callback)
        self._connections.listen()
        return stop

    def _release(self) -> None:
        self._connections.close()

    def _closed_error(self) -> StoreError:
        return closed_store(self._place.shown)
