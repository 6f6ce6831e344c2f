"""The group of all commands, and how an invocation ends.

One rule: every end of an invocation is one exit code.
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import click

from refold_adapters.cli.errors import Exit
from refold_adapters.cli.groups import LazyGroup
from refold_adapters.cli.settings import Settings, common_options, module_option, settings_of
from refold_adapters.cli.table import SECTIONS


class RefoldGroup(LazyGroup):
    """The group of all commands, whose errors have codes."""

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
    sections=SECTIONS,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done; 1 the workflow failed, a divergence was found, a check did not pass, or some of several runs could not "
    "be touched; 2 usage; 3 not found; 4 refused (closed, or already started); 5 store error; 6 timeout; 7 parked; 130 interrupted; "
    "141 broken pipe.",
)
@module_option
@common_options
@click.version_option(package_name="refold", message="refold %(version)s")
@click.pass_context
def app(context: click.Context) -> None:
    """Durable execution: start workflows and workers, and look into and operate the runs of a store.

    The options of all commands may stand before or after the command's name.
    """
    settings_of(context)
