"""Start a server, and run a command against it: `python -m tests.acme_servers NAME [COMMAND ...]`.

The command finds the server in `ORDERFSM_ACME_DIRECTORY`, `ORDERFSM_ACME_CA` (empty for plain HTTP) and
`ORDERFSM_ACME_HTTP_PORT`, and in place of `{directory}`, `{ca}` and `{http_port}` in its words; its status is
returned. Without a command they are printed, and the server runs until Ctrl-C.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the rest of the tests' modules have no package

from . import FLAVOURS, DidNotStart, Unavailable, running


def main(words: list[str]) -> int:
    """Do as the module says; 2 for a wrong call, 3 where the server cannot be had."""
    if not words or words[0] not in FLAVOURS:
        print(f"usage: python -m tests.acme_servers {{{','.join(FLAVOURS)}}} [COMMAND ...]", file=sys.stderr)
        return 2
    for ending in (signal.SIGINT, signal.SIGTERM):  # in the background of a shell, SIGINT is ignored
        signal.signal(ending, signal.default_int_handler)
    try:
        with running(words[0]) as server:
            ca = str(server.ca or "")
            found = {"directory": server.directory, "ca": ca, "http_port": str(server.http_port)}
            return _carried_out(words[1:], found, f"{server.name} {server.version}")
    except (Unavailable, DidNotStart) as error:
        print(error, file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130


def _carried_out(command: list[str], found: dict[str, str], title: str) -> int:
    env = {f"ORDERFSM_ACME_{name.upper()}": value for name, value in found.items()}
    if command:
        return subprocess.run([_filled(word, found) for word in command], env=os.environ | env, check=False).returncode
    print(f"# {title}; Ctrl-C ends it")
    print("\n".join(f"export {name}={value}" for name, value in env.items()), flush=True)
    signal.pause()
    return 0


def _filled(word: str, found: dict[str, str]) -> str:
    for name, value in found.items():
        word = word.replace(f"{{{name}}}", value)
    return word


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
