"""The query language of lists: a text such as ``WorkflowType = 'order' AND Customer = 'acme'`` as a tree of conditions.

    condition  = conjunction { OR conjunction }
    conjunction = negation { AND negation }
    negation   = NOT negation | "(" condition ")" | test
    test       = name ( = | != | < | <= | > | >= ) value
               | name [ NOT ] IN "(" value { "," value } ")"
               | name [ NOT ] BETWEEN value AND value
               | name [ NOT ] STARTS_WITH text
               | name IS [ NOT ] NULL

The names of what every run has are Temporal's; any other is that of a search attribute.  One rule: what is written either has one
meaning or is refused (RF5114) with the place where it stops having one; nothing of it ever becomes part of a statement.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, NoReturn, TypeAlias

import attrs

from refold_adapters.ports import RunStatus
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
    StartsWith,
    TermKind,
)
from refold_adapters.runtime_errors import ExecutionError
from refold_adapters.turns.properties import number_term, time_term, words_of

LENGTH_MAX = 10_000
DEPTH_MAX = 50
TESTS_MAX = 200

#: A value as it was written; bool is one of its own.
Literal: TypeAlias = str | int | float | bool

_TEXTS = {
    "workflowid": Column.WORKFLOW_ID,
    "runid": Column.RUN_ID,
    "workflowtype": Column.WORKFLOW_TYPE,
    "taskqueue": Column.TASK_QUEUE,
    "buildid": Column.BUILD_ID,
    "parkedkind": Column.PARKED_KIND,
    "parkedline": Column.PARKED_LINE,
}
_TIMES = {
    "starttime": Column.STARTED_AT,
    "closetime": Column.CLOSED_AT,
    "pausedtime": Column.PAUSED_AT,
    "parkedtime": Column.PARKED_AT,
}
_NUMBERS = {"historylength": Column.EVENTS, "historysizebytes": Column.HISTORY_BYTES}
_FLAGS = {"parked": Column.PARKED_AT, "paused": Column.PAUSED_AT}
#: The names of what every run has, as they are written.
FIELDS = (
    *(
        "WorkflowId",
        "RunId",
        "WorkflowType",
        "TaskQueue",
        "ExecutionStatus",
        "BuildId",
        "StartTime",
        "CloseTime",
    ),
    *(
        "HistoryLength",
        "HistorySizeBytes",
        "Paused",
        "PausedTime",
        "Parked",
        "ParkedTime",
        "ParkedKind",
        "ParkedLine",
    ),
)
_STATUSES = {status.value.replace("_", "").lower(): status for status in RunStatus}

_KEYWORDS = ("AND", "OR", "NOT", "IN", "BETWEEN", "IS", "NULL", "STARTS_WITH", "TRUE", "FALSE")
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
    | (?P<number>-?\d{1,300}(?:\.\d{1,300})?(?:[eE][+-]?\d{1,3})?)(?![\w.])
    | (?P<quoted>`[^`]+`)
    | (?P<word>[^\W\d][\w.\-]*)
    | (?P<sign><=|>=|!=|<>|=|<|>|\(|\)|,)
    )""",
    re.VERBOSE,
)


@attrs.frozen
class _Token:
    #: ``text``, ``number``, ``name``, ``keyword``, ``sign`` or ``end``.
    kind: str
    value: Any
    place: int


def parse_query(text: str) -> Condition:
    """The tree of a query; an empty one lets every run through.  Raises :class:`ExecutionError` (RF5114) for what has no meaning."""
    if len(text) > LENGTH_MAX:
        refuse(text, LENGTH_MAX, f"it is longer than {LENGTH_MAX} characters")
    if not text.isprintable() and re.search(r"[\ud800-\udfff]", text):
        refuse(text, 0, "it has half a character (a lone surrogate)")
    tokens = _tokens(text)
    if len(tokens) == 1:
        return AllOf(())
    parser = _Parser(text, tokens)
    condition = parser.condition(0)
    if parser.next.kind != "end":
        parser.refuse("AND, OR or the end")
    return condition


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    place = 0
    end = len(text.rstrip())
    while place < end:
        found = _TOKEN.match(text, place)
        if found is None:
            start = place + len(text[place:]) - len(text[place:].lstrip())
            refuse(text, start, f"{text[start]!r} begins nothing that a query is made of")
        kind = str(found.lastgroup)
        word = found[kind]
        start = found.start(kind)
        if kind == "text":
            tokens.append(_Token("text", word[1:-1].replace(word[0] * 2, word[0]), start))
        elif kind == "number":
            tokens.append(_Token("number", float(word) if set(word) & set(".eE") else int(word), start))
        elif kind == "quoted":
            tokens.append(_Token("name", word[1:-1], start))
        elif kind == "word" and word.upper() in _KEYWORDS:
            tokens.append(_Token("keyword", word.upper(), start))
        else:
            tokens.append(_Token("name" if kind == "word" else "sign", word, start))
        place = found.end()
    return [*tokens, _Token("end", None, end)]


