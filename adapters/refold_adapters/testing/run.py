"""What a property is asked about: one run, as its history tells it, and what became of the world outside.

One rule: everything here is read from the history, so a property holds for a saved or an exported history just as for one that a
search has made.  Whether an activity whose outcome was lost had run all the same, a history of the kit says in ``identity``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import attrs

from refold import (
    Activity,
    Execution,
    ExecutionState,
    Failure,
    Query,
    WorkflowDefinition,
    WorkflowStatus,
    fold,
)
from refold import events as ev
from refold.payloads import Plain, decode
from refold_adapters.testing.timeline import timeline

#: Who reports the outcomes of a search.
EXPLORER = "explorer"
#: The same, of an activity that took effect although it is reported as timed out or cancelled.
EXPLORER_HAD_RUN = "explorer: it had run"


@attrs.frozen
class Effect:
    """An activity that took effect."""

    activity: str
    #: The arguments, as plain data.
    args: tuple[Plain, ...]
    #: How often it ran: twice where a worker died between the effect and its report.
    times: int
    seq: int


class Run:
    """One run of a workflow."""

    def __init__(self, definition: WorkflowDefinition[..., Any], history: Sequence[ev.HistoryEvent]) -> None:
        self.definition = definition
        self.history = tuple(history)

    def __repr__(self) -> str:
        return f"<run of {self.definition.name}, {self.status.value}, {len(self.history)} events>"

    def __str__(self) -> str:
        return self.timeline()

    @cached_property
    def state(self) -> ExecutionState:
        """The fold of the history."""
        return fold(self.history)

    @property
    def status(self) -> WorkflowStatus:
        """Running, or how it ended."""
        return self.state.status

    @property
    def closed(self) -> bool:
        """Whether it has ended; one that has not waits for a message."""
        return self.state.closed is not None

    @property
    def result(self) -> Any:
        """What the workflow returned, as its declared type; None if it did not."""
        closed = self.state.closed
        if not isinstance(closed, ev.WorkflowExecutionCompleted):
            return None
        return decode(closed.result, self.definition.result_type)

    @property
    def failure(self) -> Failure | None:
        """What the workflow failed with; None if it did not."""
        closed = self.state.closed
        return closed.failure if isinstance(closed, ev.WorkflowExecutionFailed) else None

    @cached_property
    def effects(self) -> tuple[Effect, ...]:
        """What activities did to the world, in the order in which it became known."""
        scheduled: dict[int, ev.ActivityTaskScheduled] = {}
        found: list[Effect] = []
        for event in self.history:
            match event:
                case ev.ActivityTaskScheduled():
                    scheduled[event.seq] = event
                case ev.ActivityTaskCompleted(seq=seq, attempt=times):
                    found.append(_effect(scheduled[seq], times))
                case (
                    ev.ActivityTaskTimedOut(seq=seq, identity=identity)
                    | ev.ActivityTaskCanceled(seq=seq, identity=identity)
                ) if identity == EXPLORER_HAD_RUN:
                    found.append(_effect(scheduled[seq], 1))
                case _:
                    pass
        return tuple(found)

    def done(self, activity: Activity[..., Any] | str, *, repeats: bool = False) -> int:
        """How often an activity took effect; with ``repeats``, one that ran twice for one command counts twice."""
        name = activity if isinstance(activity, str) else activity.name
        return sum(each.times if repeats else 1 for each in self.effects if each.activity == name)

    @property
    def unheard(self) -> tuple[Effect, ...]:
        """The activities that were outstanding when the run ended, so that nobody will hear whether they took effect."""
        if not self.closed:
            return ()
        before = fold([event for event in self.history if event.turn < self.history[-1].turn])
        last = [event for event in self.history if event.turn == self.history[-1].turn]
        heard = {getattr(event, "seq", None) for event in last if event.external}
        asked = [event for event in last if isinstance(event, ev.ActivityTaskScheduled)]
        return tuple(
            _effect(each, 1)
            for each in [*before.pending.values(), *asked]
            if isinstance(each, ev.ActivityTaskScheduled) and each.seq not in heard
        )

    @property
    def unreceived(self) -> tuple[str, ...]:
        """The names of the signals that the run had accepted and ended without taking."""
        left: Sequence[int] = getattr(self.state.closed, "unreceived", ())
        return tuple(
            event.signal_name
            for event in self.history
            if event.event_id in left and isinstance(event, ev.WorkflowExecutionSignaled)
        )

    def query(self, query: Query[Any], *args: object) -> Any:
        """The answer to a query where the history ends."""
        with Execution.load(self.definition, self.history) as execution:
            return decode(execution.query(query, *args), query.type)

    def timeline(self) -> str:
        """Who did what when, for people."""
        return timeline(self.history)


def _effect(scheduled: ev.ActivityTaskScheduled, times: int) -> Effect:
    return Effect(scheduled.activity_type, tuple(scheduled.input), times, scheduled.seq)
