"""The commands, each of which is imported when it is asked for: a command pays for nothing but itself."""

from __future__ import annotations

import gc
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

import click

import orderfsm as api
from orderfsm.invalid import OrderFSMError
from orderfsm.words import close

if TYPE_CHECKING:
    from collections.abc import Sequence

MODULES = {
    "serve": "serve",
    "run": "run",
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
    "convert": "convert",
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


def _help(context: click.Context, _option: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        click.echo(context.get_help(), color=context.color)
        context.exit()


def _version(context: click.Context, _option: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        click.echo(f"orderfsm, version {api.__version__}")
        context.exit()


def _colour(context: click.Context, _option: click.Parameter, asked: bool | None) -> None:
    if asked is not None:
        context.color = asked


_flag = partial(click.Option, is_flag=True, expose_value=False)
# click's own options for help and version look a translation up, in each process.
_HELP = _flag(["-h", "--help"], is_eager=True, callback=_help, help="Show this message and exit.")
_VERSION = _flag(["--version"], is_eager=True, callback=_version, help="Show the version and exit.")
_COLOUR = _flag(
    ["--color/--no-color"],
    default=None,
    is_eager=True,
    callback=_colour,
    help="Colours, or none; else NO_COLOR and FORCE_COLOR decide, and whether this is a terminal.",
)


def _completed(command: click.Command) -> click.Command:
    """A command with the options that all have; of a group, also its commands."""
    if _HELP not in command.params:
        command.params += [_COLOUR, _HELP]
        for each in command.commands.values() if isinstance(command, click.Group) else ():
            _completed(each)
    return command


class _Commands(click.Group):
    """The group of all commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Their names, in alphabetical order."""
        return sorted(MODULES)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is named first; a usage error, which names the closest one, if there is none."""
        name = args[0]
        if name not in MODULES and not name.startswith("-") and not ctx.resilient_parsing:
            nearest = close(name, MODULES)
            ctx.fail(f"No such command {name!r}." + (f" Did you mean {nearest!r}?" if nearest else ""))
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name; None if there is none."""
        if cmd_name not in MODULES:
            return None
        command: click.Command = getattr(import_module(f".{MODULES[cmd_name]}", __package__), cmd_name)
        if not gc.isenabled():  # it was `program` that called
            gc.freeze()
            gc.enable()
        return _completed(command)


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


@click.group(
    cls=_Commands,
    no_args_is_help=True,
    context_settings={"help_option_names": []},
    params=[_VERSION, _COLOUR, _HELP],
)
def cli() -> None:
    """The life cycle of an Alibaba Cloud certificate order: what is allowed, why, and how to reach another state."""
