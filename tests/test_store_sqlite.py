"""The SQLite store keeps the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.register_assert_rewrite("refold_adapters.contract")

from refold_adapters import open_store  # noqa: E402
from refold_adapters.contract import StoreContract  # noqa: E402
from refold_adapters.ports import Clock, Store  # noqa: E402


class TestSqliteStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "orders.db"

    def make_store(self, clock: Clock) -> Store:
        return open_store(self.path, clock)

    def reopen(self, store: Store) -> Store:
        store.close()
        return open_store(store.url, store.clock)
