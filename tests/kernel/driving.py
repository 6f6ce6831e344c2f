"""Drives one run by hand, and holds every test to replay.

    with drive(process_order, "o1") as run:
        run.complete("charge", 7)
        assert ["charge"] == run.scheduled
        assert 7 == run.result

On leaving the block, what the run recorded is taken up again from each of its turns: the history so far must replay to the same state
and the same waiting lines, equal the plain fold, and go on to make the very same next turn.  So every test that drives a run is a
replay test too.  Workflow code therefore runs several times: look at what it left in the test's variables inside the block.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self

import attrs

from refold import (
    Execution,
    ExecutionState,
    Failure,
    InputPolicy,
    Query,
    Signal,
    Turn,
    Update,
    Waiting,
    WorkflowDefinition,
    fold,
)
from refold import events as ev
from refold.failures import failure_of
from refold.messages import (
    CancelWorkflow,
    CompleteActivity,
    CompleteChild,
    FailActivity,
    FireTimer,
    Message,
    ReportActivityCanceled,
    ReportChildStarted,
    SignalWorkflow,
    StartWorkflow,
    TerminateWorkflow,
    TimeOutActivity,
    UpdateWorkflow,
)
from refold.payloads import Plain

SECOND = 1_000_000
#: When the first turn is made: 2023-11-14 22:13:20 UTC.
BEGIN = 1_700_000_000 * SECOND


def start_message(definition: WorkflowDefinition[..., Any], *args: object, **fields: Any) -> StartWorkflow:
    """The message that begins a run."""
    settings: dict[str, Any] = {
        "workflow_id": "w-1",
        "run_id": "r-1",
        "input": definition.encode_input(*args),
    }
    return StartWorkflow(workflow_type=definition.name, **{**settings, **fields})


def signalled(signal: Signal[Any] | str, payload: object = None, **fields: Any) -> SignalWorkflow:
    """The message that brings a signal."""
    if isinstance(signal, str):
        return SignalWorkflow(signal_name=signal, input=[] if payload is None else [payload], **fields)
    return SignalWorkflow(signal_name=signal.name, input=signal.encode(payload), **fields)


def updated(
    update: Update[Any, Any] | str, payload: object = None, *, id: str = "u-1", **fields: Any
) -> UpdateWorkflow:
    """The message that brings an update."""
    if isinstance(update, str):
        plain = [] if payload is None else [payload]
        return UpdateWorkflow(update_id=id, update_name=update, input=plain, **fields)
    return UpdateWorkflow(update_id=id, update_name=update.name, input=update.encode(payload), **fields)


def cancel_asked(**fields: Any) -> CancelWorkflow:
    """The message that asks the run to stop."""
    return CancelWorkflow(**fields)


@attrs.frozen
class _Made:
    """What one turn looked like, to be held against the same turn made again."""

    messages: Sequence[Message]
    at: int
    turn: Turn
    state: ExecutionState
    waiting: Sequence[Waiting]
    history_bytes: int


class Driven:
    """A run that a test drives."""

    def __init__(
        self,
        definition: WorkflowDefinition[..., Any],
        args: Sequence[object],
        beside: Sequence[Message],
        fields: dict[str, Any],
        recheck: bool,
    ) -> None:
        self.definition = definition
        self.execution = Execution(definition)
        self.history: list[ev.HistoryEvent] = []
        self._made: list[_Made] = []
        self._at = BEGIN - SECOND
        self._recheck = recheck
        #: How large its history is said to be, from now on.
        self.history_bytes = 0
        self._first = (start_message(definition, *args, **fields), *beside)

    def __enter__(self) -> Self:
        try:
            self.turn(*self._first)
        except BaseException:
            self.execution.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.execution.close()
        if error is None and self._recheck:
            self.check()

    # Turns ----------------------------------------------------------------------------------------------------------

    def turn(self, *messages: Message, at: int | None = None) -> Turn:
        """Make one turn of some messages, a second after the last one."""
        at = self._at + SECOND if at is None else at
        turn = self.execution.turn(*messages, at=at, history_bytes=self.history_bytes)
        if turn.events:
            self._at = turn.at
            self.history += turn.events
            state, waiting = self.execution.state, self.execution.waiting()
            made = _Made(messages, at, turn, state, waiting, self.history_bytes)
            _check_shape(made)
            self._made.append(made)
        return turn

    def complete(self, name: str, result: Plain = None) -> Turn:
        """A turn in which the oldest open activity of a name returns."""
        return self.turn(self.completed(name, result))

    def fail(self, name: str, error: BaseException, **fields: Any) -> Turn:
        """A turn in which the oldest open activity of a name fails for good."""
        return self.turn(self.failed(name, error, **fields))

    def fire(self) -> Turn:
        """A turn in which the oldest timer fires, when it is due."""
        timer = self._timer()
        return self.turn(FireTimer(seq=timer.seq), at=max(timer.fire_at, self._at))

    def signal(self, signal: Signal[Any] | str, payload: object = None, **fields: Any) -> Turn:
        """A turn with one signal."""
        return self.turn(signalled(signal, payload, **fields))

    def update(self, update: Update[Any, Any] | str, payload: object = None, **fields: Any) -> Turn:
        """A turn of one update."""
        return self.turn(updated(update, payload, **fields))

    def cancel(self) -> Turn:
        """A turn with one cancel request."""
        return self.turn(cancel_asked())

    def terminate(self, reason: str = "") -> Turn:
        """A turn that ends the run without asking it."""
        return self.turn(TerminateWorkflow(reason=reason))

    # Messages -------------------------------------------------------------------------------------------------------

    def completed(self, name: str, result: Plain = None, *, nth: int = 0) -> CompleteActivity:
        """The message that the ``nth`` oldest open activity of a name returned."""
        return CompleteActivity(seq=self._activity(name, nth).seq, result=result)

    def failed(self, name: str, error: BaseException, *, nth: int = 0, **fields: Any) -> FailActivity:
        """The message that an activity failed for good."""
        return FailActivity(seq=self._activity(name, nth).seq, failure=failure_of(error), **fields)

    def timed_out(self, name: str, timeout_type: str, **fields: Any) -> TimeOutActivity:
        """The message that a timeout of an activity ran out."""
        return TimeOutActivity(seq=self._activity(name, 0).seq, timeout_type=timeout_type, **fields)

    def reported_cancelled(self, name: str, *details: Plain) -> ReportActivityCanceled:
        """The message that an activity has stopped."""
        return ReportActivityCanceled(seq=self._activity(name, 0).seq, details=list(details))

    def fired(self, nth: int = 0) -> FireTimer:
        """The message that the ``nth`` oldest timer fired."""
        return FireTimer(seq=self._timer(nth).seq)

    def child(self, name: str, nth: int = 0) -> ev.StartChildWorkflowExecutionInitiated:
        """The ``nth`` oldest open child of a type."""
        kind = ev.StartChildWorkflowExecutionInitiated
        found = [e for e in self.execution.outstanding if isinstance(e, kind) and e.workflow_type == name]
        assert nth < len(found), f"no open child {name!r}; waiting: {self.waits}"
        return found[nth]

    def child_started(self, name: str, run_id: str = "cr-1", *, nth: int = 0) -> ReportChildStarted:
        """The message that a child runs."""
        return ReportChildStarted(seq=self.child(name, nth).seq, run_id=run_id)

    def child_completed(self, name: str, result: Plain = None, *, nth: int = 0) -> CompleteChild:
        """The message that a child returned."""
        return CompleteChild(seq=self.child(name, nth).seq, result=result)

    def _activity(self, name: str, nth: int) -> ev.ActivityTaskScheduled:
        found = [
            each
            for each in self.execution.outstanding
            if isinstance(each, ev.ActivityTaskScheduled) and each.activity_type == name
        ]
        assert nth < len(found), f"no open activity {name!r}; waiting: {self.waits}"
        return found[nth]

    def _timer(self, nth: int = 0) -> ev.TimerStarted:
        found = [each for each in self.execution.outstanding if isinstance(each, ev.TimerStarted)]
        assert nth < len(found), f"no open timer; waiting: {self.waits}"
        return found[nth]

    # Looking --------------------------------------------------------------------------------------------------------

    def query(self, query: Query[Any] | str, *args: object) -> Plain:
        """The answer to a query now."""
        return self.execution.query(query, *args)

    @property
    def closed(self) -> ev.HistoryEvent:
        """The terminal event."""
        closed = self.execution.state.closed
        assert closed is not None, f"the run is open; waiting: {self.waits}"
        return closed

    @property
    def result(self) -> Plain:
        """What the workflow returned."""
        assert isinstance(self.closed, ev.WorkflowExecutionCompleted), self.closed
        return self.closed.result

    @property
    def failure(self) -> Failure:
        """Why the run failed."""
        assert isinstance(self.closed, ev.WorkflowExecutionFailed), self.closed
        return self.closed.failure

    @property
    def answers(self) -> dict[str, Plain]:
        """What the updates that have ended came to, by id: the result, or the failure."""
        ended = [each for each in self.history if isinstance(each, ev.WorkflowExecutionUpdateCompleted)]
        return {each.update_id: each.result if each.failure is None else each.failure for each in ended}

    @property
    def unreceived(self) -> list[int]:
        """The event ids of the signals that nobody took."""
        return list(getattr(self.closed, "unreceived", ()))

    @property
    def waits(self) -> list[str]:
        """What the branches wait for."""
        return [each.wait for each in self.execution.waiting()]

    @property
    def kinds(self) -> list[str]:
        """The kinds of the derived events so far."""
        return kinds(self.history)

    @property
    def scheduled(self) -> list[str]:
        """The names of the activities scheduled so far."""
        return [each.activity_type for each in self.history if isinstance(each, ev.ActivityTaskScheduled)]

    @property
    def open_activities(self) -> list[str]:
        """The names of the activities whose outcome is awaited."""
        return [
            each.activity_type
            for each in self.execution.outstanding
            if isinstance(each, ev.ActivityTaskScheduled)
        ]

    # Replaying ------------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Take the run up again from each of its turns; see the module's text."""
        position = 0
        for index, made in enumerate(self._made):
            position += len(made.turn.events)
            prefix = self.history[:position]
            with Execution.load(self.definition, prefix, input_policy=InputPolicy.STRICT) as loaded:
                assert made.state == loaded.state == fold(prefix)
                assert list(made.waiting) == list(loaded.waiting())
                assert () == loaded.warnings
                if index + 1 < len(self._made):
                    _check_next(self._made[index + 1], loaded)


