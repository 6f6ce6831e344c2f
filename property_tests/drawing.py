"""Draws programs and schedules at random; see ``programs`` and ``schedules`` for what they are.

Depth is bounded by construction, so that what shrinks is the number of steps.
"""

from __future__ import annotations

from functools import cache

from hypothesis import settings
from hypothesis import strategies as st

from property_tests.changes import numbered
from property_tests.programs import (
    Act,
    AllHandled,
    Answered,
    Ask,
    Begin,
    Beside,
    Child,
    Compensated,
    Compute,
    Deprecate,
    Fail,
    Finally,
    Gather,
    Guard,
    Handled,
    Join,
    Memo,
    Patch,
    Receive,
    Renew,
    Send,
    Seq,
    Shielded,
    Spawn,
    Step,
    Stop,
    Sub,
    Tell,
    Timer,
    Until,
    Within,
)
from property_tests.running import ACTIVITIES, CHILDREN, QUESTIONS, RENEWALS
from property_tests.schedules import MOVES, Move, Schedule

#: How deep steps are nested in steps.
DEPTH = 5

#: For every law: failures print what reproduces them, and each run looks at other examples.
law = settings(print_blob=True, derandomize=False)

_labels = st.integers(0, 9)
_keys = st.sampled_from(["h", "k"])
_seconds = st.integers(0, 5)
_received = st.sampled_from(["a", "b"])
_handled = st.sampled_from(["x", "y"])
_updates = st.sampled_from(["u", "v"])
_noted = st.sampled_from(["x", "y", "u", "v"])
_patch_ids = st.sampled_from(["p", "q"])


def _tuples(inner: st.SearchStrategy[Step], least: int, most: int) -> st.SearchStrategy[tuple[Step, ...]]:
    return st.lists(inner, min_size=least, max_size=most).map(tuple)


def _weighted(*kinds: tuple[int, st.SearchStrategy[Step]]) -> st.SearchStrategy[Step]:
    """One of some strategies, by weight (``one_of`` drops what is named twice); the first is the simplest."""
    choices = [kind for weight, kind in kinds for _ in range(weight)]
    return st.sampled_from(range(len(choices))).flatmap(choices.__getitem__)


@cache
def _leaves(without: tuple[str, ...]) -> st.SearchStrategy[Step]:
    questions = [each for each in QUESTIONS if each not in without]
    return _weighted(
        (12, _acts(without)),
        (5, st.builds(Timer, _seconds)),
        (4, st.builds(Receive, _received)),
        (2, st.builds(Until, _noted, st.integers(1, 3), st.one_of(st.none(), _seconds))),
        (1, st.builds(Handled, _handled, st.none())),
        (1, st.builds(Answered, _updates, st.none(), st.booleans())),
        (3, st.builds(Ask, st.sampled_from(questions))),
        (1, st.builds(Compute, _labels)),
        (1, st.builds(Fail, st.sampled_from(["Small", "Large"]))),
        (3, st.builds(Join, _keys)),
        (3, st.builds(Stop, _keys)),
        (0 if "patches" in without else 1, st.builds(Deprecate, _patch_ids)),
        (0 if "others" in without else 6, _others()),
    )


def _others() -> st.SearchStrategy[Step]:
    """Steps that deal with other runs, or with the run itself."""
    how = st.sampled_from(CHILDREN)
    return _weighted(
        (6, st.builds(Child, how, _labels)),
        (3, st.builds(Spawn, _keys, how, _labels)),
        (4, st.builds(Send, st.sampled_from(["signal", "cancel"]), _labels)),
        (2, st.builds(Tell, _keys, _labels)),
        (3, st.builds(_raised, _keys, how, _labels)),
        (4, st.builds(Memo, _labels, st.booleans())),
        (1, st.builds(Renew, st.sampled_from(list(RENEWALS)))),
    )


def _raised(key: str, how: str, label: int) -> Step:
    """A child that is told something and then waited for."""
    return Seq((Spawn(key, how, label), Tell(key, label), Join(key)))


def _acts(without: tuple[str, ...]) -> st.SearchStrategy[Step]:
    names = [name for name in ACTIVITIES if name not in without]
    return st.builds(Act, st.sampled_from(names), _labels, st.sampled_from(["", "", "locally", "by name"]))


