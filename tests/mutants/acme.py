"""Mutants of ACME servers: the reference server, wrong in one place of an order's life; and servers that are right.

Those marked REAL were seen on a real server, or reported of one.
"""

from __future__ import annotations

import threading
from contextlib import nullcontext
from functools import partial

import attrs
from acme_in_process import InProcess
from acme_server import AcmeServer, Refused

from orderfsm.tables.acme import Event, Operation, State

PENDING, READY, PROCESSING, VALID, INVALID = State
NEW, READ, FINALIZE, DEACTIVATE, DOWNLOAD, REVOKE = Operation
ALL_VALID, FAILED_AUTHORIZATION = Event.ALL_AUTHORIZATIONS_VALID, Event.AUTHORIZATION_FAILED

MUTANTS, RIGHT = [], []
REAL = True
ANY = None, None
"""What such a mutant accuses depends on who looks."""


@attrs.frozen
class AcmeMutant:
    """A broken server: what is wrong with it, what makes it, and the state and the trigger that are to be accused.

    `flawed`: it is what a call does that cannot be carried out. `real`: a real server does it. `wire`: a client meets
    it, which asks for no certificate that no order shows, and orders names of its own.
    """

    name: str
    make: object = attrs.field(repr=False)
    accused: tuple
    flawed: bool = attrs.field(default=False, kw_only=True)
    real: bool = attrs.field(default=False, kw_only=True)
    wire: bool = attrs.field(default=True, kw_only=True)

    def driver(self):
        """A driver of a new one."""
        made = self.make()
        return made if isinstance(made, InProcess) else InProcess(made)


def mutant(name, state, trigger, *, late=0, **fields):
    """Register a broken server, which issues so many requests `late`."""

    def register(cls):
        MUTANTS.append(AcmeMutant(name, partial(cls, late), (state, trigger), **fields))
        return cls

    return register


def right(name, *, late=0, **fields):
    """Register a server that is right, in its own way."""

    def register(cls):
        RIGHT.append(AcmeMutant(name, partial(cls, late), (), **fields))
        return cls

    return register


# -- new orders --------------------------------------------------------------------------------------------------------


def _begins(status, **fields):
    @mutant(f"a new order is {status}", None, NEW, **fields)
    class Begins(AcmeServer):
        def new_order(self, names):
            order = super().new_order(names)
            order.status = status
            return order


_begins("processing")
_begins("valid")
_begins("invalid")
_begins("new")


@mutant("a new order is answered as ready, and is pending", None, NEW)
class AnsweredAsReady(AcmeServer):
    def new_order(self, names):
        order = super().new_order(names)
        self.fresh = order
        return order

    def shown(self, order):
        fresh, self.fresh = getattr(self, "fresh", None), None
        return "ready" if fresh is order else order.status


@mutant("every new order has the URL of the first", None, NEW)
class SameAgain(AcmeServer):
    def new_order(self, names):
        return self.orders[1] if self.orders else super().new_order(names)


@mutant("a new order cannot be found", None, NEW)
class Lost(AcmeServer):
    def new_order(self, names):
        order = super().new_order(names)
        self.orders[order.number] = None
        return order


@mutant("a new order ends the one before it", None, NEW)
class EndsTheOther(AcmeServer):
    def new_order(self, names):
        order = super().new_order(names)
        before = self.orders.get(order.number - 1)
        if before is not None and before.status == "pending":
            before.status = "invalid"
        return order


# -- reads -------------------------------------------------------------------------------------------------------------


def _reading(status, to, **fields):
    @mutant(f"reading an order that is {status} makes it {to}", State(status), READ, **fields)
    class Reading(AcmeServer):
        asked = None

        def read(self, number):
            self.asked = super().read(number)
            return self.asked

        def shown(self, order):
            before = order.status
            if self.asked is order and before == status:
                order.status = to
            self.asked = None
            return before


def _shown(status, as_, *accuses, **fields):
    @mutant(f"{status} is shown as {as_}", *accuses, **fields)
    class Shown(AcmeServer):
        def shown(self, order):
            return as_ if order.status == status else order.status


def _not_found(status, *accuses, **fields):
    @mutant(f"an order that is {status} cannot be read", *accuses, **fields)
    class NotFound(AcmeServer):
        def read(self, number):
            order = super().read(number)
            if order.status == status:
                raise Refused("malformed", 404)
            return order


