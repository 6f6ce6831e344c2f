"""``@explore``: a property of a workflow becomes a test that searches for a schedule under which it does not hold.

First what was found before is tried again, then every schedule with few deviations, then random ones with any number of them.

One rule: what is found is a history in a file; that file is the failure, and trying it again needs nothing else.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs

from refold import WorkflowDefinition
from refold.codec import encode_events
from refold.messages import Message
from refold_adapters.fast_codec import event_decoder
from refold_adapters.testing.again import play_again
from refold_adapters.testing.exhaustive import Limits, Property, Search
from refold_adapters.testing.run import Run
from refold_adapters.testing.scope import Scope
from refold_adapters.testing.trial import explained


def explore(
    workflow: WorkflowDefinition[..., Any] | type[Any],
    *args: object,
    outcomes: Mapping[Any, Sequence[object]] | None = None,
    messages: Sequence[Message] = (),
    faults: bool | Sequence[Any] = True,
    every_turn: bool = False,
    deviations_max: int = 2,
    moves_max: int = 100,
    examples: int | None = None,
    found: str | Path = ".refold/found",
) -> Callable[[Property], Callable[[], None]]:
    """Make a test of a property: a function of a :class:`Run` that raises where the run is wrong.

    ``args`` are the arguments of the workflow.  ``outcomes`` says of each activity and child workflow how it may end: a list of
    results, of errors to fail with, and of functions that make a result of its arguments as plain data, the usual one first.
    ``messages`` are what clients may send at any time, each at most once: ``signal(...)``, ``update(...)``, ``cancel()``.  With
    ``faults``, workers are lost: activities time out before or after they took effect or run twice, and what is for other workflows
    does not reach them.

    The property is asked of each run that has ended, waits for a message, or has had ``moves_max`` things happen to it, with
    ``every_turn`` also after each turn.  All runs with at most ``deviations_max`` deviations from the usual course are tried, then
    ``examples`` random ones (as many as the profile of Hypothesis says, if None; none, if it is not installed).  At every turn of each,
    the worker crashes and every message is delivered twice.

    A run that is wrong is saved in the folder ``found``, and tried first from then on.
    """
    scope = Scope.of(workflow, args, outcomes=outcomes or {}, messages=messages, faults=faults)

    def decorate(property: Property) -> Callable[[], None]:
        name = f"{property.__module__.rpartition('.')[2]}.{property.__name__}.jsonl"
        exploration = _Exploration(
            scope=scope,
            property=property,
            every_turn=every_turn,
            deviations_max=deviations_max,
            moves_max=moves_max,
            examples=examples,
            file=Path(found) / name,
        )

        # The test takes no arguments: pytest would take the property's for a fixture.
        @functools.wraps(property, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
        def test() -> None:
            __tracebackhide__ = True  # of interest is where the property raises
            exploration.run()

        del test.__wrapped__
        return test

    return decorate


@attrs.frozen(kw_only=True)
class _Exploration:
    scope: Scope
    property: Property
    every_turn: bool
    deviations_max: int
    moves_max: int
    examples: int | None
    #: Where a run that is wrong is saved.
    file: Path

    def run(self) -> None:
        """Raise if a run is found that is wrong."""
        __tracebackhide__ = True
        self._again()
        self._all()
        if self.examples != 0 and importlib.util.find_spec("hypothesis") is not None:
            self._random()

    def _again(self) -> None:
        __tracebackhide__ = True
        if not self.file.exists():
            return
        history = event_decoder()(self.file.read_bytes().removesuffix(b"\n"))
        with play_again(self.scope, history, self.moves_max) as trial:
            try:
                self._ask(trial.run)
            except Exception as error:
                explained(error, trial.run).add_note(f"\nit was found before, and is in {self.file}")
                raise

    def _all(self) -> None:
        __tracebackhide__ = True
        limits = Limits(deviations=self.deviations_max, moves=self.moves_max)
        searched = Search(self.scope, self.property, every_turn=self.every_turn, limits=limits).run()
        if searched.error is not None:
            assert searched.failing is not None
            self._save(searched.failing, searched.error)
            raise searched.error

    def _random(self) -> None:
        __tracebackhide__ = True
        from hypothesis import HealthCheck, Phase, given, settings

        from refold_adapters.testing.drawing import runs_of

        wrong: list[Run] = []

        @given(run=runs_of(self.scope, self.moves_max))
        def check(run: Run) -> None:
            __tracebackhide__ = True
            try:
                self._ask(run)
            except Exception:
                wrong[:] = [run]
                raise

        changes: dict[str, Any] = {} if self.examples is None else {"max_examples": self.examples}
        try:
            settings(
                **changes,
                # How long a run takes is the workflow's affair, and the timeline explains more than the lines that failing examples share.
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow],
                phases=[phase for phase in Phase if phase is not Phase.explain],
                report_multiple_bugs=False,
            )(check)()
        except Exception as error:
            if wrong:  # Hypothesis tries the shortest one last
                self._save(wrong[-1], explained(error, wrong[-1]))
            raise

    def _save(self, run: Run, error: Exception) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_bytes(encode_events(run.history) + b"\n")
        error.add_note(f"\nthe run is saved in {self.file}, and tried first from now on")

    def _ask(self, run: Run) -> None:
        """Ask the property of a run, and before that of its beginnings, if it is one of every turn."""
        __tracebackhide__ = True
        if self.every_turn:
            for one, following in pairwise(run.history):
                if one.turn != following.turn:
                    self.property(Run(run.definition, run.history[: one.event_id]))
        self.property(run)
