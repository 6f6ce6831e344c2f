"""What the tests of the contract share: a store, a clock that stands still, and short words for writes.

One rule: a test sees a store only through ``ports``.
"""

from __future__ import annotations

from collections.abc import Sequence
from unittest import SkipTest

import attrs

from refold_adapters.clocks import ManualClock
from refold_adapters.ports import (
    Accepted,
    AcceptMessage,
    ClaimedTasks,
    ClaimRuns,
    ClaimTasks,
    Clock,
    CloseSession,
    Committed,
    CommitTurn,
    Created,
    CreateRun,
    Done,
    NewTask,
    Opened,
    OpenSession,
    Outcome,
    ParkRun,
    ReadyRun,
    ReadyRuns,
    RunRow,
    Store,
    TaskRow,
    Write,
)

SECOND = 1_000_000
LEASE = 30 * SECOND
START = 1_700_000_000 * SECOND
QUEUE = "orders"
#: A turn token that ``turn`` gives to no turn.
ANOTHER_TRY = "of another try"


class StoreHarness:
    """A test's surroundings.  ``make_store`` must be defined; ``reopen`` where a store outlives its process."""

    def make_store(self, clock: Clock) -> Store:
        """A new, empty store that goes by this clock."""
        raise NotImplementedError

    def reopen(self, store: Store) -> Store | None:
        """Close the store and open it again at the same place; None if what it held is gone with it."""
        del store
        return None

    def setup_method(self) -> None:
        """Nothing is made before a test asks for it, so that fixtures of a subclass come first."""
        self.clock = ManualClock(START)
        self._store: Store | None = None

    def teardown_method(self) -> None:
        """Close what the test opened."""
        if self._store is not None:
            self._store.close()

    @property
    def store(self) -> Store:
        """The store under test."""
        if self._store is None:
            self._store = self.make_store(self.clock)
        return self._store

    def open_again(self) -> None:
        """Close the store and open it again, or skip the test."""
        self._store = self.reopen(self.store)
        if self._store is None:
            raise SkipTest("this store does not outlive its process")

    def one(self, write: Write) -> Outcome:
        """Apply one write."""
        (outcome,) = self.store.apply([write])
        return outcome

    def session(self, identity: str = "worker", lease_us: int = LEASE) -> int:
        """Open a session; returns its token."""
        outcome = self.one(OpenSession(identity=identity, process=f"host/1/{identity}", lease_us=lease_us))
        assert isinstance(outcome, Opened)
        return outcome.token

    def create(
        self,
        run_id: str = "run-1",
        workflow_id: str | None = None,
        *,
        task_queue: str = QUEUE,
        owner: int = 0,
    ) -> str:
        """Create a run; returns its id."""
        write = new_run(run_id, workflow_id, task_queue=task_queue, owner=owner)
        assert Created(run_id) == self.one(write)
        return run_id

    def begin(self, token: int, run_id: str = "run-1", tasks: Sequence[NewTask] = ()) -> str:
        """Create a run that the session owns and that has had its first turn, so that it has no work; returns its id."""
        self.create(run_id, owner=token)
        assert Committed() == self.one(first_turn(token, run_id, tasks=tasks))
        return run_id

    def send(self, data: bytes, workflow_id: str = "wf-run-1", request_id: str = "") -> Outcome:
        """Send a message."""
        return self.one(AcceptMessage(workflow_id=workflow_id, data=data, request_id=request_id))

    def claim(
        self, token: int, limit: int = 100, queues: Sequence[str] = (QUEUE,), exclude: Sequence[str] = ()
    ) -> Sequence[ReadyRun]:
        """Claim runs."""
        outcome = self.one(ClaimRuns(token=token, task_queues=queues, limit=limit, exclude=exclude))
        assert isinstance(outcome, ReadyRuns)
        return outcome.runs

    def claimed_ids(self, token: int, limit: int = 100, queues: Sequence[str] = (QUEUE,)) -> list[str]:
        """Claim runs; returns their ids."""
        return [ready.row.run_id for ready in self.claim(token, limit, queues)]

    def claim_tasks(
        self,
        token: int,
        limit: int = 100,
        types: Sequence[str] | None = None,
        queues: Sequence[str] = (QUEUE,),
    ) -> Sequence[TaskRow]:
        """Claim tasks."""
        outcome = self.one(ClaimTasks(token=token, task_queues=queues, activity_types=types, limit=limit))
        assert isinstance(outcome, ClaimedTasks)
        return outcome.tasks

    def park(self, token: int, run_id: str = "run-1", reason: bytes = b"why") -> None:
        """Park a run that the session owns."""
        assert Done() == self.one(ParkRun(token=token, run_id=run_id, reason=reason))

    def close_session(self, token: int, *, graceful: bool = False) -> None:
        """End a session."""
        assert Done() == self.one(CloseSession(token=token, graceful=graceful))

    def row(self, run_id: str = "run-1") -> RunRow:
        """The row of a run that is there."""
        row = self.store.find_run("", run_id)
        assert row is not None
        return row

    def inbox(self, run_id: str = "run-1") -> list[tuple[int, bytes]]:
        """The inbox of a run, as pairs."""
        return [(message.message_id, message.data) for message in self.store.list_inbox(run_id)]

    def advance_past_the_lease(self) -> None:
        """Let every lease run out."""
        self.clock.advance(LEASE + 1)


def new_run(
    run_id: str = "run-1", workflow_id: str | None = None, *, task_queue: str = QUEUE, owner: int = 0
) -> CreateRun:
    """The write that creates a run of workflow id ``wf-`` and the run id."""
    return CreateRun(
        run_id=run_id,
        workflow_id=f"wf-{run_id}" if workflow_id is None else workflow_id,
        workflow_type="process_order",
        task_queue=task_queue,
        message=b"start",
        owner=owner,
    )


def turn(token: int, run_id: str, number: int) -> CommitTurn:
    """A turn of two events that does nothing else; what it does is added with ``attrs.evolve``."""
    return CommitTurn(
        token=token,
        run_id=run_id,
        turn=number,
        turn_token=f"turn-token-{number}",
        first_event_id=2 * number - 1,
        event_count=2,
        data=b"events of turn %d" % number,
    )


def first_turn(token: int, run_id: str, tasks: Sequence[NewTask] = ()) -> CommitTurn:
    """The first turn, which takes the message that the run was created with."""
    return attrs.evolve(turn(token, run_id, 1), consumed=(1,), tasks=tasks)


def task(
    seq: int, activity_type: str = "charge", *, task_queue: str = QUEUE, claimed: bool = False
) -> NewTask:
    """A task to be created by a turn."""
    data = b"scheduled %d" % seq
    return NewTask(seq=seq, activity_type=activity_type, task_queue=task_queue, data=data, claimed=claimed)


def accepted_id(outcome: Outcome) -> int:
    """The id of a message that was accepted."""
    assert isinstance(outcome, Accepted)
    assert outcome.message_id is not None
    return outcome.message_id
