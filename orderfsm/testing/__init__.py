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

    from .concurrent import ConcurrentReport, run_concurrent, run_concurrent_async
    from .conformance import check_conformance
    from .driver import AccountDriver, Answer, Driver, Entry, NoAnswer, Page, Quota
    from .history import HistoryCheck, check_history
    from .http import HTTPDriver
    from .machine import MachineDriver
    from .report import Report, Result, Violation
    from .service import ServiceDriver
    from .smallest import smallest_history
    from .stateful import lifecycle_machine

_HOMES = {
    "AccountDriver": ".driver",
    "Answer": ".driver",
    "ConcurrentReport": ".concurrent",
    "Driver": ".driver",
    "Entry": ".driver",
    "HTTPDriver": ".http",
    "HistoryCheck": ".history",
    "MachineDriver": ".machine",
    "NoAnswer": ".driver",
    "Page": ".driver",
    "Quota": ".driver",
    "Report": ".report",
    "Result": ".report",
    "ServiceDriver": ".service",
    "Violation": ".report",
    "check_conformance": ".conformance",
    "check_history": ".history",
    "covering": "orderfsm.coverage",
    "lifecycle_machine": ".stateful",
    "run_concurrent": ".concurrent",
    "run_concurrent_async": ".concurrent",
    "smallest_history": ".smallest",
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
