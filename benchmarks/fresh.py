"""What can only be measured in a process of its own: start-up, and memory of runs that wait.

python -m benchmarks.fresh STORE
"""

import time

_begin = time.perf_counter()
from refold_adapters import Engine  # noqa: E402 - the import is what is measured

IMPORT_SECONDS = time.perf_counter() - _begin

import gc  # noqa: E402
import sys  # noqa: E402
from typing import Any  # noqa: E402

from benchmarks.answering import answer, resident_bytes  # noqa: E402

STEPS_DONE = 5


def start_up() -> dict[str, Any]:
    """How long it takes to get ready, a first workflow, and what the process takes of memory then."""
    from refold import Workflow, activity, workflow

    @activity
    def step(number: int) -> int:
        return number

    @workflow
    def one_step(number: int) -> Workflow[int]:
        return (yield from step(number))

    begin = time.perf_counter()
    with Engine(STORE, workflows=[one_step], activities=[step]) as engine:
        launched = time.perf_counter()
        engine.run(one_step, 7, id=f"first-{time.time_ns()}")
        ended = time.perf_counter()
        memory = resident_bytes()
    return {
        "import_seconds": IMPORT_SECONDS,
        "launch_seconds": launched - begin,
        "first_workflow_seconds": ended - launched,
        "resident_bytes": memory,
    }


def parked_executions(runs: int) -> dict[str, Any]:
    """Bytes of a live execution that waits on the sixth of ten steps, loaded from its own stored bytes."""
    from benchmarks.histories import make_history
    from refold import Execution
    from refold_adapters import event_decoder

    history = make_history("sequential", 10)
    stored = history.turns[: STEPS_DONE + 1]
    decode = event_decoder()

    def load() -> Execution:
        return Execution.load(history.definition, [event for turn in stored for event in decode(turn)])

    load().close()
    gc.collect()
    before = resident_bytes()
    begin = time.perf_counter()
    kept = [load() for _ in range(runs)]
    seconds = time.perf_counter() - begin
    gc.collect()
    taken = resident_bytes() - before
    for execution in kept:
        execution.close()
    return {"seconds": seconds, "bytes": taken / runs}


def parked_runs(runs: int) -> dict[str, Any]:
    """Bytes that this process grows by for each run that waits for a signal after five steps, live in the worker's cache."""
    from benchmarks.workloads import parked, step

    with Engine(STORE, workflows=[parked], activities=[step]) as engine:

        def park(number: int) -> None:
            ids = [f"parked-{time.time_ns()}-{nth}" for nth in range(number)]
            for workflow_id in ids:
                engine.start(parked, STEPS_DONE, id=workflow_id)
            for workflow_id in ids:
                while (row := engine.store.find_run(workflow_id)) is None or row.turn <= STEPS_DONE:
                    time.sleep(0.01)

        park(200)  # fills what is taken once: threads, caches of the store
        gc.collect()
        before = resident_bytes()
        begin = time.perf_counter()
        park(runs)
        seconds = time.perf_counter() - begin
        gc.collect()
        return {"seconds": seconds, "bytes": (resident_bytes() - before) / runs}


if __name__ == "__main__":
    STORE = sys.argv[1]
    answer({"peer": "refold"}, {each.__name__: each for each in (start_up, parked_executions, parked_runs)})
