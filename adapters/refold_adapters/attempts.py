"""Runs attempts of activities: in threads, on an event loop, or in other processes.

One rule: an attempt ends exactly once, with a result, a failure or a cancellation, and says so to whoever started it; whether there is
another one is decided elsewhere.
"""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from refold import Activity, ActivityOptions, CancelledError, Failure, RefoldError
from refold.events import ActivityTaskScheduled
from refold.failures import failure_of
from refold.payloads import encode
from refold.policies import microseconds
from refold_adapters.activity_context import CURRENT, ActivityContext, CompletedElsewhere
from refold_adapters.runtime_errors import ExecutionError
from refold_adapters.task_ends import Held
from refold_adapters.threads import Threads

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import ProcessPoolExecutor

# asyncio and multiprocessing take long to import, and most programs need neither: they are imported where they are first used.


@attrs.frozen
class Returned:
    """The attempt returned; ``result`` is plain data."""

    result: Any


@attrs.frozen
class Raised:
    """The attempt failed."""

    failure: Failure


@attrs.frozen
class Cancelled:
    """The attempt raised ``CancelledError``."""

    details: list[Any]


@attrs.frozen
class Elsewhere:
    """The attempt goes on somewhere else, and its outcome comes from outside."""


AttemptOutcome: TypeAlias = Returned | Raised | Cancelled | Elsewhere


@attrs.define(eq=False, kw_only=True)
class Attempt:
    """One attempt of one activity task."""

    activity: Activity[..., Any]
    input: list[Any]
    options: ActivityOptions
    run_id: str
    seq: int
    number: int
    scheduled_at: int
    started_at: int
    context: ActivityContext
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


#: What a thread is given to do; it goes on with the attempt that the job answers with.
ThreadJob: TypeAlias = Callable[[], Attempt | None]


class ActivityRunner:
    """Carries out attempts; ``report`` is called once for each, on some thread that has other things to do.

    ``report_in_thread`` is called instead where the thread has nothing else to do; it may answer with another attempt to carry out.
    """

    def __init__(
        self,
        report: Callable[[Attempt, AttemptOutcome], None],
        report_in_thread: Callable[[Attempt, AttemptOutcome], Attempt | None],
        *,
        max_threads: int,
        max_processes: int,
    ) -> None:
        self._report = report
        self._report_in_thread = report_in_thread
        self._holds = False
        self._held: Attempt | None = None
        self._threads = Threads(max_threads, "refold-activity")
        self._max_processes = max_processes
        self._processes: ProcessPoolExecutor | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    def start(self, attempt: Attempt) -> None:
        """Begin an attempt."""
        match attempt.activity.executor:
            case "async":
                self._event_loop().call_soon_threadsafe(self._start_coroutine, attempt)
            case "process":
                self._start_in_process(attempt)
            case _ if self._holds and self._held is None:
                self._held = attempt
            case _:
                self._threads.give(partial(self._run_in_thread, partial(self._carry_out, attempt)))

    def lend(self, job: ThreadJob) -> bool:
        """Have a job done, and the attempt carried out that it answers with, by a thread that is free; False if none is."""
        return self._threads.lend(partial(self._run_in_thread, job))

    def hold_one(self) -> None:
        """From now on keep back the first attempt for a thread, until :meth:`held_one` takes it away."""
        self._holds = True

    def held_one(self) -> Attempt | None:
        """The attempt that was kept back, if any; no more are."""
        held, self._held, self._holds = self._held, None, False
        return held

    def shutdown(self) -> None:
        """Stop the pools without waiting for attempts that do not stop."""
        self._threads.close()
        with self._lock:
            processes, loop = self._processes, self._loop
            self._processes = self._loop = None
        if processes is not None:
            processes.shutdown(wait=False, cancel_futures=True)
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)

    # Threads --------------------------------------------------------------------------------------------------------

    def _run_in_thread(self, job: ThreadJob) -> None:
        attempt = job()
        while attempt is not None:
            attempt = self._carry_out(attempt)

    def _carry_out(self, attempt: Attempt) -> Attempt | None:
        token = CURRENT.set(attempt.context)
        try:
            outcome = _outcome(attempt.call)
        finally:
            CURRENT.reset(token)
        return self._report_in_thread(attempt, outcome)

    # Coroutines -----------------------------------------------------------------------------------------------------

    def _event_loop(self) -> asyncio.AbstractEventLoop:
        import asyncio

        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=_run_loop, args=(self._loop,), name="refold-async", daemon=True
                ).start()
            return self._loop

    def _start_coroutine(self, attempt: Attempt) -> None:
        import asyncio

        context = copy_context()
        context.run(CURRENT.set, attempt.context)
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._run_coroutine(attempt), context=context)
        attempt.context.on_cancellation(lambda: loop.call_soon_threadsafe(task.cancel))

    async def _run_coroutine(self, attempt: Attempt) -> None:
        import asyncio

        outcome: AttemptOutcome
        try:
            value = await _awaited(attempt)
            outcome = _outcome(lambda: value)
        except asyncio.CancelledError as error:
            outcome = Cancelled([encode(str(item)) for item in error.args])
        except CompletedElsewhere:
            outcome = Elsewhere()
        except CancelledError as error:
            outcome = Cancelled([encode(item) for item in error.details])
        except BaseException as error:
            outcome = _failed(error)
        self._report(attempt, outcome)

    # Processes ------------------------------------------------------------------------------------------------------

    def _start_in_process(self, attempt: Attempt) -> None:
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        with self._lock:
            if self._processes is None:
                spawn = multiprocessing.get_context("spawn")
                self._processes = ProcessPoolExecutor(self._max_processes, mp_context=spawn)
            pool = self._processes
        fn = attempt.activity.fn
        module, name = fn.__module__, fn.__qualname__

        def done(future: Future[tuple[str, Any]]) -> None:
            self._report(attempt, _outcome_from_process(future))

        try:
            pool.submit(_run_in_process, module, name, attempt.input).add_done_callback(done)
        except BaseException as error:
            self._report(attempt, _failed(error))


