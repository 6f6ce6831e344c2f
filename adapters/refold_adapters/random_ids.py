"""Ids that nobody has had before: of runs, of requests, of turns that are made without code.

One rule: every one of them is made here, from bytes of the machine, or of whoever has to make the same ones again (a simulation).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextvars import ContextVar

#: Where random bytes come from.
RANDOM_BYTES: ContextVar[Callable[[int], bytes]] = ContextVar("refold_random_bytes", default=os.urandom)


def random_hex() -> str:
    """128 random bits as 32 hexadecimal digits."""
    return RANDOM_BYTES.get()(16).hex()


def random_uuid() -> str:
    """A random UUID (version 4) as text, without the object that ``uuid.uuid4`` makes of it first."""
    digits = random_hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
