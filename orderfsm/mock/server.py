"""A mock certificate service on loopback, served from a thread of the process that asked for it."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import uvicorn

from orderfsm.errors import InvalidValue, OrderFSMError
from orderfsm.extras import needs

from .app import create_app, create_control_app
from .connection import Limits, protocol
from .service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alibabacloud_cas20200407.client import Client
    from starlette.applications import Starlette

LOOPBACK = "127.0.0.1"


@attrs.frozen
class Server:
    """A running mock: the URLs of its `api` and `control` ports, and the service, if it runs in this process."""

    api: str
    control: str
    _service: Service | None = None

    @property
    def service(self) -> Service:
        """The service behind both ports; an `OrderFSMError` if it runs in another process."""
        if self._service is None:
            raise OrderFSMError(f"the service at {self.api} runs in another process: use its control port")
        return self._service

    def client(self, **config: Any) -> Client:
        """An official SDK client of this server; `config` overrides fields of the SDK's `Config`."""
        with needs("client"):
            from alibabacloud_cas20200407.client import Client
            from alibabacloud_tea_openapi.models import Config

        settings: dict[str, Any] = {
            "access_key_id": "test",
            "access_key_secret": "test",
            "protocol": "http",
            "endpoint": self.api.removeprefix("http://"),
            # The SDK obeys HTTP_PROXY even for loopback; the server takes what a proxy would get.
            "http_proxy": self.api,
        }
        return Client(Config(**(settings | config)))


@contextmanager
def mock_cas(service: Service | None = None, **options: Any) -> Iterator[Server]:
    """Serve `service`, or a new `Service(**options)`, on free loopback ports until the block ends.

    >>> from orderfsm.mock import mock_cas
    >>> with mock_cas() as server:
    ...     server.service.packages()
    [Package(product_code='digicert-free-1-free', total=20, used=0, issued=0)]
    """
    if service is not None and options:
        raise InvalidValue("options", sorted(options), ["none beside a service"])
    service = Service(**options) if service is None else service
    with _serve(create_app(service)) as api, _serve(create_control_app(service)) as control:
        yield Server(api, control, service)


def configured(app: Starlette, limits: Limits | None = None) -> uvicorn.Server:
    """The uvicorn server for one of our applications: quiet, with limits, and with the extension that faults need."""
    limits = Limits() if limits is None else limits
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=protocol(limits),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=limits.idle,
            timeout_graceful_shutdown=1,
        )
    )


@contextmanager
def _serve(app: Starlette) -> Iterator[str]:
    listener = socket.create_server((LOOPBACK, 0))
    server = configured(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="orderfsm mock", daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
