"""Activities in other processes: what they are told and say, and what becomes of one whose process is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import timedelta

import pytest

from refold import ActivityError, ApplicationError, CancelledError, RetryPolicy, activity
from refold_adapters import Engine, ExecutionError, activity_context
from tests.features.running import until

MakeEngine = Callable[..., Engine]
SOON = timedelta(seconds=60)
AT_ONCE = RetryPolicy(initial_interval=timedelta(0), maximum_attempts=3)


@activity(executor="process")
def tell() -> list[str]:
    info = activity_context().info
    return [info.workflow_id, info.activity_type, str(info.attempt), str(os.getpid())]


@activity(executor="process", retry_policy=AT_ONCE)
def go_on() -> list[int]:
    context = activity_context()
    if context.info.attempt == 1:
        context.heartbeat(1)
        context.heartbeat(2)
        raise ApplicationError("once")
    return [context.info.attempt, *context.last_heartbeat_details]


@activity(executor="process")
def wait_until_asked() -> None:
    context = activity_context()
    context.heartbeat("waiting")
    assert context.wait_for_cancellation(60)
    context.raise_if_cancelled()


@activity(executor="process", retry_policy=AT_ONCE)
def die(times: int) -> int:
    if activity_context().info.attempt <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return activity_context().info.attempt


@pytest.fixture
def engine(make_engine: MakeEngine) -> Engine:
    return make_engine(activities=[tell, go_on, wait_until_asked, die], max_activity_processes=1)


def test_an_activity_in_a_process_knows_of_its_attempt(engine: Engine) -> None:
    *known, pid = engine.start_activity(tell, id="t").result(timeout=SOON)
    assert ["t", "tell", "1"] == known
    assert os.getpid() != int(pid)
    assert pid == engine.start_activity(tell, id="u").result(timeout=SOON)[-1]


def test_details_of_heartbeats_in_a_process_reach_the_next_attempt(engine: Engine) -> None:
    """The second is held back by the throttle, and recorded with the end of the attempt."""
    assert [2, 2] == engine.start_activity(go_on, id="g").result(timeout=SOON)


def test_a_heartbeat_in_a_process_is_recorded_and_its_code_is_asked_to_stop(engine: Engine) -> None:
    handle = engine.start_activity(wait_until_asked, id="w")

    def heard() -> bool:
        attempt = handle.describe().attempt
        return attempt is not None and attempt.heartbeat == b'["waiting"]'

    until(heard)
    handle.cancel()
    with pytest.raises(ActivityError) as raised:
        handle.result(timeout=SOON)
    assert isinstance(raised.value.cause, CancelledError)
    assert "x" == engine.start_activity(tell, id="x").result(timeout=SOON)[0]


def test_a_killed_process_is_a_failed_attempt_and_the_next_one_gets_another(engine: Engine) -> None:
    assert 3 == engine.start_activity(die, 2, id="d").result(timeout=SOON)


def test_an_activity_whose_processes_all_die_fails_and_others_go_on(engine: Engine) -> None:
    with pytest.raises(ActivityError) as raised:
        engine.start_activity(die, 9, id="d").result(timeout=SOON)
    cause = raised.value.cause
    assert isinstance(cause, ApplicationError)
    assert "ProcessDied" == cause.type
    assert "RF5122" in cause.message
    assert "exit code -9" in cause.message
    assert "t" == engine.start_activity(tell, id="t").result(timeout=SOON)[0]


def test_one_that_cannot_be_found_in_a_process_says_so(make_engine: MakeEngine) -> None:
    @activity(executor="process")
    def hidden() -> None:
        return None

    handle = make_engine(activities=[hidden]).start_activity(hidden, id="h")
    with pytest.raises(ActivityError) as raised:
        handle.result(timeout=SOON)
    assert isinstance(raised.value.cause, ApplicationError)
    assert ExecutionError.__name__ == raised.value.cause.type
    assert "RF5112" in raised.value.cause.message
