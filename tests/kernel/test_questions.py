"""The small questions: now, random, uuid4, info, log.  All of them have the same answer on every replay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from refold import Execution, Random, Workflow, info, log, now, random, sleep, start, uuid4, workflow
from refold.messages import CompleteActivity
from refold.waits import Log
from tests.kernel.driving import BEGIN, drive, start_message
from tests.kernel.parts import HOUR, SECOND, Steps, charge


def test_the_time_is_that_of_the_turn_and_stands_still_between_two_waits() -> None:
    @workflow
    def asks() -> Workflow[list[datetime]]:
        times = [(yield from now()), (yield from now())]
        yield from sleep(HOUR)
        return [*times, (yield from now())]

    with drive(asks) as run:
        run.fire()
        first = datetime.fromtimestamp(BEGIN / 1_000_000, UTC)
        assert [first.isoformat()] * 2 + [(first + timedelta(hours=1)).isoformat()] == run.result


def test_the_time_of_a_turn_is_never_before_that_of_the_turn_before() -> None:
    @workflow
    def asks() -> Workflow[list[datetime]]:
        before = yield from now()
        yield from charge(1)
        return [before, (yield from now())]

    with drive(asks) as run:
        turn = run.turn(run.completed("charge", 1), at=BEGIN - 10**12)
        assert BEGIN == turn.at
        assert run.result[0] == run.result[1]


def test_random_numbers_and_ids_follow_from_the_run_and_the_order_of_asking() -> None:
    @workflow
    def draws() -> Workflow[list[object]]:
        first = yield from random()
        one = yield from uuid4()
        second = yield from random()
        two = yield from uuid4()
        assert isinstance(first, Random)
        return [first.random(), first.random(), str(one), second.random(), str(two)]

    with drive(draws, run_id="run-a") as run:
        values = run.result
        assert 5 == len(set(map(str, values)))
    with drive(draws, run_id="run-a", workflow_id="another") as run:
        assert values == run.result
    with drive(draws, run_id="run-b") as run:
        assert set(values).isdisjoint(run.result)


def test_a_run_with_a_random_seed_of_its_own_draws_from_that() -> None:
    @workflow
    def draws() -> Workflow[str]:
        return str((yield from uuid4()))

    with drive(draws, run_id="run-a") as run:
        original = run.result
    with drive(draws, run_id="run-b", random_seed="run-a") as run:
        assert original == run.result


def test_info_tells_what_is_known_of_the_run() -> None:
    @workflow
    def asks() -> Workflow[list[object]]:
        first = yield from info()
        yield from charge(1)
        second = yield from info()
        assert first.started_at == second.started_at
        return [
            first.workflow_id,
            first.run_id,
            first.workflow_type,
            first.task_queue,
            first.attempt,
            first.started_at.isoformat(),
            [first.history_length, second.history_length],
        ]

    with drive(asks, workflow_id="order-7", run_id="r-7", task_queue="slow", attempt=3) as run:
        run.complete("charge", 1)
        assert ["order-7", "r-7", "asks", "slow", 3, "2023-11-14T22:13:20+00:00", [0, 2]] == run.result


def test_what_a_workflow_logs_comes_with_the_turn_once_and_replay_is_silent() -> None:
    @workflow
    def tells() -> Workflow[None]:
        yield from log("begins", order="o-1")
        yield from charge(1)
        yield from log("charged", level="WARNING")
        yield from charge(2)

    with Execution(tells) as execution:
        first = execution.turn(start_message(tells), at=1)
        assert (Log("INFO", "begins", {"order": "o-1"}),) == first.logs
        second = execution.turn(CompleteActivity(seq=1, result=1), at=2)
        assert (Log("WARNING", "charged"),) == second.logs
        assert () == execution.turn(CompleteActivity(seq=1, result=1), at=3).logs  # heard before
    history = [*first.events, *second.events]
    with Execution.load(tells, history) as loaded:
        assert () == loaded.turn(CompleteActivity(seq=1, result=1), at=3).logs
        assert () == loaded.turn(CompleteActivity(seq=2, result=2), at=3).logs


def test_none_of_them_leaves_an_event_or_lets_another_branch_run() -> None:
    @workflow
    def asks() -> Workflow[list[str]]:
        seen: list[str] = []

        def other() -> Steps:
            seen.append("other")
            yield from now()

        yield from start(other())
        yield from now()
        yield from random()
        yield from uuid4()
        yield from info()
        yield from log("hello")
        seen.append("first")
        yield from sleep(SECOND)
        return seen

    with drive(asks) as run:
        run.fire()
        assert ["TimerStarted", "WorkflowExecutionCompleted"] == run.kinds
        assert ["first", "other"] == run.result
