"""What a worker keeps of one run between its turns."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import TypeAlias

import attrs

from refold import Execution, Turn
from refold.messages import Message
from refold_adapters.ports import CommitTurn, CreateRun, InboxMessage, Outcome, Write
from refold_adapters.tasks import Ended

#: A write that goes with the next batch, and who waits for its outcome.
Leftover: TypeAlias = tuple[Write, Future[Outcome] | None]


@attrs.define(eq=False)
class LiveRun:
    """A run that is in memory, and what its next turn is made of."""

    run_id: str
    workflow_id: str
    workflow_type: str
    task_queue: str
    takeovers: int = 0
    execution: Execution | None = None
    #: The start that its first turn is committed together with.
    creation: CreateRun | None = None
    messages: list[Message] = attrs.field(factory=list[Message])
    #: Inbox ids behind ``messages``.
    consumed: list[int] = attrs.field(factory=list[int])
    #: Attempts behind ``messages``, by their end.
    ended: list[Ended] = attrs.field(factory=list[Ended])
    #: Those of ``messages`` that clients of this process sent, and who waits for their acceptance.
    accepting: list[tuple[Message, Future[Outcome]]] = attrs.field(
        factory=list[tuple[Message, Future[Outcome]]]
    )
    redos: int = 0
    #: Its last turn is made and is only to be committed: whatever still comes waits in the store, and ends up undelivered.
    is_closing: bool = False

    def begin_anew(self) -> None:
        """The turn is committed: the next one is made of what comes from now on."""
        self.creation = None
        self.messages, self.consumed, self.ended, self.accepting = [], [], [], []
        self.redos = self.takeovers = 0

    def close(self) -> tuple[str, ...]:
        """Throw the execution away; returns where its code yielded while it was closed."""
        execution, self.execution = self.execution, None
        return () if execution is None else execution.close()

    @property
    def finished(self) -> tuple[tuple[int, int], ...]:
        """``(seq, attempt)`` of the attempts behind its messages."""
        return tuple((ended.attempt.seq, ended.attempt.number) for ended in self.ended)

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
    #: Messages that the turn, being redone too often, records as undelivered.
    undelivered: Sequence[InboxMessage] = ()

    @property
    def commit(self) -> CommitTurn:
        """The write that appends the turn."""
        commit = self.writes[-1]
        assert isinstance(commit, CommitTurn)
        return commit
