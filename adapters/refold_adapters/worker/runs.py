"""The workflow side of a worker: live runs, their turns, and what becomes of each turn once the store has answered.

Used by whoever has the worker's baton.  A run is kept live between its turns, so that a turn costs the same however long the history;
the least recently used ones are closed when there are too many, and loaded again when they have work.

One rule: what a live execution has done counts only once its turn is committed.  If the store refuses the turn, the execution is thrown
away, and whatever its turn was made of goes back to the store or into the next try.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future

import attrs

from refold import RefoldError, Turn
from refold.codec import encode_message
from refold.events import ActivityTaskCancelRequested, ActivityTaskScheduled
from refold.messages import FireTimer, Message, StartWorkflow, UpdateWorkflow
from refold_adapters.activities.attempt_ends import Ended, outcome_write
from refold_adapters.activities.hearing import ask_to_stop
from refold_adapters.activities.task_ends import CHECK
from refold_adapters.activities.tasks import Tasks
from refold_adapters.operating.endings import ends_others
from refold_adapters.ports import (
    Closed,
    Committed,
    ConsumeMessages,
    CreateRun,
    Exists,
    InboxMessage,
    Outcome,
    ReadyRun,
    Refusal,
    ReleaseRuns,
    Store,
    Unseen,
    Write,
)
from refold_adapters.registry import Registry
from refold_adapters.runtime_errors import UnknownTypeError
from refold_adapters.store_errors import DAMAGE, StoreError
from refold_adapters.turns.acceptances import accept_write, acceptance
from refold_adapters.turns.results import Ending
from refold_adapters.turns.turn_writes import is_local, task_queue_of
from refold_adapters.turns.update_news import encode_refusal, news_in, refusal_of
from refold_adapters.waiting.closings import Closings
from refold_adapters.worker.live import REDOS_MAX, TAKEOVERS_MAX, Leftover, LiveRun, Made
from refold_adapters.worker.looking_after import begin_local, look_after, need_known_activities
from refold_adapters.worker.parking import parking
from refold_adapters.worker.turn_making import TurnMaker
from refold_adapters.worker.turn_watch import TurnWatch, task_timeout_of
from refold_adapters.worker.warnings_of_runs import complain, poison, warn_of_unfinished
from refold_adapters.worker.worker_options import Builds

logger = logging.getLogger("refold.worker")
workflow_logger = logging.getLogger("refold.workflow")


class Runs:
    """The runs that a worker has in memory."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        tasks: Tasks,
        *,
        max_cached: int,
        fail_unknown_types: bool,
        closings: Closings,
    ) -> None:
        self._store = store
        self._registry = registry
        self._tasks = tasks
        self._max_cached = max_cached
        self._fail_unknown_types = fail_unknown_types
        self._on_ended = closings.settle
        self._on_update = closings.updates.tell
        self._maker = TurnMaker(store, registry, tasks, fail_unknown_types=fail_unknown_types)
        self._watch = TurnWatch(closings.host)
        self.builds = Builds()
        self._cache: OrderedDict[str, LiveRun] = OrderedDict()
        self._dirty: dict[str, LiveRun] = {}
        #: Runs whose type this worker does not know, and that it leaves to others.
        self.strangers: dict[str, bool] = {}
        #: Writes that go with the next batch.
        self.leftovers: list[Leftover] = []
        #: Turns that are committed once more, with undelivered messages.
        self.again: list[Made] = []
        #: Runs that were parked since the worker last looked.
        self.parked: list[Ending] = []
        #: The store may have work that this worker has put there itself.
        self.look_again = False
        #: A run that was closed here wants others to be ended.
        self.ends_others = False
        #: Why a run could not be read.
        self._trouble: StoreError | None = None

    @property
    def token(self) -> int:
        """The token of the session."""
        return self._maker.token

    @token.setter
    def token(self, token: int) -> None:
        self._maker.token = token

    # Work comes in --------------------------------------------------------------------------------------------------

    def start(self, creation: CreateRun, messages: Sequence[tuple[Message, Future[Outcome]]]) -> None:
        """A client of this process starts a run: its first turn is committed with it, and so is an update that comes too."""
        live = LiveRun(creation.run_id, creation.workflow_id, creation.workflow_type, creation.task_queue)
        live.creation = creation if creation.owner == self.token else attrs.evolve(creation, owner=self.token)
        live.ends_at = creation.ends_at
        live.messages += [message for message, _ in messages]
        live.accepting += messages
        self._cache[live.run_id] = self._dirty[live.run_id] = live

    def message(self, run_id: str, message: Message, future: Future[Outcome]) -> bool:
        """A client of this process sends a message to a run; False if the run is not in memory."""
        if (live := self._cache.get(run_id)) is None or live.is_closing:
            return False
        live.messages.append(message)
        live.accepting.append((message, future))
        self._dirty[run_id] = live
        return True

    def is_live(self, run_id: str) -> bool:
        """Whether a run is in memory here; may be asked from any thread."""
        return run_id in self._cache

    def ready(self, ready: ReadyRun) -> None:
        """The store has work for a run."""
        row = ready.row
        live = self._cache.get(row.run_id)
        if live is None:
            live = LiveRun(row.run_id, row.workflow_id, row.workflow_type, row.task_queue, ready.takeovers)
            live.ends_at = row.ends_at
            self._cache[row.run_id] = live
        if live.is_closing:
            return
        live.reunite()
        live.hear(ready)
        if max(ready.due_timers, default=0) >= CHECK and ready.row.paused_at is None:
            look_after(self._store, self._tasks, live, ready.due_timers, self.token, self.leftovers)
        self._dirty[row.run_id] = live

    def activity_ended(self, ended: Ended) -> bool:
        """An attempt of a run has ended for good; False if the run is not in memory."""
        if (
            (live := self._cache.get(ended.attempt.run_id)) is None
            or live.is_closing
            or ended.message is None
        ):
            return False
        live.messages.append(ended.message)
        live.ended.append(ended)
        self._dirty[live.run_id] = live
        return True

    # Turns ----------------------------------------------------------------------------------------------------------

    @property
    def has_work(self) -> bool:
        """Whether a turn can be made."""
        return bool(self._dirty)

    def make_turns(self, limit: int) -> list[Made]:
        """Make turns of what has come in, at most ``limit``; a run that may be poison is made alone."""
        made: list[Made] = []
        for run_id in list(self._dirty):
            live = self._dirty[run_id]
            if live.takeovers > 1 and made:
                break
            del self._dirty[run_id]
            one = self._make_turn(live)
            if one is not None:
                made.append(one)
            if len(made) >= limit or live.takeovers > 1:
                break
        trouble, self._trouble = self._trouble, None
        if trouble is not None and not made:
            raise trouble
        return made

    def _make_turn(self, live: LiveRun) -> Made | None:
        self._cache.move_to_end(live.run_id)
        try:
            if live.takeovers > TAKEOVERS_MAX:
                raise poison(live)
            if live.execution is None:
                live.execution = self._maker.load(live)
            live.choose()
            if not live.messages:
                return None
            if self.builds.pin_to is not None:
                live.pin(self.builds.pin_to)
            self._watch.begin(live, task_timeout_of(live))
            try:
                now = self._store.clock.now_us()
                turn = live.execution.turn(*live.messages, at=now, history_bytes=live.history_bytes)
            finally:
                self._watch.end()
            if turn.events:
                need_known_activities(self._registry, live, turn, every=self._fail_unknown_types)
        except RefoldError as error:
            self._refuse(live, error)
            return None
        if not turn.events:
            self._without_events(live, turn)
            return None
        claimed: dict[int, bool] = {}
        try:
            commit = self._maker.commit(live, turn, claimed=claimed)
        except StoreError as error:
            self._refuse(live, error)
            return None
        if live.creation is None:
            return Made(live, turn, [commit], claimed)
        made = Made(live, turn, [live.creation, commit], claimed)
        if live.rest is not None and turn.closed is None:
            self._maker.add_second(made, live.execution)
        return made

    def _without_events(self, live: LiveRun, turn: Turn) -> None:
        """Everything was heard before, or is an update that was refused: take it off the store without a turn."""
        refusals: tuple[Refusal, ...] = ()
        told: Future[Outcome] | None = None
        message = live.messages[0]
        if turn.rejected is not None and isinstance(message, UpdateWorkflow):
            news = refusal_of(message.update_id, turn.rejected)
            refusals = tuple(Refusal(place, encode_refusal(news)) for place in live.consumed)
            told = Future()
            told.add_done_callback(lambda _: self._on_update(live.run_id, news))
        write = ConsumeMessages(
            token=self.token,
            run_id=live.run_id,
            message_ids=tuple(live.consumed),
            timers=tuple(message.seq for message in live.messages if isinstance(message, FireTimer))
            + tuple(seq | CHECK for seq in live.dropped),
            finished=live.finished,
            refusals=refusals,
        )
        self.leftovers.append((write, told))
        for message, future in live.accepting:
            future.set_result(acceptance(live.run_id, message))
        if live.execution is not None and live.execution.closed:
            # Somebody else has ended it since it was claimed: what else came for it is told so by the store.
            live.begin_anew()
            self.drop(live)
            self._give_back(live, self.leftovers)
            return
        self._begin_anew(live)

    def _begin_anew(self, live: LiveRun) -> None:
        live.begin_anew()
        if live.messages or live.expired:
            self._dirty[live.run_id] = live

    def _refuse(self, live: LiveRun, error: RefoldError) -> None:
        """The turn cannot be made: what it was made of goes back to the store, and the run is parked if that is its own fault."""
        self.drop(live)
        self._give_back(live, self.leftovers)
        if error.code == "RF3008":
            return  # it was paused: all of it waits in the store
        if isinstance(error, StoreError) and error.code not in DAMAGE:
            # That the store could not be read says nothing of the run: it is claimed again.
            self.look_again, self._trouble = True, error
            return
        is_unknown = isinstance(error, UnknownTypeError) and not self._fail_unknown_types
        if is_unknown and self._registry.find_workflow(live.workflow_type) is None:
            self.strangers[live.run_id] = True
            logger.warning("%s", error, extra=live.log_fields)
            self.leftovers.append((ReleaseRuns(token=self.token, run_ids=(live.run_id,)), None))
            return
        park, ending = parking(self.token, live, error)
        self.leftovers.append((park, None))
        self.parked.append(ending)

    def _give_back(self, live: LiveRun, leftovers: list[Leftover]) -> None:
        """Put what is only in memory into the store: the start, clients' messages, outcomes of attempts."""
        live.reunite()
        for message, future in live.accepting:
            if live.creation is not None and isinstance(message, StartWorkflow):
                write: Write = attrs.evolve(live.creation, message=encode_message(message), owner=0)
            else:
                write = accept_write(live.workflow_id, live.run_id, message)
            leftovers.append((write, future))
        leftovers.extend((outcome_write(self.token, ended), None) for ended in live.ended)

    # What became of it ----------------------------------------------------------------------------------------------

    def settle(self, made: Made, outcomes: Sequence[Outcome]) -> None:
        """The store has answered a turn."""
        live = made.live
        outcome = outcomes[-1]
        if (
            live.creation is not None
            and isinstance(outcomes[0], Exists)
            and outcomes[0].run_id != live.run_id
        ):
            self._undo(made)
            self.drop(live)
            live.reunite()
            for _, future in live.accepting:
                future.set_result(outcomes[0])
        elif isinstance(outcome, Committed):
            self._committed(made)
        elif isinstance(outcome, Unseen):
            self._redo(made, outcome.messages)
        else:
            logger.info("a turn was refused: %s", outcome, extra=live.log_fields)
            self._undo(made)
            self.drop(live)
            self._give_back(live, self.leftovers)
            self.look_again = True

    def _committed(self, made: Made) -> None:
        live, turn = made.live, made.turn
        if made.first is not None:
            self._carry_out(made, made.first)
        self._carry_out(made, turn)
        if made.refusal is not None:
            self._on_update(live.run_id, made.refusal)
        for message, future in live.accepting:
            future.set_result(acceptance(live.run_id, message))
        if turn.closed is None:
            live.history_bytes += made.history_bytes
            self._begin_anew(live)
            return
        closing = made.commit.closing
        assert closing is not None
        late = [] if live.rest is None else live.rest.accepting
        self.look_again = self.look_again or bool(made.commit.relays or made.commit.next)
        self.ends_others = self.ends_others or ends_others(made.commit)
        live.rest = None
        live.begin_anew()
        self.drop(live)
        self._tasks.abandon(live.run_id)
        warn_of_unfinished(live, turn)
        ids = (live.workflow_id, live.run_id, live.workflow_type)
        self._on_ended(Ending(*ids, closing.status, closing.event, None, turn.closed))
        for _, future in late:
            future.set_result(Closed(live.run_id, closing.status))

    def _carry_out(self, made: Made, turn: Turn) -> None:
        """Do what a turn asks for, and tell what it brought."""
        live = made.live
        local: list[ActivityTaskScheduled] = []
        for command in turn.commands:
            if not isinstance(command, ActivityTaskScheduled):
                if isinstance(command, ActivityTaskCancelRequested):
                    self._tasks.cancel(live.run_id, command.seq)
                    ask_to_stop(self._store, live.run_id, command.seq)  # another worker may run it
                self.look_again = True  # a timer to wait for, at least
            elif made.claimed.get(command.seq):
                self._tasks.start_scheduled(
                    command,
                    run_id=live.run_id,
                    workflow_id=live.workflow_id,
                    workflow_type=live.workflow_type,
                    queue=task_queue_of(command, live.task_queue),
                )
            elif is_local(command):
                local.append(command)
            else:
                self.look_again = True  # a task for another time or another worker
        for entry in turn.logs:
            workflow_logger.log(
                getattr(logging, entry.level), "%s", entry.message, extra={**live.log_fields, **entry.fields}
            )
        complain(live, turn.complaints)
        for news in news_in(turn.events):
            self._on_update(live.run_id, news)
        if local and turn.closed is None:
            begin_local(self._tasks, live, local)

    def _redo(self, made: Made, unseen: Sequence[InboxMessage]) -> None:
        """The closing turn has not seen some messages: it is made again with them, or at last they are recorded as undelivered."""
        live = made.live
        live.redos += 1
        live.is_closing = live.redos > REDOS_MAX or live.is_paused
        if not live.is_closing:
            live.close()
            live.reunite()
            live.take(unseen)
            self._dirty[live.run_id] = live
            return
        live.consumed = [*live.consumed, *(inbox.message_id for inbox in unseen)]
        made.undelivered = [*made.undelivered, *unseen]
        made.writes[-1] = self._maker.commit(live, made.turn, late=made.undelivered)
        self.again.append(made)

    def _undo(self, made: Made) -> None:
        for _ in filter(None, made.claimed.values()):
            self._tasks.give_back_slot()

    # Memory ---------------------------------------------------------------------------------------------------------

    def drop(self, live: LiveRun) -> None:
        """Forget a run: close its code, on the thread that drives."""
        self._cache.pop(live.run_id, None)
        self._dirty.pop(live.run_id, None)
        complain(live, live.close())

    def evict(self) -> None:
        """Close the runs that were idle longest, down to the limit."""
        if len(self._cache) <= self._max_cached:
            return
        for run_id in list(self._cache):
            if len(self._cache) <= self._max_cached:
                return
            if run_id not in self._dirty:
                self.drop(self._cache[run_id])

    def ended_elsewhere(self, run_id: str) -> None:
        """A run was ended without its code: forget it, if it is in memory, and let those who wait for an answer learn of it."""
        live = self._cache.get(run_id)
        if live is not None:
            self.drop(live)
            self._give_back(live, self.leftovers)
        self._tasks.abandon(run_id)

    def stop_watching(self) -> None:
        """No turn is made any more."""
        self._watch.stop()

    def drop_all(self) -> None:
        """Forget every run; what is only in memory becomes leftovers."""
        for live in list(self._cache.values()):
            self.drop(live)
            self._give_back(live, self.leftovers)
