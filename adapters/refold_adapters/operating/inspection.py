"""Looking at runs from outside: their histories, their code at the last event, and what they wait for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from refold import Execution, InputPolicy, RefoldError, Waiting, WorkflowDefinition
from refold.events import HistoryEvent
from refold.value import Value
from refold_adapters.activities.task_ends import CHECK
from refold_adapters.fast_codec import event_decoder
from refold_adapters.ports import RunRow, Store, TaskRow
from refold_adapters.turns.results import reason_in_words
from refold_adapters.turns.turn_writes import DEADLINE


@attrs.frozen(kw_only=True, eq=False, repr=False)
class WorkflowDescription(Value):
    """A run as it stands."""

    run: RunRow
    #: Why it is parked, or None.
    parked: str | None
    #: Activities that are scheduled or running.
    pending_activities: Sequence[TaskRow]
    #: ``(seq, fire_at)`` of open timers.
    pending_timers: Sequence[tuple[int, int]]
    #: Messages that no turn has taken yet.
    pending_messages: int
    #: Where its code stands, one entry a branch; None if the code is not known here or does not fit the history.
    waiting: Sequence[Waiting] | None


def read_history(store: Store, run_id: str) -> list[HistoryEvent]:
    """All events of a run, in order."""
    decode = event_decoder()
    return [event for turn in store.read_turns(run_id) for event in decode(turn.data)]


def load_execution(store: Store, row: RunRow, definition: WorkflowDefinition[..., Any]) -> Execution:
    """A run with its code, at its last event, for looking only: close it when done."""
    return Execution.load(definition, read_history(store, row.run_id), input_policy=InputPolicy.WARN)


def describe(
    store: Store, row: RunRow, definition: WorkflowDefinition[..., Any] | None
) -> WorkflowDescription:
    """A run as it stands; ``definition`` is its code, where it is known."""
    waiting: Sequence[Waiting] | None = None
    if definition is not None and row.closed_at is None:
        try:
            with load_execution(store, row, definition) as execution:
                waiting = execution.waiting()
        except RefoldError:
            waiting = None  # the code does not fit the history: `parked` or `replay` say how
    return WorkflowDescription(
        run=row,
        parked=reason_in_words(row.parked),
        pending_activities=store.list_tasks(row.run_id),
        pending_timers=[timer for timer in store.list_timers(row.run_id) if DEADLINE < timer[0] < CHECK],
        pending_messages=len(store.list_inbox(row.run_id)),
        waiting=waiting,
    )
