"""Both halves of a crash, of refold: a process that leaves runs half done when it is killed, and one that takes them over.

python -m benchmarks.recovering STORE
"""

import time

_begin = time.perf_counter()
import asyncio  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
from typing import Any  # noqa: E402

from benchmarks.answering import answer, resident_bytes  # noqa: E402
from refold import Workflow, activity, workflow  # noqa: E402
from refold_adapters import Engine  # noqa: E402

STEPS = 10
#: Steps of each run that are durable when the process is killed.
DONE = 5

_blocked = True
_first = threading.Event()
_first_at = 0.0


@activity
async def step(number: int) -> int:
    """Nothing; but in the process that is to be killed, the steps beyond the durable ones never end."""
    global _first_at  # noqa: PLW0603 - the plainest way to tell when the first step of all runs
    if _blocked and number >= DONE:
        await asyncio.Event().wait()
    if not _first.is_set():
        _first_at = time.perf_counter()
        _first.set()
    return number


@workflow
def half_done() -> Workflow[int]:
    total = 0
    for number in range(STEPS):
        total += yield from step(number)
    return total


def leave(runs: int) -> dict[str, Any]:
    """Start ``runs`` runs and return when each has its durable steps, and waits for one that does not end."""
    begin = time.perf_counter()
    engine = Engine(
        STORE,
        workflows=[half_done],
        activities=[step],
        max_concurrent_activities=runs,  # each run keeps one that does not end
    )
    for number in range(runs):
        engine.start(half_done, id=f"half-{number}")
    for number in range(runs):
        while (row := engine.store.find_run(f"half-{number}")) is None or row.turn <= DONE:
            time.sleep(0.01)
    return {"seconds": time.perf_counter() - begin}


def recover(runs: int) -> dict[str, Any]:
    """Take the runs over; seconds since this process began, import included, until the first step runs and until all are complete."""
    global _blocked  # noqa: PLW0603 - this process is not killed
    _blocked = False
    with Engine(STORE, workflows=[half_done], activities=[step]) as engine:
        results = [engine.handle(f"half-{number}", workflow=half_done).result() for number in range(runs)]
        seconds = time.perf_counter() - _begin
        memory = resident_bytes()
    if any(result != sum(range(STEPS)) for result in results):
        raise RuntimeError("a run that was taken over gave a wrong result")
    return {"seconds": seconds, "first_step_seconds": _first_at - _begin, "resident_bytes": memory}


if __name__ == "__main__":
    STORE = sys.argv[1]
    answer({"peer": "refold"}, {each.__name__: each for each in (leave, recover)})
