"""Sequences of writes for a store, drawn at random so that a good part of them is carried out.

One rule: what is drawn is relative (the next turn, a new run id) and made absolute by what a store says when its turn comes, so
that it stays a sequence of valid writes when it is made smaller.
"""

from __future__ import annotations

from typing import Any, get_args

import attrs
from hypothesis import strategies as st

from refold_adapters import RunStatus
from refold_adapters.ports import (
    AcceptMessage,
    Askable,
    CancelTask,
    ChangeRun,
    ChangeTask,
    ClaimRuns,
    ClaimTasks,
    CloseSession,
    Closing,
    CommitTurn,
    ConsumeMessages,
    CopyRun,
    CreateRun,
    DeleteRun,
    DetachTask,
    ExpireRuns,
    FinishTask,
    Heartbeat,
    NewTask,
    NextRun,
    Once,
    OpenSession,
    ParkRun,
    Properties,
    Refusal,
    Relay,
    ReleaseRuns,
    RenewSession,
    RetryTask,
    Store,
    StoredTurn,
    UnparkRuns,
    Write,
)
from refold_adapters.ports.conditions import (
    AllOf,
    AnyOf,
    Attribute,
    Column,
    Compare,
    Condition,
    IsNull,
    Not,
    Operator,
    StartsWith,
    Term,
    TermKind,
)
from refold_adapters.ports.writes import DEADLINE

#: Runs that are created; those that follow others have ids of their own, each given once.
RUN_IDS = ("run-a", "run-b", "run-c", "run-d")
NEXT_IDS = ("next-1", "next-2", "next-3", "next-4")
ALL_IDS = (*RUN_IDS, *NEXT_IDS)
WORKFLOW_IDS = ("wf-1", "wf-2")
QUEUES = ("q", "r")
BUILDS = ("b1", "b2")
START = 1_000_000
LEASE = 50

run_ids = st.sampled_from((*RUN_IDS, *RUN_IDS, *NEXT_IDS[:2]))
workflow_ids = st.sampled_from(WORKFLOW_IDS)
queues = st.sampled_from(QUEUES)
some_queues = st.lists(queues, max_size=2).map(tuple)
types = st.sampled_from(("charge", "ship"))
tokens = st.sampled_from((1, 1, 1, 2, 2, 3, 4))
tokens_or_outside = st.one_of(tokens, st.just(0))
holders = st.one_of(st.none(), st.none(), tokens_or_outside)
builds = st.one_of(st.none(), st.none(), st.sampled_from(("", *BUILDS)))
some_builds = st.lists(st.sampled_from(BUILDS), max_size=2).map(tuple)
seqs = st.sampled_from((10, 11, 20, 21, 30, 31, 99))
attempts = st.sampled_from((1, 1, 1, 2, 3))
message_ids = st.lists(st.integers(1, 6), max_size=4, unique=True).map(tuple)
times = st.integers(START - 20, START + 300)
blobs = st.binary(max_size=4)
maybe_blobs = st.one_of(st.none(), blobs)
request_ids = st.sampled_from(("", "", "r1", "r2"))
pauses = st.sampled_from((None, None, True, False))
statuses = st.sampled_from([status for status in RunStatus if status is not RunStatus.RUNNING])
closings = st.builds(Closing, status=statuses, event=blobs)
finished = st.lists(st.tuples(seqs, attempts), max_size=2, unique_by=lambda pair: pair[0]).map(tuple)
texts = st.sampled_from(("", "a", "ab", "b", "\u00e9"))
terms = st.one_of(
    st.builds(
        Term, st.sampled_from(("x", "y")), st.sampled_from((TermKind.TEXT, TermKind.WORD)), value=texts
    ),
    st.builds(
        Term,
        st.sampled_from(("x", "y")),
        st.sampled_from((TermKind.NUMBER, TermKind.TIME)),
        value=st.sampled_from((-1, 0, 1, 1.5)),
    ),
)
properties = st.builds(
    Properties, memo=maybe_blobs, search_attributes=maybe_blobs, terms=st.lists(terms, max_size=3).map(tuple)
)
maybe_properties = st.one_of(st.none(), st.none(), properties)

subjects = st.one_of(
    st.sampled_from(Column),
    st.builds(Attribute, st.sampled_from(("x", "y", "z")), st.one_of(st.none(), st.sampled_from(TermKind))),
)
scalars = st.one_of(
    texts, st.sampled_from((*RUN_IDS, "wf-1", "RUNNING", "b1", -1, 0, 1, 1.5, 2, START, START + 60))
)
conditions: st.SearchStrategy[Condition] = st.recursive(
    st.one_of(
        st.builds(Compare, subjects, st.sampled_from(Operator), scalars),
        st.builds(StartsWith, subjects, st.sampled_from(("", "a", "run-", "R", "wf", "\u00e9"))),
        st.builds(IsNull, subjects),
    ),
    lambda parts: st.one_of(
        st.builds(Not, parts),
        st.builds(AllOf, st.lists(parts, max_size=2).map(tuple)),
        st.builds(AnyOf, st.lists(parts, max_size=2).map(tuple)),
    ),
    max_leaves=4,
)


