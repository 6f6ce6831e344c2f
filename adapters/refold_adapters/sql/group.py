"""Sharing a commit: of the threads that want to write, one leads and carries out what all of them brought.

One rule: a thread that finds nobody at work leads at once, in its own thread and without a hand-off; those who come meanwhile
wait, and the first of them leads next.  What leading means is told from outside; nothing here knows of databases.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import attrs

from refold_adapters.ports import Clock, Outcome, Write


@attrs.define(eq=False)
class Batch:
    """The writes of one call, and what became of them."""

    writes: Sequence[Write]
    clock: Clock
    outcomes: list[Outcome] = attrs.field(factory=list[Outcome])
    error: Exception | None = None
    done: bool = False
    #: Whether the commit that its thread led changed something: then that thread tells the subscribers.
    has_news: bool = False
    #: Held until the batch is done, or its thread is to lead; None for one that led at once.
    gate: threading.Lock | None = None
    leads: bool = False

    def fail(self, error: Exception) -> None:
        """It could not be done."""
        self.error = error
        self.done = True


class Group:
    """Batches in order of arrival, carried out by one thread at a time."""

    def __init__(self, carry_out: Callable[[list[Batch]], None]) -> None:
        #: Sees to it that each of the batches is done.  If it is interrupted, those that are not done come again.
        self._carry_out = carry_out
        self._mutex = threading.Lock()
        self._occupied = False
        self._waiting: list[Batch] = []

    def submit(self, batch: Batch) -> None:
        """Return when the batch is done."""
        try:
            with self._mutex:
                if self._occupied:
                    batch.gate = threading.Lock()
                    batch.gate.acquire()
                    self._waiting.append(batch)
                else:
                    self._occupied = batch.leads = True
            if batch.gate is None:
                self._lead(batch, [batch])
                return
            batch.gate.acquire()
            if batch.leads:
                with self._mutex:
                    batches = [batch, *self._waiting]
                    self._waiting.clear()
                self._lead(batch, batches)
        except BaseException:  # an interrupt from the keyboard, at any point
            self._withdraw(batch)
            raise

    def _lead(self, batch: Batch, batches: list[Batch]) -> None:
        try:
            self._carry_out(batches)
        finally:
            self._hand_over(batch, batches)

    def _hand_over(self, leader: Batch, batches: list[Batch]) -> None:
        with self._mutex:
            leader.leads = False
            if len(batches) > 1:
                self._waiting[:0] = [batch for batch in batches if not batch.done and batch is not leader]
            if self._waiting:
                following = self._waiting.pop(0)
                following.leads = True
                _open(following)
            else:
                self._occupied = False
        if len(batches) > 1:
            for batch in batches:
                if batch.done and batch is not leader:
                    _open(batch)

    def _withdraw(self, batch: Batch) -> None:
        with self._mutex:
            if batch in self._waiting:
                self._waiting.remove(batch)
            leads = batch.leads
        if leads:
            self._hand_over(batch, [])


def _open(batch: Batch) -> None:
    assert batch.gate is not None
    batch.gate.release()


def carry_out(
    batches: list[Batch],
    commit: Callable[[list[Batch]], None],
    translated: Callable[[Exception], Exception],
) -> None:
    """Commit batches together; where that fails, each alone, so that one that cannot be done does not take the others with it."""
    try:
        commit(batches)
    except Exception as error:
        if len(batches) == 1:
            batches[0].fail(translated(error))
            return
        for batch in batches:
            try:
                commit([batch])
            except Exception as own:
                batch.fail(translated(own))
