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


#: The slot of an effect that holds its note: unset while nobody needed one, None once it was yielded without.
NOTE = "_note"

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


class _Note:
    """What is known of an effect that was made and is still to be yielded."""

    __slots__ = ("effect", "name", "site", "used")

    def __init__(self, effect: object, site: Site | None) -> None:
        self.effect = weakref.ref(effect)
        self.site = site
        self.name = type(effect).__name__
        self.used = False


class Recorder:
    """Notes the effects that one turn of one run makes.

    An effect just made is kept in ``_fresh``; at the next yield it has either been yielded, or gets a note and is only watched from
    then on.  The effect knows its note, so that yielding costs the same however many are watched.
    """

    __slots__ = ("_fresh", "_watched")

    def __init__(self) -> None:
        self._fresh: list[tuple[object, Site | None]] = []
        self._watched: list[_Note] = []

    def made(self, effect: object) -> None:
        """Note a new effect and the user's line that made it."""
        self._fresh.append((effect, calling_site(own=2)))  # this one, and what makes the effect

    def entered(self, effect: object) -> None:
        """Take off an effect that runs inside the branch that made it, and only that one."""
        _use(effect)

    def yielded(self, effect: object) -> None:
        """Take off an effect that reached the interpreter, with all it is made of."""
        fresh = self._fresh
        if len(fresh) == 1 and fresh[0][0] is effect and not self._watched:
            fresh.clear()  # by far the most frequent case
            return
        parts = [effect]
        for part in parts:
            _use(part)
            parts.extend(getattr(part, "steps", ()))
        self._watch()

    def _watch(self) -> None:
        """Let go of the effects just made; those that were not yielded get a note."""
        for effect, site in self._fresh:
            if not hasattr(effect, NOTE):
                note = _Note(effect, site)
                object.__setattr__(effect, NOTE, note)
                self._watched.append(note)
        self._fresh.clear()

    def forgive(self) -> None:
        """Watch no longer what is still held: code that would have yielded it is about to be cancelled, failed or closed."""
        self._watched = [note for note in self._watched if not note.used and note.effect() is None]

    def check(self) -> None:
        """Raise :class:`DefinitionError` (RF1101) for an effect that nobody can yield any more."""
        self._watch()
        if not self._watched:
            return
        lost = [note for note in self._watched if not note.used and note.effect() is None]
        self._watched = [note for note in self._watched if not note.used and note.effect() is not None]
        if lost:
            raise DefinitionError(
                "RF1101",
                f"{lost[0].name} was made and never yielded"
                + (f" (and {len(lost) - 1} more like it)" if len(lost) > 1 else ""),
                why="calling an activity or an effect only describes it; nothing happens until the workflow yields it",
                fix="write `yield from` before it",
                where=str(lost[0].site),
            )


def _use(effect: object) -> None:
    note: _Note | None = getattr(effect, NOTE, None)
    if note is not None:
        note.used = True
    elif hasattr(type(effect), NOTE):
        object.__setattr__(effect, NOTE, None)
