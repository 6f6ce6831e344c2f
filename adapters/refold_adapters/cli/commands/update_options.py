"""``refold update-options``: moving runs to another build of their code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from refold_adapters.cli.acting import Verb, act, chosen, runs_options
from refold_adapters.cli.params import request_option
from refold_adapters.cli.settings import common_options
from refold_adapters.cli.texts import escaped

if TYPE_CHECKING:
    from refold_adapters.client.client import Client
    from refold_adapters.client.handles import WorkflowHandle


@click.command("update-options")
@click.argument("workflow_id", metavar="[ID]", required=False)
@click.option(
    "--build-id",
    required=True,
    metavar="BUILD",
    help="Build of the code that is to run it; '' for any.",
)
@request_option
@runs_options
@common_options
@click.pass_context
def command(
    context: click.Context, /, *, workflow_id: str | None, build_id: str, request_id: str | None, **typed: Any
) -> int:
    """Move an open run, or all that fit, to another build of its code."""

    def deed(_: Client, handle: WorkflowHandle[Any]) -> dict[str, Any]:
        handle.update_options(build_id=build_id, request_id=request_id)
        return {"build_id": build_id}

    def told(name: str, _: dict[str, Any]) -> str:
        return f"{name} moved to {f'build {escaped(build_id)}' if build_id else 'any build'}"

    runs = chosen(context, workflow_id, typed)
    return act(context, runs, Verb("moved to that build"), deed, told)
