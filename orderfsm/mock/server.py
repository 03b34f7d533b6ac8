"""A mock certificate service on loopback, served from a thread of the process that asked for it."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import uvicorn

from .app import create_app, create_control_app
from .service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alibabacloud_cas20200407.client import Client
    from starlette.applications import Starlette

LOOPBACK = "127.0.0.1"


@attrs.frozen
class Server:
    """A running mock: the URLs of its `api` and `control` ports, and the `service` behind them."""

    api: str
    control: str
    service: Service

    def client(self, **config: Any) -> Client:
        """An official SDK client of this server; `config` overrides fields of the SDK's `Config`."""
        from alibabacloud_cas20200407.client import Client
        from alibabacloud_tea_openapi.models import Config

        settings: dict[str, Any] = {
            "access_key_id": "test",
            "access_key_secret": "test",
            "protocol": "http",
            "endpoint": self.api.removeprefix("http://"),
        }
        return Client(Config(**(settings | config)))


@contextmanager
def mock_cas(service: Service | None = None, **options: Any) -> Iterator[Server]:
    """Serve `service`, or a new `Service(**options)`, on free loopback ports until the block ends.

    >>> from orderfsm.mock import mock_cas
    >>> with mock_cas() as server:
    ...     server.service.store.package("digicert-free-1-free").total
    20
    """
    service = Service(**options) if service is None else service
    with _serve(create_app(service)) as api, _serve(create_control_app(service)) as control:
        yield Server(api, control, service)


@contextmanager
def _serve(app: Starlette) -> Iterator[str]:
    listener = socket.create_server((LOOPBACK, 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="orderfsm mock", daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
