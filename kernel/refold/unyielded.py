"""Finds effects that were made and never yielded: a forgotten ``yield from``.

One rule: an effect is inert, so making one does nothing but be noted here, and only while workflow code runs for the first
time.  Whatever was noted, was not yielded and is no longer held by anybody can never be yielded any more: it is reported in
the turn where that is known, with the line that made it.

The note goes through a context variable because the maker of an effect knows of no run.  It carries nothing to workflow
code, and replay does not look at it.
"""

from __future__ import annotations

import weakref
from contextvars import ContextVar
from typing import Protocol

from refold.errors import DefinitionError
from refold.source import Site, calling_site


class Maker(Protocol):
    """Who is told of each effect that is made."""

    def made(self, effect: object) -> None:
        """Take note of a new effect, or refuse it."""
        ...

    def entered(self, effect: object) -> None:
        """Take off an effect that runs inside the branch that made it."""
        ...


#: Whom a new effect is told to: nobody outside workflow code and during replay.
MAKER: ContextVar[Maker | None] = ContextVar("refold_maker", default=None)


class ReadOnly:
    """Refuses every effect: queries, validators and conditions only look."""

    def __init__(self, what: str) -> None:
        self._what = what

    def made(self, effect: object) -> None:
        """Raise :class:`DefinitionError` (RF1107)."""
        raise DefinitionError(
            "RF1107",
            f"{self._what} made a {type(effect).__name__}",
            why="it is called to look at the workflow at any time, also on closed runs, so it must change nothing",
            fix="only read variables there; act in the workflow or in a signal handler",
            where=str(calling_site()),
        )

    def entered(self, effect: object) -> None:
        """Raise :class:`DefinitionError` (RF1107): nothing can be run from here."""
        self.made(effect)


class Recorder:
    """Notes the effects that one turn of one run makes."""

    __slots__ = ("_fresh", "_held")

    def __init__(self) -> None:
        self._fresh: list[tuple[object, Site | None]] = []
        self._held: list[tuple[weakref.ref[object], Site | None, str]] = []

    def made(self, effect: object) -> None:
        """Note a new effect and the user's line that made it."""
        self._fresh.append((effect, calling_site()))

    def entered(self, effect: object) -> None:
        """Take off an effect that runs inside the branch that made it, and only that one."""
        self._fresh = [entry for entry in self._fresh if entry[0] is not effect]
        self._held = [entry for entry in self._held if entry[0]() is not effect]

    def yielded(self, effect: object) -> None:
        """Take off an effect that reached the interpreter, with all it is made of."""
        fresh = self._fresh
        if len(fresh) == 1 and fresh[0][0] is effect and not self._held:
            fresh.clear()  # by far the most frequent case
            return
        used = _parts(effect)
        for other, site in fresh:
            if not any(other is part for part in used):
                self._held.append((weakref.ref(other), site, type(other).__name__))
        fresh.clear()
        if self._held:
            self._held = [entry for entry in self._held if not any(entry[0]() is part for part in used)]

    def check(self) -> None:
        """Raise :class:`DefinitionError` (RF1101) for an effect that nobody can yield any more."""
        if not self._fresh and not self._held:
            return
        for effect, site in self._fresh:
            self._held.append((weakref.ref(effect), site, type(effect).__name__))
        self._fresh.clear()
        effect = None
        lost = [(site, name) for held, site, name in self._held if held() is None]
        self._held = [entry for entry in self._held if entry[0]() is not None]
        if lost:
            site, name = lost[0]
            raise DefinitionError(
                "RF1101",
                f"{name} was made and never yielded"
                + (f" (and {len(lost) - 1} more like it)" if len(lost) > 1 else ""),
                why="calling an activity or an effect only describes it; nothing happens until the workflow yields it",
                fix="write `yield from` before it",
                where=str(site),
            )


def _parts(effect: object) -> list[object]:
    """An effect and the effects inside it."""
    found = [effect]
    for part in found:
        found.extend(getattr(part, "steps", ()))
    return found
