"""Runs `refold` in this process or in one of its own, and says how it ended."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs
from click.testing import CliRunner

from refold_adapters.cli.app import app

ROOT = Path(__file__).parent.parent
SHOP = "tests.cli_shop"
#: How long a test waits for another process, at most.
PATIENCE_SECONDS = 60

_RUN_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@attrs.frozen
class Done:
    """How an invocation ended, and what it printed; run ids are replaced by ones that are always the same."""

    code: int
    out: str
    err: str


def refold(*args: object, input: str | None = None) -> Done:
    """Run a command in this process."""
    logger = logging.getLogger("refold")
    handlers, level, propagate, path = logger.handlers, logger.level, logger.propagate, list(sys.path)
    try:
        result = CliRunner().invoke(app, [str(arg) for arg in args], prog_name="refold", input=input)
    finally:
        logger.handlers, logger.propagate, sys.path[:] = handlers, propagate, path
        logger.setLevel(level)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, *_steady(result.stdout, result.stderr))


def _steady(out: str, err: str) -> tuple[str, str]:
    known: dict[str, str] = {}

    def replaced(found: re.Match[str]) -> str:
        return known.setdefault(found[0], f"{len(known) + 1:0>8}-0000-0000-0000-000000000000")

    return _RUN_ID.sub(replaced, out), _RUN_ID.sub(replaced, err)


def lines(*texts: str) -> str:
    return "".join(f"{text}\n" for text in texts)


def command_line(*args: object) -> list[str]:
    return [sys.executable, "-m", "refold_adapters.cli", *(str(arg) for arg in args)]


def environment(**changes: str) -> dict[str, str]:
    """The environment of a process of the tests: nothing of the caller's refold, and no colours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("REFOLD_", "PYTEST_"))}
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**kept, "PYTHONPATH": path, "PYTHONUTF8": "1", "COLUMNS": "120", **changes}


def refold_process(*args: object, **changes: str) -> Done:
    """Run a command in a process of its own, to its end."""
    done = subprocess.run(
        command_line(*args),
        env=environment(**changes),
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return Done(done.returncode, *_steady(done.stdout, done.stderr))


@contextmanager
def background(*args: object, **changes: str) -> Generator[subprocess.Popen[str], None, None]:
    """A command that runs beside the test, and is killed at its end if it has not ended by then."""
    process = subprocess.Popen(
        command_line(*args),
        env=environment(**changes),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """What the process said on stderr, up to the line with these words."""
    assert process.stderr is not None
    said: Sequence[str] = ()
    for line in process.stderr:
        said = (*said, line)
        if words in line:
            return "".join(said)
    raise AssertionError(f"it never said {words!r}, but:\n{''.join(said)}")
