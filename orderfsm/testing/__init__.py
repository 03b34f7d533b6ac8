"""The conformance kit: hold any server against the table.

`check_conformance(driver)` says whether the server behind a driver obeys the table, and shows with the fewest calls
where it does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from orderfsm.extras import needs

if TYPE_CHECKING:
    from orderfsm.coverage import covering

    from .concurrency.run import ConcurrentReport, run_concurrent, run_concurrent_async
    from .conformance import check_conformance
    from .drivers.driver import AccountDriver, Answer, Driver, Entry, NoAnswer, Page, Quota
    from .drivers.http import HTTPDriver
    from .drivers.machine import MachineDriver
    from .drivers.service import ServiceDriver
    from .histories.history import HistoryCheck, check_history
    from .histories.smallest import smallest_history
    from .programs.stateful import lifecycle_machine
    from .report import Report, Result, Violation

_HOMES = {
    "AccountDriver": ".drivers.driver",
    "Answer": ".drivers.driver",
    "ConcurrentReport": ".concurrency.run",
    "Driver": ".drivers.driver",
    "Entry": ".drivers.driver",
    "HTTPDriver": ".drivers.http",
    "HistoryCheck": ".histories.history",
    "MachineDriver": ".drivers.machine",
    "NoAnswer": ".drivers.driver",
    "Page": ".drivers.driver",
    "Quota": ".drivers.driver",
    "Report": ".report",
    "Result": ".report",
    "ServiceDriver": ".drivers.service",
    "Violation": ".report",
    "check_conformance": ".conformance",
    "check_history": ".histories.history",
    "covering": "orderfsm.coverage",
    "lifecycle_machine": ".programs.stateful",
    "run_concurrent": ".concurrency.run",
    "run_concurrent_async": ".concurrency.run",
    "smallest_history": ".histories.smallest",
}

__all__ = [
    "AccountDriver",
    "Answer",
    "ConcurrentReport",
    "Driver",
    "Entry",
    "HTTPDriver",
    "HistoryCheck",
    "MachineDriver",
    "NoAnswer",
    "Page",
    "Quota",
    "Report",
    "Result",
    "ServiceDriver",
    "Violation",
    "check_conformance",
    "check_history",
    "covering",
    "lifecycle_machine",
    "run_concurrent",
    "run_concurrent_async",
    "smallest_history",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for, and no more: a driver needs neither hypothesis nor the mock."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with needs("testing"):
        return getattr(import_module(_HOMES[name], __name__), name)