def creations(
    owners: st.SearchStrategy[int], ids: st.SearchStrategy[str] = run_ids
) -> st.SearchStrategy[CreateRun]:
    return st.builds(
        CreateRun,
        run_id=ids,
        workflow_id=workflow_ids,
        workflow_type=types,
        task_queue=queues,
        message=st.one_of(blobs, blobs, st.none()),
        request_id=request_ids,
        blocked_by=st.lists(statuses, max_size=2).map(tuple),
        owner=owners,
        ready_at=times,
        build_id=builds,
        properties=maybe_properties,
        first_run_id=st.sampled_from(("", "", "run-a")),
        ends_at=st.one_of(st.none(), times),
    )


accepts = st.builds(
    AcceptMessage,
    workflow_id=st.sampled_from((*WORKFLOW_IDS, "")),
    data=blobs,
    run_id=st.one_of(st.none(), run_ids),
    request_id=request_ids,
    first_run_id=st.sampled_from((None, None, None, "run-a", "run-b")),
    answers=st.sampled_from((None, None, None, 1, 10, 20)),
    wakes=st.booleans(),
    ends=st.booleans(),
)
relays = st.lists(
    st.builds(
        Relay, write=st.one_of(creations(st.just(0)), accepts, accepts), done=maybe_blobs, failed=maybe_blobs
    ),
    max_size=2,
).map(tuple)


@attrs.frozen
class RelativeTurn:
    """A turn whose number and new ids are still to be found."""

    ahead: int
    token: int
    run_id: str
    turn_token: str
    event_count: int
    data: bytes
    consumed: tuple[int, ...] = ()
    #: Whether it takes all messages that are there.
    consumes_all: bool = False
    finished: tuple[tuple[int, int], ...] = ()
    dropped_tasks: tuple[int, ...] = ()
    tasks: tuple[tuple[str, str, bool], ...] = ()
    cancel_tasks: tuple[int, ...] = ()
    timers: tuple[int, ...] = ()
    deadline: int | None = None
    removed_timers: tuple[int, ...] = ()
    closing: Closing | None = None
    properties: Properties | None = None
    paused: bool | None = None
    build_id: str | None = None
    next: CreateRun | None = None
    next_messages: tuple[bytes, ...] = ()
    relays: tuple[Relay, ...] = ()

    def absolute(self, store: Store, unused: list[str]) -> CommitTurn:
        """The turn as the store stands; a run that follows takes the next of the unused ids."""
        row = store.find_run("", self.run_id)
        number = (row.turn if row else 0) + self.ahead
        following = None
        if self.closing is not None and self.next is not None and row is not None and unused:
            creation = attrs.evolve(self.next, run_id=unused.pop(0), workflow_id=row.workflow_id)
            following = NextRun(creation=creation, messages=self.next_messages)
        timers = [(10 * number + i, fire_at) for i, fire_at in enumerate(self.timers)]
        if self.deadline is not None and number == 1:
            timers.append((DEADLINE, self.deadline))
        everything = tuple(message.message_id for message in store.list_inbox(self.run_id))
        return CommitTurn(
            token=self.token,
            run_id=self.run_id,
            turn=number,
            turn_token=self.turn_token,
            first_event_id=(row.last_event_id if row else 0) + 1,
            event_count=self.event_count,
            data=self.data,
            consumed=everything if self.consumes_all else self.consumed,
            finished=self.finished,
            dropped_tasks=tuple(seq for seq in self.dropped_tasks if seq < 10 * number),
            # A sequence number is given once in a run: each turn has ten of its own.
            tasks=tuple(
                NewTask(seq=10 * number + i, activity_type=t, task_queue=q, data=b"task", claimed=claimed)
                for i, (t, q, claimed) in enumerate(self.tasks)
            ),
            cancel_tasks=tuple(CancelTask(seq=seq, report=b"report") for seq in self.cancel_tasks),
            timers=tuple(timers),
            removed_timers=self.removed_timers,
            closing=self.closing,
            properties=self.properties,
            paused=self.paused,
            build_id=self.build_id,
            next=following,
            relays=self.relays,
        )


