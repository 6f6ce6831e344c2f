"""Exceptions as data and back: every kind, chains of causes, and what cannot be shown or stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from refold import (
    ActivityError,
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    DefinitionError,
    ExternalWorkflowError,
    Failure,
    FailureError,
    RetryState,
    TerminatedError,
    TimeoutError,
    TimeoutType,
    WorkflowAlreadyStartedError,
)
from refold.codec import decode_failure, encode_failure
from refold.failures import CAUSES_MAX, MESSAGE_CHARACTERS_MAX, error_of, failure_of


class CardDeclined(ApplicationError):
    pass


class Unshowable(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


class WithMessage(Exception):
    message = ("not", "text")


def raised(error: BaseException) -> BaseException:
    """The error after it was raised and caught, with its traceback."""
    try:
        raise error
    except BaseException as caught:
        return caught


def state_of(error: BaseException | None) -> Any:
    """Everything of an exception that a handler can see, its causes included."""
    if error is None:
        return None
    fields = {name: value for name, value in vars(error).items() if name != "__notes__"}
    return type(error), error.args, fields, state_of(error.__cause__)


ERRORS: list[tuple[BaseException, Failure]] = [
    (ApplicationError("no"), Failure("application", "no")),
    (
        ApplicationError(
            "no", 1, {"a": None}, type="Declined", non_retryable=True, next_retry_delay=timedelta(seconds=2)
        ),
        Failure("application", "no", "Declined", True, [1, {"a": None}], next_retry_delay_us=2_000_000),
    ),
    (
        ApplicationError("no", next_retry_delay=timedelta(0)),
        Failure("application", "no", next_retry_delay_us=0),
    ),
    *(
        (
            TimeoutError("late", type=which, last_heartbeat_details=[7]),
            Failure("timeout", "late", details=[7], timeout_type=which.value),
        )
        for which in TimeoutType
    ),
    (CancelledError(), Failure("cancelled", "cancelled")),
    (CancelledError("stop", 1, None), Failure("cancelled", "stop", details=[1, None])),
    (TerminatedError("over"), Failure("terminated", "over")),
    *(
        (
            ActivityError("failed", activity_type="pay", activity_id="7", retry_state=state),
            Failure(
                "activity",
                "failed",
                retry_state=None if state is None else state.value,
                activity_type="pay",
                activity_id="7",
            ),
        )
        for state in (None, *RetryState)
    ),
    (
        ChildWorkflowError("failed", workflow_type="sub", workflow_id="w", run_id="r"),
        Failure("child_workflow", "failed", workflow_type="sub", workflow_id="w", run_id="r"),
    ),
    (
        ChildWorkflowError(
            "failed", workflow_type="sub", workflow_id="w", run_id="", retry_state=RetryState.TIMEOUT
        ),
        Failure(
            "child_workflow",
            "failed",
            workflow_type="sub",
            workflow_id="w",
            run_id="",
            retry_state="TIMEOUT",
        ),
    ),
    (
        WorkflowAlreadyStartedError("in use", workflow_type="sub", workflow_id="w"),
        Failure("already_started", "in use", workflow_type="sub", workflow_id="w"),
    ),
    *(
        (
            ExternalWorkflowError("unknown", workflow_id="w", run_id=run_id, reason="NOT_FOUND"),
            Failure("external_workflow", "unknown", type="NOT_FOUND", workflow_id="w", run_id=run_id),
        )
        for run_id in (None, "r")
    ),
]
NAMES = [f"{number}-{type(error).__name__}" for number, (error, _) in enumerate(ERRORS)]


@pytest.mark.parametrize(("error", "failure"), ERRORS, ids=NAMES)
def test_an_error_has_one_form_as_data_and_comes_back_from_it(error: BaseException, failure: Failure) -> None:
    stored = encode_failure(failure_of(error))

    assert encode_failure(failure) == stored
    assert failure == decode_failure(stored)
    assert state_of(error) == state_of(error_of(decode_failure(stored)))


@pytest.mark.parametrize(("error", "failure"), ERRORS, ids=NAMES)
def test_an_error_keeps_its_cause(error: BaseException, failure: Failure) -> None:
    for cause, _ in ERRORS:
        outer = type(error).__new__(type(error), *error.args)
        outer.__dict__.update(error.__dict__)
        outer.__cause__ = cause
        again = error_of(decode_failure(encode_failure(failure_of(outer))))

        assert state_of(outer) == state_of(again)
        if isinstance(again, FailureError):
            assert again.__cause__ is again.cause


def test_each_delivery_of_a_failure_is_a_fresh_error() -> None:
    failure = Failure("activity", cause=Failure("application", "no"))

    first, second = error_of(failure), error_of(failure)

    assert first is not second
    assert first.__cause__ is not second.__cause__
    assert first.__traceback__ is None


@pytest.mark.parametrize(
    ("error", "type_", "message"),
    [
        (ValueError("bad"), "ValueError", "bad"),
        (KeyError("k"), "KeyError", "'k'"),
        (KeyboardInterrupt(), "KeyboardInterrupt", ""),
        (
            ExceptionGroup(
                "all failed",
                [ValueError("a"), ExceptionGroup("both", [TypeError("b"), ApplicationError("c")])],
            ),
            "ExceptionGroup",
            "all failed (ValueError: a; ExceptionGroup: both (TypeError: b; ApplicationError: c))",
        ),
        (Unshowable(), "Unshowable", "<Unshowable cannot be shown: ZeroDivisionError>"),
        (WithMessage("text"), "WithMessage", "text"),
        (CardDeclined("no"), "CardDeclined", "no"),
        (ApplicationError(""), None, ""),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_of_the_author_s_own_is_known_by_the_name_of_its_class(
    error: BaseException, type_: str | None, message: str
) -> None:
    failure = failure_of(error)

    assert ("application", type_, message) == (failure.kind, failure.type, failure.message)
    assert isinstance(error_of(failure), ApplicationError)


def test_a_type_that_was_chosen_is_kept() -> None:
    assert "Declined" == failure_of(CardDeclined("no", type="Declined")).type


def test_details_may_be_whatever_can_be_stored_and_come_back_as_plain_data() -> None:
    failure = failure_of(ApplicationError("no", timedelta(seconds=1), (1, 2), b"x"))

    assert [1_000_000, [1, 2], "eA=="] == failure.details


def test_a_detail_that_cannot_be_stored_does_not_hide_the_failure() -> None:
    failure = failure_of(ApplicationError("no", {1, 2}, float("nan"), "a\ud800", object(), 5))

    assert [
        "<a set that cannot be stored>",
        "<a float that cannot be stored>",
        r"a\ud800",
        "<a object that cannot be stored>",
        5,
    ] == failure.details
    assert [] == failure_of(CancelledError("stop", [])).details[0]
    assert ["<a set that cannot be stored>"] == failure_of(CancelledError("stop", {1})).details
    assert failure == decode_failure(encode_failure(failure))


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("x" * MESSAGE_CHARACTERS_MAX, "x" * MESSAGE_CHARACTERS_MAX),
        ("x" * (MESSAGE_CHARACTERS_MAX + 1), "x" * MESSAGE_CHARACTERS_MAX + "... (1 more characters)"),
        ("ä" * 10**6, "ä" * MESSAGE_CHARACTERS_MAX + "... (990000 more characters)"),
        ("a\ud800b\udfff", r"a\ud800b\udfff"),
        ("\x00\n", "\x00\n"),
    ],
    ids=["limit", "over", "million", "surrogates", "controls"],
)
def test_a_message_is_kept_as_far_as_it_can_be_stored(message: str, kept: str) -> None:
    failure = failure_of(ApplicationError(message))

    assert kept == failure.message
    assert failure == decode_failure(encode_failure(failure))


def chain_of(depth: int, link: Callable[[BaseException, BaseException], None]) -> BaseException:
    error: BaseException = ValueError(0)
    for number in range(1, depth + 1):
        outer = ValueError(number)
        link(outer, error)
        error = outer
    return error


def messages_of(failure: Failure | None) -> list[str]:
    found: list[str] = []
    while failure is not None:
        found.append(failure.message)
        failure = failure.cause
    return found


def by_cause(outer: BaseException, inner: BaseException) -> None:
    outer.__cause__ = inner


def by_context(outer: BaseException, inner: BaseException) -> None:
    outer.__context__ = inner


@pytest.mark.parametrize("link", [by_cause, by_context])
def test_hazard_51_sixteen_causes_are_kept(link: Callable[[BaseException, BaseException], None]) -> None:
    assert 16 == CAUSES_MAX
    assert [str(n) for n in range(16, -1, -1)] == messages_of(failure_of(chain_of(16, link)))
    assert [str(n) for n in range(17, 0, -1)] == messages_of(failure_of(chain_of(17, link)))
    assert 17 == len(messages_of(failure_of(chain_of(500, link))))


def test_an_error_that_is_its_own_cause_ends() -> None:
    error = ValueError("round")
    error.__cause__ = error

    assert ["round"] * 17 == messages_of(failure_of(error))


def test_a_context_that_was_put_aside_is_no_cause() -> None:
    def handled() -> None:
        try:
            raise KeyError("inner")
        except KeyError:
            raise ValueError("outer") from None

    with pytest.raises(ValueError, match="outer") as caught:
        handled()

    assert ["outer"] == messages_of(failure_of(caught.value))


# --- frames -----------------------------------------------------------------------------------------------------------


def deeper(depth: int) -> None:
    if depth == 0:
        raise ValueError("deep")
    deeper(depth - 1)


def test_the_frames_say_where_it_was_raised_outermost_first() -> None:
    with pytest.raises(ValueError, match="deep") as caught:
        deeper(1)

    line = deeper.__code__.co_firstlineno
    frames = failure_of(caught.value).frames
    assert frames[0].endswith(" in test_the_frames_say_where_it_was_raised_outermost_first")
    assert [
        f"kernel/test_failures.py:{line + 3} in deeper",
        f"kernel/test_failures.py:{line + 2} in deeper",
    ] == frames[1:]


def test_the_innermost_forty_frames_are_kept() -> None:
    with pytest.raises(ValueError, match="deep") as caught:
        deeper(100)

    frames = failure_of(caught.value).frames
    assert 40 == len(frames)
    assert frames[-1].endswith(f":{deeper.__code__.co_firstlineno + 2} in deeper")


@pytest.mark.parametrize(
    ("filename", "shown"),
    [
        ("/home/someone/shop/orders.py", "shop/orders.py"),
        ("/orders.py", "orders.py"),
        ("orders.py", "orders.py"),
        ("C:\\Users\\someone\\shop\\orders.py", "shop/orders.py"),
        ("C:\\orders.py", "orders.py"),
        ("<string>", "<string>"),
        ("/srv/\udcff/orders.py", "\\udcff/orders.py"),
    ],
)
def test_a_frame_has_no_absolute_path(filename: str, shown: str) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        eval(compile("1 / 0", filename, "eval"))

    assert f"{shown}:1 in <module>" == failure_of(caught.value).frames[-1]


def test_an_error_that_was_not_raised_has_no_frames() -> None:
    assert () == failure_of(ValueError()).frames


# --- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"type": ValueError}, "the type of an ApplicationError is <class 'ValueError'>"),
        ({"next_retry_delay": 5}, "the next_retry_delay of an ApplicationError is 5"),
    ],
)
def test_an_option_of_a_wrong_type_is_refused_where_the_error_is_raised(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises(DefinitionError) as caught:
        ApplicationError("no", **options)

    assert ("RF1004", said) == (caught.value.code, caught.value.what)


def test_a_delay_that_lies_in_the_past_is_none() -> None:
    assert 0 == failure_of(ApplicationError("no", next_retry_delay=timedelta(-1))).next_retry_delay_us


def test_cancellation_is_not_an_exception_that_a_retry_loop_would_swallow() -> None:
    assert not issubclass(CancelledError, Exception)
