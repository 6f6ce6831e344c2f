"""Errors by whose fault they are.

One rule: every error a person reads has a stable code, says what happened, why, and what to do.  What *workflow code* may
catch is another family, in ``failures``; this module knows nothing of histories or generators.
"""

from __future__ import annotations

from typing import ClassVar

#: Every code, with the title of its section in ``docs/reference/errors.md``.
CODES: dict[str, str] = {
    # The author's: a definition or a workflow that breaks a rule.
    "RF1001": "A workflow must be a generator function",
    "RF1002": "A declaration cannot be used like this",
    "RF1003": "A name or id is not acceptable",
    "RF1004": "An option is not acceptable",
    "RF1101": "An effect was made and never yielded",
    "RF1102": "A foreign object was yielded",
    "RF1103": "A yield while the workflow is being closed",
    "RF1104": "StopIteration leaked out of workflow code",
    "RF1105": "Too deep a chain of yield from",
    "RF1106": "An interpreter limit was hit inside workflow code",
    "RF1107": "A read-only function made an effect",
    "RF1108": "A signal has both a handler and a receiver",
    "RF1109": "A handle belongs to another run",
    "RF1110": "Workflow code raised an unexpected error",
    "RF1111": "A query has no answer in this run",
    "RF1112": "A query function failed",
    "RF1113": "An update has no handler in this run",
    "RF1114": "A workflow cannot signal or cancel itself",
    "RF1115": "Another run could not be reached",
    "RF1116": "A turn does not come to an end",
    "RF1117": "A handler waits for all handlers",
    "RF1301": "A value cannot be encoded",
    "RF1302": "A value does not fit its declared type",
    "RF1303": "A value is too large",
    # The history's: the store gave us something that cannot be.
    "RF2001": "The history is corrupt",
    "RF2002": "The history was written by a newer version",
    "RF2003": "The history follows unknown rules",
    "RF2004": "Stored data cannot be decoded",
    # The adapter's: the kernel was given a message it cannot take.
    "RF3001": "The run is closed",
    "RF3002": "The run has not started",
    "RF3003": "The message refers to something unknown",
    "RF3004": "The execution is being driven already",
    "RF3005": "The execution is closed and cannot be driven",
    "RF3006": "The run has already started",
    "RF3007": "A message must be the only one of its turn",
    "RF3008": "The run is paused",
    # The code change's.
    "RF4001": "The workflow took another path than its history",
}


class RefoldError(Exception):
    """Base of every error that is not a workflow's own failure.

    ``code`` is stable across releases; ``what``, ``why`` and ``fix`` are the sentences shown, ``where`` an optional
    place (workflow, event, ``file:line``).
    """

    known_codes: ClassVar[dict[str, str]] = CODES

    def __init__(self, code: str, what: str, *, why: str, fix: str, where: str | None = None) -> None:
        if code not in self.known_codes:
            raise AssertionError(f"unregistered error code {code}")
        super().__init__(code, what, why, fix, where)
        self.code = code
        self.what = what
        self.why = why
        self.fix = fix
        self.where = where

    def __str__(self) -> str:
        place = f"\n  where: {self.where}" if self.where else ""
        return f"{self.code}: {self.what}{place}\n  why: {self.why}\n  fix: {self.fix}"


class DefinitionError(RefoldError):
    """The author's mistake: a declaration or a workflow that breaks a rule of refold (RF10xx, RF11xx)."""


class PayloadError(DefinitionError):
    """A value that cannot be stored, or stored data that does not fit the type asked for (RF13xx)."""


class QueryError(DefinitionError):
    """A query that has no answer in this run, or whose function failed (RF1111, RF1112)."""


class WorkflowTaskError(DefinitionError):
    """Workflow code failed in a way that is a bug, not an outcome; the run is not failed by it (RF11xx).

    ``frames`` are the user's frames, outermost first, as ``file:line in function``.  ``__cause__`` is the error itself.
    """

    frames: tuple[str, ...] = ()


class HistoryError(RefoldError):
    """The history cannot be right: corrupt, from a newer version, or under unknown rules (RF20xx)."""


class MessageError(RefoldError):
    """The adapter gave the kernel a message it cannot take (RF30xx)."""


class NondeterminismError(RefoldError):
    """The workflow, replayed, took another path than its history (RF4001); ``divergence`` holds both sides."""

    divergence: object = None
