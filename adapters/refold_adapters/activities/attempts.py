"""One attempt of an activity, and how it ends.

One rule: an attempt ends exactly once, with a result, a failure or a cancellation; whether there is another one is decided elsewhere.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any, TypeAlias

import attrs

from refold import Activity, ActivityOptions, CancelledError, Failure, RefoldError
from refold.events import ActivityTaskScheduled
from refold.failures import failure_of
from refold.payloads import encode
from refold.policies import microseconds
from refold.value import Value
from refold_adapters.activities.activity_context import ActivityContext, CompletedElsewhere
from refold_adapters.activities.task_ends import Held


@attrs.frozen(eq=False, repr=False)
class Returned(Value):
    """The attempt returned; ``result`` is plain data."""

    result: Any


@attrs.frozen(eq=False, repr=False)
class Raised(Value):
    """The attempt failed."""

    failure: Failure


@attrs.frozen(eq=False, repr=False)
class Cancelled(Value):
    """The attempt raised ``CancelledError``."""

    details: list[Any]


@attrs.frozen(eq=False, repr=False)
class Elsewhere(Value):
    """The attempt goes on somewhere else, and its outcome comes from outside."""


AttemptOutcome: TypeAlias = Returned | Raised | Cancelled | Elsewhere


#: Guards the making of a context: its code and whoever asks it to stop may come at the same moment.
_MAKING = threading.Lock()


@attrs.define(eq=False, kw_only=True)
class Attempt:
    """One attempt of one activity task."""

    activity: Activity[..., Any]
    input: list[Any]
    options: ActivityOptions
    run_id: str
    workflow_id: str
    workflow_type: str
    task_queue: str
    seq: int
    number: int
    scheduled_at: int
    started_at: int
    make_context: Callable[[Attempt], ActivityContext]
    #: The workflow, or whoever else, asked it to stop.
    cancel_requested: bool = False
    #: Nobody waits for its outcome any more: it timed out, or its run is gone.
    abandoned: bool = False
    #: What the workflow asked for.
    event: ActivityTaskScheduled
    #: Details of the last heartbeat, encoded, whether recorded yet or not.
    details: bytes | None = None
    last_failure: Failure | None = None
    #: When the last heartbeat came, and when the last one was recorded.
    beat_at: int | None = None
    sent_at: int | None = None
    #: Details are held back, and will be recorded at their time.
    flushes: bool = False
    #: It is local, and waits for its time to begin.
    waits: bool = False
    _context: ActivityContext | None = attrs.field(default=None, init=False)

    @property
    def context(self) -> ActivityContext:
        """What its code may know of it; made when it is first asked for, as most code never asks."""
        context = self._context
        if context is None:
            with _MAKING:
                context = self._context = self._context or self.make_context(self)
        return context

    @property
    def beat_interval_us(self) -> int:
        """How far apart heartbeats are recorded: 80 % of the timeout, at most a minute; half of one where there is no timeout."""
        timeout_us = microseconds(self.options.heartbeat_timeout, "heartbeat_timeout")
        return 30_000_000 if timeout_us is None else min(timeout_us * 4 // 5, 60_000_000)

    def remember(self, details: list[Any]) -> None:
        """Keep the details of a heartbeat until they are recorded."""
        self.details = json.dumps(details, ensure_ascii=False, separators=(",", ":")).encode()

    def held(self, identity: str) -> Held:
        """What its end needs to know of it."""
        return Held(
            run_id=self.run_id,
            seq=self.seq,
            number=self.number,
            options=self.options,
            scheduled_at=self.scheduled_at,
            started_at=self.started_at,
            identity=identity,
            cancel_requested=self.cancel_requested,
            last_failure=self.last_failure,
            heartbeat=self.details,
        )

    def call(self) -> Any:
        """What the code of the activity answers to its input."""
        return self.activity.fn(*self.activity.decode_input(self.input))


def outcome_of(function: Callable[[], Any]) -> AttemptOutcome:
    """How the code of an attempt ends."""
    try:
        return Returned(encode(function()))
    except CancelledError as error:
        return Cancelled([encode(item) for item in error.details])
    except CompletedElsewhere:
        return Elsewhere()
    except BaseException as error:
        return failed(error)


def failed(error: BaseException) -> Raised:
    """What an error makes of an attempt."""
    failure = failure_of(error)
    if isinstance(
        error, RefoldError
    ):  # a value that cannot be stored, a function that cannot be found: it stays so
        failure = attrs.evolve(failure, non_retryable=True)
    return Raised(failure)
