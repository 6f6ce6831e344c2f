"""Notices that a turn of workflow code does not come back, and says at which line it stands.

One rule: it only looks and tells.  A thread cannot be stopped from outside; but while it blocks, its worker does not renew its lease, so
another worker takes its runs over when that ends.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import weakref
from types import FrameType

from refold.messages import StartWorkflow
from refold_adapters.hosting.host import Host
from refold_adapters.worker.live import LiveRun

#: How long a turn may take before it is told, where its run has no task timeout.
TURN_SECONDS = 2.0
_LOOKS_PER_LIMIT = 4

logger = logging.getLogger("refold.worker")


class TurnWatch:
    """Watches the turns of one worker, one at a time; its thread ends when it is stopped, or is gone."""

    def __init__(self, host: Host) -> None:
        self._host = host
        #: Of the turn that is being made: the run, the thread, since when, and how long it may take.
        self._turn: tuple[LiveRun, int, float, float] | None = None
        self._told: object = None
        self._begun = False
        self._over = threading.Event()

    def begin(self, live: LiveRun, task_timeout_us: int | None) -> None:
        """A turn begins, on this thread."""
        limit = TURN_SECONDS if task_timeout_us is None else task_timeout_us / 1_000_000
        self._turn = (live, threading.get_ident(), time.monotonic(), limit)
        if not self._begun:
            self._host.look_on(_watch, weakref.ref(self), self._over, name="refold-turn-watch")
            self._begun = True

    def end(self) -> None:
        """It has come back."""
        self._turn = None

    def stop(self) -> None:
        """No turn is made any more."""
        self._over.set()

    def look(self) -> None:
        """Tell of the turn that is being made, once, if it takes too long."""
        turn = self._turn
        if turn is None or turn is self._told:
            return
        live, thread, began, limit = turn
        frame = sys._current_frames().get(thread)  # pyright: ignore[reportPrivateUsage] - nothing else shows where a thread stands
        if time.monotonic() - began < limit or frame is None or turn is not self._turn:
            return
        self._told = turn
        logger.warning(
            "%s: a turn of workflow %r has not come back for %.1f s; it stands at %s. Code of a workflow must not block or "
            "compute for long: move this into an activity. No other run of this worker makes progress meanwhile",
            "RF5116",
            live.workflow_id,
            time.monotonic() - began,
            _line(frame),
            extra=live.log_fields,
        )


def task_timeout_of(live: LiveRun) -> int | None:
    """How long a turn of the run may take, in microseconds, as it was started."""
    started = None if live.execution is None else live.execution.started
    if started is not None:
        return started.task_timeout_us
    first = live.messages[0]
    return first.task_timeout_us if isinstance(first, StartWorkflow) else None


def _line(frame: FrameType) -> str:
    """Where a thread stands: the innermost line of the code that the kernel called."""
    stack: list[FrameType] = []
    at: FrameType | None = frame
    while at is not None:
        stack.append(at)
        at = at.f_back
    called = 0
    while called + 1 < len(stack) and not stack[called + 1].f_globals.get("__name__", "").startswith(
        "refold."
    ):
        called += 1
    line = stack[called]
    return f"{line.f_code.co_filename}:{line.f_lineno}, in {line.f_code.co_qualname}"


def _watch(watch: weakref.ref[TurnWatch], over: threading.Event) -> None:
    while (found := watch()) is not None and not over.is_set():
        found.look()
        del found
        over.wait(TURN_SECONDS / _LOOKS_PER_LIMIT)
