"""The table inside a mock server of your own: under 50 lines around Python's http.server, with no rule in them.

It answers DescribeCertificateState, CancelOrderRequest and DeleteCertificateRequest for order 123451222, and prints its
address.
"""

import json
import uuid
from collections.abc import Mapping
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

from orderfsm import ORDER_LIFECYCLE, Operation, State, wire
from orderfsm.errors import Refusal
from orderfsm.tables import api

states: dict[str, StrEnum | None] = {"123451222": State.BEING_REVIEWED}
served = [Operation.DESCRIBE, Operation.CANCEL, Operation.DELETE]


def answer(action: str, order_id: str, request_id: str) -> tuple[int, Mapping[str, object]]:
    """The HTTP status and the JSON with which the service answers a call."""
    if action not in served:
        return 404, api.error_body("InvalidAction.NotFound", f"not one of {', '.join(served)}", request_id, "mock")
    if not order_id.isdecimal():
        return 400, api.error_body("InvalidOrderId", "the OrderId is not a number", request_id, "mock")
    try:
        row = ORDER_LIFECYCLE.service_transition(states.get(order_id), Operation(action))
    except Refusal as refusal:
        return refusal.http_status, api.error_body(refusal.code, refusal.text, request_id, "mock")
    states[order_id] = row.target
    read = {"Type": wire.type_of(row.target)} if row.trigger is Operation.DESCRIBE else {}
    return 200, {"RequestId": request_id, **read}


class MockCAS(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        order_id = parse_qs(urlsplit(self.path).query).get("OrderId", [""])[0]
        status, body = answer(self.headers.get("x-acs-action", ""), order_id, str(uuid.uuid4()).upper())
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 0), MockCAS)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
