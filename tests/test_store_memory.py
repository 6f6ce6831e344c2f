"""The memory store keeps the contract."""

from __future__ import annotations

import pytest

from refold_adapters import open_store
from refold_adapters.contract import StoreContract, StoreHarness
from refold_adapters.ports import Clock, RunFilter, Store
from refold_adapters.store_errors import StoreError


class TestMemoryStore(StoreContract):
    def make_store(self, clock: Clock) -> Store:
        return open_store("memory:", clock)


def test_every_memory_store_is_a_store_of_its_own():
    first, second = open_store("memory:"), open_store(":memory:")
    assert first is not second
    assert "memory:" == first.url


def test_a_closed_memory_store_says_so():
    store = open_store("memory:")
    store.close()
    with pytest.raises(StoreError) as caught:
        store.list_runs(RunFilter())
    assert "RF5010" == caught.value.code


def test_the_contract_says_of_how_many_cases_it_is_made():
    assert 240 < len(StoreContract.cases())


def test_no_part_of_the_contract_hides_something_of_another():
    """Cases and helpers of all parts are methods of one class."""
    parts = [part for part in StoreContract.__mro__ if part not in (StoreContract, StoreHarness, object)]
    names = [name for part in parts for name in vars(part) if not name.startswith("__")]
    assert [] == sorted({name for name in names if names.count(name) > 1 or hasattr(StoreHarness, name)})
