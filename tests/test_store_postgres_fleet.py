"""Several processes on one PostgreSQL store: what one of them does, none of the others does too, and all hear of it.

A process is a store of its own here, used by a thread of its own: stores share nothing but the database.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator

import psycopg
import pytest
from attrs import evolve

from refold_adapters import ManualClock, RunStatus, open_store
from refold_adapters.contract.base import LEASE, QUEUE, START, first_turn, new_run, task, turn
from refold_adapters.ports import (
    Accepted,
    AcceptMessage,
    ClaimedTasks,
    ClaimRuns,
    ClaimTasks,
    Closed,
    Closing,
    Committed,
    CommitTurn,
    Created,
    Exists,
    Fenced,
    FinishTask,
    NextRun,
    Opened,
    OpenSession,
    Outcome,
    ReadyRuns,
    Relay,
    RunFilter,
    Store,
    Write,
)

FLEET = 4


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def fleet(postgres_url: str, clock: ManualClock) -> Iterator[list[Store]]:
    stores = [open_store(postgres_url, clock) for _ in range(FLEET)]
    yield stores
    for store in stores:
        store.close()


def a_session(store: Store) -> int:
    (opened,) = store.apply([OpenSession(identity="worker", process="host/1/x", lease_us=LEASE)])
    assert isinstance(opened, Opened)
    return opened.token


def at_once(fleet: list[Store], work: Callable[[int, Store], None]) -> None:
    """Let every process do its work, all from the same moment on."""
    barrier = threading.Barrier(len(fleet))
    errors: list[BaseException] = []

    def run(number: int, store: Store) -> None:
        barrier.wait()
        try:
            work(number, store)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=each) for each in enumerate(fleet)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == errors


def one(store: Store, write: Write) -> Outcome:
    (outcome,) = store.apply([write])
    return outcome


def test_of_several_starts_of_one_workflow_id_one_creates_it(fleet: list[Store]) -> None:
    found: list[Outcome] = []

    def start(number: int, store: Store) -> None:
        for each in range(20):
            found.append(one(store, new_run(f"run-{each}-{number}", f"wf-{each}")))

    at_once(fleet, start)
    assert {Created: 20, Exists: 20 * (FLEET - 1)} == Counter(map(type, found))
    assert 20 == fleet[0].count_runs(RunFilter())


def test_a_run_id_that_two_give_to_different_workflows_is_given_once(fleet: list[Store]) -> None:
    found: list[Outcome] = []

    def start(number: int, store: Store) -> None:
        for each in range(20):
            found.append(one(store, new_run(f"run-{each}", f"wf-{each}-{number}")))

    at_once(fleet, start)
    assert {Created: 20, Exists: 20 * (FLEET - 1)} == Counter(map(type, found))


def test_a_run_and_a_task_are_claimed_by_one_of_all(fleet: list[Store]) -> None:
    token = a_session(fleet[0])
    fleet[0].apply([new_run(f"run-{number}") for number in range(100)])
    for number in range(100):
        fleet[0].apply(
            [new_run(f"busy-{number}", owner=token), first_turn(token, f"busy-{number}", tasks=[task(1)])]
        )
    runs: list[str] = []
    tasks: list[str] = []

    def claim(number: int, store: Store) -> None:
        own = a_session(store)
        while True:
            outcomes = store.apply(
                [
                    ClaimRuns(token=own, task_queues=(QUEUE,), limit=7, exclude=tuple(runs)),
                    ClaimTasks(token=own, task_queues=(QUEUE,), activity_types=None, limit=7),
                ]
            )
            found = [
                ready.row.run_id for each in outcomes if isinstance(each, ReadyRuns) for ready in each.runs
            ]
            held = [each.run_id for each in outcomes if isinstance(each, ClaimedTasks) for each in each.tasks]
            if not found and not held:
                return
            runs.extend(found)
            tasks.extend(held)

    at_once(fleet, claim)
    assert sorted(f"run-{number}" for number in range(100)) == sorted(runs)
    assert sorted(f"busy-{number}" for number in range(100)) == sorted(tasks)


def test_a_message_by_workflow_id_reaches_the_run_that_is_open_while_one_follows_another(
    fleet: list[Store],
) -> None:
    """A chain of runs, each continued by the next while others send: no message is refused, lost or doubled."""
    fleet[0].apply([new_run("run-0", "chain")])
    rounds = 40
    accepted: list[bytes] = []

    def go(number: int, store: Store) -> None:
        for each in range(rounds):
            if number:
                data = b"%d-%d" % (number, each)
                assert isinstance(one(store, AcceptMessage(workflow_id="chain", data=data)), Accepted)
                accepted.append(data)
            else:
                continue_it(store, each)

    at_once(fleet, go)
    heard = [
        message.data
        for each in range(rounds + 1)
        for message in fleet[0].list_inbox(f"run-{each}")
        if message.data != b"start"
    ]
    assert sorted(accepted) == sorted(heard)
    assert (FLEET - 1) * rounds == len(heard)


def continue_it(store: Store, number: int) -> None:
    """Close run ``number`` with all that it has in its inbox, and let the next one begin with it."""
    while True:
        messages = store.list_inbox(f"run-{number}")
        write = evolve(
            turn(0, f"run-{number}", 1),
            consumed=tuple(message.message_id for message in messages),
            closing=Closing(status=RunStatus.CONTINUED_AS_NEW, event=b"end"),
            next=NextRun(
                creation=evolve(new_run(f"run-{number + 1}", "chain"), message=None),
                messages=[message.data for message in messages],
            ),
        )
        if Committed() == one(store, write):
            return


def test_what_processes_do_to_each_others_runs_crosses_and_is_all_done(fleet: list[Store]) -> None:
    """Each relays to the runs of all in another order, several in a commit: they wait for each other's rows, and none is left waiting."""
    tokens = [a_session(store) for store in fleet]
    for number, store in enumerate(fleet):
        store.apply(
            [new_run(f"run-{number}", owner=tokens[number]), first_turn(tokens[number], f"run-{number}")]
        )
    rounds = 30

    def go(number: int, store: Store) -> None:
        others = [(number + step) % FLEET for step in range(FLEET)][:: 1 if number % 2 else -1]
        for each in range(rounds):
            relays = [
                Relay(write=AcceptMessage(workflow_id=f"wf-run-{other}", run_id=f"run-{other}", data=b"m"))
                for other in others
            ]
            write = evolve(turn(tokens[number], f"run-{number}", each + 2), relays=relays)
            assert Committed() == one(store, write)

    at_once(fleet, go)
    assert [FLEET * rounds] * FLEET == [len(fleet[0].list_inbox(f"run-{number}")) for number in range(FLEET)]


