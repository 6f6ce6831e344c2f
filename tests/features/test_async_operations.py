"""Operations of the asyncio client are those of the client, on each store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from refold import ActivityError, Update, Workflow, activity, sleep, wait_until, workflow
from refold_adapters import (
    ActivityNotFoundError,
    AsyncClient,
    Engine,
    ManualClock,
    RunStatus,
    WorkflowUpdateStage,
    activity_context,
)
from tests.features.running import until

MakeEngine = Callable[..., Engine]


@activity
def word() -> str:
    return "word"


@workflow
def sleeps() -> Workflow[None]:
    yield from sleep(timedelta(hours=1))


def test_runs_are_found_paused_let_go_on_and_deleted_from_asyncio(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[sleeps], activities=[word])
    engine.execute_activity(word, id="w")

    async def operate() -> None:
        client = AsyncClient(engine)
        handle = await client.start(sleeps, id="s")
        await handle.pause("look")
        assert 1 == await client.count("WorkflowId = 's'")
        assert ["s"] == [row.workflow_id for row in await client.list("WorkflowId = 's'")]
        assert (await handle.describe()).run.paused_at is not None
        await handle.resume()
        assert (await handle.describe()).run.paused_at is None
        fork = await handle.fork("f", turn=1)
        assert "f" == fork.workflow_id
        again = await handle.reset(first=True, reason="anew")
        await fork.terminate("enough")
        await again.terminate("enough")
        await fork.delete()
        assert 2 == await client.count("WorkflowId = 's'")
        assert 2 == await client.count()
        assert 1 == await client.count_activities()
        assert ["w"] == [row.workflow_id for row in await client.list_activities()]
        assert () == await client.retry()

    asyncio.run(operate())


@activity
def outside() -> str:
    activity_context().complete_async()


@workflow
def waits_outside() -> Workflow[str]:
    return (yield from outside())


raised = Update("raised", int, result_type=int)


@workflow
def counts() -> Workflow[int]:
    total: list[int] = []

    def add(value: int) -> Workflow[int]:
        total.append(value)
        yield from wait_until(lambda: len(total) > 1)
        return sum(total)

    yield from raised.handle(add)
    yield from wait_until(lambda: len(total) > 1)
    return sum(total)


def test_activities_without_a_workflow_are_started_and_operated_from_asyncio(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(activities=[word, outside])

    async def operate() -> None:
        client = AsyncClient(engine)
        assert "word" == await client.execute_activity(word, id="w", timeout=timedelta(seconds=20))
        handle = await client.start_activity("outside", id="o", result_type=str)
        assert ("o", handle.run_id) == (handle.id, handle.run.run_id)
        with pytest.raises(TimeoutError):
            await handle.result(timeout=timedelta(0))
        attempt = await handle.open_attempt()
        assert "outside" == (await attempt.describe()).activity_type
        await attempt.complete("from asyncio")
        assert "from asyncio" == await client.get_activity_handle("o", activity=outside).result()
        assert RunStatus.COMPLETED is (await handle.describe()).status
        with pytest.raises(ActivityNotFoundError):
            await handle.open_attempt()
        ended = await client.start_activity(outside, id="e")
        await ended.terminate("enough")
        with pytest.raises(ActivityError):
            await ended.result()

    asyncio.run(operate())


def test_one_activity_of_a_workflow_is_operated_from_asyncio(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[waits_outside], activities=[outside])

    async def operate() -> None:
        client = AsyncClient(engine)
        handle = client.handle(
            (await client.start(waits_outside, id="o")).workflow_id, workflow=waits_outside
        )
        one = client.activity("o", "1")
        blocking = engine.handle("o")
        await asyncio.to_thread(until, lambda: bool(blocking.describe().pending_activities))
        await one.pause()
        assert (await one.describe()).paused
        await one.unpause()
        await one.complete("yes")
        assert "yes" == await handle.result()

    asyncio.run(operate())


def test_however_many_wait_no_thread_is_held(make_engine: MakeEngine, clock: ManualClock) -> None:
    engine = make_engine(workflows=[sleeps, counts], activities=[outside])

    async def operate() -> None:
        client = AsyncClient(engine)
        handles = [await client.start(sleeps, id=f"s{number}") for number in range(60)]
        activities = [await client.start_activity(outside, id=f"o{number}") for number in range(20)]
        waiting: list[asyncio.Task[Any]] = [asyncio.create_task(handle.result()) for handle in handles]
        waiting += [asyncio.create_task(handle.result()) for handle in activities]
        waiting += [asyncio.create_task(client.execute_activity(outside, id="o0x"))]
        counter = await client.start(counts, id="c")
        first = asyncio.create_task(counter.execute_update(raised, 1))
        completed = WorkflowUpdateStage.COMPLETED
        started = asyncio.create_task(
            client.update_with_start(counts, id="d", update=raised, payload=1, wait_for_stage=completed)
        )
        # More wait than the default executor has threads: a call that needs one still gets it.
        assert RunStatus.RUNNING is (await handles[0].describe()).run.status
        assert 3 == await counter.execute_update(raised, 2)
        assert (3, 3) == (await first, await counter.result())
        second = await client.update_with_start(counts, id="d", update=raised, payload=4)
        assert (5, 5) == (await second.result(), await (await started).result())
        for task in waiting:
            task.cancel()
        assert all(
            isinstance(error, asyncio.CancelledError)
            for error in await asyncio.gather(*waiting, return_exceptions=True)
        )

    asyncio.run(operate())
