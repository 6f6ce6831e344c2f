"""What the names in a query mean that are no fields: search attributes that runs have, or mistakes.

Search attributes are declared nowhere, so a misspelt name would match no run, silently.  One rule: a name that some run has is never
questioned, nor is one in backticks; of the others, what is nearly a field or nearly a known name is refused, and the rest is told in
the log.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from difflib import get_close_matches

from refold_adapters.client.visibility import FIELDS, refuse
from refold_adapters.ports import Store
from refold_adapters.ports.conditions import AllOf, AnyOf, Attribute, Condition, Not
from refold_adapters.stores import shown_url

logger = logging.getLogger("refold.client")

_FIELDS = {field.lower(): field for field in FIELDS}
#: Other words for fields: those of other programs, and those of our own rows and columns.
_WORDS = {
    **dict.fromkeys(("status", "state", "workflowstatus"), "ExecutionStatus"),
    **dict.fromkeys(("type", "workflow", "workflowname"), "WorkflowType"),
    **dict.fromkeys(("id", "executionid"), "WorkflowId"),
    **dict.fromkeys(("run",), "RunId"),
    **dict.fromkeys(("queue", "tasklist"), "TaskQueue"),
    **dict.fromkeys(("build", "buildids"), "BuildId"),
    **dict.fromkeys(("started", "startedat", "createdat", "executiontime"), "StartTime"),
    **dict.fromkeys(("closed", "closedat", "ended", "endedat", "endtime"), "CloseTime"),
    **dict.fromkeys(("events", "eventcount", "historyevents"), "HistoryLength"),
    **dict.fromkeys(("historybytes", "historysize"), "HistorySizeBytes"),
    **dict.fromkeys(("pausedat",), "PausedTime"),
    **dict.fromkeys(("parkedat",), "ParkedTime"),
}
#: How alike a name and a field have to be.
_ALIKE = 0.85


def check_names(store: Store, query: str, condition: Condition) -> None:
    """Refuse (RF5114) or tell of names that no run of the store is found by."""
    names = dict.fromkeys(_attributes(condition))
    if not names:
        return
    known = store.list_attributes()
    for name in names:
        if name not in known and f"`{name}`" not in query:
            _question(query, name, known, shown_url(store.url))


def _question(query: str, name: str, known: Sequence[str], url: str) -> None:
    plain = _plain(name)
    meant = field_like(name) or next((each for each in known if _plain(each) == plain), None)
    if meant is not None:
        problem = f"no run has a search attribute {name!r}; did you mean {meant}? (In backticks it is taken as it is.)"
        refuse(query, query.find(name), problem)
    alike = get_close_matches(name, known, 1)
    logger.warning(
        "the query %r asks for a search attribute %r, which no run of %s has%s",
        query,
        name,
        url,
        f"; did you mean {alike[0]!r}?" if alike else "",
    )


def field_like(name: str) -> str | None:
    """The field that was probably meant; None if it is like none."""
    plain = _plain(name)
    if plain in _WORDS:
        return _WORDS[plain]
    return next((_FIELDS[found] for found in get_close_matches(plain, _FIELDS, 1, _ALIKE)), None)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _attributes(condition: Condition) -> list[str]:
    match condition:
        case Not():
            return _attributes(condition.condition)
        case AllOf() | AnyOf():
            return [name for each in condition.conditions for name in _attributes(each)]
        case _:
            return [condition.subject.name] if isinstance(condition.subject, Attribute) else []
