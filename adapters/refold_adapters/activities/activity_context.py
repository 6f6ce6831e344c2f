"""What an activity may know of its attempt, and say about it: ``activity_context()``."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, NoReturn, Protocol

import attrs

from refold import CancelledError
from refold.payloads import encode
from refold.value import Value
from refold_adapters.runtime_errors import ExecutionError


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ActivityInfo(Value):
    """The attempt that is running."""

    activity_id: str
    activity_type: str
    #: 1 for the first.
    attempt: int
    workflow_id: str
    run_id: str
    workflow_type: str
    task_queue: str
    #: Microseconds since the epoch, by the store's clock: when the activity was first scheduled, and this attempt began.
    scheduled_at: int
    started_at: int

    @property
    def task_token(self) -> str:
        """What completes this attempt from outside: see :meth:`ActivityContext.complete_async`."""
        return token_of(self.workflow_id, self.run_id, self.activity_id, self.attempt)

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of this activity, and for no other: pass it to services that know such keys."""
        return f"{self.run_id}/{self.activity_id}"


class CompletedElsewhere(BaseException):
    """Unwinds an attempt whose outcome comes from outside; raised by ``complete_async`` only."""


def token_of(workflow_id: str, run_id: str, activity_id: str, attempt: int) -> str:
    """A token that names one attempt."""
    plain = json.dumps([workflow_id, run_id, activity_id, attempt], separators=(",", ":"))
    return base64.urlsafe_b64encode(plain.encode()).decode()


#: Guards the short moments in which an attempt is asked to stop; one for all, as they are rare.
_LOCK = threading.Lock()


def _event(is_set: bool) -> threading.Event:
    event = threading.Event()
    if is_set:
        event.set()
    return event


class ActivityContext:
    """The attempt's side of an activity; safe to use from any thread."""

    def __init__(
        self,
        info: ActivityInfo,
        heartbeat: Callable[[list[Any]], None],
        last_heartbeat_details: Sequence[Any] = (),
    ) -> None:
        self.info = info
        #: Details of the last heartbeat of an earlier attempt.
        self.last_heartbeat_details = tuple(last_heartbeat_details)
        self._heartbeat = heartbeat
        self._cancelled = self._shutting_down = False
        #: Made when first waited for: most activities never ask.
        self._cancellation: threading.Event | None = None
        self._shutdown: threading.Event | None = None
        self._callbacks: list[Callable[[], object]] = []

    @property
    def cancelled(self) -> bool:
        """Whether the activity was asked to stop (or its time is up, or its worker is going down)."""
        return self._cancelled

    def wait_for_cancellation(self, timeout: float | None = None) -> bool:
        """Block until asked to stop, at most ``timeout`` seconds; whether it was."""
        with _LOCK:
            event = self._cancellation = self._cancellation or _event(self._cancelled)
        return event.wait(timeout)

    def raise_if_cancelled(self) -> None:
        """Raise :class:`CancelledError` if asked to stop."""
        if self._cancelled:
            raise CancelledError("the activity was asked to stop")

    def heartbeat(self, *details: Any) -> None:
        """Say that the attempt is alive; ``details`` are handed to the next attempt.  Learns of cancellation."""
        self._heartbeat([encode(item) for item in details])

    def complete_async(self) -> NoReturn:
        """End the function without an outcome: that comes from outside, by ``client.activity(info.task_token)``.

        It raises, so nothing that follows it runs.  The timeouts go on; heartbeats, too, come from outside then.
        """
        raise CompletedElsewhere

    @property
    def worker_is_shutting_down(self) -> bool:
        """Whether the worker is going down: what is not done within its grace is done again elsewhere."""
        return self._shutting_down

    def wait_for_worker_shutdown(self, timeout: float | None = None) -> bool:
        """Block until the worker is going down, at most ``timeout`` seconds; whether it is."""
        with _LOCK:
            event = self._shutdown = self._shutdown or _event(self._shutting_down)
        return event.wait(timeout)

    def announce_shutdown(self) -> None:
        """For workers: say that the worker is going down."""
        with _LOCK:
            self._shutting_down = True
            if self._shutdown is not None:
                self._shutdown.set()

    def request_cancellation(self) -> None:
        """For workers: ask the activity to stop."""
        with _LOCK:
            if self._cancelled:
                return
            self._cancelled = True
            if self._cancellation is not None:
                self._cancellation.set()
            callbacks = list(self._callbacks)
        for callback in callbacks:
            callback()

    def on_cancellation(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` once the activity is asked to stop (at once, if it was already)."""
        with _LOCK:
            if not self._cancelled:
                self._callbacks.append(callback)
                return
        callback()


class HasContext(Protocol):
    """What runs here: its context is made when it is first asked for, as most activities never ask."""

    @property
    def context(self) -> ActivityContext:
        """The context of the activity."""
        ...


CURRENT: ContextVar[HasContext | None] = ContextVar("refold_activity", default=None)


def activity_context() -> ActivityContext:
    """The context of the activity that is running here; raises RF5110 outside of one."""
    running = CURRENT.get()
    if running is None:
        raise ExecutionError(
            "RF5110",
            "there is no activity here",
            why="activity_context() was called outside of an activity, or in a thread that the activity started itself",
            fix="call it in the activity's own function and pass on what is needed",
        )
    return running.context
