"""What came of a start: a run, new or there already, and who waits for the update that came with it."""

from __future__ import annotations

from typing import Any

import attrs

from refold_adapters.waiting.update_waits import UpdateWait


class NotCreatedError(Exception):
    """A run of the workflow id was there already; never leaves the client."""


@attrs.frozen
class Begun:
    """A run that was started, or that is there instead."""

    run_id: str
    result_type: Any
    created: bool = False
    same_request: bool = False
    #: For the update that came with the start.
    wait: UpdateWait | None = None
