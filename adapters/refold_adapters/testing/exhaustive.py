"""Every schedule of a scope, up to a number of deviations from the usual course.

A *schedule* is what happens turn by turn until the run is at rest.  The search is depth first: first what needs no deviation, then what
needs one, and so on, so that the first failure is a simple one.  Two messages may come in one turn, in either order.  (What else comes
together is worked off as if it had come alone, by the order within a turn, so it is no other schedule.)

Schedules that differ only in the order of moves that commute are tried once.  Two moves commute where both are successes of commands
and neither makes code of the user's run: each only fills its place in what the code waits for.  This is the method of sleep sets; a
message that is only buffered lets the sleeping sleep on.

One rule: the search is deterministic; the same code has the same number of schedules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import permutations

import attrs

from refold.messages import Message
from refold_adapters.testing.run import Run
from refold_adapters.testing.scope import Move, Scope
from refold_adapters.testing.trial import Trial, explained

#: How many more schedules are searched for a shorter one, after one was found that is wrong.
SHORTEN_SCHEDULES = 500

#: What is asked of a run; it raises where the run is wrong.
Property = Callable[[Run], object]


@attrs.frozen(kw_only=True)
class Limits:
    """How far a search goes; None is no limit."""

    deviations: int | None = 2
    moves: int | None = None
    schedules: int | None = None
    #: How many moves may make one turn.
    together: int = 2
    #: Whether only messages come together.
    messages_together: bool = True
    #: Whether moves that commute are tried in one order only.
    prune: bool = True


@attrs.define
class Searched:
    """How much was searched, and what was found."""

    #: How many runs came to rest, or to the limit of moves.
    schedules: int = 0
    turns: int = 0
    #: Moves that were not made, because another order of the same is tried.
    pruned: int = 0
    #: Whether the limit of schedules ended it.
    cut: bool = False
    #: The shortest run that is wrong, and what is wrong with it.
    failing: Run | None = None
    error: Exception | None = None


class Search:
    """One search; the property is asked of each run at rest, or with ``every_turn`` after every turn."""

    def __init__(
        self,
        scope: Scope,
        property: Property,
        *,
        every_turn: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self.scope = scope
        self.property = property
        self.every_turn = every_turn
        self.limits = limits or Limits()
        self.searched = Searched()
        self._schedules_max = self.limits.schedules

    def run(self) -> Searched:
        """Search until the limits, or until a run is wrong."""
        most = self.limits.deviations
        for deviations in [None] if most is None else range(most + 1):
            with Trial(self.scope) as trial:
                if self._fails(trial, trial.begin):
                    break
                self._visit(trial, deviations, self.limits.moves, ())
            if self._is_over() or self.searched.error is not None:
                break
        return self.searched

    def _visit(
        self, trial: Trial, deviations: int | None, moves_left: int | None, asleep: Sequence[Message]
    ) -> None:
        """Search on from where a trial stands, with exactly so many more deviations, or any number if None."""
        ended = moves_left == 0 or trial.at_rest
        if not deviations:  # with fewer it was asked before
            if (ended or self.every_turn) and self._fails(trial, partial(self.property, trial.run)):
                return
            self.searched.schedules += ended
        successes: list[Message] = []
        for cost, moves in self._turns(trial, deviations, moves_left):
            if self._is_over():
                return
            if self.limits.prune and len(moves) == 1 and moves[0].message in asleep:
                self.searched.pruned += 1
                continue
            with trial.fork() as child:
                if self._fails(child, partial(child.take, moves)):
                    continue
                self.searched.turns += 1
                commutes = child.inert and (moves[0].success or all(move.told is not None for move in moves))
                self._visit(
                    child,
                    None if deviations is None else deviations - cost,
                    None if moves_left is None else moves_left - len(moves),
                    [*asleep, *successes] if commutes else (),
                )
                if child.inert and len(moves) == 1 and moves[0].success:
                    successes.append(moves[0].message)

    def _turns(
        self, trial: Trial, deviations: int | None, moves_left: int | None
    ) -> Iterator[tuple[int, Sequence[Move]]]:
        """What may make the next turn, with what it costs in deviations."""
        moves = trial.moves()
        most = self.limits.together if moves_left is None else min(self.limits.together, moves_left)
        for count in range(1, most + 1):
            for numbers in permutations(range(len(moves)), count):
                cost = sum(number > 0 for number in numbers)
                together = [moves[number] for number in numbers]
                if (deviations is None or cost <= deviations) and (count == 1 or self._may_meet(together)):
                    yield cost, together

    def _may_meet(self, moves: Sequence[Move]) -> bool:
        """Whether moves may make one turn, and in this order: what is sorted into another is no other turn."""
        if any(move.message.alone for move in moves):
            return False
        if self.limits.messages_together and any(move.told is None for move in moves):
            return False
        ranks = [move.message.rank for move in moves]
        settled = [getattr(move.message, "seq", None) for move in moves if move.told is None]
        return ranks == sorted(ranks) and len(set(settled)) == len(settled)

    def _is_over(self) -> bool:
        self.searched.cut = self._schedules_max is not None and self.searched.schedules >= self._schedules_max
        return self.searched.cut

    def _fails(self, trial: Trial, action: Callable[[], object]) -> bool:
        """Whether an action on a trial raises; the shortest such trial is kept."""
        __tracebackhide__ = True
        try:
            action()
        except Exception as error:
            found = self.searched
            if found.failing is None:
                self._schedules_max = found.schedules + SHORTEN_SCHEDULES
            run = trial.run
            if found.failing is None or len(run.history) < len(found.failing.history):
                found.failing, found.error = run, explained(error, run)
            return True
        return False
