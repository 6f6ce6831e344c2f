"""Hazards 20 and 21 in every small schedule: signals that race the end of a run, and a process that dies at each write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any

import pytest

from refold import Signal, Workflow, continue_as_new, external_workflow, open_executions, workflow
from refold.codec import decode_events
from refold.events import MessageUndelivered
from refold_adapters import Client, ManualClock, Worker, WorkflowClosedError
from refold_adapters.ports import Outcome, RunStatus, Store, Write

news = Signal("news", str)
LEASE_US = 60_000_000


@pytest.fixture(autouse=True)
def close_what_the_dead_left() -> Iterator[None]:
    """A process that dies takes its executions with it; these die in the process of the tests, which has others to go."""
    before = open_executions()
    yield
    for execution in open_executions():
        if execution not in before:
            execution.close()


class KilledError(BaseException):
    """The process is gone."""


class DyingStore:
    """A store of a process that dies right before, or right after, one of its commits."""

    def __init__(self, store: Store, at: int, *, after: bool) -> None:
        self._store, self._at, self._after = store, at, after
        self.commits = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def apply(self, writes: Sequence[Write]) -> list[Outcome]:
        self.commits += 1
        if self.commits == self._at and not self._after:
            raise KilledError
        outcomes = self._store.apply(writes)
        if self.commits == self._at:
            raise KilledError
        return outcomes


@workflow
def completes(heard: list[str]) -> Workflow[list[str]]:
    """Ends with whatever it has heard by its first turns."""
    heard.append((yield from news.receive()))
    return heard


@workflow
def continues(heard: list[str]) -> Workflow[list[str]]:
    """Hears one signal a run."""
    heard = [*heard, (yield from news.receive())]
    if len(heard) < 2:
        yield from continue_as_new(heard)
    return heard


@workflow
def tells(to: str) -> Workflow[str]:
    yield from external_workflow(to).signal(news, "a")
    yield from external_workflow(to).signal(news, "b")
    return "told"


WORKFLOWS = [completes, continues, tells]


class Stepped:
    """A worker without threads: each round is made by the test."""

    def __init__(self, store: Any) -> None:
        self.worker: Any = Worker(store, workflows=WORKFLOWS)
        self.worker._baton.take()
        self.worker._rounds.open_session()

    def round(self) -> None:
        self.worker._rounds.look = True
        self.worker._rounds.make()


def test_the_processes_of_these_tests_really_die(store: Store):
    """So that the others cannot pass for want of a crash: a worker that has nothing to do makes this many commits."""
    dying = DyingStore(store, 100, after=False)
    stepped = Stepped(dying)
    for _ in range(3):
        stepped.round()
    assert dying.commits >= 5
    with pytest.raises(KilledError):
        Stepped(DyingStore(store, 1, after=True))


def schedules() -> list[str]:
    """Two signals and three rounds of a worker, in every order."""
    return ["".join("s" if i in places else "r" for i in range(5)) for places in combinations(range(5), 2)]


def carry_out(
    store: Store,
    clock: ManualClock,
    schedule: str,
    start: Callable[[Client], object],
    at: int,
    *,
    after: bool,
) -> list[str]:
    """Play a schedule with a worker that dies at one commit, let another one finish, and say what was accepted."""
    client = Client(store, workflows=WORKFLOWS)
    start(client)
    first: Stepped | None
    try:
        first = Stepped(DyingStore(store, at, after=after))
    except KilledError:
        first = None
    accepted: list[str] = []
    for step in schedule:
        if step == "s":
            text = "ab"[len(accepted)]
            try:
                client.handle("to").signal(news, text)
            except WorkflowClosedError:
                break
            accepted.append(text)
        elif first is not None:
            try:
                first.round()
            except KilledError:
                first = None
    clock.advance(LEASE_US)
    second = Stepped(store)
    for _ in range(12):
        second.round()
        clock.advance(1_000_000)
    return accepted


def left_over(client: Client) -> list[str]:
    """The signals recorded as never shown to the code of the latest run, or as shown and not received."""
    row = client.row("to", None)
    events = client.handle("to", row.run_id).history()
    (closed,) = decode_events(row.closing_event or b"")
    late = [event.input[0] for event in events if isinstance(event, MessageUndelivered)]
    late += [event.input[0] for event in events if event.event_id in getattr(closed, "unreceived", ())]  # type: ignore[attr-defined]
    return late


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("schedule", schedules())
def test_hazard_20_no_signal_that_was_accepted_vanishes_when_the_run_completes(
    store: Store, clock: ManualClock, schedule: str, after: bool
):
    client = Client(store, workflows=WORKFLOWS)
    for at in range(1, 8):
        accepted = carry_out(
            store, clock, schedule, lambda c: c.start(completes, [], id="to"), at, after=after
        )
        heard = client.handle("to").result()
        assert sorted(accepted) == sorted([*heard, *left_over(client)])


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("schedule", schedules())
def test_hazard_21_every_signal_reaches_one_run_of_a_chain_in_order(
    store: Store, clock: ManualClock, schedule: str, after: bool
):
    client = Client(store, workflows=WORKFLOWS)
    for at in range(1, 8):
        assert ["a", "b"] == carry_out(
            store, clock, schedule, lambda c: c.start(continues, [], id="to"), at, after=after
        )
        assert ["a", "b"] == client.handle("to").result()
        assert RunStatus.COMPLETED is client.row("to", None).status


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, 14))
def test_a_signal_from_one_run_to_another_arrives_once_whichever_commit_its_process_dies_at(
    store: Store, clock: ManualClock, at: int, after: bool
):
    def start(client: Client) -> None:
        client.start(continues, [], id="to")
        client.start(tells, "to", id="from")

    carry_out(store, clock, "rrrrrrrr", start, at, after=after)
    client = Client(store, workflows=WORKFLOWS)
    assert "told" == client.handle("from").result()
    assert ["a", "b"] == client.handle("to").result()
