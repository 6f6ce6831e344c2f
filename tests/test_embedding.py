"""The loops of ``examples/embedding``: stopped, cut and killed at every point, they come to the same end."""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from examples.embedding import asyncio_loop, plain_loop, quote
from refold import (
    ActivityCancellationType,
    ActivityError,
    ApplicationError,
    Execution,
    Signal,
    Turn,
    Workflow,
    WorkflowDefinition,
    all_of,
    all_settled,
    execute_activity,
    first_of,
    sleep,
    workflow,
)
from refold.codec import decode_events, encode_events
from refold.events import (
    ActivityTaskCanceled,
    HistoryEvent,
    TimerFired,
    WorkflowExecutionCanceled,
    WorkflowExecutionCompleted,
    WorkflowExecutionFailed,
)
from refold.messages import CancelWorkflow, Message, SignalWorkflow, StartWorkflow
from tests import source_rules as rules

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples" / "embedding"
LOOPS = ("plain_loop.py", "asyncio_loop.py")
#: Microseconds since the epoch.
NOON = 1_700_000_000_000_000

go = Signal("go", str)


@workflow
def errands(names: list[str]) -> Workflow[list[str]]:
    """A bit of everything: failures, a step that is cancelled, timers, a signal."""
    fetched = yield from all_settled(*[execute_activity("fetch", name, result_type=str) for name in names])
    found = [each.value or str(each.error) for each in fetched]
    try:
        yield from all_of(execute_activity("fetch", "missing"), execute_activity("fetch", "called off"))
    except ActivityError as error:
        found.append(str(error.cause))
    match (yield from first_of(execute_activity("wait"), sleep(timedelta(hours=1)))):
        case (0, _):
            found.append("it came")
        case _:
            found.append("an hour is over")
    yield from all_of(sleep(timedelta(days=1)), sleep(timedelta(minutes=1)))
    found.append((yield from go.receive()))
    return found


def begin(definition: WorkflowDefinition[..., Any], *args: object) -> StartWorkflow:
    return StartWorkflow(
        workflow_id="w", run_id="r", workflow_type=definition.name, input=definition.encode_input(*args)
    )


GO = SignalWorkflow(signal_name=go.name, input=go.encode("home"), request_id="go-1")
BEGIN = begin(errands, ["milk", "missing", "bread"])
NOT_THERE = "activity 'fetch' failed: there is no missing"
PLAIN_RESULT = ["milk!", NOT_THERE, "bread!", "there is no missing", "it came", "home"]


def test_each_loop_is_at_most_sixty_lines() -> None:
    assert [] == [name for name in LOOPS if len((FOLDER / name).read_text("utf-8").splitlines()) > 60]


def test_the_loops_need_nothing_but_the_kernel_and_the_standard_library() -> None:
    allowed = (*sys.stdlib_module_names, "refold", "examples.embedding.quote")

    for module in rules.modules_under(FOLDER):
        assert [] == rules.imports_outside(module, allowed)


# The plain loop ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The plain loop with activities of the test's own and a clock that stands still; what was fetched."""
    names: list[str] = []

    def fetch(name: str) -> str:
        names.append(name)
        return fetched(name)

    monkeypatch.setattr(plain_loop, "ACTIVITIES", {"fetch": fetch, "wait": lambda: None})
    monkeypatch.setattr(plain_loop, "time", SimpleNamespace(time_ns=lambda: NOON * 1000))
    return names


def fetched(name: str) -> str:
    if name == "missing":
        raise ApplicationError(f"there is no {name}")
    return f"{name}!"


def driven(path: Path, *messages: Message, turns: int | None = None) -> list[Turn]:
    """The turns that the plain loop made before it was stopped."""
    with closing(plain_loop.drive(path, errands, *messages)) as made:  # type: ignore[type-var]
        return list(islice(made, turns))


def result_of(event: HistoryEvent | None) -> object:
    assert isinstance(event, WorkflowExecutionCompleted), event
    return event.result


def test_the_plain_loop_brings_a_run_to_its_end(tmp_path: Path, called: list[str]) -> None:
    turns = driven(tmp_path / "run", BEGIN, GO)

    assert PLAIN_RESULT == result_of(turns[-1].closed)
    assert ["milk", "missing", "bread", "missing"] == called, "what was called off is not done"


def test_the_plain_loop_fires_timers_in_their_order_and_in_no_time(tmp_path: Path, called: list[str]) -> None:
    turns = driven(tmp_path / "run", BEGIN, GO)

    fired = [turn.at - NOON for turn in turns if isinstance(turn.events[0], TimerFired)]
    assert [60_000_000, 86_400_000_000] == fired


