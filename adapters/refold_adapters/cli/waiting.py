"""Waiting for a run to end.

One rule: the result is shown as it is stored, not as any class that this process may have for it.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from refold_adapters.cli.errors import CliError, Exit
from refold_adapters.cli.texts import duration
from refold_adapters.client.client import Client
from refold_adapters.client.handles import WorkflowHandle
from refold_adapters.runtime_errors import WorkflowAlreadyStartedError


def wait_for(client: Client, handle: WorkflowHandle[Any], timeout: timedelta | None) -> Any:
    """The result of a run, as plain data; raises RF5207 where it has not ended in time."""
    plain = Client(client.store, closings=client.closings).handle(handle.workflow_id, handle.run_id)
    try:
        return plain.result(timeout=timeout)
    except TimeoutError:
        assert timeout is not None
        raise CliError(
            "RF5207",
            f"workflow {handle.workflow_id!r} has not ended within {duration(timeout // timedelta(microseconds=1))}",
            why="it still runs, or no worker works on it",
            fix=f"wait longer, or see what it waits for: refold describe {handle.workflow_id}",
            exit_code=Exit.TIMEOUT,
        ) from None


@contextmanager
def answered_in_time(workflow_id: str, timeout: timedelta | None) -> Generator[None, None, None]:
    """Raise RF5207 where an update has no answer in time."""
    try:
        yield
    except TimeoutError:
        assert timeout is not None
        raise CliError(
            "RF5207",
            f"workflow {workflow_id!r} has not answered within {duration(timeout // timedelta(microseconds=1))}",
            why="its handler is still at work, or no worker works on the run",
            fix="repeat it with the same --update-id, or see what the run waits for: "
            f"refold describe {workflow_id}",
            exit_code=Exit.TIMEOUT,
        ) from None


def need_type(client: Client, handle: WorkflowHandle[Any], workflow_type: str) -> None:
    """Raise RF5101 where the open run of that id is of another workflow."""
    row = client.row(handle.workflow_id, handle.run_id)
    if row.workflow_type != workflow_type:
        raise WorkflowAlreadyStartedError(
            row.workflow_id, row.run_id, f"{row.status.value}, of type {row.workflow_type}"
        )
