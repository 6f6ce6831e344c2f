"""Random numbers and ids that are the same on every replay.

One rule: everything here follows from a seed by an algorithm that is ours and frozen by test vectors, because the
standard library promises only ``random.random()`` across versions.  Bits are BLAKE2b of the seed in counter mode.
"""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from typing import TypeVar
from uuid import UUID

T = TypeVar("T")

_BLOCK_BYTES = 64
_BLOCK_BITS = 8 * _BLOCK_BYTES


class Random:
    """A deterministic generator of random numbers, from ``yield from refold.random()``."""

    __slots__ = ("_bits", "_counter", "_left", "_seed")

    def __init__(self, seed: bytes) -> None:
        self._seed = _digest(seed, 32, person=b"refold-random")
        self._counter = 0
        self._bits = 0
        self._left = 0

    def getrandbits(self, bits: int) -> int:
        """An integer of ``bits`` random bits; ``bits`` must not be negative."""
        if bits < 0:
            raise ValueError("number of bits must be non-negative")
        while self._left < bits:
            block = _digest(self._counter.to_bytes(8, "big"), _BLOCK_BYTES, key=self._seed)
            self._bits |= int.from_bytes(block, "little") << self._left
            self._left += _BLOCK_BITS
            self._counter += 1
        value = self._bits & ((1 << bits) - 1)
        self._bits >>= bits
        self._left -= bits
        return value

    def random(self) -> float:
        """A float in [0.0, 1.0), a multiple of 2**-53."""
        return self.getrandbits(53) * 2.0**-53

    def uniform(self, low: float, high: float) -> float:
        """A float between ``low`` and ``high``."""
        return low + (high - low) * self.random()

    def randrange(self, stop: int) -> int:
        """An integer in [0, stop), each equally likely; ``stop`` must be positive."""
        if stop <= 0:
            raise ValueError("stop must be positive")
        bits = (stop - 1).bit_length()
        while (value := self.getrandbits(bits)) >= stop:
            pass
        return value

    def randint(self, low: int, high: int) -> int:
        """An integer in [low, high], both ends included."""
        return low + self.randrange(high - low + 1)

    def choice(self, items: Sequence[T]) -> T:
        """One of ``items``, each equally likely; raises IndexError when there are none."""
        if not items:
            raise IndexError("cannot choose from an empty sequence")
        return items[self.randrange(len(items))]

    def shuffle(self, items: MutableSequence[T]) -> None:
        """Shuffle in place (Fisher-Yates, from the last index down)."""
        for i in range(len(items) - 1, 0, -1):
            j = self.randrange(i + 1)
            items[i], items[j] = items[j], items[i]

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """``count`` different positions of ``items``, in random order."""
        if not 0 <= count <= len(items):
            raise ValueError("sample larger than the sequence, or negative")
        pool = list(items)
        self.shuffle(pool)
        return pool[:count]


def seed_for(run_seed: str, counter: int) -> bytes:
    """The seed of the ``counter``-th draw of a run."""
    return f"{run_seed}/{counter}".encode()


def uuid4_for(run_seed: str, counter: int) -> UUID:
    """The ``counter``-th id of a run, with the version and variant bits of RFC 9562 version 4."""
    return UUID(bytes=_digest(seed_for(run_seed, counter), 16, person=b"refold-uuid4"), version=4)


def _digest(data: bytes, size: int, *, key: bytes = b"", person: bytes = b"") -> bytes:
    import hashlib  # it loads OpenSSL, which a program whose workflows draw nothing need not wait for

    return hashlib.blake2b(data, digest_size=size, key=key, person=person).digest()
