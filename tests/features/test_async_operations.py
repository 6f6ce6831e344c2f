"""Operations of the asyncio client are those of the client, on each store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from refold import Workflow, activity, sleep, workflow
from refold_adapters import AsyncClient, Engine

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
