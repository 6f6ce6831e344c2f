"""The contract of writes that are done once: a repeated request changes nothing, and is told what the first one was."""

from __future__ import annotations

from attrs import evolve

from refold_adapters.contract.administration import closing
from refold_adapters.contract.base import SECOND, StoreHarness, task
from refold_adapters.ports import (
    ChangeTask,
    Committed,
    DeleteRun,
    Done,
    ExpireRuns,
    FinishTask,
    Gone,
    NotFound,
    Once,
    Refused,
    Repeated,
    RunStatus,
)


class OnceContract(StoreHarness):
    """Requests that may come again."""

    def begin_paused(self) -> Once:
        """A run with an activity, and a request that pauses it."""
        self.begin(self.session(), tasks=[task(1)])
        return Once(request="r", write=ChangeTask(run_id="run-1", seq=1, paused=True), answer=b"first")

    def test_a_repeated_request_changes_nothing_and_gives_the_first_answer(self) -> None:
        """Whatever it asks for the second time."""
        write = self.begin_paused()
        assert Done() == self.one(write)
        self.one(ChangeTask(run_id="run-1", seq=1, paused=False))
        assert Repeated(b"first") == self.one(evolve(write, answer=b"second"))
        assert (False, b"first") == (self.store.list_tasks("run-1")[0].paused, self.store.find_answer("r"))

    def test_another_request_is_another(self) -> None:
        """Names are compared whole."""
        write = self.begin_paused()
        assert Done() == self.one(write)
        assert [Done()] * 2 == [self.one(evolve(write, request=name)) for name in ("R", "r ")]
        assert None is self.store.find_answer("another")

    def test_a_request_that_was_refused_is_not_noted(self) -> None:
        """So it may be carried out later."""
        token = self.session()
        self.begin(token)
        write = Once(request="r", write=DeleteRun(run_id="run-1"))
        assert (Refused(), None) == (self.one(write), self.store.find_answer("r"))
        self.one(closing("run-1", 2))
        assert Done() == self.one(write)
        assert [Repeated(b""), NotFound(self.clock.now_us())] == [
            self.one(write),
            self.one(DeleteRun(run_id="run-1")),
        ]

    def test_the_first_of_two_in_one_batch_is_carried_out(self) -> None:
        """In order, as every batch."""
        token = self.session()
        self.begin(token, tasks=[task(1, claimed=True)])
        finish = FinishTask(token=0, run_id="run-1", seq=1, attempt=1, message=b"outcome")
        once = Once(request="r", write=finish)
        assert [Done(), Repeated(b""), Gone()] == self.store.apply([once, once, finish])
        assert [b"outcome"] == [data for _, data in self.inbox("run-1")]

    def test_a_turn_is_appended_once(self) -> None:
        """Though its run has moved on since."""
        self.begin(self.session())
        once = Once(request="r", write=closing("run-1", 2))
        assert [Committed(), Repeated(b"")] == [self.one(once), self.one(once)]
        assert RunStatus.TERMINATED is self.row().status

    def test_a_request_for_nothing_is_noted_alone(self) -> None:
        """It says that there was nothing to do."""
        nothing = Once(request="r", write=None, answer=b"nothing")
        assert [Done(), Repeated(b"nothing")] == [self.one(nothing), self.one(nothing)]

    def test_requests_are_forgotten_with_tombstones(self) -> None:
        """When they are old enough."""
        nothing = Once(request="r", write=None)
        self.one(nothing)
        noted_at = self.clock.now_us()
        self.clock.advance(SECOND)
        self.one(ExpireRuns(closed_until=0, forget_until=noted_at - 1, limit=1))
        assert Repeated(b"") == self.one(nothing)
        self.one(ExpireRuns(closed_until=0, forget_until=noted_at, limit=1))
        assert Done() == self.one(nothing)