_reading("pending", "invalid")
_reading("ready", "pending")
_reading("valid", "invalid")
_reading("invalid", "pending")
_not_found("valid", READY, FINALIZE)
_not_found("invalid", PENDING, FAILED_AUTHORIZATION)


@mutant("an order that nobody knows can be read", None, READ)
class KnowsAll(AcmeServer):
    def read(self, number):
        return super().read(number if number in self.orders else 1)


# -- authorizations ----------------------------------------------------------------------------------------------------


class Settles(AcmeServer):
    """A server that makes something else of its authorizations."""

    def settle(self, order):
        before = order.status
        super().settle(order)
        order.status = self.settled(order, {each.status for each in order.authorizations}, before) or order.status

    def settled(self, order, of, before):
        """The status that it has instead."""


def _settled(name, state, trigger, instead, **fields):
    @mutant(name, state, trigger, **fields)
    class Other(Settles):
        def settled(self, order, of, before):
            return instead(order, of, before)


def _instead_of_invalid(event, was, status, **fields):
    of_trigger = "invalid" if event == FAILED_AUTHORIZATION else "deactivated"
    _settled(
        f"with an authorization that is {of_trigger}, {was} becomes {status}",
        State(was),
        event,
        lambda _order, of, before: status if of_trigger in of and before == was else None,
        **fields,
    )


_instead_of_invalid(FAILED_AUTHORIZATION, "pending", "pending", real=REAL)
_instead_of_invalid(FAILED_AUTHORIZATION, "pending", "ready")
_instead_of_invalid(FAILED_AUTHORIZATION, "pending", "processing")
_instead_of_invalid(DEACTIVATE, "pending", "pending", real=REAL)
_instead_of_invalid(DEACTIVATE, "ready", "ready", real=REAL)
_instead_of_invalid(DEACTIVATE, "ready", "pending")
_instead_of_invalid(DEACTIVATE, "ready", "valid")
_settled(
    "a deactivated authorization makes the order deactivated",
    INVALID,
    READ,
    lambda _order, of, _before: "deactivated" if "deactivated" in of else None,
    real=REAL,
)
_settled(
    "an order stays pending when all is proved",
    PENDING,
    ALL_VALID,
    lambda _order, of, _before: "pending" if of == {"valid"} else None,
)
_settled(
    "an order is processing when all is proved",
    PENDING,
    ALL_VALID,
    lambda _order, of, before: "processing" if of == {"valid"} and before == "pending" else None,
    late=None,
)
_settled(
    "an order is ready when one of two names is proved",
    PENDING,
    ALL_VALID,
    lambda _order, of, before: "ready" if of == {"valid", "pending"} and before == "pending" else None,
    flawed=True,
)
_settled(
    "an order is invalid when one of two names is proved",
    PENDING,
    ALL_VALID,
    lambda _order, of, before: "invalid" if of == {"valid", "pending"} and before == "pending" else None,
    flawed=True,
)


@mutant("a deactivation that is refused ends the order", PENDING, DEACTIVATE)
class RefusedAndDone(AcmeServer):
    def deactivate(self, authorization):
        super().deactivate(authorization)
        raise Refused("unauthorized", 403)


@mutant("a deactivation is answered, and nothing is done", PENDING, DEACTIVATE, real=REAL)
class NotDeactivated(AcmeServer):
    def deactivate(self, authorization):
        """It stays as it is."""


@mutant("an order is ready only once it has been read", READY, FINALIZE, real=REAL)
class ReadyWhenRead(Settles):
    def settled(self, order, of, before):
        return "pending" if of == {"valid"} else None

    def read(self, number):
        order = super().read(number)
        if {each.status for each in order.authorizations} == {"valid"} and order.status == "pending":
            order.status = "ready"
        return order


# -- finalize ----------------------------------------------------------------------------------------------------------


class Finalizes(AcmeServer):
    """A server whose finalize does something else to an order in some state."""

    STATUS = ""

    def finalize(self, number, names, csr=b""):
        order = self.orders.get(number)
        if order is not None and self.find(number).status == self.STATUS and sorted(names) == sorted(order.names):
            return self.instead(order) or order
        return super().finalize(number, names, csr)

    def instead(self, order):
        """What it does."""


def _finalize(name, status, instead, **fields):
    @mutant(name, State(status), FINALIZE, **fields)
    class Other(Finalizes):
        STATUS = status

        def instead(self, order):
            instead(self, order)


