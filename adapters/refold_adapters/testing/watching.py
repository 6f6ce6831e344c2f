"""Sees whether any code of the user's runs.

One rule: whatever is neither refold nor what refold itself stands on counts as the user's; to take too much for theirs only makes a search
longer.
"""

from __future__ import annotations

import gc
import sys
import sysconfig
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

T = TypeVar("T")

_OURS = frozenset({"refold", "refold_adapters", "attr", "attrs", "msgspec"})
_STANDARD = sysconfig.get_path("stdlib")
_PACKAGES = sysconfig.get_path("purelib")


def runs_code(action: Callable[[], T]) -> tuple[T, bool]:
    """What an action returns, and whether it ran code of the user's."""
    ran = False

    def watch(frame: FrameType, event: str, argument: object) -> None:
        nonlocal ran
        if not ran and event == "call" and _is_users(frame):
            ran = True

    before, collects = sys.getprofile(), gc.isenabled()
    gc.disable()  # a collection may call back whoever asked for it, at any point
    sys.setprofile(watch)
    try:
        result = action()
    finally:
        sys.setprofile(before)
        if collects:
            gc.enable()
    return result, ran


def _is_users(frame: FrameType) -> bool:
    if frame.f_globals.get("__name__", "").partition(".")[0] in _OURS:
        return False
    file = frame.f_code.co_filename
    if file.startswith(("<attrs", "<frozen")) or (
        file.startswith(_STANDARD) and not file.startswith(_PACKAGES)
    ):
        return False
    caller = frame.f_back
    # An annotation that is text, or a class that is made of one, is evaluated when it is first needed, and once.
    return caller is None or caller.f_globals.get("__name__", "").partition(".")[0] not in ("typing", "attr")
