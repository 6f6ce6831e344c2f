"""The contract at the edges: nothing, very much, texts of every kind, moments that coincide, a clock that goes back."""

from __future__ import annotations

from attrs import evolve

from refold_adapters.contract.base import QUEUE, SECOND, START, StoreHarness, first_turn, new_run, task, turn
from refold_adapters.ports import (
    Accepted,
    AcceptMessage,
    ClaimRuns,
    ClaimTasks,
    Closing,
    Committed,
    ConsumeMessages,
    Created,
    DeleteRun,
    Done,
    Expired,
    ExpireRuns,
    ReadyRuns,
    ReleaseRuns,
    RunFilter,
    RunStatus,
    UnparkRuns,
    Write,
)
from refold_adapters.store_errors import StoreError

MANY = 10_000
END = Closing(status=RunStatus.COMPLETED, event=b"end")


class BoundaryContract(StoreHarness):
    """Edges."""

    def test_writes_about_nothing_do_nothing(self) -> None:
        """Empty lists, limits of 0, queues that nobody has."""
        token = self.session()
        self.create()
        assert Done() == self.one(ReleaseRuns(token=token, run_ids=()))
        assert Done() == self.one(UnparkRuns(run_ids=()))
        assert Done() == self.one(UnparkRuns(task_queues=()))
        assert ReadyRuns([]) == self.one(ClaimRuns(token=token, task_queues=(), limit=10))
        assert ReadyRuns([]) == self.one(ClaimRuns(token=token, task_queues=(QUEUE,), limit=0))
        assert [] == self.claim_tasks(token, limit=0)
        assert [] == self.claim_tasks(token, types=())
        assert [] == self.claim(token, queues=("nobody",))
        assert [] == self.store.list_runs(RunFilter(limit=0))
        assert None is self.store.next_due_at(())
        assert 0 == self.row().owner

    def test_a_turn_of_no_bytes_is_a_turn(self) -> None:
        """Neither its events nor its messages need be more than empty."""
        self.one(evolve(new_run(), message=b""))
        assert [(1, b"")] == self.inbox()
        assert Committed() == self.one(evolve(first_turn(0, "run-1"), data=b"", event_count=0))
        (found,) = self.store.read_turns("run-1")
        assert (1, b"", 0) == (found.number, found.data, self.row().history_bytes)

    def test_a_queue_or_a_type_named_twice_counts_once(self) -> None:
        """Nothing is given twice."""
        token = self.session()
        self.create()
        self.begin(token, "run-2", tasks=[task(1)])
        assert ["run-1"] == self.claimed_ids(token, queues=(QUEUE, QUEUE))
        write = ClaimTasks(
            token=token, task_queues=(QUEUE, QUEUE), activity_types=("charge", "charge"), limit=10
        )
        (outcome,) = self.store.apply([write])
        assert 1 == len(getattr(outcome, "tasks", ()))

    def test_a_timer_of_a_number_that_is_there_is_moved(self) -> None:
        """In the turn that starts it, in another one and without one: it is due once, at the last time."""
        token = self.session()
        self.create(owner=token)
        twice = ((1, START + SECOND), (1, START + 2 * SECOND))
        assert Committed() == self.one(evolve(first_turn(token, "run-1"), timers=twice))
        assert [(1, START + 2 * SECOND)] == self.store.list_timers("run-1")
        assert Committed() == self.one(evolve(turn(token, "run-1", 2), timers=((1, START + 3 * SECOND),)))
        again = ConsumeMessages(
            token=token, run_id="run-1", message_ids=(), new_timers=((1, START + SECOND),)
        )
        assert Done() == self.one(again)
        assert START + SECOND == self.store.next_due_at((QUEUE,), token)
        self.clock.advance(5 * SECOND)
        (ready,) = self.claim(token)
        assert [1] == ready.due_timers
        assert Committed() == self.one(evolve(turn(token, "run-1", 3), removed_timers=(1,)))
        assert ([], []) == (self.claim(token), self.store.list_timers("run-1"))

    def test_a_type_may_be_empty(self) -> None:
        """A task of it is found among others."""
        token = self.session()
        self.begin(token, tasks=[task(1, ""), task(2)])
        assert START == self.store.next_due_at((QUEUE,), token)
        assert [1] == [found.seq for found in self.claim_tasks(token, types=("",))]
        assert [2] == [found.seq for found in self.claim_tasks(token)]

    def test_many_runs_in_one_batch_are_all_created_listed_and_claimed(self) -> None:
        """Each once, and in order."""
        token = self.session()
        run_ids = [f"run-{number:05}" for number in range(MANY)]
        outcomes = self.store.apply([new_run(run_id) for run_id in run_ids])
        assert [Created(run_id) for run_id in run_ids] == outcomes
        assert MANY == self.store.count_runs(RunFilter())
        assert run_ids[::-1] == [row.run_id for row in self.store.list_runs(RunFilter(limit=MANY + 1))]
        assert run_ids == self.claimed_ids(token, limit=MANY + 1)

    def test_a_run_may_have_many_turns_messages_tasks_and_timers(self) -> None:
        """All are read in order, and go at once."""
        token = self.session()
        self.create(owner=token)
        numbers = range(1, 3001)
        timers = tuple((seq, START + SECOND) for seq in reversed(numbers))
        write = evolve(first_turn(token, "run-1", tasks=[task(seq) for seq in numbers]), timers=timers)
        assert Committed() == self.one(write)
        turns: list[Write] = [turn(token, "run-1", number) for number in numbers[1:]]
        assert {Committed()} == set(self.store.apply(turns))
        messages: list[Write] = [AcceptMessage(workflow_id="wf-run-1", data=b"%d" % seq) for seq in numbers]
        assert [Accepted("run-1", seq + 1) for seq in numbers] == self.store.apply(messages)
        assert list(numbers) == [found.number for found in self.store.read_turns("run-1")]
        assert list(numbers) == [found.seq for found in self.store.list_tasks("run-1")]
        assert [(seq, START + SECOND) for seq in numbers] == self.store.list_timers("run-1")
        self.clock.advance(SECOND)
        (ready,) = self.claim(token)
        assert list(numbers) == list(ready.due_timers)
        assert [b"%d" % seq for seq in numbers] == [message.data for message in ready.messages]
        ids = tuple(message.message_id for message in ready.messages)
        assert Committed() == self.one(evolve(turn(token, "run-1", 3001), consumed=ids, closing=END))
        assert ([], [], []) == (
            self.store.list_tasks("run-1"),
            self.store.list_timers("run-1"),
            self.store.list_inbox("run-1"),
        )
        assert Done() == self.one(DeleteRun(run_id="run-1"))
        assert [] == self.store.read_turns("run-1")

    def test_many_runs_are_removed_in_one_write(self) -> None:
        """As many as are asked for."""
        self.store.apply([new_run(f"run-{number}") for number in range(500)])
        self.store.apply([evolve(first_turn(0, f"run-{number}"), closing=END) for number in range(500)])
        expire = ExpireRuns(closed_until=START, forget_until=0, limit=300)
        assert [Expired(300, START), Expired(200, None)] == [self.one(expire), self.one(expire)]

    def test_payloads_of_a_megabyte_are_read_as_written(self) -> None:
        """In every place for bytes."""
        large = bytes(range(256)) * 4096
        self.one(evolve(new_run(), message=large))
        assert Committed() == self.one(evolve(turn(0, "run-1", 1), data=large))
        assert [(1, large)] == self.inbox()
        assert [large] == [found.data for found in self.store.read_turns("run-1")]
        assert len(large) == self.row().history_bytes

    def test_ids_of_64_kilobytes_that_differ_at_their_end_are_two(self) -> None:
        """Run ids, workflow ids and request ids."""
        long = "x" * 65_536
        for end in "ab":
            write = evolve(new_run(f"{long}{end}", f"w{long}{end}"), request_id=f"r{long}{end}")
            assert Created(f"{long}{end}") == self.one(write)
        for end in "ab":
            found = self.store.find_run(f"w{long}{end}")
            assert found is not None
            assert f"{long}{end}" == found.run_id
            message = AcceptMessage(workflow_id=f"w{long}{end}", data=b"m", request_id=f"r{long}{end}")
            assert [Accepted(f"{long}{end}", 2), Accepted(f"{long}{end}", None)] == self.store.apply(
                [message] * 2
            )

    def test_an_id_may_hold_the_character_nul(self) -> None:
        """It ends nothing."""
        for run_id in ("run", "run\x00", "run\x00a", "run\x00b", "\x00"):
            assert Created(run_id) == self.one(new_run(run_id))
        for run_id in ("run", "run\x00", "run\x00a", "run\x00b", "\x00"):
            assert run_id == self.row(run_id).run_id
            assert [run_id] == [
                row.run_id for row in self.store.list_runs(RunFilter(workflow_id=f"wf-{run_id}"))
            ]

    def test_half_a_character_is_refused_with_all_of_its_batch(self) -> None:
        """A lone surrogate is no text: nothing of the call is done, and the store goes on."""
        surrogate = "half \ud800"
        for write in (
            new_run(surrogate),
            new_run("run-2", surrogate),
            new_run("run-2", task_queue=surrogate),
            evolve(new_run("run-2"), request_id=surrogate),
            AcceptMessage(workflow_id="wf-run-1", data=b"m", request_id=surrogate),
        ):
            code = ""
            try:
                self.store.apply([new_run("run-1"), write])
            except StoreError as error:
                code = error.code
            assert "RF5012" == code
            assert [] == self.store.list_runs(RunFilter())
        self.create()

    def test_ids_are_not_trimmed_folded_or_normalised(self) -> None:
        """Each is another one than each other."""
        ids = (
            "a",
            "A",
            " a",
            "a ",
            "a\n",
            "\u00e9",
            "e\u0301",
            "\u212b",
            "\u00c5",
            "\ufeffa",
            "1",
            "1.0",
            "01",
        )
        for run_id in ids:
            assert Created(run_id) == self.one(new_run(run_id))
        assert len(ids) == self.store.count_runs(RunFilter())
        assert sorted(ids, reverse=True) == [row.run_id for row in self.store.list_runs(RunFilter())]

    # Ties and times -----------------------------------------------------------------------------------------------

    def test_runs_that_are_ready_at_once_come_in_order_of_creation(self) -> None:
        """Whatever their ids."""
        token = self.session()
        for run_id in ("b", "c", "a"):
            self.create(run_id)
        assert ["b", "c", "a"] == self.claimed_ids(token)

    def test_tasks_that_are_visible_at_once_come_in_order_of_run_and_number(self) -> None:
        """Of runs, the one created first."""
        token = self.session()
        for run_id in ("b", "a"):
            self.begin(token, run_id, tasks=[task(2, "ship"), task(1), task(3)])
        found = [(each.run_id, each.seq) for each in self.claim_tasks(token)]
        assert [(run_id, seq) for run_id in "ba" for seq in (1, 2, 3)] == found

    def test_runs_that_started_before_the_clock_went_back_are_listed_by_their_times(self) -> None:
        """The latest run of a workflow id is the one that was created last, all the same."""
        self.create("run-1", "wf")
        assert Committed() == self.one(evolve(first_turn(0, "run-1"), closing=END))
        self.clock.advance(-SECOND)
        self.create("run-2", "wf")
        assert ["run-1", "run-2"] == [row.run_id for row in self.store.list_runs(RunFilter())]
        found = self.store.find_run("wf")
        assert found is not None
        assert ("run-2", START - SECOND) == (found.run_id, found.started_at)

    def test_a_run_may_be_closed_before_it_started(self) -> None:
        """Where the clock went back: what is told is told as the clock had it."""
        self.create()
        self.clock.advance(-SECOND)
        assert Committed() == self.one(evolve(first_turn(0, "run-1"), closing=END))
        assert (START, START - SECOND) == (self.row().started_at, self.row().closed_at)
        expire = ExpireRuns(closed_until=START - SECOND, forget_until=0, limit=1)
        assert Expired(1, None) == self.one(expire)

    def test_work_that_the_clock_has_not_reached_again_waits(self) -> None:
        """A clock that went back makes it wait, and loses none of it."""
        token = self.session()
        self.create()
        self.begin(token, "run-2", tasks=[task(1)])
        self.clock.advance(-SECOND)
        assert ([], []) == (self.claimed_ids(token), self.claim_tasks(token))
        assert START == self.store.next_due_at((QUEUE,))
        self.clock.advance(SECOND)
        assert (["run-1"], 1) == (self.claimed_ids(token), len(self.claim_tasks(token)))

    def test_a_lease_is_not_shorter_for_a_clock_that_went_back(self) -> None:
        """Nor does a message wake a run later than the clock says."""
        token, other = self.session(), self.session()
        self.begin(token)
        self.clock.advance(-3600 * SECOND)
        assert Accepted("run-1", 2) == self.send(b"now")
        assert [] == self.claimed_ids(other)
        assert ["run-1"] == self.claimed_ids(token)

    def test_times_reach_from_long_ago_to_far_ahead(self) -> None:
        """Also before the epoch."""
        token = self.session()
        self.create(owner=token)
        times = ((1, -(2**62)), (2, -1), (3, 0), (4, 2**62))
        assert Committed() == self.one(evolve(first_turn(token, "run-1"), timers=times))
        assert list(times) == self.store.list_timers("run-1")
        (ready,) = self.claim(token)
        assert [1, 2, 3] == ready.due_timers
        assert Done() == self.one(
            ConsumeMessages(token=token, run_id="run-1", message_ids=(), timers=(1, 2, 3))
        )
        assert 2**62 == self.store.next_due_at((QUEUE,), token)
