"""The contract of what a turn does to other runs: in its own commit, once, and told to the run that asked."""

from __future__ import annotations

from attrs import evolve

from refold_adapters.contract.base import (
    ANOTHER_TRY,
    SECOND,
    StoreHarness,
    accepted_id,
    first_turn,
    new_run,
    turn,
)
from refold_adapters.ports import (
    Accepted,
    AcceptMessage,
    Closing,
    Committed,
    CreateRun,
    DeleteRun,
    Done,
    Exists,
    NextRun,
    NotFound,
    Relay,
    RunStatus,
    Stale,
    Unseen,
)

CONTINUED = Closing(status=RunStatus.CONTINUED_AS_NEW, event=b"continued")


def follower(run_id: str = "run-2", *, first_run_id: str = "run-1", ready_at: int = 0) -> CreateRun:
    """The write that creates the run after run-1."""
    return evolve(
        new_run(run_id, "wf-run-1"), message=b"start again", first_run_id=first_run_id, ready_at=ready_at
    )


class RelayContract(StoreHarness):
    """Children, messages to other runs, and the run that follows."""

    def test_a_child_is_created_with_the_turn_and_its_parent_is_told(self) -> None:
        """The report is the next message of the parent."""
        token = self.session()
        self.create(owner=token)
        child = new_run("child")
        write = evolve(
            first_turn(token, "run-1"), relays=(Relay(write=child, done=b"started", failed=b"not started"),)
        )
        assert Committed() == self.one(write)
        assert [(1, b"start")] == self.inbox("child")
        assert [(2, b"started")] == self.inbox("run-1")
        assert ["run-1", "child"] == sorted(self.claimed_ids(token), reverse=True)

    def test_a_child_that_cannot_be_created_is_told_of_and_the_turn_stands(self) -> None:
        """An open run of the workflow id is in the way."""
        token = self.session()
        self.create(owner=token)
        self.create("other", "wf-child")
        relay = Relay(write=new_run("child"), done=b"started", failed=b"not started")
        assert Committed() == self.one(evolve(first_turn(token, "run-1"), relays=(relay,)))
        assert [(2, b"not started")] == self.inbox("run-1")
        assert self.store.find_run("", "child") is None

    def test_a_message_is_delivered_with_the_turn_and_its_sender_is_told(self) -> None:
        """In order, to runs that are there and to those that are not."""
        token = self.session()
        self.create(owner=token)
        self.create("run-2")
        relays = tuple(
            Relay(
                write=AcceptMessage(workflow_id=to, data=data, request_id=f"run-1/{data!r}"),
                done=b"delivered " + data,
                failed=b"not delivered " + data,
            )
            for to, data in (("wf-run-2", b"a"), ("wf-nobody", b"b"), ("wf-run-2", b"c"))
        )
        assert Committed() == self.one(evolve(first_turn(token, "run-1"), relays=relays))
        assert [b"start", b"a", b"c"] == [data for _, data in self.inbox("run-2")]
        assert [b"delivered a", b"not delivered b", b"delivered c"] == [
            data for _, data in self.inbox("run-1")
        ]

    def test_a_repeated_commit_repeats_no_relay(self) -> None:
        """The reply to the first try was lost."""
        token = self.session()
        self.create(owner=token)
        self.create("run-2")
        relay = Relay(write=AcceptMessage(workflow_id="wf-run-2", data=b"a"), done=b"delivered")
        write = evolve(first_turn(token, "run-1"), relays=(relay,))
        assert [Committed(), Committed()] == [self.one(write), self.one(write)]
        assert [(1, b"start"), (2, b"a")] == self.inbox("run-2")
        assert [(2, b"delivered")] == self.inbox("run-1")

    def test_a_turn_that_is_refused_does_nothing_to_others(self) -> None:
        """Neither where it is stale nor where it has not seen a message."""
        token = self.session()
        self.create(owner=token)
        self.create("run-2")
        relay = Relay(write=AcceptMessage(workflow_id="wf-run-2", data=b"a"), done=b"delivered")
        unseen = evolve(
            turn(token, "run-1", 1), closing=CONTINUED, relays=(relay,), next=NextRun(creation=follower())
        )
        assert isinstance(self.one(unseen), Unseen)
        stale = evolve(turn(token, "run-1", 2), turn_token=ANOTHER_TRY, relays=(relay,))
        assert Stale(0) == self.one(stale)
        assert [(1, b"start")] == self.inbox("run-2")
        assert [(1, b"start")] == self.inbox("run-1")

    def test_a_run_that_its_turn_closes_is_told_nothing(self) -> None:
        """What it asked of others is done all the same."""
        token = self.session()
        self.create(owner=token)
        self.create("run-2")
        relay = Relay(write=AcceptMessage(workflow_id="wf-run-2", data=b"last"), done=b"delivered")
        closing = Closing(status=RunStatus.COMPLETED, event=b"completed")
        assert Committed() == self.one(evolve(first_turn(token, "run-1"), closing=closing, relays=(relay,)))
        assert [(1, b"start"), (2, b"last")] == self.inbox("run-2")
        assert [] == self.inbox("run-1")

    def test_the_run_that_follows_is_created_in_the_commit_that_closes_its_forerunner(self) -> None:
        """With its messages, in order; and it is the one that the workflow id now means."""
        token = self.session()
        self.create(owner=token)
        write = evolve(
            first_turn(token, "run-1"),
            closing=CONTINUED,
            next=NextRun(creation=follower(), messages=(b"a", b"b")),
        )
        assert [Committed(), Committed()] == [self.one(write), self.one(write)]
        assert RunStatus.CONTINUED_AS_NEW is self.row().status
        assert [(1, b"start again"), (2, b"a"), (3, b"b")] == self.inbox("run-2")
        assert 4 == accepted_id(self.send(b"c"))
        found = self.store.find_run("wf-run-1")
        assert found is not None
        assert ("run-2", RunStatus.RUNNING) == (found.run_id, found.status)

    def test_the_run_that_follows_is_due_when_it_says_or_when_it_is_sent_something(self) -> None:
        """What it was created with waits for its time."""
        token = self.session()
        self.create(owner=token)
        following = NextRun(creation=follower(ready_at=self.clock.now_us() + SECOND), messages=(b"a",))
        assert Committed() == self.one(evolve(first_turn(token, "run-1"), closing=CONTINUED, next=following))
        assert [] == self.claim(token)
        assert self.clock.now_us() + SECOND == self.store.next_due_at(["orders"], token)
        self.clock.advance(SECOND)
        assert ["run-2"] == self.claimed_ids(token)

    def test_a_message_for_a_chain_reaches_its_present_run_and_no_run_of_another(self) -> None:
        """A chain is named by its first run."""
        token = self.session()
        self.create(owner=token)
        self.one(evolve(first_turn(token, "run-1"), closing=CONTINUED, next=NextRun(creation=follower())))
        message = AcceptMessage(workflow_id="wf-run-1", data=b"a", first_run_id="run-1")
        assert Accepted("run-2", 2) == self.one(message)
        assert NotFound() == self.one(evolve(message, first_run_id="run-2"))

    def test_a_next_run_whose_run_id_is_taken_refuses_the_turn(self) -> None:
        """By a run or by a tombstone, of whatever workflow id: nothing of the turn is done."""
        token = self.session()
        self.create(owner=token)
        self.create("taken", "another")
        taken = evolve(follower(), run_id="taken")
        end = evolve(
            first_turn(token, "run-1"), closing=CONTINUED, next=NextRun(creation=taken, messages=(b"a",))
        )
        assert Exists("taken", RunStatus.RUNNING) == self.one(end)
        assert Committed() == self.one(evolve(first_turn(0, "taken"), closing=CONTINUED))
        assert Done() == self.one(DeleteRun(run_id="taken"))
        assert Exists("taken", RunStatus.CONTINUED_AS_NEW) == self.one(end)
        assert ([(1, b"start")], 0) == (self.inbox(), self.row().turn)

    def test_a_next_run_stands_beside_whatever_its_workflow_id_has(self) -> None:
        """Also where a start with these conditions would find a run in its way."""
        token = self.session()
        self.one(evolve(new_run(owner=token), request_id="asked"))
        beside = evolve(follower(), request_id="asked", blocked_by=tuple(RunStatus))
        end = evolve(
            first_turn(token, "run-1"), closing=CONTINUED, next=NextRun(creation=beside, messages=(b"a",))
        )
        assert Committed() == self.one(end)
        assert [(1, beside.message), (2, b"a")] == self.inbox("run-2")

    def test_a_first_run_names_its_own_chain(self) -> None:
        """Whether or not another run follows."""
        self.create()
        message = AcceptMessage(workflow_id="wf-run-1", data=b"a", first_run_id="run-1")
        assert Accepted("run-1", 2) == self.one(message)
        assert isinstance(self.one(new_run("run-9", "wf-run-1")), Exists)