async def _awaited(attempt: Attempt) -> Any:
    coroutine: Coroutine[Any, Any, Any] = attempt.call()
    return await coroutine


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    import asyncio

    asyncio.set_event_loop(loop)
    loop.run_forever()
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def _outcome(function: Callable[[], Any]) -> AttemptOutcome:
    try:
        return Returned(encode(function()))
    except CancelledError as error:
        return Cancelled([encode(item) for item in error.details])
    except CompletedElsewhere:
        return Elsewhere()
    except BaseException as error:
        return _failed(error)


def _failed(error: BaseException) -> Raised:
    failure = failure_of(error)
    if isinstance(
        error, RefoldError
    ):  # a value that cannot be stored, a function that cannot be found: it stays so
        failure = attrs.evolve(failure, non_retryable=True)
    return Raised(failure)


def _run_in_process(module: str, qualname: str, input: list[Any]) -> tuple[str, Any]:
    """In the other process: find the activity again by name, as only plain data crosses the border."""
    try:
        target: Any = importlib.import_module(module)
    except ImportError:
        target = None
    for part in qualname.split("."):
        target = getattr(target, part, None)
    if not isinstance(target, Activity):
        return "raised", attrs.asdict(_failed(_not_found(module, qualname)).failure)
    outcome = _outcome(lambda: target.fn(*target.decode_input(input)))
    match outcome:
        case Returned():
            return "returned", outcome.result
        case Cancelled():
            return "cancelled", outcome.details
        case Elsewhere():
            return "elsewhere", None
        case Raised():
            return "raised", attrs.asdict(outcome.failure)


def _not_found(module: str, qualname: str) -> ExecutionError:
    return ExecutionError(
        "RF5112",
        f"{module}.{qualname} cannot be found in another process",
        why="an activity with executor='process' must be a module-level name",
        fix="define it at the top of a module, not in a function or in __main__ without a guard",
    )


def _outcome_from_process(future: Future[tuple[str, Any]]) -> AttemptOutcome:
    error = future.exception()
    if error is not None:
        return _failed(error)
    kind, data = future.result()
    match kind:
        case "returned":
            return Returned(data)
        case "cancelled":
            return Cancelled(data)
        case "elsewhere":
            return Elsewhere()
        case _:
            return Raised(_failure_from(data))


def _failure_from(data: dict[str, Any]) -> Failure:
    cause = data.pop("cause")
    return Failure(**data, cause=None if cause is None else _failure_from(cause))
