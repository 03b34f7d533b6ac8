"""The engines that read, sort and group an audit's lines. None of them knows a rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orderfsm.extras import needs
from orderfsm.invalid import InvalidValue

if TYPE_CHECKING:
    from pathlib import Path

    from .engine import Engine

NAMES = ("duckdb", "polars", "spark")


def start(name: str, folder: Path, *, memory_limit: str | None = None, master: str | None = None) -> Engine:
    """The engine of that name, one of `NAMES`; `folder` is for what it must put aside.

    `memory_limit` is a size such as `4GB`: of DuckDB's memory, of Spark's driver and executors; Polars has no such
    limit. `master` is the URL of a Spark cluster.
    """
    if master is not None and name != "spark":
        raise InvalidValue("master", master, ["none: only the engine spark has one"])
    if name == "spark":
        with needs("spark"):
            from .on_spark import SparkEngine
        return SparkEngine.started(master, memory_limit)
    if name == "polars":
        if memory_limit is not None:
            raise InvalidValue("memory limit", memory_limit, ["none: only the engines duckdb and spark keep to one"])
        with needs("polars"):
            from .on_polars import PolarsEngine
        return PolarsEngine(folder)
    with needs("audit"):
        from .on_duckdb import DuckDBEngine
    return DuckDBEngine.started(folder, memory_limit)
