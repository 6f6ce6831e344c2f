"""One run under test, in memory: turn by turn, with a crash before each of them and every message delivered twice.

One rule: whatever a turn answers, a worker that died before it was recorded, read the history, and was given each message twice must answer
too, byte for byte; and once it is recorded, the same messages again must come to nothing.  A trial checks that at every turn.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Self

from refold import Execution, Turn, decide_turn, fold
from refold import events as ev
from refold.codec import encode_events
from refold.messages import Message
from refold_adapters.testing.errors import KitError
from refold_adapters.testing.run import Run
from refold_adapters.testing.scope import Move, Scope
from refold_adapters.testing.watching import runs_code

_SECOND = 1_000_000
#: When every trial begins: 2023-11-14 22:13:20 UTC, in microseconds.
_BEGIN = 1_700_000_000 * _SECOND


class Trial:
    """A run of a scope, from its start or from a history of an earlier trial."""

    def __init__(
        self, scope: Scope, history: Sequence[ev.HistoryEvent] = (), told: frozenset[int] = frozenset()
    ) -> None:
        self.scope = scope
        self.history: list[ev.HistoryEvent] = list(history)
        #: Which messages of the scope were sent.
        self.told = told
        #: What the turn is made of that is being made, or that failed.
        self.telling: Sequence[Message] = ()
        self._at = _BEGIN
        #: Whether the last turn was inert: no code of the user's ran, and nothing was asked for.
        self.inert = False
        self.execution = Execution.load(scope.definition, history)

    def begin(self) -> None:
        """Make the first turn, of the start alone."""
        self._turn([self.scope.start()], _BEGIN)

    @property
    def run(self) -> Run:
        """What a property is asked about; after a turn that failed, with what came in from outside for it."""
        failed: Sequence[ev.HistoryEvent] = ()
        if self.telling:
            failed = decide_turn(fold(self.history), self.telling, at=self._at)
        return Run(self.scope.definition, [*self.history, *failed])

    def moves(self) -> list[Move]:
        """What can happen next."""
        return self.scope.moves(self.execution.state, self.told)

    @property
    def at_rest(self) -> bool:
        """Whether nothing is outstanding: the run has ended, or waits for a message."""
        return not self.execution.outstanding

    def take(self, moves: Sequence[Move]) -> None:
        """Make one turn of some moves."""
        at = max([self.execution.state.at + _SECOND, *(move.not_before for move in moves)])
        turn, ran = runs_code(lambda: self._turn([move.message for move in moves], at))
        self.told |= {move.told for move in moves if move.told is not None}
        self.inert = not ran and all(event.external for event in turn.events)

    def _turn(self, messages: Sequence[Message], at: int) -> Turn:
        self.telling, self._at = messages, at
        turn = self.execution.turn(*messages, at=at)
        self._crash(messages, at, turn)
        self.history += turn.events
        self.telling = ()
        return turn

    def _crash(self, messages: Sequence[Message], at: int, turn: Turn) -> None:
        twice = (
            messages if messages[0].alone else [each for message in messages for each in (message, message)]
        )
        profile = sys.getprofile()
        sys.setprofile(None)  # what runs here, runs again
        try:
            with Execution.load(self.scope.definition, self.history) as other:
                self._same(turn.events, other.turn(*twice, at=at).events)
                for message in messages:
                    self._same((), other.turn(message, at=at + 1).events)
        finally:
            sys.setprofile(profile)

    def _same(self, expected: Sequence[ev.HistoryEvent], actual: Sequence[ev.HistoryEvent]) -> None:
        old, new = (encode_events(events).decode() for events in (expected, actual))
        if old != new:
            raise KitError(
                "RF5302",
                f"{self.scope.definition.name} answers otherwise after a crash:\n    {new}\n  instead of\n    {old}",
                why="it reads something that is not in its history: a clock, a random number, the order of a set, a global",
                fix="take what it reads from an activity, side_effect, now(), random() or uuid4()",
            )

    def fork(self) -> Trial:
        """Another trial that stands where this one stands: its worker has read the history."""
        return Trial(self.scope, self.history, self.told)

    def close(self) -> None:
        """Put it out of memory."""
        self.execution.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def explained(error: Exception, run: Run) -> Exception:
    """An error with the timeline of the run that it was raised for."""
    error.add_note(f"\nwhat happened:\n{run.timeline()}")
    return error
