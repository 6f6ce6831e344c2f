"""What a worker keeps of one run between its turns."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import TypeAlias

import attrs

from refold import Execution, Turn
from refold.codec import decode_message
from refold.messages import FireTimer, Message, StartWorkflow, TimeOutWorkflow
from refold_adapters.activities.attempt_ends import Ended
from refold_adapters.activities.task_ends import CHECK
from refold_adapters.built_in import BUILT_IN
from refold_adapters.ports import CommitTurn, CreateRun, InboxMessage, Outcome, ReadyRun, Write
from refold_adapters.turns.turn_writes import DEADLINE
from refold_adapters.turns.update_news import UpdateNews

#: A closing turn is redone this often for messages that came in the meantime; then they are recorded as undelivered.
REDOS_MAX = 3
#: A run that was taken over from a dead worker this often without progress is taken for poison.
TAKEOVERS_MAX = 5

#: A write that goes with the next batch, and who waits for its outcome.
Leftover: TypeAlias = tuple[Write, Future[Outcome] | None]


@attrs.define(eq=False)
class Rest:
    """Messages for a later turn, and where they came from; the fields are those of :class:`LiveRun`."""

    messages: list[Message] = attrs.field(factory=list[Message])
    consumed: list[int] = attrs.field(factory=list[int])
    taken: list[Message] = attrs.field(factory=list[Message])
    ended: list[Ended] = attrs.field(factory=list[Ended])
    accepting: list[tuple[Message, Future[Outcome]]] = attrs.field(
        factory=list[tuple[Message, Future[Outcome]]]
    )


@attrs.define(eq=False)
class LiveRun:
    """A run that is in memory, and what its next turn is made of."""

    run_id: str
    workflow_id: str
    workflow_type: str
    task_queue: str
    takeovers: int = 0
    execution: Execution | None = None
    #: How large its history is, as it is stored.
    history_bytes: int = 0
    #: When its time is up, as was fixed when it was created.
    ends_at: int | None = None
    #: The start that its first turn is committed together with.
    creation: CreateRun | None = None
    messages: list[Message] = attrs.field(factory=list[Message])
    #: Inbox ids behind ``messages``, and their messages.
    consumed: list[int] = attrs.field(factory=list[int])
    taken: list[Message] = attrs.field(factory=list[Message])
    #: Attempts behind ``messages``, by their end.
    ended: list[Ended] = attrs.field(factory=list[Ended])
    #: Those of ``messages`` that clients of this process sent, and who waits for their acceptance.
    accepting: list[tuple[Message, Future[Outcome]]] = attrs.field(
        factory=list[tuple[Message, Future[Outcome]]]
    )
    #: What waits for a later turn, as a message before it makes a turn alone.
    rest: Rest | None = None
    #: Its time is up: it is to be closed when it has been shown what came before.
    expired: bool = False
    #: Those of ``messages`` that say that an activity's time is up: its task goes with their turn.
    timed_out: list[Message] = attrs.field(factory=list[Message])
    redos: int = 0
    #: Its last turn is made and is only to be committed: whatever still comes waits in the store, and ends up undelivered.
    is_closing: bool = False

    def hear(self, ready: ReadyRun) -> None:
        """What the store has for it is for its next turn; a paused run is shown nothing, and can only be over."""
        self.expired = self.expired or DEADLINE in ready.due_timers
        if ready.row.paused_at is not None:
            return
        self.take(ready.messages)
        self.messages += [FireTimer(seq=seq) for seq in ready.due_timers if DEADLINE < seq < CHECK]

    def take(self, messages: Sequence[InboxMessage]) -> None:
        """Messages of its inbox are for its next turn, if they are not yet."""
        known = dict.fromkeys(self.consumed)
        for inbox in messages:
            if inbox.message_id not in known:
                message = decode_message(inbox.data)
                self.messages.append(message)
                self.consumed.append(inbox.message_id)
                self.taken.append(message)

    def pin(self, build_id: str) -> None:
        """If it is to start, it belongs to that build, unless its starter has chosen one, or its code is that of refold."""
        first = self.messages[0] if self.messages else None
        if self.workflow_type in BUILT_IN:
            return
        if isinstance(first, StartWorkflow) and first.build_id is None:
            self.messages[0] = attrs.evolve(first, build_id=build_id)

    def begin_anew(self) -> None:
        """The turn is committed: the next one is made of what comes from now on."""
        self.creation = None
        if self.timed_out:
            gone = dict.fromkeys(map(id, self.messages))
            self.timed_out = [message for message in self.timed_out if id(message) not in gone]
        self.messages, self.consumed, self.taken, self.ended, self.accepting = [], [], [], [], []
        self.redos = self.takeovers = 0
        self.reunite()

    def choose(self) -> None:
        """Say what the next turn is made of; that its time is up is said when nothing else is left to say."""
        if self.expired and not self.messages:
            self.messages.append(TimeOutWorkflow())
        if len(self.messages) > 1 and any(message.alone for message in self.messages):
            self.divide()

    def divide(self) -> None:
        """Keep what can make one turn: messages before completions, and one that makes a turn alone by itself."""
        ordered = sorted(self.messages, key=lambda message: message.rank)
        end = next((index for index, message in enumerate(ordered) if message.alone), len(ordered))
        end = end or 1
        later = {id(message): True for message in ordered[end:]}
        rest = Rest()
        for message in ordered[end:]:
            rest.messages.append(message)
        for place, message in zip(self.consumed, self.taken, strict=True):
            if id(message) in later:
                rest.consumed.append(place)
                rest.taken.append(message)
        rest.ended = [ended for ended in self.ended if id(ended.message) in later]
        rest.accepting = [pair for pair in self.accepting if id(pair[0]) in later]
        self.messages = ordered[:end]
        kept = [pair for pair in zip(self.consumed, self.taken, strict=True) if id(pair[1]) not in later]
        self.consumed = [place for place, _ in kept]
        self.taken = [message for _, message in kept]
        self.ended = [ended for ended in self.ended if id(ended.message) not in later]
        self.accepting = [pair for pair in self.accepting if id(pair[0]) not in later]
        self.rest = rest if rest.messages else None

    def take_next(self) -> None:
        """The first of what waits has come into this turn's commit after all."""
        rest = self.rest
        assert rest is not None
        message = rest.messages.pop(0)
        self.messages.append(message)
        self.accepting += [pair for pair in rest.accepting if pair[0] is message]
        rest.accepting = [pair for pair in rest.accepting if pair[0] is not message]

    def reunite(self) -> None:
        """Put what waits for a later turn behind what there is."""
        rest, self.rest = self.rest, None
        if rest is not None:
            self.messages += rest.messages
            self.consumed += rest.consumed
            self.taken += rest.taken
            self.ended += rest.ended
            self.accepting += rest.accepting

    def close(self) -> tuple[str, ...]:
        """Throw the execution away; returns where its code yielded while it was closed."""
        execution, self.execution = self.execution, None
        return () if execution is None else execution.close()

    @property
    def is_paused(self) -> bool:
        """Whether its history says that it is paused."""
        return self.execution is not None and self.execution.state.paused

    @property
    def dropped(self) -> tuple[int, ...]:
        """``seq`` of the activities whose time is up, as its messages say."""
        if not self.timed_out:
            return ()
        present = dict.fromkeys(map(id, self.messages))
        return tuple(getattr(message, "seq") for message in self.timed_out if id(message) in present)  # noqa: B009

    @property
    def finished(self) -> tuple[tuple[int, int], ...]:
        """``(seq, attempt)`` of the attempts behind its messages."""
        attempts = [ended.attempt for ended in self.ended]
        return tuple([(attempt.seq, attempt.number) for attempt in attempts if not attempt.options.local])

    @property
    def log_fields(self) -> dict[str, str]:
        """For the ``extra`` of log records."""
        return {"workflow_id": self.workflow_id, "run_id": self.run_id, "workflow_type": self.workflow_type}


@attrs.define(eq=False)
class Made:
    """A turn that was made and not yet committed."""

    live: LiveRun
    turn: Turn
    #: The start, where the turn is a run's first and made together with it, and the commit.
    writes: list[Write]
    #: The activities it scheduled, and whether this worker took a slot to run them.
    claimed: dict[int, bool]
    #: The first turn of a run that is made together with its second.
    first: Turn | None = None
    #: What became of an update that came with the start and was refused.
    refusal: UpdateNews | None = None
    #: Messages that the turn, being redone too often, records as undelivered.
    undelivered: Sequence[InboxMessage] = ()

    @property
    def commit(self) -> CommitTurn:
        """The write that appends the turn."""
        commit = self.writes[-1]
        assert isinstance(commit, CommitTurn)
        return commit

    @property
    def history_bytes(self) -> int:
        """By how much the history grows."""
        return sum(len(write.data) for write in self.writes if isinstance(write, CommitTurn))
