"""Random schedules, drawn by Hypothesis, which also makes the failing ones short.

One rule: what is drawn is a list of choices, 0 of which is the usual one; so Hypothesis, which prefers small numbers, ends at a
schedule that deviates only where it must.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from refold import WorkflowDefinition
from refold.messages import Message
from refold_adapters.testing.run import Run
from refold_adapters.testing.scope import Move, Scope
from refold_adapters.testing.trial import Trial, explained

#: How many moves a run is given at most, unless a test says otherwise.
MOVES_MAX = 100


def runs(
    workflow: WorkflowDefinition[..., Any] | type[Any],
    *args: object,
    outcomes: Mapping[Any, Sequence[object]] | None = None,
    messages: Sequence[Message] = (),
    faults: bool | Sequence[Any] = True,
    moves_max: int = MOVES_MAX,
) -> st.SearchStrategy[Run]:
    """Runs of a workflow, brought to rest: a strategy for ``@given``; see :func:`explore` for the arguments."""
    scope = Scope.of(workflow, args, outcomes=outcomes or {}, messages=messages, faults=faults)
    return runs_of(scope, moves_max)


def runs_of(scope: Scope, moves_max: int) -> st.SearchStrategy[Run]:
    """Runs of a scope."""
    return _drawn(scope, moves_max)


@st.composite
def _drawn(draw: st.DrawFn, scope: Scope, moves_max: int) -> Run:
    with Trial(scope) as trial:
        try:
            trial.begin()
            for _ in range(moves_max):
                moves = trial.moves()
                if not moves or (trial.at_rest and not draw(st.booleans())):
                    break
                trial.take(_chosen(draw, moves))
        except Exception as error:
            raise explained(error, trial.run) from None
        return trial.run


def _chosen(draw: st.DrawFn, moves: Sequence[Move]) -> list[Move]:
    """The moves of one turn: the usual one as often as all others together; a message may come with another."""
    number = draw(st.just(0) | st.integers(0, len(moves) - 1))
    first = moves[number]
    rest = [move for move in moves if move.told is not None and move is not first and not move.message.alone]
    if first.told is None or first.message.alone or not rest or not draw(st.booleans()):
        return [first]
    return [first, draw(st.sampled_from(rest))]
