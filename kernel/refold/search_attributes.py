"""Search attributes: typed values by which runs are found.

A key has a name and a kind; a value is stored with its kind, as ``{"customer": {"type": "KEYWORD", "value": "acme"}}``, so that a
store can index it without asking anyone.  Taking one away is stored as ``{"customer": null}``.  One rule: a value that does not fit
the kind of its key is refused where it is set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Generic, TypeAlias, TypeVar, cast

import attrs

from refold.errors import DefinitionError
from refold.ids import checked_id
from refold.payloads import Plain, encode
from refold.value import Value

T = TypeVar("T")

#: In the body of the class of keys these names are its methods, and one type checker takes them for those.
_Int: TypeAlias = int
_Float: TypeAlias = float
_Bool: TypeAlias = bool
_Datetime: TypeAlias = datetime


class SearchAttributeKind(str, Enum):
    """What a search attribute holds, and so how it can be searched."""

    #: Text that is found as a whole.
    KEYWORD = "KEYWORD"
    #: Several of them; found by each.
    KEYWORD_LIST = "KEYWORD_LIST"
    #: Text that is found by its words.
    TEXT = "TEXT"
    INT = "INT"
    FLOAT = "FLOAT"
    BOOL = "BOOL"
    DATETIME = "DATETIME"


def _is_keyword_list(value: object) -> bool:
    if not isinstance(value, list | tuple):
        return False
    return all(isinstance(item, str) for item in cast("Sequence[object]", value))


_FITS: dict[SearchAttributeKind, Callable[[Any], bool]] = {
    SearchAttributeKind.KEYWORD: lambda value: isinstance(value, str),
    SearchAttributeKind.KEYWORD_LIST: _is_keyword_list,
    SearchAttributeKind.TEXT: lambda value: isinstance(value, str),
    SearchAttributeKind.INT: lambda value: isinstance(value, int) and not isinstance(value, bool),
    SearchAttributeKind.FLOAT: lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    SearchAttributeKind.BOOL: lambda value: isinstance(value, bool),
    SearchAttributeKind.DATETIME: lambda value: isinstance(value, datetime),
}


@attrs.frozen(eq=False, repr=False)
class SearchAttributeKey(Value, Generic[T]):
    """A search attribute by name, with the type of its values: ``SearchAttributeKey.keyword("customer")``."""

    name: str
    kind: SearchAttributeKind

    def __attrs_post_init__(self) -> None:
        checked_id(self.name, "name of a search attribute")

    @staticmethod
    def keyword(name: str) -> SearchAttributeKey[str]:
        """Text that is found as a whole: a customer number, a region."""
        return SearchAttributeKey(name, SearchAttributeKind.KEYWORD)

    @staticmethod
    def keyword_list(name: str) -> SearchAttributeKey[Sequence[str]]:
        """Several texts, each found as a whole: tags."""
        return SearchAttributeKey(name, SearchAttributeKind.KEYWORD_LIST)

    @staticmethod
    def text(name: str) -> SearchAttributeKey[str]:
        """Text that is found by its words."""
        return SearchAttributeKey(name, SearchAttributeKind.TEXT)

    @staticmethod
    def int(name: str) -> SearchAttributeKey[_Int]:
        """A whole number."""
        return SearchAttributeKey(name, SearchAttributeKind.INT)

    @staticmethod
    def float(name: str) -> SearchAttributeKey[_Float]:
        """A number."""
        return SearchAttributeKey(name, SearchAttributeKind.FLOAT)

    @staticmethod
    def bool(name: str) -> SearchAttributeKey[_Bool]:
        """Yes or no."""
        return SearchAttributeKey(name, SearchAttributeKind.BOOL)

    @staticmethod
    def datetime(name: str) -> SearchAttributeKey[_Datetime]:
        """A time (aware)."""
        return SearchAttributeKey(name, SearchAttributeKind.DATETIME)

    def value_set(self, value: T) -> SearchAttributePair:
        """The attribute with a value; raises :class:`DefinitionError` (RF1004) where it does not fit."""
        if not _FITS[self.kind](value):
            raise DefinitionError(
                "RF1004",
                f"search attribute {self.name!r} cannot be {value!r}",
                why=f"it was declared as {self.kind.value}",
                fix="set a value of that kind, or use another key",
            )
        plain = float(value) if self.kind is SearchAttributeKind.FLOAT else encode(value)  # type: ignore[arg-type]
        return SearchAttributePair(self.name, {"type": self.kind.value, "value": plain})

    def value_unset(self) -> SearchAttributePair:
        """The attribute, taken away."""
        return SearchAttributePair(self.name, None)

    def value_in(self, search_attributes: Mapping[str, Plain] | None) -> T | None:
        """Its value among search attributes as plain data, such as ``info().search_attributes``; None where it is not set."""
        found = (search_attributes or {}).get(self.name)
        if found is None:
            return None
        if self.kind is SearchAttributeKind.DATETIME:
            return cast(T, datetime.fromisoformat(found["value"]))
        return cast(T, found["value"])


@attrs.frozen(eq=False, repr=False)
class SearchAttributePair(Value):
    """A search attribute with its value as plain data; made by a :class:`SearchAttributeKey`."""

    name: str
    #: ``{"type": ..., "value": ...}``, or None where it is taken away.
    plain: dict[str, Plain] | None


def plain_search_attributes(pairs: Iterable[SearchAttributePair]) -> dict[str, Plain]:
    """Pairs as plain data, by name; raises :class:`DefinitionError` (RF1002) for what is no pair and for one name twice."""
    found: dict[str, Plain] = {}
    for pair in pairs:
        if not isinstance(pair, SearchAttributePair):
            raise _misuse(f"{pair!r} is not a search attribute with a value")
        if pair.name in found:
            raise _misuse(f"search attribute {pair.name!r} was given twice")
        found[pair.name] = pair.plain
    return found


def changed(current: Mapping[str, Plain], changes: Mapping[str, Plain]) -> dict[str, Plain]:
    """A memo or search attributes after a change: what is None is taken away."""
    merged = {**current, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def _misuse(what: str) -> DefinitionError:
    return DefinitionError(
        "RF1002",
        what,
        why="search attributes are set as pairs of a key and a value",
        fix='write SearchAttributeKey.keyword("customer").value_set("acme")',
    )
