"""One history as one file.

One rule: a file's name tells which run it holds, is safe on every file system whatever the ids are, and no two runs share one.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from refold_adapters.ports import RunRow, Store

_ID_CHARACTERS_MAX = 80


def file_name(workflow_id: str, run_id: str) -> str:
    """The name of a run's file."""
    return (
        f"{_safe(workflow_id)[:_ID_CHARACTERS_MAX].rstrip('%.')}_{_safe(run_id)[:_ID_CHARACTERS_MAX]}.jsonl"
    )


def export_run(store: Store, row: RunRow, directory: Path) -> Path | None:
    """Write a run's history; None if it has no events yet."""
    turns = store.read_turns(row.run_id)
    if not turns:
        return None
    place = directory / file_name(row.workflow_id, row.run_id)
    beside = place.with_name(f".{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            for turn in turns:
                file.write(turn.data + b"\n")
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)
    return place


def _safe(text: str) -> str:
    """Letters, digits, ``-`` and ``.`` of ASCII, all else by its bytes, and nothing that hides a file or looks like an option."""
    quoted = quote(text, safe="").replace("_", "%5F").replace("~", "%7E")
    return (
        quoted.replace(".", "%2E", 1)
        if quoted.startswith(".")
        else quoted.replace("-", "%2D", 1)
        if quoted.startswith("-")
        else quoted
    )
