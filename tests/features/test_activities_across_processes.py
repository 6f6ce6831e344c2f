"""Activities that another process completes, fails and reports on, which has nothing but a token and the store."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue
from textwrap import dedent

import pytest

from refold import ActivityCancellationType, CancelledError, RetryPolicy, Workflow, activity, workflow
from refold_adapters import Engine, WorkflowFailedError, activity_context
from tests.features.running import SOON, until

tokens: SimpleQueue[str] = SimpleQueue()


@activity(
    heartbeat_timeout=timedelta(minutes=10),
    retry_policy=RetryPolicy(maximum_attempts=1),
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
)
def asked_for() -> str:
    tokens.put(activity_context().info.task_token)
    activity_context().complete_async()


@workflow
def asks() -> Workflow[str]:
    try:
        return (yield from asked_for())
    except CancelledError:
        return "cancelled"


def elsewhere(place: Path, token: str, calls: str) -> str:
    """What a process of its own prints, which has nothing but the place of the store and the token."""
    program = f"""
        from refold import ApplicationError
        from refold_adapters import Client, open_store
        store = open_store({str(place)!r})
        activity = Client(store).activity({token!r})
        {calls}
        store.close()
    """
    ran = subprocess.run(
        [sys.executable, "-c", dedent(program)], capture_output=True, text=True, timeout=60, check=True
    )
    return ran.stdout.strip()


@pytest.mark.parametrize(
    ("calls", "printed"),
    [
        ("print(activity.heartbeat('half')); activity.complete('yes')", "False"),
        ("activity.complete('yes')", ""),
    ],
)
def test_an_activity_is_completed_by_another_process(tmp_path: Path, calls: str, printed: str) -> None:
    place = tmp_path / "runs.db"
    with Engine(place, workflows=[asks], activities=[asked_for]) as engine:
        handle = engine.start(asks, id="r")
        assert printed == elsewhere(place, tokens.get(timeout=20), calls)
        assert "yes" == handle.result(timeout=SOON)


def test_an_activity_fails_by_another_process(tmp_path: Path) -> None:
    place = tmp_path / "runs.db"
    with Engine(place, workflows=[asks], activities=[asked_for]) as engine:
        handle = engine.start(asks, id="r")
        elsewhere(place, tokens.get(timeout=20), "activity.fail(ApplicationError('no', type='No'))")
        with pytest.raises(WorkflowFailedError, match="no"):
            handle.result(timeout=SOON)


def test_another_process_hears_of_a_cancel_request_at_its_heartbeat_and_reports_the_end(
    tmp_path: Path,
) -> None:
    place = tmp_path / "runs.db"
    with Engine(place, workflows=[asks], activities=[asked_for]) as engine:
        handle = engine.start(asks, id="r")
        token = tokens.get(timeout=20)
        until(lambda: handle.describe().pending_activities[0].owner == -1)
        handle.cancel()
        until(
            lambda: (
                handle.describe().run.closed_at is not None
                or handle.describe().pending_activities[0].cancel_requested
            )
        )
        asked = elsewhere(place, token, "print(activity.heartbeat()); activity.report_cancelled('stopped')")
        assert ("True", "cancelled") == (asked, handle.result(timeout=SOON))


def test_an_activity_is_completed_by_another_process_when_its_own_is_gone(tmp_path: Path) -> None:
    """The attempt belongs to nobody's lease: the run goes on in whichever process has it then."""
    place = tmp_path / "runs.db"
    with Engine(place, workflows=[asks], activities=[asked_for]) as engine:
        engine.start(asks, id="r")
        token = tokens.get(timeout=20)
        until(lambda: engine.handle("r").describe().pending_activities[0].owner == -1)
    elsewhere(place, token, "activity.complete('later')")
    with Engine(place, workflows=[asks], activities=[asked_for]) as engine:
        assert "later" == engine.handle("r", workflow=asks).result(timeout=SOON)
    assert tokens.empty()
