"""Conditions on runs as SQL.

One rule: the text of the SQL is made of words that stand in this module only; whatever a user wrote is bound.
"""

from __future__ import annotations

from typing import TypeAlias, assert_never

import attrs

from refold_adapters.ports.conditions import (
    AllOf,
    AnyOf,
    Attribute,
    Column,
    Compare,
    Condition,
    IsNull,
    Not,
    Scalar,
    StartsWith,
    Subject,
    TermKind,
    prefix_end,
)
from refold_adapters.sql.transaction import Transaction

Bound: TypeAlias = list[Scalar]

#: How a column is read; one that may be NULL has to be there for a comparison to hold.
_COLUMNS: dict[Column, str] = {column: f"runs.{column.value}" for column in Column} | {
    Column.BUILD_ID: "nullif(runs.build_id, '')"
}
_NULLABLE = {
    Column.BUILD_ID,
    Column.CLOSED_AT,
    Column.PAUSED_AT,
    Column.PARKED_AT,
    Column.PARKED_KIND,
    Column.PARKED_LINE,
}
_NUMBERS = {
    Column.STARTED_AT,
    Column.CLOSED_AT,
    Column.PAUSED_AT,
    Column.PARKED_AT,
    Column.EVENTS,
    Column.HISTORY_BYTES,
}
_HAS_TERM = "runs.run_key IN (SELECT terms.run_key FROM terms WHERE terms.name = ?"


def sql_of(tx: type[Transaction], condition: Condition) -> tuple[str, Bound]:
    """An expression that is true or false for each row of ``runs``, never NULL, and what is bound to it."""
    found = _sql(tx, condition, negated=False)
    return f"({found.text})", found.bound


@attrs.frozen
class _Sql:
    """A part of an expression, without the parentheses that it may need beside others."""

    text: str
    bound: Bound
    #: Whether it is held together by OR, which binds the least.
    is_or: bool = False
    #: How many parentheses are open at once while it is read.
    depth: int = 0


def _sql(tx: type[Transaction], condition: Condition, *, negated: bool) -> _Sql:
    """Negations are pushed down to the tests, and the deepest part comes first: SQLite keeps only so much open while it reads on."""
    match condition:
        case Not():
            return _sql(tx, condition.condition, negated=not negated)
        case AllOf() | AnyOf():
            is_or = isinstance(condition, AnyOf) != negated
            return _joined([_sql(tx, each, negated=negated) for each in condition.conditions], is_or=is_or)
        case _:
            text, bound = _test(tx, condition)
            return _Sql(f"(NOT {text})" if negated else text, bound)


def _joined(parts: list[_Sql], *, is_or: bool) -> _Sql:
    if not parts:
        return _Sql("FALSE" if is_or else "TRUE", [])
    if not is_or:
        parts = [
            _Sql(f"({each.text})", each.bound, depth=each.depth + 1) if each.is_or else each for each in parts
        ]
    parts.sort(key=lambda each: -each.depth)
    text = (" OR " if is_or else " AND ").join(each.text for each in parts)
    return _Sql(text, [value for each in parts for value in each.bound], is_or, parts[0].depth)


def _test(tx: type[Transaction], condition: Compare | StartsWith | IsNull) -> tuple[str, Bound]:
    match condition:
        case Compare():
            return _about(tx, condition.subject, f"{condition.operator.value} ?", [condition.value])
        case StartsWith():
            end = prefix_end(condition.prefix)
            if end is None:
                return _about(tx, condition.subject, ">= ?", [condition.prefix])
            return _about(tx, condition.subject, ">= ?", [condition.prefix], "< ?", [end])
        case IsNull():
            if isinstance(condition.subject, Attribute):
                text, bound = _about(tx, condition.subject)
                return f"(NOT {text})", bound
            return f"({_COLUMNS[condition.subject]} IS NULL)", []
        case _:
            assert_never(condition)


def _about(tx: type[Transaction], subject: Subject, *tests: str | Bound) -> tuple[str, Bound]:
    """That the subject has a value for which all tests hold, each given as its end of the expression and what is bound to it."""
    words = [test for test in tests if isinstance(test, str)]
    bound: Bound = [value for test in tests if not isinstance(test, str) for value in test]
    for value in bound:
        if not _is_comparable(subject, value):
            return "FALSE", []
    if isinstance(subject, Attribute):
        before: Bound = [subject.name]
        text = _HAS_TERM
        if subject.kind is not None:
            text += " AND terms.kind = ?"
            before.append(subject.kind.value)
        value = tx.text_term if bound and isinstance(bound[0], str) else tx.number_term
        return f"({text}{''.join(f' AND {value} {word}' for word in words)}))", [*before, *bound]
    column = _COLUMNS[subject]
    parts = [f"{column} {word}" for word in words]
    if subject in _NULLABLE:
        parts.insert(0, f"{column} IS NOT NULL")
    return f"({' AND '.join(parts)})", bound


def _is_comparable(subject: Subject, value: Scalar) -> bool:
    """Whether what is compared can be a text where the value is one, and a number where it is one."""
    if isinstance(subject, Column):
        return isinstance(value, str) != (subject in _NUMBERS)
    return subject.kind is None or isinstance(value, str) == (subject.kind in {TermKind.TEXT, TermKind.WORD})
