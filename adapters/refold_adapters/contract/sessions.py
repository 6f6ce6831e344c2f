"""The contract of sessions: who is at work, who is not any more, and that nobody writes who is not."""

from __future__ import annotations

from attrs import evolve

from refold_adapters.contract.base import LEASE, QUEUE, SECOND, StoreHarness, first_turn, new_run, task, turn
from refold_adapters.ports import (
    Beat,
    ClaimRuns,
    ClaimTasks,
    CloseSession,
    Committed,
    ConsumeMessages,
    Created,
    Done,
    Fenced,
    FinishTask,
    Gone,
    Heartbeat,
    Opened,
    OpenSession,
    ParkRun,
    Refused,
    ReleaseRuns,
    RenewSession,
    RetryTask,
    SessionRow,
    Write,
)


def every_write_of(token: int) -> list[Write]:
    """One of each write that carries a token, on run ``run-1`` with its held task 1."""
    return [
        RenewSession(token=token, lease_us=LEASE),
        CloseSession(token=token),
        evolve(new_run("run-2"), owner=token),
        turn(token, "run-1", 2),
        ConsumeMessages(token=token, run_id="run-1", message_ids=(2,)),
        ClaimRuns(token=token, task_queues=(QUEUE,), limit=10),
        ClaimTasks(token=token, task_queues=(QUEUE,), activity_types=None, limit=10),
        RetryTask(token=token, run_id="run-1", seq=1, attempt=1, next_attempt=2, visible_at=0, failure=None),
        FinishTask(token=token, run_id="run-1", seq=1, attempt=1, message=b"done"),
        Heartbeat(token=token, run_id="run-1", seq=1, attempt=1, details=b"half"),
        ParkRun(token=token, run_id="run-1", reason=b"why"),
        ReleaseRuns(token=token, run_ids=("run-1",)),
    ]


