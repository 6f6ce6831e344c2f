"""What belongs to the process and not to a command: its streams, and its end.

One rule: when the command is done the process ends, whatever an activity's thread still does; what was not recorded is done again.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Sequence

from refold_adapters.cli.app import app
from refold_adapters.cli.errors import Exit


def run_process(args: Sequence[str]) -> int:
    """Run a command and return its exit code; does not return while threads would keep the process alive."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app.main(args, prog_name="refold")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    if code == Exit.BROKEN_PIPE:
        _give_up_stdout()
    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        _flush()
        os._exit(code)
    return code


def _give_up_stdout() -> None:
    """Nobody reads it any more: what is left in its buffer goes nowhere, so that the interpreter's last flush cannot fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
