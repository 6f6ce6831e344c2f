"""The scopes of the exhaustive search, each a file with what is in it and how much that is expected to be.

``python -m tests.explorer.scopes NAME ...`` searches scopes and writes what it counted: a count that has changed is for a reviewer to
explain.

One rule: a scope is searched whole, or its test fails.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from refold import Execution
from refold import events as ev
from refold.payloads import decode
from refold_adapters.testing import Run
from refold_adapters.testing.exhaustive import Limits, Search
from tests.explorer.pairs import pair, pairs, scope_of

FOLDER = Path(__file__).parent / "scopes"


@attrs.frozen
class Counts:
    """How much there was to search for one pair."""

    #: Orders of events, however they come together in turns.
    schedules: int
    turns: int
    #: Turns that were not made, because the same events in another order are known to come to the same.
    pruned: int
    #: Ways to end, or to stand after the last event.
    ends: int


@attrs.frozen(kw_only=True)
class ScopeFile:
    """One file: a combinator, how many events, how many of them in one turn at most, and the counts of each pair."""

    name: str
    how: str
    events_max: int
    together_max: int
    counts: dict[str, Counts]

    @classmethod
    def read(cls, name: str) -> ScopeFile:
        plain = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
        counts = {pair: Counts(*numbers) for pair, numbers in plain.pop("counts").items()}
        return cls(name=name, counts=counts, **plain)

    @property
    def limits(self) -> Limits:
        """Every order of the events, in every way in which they can come together."""
        return Limits(
            deviations=None, moves=self.events_max, together=self.together_max, messages_together=False
        )

    def write(self) -> None:
        lines = ",\n".join(
            f"    {json.dumps(pair)}: {json.dumps(attrs.astuple(counts))}"
            for pair, counts in self.counts.items()
        )
        plain = attrs.asdict(self, filter=lambda field, _: field.name not in ("name", "counts"))
        head = json.dumps(plain, indent=2).removesuffix("\n}")
        (FOLDER / f"{self.name}.json").write_text(f'{head},\n  "counts": {{\n{lines}\n  }}\n}}\n', "utf-8")


def scope_names(*, events_max: int) -> list[str]:
    """The names of all files of so many events."""
    names = sorted(file.stem for file in FOLDER.glob("*.json"))
    return [name for name in names if ScopeFile.read(name).events_max == events_max]


def pair_names() -> Iterator[tuple[str, str, str]]:
    """All pairs, with the names under which they are counted."""
    return ((f"{left} + {right}", left, right) for left, right in pairs())


def count(how: str, left: str, right: str, limits: Limits) -> Counts:
    """Search one pair whole; raises where a run is wrong."""
    ends: set[Any] = set()

    def holds(run: Run) -> None:
        ends.add(end_of(run))

    searched = Search(scope_of(how, left, right), holds, every_turn=True, limits=limits).run()
    if searched.error is not None:
        raise searched.error
    return Counts(searched.schedules, searched.turns, searched.pruned, len(ends))


def end_of(run: Run) -> tuple[object, ...]:
    """Where a run stands; raises unless all that must hold of any run holds of it."""
    assert [*range(1, len(run.history) + 1)] == [event.event_id for event in run.history], (
        "events are numbered"
    )
    terminal = [event for event in run.history if event.terminal]
    assert ([run.history[-1]] if run.closed else []) == terminal, "a run ends once, with its last event"
    with Execution.load(pair, run.history) as loaded:
        assert run.state == loaded.state, "the state is the fold of the history"
        assert not run.closed or not loaded.outstanding, "nothing is outstanding after the end"
        taken = decode(loaded.query("seen"), list[str])
        waiting = tuple(each.wait for each in loaded.waiting())
    _check_mail(run, taken)
    failure = None if run.failure is None else (run.failure.type, run.failure.message)
    closed = run.state.closed
    result = closed.result if isinstance(closed, ev.WorkflowExecutionCompleted) else None
    return (run.status, result, failure, run.unreceived, tuple(taken), waiting)


def _check_mail(run: Run, taken: list[str]) -> None:
    """What was accepted was taken, waits to be taken, or is named by the end as never taken; in order, and nothing twice."""
    for name in ("note", "bell"):
        accepted = [
            each
            for each in run.history
            if isinstance(each, ev.WorkflowExecutionSignaled) and each.signal_name == name
        ]
        left = len(accepted) - taken.count(name)
        assert left >= 0, f"signal {name} is taken once"
        if run.closed:
            assert left == run.unreceived.count(name), f"signal {name} is taken or named"


if __name__ == "__main__":
    for scope_name in sys.argv[1:]:
        file = ScopeFile.read(scope_name)
        counted = {name: count(file.how, left, right, file.limits) for name, left, right in pair_names()}
        attrs.evolve(file, counts=counted).write()