def _refuse(code, status, to=None):
    def refuse(_server, order):
        order.status = to or order.status
        raise Refused(code, status)

    return refuse


def _become(status):
    def become(_server, order):
        order.status = status

    return become


def _issue(server, order):
    order.status = "processing"
    if server.issued_after == 0:
        server.issue(order)


for _status, _late in (("pending", 0), ("processing", None), ("valid", 0), ("invalid", 0)):
    _finalize(f"finalize is accepted in {_status}, and issues", _status, _issue, late=_late)
for _status, _late in (("pending", 0), ("processing", None), ("valid", 0), ("invalid", 0)):
    _real = _status in {"valid", "processing"}
    _same = _become(_status)
    _finalize(f"finalize is accepted in {_status}, and does nothing", _status, _same, late=_late, real=_real)
for _status, _late in (("pending", 0), ("processing", None), ("valid", 0), ("invalid", 0)):
    _finalize(f"finalize in {_status} is unauthorized", _status, _refuse("unauthorized", 403), late=_late)
    _finalize(f"finalize in {_status} is refused with HTTP 400", _status, _refuse("orderNotReady", 400), late=_late)
_finalize("finalize in pending fails with HTTP 500", "pending", _refuse("serverInternal", 500))
_finalize("finalize is refused in ready", "ready", _refuse("orderNotReady", 403))
_finalize("finalize is refused in ready, and issues", "ready", _refuse("orderNotReady", 403, "valid"))
_finalize("finalize is accepted in ready, and does nothing", "ready", _become("ready"), real=REAL)
_finalize("finalize leads from ready to pending", "ready", _become("pending"))
_finalize("finalize leads from ready to a word of its own", "ready", _become("issuing"))
_finalize("finalize that is refused in pending ends the order", "pending", _refuse("orderNotReady", 403, "invalid"))
_finalize("finalize that is refused in valid ends the order", "valid", _refuse("orderNotReady", 403, "invalid"))
_finalize("finalize that is refused in invalid revives the order", "invalid", _refuse("orderNotReady", 403, "ready"))


@mutant("finalize is answered as ready, and issues", READY, FINALIZE)
class AnsweredAsItWas(AcmeServer):
    def finalize(self, number, names, csr=b""):
        order = super().finalize(number, names, csr)
        self.just = order
        return order

    def shown(self, order):
        just, self.just = getattr(self, "just", None), None
        return "ready" if just is order else order.status


@mutant("finalizing one order finalizes another that is ready", READY, FINALIZE)
class FinalizesAll(AcmeServer):
    def finalize(self, number, names, csr=b""):
        order = super().finalize(number, names, csr)
        for other in self.orders.values():
            if other.status == "ready":
                other.status = "valid"
        return order


@mutant("of two finalizes at once both are accepted", READY, FINALIZE, real=REAL)
class LooksAndThenActs(AcmeServer):
    """Each waits a moment for the other between its look and its act."""

    def __init__(self, late):
        super().__init__(late)
        self.lock = nullcontext()
        self.both = threading.Barrier(2)

    def finalize(self, number, names, csr=b""):
        order = self.find(number)
        if order.status == "ready" and sorted(names) == sorted(order.names) and threading.active_count() > 2:
            try:
                self.both.wait(0.1)
            except threading.BrokenBarrierError:
                self.both.reset()
            order.status = "ready"
        return super().finalize(number, names, csr)


@mutant("finalize is accepted once the certificate was revoked", VALID, FINALIZE)
class FinalizesRevoked(AcmeServer):
    def finalize(self, number, names, csr=b""):
        order = self.find(number)
        return order if order.revoked else super().finalize(number, names, csr)


@mutant("finalize in valid is refused once, and then accepted", VALID, FINALIZE)
class TriesAgain(AcmeServer):
    def finalize(self, number, names, csr=b""):
        order = self.find(number)
        if order.status != "valid" or sorted(names) != sorted(order.names):
            return super().finalize(number, names, csr)
        if order.csr == b"refused":
            return order
        order.csr = b"refused"
        raise Refused("orderNotReady", 403)


@mutant("finalize is answered without a status", READY, FINALIZE)
class SaysNothing(AcmeServer):
    just = None

    def finalize(self, number, names, csr=b""):
        self.just = super().finalize(number, names, csr)
        return self.just

    def shown(self, order):
        just, self.just = self.just, None
        return None if just is order else order.status


# -- finalize with a bad CSR -------------------------------------------------------------------------------------------


