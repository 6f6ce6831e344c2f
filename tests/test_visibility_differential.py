"""A query finds the same runs in the memory store and in the SQLite store, and what has no meaning is refused by both alike."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refold import SearchAttributeKey
from refold.search_attributes import SearchAttributePair, plain_search_attributes
from refold_adapters import ManualClock, Store, open_store
from refold_adapters.client.visibility import DEPTH_MAX, parse_query
from refold_adapters.ports import Closing, CommitTurn, CreateRun, RunFilter, RunStatus, Write
from refold_adapters.runtime_errors import ExecutionError
from refold_adapters.turns.properties import properties_of

TEXTS = ("a", "ab", "b", "it's", "%", "Red shoes", "", "\uffff", "\U0010ffff", "2026-01-01T00:00:00Z")
NUMBERS = (-1, 0, 1, 1.5, 2**70, -(2**63))
customer = SearchAttributeKey.keyword("customer")
tags = SearchAttributeKey.keyword_list("tags")
note = SearchAttributeKey.text("note")
amount = SearchAttributeKey.int("amount")
rate = SearchAttributeKey.float("rate")
paid = SearchAttributeKey.bool("paid")
due = SearchAttributeKey.datetime("due")

texts = st.sampled_from(TEXTS)
numbers = st.sampled_from(NUMBERS)


@st.composite
def attributes(draw: st.DrawFn) -> list[SearchAttributePair]:
    pairs: list[SearchAttributePair] = []
    for drawn in (
        st.builds(customer.value_set, texts),
        st.builds(tags.value_set, st.lists(texts, max_size=2)),
        st.builds(note.value_set, texts),
        st.builds(amount.value_set, st.sampled_from([n for n in NUMBERS if isinstance(n, int)])),
        st.builds(rate.value_set, st.sampled_from((-0.5, 1.0, 1.5))),
        st.builds(paid.value_set, st.booleans()),
        st.builds(due.value_set, st.sampled_from([datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2)])),
    ):
        if draw(st.booleans()):
            pairs.append(draw(drawn))
    return pairs


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


operators = st.sampled_from(("=", "!=", "<", "<=", ">", ">="))
names = st.sampled_from(("customer", "tags", "note", "amount", "rate", "paid", "due", "`unheard of`"))
literals = st.one_of(texts.map(quoted), numbers.map(str), st.sampled_from(("true", "FALSE")))
tests = st.one_of(
    st.builds("{} {} {}".format, names, operators, literals),
    st.builds(
        "{} {} {}".format,
        st.sampled_from(("WorkflowId", "TaskQueue", "buildid")),
        operators,
        texts.map(quoted),
    ),
    st.builds(
        "{} {} {}".format, st.sampled_from(("HistoryLength", "HistorySizeBytes")), operators, numbers.map(str)
    ),
    st.builds(
        "{} {} '{}'".format,
        st.sampled_from(("StartTime", "CloseTime", "ParkedTime")),
        operators,
        st.sampled_from(("1970-01-01T00:00:01Z", "2026-01-01T00:00:00+02:00")),
    ),
    st.builds(
        "ExecutionStatus {} '{}'".format, st.sampled_from(("=", "!=")), st.sampled_from(("Running", "FAILED"))
    ),
    st.builds("{} IS {}NULL".format, st.one_of(names, st.just("CloseTime")), st.sampled_from(("", "NOT "))),
    st.builds("{} {}STARTS_WITH {}".format, names, st.sampled_from(("", "NOT ")), texts.map(quoted)),
    st.builds("{} {}IN ({}, {})".format, names, st.sampled_from(("", "NOT ")), literals, literals),
    st.builds("{} BETWEEN {} AND {}".format, names, literals, literals),
    st.sampled_from(("Parked = true", "Paused != true")),
)
queries = st.recursive(
    tests,
    lambda inner: st.one_of(
        st.builds("({} AND {})".format, inner, inner),
        st.builds("({} OR {})".format, inner, inner),
        st.builds("NOT {}".format, inner),
    ),
    max_leaves=6,
)


def fill(store: Store, runs: Sequence[list[SearchAttributePair]]) -> None:
    writes: list[Write] = []
    for number, pairs in enumerate(runs):
        writes.append(
            CreateRun(
                run_id=f"run-{number}",
                workflow_id=TEXTS[number],
                workflow_type="order",
                task_queue="ab"[number % 2],
                message=b"start",
                build_id=("a", None)[number % 2],
                properties=properties_of(None, plain_search_attributes(pairs)),
            )
        )
        if number % 3 == 0:
            writes.append(
                CommitTurn(
                    token=0,
                    run_id=f"run-{number}",
                    turn=1,
                    turn_token="t",
                    first_event_id=1,
                    event_count=1,
                    data=b"events",
                    consumed=(1,),
                    closing=Closing(status=RunStatus.FAILED, event=b"end"),
                )
            )
    store.apply(writes)


def found(store: Store, query: str) -> list[str]:
    wanted = RunFilter(where=parse_query(query))
    rows = [row.run_id for row in store.list_runs(wanted)]
    assert len(rows) == store.count_runs(wanted)
    return rows


@settings(max_examples=60, deadline=None)
@given(st.lists(attributes(), min_size=1, max_size=5), st.lists(queries, min_size=1, max_size=12))
def test_a_query_finds_the_same_runs_on_both_stores(
    runs: list[list[SearchAttributePair]], asked: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        memory = open_store("memory:", ManualClock(1_000_000))
        sqlite = open_store(str(Path(folder) / "runs.db"), ManualClock(1_000_000))
        try:
            fill(memory, runs)
            fill(sqlite, runs)
            for query in asked:
                assert found(memory, query) == found(sqlite, query), query
        finally:
            memory.close()
            sqlite.close()


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("WorkflowType = ", "ends where"),
        ("WorkflowType 'x'", "an operator"),
        ("(WorkflowId = 'a'", "')'"),
        ("WorkflowId = 'a' WorkflowId = 'b'", "AND, OR or the end"),
        ("WorkflowId = 1", "compared with a text"),
        ("StartTime > 'yesterday'", "a time is written as"),
        ("StartTime > '2026-01-01T00:00:00'", "a time is written as"),
        ("ExecutionStatus = 'Sleeping'", "a status is one of"),
        ("ExecutionStatus > 'Running'", "it has no order"),
        ("Parked IS NULL", "never NULL"),
        ("HistoryLength STARTS_WITH '1'", "it is no text"),
        ("a = 'x'; DROP TABLE runs", "';' begins nothing"),
        ("a = 'unfinished", "begins nothing"),
        ("(" * 60 + "a = 1" + ")" * 60, "nested more than"),
        (" OR ".join(["a = 1"] * 201), "more than 200 values"),
        ("a = '" + "x" * 10_001 + "'", "longer than"),
        ("a = '\ud800'", "half a character"),
    ],
)
def test_what_has_no_meaning_is_refused_with_its_place(query: str, place: str) -> None:
    with pytest.raises(ExecutionError) as caught:
        parse_query(query)
    assert "RF5114" == caught.value.code
    assert place in caught.value.what


def nested(depth: int, level: str) -> str:
    """A query as deep as that; each level holds the next where ``level`` has a hash sign."""
    text = "customer = 'a'"
    for _ in range(depth):
        text = level.replace("#", f"({text})")
    return text


def balanced(depth: int, *, alternatives: bool = True) -> str:
    """Both sides of each condition are as deep as each other."""
    if not depth:
        return "NOT customer = 'a'"
    word = " OR " if alternatives else " AND "
    return word.join([f"({balanced(depth - 1, alternatives=not alternatives)})"] * 2)


LEVELS = (
    "#",
    "NOT #",
    "paid = false AND # OR amount > 5",
    "amount > 5 OR NOT # AND paid = false",
    "# AND paid = false OR NOT amount > 5",
    "NOT # AND note STARTS_WITH 'x' AND paid IS NULL",
    "tags IN ('b', 'c') OR note STARTS_WITH 'x' AND #",
)


def test_a_query_as_deep_as_may_be_means_the_same_in_both_stores(tmp_path: Path) -> None:
    memory, sqlite = open_store("memory:"), open_store(str(tmp_path / "runs.db"))
    try:
        for store in (memory, sqlite):
            fill(store, [[customer.value_set("a"), paid.value_set(False)], [amount.value_set(9)], []])
        for query in (*(nested(DEPTH_MAX, level) for level in LEVELS), balanced(7)):
            assert found(memory, query) == found(sqlite, query), query
    finally:
        memory.close()
        sqlite.close()


def test_an_empty_query_lets_every_run_through() -> None:
    store = open_store("memory:")
    fill(store, [[], []])
    assert ["run-1", "run-0"] == sorted(found(store, "  "), reverse=True)
    store.close()
