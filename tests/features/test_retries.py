"""Every field of a retry policy, as the attempts of an activity follow it end to end."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from refold import ActivityError, ApplicationError, RetryPolicy, RetryState, Workflow, activity, workflow
from refold_adapters import ManualClock, WorkflowFailedError, WorkflowHandle, activity_context
from tests.features.running import SECOND, SOON, until
from tests.runtime.conftest import MakeEngine


@activity
def stubborn(fails: int, own_delay: float) -> int:
    """Fails so many times, asking for a delay of its own if that is not zero."""
    attempt = activity_context().info.attempt
    if attempt <= fails:
        delay = timedelta(seconds=own_delay) if own_delay else None
        raise ApplicationError("not yet", type="NotYet", next_retry_delay=delay)
    return attempt


@workflow
def persistent(policy: dict[str, Any], fails: int, own_delay: float) -> Workflow[int]:
    step = stubborn.options(retry_policy=RetryPolicy.from_plain(policy))
    return (yield from step(fails, own_delay))


def waits_for(handle: WorkflowHandle[int], attempt: int) -> bool:
    return [(attempt, None)] == [
        (task.attempt, task.started_at) for task in handle.describe().pending_activities
    ]


def delays(handle: WorkflowHandle[int], clock: ManualClock, count: int) -> list[float]:
    """How long so many attempts are waited for, in seconds; the clock goes to each of them."""
    seen: list[float] = []
    for attempt in range(2, count + 2):
        until(partial(waits_for, handle, attempt))
        (task,) = handle.describe().pending_activities
        wait_us = task.visible_at - clock.now_us()
        seen.append(wait_us / SECOND)
        clock.advance(wait_us)
    return seen


def begin(engine: Any, policy: RetryPolicy, fails: int, own_delay: float = 0, *, id: str = "r") -> Any:
    return engine.start(persistent, policy.to_plain(), fails, own_delay, id=id)


def test_delays_grow_by_the_coefficient_up_to_the_maximum(
    make_engine: MakeEngine, clock: ManualClock
) -> None:
    engine = make_engine(workflows=[persistent], activities=[stubborn])
    policy = RetryPolicy(
        initial_interval=timedelta(seconds=2), backoff_coefficient=3, maximum_interval=timedelta(seconds=20)
    )
    handle = begin(engine, policy, 4)

    assert [2, 6, 18, 20] == delays(handle, clock, 4)
    assert 5 == handle.result(timeout=SOON)


def test_the_default_policy_waits_one_second_then_twice_as_long_each_time(
    make_engine: MakeEngine, clock: ManualClock
) -> None:
    engine = make_engine(workflows=[persistent], activities=[stubborn])
    handle = begin(engine, RetryPolicy(), 9)

    assert [1, 2, 4, 8, 16, 32, 64, 100, 100] == delays(handle, clock, 9)
    assert 10 == handle.result(timeout=SOON)


def test_jitter_leaves_out_a_part_of_each_delay_that_differs_from_run_to_run(
    make_engine: MakeEngine, clock: ManualClock
) -> None:
    engine = make_engine(workflows=[persistent], activities=[stubborn])
    policy = RetryPolicy(initial_interval=timedelta(seconds=10), backoff_coefficient=1, jitter=0.5)
    seen = []
    for number in range(2):
        handle = begin(engine, policy, 4, id=f"r-{number}")
        seen.append(delays(handle, clock, 4))
        assert 5 == handle.result(timeout=SOON)

    assert 8 == len({*seen[0], *seen[1]})
    assert [] == [delay for delay in seen[0] + seen[1] if not 5 <= delay <= 10]


def test_a_failure_may_ask_for_a_delay_of_its_own(make_engine: MakeEngine, clock: ManualClock) -> None:
    engine = make_engine(workflows=[persistent], activities=[stubborn])
    handle = begin(engine, RetryPolicy(), 2, 7.5)

    assert [7.5, 7.5] == delays(handle, clock, 2)
    assert 3 == handle.result(timeout=SOON)


@pytest.mark.parametrize(
    ("policy", "retry_state", "attempts"),
    [
        (RetryPolicy(maximum_attempts=3), RetryState.MAXIMUM_ATTEMPTS_REACHED, 3),
        (RetryPolicy(expiration_interval=timedelta(seconds=10)), RetryState.TIMEOUT, 4),
        (RetryPolicy(non_retryable_error_types=["NotYet"]), RetryState.NON_RETRYABLE_FAILURE, 1),
    ],
)
def test_what_ends_the_attempts_is_told(
    make_engine: MakeEngine, clock: ManualClock, policy: RetryPolicy, retry_state: RetryState, attempts: int
) -> None:
    """Attempts begin after 0, 1, 3 and 7 seconds; the next would begin after 15, over the budget of 10."""
    engine = make_engine(workflows=[persistent], activities=[stubborn])
    handle = begin(engine, policy, 99)
    assert [1, 2, 4][: attempts - 1] == delays(handle, clock, attempts - 1)

    with pytest.raises(WorkflowFailedError) as caught:
        handle.result(timeout=SOON)
    error = caught.value.cause
    assert isinstance(error, ActivityError)
    assert (retry_state, "NotYet") == (error.retry_state, getattr(error.cause, "type", None))
