"""A driver of the reference server of ACME orders, by calls of its methods: quick enough for many mutants."""

from __future__ import annotations

from itertools import count

from acme_server import PROVABLE, AcmeServer, Refused

from orderfsm.tables.acme import LIFECYCLE, Event, Operation
from orderfsm.testing import Answer

HOME = "https://acme.test"


class InProcess:
    """A driver of such a server: the four methods, and `flawed`. Each order is for two names of its own.

    Unless `forces`, it can do no more than a client can: issuance and expiry are the server's.
    """

    def __init__(self, server=None, *, forces=False):
        self.server = AcmeServer() if server is None else server
        self.forces, self._names = forces, count(1)

    def create(self, _operation):
        return self.answered(
            self.server.new_order, [f"name-{next(self._names)}.test", f"name-{next(self._names)}.test"]
        )

    def call(self, operation, order_id):
        return self._called(operation, order_id, lambda order: order.names)

    def flawed(self, trigger, order_id):
        """Finalize with a CSR for another name; or let all authorizations become valid but the last."""
        if trigger == Operation.FINALIZE:
            return self._called(trigger, order_id, lambda _order: ["other.test"])
        if trigger != Event.ALL_AUTHORIZATIONS_VALID:
            return None
        for authorization in self._open(order_id)[:-1]:
            self.answered(lambda of: self.server.prove(of, rightly=True), authorization)
        return Answer.refused(None)

    def _open(self, order_id):
        """The pending authorizations of an order whose others are valid, and that is not over."""
        order = self.server.orders.get(int(order_id.rpartition("/")[2]))
        of = order.authorizations if order and not order.expired else []
        return [each for each in of if each.status == "pending"] if {each.status for each in of} <= PROVABLE else []

    def _called(self, operation, order_id, names):
        number = int(order_id.rpartition("/")[2])
        order = self.server.orders.get(number)
        server = self.server
        match operation:
            case Operation.READ_ORDER:
                return self.answered(server.read, number)
            case Operation.FINALIZE:
                return self.answered(server.finalize, number, names(order) if order else [])
            case Operation.DEACTIVATE_AUTHORIZATION:
                open_ = [each for each in order.authorizations if each.status in PROVABLE] if order else []
                return self.answered(server.deactivate, open_[-1]) if open_ else Answer.refused(None)
            case Operation.DOWNLOAD_CERTIFICATE:
                return self.answered(server.download, number)
            case Operation.REVOKE_CERT:
                return self.answered(server.revoke, number)

    def answered(self, method, *given):
        """What a method of the server comes to, as an answer."""
        try:
            with self.server.lock:
                order = method(*given)
                shown = {} if order is None else {"order_id": f"{HOME}/order/{order.number}"}
                body = (
                    {"status": self.server.shown(order)}
                    if method.__name__ in {"new_order", "read", "finalize"}
                    else None
                )
        except Refused as refused:
            code, status = refused.args
            return Answer.refused(code and LIFECYCLE.code_prefix + code, http_status=status)
        return Answer.accepted(**(shown if method.__name__ == "new_order" else {}), body=body)

    def observe(self, order_id):
        return self.call(Operation.READ_ORDER, order_id).body or {None}

    def happen(self, order_id, event):
        with self.server.lock:
            return self._happened(order_id, event)

    def _happened(self, order_id, event):
        order = self.server.orders.get(int(order_id.rpartition("/")[2]))
        match event:
            case Event.ALL_AUTHORIZATIONS_VALID | Event.AUTHORIZATION_FAILED:
                rightly = event == Event.ALL_AUTHORIZATIONS_VALID
                pending = self._open(order_id)
                for authorization in pending if rightly else pending[-1:]:
                    self.answered(lambda of: self.server.prove(of, rightly=rightly), authorization)
                return Answer.accepted() if pending else Answer.refused(None)
            case _ if not self.forces:
                return None
            case _ if order is None:
                return Answer.refused(None)
            case Event.EXPIRED:
                return self.answered(self.server.expire, order)
        if order.status != "processing":
            return Answer.refused(None)
        return self.answered(self.server.issue if event == Event.ISSUED else self.server.fail, order)
