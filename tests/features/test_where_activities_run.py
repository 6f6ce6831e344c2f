"""Where the code of an activity runs: in a thread of the worker, on its event loop, or in a process of its own."""

from __future__ import annotations

import asyncio
import os
import threading

from refold import Workflow, activity, all_of, workflow
from tests.features.running import MakeEngine

met = threading.Barrier(2)
together: list[asyncio.Event] = []


def place() -> list[int]:
    return [os.getpid(), threading.get_ident()]


@activity
def in_a_thread() -> list[int]:
    met.wait(20)  # both are at work at the same time
    return place()


@activity
async def on_the_loop() -> list[int]:
    """Both wait for each other: the loop has them at the same time, in one thread."""
    together.append(asyncio.Event())
    if len(together) == 2:
        for each in together:
            each.set()
    await asyncio.wait_for(together[-1].wait(), 20)
    return place()


@activity(executor="process")
def in_a_process() -> list[int]:
    return place()


@workflow
def everywhere() -> Workflow[list[list[int]]]:
    return list(
        (
            yield from all_of(
                in_a_thread(), in_a_thread(), on_the_loop(), on_the_loop(), in_a_process(), in_a_process()
            )
        )
    )


def test_activities_run_in_threads_on_one_loop_or_in_another_process(make_engine: MakeEngine) -> None:
    together.clear()
    engine = make_engine(
        workflows=[everywhere],
        activities=[in_a_thread, on_the_loop, in_a_process],
        max_activity_processes=1,
    )
    first, second, third, fourth, *elsewhere = engine.run(everywhere, id="w")

    here = os.getpid()
    assert [here] * 4 == [each[0] for each in (first, second, third, fourth)]
    assert 3 == len({first[1], second[1], third[1], fourth[1]} - {threading.get_ident()})
    assert third[1] == fourth[1]
    assert here not in [each[0] for each in elsewhere]
    assert 1 == len({each[0] for each in elsewhere})
