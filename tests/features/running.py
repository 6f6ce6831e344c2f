"""What the tests of features share: a run that is started with every option, and a clock that is moved until something is done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

from refold.messages import StartWorkflow
from refold_adapters import Engine, ManualClock, WorkflowHandle
from refold_adapters.turns.other_runs import creation_of

MakeEngine = Callable[..., Engine]
SOON = timedelta(seconds=20)
SECOND = 1_000_000


def begin(engine: Engine, workflow: Any, *args: Any, id: str, **options: Any) -> WorkflowHandle[Any]:
    """Start a run with fields of ``StartWorkflow``."""
    start = StartWorkflow(
        workflow_id=id,
        run_id=str(uuid4()),
        workflow_type=workflow.name,
        input=workflow.encode_input(*args),
        **options,
    )
    engine.store.apply([creation_of(start, engine.store.clock.now_us())])
    return WorkflowHandle(engine, id, start.run_id, workflow.result_type, first_run_id=start.run_id)


def ended_by(clock: ManualClock, step_us: int, handle: WorkflowHandle[Any]) -> None:
    """Move the clock, step by step, until the run and all that follow it have ended; each step is given the time to work."""
    with ThreadPoolExecutor(1) as pool:
        done_by(clock, step_us, pool.submit(handle.result, timeout=SOON))


def done_by(clock: ManualClock, step_us: int, future: Future[Any]) -> None:
    """Move the clock, step by step, until something is done; each step is given the time to work."""
    for _ in range(200):
        if future.done():
            return
        clock.advance(step_us)
        wait_a_little(future)
    raise AssertionError("it never ended")


def wait_a_little(future: Future[Any]) -> None:
    """Give the threads of the engine time, but no longer than it takes."""
    try:
        future.exception(0.05)
    except TimeoutError:
        return


def kinds(handle: WorkflowHandle[Any]) -> list[str]:
    """The names of the events of a run."""
    return [type(event).__name__ for event in handle.history()]


def until(condition: Callable[[], object]) -> None:
    """Wait for something that another thread, or another process, brings about."""
    pause = threading.Event()
    for _ in range(2_000):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it did not come about")
