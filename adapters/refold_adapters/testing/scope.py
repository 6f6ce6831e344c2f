"""What can happen to a run under test: the ends of its activities and children, the messages of its clients, and faults.

At each point of a run, ``Scope.moves`` lists what can happen next.  The first move is the *usual* one: what was asked for first ends
first, as its first outcome says, and timers fire when nothing else is left.  Every other move is a *deviation*.

One rule: which moves there are depends on the state of the run and on what its clients have sent, and on nothing else; so a schedule is a
list of choices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from refold import (
    Activity,
    CancelledError,
    ExecutionState,
    RetryState,
    Signal,
    TimeoutError,
    TimeoutType,
    Update,
    WorkflowDefinition,
)
from refold import events as ev
from refold import messages as ms
from refold.failures import failure_of
from refold.payloads import encode
from refold_adapters.registry import declared, need_declared
from refold_adapters.testing.errors import KitError
from refold_adapters.testing.run import EXPLORER, EXPLORER_HAD_RUN
from refold_adapters.testing.timeline import call

_NOT_FOUND = "EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND"


@attrs.frozen
class Move:
    """One thing that can happen; ``message`` is how the run hears of it."""

    message: ms.Message
    #: It is an outcome as the workflow hopes for it; such moves commute where no code runs on account of them.
    success: bool = False
    #: Microseconds since the epoch.
    not_before: int = 0
    #: Which of the messages of the scope it is.
    told: int | None = None


def signal(signal: Signal[Any] | str, payload: object = None, /) -> ms.SignalWorkflow:
    """A signal that clients may send to the run under test, at any time."""
    if isinstance(signal, str):
        return ms.SignalWorkflow(signal_name=signal, input=[] if payload is None else [encode(payload)])
    return ms.SignalWorkflow(signal_name=signal.name, input=signal.encode(payload))


def update(update: Update[Any, Any] | str, payload: object = None, /) -> ms.UpdateWorkflow:
    """An update that clients may send to the run under test, at any time."""
    if isinstance(update, str):
        return ms.UpdateWorkflow(
            update_id="", update_name=update, input=[] if payload is None else [encode(payload)]
        )
    return ms.UpdateWorkflow(update_id="", update_name=update.name, input=update.encode(payload))


def cancel() -> ms.CancelWorkflow:
    """A request to stop that clients may send to the run under test, at any time."""
    return ms.CancelWorkflow()


@attrs.frozen
class Scope:
    """A workflow with its arguments, and all that may happen to it."""

    definition: WorkflowDefinition[..., Any]
    input: Sequence[Any]
    #: By the type of an activity or a child: how it may end, the usual way first.
    outcomes: Mapping[str, Sequence[object]]
    messages: Sequence[ms.Message]
    #: Of what workers and messages may be lost: of everything, or of these types.
    faults: bool | Sequence[str]

    @classmethod
    def of(
        cls,
        workflow: WorkflowDefinition[..., Any] | type[Any],
        args: Sequence[object],
        *,
        outcomes: Mapping[Any, Sequence[object]],
        messages: Sequence[ms.Message],
        faults: bool | Sequence[Any],
    ) -> Scope:
        """A scope of what a user gives; raises :class:`KitError` (RF5303) for what has no meaning."""
        definition = need_declared(workflow)
        return cls(
            definition=definition,
            input=definition.encode_input(*args),
            outcomes={name_of(key): _checked(key, ends) for key, ends in outcomes.items()},
            messages=[numbered(message, number) for number, message in enumerate(messages, 1)],
            faults=faults if isinstance(faults, bool) else [name_of(each) for each in faults],
        )

    def start(self) -> ms.StartWorkflow:
        """The message that every run under test begins with."""
        return ms.StartWorkflow(
            workflow_id=f"{self.definition.name}-under-test",
            run_id="run-under-test",
            workflow_type=self.definition.name,
            input=self.input,
        )

    def moves(self, state: ExecutionState, told: frozenset[int]) -> list[Move]:
        """What can happen next, the usual first: outcomes of commands, then timers, then messages."""
        if state.closed is not None:
            return []
        timers = [each for each in state.pending.values() if isinstance(each, ev.TimerStarted)]
        due = min((timer.fire_at for timer in timers), default=0)
        moves = [
            move
            for pending in state.pending.values()
            if not isinstance(pending, ev.TimerStarted)
            for move in self._ends(pending, state)
        ]
        moves += [
            Move(ms.FireTimer(seq=timer.seq), success=True, not_before=timer.fire_at)
            for timer in timers
            if timer.fire_at == due
        ]
        same: list[tuple[Any, ...]] = []
        for number, message in enumerate(self.messages):
            body = _body(message)
            if number not in told and body not in same:  # of several that are the same, the next
                moves.append(Move(message, told=number))
                same.append(body)
        return moves

    def _ends(self, pending: Any, state: ExecutionState) -> Iterator[Move]:
        seq: int = pending.seq
        match pending:
            case ev.ActivityTaskScheduled():
                if seq in state.cancelling:
                    yield Move(ms.ReportActivityCanceled(seq=seq, identity=EXPLORER))
                    yield Move(ms.ReportActivityCanceled(seq=seq, identity=EXPLORER_HAD_RUN))
                for end in self._outcomes_of(pending.activity_type, pending):
                    yield Move(activity_end(seq, end, pending), success=not isinstance(end, BaseException))
                if self._may_fail(pending.activity_type):
                    yield from self._faults(pending)
            case ev.StartChildWorkflowExecutionInitiated():
                if seq not in state.children:
                    yield Move(ms.ReportChildStarted(seq=seq, run_id=f"child-{seq}"), success=True)
                    if self._may_fail(pending.workflow_type):
                        yield Move(ms.ReportChildStartFailed(seq=seq, cause="WORKFLOW_ALREADY_EXISTS"))
                    return
                for end in self._outcomes_of(pending.workflow_type, pending):
                    yield Move(child_end(seq, end, pending), success=not isinstance(end, BaseException))
            case ev.SignalExternalWorkflowExecutionInitiated():
                yield Move(ms.ReportSignalDelivered(seq=seq), success=True)
                if self.faults is True:
                    yield Move(ms.ReportSignalFailed(seq=seq, cause=_NOT_FOUND))
            case _:
                yield Move(ms.ReportCancelDelivered(seq=seq), success=True)
                if self.faults is True:
                    yield Move(ms.ReportCancelFailed(seq=seq, cause=_NOT_FOUND))

    def _may_fail(self, name: str) -> bool:
        return self.faults if isinstance(self.faults, bool) else name in self.faults

    def _faults(self, scheduled: ev.ActivityTaskScheduled) -> Iterator[Move]:
        """A worker is lost with an activity: before it ran, after it ran, and so that it runs again."""
        lost: dict[str, Any] = {
            "seq": scheduled.seq,
            "timeout_type": TimeoutType.START_TO_CLOSE.value,
            "retry_state": RetryState.TIMEOUT.value,
        }
        yield Move(ms.TimeOutActivity(**lost, identity=EXPLORER))
        yield Move(ms.TimeOutActivity(**lost, identity=EXPLORER_HAD_RUN))
        first = self._outcomes_of(scheduled.activity_type, scheduled)[0]
        if not isinstance(first, BaseException):
            message = ms.CompleteActivity(
                seq=scheduled.seq, result=_value(first, scheduled), attempt=2, identity=EXPLORER
            )
            yield Move(message, success=True)

    def _outcomes_of(self, name: str, command: Any) -> Sequence[object]:
        if name in self.outcomes:
            return self.outcomes[name]
        raise KitError(
            "RF5301",
            f"the test does not say how {call(name, command.input)} ends",
            where=command.source or None,
            why="in a search nothing is really run, so each activity and child needs an outcome; known are those of "
            + (", ".join(sorted(self.outcomes)) or "nothing"),
            fix=f"add outcomes={{{name}: [a result, an error that it may fail with, ...]}}",
        )


def name_of(key: Any) -> str:
    """The name of an activity or a workflow, which may be given by its name."""
    found = declared(key)
    if isinstance(found, Activity | WorkflowDefinition):
        return str(found.name)
    if isinstance(key, str):
        return key
    raise KitError(
        "RF5303",
        f"{key!r} is neither an activity nor a workflow",
        why="outcomes are given by what is called",
        fix="take what is decorated with @activity or @workflow as the key, or its name",
    )


def _checked(key: object, ends: Sequence[object]) -> list[object]:
    if not isinstance(ends, list | tuple) or not ends:
        raise KitError(
            "RF5303",
            f"the outcomes of {name_of(key)} are {ends!r}",
            why="they are a list of at least one: results, errors, or functions of the arguments; the first is the usual one",
            fix=f"write [{ends!r}]" if ends else "name one",
        )
    return list(ends)


def numbered(message: Any, number: int) -> ms.Message:
    """A client's message with an id of its own, by which it is told from another of the same content."""
    if isinstance(message, ms.UpdateWorkflow):
        return attrs.evolve(message, update_id=message.update_id or f"update-{number}")
    if isinstance(message, ms.SignalWorkflow | ms.CancelWorkflow | ms.TerminateWorkflow):
        return attrs.evolve(message, request_id=message.request_id or f"message-{number}")
    if isinstance(message, ms.TimeOutWorkflow):
        return message
    raise KitError(
        "RF5303",
        f"{message!r} is no message of a client",
        why="clients send signals, updates and requests to stop",
        fix="make it with signal(...), update(...) or cancel(), or give a message of refold.messages that a client sends",
    )