def test_no_session_that_was_ended_owns_anything(fleet: list[Store], clock: ManualClock) -> None:
    """Sessions are found dead by the others while they start, commit and claim."""
    everything: list[tuple[str, bool]] = []

    def work(number: int, store: Store) -> None:
        for each in range(25):
            token = a_session(store)
            run_id = f"run-{number}-{each}"
            if Created(run_id) != one(store, new_run(run_id, owner=token)):
                continue
            clock.advance(LEASE + 1)
            outcome = one(store, first_turn(token, run_id, tasks=[task(1, claimed=True)]))
            one(store, ClaimRuns(token=token, task_queues=(QUEUE,), limit=3))
            one(store, ClaimTasks(token=token, task_queues=(QUEUE,), activity_types=None, limit=3))
            finished = one(store, FinishTask(token=token, run_id=run_id, seq=1, attempt=1, message=b"done"))
            everything.append((run_id, outcome == Committed()))
            assert outcome != Fenced() or finished == Fenced()

    at_once(fleet, work)
    alive = {row.token for row in fleet[0].list_sessions()}
    rows = fleet[0].list_runs(RunFilter(limit=1000))
    assert FLEET < len(everything) == len(rows)
    assert set() == {row.owner for row in rows} - alive - {0}
    assert set() == {each.owner for row in rows for each in fleet[0].list_tasks(row.run_id)} - alive - {0}
    for run_id, committed in everything:
        row = fleet[0].find_run("", run_id)
        assert row is not None
        assert (1 if committed else 0) == row.turn


def test_of_two_turns_of_one_number_one_is_committed(fleet: list[Store]) -> None:
    fleet[0].apply([new_run()])
    rounds = 20
    found: list[Outcome] = []

    def commit(number: int, store: Store) -> None:
        for each in range(rounds):
            found.append(one(store, evolve(turn(0, "run-1", each + 1), turn_token=f"{number}-{each}")))

    at_once(fleet, commit)
    assert rounds == fleet[0].read_turns("run-1")[-1].number
    assert rounds == Counter(map(type, found))[Committed]