class SessionContract(StoreHarness):
    """Sessions."""

    def takeovers(self, token: int) -> list[tuple[str, int]]:
        """Claim all runs; returns each with its takeovers."""
        return [(ready.row.run_id, ready.takeovers) for ready in self.claim(token)]

    def test_tokens_grow(self) -> None:
        """Also when the session before is gone."""
        first, second = self.session(), self.session()
        self.close_session(second)
        third = self.session()
        assert 0 < first < second < third

    def test_sessions_are_listed_by_token_until_they_end(self) -> None:
        """With whatever they said about themselves."""
        self.one(OpenSession(identity="a", process="host/1/x", lease_us=LEASE))
        self.one(OpenSession(identity="b", process="host/2/y", lease_us=2 * LEASE))
        now = self.clock.now_us()
        expected = [
            SessionRow(1, "a", "host/1/x", now + LEASE),
            SessionRow(2, "b", "host/2/y", now + 2 * LEASE),
        ]
        assert expected == self.store.list_sessions()
        self.close_session(1)
        assert expected[1:] == self.store.list_sessions()

    def test_no_write_of_a_session_that_ended_is_carried_out(self) -> None:
        """Whatever it is, and whatever the session owned before."""
        token = self.session()
        self.begin(token, tasks=[task(1, claimed=True)])
        self.send(b"signal")
        self.close_session(token)
        before = (self.row(), self.store.list_tasks("run-1"), self.inbox(), self.store.list_sessions())
        writes = every_write_of(token)
        assert [Fenced()] * len(writes) == self.store.apply(writes)
        assert before == (
            self.row(),
            self.store.list_tasks("run-1"),
            self.inbox(),
            self.store.list_sessions(),
        )
        assert self.store.find_run("wf-run-2") is None

    def test_no_write_of_a_session_that_never_was_is_carried_out(self) -> None:
        """A token is not guessed."""
        self.create()
        writes = every_write_of(99)
        assert [Fenced()] * len(writes) == self.store.apply(writes)

    def test_a_session_past_its_lease_that_nobody_found_dead_goes_on(self) -> None:
        """And may renew its lease."""
        token = self.session()
        self.begin(token)
        self.advance_past_the_lease()
        assert Committed() == self.one(turn(token, "run-1", 2))
        assert Done() == self.one(RenewSession(token=token, lease_us=LEASE))
        other = self.session()
        self.send(b"signal")
        assert [] == self.claim(other)

    def test_a_renewed_lease_counts_from_now(self) -> None:
        """Not from where it ended before."""
        token = self.session()
        self.clock.advance(10 * SECOND)
        assert Done() == self.one(RenewSession(token=token, lease_us=LEASE))
        (row,) = self.store.list_sessions()
        assert self.clock.now_us() + LEASE == row.expires_at

    def test_a_zombie_can_write_nothing(self) -> None:
        """A session that another took over from is fenced for good, though it lives."""
        zombie = self.session()
        self.begin(zombie, tasks=[task(1, claimed=True)])
        self.send(b"signal")
        self.advance_past_the_lease()
        heir = self.session()
        assert ["run-1"] == self.claimed_ids(heir)
        writes = every_write_of(zombie)
        assert [Fenced()] * len(writes) == self.store.apply(writes)
        assert Committed() == self.one(turn(heir, "run-1", 2))

    def test_claims_expel_every_session_past_its_lease(self) -> None:
        """Of runs or of tasks, even where there is nothing to claim."""
        for claim in (self.claim, self.claim_tasks):
            dead = self.session()
            self.advance_past_the_lease()
            heir = self.session()
            assert [] == claim(heir)
            assert [heir] == [row.token for row in self.store.list_sessions()]
            assert Fenced() == self.one(RenewSession(token=dead, lease_us=LEASE))

    def test_a_claim_does_not_expel_the_session_that_makes_it(self) -> None:
        """A process that slept past its lease goes on with its own runs, and no takeover is counted."""
        token = self.session()
        self.begin(token)
        self.send(b"signal")
        self.advance_past_the_lease()
        assert [("run-1", 0)] == self.takeovers(token)

    def test_a_lease_ends_at_its_very_end(self) -> None:
        """One microsecond before, the session lives; at the end, it does not."""
        mine = self.session()
        self.begin(mine)
        self.send(b"signal")
        self.clock.advance(LEASE - 1)
        other = self.session(lease_us=100 * LEASE)
        assert [] == self.claim(other)
        self.clock.advance(1)
        assert ["run-1"] == self.claimed_ids(other)

    def test_runs_of_a_dead_session_count_a_takeover_each_time(self) -> None:
        """So that a run that kills its worker is found out."""
        self.create()
        for takeovers in range(4):
            assert [("run-1", takeovers)] == self.takeovers(self.session())
            self.advance_past_the_lease()

    def test_progress_forgets_the_takeovers(self) -> None:
        """A run that gets on is none that kills its worker."""
        dead = self.session()
        self.create(owner=dead)
        self.advance_past_the_lease()
        heir = self.session()
        assert [("run-1", 1)] == self.takeovers(heir)
        self.one(first_turn(heir, "run-1"))
        self.send(b"signal")
        assert [("run-1", 0)] == self.takeovers(heir)

    def test_progress_that_leaves_work_undone_forgets_the_takeovers_too(self) -> None:
        """Nothing else about the run changes then."""
        dead = self.session()
        self.create(owner=dead)
        self.advance_past_the_lease()
        heir = self.session()
        assert [("run-1", 1)] == self.takeovers(heir)
        assert Committed() == self.one(turn(heir, "run-1", 1))
        assert [("run-1", 0)] == self.takeovers(heir)

    def test_a_graceful_end_counts_no_takeover(self) -> None:
        """A worker that is shut down in order is not one that died."""
        token = self.session()
        self.create(owner=token)
        self.close_session(token, graceful=True)
        assert [("run-1", 0)] == self.takeovers(self.session())

    def test_a_session_that_is_expelled_by_hand_counts_a_takeover(self) -> None:
        """As where a process of this machine is found to be gone."""
        token = self.session()
        self.create(owner=token)
        self.close_session(token)
        assert [("run-1", 1)] == self.takeovers(self.session())

    def test_a_session_is_expelled_only_past_its_lease_where_that_is_asked(self) -> None:
        """``only_expired``."""
        token = self.session()
        assert Refused() == self.one(CloseSession(token=token, only_expired=True))
        self.clock.advance(LEASE - 1)
        assert Refused() == self.one(CloseSession(token=token, only_expired=True))
        assert [token] == [row.token for row in self.store.list_sessions()]
        self.clock.advance(1)
        assert Done() == self.one(CloseSession(token=token, only_expired=True))
        assert Fenced() == self.one(CloseSession(token=token, only_expired=True))

    def test_ending_a_session_frees_its_runs_and_tasks_and_no_others(self) -> None:
        """Also a run that has no work at the moment."""
        mine, other = self.session(), self.session()
        self.begin(mine, "run-1", tasks=[task(1, claimed=True)])
        self.begin(other, "run-2", tasks=[task(1, claimed=True)])
        self.close_session(mine)
        assert (0, other) == (self.row("run-1").owner, self.row("run-2").owner)
        assert [("run-1", 1)] == [(found.run_id, found.seq) for found in self.claim_tasks(other)]

    def test_a_run_created_for_a_session_belongs_to_it(self) -> None:
        """From its first moment."""
        mine, other = self.session(), self.session()
        assert Created("run-1") == self.one(new_run(owner=mine))
        assert [] == self.claim(other)
        assert ["run-1"] == self.claimed_ids(mine)

    def test_tasks_of_a_dead_session_are_claimed_for_the_next_attempt(self) -> None:
        """And the dead one can say nothing about them any more."""
        dead = self.session()
        self.begin(dead, tasks=[task(1, claimed=True)])
        self.advance_past_the_lease()
        heir = self.session()
        (found,) = self.claim_tasks(heir)
        assert (2, heir, self.clock.now_us()) == (found.attempt, found.owner, found.started_at)
        beat = Heartbeat(token=dead, run_id="run-1", seq=1, attempt=1, details=b"half")
        assert Fenced() == self.one(beat)
        assert Beat(False) == self.one(evolve(beat, token=heir, attempt=2))

    def test_a_living_session_cannot_touch_what_another_holds(self) -> None:
        """Its token is good, but not for this."""
        mine, other = self.session(), self.session()
        self.begin(mine, tasks=[task(1, claimed=True)])
        outcomes = self.store.apply(every_write_of(other)[3:])
        assert [Fenced(), Fenced()] == outcomes[:2]
        assert [Gone(), Gone(), Gone(), Fenced(), Done()] == outcomes[4:]
        assert mine == self.row().owner

    def test_tokens_are_never_given_twice_after_a_reopen(self) -> None:
        """Where a store outlives its process."""
        first = self.session()
        self.close_session(first)
        self.open_again()
        assert Opened(first + 1) == self.one(OpenSession(identity="b", process="p", lease_us=LEASE))
