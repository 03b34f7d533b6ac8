"""Prints the table of mutants."""

from __future__ import annotations

import sys

from . import MUTANTS
from .catch import table

sys.stdout.writelines(table(MUTANTS))
