"""What can go wrong on the command line itself, and the exit codes.

One rule: an exit code means one thing and never another; scripts rely on it.  It knows nothing of click, so that an installation
without it can be told so.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from refold import RefoldError


class Exit(IntEnum):
    """How a command ends."""

    OK = 0
    #: The workflow failed, a divergence was found, a check did not pass, of several runs some could not be touched, or something
    #: unexpected happened.
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    #: The run is closed, or one of that id stands in the way.
    REFUSED = 4
    STORE = 5
    TIMEOUT = 6
    PARKED = 7
    INTERRUPTED = 130
    #: Whoever read the output went away.
    BROKEN_PIPE = 141


CODES: dict[str, str] = {
    "RF5201": "The command line is not installed",
    "RF5202": "The command cannot be used like this",
    "RF5203": "An argument is not JSON",
    "RF5204": "A module cannot be imported",
    "RF5205": "There is no such workflow in the module",
    "RF5206": "The code was not given",
    "RF5207": "The run did not end in time",
    "RF5208": "There is no store at that place",
    "RF5209": "There is nothing to replay",
    "RF5210": "A file cannot be read or written",
    "RF5211": "A closed run cannot be tried again",
    "RF5299": "An unexpected error",
}


class CliError(RefoldError):
    """The command line could not do what it was asked to do (RF52xx); ``exit_code`` is how it ends."""

    known_codes: ClassVar[dict[str, str]] = CODES

    def __init__(
        self,
        code: str,
        what: str,
        *,
        why: str,
        fix: str,
        where: str | None = None,
        exit_code: Exit = Exit.USAGE,
    ) -> None:
        super().__init__(code, what, why=why, fix=fix, where=where)
        self.exit_code = exit_code


def not_installed(missing: str) -> CliError:
    """The error for an installation without the extra."""
    return CliError(
        "RF5201",
        f"the command line needs the package {missing!r}, which is not installed",
        why="click and rich come with the extra `cli`, so that programs that only embed refold do without them",
        fix='pip install "refold[cli]"',
    )
