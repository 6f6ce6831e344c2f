"""The workloads as measurements: ours, raw commits and DBOS take turns, and every round adds its figures to the samples.

One rule: what a ratio is made of is measured in turns as fine as the workload allows, because the speed of a disk changes by the second.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from attrs import field, frozen

from benchmarks.beds import Bed
from benchmarks.figures import Samples, percentile
from benchmarks.limits import RawCommits
from benchmarks.peering import Driver, open_peer
from benchmarks.workloads import Ours

STEPS = 10
#: Commits that a workflow of ten steps cannot do without: its start with the first step, and the end of each step with the next.
COMMITS = STEPS + 1
_DBOS_EVERY = 3
_REST_SECONDS = 0.02
DBOS_WAYS = ("threads", "tasks", "queue")


@frozen
class Plan:
    rounds: int
    #: Workflows one after another, and workflows at once, in a round.
    sequential: int
    at_once: int
    #: How often ours runs the workflows at once, as it needs far less time.
    repeats: int
    latencies: int
    signals: int
    dbos_signals: int
    long: tuple[int, ...]
    executions: int
    runs: int
    warm_up: bool


FULL = Plan(
    rounds=5,
    sequential=30,
    at_once=100,
    repeats=3,
    latencies=40,
    signals=20,
    dbos_signals=3,
    long=(50, 200, 800),
    executions=20_000,
    runs=2_000,
    warm_up=True,
)
QUICK = Plan(
    rounds=1,
    sequential=1,
    at_once=3,
    repeats=1,
    latencies=2,
    signals=2,
    dbos_signals=1,
    long=(2, 4, 8),
    executions=50,
    runs=5,
    warm_up=False,
)


@frozen
class Bench:
    """What takes turns, and what was found."""

    plan: Plan
    bed: Bed
    ours: Ours
    dbos: Driver | str
    samples: Samples = field(factory=Samples)

    @property
    def raw(self) -> RawCommits:
        return self.bed.raw

    def close(self) -> None:
        self.ours.close()
        if isinstance(self.dbos, Driver):
            self.dbos.close()

    def theirs(self, measure: str, **arguments: object) -> float | None:
        return self.dbos.seconds(measure, **arguments) if isinstance(self.dbos, Driver) else None


def sequential(bench: Bench) -> None:
    """W1: workflows of ten steps, one after another; raw commits between any two of them, and DBOS every few.

    Sums, not medians: the checkpoints that a store needs now and then are a part of its rate.
    """
    ours: list[float] = []
    raw: list[float] = []
    theirs: list[float] = []
    spent = 0.0
    for number in range(bench.plan.sequential):
        before = time.process_time()
        ours.append(bench.ours.sequential(1, STEPS))
        spent += time.process_time() - before
        raw.append(bench.raw.seconds(COMMITS))
        if number % _DBOS_EVERY:
            continue
        if (seconds := bench.theirs("sequential", workflows=1, count=STEPS)) is not None:
            theirs.append(seconds)
    workflows = bench.plan.sequential
    add = bench.samples.add
    add("W1", workflows * STEPS / sum(ours))
    add("W1 raw commits", workflows * COMMITS / sum(raw))
    add("W1 CPU us", 1e6 * spent / (workflows * STEPS))
    if theirs:
        add("W1 dbos", len(theirs) * STEPS / sum(theirs))


def at_once(bench: Bench) -> None:
    """W2: a hundred of them in flight, in each way that a product offers; the best way of a round counts."""
    plan = bench.plan
    done = plan.at_once * STEPS
    ours: dict[str, list[float]] = {way: [] for way in bench.ours.ways}
    for _ in range(plan.repeats):
        for way, run in bench.ours.ways.items():
            ours[way].append(run(plan.at_once, STEPS))
    rates = {way: done * plan.repeats / sum(seconds) for way, seconds in ours.items()}
    for way, rate in rates.items():
        bench.samples.add(f"W2 {way}", rate)
    bench.samples.add("W2 best", max(rates.values()))
    if isinstance(bench.dbos, Driver):
        best = 0.0
        for way in DBOS_WAYS:
            rate = done / bench.dbos.seconds(way, workflows=plan.at_once, count=STEPS)
            bench.samples.add(f"W2 dbos {way}", rate)
            best = max(best, rate)
        bench.samples.add("W2 dbos best", best)


def latency(bench: Bench) -> None:
    """W3: from the start of a workflow of one step to its result."""
    _latencies(bench, "W3", lambda: bench.ours.sequential(1, 1), bench.plan.latencies)
    count = bench.plan.latencies
    theirs = [bench.theirs("sequential", workflows=1, count=1) for _ in range(count)]
    _add_percentiles(bench, "W3 dbos", [each for each in theirs if each is not None])


def signals(bench: Bench) -> None:
    """W4: from just before a signal is sent to the step right after its receipt.

    The run is at rest before each, and so is the disk: what follows the step is committed after the measurement has ended.
    """
    _latencies(bench, "W4", bench.ours.signal, bench.plan.signals, _REST_SECONDS)
    if (notify := bench.bed.notify) is not None:
        heard = 1e3 * percentile([notify() for _ in range(bench.plan.signals)], 0.5)
        bench.samples.add("W4 notify p50 ms", heard)
        bench.samples.add("W4 notify and commit p50 ms", heard + bench.samples.last("W4 raw commit p50 ms"))
    theirs = [bench.theirs("signal") for _ in range(bench.plan.dbos_signals)]
    _add_percentiles(bench, "W4 dbos", [each for each in theirs if each is not None])


def _latencies(bench: Bench, name: str, measure: Callable[[], float], count: int, rest: float = 0) -> None:
    ours: list[float] = []
    raw: list[float] = []
    for _ in range(count):
        time.sleep(rest)
        raw.append(bench.raw.commit())
        time.sleep(rest)
        ours.append(measure())
    _add_percentiles(bench, name, ours)
    _add_percentiles(bench, f"{name} raw commit", raw)


def _add_percentiles(bench: Bench, name: str, seconds: list[float]) -> None:
    if seconds:
        for share in (50, 90, 99):
            bench.samples.add(f"{name} p{share} ms", 1e3 * percentile(seconds, share / 100))


def long_runs(bench: Bench) -> None:
    """W3b: one workflow of many steps; the shortest stands before and after the longer ones."""
    shortest, *longer = bench.plan.long
    times = max(bench.plan.long) // shortest // 4  # about as many commits as half of the longest has
    short = bench.ours.sequential(times, shortest)
    for number in longer:
        bench.samples.add(f"W3b {number}", number / bench.ours.sequential(1, number))
    short += bench.ours.sequential(times, shortest)
    bench.samples.add(f"W3b {shortest}", 2 * times * shortest / short)
    for number in bench.plan.long:
        if (seconds := bench.theirs("sequential", workflows=1, count=number)) is not None:
            bench.samples.add(f"W3b dbos {number}", number / seconds)


def start_up(bench: Bench) -> None:
    """W6: import, launch on a store that exists, first workflow, memory; each in a process of its own."""
    with Driver("fresh", bench.bed.store("fresh")) as fresh:
        _add_start_up(bench, "W6", fresh.ask("start_up"))
    if isinstance(bench.dbos, Driver):
        other = open_peer("dbos_steps", bench.bed.dbos("fresh"))
        assert isinstance(other, Driver)
        with other:
            _add_start_up(bench, "W6 dbos", other.ask("start_up"))


def _add_start_up(bench: Bench, name: str, found: dict[str, Any]) -> None:
    for key in ("import_seconds", "launch_seconds", "first_workflow_seconds"):
        bench.samples.add(f"{name} {key}", found[key])
    bench.samples.add(f"{name} resident_mb", found["resident_bytes"] / 1e6)


def parked(bench: Bench) -> None:
    """W11: memory of runs that wait: the kernel's part of each, and all that a worker with them takes."""
    with Driver("fresh", bench.bed.store("parked")) as fresh:
        found = fresh.ask("parked_executions", runs=bench.plan.executions)
        bench.samples.add("W11 execution bytes", found["bytes"])
        bench.samples.add("W11 executions loaded/s", bench.plan.executions / found["seconds"])
    with Driver("fresh", bench.bed.store("parked")) as fresh:
        bench.samples.add("W11 run bytes", fresh.ask("parked_runs", runs=bench.plan.runs)["bytes"])


MEASURES: dict[str, Callable[[Bench], None]] = {
    "W1": sequential,
    "W2": at_once,
    "W3": latency,
    "W3b": long_runs,
    "W4": signals,
    "W6": start_up,
    "W11": parked,
}
