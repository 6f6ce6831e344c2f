"""Starts the drivers of other engines in their own environment, and asks them for one measurement after another.

One rule: a driver stays alive between measurements, so that rounds alternate without paying anyone's start, and waits for a line on its
standard input while others are measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parent.parent


def _environment() -> dict[str, str]:
    """That of this process, but that compiled code is kept: an installed package has been compiled, and start-up is measured."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def peers_python() -> Path:
    """The interpreter that has them: ``REFOLD_BENCH_PEERS``, or that of ``make bench-peers``."""
    return Path(os.environ.get("REFOLD_BENCH_PEERS", ROOT / ".venv-peers" / "bin" / "python"))


class Driver:
    """A process that answers lines of JSON."""

    def __init__(self, module: str, *args: str, python: Path | None = None) -> None:
        self._process = subprocess.Popen(
            [str(python or sys.executable), "-m", f"benchmarks.{module}", *args],
            cwd=ROOT,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            #: What it says of itself: its name and version, or what it misses.
            self.hello: dict[str, Any] = self._answer()
        except BaseException:
            self.close()
            raise

    def ask(self, measure: str, **arguments: object) -> dict[str, Any]:
        """One measurement."""
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(json.dumps({"measure": measure, **arguments}) + "\n")
        stdin.flush()
        return self._answer()

    def seconds(self, measure: str, **arguments: object) -> float:
        seconds: float = self.ask(measure, **arguments)["seconds"]
        return seconds

    def _answer(self) -> dict[str, Any]:
        stdout = self._process.stdout
        assert stdout is not None
        line = stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with exit code {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def kill(self) -> None:
        """End it without a chance to say good-bye."""
        self._process.kill()
        self.close()

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()


def open_peer(module: str, *args: str) -> Driver | str:
    """The driver of a peer, or why there is none."""
    python = peers_python()
    if not python.exists():
        return f"not installed (no {python}; `make bench-peers` makes it)"
    try:
        driver = Driver(f"peers.{module}", *args, python=python)
    except RuntimeError as error:
        return f"does not start ({error}; see above)"
    missing = driver.hello.get("missing")
    if missing is not None:
        driver.close()
        return f"not installed ({missing})"
    return driver
