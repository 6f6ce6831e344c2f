"""Memo and search attributes of a run: what its row says of them, and how a turn changes them.

A memo is read with the run; a search attribute is what the run is found by.  One rule: both are replaced whole in the commit of
the turn that changes them, so that the row always tells what the history tells.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from refold.events import (
    HistoryEvent,
    UpsertWorkflowSearchAttributes,
    WorkflowExecutionStarted,
    WorkflowPropertiesModified,
)
from refold.payloads import Plain
from refold.search_attributes import SearchAttributeKind, changed
from refold_adapters.ports import Properties, RunRow
from refold_adapters.ports.conditions import Scalar, Term, TermKind

_CHANGES = frozenset((WorkflowPropertiesModified, UpsertWorkflowSearchAttributes))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INT64 = range(-(2**63), 2**63)


def properties_of(
    memo: Mapping[str, Plain] | None, search_attributes: Mapping[str, Plain] | None
) -> Properties | None:
    """What a store keeps of a memo and of search attributes; None where there is nothing."""
    memo = changed({}, memo or {})
    found = changed({}, search_attributes or {})
    if not memo and not found:
        return None
    return Properties(_bytes(memo), _bytes(found), tuple(terms_of(found)))


def properties_after(row: RunRow | None, events: Sequence[HistoryEvent]) -> Properties | None:
    """What a store keeps after a turn of a run that stood as ``row`` says; None where the turn changes nothing of it."""
    memo = {} if row is None else memo_of(row)
    found = {} if row is None else search_attributes_of(row)
    touched = False
    for event in events:
        match event:
            case WorkflowExecutionStarted():
                memo, found = changed({}, event.memo or {}), changed({}, event.search_attributes or {})
            case WorkflowPropertiesModified():
                memo, touched = changed(memo, event.memo), True
            case UpsertWorkflowSearchAttributes():
                found, touched = changed(found, event.search_attributes), True
            case _:
                continue
    return Properties(_bytes(memo), _bytes(found), tuple(terms_of(found))) if touched else None


def changed_by(events: Sequence[HistoryEvent]) -> bool:
    """Whether a turn changes memo or search attributes, so that the row of its run need be looked up."""
    return not _CHANGES.isdisjoint(map(type, events))


def memo_of(row: RunRow) -> dict[str, Plain]:
    """The memo of a run, as plain data."""
    return _read(row.memo)


def search_attributes_of(row: RunRow) -> dict[str, Plain]:
    """The search attributes of a run, as plain data: each with its ``type`` and its ``value``."""
    return _read(row.search_attributes)


def terms_of(search_attributes: Mapping[str, Plain]) -> list[Term]:
    """What a run with these search attributes is found by."""
    terms: dict[Term, None] = {}
    for name, found in search_attributes.items():
        kind, value = SearchAttributeKind(found["type"]), found["value"]
        for term_kind, each in _values(kind, value):
            terms[Term(name, term_kind, each)] = None
    return list(terms)


def number_term(value: float) -> int | float:
    """A number as stores compare it: whole ones of more than 64 bits are rounded."""
    return (
        float(value)
        if isinstance(value, int) and value not in _INT64 and abs(value) < 2**1023
        else _finite(value)
    )


def time_term(moment: datetime) -> int:
    """Microseconds since the epoch."""
    return (moment - _EPOCH) // _MICROSECOND


def words_of(text: str) -> list[str]:
    """The words of a text, each once, as they are compared."""
    return list(dict.fromkeys(re.findall(r"\w+", text.casefold())))


def _values(kind: SearchAttributeKind, value: Any) -> list[tuple[TermKind, Scalar]]:
    match kind:
        case SearchAttributeKind.KEYWORD:
            return [(TermKind.TEXT, value)]
        case SearchAttributeKind.KEYWORD_LIST:
            return [(TermKind.TEXT, each) for each in value]
        case SearchAttributeKind.TEXT:
            return [(TermKind.TEXT, value), *((TermKind.WORD, word) for word in words_of(value))]
        case SearchAttributeKind.BOOL:
            return [(TermKind.BOOL, int(value))]
        case SearchAttributeKind.DATETIME:
            return [(TermKind.TIME, time_term(datetime.fromisoformat(value)))]
        case SearchAttributeKind.INT | SearchAttributeKind.FLOAT:
            return [] if math.isnan(value) else [(TermKind.NUMBER, number_term(value))]


def _finite(value: float) -> int | float:
    if isinstance(value, int) and value not in _INT64:
        return math.inf if value > 0 else -math.inf
    return value


def _bytes(value: Mapping[str, Plain]) -> bytes | None:
    return (
        json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
        if value
        else None
    )


def _read(data: bytes | None) -> dict[str, Plain]:
    found: dict[str, Plain] = {} if data is None else json.loads(data)
    return found
