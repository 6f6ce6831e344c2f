"""``Execution``: one run, live in memory, for whoever embeds the kernel.

    execution = Execution.load(process_order, history)           # replays, or raises NondeterminismError
    turn = execution.turn(CompleteActivity(seq=2, result=7), at=now_us)
    store.append(run_id, turn.events)                            # the whole turn or nothing
    for command in turn.commands:
        executor.submit(run_id, command)                         # reports back with a message

An execution is driven by one thread at a time.  It owns its generators: close it (or use ``with``) when it is not needed any more.
Until then it is kept alive here, as a generator that is left to the garbage collector would run its ``finally`` on any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import count
from types import TracebackType
from typing import Any, Self, TypeVar

import attrs

from refold import events as ev
from refold.branches import discard
from refold.carry import NextRun, next_run
from refold.closing import left_over
from refold.decide import decide_turn
from refold.declare import WorkflowDefinition
from refold.divergence import InputPolicy
from refold.errors import MessageError, QueryError, RefoldError
from refold.evolve import outstanding
from refold.failures import CancelledError, Failure
from refold.handlers import Handling, unfinished
from refold.inbound import Query
from refold.interpreter import run_turn
from refold.leaving import carried, commands_of, last_commands
from refold.messages import Message
from refold.payloads import Plain, encode
from refold.replaying import other_type, replay
from refold.scheduler import Scheduler
from refold.source import traceback_frames
from refold.state import ExecutionState, Ledger, is_terminal
from refold.tape import Tape
from refold.unyielded import MAKER, ReadOnly, Recorder
from refold.updates import refusal
from refold.value import Value
from refold.waiting import Waiting, waiting
from refold.waits import Log

T = TypeVar("T")

_CLOSED = "it was closed"

#: Executions that are not closed: held here so that none is left to the garbage collector.
_OPEN: dict[int, Execution] = {}
_numbers = count()


def open_executions() -> tuple[Execution, ...]:
    """The executions of this process that were neither closed nor have ended."""
    return tuple(_OPEN.values())


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Turn(Value):
    """One turn that was made: append ``events`` whole or not at all, then carry out ``commands``."""

    number: int
    at: int
    #: Events recorded before this turn.
    length_before: int
    #: External events, then derived ones; empty if every message was heard before.
    events: Sequence[ev.HistoryEvent]
    #: The derived events that ask for something to be done, without those that cancel out within the turn.
    commands: Sequence[ev.Command]
    #: What the workflow logged.
    logs: Sequence[Log]
    #: Where code yielded while it was being closed (RF1103).
    complaints: Sequence[str]
    #: The terminal event, if the turn closed the run.
    closed: ev.HistoryEvent | None
    #: The run that follows, where this turn closed the run and one does; made in the same commit.
    next: NextRun | None = None
    #: Why an update was refused: there is no event of it, and nothing has changed.
    rejected: Failure | None = None
    #: If the turn closed the run: the children whose outcome was still awaited.
    orphans: Sequence[ev.StartChildWorkflowExecutionInitiated] = ()
    #: If the turn closed the run: the messages whose handlers were still at work, in the order in which those began.
    unfinished: Sequence[Handling] = ()


class Execution:
    """One run: its state, and its code suspended where the history has brought it."""

    def __init__(
        self, definition: WorkflowDefinition[..., Any], *, input_policy: InputPolicy = InputPolicy.STRICT
    ) -> None:
        self.definition = definition
        self._ledger = Ledger()
        self._tape = Tape(self._ledger, input_policy)
        self._run = Scheduler(definition, self._ledger, self._tape)
        self._driving = False
        #: Why it cannot be driven any more: closed, or an error in the midst of a turn.
        self._dead: str | None = None
        self._number = next(_numbers)
        _OPEN[self._number] = self

    # Making ---------------------------------------------------------------------------------------------------------

    @classmethod
    def load(
        cls,
        definition: WorkflowDefinition[..., Any],
        history: Iterable[ev.HistoryEvent],
        *,
        input_policy: InputPolicy = InputPolicy.STRICT,
    ) -> Execution:
        """The run that a history (possibly empty) has brought about, ready for its next turn.

        The history is read once, in order, and never held as a whole: it may be a generator that decodes it.

        Raises :class:`NondeterminismError` (RF4001) if the code takes another path than the history,
        :class:`HistoryError` (RF20xx) if the history cannot be right, and :class:`DefinitionError` for the author's mistakes.
        """
        execution = cls(definition, input_policy=input_policy)
        try:
            execution._replay(history)
        except BaseException:
            execution.close()
            raise
        return execution

    @classmethod
    def replay(
        cls, definition: WorkflowDefinition[..., Any], history: Iterable[ev.HistoryEvent]
    ) -> ExecutionState:
        """Check that code and history agree, inputs included, and return the state; raises as :meth:`load` does."""
        with cls.load(definition, history) as execution:
            return execution.state

    # Driving --------------------------------------------------------------------------------------------------------

    def turn(self, *messages: Message, at: int, history_bytes: int = 0) -> Turn:
        """Make the next turn of ``messages`` at time ``at`` (microseconds since the epoch; never before the last turn's).

        ``history_bytes`` is the size of the history as it is stored: a large one makes ``info()`` suggest to continue as new.

        Raises :class:`MessageError` (RF30xx) for a message that cannot be, and nothing has changed; any other error means that the
        turn could not be made: nothing of it may be stored, and the execution can only be closed.
        """
        self._need_idle()
        if self._dead is not None:
            raise self._is_dead()
        ledger, tape, run = self._ledger, self._tape, self._run
        at = max(at, ledger.at)
        length_before = ledger.last_event_id
        externals = decide_turn(ledger, messages, at=at)
        run.logs = []
        if not externals:
            return self._made(length_before, [], [])
        if isinstance(externals[0], ev.WorkflowExecutionUpdateAccepted):
            refused = self._refused(externals[0])
            if refused is not None:
                return attrs.evolve(self._made(length_before, [], []), rejected=refused)
        if isinstance(externals[0], ev.WorkflowExecutionTimedOut):
            left = [event.event_id for event in left_over(self._run, cancels=False)]
            externals = [attrs.evolve(externals[0], unreceived=left or ())]
        if (other := other_type(self._run, externals[0])) is not None:
            raise MessageError(
                "RF3003",
                f"the message starts a {other!r}, and this is a {self.definition.name!r}",
                why="an execution runs the definition that it was made with",
                fix="load the definition of that name",
            )
        tape.turn, tape.at, tape.length_before = ledger.turn + 1, at, length_before
        tape.history, tape.history_bytes = None, history_bytes
        tape.written = list(externals)
        run.recorder = Recorder() if run.recorder is None else run.recorder
        complaints = self._drive(lambda: self._live(externals))
        written, tape.written = tape.written, []
        return self._made(length_before, written, complaints)

    def _refused(self, event: ev.WorkflowExecutionUpdateAccepted) -> Failure | None:
        self._driving = True
        try:
            return refusal(self._run, event)
        finally:
            self._driving = False

    def _live(self, externals: Sequence[ev.HistoryEvent]) -> list[str]:
        recorder = self._run.recorder
        assert recorder is not None
        token = MAKER.set(recorder)
        try:
            complaints = run_turn(self._run, externals)
            recorder.check()
        finally:
            MAKER.reset(token)
        return complaints

    def _made(self, length_before: int, events: Sequence[ev.HistoryEvent], complaints: Sequence[str]) -> Turn:
        ledger = self._ledger
        closed = ledger.closed if events else None
        if ledger.closed is not None:
            _OPEN.pop(self._number, None)
        return Turn(
            number=ledger.turn,
            at=ledger.at,
            length_before=length_before,
            events=tuple(events),
            commands=last_commands(events) if closed is not None else commands_of(ledger, events),
            logs=tuple(self._run.logs),
            complaints=tuple(complaints),
            closed=closed,
            next=None if closed is None else next_run(ledger, carried(self._run, closed)),
            orphans=() if closed is None else ledger.orphans,
            unfinished=() if closed is None else unfinished(self._run),
        )

    def _replay(self, history: Iterable[ev.HistoryEvent]) -> None:
        self._drive(lambda: replay(self._run, history))
        if self._ledger.closed is not None:
            _OPEN.pop(self._number, None)

    def _drive(self, action: Callable[[], T]) -> T:
        self._driving = True
        try:
            return action()
        except BaseException as error:
            self._dead = f"an earlier turn failed ({type(error).__name__})"
            raise
        finally:
            self._driving = False

    def _need_idle(self) -> None:
        if self._driving:
            raise MessageError(
                "RF3004",
                "the execution is being driven already",
                why="workflow code, a handler or another thread called into the execution that runs it",
                fix="drive an execution from one thread, and never from its own workflow",
            )

    def _is_dead(self) -> MessageError:
        return MessageError(
            "RF3005",
            f"the execution cannot be driven: {self._dead}",
            why="its code may be at a point that its history does not tell of",
            fix="close it and load the run again from its history",
        )

    # Looking --------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> ExecutionState:
        """The fold of the history so far."""
        return self._ledger.freeze()

    @property
    def started(self) -> ev.WorkflowExecutionStarted | None:
        """The event that it began with."""
        return self._ledger.started

    @property
    def closed(self) -> bool:
        """Whether the run has ended."""
        return is_terminal(self._ledger)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Differences in inputs that the policy ``WARN`` let pass."""
        return tuple(self._tape.warnings)

    @property
    def outstanding(self) -> tuple[ev.Command, ...]:
        """The commands whose outcome is awaited."""
        return outstanding(self._ledger)

    def query(self, query: Query[Any] | str, *args: object) -> Plain:
        """The answer to a query, as plain data, at this point of the history; also on a closed run.

        Raises :class:`QueryError` (RF1111 where the run has not registered it, RF1112 where its function fails), and
        :class:`MessageError` (RF3005) after a turn that failed, as the code is ahead of the history then.
        """
        name = query if isinstance(query, str) else query.name
        self._need_idle()
        if self._dead not in (None, _CLOSED):
            raise self._is_dead()
        answer = self._run.queries.get(name)
        if answer is None:
            known = ", ".join(sorted(self._run.queries)) or "none"
            raise QueryError(
                "RF1111",
                f"{self.definition.name} has no answer to query {name!r} at this point",
                why=f"a workflow answers from the moment it has yielded query.answer(...); known here: {known}",
                fix="check the name, or ask later",
            )
        token = MAKER.set(ReadOnly(f"query {name!r}"))
        try:
            return encode(answer.function(*args))
        except RefoldError:
            raise
        except (Exception, CancelledError) as error:
            frames = traceback_frames(error)
            raise QueryError(
                "RF1112",
                f"query {name!r} failed with {type(error).__name__}: {error}",
                why="its function raised",
                fix="make it read only what exists at every point of the workflow",
                where=frames[-1] if frames else None,
            ) from error
        finally:
            MAKER.reset(token)

    def waiting(self) -> tuple[Waiting, ...]:
        """What each suspended branch waits for, and at which lines of the user's code."""
        return waiting(self._run.main)

    # Closing --------------------------------------------------------------------------------------------------------

    def close(self) -> tuple[str, ...]:
        """Close all suspended code, on this thread; returns where code yielded while it was closed.  Idempotent.

        Nothing that a ``finally`` block does reaches anyone: its effects are thrown away, and it must not yield (RF1103).
        """
        self._need_idle()
        self._dead = self._dead or _CLOSED
        _OPEN.pop(self._number, None)
        main = self._run.main
        return () if main is None else tuple(discard(main))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()
