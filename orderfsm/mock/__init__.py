"""A mock certificate service, ruled by the table: in process (`Service`), as ASGI app, or served on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .clock import Clock
from .message import Request, Response
from .service import Fault, Service
from .store import MemoryStore

if TYPE_CHECKING:
    from .app import create_app
    from .server import Server, mock_cas

__all__ = ["Clock", "Fault", "MemoryStore", "Request", "Response", "Server", "Service", "create_app", "mock_cas"]


def __getattr__(name: str) -> Any:
    """What needs the extra `mock` is imported when it is first asked for."""
    if name == "create_app":
        from .app import create_app

        return create_app
    if name in {"Server", "mock_cas"}:
        from . import server

        return getattr(server, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
