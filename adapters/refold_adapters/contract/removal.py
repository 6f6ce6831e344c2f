"""The contract of removal: a closed run goes with all that belongs to it, and its tombstone refuses what comes late."""

from __future__ import annotations

from attrs import evolve

from refold_adapters.contract.base import SECOND, StoreHarness, accepted_id, first_turn, new_run, task, turn
from refold_adapters.ports import (
    AcceptMessage,
    ChangeRun,
    ChangeTask,
    Closing,
    Committed,
    ConsumeMessages,
    CopyRun,
    Created,
    DeleteRun,
    Done,
    Exists,
    Expired,
    ExpireRuns,
    FinishTask,
    Gone,
    NotFound,
    Outcome,
    Refusal,
    RunFilter,
    RunStatus,
    StoredTurn,
    UnparkRuns,
)

END = Closing(status=RunStatus.FAILED, event=b"end")


class RemovalContract(StoreHarness):
    """Removing runs, one by one and by age."""

    def make_closed(self, run_id: str = "run-1", workflow_id: str | None = None, request_id: str = "") -> int:
        """Create a run and close it; returns when."""
        write = evolve(new_run(run_id, workflow_id), request_id=request_id)
        assert Created(run_id) == self.one(write)
        assert Committed() == self.one(evolve(first_turn(0, run_id), closing=END))
        return self.clock.now_us()

    def delete(self, run_id: str = "run-1") -> int:
        """Remove a closed run; returns when."""
        assert Done() == self.one(DeleteRun(run_id=run_id))
        return self.clock.now_us()

    def expire(self, closed_until: int, forget_until: int = 0, limit: int = 100) -> Outcome:
        """Remove what was closed until then."""
        return self.one(ExpireRuns(closed_until=closed_until, forget_until=forget_until, limit=limit))

    def left(self) -> list[str]:
        """All runs, in alphabetical order."""
        return sorted(row.run_id for row in self.store.list_runs(RunFilter()))

    def test_a_removed_run_is_seen_by_no_reader(self) -> None:
        """Not by its id, not by its workflow id, not in a list."""
        self.make_closed()
        self.delete()
        assert None is self.store.find_run("", "run-1")
        assert None is self.store.find_run("wf-run-1")
        assert ([], 0) == (self.store.list_runs(RunFilter()), self.store.count_runs(RunFilter()))
        reads = (self.store.read_turns, self.store.list_tasks, self.store.list_timers, self.store.list_inbox)
        assert [[]] * 4 == [read("run-1") for read in reads]

    def test_the_run_before_is_the_latest_again(self) -> None:
        """As if the removed one had never been."""
        self.make_closed("run-1", "wf")
        self.make_closed("run-2", "wf")
        self.delete("run-2")
        found = self.store.find_run("wf")
        assert found is not None
        assert "run-1" == found.run_id

    def test_no_other_run_loses_anything(self) -> None:
        """Whatever lies beside it."""
        token = self.session()
        for run_id in ("run-1", "run-2", "run-3"):
            self.begin(token, run_id, tasks=[task(1)])
            write = evolve(turn(token, run_id, 2), timers=((5, self.clock.now_us() + SECOND),))
            assert Committed() == self.one(write)
            accepted_id(self.send(b"hello", f"wf-{run_id}"))
        assert Committed() == self.one(evolve(turn(0, "run-2", 3), consumed=(2,), closing=END))
        self.delete("run-2")
        for run_id in ("run-1", "run-3"):
            assert 2 == len(self.store.read_turns(run_id))
            assert [1] == [found.seq for found in self.store.list_tasks(run_id)]
            assert 1 == len(self.store.list_timers(run_id))
            assert [(2, b"hello")] == self.inbox(run_id)
        assert ["run-1", "run-3"] == self.claimed_ids(token)

    def test_every_write_to_a_removed_run_is_refused(self) -> None:
        """As to one that never was."""
        token = self.session()
        self.make_closed()
        at = self.delete()
        assert NotFound() == self.one(turn(0, "run-1", 2))
        assert NotFound() == self.one(turn(token, "run-1", 2))
        assert NotFound() == self.one(ChangeRun(run_id="run-1", message=b"change"))
        assert Gone() == self.one(ChangeTask(run_id="run-1", seq=1, paused=True))
        assert Gone() == self.one(FinishTask(token=token, run_id="run-1", seq=1, attempt=1, message=b"done"))
        assert Done() == self.one(UnparkRuns(run_ids=("run-1",)))
        assert NotFound(at) == self.one(DeleteRun(run_id="run-1"))
        assert [] == self.left()

    def test_a_message_to_a_removed_run_is_told_when_it_went(self) -> None:
        """Where its run id was given, and the workflow id fits."""
        self.make_closed()
        at = self.delete()
        self.clock.advance(SECOND)
        message = AcceptMessage(workflow_id="wf-run-1", run_id="run-1", data=b"hello")
        assert NotFound(at) == self.one(message)
        assert NotFound(at) == self.one(evolve(message, workflow_id=""))
        assert NotFound() == self.one(evolve(message, workflow_id="other"))
        assert NotFound() == self.one(evolve(message, run_id=None))
        assert NotFound() == self.one(evolve(message, run_id="nobody"))

    def test_a_late_start_of_a_removed_run_creates_nothing(self) -> None:
        """By its run id or by its request id; the reply to an earlier try was lost."""
        self.make_closed(request_id="r1")
        self.delete()
        again = Exists("run-1", RunStatus.FAILED, same_request=True)
        assert again == self.one(evolve(new_run("run-1"), request_id="r2"))
        assert again == self.one(evolve(new_run("run-2", "wf-run-1"), request_id="r1"))
        assert Exists("run-1", RunStatus.FAILED) == self.one(new_run("run-1", "other"))
        assert [] == self.left()

    def test_a_tombstone_is_in_the_way_of_its_own_ids_only(self) -> None:
        """Also where its status is one that blocks: a removed run is as if it had never been."""
        self.make_closed(request_id="r1")
        self.delete()
        blocked = evolve(new_run("run-2", "wf-run-1"), request_id="r2", blocked_by=(RunStatus.FAILED,))
        assert Created("run-2") == self.one(blocked)
        assert Created("run-3") == self.one(evolve(new_run("run-3", "other"), request_id="r1"))

    def test_requests_without_an_id_are_never_those_of_a_tombstone(self) -> None:
        """No id is no id."""
        self.make_closed()
        self.delete()
        assert Created("run-2") == self.one(new_run("run-2", "wf-run-1"))

    def test_a_copy_cannot_take_the_id_of_a_removed_run(self) -> None:
        """It would be found by what was meant for the other."""
        self.make_closed()
        self.delete()
        copy = CopyRun(
            run=evolve(new_run("run-1"), message=None), turns=[StoredTurn(1, 1, b"events")], last_event_id=1
        )
        assert Exists("run-1", RunStatus.FAILED, same_request=True) == self.one(copy)

    def test_runs_are_removed_by_age_the_earliest_closed_first(self) -> None:
        """Not by when they started; and it is told when the next one was closed."""
        for run_id in ("run-1", "run-2", "run-3", "run-4"):
            self.create(run_id)
        times: list[int] = []
        for run_id in ("run-3", "run-1", "run-4"):
            self.clock.advance(SECOND)
            assert Committed() == self.one(evolve(first_turn(0, run_id), closing=END))
            times.append(self.clock.now_us())
        assert Expired(0, times[0]) == self.expire(times[0] - 1)
        assert Expired(1, times[1]) == self.expire(times[2], limit=1)
        assert ["run-1", "run-2", "run-4"] == self.left()
        assert Expired(1, times[2]) == self.expire(times[1])
        assert Expired(1, None) == self.expire(times[2])
        assert ["run-2"] == self.left()
        assert Expired(0, None) == self.expire(self.clock.now_us())

    def test_of_runs_closed_at_once_the_one_created_first_goes_first(self) -> None:
        """Whatever its id."""
        for run_id in ("b", "c", "a"):
            self.make_closed(run_id)
        now = self.clock.now_us()
        assert Expired(1, now) == self.expire(now, limit=1)
        assert ["a", "c"] == self.left()
        assert Expired(1, now) == self.expire(now, limit=1)
        assert ["a"] == self.left()

    def test_no_run_is_removed_where_none_is_asked_for(self) -> None:
        """A limit of 0 tells when the earliest was closed."""
        at = self.make_closed()
        assert Expired(0, at) == self.expire(at, limit=0)
        assert ["run-1"] == self.left()

    def test_runs_that_went_by_age_leave_tombstones(self) -> None:
        """As those that were removed by hand."""
        self.make_closed(request_id="r1")
        at = self.clock.now_us()
        assert Expired(1, None) == self.expire(at)
        assert NotFound(at) == self.one(DeleteRun(run_id="run-1"))
        assert isinstance(self.one(evolve(new_run("run-2", "wf-run-1"), request_id="r1")), Exists)

    def test_old_tombstones_are_forgotten(self) -> None:
        """Up to the very time; then nothing is known of the run any more."""
        self.make_closed("run-1", request_id="r1")
        self.make_closed("run-2")
        first = self.delete("run-1")
        self.clock.advance(SECOND)
        second = self.delete("run-2")
        self.expire(0, forget_until=first - 1)
        assert NotFound(first) == self.one(DeleteRun(run_id="run-1"))
        self.expire(0, forget_until=first)
        assert NotFound() == self.one(DeleteRun(run_id="run-1"))
        assert NotFound(second) == self.one(DeleteRun(run_id="run-2"))
        assert Created("run-1") == self.one(evolve(new_run("run-1"), request_id="r1"))

    def test_a_tombstone_that_was_just_made_may_be_forgotten_at_once(self) -> None:
        """Where both are asked for in one."""
        at = self.make_closed()
        assert Expired(1, None) == self.expire(at, forget_until=at)
        assert NotFound() == self.one(DeleteRun(run_id="run-1"))

    def test_a_message_id_and_a_refusal_of_a_removed_run_are_nobodys(self) -> None:
        """A run of the same id, once the tombstone is forgotten, begins anew."""
        token = self.session()
        self.begin(token)
        place = accepted_id(self.send(b"update"))
        refusing = ConsumeMessages(
            token=token, run_id="run-1", message_ids=(place,), refusals=(Refusal(place, b"no"),)
        )
        assert Done() == self.one(refusing)
        assert Committed() == self.one(evolve(turn(0, "run-1", 2), closing=END))
        now = self.clock.now_us()
        assert Expired(1, None) == self.expire(now, forget_until=now)
        assert None is self.store.find_refusal("run-1", place)
        self.create()
        assert [(1, b"start")] == self.inbox()
        assert None is self.store.find_refusal("run-1", place)
        assert 0 == self.row().turn

    def test_removal_calls_subscribers_where_something_went(self) -> None:
        """And only there."""
        at = self.make_closed()
        calls: list[None] = []
        self.store.subscribe(lambda: calls.append(None))
        self.expire(at - 1)
        assert [] == calls
        self.delete()
        assert [None] == calls
        self.one(DeleteRun(run_id="run-1"))
        assert [None] == calls

    def test_removed_runs_stay_removed_after_a_reopen(self) -> None:
        """And so do their tombstones."""
        self.make_closed()
        at = self.delete()
        self.open_again()
        assert [] == self.left()
        assert NotFound(at) == self.one(DeleteRun(run_id="run-1"))