def _check_next(made: _Made, loaded: Execution) -> None:
    again = loaded.turn(*made.messages, at=made.at, history_bytes=made.history_bytes)
    assert list(made.turn.events) == list(again.events)
    assert made.turn.commands == again.commands
    assert made.turn.logs == again.logs
    assert made.turn.complaints == again.complaints
    assert made.state == loaded.state


def _check_shape(made: _Made) -> None:
    """What holds for every turn."""
    events = list(made.turn.events)
    external = [event.external for event in events]
    messages = [event.message for event in events if event.external]
    assert sorted(external, reverse=True) == external, "external events come first"
    assert sorted(messages, reverse=True) == messages, "messages come before completions"
    assert [made.turn.number] * len(events) == [event.turn for event in events]
    first = made.turn.length_before + 1
    assert list(range(first, first + len(events))) == [event.event_id for event in events]
    assert all(any(command is event for event in events) for command in made.turn.commands)
    assert [event for event in events if event.terminal] == ([] if made.turn.closed is None else [events[-1]])


def drive(
    definition: WorkflowDefinition[..., Any],
    *args: object,
    beside: Iterable[Message] = (),
    recheck: bool = True,
    **fields: Any,
) -> Driven:
    """Begin a run; ``beside`` are messages of its first turn, ``fields`` those of ``StartWorkflow``."""
    return Driven(definition, args, tuple(beside), fields, recheck)


def kinds(events: Iterable[ev.HistoryEvent]) -> list[str]:
    """The kinds of the derived events among some."""
    return [type(event).__name__ for event in events if not event.external]


def run_to_end(definition: WorkflowDefinition[..., Any], *args: object) -> Plain:
    """The result of a workflow that waits for nothing."""
    with drive(definition, *args) as run:
        return run.result
