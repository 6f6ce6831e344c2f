"""Child workflows end to end: how they start and end, and what becomes of them when their parent closes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from refold import (
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    ParentClosePolicy,
    RetryPolicy,
    Signal,
    TerminatedError,
    TimeoutError,
    Workflow,
    activity,
    all_of,
    cancel,
    continue_as_new,
    execute_child_workflow,
    info,
    sleep,
    start,
    start_child_workflow,
    workflow,
)
from refold_adapters import ManualClock, RunStatus, Worker, WorkflowFailedError
from refold_adapters.ports import Store
from tests.features.running import SECOND, SOON, MakeEngine, begin, ended_by, kinds, until

go = Signal("go", str)


@activity
def double(number: int) -> int:
    return 2 * number


@workflow
def doubling(number: int) -> Workflow[int]:
    return (yield from double(number))


@workflow
def waiting() -> Workflow[str]:
    try:
        return (yield from go.receive())
    except CancelledError:
        who = yield from info()
        raise CancelledError("stopped", str(who.attempt)) from None


@workflow
def refusing(number: int) -> Workflow[None]:
    yield from double(number)
    raise ApplicationError("no", type="Refused", non_retryable=number == 0)


@workflow
def in_turns(left: int) -> Workflow[str]:
    yield from double(left)
    if left:
        yield from continue_as_new(left - 1)
    return "the last"


@workflow
def twice_at_most() -> Workflow[int]:
    yield from double(1)
    who = yield from info()
    if who.attempt == 1:
        raise ApplicationError("not yet", type="Early")
    return who.attempt


@workflow
def parent(name: str, options: dict[str, Any]) -> Workflow[str]:
    """Runs one child and says how it ended."""
    if "policy" in options:
        options["parent_close_policy"] = ParentClosePolicy(options.pop("policy"))
    if "timeout" in options:
        options["run_timeout"] = timedelta(seconds=options.pop("timeout"))
    if "attempts" in options:
        options["retry_policy"] = RetryPolicy(maximum_attempts=options.pop("attempts"))
    args = options.pop("args", [])
    try:
        result = yield from execute_child_workflow(name, *args, **options)
    except ChildWorkflowError as error:
        return f"{type(error.cause).__name__}: {error.cause}"
    return f"returned {result}"


@workflow
def leaving(policy: str, end: str) -> Workflow[str]:
    """Starts a child and closes without waiting for it."""
    if not policy:
        return "left"
    yield from start_child_workflow(waiting, id="child", parent_close_policy=ParentClosePolicy(policy))
    if end == "fails":
        raise ApplicationError("enough", type="Enough")
    if end == "continues":
        yield from continue_as_new("", "")
    if end == "waits":
        yield from go.receive()
    return "left"


@workflow
def many(count: int) -> Workflow[list[int]]:
    return list((yield from all_of(*[execute_child_workflow(doubling, i) for i in range(count)])))


@workflow
def messenger() -> Workflow[str]:
    child = yield from start_child_workflow(waiting, id="child")
    yield from child.signal(go, "from the parent")
    return (yield from child)


@workflow
def canceller() -> Workflow[str]:
    child = yield from start_child_workflow(waiting, id="child")
    yield from child.cancel()
    try:
        return (yield from child)
    except ChildWorkflowError as error:
        return type(error.cause).__name__


@workflow
def giving_up() -> Workflow[str]:
    handle = yield from start(execute_child_workflow(waiting, id="child"))
    yield from sleep(timedelta(seconds=1))
    yield from cancel(handle)
    try:
        yield from handle
    except (CancelledError, ChildWorkflowError) as error:
        return type(error).__name__
    return "went on"


EVERYTHING: dict[str, Any] = {
    "workflows": [
        *(doubling, waiting, refusing, in_turns, twice_at_most, parent, leaving, many, messenger),
        *(canceller, giving_up),
    ],
    "activities": [double],
}


def test_a_child_runs_as_a_run_of_its_own_and_gives_its_result_to_its_parent(make_engine: MakeEngine):
    engine = make_engine(**EVERYTHING)
    handle = engine.start(parent, "doubling", {"id": "child", "args": [21]}, id="parent")
    assert "returned 42" == handle.result(timeout=SOON)
    started = engine.handle("child").history()[0]
    assert ("parent", handle.run_id) == (started.parent_workflow_id, started.parent_run_id)  # type: ignore[attr-defined]
    assert "WorkflowExecutionCompleted" == type(engine.handle("child").history()[-1]).__name__


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("refusing", {"args": [0]}, "ApplicationError: no"),
        ("in_turns", {"args": [2]}, "returned the last"),
        ("twice_at_most", {"attempts": 2}, "returned 2"),
    ],
)
def test_the_parent_sees_the_outcome_of_the_last_run_of_a_child(
    make_engine: MakeEngine, clock: ManualClock, name: str, options: dict[str, Any], expected: str
):
    engine = make_engine(**EVERYTHING)
    handle = engine.start(parent, name, {"id": "child", **options}, id="parent")
    ended_by(clock, SECOND, handle)
    assert expected == handle.result(timeout=SOON)
    ends = [type(event).__name__ for event in handle.history() if "ChildWorkflow" in type(event).__name__]
    assert 3 == len(ends)


def test_a_child_that_is_cancelled_terminated_or_out_of_time_tells_its_parent(
    make_engine: MakeEngine, clock: ManualClock
):
    engine = make_engine(**EVERYTHING)
    options = {"id": "cancelled"}
    handles = {
        "cancelled": engine.start(parent, "waiting", options, id="p1"),
        "terminated": engine.start(parent, "waiting", {"id": "terminated"}, id="p2"),
        "late": engine.start(parent, "waiting", {"id": "late", "timeout": 60}, id="p3"),
    }
    engine.handle("cancelled").cancel()
    engine.handle("terminated").terminate("enough")
    assert "CancelledError" in handles["cancelled"].result(timeout=SOON)
    assert "TerminatedError: enough" in handles["terminated"].result(timeout=SOON)
    ended_by(clock, 10 * SECOND, handles["late"])
    assert handles["late"].result(timeout=SOON).startswith(TimeoutError.__name__)
    assert RunStatus.TIMED_OUT is engine.row("late", None).status


def test_a_child_whose_id_is_taken_is_not_started(make_engine: MakeEngine):
    engine = make_engine(**EVERYTHING)
    other = engine.start(waiting, id="child")
    handle = engine.start(parent, "doubling", {"id": "child", "args": [1]}, id="parent")
    assert "WorkflowAlreadyStartedError: workflow id 'child' is in use" == handle.result(timeout=SOON)
    other.signal(go, "untouched")
    assert "untouched" == other.result(timeout=SOON)


@pytest.mark.parametrize("end", ["returns", "fails", "continues", "cancelled", "terminated", "times out"])
@pytest.mark.parametrize(
    ("policy", "expected"),
    [("TERMINATE", TerminatedError), ("REQUEST_CANCEL", CancelledError), ("ABANDON", None)],
)
def test_the_parent_close_policy_holds_however_the_parent_closes(
    make_engine: MakeEngine, clock: ManualClock, policy: str, end: str, expected: type[BaseException] | None
):
    engine = make_engine(**EVERYTHING)
    stays = end in ("cancelled", "terminated", "times out")
    handle = begin(
        engine, leaving, policy, "waits" if stays else end, id="parent", run_timeout_us=60 * SECOND
    )
    until(lambda: engine.store.find_run("child") is not None)  # started in the first turn of its parent
    child = engine.store.find_run("child")
    assert child is not None
    if stays:  # a parent that is asked to stop before it has heard of the start would stop what it starts
        until(lambda: "ChildWorkflowExecutionStarted" in kinds(handle))
    if end == "cancelled":
        handle.cancel("enough")
    if end == "terminated":
        handle.terminate("enough")
    if end == "times out":
        ended_by(clock, 61 * SECOND, handle)
    child_handle = engine.handle("child", child.run_id)
    if expected is None:
        child_handle.signal(go, "alone")
        assert "alone" == child_handle.result(timeout=SOON)
        return
    with pytest.raises(WorkflowFailedError) as caught:
        child_handle.result(timeout=SOON)
    assert expected is type(caught.value.__cause__)


def test_what_an_abandoned_child_comes_to_later_is_ignored(make_engine: MakeEngine):
    engine = make_engine(**EVERYTHING)
    handle = engine.start(leaving, "ABANDON", "returns", id="parent")
    assert "left" == handle.result(timeout=SOON)
    before = handle.history()
    engine.handle("child").signal(go, "late")
    assert "late" == engine.handle("child").result(timeout=SOON)
    assert before == handle.history()


def test_hundreds_of_children_start_and_end_in_shared_commits(make_engine: MakeEngine):
    engine = make_engine(**EVERYTHING)
    assert [2 * i for i in range(200)] == engine.run(many, 200, id="parent")
    assert not engine.store.list_inbox(engine.row("parent", None).run_id)


def test_a_parent_sends_its_child_a_signal_through_its_handle(make_engine: MakeEngine):
    assert "from the parent" == make_engine(**EVERYTHING).run(messenger, id="parent")


def test_a_parent_cancels_its_child_through_its_handle(make_engine: MakeEngine):
    assert "CancelledError" == make_engine(**EVERYTHING).run(canceller, id="parent")


def test_a_child_is_asked_to_stop_when_the_branch_that_waits_for_it_is_cancelled(
    make_engine: MakeEngine, clock: ManualClock
):
    engine = make_engine(**EVERYTHING)
    handle = engine.start(giving_up, id="parent")
    ended_by(clock, SECOND, handle)
    assert handle.result(timeout=SOON) in ("CancelledError", "ChildWorkflowError")
    assert RunStatus.CANCELED is engine.row("child", None).status


def test_a_child_on_another_task_queue_is_run_by_the_worker_of_that_queue(
    make_engine: MakeEngine, store: Store
):
    engine = make_engine(**EVERYTHING)
    other = Worker(store, workflows=[doubling], activities=[double], task_queue="others")
    other.start()
    handle = engine.start(
        parent, "doubling", {"id": "child", "args": [4], "task_queue": "others"}, id="parent"
    )
    try:
        assert "returned 8" == handle.result(timeout=SOON)
        assert "others" == engine.row("child", None).task_queue
    finally:
        other.shutdown()
