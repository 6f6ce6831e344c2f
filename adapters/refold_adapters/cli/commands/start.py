"""``refold start``: one workflow, for a worker to run."""

from __future__ import annotations

from uuid import uuid4

import click

from refold_adapters.cli.params import JsonCommand, reuse_option
from refold_adapters.cli.settings import Settings, common_options, module_option, settings_of


@click.command("start", cls=JsonCommand)
@click.argument("target", metavar="WORKFLOW")
@click.argument("args", metavar="[JSON]...", nargs=-1)
@click.option(
    "--id", "workflow_id", metavar="ID", help="Workflow id; by default the workflow's name and a new number."
)
@click.option(
    "--task-queue", default="default", show_default=True, metavar="QUEUE", help="Task queue of its workers."
)
@reuse_option("ALLOW_DUPLICATE")
@click.option(
    "--id-conflict-policy",
    type=click.Choice(["FAIL", "USE_EXISTING", "TERMINATE_EXISTING"], case_sensitive=False),
    metavar="POLICY",
    default="FAIL",
    show_default=True,
    help="What to do when a run of that id is open: FAIL, USE_EXISTING or TERMINATE_EXISTING.",
)
@module_option
@common_options
@click.pass_context
def command(
    context: click.Context,
    *,
    target: str,
    args: tuple[str, ...],
    workflow_id: str | None,
    task_queue: str,
    id_reuse_policy: str,
    id_conflict_policy: str,
) -> int:
    """Start a workflow and return at once; it runs as soon as a worker does.

    WORKFLOW is module:workflow, or just the name that workers know it by: then nothing is imported, and the arguments are checked
    by the worker alone.  Arguments are JSON, or @FILE (@- for stdin) with JSON in it.
    """
    return _start(
        settings_of(context),
        target=target,
        args=args,
        workflow_id=workflow_id,
        task_queue=task_queue,
        reuse=id_reuse_policy,
        conflict=id_conflict_policy,
    )


def _start(
    settings: Settings,
    *,
    target: str,
    args: tuple[str, ...],
    workflow_id: str | None,
    task_queue: str,
    reuse: str,
    conflict: str,
) -> int:
    from refold import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
    from refold_adapters.cli.errors import Exit
    from refold_adapters.cli.modules import find_target
    from refold_adapters.cli.opening import opened_client
    from refold_adapters.cli.params import json_arguments
    from refold_adapters.cli.printing import print_json
    from refold_adapters.cli.texts import escaped
    from refold_adapters.cli.waiting import need_type

    values = json_arguments(args)
    definition, code = (
        find_target(target, settings.modules) if ":" in target or settings.modules else (None, None)
    )
    if definition is not None:
        definition.encode_input(*values)  # what cannot be run must not make a store
    name = target if definition is None else definition.name
    workflow_id = f"{name}-{uuid4().hex[:8]}" if workflow_id is None else workflow_id
    with opened_client(settings, code, make=True) as client:
        handle = client.start(
            name,
            *values,
            id=workflow_id,
            task_queue=task_queue,
            id_reuse_policy=WorkflowIDReusePolicy(reuse.upper()),
            id_conflict_policy=WorkflowIDConflictPolicy(conflict.upper()),
        )
        need_type(client, handle, name)
        if settings.output == "table":
            click.echo(f"started {escaped(workflow_id)} (run {handle.run_id})")
        else:
            print_json(settings, {"workflow_id": workflow_id, "run_id": handle.run_id, "workflow_type": name})
    return Exit.OK
