"""The two ports of a service, each request in a thread of its own: unlike our server, which takes one at a time."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from orderfsm.mock import Request
from orderfsm.mock.http.control import Control


@contextmanager
def threaded(service):
    """The URLs of the API port and of the control port, while they are served."""
    with ExitStack() as stack:
        yield tuple(stack.enter_context(_served(handler)) for handler in (service, Control(service)))


@contextmanager
def _served(handler):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self):
            """Let the handler answer."""
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            response = handler.handle(Request(self.command, url.path, query=url.query, headers=headers, body=body))
            self.send_response(response.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            self.wfile.write(response.body)

        do_GET = do_POST = do_PUT = answer  # noqa: N815  # the names that http.server asks for

        def log_message(self, *_arguments):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
