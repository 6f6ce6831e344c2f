"""The contract of runs as a whole: how they come to be, are set aside and given up."""

from __future__ import annotations

from attrs import evolve

from refold_adapters.contract.base import QUEUE, SECOND, StoreHarness, first_turn, new_run, turn
from refold_adapters.contract.turns import COMPLETED
from refold_adapters.ports import (
    AcceptMessage,
    Closing,
    Committed,
    Created,
    Done,
    Exists,
    Fenced,
    ParkRun,
    ReleaseRuns,
    RunRow,
    RunStatus,
    UnparkRuns,
)


class RunContract(StoreHarness):
    """Creating, parking, releasing."""

    def close(self, run_id: str, status: RunStatus = RunStatus.COMPLETED) -> None:
        """End a run in its first turn."""
        closing = Closing(status=status, event=b"the end")
        assert Committed() == self.one(evolve(first_turn(0, run_id), closing=closing))

    def test_a_new_run_is_open_and_empty(self) -> None:
        """Everything on its row is what it was created with."""
        self.create()
        expected = RunRow(
            run_id="run-1",
            workflow_id="wf-run-1",
            workflow_type="process_order",
            task_queue=QUEUE,
            status=RunStatus.RUNNING,
            started_at=self.clock.now_us(),
            closed_at=None,
            turn=0,
            last_event_id=0,
            history_bytes=0,
            owner=0,
            parked=None,
            closing_event=None,
            first_run_id="run-1",
        )
        assert expected == self.store.find_run("wf-run-1")
        assert expected == self.store.find_run("wf-run-1", "run-1")

    def test_an_open_run_is_in_the_way_of_another(self) -> None:
        """Of the same workflow id; and the second one leaves no trace."""
        self.create("run-1", "order")
        assert Exists("run-1", RunStatus.RUNNING) == self.one(new_run("run-2", "order"))
        assert self.store.find_run("order", "run-2") is None
        assert [] == self.store.list_inbox("run-2")

    def test_a_closed_run_is_in_the_way_if_its_status_is_listed(self) -> None:
        """And only then."""
        self.create("run-1", "order")
        self.close("run-1", RunStatus.FAILED)
        write = new_run("run-2", "order")
        blocked = evolve(write, blocked_by=(RunStatus.COMPLETED, RunStatus.FAILED))
        assert Exists("run-1", RunStatus.FAILED) == self.one(blocked)
        assert Created("run-2") == self.one(evolve(write, blocked_by=(RunStatus.COMPLETED,)))

    def test_a_start_may_name_the_chain_that_it_comes_instead_of(self) -> None:
        """A closed run of that chain is not in its way, an open one and any other are."""
        self.create("run-1", "order")
        write = evolve(new_run("run-2", "order"), blocked_by=tuple(RunStatus), instead_of="run-1")
        assert Exists("run-1", RunStatus.RUNNING) == self.one(write)
        end = Closing(status=RunStatus.TERMINATED, event=b"end")
        assert Committed() == self.one(evolve(first_turn(0, "run-1"), closing=end))
        assert Exists("run-1", RunStatus.TERMINATED) == self.one(evolve(write, instead_of="another"))
        assert Created("run-2") == self.one(write)
        assert Committed() == self.one(evolve(first_turn(0, "run-2"), closing=end))
        assert Exists("run-2", RunStatus.TERMINATED) == self.one(evolve(write, run_id="run-3"))

    def test_only_the_latest_closed_run_is_in_the_way(self) -> None:
        """What was before it does not matter."""
        self.create("run-1", "order")
        self.close("run-1", RunStatus.COMPLETED)
        self.create("run-2", "order")
        self.close("run-2", RunStatus.FAILED)
        write = evolve(new_run("run-3", "order"), blocked_by=(RunStatus.COMPLETED,))
        assert Created("run-3") == self.one(write)

    def test_a_request_creates_one_run(self) -> None:
        """Whether that run is open, closed, or followed by another."""
        first = evolve(new_run("run-1", "order"), request_id="r1")
        again = evolve(first, run_id="run-9")
        assert Created("run-1") == self.one(first)
        assert Exists("run-1", RunStatus.RUNNING, same_request=True) == self.one(again)
        self.close("run-1")
        assert Exists("run-1", RunStatus.COMPLETED, same_request=True) == self.one(again)
        assert Created("run-2") == self.one(evolve(new_run("run-2", "order"), request_id="r2"))
        assert Exists("run-1", RunStatus.COMPLETED, same_request=True) == self.one(again)

    def test_requests_of_other_workflow_ids_are_others(self) -> None:
        """A request id means nothing without its workflow id."""
        assert Created("run-1") == self.one(evolve(new_run("run-1"), request_id="r1"))
        assert Created("run-2") == self.one(evolve(new_run("run-2"), request_id="r1"))

    def test_a_run_id_is_given_once(self) -> None:
        """The same run again is a repeated request; that of another workflow id is not."""
        assert Created("run-1") == self.one(new_run("run-1", "order"))
        assert Exists("run-1", RunStatus.RUNNING, same_request=True) == self.one(new_run("run-1", "order"))
        assert Exists("run-1", RunStatus.RUNNING) == self.one(new_run("run-1", "another"))

    def test_a_run_for_a_session_that_is_gone_is_not_created(self) -> None:
        """It would belong to nobody living."""
        token = self.session()
        self.close_session(token)
        assert Fenced() == self.one(new_run(owner=token))
        assert self.store.find_run("wf-run-1") is None

    def test_a_workflow_id_finds_its_latest_run(self) -> None:
        """A run id finds that run, if it is of that workflow id or none is given."""
        self.create("run-1", "order")
        self.close("run-1")
        self.create("run-2", "order")
        found = [
            self.store.find_run("order"),
            self.store.find_run("order", "run-1"),
            self.store.find_run("", "run-1"),
            self.store.find_run("another", "run-1"),
            self.store.find_run("order", "run-9"),
            self.store.find_run("another"),
        ]
        assert ["run-2", "run-1", "run-1", None, None, None] == [row and row.run_id for row in found]

    def test_the_latest_run_is_the_one_created_last(self) -> None:
        """Though the clock went back in between."""
        self.create("run-1", "order")
        self.close("run-1")
        self.clock.advance(-SECOND)
        self.create("run-2", "order")
        row = self.store.find_run("order")
        assert row is not None
        assert "run-2" == row.run_id

    def test_a_parked_run_is_not_claimed_until_it_is_unparked(self) -> None:
        """It still takes messages, and gives its session up."""
        token = self.session()
        self.begin(token)
        self.park(token, reason=b"a bug")
        self.send(b"signal")
        row = self.row()
        assert (b"a bug", 0, RunStatus.RUNNING) == (row.parked, row.owner, row.status)
        assert [] == self.claim(token)
        assert self.store.next_due_at((QUEUE,)) is None
        assert Done() == self.one(UnparkRuns(run_ids=("run-1",)))
        assert self.row().parked is None
        (ready,) = self.claim(token)
        assert [b"signal"] == [message.data for message in ready.messages]

    def test_unparking_brings_timers_back(self) -> None:
        """Those that came due meanwhile, and those that will."""
        token = self.session()
        self.create(owner=token)
        due = self.clock.now_us() + SECOND
        self.one(evolve(first_turn(token, "run-1"), timers=((1, due),)))
        self.park(token)
        self.clock.advance(2 * SECOND)
        assert [] == self.claim(token)
        self.one(UnparkRuns(task_queues=(QUEUE,)))
        assert due == self.store.next_due_at((QUEUE,))
        (ready,) = self.claim(token)
        assert [1] == list(ready.due_timers)

    def test_all_parked_runs_of_a_queue_can_be_unparked(self) -> None:
        """And no others."""
        token = self.session()
        for run_id, queue in (("run-1", QUEUE), ("run-2", QUEUE), ("run-3", "other")):
            self.create(run_id, task_queue=queue, owner=token)
            self.park(token, run_id)
        assert Done() == self.one(UnparkRuns(task_queues=(QUEUE, "unknown")))
        assert ["run-1", "run-2"] == self.claimed_ids(token, queues=(QUEUE, "other"))

    def test_unparking_what_is_not_parked_does_nothing(self) -> None:
        """Unknown, closed, or at work."""
        token = self.session()
        self.begin(token, "run-1")
        self.create("run-2")
        self.close("run-2")
        assert Done() == self.one(UnparkRuns(run_ids=("run-1", "run-2", "nobody")))
        assert [] == self.claim(token)
        assert token == self.row("run-1").owner

    def test_an_unparked_run_is_tried_afresh(self) -> None:
        """Its takeovers are forgotten."""
        dead = self.session()
        self.create(owner=dead)
        self.advance_past_the_lease()
        heir = self.session()
        assert [1] == [ready.takeovers for ready in self.claim(heir)]
        self.park(heir)
        self.one(UnparkRuns(run_ids=("run-1",)))
        assert [0] == [ready.takeovers for ready in self.claim(heir)]

    def test_only_its_owner_parks_a_run(self) -> None:
        """Not another, not one that gave it up; and a closed run cannot be parked."""
        token, other = self.session(), self.session()
        self.begin(token)
        write = ParkRun(token=token, run_id="run-1", reason=b"why")
        assert Fenced() == self.one(evolve(write, token=other))
        self.one(ReleaseRuns(token=token, run_ids=("run-1",)))
        assert Fenced() == self.one(write)
        self.one(evolve(turn(token, "run-1", 2), closing=COMPLETED))
        assert Fenced() == self.one(write)
        assert self.row().parked is None

    def test_a_parked_run_can_be_closed(self) -> None:
        """By an administrator; and then it is not parked any more."""
        token = self.session()
        self.begin(token)
        self.park(token)
        assert Committed() == self.one(evolve(turn(0, "run-1", 2), closing=COMPLETED))
        row = self.row()
        assert (None, RunStatus.COMPLETED) == (row.parked, row.status)

    def test_a_turn_leaves_a_parked_run_parked(self) -> None:
        """Only unparking makes it claimable."""
        token = self.session()
        self.begin(token)
        self.park(token)
        timers = ((1, self.clock.now_us()),)
        assert Committed() == self.one(evolve(turn(0, "run-1", 2), timers=timers))
        assert (b"why", []) == (self.row().parked, list(self.claim(token)))

    def test_a_released_run_can_be_claimed_by_another(self) -> None:
        """Without a takeover; and its old owner cannot write to it."""
        mine, other = self.session(), self.session()
        self.begin(mine)
        self.send(b"signal")
        assert Done() == self.one(ReleaseRuns(token=mine, run_ids=("run-1", "nobody")))
        assert 0 == self.row().owner
        (ready,) = self.claim(other)
        assert 0 == ready.takeovers
        assert Fenced() == self.one(turn(mine, "run-1", 2))

    def test_runs_of_others_are_not_released(self) -> None:
        """They are left alone."""
        mine, other = self.session(), self.session()
        self.begin(mine)
        assert Done() == self.one(ReleaseRuns(token=other, run_ids=("run-1",)))
        assert mine == self.row().owner

    def test_a_run_whose_time_is_up_is_listed_until_it_is_closed(self) -> None:
        """Whoever owns it, or nobody; also where it is parked; the longest overdue first."""
        now = self.clock.now_us()
        for number, seconds in ((1, 2), (2, 1), (3, 3)):
            self.one(evolve(new_run(f"run-{number}"), ends_at=now + seconds * SECOND))
        self.create("run-4")
        assert [] == self.store.list_ending(9)
        self.clock.advance(2 * SECOND)
        token = self.session()
        assert ["run-1", "run-2", "run-3", "run-4"] == sorted(self.claimed_ids(token))
        self.park(token, "run-2")
        assert ["run-2", "run-1"] == [row.run_id for row in self.store.list_ending(9)]
        assert [now + SECOND] == [row.ends_at for row in self.store.list_ending(1)]
        self.close("run-2", RunStatus.TIMED_OUT)
        assert ["run-1"] == [row.run_id for row in self.store.list_ending(9)]
        self.one(AcceptMessage(workflow_id="wf-run-4", data=b"terminate", ends=True))
        assert ["run-1", "run-4"] == [row.run_id for row in self.store.list_ending(9)]