def _body(message: ms.Message) -> tuple[Any, ...]:
    """What a message says, whoever sends it when."""
    ids = ("request_id", "update_id")
    names = [field.name for field in attrs.fields(type(message)) if field.name not in ids]
    return (type(message), *(getattr(message, name) for name in names))


def _value(end: object, command: Any) -> Any:
    """A result as plain data; a function makes it of the arguments."""
    return encode(end(*command.input) if callable(end) else end)


def activity_end(seq: int, end: object, scheduled: Any) -> ms.Message:
    """How an activity ends: with an error, a result, or what a function makes of its arguments."""
    match end:
        case TimeoutError(type=kind):
            return ms.TimeOutActivity(seq=seq, timeout_type=kind.value, identity=EXPLORER)
        case CancelledError():
            return ms.ReportActivityCanceled(seq=seq, identity=EXPLORER)
        case BaseException():
            return ms.FailActivity(
                seq=seq,
                failure=failure_of(end),
                retry_state=RetryState.NON_RETRYABLE_FAILURE.value,
                identity=EXPLORER,
            )
        case _:
            return ms.CompleteActivity(seq=seq, result=_value(end, scheduled), identity=EXPLORER)


def child_end(seq: int, end: object, initiated: Any) -> ms.Message:
    """How a child ends, as for an activity."""
    match end:
        case TimeoutError():
            return ms.TimeOutChild(seq=seq)
        case CancelledError():
            return ms.ReportChildCanceled(seq=seq)
        case BaseException():
            return ms.FailChild(seq=seq, failure=failure_of(end))
        case _:
            return ms.CompleteChild(seq=seq, result=_value(end, initiated))
