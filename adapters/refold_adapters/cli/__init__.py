"""``refold``, the command line: starts workflows and workers, and looks into the runs of a store.

One rule: a command asks the runtime and shows the answer; it decides nothing about runs, and knows no store but by its protocol.
What a command needs is imported when it is run, so that ``refold --help`` does not wait for it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec

from refold_adapters.cli.errors import not_installed

__all__ = ["main"]


def main(args: Sequence[str] | None = None) -> int:
    """Run the command that ``args`` (by default those of the process) name, and return its exit code."""
    for package in ("click", "rich"):
        if find_spec(package) is None:
            missing = not_installed(package)
            sys.stderr.write(f"{missing}\n")
            return missing.exit_code
    from refold_adapters.cli.process import run_process

    return run_process(sys.argv[1:] if args is None else list(args))