turns = st.builds(
    RelativeTurn,
    ahead=st.sampled_from((1, 1, 1, 1, 0, 2)),
    token=tokens_or_outside,
    run_id=run_ids,
    turn_token=st.sampled_from(("t1", "t2", "")),
    event_count=st.integers(1, 3),
    data=blobs,
    consumed=message_ids,
    consumes_all=st.booleans(),
    finished=st.one_of(st.just(()), finished),
    dropped_tasks=st.lists(seqs, max_size=1).map(tuple),
    tasks=st.lists(st.tuples(types, queues, st.booleans()), max_size=2).map(tuple),
    cancel_tasks=st.lists(seqs, max_size=2, unique=True).map(tuple),
    timers=st.lists(times, max_size=2).map(tuple),
    deadline=st.one_of(st.none(), times),
    removed_timers=st.lists(seqs, max_size=2, unique=True).map(tuple),
    closing=st.one_of(st.none(), st.none(), closings),
    properties=maybe_properties,
    paused=pauses,
    build_id=builds,
    next=st.one_of(
        st.none(),
        creations(st.just(0)).map(
            lambda run: attrs.evolve(run, request_id="", blocked_by=(), message=run.message or b"next")
        ),
    ),
    next_messages=st.lists(blobs, max_size=2).map(tuple),
    relays=relays,
)
ends = st.builds(
    RelativeTurn,
    ahead=st.sampled_from((1, 1, 1, 0)),
    token=st.just(0),
    run_id=run_ids,
    turn_token=st.sampled_from(("t1", "")),
    event_count=st.just(1),
    data=blobs,
    consumes_all=st.sampled_from((True, True, False)),
    closing=closings,
)


@attrs.frozen
class RelativeCopy:
    """A copy whose turns, and those that it ends with, are still to be found."""

    run: CreateRun
    turns: tuple[bytes, ...]
    tasks: tuple[tuple[str, str], ...]
    timers: tuple[int, ...]
    messages: tuple[tuple[bytes, str], ...]
    closes: RelativeTurn | None
    ends: tuple[RelativeTurn, ...]
    open_runs: tuple[str, ...]
    stands_for: tuple[tuple[str, int], ...]
    relays: tuple[Relay, ...]

    def absolute(self, store: Store) -> CopyRun:
        """The copy as the store stands."""
        closes = None if self.closes is None else self.closes.absolute(store, [])
        run = self.run
        # A run that is closed for a copy is one of its workflow id.
        row = None if closes is None else store.find_run("", closes.run_id)
        if row is not None:
            run = attrs.evolve(run, workflow_id=row.workflow_id)
        number = len(self.turns)
        return CopyRun(
            run=run,
            turns=[StoredTurn(i, i, data) for i, data in enumerate(self.turns, start=1)],
            last_event_id=number,
            tasks=[
                NewTask(seq=10 + i, activity_type=t, task_queue=q, data=b"task")
                for i, (t, q) in enumerate(self.tasks)
            ],
            timers=[(10 + i, fire_at) for i, fire_at in enumerate(self.timers)],
            messages=self.messages,
            closes=closes,
            ends=[
                end.absolute(store, []) for end in self.ends if closes is None or end.run_id != closes.run_id
            ],
            open_runs=self.open_runs,
            stands_for=self.stands_for,
            relays=self.relays,
        )


copies = st.builds(
    RelativeCopy,
    run=creations(st.just(0)).map(lambda run: attrs.evolve(run, message=None)),
    turns=st.lists(blobs, min_size=1, max_size=2).map(tuple),
    tasks=st.lists(st.tuples(types, queues), max_size=2).map(tuple),
    timers=st.lists(times, max_size=2).map(tuple),
    messages=st.lists(st.tuples(blobs, request_ids), max_size=2).map(tuple),
    closes=st.one_of(st.none(), ends),
    ends=st.lists(ends, max_size=2, unique_by=lambda end: end.run_id).map(tuple),
    open_runs=st.lists(run_ids, max_size=1).map(tuple),
    stands_for=st.lists(st.tuples(run_ids, st.sampled_from((1, 10, 20))), max_size=2).map(tuple),
    relays=relays,
)


@st.composite
def consumptions(draw: st.DrawFn) -> ConsumeMessages:
    """Timers are put only in place of those that are taken off."""
    timers = draw(st.lists(seqs, max_size=2, unique=True).map(tuple))
    return ConsumeMessages(
        token=draw(tokens),
        run_id=draw(run_ids),
        message_ids=draw(message_ids),
        timers=timers,
        finished=draw(finished),
        refusals=tuple(Refusal(number, b"no") for number in draw(message_ids)),
        new_timers=tuple((seq, draw(times)) for seq in timers if draw(st.booleans())),
    )


