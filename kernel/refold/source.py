"""Where in the user's code something happened.

One rule: what is found here is a hint for people.  It is recorded beside events and printed in errors, and never
compared, so nothing may depend on it.  Paths are cut to their last two parts, so that a history holds the same bytes
wherever it was made.  This is the only module that looks at frames.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FrameType, GeneratorType
from typing import Any

import attrs

from refold.value import Value

_PACKAGE = __name__.rpartition(".")[0] + "."


@attrs.frozen(eq=False, repr=False)
class Site(Value):
    """A place in code, resolved to a line only when someone asks."""

    code: CodeType
    instruction: int

    def __str__(self) -> str:
        return describe(self.code, line_of(self.code, self.instruction))


def describe(code: CodeType, line: int | None) -> str:
    """``package/file.py:12 in function``."""
    return f"{_tail(code.co_filename)}:{line or code.co_firstlineno} in {code.co_qualname}"


@lru_cache(maxsize=256)
def _tail(path: str) -> str:
    """The last two parts of a path."""
    parts = [part for part in path.replace("\\", "/").split("/") if part and not part.endswith(":")]
    return "/".join(parts[-2:])


def line_of(code: CodeType, instruction: int) -> int | None:
    """The line of the instruction at byte offset ``instruction``."""
    for start, end, line in code.co_lines():
        if start <= instruction < end:
            return line
    return None


def calling_site(own: int = 0) -> Site | None:
    """The nearest frame on the stack that is not refold's own; of the innermost ``own`` that is known."""
    frame: FrameType | None = sys._getframe(1 + own)  # pyright: ignore[reportPrivateUsage] - there is no public way to see who calls
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_PACKAGE):
        frame = frame.f_back
    return None if frame is None else Site(frame.f_code, frame.f_lasti)


def chain(generator: object) -> Iterator[GeneratorType[Any, Any, Any]]:
    """A suspended generator and those it delegates to by ``yield from``, outermost first."""
    while isinstance(generator, GeneratorType):
        inner: GeneratorType[Any, Any, Any] = generator  # pyright: ignore[reportUnknownVariableType]
        yield inner
        generator = inner.gi_yieldfrom


def user_frames(generator: object) -> list[str]:
    """The user's suspended frames of a generator, outermost first."""
    return [
        describe(inner.gi_code, inner.gi_frame.f_lineno)
        for inner in chain(generator)
        if inner.gi_frame is not None
        and not inner.gi_frame.f_globals.get("__name__", "").startswith(_PACKAGE)
    ]


def yield_site(generator: object) -> str:
    """The innermost user line that a suspended generator waits at."""
    innermost: FrameType | None = None
    while isinstance(generator, GeneratorType):  # as in chain(), which would take twice as long
        inner: GeneratorType[Any, Any, Any] = generator  # pyright: ignore[reportUnknownVariableType]
        frame: FrameType | None = inner.gi_frame
        if frame is not None and not frame.f_globals.get("__name__", "").startswith(_PACKAGE):
            innermost = frame
        generator = inner.gi_yieldfrom
    return "" if innermost is None else describe(innermost.f_code, innermost.f_lineno)


def traceback_frames(error: BaseException) -> list[str]:
    """The user's frames in the traceback of an error, outermost first."""
    frames: list[str] = []
    step = error.__traceback__
    while step is not None:
        if not step.tb_frame.f_globals.get("__name__", "").startswith(_PACKAGE):
            frames.append(describe(step.tb_frame.f_code, step.tb_lineno))
        step = step.tb_next
    return frames
