"""What an identifier may look like.

One rule: a name that is accepted here can be stored, listed and printed everywhere.  Ids are opaque text to the kernel.
"""

from __future__ import annotations

from refold.errors import DefinitionError

#: Longest identifier, in bytes of UTF-8.
ID_BYTES_MAX = 1024


def checked_id(value: object, what: str) -> str:
    """Return ``value`` if it is an acceptable identifier; raise :class:`DefinitionError` (RF1003) if not.

    Acceptable is text of 1 to 1,024 bytes of UTF-8 without control characters or lone surrogates.
    """
    if not isinstance(value, str):
        raise _refuse(what, f"it is {type(value).__name__}, not text")
    if value == "":
        raise _refuse(what, "it is empty")
    if not value.isprintable() and any(_is_control(ch) for ch in value):
        raise _refuse(what, f"{value!a} holds a control character")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise _refuse(what, f"{value!a} holds a lone surrogate") from None
    if size > ID_BYTES_MAX:
        raise _refuse(what, f"it is {size} bytes of UTF-8")
    return value


def _is_control(ch: str) -> bool:
    return ch < " " or "\x7f" <= ch <= "\x9f" or ch in "\u2028\u2029"


def _refuse(what: str, problem: str) -> DefinitionError:
    return DefinitionError(
        "RF1003",
        f"the {what} is not acceptable: {problem}",
        why="identifiers are stored, listed and printed, so they must be plain text",
        fix=f"use 1 to {ID_BYTES_MAX} bytes of UTF-8 text without control characters",
    )
