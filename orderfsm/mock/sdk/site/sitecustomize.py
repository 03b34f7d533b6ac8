"""Leads the SDKs of a program that nobody edits: Python imports this when it begins, where it is on PYTHONPATH.

`orderfsm run` puts it there. Then it imports the `sitecustomize` that would have been imported without it.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def _module(spec: Any) -> Any:
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _lead() -> None:
    redirect = _module(spec_from_file_location("_orderfsm_redirect", HERE.parent / "redirect.py"))
    try:
        found = redirect.of_environment(os.environ)
    except ValueError as error:
        sys.stderr.write(f"orderfsm: {error}\n")
        sys.stderr.flush()
        os._exit(2)  # the program would call the real service
    if found is not None:
        redirect.lead(found)


def _go_on() -> None:
    elsewhere = [path for path in sys.path if Path(path or ".").resolve() != HERE]
    spec = PathFinder.find_spec("sitecustomize", elsewhere)
    if spec is not None:
        _module(spec)


if __name__ == "sitecustomize":
    _lead()
    _go_on()
