"""Logging of commands that work: to stderr, one record a line.

One rule: what a command says itself at its end is not said by the log as well.
"""

from __future__ import annotations

import logging
import sys

from refold_adapters.cli.texts import escaped_lines


class _Line(logging.Formatter):
    """A record with its run, safe to be shown."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        workflow_id = getattr(record, "workflow_id", None)
        place = f" [{workflow_id}]" if workflow_id is not None else ""
        return escaped_lines(super().format(record)) + escaped_lines(place)


def log_to_stderr(level: str, *, about: str | None = None) -> None:
    """Log from ``level`` on, except for errors of the run ``about``: whoever waits for it is told anyway."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    if about is not None:
        handler.addFilter(lambda record: not _is_about(record, about))
    logger = logging.getLogger("refold")
    logger.handlers = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


def _is_about(record: logging.LogRecord, workflow_id: str) -> bool:
    return record.levelno >= logging.ERROR and getattr(record, "workflow_id", None) == workflow_id
