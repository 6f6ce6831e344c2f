"""An engine on each store, with a clock that only the test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from refold_adapters import Engine, ManualClock, Store, open_store

MakeEngine = Callable[..., Engine]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(place: str, clock: ManualClock) -> Iterator[Store]:
    store = open_store(place, clock)
    yield store
    store.close()


@pytest.fixture
def make_engine(store: Store) -> Iterator[MakeEngine]:
    """Engines on one store; all are closed at the end."""
    engines: list[Engine] = []

    def make(**options: Any) -> Engine:
        engine = Engine(store, **options)
        engines.append(engine)
        return engine

    yield make
    for engine in engines:
        engine.worker.shutdown()
