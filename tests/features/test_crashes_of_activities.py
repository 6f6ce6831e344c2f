"""Hazards 42 and 49 with processes that are killed, for real: between heartbeats, and between doing and recording."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from refold import RetryPolicy, Workflow, execute_activity, workflow
from refold import activity as declare
from refold_adapters import Engine, ManualClock, WorkflowFailedError, activity_context, open_store
from tests.features.running import until

SOON = timedelta(seconds=30)
ROOT = Path(__file__).parents[2]
#: Heartbeats are recorded at most every 80 % of their timeout.
TIMEOUT = timedelta(seconds=100)
WINDOW_US = 60_000_000
AT_ONCE = RetryPolicy(initial_interval=timedelta(0))


def killed(*args: object) -> None:
    """Run this module in a process that must die by its own hand."""
    command = [sys.executable, "-m", "tests.features.test_crashes_of_activities", *map(str, args)]
    ended = subprocess.run(command, cwd=ROOT, check=False, timeout=60)
    assert -signal.SIGKILL == ended.returncode


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


# 42: heartbeat details that are lost ---------------------------------------------------------------------------------------


@workflow
def counting() -> Workflow[list[int]]:
    return (
        yield from execute_activity(
            "count_on", result_type=list[int], heartbeat_timeout=TIMEOUT, retry_policy=AT_ONCE
        )
    )


def count_and_die(path: str, beats: int) -> None:
    """Beat so often, a window apart, and once more within the last window; then die."""
    clock = ManualClock()
    store = open_store(path, clock)

    @declare(name="count_on")
    def count_on() -> list[int]:
        run_id = activity_context().info.run_id
        for number in range(1, beats + 1):
            activity_context().heartbeat(number)
            until(lambda number=number: store.list_tasks(run_id)[0].heartbeat == b"[%d]" % number)  # type: ignore[misc]
            clock.advance(WINDOW_US)
        if beats:
            activity_context().heartbeat(beats + 1)
            until(lambda: store.list_tasks(run_id)[0].heartbeat == b"[%d]" % (beats + 1))
            activity_context().heartbeat(beats + 2)  # within the window: it is held back
        die()
        return []

    engine = Engine(store, workflows=[counting], activities=[count_on])
    engine.start(counting, id="counting").result(timeout=SOON)


@pytest.mark.parametrize("beats", [0, 1, 3])
def test_hazard_42_a_process_killed_between_heartbeats_loses_no_more_details_than_one_window(
    tmp_path: Path, beats: int
) -> None:
    @declare(name="count_on")
    def count_on() -> list[int]:
        return [activity_context().info.attempt, *activity_context().last_heartbeat_details]

    path = tmp_path / "runs.db"
    killed("count", path, beats)
    with Engine(open_store(path, ManualClock()), workflows=[counting], activities=[count_on]) as engine:
        handle = engine.handle("counting", workflow=counting)
        expected = [2, beats + 1] if beats else [2]
        assert expected == handle.result(timeout=SOON)


# 49: a worker dies between doing and recording -------------------------------------------------------------------------------


@workflow
def paying(at_most_once: bool) -> Workflow[str]:
    options: Any = {"at_most_once": True} if at_most_once else {"retry_policy": AT_ONCE}
    return (yield from execute_activity("pay", result_type=str, **options))


def payer(ledger: Path, after: Callable[[], None] = lambda: None) -> Any:
    """An activity that keeps a ledger outside of the store."""

    @declare(name="pay")
    def pay() -> str:
        with ledger.open("a") as file:
            file.write(f"{activity_context().info.idempotency_key}\n")
        after()
        return "paid"

    return pay


def pay_and_die(path: str, ledger: str, at_most_once: str, at: int, when: str) -> None:
    """Die in the activity once it has paid (``at`` 0), or right before or after a commit of the worker."""
    store: Any = open_store(path)
    apply, commits = store.apply, 0

    def dying(writes: Any) -> Any:
        nonlocal commits
        commits += 1
        if commits == at and when == "before":
            die()
        outcomes = apply(writes)
        if commits == at:
            die()
        return outcomes

    pay = payer(Path(ledger), die if at == 0 else lambda: None)
    engine = Engine(store, workflows=[paying], activities=[pay])
    handle = engine.start(paying, at_most_once == "True", id="paying")
    if at:
        store.apply = dying
    handle.result(timeout=SOON)
    die()


@pytest.mark.parametrize("at_most_once", [False, True])
@pytest.mark.parametrize(
    ("at", "when"), [(0, "in it"), *[(at, when) for at in range(1, 4) for when in ("before", "after")]]
)
def test_hazard_49_whatever_a_killed_process_had_done_is_done_again_under_the_same_key_or_not_at_all(
    tmp_path: Path, at: int, when: str, at_most_once: bool
) -> None:
    path, ledger = tmp_path / "runs.db", tmp_path / "ledger"
    killed("pay", path, ledger, at_most_once, at, when)
    with Engine(path, workflows=[paying], activities=[payer(ledger)]) as engine:
        handle = engine.handle("paying", workflow=paying)
        try:
            result = handle.result(timeout=SOON)
        except WorkflowFailedError as error:
            result = "unknown" if "RF5120" in str(error) else str(error)
    payments = ledger.read_text().split() if ledger.exists() else []
    assert 1 == len(dict.fromkeys(payments)) or result == "unknown", "each attempt has the same key"
    if at_most_once:
        assert result in ("paid", "unknown")
        assert len(payments) <= 1, "it is never begun twice"
        assert result == "unknown" or len(payments) == 1
    else:
        assert "paid" == result
        assert 1 <= len(payments) <= 2
    if at == 0:
        assert (
            ("unknown", 1) == (result, len(payments))
            if at_most_once
            else ("paid", 2) == (result, len(payments))
        )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["count", path, beats]:
            count_and_die(path, int(beats))
        case ["pay", path, ledger, at_most_once, at, when]:
            pay_and_die(path, ledger, at_most_once, int(at), when)
        case _:
            raise SystemExit(2)
