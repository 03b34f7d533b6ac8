"""Prints the tables of mutants: of orders, and of instances."""

from __future__ import annotations

import sys

from . import MUTANTS
from .catch import table
from .instances import INSTANCES

sys.stdout.writelines(table(MUTANTS))
sys.stdout.write("\n")
sys.stdout.writelines(table(INSTANCES))
