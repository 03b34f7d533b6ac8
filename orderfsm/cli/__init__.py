"""The command line: the spec's answers as text or JSON, and exit codes that a script can use.

0 yes, or done; 1 no; 2 wrong usage or bad input, one line on standard error; 3 undecided.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from orderfsm.extras import needs
from orderfsm.invalid import OrderFSMError

from .terminal import safe, safe_output

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command given by `arguments` (None: those of the process); return the exit status."""
    try:
        with needs("cli"):
            from .commands import run
        with safe_output():
            return run(arguments)
    except KeyboardInterrupt:
        print("orderfsm: interrupted", file=sys.stderr)
    except BrokenPipeError:
        # Whoever read our output is gone: stop, and let nothing complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OrderFSMError, OSError) as error:
        print("orderfsm:", safe(" ".join(str(error).split())), file=sys.stderr)
    return 2
