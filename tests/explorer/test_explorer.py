"""Every order of a few events, over all pairs of what a workflow can wait for: nothing is wrong, and there is as much as expected.

At every turn of it the worker crashes before the turn is recorded, and every message is delivered twice (see
``refold_adapters.testing.trial``).
"""

from __future__ import annotations

from typing import Any

import pytest

from refold_adapters.testing import Run
from refold_adapters.testing.exhaustive import Limits, Search
from tests.explorer.pairs import COMBINATORS, KINDS, scope_of
from tests.explorer.scopes import Counts, ScopeFile, count, end_of, pair_names, scope_names


def cases(events_max: int) -> list[Any]:
    """One case for each scope and each kind, which stands first in the pairs of the case."""
    return [
        pytest.param(name, kind, id=f"{name}-{kind}")
        for name in scope_names(events_max=events_max)
        for kind in KINDS
    ]


def search(scope_name: str, kind: str) -> None:
    file = ScopeFile.read(scope_name)
    expected = {name: file.counts[name] for name, left, _ in pair_names() if left == kind}
    actual = {
        name: count(file.how, left, right, file.limits) for name, left, right in pair_names() if left == kind
    }

    assert expected == actual


@pytest.mark.parametrize(("scope_name", "kind"), cases(2))
def test_every_order_of_two_events_is_searched(scope_name: str, kind: str) -> None:
    search(scope_name, kind)


@pytest.mark.slow
@pytest.mark.parametrize(("scope_name", "kind"), cases(4))
def test_every_order_of_four_events_is_searched(scope_name: str, kind: str) -> None:
    search(scope_name, kind)


def test_the_scopes_of_four_events_have_every_combinator_and_every_pair() -> None:
    files = [ScopeFile.read(name) for name in scope_names(events_max=4)]

    assert sorted(COMBINATORS) == sorted(file.how for file in files)
    assert [[name for name, _, _ in pair_names()]] * len(files) == [[*file.counts] for file in files]


@pytest.mark.parametrize("how", COMBINATORS)
@pytest.mark.parametrize(
    ("left", "right"), [("activity", "activity"), ("signal", "timer"), ("child", "handle")]
)
def test_orders_that_are_left_out_come_to_the_same(how: str, left: str, right: str) -> None:
    assert ends(how, left, right, prune=False) == ends(how, left, right, prune=True)


@pytest.mark.parametrize(
    ("left", "right"), [("activity", "handled"), ("update", "signal"), ("in time", "timer")]
)
def test_outcomes_in_one_turn_come_to_the_same_as_in_a_turn_each(left: str, right: str) -> None:
    together = ends("first_of", left, right, together=3, messages_together=False)

    assert ends("first_of", left, right, together=3, messages_together=True) == together


def ends(how: str, left: str, right: str, **limits: Any) -> set[Any]:
    """How the runs of a pair stand at the end of all schedules of three events."""
    found: set[Any] = set()
    changes: dict[str, Any] = {"deviations": None, "moves": 3, **limits}
    settings = Limits(**changes)
    searched = Search(scope_of(how, left, right), lambda run: found.add(end_of(run)), limits=settings).run()

    assert searched.error is None
    return found


def test_a_history_with_a_gap_is_no_end() -> None:
    scope = scope_of("first_of", "activity", "timer")
    searched = Search(scope, lambda run: end_of(Run(run.definition, run.history[1:]))).run()

    assert "events are numbered" in str(searched.error)


def test_counts_say_what_they_count() -> None:
    limits = Limits(deviations=None, moves=1)

    # A note, a request to stop, the activity's two ends, the timer.
    assert Counts(schedules=5, turns=5, pruned=0, ends=5) == count("all_of", "activity", "timer", limits)
