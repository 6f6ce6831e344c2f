"""What a simulation reports, by code."""

from __future__ import annotations

from typing import ClassVar

from refold import RefoldError

CODES: dict[str, str] = {
    "RF5401": "A wait in a simulation can never end",
    "RF5402": "A simulation has broken a promise",
}


class SimulationError(RefoldError):
    """A simulation cannot go on, or has found something (RF54xx)."""

    known_codes: ClassVar[dict[str, str]] = CODES


def never_ends() -> SimulationError:
    """The error for a wait that nothing can end."""
    return SimulationError(
        "RF5401",
        "the simulation waits for something that can never come",
        why="no turn, activity or timer is left, so nothing that is waited for will happen",
        fix="send what the workflow waits for, or look with describe() where it stands",
    )


def broken(promise: str, seed: object) -> SimulationError:
    """The error for a promise that does not hold."""
    return SimulationError(
        "RF5402",
        f"{promise} (seed {seed})",
        why="in the simulation with this seed one of the promises of the engine, or of the workflow, did not hold",
        fix="run the same seed again: it does the same, step by step",
    )
