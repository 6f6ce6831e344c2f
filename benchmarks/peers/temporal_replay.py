"""temporalio's Replayer, unsandboxed, over a history of sequential activities or of a fan-out; no server is needed.

The history is what a server would have recorded: six events an activity where each comes back in a workflow task of its own, and for
a fan-out one workflow task for every hundred that come back.  Building it and decoding its protobuf is not part of the time.
"""

# Its environment is not the one that types are checked in.
# pyright: reportUntypedFunctionDecorator=false, reportUntypedClassDecorator=false, reportMissingModuleSource=false

import asyncio
import gc
import json
import sys
import time
from datetime import timedelta
from importlib.metadata import version
from typing import Any

from benchmarks.answering import answer

try:
    from google.protobuf.duration_pb2 import Duration
    from temporalio import workflow
    from temporalio.api.common.v1 import ActivityType, Payload, Payloads, WorkflowType
    from temporalio.api.enums.v1 import EventType
    from temporalio.api.history.v1 import HistoryEvent
    from temporalio.api.taskqueue.v1 import TaskQueue
    from temporalio.client import WorkflowHistory
    from temporalio.worker import Replayer, UnsandboxedWorkflowRunner
except ImportError as error:
    answer({"missing": str(error)}, {})
    sys.exit()

MINUTE = timedelta(seconds=60)
COMPLETIONS_A_TASK = 100


@workflow.defn
class Sequence:
    @workflow.run
    async def run(self, steps: int) -> int:
        total = 0
        for number in range(steps):
            total += await workflow.execute_activity(
                "step", number, start_to_close_timeout=MINUTE, result_type=int
            )
        return total


@workflow.defn
class FanOut:
    @workflow.run
    async def run(self, steps: int) -> int:
        started = [
            workflow.start_activity("step", number, start_to_close_timeout=MINUTE, result_type=int)
            for number in range(steps)
        ]
        return sum(await asyncio.gather(*started))


class Recorder:
    """A history in the making."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.last_task = 0

    def add(self, kind: str, **fields: Any) -> int:
        number = len(self.events) + 1
        event = HistoryEvent(
            event_id=number,
            task_id=1_000_000 + number,
            event_type=EventType.Value(f"EVENT_TYPE_{kind.upper()}"),
            **{f"{kind}_event_attributes": fields},
        )
        event.event_time.FromSeconds(1_700_000_000 + number)
        self.events.append(event)
        return number

    def workflow_task(self) -> None:
        scheduled = self.add(
            "workflow_task_scheduled",
            task_queue=TaskQueue(name="default"),
            start_to_close_timeout=Duration(seconds=10),
            attempt=1,
        )
        started = self.add(
            "workflow_task_started", scheduled_event_id=scheduled, identity="bench", request_id="request"
        )
        self.last_task = self.add(
            "workflow_task_completed",
            scheduled_event_id=scheduled,
            started_event_id=started,
            identity="bench",
        )

    def schedule(self, number: int) -> int:
        minute = Duration(seconds=60)
        return self.add(
            "activity_task_scheduled",
            activity_id=str(number + 1),
            activity_type=ActivityType(name="step"),
            task_queue=TaskQueue(name="default"),
            input=_payloads(number),
            start_to_close_timeout=minute,
            schedule_to_close_timeout=minute,
            schedule_to_start_timeout=minute,
            workflow_task_completed_event_id=self.last_task,
        )

    def complete(self, scheduled: int, number: int) -> None:
        started = self.add(
            "activity_task_started",
            scheduled_event_id=scheduled,
            identity="bench",
            attempt=1,
            request_id="request",
        )
        self.add(
            "activity_task_completed",
            scheduled_event_id=scheduled,
            started_event_id=started,
            identity="bench",
            result=_payloads(number),
        )


def _payloads(value: object) -> Any:
    encoded = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(value).encode())
    return Payloads(payloads=[encoded])


def history(shape: str, steps: int) -> list[Any]:
    made = Recorder()
    made.add(
        "workflow_execution_started",
        workflow_type=WorkflowType(name="Sequence" if shape == "sequential" else "FanOut"),
        task_queue=TaskQueue(name="default"),
        input=_payloads(steps),
        original_execution_run_id="run",
        first_execution_run_id="run",
        workflow_task_timeout=Duration(seconds=10),
        attempt=1,
        identity="bench",
    )
    made.workflow_task()
    if shape == "sequential":
        for number in range(steps):
            made.complete(made.schedule(number), number)
            made.workflow_task()
    else:
        scheduled = [made.schedule(number) for number in range(steps)]
        for number, event_id in enumerate(scheduled):
            made.complete(event_id, number)
            if (number + 1) % COMPLETIONS_A_TASK == 0 or number + 1 == steps:
                made.workflow_task()
    made.add(
        "workflow_execution_completed",
        result=_payloads(sum(range(steps))),
        workflow_task_completed_event_id=made.last_task,
    )
    return made.events


HISTORIES: dict[tuple[str, int], WorkflowHistory] = {}


async def _replay(recorded: WorkflowHistory) -> tuple[float, float]:
    replayer = Replayer(workflows=[Sequence, FanOut], workflow_runner=UnsandboxedWorkflowRunner())
    begin, begin_cpu = time.perf_counter(), time.process_time()
    result = await replayer.replay_workflow(recorded, raise_on_replay_failure=False)
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - begin_cpu
    if result.replay_failure is not None:
        raise result.replay_failure
    return seconds, cpu_seconds


def replay(shape: str, steps: int) -> dict[str, Any]:
    if (shape, steps) not in HISTORIES:
        HISTORIES[shape, steps] = WorkflowHistory("workflow", history(shape, steps))
    recorded = HISTORIES[shape, steps]
    gc.collect()
    seconds, cpu_seconds = asyncio.run(_replay(recorded))
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "events": len(recorded.events)}


if __name__ == "__main__":
    answer({"peer": "temporalio", "version": version("temporalio")}, {"replay": replay})
