"""The contract of batches: one commit for many writes, none of which disturbs another, and nothing lost between threads or days."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from attrs import evolve

from refold_adapters.contract.base import (
    ANOTHER_TRY,
    LEASE,
    QUEUE,
    SECOND,
    StoreHarness,
    accepted_id,
    first_turn,
    new_run,
    task,
    turn,
)
from refold_adapters.ports import (
    Accepted,
    AcceptMessage,
    ClaimRuns,
    Committed,
    Created,
    Fenced,
    NotFound,
    ReadyRuns,
    RenewSession,
    Stale,
    StoredTurn,
)


def all_at_once(*jobs: Callable[[], None]) -> None:
    """Run the jobs on a thread each, begun together; raise what the first of them raised."""
    barrier = threading.Barrier(len(jobs))
    errors: list[BaseException] = []

    def run(job: Callable[[], None]) -> None:
        try:
            barrier.wait()
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


class BatchContract(StoreHarness):
    """Batches, threads, subscribers, durability."""

    def test_each_write_of_a_batch_stands_or_falls_alone(self) -> None:
        """In order, and each sees what those before it did."""
        token = self.session()
        outcomes = self.store.apply(
            [
                new_run("run-1"),
                turn(token, "run-2", 1),
                first_turn(token, "run-1"),
                first_turn(99, "run-1"),
                turn(token, "run-1", 3),
                AcceptMessage(workflow_id="nobody", data=b"lost"),
                AcceptMessage(workflow_id="wf-run-1", data=b"heard"),
                evolve(turn(token, "run-1", 2), consumed=(2,)),
            ]
        )
        expected = [
            Created("run-1"),
            NotFound(),
            Committed(),
            Fenced(),
            Stale(1),
            NotFound(),
            Accepted("run-1", 2),
            Committed(),
        ]
        assert expected == outcomes
        assert [1, 2] == [found.number for found in self.store.read_turns("run-1")]
        assert [] == self.inbox()

    def test_an_empty_batch_does_nothing(self) -> None:
        assert [] == self.store.apply([])

    def test_many_turns_share_a_commit(self) -> None:
        token = self.session()
        run_ids = [f"run-{number}" for number in range(50)]
        created = self.store.apply([new_run(run_id, owner=token) for run_id in run_ids])
        assert [Created(run_id) for run_id in run_ids] == created
        turns = [first_turn(token, run_id, tasks=[task(1, claimed=True)]) for run_id in run_ids]
        assert [Committed()] * 50 == self.store.apply(turns)
        assert [[StoredTurn(1, 1, b"events of turn 1")]] * 50 == [
            self.store.read_turns(run_id) for run_id in run_ids
        ]

    def test_messages_of_many_threads_are_all_accepted_once(self) -> None:
        """Numbered without gaps, and each thread's own in its order."""
        self.create()
        sent: dict[int, list[int]] = {}

        def send(sender: int) -> None:
            sent[sender] = [accepted_id(self.send(b"%d %d" % (sender, number))) for number in range(25)]

        all_at_once(*[partial(send, sender) for sender in range(8)])
        inbox = dict(self.inbox())
        assert list(range(1, 202)) == list(inbox)
        for sender, message_ids in sent.items():
            assert sorted(message_ids) == message_ids
            assert [b"%d %d" % (sender, number) for number in range(25)] == [
                inbox[found] for found in message_ids
            ]

    def test_turns_of_many_threads_are_all_committed(self) -> None:
        """Each run has its own thread; what one does, no other feels."""
        token = self.session()
        run_ids = [f"run-{number}" for number in range(8)]
        for run_id in run_ids:
            self.create(run_id, owner=token)

        def work(run_id: str) -> None:
            assert Committed() == self.one(first_turn(token, run_id, tasks=[task(1, claimed=True)]))
            for number in range(2, 26):
                write = evolve(
                    turn(token, run_id, number),
                    finished=((number - 1, 1),),
                    tasks=(task(number, claimed=True),),
                )
                assert Committed() == self.one(write)
                assert Stale(number) == self.one(evolve(write, turn_token=ANOTHER_TRY))

        all_at_once(*[partial(work, run_id) for run_id in run_ids])
        for run_id in run_ids:
            assert list(range(1, 26)) == [found.number for found in self.store.read_turns(run_id)]
            assert [25] == [found.seq for found in self.store.list_tasks(run_id)]

    def test_sessions_that_claim_at_once_share_the_runs(self) -> None:
        """Every run goes to exactly one."""
        tokens = [self.session() for _ in range(6)]
        run_ids = [f"run-{number:02}" for number in range(60)]
        for run_id in run_ids:
            self.create(run_id)
        claimed: list[str] = []

        def claim(token: int) -> None:
            mine: list[str] = []
            while runs := self.claim(token, limit=3, exclude=mine):
                mine += [ready.row.run_id for ready in runs]
            claimed.extend(mine)

        all_at_once(*[partial(claim, token) for token in tokens])
        assert run_ids == sorted(claimed)

    def test_two_sessions_that_commit_the_same_turn_at_once_commit_it_once(self) -> None:
        tokens = [self.session() for _ in range(6)]
        outcomes: list[object] = []

        def commit(token: int, run_id: str) -> None:
            outcomes.append(self.one(evolve(first_turn(token, run_id), turn_token=f"of {token}")))

        for number in range(10):
            run_id = self.create(f"run-{number}")
            outcomes.clear()
            all_at_once(*[partial(commit, token, run_id) for token in tokens])
            assert [Committed(), *[Fenced()] * 5] == sorted(
                outcomes, key=lambda outcome: outcome != Committed()
            )
            assert 1 == len(self.store.read_turns(run_id))

    def test_subscribers_are_called_after_a_commit(self) -> None:
        """By then, what was committed can be read; and a callback may use the store."""
        token = self.session()
        self.create(owner=token)
        seen: list[int] = []

        def look() -> None:
            seen.append(len(self.store.read_turns("run-1")))
            self.store.apply([ClaimRuns(token=token, task_queues=(QUEUE,), limit=0)])

        stop = self.store.subscribe(look)
        self.one(first_turn(token, "run-1"))
        self.one(turn(token, "run-1", 2))
        stop()
        stop()
        self.one(turn(token, "run-1", 3))
        assert [1, 2] == seen

    def test_subscribers_are_not_called_for_nothing(self) -> None:
        """A refusal, and a claim that claims nothing, are no news: else a waiting worker would keep waking itself."""
        token = self.session()
        self.begin(token)
        self.send(b"signal")
        calls: list[None] = []
        self.store.subscribe(lambda: calls.append(None))
        self.one(turn(token, "run-1", 9))
        self.one(RenewSession(token=99, lease_us=LEASE))
        self.claim_tasks(token)
        self.claim(token, queues=("other",))
        assert ["run-1"] == self.claimed_ids(token)
        assert [] == calls

    def test_a_subscriber_that_fails_hurts_nobody(self) -> None:
        """Not the commit, and not the others."""
        calls: list[None] = []

        def fail() -> None:
            raise RuntimeError("a subscriber's own bug")

        self.store.subscribe(fail)
        self.store.subscribe(lambda: calls.append(None))
        assert Created("run-1") == self.one(new_run())
        assert [None] == calls

    def test_moving_a_manual_clock_calls_subscribers(self) -> None:
        """As the passing of time would wake who waits."""
        calls: list[int] = []
        assert self.clock is self.store.clock
        self.store.subscribe(lambda: calls.append(self.clock.now_us()))
        now = self.clock.now_us()
        self.clock.advance(SECOND)
        self.clock.set(now)
        assert [now + SECOND, now] == calls

    def test_nothing_was_changed_elsewhere_by_ourselves(self) -> None:
        assert not self.store.changed_elsewhere()
        self.create()
        assert not self.store.changed_elsewhere()

    def test_a_store_can_be_closed_twice(self) -> None:
        self.create()
        self.store.close()
        self.store.close()

    def test_everything_is_there_again_after_a_reopen(self) -> None:
        """Runs, histories, messages, tasks, timers, sessions, parking and what is ready."""
        token = self.session()
        self.create("run-1", owner=token)
        due = self.clock.now_us() + SECOND
        self.one(
            evolve(first_turn(token, "run-1", tasks=[task(2), task(3, claimed=True)]), timers=((4, due),))
        )
        self.send(b"signal")
        self.begin(token, "run-2")
        self.park(token, "run-2", reason=b"a bug")

        def everything() -> list[object]:
            store = self.store
            return [
                [store.find_run("", run_id) for run_id in ("run-1", "run-2")],
                store.read_turns("run-1"),
                store.list_tasks("run-1"),
                store.list_timers("run-1"),
                store.list_inbox("run-1"),
                store.list_sessions(),
                store.next_due_at((QUEUE,)),
            ]

        before = everything()
        self.open_again()
        assert before == everything()
        outcome = self.one(ClaimRuns(token=token, task_queues=(QUEUE,), limit=9))
        assert isinstance(outcome, ReadyRuns)
        assert ["run-1"] == [ready.row.run_id for ready in outcome.runs]
        assert Committed() == self.one(evolve(turn(token, "run-1", 2), consumed=(2,), finished=((3, 1),)))
