"""One seed, split per concern.

One rule: a concern draws from its own stream only, so that what one of them asks for more does not change what the others get.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Stream:
    """Random choices of one concern; the same for the same seed on every version of Python."""

    def __init__(self, seed: str) -> None:
        # Only ``random()`` is used: how other methods draw from it has changed between versions.
        self._random = Random(seed).random  # noqa: S311 - not for secrets

    def happens(self, chance: float) -> bool:
        """Whether something of that chance happens."""
        return chance > 0 and self._random() < chance

    def between(self, low: float, high: float) -> float:
        """A number in that range, each as likely."""
        return low + (high - low) * self._random()

    def below(self, count: int) -> int:
        """A whole number from 0 on, below ``count``."""
        return int(self._random() * count)

    def choose(self, items: Sequence[T]) -> T:
        """One of them."""
        return items[self.below(len(items))]

    def hex(self, count: int) -> bytes:
        """So many bytes."""
        return bytes([self.below(256) for _ in range(count)])


class Seeds:
    """The streams of one seed."""

    def __init__(self, seed: int | str) -> None:
        self.seed = seed

    def stream(self, concern: str) -> Stream:
        """The stream of a concern, from its beginning."""
        return Stream(f"{self.seed}/{concern}")
