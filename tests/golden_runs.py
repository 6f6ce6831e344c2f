"""Workflows whose runs through a client and a worker are kept for good: between them they have left events of every kind.

``python -m tests.golden_runs`` carries the scenes out and writes every history to ``golden/``, under the version of refold.  A file is
never written anew once its version is out: the code below may not change in anything that its runs do.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from refold import (
    ActivityCancellationType,
    ActivityError,
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    ExternalWorkflowError,
    RetryPolicy,
    SearchAttributeKey,
    Signal,
    TimeoutError,
    Update,
    Workflow,
    __version__,
    activity,
    all_settled,
    continue_as_new,
    deprecate_patch,
    execute_child_workflow,
    external_workflow,
    first_of,
    info,
    patched,
    side_effect,
    sleep,
    start_child_workflow,
    upsert_memo,
    upsert_search_attributes,
    uuid4,
    with_timeout,
    workflow,
)
from refold.codec import encode_events
from refold_adapters import Engine, ManualClock, activity_context, open_store
from tests.cold_store import ColdStore
from tests.features.running import until

GOLDEN = Path(__file__).parent / "golden"
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
ONCE = RetryPolicy(maximum_attempts=1)

go_on = Signal("go_on", str)
unheard = Signal("unheard", str)
price = Update("price", int, result_type=int)
customer = SearchAttributeKey.keyword("Customer")
opened = SearchAttributeKey.datetime("Opened")


@activity(retry_policy=ONCE)
def charge(amount: int) -> int:
    """Refuses what is not positive."""
    if amount <= 0:
        raise ApplicationError("nothing to charge", {"amount": amount}, type="Empty", non_retryable=True)
    return 2 * amount


@activity(retry_policy=ONCE, start_to_close_timeout=MINUTE)
def dawdle() -> None:
    """Goes on until it is told to stop."""
    activity_context().heartbeat("begun")
    activity_context().wait_for_cancellation(20)


@activity(cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED)
def stop_when_asked() -> None:
    """Ends as cancelled when it is asked to."""
    activity_context().wait_for_cancellation(20)
    raise CancelledError("asked to", "details")


# A run by itself: activities, timers, markers, messages, operations ----------------------------------------------------------


@workflow
def trading(name: str) -> Workflow[list[Any]]:
    told: list[Any] = []

    def check(amount: int) -> None:
        if amount > 100:
            raise ApplicationError("too dear", type="TooDear")

    def set_price(amount: int) -> Workflow[int]:
        return (yield from charge(amount))

    yield from price.handle(set_price, validator=check)
    yield from upsert_memo({"name": name, "old": None})
    yield from upsert_search_attributes(customer.value_set(name), opened.value_unset())
    told.append((yield from side_effect(lambda: {"drawn": [1, 2.5, None]}, result_type=dict)))
    told.append((yield from patched("new way")))
    yield from deprecate_patch("old way")
    told.append(str((yield from uuid4())))
    told.append((yield from charge.local(4)))
    told.append((yield from go_on.receive()))
    outcomes = yield from all_settled(charge(0), dawdle(), with_timeout(stop_when_asked(), SECOND))
    for outcome in outcomes:
        assert isinstance(outcome.error, ActivityError | TimeoutError)
        told.append(type(outcome.error.__cause__ or outcome.error).__name__)
    told.append((yield from first_of(go_on.receive(), sleep(60 * MINUTE))))
    return told


def trade(engine: Engine, clock: ManualClock) -> None:
    handle = engine.start(
        trading,
        "Ada",
        id="trading",
        request_id="start-1",
        memo={"old": 1},
        search_attributes=[customer.value_set("nobody")],
        execution_timeout=600 * MINUTE,
        run_timeout=300 * MINUTE,
        task_timeout=MINUTE,
    )
    handle.execute_update(price, 5, id="update-1")
    handle.pause("lunch")
    handle.signal(go_on, "begin", request_id="signal-1")
    handle.update_options(build_id="build-2")
    handle.resume("back")
    until(lambda: len(handle.describe().pending_activities) == 2)
    clock.advance(1_000_000)
    until(lambda: len(handle.describe().pending_activities) == 1)
    clock.advance(60_000_000)
    until(lambda: not handle.describe().pending_activities)
    try:
        handle.execute_update(price, -1, id="update-2")
    except Exception as error:
        print("as it must be:", error, file=sys.stderr)
    handle.signal(unheard, "nobody listens")
    handle.signal(go_on, "end")


# Runs that end in every way --------------------------------------------------------------------------------------------------


@workflow
def waiting(how: str) -> Workflow[str]:
    if how == "sleeps":
        yield from sleep(5 * SECOND)
    return (yield from go_on.receive())


@workflow
def failing(attempts: int) -> Workflow[int]:
    who = yield from info()
    if who.attempt < attempts:
        raise ApplicationError("not yet", who.attempt, type="Early")
    return who.attempt


@workflow
def counting(total: int) -> Workflow[int]:
    total += len((yield from go_on.receive()))
    if total < 3:
        yield from continue_as_new(total, memo={"total": total}, task_timeout=MINUTE)
    return total


def end(engine: Engine, clock: ManualClock) -> None:
    cancelled = engine.start(waiting, "", id="cancelled")
    cancelled.cancel("changed my mind", request_id="cancel-1")
    terminated = engine.start(waiting, "", id="terminated")
    until(lambda: len(terminated.history()) >= 1)
    terminated.signal(unheard, "nobody listens")
    terminated.terminate("enough")
    late = engine.start(waiting, "", id="late", run_timeout=MINUTE)
    until(lambda: len(late.history()) >= 1)
    clock.advance(60_000_000)
    engine.start(failing, 3, id="again", retry_policy=RetryPolicy(maximum_attempts=3))
    engine.start(failing, 9, id="failed", retry_policy=RetryPolicy(maximum_attempts=1))
    engine.signal_with_start(waiting, "sleeps", id="delayed", signal=go_on, payload="early")
    chain = engine.start(counting, 0, id="chain")
    until(lambda: len(chain.history()) >= 1)
    chain.pause()
    for word in ("a", "b", "c"):
        chain.signal(go_on, word)
    chain.resume()
    met = engine.start(waiting, "", id="met")
    met.signal(go_on, "in time")


def begin_anew(engine: Engine, clock: ManualClock) -> None:
    old = engine.start(trading_again, 2, id="anew")
    old.signal(go_on, "ann")
    old.signal(go_on, "bob")
    old.result(timeout=20 * SECOND)
    old.reset(first=True, reason="once more")
    fork = old.fork("fork", first=True)
    fork.signal(go_on, "joe")
    fork.signal(go_on, "eve")


@workflow
def trading_again(wanted: int) -> Workflow[list[str]]:
    names: list[str] = []
    while len(names) < wanted:
        names.append(f"{(yield from go_on.receive())} {(yield from uuid4())}")
    return names


# A run among others ----------------------------------------------------------------------------------------------------------


@workflow
def raising(names: list[str]) -> Workflow[list[str]]:
    told: list[str] = []
    eldest = yield from start_child_workflow(waiting, "", id="eldest", memo={"rank": 1})
    yield from eldest.signal(go_on, "grown up")
    told.append((yield from eldest))
    sleeper = yield from start_child_workflow(waiting, "", id="sleeper")
    yield from sleeper.cancel("wake up")
    outcomes = yield from all_settled(
        sleeper,
        execute_child_workflow(failing, 9, id="quick", retry_policy=ONCE),
        execute_child_workflow(waiting, "", id="slow", run_timeout=MINUTE),
        execute_child_workflow(waiting, "", id="stopped"),
        execute_child_workflow(waiting, "", id="namesake"),
    )
    for outcome in outcomes:
        assert isinstance(outcome.error, ChildWorkflowError)
        told.append(type(outcome.error.cause).__name__)
    for effect in (external_workflow("nobody").signal(go_on, "hello"), external_workflow("nobody").cancel()):
        try:
            yield from effect
        except ExternalWorkflowError as error:
            told.append(error.reason)
    yield from external_workflow("namesake").signal(go_on, "from afar")
    yield from external_workflow("namesake").cancel("from afar")
    return told


@workflow
def hesitating() -> Workflow[int]:
    index, _ = yield from first_of(external_workflow("nobody").signal(go_on, "wait"), go_on.receive())
    yield from sleep(SECOND)
    return index


def hesitate(engine: Engine, clock: ManualClock) -> None:
    """What it asks for is withdrawn in the same turn, as the other has come already."""
    engine.signal_with_start(hesitating, id="hesitating", signal=go_on, payload="early")


def raise_all(engine: Engine, clock: ManualClock) -> None:
    engine.start(waiting, "sleeps", id="namesake")
    engine.start(raising, [], id="family")
    until(lambda: engine.count("WorkflowId = 'stopped'") == 1 and engine.count("WorkflowId = 'slow'") == 1)
    until(lambda: len(engine.handle("slow").history()) >= 1)
    engine.handle("stopped").terminate("by hand")
    clock.advance(60_000_000)


# Recording -------------------------------------------------------------------------------------------------------------------

WORKFLOWS: list[Any] = [trading, trading_again, waiting, failing, counting, raising, hesitating]
SCENES: list[Callable[[Engine, ManualClock], None]] = [trade, end, begin_anew, hesitate, raise_all]


def record(folder: Path) -> None:
    """Carry every scene out on a store in memory, and write what its runs recorded, one file each."""
    folder.mkdir(parents=True)
    for scene in SCENES:
        clock = ManualClock()
        options: dict[str, Any] = {"workflows": WORKFLOWS, "activities": [charge, dawdle, stop_when_asked]}
        store: Any = ColdStore(open_store("memory:", clock), 5, "met")
        with Engine(store, identity="golden", build_id="build-1", serves=["build-2"], **options) as engine:
            scene(engine, clock)

            def all_ended(engine: Engine = engine, clock: ManualClock = clock) -> bool:
                clock.advance(100_000)
                return engine.count("CloseTime IS NULL") == 0

            until(all_ended)
            for row in reversed(list(engine.list())):
                path, number = folder / f"{row.workflow_id}.jsonl", 1
                while path.exists():
                    number += 1
                    path = folder / f"{row.workflow_id}-{number}.jsonl"
                history = engine.handle(row.workflow_id, row.run_id).history()
                path.write_bytes(encode_events(history) + b"\n")


if __name__ == "__main__":
    record(GOLDEN / __version__)
