"""Where workflow engines broke on what surrounds the code, 12 to 19: hashes, completion order, swallowed errors, debuggers, cost."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from refold import (
    ApplicationError,
    CancelledError,
    Execution,
    QueryError,
    Workflow,
    all_of,
    first_of,
    info,
    random,
    shield,
    sleep,
    uuid4,
    wait_until,
    with_timeout,
    workflow,
)
from refold import events as ev
from refold.codec import decode_events
from refold.messages import CompleteActivity
from tests.kernel.counting import work_of
from tests.kernel.driving import Driven, drive
from tests.kernel.parts import HOUR, Steps, approval, charge, patient, reserve, status
from tests.kernel.samples import SAMPLES, history_of

ROOT = Path(__file__).parent.parent.parent


# 12: the order of a set decides -------------------------------------------------------------------------------------------------

ITERATES_A_SET = """
import sys
from refold import Execution, NondeterminismError, Workflow, execute_activity, workflow
from refold.codec import decode_events, encode_events
from refold.messages import CompleteActivity, StartWorkflow

@workflow
def iterates() -> Workflow[None]:
    for name in {"reserve", "charge", "ship", "tell"}:
        yield from execute_activity(name)

if sys.argv[1:] == ["record"]:
    execution = Execution(iterates)
    history = list(execution.turn(StartWorkflow(workflow_id="w", run_id="r", workflow_type="iterates"), at=1).events)
    for seq in range(1, 5):
        history += execution.turn(CompleteActivity(seq=seq), at=seq + 1).events
    sys.stdout.buffer.write(encode_events(history))
else:
    try:
        Execution.replay(iterates, decode_events(sys.stdin.buffer.read()))
    except NondeterminismError as error:
        print(error.code)
    else:
        print("agreed")
"""


def _under_hash_seed(seed: int, *args: str, data: bytes = b"") -> bytes:
    environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
    command = [sys.executable, "-c", ITERATES_A_SET, *args]
    return subprocess.run(
        command, input=data, env=environment, capture_output=True, timeout=60, check=True
    ).stdout


def test_hazard_12_a_workflow_that_iterates_a_set_is_caught_by_replaying_it_under_other_hash_seeds() -> None:
    recorded = _under_hash_seed(0, "record")
    names = [
        event.activity_type
        for event in decode_events(recorded)
        if isinstance(event, ev.ActivityTaskScheduled)
    ]
    verdicts = {seed: _under_hash_seed(seed, data=recorded).decode().strip() for seed in range(8)}
    assert ["charge", "reserve", "ship", "tell"] == sorted(names)
    assert "agreed" == verdicts[0]
    assert "RF4001" in verdicts.values()


# 13: steps are numbered by the order in which they complete -----------------------------------------------------------------------


def _open_activities(run: Driven) -> list[ev.ActivityTaskScheduled]:
    return [event for event in run.execution.outstanding if isinstance(event, ev.ActivityTaskScheduled)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_hazard_13_steps_are_numbered_where_they_are_called_whatever_completes_first(
    order: tuple[int, ...],
) -> None:
    @workflow
    def gathers() -> Workflow[list[object]]:
        def two(number: int) -> Steps:
            first = yield from charge(number)
            return first, (yield from reserve(str(number)))

        return list((yield from all_of(*[two(number) for number in range(4)])))

    with drive(gathers) as run:
        first = _open_activities(run)
        assert [[0], [1], [2], [3]] == [list(event.input) for event in first]
        for number in order:
            run.turn(CompleteActivity(seq=first[number].seq, result=number * 10))
        # The second steps are numbered by the order of the events that made their branches ready.
        second = _open_activities(run)
        assert [[str(number)] for number in order] == [list(event.input) for event in second]
        for event in second:
            run.complete("reserve", f"r{event.input[0]}")
        assert [[number * 10, f"r{number}"] for number in range(4)] == run.result


# 14: except Exception swallows a cancellation --------------------------------------------------------------------------------------

WAITS: dict[str, Callable[[], Any]] = {
    "an activity": lambda: charge(1),
    "a timer": lambda: sleep(HOUR),
    "a signal": approval.receive,
    "a condition": lambda: wait_until(lambda: False),
    "a combinator": lambda: all_of(charge(1), sleep(HOUR)),
    "a race": lambda: first_of(charge(1), approval.receive()),
    "a bounded step": lambda: with_timeout(charge(1), HOUR),
}


@pytest.mark.parametrize("what", WAITS)
def test_hazard_14_a_loop_that_catches_every_exception_is_still_cancelled(what: str) -> None:
    @workflow
    def stubborn() -> Workflow[str]:
        for _ in range(100):
            try:
                yield from WAITS[what]()
            except Exception:
                continue
        return "not reached"

    with drive(stubborn) as run:
        run.cancel()
        assert isinstance(run.closed, ev.WorkflowExecutionCanceled)


def test_hazard_14_a_workflow_that_swallows_a_cancellation_on_purpose_can_still_see_it() -> None:
    @workflow
    def swallows() -> Workflow[bool]:
        with contextlib.suppress(CancelledError):
            yield from sleep(HOUR)
        return (yield from info()).cancel_requested

    with drive(swallows) as run:
        run.cancel()
        assert True is run.result


# 15: cancellation counters --------------------------------------------------------------------------------------------------------


def test_hazard_15_a_wait_that_is_cancelled_twice_gives_one_command() -> None:
    """Elsewhere asyncio's counters of cancel requests were to blame; the kernel has no event loop, so this is its own counting."""

    @workflow
    def waits() -> Workflow[list[str]]:
        seen: list[str] = []
        try:
            yield from shield(all_of(patient(1), charge(2)))
        except CancelledError:
            seen.append("not reached: it is shielded")
        for _ in range(3):
            try:
                yield from patient(3)
            except CancelledError:
                seen.append("cancelled")
        return seen

    with drive(waits) as run:
        run.cancel()
        run.cancel()
        assert ["ActivityTaskScheduled"] * 2 == run.kinds
        run.turn(run.completed("patient", 1), run.completed("charge", 2))
        # Each request was delivered once, at a yield that would have waited; the third one waits.
        assert ["activity 'patient' (seq 3)"] == run.waits
        run.cancel()
        run.cancel()
        assert 1 == run.kinds.count("ActivityTaskCancelRequested")
        run.turn(run.reported_cancelled("patient"))
        assert ["cancelled"] * 3 == run.result