def test_the_plain_loop_stops_where_only_a_message_helps(tmp_path: Path, called: list[str]) -> None:
    before = driven(tmp_path / "run", BEGIN)
    assert None is before[-1].closed
    assert [] == driven(tmp_path / "run")

    assert PLAIN_RESULT == result_of(driven(tmp_path / "run", GO)[-1].closed)


def test_the_plain_loop_takes_up_a_run_after_each_of_its_turns(tmp_path: Path, called: list[str]) -> None:
    whole = tmp_path / "whole"
    count = len(driven(whole, BEGIN, GO))

    for stop in range(count + 1):
        path = tmp_path / f"stopped-{stop}"
        assert stop == len(driven(path, BEGIN, GO, turns=stop))
        assert count - stop == len(driven(path, BEGIN, GO)), "what was heard before makes no turn"
        assert whole.read_bytes() == path.read_bytes()


def test_the_plain_loop_forgets_a_turn_that_was_half_written(tmp_path: Path, called: list[str]) -> None:
    path = tmp_path / "run"
    driven(path, BEGIN, GO)
    whole = path.read_bytes()

    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        driven(path, BEGIN, GO)
        assert whole == path.read_bytes()


def test_the_history_of_a_stopped_run_replays(tmp_path: Path, called: list[str]) -> None:
    driven(tmp_path / "run", BEGIN, GO, turns=4)
    history = decode_events((tmp_path / "run").read_bytes().replace(b"\n\n", b"\n").removesuffix(b"\n"))

    assert 4 == Execution.replay(errands, history).turn


KILLED_WHILE_AT_WORK = """
import os, signal
from pathlib import Path
from examples.embedding import plain_loop, quote

def price_of(item):
    marker = Path(f"asked-{item}")
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return quote.price_of(item)

plain_loop.ACTIVITIES["price_of"] = price_of
turns = list(plain_loop.drive(Path("run"), quote.quote, quote.BEGIN, quote.ACCEPT))
print(turns[-1].closed.result)
"""


