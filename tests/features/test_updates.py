"""Updates end to end: validated, accepted, answered, in one process and across several."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from refold import (
    ApplicationError,
    HandlerUnfinishedPolicy,
    Query,
    Signal,
    Update,
    Workflow,
    activity,
    all_handlers_finished,
    sleep,
    workflow,
)
from refold.events import WorkflowExecutionUpdateAccepted
from refold_adapters import (
    AsyncClient,
    Client,
    ManualClock,
    Store,
    WorkflowClosedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateNotFoundError,
    WorkflowUpdateRejectedError,
    WorkflowUpdateStage,
    WorkflowUpdateUnfinishedError,
)
from tests.runtime.conftest import MakeEngine

SOON = timedelta(seconds=20)
add = Update("add", int, result_type=int)
add_later = Update("add_later", int, result_type=int)
slow = Update("slow", result_type=str)
quiet = Update("quiet", result_type=str)
broken = Update("broken", result_type=str)
finish = Signal("finish")
total_of = Query("total_of", int)


@activity
def double(number: int) -> int:
    return 2 * number


def _positive(number: int) -> None:
    if number <= 0:
        raise ApplicationError(f"{number} is not positive", type="NotPositive")


@workflow
def counter() -> Workflow[int]:
    total = 0

    def change(number: int) -> int:
        nonlocal total
        total += number
        return total

    def change_later(number: int) -> Workflow[int]:
        return change((yield from double(number)))

    def wait() -> Workflow[str]:
        yield from sleep(timedelta(hours=1))
        return "waited"

    def fail() -> str:
        raise ApplicationError("it broke", type="Broken")

    yield from total_of.answer(lambda: total)
    yield from add.handle(change, validator=_positive)
    yield from add_later.handle(change_later)
    yield from slow.handle(wait)
    yield from quiet.handle(wait, unfinished_policy=HandlerUnfinishedPolicy.ABANDON)
    yield from broken.handle(fail)
    yield from finish.receive()
    return total


@workflow
def patient_counter() -> Workflow[str]:
    def wait() -> Workflow[str]:
        yield from sleep(timedelta(hours=1))
        return "waited"

    yield from slow.handle(wait)
    yield from finish.receive()
    yield from all_handlers_finished()
    return "done"


def test_an_update_gives_the_answer_of_its_handler(make_engine: MakeEngine) -> None:
    handle = make_engine(workflows=[counter]).start(counter, id="c")

    assert [2, 5] == [
        handle.execute_update(add, 2, timeout=SOON),
        handle.execute_update(add, 3, timeout=SOON),
    ]


def test_an_update_may_run_activities_before_it_answers(make_engine: MakeEngine) -> None:
    handle = make_engine(workflows=[counter], activities=[double]).start(counter, id="c")
    update = handle.start_update(add_later, 4)

    assert 8 == update.result(timeout=SOON)


def test_a_validator_refuses_and_the_update_leaves_no_trace(make_engine: MakeEngine) -> None:
    handle = make_engine(workflows=[counter]).start(counter, id="c")
    before = handle.history()
    with pytest.raises(WorkflowUpdateRejectedError, match=r"RF5131.*-1 is not positive") as caught:
        handle.execute_update(add, -1, timeout=SOON)

    assert isinstance(caught.value.cause, ApplicationError)
    assert "NotPositive" == caught.value.cause.type
    assert before == handle.history()


def test_an_update_that_nobody_handles_is_refused(make_engine: MakeEngine) -> None:
    handle = make_engine(workflows=[counter]).start(counter, id="c")

    with pytest.raises(WorkflowUpdateRejectedError, match="RF1113"):
        handle.execute_update("no such update", timeout=SOON)


def test_the_failure_of_a_handler_reaches_the_caller_and_not_the_run(make_engine: MakeEngine) -> None:
    handle = make_engine(workflows=[counter]).start(counter, id="c")
    with pytest.raises(WorkflowUpdateFailedError, match=r"RF5130.*it broke") as caught:
        handle.execute_update(broken, timeout=SOON)
    assert not isinstance(caught.value, WorkflowUpdateRejectedError)

    handle.signal(finish)
    assert 0 == handle.result(timeout=SOON)


def test_a_repeated_update_id_changes_nothing_and_gives_the_same_answer(make_engine: MakeEngine) -> None:
    handle = make_engine(workflows=[counter]).start(counter, id="c")
    answers = [handle.execute_update(add, 5, id="once", timeout=SOON) for _ in range(3)]

    assert ([5, 5, 5], 5) == (answers, handle.query(total_of))


def test_an_update_can_be_found_again_by_its_id_also_when_the_run_is_closed(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[counter])
    handle = engine.start(counter, id="c")
    handle.start_update(add, 5, id="u")
    open_answer = engine.handle("c").get_update_handle("u", update=add).result(timeout=SOON)
    handle.signal(finish)
    handle.result(timeout=SOON)
    again = handle.execute_update(add, 5, id="u", timeout=SOON)

    assert (5, 5, 5) == (open_answer, handle.get_update_handle("u", update=add).result(timeout=SOON), again)
    with pytest.raises(WorkflowUpdateNotFoundError, match="RF5132"):
        handle.get_update_handle("another").result(timeout=SOON)
    with pytest.raises(WorkflowClosedError):
        handle.execute_update(add, 1, timeout=SOON)


def test_accepted_and_completed_are_two_stages(make_engine: MakeEngine, clock: ManualClock) -> None:
    handle = make_engine(workflows=[counter]).start(counter, id="c")
    update = handle.start_update(slow, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
    with pytest.raises(TimeoutError):
        update.result(timeout=timedelta(0))

    clock.advance(3600 * 1_000_000)
    assert "waited" == update.result(timeout=SOON)
    done = handle.start_update(add, 1, wait_for_stage=WorkflowUpdateStage.COMPLETED, timeout=SOON)
    assert 1 == done.result(timeout=timedelta(0))


def test_an_update_that_the_end_of_the_run_cuts_off_says_so_and_the_worker_warns(
    make_engine: MakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    engine = make_engine(workflows=[counter])
    handle = engine.start(counter, id="c")
    update = handle.start_update(slow, id="u")
    handle.start_update(quiet)
    with caplog.at_level(logging.WARNING, "refold.worker"):
        handle.signal(finish)
        handle.result(timeout=SOON)
        with pytest.raises(WorkflowUpdateUnfinishedError, match="RF5133") as caught:
            update.result(timeout=SOON)
        engine.worker.shutdown()

    assert caught.value.accepted
    warnings = [record.message for record in caplog.records if "still at work" in record.message]
    assert 1 == len(warnings)
    assert "handler of update slow" in warnings[0]


def test_a_run_that_waits_for_its_handlers_answers_them_first(
    make_engine: MakeEngine, clock: ManualClock
) -> None:
    handle = make_engine(workflows=[patient_counter]).start(patient_counter, id="p")
    update = handle.start_update(slow)
    handle.signal(finish)
    clock.advance(3600 * 1_000_000)

    assert ("waited", "done") == (update.result(timeout=SOON), handle.result(timeout=SOON))


def test_updates_and_signals_that_come_together_stand_in_order_of_acceptance(
    make_engine: MakeEngine, store: Store
) -> None:
    """They wait in the store until a worker comes; each update makes a turn of its own."""
    client = Client(store, workflows=[counter])
    handle = client.start(counter, id="c")
    results: list[int] = []
    callers = []
    for number in (1, 2):
        inbox = len(store.list_inbox(handle.run_id or ""))
        caller = threading.Thread(
            target=lambda number=number: results.append(handle.execute_update(add, number, timeout=SOON))
        )
        caller.start()
        callers.append(caller)
        gate = threading.Event()
        while len(store.list_inbox(handle.run_id or "")) == inbox:
            gate.wait(0.001)
    handle.signal(finish)
    make_engine(workflows=[counter])
    for caller in callers:
        caller.join(20)

    assert ([1, 3], 3) == (sorted(results), handle.result(timeout=SOON))
    accepted = [event for event in handle.history() if isinstance(event, WorkflowExecutionUpdateAccepted)]
    assert [2, 3] == [event.turn for event in accepted]
    client.closings.stop()


def test_another_client_gets_answers_and_refusals_through_the_store(
    make_engine: MakeEngine, store: Store
) -> None:
    make_engine(workflows=[counter]).start(counter, id="c")
    client = Client(store, workflows=[counter])
    handle = client.handle("c")

    assert 2 == handle.execute_update(add, 2, timeout=SOON)
    for _ in range(2):
        with pytest.raises(WorkflowUpdateRejectedError, match="not positive"):
            handle.execute_update(add, -1, id="twice", timeout=SOON)
    assert 9 == handle.execute_update(add, 7, id="twice", timeout=SOON)
    client.closings.stop()


def test_the_asyncio_client_updates_too(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[counter], activities=[double])

    async def converse() -> tuple[int, int, int]:
        handle = await AsyncClient(engine).start(counter, id="c")
        first = await handle.execute_update(add, 1, timeout=SOON)
        update = await handle.start_update(add_later, 2)
        with pytest.raises(WorkflowUpdateRejectedError):
            await handle.execute_update(add, 0, timeout=SOON)
        return first, await update.result(timeout=SOON), await handle.query(total_of)

    assert (1, 5, 5) == asyncio.run(converse())


def test_an_update_with_a_start_shares_its_commit(make_engine: MakeEngine, store: Store) -> None:
    engine = make_engine(workflows=[counter])
    applied: list[int] = []
    apply = store.apply

    def counting(writes):  # type: ignore[no-untyped-def]
        applied.append(len([write for write in writes if type(write).__name__ == "CommitTurn"]))
        return apply(writes)

    store.apply = counting  # type: ignore[method-assign]
    first = engine.update_with_start(counter, id="c", update=add, payload=3, timeout=SOON)
    store.apply = apply  # type: ignore[method-assign]
    second = engine.update_with_start(counter, id="c", update=add, payload=4, timeout=SOON)

    assert [2] == [count for count in applied if count]
    assert (3, 7, True) == (
        first.result(timeout=SOON),
        second.result(timeout=SOON),
        first.run_id == second.run_id,
    )


def test_a_repeated_update_with_start_starts_nothing_and_answers_the_same(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[counter])
    updates = [
        engine.update_with_start(counter, id="c", update=add, payload=3, request_id="r", timeout=SOON)
        for _ in range(2)
    ]

    assert [3, 3] == [update.result(timeout=SOON) for update in updates]
    assert 1 == len(list(engine.list()))


def test_an_update_with_start_that_is_refused_leaves_the_run(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[counter])
    with pytest.raises(WorkflowUpdateRejectedError, match="not positive"):
        engine.update_with_start(counter, id="c", update=add, payload=-3, timeout=SOON)
    handle = engine.handle("c")

    assert (4, 1) == (handle.execute_update(add, 4, timeout=SOON), len(list(engine.list())))


def test_an_update_with_start_waits_in_the_store_for_a_worker(make_engine: MakeEngine, store: Store) -> None:
    client = Client(store, workflows=[counter])
    found: list[int] = []
    caller = threading.Thread(
        target=lambda: found.append(
            client.update_with_start(counter, id="c", update=add, payload=3, timeout=SOON).result(
                timeout=SOON
            )
        )
    )
    caller.start()
    gate = threading.Event()
    while store.find_run("c") is None:
        gate.wait(0.001)
    make_engine(workflows=[counter])
    caller.join(20)

    assert [3] == found
    client.closings.stop()


@pytest.mark.parametrize("here", [True, False])
def test_hazard_35_no_wait_for_an_update_misses_its_news(
    make_engine: MakeEngine, store: Store, here: bool
) -> None:
    """Many callers at once, on a run that is evicted after each turn and on one that is kept."""
    engine = make_engine(workflows=[counter], max_cached_workflows=1)
    for name in ("a", "b"):
        engine.start(counter, id=name)
    client = engine if here else Client(store, workflows=[counter])
    answers: list[int] = []

    def call(name: str) -> None:
        handle = client.handle(name)
        for _ in range(20):
            answers.append(handle.execute_update(add, 1, timeout=SOON))
            try:
                handle.execute_update(add, 0, timeout=SOON)
            except WorkflowUpdateRejectedError:
                answers.append(0)

    callers = [threading.Thread(target=call, args=(name,)) for name in ("a", "b", "a", "b")]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    client.closings.stop()

    assert sorted([0] * 80 + [*range(1, 41)] * 2) == sorted(answers)


PROGRAM = dedent("""
    import os, signal, sys
    from datetime import timedelta
    from refold import Update, sleep, workflow
    from refold_adapters import Engine

    slow = Update("slow", result_type=str)

    @workflow
    def keeper():
        def wait():
            yield from sleep(timedelta(milliseconds=1))
            return "waited"
        yield from slow.handle(wait)
        yield from sleep(timedelta(days=1))

    if __name__ == "__main__":
        engine = Engine(sys.argv[1], workflows=[keeper])
        engine.start(keeper, id="k").start_update(slow, id="u")
        os.kill(os.getpid(), signal.SIGKILL)
""")


def test_an_accepted_update_survives_the_death_of_its_process(tmp_path: Path) -> None:
    script = tmp_path / "keeper_program.py"
    script.write_text(PROGRAM)
    place = str(tmp_path / "runs.db")
    died = subprocess.run([sys.executable, str(script), place], timeout=60, check=False)
    assert -9 == died.returncode
    code = dedent("""
        import sys
        from datetime import timedelta
        from keeper_program import Engine, keeper, slow
        with Engine(sys.argv[1], workflows=[keeper]) as engine:
            print(engine.handle("k").get_update_handle("u", update=slow).result(timeout=timedelta(seconds=20)))
    """)
    again = subprocess.run(
        [sys.executable, "-c", code, place],
        timeout=60,
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )

    assert "waited" == again.stdout.strip()
