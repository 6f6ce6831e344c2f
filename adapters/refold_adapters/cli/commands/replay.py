"""``refold replay``: the gate that a change of code must pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from refold_adapters.cli.params import WholeNumber
from refold_adapters.cli.selecting import Selection, selection_options
from refold_adapters.cli.settings import Settings, common_options, module_option, settings_of

if TYPE_CHECKING:
    from refold_adapters.cli.replaying import Replayed, Source
    from refold_adapters.ports import Store


@click.command("replay")
@click.argument("paths", metavar="[FILE|DIR]...", nargs=-1, type=click.Path(exists=True, path_type=Path))
@selection_options
@click.option(
    "--limit", type=WholeNumber(1), metavar="N", help="Only the newest N runs of the store that fit."
)
@click.option(
    "--skip-unknown", is_flag=True, help="Let histories of workflows that the modules do not define pass."
)
@module_option
@common_options
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    paths: tuple[Path, ...],
    limit: int | None,
    skip_unknown: bool,
    **typed: Any,
) -> int:
    """Replay histories against the code of the given modules, inputs included; nothing is run or written.

    With files or folders of `refold export`, those; without, the runs of the store, all or those that fit the conditions.  Ends with 1
    unless every history replays: a divergence, code that raises, a corrupt history, and (but for --skip-unknown) an unknown type.
    """
    selection = Selection.of(typed)
    if paths and (not selection.empty or limit is not None):
        raise click.UsageError(
            "--query, --status, --type, --prefix, --parked and --limit choose runs of a store, not files.",
            context,
        )
    return _replay(settings_of(context), paths, selection, limit, skip_unknown)


def _replay(
    settings: Settings, paths: Sequence[Path], selection: Selection, limit: int | None, skip_unknown: bool
) -> int:
    from refold_adapters.cli.errors import Exit
    from refold_adapters.cli.modules import load_code, need_workflows
    from refold_adapters.cli.opening import opened_client
    from refold_adapters.cli.printing import print_json, progress, say
    from refold_adapters.cli.replaying import (
        Verdict,
        nothing_to_replay,
        replay,
        sources_of_files,
        sources_of_rows,
    )
    from refold_adapters.cli.selecting import selected
    from refold_adapters.cli.texts import escaped, escaped_lines

    code = need_workflows(load_code(settings.modules), "a replay")
    counts = dict.fromkeys(Verdict, 0)
    kept: list[Replayed] = []
    with ExitStack() as stack:
        store: Store | None = None
        sources: Iterable[Source] = ()
        total: int | None = None
        if paths:
            sources = files = sources_of_files(paths)
            total = len(files)
        else:
            client = stack.enter_context(opened_client(settings))
            store = client.store
            sources = islice(sources_of_rows(selected(client, selection)), limit)
        with progress("replaying", total) as advance:
            for source in sources:
                replayed = replay(source, code, store)
                counts[replayed.verdict] += 1
                if settings.output == "jsonl":
                    print_json(settings, replayed.record())
                elif settings.output == "json":
                    kept.append(replayed)
                elif replayed.verdict is Verdict.UNKNOWN_TYPE:
                    say(escaped(f"{source.name}: no module defines {replayed.workflow_type!r}"))
                elif replayed.verdict is not Verdict.OK:
                    click.echo(
                        f"{escaped(source.name)}: {replayed.verdict.value}\n{escaped_lines(str(replayed.error))}\n"
                    )
                advance()
    if not any(counts.values()):
        raise nothing_to_replay("no run of the store fits, or none has made a turn yet")
    summary = {verdict.value: count for verdict, count in counts.items()}
    match settings.output:
        case "json":
            print_json(settings, {"summary": summary, "histories": [one.record() for one in kept]})
        case "table":
            _print_summary(summary)
        case _:
            say(", ".join(f"{count} {verdict}" for verdict, count in summary.items()))
    bad = sum(counts.values()) - counts[Verdict.OK] - (counts[Verdict.UNKNOWN_TYPE] if skip_unknown else 0)
    return Exit.FAILED if bad else Exit.OK


def _print_summary(summary: dict[str, int]) -> None:
    from refold_adapters.cli.printing import Column, print_table

    rows = [[verdict, str(count)] for verdict, count in summary.items() if count or verdict == "ok"]
    print_table(
        [Column("verdict"), Column("histories", right=True)], [*rows, ["all", str(sum(summary.values()))]]
    )
