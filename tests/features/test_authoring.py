"""What workflow code is written with, end to end: each turn is replayed from the store, for no run is kept in memory here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pydantic
import pytest

from refold import (
    ActivityError,
    ApplicationError,
    CancelledError,
    Execution,
    NondeterminismError,
    Query,
    Saga,
    Signal,
    Workflow,
    activity,
    all_of,
    deprecate_patch,
    execute_activity,
    first_of,
    now,
    patched,
    random,
    shield,
    side_effect,
    sleep,
    uuid4,
    wait_until,
    workflow,
)
from refold.events import ActivityTaskScheduled, MarkerRecorded
from refold_adapters import Client, ManualClock, RunStatus, Store, Worker, WorkflowFailedError, WorkflowHandle
from tests.features.running import SECOND, SOON, kinds, until
from tests.runtime.conftest import MakeEngine

go = Signal("go", str)
note = Signal("note", str)
values = Query("values", list)
ACTIVITIES_OF_TRIP = ("book", "unbook", "pay", "refund", "settle")


class Ledger:
    """What the activities of one test did to the world, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        #: What fails, and how often it still does.
        self.failing: set[str] = set()

    def activities(self) -> list[Any]:
        """One activity for each name, which notes itself and what it was called with."""
        return [activity(name=name)(self._entry(name)) for name in ACTIVITIES_OF_TRIP]

    def _entry(self, name: str) -> Callable[[str], str]:
        def enter(what: str) -> str:
            if name in self.failing:
                raise ApplicationError(f"cannot {name}", type="Refused", non_retryable=True)
            self.lines.append(f"{name} {what}")
            return f"{name}-{what}"

        return enter


def call(name: str, what: str) -> Any:
    """Call an activity whose code is not at hand."""
    return execute_activity(name, what, result_type=str)


@workflow
def trip(city: str) -> Workflow[str]:
    saga = Saga()
    try:
        booking = yield from saga.do(call("book", city), undo=lambda done: call("unbook", done))
        yield from saga.do(call("pay", booking), undo=lambda done: call("refund", done))
        word = yield from go.receive()
        yield from call("settle", word)
    except (ActivityError, CancelledError):
        yield from saga.compensate()
        raise
    return booking


def test_a_run_is_replayed_from_its_history_at_every_turn_and_does_nothing_twice(
    make_engine: MakeEngine,
) -> None:
    ledger = Ledger()
    engine = make_engine(workflows=[trip], activities=ledger.activities(), max_cached_workflows=0)
    handle = engine.start(trip, "Rome", id="t")
    handle.signal(go, "today")

    assert "book-Rome" == handle.result(timeout=SOON)
    assert ["book Rome", "pay book-Rome", "settle today"] == ledger.lines


def test_a_saga_undoes_what_was_done_last_first_when_a_step_fails(make_engine: MakeEngine) -> None:
    ledger = Ledger()
    ledger.failing = {"settle"}
    engine = make_engine(workflows=[trip], activities=ledger.activities(), max_cached_workflows=0)
    handle = engine.start(trip, "Rome", id="t")
    handle.signal(go, "today")

    with pytest.raises(WorkflowFailedError, match="settle"):
        handle.result(timeout=SOON)
    assert ["refund pay-book-Rome", "unbook book-Rome"] == ledger.lines[2:]


def test_a_saga_undoes_what_was_done_when_its_run_is_cancelled(make_engine: MakeEngine) -> None:
    ledger = Ledger()
    engine = make_engine(workflows=[trip], activities=ledger.activities(), max_cached_workflows=0)
    handle = engine.start(trip, "Rome", id="t")
    until(partial(has_events, handle, "ActivityTaskCompleted", 2))
    handle.cancel("plans changed")

    with pytest.raises(WorkflowFailedError):
        handle.result(timeout=SOON)
    assert RunStatus.CANCELED is handle.describe().run.status
    assert ["refund pay-book-Rome", "unbook book-Rome"] == ledger.lines[2:]


@workflow
def careful(what: str) -> Workflow[list[str]]:
    done: list[str] = []
    try:
        done.append((yield from shield(call("pay", what))))
        yield from sleep(timedelta(days=1))
    except CancelledError:
        done.append("cancelled")
    return done


def test_a_shielded_step_comes_to_its_end_and_the_cancel_request_is_heard_after_it(
    make_engine: MakeEngine, store: Store
) -> None:
    engine = make_engine(workflows=[careful], max_cached_workflows=0, fail_unknown_types=False)
    handle = engine.start(careful, "rent", id="c")
    handle.cancel("too slow")
    until(lambda: "WorkflowExecutionCancelRequested" in kinds(handle))
    assert [False] == [task.cancel_requested for task in handle.describe().pending_activities]

    worker = Worker(store, activities=Ledger().activities())
    worker.start()
    try:
        assert ["pay-rent", "cancelled"] == handle.result(timeout=SOON)
    finally:
        worker.shutdown()


@workflow
def drawing() -> Workflow[list[str]]:
    seen: list[str] = []
    yield from values.answer(lambda: list(seen))
    for _ in range(2):
        moment = yield from now()
        dice = yield from random()
        name = yield from uuid4()
        seen += [moment.isoformat(), str(dice.random()), str(name)]
        yield from go.receive()
    return seen


