"""Named values as one word each: ``NAME=JSON``, and ``NAME:KIND=JSON`` for search attributes.

One rule: a word in another form is refused with one that would do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from refold_adapters.cli.errors import CliError
from refold_adapters.cli.params import json_argument
from refold_adapters.cli.texts import shortened

if TYPE_CHECKING:
    from refold import SearchAttributePair


def values_by_name(words: Iterable[str]) -> dict[str, Any] | None:
    """What ``NAME=JSON`` words say; None if there is none."""
    return dict(map(_pair, words)) or None


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise _refused(text, "NAME=JSON", "customer='\"acme\"'")
    return name, json_argument(value)


def search_attribute(text: str) -> SearchAttributePair:
    """The value of a search attribute that one word gives."""
    from refold import SearchAttributeKey, SearchAttributeKind

    name, value = _pair(text)
    name, _, kind = name.rpartition(":")
    if not name or kind.upper() not in SearchAttributeKind.__members__:
        raise _refused(text, "NAME:KIND=JSON", "customer:KEYWORD='\"acme\"'")
    chosen = SearchAttributeKind(kind.upper())
    if chosen is SearchAttributeKind.DATETIME and isinstance(value, str):
        from datetime import datetime

        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise _refused(
                text, "NAME:DATETIME=JSON", "due:DATETIME='\"2026-01-31T12:00:00+00:00\"'"
            ) from None
    key: SearchAttributeKey[Any] = SearchAttributeKey(name, chosen)
    return key.value_set(value)


def _refused(text: str, form: str, example: str) -> CliError:
    return CliError(
        "RF5203",
        f"{shortened(text)!r} is not of the form {form}",
        why="a name and its value are given as one word",
        fix=f"write it like {example}",
    )
