"""``refold doctor``: what to look at first when something is wrong."""

from __future__ import annotations

import click

from refold_adapters.cli.settings import common_options, settings_of


@click.command("doctor")
@click.option(
    "--integrity",
    is_flag=True,
    help="Also have SQLite check the file, and read every history (takes a while).",
)
@common_options
@click.pass_context
def command(context: click.Context, *, integrity: bool) -> int:
    """Check this installation and the store: versions, access, runs by status, parked runs, workers.

    Ends with 1 if a check fails; a warning is none.
    """
    from refold_adapters.cli.checks import Level, checks_of
    from refold_adapters.cli.errors import Exit
    from refold_adapters.cli.printing import Column, print_records

    settings = settings_of(context)
    checks = checks_of(settings, integrity=integrity)
    print_records(
        settings,
        checks,
        lambda check: {"check": check.name, "level": check.level.value, "finding": check.finding},
        [Column("check"), Column("level"), Column("finding", fit="wrap")],
        lambda check: [check.name, check.level.value, check.finding],
    )
    return Exit.FAILED if any(check.level is Level.FAILED for check in checks) else Exit.OK
