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
    from .drivers.acme import AcmeDriver
    from .drivers.driver import AccountDriver, Answer, Driver, Entry, NoAnswer, Page, Quota
    from .drivers.http import HTTPDriver
    from .drivers.machine import MachineDriver
    from .drivers.service import ServiceDriver
    from .histories.history import HistoryCheck, check_history, smallest_history
    from .programs.stateful import lifecycle_machine
    from .report import Report, Result, Violation

_HOMES = {
    ".concurrency.run": {"ConcurrentReport", "run_concurrent", "run_concurrent_async"},
    ".conformance": {"check_conformance"},
    ".drivers.acme": {"AcmeDriver"},
    ".drivers.driver": {"AccountDriver", "Answer", "Driver", "Entry", "NoAnswer", "Page", "Quota"},
    ".drivers.http": {"HTTPDriver"},
    ".drivers.machine": {"MachineDriver"},
    ".drivers.service": {"ServiceDriver"},
    ".histories.history": {"HistoryCheck", "check_history", "smallest_history"},
    ".programs.stateful": {"lifecycle_machine"},
    ".report": {"Report", "Result", "Violation"},
    "orderfsm.coverage": {"covering"},
}

__all__ = [
    "AccountDriver",
    "AcmeDriver",
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
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with needs("testing"):
        return getattr(import_module(home, __name__), name)
