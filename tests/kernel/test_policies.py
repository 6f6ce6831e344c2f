"""Retry policies and options: whether and when there is another attempt, and what is refused where it is given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refold import (
    ActivityCancellationType,
    ActivityOptions,
    DefinitionError,
    Failure,
    RetryDecision,
    RetryPolicy,
    RetryState,
    TimeoutType,
    next_attempt,
)
from refold.failures import ApplicationError, CancelledError, failure_of
from refold.policies import DELAY_US_MAX, backoff_us, instant, microseconds

SECOND = 1_000_000
FAILED = Failure("application", "no", type="Declined")


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def after(
    attempt: int,
    failure: Failure = FAILED,
    *,
    elapsed_us: int = 0,
    cancel_requested: bool = False,
    **options: Any,
) -> RetryDecision:
    return next_attempt(
        ActivityOptions(**options),
        failure,
        attempt=attempt,
        elapsed_us=elapsed_us,
        cancel_requested=cancel_requested,
    )


# --- how long -----------------------------------------------------------------------------------------------------------


def test_the_default_backs_off_from_one_second_to_a_hundred() -> None:
    assert [1, 2, 4, 8, 16, 32, 64, 100, 100] == [backoff_us(RetryPolicy(), n) / SECOND for n in range(1, 10)]


def test_a_maximum_interval_replaces_the_hundredfold() -> None:
    policy = RetryPolicy(initial_interval=seconds(10), backoff_coefficient=3, maximum_interval=seconds(50))

    assert [10, 30, 50, 50] == [backoff_us(policy, n) / SECOND for n in range(1, 5)]


def test_a_coefficient_of_one_keeps_the_interval() -> None:
    policy = RetryPolicy(initial_interval=seconds(3), backoff_coefficient=1)

    assert {3 * SECOND} == {backoff_us(policy, n) for n in (1, 2, 1000, 10**6)}


@pytest.mark.parametrize("coefficient", [1, 1.0, 1.0000001, 1.5, 2, 10.0, 1e6, 1e100, 1e308, 10**308])
@pytest.mark.parametrize("initial_us", [0, 1, SECOND, DELAY_US_MAX, 10 * DELAY_US_MAX])
def test_hazard_44_a_delay_only_grows_and_never_passes_its_limit(coefficient: float, initial_us: int) -> None:
    policy = RetryPolicy(initial_interval=timedelta(microseconds=initial_us), backoff_coefficient=coefficient)
    attempts = [*range(1, 1100), *(10**n for n in range(4, 7)), 10**6 - 1]

    delays = [backoff_us(policy, attempt) for attempt in sorted(attempts)]

    assert sorted(delays) == delays
    assert {int} == set(map(type, delays))
    assert min(initial_us, DELAY_US_MAX) == delays[0]
    assert delays[-1] <= min(100 * initial_us, DELAY_US_MAX)


@given(
    st.integers(1, 10**6),
    st.floats(1.0, 1e308),
    st.integers(0, 10**15),
    st.none() | st.integers(1, 10**18),
)
def test_no_attempt_and_no_factor_makes_a_delay_leave_its_bounds(
    attempt: int, coefficient: float, initial_us: int, maximum_us: int | None
) -> None:
    maximum = None if maximum_us is None else timedelta(microseconds=max(maximum_us, initial_us, 1))
    initial = timedelta(microseconds=initial_us)
    policy = RetryPolicy(initial_interval=initial, backoff_coefficient=coefficient, maximum_interval=maximum)

    limit = 100 * initial_us if maximum is None else maximum // timedelta(microseconds=1)
    assert min(initial_us, DELAY_US_MAX) <= backoff_us(policy, attempt) <= min(limit, DELAY_US_MAX)


# --- whether ------------------------------------------------------------------------------------------------------------


def test_there_is_another_attempt_for_ever_by_default() -> None:
    assert RetryDecision(SECOND) == after(1)
    assert RetryDecision(100 * SECOND) == after(10**6)


@pytest.mark.parametrize(("attempt", "again"), [(1, True), (2, True), (3, False), (4, False)])
def test_the_last_attempt_is_the_maximum(attempt: int, again: bool) -> None:
    decision = after(attempt, retry_policy=RetryPolicy(maximum_attempts=3))

    assert again == (decision.delay_us is not None)
    assert (None if again else RetryState.MAXIMUM_ATTEMPTS_REACHED) == decision.retry_state


def test_one_attempt_is_no_retry() -> None:
    decision = after(1, retry_policy=RetryPolicy(maximum_attempts=1))

    assert RetryDecision(None, RetryState.MAXIMUM_ATTEMPTS_REACHED) == decision


def test_a_failure_that_says_so_is_not_retried() -> None:
    failure = failure_of(ApplicationError("no", non_retryable=True, next_retry_delay=seconds(5)))

    assert RetryDecision(None, RetryState.NON_RETRYABLE_FAILURE) == after(1, failure)


def test_a_type_of_failure_that_is_listed_is_not_retried() -> None:
    policy = RetryPolicy(non_retryable_error_types=["Declined", "ValueError"])

    assert RetryDecision(None, RetryState.NON_RETRYABLE_FAILURE) == after(1, retry_policy=policy)
    assert RetryDecision(None, RetryState.NON_RETRYABLE_FAILURE) == after(
        1, failure_of(ValueError()), retry_policy=policy
    )
    assert RetryDecision(SECOND) == after(1, failure_of(KeyError()), retry_policy=policy)
    assert RetryDecision(SECOND) == after(1, failure_of(ApplicationError("no")), retry_policy=policy)


def test_the_type_of_a_cause_does_not_count() -> None:
    outer = ValueError()
    outer.__cause__ = ApplicationError("no", type="Declined", non_retryable=True)

    assert RetryDecision(SECOND) == after(
        1, failure_of(outer), retry_policy=RetryPolicy(non_retryable_error_types=["Declined"])
    )


@pytest.mark.parametrize(
    ("timeout_type", "decision"),
    [
        (TimeoutType.START_TO_CLOSE, RetryDecision(SECOND)),
        (TimeoutType.HEARTBEAT, RetryDecision(SECOND)),
        (TimeoutType.STEP, RetryDecision(SECOND)),
        (TimeoutType.SCHEDULE_TO_START, RetryDecision(None, RetryState.TIMEOUT)),
        (TimeoutType.SCHEDULE_TO_CLOSE, RetryDecision(None, RetryState.TIMEOUT)),
    ],
)
def test_a_timeout_of_one_attempt_is_retried_and_a_timeout_of_the_whole_is_not(
    timeout_type: TimeoutType, decision: RetryDecision
) -> None:
    assert decision == after(1, Failure("timeout", timeout_type=timeout_type.value))


def test_an_activity_that_was_asked_to_stop_gets_no_other_attempt() -> None:
    for failure in (FAILED, failure_of(CancelledError()), Failure("timeout", timeout_type="HEARTBEAT")):
        assert RetryDecision(None, RetryState.CANCEL_REQUESTED) == after(1, failure, cancel_requested=True)


def test_an_activity_that_cancels_itself_is_retried_like_any_failure() -> None:
    assert RetryDecision(SECOND) == after(1, failure_of(CancelledError()))


def test_a_delay_that_the_failure_asks_for_counts_once() -> None:
    failure = failure_of(ApplicationError("busy", next_retry_delay=seconds(7)))

    assert RetryDecision(7 * SECOND) == after(3, failure)
    assert RetryDecision(4 * SECOND) == after(3)


def test_a_delay_of_zero_is_a_delay() -> None:
    assert RetryDecision(0) == after(3, failure_of(ApplicationError("busy", next_retry_delay=timedelta(0))))


def test_a_delay_beyond_a_hundred_years_is_a_hundred_years() -> None:
    assert RetryDecision(DELAY_US_MAX) == after(
        1, failure_of(ApplicationError("later", next_retry_delay=timedelta.max))
    )


@pytest.mark.parametrize(
    ("elapsed_us", "decision"),
    [
        (0, RetryDecision(SECOND)),
        (9 * SECOND - 1, RetryDecision(SECOND)),
        (9 * SECOND, RetryDecision(None, RetryState.TIMEOUT)),
        (10 * SECOND, RetryDecision(None, RetryState.TIMEOUT)),
        (10**18, RetryDecision(None, RetryState.TIMEOUT)),
    ],
)
def test_schedule_to_close_is_measured_from_the_first_scheduling(
    elapsed_us: int, decision: RetryDecision
) -> None:
    steady = RetryPolicy(backoff_coefficient=1)

    for attempt in (1, 2, 1000):
        assert decision == after(
            attempt, elapsed_us=elapsed_us, schedule_to_close_timeout=seconds(10), retry_policy=steady
        )


def test_a_delay_that_the_failure_asks_for_does_not_pass_schedule_to_close() -> None:
    failure = failure_of(ApplicationError("busy", next_retry_delay=seconds(10)))

    assert RetryDecision(None, RetryState.TIMEOUT) == after(1, failure, schedule_to_close_timeout=seconds(10))


def test_an_activity_at_most_once_is_never_begun_again() -> None:
    options = ActivityOptions(at_most_once=True)
    expected = RetryDecision(None, RetryState.MAXIMUM_ATTEMPTS_REACHED)
    for failure in (Failure("application", "no"), Failure("application", "no", next_retry_delay_us=0)):
        assert expected == next_attempt(options, failure, attempt=1, elapsed_us=0)
    asked = next_attempt(options, Failure("application"), attempt=1, elapsed_us=0, cancel_requested=True)
    assert RetryDecision(None, RetryState.CANCEL_REQUESTED) == asked


def test_no_attempt_begins_after_the_budget_of_the_policy() -> None:
    options = ActivityOptions(retry_policy=RetryPolicy(expiration_interval=seconds(10)))
    failure = Failure("application", "no")
    assert RetryDecision(1_000_000) == next_attempt(options, failure, attempt=1, elapsed_us=8_999_999)
    late = next_attempt(options, failure, attempt=1, elapsed_us=9_000_000)
    assert RetryDecision(None, RetryState.TIMEOUT) == late


def test_jitter_shortens_a_delay_by_up_to_its_part_and_differs_by_key_and_attempt() -> None:
    policy = RetryPolicy(initial_interval=seconds(100), backoff_coefficient=1, jitter=0.25)
    delays = [backoff_us(policy, attempt, key=key) for key in ("a", "b") for attempt in range(1, 50)]
    assert 98 == len(set(delays))
    assert 75_000_000 <= min(delays) < 80_000_000
    assert 95_000_000 < max(delays) <= 100_000_000
    assert backoff_us(policy, 1, key="a") == backoff_us(policy, 1, key="a")
    decided = next_attempt(
        ActivityOptions(retry_policy=policy), Failure("application"), attempt=1, elapsed_us=0, key="b"
    )
    assert RetryDecision(backoff_us(policy, 1, key="b")) == decided


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, RetryState.CANCEL_REQUESTED),
        ({"cancel_requested": False}, RetryState.NON_RETRYABLE_FAILURE),
        ({"cancel_requested": False, "failure": FAILED}, RetryState.MAXIMUM_ATTEMPTS_REACHED),
        ({"cancel_requested": False, "failure": FAILED, "attempt": 1}, RetryState.TIMEOUT),
    ],
)
def test_of_several_reasons_the_first_is_given(changes: dict[str, Any], state: RetryState) -> None:
    case: dict[str, Any] = {
        "attempt": 2,
        "failure": Failure("application", non_retryable=True),
        "elapsed_us": 10 * SECOND,
        "cancel_requested": True,
        "retry_policy": RetryPolicy(maximum_attempts=2),
        "schedule_to_close_timeout": seconds(10),
    }

    assert RetryDecision(None, state) == after(**(case | changes))


# --- as plain data -------------------------------------------------------------------------------------------------------

DURATIONS = st.timedeltas(min_value=timedelta(microseconds=1), max_value=timedelta(days=36_000))


@st.composite
def policies(draw: st.DrawFn) -> RetryPolicy:
    initial = draw(DURATIONS | st.just(timedelta(0)))
    return RetryPolicy(
        initial_interval=initial,
        backoff_coefficient=draw(st.floats(1.0, 1e308) | st.integers(1, 10**9)),
        maximum_interval=draw(st.none() | DURATIONS.filter(lambda maximum: maximum >= initial)),
        maximum_attempts=draw(st.integers(0, 10**9)),
        non_retryable_error_types=draw(st.lists(st.text(max_size=5), max_size=3)),
        jitter=draw(st.just(0.0) | st.floats(0.0, 1.0)),
        expiration_interval=draw(st.none() | DURATIONS),
    )


@given(policies())
def test_a_policy_reads_back_as_itself(policy: RetryPolicy) -> None:
    again = RetryPolicy.from_plain(policy.to_plain())

    assert policy == again
    assert hash(policy) == hash(again)


@given(
    st.builds(
        ActivityOptions,
        task_queue=st.none() | st.just("other"),
        schedule_to_close_timeout=st.none() | DURATIONS,
        schedule_to_start_timeout=st.none() | DURATIONS,
        start_to_close_timeout=st.none() | DURATIONS,
        heartbeat_timeout=st.none() | DURATIONS,
        retry_policy=policies(),
        cancellation_type=st.sampled_from(ActivityCancellationType),
        at_most_once=st.booleans(),
        local=st.booleans(),
    )
)
def test_options_read_back_as_themselves(options: ActivityOptions) -> None:
    assert options == ActivityOptions.from_plain(options.to_plain())


def test_what_is_the_default_is_not_written() -> None:
    assert {} == ActivityOptions().to_plain()
    assert ActivityOptions() == ActivityOptions.from_plain({})


def test_options_are_written_as_integers_and_text() -> None:
    options = ActivityOptions(
        task_queue="gpu",
        start_to_close_timeout=seconds(0.5),
        retry_policy=RetryPolicy(maximum_attempts=2, non_retryable_error_types=("A",)),
        cancellation_type=ActivityCancellationType.ABANDON,
    )

    assert {
        "task_queue": "gpu",
        "start_to_close_timeout_us": 500_000,
        "retry_policy": {
            "initial_interval_us": 1_000_000,
            "backoff_coefficient": 2.0,
            "maximum_interval_us": None,
            "maximum_attempts": 2,
            "non_retryable_error_types": ["A"],
        },
        "cancellation_type": "ABANDON",
    } == options.to_plain()


# --- what is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"initial_interval": timedelta(-1)},
            "initial_interval is not acceptable: -1 day, 0:00:00 is not at least zero",
        ),
        ({"initial_interval": 5}, "initial_interval is not acceptable: it is int, not a timedelta"),
        ({"initial_interval": None}, "initial_interval is not acceptable: it is None"),
        ({"maximum_interval": timedelta(0)}, "maximum_interval is not acceptable: 0:00:00 is not positive"),
        (
            {"maximum_interval": seconds(0.5)},
            "maximum_interval is not acceptable: it is shorter than initial_interval",
        ),
        (
            {"backoff_coefficient": 0.99},
            "backoff_coefficient is not acceptable: 0.99 is not a finite number of at least 1",
        ),
        ({"backoff_coefficient": float("nan")}, "nan is not a finite number of at least 1"),
        ({"backoff_coefficient": float("inf")}, "inf is not a finite number of at least 1"),
        ({"backoff_coefficient": 10**400}, "is not a finite number of at least 1"),
        ({"backoff_coefficient": "2"}, "'2' is not a finite number of at least 1"),
        (
            {"maximum_attempts": -1},
            "maximum_attempts is not acceptable: -1 is not a whole number of at least 0",
        ),
        ({"jitter": -0.1}, "jitter is not acceptable: -0.1 is not a number from 0 to 1"),
        ({"jitter": 1.1}, "1.1 is not a number from 0 to 1"),
        ({"jitter": float("nan")}, "nan is not a number from 0 to 1"),
        (
            {"expiration_interval": timedelta(0)},
            "expiration_interval is not acceptable: 0:00:00 is not positive",
        ),
        ({"maximum_attempts": 1.5}, "1.5 is not a whole number of at least 0"),
        ({"maximum_attempts": True}, "True is not a whole number of at least 0"),
        ({"non_retryable_error_types": "Declined"}, "it is one text, not a list of them"),
        (
            {"non_retryable_error_types": [ValueError]},
            "it holds <class 'ValueError'>, which is not the name of a type",
        ),
    ],
)
def test_a_policy_that_cannot_be_is_refused_where_it_is_given(options: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        RetryPolicy(**options)

    assert "RF1004" == caught.value.code
    assert said in caught.value.what


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (
            {"start_to_close_timeout": timedelta(0)},
            "RF1004",
            "the start_to_close_timeout is not acceptable: 0:00:00 is not positive",
        ),
        (
            {"heartbeat_timeout": 30},
            "RF1004",
            "the heartbeat_timeout is not acceptable: it is int, not a timedelta",
        ),
        (
            {"retry_policy": None},
            "RF1004",
            "the retry_policy is not acceptable: it is None, not a RetryPolicy",
        ),
        ({"at_most_once": 1}, "RF1004", "it is 1, not True or False"),
        ({"cancellation_type": "ABANDON"}, "RF1004", "it is 'ABANDON', not an ActivityCancellationType"),
        ({"task_queue": ""}, "RF1003", "the task queue is not acceptable: it is empty"),
    ],
)
def test_options_that_cannot_be_are_refused_where_they_are_given(
    options: dict[str, Any], code: str, said: str
) -> None:
    with pytest.raises(DefinitionError) as caught:
        ActivityOptions(**options)

    assert code == caught.value.code
    assert said in caught.value.what


def test_a_duration_is_whole_microseconds_and_at_most_a_hundred_years() -> None:
    assert 1_500_000 == microseconds(seconds(1.5), "timeout")
    assert 0 == microseconds(timedelta(0), "timeout", zero=True)
    assert DELAY_US_MAX == microseconds(timedelta.max, "timeout")
    assert None is microseconds(None, "timeout")


def test_an_instant_is_aware_and_exact() -> None:
    assert datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC) == instant(1_700_000_000_123_456)
    assert datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC) == instant(-1)
