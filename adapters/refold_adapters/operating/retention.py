"""Removes runs that were closed long enough ago.

One rule: the store's clock says when; it is asked again when the next run may have become old enough, and not before.
"""

from __future__ import annotations

from datetime import timedelta

from refold_adapters.ports import Expired, ExpireRuns, Store

_MICROSECOND = timedelta(microseconds=1)
#: How long it is remembered that there was a run.
TOMBSTONES_US = timedelta(days=7) // _MICROSECOND
#: Removed in one commit.
BATCH = 200


class Retention:
    """Keeps the closed runs of a store for some time; for ever, if that is None."""

    def __init__(self, store: Store, keep: timedelta | None) -> None:
        self._store = store
        self._keep_us = None if keep is None else keep // _MICROSECOND
        #: When it has to look again; None for never.
        self.due_at: int | None = None if keep is None else 0

    def sweep_if_due(self) -> None:
        """Remove what is old enough, if anything can be."""
        if self._keep_us is None or self.due_at is None:
            return
        now = self._store.clock.now_us()
        if self.due_at > now:
            return
        write = ExpireRuns(closed_until=now - self._keep_us, forget_until=now - TOMBSTONES_US, limit=BATCH)
        (outcome,) = self._store.apply([write])
        assert isinstance(outcome, Expired), outcome
        # A run that closes from now on is not old enough before that.
        closed_at = now if outcome.next_closed_at is None else outcome.next_closed_at
        self.due_at = closed_at + self._keep_us
