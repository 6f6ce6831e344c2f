"""Values as text that may be shown: what comes from a store or an error is never trusted to be printable.

One rule: nothing that is shown can move the cursor, change colours, or turn the order of what stands around it.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

from refold import Failure
from refold.policies import instant

#: What a terminal may obey: control characters, line separators, marks of writing direction, and halves of surrogate pairs.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_UNSAFE_BUT_NEWLINES = re.compile(_UNSAFE.pattern.replace("\x00-\x1f", "\x00-\x09\x0b-\x1f"))
#: Isolates a text, so that its direction of writing does not spread to its neighbours.
_ISOLATE, _POP = "\u2068", "\u2069"

DETAIL_CHARACTERS = 80
_MICROSECONDS = 1_000_000


def escaped(text: str) -> str:
    """A text in one line, with everything that a terminal might obey made visible."""
    return _UNSAFE.sub(_visible, text)


def escaped_lines(text: str) -> str:
    """As :func:`escaped`, but lines stay lines."""
    return _UNSAFE_BUT_NEWLINES.sub(_visible, text)


def _visible(found: re.Match[str]) -> str:
    code = ord(found[0])
    return {9: "\\t", 10: "\\n", 13: "\\r"}.get(code, f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}")


def shortened(text: str, characters: int = DETAIL_CHARACTERS) -> str:
    """At most that many characters of a text, in one line."""
    line = escaped(text[: characters + 1])
    return line if len(text) <= characters else line[: characters - 3] + "..."


def isolated(text: str) -> str:
    """A text that does not turn the order of what stands around it, for terminals that know right-to-left writing."""
    if any(unicodedata.bidirectional(character) in ("R", "AL", "AN") for character in text):
        return f"{_ISOLATE}{text}{_POP}"
    return text


def to_json(value: Any, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """A value as JSON without anything that a terminal might obey."""
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent, separators=separators)
    return _UNSAFE_BUT_NEWLINES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def moment(at_us: int | None) -> str:
    """A time to the second, UTC."""
    if at_us is None:
        return ""
    try:
        return instant(at_us).strftime("%Y-%m-%d %H:%M:%SZ")
    except OverflowError:
        return f"{at_us} us"


def moment_exact(at_us: int | None) -> str | None:
    """A time to the microsecond, in ISO 8601; for programs."""
    if at_us is None:
        return None
    try:
        return instant(at_us).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    except OverflowError:
        return None


def duration(us: int | None) -> str:
    """A length of time in one or two units."""
    if us is None:
        return ""
    us = max(0, us)
    if us < 1_000:
        return f"{us}us"
    if us < _MICROSECONDS:
        return f"{us // 1_000}ms"
    seconds = us // _MICROSECONDS
    if seconds < 60:
        return f"{us / _MICROSECONDS:.1f}s" if seconds < 10 else f"{seconds}s"
    for unit, name, below, small in ((3600, "m", 60, "s"), (86400, "h", 3600, "m")):
        if seconds < unit:
            return f"{seconds // below}{name} {seconds % below // (below // 60)}{small}"
    return f"{seconds // 86400}d {seconds % 86400 // 3600}h"


def values(items: Any) -> str:
    """Arguments or a result, as short JSON."""
    return shortened(json.dumps(items, ensure_ascii=False, separators=(",", ":")))


def failure_line(failure: Failure | None) -> str:
    """A failure with its causes, in one line."""
    parts: list[str] = []
    while failure is not None:
        name = failure.type or failure.kind
        parts.append(f"{name}: {failure.message}" if failure.message else name)
        failure = failure.cause
    return shortened(" <- ".join(parts), 160)


def counted(number: int, noun: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