class Flawed(AcmeServer):
    """A server that does something else with a CSR for other names."""

    def finalize(self, number, names, csr=b""):
        order = self.find(number)
        if sorted(names) != sorted(order.names):
            self.other_names(order)
            return order
        return super().finalize(number, names, csr)

    def other_names(self, order):
        """What it does."""


def _bad_csr(name, state, act, **fields):
    @mutant(name, state, FINALIZE, flawed=True, **fields)
    class Other(Flawed):
        def other_names(self, order):
            act(self, order)
            if order.status != "ready":
                raise Refused("orderNotReady", 403)
            self.bad_csr(order)


def _if(status, act):
    def acts(server, order):
        if order.status == status:
            act(server, order)

    return acts


def _refused_as(to):
    def acts(_server, order):
        order.status = to
        raise Refused("badCSR", 400)

    return acts


def _nothing_more(_server, order):
    order.requests = -1_000_000
    order.status = "processing"
    raise Refused("badCSR", 400)


def _the_second(_server, order):
    order.requests += 1
    order.status = "invalid" if order.requests > 1 else order.status
    raise Refused("badCSR", 400)


_bad_csr("a bad CSR leaves the order processing for ever", READY, _if("ready", _nothing_more), real=REAL)
_bad_csr("a bad CSR ends the order", READY, _if("ready", _refused_as("invalid")), real=REAL)
_bad_csr("a bad CSR leads back to pending", READY, _if("ready", _refused_as("pending")))
_bad_csr("a bad CSR is refused, and issued", READY, _if("ready", _refused_as("valid")))
_bad_csr("a second bad CSR ends the order", READY, _if("ready", _the_second))
_bad_csr("a bad CSR ends an order that is pending", PENDING, _if("pending", _refused_as("invalid")))
_bad_csr("a bad CSR ends an order that is valid", VALID, _if("valid", _refused_as("invalid")))


@mutant("a bad CSR is issued", READY, FINALIZE, flawed=True)
class IssuesAll(Flawed):
    def other_names(self, order):
        super(Flawed, self).finalize(order.number, order.names)


def _accepts(status, state):
    @mutant(f"a bad CSR is accepted in {status}, and nothing is done", state, FINALIZE, flawed=True)
    class Accepts(Flawed):
        def other_names(self, order):
            if order.status != status:
                super(Flawed, self).finalize(order.number, ["other.test"])


_accepts("pending", PENDING)
_accepts("ready", READY)
_accepts("valid", VALID)


@mutant("after a bad CSR no other one is accepted", READY, FINALIZE)
class NeverAgain(AcmeServer):
    def bad_csr(self, order):
        order.csr = b"bad"
        super().bad_csr(order)

    def finalize(self, number, names, csr=b""):
        if self.find(number).csr == b"bad":
            raise Refused("orderNotReady", 403)
        return super().finalize(number, names, csr)


# -- what follows ------------------------------------------------------------------------------------------------------


def _has_certificate(*status, accuses, late=0):
    @mutant(f"an order that is {status[-1]} has a certificate", *accuses, late=late)
    class Has(AcmeServer):
        HAS_CERTIFICATE = status


_has_certificate("valid", "pending", accuses=(PENDING, DOWNLOAD))
_has_certificate("valid", "ready", accuses=(READY, DOWNLOAD))
_has_certificate("valid", "processing", accuses=(PROCESSING, DOWNLOAD), late=None)
_has_certificate("valid", "invalid", accuses=(INVALID, DOWNLOAD))
_has_certificate("no more", accuses=(VALID, DOWNLOAD))


@mutant("a certificate is there for an order that nobody knows", None, DOWNLOAD, wire=False)
class AnyCertificate(AcmeServer):
    def download(self, number):
        return self.orders[1] if number not in self.orders else super().download(number)


@mutant("downloading the certificate ends the order", VALID, DOWNLOAD)
class DownloadsOnce(AcmeServer):
    def download(self, number):
        order = super().download(number)
        order.status = "invalid"
        return order


def _revoked(name, to, *, refused=None, accuses=(VALID, REVOKE), **fields):
    @mutant(name, *accuses, **fields)
    class Revokes(AcmeServer):
        def revoke(self, number):
            order = super().revoke(number)
            order.status = to or order.status
            if refused is not None:
                order.revoked = False
                raise Refused(*refused)
            return order


