"""The group of all commands, and how an invocation ends.

One rule: the module of a command is imported when the command is asked for, and every end of an invocation is one exit code.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NoReturn

import click

from refold_adapters.cli.errors import Exit
from refold_adapters.cli.settings import Settings, common_options, module_option, settings_of

#: The commands, in the order of the help: name, the module that has it (as ``command``), and what it does in one line.
COMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "run": ("run", "Run a workflow in this process and print its result."),
        "start": ("start", "Start a workflow and return at once."),
        "worker": ("worker", "Run workflows and activities until stopped."),
        "list": ("listing", "List runs, newest first."),
        "show": ("show", "Show the history of a run."),
        "describe": ("describe", "Say how a run stands and what it waits for."),
        "result": ("result", "Wait for a run to end and print its result."),
        "signal": ("signal", "Send a signal to a run."),
        "signal-with-start": ("signal_with_start", "Signal a run, and start it if there is none."),
        "update": ("update", "Update a run and print the answer."),
        "update-with-start": ("update_with_start", "Update a run, and start it if there is none."),
        "query": ("query", "Ask a run, open or closed."),
        "cancel": ("cancel", "Ask a run to stop."),
        "terminate": ("terminate", "End a run at once, without asking its code."),
        "export": ("export", "Write histories to files, one a run."),
        "replay": ("replay", "Replay histories against today's code."),
        "doctor": ("doctor", "Check this installation and the store."),
    }
)


class RefoldGroup(click.Group):
    """A group whose commands are imported one by one, and whose errors have codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"refold_adapters.cli.commands.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that a command line names, or an error that says which one may have been meant."""
        name = args[0] if args else ""
        if name and name not in COMMANDS and not name.startswith("-"):
            import difflib

            close = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"No such command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list of commands, from the table: none of them is imported for it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the options that stand before the command."""
        settings = Settings(words=tuple(args))
        extra.setdefault("obj", settings)
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            raise _said(error, settings) from None

    def invoke(self, ctx: click.Context) -> NoReturn:
        """Run the command and end with its exit code; whatever it raises is said on stderr."""
        settings = settings_of(ctx)
        try:
            answer = super().invoke(ctx)
            sys.stdout.flush()
        except click.UsageError as error:
            raise _said(error, settings) from None
        except (click.Abort, KeyboardInterrupt):
            click.echo("interrupted", err=True)
            ctx.exit(Exit.INTERRUPTED)
        except BrokenPipeError:
            ctx.exit(Exit.BROKEN_PIPE)
        except (click.exceptions.Exit, click.ClickException):
            raise
        except Exception as error:
            from refold_adapters.cli.failing import say_error

            as_json = settings.errors_as_json
            ctx.exit(say_error(error, as_json=as_json, with_traceback=settings.with_traceback))
        ctx.exit(answer if isinstance(answer, int) else Exit.OK)


def _said(error: click.UsageError, settings: Settings) -> click.exceptions.Exit:
    """Say what is wrong with a command line; returns the end of the invocation."""
    from refold_adapters.cli.failing import say_usage

    return click.exceptions.Exit(say_usage(error, as_json=settings.errors_as_json))


@click.group(
    cls=RefoldGroup,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done; 1 the workflow failed, a divergence was found, or a check did not pass; 2 usage; 3 not found; "
    "4 refused (closed, or already started); 5 store error; 6 timeout; 7 parked; 130 interrupted; 141 broken pipe.",
)
@module_option
@common_options
@click.version_option(package_name="refold", message="refold %(version)s")
@click.pass_context
def app(context: click.Context) -> None:
    """Durable execution: start workflows and workers, and look into the runs of a store.

    The options of all commands may stand before or after the command's name.
    """
    settings_of(context)
