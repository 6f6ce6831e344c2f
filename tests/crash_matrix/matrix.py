"""The matrix: every scenario, once without a crash, and once for each point at which something happens to its process.

One rule: each process is forked from this one, which has everything loaded and no store open, so a point costs no start of Python; and the
next process begins when the last one is dead and buried.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import random
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from refold_adapters.sqlite import SqliteStore
from tests.crash_matrix.dying import KILLS, DyingStore, How, Point
from tests.crash_matrix.judge import Outcome, judge
from tests.crash_matrix.ledger import Ledger
from tests.crash_matrix.one_thread import SharedClock
from tests.crash_matrix.planted import PLANTED
from tests.crash_matrix.play import Place, play
from tests.crash_matrix.scenarios import Scenario

#: A process that takes longer hangs; this is real time.
_SECONDS_MAX = 60


@attrs.frozen
class Violation:
    """What was wrong after a scenario to whose processes these things had happened."""

    scenario: str
    points: tuple[Point, ...]
    wrong: list[str]

    def __str__(self) -> str:
        points = ", then ".join(f"{point.how.value} at operation {point.at}" for point in self.points)
        return "\n  ".join([f"{self.scenario}: {points or 'nothing happened'}", *self.wrong])


@attrs.define(eq=False)
class Matrix:
    """Plays scenarios in a folder of its own, in memory where the machine has such a place."""

    folder: Path
    fault: Callable[[DyingStore], Any] | None = None
    clock: SharedClock = attrs.field(factory=SharedClock)
    #: Points that were played, and those of them that were never reached.
    points: int = 0
    unreached: int = 0

    @classmethod
    def made(cls, fault: Callable[[DyingStore], Any] | None = None) -> Matrix:
        """A matrix with an empty store to begin each scenario with."""
        memory = Path("/dev/shm")
        folder = Path(tempfile.mkdtemp(prefix="refold-matrix-", dir=memory if memory.is_dir() else None))
        SqliteStore(folder / "empty.db").close()
        (folder / "place").mkdir()
        return cls(folder, fault)

    def remove(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.folder)

    # One scenario -------------------------------------------------------------------------------------------------------

    def clean(self, scenario: Scenario) -> tuple[Outcome, int, list[int]]:
        """What comes of it if nothing happens; how many operations that takes, and which of them are writes."""
        place = self._begin()
        answers = self._forked(lambda: self._counted(scenario, place))
        outcome, wrong = judge(scenario, place, None, 0)
        if not isinstance(answers, list) or wrong:
            raise AssertionError(str(Violation(scenario.name, (), [str(answers), *wrong])))
        count, writes = answers
        return outcome, count, writes

    def violation(self, scenario: Scenario, expected: Outcome, *points: Point) -> Violation | None:
        """Play it with these points, one a process; what is wrong then, if anything is."""
        place = self._begin()
        self.points += 1
        answer: Any = None
        for point in (*points, None):
            answer = self._forked(lambda: self._counted(scenario, place, point))  # noqa: B023 - called at once
            if answer != -signal.SIGKILL:
                break
        crashes = Ledger(place.ledger).crashes
        self.unreached += crashes < sum(point.how in KILLS for point in points)
        wrong = [] if isinstance(answer, list) else [f"it ended with {answer}"]
        wrong += judge(scenario, place, expected, crashes)[1]
        return Violation(scenario.name, points, wrong) if wrong else None

    def _counted(self, scenario: Scenario, place: Place, point: Point | None = None) -> tuple[int, list[int]]:
        store = play(scenario, place, point)
        return store.count, store.writes

    def _begin(self) -> Place:
        place = self.folder / "place"
        for old in place.iterdir():
            old.unlink()
        shutil.copyfile(self.folder / "empty.db", place / "runs.db")
        self.clock.restart()
        return Place(place, self.clock, self.fault)

    def _forked(self, work: Callable[[], object]) -> Any:
        """What ``work`` answers in a process of its own; or how that has ended, or what it has raised."""
        answer = self.folder / "answer"
        answer.unlink(missing_ok=True)
        pid = os.fork()
        if not pid:
            faulthandler.dump_traceback_later(_SECONDS_MAX, exit=True)
            try:
                answer.write_text(json.dumps(work()))
            except BaseException:
                answer.write_text(json.dumps(traceback.format_exc(limit=-8)))
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        return json.loads(answer.read_text()) if answer.exists() and code >= 0 else code


def points_of(count: int, writes: Sequence[int]) -> Iterator[Point]:
    """Every point of a scenario: each write killed before, killed after, with its reply lost and refused; each read without an answer."""
    for at in range(1, count + 1):
        if at in writes:
            yield from (Point(at, how) for how in How)
        else:
            yield Point(at, How.REFUSED)


def pairs_of(writes: Sequence[int], chance: random.Random, number: int) -> Iterator[tuple[Point, Point]]:
    """So many pairs of kills: one at a write, and one of the process that takes over, soon after."""
    for _ in range(number):
        first = Point(chance.choice(writes), chance.choice(KILLS))
        yield first, Point(chance.randint(1, 12), chance.choice(KILLS))


def play_all(
    scenarios: Sequence[Scenario],
    *,
    pairs: int,
    sample: int | None = None,
    seed: int = 0,
    fault: Callable[[DyingStore], Any] | None = None,
) -> dict[str, Any]:
    """Play every point of these scenarios, or so many of each by seed; returns the figures and what was wrong."""
    matrix = Matrix.made(fault)
    violations: list[str] = []
    chance = random.Random(seed)
    try:
        for scenario in scenarios:
            expected, count, writes = matrix.clean(scenario)
            points = [(point,) for point in points_of(count, writes)]
            chosen: list[tuple[Point, ...]] = [*points, *pairs_of(writes, chance, pairs)]
            if sample is not None:
                chosen = chance.sample(chosen, min(sample, len(chosen)))
            for each in chosen:
                violation = matrix.violation(scenario, expected, *each)
                if violation is not None:
                    violations.append(str(violation))
    finally:
        matrix.remove()
    return {
        "scenarios": len(scenarios),
        "points": matrix.points,
        "unreached": matrix.unreached,
        "violations": violations,
    }


def main(arguments: list[str]) -> None:
    """``python -m tests.crash_matrix [--sample N] [--pairs N] [--seed N] [SCENARIO...]``."""
    from argparse import ArgumentParser

    from tests.crash_matrix.scenarios import SCENARIOS

    parser = ArgumentParser(prog="python -m tests.crash_matrix", description="Plays the crash matrix.")
    parser.add_argument("--sample", type=int, help="so many points of each scenario (default: all)")
    parser.add_argument("--pairs", type=int, default=40, help="pairs of kills, for each scenario")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plant", choices=PLANTED, help="a fault that is to be found")
    parser.add_argument("scenario", nargs="*", help="by name (default: all)")
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)  # a worker tells of each fault
    wanted = [each for each in SCENARIOS if not options.scenario or each.name in options.scenario]
    figures = play_all(
        wanted,
        pairs=options.pairs,
        sample=options.sample,
        seed=options.seed,
        fault=PLANTED.get(options.plant),
    )
    print(json.dumps(figures, indent=2))
    sys.exit(bool(figures["violations"]))
