"""An engine on each store, with a clock that only the test moves: as the tests of the runtime have it."""

from tests.runtime.conftest import clock, make_engine, store

__all__ = ["clock", "make_engine", "store"]
