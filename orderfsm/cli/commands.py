"""The commands, each of which is imported when it is asked for: a command pays for nothing but itself."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import click

import orderfsm as api
from orderfsm.invalid import OrderFSMError

if TYPE_CHECKING:
    from collections.abc import Sequence

MODULES = {
    "serve": "serve",
    "orders": "account",
    "instances": "account",
    "replay": "replay",
    "conform": "conform",
    "record": "record",
    "export": "export",
    "diff": "export",
    "drift": "export",
    "audit": "audit",
    "simulate": "audit",
    "table": "asking",
    "check": "asking",
    "explain": "asking",
    "plan": "asking",
    "diagram": "export",
    "demo": "asking",
}
"""The module in which each command stands, under its own name."""


class WrongUsage(OrderFSMError):
    """A command line that names no command, or not what the command takes; the message says what is wrong."""


class _Commands(click.Group):
    """The group of all commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Their names, in alphabetical order."""
        return sorted(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name; None if there is none."""
        if cmd_name not in MODULES:
            return None
        command: click.Command = getattr(import_module(f".{MODULES[cmd_name]}", __package__), cmd_name)
        return command


def run(arguments: Sequence[str] | None) -> int:
    """Run the command given by `arguments`; return the exit status, or raise `WrongUsage`."""
    try:
        return int(cli.main(arguments, prog_name="orderfsm", standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as usage:
        click.echo(usage.format_message())
        return 2
    except click.UsageError as usage:
        at_the_top = usage.ctx is not None and usage.ctx.command is cli
        commands = f" Commands: {', '.join(MODULES)}." if at_the_top else ""
        raise WrongUsage(usage.format_message() + commands) from usage
    except click.ClickException as error:
        raise WrongUsage(error.format_message()) from error
    except click.Abort as abort:
        raise WrongUsage("interrupted") from abort


@click.group(cls=_Commands, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(api.__version__)
def cli() -> None:
    """The life cycle of an Alibaba Cloud certificate order: what is allowed, why, and how to reach another state."""