@cache
def _steps(depth: int, without: tuple[str, ...]) -> st.SearchStrategy[Step]:
    leaves = _leaves(without)
    if depth == 0:
        return leaves
    inner = _steps(depth - 1, without)
    cleanup = st.one_of(st.none(), leaves)
    waits = _weighted(
        (3, _acts(without)),
        (1, st.builds(Timer, _seconds)),
        (1, st.builds(Receive, _received)),
        (0 if "others" in without else 1, _others()),
    )
    return _weighted(
        (3, leaves),
        (3, st.builds(Gather, st.sampled_from(["first_of", "any_of", "all_of"]), _tuples(waits, 2, 3))),
        (2, st.builds(Seq, _tuples(inner, 1, 4))),
        (2, st.builds(Gather, st.sampled_from(["first_of", "any_of"]), _tuples(inner, 1, 4))),
        (2, st.builds(Gather, st.sampled_from(["all_of", "all_settled"]), _tuples(inner, 0, 4))),
        (0 if "starts" in without else 2, st.builds(Begin, _keys, inner)),
        (0 if "starts" in without else 1, st.builds(Beside, inner, inner)),
        (0 if "shields" in without else 1, st.builds(Shielded, inner)),
        (1, st.builds(Within, _seconds, inner)),
        (2, st.builds(Guard, inner, st.sampled_from(["failure", "cancel", "both"]), cleanup, st.booleans())),
        (1, st.builds(Finally, inner, cleanup)),
        (1, st.builds(Sub, inner, st.booleans())),
        (1, st.builds(Handled, _handled, inner, st.booleans())),
        (2, st.builds(Answered, _updates, inner, st.booleans())),
        (
            0 if "shields" in without else 1,
            st.builds(Compensated, st.lists(st.tuples(inner, _labels), max_size=2).map(tuple), inner),
        ),
        (0 if "patches" in without else 1, st.builds(Patch, _patch_ids, inner, inner)),
    )


def programs(*without: str) -> st.SearchStrategy[Step]:
    """Programs of every effect but those named: an activity, a question, ``patches``, ``starts``, ``shields`` or ``others``."""
    ends = st.sampled_from([(), (AllHandled(),)])
    steps = _tuples(_steps(DEPTH - 1, without), 2, 6)
    return st.builds(_joined, steps, ends)


def _joined(first: tuple[Step, ...], last: tuple[Step, ...]) -> Step:
    return Seq((*first, *last))


@cache
def _confluent_steps(depth: int, answered: bool) -> st.SearchStrategy[Step]:
    acts = _acts(())
    leaves = _weighted(
        (3, acts), (1, st.builds(Timer, _seconds)), (1 if answered else 0, st.builds(Compute, st.just(1)))
    )
    if depth == 0:
        return leaves
    inner = _confluent_steps(depth - 1, answered)
    return _weighted(
        (2, leaves),
        (2, st.builds(Seq, _tuples(inner, 1, 4))),
        (3, st.builds(Gather, st.sampled_from(["all_of", "all_settled"]), _tuples(inner, 1, 4))),
        (2, st.builds(Beside, inner, inner)),
        (1, st.builds(Shielded, inner)),
        (1, st.builds(Sub, inner, st.booleans())),
        (1, st.builds(Guard, inner, st.just("failure"), st.one_of(st.none(), acts), st.booleans())),
    )


def confluent_programs(*, answered: bool = True) -> st.SearchStrategy[Step]:
    """Programs without a race: whatever the order in which their commands end, they come to the same result.

    That holds while no more than one of their activities fails; each activity has a label of its own.  Unless steps may be
    ``answered`` at once, each of them waits.
    """
    return st.builds(Seq, _tuples(_confluent_steps(DEPTH - 1, answered), 2, 3)).map(numbered)


@cache
def _single_steps(depth: int) -> st.SearchStrategy[Step]:
    leaves = _weighted(
        (3, _acts(("patient",))),
        (2, st.builds(Timer, _seconds)),
        (1, st.builds(Receive, _received)),
        (1, st.builds(Until, _handled, st.integers(1, 3), st.one_of(st.none(), _seconds))),
        (1, st.builds(Ask, st.sampled_from(list(QUESTIONS)))),
    )
    if depth == 0:
        return leaves
    inner = _single_steps(depth - 1)
    catches = st.sampled_from(["cancel", "both"])
    return _weighted(
        (2, leaves),
        (3, st.builds(Seq, _tuples(inner, 1, 4))),
        (4, st.builds(Guard, inner, catches, st.one_of(st.none(), leaves), st.just(False))),
        (2, st.builds(Sub, inner, st.booleans())),
        (1, st.builds(Finally, inner, st.none())),
    )


def single_programs() -> st.SearchStrategy[Step]:
    """Programs in which nothing runs beside anything else, and what is cancelled does not wait to have stopped."""
    return st.builds(Seq, _tuples(_single_steps(DEPTH - 1), 2, 5))


def handling_programs() -> st.SearchStrategy[Step]:
    """Programs that handle ``x`` and ``y`` from their first turn on."""
    return programs().map(lambda program: Seq((Handled("x"), Handled("y"), program)))


def schedules(*often: str) -> st.SearchStrategy[Schedule]:
    """What happens to a run from outside, turn by turn; the moves named happen more often than others."""
    moves = st.builds(Move, st.sampled_from([*MOVES, *often * 20]), st.integers(0, 5))
    turns = st.lists(moves, min_size=1, max_size=4).map(tuple)
    return st.builds(
        Schedule,
        st.lists(moves, max_size=2).map(tuple),
        st.lists(turns, max_size=12).map(tuple),
        st.booleans(),
    )
