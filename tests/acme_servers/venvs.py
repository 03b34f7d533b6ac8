"""Servers and clients that come from a package index, each in a venv of its own: `scripts/acme-servers` makes them.

Tests do not download: what is not there is skipped. A venv is made anew when what it must hold has changed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

from .process import Unavailable

FOLDER = Path(__file__).parents[2] / ".build" / "acme"
REQUIREMENTS = {
    "acme2certifier": ["acme2certifier==0.46.*", "gunicorn>=22,<28"],
    # It asks for Python 3.12 and runs on 3.11; psycopg-pool 3.3 breaks what it does after a fork.
    "acmeeh": ["--ignore-requires-python", "acmeeh==2.1.*", "gunicorn>=22,<28", "psycopg-pool<3.3"],
    "serles": ["serles-acme==1.3.*", "gunicorn>=22,<28"],
    "certbot": ["certbot==5.*"],
}
"""What pip is told, for each venv."""


def find(name: str, distribution: str) -> tuple[Path, str]:
    """Where the programs of a venv are, and the version of what it was made for.

    Raises:
        Unavailable: it has not been made, or was made for other requirements.

    """
    folder = FOLDER / name
    if not _is_made(folder, name):
        raise Unavailable(f"{distribution} is not installed: scripts/acme-servers {name}")
    (metadata,) = folder.glob(f"lib/python*/site-packages/{distribution.replace('-', '_')}-*.dist-info")
    return folder / "bin", metadata.name.removesuffix(".dist-info").rpartition("-")[2]


def make(name: str) -> None:
    """Make a venv, unless it is there. Its stamp is written last: what was interrupted is made anew."""
    folder = FOLDER / name
    if _is_made(folder, name):
        return
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"]
    subprocess.run([*pip, *REQUIREMENTS[name]], check=True)
    _stamp(folder).write_text(_wanted(name))


def _is_made(folder: Path, name: str) -> bool:
    return _stamp(folder).is_file() and _stamp(folder).read_text() == _wanted(name)


def _stamp(folder: Path) -> Path:
    return folder / "made-for"


def _wanted(name: str) -> str:
    return "\n".join([f"Python {sys.version_info.major}.{sys.version_info.minor}", *REQUIREMENTS[name], ""])


def main(names: list[str]) -> int:
    """Make the venvs of these names, or of all."""
    wrong = [name for name in names if name not in REQUIREMENTS]
    if wrong:
        print(f"{wrong[0]!r}: expected {', '.join(REQUIREMENTS)}", file=sys.stderr)
        return 2
    for name in names or REQUIREMENTS:
        make(name)
    return 0
