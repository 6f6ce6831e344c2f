"""``refold run``: one workflow, in this process, to its end."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from refold_adapters.cli.params import DURATION, JsonCommand, log_level_option, reuse_option
from refold_adapters.cli.settings import Settings, common_options, module_option, settings_of
from refold_adapters.cli.starting import properties_of, property_options

if TYPE_CHECKING:
    from refold_adapters.client.handles import WorkflowHandle
    from refold_adapters.turns.starting import StartKeywords


@click.command(
    "run",
    cls=JsonCommand,
    epilog="""For example: refold run shop.orders:process_order '{"order_id": "7"}' --id order-7""",
)
@click.argument("target", metavar="MODULE:WORKFLOW")
@click.argument("args", metavar="[JSON]...", nargs=-1)
@click.option(
    "--id", "workflow_id", metavar="ID", help="Workflow id; by default the workflow's name and a new number."
)
@click.option(
    "--task-queue",
    default="default",
    show_default=True,
    metavar="QUEUE",
    help="Task queue to run and work on.",
)
@click.option(
    "--timeout", type=DURATION, help="Wait no longer than this (30, 1m30s, 2h); the run goes on all the same."
)
@reuse_option("ALLOW_DUPLICATE_FAILED_ONLY")
@property_options
@log_level_option("warning")
@module_option
@common_options
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    target: str,
    args: tuple[str, ...],
    workflow_id: str | None,
    task_queue: str,
    timeout: timedelta | None,
    id_reuse_policy: str,
    log_level: str,
    **typed: Any,
) -> int:
    """Run a workflow in this process and print its result as JSON.

    Goes on with the run of that id if one is open, or starts one, and waits for its end; of a run that has completed, it prints the
    result again.  Runs of the same code that an earlier process left behind are worked on too.  Arguments are JSON, or @FILE (@- for
    stdin) with JSON in it.
    """
    from refold import WorkflowIDReusePolicy

    return _run(
        settings_of(context),
        target=target,
        args=args,
        workflow_id=workflow_id,
        task_queue=task_queue,
        timeout=timeout,
        log_level=log_level,
        keywords={
            **properties_of(typed),
            "task_queue": task_queue,
            "id_reuse_policy": WorkflowIDReusePolicy(id_reuse_policy.upper()),
        },
    )


def _run(
    settings: Settings,
    *,
    target: str,
    args: tuple[str, ...],
    workflow_id: str | None,
    task_queue: str,
    timeout: timedelta | None,
    log_level: str,
    keywords: StartKeywords,
) -> int:
    from refold.ids import checked_id
    from refold_adapters.cli.errors import Exit
    from refold_adapters.cli.interrupts import Interruptible
    from refold_adapters.cli.logs import log_to_stderr
    from refold_adapters.cli.modules import find_target
    from refold_adapters.cli.params import json_arguments
    from refold_adapters.cli.printing import print_json, say
    from refold_adapters.cli.waiting import need_type, wait_for
    from refold_adapters.engine import Engine
    from refold_adapters.stores import open_store

    values = json_arguments(args)
    definition, code = find_target(target, settings.modules)
    definition.encode_input(*values)  # what cannot be run must not make a store
    named = workflow_id is not None
    workflow_id = checked_id(workflow_id if named else f"{definition.name}-{uuid4().hex[:8]}", "workflow id")
    log_to_stderr(log_level, about=workflow_id)
    store = open_store(settings.store)
    # What is open now is what is waited for: once there is a worker, it may close before anybody asks for it.
    before = store.find_run(workflow_id)

    def begin() -> WorkflowHandle[Any]:
        if before is not None and before.closed_at is None:
            return engine.handle(workflow_id, before.run_id)
        return engine.attach(definition, *values, id=workflow_id, **keywords)

    with Interruptible() as interruptible:
        engine = Engine(store, workflows=code.workflows, activities=code.activities, task_queue=task_queue)
        grace = timedelta(0)
        try:
            handle = interruptible.call(begin)
            if not named:
                say(f"workflow id: {workflow_id}")
            need_type(engine, handle, definition.name)
            print_json(settings, interruptible.call(lambda: wait_for(engine, handle, timeout)))
            grace = timedelta(seconds=10)
        except KeyboardInterrupt:
            say("interrupted: the run is kept; `refold run` with the same id, or a worker, goes on with it")
            return Exit.INTERRUPTED
        finally:
            engine.close(grace=grace)
    return Exit.OK
