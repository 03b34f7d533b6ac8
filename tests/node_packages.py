"""Packages for Node that tests run: those of `node/package.json`, installed once into `.build/node`."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NODE = HERE / "node"
INSTALLED = HERE.parent / ".build" / "node"
INSTALL_TIMEOUT = 120


def install_node_packages():
    """Install what `node/package.json` names into `.build/node`, unless it is there already.

    It is moved there when it is complete, so what is there is complete.
    """
    wanted = NODE / "package.json"
    present = INSTALLED / "package.json"
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not on this machine")
    if present.exists() and present.read_bytes() == wanted.read_bytes():
        return
    new = INSTALLED.with_name(f"node-{os.getpid()}")
    try:
        new.mkdir(parents=True)
        shutil.copy(wanted, new)
        _npm_install(new)
        shutil.rmtree(INSTALLED, ignore_errors=True)
        with suppress(OSError):  # another test session was faster
            new.rename(INSTALLED)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _npm_install(folder):
    options = ["--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(folder)]
    try:
        subprocess.run(["npm", "install", *options], check=True, capture_output=True, timeout=INSTALL_TIMEOUT)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm install took longer than {INSTALL_TIMEOUT} seconds")
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").split("\n")
        pytest.skip(f"npm install failed: {next(filter(None, said), 'it does not say why')}")
