"""The contract of what is done with whole runs: paused, copied, removed."""

from __future__ import annotations

from attrs import evolve

from refold_adapters.contract.base import (
    SECOND,
    START,
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
    ChangeRun,
    Closed,
    Closing,
    Committed,
    CommitTurn,
    ConsumeMessages,
    CopyRun,
    Created,
    DeleteRun,
    Done,
    Exists,
    NotFound,
    Refusal,
    Refused,
    Relay,
    RetryTask,
    RunStatus,
    Stale,
    StoredTurn,
    Unseen,
)
from refold_adapters.ports.writes import DEADLINE

TERMINATED = Closing(status=RunStatus.TERMINATED, event=b"terminated")


def closing(run_id: str, number: int) -> CommitTurn:
    """An administrative turn that closes a run."""
    return evolve(turn(0, run_id, number), closing=TERMINATED)


def pausing(number: int, *, paused: bool = True) -> CommitTurn:
    """An administrative turn that pauses run-1, or lets it go on."""
    return evolve(turn(0, "run-1", number), paused=paused, turn_token=f"admin-{number}")


def copied(run_id: str = "copy") -> CopyRun:
    """The write that creates a copy of the first turn of run-1, of its workflow id."""
    write = evolve(new_run(run_id, "wf-run-1"), message=None)
    return CopyRun(run=write, turns=[StoredTurn(1, 1, b"events of turn 1")], last_event_id=2)


