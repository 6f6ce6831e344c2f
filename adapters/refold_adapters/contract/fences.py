"""The contract of fences: whoever lost a session, a run, a task or a turn writes nothing, and hurts nobody who shares the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
    AcceptMessage,
    CancelTask,
    ClaimRuns,
    ClaimTasks,
    CloseSession,
    Closing,
    Committed,
    CommitTurn,
    ConsumeMessages,
    CopyRun,
    Created,
    CreateRun,
    DetachTask,
    Done,
    Exists,
    Fenced,
    FinishTask,
    Gone,
    Heartbeat,
    NextRun,
    Outcome,
    ParkRun,
    Properties,
    Refusal,
    Relay,
    ReleaseRuns,
    RenewSession,
    RetryTask,
    RunFilter,
    RunStatus,
    Stale,
    StoredTurn,
    Unseen,
    Write,
)
from refold_adapters.ports.conditions import Term, TermKind

END = Closing(status=RunStatus.COMPLETED, event=b"end")


class FenceContract(StoreHarness):
    """Fences."""

    def everything(self) -> list[Any]:
        """All that readers can see of all runs."""
        rows = self.store.list_runs(RunFilter(limit=1000))
        reads = (self.store.read_turns, self.store.list_tasks, self.store.list_timers, self.store.list_inbox)
        return [rows, [[read(row.run_id) for read in reads] for row in rows], self.store.list_sessions()]

    def assert_nothing_done(self, write: Write, expected: Outcome) -> None:
        """It is answered so, changes nothing that can be seen, wakes nobody, and leaves what shares its batch alone.

        A copy may wake somebody in vain: a store may find out what it must not do by trying it, and take that back.
        """
        before = self.everything()
        calls: list[None] = []
        leave = self.store.subscribe(lambda: calls.append(None))
        assert expected == self.one(write)
        assert before == self.everything()
        assert [] == calls or isinstance(write, CopyRun)
        leave()
        number = len(before[0])
        batch = [new_run(f"before-{number}"), write, new_run(f"after-{number}")]
        created = [Created(f"before-{number}"), expected, Created(f"after-{number}")]
        assert created == self.store.apply(batch)
        mine = {row.run_id for row in before[0]}
        rows, _, sessions = self.everything()
        assert before[0] == [row for row in rows if row.run_id in mine]
        assert before[2] == sessions

    def full_turn(self, token: int) -> CommitTurn:
        """The second turn of run-1, with all that a turn can say."""
        return evolve(
            turn(token, "run-1", 2),
            consumed=(2,),
            finished=((1, 1),),
            dropped_tasks=(2,),
            tasks=(task(5), task(6, claimed=True)),
            cancel_tasks=(CancelTask(seq=3, report=b"cancelled"),),
            timers=((7, self.clock.now_us()),),
            removed_timers=(8,),
            properties=Properties(memo=b"memo", terms=(Term("x", TermKind.TEXT, "v"),)),
            paused=True,
            build_id="b1",
            relays=(
                Relay(write=new_run("child"), done=b"started", failed=b"not started"),
                Relay(write=AcceptMessage(workflow_id="wf-run-2", data=b"hello"), done=b"delivered"),
            ),
        )

    def closing_turn(self, token: int) -> CommitTurn:
        """The second turn of run-1, which closes it and names the run that follows."""
        following = NextRun(creation=new_run("next", "wf-run-1"), messages=(b"a",))
        return evolve(turn(token, "run-1", 2), consumed=(2,), closing=END, next=following, finished=((1, 1),))

    def make_two(self) -> int:
        """Two runs of a session, the first with three tasks, a timer and a message."""
        token = self.session()
        self.begin(token, "run-2")
        self.create(owner=token)
        write = evolve(
            first_turn(token, "run-1", tasks=[task(1, claimed=True), task(2, claimed=True), task(3)]),
            timers=((8, self.clock.now_us() + SECOND),),
        )
        assert Committed() == self.one(write)
        assert 2 == accepted_id(self.send(b"hello"))
        return token

    def writes_of(self, token: int) -> Sequence[Write]:
        """One of each write that names a session."""
        attempt: dict[str, Any] = {"token": token, "run_id": "run-1", "seq": 1, "attempt": 1}
        return (
            RenewSession(token=token, lease_us=LEASE),
            CloseSession(token=token),
            CloseSession(token=token, graceful=True),
            evolve(new_run("run-9"), owner=token),
            self.full_turn(token),
            self.closing_turn(token),
            ConsumeMessages(
                token=token,
                run_id="run-1",
                message_ids=(2,),
                timers=(8,),
                new_timers=((8, 1),),
                finished=((1, 1),),
                refusals=(Refusal(2, b"no"),),
            ),
            ClaimRuns(token=token, task_queues=(QUEUE,), limit=10),
            ClaimTasks(token=token, task_queues=(QUEUE,), activity_types=None, limit=10),
            RetryTask(next_attempt=2, visible_at=0, failure=b"why", heartbeat=b"half", **attempt),
            FinishTask(message=b"done", **attempt),
            Heartbeat(details=b"half", **attempt),
            DetachTask(check=9, check_at=1, **attempt),
            ParkRun(token=token, run_id="run-1", reason=b"why", kind="bug", line="a:1"),
            ReleaseRuns(token=token, run_ids=("run-1",)),
        )

    def test_every_write_of_a_session_that_ended_is_refused_whole(self) -> None:
        """Each alone and amid a batch: what was before it and after it is done."""
        token = self.make_two()
        self.close_session(token)
        for write in self.writes_of(token):
            self.assert_nothing_done(write, Fenced())
        assert None is self.store.find_refusal("run-1", 2)

    def test_every_write_of_a_session_that_never_was_is_refused_whole(self) -> None:
        """A token is not guessed."""
        token = self.make_two()
        for write in self.writes_of(token + 1):
            self.assert_nothing_done(write, Fenced())

    def test_every_write_of_a_session_that_was_expelled_is_refused_whole(self) -> None:
        """Its runs belong to the one that expelled it."""
        token = self.make_two()
        self.advance_past_the_lease()
        other = self.session("other", lease_us=1000 * LEASE)
        assert ["run-1"] == self.claimed_ids(other)
        assert [1, 2, 3] == sorted(found.seq for found in self.claim_tasks(other))
        for write in self.writes_of(token):
            self.assert_nothing_done(write, Fenced())

    def test_a_session_writes_to_no_run_of_another(self) -> None:
        """A living one that does not own it."""
        self.make_two()
        other = self.session("other")
        for write in (self.full_turn(other), self.closing_turn(other)):
            self.assert_nothing_done(write, Fenced())
        self.assert_nothing_done(ConsumeMessages(token=other, run_id="run-1", message_ids=(2,)), Fenced())
        self.assert_nothing_done(ParkRun(token=other, run_id="run-1", reason=b"why"), Fenced())
        self.assert_nothing_done(ReleaseRuns(token=other, run_ids=("run-1", "run-2")), Done())

    def test_a_session_writes_to_no_task_of_another(self) -> None:
        """Nor to one of its own in another attempt, nor to one that is not there."""
        token = self.make_two()
        other = self.session("other")
        for holder, seq, attempt in ((other, 1, 1), (token, 1, 2), (token, 3, 1), (token, 4, 1)):
            of: dict[str, Any] = {"token": holder, "run_id": "run-1", "seq": seq, "attempt": attempt}
            for write in (
                RetryTask(next_attempt=3, visible_at=0, failure=None, **of),
                FinishTask(message=b"done", **of),
                Heartbeat(details=b"half", **of),
                DetachTask(check=9, check_at=1, **of),
            ):
                self.assert_nothing_done(write, Gone())

    def test_somebody_outside_needs_the_present_attempt_too(self) -> None:
        """Token 0 names no session, and yet not every attempt."""
        self.make_two()
        of: dict[str, Any] = {"token": 0, "run_id": "run-1", "seq": 1, "attempt": 2}
        for write in (
            RetryTask(next_attempt=3, visible_at=0, failure=None, **of),
            FinishTask(message=b"done", **of),
            Heartbeat(details=b"half", **of),
            DetachTask(check=9, check_at=1, **of),
        ):
            self.assert_nothing_done(write, Gone())

    def test_token_0_owns_no_run(self) -> None:
        """Also none that nobody owns."""
        token = self.make_two()
        assert Done() == self.one(ReleaseRuns(token=token, run_ids=("run-1",)))
        self.assert_nothing_done(ConsumeMessages(token=0, run_id="run-1", message_ids=(2,)), Fenced())
        self.assert_nothing_done(ParkRun(token=0, run_id="run-1", reason=b"why"), Fenced())
        self.assert_nothing_done(ClaimRuns(token=0, task_queues=(QUEUE,), limit=10), Fenced())
        self.assert_nothing_done(
            ClaimTasks(token=0, task_queues=(QUEUE,), activity_types=None, limit=10), Fenced()
        )
        self.assert_nothing_done(ReleaseRuns(token=0, run_ids=("run-1",)), Fenced())
        self.assert_nothing_done(CloseSession(token=0), Fenced())

    def test_a_turn_out_of_order_leaves_nothing_behind(self) -> None:
        """Neither one that is too early nor one of another try of the last."""
        token = self.make_two()
        write = self.full_turn(token)
        self.assert_nothing_done(evolve(write, turn=3), Stale(1))
        self.assert_nothing_done(evolve(write, turn=1, turn_token=ANOTHER_TRY), Stale(1))
        self.assert_nothing_done(evolve(self.closing_turn(token), turn=3), Stale(1))

    def test_a_repeated_turn_leaves_nothing_behind(self) -> None:
        """It is told that it is committed, and does nothing of what it says a second time."""
        token = self.make_two()
        again = evolve(self.full_turn(token), turn=1, turn_token=turn(token, "run-1", 1).turn_token)
        self.assert_nothing_done(again, Committed())

    def test_a_turn_with_a_task_that_is_gone_leaves_nothing_behind(self) -> None:
        """Also where its other tasks are held."""
        token = self.make_two()
        write = self.full_turn(token)
        for finished in (((1, 2),), ((1, 1), (2, 2)), ((3, 1), (1, 1)), ((4, 1),)):
            self.assert_nothing_done(evolve(write, finished=finished), Gone())

    def test_a_turn_that_has_not_seen_all_messages_leaves_nothing_behind(self) -> None:
        """And is told which."""
        token = self.make_two()
        outcome = self.one(evolve(self.closing_turn(token), consumed=()))
        assert isinstance(outcome, Unseen)
        assert [(2, b"hello")] == [(message.message_id, message.data) for message in outcome.messages]
        self.assert_nothing_done(evolve(self.closing_turn(token), consumed=()), outcome)

    def test_of_many_turns_in_a_batch_each_stands_alone(self) -> None:
        """One that is refused takes none of the others with it, and a later one sees what the earlier did."""
        token = self.session()
        for number in range(20):
            self.begin(token, f"run-{number}", tasks=[task(1, claimed=True)])
        batch: list[Write] = []
        expected: list[Outcome] = []
        for number in range(20):
            finished = ((1, 2 if number % 4 == 1 else 1),)
            held = number % 4 != 2
            mine = token if held else token + 1
            batch.append(evolve(turn(mine, f"run-{number}", 2), finished=finished))
            expected.append((Committed(), Gone(), Fenced(), Committed())[number % 4])
            batch.append(turn(token, f"run-{number}", 3))
            expected.append(Committed() if number % 4 in (0, 3) else Stale(1))
        assert expected == self.store.apply(batch)
        for number in range(20):
            assert (3 if number % 4 in (0, 3) else 1) == self.row(f"run-{number}").turn

    def test_a_session_that_ends_amid_a_batch_is_fenced_in_the_rest_of_it(self) -> None:
        """And one that begins is at work in it."""
        token = self.make_two()
        batch: list[Write] = [
            turn(token, "run-1", 2),
            CloseSession(token=token),
            turn(token, "run-1", 3),
            turn(0, "run-1", 3),
        ]
        assert [Committed(), Done(), Fenced(), Committed()] == self.store.apply(batch)

    def test_a_copy_that_is_refused_leaves_nothing_behind(self) -> None:
        """Whatever refuses it: the way is blocked, or one of those that it ends cannot be ended so."""
        token = self.make_two()
        creation: CreateRun = evolve(new_run("copy", "wf-run-1"), message=None)
        closes = evolve(turn(0, "run-1", 2), consumed=(2,), closing=END)
        end = evolve(turn(0, "run-2", 2), closing=END)
        write = CopyRun(
            run=creation,
            turns=[StoredTurn(1, 1, b"events")],
            last_event_id=1,
            tasks=[task(1)],
            timers=[(2, 1)],
            messages=[(b"again", "")],
            closes=closes,
            ends=[end],
            stands_for=[("run-1", 5)],
            relays=[Relay(write=AcceptMessage(workflow_id="wf-run-2", data=b"hello"))],
        )
        self.assert_nothing_done(evolve(write, closes=None), Exists("run-1", RunStatus.RUNNING))
        self.assert_nothing_done(evolve(write, closes=evolve(closes, turn=3)), Stale(1))
        self.assert_nothing_done(evolve(write, ends=[evolve(end, turn=3)]), Stale(1))
        self.assert_nothing_done(evolve(write, ends=[end, evolve(end, token=token + 1)]), Fenced())
        assert Created("copy") == self.one(write)
