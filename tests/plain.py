"""A server of another framework: Python's `http.server`, as most people write it.

It takes the request target for a path, and knows the origin form alone. What it answers is a `Service`'s, unless
`spoil` says otherwise: it gets an API action, or the method and path of a request of the control port, and gives an
HTTP status and a document, or None.
"""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import attrs

from orderfsm.mock import Request, Service
from orderfsm.mock.http.control import Control

JSON = "application/json;charset=utf-8"


@attrs.define
class Plain:
    """A running server: its URLs, the service that it asks, and the request targets that came to the API."""

    service: Service
    api: str = ""
    control: str = ""
    targets: list[str] = attrs.field(factory=list)


@contextmanager
def served(service=None, *, spoil=lambda _what: None):
    """Serve a service with 20 units on two free ports of loopback, until the block ends."""
    plain = Plain(Service() if service is None else service)
    control = Control(plain.service)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def answer(self):
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            spoiled = spoil(self.what(path))
            if spoiled is None:
                response = self.handled(Request(self.command, path, query, dict(self.headers), body))
                status, text = response.status, response.body
            else:
                status, text = spoiled[0], json.dumps(spoiled[1]).encode()
            self.send_response(status)
            self.send_header("content-type", JSON)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815  # as http.server has it

        def log_message(self, *_):
            """Say nothing."""

    class API(Handler):
        def what(self, path):
            plain.targets.append(self.path)
            return self.headers.get("x-acs-action") if path == "/" else None

        def handled(self, request):
            return plain.service.handle(request)

    class ControlPort(Handler):
        def what(self, path):
            return f"{self.command} {path}"

        def handled(self, request):
            return control.handle(request)

    with ExitStack() as stack:
        plain.api = stack.enter_context(_running(API))
        plain.control = stack.enter_context(_running(ControlPort))
        yield plain


@contextmanager
def _running(handler):
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def refusal(status, code):
    """A refusal, as the gateway has it."""
    fields = {"RequestId": "5C1B9D4F-2C5B-4F3E-9B1D-6A0F1E2D3C4B", "HostId": "cas", "Message": code, "Recommend": ""}
    return status, {**fields, "Code": code}