class AdministrationContract(StoreHarness):
    """Pausing, copying and removing."""

    # Pausing ------------------------------------------------------------------------------------------------------

    def test_a_paused_run_is_claimed_for_nothing_but_its_deadline(self) -> None:
        """Whatever it has in its inbox."""
        token = self.session()
        self.create(owner=token)
        timers = ((DEADLINE, START + 9 * SECOND), (3, START + SECOND))
        assert Committed() == self.one(evolve(first_turn(token, "run-1"), timers=timers))
        assert Committed() == self.one(pausing(2))
        accepted_id(self.send(b"hello"))
        self.clock.advance(2 * SECOND)
        assert ([], START + 9 * SECOND) == (self.claimed_ids(token), self.store.next_due_at(("orders",)))
        self.clock.advance(7 * SECOND)
        (ready,) = self.claim(token)
        assert (START, (3, DEADLINE)) == (ready.row.paused_at, tuple(ready.due_timers))
        assert Committed() == self.one(pausing(3, paused=False))
        (ready,) = self.claim(token)
        assert (None, [b"hello"]) == (ready.row.paused_at, [message.data for message in ready.messages])

    def test_the_tasks_of_a_paused_run_are_not_claimed_and_those_that_are_held_stay_held(self) -> None:
        """Also where one of them is to be tried again."""
        token = self.session()
        self.begin(token, tasks=[task(1, claimed=True), task(2)])
        assert Committed() == self.one(pausing(2))
        assert ([], False) == (self.claim_tasks(token), self.store.list_tasks("run-1")[1].paused)
        again = RetryTask(
            token=token, run_id="run-1", seq=1, attempt=1, next_attempt=2, visible_at=0, failure=None
        )
        assert Done() == self.one(again)
        assert [] == self.claim_tasks(token)
        assert Committed() == self.one(pausing(3, paused=False))
        assert [(1, 2), (2, 1)] == sorted((found.seq, found.attempt) for found in self.claim_tasks(token))

    def test_the_only_task_of_a_paused_run_is_not_claimed_for_another_attempt(self) -> None:
        """Held when the run was paused, and given back since."""
        token = self.session()
        self.begin(token, tasks=[task(1, claimed=True)])
        assert Committed() == self.one(pausing(2))
        again = RetryTask(
            token=token, run_id="run-1", seq=1, attempt=1, next_attempt=2, visible_at=0, failure=None
        )
        assert Done() == self.one(again)
        assert [] == self.claim_tasks(token)
        assert Committed() == self.one(pausing(3, paused=False))
        assert [2] == [found.attempt for found in self.claim_tasks(token)]

    def test_a_paused_run_that_is_closed_is_paused_no_more(self) -> None:
        """And its tasks are gone."""
        token = self.session()
        self.begin(token, tasks=[task(1)])
        assert Committed() == self.one(pausing(2))
        assert Committed() == self.one(closing("run-1", 3))
        assert (None, []) == (self.row().paused_at, self.store.list_tasks("run-1"))

    def test_a_run_is_changed_before_its_first_turn_without_being_woken(self) -> None:
        """What says so is heard in the first turn."""
        token = self.session()
        self.one(evolve(new_run(), ready_at=START + 5 * SECOND))
        pause = ChangeRun(run_id="run-1", message=b"pause", request_id="p", paused=True, build_id="b")
        assert Done() == self.one(pause)
        assert (START, "b") == (self.row().paused_at, self.row().build_id)
        self.clock.advance(6 * SECOND)
        assert [] == self.claimed_ids(token)
        assert Done() == self.one(ChangeRun(run_id="run-1", message=b"resume", paused=False, build_id=""))
        (ready,) = self.claim(token)
        assert [b"start", b"pause", b"resume"] == [message.data for message in ready.messages]

    def test_a_start_that_is_delayed_stays_so_when_its_run_was_paused_and_resumed(self) -> None:
        """A message that wakes it does so, as ever."""
        token = self.session()
        self.one(evolve(new_run(), ready_at=START + 5 * SECOND))
        for paused in (True, False):
            assert Done() == self.one(ChangeRun(run_id="run-1", message=b"change", paused=paused))
        assert ([], START + 5 * SECOND) == (self.claimed_ids(token), self.store.next_due_at(("orders",)))
        accepted_id(self.one(AcceptMessage(workflow_id="wf-run-1", data=b"hello", wakes=True)))
        assert ["run-1"] == self.claimed_ids(token)

    def test_a_first_turn_that_is_under_way_when_its_run_is_paused_is_refused(self) -> None:
        """It is made again when the run is resumed."""
        token = self.session()
        self.create(owner=token)
        assert Done() == self.one(ChangeRun(run_id="run-1", message=b"pause", paused=True))
        assert Stale(0) == self.one(first_turn(token, "run-1"))
        end = evolve(closing("run-1", 1), consumed=(1, 2))
        assert Committed() == self.one(end)

    def test_a_run_that_has_had_a_turn_or_is_closed_or_gone_is_not_changed_so(self) -> None:
        """Its history is to say it."""
        token = self.session()
        self.begin(token)
        change = ChangeRun(run_id="run-1", message=b"pause", paused=True)
        assert Stale(1) == self.one(change)
        assert Committed() == self.one(closing("run-1", 2))
        assert Closed("run-1", RunStatus.TERMINATED) == self.one(change)
        assert NotFound() == self.one(evolve(change, run_id="nobody"))

    # Copying ------------------------------------------------------------------------------------------------------

    def test_a_copy_takes_the_place_of_a_run_with_all_that_it_begins_with(self) -> None:
        """The old one is closed in the same commit."""
        token = self.session()
        self.begin(token, tasks=[task(1, claimed=True)])
        write = evolve(
            copied(),
            closes=closing("run-1", 2),
            tasks=[task(1)],
            timers=[(2, START + SECOND)],
            messages=[(b"again", "r-1")],
        )
        assert Created("copy") == self.one(write)
        assert (RunStatus.TERMINATED, RunStatus.RUNNING) == (self.row().status, self.row("copy").status)
        assert (1, 2, [(1, b"again")]) == (
            self.row("copy").turn,
            self.row("copy").last_event_id,
            self.inbox("copy"),
        )
        assert ([(2, START + SECOND)], ["copy"]) == (
            self.store.list_timers("copy"),
            [found.run_id for found in self.claim_tasks(token)],
        )
        assert Exists("copy", RunStatus.RUNNING, same_request=True) == self.one(write)

    def test_a_copy_that_cannot_end_all_that_it_is_to_end_ends_nothing(self) -> None:
        """All or nothing is done."""
        token = self.session()
        self.begin(token)
        self.begin(token, "child")
        self.begin(token, "other")
        accepted_id(self.send(b"unheard", "wf-other"))
        write = evolve(copied(), closes=closing("run-1", 2), ends=[closing("child", 2), closing("other", 2)])
        assert isinstance(self.one(write), Unseen)
        assert [RunStatus.RUNNING] * 3 == [self.row(each).status for each in ("run-1", "child", "other")]
        assert self.store.find_run("", "copy") is None
        assert Created("copy") == self.one(evolve(write, ends=[closing("child", 2)]))
        assert [RunStatus.TERMINATED] * 2 == [self.row(each).status for each in ("run-1", "child")]

    def test_a_copy_is_refused_where_a_run_that_it_waits_for_is_not_open(self) -> None:
        """Nothing is done."""
        token = self.session()
        self.begin(token)
        self.begin(token, "child")
        write = evolve(copied(), closes=closing("run-1", 2), open_runs=["child"])
        assert isinstance(self.one(evolve(write, open_runs=["nobody"])), Stale)
        self.one(closing("child", 2))
        assert isinstance(self.one(write), Stale)
        assert RunStatus.RUNNING is self.row().status

    def test_a_copy_takes_the_answers_to_the_commands_that_it_has(self) -> None:
        """Of a run that is closed, or removed; and to no other command."""
        token = self.session()
        self.begin(token)
        answer = AcceptMessage(workflow_id="wf-run-1", run_id="run-1", data=b"answer", answers=3)
        write = evolve(copied(), closes=closing("run-1", 2), stands_for=[("run-1", 3)])
        assert Created("copy") == self.one(write)
        assert Accepted("copy", 1) == self.one(answer)
        assert Closed("run-1", RunStatus.TERMINATED) == self.one(evolve(answer, answers=4))
        assert Closed("run-1", RunStatus.TERMINATED) == self.one(evolve(answer, answers=None))
        self.one(DeleteRun(run_id="run-1"))
        assert Accepted("copy", 2) == self.one(answer)
        self.one(evolve(closing("copy", 2), consumed=(1, 2)))
        assert NotFound(self.clock.now_us()) == self.one(answer)
        self.one(DeleteRun(run_id="copy"))
        assert NotFound(self.clock.now_us()) == self.one(answer)

    def test_a_copy_asks_others_once_more_and_is_told_what_came_of_it(self) -> None:
        """By the rules of the turn that asked first."""
        token = self.session()
        self.begin(token)
        relay = Relay(
            write=AcceptMessage(workflow_id="nobody", data=b"hello"),
            done=b"delivered",
            failed=b"not delivered",
        )
        write = evolve(copied(), closes=closing("run-1", 2), relays=[relay], messages=[(b"first", "")])
        assert Created("copy") == self.one(write)
        assert [(1, b"first"), (2, b"not delivered")] == self.inbox("copy")

    # Removing -----------------------------------------------------------------------------------------------------

    def test_an_open_run_is_not_removed(self) -> None:
        """It is closed first."""
        token = self.session()
        self.begin(token)
        assert Refused() == self.one(DeleteRun(run_id="run-1"))
        assert NotFound() == self.one(DeleteRun(run_id="nobody"))

    def test_a_removed_run_leaves_nothing_to_the_next_one(self) -> None:
        """Not even why its messages were refused."""
        token = self.session()
        self.begin(token)
        place = accepted_id(self.send(b"update"))
        refused = ConsumeMessages(
            token=token, run_id="run-1", message_ids=(place,), refusals=(Refusal(place, b"no"),)
        )
        assert Done() == self.one(refused)
        self.one(closing("run-1", 2))
        assert Done() == self.one(DeleteRun(run_id="run-1"))
        self.begin(token, "run-2")
        assert None is self.store.find_refusal("run-2", place)
        assert NotFound(self.clock.now_us()) == self.one(DeleteRun(run_id="run-1"))
