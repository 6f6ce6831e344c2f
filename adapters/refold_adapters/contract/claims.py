"""The contract of claims: who gets which runs, in which order, and when they are due."""

from __future__ import annotations

from attrs import evolve

from refold_adapters.contract.base import LEASE, QUEUE, SECOND, StoreHarness, first_turn, new_run, task, turn
from refold_adapters.contract.turns import COMPLETED
from refold_adapters.ports import AcceptMessage, Committed, Created, InboxMessage, RetryTask, Write


class ClaimContract(StoreHarness):
    """Claims of runs, and when to look for work again."""

    def sleep_until(self, token: int, run_id: str, *timers: tuple[int, int]) -> None:
        """A run with timers and nothing else."""
        self.create(run_id, owner=token)
        assert Committed() == self.one(evolve(first_turn(token, run_id), timers=timers))

    def test_a_new_run_is_claimed_with_its_first_message(self) -> None:
        """And its row says whose it is."""
        token = self.session()
        self.create()
        (ready,) = self.claim(token)
        assert [InboxMessage(1, b"start")] == list(ready.messages)
        assert ([], 0) == (list(ready.due_timers), ready.takeovers)
        assert ready.row == self.row()
        assert token == ready.row.owner

    def test_a_run_is_claimed_by_one_session_at_a_time(self) -> None:
        """The other one gets nothing."""
        mine, other = self.session(), self.session()
        self.create()
        assert ["run-1"] == self.claimed_ids(mine)
        assert [] == self.claimed_ids(other)

    def test_a_session_is_given_its_own_runs_again_while_they_have_work(self) -> None:
        """A message for a run that it owns comes this way."""
        token = self.session()
        self.begin(token)
        assert [] == self.claimed_ids(token)
        self.send(b"signal")
        assert ["run-1"] == self.claimed_ids(token)
        assert ["run-1"] == self.claimed_ids(token)

    def test_runs_that_are_worked_on_can_be_left_out(self) -> None:
        """The others come in their place."""
        token = self.session()
        for run_id in ("run-1", "run-2", "run-3"):
            self.create(run_id)
        assert ["run-3"] == [
            ready.row.run_id for ready in self.claim(token, limit=1, exclude=("run-1", "run-2"))
        ]

    def test_only_runs_of_the_queues_that_are_asked_for_are_claimed(self) -> None:
        """One queue, several, none."""
        token = self.session()
        self.create("run-1", task_queue="a")
        self.create("run-2", task_queue="b")
        self.create("run-3", task_queue="c")
        assert ["run-2"] == self.claimed_ids(token, queues=("b",))
        assert ["run-1", "run-3"] == self.claimed_ids(token, queues=("c", "a", "c"))
        assert [] == self.claimed_ids(token, queues=())

    def test_no_more_runs_are_claimed_than_asked_for(self) -> None:
        """Those that are left can be claimed by another."""
        mine, other = self.session(), self.session()
        for number in range(5):
            self.create(f"run-{number}")
        assert ["run-0", "run-1", "run-2"] == self.claimed_ids(mine, limit=3)
        assert [] == self.claimed_ids(other, limit=0)
        assert ["run-3", "run-4"] == self.claimed_ids(other, limit=3)

    def test_the_longest_ready_run_comes_first(self) -> None:
        """Since when it has had work counts, not when it was created; also across queues."""
        token = self.session()
        self.begin(token, "run-1")
        self.clock.advance(SECOND)
        self.create("run-2", task_queue="other")
        self.clock.advance(SECOND)
        self.send(b"signal", workflow_id="wf-run-1")
        self.clock.advance(SECOND)
        self.create("run-3")
        assert ["run-2", "run-1", "run-3"] == self.claimed_ids(token, queues=(QUEUE, "other"))

    def test_runs_that_killed_fewer_workers_come_first(self) -> None:
        """However long the others have been ready."""
        dead = self.session()
        self.create("run-1", owner=dead)
        self.advance_past_the_lease()
        token = self.session()
        self.create("run-2")
        assert ["run-2"] == self.claimed_ids(token, limit=1)
        assert ["run-2", "run-1"] == self.claimed_ids(token)

    def test_a_second_message_does_not_make_a_run_wait_longer(self) -> None:
        """It is ready since the first."""
        token = self.session()
        self.create("run-1")
        self.clock.advance(SECOND)
        self.create("run-2")
        self.clock.advance(SECOND)
        self.send(b"signal")
        assert ["run-1", "run-2"] == self.claimed_ids(token)

    def test_a_delayed_start_is_due_at_its_time(self) -> None:
        """Not a microsecond before."""
        token = self.session()
        due = self.clock.now_us() + SECOND
        assert Created("run-1") == self.one(evolve(new_run(), ready_at=due))
        assert due == self.store.next_due_at((QUEUE,))
        self.clock.advance(SECOND - 1)
        assert [] == self.claim(token)
        self.clock.advance(1)
        assert ["run-1"] == self.claimed_ids(token)

    def test_a_message_waits_with_the_delayed_start_of_its_run(self) -> None:
        """Both are given then, in order."""
        token = self.session()
        self.one(evolve(new_run(), ready_at=self.clock.now_us() + SECOND))
        self.send(b"signal")
        assert [] == self.claim(token)
        assert self.clock.now_us() + SECOND == self.store.next_due_at((QUEUE,))
        self.clock.advance(SECOND)
        (ready,) = self.claim(token)
        assert [InboxMessage(1, b"start"), InboxMessage(2, b"signal")] == list(ready.messages)

    def test_a_message_that_wakes_its_run_ends_the_delay_of_its_start(self) -> None:
        """Both are given at once, in order."""
        token = self.session()
        self.one(evolve(new_run(), ready_at=self.clock.now_us() + SECOND))
        self.one(AcceptMessage(workflow_id="wf-run-1", data=b"signal", wakes=True))
        (ready,) = self.claim(token)
        assert [InboxMessage(1, b"start"), InboxMessage(2, b"signal")] == list(ready.messages)

    def test_a_run_created_without_a_message_waits_for_its_first_turn(self) -> None:
        """As where one batch creates it and commits that turn."""
        token = self.session()
        writes: list[Write] = [evolve(new_run(owner=token), message=None), turn(token, "run-1", 1)]
        assert [Created("run-1"), Committed()] == self.store.apply(writes)
        assert [] == self.claim(token)
        self.send(b"signal")
        (ready,) = self.claim(token)
        assert [InboxMessage(1, b"signal")] == list(ready.messages)

    def test_timers_are_due_at_their_time(self) -> None:
        """Not a microsecond before."""
        token = self.session()
        due = self.clock.now_us() + SECOND
        self.sleep_until(token, "run-1", (7, due))
        self.clock.advance(SECOND - 1)
        assert [] == self.claim(token)
        self.clock.advance(1)
        (ready,) = self.claim(token)
        assert ([7], []) == (list(ready.due_timers), list(ready.messages))

    def test_due_timers_are_ordered_by_time_then_by_number(self) -> None:
        """Those that are not due are not told."""
        token = self.session()
        now = self.clock.now_us()
        self.sleep_until(
            token, "run-1", (1, now + 9), (2, now + 5), (3, now + 20), (10, now + 5), (11, now - 5)
        )
        self.clock.advance(10)
        (ready,) = self.claim(token)
        assert [11, 2, 10, 1] == list(ready.due_timers)
        assert [
            (1, now + 9),
            (2, now + 5),
            (3, now + 20),
            (10, now + 5),
            (11, now - 5),
        ] == self.store.list_timers("run-1")

    def test_timers_that_are_removed_are_not_due(self) -> None:
        """The next one decides."""
        token = self.session()
        now = self.clock.now_us()
        self.sleep_until(token, "run-1", (1, now + 5), (2, now + 8))
        assert Committed() == self.one(evolve(turn(token, "run-1", 2), removed_timers=(1, 99)))
        assert now + 8 == self.store.next_due_at((QUEUE,))
        self.clock.advance(7)
        assert [] == self.claim(token)
        self.clock.advance(1)
        assert ["run-1"] == self.claimed_ids(token)

    def test_a_timer_may_be_centuries_away(self) -> None:
        """The year 9999 is a time like any other."""
        token = self.session()
        year_9999 = 253_402_300_799_000_000
        self.sleep_until(token, "run-1", (1, year_9999))
        assert year_9999 == self.store.next_due_at((QUEUE,))
        self.clock.set(year_9999)
        assert ["run-1"] == self.claimed_ids(token)

    def test_a_clock_that_goes_back_loses_nothing(self) -> None:
        """Work that was accepted later by the clock is claimed when its time comes again."""
        token = self.session()
        self.begin(token)
        self.send(b"before")
        self.clock.advance(-3600 * SECOND)
        self.send(b"after")
        (ready,) = self.claim(token)
        assert [b"before", b"after"] == [message.data for message in ready.messages]

    def test_messages_and_due_timers_come_together(self) -> None:
        """One claim tells all the work there is."""
        token = self.session()
        self.sleep_until(token, "run-1", (1, self.clock.now_us() + SECOND))
        self.send(b"signal")
        self.clock.advance(SECOND)
        (ready,) = self.claim(token)
        assert ([b"signal"], [1]) == ([message.data for message in ready.messages], list(ready.due_timers))

    def test_a_closed_run_is_never_claimed(self) -> None:
        """Nor does it say when it is due."""
        token = self.session()
        self.create(owner=token)
        self.one(evolve(first_turn(token, "run-1"), timers=((1, 5),), closing=COMPLETED))
        assert [] == self.claim(token)
        assert self.store.next_due_at((QUEUE,)) is None

    def test_nothing_is_due_in_a_store_without_work(self) -> None:
        """Runs that wait for nothing, and other queues, do not count."""
        token = self.session()
        self.begin(token)
        self.create("run-2", task_queue="other")
        assert self.store.next_due_at((QUEUE,)) is None
        assert self.store.next_due_at(()) is None
        assert self.clock.now_us() == self.store.next_due_at((QUEUE, "other"))

    def test_the_earliest_of_all_work_is_due(self) -> None:
        """Timers, messages and tasks; whoever owns the runs."""
        token = self.session()
        now = self.clock.now_us()
        self.sleep_until(token, "run-1", (1, now + 30))
        assert now + 30 == self.store.next_due_at((QUEUE,))
        self.begin(token, "run-2", tasks=[task(1, claimed=True)])
        assert now + 30 == self.store.next_due_at((QUEUE,))
        retry = RetryTask(
            token=token, run_id="run-2", seq=1, attempt=1, next_attempt=2, visible_at=now + 20, failure=b"x"
        )
        self.one(retry)
        assert now + 20 == self.store.next_due_at((QUEUE,))
        self.clock.advance(3)
        self.one(AcceptMessage(workflow_id="wf-run-1", data=b"signal"))
        assert now + 3 == self.store.next_due_at((QUEUE,))

    def test_a_session_can_ask_for_what_it_could_claim(self) -> None:
        """Runs of others do not count, but the end of their leases does."""
        mine = self.session(lease_us=5)
        now = self.clock.now_us()
        other = self.session(lease_us=LEASE)
        self.sleep_until(other, "run-1", (1, now + 10))
        assert now + 10 == self.store.next_due_at((QUEUE,))
        assert now + 5 == self.store.next_due_at((QUEUE,), other)
        assert now + LEASE == self.store.next_due_at((QUEUE,), mine)
        self.sleep_until(mine, "run-2", (1, now + 20))
        assert now + 20 == self.store.next_due_at((QUEUE,), mine)
