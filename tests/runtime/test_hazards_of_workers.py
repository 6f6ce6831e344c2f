"""Where workflow engines broke between workers: recovery of the living (50), memory (59), and times that come too early (60)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import attrs
import pytest

from refold import Signal, Workflow, info, now, sleep, workflow
from refold_adapters import (
    Client,
    ManualClock,
    open_store,
)
from refold_adapters.contract.base import LEASE, QUEUE, first_turn, new_run, turn
from refold_adapters.ports import (
    ClaimRuns,
    CloseSession,
    Committed,
    Done,
    Fenced,
    Opened,
    OpenSession,
    ReadyRuns,
    Refused,
    RenewSession,
    Stale,
    Store,
)
from tests.features.running import until
from tests.runtime.conftest import MakeEngine

word = Signal("word", int)
HOUR = 3_600_000_000


# 50: a living owner is recovered, twice --------------------------------------------------------------------------------


@attrs.define(eq=False)
class Actor:
    """A session that works on one run as far as it has been told of it."""

    store: Store
    #: Until when the lease of each session runs that has not been expelled, as far as anybody was told.
    leases: dict[int, int]
    token: int = 0
    #: The turn that it would commit next; None while it thinks that the run is not its own.
    turn: int | None = None
    committed: list[int] = attrs.field(factory=list)
    stale: list[int] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        (opened,) = self.store.apply([OpenSession(identity="i", process="host/1/1", lease_us=LEASE)])
        assert isinstance(opened, Opened)
        self.token = opened.token
        self.leases[self.token] = self.store.clock.now_us() + LEASE

    def lives(self, token: int) -> bool:
        return self.leases.get(token, 0) > self.store.clock.now_us()

    def renew(self) -> None:
        (outcome,) = self.store.apply([RenewSession(token=self.token, lease_us=LEASE)])
        assert isinstance(outcome, Fenced) == (self.token not in self.leases)
        if self.token in self.leases:
            self.leases[self.token] = self.store.clock.now_us() + LEASE

    def look(self) -> None:
        """Note who is to be expelled, perhaps long before it is done."""
        now = self.store.clock.now_us()
        self.stale = [row.token for row in self.store.list_sessions() if row.expires_at <= now]

    def expel(self) -> None:
        """By a list that may be out of date: whoever has renewed its lease since then is left alone."""
        for token in self.stale:
            (outcome,) = self.store.apply([CloseSession(token=token, only_expired=True)])
            assert isinstance(outcome, Refused) == self.lives(token)
            if isinstance(outcome, Done):
                del self.leases[token]

    def claim(self) -> None:
        (outcome,) = self.store.apply([ClaimRuns(token=self.token, task_queues=(QUEUE,), limit=1)])
        assert isinstance(outcome, (ReadyRuns, Fenced))
        there = {row.token for row in self.store.list_sessions()}
        for token in [token for token in self.leases if token not in there]:
            assert not self.lives(token), "a claim expelled a living session"
            del self.leases[token]
        for ready in outcome.runs if isinstance(outcome, ReadyRuns) else ():
            self.turn = ready.row.turn + 1

    def commit(self) -> None:
        if self.turn is None:
            return
        (outcome,) = self.store.apply([turn(self.token, "run-1", self.turn)])
        if isinstance(outcome, Committed):
            assert self.token in self.leases, "an expelled session wrote"
            self.committed.append(self.turn)
            self.turn += 1
        else:
            assert isinstance(outcome, (Fenced, Stale))
            self.turn = None


OWNER = ("commit", "renew", "commit")
RECOVERER = ("look", "expel", "claim", "commit")


def interleavings() -> Iterator[tuple[str, ...]]:
    """Every order of the steps of an owner, of two recoverers that are alike, and of the end of the lease."""
    total = len(OWNER) + 2 * len(RECOVERER) + 1
    for places_owner in combinations(range(total), len(OWNER)):
        rest = [place for place in range(total) if place not in places_owner]
        for lease in rest:
            others = [place for place in rest if place != lease]
            first, *more = others  # the recoverers are alike: the first step is that of the first
            for chosen in combinations(more, len(RECOVERER) - 1):
                order = ["second"] * total
                for place in places_owner:
                    order[place] = "owner"
                for place in (first, *chosen):
                    order[place] = "first"
                order[lease] = "lease"
                yield tuple(order)


def recover(store: Store, clock: ManualClock, order: tuple[str, ...]) -> None:
    """Carry out the steps in that order, and hold the store to what was promised."""
    leases: dict[int, int] = {}
    owner = Actor(store, leases, turn=2)
    store.apply([new_run(owner=owner.token), first_turn(owner.token, "run-1")])
    Client(store).handle("wf-run-1", "run-1").signal("word", 1)
    clock.advance(LEASE // 2)
    actors = {"owner": owner, "first": Actor(store, leases), "second": Actor(store, leases)}
    steps = {"owner": iter(OWNER), "first": iter(RECOVERER), "second": iter(RECOVERER)}
    lived = True
    for name in order:
        if name == "lease":
            clock.advance(LEASE // 2)
            lived = owner.lives(owner.token)
            continue
        getattr(actors[name], next(steps[name]))()
        if lived:
            assert [] == actors["first"].committed + actors["second"].committed, "a living owner lost its run"
    turns = sorted(number for actor in actors.values() for number in actor.committed)
    assert list(range(2, 2 + len(turns))) == turns, "no turn was committed twice, or over another"
    assert 1 + len(turns) == len(store.read_turns("run-1"))


@pytest.mark.parametrize(("place", "every"), [("memory", 16), ("sqlite", 600)])
def test_hazard_50_two_that_recover_a_run_and_its_owner_never_write_over_each_other(
    place: str, every: int, tmp_path: Path
) -> None:
    """In a part of all orders of their steps, evenly spread; the slow test below makes them all."""
    recover_all(place, every, tmp_path)


@pytest.mark.slow
def test_hazard_50_in_every_order_of_their_steps(tmp_path: Path) -> None:
    recover_all("memory", 1, tmp_path)


def recover_all(place: str, every: int, tmp_path: Path) -> None:
    for number, order in enumerate(interleavings()):
        if number % every == 0:
            clock = ManualClock()
            store = open_store("memory:" if place == "memory" else tmp_path / f"{number}.db", clock)
            recover(store, clock, order)
            store.close()


# 59: what is in memory does not agree with the log --------------------------------------------------


@workflow(name="adds_up")
def adds_up() -> Workflow[list[int]]:
    got: list[int] = []
    while len(got) < 3:
        got.append((yield from word.receive()))
    return got


@workflow(name="adds_up")
def adds_up_again() -> Workflow[list[int]]:
    """Other code that fits the same history: it says so in its result."""
    got = [100]
    while len(got) < 4:
        got.append((yield from word.receive()))
    return got


@pytest.mark.parametrize("second", [adds_up, adds_up_again], ids=["the same code", "other code"])
def test_hazard_59_a_run_in_memory_that_its_history_has_left_behind_is_loaded_anew(
    make_engine: MakeEngine, store: Store, second: Any
) -> None:
    """Nothing is like a snapshot but the run that a worker keeps in memory.  Another one takes it over and goes on; then it comes back."""
    first = make_engine(workflows=[adds_up])
    handle = first.start(adds_up, id="r")
    handle.signal(word, 1)
    until(lambda: handle.describe().run.turn == 2)
    (session,) = store.list_sessions()
    store.apply(
        [CloseSession(token=session.token)]
    )  # as somebody does who thinks that it is dead: it keeps the run in memory
    other = make_engine(workflows=[second])
    handle.signal(word, 2)
    until(lambda: handle.describe().run.turn == 3)
    other.worker.shutdown()
    handle.signal(word, 3)
    assert [1, 2, 3] == handle.result()[-3:]
    numbers = [each.turn for each in handle.history()]
    assert list(range(1, 5)) == sorted(dict.fromkeys(numbers))


# 60: times that are computed when a run is started, not when it is executed -------------------------


@workflow
def keeps_time() -> Workflow[list[str]]:
    began = (yield from info()).started_at
    first = yield from now()
    yield from sleep(timedelta(hours=1))
    return [str(began), str(first), str((yield from now()))]


def test_hazard_60_a_run_that_waited_for_a_worker_counts_its_time_from_its_first_turn(
    make_engine: MakeEngine, store: Store, clock: ManualClock
) -> None:
    begin = clock.now_us()
    handle = Client(store, workflows=[keeps_time]).start(keeps_time, id="r")
    clock.advance(2 * HOUR)
    make_engine(workflows=[keeps_time])
    until(lambda: len(handle.describe().pending_timers) == 1)
    assert [begin + 3 * HOUR] == [fire_at for _, fire_at in handle.describe().pending_timers]
    clock.advance(HOUR)
    times = [datetime.fromtimestamp((begin + count * HOUR) / 1_000_000, UTC) for count in (2, 2, 3)]
    assert [str(each) for each in times] == handle.result()
