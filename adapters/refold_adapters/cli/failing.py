"""How an error ends a command: what is said on stderr, and with which exit code.

One rule: every error leaves through here, with a code, a reason and a remedy; a traceback is shown only to those who ask for it.
"""

from __future__ import annotations

import traceback
from typing import Any

import click

from refold import (
    ActivityError,
    ApplicationError,
    CancelledError,
    DefinitionError,
    HistoryError,
    NondeterminismError,
    QueryError,
    RefoldError,
    WorkflowTaskError,
)
from refold_adapters.cli.errors import CliError, Exit
from refold_adapters.cli.texts import escaped_lines, to_json
from refold_adapters.runtime_errors import (
    ActivityNotFoundError,
    UnknownTypeError,
    WorkflowAlreadyStartedError,
    WorkflowClosedError,
    WorkflowFailedError,
    WorkflowNotFoundError,
    WorkflowParkedError,
    WorkflowUpdateRejectedError,
)
from refold_adapters.store_errors import StoreError

#: The first class that fits decides.
_EXITS: tuple[tuple[type[RefoldError], Exit], ...] = (
    (WorkflowNotFoundError, Exit.NOT_FOUND),
    (ActivityNotFoundError, Exit.NOT_FOUND),
    (WorkflowClosedError, Exit.REFUSED),
    (WorkflowAlreadyStartedError, Exit.REFUSED),
    (WorkflowUpdateRejectedError, Exit.REFUSED),
    (WorkflowParkedError, Exit.PARKED),
    (UnknownTypeError, Exit.USAGE),
    (StoreError, Exit.STORE),
    (HistoryError, Exit.STORE),
    (NondeterminismError, Exit.FAILED),
    (QueryError, Exit.FAILED),
    (WorkflowTaskError, Exit.FAILED),
    (DefinitionError, Exit.USAGE),
)

#: What the class does not tell.
_EXITS_OF_CODES = {
    "RF1111": Exit.NOT_FOUND,
    "RF5114": Exit.USAGE,
    "RF5115": Exit.REFUSED,
    "RF5135": Exit.USAGE,
}


def exit_code_of(error: RefoldError) -> Exit:
    """How an error ends the command."""
    if isinstance(error, CliError):
        return error.exit_code
    if error.code in _EXITS_OF_CODES:
        return _EXITS_OF_CODES[error.code]
    return next((code for cls, code in _EXITS if isinstance(error, cls)), Exit.FAILED)


def coded(error: Exception) -> RefoldError:
    """The error itself if it has a code; else one that says what it is."""
    if isinstance(error, RefoldError):
        return error
    if isinstance(error, OSError):
        return CliError(
            "RF5210",
            f"a file cannot be read or written: {error.strerror or error}",
            why="the operating system refused",
            fix="check the path, its permissions and the free space",
            where=str(error.filename) if error.filename is not None else None,
            exit_code=Exit.FAILED,
        )
    return CliError(
        "RF5299",
        f"an unexpected {type(error).__name__}: {error}",
        why="refold did not expect this; nothing more is known",
        fix="run it again with --traceback, and report what it shows if it is refold's own code that fails",
        exit_code=Exit.FAILED,
    )


def say_error(error: Exception, *, as_json: bool, with_traceback: bool) -> Exit:
    """Say what happened on stderr; returns how the command ends."""
    told = coded(error)
    exit_code = exit_code_of(told)
    if with_traceback:
        click.echo(escaped_lines("".join(traceback.format_exception(error))), err=True)
    if as_json:
        click.echo(to_json({"error": error_record(told)}), err=True)
        return exit_code
    click.echo(escaped_lines(error_text(told)), err=True)
    return exit_code


def error_text(error: RefoldError) -> str:
    """An error in lines; what it quotes is set off from what it says itself."""
    parts = [
        ("", f"{error.code}: {error.what}"),
        ("where", error.where),
        ("why", error.why),
        ("fix", error.fix),
    ]
    if isinstance(error, WorkflowFailedError):
        parts += [("cause", _cause_line(cause)) for cause in causes_of(error)]
    lines: list[str] = []
    for name, text in parts:
        if text:
            first, *more = text.split("\n")
            lines.append(f"  {name}: {first}" if name else first)
            lines += [f"    {line}" for line in more]
    return "\n".join(lines)


def say_usage(error: click.UsageError, *, as_json: bool) -> Exit:
    """Say what is wrong with a command line."""
    if not as_json:
        error.show()
        return Exit.USAGE
    told = CliError(
        "RF5202",
        error.format_message(),
        why="the command has no such form",
        fix=f"{error.ctx.command_path if error.ctx is not None else 'refold'} --help",
    )
    return say_error(told, as_json=True, with_traceback=False)


def error_record(error: RefoldError) -> dict[str, Any]:
    """An error as plain data."""
    record: dict[str, Any] = {
        "code": error.code,
        "what": error.what,
        "why": error.why,
        "fix": error.fix,
        "where": error.where,
        "exit_code": int(exit_code_of(error)),
    }
    if isinstance(error, WorkflowFailedError):
        record |= {"workflow_id": error.workflow_id, "run_id": error.run_id, "status": error.status}
        record["causes"] = [_cause_record(cause) for cause in causes_of(error)]
    return record


def causes_of(error: BaseException) -> list[BaseException]:
    """What led to an error, the nearest first."""
    causes: list[BaseException] = []
    cause = error.__cause__
    while cause is not None:
        causes.append(cause)
        cause = cause.__cause__
    return causes


def _cause_line(cause: BaseException) -> str:
    kind = f" ({cause.type})" if isinstance(cause, ApplicationError) and cause.type else ""
    return f"{type(cause).__name__}{kind}: {cause}"


def _cause_record(cause: BaseException) -> dict[str, Any]:
    record: dict[str, Any] = {"error": type(cause).__name__, "message": str(cause)}
    if isinstance(cause, ApplicationError):
        record |= {"type": cause.type, "details": list(cause.details)}
    elif isinstance(cause, CancelledError):
        record["details"] = list(cause.details)
    elif isinstance(cause, ActivityError):
        record |= {"activity_type": cause.activity_type, "activity_id": cause.activity_id}
    return record
