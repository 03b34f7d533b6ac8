"""The command line: the spec's answers as text or JSON, and exit codes that a script can use.

0 yes, or done; 1 no; 2 wrong usage or bad input, one line on standard error; 3 undecided.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from typing import TYPE_CHECKING, NoReturn

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
    except OSError as error:
        _complain(str(error) if error.filename is None else f"{error.filename}: {error.strerror}")
    except OrderFSMError as error:
        _complain(str(error))
    return 2


def _complain(text: str) -> None:
    """One line on standard error."""
    print("orderfsm:", safe(" ".join(text.split())), file=sys.stderr)


def program() -> NoReturn:
    """Run the command line of the process, and end it.

    No garbage is looked for while modules are imported, which make none. Where nobody has asked to be told of the
    process's end, it ends at once: to take everything apart first would take a tenth of a question's time.
    """
    gc.disable()  # until the command is imported
    status = main()
    if getattr(atexit, "_ncallbacks", lambda: True)():
        sys.exit(status)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
