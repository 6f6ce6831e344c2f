"""The contract of activity tasks: each attempt is held by one session, and its outcome is recorded once."""

from __future__ import annotations

from attrs import evolve

from refold_adapters.contract.base import LEASE, QUEUE, SECOND, StoreHarness, task, turn
from refold_adapters.ports import (
    OUTSIDE,
    Beat,
    CancelTask,
    ChangeTask,
    Committed,
    ConsumeMessages,
    DetachTask,
    Done,
    FinishTask,
    Gone,
    Heartbeat,
    Outcome,
    Refused,
    RetryTask,
    TaskRow,
)


class TaskContract(StoreHarness):
    """Activity tasks."""

    def retry(
        self, token: int, *, attempt: int, after_us: int = 0, heartbeat: bytes | None = None
    ) -> Outcome:
        """Give task 1 of ``run-1`` back."""
        return self.one(
            RetryTask(
                token=token,
                run_id="run-1",
                seq=1,
                attempt=attempt,
                next_attempt=attempt + 1,
                visible_at=self.clock.now_us() + after_us,
                failure=b"failure %d" % attempt,
                heartbeat=heartbeat,
            )
        )

    def test_a_new_task_is_idle_and_visible_at_once(self) -> None:
        """And knows its run."""
        token = self.session()
        self.begin(token, tasks=[task(1)])
        now = self.clock.now_us()
        expected = TaskRow(
            run_id="run-1",
            workflow_id="wf-run-1",
            workflow_type="process_order",
            seq=1,
            activity_type="charge",
            task_queue=QUEUE,
            data=b"scheduled 1",
            attempt=1,
            scheduled_at=now,
            visible_at=now,
            started_at=None,
            owner=0,
            cancel_requested=False,
            heartbeat=None,
            last_failure=None,
        )
        assert [expected] == self.store.list_tasks("run-1")
        self.clock.advance(SECOND)
        mine = evolve(expected, owner=token, started_at=now + SECOND)
        assert [mine] == list(self.claim_tasks(token))
        assert [mine] == self.store.list_tasks("run-1")

    def test_a_task_that_the_turn_claims_is_held_from_the_start(self) -> None:
        """Nobody else can claim it."""
        token, other = self.session(), self.session()
        self.begin(token, tasks=[task(1, claimed=True)])
        (found,) = self.store.list_tasks("run-1")
        assert (token, self.clock.now_us()) == (found.owner, found.started_at)
        assert [] == self.claim_tasks(other)

    def test_a_task_is_claimed_once(self) -> None:
        """By whoever comes first."""
        token, other = self.session(), self.session()
        self.begin(token, tasks=[task(1)])
        assert [1] == [found.seq for found in self.claim_tasks(other)]
        assert [] == self.claim_tasks(other)
        assert [] == self.claim_tasks(token)

    def test_only_types_and_queues_that_are_asked_for_are_claimed(self) -> None:
        """All types where none is named; none where no type or queue is."""
        token = self.session()
        tasks = [task(1, "charge"), task(2, "ship"), task(3, "charge", task_queue="other"), task(4, "mail")]
        self.begin(token, tasks=tasks)
        assert [] == self.claim_tasks(token, types=())
        assert [] == self.claim_tasks(token, queues=())
        assert [] == self.claim_tasks(token, types=("unknown",))
        assert [1, 4] == [found.seq for found in self.claim_tasks(token, types=("mail", "charge"))]
        assert [2, 3] == [found.seq for found in self.claim_tasks(token, queues=("other", QUEUE))]

    def test_no_more_tasks_are_claimed_than_asked_for(self) -> None:
        """The longest visible first, across types and runs; of equals, in order of creation."""
        token = self.session()
        self.begin(token, "run-1", tasks=[task(1, "ship"), task(2, "charge")])
        self.clock.advance(1)
        self.begin(token, "run-2", tasks=[task(1, "charge"), task(2, "ship")])
        assert [] == self.claim_tasks(token, limit=0)
        claimed = [(found.run_id, found.seq) for found in self.claim_tasks(token, limit=3)]
        assert [("run-1", 1), ("run-1", 2), ("run-2", 1)] == claimed
        assert [("run-2", 2)] == [(found.run_id, found.seq) for found in self.claim_tasks(token, limit=3)]

    def test_a_finished_task_becomes_a_message(self) -> None:
        """And is gone; the run has work."""
        token = self.session()
        self.begin(token, tasks=[task(1, claimed=True)])
        finish = FinishTask(token=token, run_id="run-1", seq=1, attempt=1, message=b"done")
        assert Done() == self.one(finish)
        assert [] == self.store.list_tasks("run-1")
        assert [(2, b"done")] == self.inbox()
        assert Gone() == self.one(finish)
        assert ["run-1"] == self.claimed_ids(token)

    def test_an_outcome_of_another_attempt_is_refused(self) -> None:
        """Late replies of a given-up attempt change nothing."""
        token = self.session()
        self.begin(token, tasks=[task(1, claimed=True)])
        assert Done() == self.retry(token, attempt=1)
        self.claim_tasks(token)
        for attempt in (1, 3):
            write = FinishTask(token=token, run_id="run-1", seq=1, attempt=attempt, message=b"done")
            assert Gone() == self.one(write)
            assert Gone() == self.retry(token, attempt=attempt)
            beat = Heartbeat(token=token, run_id="run-1", seq=1, attempt=attempt, details=b"half")
            assert Gone() == self.one(beat)
        assert [] == self.inbox()

    def test_an_outcome_of_a_task_that_nobody_holds_is_refused(self) -> None:
        """Idle tasks have no outcome."""
        token = self.session()
        self.begin(token, tasks=[task(1)])
        assert Gone() == self.one(FinishTask(token=token, run_id="run-1", seq=1, attempt=1, message=b"done"))
        assert Gone() == self.retry(token, attempt=1)

    def test_an_outcome_for_an_unknown_run_is_refused(self) -> None:
        """As for a task that is not there."""
        token = self.session()
        assert Gone() == self.one(FinishTask(token=token, run_id="nobody", seq=1, attempt=1, message=b"done"))
        assert Gone() == self.one(Heartbeat(token=token, run_id="nobody", seq=1, attempt=1, details=b"half"))
        assert Gone() == self.retry(token, attempt=1)

    def test_a_retried_task_is_claimable_from_its_time_on(self) -> None:
        """In the next attempt, with the failure of the last."""
        token = self.session()
        self.begin(token, tasks=[task(1, claimed=True)])
        assert Done() == self.retry(token, attempt=1, after_us=SECOND)
        (waiting,) = self.store.list_tasks("run-1")
        assert (0, None, 2) == (waiting.owner, waiting.started_at, waiting.attempt)
        self.clock.advance(SECOND - 1)
        assert [] == self.claim_tasks(token)
        self.clock.advance(1)
        (found,) = self.claim_tasks(token)
        assert (2, b"failure 1", self.clock.now_us()) == (found.attempt, found.last_failure, found.started_at)
        assert self.clock.now_us() - SECOND == found.scheduled_at

    def test_heartbeat_details_live_on_from_attempt_to_attempt(self) -> None:
        """Until newer ones come, by a beat or with a retry."""
        token = self.session()
        self.begin(token, tasks=[task(1, claimed=True)])
        self.one(Heartbeat(token=token, run_id="run-1", seq=1, attempt=1, details=b"a third"))
        self.retry(token, attempt=1)
        (second,) = self.claim_tasks(token)
        assert b"a third" == second.heartbeat
        self.retry(token, attempt=2, heartbeat=b"two thirds")
        (third,) = self.claim_tasks(token)
        assert (b"two thirds", b"failure 2") == (third.heartbeat, third.last_failure)

    def test_a_heartbeat_tells_whether_to_stop(self) -> None:
        """From the cancel request on; another attempt is refused, and the task stays where it is."""
        token = self.session()
        self.begin(token, tasks=[task(1, claimed=True)])
        beat = Heartbeat(token=token, run_id="run-1", seq=1, attempt=1, details=b"half")
        assert Beat(False) == self.one(beat)
        cancel = CancelTask(seq=1, report=b"cancelled")
        assert Committed() == self.one(evolve(turn(token, "run-1", 2), cancel_tasks=(cancel,)))
        assert Beat(True) == self.one(beat)
        assert Refused() == self.retry(token, attempt=1)
        (found,) = self.store.list_tasks("run-1")
        assert (token, 1, True) == (found.owner, found.attempt, found.cancel_requested)

    def test_tasks_of_a_parked_run_go_on(self) -> None:
        """Parking stops turns, not activities; their outcomes wait."""
        token = self.session()
        self.begin(token, tasks=[task(1), task(2, claimed=True)])
        self.park(token)
        assert [1] == [found.seq for found in self.claim_tasks(token)]
        assert Done() == self.one(FinishTask(token=token, run_id="run-1", seq=2, attempt=1, message=b"done"))
        assert [(2, b"done")] == self.inbox()
        assert [] == self.claim(token)

    def test_tasks_are_listed_by_number(self) -> None:
        """Of one run only."""
        token = self.session()
        self.begin(token, "run-1", tasks=[task(10), task(2), task(1)])
        self.begin(token, "run-2", tasks=[task(5)])
        assert [1, 2, 10] == [found.seq for found in self.store.list_tasks("run-1")]
        assert [] == self.store.list_tasks("nobody")

    def test_tasks_that_a_dead_session_held_are_idle_again(self) -> None:
        """For another attempt, as nobody knows how far the last one came."""
        dead = self.session(lease_us=LEASE)
        self.begin(dead, tasks=[task(1, claimed=True)])
        self.close_session(dead)
        (found,) = self.store.list_tasks("run-1")
        assert (0, None, 2) == (found.owner, found.started_at, found.attempt)

    def test_a_turn_drops_tasks_whoever_holds_them(self) -> None:
        """Their time is up; a late outcome finds nothing."""
        token, other = self.session(), self.session()
        self.begin(token, tasks=[task(1), task(2), task(3)])
        self.claim_tasks(other, limit=1)
        assert Committed() == self.one(evolve(turn(token, "run-1", 2), dropped_tasks=(1, 2, 9)))
        assert [3] == [found.seq for found in self.store.list_tasks("run-1")]
        assert Gone() == self.one(FinishTask(token=other, run_id="run-1", seq=1, attempt=1, message=b"done"))
        assert [3] == [found.seq for found in self.claim_tasks(other)]

    def test_somebody_outside_ends_an_attempt_that_a_session_holds(self) -> None:
        """Only the attempt must be the present one."""
        token = self.session()
        self.begin(token, tasks=[task(1, claimed=True)])
        beat = Heartbeat(token=0, run_id="run-1", seq=1, attempt=1, details=b"half")
        assert Beat(False) == self.one(beat)
        (found,) = self.store.list_tasks("run-1")
        assert (b"half", self.clock.now_us()) == (found.heartbeat, found.heartbeat_at)
        late = FinishTask(token=0, run_id="run-1", seq=1, attempt=2, message=b"done")
        assert Gone() == self.one(late)
        assert Done() == self.one(evolve(late, attempt=1))
        assert [(2, b"done")] == self.inbox()
        assert Gone() == self.one(FinishTask(token=token, run_id="run-1", seq=1, attempt=1, message=b"mine"))

    def test_a_detached_attempt_survives_its_session(self) -> None:
        """Nobody else claims it, and the run has work when its time is to be looked at."""
        token, other = self.session(lease_us=LEASE), self.session()
        self.begin(token, tasks=[task(1, claimed=True)])
        at = self.clock.now_us() + 5
        detach = DetachTask(token=other, run_id="run-1", seq=1, attempt=1, check=1 << 31, check_at=at)
        assert Gone() == self.one(detach)
        assert Done() == self.one(evolve(detach, token=token))
        self.close_session(token)
        (found,) = self.store.list_tasks("run-1")
        assert (OUTSIDE, 1) == (found.owner, found.attempt)
        assert [] == self.claim_tasks(other)
        assert [] == self.claim(other)
        self.clock.advance(5)
        (ready,) = self.claim(other)
        assert [1 << 31] == ready.due_timers
        assert Done() == self.one(FinishTask(token=0, run_id="run-1", seq=1, attempt=1, message=b"done"))

    def test_a_paused_task_is_not_claimed(self) -> None:
        """Until it is not paused any more; one that is held stays held."""
        token = self.session()
        self.begin(token, tasks=[task(1), task(2, claimed=True)])
        for seq in (1, 2):
            assert Done() == self.one(ChangeTask(run_id="run-1", seq=seq, paused=True))
        assert Done() == self.retry_of(token, 2)
        assert [] == self.claim_tasks(token)
        assert [True, True] == [found.paused for found in self.store.list_tasks("run-1")]
        for seq in (1, 2):
            assert Done() == self.one(ChangeTask(run_id="run-1", seq=seq, paused=False))
        assert [1, 2] == [found.seq for found in self.claim_tasks(token)]

    def retry_of(self, token: int, seq: int) -> Outcome:
        """Give the first attempt of a task back."""
        now = self.clock.now_us()
        return self.one(
            RetryTask(
                token=token,
                run_id="run-1",
                seq=seq,
                attempt=1,
                next_attempt=2,
                visible_at=now,
                failure=b"why",
                heartbeat=b"half",
            )
        )

    def test_whoever_holds_a_task_learns_by_a_heartbeat_that_it_is_to_stop(self) -> None:
        """It is not given back for another attempt either."""
        token = self.session()
        self.begin(token, tasks=[task(1, claimed=True)])
        assert Done() == self.one(ChangeTask(run_id="run-1", seq=1, cancel_requested=True))
        assert Done() == self.one(ChangeTask(run_id="run-1", seq=1, paused=False))
        beat = Heartbeat(token=token, run_id="run-1", seq=1, attempt=1, details=b"[]")
        assert Beat(True) == self.one(beat)
        assert Refused() == self.retry_of(token, 1)

    def test_a_task_is_changed_from_outside(self) -> None:
        """Its attempt and its time only where nobody holds it."""
        token = self.session()
        self.begin(token, tasks=[task(1), task(2, claimed=True)])
        assert Gone() == self.one(ChangeTask(run_id="run-1", seq=3, paused=True))
        assert Gone() == self.one(ChangeTask(run_id="nobody", seq=1, paused=True))
        later = self.clock.now_us() + SECOND
        for seq in (1, 2):
            change = ChangeTask(
                run_id="run-1", seq=seq, attempt=7, visible_at=later, options=b"new", task_queue="other"
            )
            assert Done() == self.one(change)
        idle, held = self.store.list_tasks("run-1")
        assert (7, later, b"new", "other") == (idle.attempt, idle.visible_at, idle.options, idle.task_queue)
        assert (1, b"new", "other") == (held.attempt, held.options, held.task_queue)
        self.clock.advance(SECOND)
        assert [] == self.claim_tasks(token)
        assert [1] == [found.seq for found in self.claim_tasks(token, queues=("other",))]

    def test_a_task_that_changed_hands_since_it_was_seen_is_left_alone_if_so_asked(self) -> None:
        """By whoever would do something else then."""
        token = self.session()
        self.begin(token, tasks=[task(1), task(2, claimed=True)])
        for seq, holder, other in ((1, 0, token), (2, token, 0)):
            change = ChangeTask(run_id="run-1", seq=seq, options=b"new", holder=other)
            finish = FinishTask(token=0, run_id="run-1", seq=seq, attempt=1, message=b"done", holder=other)
            assert Gone() == self.one(change)
            assert Gone() == self.one(finish)
            assert [None] == [found.options for found in self.store.list_tasks("run-1") if found.seq == seq]
            assert Done() == self.one(evolve(change, holder=holder))
            assert Done() == self.one(evolve(finish, holder=holder))
        assert [] == self.store.list_tasks("run-1")

    def test_heartbeat_details_are_forgotten_on_request(self) -> None:
        """As if none had come."""
        token = self.session()
        self.begin(token, tasks=[task(1, claimed=True)])
        self.retry_of(token, 1)
        assert Done() == self.one(ChangeTask(run_id="run-1", seq=1, forget_heartbeat=True))
        (found,) = self.claim_tasks(token)
        assert None is found.heartbeat

    def test_timers_are_put_in_place_of_those_that_were_heard(self) -> None:
        """Without a turn: the run has work again when they are due."""
        token = self.session()
        self.begin(token)
        now = self.clock.now_us()
        assert Committed() == self.one(evolve(turn(token, "run-1", 2), timers=((5, now),)))
        again = ConsumeMessages(
            token=token, run_id="run-1", message_ids=(), timers=(5,), new_timers=((5, now + 7),)
        )
        assert Done() == self.one(again)
        assert [(5, now + 7)] == self.store.list_timers("run-1")
        assert [] == self.claim(token)
        self.clock.advance(7)
        (ready,) = self.claim(token)
        assert [5] == ready.due_timers
