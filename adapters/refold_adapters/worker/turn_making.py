"""How a worker makes turns out of live runs: executions that are loaded, and turns as the writes that commit them.

One rule: nothing is decided here about what becomes of a turn; that is told in ``runs``, once the store has answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from refold import Execution, RefoldError, Turn
from refold.events import ActivityTaskScheduled
from refold.messages import UpdateWorkflow
from refold_adapters.activities.tasks import Tasks
from refold_adapters.fast_codec import event_decoder
from refold_adapters.ports import CommitTurn, InboxMessage, Properties, Store
from refold_adapters.registry import Registry
from refold_adapters.turns.acceptances import undelivered_events
from refold_adapters.turns.other_runs import others_of
from refold_adapters.turns.properties import changed_by, properties_after
from refold_adapters.turns.turn_writes import commit_of
from refold_adapters.turns.update_news import refusal_of
from refold_adapters.worker.live import LiveRun, Made
from refold_adapters.worker.loading import load as load_run
from refold_adapters.worker.looking_after import begin_local, need_known_activities
from refold_adapters.worker.warnings_of_runs import complain


class TurnMaker:
    """Makes the writes of one worker's turns."""

    def __init__(self, store: Store, registry: Registry, tasks: Tasks, *, fail_unknown_types: bool) -> None:
        self._store = store
        self._registry = registry
        self._tasks = tasks
        self.fail_unknown_types = fail_unknown_types
        self._decode = event_decoder()
        self.token = 0
        #: A session is never there twice, so with its token these make tokens of turns that are never there twice.
        self._numbers = count(1)

    def add_second(self, made: Made, execution: Execution) -> None:
        """The update that comes with a start makes the second turn, in the same commit."""
        live, rest = made.live, made.live.rest
        assert rest is not None
        update = rest.messages[0]
        try:
            turn = execution.turn(update, at=self._store.clock.now_us())
            need_known_activities(self._registry, live, turn, every=self.fail_unknown_types)
        except RefoldError:
            # The first turn stands; the update is tried again by itself, after it.
            complain(live, live.close())
            return
        if turn.events:
            made.first, made.turn = made.turn, turn
            made.writes.append(self.commit(live, turn, claimed=made.claimed))
        elif turn.rejected is not None and isinstance(update, UpdateWorkflow):
            made.refusal = refusal_of(update.update_id, turn.rejected)
        live.take_next()

    def commit(
        self,
        live: LiveRun,
        turn: Turn,
        *,
        claimed: dict[int, bool] | None = None,
        late: Sequence[InboxMessage] = (),
    ) -> CommitTurn:
        """The write that appends a turn; ``claimed`` learns which of its activities this worker runs."""

        def claim(event: ActivityTaskScheduled) -> bool:
            if claimed is None:
                return False
            claimed[event.seq] = self._tasks.can_start(event, live.task_queue)
            return claimed[event.seq]

        assert live.execution is not None
        others = others_of(turn, live.execution, late, live.task_queue)
        return commit_of(
            turn,
            token=self.token,
            run_id=live.run_id,
            turn_token=f"{self.token:x}.{next(self._numbers):x}",
            task_queue=live.task_queue,
            claim=claim,
            consumed=live.consumed,
            finished=live.finished,
            dropped=live.dropped,
            undelivered=undelivered_events(turn, others.lost) if others.lost else (),
            next=others.next,
            relays=others.relays,
            properties=self._properties(live, turn),
            ends_at=live.ends_at,
        )

    def _properties(self, live: LiveRun, turn: Turn) -> Properties | None:
        if not changed_by(turn.events):
            return None
        row = None if live.creation is not None else self._store.find_run(live.workflow_id, live.run_id)
        return properties_after(row, turn.events)

    def load(self, live: LiveRun) -> Execution:
        """The execution of a run, as its history has left it; its local activities begin again."""
        turns = () if live.creation else self._store.read_turns(live.run_id)  # none before it is created
        live.history_bytes = sum(len(turn.data) for turn in turns)
        execution = load_run(
            self._registry.workflow(live.workflow_type), turns, self._decode, live.log_fields
        )
        begin_local(self._tasks, live, execution.outstanding)
        return execution
