"""Faults that are planted on purpose: a matrix that finds none of them would prove nothing.

One rule: each is a plausible mistake of a store, and everything goes well with it as long as no process is killed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from refold_adapters.ports import Accepted, AcceptMessage, CommitTurn, ConsumeMessages, Outcome, Write


@attrs.define(eq=False)
class _Faulty:
    """A store that is well, but for what a subclass does with writes; each of its own calls may be the last of the process."""

    store: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


@attrs.define(eq=False)
class AcknowledgesEarly(_Faulty):
    """Says that a message is accepted, and puts it down only when something is next asked of it."""

    late: list[Write] = attrs.field(factory=list[Write])

    def apply(self, writes: Sequence[Write]) -> list[Outcome]:
        late, self.late = self.late, []
        if late:
            self.store.apply(late)
        match writes:
            case [AcceptMessage() as write]:
                row = self.store.find_run(write.workflow_id, write.run_id)
                self.late = [write]
                return [Accepted(row.run_id, None)]
            case _:
                outcomes: list[Outcome] = self.store.apply(writes)
                return outcomes


@attrs.define(eq=False)
class CommitsInTwo(_Faulty):
    """Takes messages out of the inbox in one commit, and puts down the turn that they made in the next."""

    def apply(self, writes: Sequence[Write]) -> list[Outcome]:
        turns = [write for write in writes if isinstance(write, CommitTurn) and write.consumed]
        for turn in turns:
            taken = ConsumeMessages(token=turn.token, run_id=turn.run_id, message_ids=turn.consumed)
            self.store.apply([taken])
        outcomes: list[Outcome] = self.store.apply(
            [attrs.evolve(write, consumed=()) if write in turns else write for write in writes]
        )
        return outcomes


PLANTED: dict[str, Any] = {
    "acknowledges before the commit": AcknowledgesEarly,
    "two commits a turn": CommitsInTwo,
}
