"""A playbook: what a workflow asks for and what it is told, as a conversation.

    with Playbook(process_order, order) as play:
        play.expects(reserve(order), charge(order))
        play.completes(reserve, "r-1").completes(charge, "c-1").expects(sleep(timedelta(hours=24)))
        play.signals(approval, Approval("Amina")).expects(ship(order))
        play.completes(ship).returns("sent")

One rule: nothing that a workflow asks for goes unsaid.  Before it is told anything more, and at the end, all that it did must have been
expected.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self, TypeAlias

from refold import (
    Activity,
    CancelledError,
    Effect,
    Execution,
    Failure,
    Query,
    Signal,
    Update,
    Workflow,
    WorkflowDefinition,
    start,
    workflow,
)
from refold import events as ev
from refold import messages as ms
from refold.failures import TimeoutError, TimeoutType
from refold.payloads import decode, encode
from refold_adapters.testing import scope as scopes
from refold_adapters.testing.errors import PlaybookError
from refold_adapters.testing.run import Run
from refold_adapters.testing.scope import Move, Scope
from refold_adapters.testing.timeline import since
from refold_adapters.testing.trial import Trial

#: What can be said to end: an activity or a child, by its declaration or name, or with its arguments, as it was called.
Ending: TypeAlias = Activity[..., Any] | WorkflowDefinition[..., Any] | type[Any] | str | Effect[Any]

_REFUSAL = "refuses the update"
#: What never comes, so that whoever waits for it has time to be looked at.
_never = Signal("never")


class Playbook:
    """A conversation with one run of a workflow; use it in a ``with`` statement.  Its methods return it, so they can be chained.

    At every turn the worker crashes and every message is delivered twice, as in :func:`explore`: a workflow that does not replay is
    found (RF5302).
    """

    def __init__(self, workflow: WorkflowDefinition[..., Any] | type[Any], /, *args: object) -> None:
        self._scope = Scope.of(workflow, args, outcomes={}, messages=[], faults=False)
        self._trial = Trial(self._scope)
        #: What was said so far and agreed upon, and what the workflow did that was not yet expected.
        self._said: list[str] = []
        self._unsaid: list[str] = []
        self._sent = 0

    @property
    def run(self) -> Run:
        """The run so far."""
        return self._trial.run

    # What the workflow does -----------------------------------------------------------------------------------------

    def expects(self, *effects: Effect[Any]) -> Self:
        """The workflow asks for just these, in this order: activities, timers, children and messages to other workflows.

        Names and arguments are compared, options are not.  Timers that are given up need not be expected.
        """
        return self._expect([_asked(event) for event in _recorded(effects, self._trial.execution.state.at)])

    def stops(self, *activities: Activity[..., Any] | str) -> Self:
        """The workflow asks just these activities to stop."""
        return self._expect([f"asks {scopes.name_of(activity)} to stop" for activity in activities])

    def returns(self, result: object = None) -> Self:
        """The workflow ends with this result."""
        return self._expect([f"returns {encode(result)!r}"])

    def raises(self, type: str, message: str) -> Self:
        """The workflow fails, with an error of this type (``Declined``), or kind where it has none (``activity``), and this message."""
        return self._expect([f"raises {type}: {message}"])

    def continues(self, *args: object) -> Self:
        """The workflow continues as new, with these arguments."""
        return self._expect(
            [f"continues as {_call(self._scope.definition.name, [encode(arg) for arg in args])}"]
        )

    def ends_as_cancelled(self) -> Self:
        """The workflow lets a request to stop end it."""
        return self._expect(["ends as cancelled"])

    def replies(self, result: object = None) -> Self:
        """The handler of an update answers with this."""
        return self._expect([f"replies {encode(result)!r}"])

    def refuses(self) -> Self:
        """The validator of an update refuses it."""
        return self._expect([_REFUSAL])

    def answers(self, query: Query[Any], expected: object, *args: object) -> Self:
        """The workflow answers a query with this."""
        actual = decode(self._trial.execution.query(query, *args), query.type)
        self._agree([f"answers {query.name} with {expected!r}"], [f"answers {query.name} with {actual!r}"])
        return self

    # What it is told ------------------------------------------------------------------------------------------------

    def completes(self, what: Ending, result: object = None) -> Self:
        """An activity or a child that was asked for completes; of several, the first, or the one with the arguments: ``charge(order)``."""
        return self._end(what, result, f"completes with {encode(result)!r}")

    def fails(self, what: Ending, error: BaseException) -> Self:
        """An activity or a child fails for good."""
        return self._end(what, error, f"fails with {type(error).__name__}: {error}")

    def times_out(self, what: Ending, type: TimeoutType = TimeoutType.START_TO_CLOSE) -> Self:
        """An activity or a child times out for good."""
        return self._end(what, TimeoutError("it timed out", type=type), "times out")

    def is_cancelled(self, what: Ending) -> Self:
        """An activity stops because it was asked to, or a child because somebody cancelled it."""
        return self._end(what, CancelledError("cancelled"), "stops")

    def fires(self) -> Self:
        """The timer that is due first fires, and it is then."""
        self._begin()
        timers = [each for each in self._pending() if isinstance(each, ev.TimerStarted)]
        timer = min(timers, key=lambda timer: timer.fire_at, default=None)
        if timer is None:
            raise self._error("has no timer that could fire")
        return self._tell(
            ms.FireTimer(seq=timer.seq),
            f"the timer of {since(timer.fire_at - timer.at)} fires",
            timer.fire_at,
        )

    def arrives(self) -> Self:
        """What the workflow sent to another workflow first has arrived there."""
        self._begin()
        for sent in self._pending():
            if isinstance(sent, ev.SignalExternalWorkflowExecutionInitiated):
                return self._tell(ms.ReportSignalDelivered(seq=sent.seq), "the signal arrives")
            if isinstance(sent, ev.RequestCancelExternalWorkflowExecutionInitiated):
                return self._tell(ms.ReportCancelDelivered(seq=sent.seq), "the request to stop arrives")
        raise self._error("has nothing on its way to another workflow")

    def signals(self, signal: Signal[Any] | str, payload: object = None, /) -> Self:
        """A client sends a signal."""
        message = scopes.signal(signal, payload)
        return self._send(message, f"signal {_call(message.signal_name, message.input)}")

    def updates(self, update: Update[Any, Any] | str, payload: object = None, /) -> Self:
        """A client sends an update."""
        message = scopes.update(update, payload)
        return self._send(message, f"update {_call(message.update_name, message.input)}")

    def cancels(self) -> Self:
        """A client asks the workflow to stop."""
        return self._send(scopes.cancel(), "request to stop")

    # How ------------------------------------------------------------------------------------------------------------

    def _end(self, what: Ending, end: object, words: str) -> Self:
        self._begin()
        command = self._find(what)
        name, message = (
            (command.activity_type, scopes.activity_end)
            if isinstance(command, ev.ActivityTaskScheduled)
            else (command.workflow_type, scopes.child_end)
        )
        return self._tell(message(command.seq, end, command), f"{name} {words}")

    def _find(self, what: Ending) -> Any:
        open_now = [
            each
            for each in self._pending()
            if isinstance(each, ev.ActivityTaskScheduled | ev.StartChildWorkflowExecutionInitiated)
        ]
        if isinstance(what, Effect):
            wanted = _asked(_recorded([what], 0)[0])
            found = [each for each in open_now if _asked(each) == wanted]
        else:
            wanted = scopes.name_of(what)
            found = [
                each
                for each in open_now
                if wanted in (getattr(each, "activity_type", ""), getattr(each, "workflow_type", ""))
            ]
        if not found:
            raise self._error(f"does not wait for {wanted!r}, which is to end")
        return found[0]

    def _pending(self) -> Sequence[Any]:
        return list(self._trial.execution.state.pending.values())

    def _begin(self) -> None:
        if not self._trial.history:
            self._record(self._trial.begin, f"start {_call(self._scope.definition.name, self._scope.input)}")

    def _tell(self, message: ms.Message, words: str, not_before: int = 0) -> Self:
        self._begin()
        self._agree([], self._unsaid)
        self._record(lambda: self._trial.take([Move(message, not_before=not_before)]), words)
        return self

    def _send(self, message: ms.Message, words: str) -> Self:
        self._sent += 1
        return self._tell(scopes.numbered(message, self._sent), words)

    def _record(self, turn: Callable[[], None], told: str) -> None:
        before = len(self._trial.history)
        turn()
        self._said.append(f"> {told}")
        made = self._trial.history[before:]
        names = {
            each.seq: each.activity_type
            for each in self._trial.history
            if isinstance(each, ev.ActivityTaskScheduled)
        }
        for event in made:
            if isinstance(event, ev.ActivityTaskCancelRequested):
                self._unsaid.append(f"asks {names[event.seq]} to stop")
            elif words := _asked(event):
                self._unsaid.append(words)
        if not made:
            self._unsaid.append(_REFUSAL)

    def _expect(self, lines: list[str]) -> Self:
        self._begin()
        ours, self._unsaid = self._unsaid[: len(lines)], self._unsaid[len(lines) :]
        self._agree(lines, ours)
        return self

    def _agree(self, expected: Sequence[str], actual: Sequence[str]) -> None:
        __tracebackhide__ = True
        ours, theirs = ([f"< {line}" for line in lines] for lines in (expected, actual))
        if ours != theirs:
            diff = [line.rstrip() for line in difflib.ndiff(ours, theirs)]
            raise self._error("did otherwise than its playbook says (-), namely (+)", diff)
        self._said += theirs

    def _error(self, what: str, diff: Sequence[str] = ()) -> PlaybookError:
        said = [*(f"  {line}" for line in self._said), *diff]
        return PlaybookError(
            "RF5305",
            f"{self._scope.definition.name} {what}\n" + "\n".join(f"    {line}" for line in said),
            why="a workflow is to ask for just what its playbook says, in that order",
            fix="mend the workflow, or say in the playbook what it is to do",
        )

    def __enter__(self) -> Self:
        try:
            self._begin()
        except BaseException:
            self._trial.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._trial.close()
        if error is None:
            self._agree([], self._unsaid)


def _recorded(effects: Sequence[Effect[Any]], at: int) -> list[ev.HistoryEvent]:
    """The events of the commands that effects come to, as the kernel itself writes them."""

    def ask() -> Workflow[None]:
        for effect in effects:
            yield from start(effect)
        yield from _never.receive()

    with Execution(workflow(ask)) as execution:
        begin = ms.StartWorkflow(workflow_id="playbook", run_id="playbook", workflow_type="ask")
        return list(execution.turn(begin, at=at).commands)


def _asked(event: Any) -> str:
    """What a workflow did, in words that are the same where it did the same; empty where nobody need expect it."""
    match event:
        case ev.ActivityTaskScheduled():
            return f"asks for {_call(event.activity_type, event.input)}"
        case ev.TimerStarted():
            return f"starts a timer of {since(event.fire_at - event.at)}"
        case ev.StartChildWorkflowExecutionInitiated():
            return f"starts child {_call(event.workflow_type, event.input)}"
        case ev.SignalExternalWorkflowExecutionInitiated():
            return f"sends {_call(event.signal_name, event.input)} to {event.workflow_id}"
        case ev.RequestCancelExternalWorkflowExecutionInitiated():
            return f"asks {event.workflow_id} to stop"
        case ev.WorkflowExecutionUpdateCompleted(failure=Failure() as failure):
            return f"fails the update with {failure.type or failure.kind}: {failure.message}"
        case ev.WorkflowExecutionUpdateCompleted():
            return f"replies {event.result!r}"
        case ev.WorkflowExecutionCompleted():
            return f"returns {event.result!r}"
        case ev.WorkflowExecutionFailed():
            return f"raises {event.failure.type or event.failure.kind}: {event.failure.message}"
        case ev.WorkflowExecutionCanceled():
            return "ends as cancelled"
        case ev.WorkflowExecutionContinuedAsNew():
            return f"continues as {_call(event.workflow_type, event.input)}"
        case _:
            return ""


def _call(name: str, args: Sequence[object]) -> str:
    return f"{name}({', '.join(map(repr, args))})"
