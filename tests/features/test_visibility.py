"""Memo and search attributes are seen in lists, and runs are found by them, on every store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from refold import (
    SearchAttributeKey,
    SearchAttributeKind,
    Workflow,
    continue_as_new,
    upsert_search_attributes,
    workflow,
)
from refold_adapters import Client, ExecutionError, ManualClock
from refold_adapters.ports import RunStatus
from refold_adapters.turns.properties import memo_of, search_attributes_of
from tests.features.operating import amount, charge, customer, labelled, passes, turnstile
from tests.features.running import SECOND, SOON, ended_by
from tests.runtime.conftest import MakeEngine


def ids(client: Client, query: str) -> list[str]:
    found = sorted(row.workflow_id for row in client.list(query))
    assert len(found) == client.count(query)
    return found


def test_runs_are_found_by_the_search_attributes_they_were_started_with(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge])
    for number, name in enumerate(("acme", "acme", "zeta")):
        engine.start(
            turnstile,
            1,
            id=f"gate-{number}",
            memo={"number": number},
            search_attributes=[customer.value_set(name), amount.value_set(number)],
        )
    assert ["gate-0", "gate-1"] == ids(engine, "Customer = 'acme'")
    assert ["gate-1"] == ids(engine, "Customer = 'acme' AND Amount > 0")
    assert ["gate-2"] == ids(engine, "NOT Customer IN ('acme', 'other')")
    assert ["gate-0", "gate-1", "gate-2"] == ids(
        engine, "Customer STARTS_WITH '' AND WorkflowType = 'turnstile'"
    )
    (row,) = engine.list("Amount BETWEEN 2 AND 9")
    assert {"number": 2} == memo_of(row)
    assert "zeta" == customer.value_in(search_attributes_of(row))


#: A key of each kind, a value, and conditions that a run with the value fits and one with no value, or another, does not.
KINDS: list[tuple[SearchAttributeKey[Any], Any, Any, list[str]]] = [
    (SearchAttributeKey.keyword("K"), "a b", "a", ["K = 'a b'", "K STARTS_WITH 'a '", "K IN ('x', 'a b')"]),
    (SearchAttributeKey.keyword_list("L"), ["a", "b"], ["c"], ["L = 'a'", "L IN ('x', 'b')"]),
    (SearchAttributeKey.text("T"), "The tea is hot", "cold", ["T = 'tea'"]),
    (SearchAttributeKey.int("I"), 7, 5, ["I = 7", "I > 6", "I BETWEEN 6 AND 8"]),
    (SearchAttributeKey.float("F"), 1.5, -1.5, ["F = 1.5", "F > 1.25"]),
    (SearchAttributeKey.bool("B"), True, False, ["B = true"]),
    (
        SearchAttributeKey.datetime("D"),
        datetime(2026, 5, 1, tzinfo=UTC),
        datetime(2025, 5, 1, tzinfo=UTC),
        ["D = '2026-05-01T00:00:00Z'", "D > '2026-04-30T00:00:00Z'"],
    ),
]


def test_these_are_all_kinds_of_search_attributes() -> None:
    assert set(SearchAttributeKind) == {key.kind for key, *_ in KINDS}


@pytest.mark.parametrize(("key", "value", "other", "queries"), KINDS, ids=[key.name for key, *_ in KINDS])
def test_an_attribute_of_each_kind_is_found_by_its_value_given_at_the_start_or_set_by_code(
    make_engine: MakeEngine, key: SearchAttributeKey[Any], value: Any, other: Any, queries: list[str]
) -> None:
    @workflow
    def sets() -> Workflow[None]:
        yield from upsert_search_attributes(key.value_set(value))
        yield from passes.receive()
        yield from upsert_search_attributes(key.value_unset())
        yield from passes.receive()

    engine = make_engine(workflows=[sets, turnstile], activities=[charge])
    engine.start(turnstile, 1, id="given", search_attributes=[key.value_set(value)])
    engine.start(turnstile, 1, id="other", search_attributes=[key.value_set(other)])
    engine.start(turnstile, 1, id="without")
    handle = engine.start(sets, id="set")

    assert [["given", "set"]] * len(queries) == [ids(engine, query) for query in queries]
    assert value == key.value_in(search_attributes_of(handle.describe().run))
    handle.signal(passes, "on")
    assert [["given"]] * len(queries) == [ids(engine, query) for query in queries]


def test_what_code_upserts_is_found_and_what_it_takes_away_is_not(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[labelled])
    handle = engine.start(labelled, "acme", id="label")
    assert ["label"] == ids(engine, "Customer = 'acme' AND Amount = 3")
    assert {"note": "for acme"} == memo_of(handle.describe().run)
    handle.signal(passes, "go")
    assert ["label"] == ids(engine, "Customer = 'acme' AND Amount IS NULL")
    assert [] == ids(engine, "Amount = 3")


@workflow
def renewed(left: int) -> Workflow[str]:
    yield from upsert_search_attributes(amount.value_set(left))
    while left:
        yield from continue_as_new(left - 1)
    return (yield from passes.receive())


def test_the_next_run_of_a_chain_is_found_by_what_it_was_given_and_by_what_the_last_one_set(
    make_engine: MakeEngine, clock: ManualClock
) -> None:
    engine = make_engine(workflows=[renewed])
    handle = engine.start(
        renewed, 1, id="chain", memo={"note": "kept"}, search_attributes=[customer.value_set("acme")]
    )
    engine.handle("chain").signal(passes, "go")
    ended_by(clock, SECOND, handle)
    assert "go" == handle.result(timeout=SOON)

    rows = {row.status: row for row in engine.list("Customer = 'acme'")}
    assert {RunStatus.CONTINUED_AS_NEW, RunStatus.COMPLETED} == set(rows)
    assert [{"note": "kept"}] * 2 == [memo_of(row) for row in rows.values()]
    assert 0 == amount.value_in(search_attributes_of(rows[RunStatus.COMPLETED]))


def test_a_list_is_read_page_by_page_and_in_full(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge])
    for number in range(205):
        engine.start(turnstile, 1, id=f"gate-{number}", search_attributes=[amount.value_set(number % 2)])
    assert 103 == len(list(engine.list("Amount = 0"))) == engine.count("Amount = 0")
    assert 5 == len(list(engine.list("Amount = 0", limit=5)))


def test_a_query_without_meaning_is_refused(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge])
    with pytest.raises(ExecutionError, match="RF5114"):
        engine.count("Customer =")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Status", "ExecutionStatus"),
        ("workflow_type", "WorkflowType"),
        ("StartedAt", "StartTime"),
        ("WorkfowId", "WorkflowId"),
        ("CUSTOMER", "Customer"),
    ],
)
def test_a_name_that_no_run_has_and_that_is_nearly_another_is_refused(
    make_engine: MakeEngine, name: str, meant: str
) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge])
    engine.start(turnstile, 1, id="gate", search_attributes=[customer.value_set("acme")])
    for query in (f"{name} = 'x'", f"Customer = 'acme' AND NOT ({name} IS NULL)"):
        with pytest.raises(ExecutionError, match=f"RF5114.*{name!r}; did you mean {meant}\\?"):
            list(engine.list(query))
    assert 0 == engine.count(f"`{name}` = 'x'")


def test_a_name_that_some_run_has_is_taken_as_it_is(make_engine: MakeEngine) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge])
    status = SearchAttributeKey.keyword("Status")
    engine.start(turnstile, 1, id="gate", search_attributes=[status.value_set("x")])
    assert 1 == engine.count("Status = 'x'")


def test_a_name_that_no_run_has_is_told(make_engine: MakeEngine, caplog: pytest.LogCaptureFixture) -> None:
    engine = make_engine(workflows=[turnstile], activities=[charge])
    engine.start(turnstile, 1, id="gate", search_attributes=[customer.value_set("acme")])
    assert 0 == engine.count("Custmer = 'acme' OR Region = 'eu'")
    first, second = [record.getMessage() for record in caplog.records if record.name == "refold.client"]
    assert "a search attribute 'Custmer', which no run of" in first
    assert first.endswith("; did you mean 'Customer'?")
    assert "a search attribute 'Region', which no run of" in second