class _Parser:
    """Reads one query, from left to right, one token ahead."""

    def __init__(self, text: str, tokens: list[_Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._position = 0
        self._tests = 0

    @property
    def next(self) -> _Token:
        """The token that is read next."""
        return self._tokens[self._position]

    def refuse(self, wanted: str) -> NoReturn:
        """The next token cannot stand there."""
        token = self.next
        shown = "it ends" if token.kind == "end" else f"{token.value!r} stands"
        refuse(self._text, token.place, f"{shown} where {wanted} was to come")

    def _take(self, kind: str, *values: str) -> _Token | None:
        token = self.next
        if token.kind != kind or (values and token.value not in values):
            return None
        self._position += 1
        return token

    def _need(self, kind: str, wanted: str, *values: str) -> _Token:
        token = self._take(kind, *values)
        return self.refuse(wanted) if token is None else token

    def condition(self, depth: int) -> Condition:
        """Alternatives."""
        if depth > DEPTH_MAX:
            refuse(self._text, self.next.place, f"it is nested more than {DEPTH_MAX} deep")
        parts = [self._conjunction(depth)]
        while self._take("keyword", "OR"):
            parts.append(self._conjunction(depth))
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _conjunction(self, depth: int) -> Condition:
        parts = [self._negation(depth)]
        while self._take("keyword", "AND"):
            parts.append(self._negation(depth))
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _negation(self, depth: int) -> Condition:
        negated = False
        while self._take("keyword", "NOT"):
            negated = not negated
        if self._take("sign", "("):
            condition = self.condition(depth + 1)
            self._need("sign", "')'", ")")
        else:
            condition = self._test()
        return Not(condition) if negated else condition

    def _test(self) -> Condition:
        self._count()
        name = self._need("name", "a name, NOT or '('")
        sign = self._take("sign", "=", "!=", "<>", "<", "<=", ">", ">=")
        if sign is not None:
            return self._compared(name, sign.value, self._value())
        if self._take("keyword", "IS"):
            negated = self._take("keyword", "NOT") is not None
            self._need("keyword", "NULL", "NULL")
            condition = self._is_null(name)
            return Not(condition) if negated else condition
        negated = self._take("keyword", "NOT") is not None
        word = self._need("keyword", "an operator", "IN", "BETWEEN", "STARTS_WITH").value
        condition = {"IN": self._in, "BETWEEN": self._between, "STARTS_WITH": self._starts_with}[word](name)
        return Not(condition) if negated else condition

    def _in(self, name: _Token) -> Condition:
        self._need("sign", "'('", "(")
        parts = [self._compared(name, "=", self._value())]
        while self._take("sign", ","):
            self._count()
            parts.append(self._compared(name, "=", self._value()))
        self._need("sign", "',' or ')'", ")")
        return AnyOf(tuple(parts))

    def _between(self, name: _Token) -> Condition:
        low = self._value()
        self._need("keyword", "AND", "AND")
        high = self._value()
        return AllOf((self._compared(name, ">=", low), self._compared(name, "<=", high)))

    def _starts_with(self, name: _Token) -> Condition:
        prefix = self._need("text", "a text in quotes")
        column = _TEXTS.get(name.value.lower())
        if column is None and name.value.lower() in _BUILT_IN:
            self._misfit(name, "it is no text")
        return StartsWith(column or Attribute(name.value, TermKind.TEXT), prefix.value)

    def _count(self) -> None:
        self._tests += 1
        if self._tests > TESTS_MAX:
            refuse(self._text, self.next.place, f"it has more than {TESTS_MAX} values to compare with")

    def _value(self) -> _Token:
        for kind in ("text", "number"):
            token = self._take(kind)
            if token is not None:
                return token
        token = self._need("keyword", "a text in quotes, a number, true or false", "TRUE", "FALSE")
        return _Token("bool", token.value == "TRUE", token.place)

    # What the names mean ------------------------------------------------------------------------------------------------

    def _misfit(self, token: _Token, why: str) -> NoReturn:
        refuse(self._text, token.place, f"{token.value!r} cannot be used like this: {why}")

    def _is_null(self, name: _Token) -> Condition:
        known = name.value.lower()
        if known in _FLAGS or known == "executionstatus":
            self._misfit(name, "it is never NULL")
        return IsNull(_BUILT_IN.get(known) or Attribute(name.value))

    def _compared(self, name: _Token, sign: str, literal: _Token) -> Condition:
        if sign in ("!=", "<>"):
            return Not(self._compared(name, "=", literal))
        known = name.value.lower()
        operator = Operator(sign)
        if known == "executionstatus" or known in _FLAGS:
            return self._only_equal(name, operator, literal)
        column = _BUILT_IN.get(known)
        if column is None:
            return self._attribute(name.value, operator, literal)
        if known in _TEXTS:
            if literal.kind != "text":
                self._misfit(literal, f"{name.value} is compared with a text in quotes")
            return Compare(column, operator, literal.value)
        if known in _TIMES:
            at = _time(literal.value) if literal.kind == "text" else None
            if at is None:
                self._misfit(literal, "a time is written as '2026-01-31T12:00:00Z', with its offset from UTC")
            return Compare(column, operator, at)
        if literal.kind != "number":
            self._misfit(literal, f"{name.value} is compared with a number")
        return Compare(column, operator, number_term(literal.value))

    def _only_equal(self, name: _Token, operator: Operator, literal: _Token) -> Condition:
        if operator is not Operator.EQUAL:
            self._misfit(name, "it has no order: only = and != and IN tell something")
        flag = _FLAGS.get(name.value.lower())
        if flag is not None:
            if literal.kind != "bool":
                self._misfit(literal, f"{name.value} is true or false")
            return Not(IsNull(flag)) if literal.value else IsNull(flag)
        status = (
            _STATUSES.get(str(literal.value).replace("_", "").lower()) if literal.kind == "text" else None
        )
        if status is None:
            self._misfit(literal, f"a status is one of {', '.join(known.value for known in RunStatus)}")
        return Compare(Column.STATUS, operator, status.value)

    def _attribute(self, name: str, operator: Operator, literal: _Token) -> Condition:
        value = literal.value
        if literal.kind == "bool":
            return Compare(Attribute(name, TermKind.BOOL), operator, int(value))
        if literal.kind == "number":
            return Compare(Attribute(name, TermKind.NUMBER), operator, number_term(value))
        # What kind the attribute has is known of each run only, so a text stands for all that it could be.
        meanings: list[Condition] = [Compare(Attribute(name, TermKind.TEXT), operator, value)]
        at = _time(value)
        if at is not None:
            meanings.append(Compare(Attribute(name, TermKind.TIME), operator, at))
        words = words_of(value)
        if operator is Operator.EQUAL and words:
            found = [Compare(Attribute(name, TermKind.WORD), operator, word) for word in words]
            meanings.append(AllOf(tuple(found)))
        return meanings[0] if len(meanings) == 1 else AnyOf(tuple(meanings))


_BUILT_IN: dict[str, Column] = {**_TEXTS, **_TIMES, **_NUMBERS, **_FLAGS, "executionstatus": Column.STATUS}


def _time(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else time_term(moment)


def refuse(text: str, place: int, problem: str) -> NoReturn:
    """Raise RF5114: there the query stops having a meaning."""
    shown = text if len(text) <= 200 else f"{text[:200]}..."
    raise ExecutionError(
        "RF5114",
        f"the query {shown!r} has no meaning: at character {place + 1}, {problem}",
        why="a list is filtered by conditions on " + ", ".join(FIELDS) + " and on search attributes",
        fix="write for instance: WorkflowType = 'order' AND Customer IN ('a', 'b') AND StartTime > '2026-01-31T12:00:00Z'",
    )
