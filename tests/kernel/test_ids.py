"""What may be a name or an id."""

from __future__ import annotations

import pytest

from refold import DefinitionError
from refold.ids import ID_BYTES_MAX, checked_id

HOSTILE = [
    "'",
    '"; DROP TABLE runs; --',
    "%",
    "_",
    "\\",
    "../../etc/passwd",
    "a b",
    "\u202eright to left",
    "\u200b",
    "\U0001f44b",
]


@pytest.mark.parametrize(
    "value", [*HOSTILE, "x", "order-1", "Größe/1", "x" * ID_BYTES_MAX, "ä" * (ID_BYTES_MAX // 2)]
)
def test_printable_text_of_up_to_1024_bytes_is_an_id(value: str) -> None:
    assert value == checked_id(value, "workflow id")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "it is empty"),
        (None, "it is NoneType, not text"),
        (b"x", "it is bytes, not text"),
        (7, "it is int, not text"),
        ("a\x00b", r"'a\x00b' holds a control character"),
        ("a\nb", r"'a\nb' holds a control character"),
        ("\x7f", "holds a control character"),
        ("\x85", "holds a control character"),
        ("\u2028", "holds a control character"),
        ("\u2029", "holds a control character"),
        ("a\ud800", r"'a\ud800' holds a lone surrogate"),
        ("x" * (ID_BYTES_MAX + 1), "it is 1025 bytes of UTF-8"),
        ("ä" * 513, "it is 1026 bytes of UTF-8"),
    ],
    ids=[
        "empty",
        "none",
        "bytes",
        "int",
        "nul",
        "newline",
        "del",
        "nel",
        "ls",
        "ps",
        "surrogate",
        "long",
        "wide",
    ],
)
def test_anything_else_is_refused_and_the_error_says_why(value: object, problem: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        checked_id(value, "workflow id")

    assert "RF1003" == caught.value.code
    assert caught.value.what.startswith("the workflow id is not acceptable: ")
    assert problem in caught.value.what
    assert caught.value.what.isprintable()
