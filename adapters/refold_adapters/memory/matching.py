"""Whether a run of the memory store fits a filter.

One rule: what ``ports.conditions`` promises of a tree holds here word for word; the SQL of other stores is measured against it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, assert_never

from refold_adapters.memory.state import Run
from refold_adapters.ports import RunFilter
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
    Scalar,
    StartsWith,
    Subject,
)

_COMPARE: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQUAL: operator.eq,
    Operator.LESS: operator.lt,
    Operator.LESS_OR_EQUAL: operator.le,
    Operator.GREATER: operator.gt,
    Operator.GREATER_OR_EQUAL: operator.ge,
}


def matches(run: Run, filter: RunFilter) -> bool:
    """Whether all conditions of the filter hold (``limit`` and ``before`` aside)."""
    return (
        (filter.workflow_id is None or run.workflow_id == filter.workflow_id)
        and (filter.workflow_type is None or run.workflow_type == filter.workflow_type)
        and (filter.task_queue is None or run.task_queue == filter.task_queue)
        and (filter.statuses is None or run.status in filter.statuses)
        and (filter.parked is None or (run.parked is not None) == filter.parked)
        and (filter.where is None or holds(run, filter.where))
    )


def holds(run: Run, condition: Condition) -> bool:
    """Whether a condition holds for the run."""
    match condition:
        case Compare():
            compare = _COMPARE[condition.operator]
            text = isinstance(condition.value, str)
            return any(
                compare(value, condition.value)
                for value in _values(run, condition.subject)
                if isinstance(value, str) == text
            )
        case StartsWith():
            return any(
                isinstance(value, str) and value.startswith(condition.prefix)
                for value in _values(run, condition.subject)
            )
        case IsNull():
            return not _values(run, condition.subject)
        case Not():
            return not holds(run, condition.condition)
        case AllOf():
            return all(holds(run, each) for each in condition.conditions)
        case AnyOf():
            return any(holds(run, each) for each in condition.conditions)
        case _:
            assert_never(condition)


def _values(run: Run, subject: Subject) -> Sequence[Scalar]:
    if isinstance(subject, Attribute):
        return [
            term.value
            for term in run.terms
            if term.name == subject.name and subject.kind in (None, term.kind)
        ]
    if subject is Column.STATUS:
        return [run.status.value]
    value: Scalar | None = getattr(run, subject.value)
    return [] if value is None else [value]
