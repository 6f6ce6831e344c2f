"""Medians with their range, tables for people, one line of JSON for programs.

One rule: two things are compared within a round, so a ratio is the median of the rounds' ratios and never the ratio of two medians:
the speed of a shared machine may drift between rounds by more than what is to be told apart.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from attrs import asdict, frozen


@frozen
class Figure:
    """The median of some measurements, and how far they went."""

    median: float
    min: float
    max: float
    n: int

    def text(self, digits: int = 0) -> str:
        return f"{self.median:,.{digits}f} [{self.min:,.{digits}f}..{self.max:,.{digits}f}]"


def figure(values: Sequence[float]) -> Figure:
    return Figure(statistics.median(values), min(values), max(values), len(values))


def rates(amount: float, seconds: Sequence[float]) -> Figure:
    """So much a second, by round."""
    return figure([amount / each for each in seconds])


class Samples:
    """Values by name, one a round."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}

    def add(self, name: str, value: float) -> None:
        self._values.setdefault(name, []).append(value)

    def clear(self) -> None:
        self._values.clear()

    def rounds(self, *names: str) -> list[tuple[float, ...]]:
        """The values of some names side by side, a round each."""
        return list(zip(*(self._values.get(name, []) for name in names), strict=True))

    def last(self, name: str) -> float:
        """What was added last under that name."""
        return self._values[name][-1]

    def figure(self, name: str) -> Figure | None:
        """The values of that name, or None where nothing was measured."""
        values = self._values.get(name)
        return figure(values) if values else None

    def rate(self, name: str, amount: float) -> Figure | None:
        """So much a second, where the values are seconds."""
        values = self._values.get(name)
        return rates(amount, values) if values else None

    def ratio(self, upper: str, lower: str, factor: float = 1) -> Figure | None:
        """The quotient of two values of a round, or None where one of them was not measured."""
        above, below = self._values.get(upper), self._values.get(lower)
        if not above or not below:
            return None
        return figure([factor * a / b for a, b in zip(above, below, strict=True)])


def load_average() -> float | None:
    """How many processes wanted to run in the last minute, where the system tells: above a half, others disturb what is measured."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@frozen
class Spent:
    """Time of one call: by the clock, and of the processor (all threads of the process)."""

    wall: float
    cpu: float


def a_call(action: Callable[[], object], at_least: float) -> Spent:
    """What one call takes: called until ``at_least`` seconds have gone, after the garbage of others is collected."""
    gc.collect()
    calls = 0
    begin, begin_cpu = time.perf_counter(), time.process_time()
    while True:
        action()
        calls += 1
        spent = time.perf_counter() - begin
        if spent >= at_least:
            return Spent(spent / calls, (time.process_time() - begin_cpu) / calls)


def table(title: str, rows: Sequence[tuple[str, str]]) -> None:
    print(f"\n{title}")
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"  {name:{width}}  {value}", flush=True)


def last_line(report: dict[str, Any]) -> None:
    """The report as one line, figures rounded to what they can mean."""
    print(json.dumps(_plain(report)), flush=True)


def _plain(value: Any) -> Any:
    if isinstance(value, Figure):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.5g}")
    return value
