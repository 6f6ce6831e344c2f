"""Watches a combinator from the inside: what it comes to must follow from how its steps ended.

The watcher is told of each step as it ends, so it knows their order, and compares when the combinator has ended.  A step that starts
branches of its own ends later than its code does, so such steps are not for watching.  Watched closely, it must be the right one of
several errors; that can be told only where a request to cancel shows at once, so not where there are shields.

One rule: it decides nothing; what it finds goes into a list, as an error raised here might be taken for a step's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from refold import CancelledError, ContinueAsNewError, Workflow


@attrs.frozen
class _End:
    """How a step ended, and whether anything at all had been cancelled by then."""

    index: int
    value: Any
    error: BaseException | None
    undisturbed: bool


class Watch:
    """One combinator under watch."""

    def __init__(self, how: str, closely: bool, faults: list[str], cancelled: Sequence[object]) -> None:
        self._how = how
        self._closely = closely
        self._faults = faults
        self._cancelled = cancelled
        self._cancelled_before = len(cancelled)
        self._begun = 0
        #: In the order in which the steps ended.
        self._ends: list[_End] = []

    def run(self, combinator: Callable[..., Any], steps: Sequence[Workflow[Any]]) -> Workflow[Any]:
        """The combinator of these steps."""
        watched = [self._watched(index, each) for index, each in enumerate(steps)]
        try:
            value = yield from combinator(*watched)
        except (Exception, CancelledError, ContinueAsNewError) as error:
            self._all_ended()
            self._check_error(error)
            raise
        self._all_ended()
        self._check_value(value)
        return value

    def _watched(self, index: int, step: Workflow[Any]) -> Workflow[Any]:
        self._begun += 1
        try:
            value = yield from step
        except (Exception, CancelledError, ContinueAsNewError) as error:
            self._ended(index, None, error)
            raise
        self._ended(index, value, None)
        return value

    def _ended(self, index: int, value: Any, error: BaseException | None) -> None:
        undisturbed = len(self._cancelled) == self._cancelled_before
        self._ends.append(_End(index, value, error, undisturbed))

    def _require(self, holds: bool, what: str) -> None:
        if not holds:
            self._faults.append(f"{self._how}: {what}; steps ended so: {self._ends}")

    def _all_ended(self) -> None:
        self._require(self._begun == len(self._ends), "a step outlives it")

    def _check_value(self, value: Any) -> None:
        ends = sorted(self._ends, key=lambda end: end.index)
        match self._how:
            case "all_of":
                self._require(list(value) == [end.value for end in ends], f"it returned {value}")
                self._require(all(end.error is None for end in ends), "it returned though a step failed")
            case "all_settled":
                outcomes = [(each.value, each.error) for each in value]
                self._require(outcomes == [(end.value, end.error) for end in ends], f"it returned {value}")
            case "first_of":
                self._require(value == (self._ends[0].index, self._ends[0].value), f"it returned {value}")
                self._require(self._ends[0].error is None, "it returned though the first step failed")
            case _:
                first = next((end.value for end in self._ends if end.error is None), "nothing")
                self._require(value == first, f"it returned {value}")

    def _check_error(self, error: BaseException) -> None:
        """An error is that of a step, or all of theirs; a late one, if a step failed while it unwound."""
        if isinstance(error, CancelledError):
            return  # it was cancelled itself, or the first to end was a step that had been
        if isinstance(error, ContinueAsNewError):
            self._require(any(error is end.error for end in self._ends), f"it raised {error!r}")
            return  # that decides it, whatever it is
        by_index = [end.error for end in sorted(self._ends, key=lambda end: end.index)]
        grouped = isinstance(error, BaseExceptionGroup) and list(error.exceptions) == by_index
        self._require(grouped or any(error is each for each in by_index), f"it raised {error!r}")
        failed = [end for end in self._ends if end.error is not None]
        decisive = failed[:1] if self._how == "all_of" else self._ends[:1]
        if not self._closely or not all(end.undisturbed and end.error is not None for end in decisive):
            return
        if self._how == "any_of":
            alone = any(end.error is None or not end.undisturbed for end in self._ends)
            self._require(grouped or alone, f"it raised {error!r}")
        elif self._how != "all_settled":
            self._require(error is decisive[0].error, f"it raised {error!r}")
