"""Virtual time, and what happens in it: one thing after another, on one thread.

Theory of operation.  Whatever is to happen is a job with a time.  The scheduler takes the earliest, makes it now, and does it.  A job may
itself let time pass (a call to a store takes long, a client waits for a result): then the jobs of that time are done on top of it, and it
goes on after them.  So one thread shows every order in which several could have met, as far as they meet where time can pass.

One rule: nothing here knows what a job is.  Of jobs at the same time, a draw decides.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from typing import TypeAlias

from refold_adapters.simulation.seeds import Stream

Job: TypeAlias = Callable[[], object]

START_US = 1_700_000_000_000_000
#: A job that lets time pass while so many others do lets none pass: the stack is not without end.
NESTED_MAX = 6


class VirtualClock:
    """What time it is in a simulation; whoever jumps the clock changes the time of day, and not what has passed."""

    def __init__(self) -> None:
        self._passed_us = 0
        self._offset_us = START_US

    def now_us(self) -> int:
        """Microseconds since the Unix epoch."""
        return self._offset_us + self._passed_us

    def seconds_until(self, at_us: int) -> float | None:
        """How long to wait, in virtual seconds."""
        return max(0, at_us - self.now_us()) / 1_000_000

    @property
    def passed_us(self) -> int:
        """Microseconds since the simulation began."""
        return self._passed_us

    def pass_until(self, passed_us: int) -> None:
        """Let time pass; never back."""
        self._passed_us = max(self._passed_us, passed_us)

    def jump(self, us: int) -> None:
        """Set the time of day, as an administrator does, forward or back."""
        self._offset_us += us


class Scheduler:
    """The jobs of one simulation."""

    def __init__(self, clock: VirtualClock, ties: Stream) -> None:
        self.clock = clock
        self._ties = ties
        #: ``(when, draw, number, entry)``; the entry is emptied where the job is called off.
        self._jobs: list[tuple[int, int, int, list[Job]]] = []
        self._numbers = count()
        #: Jobs that are more than another look at what may have come.
        self._substantial: dict[int, list[Job]] = {}
        self._nested = 0
        self.steps = 0
        #: Called after each job.
        self.after_step: Job = lambda: None

    def after(self, seconds: float, job: Job, *, is_look: bool = False) -> Callable[[], None]:
        """Have a job done when so much time has passed; returns the way to call it off.

        One that only looks whether there is anything to do does not count for :attr:`is_busy`.
        """
        number, entry = next(self._numbers), [job]
        at = self.clock.passed_us + max(0, round(seconds * 1_000_000))
        heapq.heappush(self._jobs, (at, self._ties.below(1 << 16), number, entry))
        if is_look:
            return entry.clear
        self._substantial[number] = entry

        def call_off() -> None:
            entry.clear()
            self._substantial.pop(number, None)

        return call_off

    @property
    def is_busy(self) -> bool:
        """Whether something is still to be done, more than looking."""
        return bool(self._substantial)

    def next_at(self) -> int | None:
        """When the next job is to be done."""
        while self._jobs and not self._jobs[0][3]:
            heapq.heappop(self._jobs)
        return self._jobs[0][0] if self._jobs else None

    def step(self) -> bool:
        """Do the next job; False if there is none."""
        at = self.next_at()
        if at is None:
            return False
        _, _, number, (job,) = heapq.heappop(self._jobs)
        self._substantial.pop(number, None)
        self.clock.pass_until(at)
        self.steps += 1
        job()
        self.after_step()
        return True

    def run_until(self, is_done: Callable[[], bool], passed_us: int | None = None) -> bool:
        """Do jobs until something is so, or that time has come, or no job is left; whether it is so."""
        self.after_step()  # something may have come from outside
        while not is_done():
            at = self.next_at()
            if at is None or (passed_us is not None and at > passed_us):
                if passed_us is not None:
                    self.clock.pass_until(passed_us)
                break
            self.step()
        return is_done()

    def pause(self, seconds: float) -> None:
        """Let time pass in the midst of a job."""
        until = self.clock.passed_us + max(0, round(seconds * 1_000_000))
        if self._nested >= NESTED_MAX:
            return
        self._nested += 1
        try:
            self.run_until(lambda: False, until)
        finally:
            self._nested -= 1
