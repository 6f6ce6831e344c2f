"""The laws of the kernel (docs/model.md), each by a test that fails when the law is broken.

The first half of law 1, what the kernel may import and call, is held over the syntax trees in ``tests/test_architecture.py``.
"""

from __future__ import annotations

import builtins
import gc
import os
import random as chance
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import refold
from refold import (
    CancelledError,
    Execution,
    NondeterminismError,
    Signal,
    Workflow,
    activity,
    all_of,
    first_of,
    fold,
    log,
    now,
    open_executions,
    random,
    side_effect,
    sleep,
    start,
    uuid4,
    workflow,
)
from refold.codec import encode_events
from refold.events import HistoryEvent
from refold.messages import (
    CancelWorkflow,
    CompleteActivity,
    FireTimer,
    Message,
    SignalWorkflow,
    StartWorkflow,
)

note = Signal("note", str)
closed_on: list[int] = []


@activity
def work(number: int) -> int:
    return number


@workflow
def busy(count: int) -> Workflow[list[Any]]:
    drawn = (yield from random()).randint(1, 1_000_000)
    name = str((yield from uuid4()))
    began = (yield from now()).isoformat()
    beside = yield from start(work(99))
    recorded = yield from side_effect(lambda: "once")
    numbers = yield from all_of(*[work(number) for number in range(count)])
    which, _ = yield from first_of(note.receive(), sleep(timedelta(hours=1)))
    yield from log("nearly there")
    last = yield from beside
    return [drawn, name, began, recorded, list(numbers), which, last]


def begin(run_id: str = "r", count: int = 2, workflow_type: str = "busy") -> StartWorkflow:
    return StartWorkflow(workflow_id="w", run_id=run_id, workflow_type=workflow_type, input=[count])


CONVERSATION: Sequence[Sequence[Message]] = (
    (begin(),),
    (CompleteActivity(seq=3, result=1), CompleteActivity(seq=2, result=0)),
    (SignalWorkflow(signal_name="note", input=["hello"]), FireTimer(seq=5)),
    (CompleteActivity(seq=4, result=99),),
)


def converse(
    definition: Any = busy, conversation: Sequence[Sequence[Message]] = CONVERSATION
) -> list[HistoryEvent]:
    with Execution(definition) as run:
        return [event for at, words in enumerate(conversation, 1) for event in run.turn(*words, at=at).events]


def test_law_1_pure_nothing_of_the_world_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    converse()  # whatever is looked up once is looked up now

    def trap(*_: Any, **__: Any) -> Any:
        raise AssertionError("the kernel reached for the world")

    for owner, name in (
        (time, "time"), (time, "time_ns"), (time, "monotonic"), (time, "perf_counter"), (time, "sleep"),
        (chance, "random"), (chance, "getrandbits"), (os, "urandom"), (os, "getenv"), (os, "getpid"),
        (builtins, "open"), (builtins, "print"), (socket, "socket"), (threading, "Thread"),
    ):  # fmt: skip
        monkeypatch.setattr(owner, name, trap)
    history = converse()

    assert fold(history) == Execution.replay(busy, history)


def test_law_2_fold_state_is_the_fold_of_the_history_at_every_prefix() -> None:
    history: list[HistoryEvent] = []
    with Execution(busy) as run:
        for at, words in enumerate(CONVERSATION, 1):
            history += run.turn(*words, at=at).events
            assert fold(history) == run.state
    states = [fold(history[:length]) for length in range(len(history) + 1)]
    grown = states[0]
    for event, state in zip(history, states[1:], strict=True):
        grown = refold.evolve(grown, event)
        assert state == grown
    assert len(states) == len({state.last_event_id for state in states})


REPLAY = """
import sys
from refold import Execution
from refold.codec import decode_events, encode_events
import importlib.util
spec = importlib.util.spec_from_file_location("laws", sys.argv[1])
laws = importlib.util.module_from_spec(spec); spec.loader.exec_module(laws)
history = decode_events(open(sys.argv[2], "rb").read())
Execution.replay(laws.busy, history)
sys.stdout.buffer.write(encode_events(laws.converse()))
"""


def interpreters(paths: str) -> list[str]:
    """The one that runs the tests, and those of other versions on the path that can import what the kernel needs."""
    found = [shutil.which(f"python3.{minor}") for minor in (11, 12, 13, 14)]
    usable = [
        path
        for path in found
        if path
        and 0
        == subprocess.run(
            [path, "-c", "import attr"],
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            check=False,
        ).returncode
    ]
    return [sys.executable, *usable]


