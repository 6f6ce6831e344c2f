"""Processes for activities: each is served by a thread here, over a pipe, one attempt at a time.

One rule: a process that dies takes its attempt with it and nothing else; the next attempt gets a new one.
"""

from __future__ import annotations

import atexit
import multiprocessing
import threading
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from queue import SimpleQueue

import attrs

from refold.codec import decode_failure
from refold.failures import ApplicationError
from refold_adapters.activities.attempts import (
    Attempt,
    AttemptOutcome,
    Cancelled,
    Elsewhere,
    Raised,
    Returned,
    failed,
)
from refold_adapters.activities.process_side import Line, serve
from refold_adapters.runtime_errors import ExecutionError

_SPAWN = multiprocessing.get_context("spawn")


class Processes:
    """Carries out attempts in at most so many processes; ``report`` is called once for each."""

    def __init__(self, count: int, report: Callable[[Attempt, AttemptOutcome], None]) -> None:
        self._count = count
        self._report = report
        self._attempts: SimpleQueue[Attempt | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._slots: list[_Slot] = []
        self._unserved = 0
        atexit.register(self.close)  # before multiprocessing waits for what is still there

    def start(self, attempt: Attempt) -> None:
        """Have an attempt carried out as soon as a process is free."""
        with self._lock:
            self._unserved += 1
            if self._unserved > len(self._slots) and len(self._slots) < self._count:
                slot = _Slot()
                self._slots.append(slot)
                thread = threading.Thread(
                    target=self._serve, args=(slot,), name="refold-process", daemon=True
                )
                thread.start()
        self._attempts.put(attempt)

    def _serve(self, slot: _Slot) -> None:
        while (attempt := self._attempts.get()) is not None:
            try:
                outcome = slot.carry_out(attempt)
            except BaseException as error:
                outcome = failed(error)
            with self._lock:
                self._unserved -= 1
            self._report(attempt, outcome)
        slot.stop()

    def close(self) -> None:
        """Begin nothing more; processes end when their code does, which is asked to."""
        atexit.unregister(self.close)
        with self._lock:
            slots = list(self._slots)
        for slot in slots:
            self._attempts.put(None)
            slot.ask_to_stop()


class _Slot:
    """One process at a time; used by one thread, but for what it is told about its attempt."""

    def __init__(self) -> None:
        self._process: BaseProcess | None = None
        self._line: Line | None = None
        self._number = 0

    def carry_out(self, attempt: Attempt) -> AttemptOutcome:
        """Send an attempt to the process and wait for its end."""
        line, process = self._ready()
        self._number = number = self._number + 1
        fn = attempt.activity.fn
        job = {
            "module": fn.__module__,
            "qualname": fn.__qualname__,
            "input": attempt.input,
            "info": attrs.asdict(attempt.context.info),
            "details": list(attempt.context.last_heartbeat_details),
        }
        line.send("job", number, job)
        attempt.context.on_cancellation(lambda: line.send("cancel", number))
        while (said := line.receive()) is not None:
            kind, _, data = said
            match kind:
                case "beat":
                    attempt.context.heartbeat(*data)
                case "returned":
                    return Returned(data)
                case "cancelled":
                    return Cancelled(data)
                case "elsewhere":
                    return Elsewhere()
                case _:
                    return Raised(decode_failure(data.encode()))
        process.join()
        return _died(attempt, process)

    def _ready(self) -> tuple[Line, BaseProcess]:
        if self._process is None or self._line is None or not self._process.is_alive():
            here, there = _SPAWN.Pipe()
            self._process = _SPAWN.Process(target=serve, args=(there,), name="refold-activities")
            self._process.start()
            there.close()
            self._line = Line(here)
        return self._line, self._process

    def ask_to_stop(self) -> None:
        """The process ends when its code does; from any thread."""
        if (line := self._line) is not None:
            line.send("stop", 0)

    def stop(self) -> None:
        """Wait for the process to end."""
        self.ask_to_stop()
        if self._process is not None:
            self._process.join()


def _died(attempt: Attempt, process: BaseProcess) -> Raised:
    """The attempt has failed, like one whose worker was killed: whether there is another one is for its retry policy to say."""
    error = ExecutionError(
        "RF5122",
        f"the process of activity {attempt.activity.name!r} died (exit code {process.exitcode})",
        why="it was killed, ran out of memory, or its code ended it; a negative code is the number of a signal",
        fix="look at the memory that it takes; its next attempt, if the retry policy allows one, gets another process",
    )
    return failed(ApplicationError(str(error), type="ProcessDied"))
