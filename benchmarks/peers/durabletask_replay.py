"""durabletask's executor over a history of sequential activities or of a fan-out, in process.

The events are protobuf objects that are decoded already, as its worker would have them from its stream: decoding is not part of the time.
"""

import gc
import json
import logging
import sys
import time
from collections.abc import Generator
from importlib.metadata import version
from typing import Any

from benchmarks.answering import answer

try:
    from durabletask import task
    from durabletask import worker as internals
    from durabletask.internal import helpers
    from durabletask.serialization import DEFAULT_DATA_CONVERTER
except ImportError as error:
    answer({"missing": str(error)}, {})
    sys.exit()


def step(context: Any, number: int) -> int:
    return number


def sequential(context: Any, steps: int) -> Generator[Any, Any, int]:
    total = 0
    for number in range(steps):
        total += yield context.call_activity(step, input=number)
    return total


def fan_out(context: Any, steps: int) -> Generator[Any, Any, int]:
    results = yield task.when_all([context.call_activity(step, input=number) for number in range(steps)])
    return sum(results)


def history(shape: str, steps: int) -> list[Any]:
    scheduled = [helpers.new_task_scheduled_event(n + 1, "step", json.dumps(n)) for n in range(steps)]
    completed = [helpers.new_task_completed_event(n + 1, json.dumps(n)) for n in range(steps)]
    events = [
        helpers.new_orchestrator_started_event(),
        helpers.new_execution_started_event(shape, "instance", json.dumps(steps)),
    ]
    if shape == "sequential":
        for asked, done in zip(scheduled, completed, strict=True):
            events += [asked, helpers.new_orchestrator_started_event(), done]
    else:
        events += [*scheduled, helpers.new_orchestrator_started_event(), *completed]
    return events


REGISTRY = internals._Registry()
LOGGER = logging.getLogger("durabletask-bench")
LOGGER.setLevel(logging.ERROR)
HISTORIES: dict[tuple[str, int], list[Any]] = {}


def replay(shape: str, steps: int) -> dict[str, Any]:
    if (shape, steps) not in HISTORIES:
        HISTORIES[shape, steps] = history(shape, steps)
    events = HISTORIES[shape, steps]
    gc.collect()
    begin, begin_cpu = time.perf_counter(), time.process_time()
    executor = internals._OrchestrationExecutor(REGISTRY, LOGGER, DEFAULT_DATA_CONVERTER)
    outcome = executor.execute("instance", events[:-1], events[-1:])
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - begin_cpu
    result = outcome.actions[-1].completeOrchestration.result.value
    if result != str(sum(range(steps))):
        raise RuntimeError(f"durabletask answered {result}")
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "events": len(events)}


if __name__ == "__main__":
    for workflow in (sequential, fan_out):
        REGISTRY.add_orchestrator(workflow)
    REGISTRY.add_activity(step)
    answer({"peer": "durabletask", "version": version("durabletask")}, {"replay": replay})
