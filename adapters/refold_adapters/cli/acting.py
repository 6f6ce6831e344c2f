"""Doing something to one run, or to all that fit some conditions.

One rule: runs that are chosen by conditions are only shown, until ``--yes`` says that it is to be done; what cannot be done to one of
them keeps none of the others from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import attrs
import click

from refold_adapters.cli.selecting import Selection, selection_options
from refold_adapters.cli.settings import settings_of

if TYPE_CHECKING:
    from refold_adapters.client.client import Client
    from refold_adapters.client.handles import WorkflowHandle
    from refold_adapters.ports import RunRow

Command = TypeVar("Command", bound=Callable[..., Any])
#: Does it to one run, and returns what there is to tell beside the ids.
Deed: TypeAlias = "Callable[[Client, WorkflowHandle[Any]], dict[str, Any]]"

#: Of the runs that would be touched, so many are shown to a person.
_SHOWN = 20


class Touched(Enum):
    """Which of the runs that fit a command is for."""

    ANY = "any"
    OPEN = "open"
    PARKED = "parked"
    #: The newest of each workflow id, if it has had a turn.
    NEWEST = "newest"


@attrs.frozen
class Verb:
    """What is done: ``past`` as in "2 runs are cancelled"."""

    past: str
    touches: Touched = Touched.OPEN


@attrs.frozen
class Chosen:
    """What a command line says of the runs: an id, or conditions."""

    workflow_id: str | None
    run_id: str | None
    selection: Selection
    yes: bool


@attrs.frozen
class Outcome:
    """What became of one of several runs; ``record`` is what the deed had to tell."""

    row: RunRow
    record: dict[str, Any]
    error: Exception | None = None


def runs_options(command: Command) -> Command:
    """The options that choose the runs of a :class:`Chosen`."""
    command = click.option(
        "--yes", is_flag=True, help="Do it to the runs that fit; without this they are only shown."
    )(command)
    command = selection_options(command)
    return click.option("--run-id", metavar="RUN", help="That run, instead of the open or latest one.")(
        command
    )


def chosen(context: click.Context, workflow_id: str | None, typed: dict[str, Any]) -> Chosen:
    """What was typed with :func:`runs_options`.  Raises where there is neither an id nor a condition, or both."""
    found = Chosen(workflow_id, typed["run_id"], Selection.of(typed), typed["yes"])
    if (workflow_id is None) == found.selection.empty or (workflow_id is None and found.run_id is not None):
        raise click.UsageError(
            "give either the ID of one run, or conditions (--query, --status, --type, --prefix, --parked).",
            context,
        )
    return found


def by_conditions(typed: dict[str, Any]) -> bool:
    """Whether runs are chosen by conditions."""
    return not Selection.of(typed).empty


def act(
    context: click.Context,
    runs: Chosen,
    verb: Verb,
    deed: Deed,
    told: Callable[[str, dict[str, Any]], str],
) -> int:
    """Do it and print what became of it; ``told`` says it of one run, given its workflow id and what the deed had to tell."""
    from refold_adapters.cli.opening import opened_client
    from refold_adapters.cli.printing import print_json
    from refold_adapters.cli.texts import escaped

    settings = settings_of(context)
    with opened_client(settings) as client:
        if runs.workflow_id is None:
            return _act_on_all(context, client, runs, verb, deed)
        record = deed(client, client.handle(runs.workflow_id, runs.run_id))
        if settings.output == "table":
            click.echo(told(escaped(runs.workflow_id), record))
        else:
            print_json(settings, {"workflow_id": runs.workflow_id, **record})
    return 0


def _act_on_all(context: click.Context, client: Client, runs: Chosen, verb: Verb, deed: Deed) -> int:
    from refold_adapters.cli.errors import Exit
    from refold_adapters.cli.printing import print_records, progress, say
    from refold_adapters.cli.texts import counted

    settings = settings_of(context)
    rows = _touched(client, runs.selection, verb.touches)
    if not runs.yes:
        _show(context, rows, verb)
        return Exit.OK
    failed: list[Outcome] = []

    def outcomes() -> Iterator[Outcome]:
        with progress("working", len(rows)) as advance:
            for row in rows:
                outcome = _outcome(client, row, deed)
                if outcome.error is not None:
                    failed.append(outcome)
                yield outcome
                advance()

    print_records(settings, outcomes(), _record, _columns("outcome"), _cells)
    say(_sum(rows, len(rows) - len(failed), verb))
    if failed:
        say(f"{counted(len(failed), 'run')} could not be; the command can be repeated")
    return Exit.FAILED if failed else Exit.OK


def _sum(rows: Sequence[RunRow], done: int, verb: Verb) -> str:
    from refold_adapters.cli.texts import counted

    return f"{counted(done, 'run')} {verb.past}" if rows else "no run matches"


def _touched(client: Client, selection: Selection, touches: Touched) -> Sequence[RunRow]:
    from refold_adapters.cli.selecting import selected

    if touches in (Touched.OPEN, Touched.PARKED) and not selection.statuses:
        selection = attrs.evolve(selection, statuses=("RUNNING",))
    tests: dict[Touched, Callable[[RunRow], bool]] = {
        Touched.ANY: lambda _: True,
        Touched.OPEN: lambda row: row.closed_at is None,
        Touched.PARKED: lambda row: row.parked is not None,
        Touched.NEWEST: lambda row: row.turn > 0 and client.row(row.workflow_id, None).run_id == row.run_id,
    }
    return [row for row in selected(client, selection) if tests[touches](row)]


def _outcome(client: Client, row: RunRow, deed: Deed) -> Outcome:
    from refold import RefoldError
    from refold_adapters.store_errors import StoreError

    try:
        # A message follows the run where it has gone on in another since it was found.
        record = deed(client, client.handle(row.workflow_id, first_run_id=row.run_id))
    except RefoldError as error:
        if isinstance(error, StoreError) and error.code != "RF5007":  # the store, not one of its histories
            raise
        return Outcome(row, {}, error)
    return Outcome(row, record)


def _show(context: click.Context, rows: Sequence[RunRow], verb: Verb) -> None:
    """What would be done."""
    from refold_adapters.cli.printing import print_records, say
    from refold_adapters.cli.texts import counted

    settings = settings_of(context)
    people = settings.output == "table"
    shown = rows[:_SHOWN] if people else rows
    print_records(
        settings,
        shown,
        lambda row: {**_ids(row), "dry_run": True},
        _columns("type", "started"),
        _standing_cells,
    )
    more = f" (the newest {_SHOWN} are shown)" if people and len(rows) > _SHOWN else ""
    say(
        f"{counted(len(rows), 'run')} would be {verb.past}{more}; nothing was done: give --yes to do it"
        if rows
        else "no run matches"
    )


def _ids(row: RunRow) -> dict[str, Any]:
    return {"workflow_id": row.workflow_id, "run_id": row.run_id, "workflow_type": row.workflow_type}


def _record(outcome: Outcome) -> dict[str, Any]:
    from refold_adapters.cli.failing import coded, error_record

    error = None if outcome.error is None else error_record(coded(outcome.error))
    return {
        **_ids(outcome.row),
        "dry_run": False,
        **({"result": outcome.record} if outcome.record else {}),
        "outcome": "done" if error is None else "failed",
        "error": error,
    }


def _columns(*more: str) -> list[Any]:
    from refold_adapters.cli.printing import Column

    return [
        Column("workflow id", fit="wrap"),
        Column("run id", fit="cut"),
        *(Column(title, fit="wrap") for title in more),
    ]


def _standing_cells(row: RunRow) -> Sequence[str]:
    from refold_adapters.cli.texts import moment

    return [row.workflow_id, row.run_id, row.workflow_type, moment(row.started_at)]


def _cells(outcome: Outcome) -> Sequence[str]:
    from refold_adapters.cli.failing import coded

    row = outcome.row
    if outcome.error is None:
        said = f"ok (run {outcome.record['run_id']})" if "run_id" in outcome.record else "ok"
    else:
        error = coded(outcome.error)
        said = f"failed {error.code}: {error.what}"
    return [row.workflow_id, row.run_id, said]
