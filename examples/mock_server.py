"""The core inside a mock server of your own: thirty lines of http.server that cannot drift from the rules.

It serves DescribeCertificateState, CancelOrderRequest and DeleteCertificateRequest on order 123451222, and prints its
address.
"""

import json
import uuid
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

from orderfsm import ORDER_LIFECYCLE, NotFoundOrder, Operation, Order, State, wire
from orderfsm.errors import Refusal

orders = {123451222: Order(123451222, State.BEING_REVIEWED)}


class MockCAS(BaseHTTPRequestHandler):
    """One order, kept in a dictionary and moved by the table."""

    def do_POST(self) -> None:
        """Answer a call as the service would."""
        order_id = int(parse_qs(urlsplit(self.path).query)["OrderId"][0])
        operation = Operation(self.headers["x-acs-action"])
        request_id = str(uuid.uuid4()).upper()
        try:
            if order_id not in orders:
                raise NotFoundOrder
            ORDER_LIFECYCLE.answer(orders[order_id].state, operation)
            orders[order_id] = orders[order_id].apply(operation)
            status, body = 200, {"RequestId": request_id, "Type": str(wire.type_of(orders[order_id].state))}
        except Refusal as refusal:
            status, body = refusal.http_status, wire.error_body(refusal.code, refusal.message, request_id, "mock")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 0), MockCAS)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
