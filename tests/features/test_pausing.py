"""What reaches a paused run, and what becomes of it: each cell of the table in the how-to, on every store."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from refold import (
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    Query,
    RetryPolicy,
    Signal,
    Update,
    Workflow,
    activity,
    all_of,
    continue_as_new,
    info,
    sleep,
    start_child_workflow,
    workflow,
)
from refold.events import WorkflowExecutionPaused, WorkflowExecutionStarted, WorkflowExecutionUnpaused
from refold_adapters import (
    Client,
    Engine,
    ManualClock,
    RunStatus,
    Store,
    WorkflowFailedError,
    WorkflowHandle,
    WorkflowUpdateStage,
)
from tests.features.running import ended_by, until
from tests.runtime.conftest import MakeEngine

SOON = timedelta(seconds=10)
HOUR = 3_600_000_000
word = Signal("word", str)
words = Query("words", list)
add = Update("add", str, result_type=int)


@workflow
def collecting(wanted: int) -> Workflow[list[str]]:
    """Collects words, by signal and by update; a cancel request is one, too."""
    got: list[str] = []

    def append(text: str) -> int:
        got.append(text)
        return len(got)

    yield from words.answer(lambda: list(got))
    yield from add.handle(append)
    while len(got) < wanted:
        try:
            got.append((yield from word.receive()))
        except CancelledError:
            got.append("cancelled")
    return got


@workflow
def working() -> Workflow[list[str]]:
    """Does two things at once, and then a third."""
    done = list((yield from all_of(work("a"), work("b"))))
    return [*done, (yield from work("c"))]


@workflow
def napping() -> Workflow[str]:
    """Sleeps for an hour."""
    yield from sleep(timedelta(hours=1))
    return "rested"


@workflow
def mother(policy: str) -> Workflow[str]:
    """Starts a child and waits for it."""
    handle = yield from start_child_workflow(collecting, 1, id="child")
    try:
        return f"got {yield from handle}"
    except ChildWorkflowError as error:
        return f"{type(error.cause).__name__}: {policy}"


@workflow
def renewing(left: int) -> Workflow[str]:
    """Begins anew at each word."""
    yield from words.answer(lambda: [str(left)])
    yield from word.receive()
    if left:
        yield from continue_as_new(left - 1)
    return "the last"


@workflow
def failing_once() -> Workflow[int]:
    """Fails in its first run, after a word."""
    yield from words.answer(list)
    yield from word.receive()
    attempt = (yield from info()).attempt
    if attempt == 1:
        raise ApplicationError("not yet")
    return attempt


#: Set where an attempt of ``work`` has begun, and where it may go on.
begun, go = threading.Event(), threading.Event()
attempts: list[str] = []


@activity
def work(name: str) -> str:
    """Waits until it may go on."""
    attempts.append(name)
    begun.set()
    assert go.wait(10)
    return f"done {name}"


WORKFLOWS = [collecting, working, napping, mother, renewing, failing_once]


@pytest.fixture
def engine(make_engine: MakeEngine) -> Engine:
    begun.clear()
    go.clear()
    attempts.clear()
    return make_engine(workflows=WORKFLOWS, activities=[work], max_concurrent_activities=1)


def paused(engine: Engine) -> WorkflowHandle[list[str]]:
    """A run that is paused, and that wants two words."""
    handle = engine.start(collecting, 2, id="run")
    until(lambda: handle.describe().run.turn == 1)
    handle.pause("the books are open")
    return handle


def has_done_nothing(handle: WorkflowHandle[list[str]], waiting: int) -> bool:
    """So many messages wait, and the pause is still the last event."""
    until(lambda: handle.describe().pending_messages == waiting)
    return isinstance(handle.history()[-1], WorkflowExecutionPaused)


# Messages ------------------------------------------------------------------------------------------------------------------


def test_signals_to_a_paused_run_wait_in_their_order(engine: Engine) -> None:
    handle = paused(engine)
    handle.signal(word, "one")
    handle.signal(word, "two")
    assert has_done_nothing(handle, 2)
    assert [] == handle.query(words), "a query is answered all the same"
    handle.resume()
    assert ["one", "two"] == handle.result(timeout=SOON)


def test_an_update_of_a_paused_run_waits_until_it_is_resumed(engine: Engine) -> None:
    handle = paused(engine)
    with pytest.raises(TimeoutError):
        handle.start_update(add, "one", id="u", timeout=timedelta(0))
    assert has_done_nothing(handle, 1)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(
            handle.start_update, add, "one", id="u", wait_for_stage=WorkflowUpdateStage.COMPLETED
        )
        handle.resume()
        assert 1 == future.result(10).result(timeout=SOON)
    assert ["one"] == handle.query(words)


def test_a_cancel_request_reaches_a_paused_run_when_it_is_resumed(engine: Engine) -> None:
    handle = paused(engine)
    handle.cancel()
    assert has_done_nothing(handle, 1)
    handle.resume()
    handle.signal(word, "two")
    assert ["cancelled", "two"] == handle.result(timeout=SOON)


def test_a_paused_run_is_terminated_at_once(engine: Engine) -> None:
    handle = paused(engine)
    handle.signal(word, "one")
    handle.terminate("enough")
    with pytest.raises(WorkflowFailedError) as caught:
        handle.result(timeout=SOON)
    assert "enough" in str(caught.value.__cause__)


# Activities and time -------------------------------------------------------------------------------------------------------


def test_an_activity_in_flight_finishes_and_no_other_begins_until_the_run_is_resumed(engine: Engine) -> None:
    handle = engine.start(working, id="run")
    assert begun.wait(10)
    handle.pause()
    go.set()
    assert has_done_nothing(handle, 1)
    (left,) = handle.describe().pending_activities
    assert ([1], 0) == ([len(attempts)], left.owner)
    handle.resume()
    assert ["done a", "done b", "done c"] == handle.result(timeout=SOON)
    assert ["a", "b", "c"] == sorted(attempts)


def test_a_timer_of_a_paused_run_comes_due_and_is_acted_on_when_it_is_resumed(
    engine: Engine, clock: ManualClock
) -> None:
    handle = engine.start(napping, id="run")
    until(lambda: handle.describe().run.turn == 1)
    handle.pause()
    clock.advance(2 * HOUR)
    assert has_done_nothing(engine.handle("run"), 0)
    handle.resume()
    assert "rested" == handle.result(timeout=SOON)


@pytest.mark.parametrize("limit", ["run_timeout", "execution_timeout"])
def test_a_paused_run_times_out_and_what_waited_for_it_is_undelivered(
    engine: Engine, clock: ManualClock, limit: str
) -> None:
    options = {limit: timedelta(hours=3)}
    handle = engine.start(collecting, 2, id="run", **options)  # type: ignore[misc]
    until(lambda: handle.describe().run.turn == 1)
    handle.pause()
    handle.signal(word, "one")
    clock.advance(2 * HOUR)
    assert has_done_nothing(handle, 1)
    clock.advance(2 * HOUR)
    with pytest.raises(WorkflowFailedError):
        handle.result(timeout=SOON)
    assert ["WorkflowExecutionPaused", "WorkflowExecutionTimedOut", "MessageUndelivered"] == [
        type(event).__name__ for event in handle.history()[-3:]
    ]


def test_the_next_run_after_a_timeout_of_a_paused_one_is_not_paused(
    engine: Engine, clock: ManualClock
) -> None:
    retry = RetryPolicy(initial_interval=timedelta(seconds=1))
    handle = engine.start(collecting, 1, id="run", run_timeout=timedelta(hours=1), retry_policy=retry)
    until(lambda: handle.describe().run.turn == 1)
    handle.pause()
    clock.advance(2 * HOUR)
    until(lambda: engine.handle("run").describe().run.run_id != handle.run_id)
    engine.handle("run").signal(word, "one")
    clock.advance(2_000_000)  # the delay of the policy
    assert ["one"] == handle.result(timeout=SOON)


# Other runs ----------------------------------------------------------------------------------------------------------------


def test_the_outcome_of_a_child_waits_for_its_paused_parent(engine: Engine) -> None:
    handle = engine.start(mother, "waits", id="run")
    until(lambda: engine.count("WorkflowId = 'child'") == 1 and handle.describe().pending_messages == 0)
    handle.pause()
    child = engine.handle("child")
    child.signal(word, "hello")
    child.result(timeout=SOON)
    assert has_done_nothing(engine.handle("run"), 1)
    handle.resume()
    assert "got ['hello']" == handle.result(timeout=SOON)


def test_a_child_is_not_paused_with_its_parent_and_one_that_is_is_terminated_with_it(engine: Engine) -> None:
    handle = engine.start(mother, "closes", id="run")
    until(lambda: engine.count("WorkflowId = 'child'") == 1)
    handle.pause()
    child = engine.handle("child")
    until(lambda: child.describe().run.turn == 1)
    assert child.describe().run.paused_at is None
    child.pause()
    handle.terminate()
    until(lambda: child.describe().run.closed_at is not None)
    assert RunStatus.TERMINATED == child.describe().run.status


def test_a_paused_run_neither_continues_as_new_nor_is_tried_again_before_it_is_resumed(
    engine: Engine, clock: ManualClock
) -> None:
    renewed = engine.start(renewing, 1, id="renewed")
    retry = RetryPolicy(initial_interval=timedelta(seconds=1))
    failed = engine.start(failing_once, id="failed", retry_policy=retry)
    until(lambda: (renewed.describe().run.turn, failed.describe().run.turn) == (1, 1))
    for handle in (renewed, failed):
        handle.pause()
        handle.signal(word, "go on")
    assert 2 == engine.count()
    for handle in (renewed, failed):
        handle.resume()
    until(lambda: engine.count() == 4)
    assert 0 == engine.count("Paused = true")
    for name in ("renewed", "failed"):
        engine.handle(name).signal(word, "go on")
    ended_by(clock, 1_000_000, failed)
    assert (2, "the last") == (failed.result(timeout=SOON), renewed.result(timeout=SOON))


def test_a_paused_run_is_reset_and_the_new_one_is_not_paused(engine: Engine) -> None:
    old = paused(engine)
    old.signal(word, "one")
    new = old.reset(first=True)
    new.signal(word, "two")
    assert ["one", "two"] == new.result(timeout=SOON)
    assert RunStatus.TERMINATED == old.describe().run.status


def test_a_reset_to_a_point_at_which_the_run_was_paused_begins_unpaused(engine: Engine) -> None:
    old = paused(engine)
    old.signal(word, "one")
    old.update_options(build_id="")  # a turn in the midst of the pause
    options = old.history()[-1]
    old.resume()
    until(lambda: old.query(words) == ["one"])
    new = old.reset(event_id=options.event_id)
    new.signal(word, "two")
    assert ["one", "two"] == new.result(timeout=SOON)
    kinds = [
        type(event)
        for event in new.history()
        if isinstance(event, WorkflowExecutionPaused | WorkflowExecutionUnpaused)
    ]
    assert [WorkflowExecutionPaused, WorkflowExecutionUnpaused] == kinds


def test_a_fork_of_a_paused_run_is_not_paused_and_the_run_stays_so(engine: Engine) -> None:
    old = paused(engine)
    copy = old.fork("copy")
    copy.signal(word, "one")
    copy.signal(word, "two")
    assert ["one", "two"] == copy.result(timeout=SOON)
    assert old.describe().run.paused_at is not None


# Before the first turn -----------------------------------------------------------------------------------------------------


def test_a_pause_before_the_first_turn_does_not_wake_a_delayed_start(
    engine: Engine, clock: ManualClock
) -> None:
    handle = engine.start(collecting, 1, id="run", start_delay=timedelta(hours=1))
    handle.pause()
    assert (0, 1) == (handle.describe().run.turn, engine.count("Paused = true"))
    clock.advance(2 * HOUR)
    handle.signal(word, "one")
    until(lambda: handle.describe().pending_messages == 3)
    assert 0 == handle.describe().run.turn
    handle.resume()
    assert ["one"] == handle.result(timeout=SOON)
    kinds = (WorkflowExecutionStarted, WorkflowExecutionPaused, WorkflowExecutionUnpaused)
    assert list(kinds) == [type(event) for event in handle.history() if isinstance(event, kinds)]


def test_a_delayed_start_that_was_paused_and_resumed_is_still_delayed(
    store: Store, clock: ManualClock
) -> None:
    client = Client(store, workflows=[collecting])
    handle = client.start(collecting, 1, id="run", start_delay=timedelta(hours=1))
    handle.pause()
    handle.resume()
    handle.update_options(build_id="")
    assert clock.now_us() + HOUR == store.next_due_at(("default",))


def test_a_run_that_was_paused_before_its_first_turn_can_be_terminated(engine: Engine) -> None:
    handle = engine.start(collecting, 1, id="run", start_delay=timedelta(hours=1))
    handle.pause()
    handle.terminate()
    assert RunStatus.TERMINATED == handle.describe().run.status
