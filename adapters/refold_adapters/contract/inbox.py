"""The contract of messages: accepted is never lost, in order, and refused where nobody could hear it."""

from __future__ import annotations

from attrs import evolve

from refold_adapters.contract.base import StoreHarness, accepted_id, first_turn, new_run, turn
from refold_adapters.contract.turns import COMPLETED
from refold_adapters.ports import (
    Accepted,
    AcceptMessage,
    Closed,
    Committed,
    ConsumeMessages,
    Created,
    Done,
    NotFound,
    Refusal,
    RunStatus,
)
from refold_adapters.ports.writes import REFUSALS_KEPT


class InboxContract(StoreHarness):
    """Messages."""

    def test_messages_are_numbered_in_order_of_acceptance(self) -> None:
        """From 1, which the start has, without gaps."""
        self.create()
        sent = [self.send(b"%d" % number) for number in range(5)]
        assert [Accepted("run-1", number) for number in range(2, 7)] == sent
        assert [(1, b"start"), (2, b"0"), (3, b"1"), (4, b"2"), (5, b"3"), (6, b"4")] == self.inbox()

    def test_a_message_id_is_never_given_twice(self) -> None:
        """Also when the inbox has been emptied."""
        token = self.session()
        self.begin(token)
        first = accepted_id(self.send(b"a"))
        assert Committed() == self.one(evolve(turn(token, "run-1", 2), consumed=(first,)))
        assert first + 1 == accepted_id(self.send(b"b"))

    def test_every_run_numbers_its_own_messages(self) -> None:
        """Two runs do not share an inbox."""
        self.create("run-1")
        self.create("run-2")
        self.send(b"a", "wf-run-1")
        self.send(b"b", "wf-run-2")
        assert [(1, b"start"), (2, b"a")] == self.inbox("run-1")
        assert [(1, b"start"), (2, b"b")] == self.inbox("run-2")

    def test_consuming_a_message_that_is_gone_does_nothing(self) -> None:
        """It was consumed before."""
        token = self.session()
        self.begin(token)
        assert Committed() == self.one(evolve(turn(token, "run-1", 2), consumed=(1, 77)))

    def test_a_request_that_the_inbox_holds_is_accepted_without_effect(self) -> None:
        """The caller did not hear the first reply."""
        self.create()
        assert Accepted("run-1", 2) == self.send(b"pay", request_id="r1")
        assert Accepted("run-1", None) == self.send(b"pay", request_id="r1")
        assert Accepted("run-1", 3) == self.send(b"pay", request_id="r2")
        assert [(1, b"start"), (2, b"pay"), (3, b"pay")] == self.inbox()

    def test_messages_without_a_request_id_are_all_different(self) -> None:
        """Two equal signals are two signals."""
        self.create()
        assert Accepted("run-1", 2) == self.send(b"pay")
        assert Accepted("run-1", 3) == self.send(b"pay")

    def test_request_ids_belong_to_a_run(self) -> None:
        """Another run may be sent the same one."""
        self.create("run-1")
        self.create("run-2")
        assert Accepted("run-1", 2) == self.send(b"pay", "wf-run-1", request_id="r1")
        assert Accepted("run-2", 2) == self.send(b"pay", "wf-run-2", request_id="r1")
        assert Accepted("run-2", 3) == self.send(b"pay", "wf-run-2", request_id="r2")
        assert Accepted("run-1", 3) == self.send(b"pay", "wf-run-1", request_id="r2")

    def test_the_request_id_of_the_start_is_none_of_the_inbox(self) -> None:
        """A signal may come with the request that started the run."""
        self.one(evolve(new_run(), request_id="r1"))
        assert Accepted("run-1", 2) == self.send(b"pay", request_id="r1")

    def test_a_message_to_nobody_is_not_found(self) -> None:
        """By workflow id, by run id, or where the two do not belong together."""
        self.create("run-1")
        self.create("run-2")
        assert NotFound() == self.send(b"pay", workflow_id="nobody")
        assert NotFound() == self.one(AcceptMessage(workflow_id="wf-run-1", run_id="nobody", data=b"pay"))
        assert NotFound() == self.one(AcceptMessage(workflow_id="wf-run-1", run_id="run-2", data=b"pay"))

    def test_a_message_to_a_closed_run_says_so(self) -> None:
        """With the run and how it ended; and it is not kept."""
        token = self.session()
        self.create(owner=token)
        self.one(evolve(first_turn(token, "run-1"), closing=COMPLETED))
        assert Closed("run-1", RunStatus.COMPLETED) == self.send(b"pay")
        assert Closed("run-1", RunStatus.COMPLETED) == self.one(
            AcceptMessage(workflow_id="wf-run-1", run_id="run-1", data=b"pay")
        )
        assert [] == self.inbox()

    def test_a_workflow_id_stands_for_its_latest_run(self) -> None:
        """A run id for that run, though it is closed."""
        token = self.session()
        self.create("run-1", "order", owner=token)
        self.one(evolve(first_turn(token, "run-1"), closing=COMPLETED))
        assert Created("run-2") == self.one(new_run("run-2", "order"))
        assert Accepted("run-2", 2) == self.send(b"pay", "order")
        to_first = AcceptMessage(workflow_id="order", run_id="run-1", data=b"pay")
        assert Closed("run-1", RunStatus.COMPLETED) == self.one(to_first)
        assert Accepted("run-2", 3) == self.one(evolve(to_first, run_id="run-2"))

    def test_a_run_id_alone_is_enough(self) -> None:
        """With an empty workflow id."""
        self.create()
        assert Accepted("run-1", 2) == self.one(AcceptMessage(workflow_id="", run_id="run-1", data=b"pay"))

    def test_a_refusal_is_kept_for_the_sender_also_when_the_run_is_closed(self) -> None:
        """Under the id of its message, which is off the inbox; and for no other."""
        token = self.session()
        self.begin(token)
        place = accepted_id(self.send(b"update"))
        refused = ConsumeMessages(
            token=token, run_id="run-1", message_ids=(place,), refusals=(Refusal(place, b"no"),)
        )
        assert Done() == self.one(refused)
        assert ([], b"no", None) == (
            self.inbox(),
            self.store.find_refusal("run-1", place),
            self.store.find_refusal("run-1", place + 1),
        )
        self.one(evolve(turn(token, "run-1", 2), closing=COMPLETED))
        assert (b"no", None) == (
            self.store.find_refusal("run-1", place),
            self.store.find_refusal("nobody", place),
        )

    def test_old_refusals_make_room(self) -> None:
        """Those of the last so many message ids are kept."""
        token = self.session()
        self.begin(token)
        for place in (2, 3, 3 + REFUSALS_KEPT):
            write = ConsumeMessages(
                token=token, run_id="run-1", message_ids=(), refusals=(Refusal(place, b"%d" % place),)
            )
            assert Done() == self.one(write)
        kept = [self.store.find_refusal("run-1", place) for place in (2, 3, 3 + REFUSALS_KEPT)]
        assert [None, None, b"%d" % (3 + REFUSALS_KEPT)] == kept

    def test_messages_of_any_bytes_are_read_as_written(self) -> None:
        """Every byte value, and none at all."""
        self.create()
        self.send(bytes(range(256)))
        self.send(b"")
        assert [(1, b"start"), (2, bytes(range(256))), (3, b"")] == self.inbox()
