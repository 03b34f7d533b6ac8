"""A reference server of ACME orders, right by RFC 8555 (sections in brackets) and kept in memory.

What a mutant does otherwise is a method of its own. `acme_in_process` drives it by calls, `acme_wire` puts it on
loopback.
"""

from __future__ import annotations

import threading

import attrs

PROVABLE = {"pending", "valid"}
"""The status of an authorization that is not final."""


class Refused(Exception):
    """A code and an HTTP status."""


@attrs.define
class Authorization:
    """Whether the account controls a name; the challenge has the same number."""

    number: int
    name: str
    status: str = "pending"


@attrs.define
class Order:
    """An order for names, with an authorization for each. `requests` counts those since it was finalized."""

    number: int
    authorizations: list
    status: str = "pending"
    csr: bytes = b""
    requests: int = 0
    issued: bool = False
    revoked: bool = False
    expired: bool = False

    @property
    def names(self):
        """The names that it is for."""
        return [each.name for each in self.authorizations]


class AcmeServer:
    """The orders of one account.

    An order is issued by so many requests after it was finalized (0: at once; None: when it is told). With `reuses`, a
    valid authorization serves for every later order of its name [7.4.1]. It may refuse to deactivate one [7.5.2].
    """

    DEACTIVATES, FINALIZED_FROM, HAS_CERTIFICATE = True, ("ready",), ("valid",)

    def __init__(self, issued_after=0, *, reuses=False):
        self.orders, self.authorizations = {}, {}
        self.issued_after, self.reuses = issued_after, reuses
        self.lock = threading.RLock()

    def new_order(self, names):
        """[7.4] "pending", or "ready" where all authorizations are valid already."""
        old = (
            {each.name: each for each in self.authorizations.values() if each.status == "valid"} if self.reuses else {}
        )
        order = Order(len(self.orders) + 1, [old.get(name) or self.authorization(name) for name in names])
        self.orders[order.number] = order
        self.settle(order)
        return order

    def authorization(self, name):
        """A new one."""
        new = self.authorizations[len(self.authorizations) + 1] = Authorization(len(self.authorizations) + 1, name)
        return new

    def find(self, number):
        """An order, which may have been issued meanwhile."""
        order = self.orders.get(number)
        if order is None:
            raise Refused("malformed", 404)
        order.requests += order.status == "processing"
        if order.status == "processing" and self.issued_after is not None and order.requests > self.issued_after:
            self.issue(order)
        return order

    def read(self, number):
        """[6.3] It changes nothing."""
        return self.find(number)

    def finalize(self, number, names, csr=b""):
        """[7.4] Only in "ready"; a CSR for other names is refused, and leaves it there."""
        order = self.find(number)
        if order.status not in self.FINALIZED_FROM:
            raise Refused("orderNotReady", 403)
        if sorted(names) != sorted(order.names):
            self.bad_csr(order)
        order.status, order.csr, order.requests = "processing", csr, 0
        if self.issued_after == 0:
            self.issue(order)
        return order

    def bad_csr(self, order):  # noqa: ARG002  # mutants do something to it
        """The answer to a CSR for other names than those of an order."""
        raise Refused("badCSR", 400)

    def issue(self, order):
        """[7.1.6] From "processing" to "valid"."""
        order.status, order.issued = "valid", True

    def fail(self, order):
        """[7.1.6] From "processing" to "invalid"."""
        order.status = "invalid"

    def expire(self, order):
        """[7.4] Its time is over, unless it is final."""
        order.expired = True
        order.status = order.status if order.status in {"valid", "invalid"} else "invalid"

    def prove(self, authorization, *, rightly):
        """[7.5.1] A challenge was answered, rightly or not; nothing leads out of a final authorization."""
        if authorization.status == "pending":
            authorization.status = "valid" if rightly else "invalid"
            self.spread(authorization)

    def deactivate(self, authorization):
        """[7.5.2] An authorization that is not final."""
        if authorization.status not in PROVABLE or not self.DEACTIVATES:
            raise Refused("unauthorized", 403)
        authorization.status = "deactivated"
        self.spread(authorization)

    def spread(self, authorization):
        """Tell its orders what became of an authorization."""
        for order in self.orders.values():
            if any(each is authorization for each in order.authorizations):
                self.settle(order)

    def settle(self, order):
        """[7.1.6] What the authorizations make of an order that is not final."""
        of = {each.status for each in order.authorizations}
        if order.status in {"pending", "ready", "processing"} and of & {"invalid", "deactivated"}:
            order.status = "invalid"
        elif order.status == "pending" and of == {"valid"}:
            order.status = "ready"

    def certificate_of(self, number):
        """[7.1.3] An order, if it has a certificate."""
        order = self.find(number)
        if order.status not in self.HAS_CERTIFICATE:
            raise Refused("malformed", 404)
        return order

    def download(self, number):
        """[7.4.2] The order of the certificate."""
        return self.certificate_of(number)

    def revoke(self, number):
        """[7.6] The certificate; the order stays as it is."""
        order = self.certificate_of(number)
        if order.revoked:
            raise Refused("alreadyRevoked", 400)
        order.revoked = True
        return order

    def shown(self, order):
        """[7.1.3] The status of an order, in every answer that shows it."""
        return order.status
