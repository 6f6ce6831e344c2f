"""A store whose n-th operation is the last of its process, or whose answer is lost.

One rule: everything is carried out by the real store, or not begun; and the process is killed by the operating system, so that nothing
of it gets the chance to put anything in order.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from enum import Enum
from typing import Any

import attrs

from refold_adapters import StoreError
from refold_adapters.ports import Store
from tests.crash_matrix.ledger import Ledger

#: What asks a store, and changes nothing.
READS = (
    "read_turns",
    "find_run",
    "list_runs",
    "list_ending",
    "count_runs",
    "list_attributes",
    "list_tasks",
    "list_timers",
    "list_inbox",
    "find_refusal",
    "list_sessions",
    "next_due_at",
    "changed_elsewhere",
)


class How(str, Enum):
    """What happens at an operation."""

    #: The process is killed before the store is asked, or once it has answered, before anybody hears of it.
    KILLED_BEFORE = "killed before"
    KILLED_AFTER = "killed after"
    #: The call fails though it was carried out, and the process lives on.
    REPLY_LOST = "reply lost"
    #: The call fails and nothing was done.
    REFUSED = "refused"


KILLS = (How.KILLED_BEFORE, How.KILLED_AFTER)


@attrs.frozen
class Point:
    """One point of the matrix: what happens at which operation of a process."""

    at: int
    how: How


@attrs.define(eq=False)
class DyingStore:
    """A store, until its point is reached."""

    store: Store
    ledger: Ledger
    point: Point | None
    #: How many operations there were, and which of them were writes.
    count: int = 0
    writes: list[int] = attrs.field(factory=list[int])

    def apply(self, writes: Any) -> Any:
        """Carry out writes, unless it is the end."""
        self.writes.append(self.count + 1)
        return self._operate(lambda: self.store.apply(writes))

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.store, name)
        if name not in READS:
            return found
        return lambda *args, **options: self._operate(lambda: found(*args, **options))

    def _operate(self, operation: Callable[[], Any]) -> Any:
        self.count += 1
        if self.point is None or self.count != self.point.at:
            return operation()
        how = self.point.how
        if how is How.KILLED_BEFORE:
            self._die()
        if how is not How.REFUSED:
            operation()
        if how is How.KILLED_AFTER:
            self._die()
        raise StoreError(
            "RF5099",
            f"operation {self.count} of the store failed: {how.value}",
            why="a test",
            fix="try again",
        )

    def _die(self) -> None:
        self.ledger.died()
        os.kill(os.getpid(), signal.SIGKILL)
