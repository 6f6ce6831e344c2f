"""``refold export``: histories as files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from refold_adapters.cli.selecting import Selection, selection_options
from refold_adapters.cli.settings import Settings, common_options, settings_of

if TYPE_CHECKING:
    from refold_adapters.client.client import Client
    from refold_adapters.ports import RunRow


@click.command("export")
@click.argument("workflow_id", metavar="[ID]", required=False)
@click.option("--run-id", metavar="RUN", help="That run, instead of the open or latest one.")
@click.option(
    "--all", "every", is_flag=True, help="All runs that fit the conditions below, instead of one id."
)
@selection_options
@click.option(
    "-d",
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("histories"),
    show_default=True,
    metavar="DIR",
    help="Where to; made if it is not there.",
)
@common_options
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    workflow_id: str | None,
    run_id: str | None,
    every: bool,
    directory: Path,
    **typed: Any,
) -> int:
    """Write the history of a run, or of all runs, to files: one a run, one event a line, as `refold replay` reads them.

    A file is named after the workflow id and the run id.  It is written beside its place and then moved there, so that none is half a
    history.
    """
    selection = Selection.of(typed)
    if (workflow_id is None) != (every or not selection.empty) or (every and run_id is not None):
        raise click.UsageError(
            "give either the ID of one run, or --all (with conditions, or without).", context
        )
    return _export(settings_of(context), workflow_id, run_id, selection, directory)


def _export(
    settings: Settings, workflow_id: str | None, run_id: str | None, selection: Selection, directory: Path
) -> int:
    from refold_adapters.cli.errors import Exit
    from refold_adapters.cli.exporting import export_run
    from refold_adapters.cli.failing import error_record
    from refold_adapters.cli.opening import opened_client
    from refold_adapters.cli.printing import print_json, progress, say
    from refold_adapters.cli.texts import counted, escaped_lines
    from refold_adapters.store_errors import StoreError

    files: list[str] = []
    corrupt: list[StoreError] = []
    with opened_client(settings) as client:
        one = None if workflow_id is None else client.row(workflow_id, run_id)
        directory.mkdir(parents=True, exist_ok=True)
        with progress("exporting", None if one is None else 1) as advance:
            for row in _rows(client, one, selection):
                try:
                    written = export_run(client.store, row, directory)
                except StoreError as error:
                    if error.code != "RF5007":
                        raise
                    corrupt.append(error)
                    say(escaped_lines(str(error)))
                else:
                    if written is None:
                        say(f"{row.run_id} has no events yet, and is left out")
                    else:
                        files.append(str(written))
                advance()
    if settings.output == "table":
        click.echo(
            f"{counted(len(files), 'history').replace('historys', 'histories')} written to {directory}"
        )
    else:
        print_json(settings, {"files": files, "corrupt": [error_record(error) for error in corrupt]})
    return Exit.STORE if corrupt else Exit.OK


def _rows(client: Client, one: RunRow | None, selection: Selection) -> Iterator[RunRow]:
    from refold_adapters.cli.selecting import selected

    return selected(client, selection) if one is None else iter([one])
