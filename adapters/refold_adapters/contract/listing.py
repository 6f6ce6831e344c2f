"""The contract of lists: complete, in order, page by page, and true to every id."""

from __future__ import annotations

from attrs import evolve

from refold_adapters.contract.base import SECOND, StoreHarness, first_turn, new_run, task, turn
from refold_adapters.ports import (
    Accepted,
    AcceptMessage,
    Closing,
    Committed,
    Created,
    CreateRun,
    RunFilter,
    RunStatus,
)

#: Ids that have broken programs: SQL, wildcards, escapes, other scripts, combining and directional characters, length.
HOSTILE_IDS = (
    "'; DROP TABLE runs; --",
    '"quoted"',
    "100%",
    "a_c",
    "abc",
    "%",
    "_",
    "back\\slash",
    "\\%",
    "[a-z]*?",
    "../../etc/passwd",
    "null",
    "0",
    " leading and trailing ",
    "ABC",
    "stra\u00dfe",
    "strasse",
    "\u05d0\u05d1\u05d2 \u202eright to left\u202c",
    "e\u0301",
    "\u00e9",
    "\U0001f680",
    "\uffff",
    "x" * 1024,
    "x" * 1023 + "y",
    "{0} {} %s %(name)s $1 ?",
)


class ListingContract(StoreHarness):
    """Lists."""

    def listed(self, filter: RunFilter) -> list[str]:
        """The ids of the runs that match; their number is counted too."""
        rows = self.store.list_runs(filter)
        if filter.before is None and len(rows) < filter.limit:
            assert len(rows) == self.store.count_runs(filter)
        return [row.run_id for row in rows]

    def make_some(self) -> None:
        """Six runs of two types and queues, in several states, one second apart."""
        token = self.session()
        for number, (workflow_type, queue) in enumerate(
            (kind, q) for kind in ("order", "refund") for q in "abc"
        ):
            self.clock.advance(SECOND)
            write = CreateRun(
                run_id=f"run-{number}",
                workflow_id=f"wf-{number % 4}" if number < 4 else f"wf-{number}",
                workflow_type=workflow_type,
                task_queue=queue,
                message=b"start",
                owner=token,
            )
            assert Created(f"run-{number}") == self.one(write)
        for run_id, status in (("run-1", RunStatus.COMPLETED), ("run-4", RunStatus.FAILED)):
            closing = Closing(status=status, event=b"end")
            assert Committed() == self.one(evolve(first_turn(token, run_id), closing=closing))
        self.park(token, "run-2")

    def test_runs_are_listed_newest_first(self) -> None:
        self.make_some()
        assert [f"run-{number}" for number in (5, 4, 3, 2, 1, 0)] == self.listed(RunFilter())

    def test_runs_of_one_moment_are_ordered_by_id(self) -> None:
        for run_id in ("b", "c", "a"):
            self.create(run_id)
        assert ["c", "b", "a"] == self.listed(RunFilter())

    def test_runs_are_filtered_by_type_queue_status_and_parking(self) -> None:
        self.make_some()
        assert ["run-2", "run-1", "run-0"] == self.listed(RunFilter(workflow_type="order"))
        assert ["run-3", "run-0"] == self.listed(RunFilter(task_queue="a"))
        assert ["run-5", "run-3", "run-2", "run-0"] == self.listed(RunFilter(statuses=(RunStatus.RUNNING,)))
        ended = (RunStatus.COMPLETED, RunStatus.FAILED)
        assert ["run-4", "run-1"] == self.listed(RunFilter(statuses=ended))
        assert ["run-5", "run-4"] == self.listed(RunFilter(statuses=(*ended, RunStatus.RUNNING), limit=2))
        assert [] == self.listed(RunFilter(statuses=()))
        assert ["run-2"] == self.listed(RunFilter(parked=True))
        assert ["run-5", "run-4", "run-3", "run-1", "run-0"] == self.listed(RunFilter(parked=False))
        assert ["run-5", "run-3", "run-0"] == self.listed(
            RunFilter(parked=False, statuses=(RunStatus.RUNNING,))
        )

    def test_all_conditions_of_a_filter_must_hold(self) -> None:
        self.make_some()
        both = RunFilter(
            workflow_type="refund", task_queue="b", statuses=(RunStatus.FAILED,), workflow_id="wf-4"
        )
        assert ["run-4"] == self.listed(both)
        assert [] == self.listed(evolve(both, task_queue="a"))
        assert [] == self.listed(evolve(both, parked=True))

    def test_runs_of_a_workflow_id_are_listed_newest_first(self) -> None:
        for number in range(3):
            self.clock.advance(SECOND)
            self.create(f"run-{number}", "order")
            self.one(
                evolve(first_turn(0, f"run-{number}"), closing=Closing(status=RunStatus.COMPLETED, event=b""))
            )
        self.create("run-9", "order2")
        assert ["run-2", "run-1", "run-0"] == self.listed(RunFilter(workflow_id="order"))

    def test_pages_join_without_gap_or_overlap(self) -> None:
        """Also where many runs started at once."""
        for number in range(23):
            self.create(f"run-{number:02}")
            if number % 5 == 4:
                self.clock.advance(SECOND)
        everything = self.listed(RunFilter())
        pages: list[str] = []
        before = None
        while rows := self.store.list_runs(RunFilter(limit=4, before=before)):
            pages += [row.run_id for row in rows]
            before = (rows[-1].started_at, rows[-1].run_id)
        assert 23 == len(set(everything))
        assert everything == pages

    def test_pages_do_not_shift_when_new_runs_start(self) -> None:
        """What comes in front was not asked for."""
        for number in range(4):
            self.create(f"run-{number}")
            self.clock.advance(SECOND)
        first = self.store.list_runs(RunFilter(limit=2))
        self.create("run-9")
        rest = self.listed(RunFilter(limit=9, before=(first[-1].started_at, first[-1].run_id)))
        assert ["run-1", "run-0"] == rest

    def test_counting_knows_no_limit_and_no_page(self) -> None:
        self.make_some()
        assert 6 == self.store.count_runs(RunFilter(limit=2, before=(0, "")))
        assert [] == self.store.list_runs(RunFilter(limit=0))

    def test_hostile_ids_are_ids_like_any_other(self) -> None:
        """Each finds its own run and no other, in every question and every write."""
        token = self.session()
        for hostile in HOSTILE_IDS:
            write = CreateRun(
                run_id=f"run {hostile}",
                workflow_id=hostile,
                workflow_type=f"type {hostile}",
                task_queue=f"queue {hostile}",
                message=b"start",
                request_id=f"request {hostile}",
                owner=token,
            )
            assert Created(f"run {hostile}") == self.one(write)
        for hostile in HOSTILE_IDS:
            run_id = f"run {hostile}"
            for condition in (
                RunFilter(workflow_id=hostile),
                RunFilter(workflow_type=f"type {hostile}"),
                RunFilter(task_queue=f"queue {hostile}"),
            ):
                assert [run_id] == self.listed(condition)
            twin = evolve(new_run("run-9", hostile), request_id=f"request {hostile}")
            assert not isinstance(self.one(twin), Created)
            message = AcceptMessage(workflow_id=hostile, data=b"m", request_id=f"request {hostile}")
            assert [Accepted(run_id, 2), Accepted(run_id, None)] == self.store.apply([message, message])
            assert [run_id] == self.claimed_ids(token, queues=(f"queue {hostile}",))
            activity = task(1, f"activity {hostile}", task_queue=f"queue {hostile}")
            assert Committed() == self.one(evolve(turn(token, run_id, 1), consumed=(1, 2), tasks=(activity,)))
            (found,) = self.claim_tasks(token, types=(f"activity {hostile}",), queues=(f"queue {hostile}",))
            assert (run_id, hostile) == (found.run_id, found.workflow_id)
        assert len(HOSTILE_IDS) == self.store.count_runs(RunFilter())

    def test_every_status_is_listed_as_it_was_recorded(self) -> None:
        for status in RunStatus:
            self.create(status.value)
            if status is not RunStatus.RUNNING:
                self.one(evolve(first_turn(0, status.value), closing=Closing(status=status, event=b"end")))
        assert {status.value: status for status in RunStatus} == {
            row.run_id: row.status for row in self.store.list_runs(RunFilter())
        }
