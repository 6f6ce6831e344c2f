"""``refold retry``: letting parked runs be tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from refold_adapters.cli.acting import Touched, Verb, act, chosen, runs_options
from refold_adapters.cli.errors import CliError, Exit
from refold_adapters.cli.params import request_option
from refold_adapters.cli.settings import common_options

if TYPE_CHECKING:
    from refold_adapters.client.client import Client
    from refold_adapters.client.handles import WorkflowHandle
    from refold_adapters.ports import RunRow


@click.command("retry")
@click.argument("workflow_id", metavar="[ID]", required=False)
@request_option
@runs_options
@common_options
@click.pass_context
def command(
    context: click.Context, /, *, workflow_id: str | None, request_id: str | None, **typed: Any
) -> int:
    """Let a parked run, or all that fit, be tried again by the workers that are at work.

    A worker that starts tries the parked runs of its queue again by itself.  A run that is not parked is left as it is; one that has
    failed is closed, and is begun again with reset.
    """

    def deed(client: Client, handle: WorkflowHandle[Any]) -> dict[str, Any]:
        row = handle.current_row()
        tried = client.retry(workflow_id=row.workflow_id, request_id=request_id)
        if row.closed_at is not None and not tried:
            raise _closed(row)
        return {"was_parked": bool(tried)}

    def told(name: str, record: dict[str, Any]) -> str:
        return f"{name} is tried again" if record["was_parked"] else f"{name} is not parked: nothing to do"

    runs = chosen(context, workflow_id, typed)
    return act(context, runs, Verb("tried again", Touched.PARKED), deed, told)


def _closed(row: RunRow) -> CliError:
    return CliError(
        "RF5211",
        f"workflow {row.workflow_id!r} cannot be tried again: it is closed (run {row.run_id}, {row.status.value})",
        why="only an open run that is parked waits for another try",
        fix=f"begin it anew at one of its turns: refold reset {row.workflow_id} (--first-turn for the whole of it)",
        exit_code=Exit.REFUSED,
    )
