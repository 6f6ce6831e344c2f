"""Activities from outside: completed by token or by id, paused, reset and changed, on each store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from queue import SimpleQueue
from typing import Any

import pytest

from refold import (
    ActivityError,
    ApplicationError,
    CancelledError,
    RetryPolicy,
    Workflow,
    activity,
    execute_activity,
    workflow,
)
from refold.codec import encode_message
from refold.messages import CompleteActivity
from refold_adapters import (
    ActivityNotFoundError,
    Client,
    Engine,
    ManualClock,
    Store,
    WorkflowFailedError,
    activity_context,
)
from refold_adapters.ports import (
    ClaimedTasks,
    ClaimTasks,
    Done,
    FinishTask,
    Opened,
    OpenSession,
    Outcome,
    RetryTask,
    TaskRow,
    Write,
)
from tests.features.running import until

MakeEngine = Callable[..., Engine]
SOON = timedelta(seconds=20)
MINUTE_US = 60_000_000
tokens: SimpleQueue[str] = SimpleQueue()


@activity(
    heartbeat_timeout=timedelta(minutes=1),
    retry_policy=RetryPolicy(initial_interval=timedelta(0), maximum_attempts=2),
)
def asked_for() -> str:
    context = activity_context()
    tokens.put(context.info.task_token)
    context.complete_async()


@workflow
def asks() -> Workflow[str]:
    return (yield from asked_for())


def test_an_activity_is_completed_from_outside_by_its_token(make_engine: MakeEngine, store: Store) -> None:
    handle = make_engine(workflows=[asks], activities=[asked_for]).start(asks, id="r")
    outside = Client(store).activity(tokens.get(timeout=20))
    assert not outside.heartbeat("half")
    outside.complete("yes")
    assert "yes" == handle.result(timeout=SOON)
    with pytest.raises(ActivityNotFoundError, match="RF5121"):
        outside.complete("again")


def before_the_next_write(
    monkeypatch: pytest.MonkeyPatch, store: Store, somebody: Callable[[], object]
) -> None:
    """Somebody is quicker than the next one who writes."""
    apply = store.apply

    def applied_second(writes: list[Write]) -> list[Outcome]:
        monkeypatch.setattr(store, "apply", apply)
        somebody()
        return list(apply(writes))

    monkeypatch.setattr(store, "apply", applied_second)


class Elsewhere:
    """A worker of another process, by the writes that it makes; and a run whose activity is for it."""

    def __init__(self, make_engine: MakeEngine, store: Store) -> None:
        self.store = store
        self.handle = make_engine(workflows=[asks], fail_unknown_types=False).start(asks, id="r")
        until(lambda: store.list_tasks(self.handle.run_id or ""))
        (opened,) = store.apply([OpenSession(identity="other", process="p", lease_us=MINUTE_US)])
        assert isinstance(opened, Opened)
        self.token = opened.token

    @property
    def task(self) -> TaskRow:
        (task,) = self.store.list_tasks(self.handle.run_id or "")
        return task

    def claims(self) -> None:
        claim = ClaimTasks(token=self.token, task_queues=("default",), activity_types=None, limit=1)
        (outcome,) = self.store.apply([claim])
        assert isinstance(outcome, ClaimedTasks)
        assert 1 == len(outcome.tasks)

    def gives_back(self) -> None:
        task = self.task
        later = self.store.clock.now_us() + MINUTE_US
        of: dict[str, Any] = {
            "token": self.token,
            "run_id": task.run_id,
            "seq": task.seq,
            "attempt": task.attempt,
        }
        retry = RetryTask(**of, next_attempt=task.attempt + 1, visible_at=later, failure=None)
        assert [Done()] == self.store.apply([retry])

    def finishes(self) -> None:
        task, message = self.task, encode_message(CompleteActivity(seq=self.task.seq, result="done"))
        of: dict[str, Any] = {
            "token": self.token,
            "run_id": task.run_id,
            "seq": task.seq,
            "attempt": task.attempt,
        }
        assert [Done()] == self.store.apply([FinishTask(**of, message=message)])


def test_an_activity_that_is_taken_up_while_it_is_cancelled_is_asked_to_stop_and_its_outcome_counts(
    make_engine: MakeEngine, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its task was taken from under the worker that had just claimed it, and what the activity did was lost."""
    other = Elsewhere(make_engine, store)
    before_the_next_write(monkeypatch, store, other.claims)
    Client(store).activity("r", str(other.task.seq)).cancel()

    assert (other.token, True) == (other.task.owner, other.task.cancel_requested)
    other.finishes()
    assert "done" == other.handle.result(timeout=SOON)


