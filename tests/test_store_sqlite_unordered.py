"""Hazard 33: what was put in order is read back without ORDER BY."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from refold_adapters import (
    open_store,
)
from refold_adapters.contract import StoreContract
from refold_adapters.ports import (
    Clock,
    Store,
)
from refold_adapters.sqlite import opening


class TestHazard33UnorderedReads(StoreContract):
    """The whole contract of stores holds where SQLite gives the rows of every SELECT without ORDER BY in reverse."""

    @pytest.fixture(autouse=True)
    def _reversed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = tmp_path / "orders.db"
        configure = opening._configure

        def configure_reversed(connection: sqlite3.Connection) -> None:
            configure(connection)
            connection.execute("PRAGMA reverse_unordered_selects = ON")

        monkeypatch.setattr(opening, "_configure", configure_reversed)

    def make_store(self, clock: Clock) -> Store:
        return open_store(self.path, clock)

    def reopen(self, store: Store) -> Store:
        store.close()
        return open_store(store.url, store.clock)

    def test_hazard_33_rows_without_an_order_do_come_reversed(self) -> None:
        """So that the others do not pass for want of it."""
        for name in ("a", "b", "c"):
            self.create(name)
        connection: sqlite3.Connection = self.store._file._writer  # type: ignore[attr-defined]
        found = connection.execute("SELECT run_id FROM runs NOT INDEXED").fetchall()
        assert [("c",), ("b",), ("a",)] == found