_revoked("a certificate cannot be revoked", None, refused=("unauthorized", 403), real=REAL)
_revoked("a revoked certificate makes the order invalid", "invalid")
_revoked("a revoked certificate makes the order revoked", "revoked", accuses=(VALID, READ))
_revoked("a revoked certificate makes the order ready", "ready")


def _wears_out(status, to):
    @mutant(f"an order that is {status} is {to} after some requests", *ANY)
    class WearsOut(AcmeServer):
        def find(self, number):
            order = super().find(number)
            if order.status == status:
                order.requests += 1
                if order.requests > 5:
                    order.status = to
            return order


_wears_out("ready", "pending")
_wears_out("valid", "ready")

_shown("processing", "pending", READY, FINALIZE, late=None, real=REAL)
_shown("valid", "issued", READY, FINALIZE)
_shown("valid", "VALID", READY, FINALIZE)
_shown("ready", "processing", PENDING, ALL_VALID)
_shown("invalid", "expired", INVALID, READ)


# -- servers that are right --------------------------------------------------------------------------------------------


right("it issues when it is asked to finalize")(AcmeServer)
right("it issues a request later", late=1)(AcmeServer)
right("it issues some requests later", late=4)(AcmeServer)
right("it never issues", late=None)(AcmeServer)


@right("it deactivates nothing, and issues a request later", late=1)
@right("it deactivates nothing")
class DeactivatesNothing(AcmeServer):
    DEACTIVATES = False


@right("it knows the client: an order is ready at once")
class ReadyAtOnce(AcmeServer):
    def authorization(self, name):
        new = super().authorization(name)
        new.status = "valid"
        return new


@right("it reuses authorizations and deactivates none, and two orders are for the same names", wire=False)
class Reuses(AcmeServer):
    """Else to deactivate one would end two orders, and orders would have to do with one another."""

    DEACTIVATES = False

    def __init__(self, late):
        super().__init__(late, reuses=True)

    def new_order(self, names):
        return super().new_order([f"{name.partition('-')[0]}-{len(self.orders) // 2}.test" for name in names][:1])


@right("it does not issue: each order that is finalized fails", late=None)
class FailsAll(AcmeServer):
    def find(self, number):
        order = super().find(number)
        if order.status == "processing" and order.requests > 1:
            self.fail(order)
        return order


def _codes(name, code, status):
    @right(name)
    class Codes(AcmeServer):
        """But for the code of finalize, which is prescribed."""

        def certificate_of(self, number):
            return self._refusing(super().certificate_of, number)

        def read(self, number):
            return self._refusing(super().read, number)

        def deactivate(self, authorization):
            return self._refusing(super().deactivate, authorization)

        def bad_csr(self, order):
            self._refusing(super().bad_csr, order)

        def _refusing(self, method, given):
            try:
                return method(given)
            except Refused:
                raise Refused(code, status) from None


_codes("elsewhere it refuses with unauthorized", "unauthorized", 401)
_codes("elsewhere it refuses with orderNotReady", "orderNotReady", 409)
_codes("elsewhere it refuses with a code of its own", "wrongDay", 418)
_codes("elsewhere it refuses without a code", None, 400)
_codes("elsewhere it refuses with serverInternal", "serverInternal", 500)


@right("a certificate that is revoked is gone")
class RevokedIsGone(AcmeServer):
    def certificate_of(self, number):
        order = super().certificate_of(number)
        if order.revoked:
            raise Refused("malformed", 404)
        return order


@right("a certificate may be revoked twice")
class RevokesTwice(AcmeServer):
    def revoke(self, number):
        return self.certificate_of(number)


@right("of an order it finds fault with finalize before it looks at the CSR, and the other way round")
class CsrFirst(AcmeServer):
    def finalize(self, number, names, csr=b""):
        if number in self.orders and sorted(names) != sorted(self.orders[number].names):
            raise Refused("badCSR", 400)
        return super().finalize(number, names, csr)


def _forced(name, cls=AcmeServer, late=None):
    RIGHT.append(AcmeMutant(name, lambda: InProcess(cls(late), forces=True), (), wire=False))


class Forgets(AcmeServer):
    """What has expired is deleted [7.4]."""

    def find(self, number):
        order = super().find(number)
        if order.expired and order.status == "invalid":
            raise Refused("malformed", 404)
        return order


_forced("everything can be made to happen")
_forced("everything can be made to happen, and it issues at once", late=0)
_forced("it forgets orders that have expired", Forgets)