def test_an_activity_that_is_given_back_while_it_is_cancelled_ends_at_once(
    make_engine: MakeEngine, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not when somebody takes it up again."""
    other = Elsewhere(make_engine, store)
    other.claims()
    before_the_next_write(monkeypatch, store, other.gives_back)
    Client(store).activity("r", str(other.task.seq)).cancel()

    with pytest.raises(WorkflowFailedError) as caught:
        other.handle.result(timeout=SOON)
    assert isinstance(caught.value.__cause__, ActivityError)
    assert isinstance(caught.value.__cause__.cause, CancelledError)


def test_an_activity_that_is_given_back_while_it_is_completed_by_its_ids_is_complete(
    make_engine: MakeEngine, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Elsewhere(make_engine, store)
    other.claims()
    before_the_next_write(monkeypatch, store, other.gives_back)
    Client(store).activity("r", str(other.task.seq)).complete("by hand")

    assert "by hand" == other.handle.result(timeout=SOON)


def test_an_activity_that_has_ended_while_it_is_cancelled_is_not_there(
    make_engine: MakeEngine, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Elsewhere(make_engine, store)
    other.claims()
    before_the_next_write(monkeypatch, store, other.finishes)
    with pytest.raises(ActivityNotFoundError, match="RF5121"):
        Client(store).activity("r", str(other.task.seq)).cancel()
    assert "done" == other.handle.result(timeout=SOON)


def test_an_activity_is_completed_from_outside_by_its_ids(make_engine: MakeEngine, store: Store) -> None:
    handle = make_engine(workflows=[asks], activities=[asked_for]).start(asks, id="r")
    tokens.get(timeout=20)
    (task,) = handle.describe().pending_activities
    Client(store).activity("r", str(task.seq)).complete("yes")
    assert "yes" == handle.result(timeout=SOON)


def test_a_failure_from_outside_is_tried_again_as_the_policy_says(
    make_engine: MakeEngine, store: Store
) -> None:
    handle = make_engine(workflows=[asks], activities=[asked_for]).start(asks, id="r")
    client = Client(store)
    first = tokens.get(timeout=20)
    client.activity(first).fail(ApplicationError("no"))
    second = tokens.get(timeout=20)
    with pytest.raises(ActivityNotFoundError):
        client.activity(first).complete("late")
    client.activity(second).fail(ApplicationError("never", type="Never"))
    with pytest.raises(WorkflowFailedError, match="never"):
        handle.result(timeout=SOON)


def test_an_attempt_left_to_somebody_outside_times_out_when_it_falls_silent(
    make_engine: MakeEngine, store: Store, clock: ManualClock
) -> None:
    handle = make_engine(workflows=[asks], activities=[asked_for]).start(asks, id="r")
    tokens.get(timeout=20)
    until(lambda: handle.describe().pending_activities[0].owner == -1)
    clock.advance(MINUTE_US)
    Client(store).activity(tokens.get(timeout=20)).complete("of the second attempt")
    assert "of the second attempt" == handle.result(timeout=SOON)


def test_a_text_that_is_no_token_is_refused(store: Store) -> None:
    with pytest.raises(ActivityNotFoundError, match="RF5121"):
        Client(store).activity("no token")


@workflow
def calls_far() -> Workflow[int]:
    return (yield from execute_activity("far", result_type=int, task_queue="far"))


def test_an_activity_is_paused_changed_and_let_go_on(make_engine: MakeEngine, store: Store) -> None:
    """While it is paused no worker takes it up; its new queue is that of the engine, which knows it."""

    @activity(name="far")
    def far() -> int:
        return activity_context().info.attempt

    handle = make_engine(workflows=[calls_far], activities=[far]).start(calls_far, id="r")
    until(lambda: len(handle.describe().pending_activities) == 1)
    (task,) = handle.describe().pending_activities
    one = Client(store).activity("r", str(task.seq))
    one.pause()
    assert one.describe().paused
    assert "default" == one.update_options(task_queue="default").task_queue
    one.reset(forget_heartbeat=True)
    assert "default" == one.describe().task_queue
    one.unpause()
    assert 1 == handle.result(timeout=SOON)


@activity(retry_policy=RetryPolicy(initial_interval=timedelta(0)))
def beats() -> str:
    context = activity_context()
    while not context.wait_for_cancellation(0.01):
        context.heartbeat("on")
    raise CancelledError("stopped") if context.info.workflow_id == "stops" else ApplicationError("broken")


@workflow
def watches() -> Workflow[str]:
    try:
        return (yield from beats())
    except ActivityError as error:
        return type(error.cause).__name__


@pytest.mark.parametrize("id", ["stops", "fails"])
def test_a_running_activity_is_asked_to_stop_from_outside_and_not_tried_again(
    make_engine: MakeEngine, store: Store, clock: ManualClock, id: str
) -> None:
    handle = make_engine(workflows=[watches], activities=[beats]).start(watches, id=id)
    until(lambda: any(task.heartbeat for task in handle.describe().pending_activities))
    Client(store).activity(id, "1").cancel()
    clock.advance(MINUTE_US)
    assert "CancelledError" == handle.result(timeout=SOON)


@workflow
def watches_closely() -> Workflow[list[str]]:
    try:
        yield from beats()
    except ActivityError as error:
        cause = error.cause
        return [repr(cause), repr(None if cause is None else cause.__cause__)]
    return []


@pytest.mark.parametrize("first", [False, True])
def test_what_failed_after_it_was_asked_to_stop_is_told_as_the_cause_of_the_cancellation(
    make_engine: MakeEngine, store: Store, clock: ManualClock, first: bool
) -> None:
    handle = make_engine(workflows=[watches_closely], activities=[beats]).start(watches_closely, id="fails")
    until(lambda: any(task.heartbeat for task in handle.describe().pending_activities))
    outside = Client(store).activity("fails", "1")
    outside.cancel()
    if first:
        outside.fail(ApplicationError("broken from outside"))
    else:
        clock.advance(MINUTE_US)
    cancelled, failure = handle.result(timeout=SOON)
    assert "CancelledError('the activity was cancelled')" == cancelled
    assert ("broken from outside" if first else "broken") in failure


@workflow
def watches_far() -> Workflow[str]:
    try:
        return (yield from execute_activity("far", result_type=str, task_queue="far"))
    except ActivityError as error:
        return type(error.cause).__name__


@pytest.mark.parametrize("paused", [False, True])
def test_an_activity_that_nobody_runs_is_cancelled_from_outside_at_once(
    make_engine: MakeEngine, store: Store, paused: bool
) -> None:
    handle = make_engine(workflows=[watches_far]).start(watches_far, id="r")
    outside = Client(store).activity("r", "1")
    if paused:
        outside.pause()
    outside.cancel()
    assert "CancelledError" == handle.result(timeout=SOON)
    with pytest.raises(ActivityNotFoundError, match="RF5121"):
        outside.cancel()
