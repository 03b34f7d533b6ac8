"""A mock certificate service, ruled by the table: in process (`Service`), as ASGI app, or served on loopback."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from orderfsm.extras import needs

if TYPE_CHECKING:
    from .cas.choices import Choices
    from .cas.service import Service
    from .clock import Clock
    from .faults import Fault
    from .http.app import create_app
    from .http.mock_cas import NotMocked, mock_cas
    from .http.server import Server
    from .message import Request, Response
    from .records import Package, Record
    from .review import Review
    from .stores.memory import MemoryStore
    from .stores.sql import SQLStore

_HOMES = {
    "Choices": "cas.choices",
    "Clock": "clock",
    "Fault": "faults",
    "MemoryStore": "stores.memory",
    "NotMocked": "http.mock_cas",
    "Package": "records",
    "Record": "records",
    "Request": "message",
    "Response": "message",
    "Review": "review",
    "SQLStore": "stores.sql",
    "Server": "http.server",
    "Service": "cas.service",
    "create_app": "http.app",
    "mock_cas": "http.mock_cas",
}

__all__ = [
    "Choices",
    "Clock",
    "Fault",
    "MemoryStore",
    "NotMocked",
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
