"""Saga: what has been done, as a list of how to undo it.

It needs no machinery, because an undo step is a value that can wait in a list.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from refold.author import shield
from refold.effects import Workflow
from refold.waits import Routine, Step

T = TypeVar("T")


class Saga:
    """Collects compensations; ``yield from saga.compensate()`` runs them, last first, out of reach of cancellation."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], Step[Any]]] = []

    def add(self, undo: Callable[[], Step[Any]]) -> None:
        """Remember how to undo what is about to be tried.

        For steps that may happen without their result being known: one that is cancelled half-way, or whose worker dies.  Such an undo must
        put up with there being nothing to undo.
        """
        self._undo.append(undo)

    def do(self, step: Step[T], undo: Callable[[T], Step[Any]]) -> Routine[T]:
        """Run a step and, once its result is recorded, remember ``undo(result)``; answers with the result.

        A step that happened without its result being recorded is not undone: where that matters, use :meth:`add` before it.
        """
        return Routine(self._do, (step, undo))

    def _do(self, step: Step[T], undo: Callable[[T], Step[Any]]) -> Workflow[T]:
        result = yield from step
        self._undo.append(partial(undo, result))
        return result

    def compensate(self) -> Routine[None]:
        """Undo everything done so far, last first; a failing compensation is raised after the others have run."""
        return Routine(self._shielded)

    def _shielded(self) -> Workflow[None]:
        yield from shield(Routine(self._compensate))

    def _compensate(self) -> Workflow[None]:
        errors: list[Exception] = []
        while self._undo:
            undo = self._undo.pop()
            try:
                yield from undo()
            except Exception as error:
                errors.append(error)
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise ExceptionGroup("compensations failed", errors)
