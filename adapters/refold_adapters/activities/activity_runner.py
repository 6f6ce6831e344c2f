"""Runs attempts of activities: in threads, on an event loop, or in other processes.

One rule: the end of each attempt is told to whoever started it, once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from refold import CancelledError
from refold.payloads import encode
from refold_adapters.activities.activity_context import CURRENT, CompletedElsewhere
from refold_adapters.activities.attempts import (
    Attempt,
    AttemptOutcome,
    Cancelled,
    Elsewhere,
    failed,
    outcome_of,
)
from refold_adapters.hosting.host import Host
from refold_adapters.hosting.threaded import THREADS

if TYPE_CHECKING:
    import asyncio

    from refold_adapters.activities.processes import Processes

# asyncio and multiprocessing take long to import, and most programs need neither: they are imported where they are first used.

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
        host: Host = THREADS,
    ) -> None:
        self._report = report
        self._report_in_thread = report_in_thread
        self._holds = False
        self._held: Attempt | None = None
        self._threads = host.pool(max_threads, "refold-activity")
        self._max_processes = max_processes
        self._processes: Processes | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    def start(self, attempt: Attempt) -> None:
        """Begin an attempt."""
        match attempt.activity.executor:
            case "async":
                self._event_loop().call_soon_threadsafe(self._start_coroutine, attempt)
            case "process":
                self._process_pool().start(attempt)
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
            processes.close()
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)

    # Threads --------------------------------------------------------------------------------------------------------

    def _run_in_thread(self, job: ThreadJob) -> None:
        attempt = job()
        while attempt is not None:
            attempt = self._carry_out(attempt)

    def _carry_out(self, attempt: Attempt) -> Attempt | None:
        token = CURRENT.set(attempt)
        try:
            outcome = outcome_of(attempt.call)
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
        context.run(CURRENT.set, attempt)
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._run_coroutine(attempt), context=context)
        attempt.context.on_cancellation(lambda: loop.call_soon_threadsafe(task.cancel))

    async def _run_coroutine(self, attempt: Attempt) -> None:
        import asyncio

        outcome: AttemptOutcome
        try:
            value = await _awaited(attempt)
            outcome = outcome_of(lambda: value)
        except asyncio.CancelledError as error:
            outcome = Cancelled([encode(str(item)) for item in error.args])
        except CompletedElsewhere:
            outcome = Elsewhere()
        except CancelledError as error:
            outcome = Cancelled([encode(item) for item in error.details])
        except BaseException as error:
            outcome = failed(error)
        self._report(attempt, outcome)

    # Processes ------------------------------------------------------------------------------------------------------

    def _process_pool(self) -> Processes:
        from refold_adapters.activities.processes import Processes

        with self._lock:
            if self._processes is None:
                self._processes = Processes(self._max_processes, self._report)
            return self._processes


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
