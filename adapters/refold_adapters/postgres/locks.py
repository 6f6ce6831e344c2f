"""What a transaction locks before it begins.

The rules in ``sql`` are those of one writer at a time.  Here there are many, so a transaction first locks all that its writes look at,
in one order for all; then nothing of it changes under them, and no two transactions wait for each other.

1. Sessions: shared by whoever writes for one, alone by whoever ends it.  So no session is ended in the middle of a write of its own.
2. Requests that are done once, and workflow ids: which run of one is the latest must not change while a run is created, or a message
   finds its way by the id.
3. Runs, in order of their keys.

One rule: whoever waits for a lock holds none that comes later.  What claims take comes last and without waiting (SKIP LOCKED).
Where that does not suffice, as for what an expelled session held, PostgreSQL finds the deadlock and the transaction is begun again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from refold_adapters import ports
from refold_adapters.ports import Write
from refold_adapters.postgres.place import Place
from refold_adapters.sql.transaction import Rows, Transaction
from refold_adapters.sql.turns import TURN_COLUMNS

#: Locks are shared by this many workflow ids, lest a large batch fill the server's table of locks.
_STRIPES = 1024

_SHARE_SESSIONS = "SELECT pg_advisory_xact_lock_shared(n) FROM unnest(?::bigint[]) AS n"
_TAKE_KEYS = "SELECT pg_advisory_xact_lock(n) FROM unnest(?::bigint[]) AS n"
_LOCK_RUNS = (
    "SELECT run_id, "  # noqa: S608 - both parts are constants
    + TURN_COLUMNS
    + " FROM runs WHERE run_id = ANY(?) ORDER BY run_key FOR UPDATE"
)
_TAKEN = """
    SELECT id FROM unnest(?::text[]) AS id
    WHERE EXISTS (SELECT 1 FROM runs WHERE run_id = id) OR EXISTS (SELECT 1 FROM runs WHERE workflow_id = id)
        OR EXISTS (SELECT 1 FROM tombstones WHERE run_id = id) OR EXISTS (SELECT 1 FROM tombstones WHERE workflow_id = id)
"""
_LOCK_ALL_RUNS = (
    "SELECT run_id, "  # noqa: S608 - both parts are constants
    + TURN_COLUMNS
    + """
    FROM runs WHERE run_key IN (
        SELECT run_key FROM runs WHERE run_id = ANY(?)
        UNION SELECT run_key FROM runs WHERE workflow_id = ANY(?) AND status = 'RUNNING'
        UNION SELECT run_key FROM heirs WHERE run_id = ANY(?)
        UNION SELECT run_key FROM runs WHERE owner = ANY(?) AND owner <> 0
    ) ORDER BY run_key FOR UPDATE
"""
)


@attrs.define
class _Touched:
    """What writes look at."""

    sessions: set[int] = attrs.field(factory=set[int])
    ended_sessions: set[int] = attrs.field(factory=set[int])
    workflow_ids: set[str] = attrs.field(factory=set[str])
    requests: set[str] = attrs.field(factory=set[str])
    run_ids: set[str] = attrs.field(factory=set[str])
    #: Whether a message may be for another run than the one it names.
    inherits: bool = False
    #: Ids of the runs to be created, and whether a run may come into being in any other way.
    created: set[str] = attrs.field(factory=set[str])
    may_create: bool = False

    def add(self, write: Write) -> None:
        match write:
            case ports.CommitTurn():
                self._turn(write)
            case ports.CreateRun():
                self._creation(write)
                self.created |= {write.run_id, write.workflow_id}
            case ports.AcceptMessage():
                self._message(write)
            case ports.CopyRun():
                self.may_create = True
                self._creation(write.run)
                for turn in (*([] if write.closes is None else [write.closes]), *write.ends):
                    self._turn(turn)
                self.run_ids.update(write.open_runs)
                self._relays(write.relays)
            case ports.CloseSession():
                self.ended_sessions.add(write.token)
            case ports.OpenSession() | ports.ExpireRuns():
                pass
            case ports.ClaimRuns() | ports.ClaimTasks() | ports.RenewSession():
                self.sessions.add(write.token)
            case ports.ReleaseRuns():
                self.sessions.add(write.token)
                self.run_ids.update(write.run_ids)
            case ports.UnparkRuns():
                self.run_ids.update(write.run_ids or ())
            case ports.Once():
                self.requests.add(write.request)
                if write.write is not None:
                    self.add(write.write)
            case ports.ChangeTask() | ports.ChangeRun() | ports.DeleteRun():
                self.run_ids.add(write.run_id)
            case _:
                self.sessions.add(write.token)
                self.run_ids.add(write.run_id)

    def _turn(self, write: ports.CommitTurn) -> None:
        self.sessions.add(write.token)
        self.run_ids.add(write.run_id)
        if write.next is not None:
            self._creation(write.next.creation)
            self.may_create = True
        self._relays(write.relays)

    def _relays(self, relays: Iterable[ports.Relay]) -> None:
        for relay in relays:
            if isinstance(relay.write, ports.CreateRun):
                self._creation(relay.write)
                self.may_create = True
            else:
                self._message(relay.write)

    def _creation(self, write: ports.CreateRun) -> None:
        self.sessions.add(write.owner)
        self.workflow_ids.add(write.workflow_id)

    def _message(self, write: ports.AcceptMessage) -> None:
        if write.run_id is None:
            self.workflow_ids.add(write.workflow_id)
        else:
            self.run_ids.add(write.run_id)
        self.inherits = self.inherits or write.answers is not None


@attrs.frozen
class Asked:
    """What was asked of the locked, for all writes at once; the answers are there once a later statement has its own."""

    #: What turns ask of their runs, under their ids.
    runs: Rows | None
    #: Which ids of new runs are or were a run's already, where no run comes into being but by a creation.
    taken: Rows | None


def lock_for(tx: Transaction, place: Place, writes: Sequence[Write]) -> Asked:
    """Lock what these writes look at, without waiting for it."""
    runs: Rows | None = None
    taken: Rows | None = None
    touched = _Touched()
    for write in writes:
        touched.add(write)
    shared = touched.sessions - touched.ended_sessions - {0}
    if shared:
        tx.execute(_SHARE_SESSIONS, (sorted(_session_keys(place, shared)),))
    if touched.ended_sessions:
        tx.execute(_TAKE_KEYS, (sorted(_session_keys(place, touched.ended_sessions)),))
    if keys := touched.workflow_ids | touched.requests:
        tx.execute(_TAKE_KEYS, (sorted({_stripe(place, each) for each in keys}),))
    run_ids = list(touched.run_ids)
    if touched.workflow_ids or touched.ended_sessions or touched.inherits:
        values = (run_ids, list(touched.workflow_ids), run_ids, list(touched.ended_sessions))
        runs = tx.execute(_LOCK_ALL_RUNS, values)
    elif run_ids:
        runs = tx.execute(_LOCK_RUNS, (run_ids,))
    if touched.created and not touched.may_create:
        taken = tx.execute(_TAKEN, (list(touched.created),))
    return Asked(runs, taken)


def _session_keys(place: Place, tokens: Iterable[int]) -> set[int]:
    return {place.number("session", str(token)) for token in tokens}


def _stripe(place: Place, workflow_id: str) -> int:
    return place.number("workflow", str(place.number("id", workflow_id) % _STRIPES))
