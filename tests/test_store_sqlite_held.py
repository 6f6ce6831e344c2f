"""The task that stands in its run's row: it costs a step no page of its own, and nobody can tell it from one among the others."""

from __future__ import annotations

import struct
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest

from refold_adapters import ManualClock, open_store
from refold_adapters.contract.base import first_turn, new_run, task, turn
from refold_adapters.ports import (
    Beat,
    CancelTask,
    ChangeTask,
    ClaimTasks,
    CloseSession,
    Closing,
    Committed,
    ConsumeMessages,
    DetachTask,
    FinishTask,
    Heartbeat,
    Opened,
    OpenSession,
    Outcome,
    ParkRun,
    ReleaseRuns,
    RetryTask,
    RunStatus,
    Store,
    Write,
)
from refold_adapters.sql import reads
from refold_adapters.sql.transaction import Transaction
from refold_adapters.sqlite import SqliteStore

HELD: dict[str, Any] = {"run_id": "run-1", "seq": 1, "attempt": 1}
SECOND = turn(1, "run-1", 2)

#: Everything that says something of the task, or of who has it; session 1 has run and task.
WRITES: dict[str, Write] = {
    "heartbeat": Heartbeat(token=1, details=b"[1]", **HELD),
    "retry": RetryTask(token=1, next_attempt=2, visible_at=0, failure=b"no", **HELD),
    "retry by another": RetryTask(token=2, next_attempt=2, visible_at=0, failure=b"no", **HELD),
    "finish": FinishTask(token=1, message=b"done", **HELD),
    "finish from outside": FinishTask(token=0, message=b"done", **HELD),
    "detach": DetachTask(token=1, check=9, check_at=5, **HELD),
    "finish where nobody has it": FinishTask(token=0, message=b"done", holder=0, **HELD),
    "finish where it is with its session": FinishTask(token=0, message=b"done", holder=1, **HELD),
    "pause": ChangeTask(run_id="run-1", seq=1, paused=True),
    "pause where it is with its session": ChangeTask(run_id="run-1", seq=1, paused=True, holder=1),
    "pause where nobody has it": ChangeTask(run_id="run-1", seq=1, paused=True, holder=0),
    "release": ReleaseRuns(token=1, run_ids=("run-1",)),
    "park": ParkRun(token=1, run_id="run-1", reason=b"why"),
    "consume": ConsumeMessages(token=1, run_id="run-1", message_ids=(), finished=((1, 1),)),
    "end of the session": CloseSession(token=1),
    "graceful end of the session": CloseSession(token=1, graceful=True),
    "a turn about something else": SECOND,
    "a turn that finishes it": attrs.evolve(SECOND, finished=((1, 1),)),
    "a turn that finishes it and begins another": attrs.evolve(
        SECOND, finished=((1, 1),), tasks=(task(2, claimed=True),)
    ),
    "a turn that begins two more": attrs.evolve(SECOND, tasks=(task(2, claimed=True), task(3, claimed=True))),
    "a turn that begins an idle one": attrs.evolve(SECOND, finished=((1, 1),), tasks=(task(2),)),
    "a turn with another attempt": attrs.evolve(SECOND, finished=((1, 2),)),
    "a turn that cancels it": attrs.evolve(SECOND, cancel_tasks=(CancelTask(seq=1, report=b"gone"),)),
    "a turn that drops it": attrs.evolve(SECOND, dropped_tasks=(1,)),
    "a turn that pauses the run": attrs.evolve(SECOND, paused=True),
    "a turn that pins the run": attrs.evolve(SECOND, build_id="b"),
    "an administrative turn that pins the run": attrs.evolve(SECOND, token=0, build_id="b"),
    "a turn that closes the run": attrs.evolve(
        SECOND, closing=Closing(status=RunStatus.COMPLETED, event=b"end")
    ),
    "a turn that finishes it and closes the run": attrs.evolve(
        SECOND, finished=((1, 1),), closing=Closing(status=RunStatus.COMPLETED, event=b"end")
    ),
}


def begun(store: Store) -> Store:
    for token in (1, 2):
        (opened,) = store.apply([OpenSession(identity="w", process="host/1/x", lease_us=10_000_000)])
        assert opened == Opened(token)
    creation = attrs.evolve(new_run(owner=1), message=None)
    first = attrs.evolve(first_turn(1, "run-1", tasks=(task(1, claimed=True),)), consumed=())
    store.apply([creation, first])
    return store


def told(store: Store, write: Write) -> list[object]:
    """All that can be seen of a write, and of what the other session can get at afterwards."""
    outcomes: list[Outcome] = store.apply([write])
    claimed = store.apply([ClaimTasks(token=2, task_queues=("default",), activity_types=None, limit=9)])
    tasks, timers, inbox = store.list_tasks("run-1"), store.list_timers("run-1"), store.list_inbox("run-1")
    return [outcomes, claimed, tasks, timers, inbox, store.find_run("", "run-1")]


@pytest.mark.parametrize("name", list(WRITES))
def test_nobody_can_tell_that_a_task_stands_in_its_runs_row(name: str, tmp_path: Path) -> None:
    with_rows = begun(open_store(tmp_path / "orders.db", ManualClock()))
    in_memory = begun(open_store("memory:", ManualClock()))
    assert in_memory.list_tasks("run-1") == with_rows.list_tasks("run-1")

    assert told(in_memory, WRITES[name]) == told(with_rows, WRITES[name])

    with_rows.close()
    in_memory.close()


def test_a_task_that_moves_while_it_is_looked_for_is_found_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(begun(open_store(tmp_path / "store.db", clock=ManualClock(0)))) as store:
        look = reads._of_run  # pyright: ignore[reportPrivateUsage]

        def look_and_move(tx: Transaction, run_id: str, statement: str) -> list[tuple[Any, ...]]:
            found = look(tx, run_id, statement)
            assert [Beat(cancel_requested=False)] == store.apply([WRITES["heartbeat"]])
            return found

        monkeypatch.setattr(reads, "_of_run", look_and_move)
        assert [1] == [row.seq for row in store.list_tasks("run-1")]
        monkeypatch.undo()
        assert [b"[1]"] == [row.heartbeat for row in store.list_tasks("run-1")]


def pages_of_the_last_commit(path: Path) -> int:
    """How many pages the last commit has put into the log, by the frames of the log."""
    log = Path(f"{path}-wal").read_bytes()
    (page_bytes,) = struct.unpack(">I", log[8:12])
    frames = [struct.unpack(">II", log[place : place + 8]) for place in range(32, len(log), 24 + page_bytes)]
    ends = [number for number, (_, size_after) in enumerate(frames) if size_after]
    return ends[-1] - ends[-2]


def test_a_step_writes_one_page_of_the_history_and_one_of_the_runs(tmp_path: Path) -> None:
    path = tmp_path / "orders.db"
    store = begun(SqliteStore(path, ManualClock()))
    for number in (2, 3):
        step = attrs.evolve(
            turn(1, "run-1", number), finished=((number - 1, 1),), tasks=(task(number, claimed=True),)
        )
        assert [Committed()] == store.apply([step])
        assert 2 == pages_of_the_last_commit(path)
    assert [3] == [row.seq for row in store.list_tasks("run-1")]
    store.close()
