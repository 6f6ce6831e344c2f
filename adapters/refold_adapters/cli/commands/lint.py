"""``refold lint``: what in workflow code would not do the same on every replay."""

from __future__ import annotations

import click

from refold_adapters.cli.settings import common_options, settings_of


@click.command("lint")
@click.argument("targets", metavar="[FILE|DIR|MODULE]...", nargs=-1)
@common_options
@click.pass_context
def command(context: click.Context, *, targets: tuple[str, ...]) -> int:
    """Find what in workflow code would not do the same on every replay; nothing is imported or run.

    Looks through the workflows in files, folders and modules (by default the current folder), and through all that they call, but for
    activities.  Ends with 1 if it finds anything.
    """
    from refold_adapters.cli.errors import Exit
    from refold_adapters.cli.linting import print_report, targets_of
    from refold_adapters.linting.linter import lint

    paths, folders = targets_of(targets or (".",))
    report = lint(paths, folders)
    print_report(settings_of(context), report)
    return Exit.FAILED if report.findings else Exit.OK
