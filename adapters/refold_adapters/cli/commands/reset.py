"""``refold reset``: beginning runs anew at one of their turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from refold_adapters.cli.acting import Touched, Verb, act, chosen, runs_options
from refold_adapters.cli.params import reason_option, request_option
from refold_adapters.cli.points import point_of, point_options
from refold_adapters.cli.settings import common_options

if TYPE_CHECKING:
    from refold_adapters.client.client import Client
    from refold_adapters.client.handles import WorkflowHandle


@click.command("reset")
@click.argument("workflow_id", metavar="[ID]", required=False)
@point_options
@click.option(
    "--reapply-exclude",
    multiple=True,
    type=click.Choice(["SIGNAL", "UPDATE", "CANCEL_REQUEST"], case_sensitive=False),
    metavar="KIND",
    help="What came after that turn and is not to come again: SIGNAL, UPDATE or CANCEL_REQUEST; repeatable.",
)
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
    reapply_exclude: tuple[str, ...],
    reason: str,
    request_id: str | None,
    **typed: Any,
) -> int:
    """Begin a run anew at one of its turns, under another run id; an open one is terminated.

    The turn is the last one that its code made, unless an option says otherwise.  Of the runs that fit conditions, the newest of each
    workflow id is reset, if it has had a turn.
    """
    from refold_adapters.operating.retelling import ResetReapplyExcludeType

    point = point_of(context, typed)
    exclude = [ResetReapplyExcludeType(kind.upper()) for kind in reapply_exclude]

    def deed(_: Client, handle: WorkflowHandle[Any]) -> dict[str, Any]:
        return {
            "run_id": handle.reset(
                **point, reason=reason, reapply_exclude=exclude, request_id=request_id
            ).run_id
        }

    runs = chosen(context, workflow_id, typed)
    return act(
        context,
        runs,
        Verb("reset", Touched.NEWEST),
        deed,
        lambda name, record: f"{name} reset (run {record['run_id']})",
    )
