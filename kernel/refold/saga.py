"""Saga: what has been done, as a list of how to undo it.

It needs no machinery, because an undo step is a value that can wait in a list.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from refold.author import shield
from refold.effects import Workflow
from refold.waits import Routine, Step

T = TypeVar("T")


class Saga:
    """Collects compensations; ``yield from saga.compensate()`` runs them, last first, out of reach of cancellation."""

    def __init__(self) -> None:
        self._undo: list[tuple[Callable[[Any], Step[Any]], Any]] = []

    def do(self, step: Step[T], undo: Callable[[T], Step[Any]]) -> Routine[T]:
        """Run a step and, once it has succeeded, remember ``undo(result)``; answers with the result."""
        return Routine(self._do, (step, undo))

    def _do(self, step: Step[T], undo: Callable[[T], Step[Any]]) -> Workflow[T]:
        result = yield from step
        self._undo.append((undo, result))
        return result

    def compensate(self) -> Routine[None]:
        """Undo everything done so far, last first; a failing compensation is raised after the others have run."""
        return Routine(self._shielded)

    def _shielded(self) -> Workflow[None]:
        yield from shield(Routine(self._compensate))

    def _compensate(self) -> Workflow[None]:
        errors: list[Exception] = []
        while self._undo:
            undo, result = self._undo.pop()
            try:
                yield from undo(result)
            except Exception as error:
                errors.append(error)
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise ExceptionGroup("compensations failed", errors)
