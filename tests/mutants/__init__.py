"""Broken servers: each is the mock with one small change, in the table behind it, in what it does, or in its store.

A conformance kit is worth what it catches. `MUTANTS` are what ours must catch: each one, with a counterexample of at
most six calls. `make mutants` prints the table in docs/conformance.md.
"""

from __future__ import annotations

from .mutant import Mutant
from .servers import SERVERS
from .stores import STORES
from .tables import TABLES

MUTANTS = (*SERVERS, *STORES, *TABLES)

__all__ = ["MUTANTS", "SERVERS", "STORES", "TABLES", "Mutant"]
