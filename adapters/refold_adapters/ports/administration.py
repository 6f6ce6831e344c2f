"""What a store is asked to do with a run as a whole: copy it, change how it stands, remove it."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from refold.value import Value
from refold_adapters.ports.rows import StoredTurn
from refold_adapters.ports.writes import CommitTurn, CreateRun, NewTask, Relay


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ChangeRun(Value):
    """Change how an open run stands before its first turn: ``Done``, ``NotFound``, ``Closed``, or ``Stale`` where it has had one.

    The message that says so is put into its inbox, to be heard in the first turn, and wakes nobody.  What is None stays as it is.
    """

    run_id: str
    message: bytes
    request_id: str = ""
    paused: bool | None = None
    #: Empty for any.
    build_id: str | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CopyRun(Value):
    """Create a run that begins with a copy of turns, and in the same step close the run whose place it takes.

    ``Created``; ``Exists`` as for ``CreateRun``, where the run that ``closes`` would close does not stand in the way; ``Stale`` where
    one of ``open_runs`` is not open; whatever else ``CommitTurn`` answers where it refuses ``closes`` or one of ``ends``.  All or
    nothing is done.  ``run`` has no message and no owner.
    """

    run: CreateRun
    #: Its turns, from 1 on without a gap.
    turns: Sequence[StoredTurn]
    last_event_id: int
    tasks: Sequence[NewTask] = ()
    #: ``(seq, fire_at)``
    timers: Sequence[tuple[int, int]] = ()
    #: Its inbox, in order: each message and its request id.
    messages: Sequence[tuple[bytes, str]] = ()
    closes: CommitTurn | None = None
    #: Turns that close other runs: children that the run is to start anew.
    ends: Sequence[CommitTurn] = ()
    #: Run ids: what the copy waits for is to come from them.
    open_runs: Sequence[str] = ()
    #: Run ids, and up to which of its commands the copy takes the answers to it from now on, in the place of whoever did before.
    stands_for: Sequence[tuple[str, int]] = ()
    #: What its turns asked of other runs and is asked once more, as by ``CommitTurn``.
    relays: Sequence[Relay] = ()


@attrs.frozen(kw_only=True, eq=False, repr=False)
class DeleteRun(Value):
    """Remove a closed run and all that belongs to it: ``Done``; ``Refused`` where it is open; ``NotFound``.

    A tombstone is left, so that what comes late is refused and not taken for something new.
    """

    run_id: str


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ExpireRuns(Value):
    """Remove up to ``limit`` runs that were closed before or at ``closed_until``, the earliest first, as ``DeleteRun`` does.

    Tombstones and noted requests (``Once``) older than ``forget_until`` go too.
    ``Expired``, with the time at which the earliest of the rest was closed.
    """

    closed_until: int
    forget_until: int
    limit: int
