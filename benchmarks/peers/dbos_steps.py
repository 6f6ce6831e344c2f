"""DBOS with its default settings, on an SQLite file or a PostgreSQL database: steps, latency, start-up.

python -m benchmarks.peers.dbos_steps DATABASE_URL
"""

# Its environment is not the one that types are checked in.
# pyright: reportUntypedFunctionDecorator=false, reportUntypedClassDecorator=false, reportMissingModuleSource=false

import asyncio
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

from benchmarks.answering import answer, resident_bytes

_begin = time.perf_counter()
try:
    from dbos import DBOS
except ImportError as error:
    answer({"missing": str(error)}, {})
    sys.exit()
IMPORT_SECONDS = time.perf_counter() - _begin

IN_FLIGHT = 100
THREADS = 50


@DBOS.step()
def step(number: int) -> int:
    return number


@DBOS.step()
async def async_step(number: int) -> int:
    return number


@DBOS.workflow()
def steps(count: int) -> int:
    total = 0
    for number in range(count):
        total += step(number)
    return total


@DBOS.workflow()
async def async_steps(count: int) -> int:
    total = 0
    for number in range(count):
        total += await async_step(number)
    return total


_received_at = 0.0
_received = threading.Event()


@DBOS.workflow()
def receiver() -> int:
    global _received_at  # noqa: PLW0603 - the plainest way out of a workflow, for its time only
    count = 0
    while DBOS.recv("topic", timeout_seconds=600) is not None:
        _received_at = time.perf_counter()
        _received.set()
        count += 1
    return count


def _check(results: list[int], count: int) -> None:
    if any(result != sum(range(count)) for result in results):
        raise RuntimeError(f"DBOS answered {results}")


def sequential(workflows: int, count: int) -> dict[str, Any]:
    """One workflow after another, called directly."""
    begin = time.perf_counter()
    results = [steps(count) for _ in range(workflows)]
    seconds = time.perf_counter() - begin
    _check(results, count)
    return {"seconds": seconds}


def threads(workflows: int, count: int) -> dict[str, Any]:
    """All at once, started from threads."""
    with ThreadPoolExecutor(THREADS) as pool:
        begin = time.perf_counter()
        handles = list(pool.map(lambda _: DBOS.start_workflow(steps, count), range(workflows)))
        results = [handle.get_result() for handle in handles]
        seconds = time.perf_counter() - begin
    _check(results, count)
    return {"seconds": seconds}


def tasks(workflows: int, count: int) -> dict[str, Any]:
    """All at once, as coroutines, a hundred in flight."""

    async def all_of_them() -> tuple[float, list[int]]:
        limit = asyncio.Semaphore(IN_FLIGHT)

        async def one() -> int:
            async with limit:
                result: int = await async_steps(count)
                return result

        begin = time.perf_counter()
        results = await asyncio.gather(*(one() for _ in range(workflows)))
        return time.perf_counter() - begin, list(results)

    seconds, results = asyncio.run(all_of_them())
    _check(results, count)
    return {"seconds": seconds}


def queue(workflows: int, count: int) -> dict[str, Any]:
    """All at once, through a queue."""
    begin = time.perf_counter()
    handles = [_queue.enqueue(steps, count) for _ in range(workflows)]
    results = [handle.get_result() for handle in handles]
    seconds = time.perf_counter() - begin
    _check(results, count)
    return {"seconds": seconds}


_receiver: Any = None


def signal() -> dict[str, Any]:
    """From just before a message is sent to the next line of the workflow that waits for it."""
    global _receiver  # noqa: PLW0603 - started at first use, then kept
    if _receiver is None:
        _receiver = DBOS.start_workflow(receiver)
        time.sleep(1)
    _received.clear()
    begin = time.perf_counter()
    DBOS.send(_receiver.workflow_id, 1, "topic")
    if not _received.wait(60):
        raise RuntimeError("DBOS did not deliver a message within a minute")
    return {"seconds": _received_at - begin}


def start_up() -> dict[str, Any]:
    """How long this process took to get ready, its first workflow, and what it takes of memory then."""
    begin = time.perf_counter()
    _check([steps(1)], 1)
    first = time.perf_counter() - begin
    return {
        "import_seconds": IMPORT_SECONDS,
        "launch_seconds": LAUNCH_SECONDS,
        "first_workflow_seconds": first,
        "resident_bytes": resident_bytes(),
    }


if __name__ == "__main__":
    DBOS(
        config={
            "name": "bench",
            "system_database_url": sys.argv[1],
            "log_level": "ERROR",
            "application_version": "1",
            "executor_id": "local",
        }
    )
    _begin = time.perf_counter()
    DBOS.launch()
    LAUNCH_SECONDS = time.perf_counter() - _begin
    _queue = DBOS.register_queue("bench", worker_concurrency=IN_FLIGHT, polling_interval_sec=0.1)
    answer(
        {"peer": "dbos", "version": version("dbos")},
        {each.__name__: each for each in (sequential, threads, tasks, queue, signal, start_up)},
    )
    os._exit(0)  # the receiver still waits
