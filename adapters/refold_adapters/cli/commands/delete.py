"""``refold delete``: removing runs and their histories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from refold_adapters.cli.acting import Touched, Verb, act, chosen, runs_options
from refold_adapters.cli.params import request_option
from refold_adapters.cli.settings import common_options

if TYPE_CHECKING:
    from refold_adapters.client.client import Client
    from refold_adapters.client.handles import WorkflowHandle


@click.command("delete")
@click.argument("workflow_id", metavar="[ID]", required=False)
@request_option
@runs_options
@common_options
@click.pass_context
def command(
    context: click.Context, /, *, workflow_id: str | None, request_id: str | None, **typed: Any
) -> int:
    """Remove a run, or all that fit, with its history; an open one is terminated first.

    What comes for it later is refused.
    """

    def deed(_: Client, handle: WorkflowHandle[Any]) -> dict[str, Any]:
        handle.delete(request_id=request_id)
        return {"deleted": True}

    runs = chosen(context, workflow_id, typed)
    return act(context, runs, Verb("deleted", Touched.ANY), deed, lambda name, _: f"{name} deleted")
