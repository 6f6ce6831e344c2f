"""The worker: its life, and what comes to it; what is then done is told in ``rounds``.

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
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

from refold import Activity, WorkflowDefinition
from refold.ids import checked_id
from refold.messages import Message, StartWorkflow
from refold_adapters.activities.attempts import Attempt, AttemptOutcome
from refold_adapters.activities.hearing import listen
from refold_adapters.activities.tasks import Tasks
from refold_adapters.operating.retention import Retention
from refold_adapters.ports import CreateRun, Outcome, Store
from refold_adapters.registry import Registry
from refold_adapters.runtime_errors import WorkerStoppedError
from refold_adapters.turns.acceptances import accept_write
from refold_adapters.waiting.closings import Closings
from refold_adapters.worker.baton import Baton, Item, raise_it
from refold_adapters.worker.rounds import Rounds
from refold_adapters.worker.runs import Runs
from refold_adapters.worker.sessions import Session, host_name
from refold_adapters.worker.worker_options import Builds, VersioningBehavior, check_options

logger = logging.getLogger("refold.worker")


class Worker:
    """Runs workflows and activities of one task queue; ``run()`` blocks, ``start()`` does not, ``shutdown()`` drains.

    ``max_concurrent_activities`` is the number of attempts at a time, ``max_concurrent_workflow_turns`` the number of turns in one
    commit, ``max_cached_workflows`` the number of runs kept in memory.  ``lease`` bounds how long the work of a worker that died
    without a trace waits for another one.  With ``fail_unknown_types`` a type that this worker does not know parks its run at once.
    ``build_id`` names its code: runs that it begins are pinned to it, unless ``versioning_behavior`` is ``AUTO_UPGRADE``, and it runs
    none that is pinned to a build which it neither is nor ``serves``.  ``retention`` is how long closed runs are kept (None: for ever).
    """

    _thread: threading.Thread | None = None
    #: Undoes what ``_listen`` did.
    _leave_store: Callable[[], None] = staticmethod(lambda: None)

    def __init__(
        self,
        store: Store,
        *,
        workflows: Iterable[WorkflowDefinition[..., Any] | type[Any]] = (),
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
        check_options(
            lease,
            max_concurrent_activities=max_concurrent_activities,
            max_concurrent_workflow_turns=max_concurrent_workflow_turns,
            max_cached_workflows=max_cached_workflows,
            max_activity_processes=max_activity_processes,
        )
        self.store = store
        self.task_queue = checked_id(task_queue, "task queue")
        self.identity = identity or f"{os.getpid()}@{host_name()}"
        self.registry = Registry(workflows, activities)
        self._baton = Baton()
        self._closings = closings or Closings(store)
        self._closings.runs_here = self._runs_here
        self._tasks = Tasks(
            self.registry,
            store.clock,
            identity=self.identity,
            max_concurrent=max_concurrent_activities,
            max_processes=max_activity_processes or os.cpu_count() or 1,
            report=self._attempt_ended,
            report_in_thread=self._attempt_ended_in_thread,
            heartbeat=self._heartbeat,
            host=self._closings.host,
        )
        self._runs = Runs(
            store,
            self.registry,
            self._tasks,
            max_cached=max_cached_workflows,
            fail_unknown_types=fail_unknown_types,
            closings=self._closings,
        )
        self._runs.builds = Builds.checked(build_id, serves, versioning_behavior)
        self._stopped = threading.Event()
        self._rounds = Rounds(
            store,
            self.registry,
            self._tasks,
            self._runs,
            self._baton,
            closings=self._closings,
            session=Session(store, self.identity, lease),
            retention=Retention(store, retention),
            task_queue=self.task_queue,
            max_turns=max_concurrent_workflow_turns,
        )
        self._draining = self._rounds.draining
        #: What clients wait for, by identity.
        self._unanswered: dict[int, Future[Outcome]] = {}

    # Life -----------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Work until ``shutdown`` is called (from another thread or a signal handler)."""
        self._baton.take()
        self._thread = threading.current_thread()
        self._listen()
        try:
            if not self._rounds.has_session:
                self._rounds.open_session()
            while not self._is_done:
                self._baton.wait(self._rounds.sleep_seconds())
                self._rounds.make()
        finally:
            if not self._baton.is_held_here:  # an interrupt from the keyboard came while it waited
                self._baton.take()
            self._leave_store()
            self._end()

    def start(self) -> None:
        """Work on a thread of its own; when this returns, runs that an earlier worker left or parked are its to take."""
        self._rounds.open_session()
        thread = threading.Thread(target=self._run_logged, name="refold-worker", daemon=True)
        thread.start()
        self._thread = thread  # last: whoever is interrupted from the keyboard need not wait for a thread that never began

    @property
    def _is_done(self) -> bool:
        return self._draining.is_set() and self._rounds.is_drained

    def _end(self) -> None:
        """Give everything back, with the baton in hand, and never give that away: nobody makes another round."""
        self._draining.set()
        try:
            self._rounds.finish()
        finally:
            self._stopped.set()
            self._fail_unanswered()

    def drive(self) -> float | None:
        """Work off what there is on this thread, instead of :meth:`run` or :meth:`start`, for a host that has no other.

        Returns in how many seconds it is to be called again if nothing :attr:`has_come` before; None if it has stopped.
        """
        if self._stopped.is_set():
            return None
        self._baton.take()
        try:
            if self._thread is None:
                self._thread = threading.current_thread()
                self._listen()
            if not self._rounds.has_session:
                self._rounds.open_session()
            self._rounds.make()
            if not self._is_done:
                return self._rounds.sleep_seconds()
            self._leave_store()
            self._end()
            return None
        finally:
            self._baton.give(0.0)

    def _listen(self) -> None:
        """Hear of news in the store, and of what is to stop, until it leaves the store."""
        unsubscribe = self.store.subscribe(self._store_changed)
        hear_no_more = listen(self.store, self._told_to_stop)

        def leave() -> None:
            hear_no_more()
            unsubscribe()

        self._leave_store = leave

    @property
    def is_driven(self) -> bool:
        """Whether somebody drives it at this moment."""
        return not self._baton.is_free

    @property
    def has_come(self) -> bool:
        """Whether something has come since it was last driven."""
        return self._baton.has_items

    def vanish(self) -> None:
        """Stop without a word to anybody, as a process that is killed does; the code of its runs is closed."""
        self._draining.set()
        self._stopped.set()
        self._leave_store()
        self._runs.drop_all()
        self._tasks.shutdown()

    def shutdown(self, *, grace: timedelta = timedelta(seconds=10)) -> None:
        """Take no new work, let running activities end within ``grace``, give the rest back, and stop.  Idempotent.

        A worker that has not begun yet will take no work at all.
        """
        self._draining.set()
        if self._thread is None or self._stopped.is_set():
            return
        abandon = partial(self._baton.put, self._tasks.abandon)
        call_off = self._closings.host.after(grace.total_seconds(), abandon)
        self._baton.put(self._tasks.announce_shutdown)
        if not self._baton.is_held_here and threading.current_thread() is not self._thread:
            self._stopped.wait()
            call_off()

    def _run_logged(self) -> None:
        try:
            self.run()
        except BaseException:
            logger.exception("the worker stopped")
            raise

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
            self._rounds.look = self._rounds.behind = True  # its run may be live here: go behind it
            future.set_result(outcome)

        def accept() -> None:
            if self._rounds.behind or not self._runs.message(run_id, message, future):
                self._rounds.later(accept_write(workflow_id, run_id, message), accepted)

        self._submit((future,), accept)
        return future

    def _submit(self, futures: Sequence[Future[Outcome]], item: Item) -> None:
        if self._draining.is_set() or self._thread is None:
            for future in futures:
                future.set_exception(WorkerStoppedError())
            return
        for future in futures:
            self._unanswered[id(future)] = future
            future.add_done_callback(self._answered)
        if not (self._baton.is_free and self._tasks.lend_thread(partial(self._drive_in_thread, item))):
            self._baton.put(item)
        if self._stopped.is_set():  # since the first look: perhaps nobody has found this any more
            self._fail_unanswered()

    def _answered(self, future: Future[Outcome]) -> None:
        self._unanswered.pop(id(future), None)

    def _fail_unanswered(self) -> None:
        """Tell those who wait for a worker that has stopped; two threads may be at it."""
        for future in list(self._unanswered.values()):
            with suppress(InvalidStateError):
                future.set_exception(WorkerStoppedError())

    @property
    def token(self) -> int:
        """The token of its session; another one when that was lost."""
        return self._runs.token

    def can_run(self, workflow_type: str, task_queue: str, build_id: str | None = None) -> bool:
        """Whether this worker would run such a workflow."""
        is_its = task_queue == self.task_queue and build_id in (None, *self._runs.builds.served)
        return (
            is_its and self.registry.find_workflow(workflow_type) is not None and not self._draining.is_set()
        )

    def _runs_here(self, run_id: str) -> bool:
        return self._runs.is_live(run_id)

    def _store_changed(self) -> None:
        if not self._baton.is_held_here:
            self._rounds.behind = True  # at once: what is sent next goes behind what was just written
            self._baton.put(self._rounds.look_after)

    def _told_to_stop(self, run_id: str, seq: int | None) -> None:
        self._baton.put(partial(self._rounds.on_told_to_stop, run_id, seq))

    def _attempt_ended(self, attempt: Attempt, outcome: AttemptOutcome) -> None:
        self._baton.put(partial(self._rounds.on_attempt_ended, attempt, outcome))

    def _attempt_ended_in_thread(self, attempt: Attempt, outcome: AttemptOutcome) -> Attempt | None:
        return self._drive_in_thread(partial(self._rounds.on_attempt_ended, attempt, outcome))

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
            self._rounds.make()
            look_within = 0.0 if self._draining.is_set() else self._rounds.sleep_seconds()
        except BaseException as error:  # not its thread: whoever waits for the worker learns of it there
            baton.put(partial(raise_it, error))
        finally:
            held = self._tasks.held_one()
            baton.give(look_within)
        return held

    def _heartbeat(self, attempt: Attempt, details: list[Any] | None) -> None:
        if details is not None:  # else the time has come to record the last ones
            attempt.remember(details)
        self._baton.put(partial(self._rounds.on_heartbeat, attempt, anew=details is not None))
