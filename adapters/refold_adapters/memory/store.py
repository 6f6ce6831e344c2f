"""The memory store: the store protocol over plain dicts, behind one lock.

One rule: everything that a call reads or writes happens inside the lock, and subscribers are called outside of it.
It knows nothing of durability: ``url`` opens another, empty one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import assert_never

from refold_adapters import ports
from refold_adapters.clocks import ManualClock, SystemClock
from refold_adapters.memory import claims, copies, tasks, writes
from refold_adapters.memory.matching import matches
from refold_adapters.memory.state import State
from refold_adapters.memory.texts import check_texts
from refold_adapters.ports import (
    Clock,
    InboxMessage,
    Outcome,
    RunFilter,
    RunRow,
    SessionRow,
    StoredTurn,
    TaskRow,
    Write,
)
from refold_adapters.ports.outcomes import DONE
from refold_adapters.store_errors import StoreError
from refold_adapters.subscribers import Subscribers


class MemoryStore:
    """A store that keeps everything in this process."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._state = State()
        self._closed = False
        self._subscribers = Subscribers()
        self._leave_clock = (
            clock.subscribe(self._subscribers.call) if isinstance(clock, ManualClock) else None
        )

    @property
    def clock(self) -> Clock:
        """The judge of what is due."""
        return self._clock

    @property
    def url(self) -> str:
        """What ``open_store`` opens another one with."""
        return "memory:"

    def apply(self, writes: Sequence[Write]) -> list[Outcome]:
        """Carry out writes, in order."""
        check_texts(writes)
        with self._lock:
            state = self._open_state()
            changes = state.changes
            now = self._clock.now_us()
            outcomes = [_apply(state, now, write) for write in writes]
            changed = state.changes != changes
        if changed:
            self._subscribers.call()
        return outcomes

    def read_turns(self, run_id: str, after_turn: int = 0) -> list[StoredTurn]:
        """The committed turns of a run, in order."""
        with self._lock:
            run = self._open_state().runs.get(run_id)
            return [] if run is None else run.turns[max(0, after_turn) :]

    def find_run(self, workflow_id: str, run_id: str | None = None) -> RunRow | None:
        """The run of that id, or the open (else the latest started) run of the workflow id."""
        with self._lock:
            run = self._open_state().find_run(workflow_id, run_id)
            return None if run is None else run.row()

    def list_runs(self, filter: RunFilter) -> list[RunRow]:
        """Runs, newest first."""
        with self._lock:
            runs = [run for run in self._open_state().runs.values() if matches(run, filter)]
            if filter.before is not None:
                before = filter.before
                runs = [run for run in runs if (run.started_at, run.run_id) < before]
            runs.sort(key=lambda run: (run.started_at, run.run_id), reverse=True)
            return [run.row() for run in runs[: max(0, filter.limit)]]

    def list_ending(self, limit: int) -> list[RunRow]:
        """Open runs whose time is up, the longest overdue first."""
        with self._lock:
            state = self._open_state()
            due = list(state.ending.until(self._clock.now_us()))[: max(0, limit)]
            return [state.created[order].row() for _, order in due]

    def count_runs(self, filter: RunFilter) -> int:
        """How many runs match."""
        with self._lock:
            return sum(matches(run, filter) for run in self._open_state().runs.values())

    def list_attributes(self) -> list[str]:
        """The names of the search attributes that any run is found by."""
        with self._lock:
            return sorted({term.name for run in self._open_state().runs.values() for term in run.terms})

    def list_tasks(self, run_id: str) -> list[TaskRow]:
        """The open activity tasks of a run, by ``seq``."""
        with self._lock:
            run = self._open_state().runs.get(run_id)
            return [] if run is None else [task for _, task in sorted(run.tasks.items())]

    def list_timers(self, run_id: str) -> list[tuple[int, int]]:
        """``(seq, fire_at)`` of the open timers of a run, by ``seq``."""
        with self._lock:
            run = self._open_state().runs.get(run_id)
            return [] if run is None else sorted(run.timers.items())

    def list_inbox(self, run_id: str) -> list[InboxMessage]:
        """Messages that no turn has taken yet, in order."""
        with self._lock:
            run = self._open_state().runs.get(run_id)
            return [] if run is None else run.messages()

    def find_refusal(self, run_id: str, message_id: int) -> bytes | None:
        """Why a message was refused; None if it was not, or that is no longer kept."""
        with self._lock:
            run = self._open_state().runs.get(run_id)
            return None if run is None else run.refusals.get(message_id)

    def find_answer(self, request: str) -> bytes | None:
        """What was noted of a request; None if nothing was, or that is no longer kept."""
        with self._lock:
            noted = self._open_state().requests.get(request)
            return None if noted is None else noted[1]

    def list_sessions(self) -> list[SessionRow]:
        """All sessions that were not closed, by token."""
        with self._lock:
            return list(self._open_state().sessions.values())

    def next_due_at(
        self, task_queues: Sequence[str], token: int | None = None, builds: Sequence[str] | None = None
    ) -> int | None:
        """The earliest time at which a run or a task of these queues has work, or None; may lie in the past."""
        with self._lock:
            return claims.next_due_at(self._open_state(), task_queues, token, builds)

    def changed_elsewhere(self) -> bool:
        """Never: no other process can write here."""
        return False

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` after every commit that changed something; returns the way to stop it."""
        return self._subscribers.add(callback)

    def close(self) -> None:
        """Forget everything; idempotent."""
        with self._lock:
            self._closed = True
            self._state = State()
        if self._leave_clock is not None:
            self._leave_clock()

    def _open_state(self) -> State:
        if self._closed:
            raise StoreError(
                "RF5010",
                "the memory store is closed",
                why="close() was called, and what a memory store held is gone with it",
                fix="open another one; close it only when no worker and no client uses it any more",
            )
        return self._state


def _apply_once(state: State, now: int, write: ports.Once) -> Outcome:
    noted = state.requests.get(write.request)
    if noted is not None:
        return ports.Repeated(noted[1])
    outcome = ports.Done() if write.write is None else _apply(state, now, write.write)
    if isinstance(outcome, DONE):
        state.changes += 1
        state.requests[write.request] = (now, write.answer)
    return outcome


def _apply(state: State, now: int, write: Write) -> Outcome:
    match write:
        case ports.CommitTurn():
            return writes.commit_turn(state, now, write)
        case ports.ConsumeMessages():
            return writes.consume_messages(state, write)
        case ports.ClaimRuns():
            return claims.claim_runs(state, now, write)
        case ports.ClaimTasks():
            return claims.claim_tasks(state, now, write)
        case ports.AcceptMessage():
            return writes.accept_message(state, now, write)
        case ports.CreateRun():
            return writes.create_run(state, now, write)
        case ports.FinishTask():
            return tasks.finish_task(state, now, write)
        case ports.RetryTask():
            return tasks.retry_task(state, write)
        case ports.Heartbeat():
            return tasks.heartbeat(state, now, write)
        case ports.DetachTask():
            return tasks.detach_task(state, write)
        case ports.ChangeTask():
            return tasks.change_task(state, write)
        case ports.ParkRun():
            return writes.park_run(state, now, write)
        case ports.UnparkRuns():
            return writes.unpark_runs(state, write)
        case ports.ReleaseRuns():
            return writes.release_runs(state, write)
        case ports.ChangeRun():
            return copies.change_run(state, now, write)
        case ports.CopyRun():
            return copies.copy_run(state, now, write)
        case ports.DeleteRun():
            return copies.delete_run(state, now, write)
        case ports.ExpireRuns():
            return copies.expire_runs(state, now, write)
        case ports.Once():
            return _apply_once(state, now, write)
        case ports.OpenSession():
            return writes.open_session(state, now, write)
        case ports.RenewSession():
            return writes.renew_session(state, now, write)
        case ports.CloseSession():
            return writes.close_session(state, now, write)
        case _:
            assert_never(write)
