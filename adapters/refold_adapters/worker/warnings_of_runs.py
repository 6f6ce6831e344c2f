"""What a worker says of a run in words: complaints and warnings for its log, and the reason why it may be poison."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from refold import HandlerUnfinishedPolicy, Turn
from refold_adapters.runtime_errors import ExecutionError
from refold_adapters.worker.live import LiveRun

logger = logging.getLogger("refold.worker")


def warn_of_unfinished(live: LiveRun, turn: Turn) -> None:
    """Log each message whose handler was cut off by the end of its run, unless its declaration says not to."""
    for handling in turn.unfinished:
        if handling.policy is HandlerUnfinishedPolicy.WARN_AND_ABANDON:
            logger.warning(
                "workflow %s ended while its handler of %s %s (event %d%s) was still at work; wait for all_handlers_finished() first",
                live.workflow_id,
                handling.kind,
                handling.name,
                handling.event_id,
                f", update id {handling.update_id}" if handling.update_id else "",
                extra=live.log_fields,
            )


def complain(live: LiveRun, complaints: Sequence[str]) -> None:
    """Log where code yielded while it was being closed."""
    for place in complaints:
        logger.warning(
            "RF1103: workflow %s yielded at %s while it was being closed; code in `finally` must not yield",
            live.workflow_id,
            place,
            extra=live.log_fields,
        )


def poison(live: LiveRun) -> ExecutionError:
    """The error for a run that was taken over too often."""
    return ExecutionError(
        "RF5107",
        f"workflow {live.workflow_id!r} was taken over {live.takeovers} times from workers that died",
        why="its code probably kills the process, or needs more memory than there is",
        fix="mend the code, then restart the worker",
    )
