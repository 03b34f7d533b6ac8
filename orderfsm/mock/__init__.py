"""A mock certificate service, ruled by the table: in process (`Service`), as ASGI app, or served on loopback."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from orderfsm.extras import needs

if TYPE_CHECKING:
    from .app import create_app
    from .clock import Clock
    from .faults import Fault
    from .message import Request, Response
    from .records import Package, Record
    from .review import Review
    from .server import Server, mock_cas
    from .service import Service
    from .sql import SQLStore
    from .store import MemoryStore

_HOMES = {
    "Clock": "clock",
    "Fault": "faults",
    "MemoryStore": "store",
    "Package": "records",
    "Record": "records",
    "Request": "message",
    "Response": "message",
    "Review": "review",
    "SQLStore": "sql",
    "Server": "server",
    "Service": "service",
    "create_app": "app",
    "mock_cas": "server",
}

__all__ = [
    "Clock",
    "Fault",
    "MemoryStore",
    "Package",
    "Record",
    "Request",
    "Response",
    "Review",
    "SQLStore",
    "Server",
    "Service",
    "create_app",
    "mock_cas",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for, and no more: a test run that never asks for the mock does not pay for it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with needs("mock"):
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
