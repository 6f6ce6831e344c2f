"""The contract of ``CommitTurn``: whole or not at all, only by whom it may be, only once."""

from __future__ import annotations

from attrs import evolve

from refold_adapters.contract.base import ANOTHER_TRY, LEASE, SECOND, StoreHarness, first_turn, task, turn
from refold_adapters.ports import (
    Accepted,
    CancelTask,
    ChangeTask,
    Closing,
    Committed,
    CommitTurn,
    ConsumeMessages,
    Done,
    Fenced,
    Gone,
    Heartbeat,
    InboxMessage,
    NotFound,
    Outcome,
    RetryTask,
    RunStatus,
    Stale,
    StoredTurn,
    Unseen,
)

COMPLETED = Closing(status=RunStatus.COMPLETED, event=b"completed")


class TurnContract(StoreHarness):
    """Turns."""

    def everything_of(self, run_id: str = "run-1") -> tuple[object, ...]:
        """All that a turn can change."""
        return (
            self.store.find_run("", run_id),
            self.store.read_turns(run_id),
            self.store.list_tasks(run_id),
            self.store.list_timers(run_id),
            self.store.list_inbox(run_id),
        )

    def assert_refused(self, expected: Outcome, write: CommitTurn) -> None:
        """The turn is refused like that, and changes nothing."""
        before = self.everything_of()
        assert expected == self.one(write)
        assert before == self.everything_of()

    def test_a_turn_is_appended_with_all_that_follows_from_it(self) -> None:
        """Events, consumed messages, tasks and timers come with one commit."""
        token = self.session()
        self.create(owner=token)
        write = evolve(
            first_turn(token, "run-1", tasks=[task(1), task(2)]), timers=((3, self.clock.now_us() + SECOND),)
        )
        assert Committed() == self.one(write)
        assert [StoredTurn(1, 1, b"events of turn 1")] == self.store.read_turns("run-1")
        assert [1, 2] == [found.seq for found in self.store.list_tasks("run-1")]
        assert [(3, self.clock.now_us() + SECOND)] == self.store.list_timers("run-1")
        assert [] == self.store.list_inbox("run-1")

    def test_the_row_counts_turns_events_and_bytes(self) -> None:
        """What is known without reading the history follows each turn."""
        token = self.session()
        self.begin(token)
        self.one(turn(token, "run-1", 2))
        row = self.row()
        assert (2, 4, 32) == (row.turn, row.last_event_id, row.history_bytes)

    def test_turns_are_read_in_order_from_any_turn_on(self) -> None:
        """After a turn, or from the beginning."""
        token = self.session()
        self.begin(token)
        for number in range(2, 13):
            assert Committed() == self.one(turn(token, "run-1", number))
        assert list(range(1, 13)) == [found.number for found in self.store.read_turns("run-1")]
        assert [11, 12] == [found.number for found in self.store.read_turns("run-1", after_turn=10)]
        assert [] == self.store.read_turns("run-1", after_turn=12)

    def test_turns_of_an_unknown_run_are_none(self) -> None:
        """Not an error."""
        assert [] == self.store.read_turns("nobody")

    def test_a_turn_of_any_bytes_is_read_as_written(self) -> None:
        """Every byte value, and none at all."""
        token = self.session()
        self.create(owner=token)
        self.one(evolve(first_turn(token, "run-1"), data=bytes(range(256)) * 300))
        self.one(evolve(turn(token, "run-1", 2), data=b""))
        assert [bytes(range(256)) * 300, b""] == [found.data for found in self.store.read_turns("run-1")]

    def test_a_turn_out_of_sequence_is_stale(self) -> None:
        """Too late or too early; the answer names the last turn."""
        token = self.session()
        self.begin(token)
        self.assert_refused(Stale(1), evolve(turn(token, "run-1", 1), turn_token=ANOTHER_TRY))
        self.assert_refused(Stale(1), turn(token, "run-1", 3))

    def test_a_turn_whose_reply_was_lost_may_be_repeated(self) -> None:
        """The turn token of the last turn is recognised, and nothing is done twice."""
        token = self.session()
        self.create(owner=token)
        write = first_turn(token, "run-1", tasks=[task(1)])
        assert Committed() == self.one(write)
        self.assert_refused(Committed(), write)

    def test_a_closing_turn_whose_reply_was_lost_may_be_repeated(self) -> None:
        """Also though nobody owns the run any more."""
        token = self.session()
        self.create(owner=token)
        write = evolve(first_turn(token, "run-1"), closing=COMPLETED)
        assert Committed() == self.one(write)
        self.assert_refused(Committed(), write)

    def test_the_turn_token_of_an_earlier_turn_is_stale(self) -> None:
        """Only the last turn can have had its reply lost."""
        token = self.session()
        self.begin(token)
        self.one(turn(token, "run-1", 2))
        self.assert_refused(Stale(2), first_turn(token, "run-1"))

    def test_a_turn_token_under_another_number_is_stale(self) -> None:
        """It is the same turn only if it is the same turn."""
        token = self.session()
        self.begin(token)
        self.one(turn(token, "run-1", 2))
        self.assert_refused(Stale(2), evolve(turn(token, "run-1", 2), turn=1))
        self.assert_refused(Stale(2), evolve(turn(token, "run-1", 2), turn=4))

    def test_turns_without_a_token_are_never_taken_for_repeated_ones(self) -> None:
        """An empty token says nothing."""
        token = self.session()
        self.create(owner=token)
        self.one(evolve(first_turn(token, "run-1"), turn_token=""))
        self.assert_refused(Stale(1), evolve(turn(token, "run-1", 1), turn_token=""))

    def test_a_turn_of_an_unknown_run_is_not_found(self) -> None:
        """With a living session, or as an administrator."""
        assert NotFound() == self.one(turn(self.session(), "nobody", 1))
        assert NotFound() == self.one(turn(0, "nobody", 1))

    def test_a_turn_of_a_session_that_does_not_own_the_run_is_fenced(self) -> None:
        """Though its session is alive."""
        mine, other = self.session(), self.session()
        self.begin(mine)
        self.assert_refused(Fenced(), turn(other, "run-1", 2))

    def test_a_run_of_nobody_is_claimed_by_the_commit(self) -> None:
        """And owned from then on."""
        token, other = self.session(), self.session()
        self.create()
        assert Committed() == self.one(first_turn(token, "run-1"))
        assert token == self.row().owner
        self.assert_refused(Fenced(), turn(other, "run-1", 2))

    def test_an_administrative_turn_asks_for_no_ownership(self) -> None:
        """And takes none."""
        token = self.session()
        self.begin(token)
        assert Committed() == self.one(turn(0, "run-1", 2))
        assert token == self.row().owner

    def test_an_administrative_turn_leaves_a_run_of_nobody_to_nobody(self) -> None:
        """Token 0 claims nothing."""
        self.create()
        assert Committed() == self.one(first_turn(0, "run-1"))
        assert 0 == self.row().owner

    def test_a_closed_run_takes_no_turn(self) -> None:
        """Not even an administrative one."""
        token = self.session()
        self.create(owner=token)
        self.one(evolve(first_turn(token, "run-1"), closing=COMPLETED))
        self.assert_refused(Stale(1), turn(token, "run-1", 2))
        self.assert_refused(Stale(1), turn(0, "run-1", 2))

    def test_closing_records_how_and_when(self) -> None:
        """Status, terminal event, time; and nobody owns it."""
        token = self.session()
        self.create(owner=token)
        self.clock.advance(5 * SECOND)
        self.one(evolve(first_turn(token, "run-1"), closing=COMPLETED))
        row = self.row()
        assert (RunStatus.COMPLETED, b"completed", 0) == (row.status, row.closing_event, row.owner)
        assert (self.clock.now_us() - 5 * SECOND, self.clock.now_us()) == (row.started_at, row.closed_at)

    def test_closing_deletes_tasks_timers_and_inbox(self) -> None:
        """Whoever held them."""
        token = self.session()
        self.create(owner=token)
        timers = ((3, self.clock.now_us() + SECOND),)
        self.one(evolve(first_turn(token, "run-1", tasks=[task(1, claimed=True), task(2)]), timers=timers))
        message = self.send(b"signal")
        assert Accepted("run-1", 2) == message
        assert Committed() == self.one(evolve(turn(token, "run-1", 2), consumed=(2,), closing=COMPLETED))
        assert ([], [], []) == self.everything_of()[2:]
        self.clock.advance(2 * SECOND)
        assert [] == self.claim(token)
        assert [] == self.claim_tasks(token)

    def test_a_turn_cannot_close_over_messages_that_it_has_not_seen(self) -> None:
        """It is told them, in order."""
        token = self.session()
        self.begin(token)
        self.send(b"seen")
        self.send(b"not seen")
        self.send(b"nor this")
        closing = evolve(turn(token, "run-1", 2), consumed=(2,), closing=COMPLETED)
        self.assert_refused(Unseen([InboxMessage(3, b"not seen"), InboxMessage(4, b"nor this")]), closing)

    def test_a_parked_run_cannot_be_closed_over_unseen_messages_either(self) -> None:
        """Parking hides no message."""
        token = self.session()
        self.begin(token)
        self.park(token)
        self.send(b"not seen")
        self.assert_refused(
            Unseen([InboxMessage(2, b"not seen")]), evolve(turn(0, "run-1", 2), closing=COMPLETED)
        )

    def test_a_turn_that_stays_open_may_leave_messages(self) -> None:
        """They stay in the inbox, in order."""
        token = self.session()
        self.begin(token)
        for data in (b"a", b"b", b"c"):
            self.send(data)
        assert Committed() == self.one(evolve(turn(token, "run-1", 2), consumed=(3,)))
        assert [(2, b"a"), (4, b"c")] == self.inbox()

    def test_finished_tasks_go_with_the_turn(self) -> None:
        """The others stay."""
        token = self.session()
        self.begin(token, tasks=[task(1, claimed=True), task(2, claimed=True), task(3, claimed=True)])
        assert Committed() == self.one(evolve(turn(token, "run-1", 2), finished=((1, 1), (3, 1))))
        assert [2] == [found.seq for found in self.store.list_tasks("run-1")]

    def test_a_turn_with_a_task_that_the_session_does_not_hold_is_refused(self) -> None:
        """Idle, of another attempt, or not there: and then no task is taken off."""
        token = self.session()
        self.begin(token, tasks=[task(1, claimed=True), task(2)])
        for finished in ((2, 1), (1, 2), (9, 1)):
            self.assert_refused(Gone(), evolve(turn(token, "run-1", 2), finished=(finished,)))
            self.assert_refused(Gone(), evolve(turn(token, "run-1", 2), finished=((1, 1), finished)))

    def test_a_task_that_follows_another_starts_with_nothing_of_it(self) -> None:
        """One out and one in, by the turn of one commit: attempts, details, failures and cancel requests stay behind."""
        token = self.session()
        self.begin(token, tasks=[task(1, "charge", claimed=True)])
        retry = RetryTask(
            token=token,
            run_id="run-1",
            seq=1,
            attempt=1,
            next_attempt=2,
            visible_at=0,
            failure=b"failure",
            heartbeat=b"half",
        )
        assert Done() == self.one(retry)
        self.claim_tasks(token)
        self.one(Heartbeat(token=token, run_id="run-1", seq=1, attempt=2, details=b"more"))
        self.one(ChangeTask(run_id="run-1", seq=1, paused=True, options=b"options"))
        self.one(evolve(turn(token, "run-1", 2), cancel_tasks=(CancelTask(seq=1, report=b"cancelled"),)))
        self.clock.advance(SECOND)
        follower = task(7, "ship", task_queue="other")
        assert Committed() == self.one(evolve(turn(token, "run-1", 3), finished=((1, 2),), tasks=(follower,)))
        (found,) = self.store.list_tasks("run-1")
        now = self.clock.now_us()
        assert (7, "ship", "other", follower.data) == (
            found.seq,
            found.activity_type,
            found.task_queue,
            found.data,
        )
        assert (1, 0, None, now, now) == (
            found.attempt,
            found.owner,
            found.started_at,
            found.scheduled_at,
            found.visible_at,
        )
        assert (False, None, None) == (found.cancel_requested, found.heartbeat, found.last_failure)
        assert (False, None, None) == (found.paused, found.options, found.heartbeat_at)

    def test_an_administrative_turn_may_put_a_task_in_the_place_of_any(self) -> None:
        """Whoever held that."""
        token = self.session()
        self.begin(token, tasks=[task(1, claimed=True)])
        assert Committed() == self.one(evolve(turn(0, "run-1", 2), finished=((1, 1),), tasks=(task(2),)))
        assert [2] == [found.seq for found in self.store.list_tasks("run-1")]

    def test_an_administrative_turn_may_finish_any_task(self) -> None:
        """In the attempt that it says."""
        token = self.session()
        self.begin(token, tasks=[task(1, claimed=True), task(2)])
        self.assert_refused(Gone(), evolve(turn(0, "run-1", 2), finished=((1, 2),)))
        assert Committed() == self.one(evolve(turn(0, "run-1", 2), finished=((1, 1), (2, 1))))
        assert [] == self.store.list_tasks("run-1")

    def test_conditions_are_looked_at_in_order(self) -> None:
        """A turn that breaks them all is refused for the first; each one mended shows the next."""
        mine, other = self.session(), self.session()
        dead = self.session(lease_us=LEASE)
        self.close_session(dead)
        self.begin(mine, tasks=[task(1)])
        self.send(b"not seen")
        write = evolve(turn(dead, "run-1", 9), closing=COMPLETED, finished=((1, 7),))
        self.assert_refused(Fenced(), evolve(write, run_id="nobody"))
        self.assert_refused(Fenced(), write)
        self.assert_refused(NotFound(), evolve(write, token=mine, run_id="nobody"))
        self.assert_refused(Fenced(), evolve(write, token=other))
        self.assert_refused(Stale(1), evolve(write, token=mine))
        self.assert_refused(Unseen([InboxMessage(2, b"not seen")]), evolve(write, token=mine, turn=2))
        self.assert_refused(Gone(), evolve(write, token=mine, turn=2, consumed=(2,)))

    def test_an_idle_task_that_is_cancelled_leaves_its_report_in_the_inbox(self) -> None:
        """And is claimed by nobody any more."""
        token = self.session()
        self.begin(token, tasks=[task(1)])
        cancel = CancelTask(seq=1, report=b"cancelled")
        assert Committed() == self.one(evolve(turn(token, "run-1", 2), cancel_tasks=(cancel,)))
        assert [] == self.store.list_tasks("run-1")
        assert [(2, b"cancelled")] == self.inbox()
        assert ["run-1"] == self.claimed_ids(token)

    def test_a_task_that_is_held_is_only_asked_to_stop(self) -> None:
        """Its holder is told with the next heartbeat."""
        token = self.session()
        self.begin(token, tasks=[task(1, claimed=True), task(2, claimed=True)])
        self.one(evolve(turn(token, "run-1", 2), cancel_tasks=(CancelTask(seq=1, report=b"cancelled"),)))
        assert [(1, True), (2, False)] == [
            (t.seq, t.cancel_requested) for t in self.store.list_tasks("run-1")
        ]
        assert [] == self.inbox()

    def test_cancelling_a_task_that_is_gone_does_nothing(self) -> None:
        """Its outcome is on the way already."""
        token = self.session()
        self.begin(token)
        cancel = CancelTask(seq=7, report=b"cancelled")
        assert Committed() == self.one(evolve(turn(token, "run-1", 2), cancel_tasks=(cancel,)))
        assert [] == self.inbox()

    def test_messages_and_timers_can_be_taken_off_without_a_turn(self) -> None:
        """And tasks that the session holds in that attempt; the rest stays, and the run has no work left."""
        token, other = self.session(), self.session()
        self.create(owner=token)
        due = self.clock.now_us()
        tasks = [task(4, claimed=True), task(5, claimed=True), task(6)]
        self.one(evolve(first_turn(token, "run-1", tasks=tasks), timers=((3, due),)))
        self.send(b"stale")
        write = ConsumeMessages(
            token=token, run_id="run-1", message_ids=(2,), timers=(3,), finished=((4, 1), (5, 2), (6, 1))
        )
        assert Fenced() == self.one(evolve(write, token=other))
        assert Done() == self.one(write)
        assert ([], []) == (self.store.list_timers("run-1"), self.inbox())
        assert [5, 6] == [found.seq for found in self.store.list_tasks("run-1")]
        assert 1 == self.row().turn
        assert [] == self.claim(token)
