"""What a process for activities does: carries out what it is sent, one after the other, and says how each ended.

One rule: only JSON crosses the border, and a process whose parent is gone ends as soon as its code lets it.
"""

from __future__ import annotations

import importlib
import json
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, cast

from refold import Activity
from refold.codec import encode_failure
from refold_adapters.activities.activity_context import CURRENT, ActivityContext, ActivityInfo
from refold_adapters.activities.attempts import Cancelled, Elsewhere, Raised, Returned, failed, outcome_of
from refold_adapters.runtime_errors import ExecutionError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


class _Job:
    """An attempt that was sent; its context is there before its code runs, so that no request to stop is missed."""

    def __init__(self, line: Line, number: int, data: dict[str, Any]) -> None:
        self.number = number
        self.data = data
        self.context = ActivityContext(
            ActivityInfo(**data["info"]), lambda details: line.send("beat", number, details), data["details"]
        )


class Line:
    """The connection to the worker; what is sent on it may come from several threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, kind: str, number: int, data: object = None) -> None:
        """Say something about the attempt of that number; if nobody listens any more, it does not matter."""
        line = json.dumps([kind, number, data]).encode()
        with self._lock:
            try:
                self._connection.send_bytes(line)
            except OSError:
                return

    def receive(self) -> tuple[str, int, Any] | None:
        """What the other side says next; None if it is gone."""
        try:
            kind, number, data = json.loads(self._connection.recv_bytes())
        except (EOFError, OSError):
            return None
        return kind, number, data

    def close(self) -> None:
        """Say no more."""
        with self._lock:
            self._connection.close()


def serve(connection: Connection) -> None:
    """Carry out attempts until told to stop, or the worker is gone."""
    line = Line(connection)
    jobs: SimpleQueue[_Job | None] = SimpleQueue()
    threading.Thread(target=_listen, args=(line, jobs), daemon=True).start()
    while (job := jobs.get()) is not None:
        kind, data = _carry_out(job)
        line.send(kind, job.number, data)


def _listen(line: Line, jobs: SimpleQueue[_Job | None]) -> None:
    job: _Job | None = None
    while (said := line.receive()) is not None:
        kind, number, data = said
        if kind == "job":
            job = _Job(line, number, data)
            jobs.put(job)
        elif kind == "stop":
            break
        elif job is not None and job.number == number:
            job.context.request_cancellation()
    if job is not None:
        job.context.request_cancellation()
    jobs.put(None)


def _carry_out(job: _Job) -> tuple[str, Any]:
    """Find the activity again by name, as only plain data crosses the border, and do it."""
    module, qualname = job.data["module"], job.data["qualname"]
    try:
        target: Any = importlib.import_module(module)
    except ImportError:
        target = None
    for part in qualname.split("."):
        target = getattr(target, part, None)
    if not isinstance(target, Activity):
        return "raised", encode_failure(failed(_not_found(module, qualname)).failure).decode()
    found = cast("Activity[..., Any]", target)
    token = CURRENT.set(job)
    try:
        outcome = outcome_of(lambda: found.fn(*found.decode_input(job.data["input"])))
    finally:
        CURRENT.reset(token)
    match outcome:
        case Returned():
            return "returned", outcome.result
        case Cancelled():
            return "cancelled", outcome.details
        case Elsewhere():
            return "elsewhere", None
        case Raised():
            return "raised", encode_failure(outcome.failure).decode()


def _not_found(module: str, qualname: str) -> ExecutionError:
    return ExecutionError(
        "RF5112",
        f"{module}.{qualname} cannot be found in another process",
        why="an activity with executor='process' must be a module-level name",
        fix="define it at the top of a module, not in a function or in __main__ without a guard",
    )
