"""What is done by whoever has the worker's baton: what has come is taken, turns are made and committed, and the store is asked for more.

In each round, all that has come is worked off, one turn is made for each run concerned, and they are committed together in one
``apply``; what comes in while the store is busy forms the next group.  Only after the commit is anybody told.

One rule: nothing here is called without the baton, and nothing here waits for anything but the store.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

import attrs

from refold_adapters.activities.attempt_ends import Ended, heartbeat_write, not_again, outcome_write
from refold_adapters.activities.attempts import Attempt, AttemptOutcome
from refold_adapters.activities.tasks import Tasks
from refold_adapters.operating.endings import end_due_runs
from refold_adapters.operating.retention import Retention
from refold_adapters.ports import (
    Beat,
    ClaimedTasks,
    ClaimRuns,
    ClaimTasks,
    Fenced,
    Outcome,
    ReadyRuns,
    Refused,
    Store,
    UnparkRuns,
    Write,
)
from refold_adapters.registry import Registry
from refold_adapters.store_errors import StoreError
from refold_adapters.turns.results import ending_of
from refold_adapters.waiting.closings import Closings
from refold_adapters.worker.baton import Baton
from refold_adapters.worker.insisting import PAUSE_SECONDS_FIRST, apply_until_done
from refold_adapters.worker.live import Made
from refold_adapters.worker.runs import Runs
from refold_adapters.worker.sessions import Session, tasks_held_by

#: How often another process's writes are looked for.
POLL_SECONDS = 0.05
#: How often runs are looked for whose time is up.
END_SECONDS = 1.0

logger = logging.getLogger("refold.worker")


class Rounds:
    """The rounds of one worker."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        tasks: Tasks,
        runs: Runs,
        baton: Baton,
        *,
        closings: Closings,
        session: Session,
        retention: Retention,
        task_queue: str,
        max_turns: int,
    ) -> None:
        self._host = closings.host
        self._poll_seconds = POLL_SECONDS * closings.host.patience
        self._store = store
        self._registry = registry
        self._tasks = tasks
        self._runs = runs
        self._baton = baton
        self._closings = closings
        self._session = session
        self._retention = retention
        self._queues = (task_queue,)
        self._max_turns = max_turns
        #: Set when no new work is to be taken.
        self.draining = threading.Event()
        self._writes: list[tuple[Write, Callable[[Outcome], None]]] = []
        #: Whether to look at the store, and whether it was written to from elsewhere since the last look.
        self.look, self.behind = True, False
        self._next_due: int | None = None
        #: Whether tasks were claimed and the store's answer never came: perhaps some are held that nobody here knows of.
        self._claimed_unheard = False
        self._polled = 0.0
        self._ended = 0.0

    # A session --------------------------------------------------------------------------------------------------------

    @property
    def has_session(self) -> bool:
        """Whether a session is open."""
        return bool(self._session.token)

    def open_session(self) -> None:
        """Begin a session, and let the runs of the queue that are parked be tried again."""
        self._runs.token = self._session.open()
        self._store.apply([UnparkRuns(task_queues=self._queues)])
        self._runs.strangers.clear()
        self.look = True

    @property
    def is_drained(self) -> bool:
        """Whether nothing is left that was begun."""
        return self._tasks.idle and not self._runs.has_work and not self._writes and not self._runs.leftovers

    def finish(self) -> None:
        """Do what has come last, and give everything back."""
        try:
            try:
                self._baton.do_all()
            finally:
                self._runs.drop_all()
            self._runs.leftovers += [(beat, None) for beat in self._tasks.unsent(self._session.token)]
            while self._writes or self._runs.leftovers:
                self._commit([])
            self._session.close()
        except StoreError as error:
            logger.error("the store failed while the worker stopped: %s", error)  # noqa: TRY400 - a coded error says it all
        finally:
            self._runs.stop_watching()
            self._tasks.shutdown()

    # What has come ----------------------------------------------------------------------------------------------------

    def on_attempt_ended(self, attempt: Attempt, outcome: AttemptOutcome) -> None:
        """An attempt has ended."""
        ended = self._tasks.ended(attempt, outcome)
        if ended is not None:
            self._route(ended)
        if self._tasks.free == 1:
            self.look = True  # there may be tasks that found no slot

    def _route(self, ended: Ended) -> None:
        token = self._session.token
        if ended.retry is not None:
            self.later(attrs.evolve(ended.retry, token=token), partial(self._after_retry, ended))
        elif ended.detach is not None:
            self.later(attrs.evolve(ended.detach, token=token), self.look_after)
        elif not self._runs.activity_ended(ended):
            self.later(outcome_write(token, ended), self.look_after)

    def _after_retry(self, ended: Ended, outcome: Outcome) -> None:
        self.look = True
        if isinstance(outcome, Refused):
            self._route(not_again(ended, self._tasks.identity, self._store.clock.now_us()))

    def look_after(self, _: Outcome | None = None) -> None:
        """The store may have work."""
        self.look = True

    def on_heartbeat(self, attempt: Attempt, *, anew: bool) -> None:
        """An attempt has sent details, or it is time to record the last that it sent."""

        def beaten(outcome: Outcome) -> None:
            if not isinstance(outcome, Beat):
                attempt.context.request_cancellation()
                return
            if outcome.cancel_requested:
                self._tasks.cancel(attempt.run_id, attempt.seq)

        if not attempt.abandoned and self._tasks.beat(attempt, anew=anew):
            self.later(heartbeat_write(self._session.token, attempt), beaten)

    def on_told_to_stop(self, run_id: str, seq: int | None) -> None:
        """Somebody of this process has asked an activity to stop, or ended the whole run."""
        if seq is None:
            self._tasks.abandon(run_id)
        else:
            self._tasks.cancel(run_id, seq)

    def later(self, write: Write, then: Callable[[Outcome], None]) -> None:
        """Have a write carried out with the next batch."""
        self._writes.append((write, then))

    # Rounds ---------------------------------------------------------------------------------------------------------

    def make(self) -> None:
        """Do all that has come, make turns of it and commit them."""
        try:
            self._baton.do_all()
            self._poll()
            for ended in self._tasks.overdue():
                self._route(ended)
            if self._session.renewal_is_due() and not self._session.renew():
                self._lost_session()
            if self.look and not self.draining.is_set():
                self._claim()
            self._commit_round()
            self._begin_unheard()
            self._runs.evict()
            self._end_due_runs()
            self._retention.sweep_if_due()
        except StoreError as error:
            self._pause(error)

    def _poll(self) -> None:
        """Every so often, busy or idle, look for what another process has written or a wake-up has missed."""
        now = self._host.monotonic()
        if now - self._polled >= self._poll_seconds:
            self._polled = now
            self.look = self.look or self._due() or self._store.changed_elsewhere()

    def _end_due_runs(self) -> None:
        """Every so often, and after a run was closed that wants others to be ended: end those that are to end, of whatever queue."""
        now = self._host.monotonic()
        if (now - self._ended < END_SECONDS and not self._runs.ends_others) or self.draining.is_set():
            return
        self._ended = now
        self._runs.ends_others = False
        for row in end_due_runs(self._store):
            self._runs.ended_elsewhere(row.run_id)
            if (ending := ending_of(row)) is not None:
                self._closings.settle(ending)

    def _due(self) -> bool:
        due = self._store.next_due_at(self._queues, self._session.token, self._runs.builds.served)
        return due is not None and due <= self._store.clock.now_us()

    def sleep_seconds(self) -> float:
        """How long there is nothing to do, unless something comes."""
        if self.look or self._writes or self._runs.has_work or self._runs.leftovers or self._runs.again:
            return 0
        clock = self._store.clock
        if self._next_due is not None and self._next_due <= clock.now_us():
            # It came due since it was looked up: a wait of no length would never find the queue idle and look again.
            self._next_due = None
            self.look = True
            return 0
        earliest = self._session.renew_at
        for at in (self._next_due, self._tasks.next_limit_at()):
            if at is not None and (earliest is None or at < earliest):
                earliest = at
        wait = None if earliest is None else clock.seconds_until(earliest)
        return self._poll_seconds if wait is None else min(wait, self._poll_seconds)

    def _claim(self) -> None:
        """Take what the store has for this worker."""
        self.look = self.behind = False
        token, builds = self._session.token, self._runs.builds.served
        strangers = tuple(self._runs.strangers)
        writes: list[Write] = [
            ClaimRuns(
                token=token, task_queues=self._queues, limit=self._max_turns, exclude=strangers, builds=builds
            )
        ]
        unheard = self._claimed_unheard
        if (free := self._tasks.free) > 0:
            self._claimed_unheard = True  # until what was claimed has begun: the store may fail in between
            types = tuple(self._registry.activities)
            writes.append(ClaimTasks(token=token, task_queues=self._queues, activity_types=types, limit=free))
        for outcome in self._store.apply(writes):
            match outcome:
                case ReadyRuns():
                    for ready in outcome.runs:
                        self._runs.ready(ready)
                    self.look = self.look or len(outcome.runs) >= self._max_turns
                case ClaimedTasks():
                    for row in outcome.tasks:
                        if (ended := self._tasks.start_claimed(row)) is not None:
                            self._route(ended)
                case _:
                    self._lost_session()
                    return
        self._claimed_unheard = unheard
        # What is due already and was not claimed now waits for a slot, or is not for this worker: it is looked for again
        # when a slot is free or the store changes, and at every idle poll.
        due = self._store.next_due_at(self._queues, token, builds)
        self._next_due = due if due is not None and due > self._store.clock.now_us() else None

    def _begin_unheard(self) -> None:
        """Begin the tasks that were claimed by a call whose answer was lost, once no outcome is left that is still to be recorded."""
        is_busy = self._writes or self._runs.has_work or self._runs.leftovers
        if not self._claimed_unheard or is_busy or self.draining.is_set():
            return
        held = tasks_held_by(self._store, self._session.token)
        self._claimed_unheard = False
        for row in held:
            if not self._tasks.runs(row.run_id, row.seq) and (ended := self._tasks.start_claimed(row)):
                self._route(ended)

    def _commit_round(self) -> None:
        """Make the turns that are due and commit them, with all other writes that have come up, in one go."""
        made = self._runs.make_turns(self._max_turns)
        if self._runs.again:
            again, self._runs.again = self._runs.again, []
            made = [*again, *made]
        self._commit(made)

    def _commit(self, made: Sequence[Made]) -> None:
        writes, self._writes = self._writes, []
        leftovers, self._runs.leftovers = self._runs.leftovers, []
        batch: list[Write] = []
        if leftovers or writes:
            batch += [write for write, _ in leftovers]
            batch += [write for write, _ in writes]
        for one in made:
            batch += one.writes
        if not batch:
            return
        outcomes = apply_until_done(self._store, batch, self.draining, self._host)
        position = len(leftovers)
        if leftovers or self._runs.parked:
            self._settle_leftovers(leftovers, outcomes)
        for _, then in writes:
            then(outcomes[position])
            position += 1
        for one in made:
            self._runs.settle(one, outcomes[position : position + len(one.writes)])
            position += len(one.writes)
        self.look, self._runs.look_again = self.look or self._runs.look_again, False
        if Fenced in map(type, outcomes) and not self._session.renew():
            self._lost_session()

    def _settle_leftovers(
        self, leftovers: Sequence[tuple[Write, Future[Outcome] | None]], outcomes: Sequence[Outcome]
    ) -> None:
        for (_, future), outcome in zip(leftovers, outcomes, strict=False):
            if future is not None:
                future.set_result(outcome)
        parked, self._runs.parked = self._runs.parked, []
        for ending in parked:
            self._closings.settle(ending)

    def _lost_session(self) -> None:
        """Another worker has taken this one for dead: forget everything and begin anew."""
        logger.warning(
            "the session of worker %s was lost; its runs belong to others now", self._tasks.identity
        )
        self._tasks.abandon()
        self._runs.drop_all()
        self.open_session()

    def _pause(self, error: StoreError) -> None:
        logger.error("the store failed, pausing: %s", error)
        self.look = True
        self._host.pause(PAUSE_SECONDS_FIRST, self.draining)
