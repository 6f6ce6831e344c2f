"""Plays a random schedule against a run, and keeps what was sent and what came of it.

A schedule is plain data that knows nothing of the program: each of its moves names one of what is possible at the time ("the third
open activity fails"), and does nothing where nothing is possible.  After the moves the run is brought to its end.

One rule: a conversation can be held again.  ``again`` tells another execution the same, turn by turn, and says where it answers otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import attrs
from hypothesis import currently_in_test_context, note

from property_tests.printing import conversation_text
from property_tests.programs import Step
from property_tests.running import World, definition_of, seen
from refold import Execution, ExecutionState, InputPolicy, MessageError, RetryPolicy, Turn, Waiting
from refold import events as ev
from refold.codec import encode_events
from refold.failures import Failure
from refold.messages import (
    CancelWorkflow,
    CompleteActivity,
    CompleteChild,
    FailActivity,
    FailChild,
    FireTimer,
    Message,
    PauseWorkflow,
    ReportActivityCanceled,
    ReportCancelDelivered,
    ReportCancelFailed,
    ReportChildCanceled,
    ReportChildStarted,
    ReportChildStartFailed,
    ReportChildTerminated,
    ReportSignalDelivered,
    ReportSignalFailed,
    SignalWorkflow,
    StartWorkflow,
    TerminateWorkflow,
    TimeOutActivity,
    TimeOutChild,
    TimeOutWorkflow,
    UnpauseWorkflow,
    UpdateWorkflow,
    UpdateWorkflowOptions,
)

SECOND = 1_000_000
#: When the first turn is made: 2023-11-14 22:13:20 UTC.
BEGIN = 1_700_000_000 * SECOND
#: How often a run is sent signals, and then asked to stop, before it is made to.
PATIENCE = 4

#: How other runs do where the schedule has no say, by their labels: a child whose id is taken, one that fails, runs that are not there.
NAMESAKE, FAILING, NOBODY = 9, 8, ("-2", "-3", "-7")

#: Kinds of moves, the likelier ones more than once.
MOVES = (
    *["go"] * 6,
    *["complete"] * 4,
    *["fail"] * 2,
    "time out",
    "report cancelled",
    *["fire"] * 3,
    *["signal a", "signal b", "signal x", "signal y"],
    *["update u", "update v"] * 2,
    *["pause", "unpause", "unpause"],
    "cancel",
    *["again"] * 2,
    *["child"] * 4,
    *["deliver", "lose"] * 2,
    "options",
    "end",
)


@attrs.frozen(repr=False)
class Move:
    """One thing that happens; ``pick`` chooses among what it can happen to."""

    kind: str
    pick: int = 0

    def __repr__(self) -> str:
        return f"Move({self.kind!r}, {self.pick})"


@attrs.frozen(repr=False)
class Schedule:
    """What comes together with the start, and then turn by turn; ``tried_again`` is whether another run follows a failure."""

    first: tuple[Move, ...] = ()
    turns: tuple[tuple[Move, ...], ...] = ()
    tried_again: bool = False

    def __repr__(self) -> str:
        return f"Schedule({self.first}, {self.turns}{', True' if self.tried_again else ''})"


@attrs.frozen
class Made:
    """One turn: what was sent, and what it looked like then."""

    messages: tuple[Message, ...]
    at: int
    turn: Turn
    state: ExecutionState
    answer: Any
    waiting: tuple[Waiting, ...]
    #: The signals taken so far.
    consumed: tuple[tuple[str, int], ...]


class Live:
    """One execution of a program, in a world of its own."""

    def __init__(
        self,
        program: Step,
        history: Sequence[ev.HistoryEvent] = (),
        world: World | None = None,
        policy: InputPolicy = InputPolicy.STRICT,
    ) -> None:
        self.world = World() if world is None else world
        self.execution = Execution.load(definition_of(program, self.world), history, input_policy=policy)

    def turn(self, messages: Sequence[Message], at: int) -> Made:
        turn = self.execution.turn(*messages, at=at)
        return Made(
            tuple(messages),
            at,
            turn,
            self.execution.state,
            self.execution.query(seen),
            self.execution.waiting(),
            tuple(self.world.consumed),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.execution.close()


class Conversation:
    """A run of a program, driven by a schedule from its start to its end."""

    def __init__(self, program: Step, world: World | None = None) -> None:
        self.program = program
        self.live = Live(program, world=world)
        self.made: list[Made] = []
        self.history: list[ev.HistoryEvent] = []
        self._at = BEGIN
        self._sent: list[Message] = []
        self._outcomes = 0
        #: The last turn was refused, because the run is paused.
        self._refused = False

    @property
    def execution(self) -> Execution:
        return self.live.execution

    @property
    def closed(self) -> ev.HistoryEvent:
        """The terminal event."""
        closed = self.execution.state.closed
        assert closed is not None
        return closed

    def accepted(self, *names: str) -> set[str]:
        """The request ids of the signals of some names that were sent, those of the turn being made included."""
        return {
            message.request_id
            for message in self._sent
            if isinstance(message, SignalWorkflow) and message.signal_name in names
        }

    def positions(self) -> list[int]:
        """The length of the history after each turn."""
        return [made.state.last_event_id for made in self.made]

    def tell(self, *messages: Message, at: int | None = None) -> None:
        """Make one turn; nothing is kept of messages that were heard before."""
        self._sent += messages
        before = self.execution.state
        made = self.live.turn(messages, self._at + SECOND if at is None else at)
        if made.turn.rejected is not None:
            assert (before, ()) == (made.state, made.turn.events), "a refused update leaves no trace"
            self._sent = self._sent[: -len(messages)]
        if made.turn.events:
            self._at = made.turn.at
            self.made.append(made)
            self.history += made.turn.events

    # Moves ----------------------------------------------------------------------------------------------------------

    def take(
        self, moves: Sequence[Move], after: Callable[[Conversation], None] = lambda conversation: None
    ) -> None:
        """Make the turn of some moves, and one for each message that must be alone; ``after`` is called after each."""
        self._due = self._at + SECOND
        messages: list[Message] = []
        for move in moves:
            message = self._message(move, messages)
            if message is not None:
                messages.append(message)
        together = [message for message in messages if not message.alone]
        for turn in [together, *([message] for message in messages if message.alone)]:
            if turn and not self.execution.closed:
                self._tell_or_be_refused(turn)
                after(self)

    def _tell_or_be_refused(self, messages: list[Message]) -> None:
        """Make a turn at the time that is due, unless the run is paused: then it is unpaused at the next."""
        if self.execution.state.paused and self._refused:
            messages = [UnpauseWorkflow(request_id=self._next("p"))]
        before = self.execution.state
        try:
            self.tell(*messages, at=self._due)
        except MessageError as error:
            if error.code != "RF3008" or before != self.execution.state:
                raise  # a refused turn changes nothing
            self._sent = self._sent[: -len(messages)]
            self._refused = True
        else:
            self._refused = False

    def begin(self, moves: Sequence[Move], *, tried_again: bool = False) -> None:
        """Make the first turn; what can come with the start are signals and cancel requests."""
        policy = RetryPolicy(maximum_attempts=2).to_plain() if tried_again else None
        begin = StartWorkflow(
            workflow_id="w-1", run_id="r-1", workflow_type="random_program", retry_policy=policy
        )
        beside = [
            self._message(move, [begin]) for move in moves if move.kind.startswith(("signal", "cancel"))
        ]
        self.tell(begin, *[message for message in beside if message is not None])

    def _message(self, move: Move, beside: Sequence[Message]) -> Message | None:
        match move.kind.split():
            case ["go"]:
                return self._settle(self._pick(self.execution.outstanding, move.pick))
            case ["fire"]:
                return self._settle(self._pick(self._open(ev.TimerStarted), move.pick))
            case ["complete"]:
                return self._settle(self._pick(self._open(ev.ActivityTaskScheduled), move.pick))
            case ["signal", name]:
                return self.signal(name)
            case ["update", name]:
                return self.update(name)
            case ["pause"]:
                return PauseWorkflow(request_id=self._next("p"))
            case ["unpause"]:
                return UnpauseWorkflow(request_id=self._next("p"))
            case ["options"]:
                return UpdateWorkflowOptions(
                    options={"build_id": f"b-{move.pick}"}, request_id=self._next("o")
                )
            case ["end"] if move.pick == 0:
                return TerminateWorkflow(reason="enough", request_id=self._next("t"))
            case ["end"]:
                return TimeOutWorkflow() if move.pick == 1 else None
            case ["cancel"]:
                return CancelWorkflow(request_id=self._next("c"))
            case ["child"]:
                child = self._pick(self._open(ev.StartChildWorkflowExecutionInitiated), move.pick)
                return None if child is None else self._end_child(move, child.seq)
            case ["deliver" | "lose"]:
                sent = self._open(
                    ev.SignalExternalWorkflowExecutionInitiated
                    | ev.RequestCancelExternalWorkflowExecutionInitiated
                )
                return self._deliver(self._pick(sent, move.pick), lost=move.kind == "lose")
            case ["again"]:
                return self._pick([*self._sent, *beside], move.pick)
            case _:
                scheduled = self._pick(self._open(ev.ActivityTaskScheduled), move.pick)
                return None if scheduled is None else self._end_badly(move, scheduled.seq)

    def _end_badly(self, move: Move, seq: int) -> Message:
        match move.kind:
            case "fail":
                cause = Failure("cancelled", "gone") if move.pick % 2 else None
                return FailActivity(
                    seq=seq, failure=Failure("application", "no", type="Refused", cause=cause)
                )
            case "time out":
                kinds = ["START_TO_CLOSE", "SCHEDULE_TO_START", "SCHEDULE_TO_CLOSE", "HEARTBEAT"]
                return TimeOutActivity(seq=seq, timeout_type=kinds[move.pick % 4])
            case _:
                return ReportActivityCanceled(seq=seq, details=["stopped"])

    def _end_child(self, move: Move, seq: int) -> Message:
        match move.pick:
            case 0:
                return FailChild(seq=seq, failure=Failure("application", "no", type="Refused"))
            case 1:
                return ReportChildCanceled(seq=seq, details=["stopped"])
            case 2:
                return TimeOutChild(seq=seq)
            case 3:
                return ReportChildTerminated(seq=seq, reason="enough")
            case 4:
                return ReportChildStartFailed(seq=seq, cause="WORKFLOW_ALREADY_EXISTS")
            case _:
                self._outcomes += 1
                return CompleteChild(seq=seq, result=1000 + self._outcomes)

    def _deliver(self, sent: Any, *, lost: bool) -> Message | None:
        match sent:
            case ev.SignalExternalWorkflowExecutionInitiated():
                if lost:
                    return ReportSignalFailed(seq=sent.seq, cause="EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND")
                return ReportSignalDelivered(seq=sent.seq, run_id="r-9")
            case ev.RequestCancelExternalWorkflowExecutionInitiated():
                if lost:
                    return ReportCancelFailed(seq=sent.seq, cause="EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND")
                return ReportCancelDelivered(seq=sent.seq)
            case _:
                return None

    def _settle(self, command: ev.HistoryEvent | None) -> Message | None:
        match command:
            case ev.ActivityTaskScheduled():
                self._outcomes += 1
                return CompleteActivity(seq=command.seq, result=1000 + self._outcomes)
            case ev.ActivityTaskCancelRequested():
                return ReportActivityCanceled(seq=command.seq)
            case ev.TimerStarted():
                self._due = max(self._due, command.fire_at)
                return FireTimer(seq=command.seq)
            case ev.StartChildWorkflowExecutionInitiated():
                if command.seq not in self.execution.state.children and command.input != [NAMESAKE]:
                    return ReportChildStarted(seq=command.seq, run_id=f"cr-{command.seq}")
                endings = {NAMESAKE: 4, FAILING: 0}
                return self._end_child(Move("child", endings.get(command.input[0], 5)), command.seq)
            case _:
                nobody = getattr(command, "workflow_id", "").endswith(NOBODY)
                return self._deliver(command, lost=nobody)

    def signal(self, name: str) -> SignalWorkflow:
        """The next signal of a name; payloads and request ids are never used twice."""
        request_id = self._next("s")
        return SignalWorkflow(signal_name=name, input=[self._outcomes], request_id=request_id)

    def update(self, name: str) -> UpdateWorkflow:
        """The next update of a name; ids are never used twice."""
        update_id = self._next("u")
        return UpdateWorkflow(update_id=update_id, update_name=name, input=[self._outcomes])

    def _next(self, prefix: str) -> str:
        self._outcomes += 1
        return f"{prefix}{self._outcomes}"

    def _open(self, kind: Any) -> list[Any]:
        return [command for command in self.execution.outstanding if isinstance(command, kind)]

    @staticmethod
    def _pick(choices: Sequence[Any], pick: int) -> Any:
        return choices[pick % len(choices)] if choices else None

    # The end --------------------------------------------------------------------------------------------------------

    def finish(self, after: Callable[[Conversation], None]) -> None:
        """Settle what is open, two at a time; where nothing is, send what may be waited for, then ask to stop, then make it."""
        quiet = 0
        if self.execution.state.paused and not self.execution.closed:
            self.tell(UnpauseWorkflow(request_id=self._next("p")))
            after(self)
        while not self.execution.closed:
            self._due = self._at + SECOND
            settled = [self._settle(command) for command in self.execution.outstanding[:2]]
            messages = [message for message in settled if message is not None]
            quiet += not messages
            if messages:
                self.tell(*messages, at=self._due)
            elif quiet <= PATIENCE:
                self.tell(*map(self.signal, "abxy"))
                for name in "uv":
                    after(self)
                    if not self.execution.closed:
                        self.tell(self.update(name))
            elif quiet <= 2 * PATIENCE:
                self.tell(CancelWorkflow(request_id=self._next("c")))
            else:
                self.tell(TerminateWorkflow(reason="it does not end", request_id=self._next("t")))
            after(self)


def play(
    program: Step,
    schedule: Schedule,
    *,
    world: World | None = None,
    after: Callable[[Conversation], None] = lambda conversation: None,
) -> Conversation:
    """Hold a whole conversation; ``after`` is called after each turn.  The execution is closed then, but can be asked."""
    conversation = Conversation(program, world)
    try:
        conversation.begin(schedule.first, tried_again=schedule.tried_again)
        after(conversation)
        for moves in schedule.turns:
            if conversation.execution.closed:
                break
            conversation.take(moves, after)
        conversation.finish(after)
    finally:
        conversation.execution.close()
        if currently_in_test_context():
            note(conversation_text(program, conversation.made))
    return conversation


def again(live: Live, conversation: Conversation, first: int = 0, last: int | None = None) -> None:
    """Tell an execution the turns of a conversation from number ``first`` on; it must answer the same, byte for byte."""
    for made in conversation.made[first:last]:
        same_turn(made, live.turn(made.messages, made.at))


def same_turn(expected: Made, actual: Made) -> None:
    """Fail unless two turns are the same in all that anybody gets to see."""
    assert encode_events(expected.turn.events).decode() == encode_events(actual.turn.events).decode()
    assert expected.turn == actual.turn
    assert expected.consumed[-1:] == actual.consumed[-1:]
    same_position(expected, actual.state, actual.answer, actual.waiting)


def same_position(expected: Made, state: ExecutionState, answer: object, waiting: Sequence[Waiting]) -> None:
    """Fail unless a run is where another one was after a turn."""
    assert expected.state == state
    assert expected.answer == answer
    assert expected.waiting == tuple(waiting)
