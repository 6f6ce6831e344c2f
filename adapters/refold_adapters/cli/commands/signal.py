"""``refold signal``: a message to runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from refold_adapters.cli.acting import Verb, act, by_conditions, chosen, runs_options
from refold_adapters.cli.params import JsonCommand, request_option
from refold_adapters.cli.settings import common_options, module_option, settings_of

if TYPE_CHECKING:
    from refold_adapters.client.client import Client
    from refold_adapters.client.handles import WorkflowHandle


@click.command("signal", cls=JsonCommand)
@click.argument("words", metavar="[ID] NAME [JSON]", nargs=-1)
@request_option
@runs_options
@module_option
@common_options
@click.pass_context
def command(
    context: click.Context, /, *, words: tuple[str, ...], request_id: str | None, **typed: Any
) -> int:
    """Send a signal to a run, or to all open ones that fit; it is durable when the command returns.

    With conditions, the ID is left out.  With the module that declares the signal (-m), the payload is checked against its type before
    it is sent.
    """
    from refold_adapters.cli.modules import load_code
    from refold_adapters.cli.params import json_argument
    from refold_adapters.cli.texts import escaped

    workflow_id, name, payload = _split(context, words, typed)
    runs = chosen(context, workflow_id, typed)
    value = None if payload is None else json_argument(payload)
    settings = settings_of(context)
    declared = load_code(settings.modules).signal(name) or name

    def deed(_: Client, handle: WorkflowHandle[Any]) -> dict[str, Any]:
        handle.signal(declared, value, request_id=request_id)
        return {"signal": name}

    return act(context, runs, Verb("signalled"), deed, lambda run, _: f"signal {escaped(name)} sent to {run}")


def _split(
    context: click.Context, words: tuple[str, ...], typed: dict[str, Any]
) -> tuple[str | None, str, str | None]:
    """The id (None where conditions choose the runs), the name of the signal, and its payload."""
    least = 1 if by_conditions(typed) else 2
    if len(words) < least:
        raise click.MissingParameter(
            ctx=context, param_type="argument", param_hint="'NAME'" if len(words) == least - 1 else "'ID'"
        )
    if len(words) > least + 1:
        raise click.UsageError(f"Got unexpected extra argument ({words[least + 1]})", context)
    *workflow_id, name = words[:least]
    return (workflow_id[0] if workflow_id else None), name, (words[least] if len(words) > least else None)
