"""A list that stays in order.

One rule: items are tuples of numbers that begin with a time, and no two are equal.  A plain list and ``bisect`` beat any tree up
to sizes that no test reaches.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=tuple[int, ...])


class Agenda(Generic[Item]):
    """Items in order of time."""

    __slots__ = ("_items",)

    def __init__(self) -> None:
        self._items: list[Item] = []

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def add(self, item: Item) -> None:
        """Put an item where it belongs."""
        insort(self._items, item)

    def remove(self, item: Item) -> None:
        """Take out an item that is there."""
        del self._items[bisect_left(self._items, item)]

    def clear(self) -> None:
        """Take out all."""
        self._items.clear()

    def first(self) -> Item | None:
        """The earliest item, if any."""
        return self._items[0] if self._items else None

    def until(self, now: int) -> list[Item]:
        """The items whose time is not after ``now``."""
        return self._items[: bisect_left(self._items, (now + 1,))]