# 16: closures over names that change or vanish --------------------------------------------------------------------------------------


def test_hazard_16_a_query_that_closes_over_the_name_of_a_caught_error_says_which_line() -> None:
    @workflow
    def closes() -> Workflow[None]:
        try:
            raise ApplicationError("gone")
        except ApplicationError as error:  # noqa: F841 - ruff sees the mistake as well
            yield from status.answer(lambda: str(error))  # noqa: F821  # pyright: ignore[reportUndefinedVariable]
        yield from sleep(HOUR)

    with drive(closes) as run:
        with pytest.raises(QueryError, match="RF1112: query 'status' failed with NameError") as raised:
            run.query(status)
        assert str(raised.value.where).startswith("kernel/test_hazards_runtime.py:")


def test_hazard_16_the_linter_finds_late_bound_names_in_our_own_code() -> None:
    """Functions made in loops that use the loop's variable, in the repository itself, are refused by ruff's B023."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]["lint"]
    assert "B" in settings["select"]
    ignored = [*settings["ignore"], *itertools.chain(*settings["per-file-ignores"].values())]
    assert not {"B", "B023"} & set(ignored)


# 17: debuggers ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
def test_hazard_17_a_debugger_or_a_profiler_changes_nothing_that_is_recorded(name: str) -> None:
    """There is no time limit that a breakpoint could run into, and whatever watches the code cannot yield in its place."""
    expected = history_of(name)
    watched: list[int] = []

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        watched.append(1)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        traced = history_of(name)
        Execution.replay(SAMPLES[name].definition, expected)
    finally:
        sys.settrace(before)
    assert expected == traced
    assert watched


# 18: random numbers and ids from something that changes --------------------------------------------------------------------------


KNOWN = ["a3c288ee-a2ad-40ef-ac5e-9f440f1a1034", 860, "eadfbc", "518c89ca-0035-4e3c-9778-ba4838eaea9c"]


def test_hazard_18_random_numbers_and_ids_follow_from_the_run_and_are_known_for_good() -> None:
    """The algorithms have their own vectors; these are the values that a workflow of a known run id sees."""

    @workflow
    def draws() -> Workflow[list[object]]:
        one = yield from uuid4()
        rng = yield from random()
        items = list("abcdef")
        rng.shuffle(items)
        two = yield from uuid4()
        return [str(one), rng.randint(1, 1_000), "".join(items), str(two)]

    with drive(draws, run_id="a known run") as run:
        assert KNOWN == run.result
    with drive(draws, run_id="reset to another", random_seed="a known run") as run:
        assert KNOWN == run.result


# 19: the cost of a replay grows with the square of the history ----------------------------------------------------------------------


def test_hazard_19_ten_times_the_history_costs_ten_times_the_replay() -> None:
    @workflow
    def loops(count: int) -> Workflow[int]:
        total = 0
        for index in range(count):
            total += yield from charge(index)
        return total

    def replay_work(count: int) -> int:
        with drive(loops, count, recheck=False) as run:
            for index in range(count):
                run.history += run.execution.turn(
                    CompleteActivity(seq=index + 1, result=index), at=index
                ).events
            history = run.history
        return work_of(lambda: Execution.replay(loops, history))

    small, large = replay_work(300), replay_work(3_000)
    assert large <= 11 * small
