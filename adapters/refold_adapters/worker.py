"""The worker: makes turns, commits them in groups, and starts what they ask for.

Theory of operation.  Everything that happens reaches the worker through one queue: ends of attempts, messages of clients in this process,
and wake-ups that say the store may have work.  In each round it takes all that has come, makes one turn for each run concerned, and
commits them together in one ``apply``; what comes in while the store is busy forms the next group.  Only after the commit are activities
started, logs written and clients answered.  When nothing is left to do it sleeps until the next timer, limit or lease renewal, or until it
is woken.

Rounds are made by one thread at a time, the one that has the baton: the worker's own, or one for activities, which has just carried out an
activity or been handed a message.  That one goes on with the activity that its round has begun, so the steps of a sequential run, from its
start to its end, follow each other on one thread.

One rule: whoever runs workflow code has the baton, and nobody else touches executions.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from datetime import timedelta
from functools import partial
from typing import Any

import attrs

from refold import Activity, WorkflowDefinition
from refold.ids import checked_id
from refold.messages import Message, StartWorkflow
from refold_adapters.acceptances import accept_write
from refold_adapters.attempts import Attempt, AttemptOutcome
from refold_adapters.baton import Baton, Item, raise_it
from refold_adapters.closings import Closings
from refold_adapters.insisting import PAUSE_SECONDS_FIRST, apply_until_done
from refold_adapters.ports import (
    Beat,
    ClaimedTasks,
    ClaimRuns,
    ClaimTasks,
    CreateRun,
    Fenced,
    Outcome,
    ReadyRuns,
    Refused,
    Store,
    UnparkRuns,
    Write,
)
from refold_adapters.registry import Registry
from refold_adapters.retention import Retention
from refold_adapters.runs import Runs
from refold_adapters.runtime_errors import WorkerStoppedError
from refold_adapters.sessions import Session, host_name
from refold_adapters.store_errors import StoreError
from refold_adapters.tasks import Ended, Tasks, heartbeat_write, outcome_write
from refold_adapters.worker_options import POLL_SECONDS, Builds, VersioningBehavior, check_options

logger = logging.getLogger("refold.worker")


class Worker:
    """Runs workflows and activities of one task queue; ``run()`` blocks, ``start()`` does not, ``shutdown()`` drains.

    ``max_concurrent_activities`` is the number of attempts at a time, ``max_concurrent_workflow_turns`` the number of turns in one
    commit, ``max_cached_workflows`` the number of runs kept in memory.  ``lease`` bounds how long the work of a worker that died
    without a trace waits for another one.  With ``fail_unknown_types`` a type that this worker does not know parks its run at once.
    ``build_id`` names its code: runs that it begins are pinned to it, unless ``versioning_behavior`` is ``AUTO_UPGRADE``, and it runs
    none that is pinned to a build which it neither is nor ``serves``.  ``retention`` is how long closed runs are kept (None: for ever).
    """

    def __init__(
        self,
        store: Store,
        *,
        workflows: Iterable[WorkflowDefinition[..., Any]] = (),
        activities: Iterable[Activity[..., Any]] = (),
        task_queue: str = "default",
        identity: str | None = None,
        max_concurrent_activities: int = 100,
        max_concurrent_workflow_turns: int = 200,
        max_cached_workflows: int = 10_000,
        max_activity_processes: int | None = None,
        lease: timedelta = timedelta(seconds=10),
        fail_unknown_types: bool = False,
        closings: Closings | None = None,
        build_id: str | None = None,
        serves: Sequence[str] = (),
        versioning_behavior: VersioningBehavior = VersioningBehavior.PINNED,
        retention: timedelta | None = None,
    ) -> None:
        if max_activity_processes is None:
            max_activity_processes = os.cpu_count() or 1
        check_options(
            lease,
            max_concurrent_activities=max_concurrent_activities,
            max_concurrent_workflow_turns=max_concurrent_workflow_turns,
            max_cached_workflows=max_cached_workflows,
            max_activity_processes=max_activity_processes,
        )
        self.store = store
        self.task_queue = checked_id(task_queue, "task queue")
        self._queues = (self.task_queue,)
        self.identity = identity or f"{os.getpid()}@{host_name()}"
        self.registry = Registry(workflows, activities)
        self._max_turns = max_concurrent_workflow_turns
        self._baton = Baton()
        self._closings = closings or Closings(store)
        self._closings.runs_here = self._runs_here
        self._tasks = Tasks(
            self.registry,
            store.clock,
            identity=self.identity,
            max_concurrent=max_concurrent_activities,
            max_processes=max_activity_processes,
            report=self._attempt_ended,
            report_in_thread=self._attempt_ended_in_thread,
            heartbeat=self._heartbeat,
        )
        self._runs = Runs(
            store,
            self.registry,
            self._tasks,
            max_cached=max_cached_workflows,
            fail_unknown_types=fail_unknown_types,
            on_ended=self._closings.settle,
            on_update=self._closings.updates.tell,
        )
        self._runs.builds = Builds.checked(build_id, serves, versioning_behavior)
        self._retention = Retention(store, retention)
        self._session = Session(store, self.identity, lease)
        self._writes: list[tuple[Write, Callable[[Outcome], None]]] = []
        #: Whether to look at the store, and whether it was written to from elsewhere since the last look.
        self._look, self._behind = True, False
        self._next_due: int | None = None
        self._polled = 0.0
        self._thread: threading.Thread | None = None
        self._draining = threading.Event()
        self._stopped = threading.Event()

    # Life -----------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Work until ``shutdown`` is called (from another thread or a signal handler)."""
        self._baton.take()
        self._thread = threading.current_thread()
        unsubscribe = self.store.subscribe(self._store_changed)
        try:
            if not self._session.token:
                self._open_session()
            while not (self._draining.is_set() and self._drained()):
                self._baton.wait(self._sleep_seconds())
                self._round()
        finally:
            if not self._baton.is_held_here:  # an interrupt from the keyboard came while it waited
                self._baton.take()
            unsubscribe()
            self._finish()

    def start(self) -> None:
        """Work on a thread of its own; when this returns, runs that an earlier worker left or parked are its to take."""
        self._open_session()
        self._thread = threading.Thread(target=self._run_logged, name="refold-worker", daemon=True)
        self._thread.start()

    def shutdown(self, *, grace: timedelta = timedelta(seconds=10)) -> None:
        """Take no new work, let running activities end within ``grace``, give the rest back, and stop.  Idempotent."""
        if self._thread is None or self._stopped.is_set():
            return
        timer = threading.Timer(grace.total_seconds(), lambda: self._baton.put(self._tasks.abandon))
        timer.daemon = True
        timer.start()
        self._draining.set()
        self._baton.put(self._tasks.announce_shutdown)
        if not self._baton.is_held_here and threading.current_thread() is not self._thread:
            self._stopped.wait()
            timer.cancel()

    def _run_logged(self) -> None:
        try:
            self.run()
        except BaseException:
            logger.exception("the worker stopped")
            raise

    def _open_session(self) -> None:
        self._runs.token = self._session.open()
        self.store.apply([UnparkRuns(task_queues=self._queues)])
        self._runs.strangers.clear()
        self._look = True

    def _drained(self) -> bool:
        return self._tasks.idle and not self._runs.has_work and not self._writes and not self._runs.leftovers

    def _finish(self) -> None:
        """Give everything back.  The baton is not given away any more: nobody makes another round."""
        self._draining.set()
        try:
            self._runs.drop_all()
            self._baton.do_all()
            self._runs.leftovers += [(beat, None) for beat in self._tasks.unsent(self._session.token)]
            leftovers, self._runs.leftovers = self._runs.leftovers, []
            if leftovers:
                self._settle_leftovers(leftovers, self.store.apply([write for write, _ in leftovers]))
            self._session.close()
        except StoreError as error:
            logger.error("the store failed while the worker stopped: %s", error)  # noqa: TRY400 - a coded error says it all
        finally:
            self._tasks.shutdown()
            self._stopped.set()

    # Things come in (any thread) ------------------------------------------------------------------------------------

    def submit_start(
        self, creation: CreateRun, message: StartWorkflow, *more: Message
    ) -> tuple[Future[Outcome], ...]:
        """Start a run, with ``more`` messages to it, in one commit; each future is what ``apply`` would answer."""
        pairs = [(each, Future[Outcome]()) for each in (message, *more)]
        self._submit([future for _, future in pairs], lambda: self._runs.start(creation, pairs))
        return tuple(future for _, future in pairs)

    def submit_message(self, workflow_id: str, run_id: str, message: Message) -> Future[Outcome]:
        """Put a message into the next turn of a run; the future is what ``apply`` would answer to its acceptance."""
        future: Future[Outcome] = Future()

        def accepted(outcome: Outcome) -> None:
            self._look = self._behind = True  # its run may be live here: go behind it
            future.set_result(outcome)

        def accept() -> None:
            if self._behind or not self._runs.message(run_id, message, future):
                self._later(accept_write(workflow_id, run_id, message), accepted)

        self._submit((future,), accept)
        return future

    def _submit(self, futures: Sequence[Future[Outcome]], item: Item) -> None:
        if self._draining.is_set() or self._thread is None:
            for future in futures:
                future.set_exception(WorkerStoppedError())
        elif not (self._baton.is_free and self._tasks.lend_thread(partial(self._drive_in_thread, item))):
            self._baton.put(item)

    def can_run(self, workflow_type: str, task_queue: str, build_id: str | None = None) -> bool:
        """Whether this worker would run such a workflow."""
        is_its = task_queue == self.task_queue and build_id in (None, *self._runs.builds.served)
        return is_its and workflow_type in self.registry.workflows and not self._draining.is_set()

    def _runs_here(self, run_id: str) -> bool:
        return self._runs.is_live(run_id)

    def _store_changed(self) -> None:
        if not self._baton.is_held_here:
            self._behind = True  # at once: what is sent next goes behind what was just written
            self._baton.put(self._look_after)

    def _attempt_ended(self, attempt: Attempt, outcome: AttemptOutcome) -> None:
        self._baton.put(partial(self._on_attempt_ended, attempt, outcome))

    def _attempt_ended_in_thread(self, attempt: Attempt, outcome: AttemptOutcome) -> Attempt | None:
        return self._drive_in_thread(partial(self._on_attempt_ended, attempt, outcome))

    def _drive_in_thread(self, item: Item) -> Attempt | None:
        """A thread brings something, and makes the next round if nobody drives; returns what it is to carry out next."""
        baton = self._baton
        if not baton.grab():
            baton.put(item)
            return None
        look_within = 0.0
        self._tasks.hold_one()
        try:
            item()
            self._round()
            look_within = 0.0 if self._draining.is_set() else self._sleep_seconds()
        except BaseException as error:  # not its thread: whoever waits for the worker learns of it there
            baton.put(partial(raise_it, error))
        finally:
            held = self._tasks.held_one()
            baton.give(look_within)
        return held

    def _heartbeat(self, attempt: Attempt, details: list[Any] | None) -> None:
        if details is not None:  # else the time has come to record the last ones
            attempt.remember(details)
        self._baton.put(partial(self._on_heartbeat, attempt, anew=details is not None))

    # ... and are taken by whoever has the baton -----------------------------------------------------------------------

    def _on_attempt_ended(self, attempt: Attempt, outcome: AttemptOutcome) -> None:
        ended = self._tasks.ended(attempt, outcome)
        if ended is not None:
            self._route(ended)
        if self._tasks.free == 1:
            self._look = True  # there may be tasks that found no slot

    def _route(self, ended: Ended) -> None:
        token = self._session.token
        if ended.retry is not None:
            self._later(attrs.evolve(ended.retry, token=token), partial(self._after_retry, ended))
        elif ended.detach is not None:
            self._later(attrs.evolve(ended.detach, token=token), self._look_after)
        elif not self._runs.activity_ended(ended):
            self._later(outcome_write(token, ended), self._look_after)

    def _after_retry(self, ended: Ended, outcome: Outcome) -> None:
        self._look = True
        if isinstance(outcome, Refused):
            self._route(self._tasks.stopped(ended.attempt))

    def _look_after(self, _: Outcome | None = None) -> None:
        self._look = True

    def _on_heartbeat(self, attempt: Attempt, *, anew: bool) -> None:
        def beaten(outcome: Outcome) -> None:
            if not isinstance(outcome, Beat):
                attempt.context.request_cancellation()
                return
            if outcome.cancel_requested:
                self._tasks.cancel(attempt.run_id, attempt.seq)

        if not attempt.abandoned and self._tasks.beat(attempt, anew=anew):
            self._later(heartbeat_write(self._session.token, attempt), beaten)

    def _later(self, write: Write, then: Callable[[Outcome], None]) -> None:
        self._writes.append((write, then))

    # Rounds ---------------------------------------------------------------------------------------------------------

    def _round(self) -> None:
        """Do all that has come, make turns of it and commit them."""
        try:
            self._baton.do_all()
            self._poll()
            for ended in self._tasks.overdue():
                self._route(ended)
            if self._session.renewal_is_due() and not self._session.renew():
                self._lost_session()
            if self._look and not self._draining.is_set():
                self._claim()
            self._commit_round()
            self._runs.evict()
            self._retention.sweep_if_due()
        except StoreError as error:
            self._pause(error)

    def _poll(self) -> None:
        """Every so often, busy or idle, look for what another process has written or a wake-up has missed."""
        now = time.monotonic()
        if now - self._polled >= POLL_SECONDS:
            self._polled = now
            self._look = self._look or self._due() or self.store.changed_elsewhere()

    def _due(self) -> bool:
        due = self.store.next_due_at(self._queues, self._session.token, self._runs.builds.served)
        return due is not None and due <= self.store.clock.now_us()

    def _sleep_seconds(self) -> float:
        if self._look or self._writes or self._runs.has_work or self._runs.leftovers or self._runs.again:
            return 0
        clock = self.store.clock
        if self._next_due is not None and self._next_due <= clock.now_us():
            # It came due since it was looked up: a wait of no length would never find the queue idle and look again.
            self._next_due = None
            self._look = True
            return 0
        times = (self._next_due, self._tasks.next_limit_at(), self._session.renew_at)
        earliest = min((at for at in times if at is not None), default=None)
        wait = None if earliest is None else clock.seconds_until(earliest)
        return POLL_SECONDS if wait is None else min(wait, POLL_SECONDS)

    def _claim(self) -> None:
        """Take what the store has for this worker."""
        self._look = self._behind = False
        token, builds = self._session.token, self._runs.builds.served
        strangers = tuple(self._runs.strangers)
        writes: list[Write] = [
            ClaimRuns(
                token=token, task_queues=self._queues, limit=self._max_turns, exclude=strangers, builds=builds
            )
        ]
        if (free := self._tasks.free) > 0:
            types = tuple(self.registry.activities)
            writes.append(ClaimTasks(token=token, task_queues=self._queues, activity_types=types, limit=free))
        for outcome in self.store.apply(writes):
            match outcome:
                case ReadyRuns():
                    for ready in outcome.runs:
                        self._runs.ready(ready)
                    self._look = self._look or len(outcome.runs) >= self._max_turns
                case ClaimedTasks():
                    for row in outcome.tasks:
                        if (ended := self._tasks.start_claimed(row)) is not None:
                            self._route(ended)
                case _:
                    self._lost_session()
                    return
        # What is due already and was not claimed now waits for a slot, or is not for this worker: it is looked for again
        # when a slot is free or the store changes, and at every idle poll.
        due = self.store.next_due_at(self._queues, token, builds)
        self._next_due = due if due is not None and due > self.store.clock.now_us() else None

    def _commit_round(self) -> None:
        """Make the turns that are due and commit them, with all other writes that have come up, in one go."""
        again, self._runs.again = self._runs.again, []
        made = [*again, *self._runs.make_turns(self._max_turns)]
        writes, self._writes = self._writes, []
        leftovers, self._runs.leftovers = self._runs.leftovers, []
        batch: list[Write] = [write for write, _ in leftovers]
        batch += [write for write, _ in writes]
        for one in made:
            batch += one.writes
        if not batch:
            return
        outcomes = apply_until_done(self.store, batch, self._draining)
        self._settle_leftovers(leftovers, outcomes)
        position = len(leftovers)
        for _, then in writes:
            then(outcomes[position])
            position += 1
        for one in made:
            self._runs.settle(one, outcomes[position : position + len(one.writes)])
            position += len(one.writes)
        self._look, self._runs.look_again = self._look or self._runs.look_again, False
        if any(isinstance(outcome, Fenced) for outcome in outcomes) and not self._session.renew():
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
        logger.warning("the session of worker %s was lost; its runs belong to others now", self.identity)
        self._tasks.abandon()
        self._runs.drop_all()
        self._open_session()

    def _pause(self, error: StoreError) -> None:
        logger.error("the store failed, pausing: %s", error)
        self._look = True
        self._draining.wait(PAUSE_SECONDS_FIRST)
