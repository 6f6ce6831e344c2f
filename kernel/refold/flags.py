"""The numbered rules of order that a history was made under.

One rule: a semantic rule, once released, changes only behind a new number here.  The numbers of the rules in force are
recorded in the first event of every run; a history that names an unknown number is refused, never guessed at.
"""

from __future__ import annotations

from collections.abc import Sequence

from refold.errors import HistoryError

#: Version of the event vocabulary. A reader refuses a newer one.
SCHEMA_VERSION = 1

#: The rules of order within a turn. The numbers are for ever.
FLAGS: dict[int, str] = {
    1: "messages stand before completions, each group in order of arrival",
    2: "messages are applied together; each puts one notification in a first-in-first-out queue",
    3: "completions are applied and worked off one at a time",
    4: "one notification resumes one branch; a combinator is decided where its deciding notification is worked off",
    5: "a message is consumed when its receiver resumes",
    6: "conditions are judged only when no branch is ready, in order of registration, until nothing changes",
    7: "the terminal event comes last; notified handlers and those whose conditions hold still run, unapplied completions fall away",
}

#: What new runs record.
CURRENT_FLAGS: tuple[int, ...] = tuple(FLAGS)


def check_flags(schema_version: int, flags: Sequence[int]) -> None:
    """Raise :class:`HistoryError` unless this version of refold can follow the rules a history was made under."""
    if schema_version > SCHEMA_VERSION:
        raise HistoryError(
            "RF2002",
            f"the history has schema version {schema_version}; this refold knows up to {SCHEMA_VERSION}",
            why="a newer refold wrote it",
            fix="upgrade refold on this worker",
        )
    if tuple(flags) != CURRENT_FLAGS:
        unknown = [flag for flag in flags if flag not in FLAGS]
        missing = [flag for flag in CURRENT_FLAGS if flag not in flags]
        raise HistoryError(
            "RF2003",
            f"the history was made under rules {list(flags)} (unknown: {unknown}, missing: {missing})",
            why="each rule of order has a number, and a run must be replayed under the rules it was made under",
            fix="run it with the version of refold that made it, or a newer one",
        )
