"""How a class for asyncio is made of the class that blocks: its methods are those of the other, called on a thread.

One rule: what a method does is told once, in the class that blocks; here and there only its types are said again, and a test compares
them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar, cast

C = TypeVar("C")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

#: The class for asyncio of what the methods of the other class return.
COUNTERPARTS: dict[type[Any], Any] = {}


def counterpart(blocking: type[Any]) -> Callable[[C], C]:
    """Declare a class as the one for asyncio of another, which it is made of."""

    def declare(awaited: C) -> C:
        COUNTERPARTS[blocking] = awaited
        return awaited

    return declare


def for_asyncio(value: Any) -> Any:
    """A handle as the one for asyncio; all else as it is."""
    made = COUNTERPARTS.get(value.__class__)
    return value if made is None else made(value)


class Awaited:
    """What stands for something that blocks, which it calls ``_inner``."""

    _inner: Any

    def __repr__(self) -> str:
        return f"{self._inner!r} for asyncio"


def as_in(blocking: type[Any]) -> Callable[[F], F]:
    """The method of that name of another class, called on a thread; what is decorated only says its types."""

    def decorate(stub: F) -> F:
        @wraps(stub)
        async def call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            return for_asyncio(await asyncio.to_thread(_call, self, stub.__name__, args, kwargs))

        call.__doc__ = getattr(blocking, stub.__name__).__doc__
        return cast("F", call)

    return decorate


def at_once_as_in(blocking: type[Any]) -> Callable[[F], F]:
    """Like :func:`as_in`, for a method that asks no store: it needs no thread, and is not awaited."""

    def decorate(stub: F) -> F:
        @wraps(stub)
        def call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            return for_asyncio(_call(self, stub.__name__, args, kwargs))

        call.__doc__ = getattr(blocking, stub.__name__).__doc__
        return cast("F", call)

    return decorate


def _call(this: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    result = getattr(this._inner, name)(*args, **kwargs)
    return [*result] if isinstance(result, Iterator) else result


async def arrival(future: Future[T], timeout: timedelta | None = None) -> T:  # noqa: ASYNC109 - as those have it who wait
    """What a future comes to; no thread waits for it."""
    seconds = None if timeout is None else timeout.total_seconds()
    return await asyncio.wait_for(asyncio.wrap_future(future), seconds)
