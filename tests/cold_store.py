"""A store in which a message comes in just before a run closes, as often as a test likes."""

from __future__ import annotations

from typing import Any

from refold_adapters import Client, Store
from refold_adapters.ports import Outcome, Write


class ColdStore:
    """Signals a run before the first of its closing turns are committed, so that each of them is refused."""

    def __init__(self, store: Store, signals: int, workflow_id: str) -> None:
        self._store = store
        self._workflow_id = workflow_id
        self.left = signals

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def apply(self, writes: list[Write]) -> list[Outcome]:
        for write in writes:
            if self.left and self._closes(write):
                self.left -= 1
                Client(self._store).handle(self._workflow_id).signal("word", f"late {self.left}")
        return self._store.apply(writes)

    def _closes(self, write: Write) -> bool:
        if getattr(write, "closing", None) is None:
            return False
        row = self._store.find_run(self._workflow_id)
        return row is not None and row.run_id == write.run_id  # type: ignore[union-attr]
