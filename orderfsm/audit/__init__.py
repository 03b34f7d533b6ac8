"""A whole company's order calls, held against the table.

An engine (DuckDB, Polars, PySpark) sorts the lines of a log into histories, packs each into a few numbers and groups
equal ones; the core judges each distinct history once. So no engine knows a rule, and all give one answer.
"""

from __future__ import annotations

from orderfsm.extras import needs

with needs("audit"):
    from .report import Report
    from .run import audit
    from .simulating.simulation import simulate

__all__ = ["Report", "audit", "simulate"]
