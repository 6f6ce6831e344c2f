"""``refold stack``: where the code of a run stands."""

from __future__ import annotations

import click

from refold_adapters.cli.settings import common_options, module_option, settings_of


@click.command("stack")
@click.argument("workflow_id", metavar="ID")
@click.option("--run-id", metavar="RUN", help="That run, instead of the open or latest one.")
@module_option
@common_options
@click.pass_context
def command(context: click.Context, *, workflow_id: str, run_id: str | None) -> None:
    """Say what each branch of a run waits for, and at which lines of its code.

    The run is replayed in this process up to its last event, so its module must be given (-m), and no worker is needed.
    """
    from refold_adapters.cli.modules import load_code, need_workflows
    from refold_adapters.cli.opening import opened_client
    from refold_adapters.cli.printing import print_json
    from refold_adapters.cli.standing import waiting_lines, waiting_record
    from refold_adapters.cli.texts import escaped_lines
    from refold_adapters.operating.inspection import load_execution
    from refold_adapters.runtime_errors import WorkflowClosedError

    settings = settings_of(context)
    code = need_workflows(load_code(settings.modules), "a stack")
    with opened_client(settings, code) as client:
        row = client.row(workflow_id, run_id)
        if row.closed_at is not None:
            raise WorkflowClosedError(row.workflow_id, row.run_id, row.status.value)
        with load_execution(client.store, row, client.definition_of(row)) as execution:
            waiting = execution.waiting()
    if settings.output == "table":
        for number, one in enumerate(waiting):
            click.echo(escaped_lines("\n".join(["", *waiting_lines(one)][not number :])))
        if not waiting:
            click.echo("it waits at no line: none of its turns is recorded yet", err=True)
    else:
        print_json(settings, [waiting_record(one) for one in waiting])
