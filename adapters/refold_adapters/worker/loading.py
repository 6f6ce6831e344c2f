"""Loads a run into memory from the turns that a store keeps of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from refold import Execution, InputPolicy, WorkflowDefinition
from refold.events import HistoryEvent
from refold_adapters.ports import StoredTurn

logger = logging.getLogger("refold.worker")


def load(
    definition: WorkflowDefinition[..., Any],
    turns: Iterable[StoredTurn],
    decode: Callable[[bytes], Sequence[HistoryEvent]],
    log_fields: Mapping[str, str],
) -> Execution:
    """The run that these turns have brought about; inputs that differ from what was recorded are warned of."""
    events = (event for turn in turns for event in decode(turn.data))
    execution = Execution.load(definition, events, input_policy=InputPolicy.WARN)
    for warning in execution.warnings:
        logger.warning("%s", warning, extra=log_fields)
    return execution
