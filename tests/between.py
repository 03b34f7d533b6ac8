"""What stands between clients and a mock in tests: it notes the calls, answers some itself, and acts after a read."""

from __future__ import annotations

from orderfsm import Operation
from orderfsm.mock import Response
from orderfsm.tables import api


class Between:
    """Stands before a service: notes what arrives, may answer in its place, may act after a read."""

    def __init__(self, service):
        self.service = service
        self._handle = service.handle
        service.handle = self.handle
        self.clear()

    def clear(self):
        self.arrived = []
        self.answered = []
        self.answers = {}
        self.after_read = None
        self.service.clear_faults()

    def handle(self, request):
        operation = request.headers["x-acs-action"]
        self.arrived.append(operation)
        if operation in self.answers:
            return self.answers[operation]
        response = self._handle(request)
        self.answered.append(response.status)
        if operation == Operation.DESCRIBE and self.after_read is not None:
            act, self.after_read = self.after_read, None
            act()
        return response

    def sent(self, operation):
        return self.arrived.count(operation)


class Behind:
    """The service as another client sees it."""

    def __init__(self, between):
        self.handle = between._handle


def refusal():
    return Response.of(403, api.error_body("OrderStateError", "no", "R", "H"))


def acceptance(**fields):
    return Response.of(200, {"RequestId": "R", "OrderId": 7, **fields})