def python(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_plain_loop_goes_on(tmp_path: Path) -> None:
    runs = [python("-c", KILLED_WHILE_AT_WORK, folder=tmp_path) for _ in range(3)]

    assert [-signal.SIGKILL, -signal.SIGKILL, 0] == [run.returncode for run in runs]
    assert "Amina pays 13\n" == runs[-1].stdout


def test_the_plain_loop_runs_as_a_program(tmp_path: Path) -> None:
    first = python("-m", "examples.embedding.plain_loop", folder=tmp_path)
    again = python("-m", "examples.embedding.plain_loop", folder=tmp_path)

    assert (0, "") == (first.returncode, first.stderr)
    assert "turn 3: ActivityTaskCompleted WorkflowExecutionCompleted" == first.stdout.splitlines()[-1]
    assert (0, "") == (again.returncode, again.stdout), "a run that has ended stays as it is"


# The asyncio loop -------------------------------------------------------------------------------------------------------


class JumpingSelector(selectors.DefaultSelector):
    """Waits for nothing: where the event loop would wait, time jumps."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "nothing will ever happen"
        self.now += max(timeout, 0)
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time."""

    def __init__(self) -> None:
        self.jumping = JumpingSelector()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.now


class Stopped(Exception):
    """The process is gone."""


class StoppingStore(list[HistoryEvent]):
    """A store whose process dies right after some number of turns has been written."""

    def __init__(self, events: Sequence[HistoryEvent] = (), *, turns: int = 1_000) -> None:
        super().__init__(events)
        self.left = turns

    def extend(self, events: Any) -> None:
        super().extend(events)
        self.left -= 1
        if self.left == 0:
            raise Stopped


@pytest.fixture
def jumping(monkeypatch: pytest.MonkeyPatch) -> Iterator[JumpingLoop]:
    """An event loop in virtual time, and the asyncio loop on its clock, with activities of the test's own."""
    loop = JumpingLoop()

    async def fetch(name: str) -> str:
        await asyncio.sleep(2 if name == "called off" else 1)
        return fetched(name)

    async def wait() -> None:
        await asyncio.sleep(7 * 24 * 3600)

    def now() -> int:
        return NOON * 1000 + int(loop.time() * 1e9)

    monkeypatch.setattr(asyncio_loop, "ACTIVITIES", {"fetch": fetch, "wait": wait})
    monkeypatch.setattr(asyncio_loop, "time", SimpleNamespace(time_ns=now, time=lambda: now() / 1e9))
    yield loop
    loop.close()


def inbox(*messages: Message) -> asyncio.Queue[Message]:
    queue: asyncio.Queue[Message] = asyncio.Queue()
    for message in messages:
        queue.put_nowait(message)
    return queue


ASYNCIO_RESULT = ["milk!", NOT_THERE, "bread!", "there is no missing", "an hour is over", "home"]


def test_the_asyncio_loop_brings_a_run_to_its_end(jumping: JumpingLoop) -> None:
    history: list[HistoryEvent] = []
    jumping.run_until_complete(asyncio_loop.drive(errands, history, inbox(BEGIN, GO)))

    assert ASYNCIO_RESULT == result_of(history[-1])
    assert 24 * 3600 + 3600 + 2 == round(jumping.time())
    assert encode_events(history) == encode_events(decode_events(encode_events(history)))
    assert history[-1] == Execution.replay(errands, history).closed


def test_activities_of_the_asyncio_loop_run_at_the_same_time(jumping: JumpingLoop) -> None:
    names = [f"{n}" for n in range(50)]
    history: list[HistoryEvent] = []
    jumping.run_until_complete(stopped_after(3600 - 1, drive_errands(history, begin(errands, names))))

    ended = [event.at for event in history if type(event).__name__ == "ActivityTaskCompleted"]
    assert [NOON + 1_000_000] * 50 == ended


async def drive_errands(history: list[HistoryEvent], *messages: Message) -> None:
    await asyncio_loop.drive(errands, history, inbox(*messages))


async def stopped_after(seconds: float, work: Any) -> None:
    task = asyncio.ensure_future(work)
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert {asyncio.current_task()} == asyncio.all_tasks(), "it leaves no activity behind"


def test_the_asyncio_loop_can_be_cancelled_and_leaves_nothing_behind(jumping: JumpingLoop) -> None:
    history: list[HistoryEvent] = []
    jumping.run_until_complete(stopped_after(1800, drive_errands(history, BEGIN)))
    assert not any(event.terminal for event in history)
    jumping.run_until_complete(drive_errands(history, GO))

    assert ASYNCIO_RESULT == result_of(history[-1])


def test_an_activity_that_is_asked_to_stop_is_stopped_and_says_so(jumping: JumpingLoop) -> None:
    history: list[HistoryEvent] = []
    jumping.run_until_complete(drive_errands(history, BEGIN, GO))

    assert [5, 6] == [event.seq for event in history if isinstance(event, ActivityTaskCanceled)]


@workflow
def patient() -> Workflow[None]:
    """Wait for an activity, and, if the run is cancelled, until the activity really has stopped."""
    yield from execute_activity(
        "wait", cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
    )


def test_an_activity_is_stopped_that_had_no_time_to_begin(jumping: JumpingLoop) -> None:
    history: list[HistoryEvent] = []
    jumping.run_until_complete(asyncio_loop.drive(patient, history, inbox(begin(patient), CancelWorkflow())))

    assert isinstance(history[-1], WorkflowExecutionCanceled)


def test_what_was_to_be_stopped_is_not_begun_again(jumping: JumpingLoop) -> None:
    history = StoppingStore(turns=2)
    with pytest.raises(Stopped):
        jumping.run_until_complete(
            asyncio_loop.drive(patient, history, inbox(begin(patient), CancelWorkflow()))
        )
    again = list(history)
    jumping.run_until_complete(asyncio_loop.drive(patient, again, inbox()))

    assert isinstance(again[-1], WorkflowExecutionCanceled)


def test_the_asyncio_loop_takes_up_a_run_after_each_of_its_turns(jumping: JumpingLoop) -> None:
    whole = StoppingStore()
    jumping.run_until_complete(drive_errands(whole, BEGIN, GO))
    count = 1_000 - whole.left

    for stop in range(1, count):
        history = StoppingStore(turns=stop)
        with pytest.raises(Stopped):
            jumping.run_until_complete(drive_errands(history, BEGIN, GO))
        again = StoppingStore(decode_events(encode_events(history)))
        jumping.run_until_complete(drive_errands(again, GO))

        assert ASYNCIO_RESULT == result_of(again[-1])
        Execution.replay(errands, again)


def test_the_asyncio_loop_really_waits_for_its_timers(jumping: JumpingLoop) -> None:
    history: list[HistoryEvent] = []
    asyncio_loop.ACTIVITIES["price_of"] = quote.ask_price
    jumping.run_until_complete(asyncio_loop.drive(quote.quote, history, inbox(quote.BEGIN)))

    assert isinstance(history[-1], WorkflowExecutionFailed)
    assert "nobody pays 13" == history[-1].failure.message
    assert timedelta(days=30) <= timedelta(seconds=jumping.time()) < timedelta(days=30, seconds=1)


def test_the_asyncio_loop_runs_as_a_program(tmp_path: Path) -> None:
    done = python("-m", "examples.embedding.asyncio_loop", folder=tmp_path)

    assert (0, "") == (done.returncode, done.stderr)
    assert "result='Amina pays 13'" in done.stdout
