"""``refold resume``: letting paused runs go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from refold_adapters.cli.acting import Verb, act, chosen, runs_options
from refold_adapters.cli.params import reason_option, request_option
from refold_adapters.cli.settings import common_options

if TYPE_CHECKING:
    from refold_adapters.client.client import Client
    from refold_adapters.client.handles import WorkflowHandle


@click.command("resume")
@click.argument("workflow_id", metavar="[ID]", required=False)
@reason_option
@request_option
@runs_options
@common_options
@click.pass_context
def command(
    context: click.Context, /, *, workflow_id: str | None, reason: str, request_id: str | None, **typed: Any
) -> int:
    """Let a paused run, or all that fit, go on, with all that came in the meantime.

    Resuming what is not paused changes nothing.
    """

    def deed(_: Client, handle: WorkflowHandle[Any]) -> dict[str, Any]:
        handle.resume(reason, request_id=request_id)
        return {"paused": False}

    runs = chosen(context, workflow_id, typed)
    return act(context, runs, Verb("resumed"), deed, lambda name, _: f"{name} resumed")
