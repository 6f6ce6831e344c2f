"""Replaying histories against today's code, one after the other.

One rule: every history ends in exactly one verdict, and only ``ok`` is good.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import attrs

from refold import Execution, HistoryError, NondeterminismError, RefoldError
from refold.events import HistoryEvent, WorkflowExecutionStarted
from refold_adapters.cli.errors import CliError, Exit
from refold_adapters.cli.failing import coded
from refold_adapters.cli.modules import Code
from refold_adapters.fast_codec import event_decoder
from refold_adapters.ports import RunRow, Store
from refold_adapters.store_errors import StoreError


class Verdict(str, Enum):
    """What became of a replay."""

    OK = "ok"
    #: The code took another path than the history.
    DIVERGED = "diverged"
    #: The code raised where the history went on.
    FAILED = "failed"
    UNKNOWN_TYPE = "unknown type"
    CORRUPT = "corrupt"


@attrs.frozen(kw_only=True)
class Replayed:
    """One history and its verdict."""

    #: The file, or the run of the store, that it came from.
    source: str
    verdict: Verdict
    workflow_id: str = ""
    run_id: str = ""
    workflow_type: str = ""
    events: int = 0
    error: RefoldError | None = None

    def record(self) -> dict[str, Any]:
        """It as plain data."""
        return {
            "source": self.source,
            "workflow_id": self.workflow_id or None,
            "run_id": self.run_id or None,
            "workflow_type": self.workflow_type or None,
            "events": self.events,
            "verdict": self.verdict.value,
            "code": None if self.error is None else self.error.code,
            "report": None if self.error is None else str(self.error),
        }


@attrs.frozen
class Source:
    """Where a history comes from: the stored bytes of its turns, read when they are needed."""

    name: str
    file: Path | None = None
    row: RunRow | None = None

    def read(self, store: Store | None) -> list[bytes]:
        """The bytes, in pieces of whole lines."""
        if self.file is not None:
            return [data] if (data := self.file.read_bytes().removesuffix(b"\n")) else []
        assert store is not None
        assert self.row is not None
        return [turn.data for turn in store.read_turns(self.row.run_id)]


def sources_of_files(paths: Sequence[Path]) -> list[Source]:
    """The files themselves, and all ``*.jsonl`` in and below folders, in order of their names."""
    files: list[Path] = []
    for path in paths:
        files += sorted(path.rglob("*.jsonl")) if path.is_dir() else [path]
    if not files:
        raise nothing_to_replay(f"no *.jsonl file is in or below {', '.join(map(str, paths))}")
    return [Source(str(file), file=file) for file in dict.fromkeys(files)]


def sources_of_rows(rows: Iterable[RunRow]) -> Iterator[Source]:
    """Runs of a store; those without any event yet have nothing to replay."""
    return (Source(row.workflow_id, row=row) for row in rows if row.turn)


def nothing_to_replay(why: str) -> CliError:
    """The error for a gate that would have passed without looking at anything."""
    return CliError(
        "RF5209",
        "there is nothing to replay",
        why=why,
        fix="name files or folders of `refold export`, or a store and conditions that runs fit",
        exit_code=Exit.NOT_FOUND,
    )


def replay(source: Source, code: Code, store: Store | None = None) -> Replayed:
    """Replay one history; whatever is wrong with it or with the code becomes a verdict."""
    known: dict[str, Any] = {"source": source.name}
    if source.row is not None:
        known |= {"workflow_id": source.row.workflow_id, "run_id": source.row.run_id}
        known["workflow_type"] = source.row.workflow_type
    try:
        decode = event_decoder()
        events = [event for data in source.read(store) for event in decode(data)]
        started = _first_of(events)
    except (HistoryError, StoreError) as error:
        if isinstance(error, StoreError) and error.code != "RF5007":
            raise
        return Replayed(**known, verdict=Verdict.CORRUPT, error=error)
    known |= {
        "workflow_id": started.workflow_id,
        "run_id": started.run_id,
        "workflow_type": started.workflow_type,
        "events": len(events),
    }
    definition = code.workflow(started.workflow_type)
    if definition is None:
        return Replayed(**known, verdict=Verdict.UNKNOWN_TYPE)
    try:
        Execution.replay(definition, events)
    except NondeterminismError as error:
        return Replayed(**known, verdict=Verdict.DIVERGED, error=error)
    except HistoryError as error:
        return Replayed(**known, verdict=Verdict.CORRUPT, error=error)
    except Exception as error:
        return Replayed(**known, verdict=Verdict.FAILED, error=coded(error))
    return Replayed(**known, verdict=Verdict.OK)


def _first_of(events: Sequence[HistoryEvent]) -> WorkflowExecutionStarted:
    if events and isinstance(events[0], WorkflowExecutionStarted):
        return events[0]
    found = f"it begins with {type(events[0]).__name__}" if events else "it holds no event"
    raise HistoryError(
        "RF2001",
        f"this is no whole history: {found}",
        why="every history begins with WorkflowExecutionStarted",
        fix="export it again",
    )
