"""The store that forgets everything with its process: for tests, trials and simulations."""

from refold_adapters.memory.store import MemoryStore

__all__ = ["MemoryStore"]