def test_a_message_and_an_end_that_race_are_ordered(fleet: list[Store]) -> None:
    """Either the run is closed and the message refused, or the message is accepted and the turn that has not seen it does not close."""
    for each in range(10):
        fleet[0].apply([new_run(f"run-{each}"), first_turn(0, f"run-{each}")])
    found: list[tuple[int, Outcome]] = []

    def go(number: int, store: Store) -> None:
        for each in range(10):
            run_id = f"run-{each}"
            if number:
                write: Write = AcceptMessage(workflow_id=f"wf-{run_id}", data=b"m")
            else:
                end = Closing(status=RunStatus.COMPLETED, event=b"end")
                write = evolve(turn(0, run_id, 2), closing=end)
            found.append((each, one(store, write)))

    at_once(fleet, go)
    for each in range(10):
        outcomes = [outcome for number, outcome in found if number == each]
        row = fleet[0].find_run("", f"run-{each}")
        assert row is not None
        kept = len(fleet[0].list_inbox(f"run-{each}"))
        if row.status is RunStatus.COMPLETED:
            assert (0, FLEET - 1) == (kept, Counter(map(type, outcomes))[Closed])
        else:
            assert Counter(map(type, outcomes))[Accepted] == kept > 0


def test_a_commit_is_heard_by_the_others_and_not_taken_for_theirs(fleet: list[Store]) -> None:
    heard = [threading.Event() for _ in fleet]
    for store, event in zip(fleet, heard, strict=True):
        store.subscribe(event.set)
        assert not store.changed_elsewhere()
    fleet[0].apply([new_run()])
    assert all(event.wait(30) for event in heard)
    assert [True] * (FLEET - 1) == [store.changed_elsewhere() for store in fleet[1:]]
    assert not fleet[0].changed_elsewhere()


def test_the_time_is_that_of_the_database(postgres_url: str) -> None:
    """All processes see the same, whatever the clocks of their machines say."""
    store = open_store(postgres_url)
    with psycopg.connect(postgres_url.partition("&schema")[0]) as connection:
        found = connection.execute("SELECT extract(epoch FROM clock_timestamp())").fetchone()
    assert found is not None
    assert abs(int(found[0] * 1_000_000) - store.clock.now_us()) < 5_000_000
    store.close()


def test_turns_of_many_runs_in_one_commit_write_what_each_of_them_would_have_written_alone(
    fleet: list[Store],
) -> None:
    together, alone, *_ = fleet
    token = a_session(together)
    names = [f"{who}-{number}" for who in ("alone", "together") for number in range(5)]
    together.apply([new_run(name, owner=token) for name in names])

    def turns_of(who: str) -> list[list[CommitTurn]]:
        """Rounds: a task to hold, another one in its place, a turn without tasks, and the end."""
        runs = [name for name in names if name.startswith(who)]
        held = [evolve(first_turn(token, run), tasks=(task(1, claimed=True),)) for run in runs]
        moved = [
            evolve(turn(token, run, 2), finished=((1, 1),), tasks=(task(2, claimed=True),)) for run in runs
        ]
        quiet = [turn(token, run, 3) for run in runs]
        ending = Closing(status=RunStatus.COMPLETED, event=b"done")
        ended = [evolve(turn(token, run, 4), finished=((2, 1),), closing=ending) for run in runs]
        return [held, moved, quiet, ended]

    for of_alone, of_together in zip(turns_of("alone"), turns_of("together"), strict=True):
        for write in of_alone:
            assert isinstance(one(alone, write), Committed)
        assert {Committed} == set(map(type, together.apply(of_together)))
        for number in range(5):
            pair = [(f"{who}-{number}", f"wf-{who}-{number}") for who in ("alone", "together")]
            left, right = [together.find_run(workflow_id) for _, workflow_id in pair]
            assert left is not None
            assert right is not None
            plain = ("run_id", "workflow_id", "first_run_id")
            assert evolve(left, **{name: getattr(right, name) for name in plain}) == right
            assert together.read_turns(left.run_id) == together.read_turns(right.run_id)
            held_by = [[(row.seq, row.owner) for row in together.list_tasks(run)] for run, _ in pair]
            assert held_by[0] == held_by[1]
