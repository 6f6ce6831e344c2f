"""Both halves of a crash, of DBOS: runs that are half done when the process is killed, and their recovery.

python -m benchmarks.peers.dbos_recovery DATABASE_URL
"""

# Its environment is not the one that types are checked in.
# pyright: reportUntypedFunctionDecorator=false, reportMissingModuleSource=false, reportUntypedClassDecorator=false

import time

_begin = time.perf_counter()
import asyncio  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from importlib.metadata import version  # noqa: E402
from typing import Any  # noqa: E402

from benchmarks.answering import answer, resident_bytes  # noqa: E402

try:
    from dbos import DBOS, SetWorkflowID
    from sqlalchemy import create_engine, text
except ImportError as error:
    answer({"missing": str(error)}, {})
    sys.exit()

STEPS = 10
DONE = 5
#: Starts at once: more only wait for each other.
STARTS = 50

_blocked = True
_first_at = 0.0


@DBOS.step()
async def step(number: int) -> int:
    global _first_at  # noqa: PLW0603 - the plainest way to tell when the first step of all runs
    if _blocked and number >= DONE:
        await asyncio.Event().wait()
    _first_at = _first_at or time.perf_counter()
    return number


@DBOS.workflow()
async def half_done() -> int:
    total = 0
    for number in range(STEPS):
        total += await step(number)
    return total


def _count(question: str) -> int:
    """An answer of its own store, looked up beside it, as it has no cheap way to count."""
    with _store.connect() as connection:
        return int(connection.execute(text(question)).scalar_one())


def _launch() -> None:
    DBOS(
        config={
            "name": "bench",
            "system_database_url": URL,
            "log_level": "ERROR",
            "application_version": "1",
            "executor_id": "local",
        }
    )
    DBOS.launch()


def leave(runs: int) -> dict[str, Any]:
    """Start the runs, in coroutines that stay; return when each has its durable steps."""
    begin = time.perf_counter()
    _launch()

    async def one(number: int) -> None:
        with SetWorkflowID(f"half-{number}"):
            await DBOS.start_workflow_async(half_done)

    async def all_of_them() -> None:
        for first in range(0, runs, STARTS):
            await asyncio.gather(*(one(number) for number in range(first, min(first + STARTS, runs))))
        while (  # noqa: ASYNC110 - another library tells of no event
            _count("SELECT count(*) FROM operation_outputs WHERE workflow_uuid LIKE 'half-%'") < DONE * runs
        ):
            await asyncio.sleep(0.1)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(all_of_them())
    return {"seconds": time.perf_counter() - begin}


def recover(runs: int) -> dict[str, Any]:
    """Take the runs over; seconds since this process began, import included, until the first step runs and until all are complete."""
    global _blocked  # noqa: PLW0603 - this process is not killed
    _blocked = False
    _launch()
    done = "SELECT count(*) FROM workflow_status WHERE workflow_uuid LIKE 'half-%' AND status = 'SUCCESS'"
    while _count(done) < runs:
        time.sleep(0.02)
    return {
        "seconds": time.perf_counter() - _begin,
        "first_step_seconds": _first_at - _begin,
        "resident_bytes": resident_bytes(),
    }


if __name__ == "__main__":
    URL = sys.argv[1]
    # Its counts come from beside it, through the library and the driver that it uses itself.
    _store = create_engine(URL.replace("postgresql:", "postgresql+psycopg:"))
    answer({"peer": "dbos", "version": version("dbos")}, {each.__name__: each for each in (leave, recover)})
    os._exit(0)  # what it started may still wait
