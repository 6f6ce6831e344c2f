"""Replays exported histories against today's code, one test each.

One rule: a folder without histories is an error; a gate that looks at nothing must not pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from refold import Execution, HistoryError, WorkflowDefinition
from refold.events import WorkflowExecutionStarted
from refold_adapters.fast_codec import event_decoder
from refold_adapters.registry import Registry
from refold_adapters.testing.errors import KitError


def replay_histories(
    folder: str | Path, *, workflows: Iterable[WorkflowDefinition[..., Any] | type[Any]]
) -> Callable[..., None]:
    """A test that replays each ``*.jsonl`` in and below a folder (see ``refold export``), as a case of its own.

        test_histories = replay_histories(Path(__file__).parent / "histories", workflows=[process_order])

    A case fails with :class:`NondeterminismError` where the code takes another path than the history, and as ``Execution.replay`` does
    otherwise. Raises :class:`KitError` (RF5304) if there is no history.
    """
    registry = Registry(workflows)
    files = sorted(Path(folder).rglob("*.jsonl"))
    if not files:
        raise KitError(
            "RF5304",
            f"no *.jsonl file is in or below {folder}",
            why="a test that replays nothing would always pass",
            fix="fill the folder with `refold export`, or name another",
        )

    @pytest.mark.parametrize("history", files, ids=lambda file: str(file.relative_to(folder)))
    def test_history_replays(history: Path) -> None:
        replay_file(history, registry)

    return test_history_replays


def replay_file(file: Path, registry: Registry) -> None:
    """Replay the history in a file; raises where it does not."""
    events = event_decoder()(file.read_bytes().removesuffix(b"\n"))
    if not events or not isinstance(events[0], WorkflowExecutionStarted):
        raise HistoryError(
            "RF2001",
            f"{file} holds no whole history",
            why="every history begins with WorkflowExecutionStarted",
            fix="export it again",
        )
    Execution.replay(registry.workflow(events[0].workflow_type), events)
