"""The protocol itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from refold_adapters.ports.any_write import Write
from refold_adapters.ports.outcomes import Outcome
from refold_adapters.ports.rows import InboxMessage, RunFilter, RunRow, SessionRow, StoredTurn, TaskRow


class Clock(Protocol):
    """Where a store takes the time from."""

    def now_us(self) -> int:
        """Microseconds since the Unix epoch."""
        ...

    def seconds_until(self, at_us: int) -> float | None:
        """How long to wait, in real seconds, until ``at_us``; None where only a wake-up can tell (a clock set by hand)."""
        ...


class Store(Protocol):
    """A place that keeps runs.  Safe to be used from several threads at once."""

    @property
    def clock(self) -> Clock:
        """The judge of what is due."""
        ...

    @property
    def url(self) -> str:
        """What ``open_store`` opens it with again."""
        ...

    def apply(self, writes: Sequence[Write]) -> list[Outcome]:
        """Carry out writes in one commit, each whole or not at all, in order; durable on return.

        Raises ``StoreError``: then none of them was done, or, where the commit's reply was lost, it is unknown; ``CommitTurn``
        may be repeated safely, as its turn token is looked up first.
        """
        ...

    def read_turns(self, run_id: str, after_turn: int = 0) -> list[StoredTurn]:
        """The committed turns of a run, in order; empty for an unknown run."""
        ...

    def find_run(self, workflow_id: str, run_id: str | None = None) -> RunRow | None:
        """The run of that id, or the open (else the latest started) run of the workflow id; an empty one fits every run id."""
        ...

    def list_runs(self, filter: RunFilter) -> list[RunRow]:
        """Runs, newest first."""
        ...

    def list_ending(self, limit: int) -> list[RunRow]:
        """Open runs whose time is up (``ends_at``), the longest overdue first: also those that are parked, paused or claimed by nobody."""
        ...

    def count_runs(self, filter: RunFilter) -> int:
        """How many runs match (``limit`` and ``before`` aside)."""
        ...

    def list_attributes(self) -> list[str]:
        """The names of the search attributes that any run is found by, in order of code points."""
        ...

    def list_tasks(self, run_id: str) -> list[TaskRow]:
        """The open activity tasks of a run, by ``seq``."""
        ...

    def list_timers(self, run_id: str) -> list[tuple[int, int]]:
        """``(seq, fire_at)`` of the open timers of a run, by ``seq``."""
        ...

    def list_inbox(self, run_id: str) -> list[InboxMessage]:
        """Messages that no turn has taken yet, in order."""
        ...

    def find_refusal(self, run_id: str, message_id: int) -> bytes | None:
        """Why a message was refused; None if it was not, or that is no longer kept."""
        ...

    def find_answer(self, request: str) -> bytes | None:
        """What was noted of a request (``Once``); None if nothing was, or that is no longer kept."""
        ...

    def list_sessions(self) -> list[SessionRow]:
        """All sessions that were not closed, by token."""
        ...

    def next_due_at(
        self, task_queues: Sequence[str], token: int | None = None, builds: Sequence[str] | None = None
    ) -> int | None:
        """The earliest time at which a run or a task of these queues has work, or None; may lie in the past.

        Of runs, whoever owns them; of tasks that no session holds.  With ``token``, as that session should see it: runs of other
        sessions do not count, but the end of each other lease does, as it may free runs and tasks.  With ``builds``, runs of other builds
        do not count.
        """
        ...

    def changed_elsewhere(self) -> bool:
        """Whether another process has written since the last call: the poll that bounds what a lost wake-up costs.

        If so, the subscribers are called, since only one of those who poll is told.
        """
        ...

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` after every commit of this process that changed something; returns the way to stop it.

        It is called on the committing thread, outside of every lock of the store, must not block, and may call the store.
        """
        ...

    def close(self) -> None:
        """Release everything; idempotent."""
        ...
