"""How runs are started: ids and policies, options, and what comes with a start."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from refold import (
    ApplicationError,
    DefinitionError,
    RetryPolicy,
    SearchAttributeKey,
    Signal,
    TerminatedError,
    Update,
    Workflow,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
    workflow,
)
from refold.events import HistoryEvent, WorkflowExecutionStarted
from refold_adapters import (
    Client,
    ExecutionError,
    ManualClock,
    RunStatus,
    Store,
    WorkflowAlreadyStartedError,
    WorkflowFailedError,
)
from refold_adapters.ports import Outcome, Write
from tests.runtime.conftest import MakeEngine

SOON = timedelta(seconds=20)
SECOND = 1_000_000
name_of = Signal("name_of", str)
FAIL, USE, REPLACE = WorkflowIDConflictPolicy
ALLOW, FAILED_ONLY, REJECT = WorkflowIDReusePolicy


@workflow
def greet(greeting: str = "hello") -> Workflow[str]:
    name = yield from name_of.receive()
    if name == "nobody":
        raise ApplicationError("there is nobody to greet")
    return f"{greeting} {name}"


@workflow
def done() -> Workflow[str]:
    yield from ()
    return "done"


renamed = Update("renamed", str, result_type=str)


@workflow
def updated() -> Workflow[None]:
    yield from renamed.handle(lambda name: f"now {name}")
    yield from name_of.receive()


def started(events: Sequence[HistoryEvent]) -> WorkflowExecutionStarted:
    first = events[0]
    assert isinstance(first, WorkflowExecutionStarted)
    return first


@pytest.mark.parametrize("reuse", [ALLOW, FAILED_ONLY, REJECT])
def test_an_open_run_meets_the_conflict_policy(make_engine: MakeEngine, reuse: WorkflowIDReusePolicy) -> None:
    engine = make_engine(workflows=[greet])
    first = engine.start(greet, id="g", id_reuse_policy=reuse)
    with pytest.raises(WorkflowAlreadyStartedError, match="RF5101"):
        engine.start(greet, id="g", id_reuse_policy=reuse, id_conflict_policy=FAIL)
    same = engine.start(greet, id="g", id_reuse_policy=reuse, id_conflict_policy=USE)
    assert first.run_id == same.run_id
    if reuse is REJECT:  # with it no other run can ever take the place of this one
        with pytest.raises(ExecutionError, match="RF5135"):
            engine.start(greet, id="g", id_reuse_policy=reuse, id_conflict_policy=REPLACE)
        return
    other = engine.start(greet, id="g", id_reuse_policy=reuse, id_conflict_policy=REPLACE)

    assert first.run_id != other.run_id
    with pytest.raises(WorkflowFailedError, match="TERMINATED") as caught:
        first.result(timeout=SOON)
    assert isinstance(caught.value.cause, TerminatedError)


@pytest.mark.parametrize("conflict", [FAIL, USE])
@pytest.mark.parametrize("ending", ["completed", "failed", "canceled", "terminated", "timed_out"])
@pytest.mark.parametrize("reuse", [ALLOW, FAILED_ONLY, REJECT])
def test_a_closed_run_meets_the_reuse_policy(
    make_engine: MakeEngine,
    clock: ManualClock,
    reuse: WorkflowIDReusePolicy,
    ending: str,
    conflict: WorkflowIDConflictPolicy,
) -> None:
    """What is to be done about an open run does not matter to a closed one."""
    engine = make_engine(workflows=[greet])
    first = engine.start(greet, id="g", run_timeout=HOUR)
    match ending:
        case "completed" | "failed":
            first.signal(name_of, "Ada" if ending == "completed" else "nobody")
        case "canceled":
            first.cancel()
        case "terminated":
            first.terminate()
        case _:
            clock.advance(3601 * SECOND)
    if ending == "completed":
        first.result(timeout=SOON)
    else:
        with pytest.raises(WorkflowFailedError):
            first.result(timeout=SOON)
    allowed = reuse is ALLOW or (reuse is FAILED_ONLY and ending != "completed")

    if allowed:
        again = engine.start(greet, id="g", id_reuse_policy=reuse, id_conflict_policy=conflict)
        assert first.run_id != again.run_id
    else:
        with pytest.raises(WorkflowAlreadyStartedError, match=ending.upper()):
            engine.start(greet, id="g", id_reuse_policy=reuse, id_conflict_policy=conflict)


def test_terminating_the_existing_run_and_starting_another_is_one_commit(
    make_engine: MakeEngine, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(workflows=[greet])
    engine.start(greet, id="g")
    batches: list[list[str]] = []
    apply = store.apply

    def noting(writes: list[Write]) -> list[Outcome]:
        batches.append([type(write).__name__ for write in writes])
        return apply(writes)

    monkeypatch.setattr(store, "apply", noting)
    engine.start(greet, id="g", id_conflict_policy=REPLACE)

    assert ["CommitTurn", "CreateRun"] in batches


def test_two_policies_that_contradict_each_other_are_refused(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[greet])

    with pytest.raises(ExecutionError, match="RF5135"):
        engine.start(greet, id="g", id_reuse_policy=REJECT, id_conflict_policy=REPLACE)


def test_a_repeated_request_id_starts_nothing_new_even_when_its_run_is_closed(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(workflows=[done])
    first = engine.start(done, id="d", request_id="once")
    first.result(timeout=SOON)

    for policy in WorkflowIDConflictPolicy:
        assert first.run_id == engine.start(done, id="d", request_id="once", id_conflict_policy=policy).run_id
    assert 1 == len(list(engine.list()))


def test_a_workflow_can_be_started_by_name_by_a_client_that_has_no_code(
    make_engine: MakeEngine, store: Store
) -> None:
    make_engine(workflows=[greet])
    client = Client(store)
    handle = client.start("greet", "good day", id="g")
    handle.signal("name_of", "Ada")

    assert "good day Ada" == handle.result(timeout=SOON)
    client.closings.stop()


def test_every_option_of_a_start_is_recorded(store: Store, make_engine: MakeEngine) -> None:
    customer = SearchAttributeKey.keyword("customer")
    policy = RetryPolicy(maximum_attempts=3)
    engine = make_engine(workflows=[greet])
    handle = engine.start(
        greet,
        id="g",
        request_id="r",
        execution_timeout=timedelta(hours=3),
        run_timeout=timedelta(hours=2),
        task_timeout=timedelta(seconds=10),
        retry_policy=policy,
        memo={"why": ["because", 1]},
        search_attributes=[customer.value_set("acme")],
        headers={"trace": "1"},
    )
    event = started(handle.history())

    assert (3 * 3600 * SECOND, 2 * 3600 * SECOND, 10 * SECOND) == (
        event.execution_timeout_us,
        event.run_timeout_us,
        event.task_timeout_us,
    )
    assert ("r", policy.to_plain(), {"why": ["because", 1]}, {"trace": "1"}) == (
        event.request_id,
        event.retry_policy,
        event.memo,
        event.headers,
    )
    assert "acme" == customer.value_in(event.search_attributes)


@pytest.mark.parametrize("name", ["execution_timeout", "run_timeout", "task_timeout"])
def test_a_timeout_of_no_length_is_refused_before_anything_is_stored(
    make_engine: MakeEngine, name: str
) -> None:
    engine = make_engine(workflows=[greet])
    options = {name: timedelta(0)}
    with pytest.raises(DefinitionError, match="RF1004"):
        engine.start(greet, id="g", **options)  # type: ignore[arg-type]

    assert [] == list(engine.list())


def test_a_delayed_start_makes_its_first_turn_when_it_is_due(
    make_engine: MakeEngine, clock: ManualClock
) -> None:
    engine = make_engine(workflows=[done])
    handle = engine.start(done, id="d", start_delay=timedelta(hours=1))
    assert (0, RunStatus.RUNNING) == (handle.describe().run.turn, handle.describe().run.status)

    clock.advance(3600 * SECOND)
    assert "done" == handle.result(timeout=SOON)
    assert 3600 * SECOND == started(handle.history()).start_delay_us


HOUR = timedelta(hours=1)


def test_a_signal_with_another_start_ends_the_delay_of_a_start(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[greet])
    engine.start(greet, id="g", start_delay=HOUR)
    handle = engine.signal_with_start(greet, id="g", signal=name_of, payload="Ada", start_delay=HOUR)

    assert "hello Ada" == handle.result(timeout=SOON)


def test_an_update_with_another_start_ends_the_delay_of_a_start(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[updated])
    engine.start(updated, id="u", start_delay=HOUR)
    update = engine.update_with_start(updated, id="u", update=renamed, payload="Ada")

    assert "now Ada" == update.result(timeout=SOON)


def test_other_messages_wait_with_a_delayed_start(make_engine: MakeEngine, clock: ManualClock) -> None:
    engine = make_engine(workflows=[greet])
    first = engine.signal_with_start(greet, id="g-1", signal=name_of, payload="Ada", start_delay=HOUR)
    second = engine.start(greet, id="g-2", start_delay=HOUR)
    second.signal(name_of, "Bob")
    clock.advance(3599 * SECOND)
    waiting = [engine.row(f"g-{number}", None).turn for number in (1, 2)]
    clock.advance(SECOND)

    assert ["hello Ada", "hello Bob"] == [each.result(timeout=SOON) for each in (first, second)]
    assert [0, 0] == waiting


def test_a_request_to_cancel_ends_the_delay_of_a_start(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[greet])
    handle = engine.start(greet, id="g", start_delay=HOUR)
    handle.cancel("no longer wanted")
    with pytest.raises(WorkflowFailedError):
        handle.result(timeout=SOON)

    assert RunStatus.CANCELED is engine.row("g", None).status
