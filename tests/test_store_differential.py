"""Whatever is written, the memory store and the SQLite store say the same."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from refold_adapters import ManualClock, RunStatus, open_store
from refold_adapters.ports import (
    AcceptMessage,
    CancelTask,
    ClaimRuns,
    ClaimTasks,
    CloseSession,
    Closing,
    CommitTurn,
    ConsumeMessages,
    CreateRun,
    FinishTask,
    Heartbeat,
    NewTask,
    OpenSession,
    ParkRun,
    ReleaseRuns,
    RenewSession,
    RetryTask,
    RunFilter,
    Store,
    UnparkRuns,
    Write,
)

RUN_IDS = ("run-a", "run-b", "run-c", "run-d")
WORKFLOW_IDS = ("wf-1", "wf-2")
QUEUES = ("q", "r")
TYPES = ("charge", "ship")
START = 1_000_000
LEASE = 50

run_ids = st.sampled_from(RUN_IDS)
workflow_ids = st.sampled_from(WORKFLOW_IDS)
queues = st.sampled_from(QUEUES)
some_queues = st.lists(queues, max_size=2).map(tuple)
types = st.sampled_from(TYPES)
tokens = st.sampled_from((1, 1, 1, 2, 2, 3, 4))
seqs = st.sampled_from((10, 11, 20, 21, 30, 31, 99))
attempts = st.sampled_from((1, 1, 1, 2, 3))
messages = st.lists(st.integers(1, 6), max_size=4, unique=True).map(tuple)
times = st.integers(START - 20, START + 300)
blobs = st.binary(max_size=4)
request_ids = st.sampled_from(("", "", "r1", "r2"))
statuses = st.sampled_from([status for status in RunStatus if status is not RunStatus.RUNNING])
closings = st.builds(Closing, status=statuses, event=blobs)
finished = st.lists(st.tuples(seqs, attempts), max_size=2, unique_by=lambda pair: pair[0]).map(tuple)


@st.composite
def turns(draw: st.DrawFn) -> dict[str, Any]:
    """A turn whose number is still relative to where the run will be."""
    return {
        "ahead": draw(st.sampled_from((1, 1, 1, 1, 0, 2))),
        "token": draw(st.one_of(tokens, st.just(0))),
        "run_id": draw(run_ids),
        "turn_token": draw(st.sampled_from(("t1", "t2", ""))),
        "event_count": draw(st.integers(1, 3)),
        "data": draw(blobs),
        "consumed": draw(messages),
        "finished": draw(st.one_of(st.just(()), finished)),
        "tasks": draw(st.lists(st.tuples(types, queues, st.booleans()), max_size=2)),
        "cancel_tasks": tuple(
            CancelTask(seq=seq, report=b"report") for seq in draw(st.lists(seqs, max_size=2, unique=True))
        ),
        "timers": draw(st.lists(times, max_size=2)),
        "removed_timers": draw(st.lists(seqs, max_size=2, unique=True).map(tuple)),
        "closing": draw(st.one_of(st.none(), st.none(), st.none(), closings)),
    }


plain_writes: st.SearchStrategy[Write] = st.one_of(
    st.builds(OpenSession, identity=st.just("w"), process=st.just("p"), lease_us=st.just(LEASE)),
    st.builds(RenewSession, token=tokens, lease_us=st.just(LEASE)),
    st.builds(CloseSession, token=tokens, only_expired=st.booleans(), graceful=st.booleans()),
    st.builds(
        CreateRun,
        run_id=run_ids,
        workflow_id=workflow_ids,
        workflow_type=types,
        task_queue=queues,
        message=st.one_of(blobs, st.none()),
        request_id=request_ids,
        blocked_by=st.lists(statuses, max_size=2).map(tuple),
        owner=st.one_of(st.just(0), tokens),
        ready_at=times,
        ends_at=st.one_of(st.none(), times),
    ),
    st.builds(
        AcceptMessage,
        workflow_id=st.sampled_from((*WORKFLOW_IDS, "")),
        data=blobs,
        run_id=st.one_of(st.none(), run_ids),
        request_id=request_ids,
        wakes=st.booleans(),
        ends=st.booleans(),
    ),
    st.builds(
        ConsumeMessages,
        token=tokens,
        run_id=run_ids,
        message_ids=messages,
        timers=st.lists(seqs, max_size=2).map(tuple),
        finished=finished,
    ),
    st.builds(
        ClaimRuns,
        token=tokens,
        task_queues=some_queues,
        limit=st.integers(0, 3),
        exclude=st.lists(run_ids, max_size=2).map(tuple),
    ),
    st.builds(
        ClaimTasks,
        token=tokens,
        task_queues=some_queues,
        activity_types=st.one_of(st.none(), st.lists(types, max_size=2).map(tuple)),
        limit=st.integers(0, 3),
    ),
    st.builds(
        RetryTask,
        token=tokens,
        run_id=run_ids,
        seq=seqs,
        attempt=attempts,
        next_attempt=st.integers(1, 3),
        visible_at=times,
        failure=st.one_of(st.none(), blobs),
        heartbeat=st.one_of(st.none(), blobs),
    ),
    st.builds(FinishTask, token=tokens, run_id=run_ids, seq=seqs, attempt=attempts, message=blobs),
    st.builds(Heartbeat, token=tokens, run_id=run_ids, seq=seqs, attempt=attempts, details=blobs),
    st.builds(ParkRun, token=tokens, run_id=run_ids, reason=blobs),
    st.builds(
        UnparkRuns,
        task_queues=some_queues,
        run_ids=st.one_of(st.none(), st.lists(run_ids, max_size=2, unique=True).map(tuple)),
    ),
    st.builds(ReleaseRuns, token=tokens, run_ids=st.lists(run_ids, max_size=3).map(tuple)),
)
batches = st.lists(st.one_of(plain_writes, turns(), turns()), min_size=1, max_size=4)
steps = st.lists(st.tuples(st.sampled_from((0, 0, 0, 1, 20, 60, -10)), batches), min_size=1, max_size=25)
#: Without a session and runs, nearly everything would be refused.
opening: list[Write] = [
    OpenSession(identity="w", process="p", lease_us=LEASE),
    OpenSession(identity="w", process="p", lease_us=LEASE),
    CreateRun(
        run_id="run-a", workflow_id="wf-1", workflow_type="ship", task_queue="q", message=b"start", owner=1
    ),
    CreateRun(run_id="run-b", workflow_id="wf-2", workflow_type="ship", task_queue="r", message=b"start"),
]


def as_write(write: Write | dict[str, Any], store: Store) -> Write:
    """The write, a relative turn made absolute by what the store has."""
    if not isinstance(write, dict):
        return write
    row = store.find_run("", write["run_id"])
    number = (row.turn if row else 0) + write["ahead"]
    return CommitTurn(
        token=write["token"],
        run_id=write["run_id"],
        turn=number,
        turn_token=write["turn_token"],
        first_event_id=(row.last_event_id if row else 0) + 1,
        event_count=write["event_count"],
        data=write["data"],
        consumed=write["consumed"],
        finished=write["finished"],
        # A sequence number is given once in a run: each turn has ten of its own.
        tasks=tuple(
            NewTask(seq=10 * number + i, activity_type=t, task_queue=q, data=b"task", claimed=claimed)
            for i, (t, q, claimed) in enumerate(write["tasks"])
        ),
        cancel_tasks=write["cancel_tasks"],
        timers=tuple((10 * number + i, fire_at) for i, fire_at in enumerate(write["timers"])),
        removed_timers=write["removed_timers"],
        closing=write["closing"],
    )


def everything(store: Store) -> list[Any]:
    """All that can be asked."""
    return [
        store.list_runs(RunFilter()),
        store.list_runs(RunFilter(parked=True)),
        store.count_runs(RunFilter(statuses=(RunStatus.RUNNING,))),
        [store.find_run(workflow_id) for workflow_id in WORKFLOW_IDS],
        [store.read_turns(run_id) for run_id in RUN_IDS],
        [store.list_tasks(run_id) for run_id in RUN_IDS],
        [store.list_timers(run_id) for run_id in RUN_IDS],
        [row.run_id for row in store.list_ending(3)],
        [store.list_inbox(run_id) for run_id in RUN_IDS],
        store.list_sessions(),
        [store.next_due_at(asked, token) for asked in ((), ("q",), QUEUES) for token in (None, 1, 2)],
    ]


@given(steps)
@settings(max_examples=100)
def test_two_stores_that_are_told_the_same_say_the_same(steps: list[tuple[int, list[Any]]]):
    with tempfile.TemporaryDirectory() as folder:
        clocks = (ManualClock(START), ManualClock(START))
        stores = (open_store("memory:", clocks[0]), open_store(Path(folder) / "orders.db", clocks[1]))
        calls: tuple[list[None], list[None]] = ([], [])
        try:
            for store, heard in zip(stores, calls, strict=True):
                store.apply(opening)
                store.subscribe(lambda heard=heard: heard.append(None))
            for us, batch in steps:
                for clock in clocks:
                    clock.advance(us)
                writes = [as_write(write, stores[0]) for write in batch]
                expected, actual = (store.apply(writes) for store in stores)
                assert expected == actual
                assert everything(stores[0]) == everything(stores[1])
                assert len(calls[0]) == len(calls[1])
        finally:
            for store in stores:
                store.close()
