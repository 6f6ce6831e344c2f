"""Processes that are killed, for real, at each of their commits, while runs start, signal and wait for each other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from refold import (
    Signal,
    Workflow,
    activity,
    continue_as_new,
    execute_child_workflow,
    external_workflow,
    workflow,
)
from refold_adapters import Engine, open_store

news = Signal("news", str)


@activity
def double(number: int) -> int:
    return 2 * number


@workflow
def child(left: int) -> Workflow[str]:
    yield from double(left)
    if left:
        yield from continue_as_new(left - 1)
    yield from external_workflow("listener").signal(news, "from the child")
    return "child"


@workflow
def parent() -> Workflow[str]:
    yield from external_workflow("listener").signal(news, "from the parent")
    return (yield from execute_child_workflow(child, 1, id="child"))


@workflow
def listener(count: int) -> Workflow[list[str]]:
    heard: list[str] = []
    for _ in range(count):
        heard.append((yield from news.receive()))
    return heard


OPTIONS: dict[str, Any] = {"workflows": [child, parent, listener], "activities": [double]}


def main(path: str, at: int, when: str) -> None:
    """Run everything in this process, which kills itself right before or right after one commit of its worker."""
    store: Any = open_store(path)
    apply, commits = store.apply, 0

    def dying(writes: Any) -> Any:
        nonlocal commits
        commits += 1
        if commits == at and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        outcomes = apply(writes)
        if commits == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return outcomes

    engine = Engine(store, **OPTIONS)
    engine.start(listener, 2, id="listener")
    store.apply = dying
    engine.start(parent, id="parent").result()
    engine.close()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", range(2, 8))
def test_what_runs_do_to_each_other_is_done_once_whichever_commit_a_process_is_killed_at(
    tmp_path: Path, at: int, when: str
):
    path = str(tmp_path / "runs.db")
    killed = subprocess.run(
        [sys.executable, "-m", "tests.features.test_crashes_between_runs", path, str(at), when],
        cwd=Path(__file__).parents[2],
        check=False,
        timeout=60,
    )
    assert -signal.SIGKILL == killed.returncode
    with Engine(path, **OPTIONS) as engine:
        assert "child" == engine.run(parent, id="parent")
        heard = engine.handle("listener", workflow=listener).result(timeout=timedelta(seconds=30))
        assert ["from the parent", "from the child"] == heard
        assert 2 == len(list(engine.list(workflow_id="child")))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
