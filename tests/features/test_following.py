"""Which run a handle stands for, where one run goes on in another."""

from __future__ import annotations

from datetime import timedelta

import pytest

from refold import ApplicationError, RetryPolicy, Signal, Update, Workflow, continue_as_new, info, workflow
from refold_adapters import (
    RunStatus,
    WorkflowClosedError,
    WorkflowFailedError,
)
from tests.runtime.conftest import MakeEngine

SOON = timedelta(seconds=20)
go = Signal("go", int)
add = Update("add", int, result_type=int)


@workflow
def chain(left: int) -> Workflow[int]:
    yield from add.handle(lambda number: number + left)
    value = yield from go.receive()
    if left:
        yield from continue_as_new(left - 1)
    return value


@workflow
def second_try() -> Workflow[int]:
    attempt = (yield from info()).attempt
    if attempt < 2:
        raise ApplicationError("not yet", type="NotYet")
    return attempt


def test_the_handle_of_a_start_follows_its_run_from_one_to_the_next(make_engine: MakeEngine) -> None:
    handle = make_engine(workflows=[chain]).start(chain, 2, id="c")
    answers = []
    for number in range(3):
        answers.append(handle.execute_update(add, 10, timeout=SOON))
        handle.signal(go, number)

    assert ([12, 11, 10], 2) == (answers, handle.result(timeout=SOON))


def test_a_handle_of_one_run_stays_with_it_and_only_its_result_goes_on(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[chain])
    first = engine.start(chain, 1, id="c")
    pinned = engine.handle("c", first.run_id)
    first.signal(go, 1)
    with pytest.raises(WorkflowFailedError, match="CONTINUED_AS_NEW"):
        pinned.result(timeout=SOON, follow_runs=False)
    with pytest.raises(WorkflowClosedError, match="RF5103"):
        pinned.signal(go, 2)
    engine.handle("c", first_run_id=first.run_id).signal(go, 3)

    assert (3, RunStatus.CONTINUED_AS_NEW) == (pinned.result(timeout=SOON), pinned.describe().run.status)


def test_no_message_reaches_a_run_that_was_started_apart(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[chain])
    first = engine.start(chain, 0, id="c")
    first.signal(go, 1)
    first.result(timeout=SOON)
    engine.start(chain, 0, id="c")
    with pytest.raises(WorkflowClosedError):
        first.signal(go, 2)
    with pytest.raises(WorkflowClosedError):
        first.terminate()
    latest = engine.handle("c")
    latest.signal(go, 3)

    assert 3 == latest.result(timeout=SOON)


def test_the_result_of_a_run_that_is_tried_again_is_that_of_its_last_attempt(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[second_try])
    policy = RetryPolicy(initial_interval=timedelta(0), maximum_attempts=3)
    handle = engine.start(second_try, id="s", retry_policy=policy)

    assert 2 == handle.result(timeout=SOON)
