"""What every event has."""

from __future__ import annotations

from typing import Any, ClassVar, TypeAlias

import attrs

from refold.value import Value

PlainDict: TypeAlias = dict[str, Any]


@attrs.frozen(eq=False, repr=False)
class HistoryEvent(Value):
    """What every event has."""

    event_id: int
    turn: int
    at: int

    #: Came from outside (True) or is what the workflow did in answer (False).
    external: ClassVar[bool]
    #: A message to the workflow: stands before the completions of its turn.
    message: ClassVar[bool] = False
    #: Closes the run.
    terminal: ClassVar[bool] = False
