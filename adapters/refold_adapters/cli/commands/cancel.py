"""``refold cancel``: asking runs to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from refold_adapters.cli.acting import Verb, act, chosen, runs_options
from refold_adapters.cli.params import reason_option, request_option
from refold_adapters.cli.settings import common_options

if TYPE_CHECKING:
    from refold_adapters.client.client import Client
    from refold_adapters.client.handles import WorkflowHandle


@click.command("cancel")
@click.argument("workflow_id", metavar="[ID]", required=False)
@reason_option
@request_option
@runs_options
@common_options
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    workflow_id: str | None,
    reason: str,
    request_id: str | None,
    **typed: Any,
) -> int:
    """Ask a run, or all open ones that fit, to stop: it may clean up first, or go on."""

    def deed(_: Client, handle: WorkflowHandle[Any]) -> dict[str, Any]:
        handle.cancel(reason, request_id=request_id)
        return {"requested": "cancel"}

    runs = chosen(context, workflow_id, typed)
    return act(
        context, runs, Verb("asked to stop"), deed, lambda name, _: f"cancellation of {name} requested"
    )
