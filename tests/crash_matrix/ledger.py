"""What was done and what was acknowledged, written down outside of refold: a file that outlives whoever writes to it.

One rule: a line is written after what it tells, with one system call, so no crash tears it.  (A process that is killed loses nothing that
it has written; what a loss of power takes is another matter, and told in ``power_loss``.)
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import attrs


@attrs.frozen
class Effect:
    """That an attempt of an activity has done its work."""

    workflow_id: str
    run_id: str
    activity_id: str
    activity_type: str
    attempt: int


class Ledger:
    """The file, open for one process."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_CREAT | os.O_APPEND | os.O_RDWR)
        self._path = path

    def effect(self, effect: Effect) -> None:
        """An activity has done something."""
        self._write(["effect", *attrs.astuple(effect)])

    def acknowledge(self, step: int) -> None:
        """A call of the client has returned."""
        self._write(["step", step])

    def died(self) -> None:
        """A process is about to be killed."""
        self._write(["died"])

    def _write(self, line: list[object]) -> None:
        os.write(self._fd, json.dumps(line).encode() + b"\n")

    def _lines(self) -> list[list[object]]:
        return [json.loads(line) for line in self._path.read_text().splitlines()]

    @property
    def steps(self) -> int:
        """How many steps of the client were acknowledged."""
        return sum(line[0] == "step" for line in self._lines())

    @property
    def crashes(self) -> int:
        """How many processes were killed."""
        return sum(line[0] == "died" for line in self._lines())

    @property
    def effects(self) -> list[Effect]:
        """What activities have done, in order."""
        return [Effect(*line[1:]) for line in self._lines() if line[0] == "effect"]  # type: ignore[arg-type]

    def count(self) -> Counter[tuple[str, str]]:
        """How often each activity of each workflow id has done its work."""
        return Counter((each.workflow_id, each.activity_type) for each in self.effects)
