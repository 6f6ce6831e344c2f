"""Search attributes: kinds, values, and what does not fit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from refold import DefinitionError, SearchAttributeKey, SearchAttributeKind
from refold.search_attributes import changed, plain_search_attributes

CUSTOMER = SearchAttributeKey.keyword("customer")
WHEN = datetime(2026, 3, 1, 12, tzinfo=UTC)

VALUES: list[tuple[SearchAttributeKey[Any], Any, Any]] = [
    (CUSTOMER, "acme", "acme"),
    (SearchAttributeKey.keyword_list("tags"), ("a", "b"), ["a", "b"]),
    (SearchAttributeKey.text("note"), "fragile goods", "fragile goods"),
    (SearchAttributeKey.int("items"), 3, 3),
    (SearchAttributeKey.float("weight"), 2, 2.0),
    (SearchAttributeKey.bool("express"), False, False),
    (SearchAttributeKey.datetime("due"), WHEN, "2026-03-01T12:00:00+00:00"),
]


@pytest.mark.parametrize(("key", "value", "stored"), VALUES, ids=[key.kind.value for key, _, _ in VALUES])
def test_a_value_is_stored_with_its_kind_and_reads_back(
    key: SearchAttributeKey[Any], value: Any, stored: Any
) -> None:
    plain = plain_search_attributes([key.value_set(value)])
    assert {key.name: {"type": key.kind.value, "value": stored}} == plain
    assert type(stored) is type(plain[key.name]["value"])
    again = key.value_in(plain)
    assert (list(value) if isinstance(value, tuple) else value) == again


def test_every_kind_has_a_value_above() -> None:
    assert sorted(SearchAttributeKind) == sorted(key.kind for key, _, _ in VALUES)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (CUSTOMER, 5),
        (SearchAttributeKey.keyword_list("tags"), "abc"),
        (SearchAttributeKey.keyword_list("tags"), [1]),
        (SearchAttributeKey.text("note"), None),
        (SearchAttributeKey.int("items"), True),
        (SearchAttributeKey.int("items"), 1.5),
        (SearchAttributeKey.float("weight"), True),
        (SearchAttributeKey.bool("express"), 1),
        (SearchAttributeKey.datetime("due"), "2026-03-01"),
    ],
)
def test_a_value_of_another_kind_is_refused(key: SearchAttributeKey[Any], value: Any) -> None:
    with pytest.raises(DefinitionError, match=f"RF1004: search attribute '{key.name}' cannot be"):
        key.value_set(value)


@pytest.mark.parametrize("name", ["", "a\nb", 5])
def test_a_name_that_cannot_be_stored_is_refused(name: Any) -> None:
    with pytest.raises(DefinitionError, match="RF1003"):
        SearchAttributeKey.keyword(name)


def test_what_is_no_pair_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"RF1002: .* is not a search attribute with a value"):
        plain_search_attributes(["customer"])  # type: ignore[list-item]


def test_an_attribute_is_set_once_at_a_time() -> None:
    with pytest.raises(DefinitionError, match="RF1002: search attribute 'customer' was given twice"):
        plain_search_attributes([CUSTOMER.value_set("acme"), CUSTOMER.value_unset()])


def test_a_change_replaces_adds_and_takes_away() -> None:
    before = plain_search_attributes(
        [CUSTOMER.value_set("acme"), SearchAttributeKey.int("items").value_set(3)]
    )
    changes = plain_search_attributes(
        [CUSTOMER.value_set("apex"), SearchAttributeKey.int("items").value_unset()]
    )
    after = changed(before, changes)
    assert {"customer": {"type": "KEYWORD", "value": "apex"}} == after
    assert CUSTOMER.value_in(after) == "apex"
    assert SearchAttributeKey.int("items").value_in(after) is None
    assert CUSTOMER.value_in(None) is None
