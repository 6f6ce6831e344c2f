"""Kills a worker process again and again, at random moments of its work, and starts it anew.

One rule: real processes and real signals; nothing is simulated, and nobody is told beforehand.  The moments are drawn on the
scale of *work done* (what the ledger was asked for), so that they fall into the midst of it on fast machines and slow ones.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

_ROOT = Path(__file__).parents[2]


class WorkerProcess:
    """The worker, as seen from outside: it can be started, killed, and told to stop."""

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        self._command = [sys.executable, "-m", "examples.orders.worker", *arguments]
        self._log_path = log
        self._log = log.open("ab")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns at once."""
        self._process = subprocess.Popen(self._command, cwd=_ROOT, stdout=self._log, stderr=self._log)

    def died(self) -> int | None:
        """Its exit code, if it ended without being asked to."""
        return None if self._process is None else self._process.poll()

    def last_words(self) -> str:
        """The end of its log."""
        return "\n".join(self._log_path.read_text(errors="replace").splitlines()[-20:])

    def kill(self) -> None:
        """``kill -9``: it has no chance to put anything in order."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self, *, seconds: float) -> int | None:
        """Ask it to end; its exit code, or None if it had to be killed after all."""
        if self._process is None:
            return None
        self._process.terminate()
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def close(self) -> None:
        """Make sure that nothing is left behind."""
        self.kill()
        self._log.close()


@attrs.frozen
class Kill:
    """One kill: when, after how much work, and how much was in the midst of it."""

    seconds: float
    tries: int
    #: Orders whose run was open.
    orders_open: int
    #: Those of them that had already been charged, reserved and so on.
    orders_half_done: int


@attrs.define(eq=False)
class Killer:
    """Knows when the next kill is due."""

    _moments: list[int]
    _rng: random.Random
    kills: list[Kill] = attrs.field(factory=list[Kill], init=False)
    #: A worker is not killed before it has done something, so that no kill is wasted on one that has just begun.
    _done_before: int = attrs.field(default=0, init=False)

    @classmethod
    def plan(cls, count: int, work: int, rng: random.Random) -> Killer:
        """``count`` kills within the first three quarters of ``work``."""
        return cls(sorted(rng.sample(range(1, max(count + 1, work * 3 // 4)), count)), rng)

    def is_due(self, tries: int) -> bool:
        """Whether enough work has been done for the next kill."""
        return bool(self._moments) and tries >= self._moments[0] and tries > self._done_before

    def strike(self, worker: WorkerProcess, look: Callable[[], Kill]) -> Kill:
        """Kill the worker a moment from now, ``look`` at what it left behind, and start it again."""
        self._moments.pop(0)
        time.sleep(self._rng.uniform(0, 0.15))
        worker.kill()
        kill = look()
        self._done_before = kill.tries
        self.kills.append(kill)
        worker.start()
        return kill
