"""pytest in a process of its own, as somebody runs it who has installed `orderfsm`."""

from __future__ import annotations

import os
import subprocess
import sys


def run_pytest(folder, *options, installed=False, **environment):
    """The process that ran pytest in a folder, with what it printed.

    Of the installed plugins it loads ours and that of xdist, which takes a fraction of the time; `installed`: all.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV_"))}
    plugins = [] if installed else ["-p", "orderfsm.pytest_plugin", "-p", "xdist.plugin"]
    alone = {} if installed else {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugins, *options],
        cwd=folder,
        env=inherited | alone | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