def test_time_random_numbers_and_ids_are_the_same_whenever_a_run_is_replayed(
    make_engine: MakeEngine, clock: ManualClock
) -> None:
    engine = make_engine(workflows=[drawing], max_cached_workflows=0)
    began = datetime.fromtimestamp(clock.now_us() / SECOND, UTC)
    handle = engine.start(drawing, id="d")
    first = handle.query(values)
    assert began.isoformat() == first[0]

    clock.advance(60 * SECOND)
    handle.signal(go, "on")
    until(lambda: 6 == len(handle.query(values)))
    handle.signal(go, "on")
    drawn = handle.result(timeout=SOON)
    assert first == drawn[:3]
    assert (began + timedelta(minutes=1)).isoformat() == drawn[3]
    assert 6 == len(set(drawn))
    assert drawn == handle.query(values)


def test_a_side_effect_is_computed_once_however_often_its_run_is_replayed(make_engine: MakeEngine) -> None:
    computed: list[int] = []

    def compute() -> int:
        computed.append(len(computed))
        return 40 + len(computed)

    @workflow
    def measuring() -> Workflow[int]:
        first = yield from side_effect(compute)
        yield from go.receive()
        second = yield from side_effect(compute)
        yield from go.receive()
        return first + second

    engine = make_engine(workflows=[measuring], max_cached_workflows=0)
    handle = engine.start(measuring, id="m")
    handle.signal(go, "on")
    handle.signal(go, "on")

    assert 41 + 42 == handle.result(timeout=SOON)
    assert [0, 1] == computed
    assert [41, 42] == [event.value for event in handle.history() if isinstance(event, MarkerRecorded)]


@workflow
def in_two_ways() -> Workflow[list[str]]:
    heard: list[str] = []
    yield from note.handle(heard.append)
    index, word = yield from first_of(go.receive(), sleep(timedelta(days=1)))
    yield from wait_until(lambda: len(heard) == 2)
    return [str(index), str(word), *heard]


def test_one_run_handles_one_signal_and_receives_another(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[in_two_ways], max_cached_workflows=0)
    handle = engine.start(in_two_ways, id="i")
    handle.signal(note, "a")
    handle.signal(go, "on")
    handle.signal(note, "b")

    assert ["0", "on", "a", "b"] == handle.result(timeout=SOON)


class Article(pydantic.BaseModel):
    """A payload with rules of its own."""

    name: str
    price: float = pydantic.Field(gt=0)


@activity
def raise_price(article: Article) -> Article:
    return article.model_copy(update={"price": article.price * 2})


@workflow
def repricing(articles: list[Article]) -> Workflow[list[Article]]:
    return list((yield from all_of(*[raise_price(article) for article in articles])))


def test_pydantic_models_are_given_to_workflows_and_activities_and_come_back(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[repricing], activities=[raise_price], max_cached_workflows=0)
    tea = Article(name="tea", price=1.5)

    assert [Article(name="tea", price=3)] == engine.run(repricing, [tea], id="p")


def test_a_client_and_a_worker_that_share_no_code_but_names_work_together(
    make_engine: MakeEngine, store: Store
) -> None:
    """The client knows no workflow, the worker of the run knows no activity."""
    make_engine(workflows=[trip], fail_unknown_types=False)
    ledger = Ledger()
    worker = Worker(store, activities=ledger.activities())
    worker.start()
    try:
        handle = Client(store).start("trip", "Rome", id="t")
        handle.signal("go", "today")
        assert "book-Rome" == handle.result(timeout=SOON)
    finally:
        worker.shutdown()
    assert ["book Rome", "pay book-Rome", "settle today"] == ledger.lines


def has_events(handle: WorkflowHandle[Any], kind: str, count: int) -> bool:
    return count == kinds(handle).count(kind)


@workflow(name="order")
def as_it_was() -> Workflow[str]:
    yield from go.receive()
    return (yield from call("pay", "rent"))


@workflow(name="order")
def with_patch() -> Workflow[str]:
    if (yield from patched("book-first")):
        yield from call("book", "new")
    yield from go.receive()
    return (yield from call("pay", "rent"))


@workflow(name="order")
def patch_deprecated() -> Workflow[str]:
    yield from deprecate_patch("book-first")
    yield from call("book", "new")
    yield from go.receive()
    return (yield from call("pay", "rent"))


@workflow(name="order")
def patch_gone() -> Workflow[str]:
    yield from call("book", "new")
    yield from go.receive()
    return (yield from call("pay", "rent"))


def test_runs_live_through_every_step_of_a_patch(make_engine: MakeEngine) -> None:
    """Each version of the code starts a run, and the next version ends it, besides those that it started itself."""
    ledger = Ledger()
    before: WorkflowHandle[Any] | None = None
    for version, booked in ((as_it_was, 0), (with_patch, 1), (patch_deprecated, 1), (patch_gone, 1)):
        engine = make_engine(workflows=[version], activities=ledger.activities(), max_cached_workflows=0)
        if before is not None:
            last = engine.handle(before.workflow_id, workflow=version)
            last.signal(go, "on")
            assert "pay-rent" == last.result(timeout=SOON)
        before = engine.start(version, id=f"order before {version.fn.__name__}")
        until(partial(has_events, before, "ActivityTaskCompleted", booked))
        engine.worker.shutdown()

    assert ["pay rent", *["book new", "pay rent"] * 2, "book new"] == ledger.lines


def test_saved_histories_are_replayed_against_code_and_a_change_is_told(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[with_patch], activities=Ledger().activities())
    handle = engine.start(with_patch, id="o")
    handle.signal(go, "on")
    handle.result(timeout=SOON)
    history = list(handle.history())

    Execution.replay(patch_deprecated, history)
    with pytest.raises(NondeterminismError, match="RF4001"):
        Execution.replay(as_it_was, history)
    assert ["book", "pay"] == [
        event.activity_type for event in history if isinstance(event, ActivityTaskScheduled)
    ]
