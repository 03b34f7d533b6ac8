"""The command line: the spec's answers as text or JSON, and exit codes that a script can use.

0 yes, or done; 1 no; 2 wrong usage or bad input, one line on standard error; 3 undecided.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from orderfsm.errors import OrderFSMError
from orderfsm.extras import needs

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (those of the process) name; the exit status."""
    try:
        with needs("cli"):
            import click
        from .commands import orderfsm

        return int(orderfsm.main(arguments, prog_name="orderfsm", standalone_mode=False) or 0)
    except OrderFSMError as error:
        return _complain(str(error))
    except BrokenPipeError:
        return _nobody_reads()
    except click.exceptions.NoArgsIsHelpError as usage:
        print(usage.format_message())
        return 2
    except click.UsageError as usage:
        group = usage.ctx.command if usage.ctx else None
        commands = f" Commands: {', '.join(group.commands)}." if isinstance(group, click.Group) else ""
        return _complain(usage.format_message() + commands)
    except (click.ClickException, click.Abort) as error:
        return _complain(error.format_message() if isinstance(error, click.ClickException) else "interrupted")


def _complain(message: str) -> int:
    print("orderfsm:", " ".join(message.split()), file=sys.stderr)
    return 2


def _nobody_reads() -> int:
    """The reader of our output is gone: stop, and let nothing complain about it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
