"""Why a run is parked, as its row and as those who wait for it are told.

One rule: the kind of failure and the line of code stand beside the reason, so that runs are found by them without reading it.
"""

from __future__ import annotations

import json
import logging

from refold import RefoldError
from refold_adapters.ports import ParkRun, RunStatus
from refold_adapters.turns.results import Ending
from refold_adapters.worker.live import LiveRun

logger = logging.getLogger("refold.worker")


def parking(token: int, live: LiveRun, error: RefoldError) -> tuple[ParkRun, Ending]:
    """The write that parks a run because of an error, which is logged, and what those who wait for the run are told."""
    logger.error("workflow %s is parked\n%s", live.workflow_id, error, extra=live.log_fields)
    reason = json.dumps({"code": error.code, "message": str(error), "where": error.where}).encode()
    write = ParkRun(token=token, run_id=live.run_id, reason=reason, kind=error.code, line=error.where)
    ids = (live.workflow_id, live.run_id, live.workflow_type)
    return write, Ending(*ids, RunStatus.RUNNING, None, reason)