@pytest.mark.parametrize("seed", ["0", "1", "2", "3", "4", "5", "6", "random"])
def test_law_3_replay_gives_the_same_bytes_under_every_hash_seed_locale_and_zone(
    tmp_path: Path, seed: str
) -> None:
    history = tmp_path / "history.jsonl"
    history.write_bytes(encode_events(converse()))
    paths = os.pathsep.join([str(Path(refold.__file__).parents[1]), str(Path(pytest.__file__).parents[1])])
    strange = {
        "PYTHONHASHSEED": seed,
        "LC_ALL": "C",
        "TZ": "Pacific/Chatham",
        "PYTHONPATH": paths,
    }
    for python in interpreters(paths) if seed == "0" else [sys.executable]:
        command = [python, "-c", REPLAY, __file__, str(history)]
        done = subprocess.run(command, env={**os.environ, **strange}, capture_output=True, check=False)
        assert (0, history.read_bytes()) == (done.returncode, done.stdout), done.stderr.decode()


def test_law_4_no_silent_divergence_and_no_false_alarm() -> None:
    history = converse()
    ends = [
        at
        for at in range(1, len(history) + 1)
        if at == len(history) or history[at].turn != history[at - 1].turn
    ]
    for end in ends:
        Execution.load(busy, history[:end]).close()

    @workflow(name="busy")
    def one_more(count: int) -> Workflow[list[Any]]:
        result = yield from busy(count)
        yield from work(0)
        return result

    @workflow(name="busy")
    def nothing(count: int) -> Workflow[list[Any]]:
        yield from now()
        return [count]

    @workflow(name="busy")
    def silent(count: int) -> Workflow[list[Any]]:
        return [count, (yield from note.receive())]

    for changed, turn in ((one_more, 4), (nothing, 1), (silent, 1)):
        with pytest.raises(NondeterminismError, match=f"turn {turn}, event"):
            Execution.replay(changed, history)
        Execution.load(changed, [event for event in history if event.turn < turn]).close()


def test_law_5_one_door_chance_and_time_follow_from_the_run_and_its_turns() -> None:
    first, again = converse()[-1], converse()[-1]
    other = converse(conversation=((begin("another run"),), *CONVERSATION[1:]))[-1]
    drawn, name, began, *_ = first.result  # type: ignore[attr-defined]

    assert first == again
    assert "1970-01-01T00:00:00.000001+00:00" == began
    assert (drawn, name) != tuple(other.result[:2])  # type: ignore[attr-defined]
    assert (399_586, "ef63e309") == (drawn, name[:8])


@workflow
def tidy() -> Workflow[None]:
    try:
        yield from sleep(timedelta(days=1))
    finally:
        closed_on.append(threading.get_ident())
        yield from log("from a finally")
        yield from work(1)


def test_law_6_the_kernel_closes_its_generators_itself_and_hears_nothing_from_them() -> None:
    closed_on.clear()
    run = Execution(tidy)
    turn = run.turn(StartWorkflow(workflow_id="w", run_id="r", workflow_type="tidy"), at=1)
    before = run.state
    complaints = run.close()

    assert [threading.get_ident()] == closed_on
    assert (before, ()) == (run.state, turn.logs)
    assert complaints
    assert "in tidy" in complaints[0]


def test_law_6_nothing_is_left_to_the_garbage_collector() -> None:
    closed_on.clear()
    kept = len(open_executions())
    loop: list[Any] = [Execution(tidy)]
    loop[0].turn(StartWorkflow(workflow_id="w", run_id="r", workflow_type="tidy"), at=1)
    loop.append(loop)
    del loop
    collector = threading.Thread(target=gc.collect)
    collector.start()
    collector.join()

    assert [] == closed_on
    (left,) = open_executions()[kept:]
    left.close()
    assert [threading.get_ident()] == closed_on


def test_law_6_a_cancelled_run_may_clean_up_but_a_closed_one_may_not() -> None:
    @workflow(name="tidy")
    def patient() -> Workflow[str]:
        try:
            yield from sleep(timedelta(days=1))
        except CancelledError:
            yield from work(1)
        return "clean"

    with Execution(patient) as run:
        run.turn(StartWorkflow(workflow_id="w", run_id="r", workflow_type="tidy"), at=1)
        turn = run.turn(CancelWorkflow(), at=2)

    assert ["TimerCanceled", "ActivityTaskScheduled"] == [type(event).__name__ for event in turn.events[1:]]


@workflow
def long(count: int) -> Workflow[int]:
    total = 0
    for number in range(count):
        total += yield from work(number)
    return total


def calls_of_a_replay(count: int) -> int:
    steps = [[CompleteActivity(seq=number + 1, result=number)] for number in range(count)]
    history = converse(long, [[begin(count=count, workflow_type="long")], *steps])
    calls = 0

    def count_call(_: Any, event: str, __: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count_call)
    try:
        Execution.replay(long, history)
    finally:
        sys.setprofile(None)
    return calls


def test_law_7_linear_ten_times_the_events_take_ten_times_the_calls() -> None:
    few, many = calls_of_a_replay(100), calls_of_a_replay(1_000)

    assert many < 10 * few
