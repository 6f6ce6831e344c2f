"""The contract of builds and pauses: a worker is never given a run of a build that it does not serve, nor one that is paused."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from refold_adapters.contract.base import (
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
    AcceptMessage,
    ChangeRun,
    ChangeTask,
    ClaimRuns,
    CloseSession,
    Closing,
    Committed,
    ConsumeMessages,
    Created,
    DetachTask,
    Done,
    FinishTask,
    NextRun,
    ParkRun,
    ReadyRuns,
    Relay,
    ReleaseRuns,
    RunStatus,
    UnparkRuns,
)
from refold_adapters.ports.writes import DEADLINE


class BuildContract(StoreHarness):
    """Builds, and pauses of runs that are under way."""

    def pinned(self, run_id: str, build_id: str | None, owner: int = 0) -> None:
        """Create a run of a build."""
        write = evolve(new_run(run_id, owner=owner), build_id=build_id)
        assert Created(run_id) == self.one(write)

    def given(self, token: int, *builds: str) -> list[str]:
        """Claim runs for a session that serves these builds, and give them up again."""
        outcome = self.one(ClaimRuns(token=token, task_queues=(QUEUE,), limit=100, builds=builds))
        assert isinstance(outcome, ReadyRuns)
        found = [ready.row.run_id for ready in outcome.runs]
        assert Done() == self.one(ReleaseRuns(token=token, run_ids=found))
        return found

    def due(self, token: int | None, builds: Sequence[str] | None) -> int | None:
        """When work of these builds is due."""
        return self.store.next_due_at((QUEUE,), token, builds)

    def pause(self, run_id: str = "run-1", *, paused: bool = True) -> None:
        """Pause a run, or let it go on, by an administrative turn."""
        number = self.row(run_id).turn + 1
        assert Committed() == self.one(evolve(turn(0, run_id, number), paused=paused))

    # Builds -------------------------------------------------------------------------------------------------------

    def test_a_run_of_a_build_is_given_to_nobody_who_does_not_serve_it(self) -> None:
        """One of no build is given to all."""
        token = self.session()
        for run_id, build_id in (("any", None), ("one", "b1"), ("two", "b2"), ("empty", "")):
            self.pinned(run_id, build_id)
        assert ["any", "empty"] == self.given(token)
        assert ["any", "one", "empty"] == self.given(token, "b1")
        assert ["any", "two", "empty"] == self.given(token, "b3", "b2")
        assert ["any", "one", "two", "empty"] == self.given(token, "b2", "b1", "b2")

    def test_builds_are_texts_that_match_as_a_whole(self) -> None:
        """Neither their beginning nor their case is enough."""
        token = self.session()
        self.pinned("run-1", "b1")
        assert [] == self.given(token, "b", "B1", "b10", "b%", "b_")

    def test_runs_of_several_builds_come_in_one_order(self) -> None:
        """The longest ready first, whatever its build."""
        token = self.session()
        for run_id, build_id in (("run-3", "b2"), ("run-1", None), ("run-2", "b1")):
            self.pinned(run_id, build_id)
            self.clock.advance(1)
        assert ["run-3", "run-1", "run-2"] == self.given(token, "b1", "b2")

    def test_a_run_of_the_session_itself_is_not_given_to_it_either_where_it_does_not_serve_its_build(
        self,
    ) -> None:
        """It may have been pinned meanwhile."""
        token = self.session()
        self.pinned("run-1", "b1", owner=token)
        assert [] == self.given(token)
        assert ["run-1"] == self.given(token, "b1")

    def test_a_limit_counts_only_runs_that_are_served(self) -> None:
        """Others do not use it up."""
        token = self.session()
        for number in range(5):
            self.pinned(f"other-{number}", "b2")
        self.pinned("mine", "b1")
        write = ClaimRuns(token=token, task_queues=(QUEUE,), limit=1, builds=("b1",))
        outcome = self.one(write)
        assert isinstance(outcome, ReadyRuns)
        assert ["mine"] == [ready.row.run_id for ready in outcome.runs]

    def test_a_run_of_another_build_is_not_due(self) -> None:
        """It is, where nobody says what is served."""
        token = self.session()
        now = self.clock.now_us()
        self.pinned("run-1", "b1")
        assert (None, None) == (self.due(token, ()), self.due(token, ("b2",)))
        assert (now, now, now) == (self.due(token, ("b1",)), self.due(token, None), self.due(None, None))

    def test_a_turn_pins_its_run_and_sets_it_free(self) -> None:
        """None leaves it as it is, an empty build means any."""
        self.create()
        for number, (said, expected) in enumerate(
            ((None, None), ("b1", "b1"), (None, "b1"), ("", None)), start=1
        ):
            assert Committed() == self.one(evolve(turn(0, "run-1", number), build_id=said))
            assert expected == self.row().build_id

    def test_an_administrative_turn_that_pins_takes_the_run_from_its_owner(self) -> None:
        """It may not serve that build; a turn of the owner itself does not."""
        token = self.session()
        self.create(owner=token)
        assert Committed() == self.one(evolve(first_turn(token, "run-1"), build_id="b1"))
        assert token == self.row().owner
        assert Committed() == self.one(evolve(turn(0, "run-1", 2), build_id="b2"))
        assert 0 == self.row().owner

    def test_a_refused_turn_pins_nothing(self) -> None:
        """Nor does it take the run from anybody."""
        token = self.session()
        self.create(owner=token)
        assert Committed() != self.one(evolve(turn(0, "run-1", 3), build_id="b1"))
        assert (None, token) == (self.row().build_id, self.row().owner)

    def test_a_change_before_the_first_turn_takes_the_run_from_its_owner_where_it_pins(self) -> None:
        """And only there."""
        token = self.session()
        self.create(owner=token)
        assert Done() == self.one(ChangeRun(run_id="run-1", message=b"change"))
        assert token == self.row().owner
        assert Done() == self.one(ChangeRun(run_id="run-1", message=b"change", build_id="b1"))
        assert (0, "b1") == (self.row().owner, self.row().build_id)

    def test_the_run_that_follows_and_a_child_have_the_build_that_they_are_given(self) -> None:
        """Not that of the run that asks."""
        token = self.session()
        self.pinned("run-1", "b1", owner=token)
        following = evolve(new_run("run-2", "wf-run-1"), build_id="b2")
        child = evolve(new_run("child"), build_id="b3")
        write = evolve(
            first_turn(token, "run-1"),
            closing=Closing(status=RunStatus.CONTINUED_AS_NEW, event=b"next"),
            next=NextRun(creation=following),
            relays=(Relay(write=child),),
        )
        assert Committed() == self.one(write)
        assert ["run-2"] == self.given(token, "b2")
        assert ["child"] == self.given(token, "b1", "b3")

    def test_a_parked_run_keeps_its_build(self) -> None:
        """Also when it is claimable again."""
        token = self.session()
        self.pinned("run-1", "b1", owner=token)
        assert Done() == self.one(ParkRun(token=token, run_id="run-1", reason=b"why"))
        assert Done() == self.one(UnparkRuns(run_ids=("run-1",)))
        assert [] == self.given(token)
        assert ["run-1"] == self.given(token, "b1")

    # Paused under way ---------------------------------------------------------------------------------------------

    def test_tasks_that_a_turn_creates_in_a_paused_run_are_not_claimed(self) -> None:
        """The session that held the run when it was paused may go on with what it has."""
        token = self.session()
        self.begin(token, tasks=[task(1, claimed=True)])
        self.pause()
        write = evolve(turn(token, "run-1", 3), tasks=(task(2), task(3, claimed=True)))
        assert Committed() == self.one(write)
        assert [] == self.claim_tasks(token)
        assert None is self.store.next_due_at((QUEUE,))
        self.pause(paused=False)
        assert [2] == [found.seq for found in self.claim_tasks(token)]

    def test_a_task_that_follows_another_in_a_paused_run_is_not_claimed(self) -> None:
        """Nor where the one before it ends in the same turn."""
        token = self.session()
        self.begin(token, tasks=[task(1, claimed=True)])
        self.pause()
        write = evolve(turn(token, "run-1", 3), tasks=(task(2),), finished=((1, 1),))
        assert Committed() == self.one(write)
        assert [] == self.claim_tasks(token)
        self.pause(paused=False)
        assert [2] == [found.seq for found in self.claim_tasks(token)]

    def test_a_turn_that_pauses_and_creates_a_task_holds_the_task_back(self) -> None:
        """And one that resumes does not."""
        token = self.session()
        self.create()
        assert Committed() == self.one(evolve(first_turn(0, "run-1"), paused=True, tasks=(task(1),)))
        assert [] == self.claim_tasks(token)
        assert Committed() == self.one(evolve(turn(0, "run-1", 2), paused=False, tasks=(task(2),)))
        assert [1, 2] == [found.seq for found in self.claim_tasks(token)]

    def test_pausing_a_run_and_its_task_are_two_things(self) -> None:
        """Each is taken back alone."""
        token = self.session()
        self.begin(token, tasks=[task(1)])
        assert Done() == self.one(ChangeTask(run_id="run-1", seq=1, paused=True))
        self.pause()
        assert Done() == self.one(ChangeTask(run_id="run-1", seq=1, paused=False))
        assert [] == self.claim_tasks(token)
        assert Done() == self.one(ChangeTask(run_id="run-1", seq=1, paused=True))
        self.pause(paused=False)
        assert [] == self.claim_tasks(token)
        assert Done() == self.one(ChangeTask(run_id="run-1", seq=1, paused=False))
        assert [1] == [found.seq for found in self.claim_tasks(token)]

    def test_a_dead_session_frees_tasks_of_a_paused_run_for_nobody(self) -> None:
        """Until it is resumed."""
        token, other = self.session(), self.session()
        self.begin(token, tasks=[task(1, claimed=True)])
        self.pause()
        assert Done() == self.one(CloseSession(token=token))
        assert [] == self.claim_tasks(other)
        self.pause(paused=False)
        assert [(1, 2)] == [(found.seq, found.attempt) for found in self.claim_tasks(other)]

    def test_outcomes_and_messages_of_a_paused_run_wait_in_its_inbox(self) -> None:
        """Until it is resumed, in order of acceptance."""
        token = self.session()
        self.begin(token, tasks=[task(1, claimed=True)])
        self.pause()
        assert Done() == self.one(FinishTask(token=token, run_id="run-1", seq=1, attempt=1, message=b"done"))
        accepted_id(self.send(b"signal"))
        assert ([], None) == (self.claimed_ids(token), self.store.next_due_at((QUEUE,), token))
        self.pause(paused=False)
        (ready,) = self.claim(token)
        assert [b"done", b"signal"] == [message.data for message in ready.messages]

    def test_a_report_to_a_paused_run_does_not_wake_it(self) -> None:
        """What its turn asked of others is answered into its inbox."""
        token = self.session()
        self.begin(token)
        self.pause()
        self.create("run-2")
        relay = Relay(write=AcceptMessage(workflow_id="wf-run-2", data=b"hello"), done=b"delivered")
        assert Committed() == self.one(evolve(turn(token, "run-1", 3), relays=(relay,)))
        assert [(2, b"delivered")] == self.inbox()
        assert ["run-2"] == self.claimed_ids(token)

    def test_a_run_that_is_parked_and_paused_is_claimable_when_it_is_neither(self) -> None:
        """In whatever order that is taken back."""
        token = self.session()
        for run_id, unpark_first in (("run-1", True), ("run-2", False)):
            self.begin(token, run_id)
            accepted_id(self.send(b"hello", f"wf-{run_id}"))
            self.pause(run_id)
            self.park(token, run_id)
            if unpark_first:
                assert Done() == self.one(UnparkRuns(run_ids=(run_id,)))
                assert [] == self.claimed_ids(token)
                self.pause(run_id, paused=False)
            else:
                self.pause(run_id, paused=False)
                assert [] == self.claimed_ids(token)
                assert Done() == self.one(UnparkRuns(run_ids=(run_id,)))
            assert [run_id] == self.claimed_ids(token)
            assert Committed() == self.one(evolve(turn(token, run_id, 4), consumed=(2,)))

    def test_a_detached_attempt_of_a_paused_run_is_looked_after_when_it_is_resumed(self) -> None:
        """Its check wakes nobody before."""
        token = self.session()
        self.begin(token, tasks=[task(1, claimed=True)])
        self.pause()
        at = self.clock.now_us() + SECOND
        detach = DetachTask(token=token, run_id="run-1", seq=1, attempt=1, check=9, check_at=at)
        assert Done() == self.one(detach)
        self.clock.advance(SECOND)
        assert ([], None) == (self.claimed_ids(token), self.store.next_due_at((QUEUE,), token))
        self.pause(paused=False)
        (ready,) = self.claim(token)
        assert [9] == ready.due_timers

    def test_messages_taken_off_a_paused_run_do_not_wake_it(self) -> None:
        """Its deadline stays due."""
        token = self.session()
        self.create(owner=token)
        deadline = self.clock.now_us() + SECOND
        assert Committed() == self.one(evolve(first_turn(token, "run-1"), timers=((DEADLINE, deadline),)))
        accepted_id(self.send(b"a"))
        accepted_id(self.send(b"b"))
        self.pause()
        assert Done() == self.one(ConsumeMessages(token=token, run_id="run-1", message_ids=(2,)))
        assert ([], deadline) == (self.claimed_ids(token), self.store.next_due_at((QUEUE,), token))
