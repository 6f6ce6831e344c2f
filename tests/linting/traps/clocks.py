"""A module that a helper imports."""

import time


def now_ms() -> int:
    return int(time.time() * 1000)  # trap: RFL101
