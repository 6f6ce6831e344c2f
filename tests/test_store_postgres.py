"""The PostgreSQL store keeps the contract."""

from __future__ import annotations

import pytest

from refold_adapters import open_store
from refold_adapters.contract import StoreContract
from refold_adapters.ports import Clock, Store


class TestPostgresStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _schema(self, postgres_url: str) -> None:
        self.url = postgres_url

    def make_store(self, clock: Clock) -> Store:
        return open_store(self.url, clock)

    def reopen(self, store: Store) -> Store:
        store.close()
        return open_store(store.url, store.clock)
