"""``refold terminate``: ending runs without their code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from refold_adapters.cli.acting import Verb, act, chosen, runs_options
from refold_adapters.cli.params import reason_option, request_option
from refold_adapters.cli.settings import common_options

if TYPE_CHECKING:
    from refold_adapters.client.client import Client
    from refold_adapters.client.handles import WorkflowHandle


@click.command("terminate")
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
    """End a run, or all open ones that fit, at once, without asking its code: nothing is cleaned up or undone."""

    def deed(_: Client, handle: WorkflowHandle[Any]) -> dict[str, Any]:
        handle.terminate(reason, request_id=request_id)
        return {"status": "TERMINATED"}

    runs = chosen(context, workflow_id, typed)
    return act(context, runs, Verb("terminated"), deed, lambda name, _: f"{name} terminated")
