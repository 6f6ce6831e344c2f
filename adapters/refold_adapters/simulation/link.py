"""A process's way to the store: what can happen to a call, by seed.

One rule: whatever happens here can happen to a real store.  A call that raises may have been carried out or not, and only a call that
returns has surely been.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from refold_adapters.ports import (
    Clock,
    InboxMessage,
    Outcome,
    RenewSession,
    RunFilter,
    RunRow,
    SessionRow,
    Store,
    StoredTurn,
    TaskRow,
    Write,
)
from refold_adapters.simulation.process import BUSY_SECONDS, Killed, Process
from refold_adapters.simulation.seeds import Stream
from refold_adapters.store_errors import StoreError
from refold_adapters.subscribers import Subscribers


@attrs.frozen(kw_only=True)
class Faults:
    """How often what goes wrong with a call, as chances; all zero is a store that is always well."""

    #: The process is killed before the call gets there, or after it was carried out.
    crash_before: float = 0.0
    crash_after: float = 0.0
    #: The call fails and nothing was done; it fails and everything was done.
    busy: float = 0.0
    reply_lost: float = 0.0
    #: The call takes long, before it is carried out or after; up to so many seconds.
    delayed: float = 0.0
    delay_seconds: float = 0.0
    #: The news of a commit never reaches another process.
    news_lost: float = 0.0
    #: How long such news takes, at most.
    news_seconds: float = 0.05


NO_FAULTS = Faults(news_seconds=0.0)


class Device:
    """The store that all processes share, and who hears of what is written to it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.links: list[Link] = []
        #: Told of each commit, with what the store answered.
        self.on_commit: list[Callable[[Process, Sequence[Write], Sequence[Outcome]], None]] = []
        self._changed = False
        #: When something was last written that is more than a sign of life, in virtual microseconds.
        self.written_us = 0
        store.subscribe(self._has_changed)

    def _has_changed(self) -> None:
        self._changed = True

    def apply(self, link: Link, writes: Sequence[Write]) -> list[Outcome]:
        """Carry out writes, and have those told who want to know."""
        self._changed = False
        outcomes = self.store.apply(writes)
        for told in self.on_commit:
            told(link.process, writes, outcomes)
        if self._changed:
            if any(type(write) is not RenewSession for write in writes):
                self.written_us = link.process.scheduler.clock.passed_us
            for other in self.links:
                other.hear(link)
        return outcomes


class Link:
    """The store as one process sees it."""

    def __init__(self, device: Device, process: Process, faults: Faults, draws: Stream) -> None:
        self._device = device
        self.process = process
        self.faults = faults
        self._draws = draws
        self._subscribers = Subscribers()
        self._is_news = False
        device.links.append(self)

    # What can happen ------------------------------------------------------------------------------------------------

    def _reach(self) -> Store:
        """The call gets to the store, or not."""
        faults, draws = self.faults, self._draws
        self._need_alive()
        if faults is NO_FAULTS:
            return self._device.store
        if draws.happens(faults.crash_before):
            self._crash()
        if draws.happens(faults.delayed):
            self._delay()
        if draws.happens(faults.busy):
            raise StoreError(
                "RF5006",
                "the simulated store is busy",
                why="the simulation has drawn this fault",
                fix="try again",
            )
        return self._device.store

    def _leave(self) -> None:
        """The answer gets back, or not."""
        faults, draws = self.faults, self._draws
        if faults is NO_FAULTS:
            return
        if draws.happens(faults.crash_after):
            self._crash()
        if draws.happens(faults.reply_lost):
            raise StoreError(
                "RF5099",
                "the answer of the simulated store was lost",
                why="the simulation has drawn this fault; the call was carried out",
                fix="try again",
            )
        if draws.happens(faults.delayed):
            self._delay()

    def _delay(self) -> None:
        self.process.scheduler.pause(self._draws.between(0.0, self.faults.delay_seconds))
        self._need_alive()

    def _crash(self) -> None:
        self.process.alive = False
        raise Killed

    def _need_alive(self) -> None:
        if not self.process.alive:
            raise Killed

    def hear(self, writer: Link) -> None:
        """Somebody has written: who lives in the same process is told at once, another one later, or never."""
        if not self.process.alive:
            return
        if writer is self:
            self._subscribers.call()
            return
        self._is_news = True
        if not self._draws.happens(self.faults.news_lost):
            self.process.after(self._draws.between(0.0, self.faults.news_seconds), self._tell)

    def _tell(self) -> None:
        worker = self.process.worker
        if worker is not None and worker.is_driven:  # it is at work, and lets time pass
            self.process.after(BUSY_SECONDS, self._tell)
        else:
            self._subscribers.call()

    # A store --------------------------------------------------------------------------------------------------------

    @property
    def clock(self) -> Clock:
        """The judge of what is due."""
        return self._device.store.clock

    @property
    def url(self) -> str:
        """What the store behind it is opened with."""
        return self._device.store.url

    def apply(self, writes: Sequence[Write]) -> list[Outcome]:
        """Carry out writes in one commit, if nothing happens to it."""
        self._reach()
        outcomes = self._device.apply(self, writes)
        self._leave()
        return outcomes

    def read_turns(self, run_id: str, after_turn: int = 0) -> list[StoredTurn]:
        """The committed turns of a run."""
        return self._reach().read_turns(run_id, after_turn)

    def find_run(self, workflow_id: str, run_id: str | None = None) -> RunRow | None:
        """A run."""
        return self._reach().find_run(workflow_id, run_id)

    def list_runs(self, filter: RunFilter) -> list[RunRow]:
        """Runs, newest first."""
        return self._reach().list_runs(filter)

    def list_ending(self, limit: int) -> list[RunRow]:
        """Open runs whose time is up."""
        return self._reach().list_ending(limit)

    def count_runs(self, filter: RunFilter) -> int:
        """How many runs match."""
        return self._reach().count_runs(filter)

    def list_attributes(self) -> list[str]:
        """The names of the search attributes."""
        return self._reach().list_attributes()

    def list_tasks(self, run_id: str) -> list[TaskRow]:
        """The open activity tasks of a run."""
        return self._reach().list_tasks(run_id)

    def list_timers(self, run_id: str) -> list[tuple[int, int]]:
        """The open timers of a run."""
        return self._reach().list_timers(run_id)

    def list_inbox(self, run_id: str) -> list[InboxMessage]:
        """Messages that no turn has taken yet."""
        return self._reach().list_inbox(run_id)

    def find_refusal(self, run_id: str, message_id: int) -> bytes | None:
        """Why a message was refused."""
        return self._reach().find_refusal(run_id, message_id)

    def find_answer(self, request: str) -> bytes | None:
        """What was noted of a request."""
        return self._reach().find_answer(request)

    def list_sessions(self) -> list[SessionRow]:
        """All sessions that were not closed."""
        return self._reach().list_sessions()

    def next_due_at(
        self, task_queues: Sequence[str], token: int | None = None, builds: Sequence[str] | None = None
    ) -> int | None:
        """The earliest time at which there is work."""
        return self._reach().next_due_at(task_queues, token, builds)

    def changed_elsewhere(self) -> bool:
        """Whether another process has written since the last call; if so, the subscribers are called."""
        self._need_alive()
        changed, self._is_news = self._is_news, False
        if changed:
            self._subscribers.call()
        return changed

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` after every commit of this process."""
        return self._subscribers.add(callback)

    def close(self) -> None:
        """Nothing: the store is the simulation's."""