of_attempt: dict[str, Any] = {"token": tokens_or_outside, "run_id": run_ids, "seq": seqs, "attempt": attempts}
simple_writes: st.SearchStrategy[Write] = st.one_of(
    st.builds(OpenSession, identity=st.just("w"), process=st.just("p"), lease_us=st.just(LEASE)),
    st.builds(RenewSession, token=tokens, lease_us=st.just(LEASE)),
    st.builds(CloseSession, token=tokens, only_expired=st.booleans(), graceful=st.booleans()),
    creations(tokens_or_outside),
    accepts,
    consumptions(),
    st.builds(
        ClaimRuns,
        token=tokens,
        task_queues=some_queues,
        limit=st.integers(0, 3),
        exclude=st.lists(run_ids, max_size=2).map(tuple),
        builds=some_builds,
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
        next_attempt=st.integers(1, 3),
        visible_at=times,
        failure=maybe_blobs,
        heartbeat=maybe_blobs,
        **of_attempt,
    ),
    st.builds(FinishTask, message=blobs, holder=holders, **of_attempt),
    st.builds(Heartbeat, details=blobs, **of_attempt),
    st.builds(DetachTask, check=st.just(5000), check_at=st.one_of(st.none(), times), **of_attempt),
    st.builds(
        ChangeTask,
        run_id=run_ids,
        seq=seqs,
        paused=pauses,
        attempt=st.one_of(st.none(), attempts),
        visible_at=st.one_of(st.none(), times),
        options=maybe_blobs,
        task_queue=st.one_of(st.none(), queues),
        forget_heartbeat=st.booleans(),
        cancel_requested=st.booleans(),
        holder=holders,
    ),
    st.builds(
        ParkRun,
        token=tokens,
        run_id=run_ids,
        reason=blobs,
        kind=st.one_of(st.none(), texts),
        line=st.one_of(st.none(), texts),
    ),
    st.builds(
        UnparkRuns,
        task_queues=some_queues,
        run_ids=st.one_of(st.none(), st.lists(run_ids, max_size=2, unique=True).map(tuple)),
    ),
    st.builds(ReleaseRuns, token=tokens, run_ids=st.lists(run_ids, max_size=3).map(tuple)),
    st.builds(
        ChangeRun, run_id=run_ids, message=blobs, request_id=request_ids, paused=pauses, build_id=builds
    ),
    st.builds(DeleteRun, run_id=run_ids),
    st.builds(ExpireRuns, closed_until=times, forget_until=times, limit=st.integers(0, 2)),
)
requests = st.sampled_from(("once", "again"))
plain_writes: st.SearchStrategy[Write] = st.one_of(
    simple_writes,
    st.builds(
        Once,
        request=requests,
        write=st.one_of(st.none(), simple_writes.filter(lambda write: isinstance(write, get_args(Askable)))),
        answer=blobs,
    ),
)


@attrs.frozen
class RelativeOnce:
    """A turn or a copy that is done once."""

    request: str
    drawn: RelativeTurn | RelativeCopy

    def absolute(self, store: Store, unused: list[str]) -> Once:
        """The write as the store stands."""
        write = (
            self.drawn.absolute(store, unused)
            if isinstance(self.drawn, RelativeTurn)
            else self.drawn.absolute(store)
        )
        return Once(request=self.request, write=write, answer=b"done")


repeated = st.builds(RelativeOnce, requests, st.one_of(turns, copies))
batches = st.lists(
    st.one_of(plain_writes, plain_writes, turns, turns, copies, repeated), min_size=1, max_size=4
)
#: How far the clock moves, what is written then, and what is asked afterwards.
steps = st.lists(
    st.tuples(st.sampled_from((0, 0, 0, 1, 20, 60, -10)), batches, conditions), min_size=1, max_size=25
)
#: Without a session and runs, nearly everything would be refused.
opening: list[Write] = [
    OpenSession(identity="w", process="p", lease_us=LEASE),
    OpenSession(identity="w", process="p", lease_us=LEASE),
    CreateRun(
        run_id="run-a", workflow_id="wf-1", workflow_type="ship", task_queue="q", message=b"start", owner=1
    ),
    CreateRun(run_id="run-b", workflow_id="wf-2", workflow_type="ship", task_queue="r", message=b"start"),
]


def as_write(
    drawn: Write | RelativeTurn | RelativeCopy | RelativeOnce, store: Store, unused: list[str]
) -> Write:
    """The write, a relative one made absolute by what the store has."""
    if isinstance(drawn, RelativeTurn | RelativeOnce):
        return drawn.absolute(store, unused)
    return drawn.absolute(store) if isinstance(drawn, RelativeCopy) else drawn
