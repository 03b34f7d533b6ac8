"""Mutants of the service: what it does beside the table."""

from __future__ import annotations

import attrs

from orderfsm import Event, Operation, State
from orderfsm.errors import NotRemainCount, OrderStateError
from orderfsm.mock import Request, Response, Service
from orderfsm.mock.cas.gateway import GatewayError
from orderfsm.mock.cas.parameters import DEFAULT_PRODUCT, Call, application, call_of
from orderfsm.trace import Outcome
from orderfsm.wire import status_of, type_of

from .mutant import Mutant

SERVERS = []


def mutant(name, *, by_calls=True, scarce=False):
    """Register the class of a broken service."""

    def register(cls):
        SERVERS.append(Mutant(name, cls, by_calls=by_calls, scarce=scarce))
        return cls

    return register


class Broken(Service):
    """A service whose answers and orders can be tampered with."""

    def answered(self, operation, given, body):
        """The body of an accepted call, as it shall be."""
        return body

    def failed(self, operation, given, status, body):
        """The status and the body of a refused call, as they shall be."""
        return status, body

    def handle(self, request):
        response = super().handle(request)
        if request.headers["x-acs-action"] not in tuple(Operation):
            return response
        operation, given, body = Operation(request.headers["x-acs-action"]), request.parameters, response.json
        if response.status == 200:
            return Response.of(200, self.answered(operation, given, body))
        return Response.of(*self.failed(operation, given, response.status, body))

    def records(self):
        """Every order that is there, oldest first."""
        return self.orders()

    def put(self, old, state):
        """Put an order into a state, past the table."""
        self.store.commit(old, attrs.evolve(old, state=state, version=old.version + 1), None, [])

    def neighbour(self, number, step):
        """The order before (-1) or after (1) another; None if there is none."""
        ids = [record.id for record in self.records() if record.id != number]
        others = [other for other in ids if (other > number) == (step > 0)]
        return self.store.get(others[0 if step > 0 else -1]) if others else None

    def count(self, by):
        """Change the number of units in use, past the orders."""
        self.store._count(DEFAULT_PRODUCT, by, 0)


# -- codes and statuses ------------------------------------------------------------------------------------------------


@mutant("refusals have HTTP status 400")
class Status400(Broken):
    def failed(self, operation, given, status, body):
        return 400, body


@mutant("refusals have HTTP status 500 and the code Error")
class AlwaysError(Broken):
    def failed(self, operation, given, status, body):
        return 500, body | {"Code": "Error"}


@mutant("a refused deletion is DeleteFail")
class DeleteFails(Broken):
    def failed(self, operation, given, status, body):
        return (403, body | {"Code": "DeleteFail"}) if operation is Operation.DELETE else (status, body)


@mutant("a refused call is answered as if it had been accepted")
class NeverRefuses(Broken):
    def failed(self, operation, given, status, body):
        return 200, {"RequestId": body["RequestId"]}


@mutant("unknown ids are OrderStateError")
class NoNotFound(Broken):
    def failed(self, operation, given, status, body):
        return (403, body | {"Code": "OrderStateError"}) if body["Code"] == "NotFoundOrder" else (status, body)


@mutant("malformed ids are NotFoundOrder")
class MalformedNotFound(Broken):
    def failed(self, operation, given, status, body):
        return (404, body | {"Code": "NotFoundOrder"}) if "OrderId" in body["Code"] else (status, body)


@mutant("a package without a unit left is NotFoundPackage", scarce=True)
class NoPackageLeft(Broken):
    def failed(self, operation, given, status, body):
        return (404, body | {"Code": "NotFoundPackage"}) if body["Code"] == "NotRemainCount" else (status, body)


# -- the shape of answers ----------------------------------------------------------------------------------------------


@mutant("failures have no RequestId")
class NoRequestId(Broken):
    def failed(self, operation, given, status, body):
        return status, {name: value for name, value in body.items() if name != "RequestId"}


@mutant("every answer has the same RequestId")
class OneRequestId(Broken):
    def answered(self, operation, given, body):
        return body | {"RequestId": "869CF4AD-B7AE-418E-B2B4-F902055D1243"}


@mutant("a certificate is not told", by_calls=False)
class NoCertificate(Broken):
    def answered(self, operation, given, body):
        return {name: value for name, value in body.items() if name != "Certificate"}


@mutant("the list has no TotalCount")
class NoTotal(Broken):
    def answered(self, operation, given, body):
        return {name: value for name, value in body.items() if name != "TotalCount" or operation is not Operation.LIST}


@mutant("order ids are texts")
class TextIds(Broken):
    def answered(self, operation, given, body):
        return body | ({"OrderId": str(body["OrderId"])} if "OrderId" in body else {})


# -- calls that do more, or less ---------------------------------------------------------------------------------------


class OnCall(Broken):
    """Something happens beside a call."""

    on = frozenset(Operation)
    when_refused = when_accepted = True

    def besides(self, record):
        """What happens to an order."""

    def answered(self, operation, given, body):
        """After an accepted call."""
        if operation in self.on and self.when_accepted:
            self._beside(given)
        return body

    def failed(self, operation, given, status, body):
        """After a refused one."""
        if operation in self.on and self.when_refused:
            self._beside(given)
        return status, body

    def _beside(self, given):
        record = self.store.get(int(given["OrderId"])) if given.get("OrderId", "").isdigit() else None
        if record is not None:
            self.besides(record)


def changes_on_refusal(operation, state):
    """A refused `operation` puts the order into `state` all the same."""

    @mutant(f"a refused {operation.name.lower()} puts the order into {state}")
    class Changes(OnCall):
        on = frozenset([operation])
        when_accepted = False

        def besides(self, record):
            self.put(record, state)


changes_on_refusal(Operation.DELETE, State.DELETED)
changes_on_refusal(Operation.CANCEL, State.VERIFY_FAIL)
changes_on_refusal(Operation.RENEW, State.PENDING_APPLICATION)
changes_on_refusal(Operation.CANCEL_FOR_PACKAGE, State.REVOKED)


def changes_bystander(operation, step, state):
    """An accepted `operation` puts a neighbour of the order into `state`."""

    @mutant(f"a {operation.name.lower()} puts the {'next' if step > 0 else 'previous'} order into {state}")
    class Changes(OnCall):
        on = frozenset([operation])
        when_refused = False

        def besides(self, record):
            other = self.neighbour(record.id, step)
            if other is not None:
                self.put(other, state)


changes_bystander(Operation.CANCEL, -1, State.PENDING_APPLICATION)
changes_bystander(Operation.CANCEL, 1, State.VERIFY_FAIL)
changes_bystander(Operation.DELETE, -1, State.DELETED)
changes_bystander(Operation.DELETE, 1, State.DELETED)


@mutant("a deletion deletes every order that could be deleted")
class DeletesAll(OnCall):
    on = frozenset([Operation.DELETE])
    when_refused = False

    def besides(self, record):
        for other in self.records():
            if self.lifecycle.can(other.order.state, Operation.DELETE):
                self.put(other, State.DELETED)


@mutant("a create puts the order before it into verify_fail")
class CreateFailsPrevious(Broken):
    def answered(self, operation, given, body):
        if operation.name.startswith("CREATE"):
            other = self.neighbour(body["OrderId"], -1)
            if other is not None:
                self.put(other, State.VERIFY_FAIL)
        return body


@mutant("a describe deletes what is pending application")
class DescribeDeletes(OnCall):
    on = frozenset([Operation.DESCRIBE])

    def besides(self, record):
        if self.lifecycle.can(record.order.state, Operation.DELETE):
            self.put(record, State.DELETED)


@mutant("a describe submits what is pending application")
class DescribeSubmits(OnCall):
    on = frozenset([Operation.DESCRIBE])

    def besides(self, record):
        if record.order.state is State.PENDING_APPLICATION:
            self.put(record, State.PENDING_REVIEW)


@mutant("a list withdraws the oldest order")
class ListWithdraws(Broken):
    def answered(self, operation, given, body):
        for record in self.records()[:1] if operation is Operation.LIST else []:
            self.put(record, State.PENDING_APPLICATION)
        return body


@mutant("reading the package withdraws the oldest order")
class PackageWithdraws(Broken):
    def answered(self, operation, given, body):
        for record in self.records()[:1] if operation is Operation.DESCRIBE_PACKAGE else []:
            self.put(record, State.PENDING_APPLICATION)
        return body


@mutant("a cancel forgets that the order holds a unit")
class CancelForgets(OnCall):
    on = frozenset([Operation.CANCEL])
    when_refused = False

    def besides(self, record):
        self.store._records[record.id] = attrs.evolve(record, holds_unit=False)


@mutant("an order can be cancelled only once", by_calls=False)
class CancelledOnce(Broken):
    def _step(self, call):
        told = [line for line in self.history(call.order_id) if line.outcome is Outcome.ACCEPTED]
        if call.operation is Operation.CANCEL and call.operation in {line.trigger for line in told}:
            raise GatewayError("OrderStateError", 403, "cancelled before")
        return super()._step(call)


@mutant("an order that was submitted twice cannot be validated", by_calls=False)
class ValidatedOnce(Broken):
    def happen(self, order_id, event):
        told = [line.trigger for line in self.history(order_id)]
        if event == Event.DOMAIN_VALIDATED and told.count(Event.SUBMITTED) == 2:
            raise OrderStateError
        return super().happen(order_id, event)


@mutant("an order that failed and was submitted again cannot be cancelled in its second review", by_calls=False)
class SecondReviewStays(Broken):
    def _step(self, call):
        told = [line.trigger for line in self.history(call.order_id)]
        if call.operation is Operation.CANCEL and told[-3:] == [
            Event.REVIEW_FAILED,
            Event.SUBMITTED,
            Event.DOMAIN_VALIDATED,
        ]:
            raise GatewayError("OrderStateError", 403, "in its second review")
        return super()._step(call)


@mutant("a cancel that another cancel precedes is answered, and not done")
class SecondCancelLost(Broken):
    def __init__(self, **options):
        super().__init__(**options)
        self.cancels = 0

    def _step(self, call):
        self.cancels += call.operation is Operation.CANCEL
        if call.operation is Operation.CANCEL and self.cancels % 2 == 0:
            self.lifecycle.service_transition(self.order(call.order_id).order.state, call.operation)
            return {}
        return super()._step(call)


# -- quota -------------------------------------------------------------------------------------------------------------


@mutant("a deletion gives two units back")
class DeleteGivesTwo(OnCall):
    on = frozenset([Operation.DELETE])
    when_refused = False

    def besides(self, record):
        self.count(-1)


@mutant("a second deletion gives a unit back again")
class DeleteGivesAgain(OnCall):
    on = frozenset([Operation.DELETE])
    when_accepted = False

    def besides(self, record):
        if record.order.state is State.DELETED:
            self.count(-1)


@mutant("a refused create takes a unit", scarce=True)
class RefusedCreateTakes(Broken):
    def failed(self, operation, given, status, body):
        if body["Code"] == NotRemainCount.code:
            self.count(1)
        return status, body


@mutant("a unit always comes back to the default package", by_calls=False)
class GivesToDefault(OnCall):
    on = frozenset([Operation.DELETE])
    when_refused = False

    def besides(self, record):
        if record.product_code != DEFAULT_PRODUCT:
            self.store._count(record.product_code, 1, 0)
            self.count(-1)


@mutant("a deletion gives a unit of every other package back as well", by_calls=False)
class GivesToAll(OnCall):
    on = frozenset([Operation.DELETE])
    when_refused = False

    def besides(self, record):
        for package in self.store.packages():
            if package.product_code != record.product_code and package.used:
                self.store._count(package.product_code, -1, 0)


@mutant("every order takes a unit of the default package", by_calls=False)
class TakesOfDefault(Broken):
    def _create(self, call):
        application = attrs.evolve(call.application, product_code=DEFAULT_PRODUCT)
        return super()._create(call._replace(application=application))


@mutant("a refused create makes an order all the same", by_calls=False)
class RefusedCreates(Broken):
    def failed(self, operation, given, status, body):
        if body["Code"] == NotRemainCount.code:
            package = self.store.package(given["ProductCode"])
            self.store.put_package(given["ProductCode"], package.total + 1)
            self._create(Call(operation, application=application(given)))
            self.store.put_package(given["ProductCode"], package.total)
            self.store._count(given["ProductCode"], -1, 0)
        return status, body


def takes_on_refusal(operation):
    """A refused `operation` takes a unit."""

    @mutant(f"a refused {operation.name.lower()} takes a unit", by_calls=False)
    class Takes(OnCall):
        on = frozenset([operation])
        when_accepted = False

        def besides(self, record):
            self.count(1)


for refused in (Operation.DELETE, Operation.CANCEL, Operation.CANCEL_FOR_PACKAGE, Operation.RENEW, Operation.DESCRIBE):
    takes_on_refusal(refused)


@mutant("a package has one unit more than was bought", scarce=True)
class OneMore(Broken):
    def _create(self, call):
        package = self.store.package(DEFAULT_PRODUCT)
        self.store.put_package(DEFAULT_PRODUCT, package.total + 1)
        try:
            return super()._create(call)
        finally:
            self.store.put_package(DEFAULT_PRODUCT, package.total)


@mutant("a package has one unit less than was bought", scarce=True)
class OneLess(Broken):
    def _create(self, call):
        package = self.store.package(DEFAULT_PRODUCT)
        if package.used + 1 >= package.total:
            raise NotRemainCount
        return super()._create(call)


@mutant("the package counts orders that were created as issued")
class CountsCreated(Broken):
    def answered(self, operation, given, body):
        used = {"IssuedCount": body["UsedCount"]} if operation is Operation.DESCRIBE_PACKAGE else {}
        return body | used


@mutant("the package never counts fewer units used than it did")
class NeverFewer(Broken):
    most = 0

    def answered(self, operation, given, body):
        if operation is Operation.DESCRIBE_PACKAGE:
            self.most = max(self.most, body["UsedCount"])
            return body | {"UsedCount": self.most}
        return body

    def reset(self):
        self.most = 0
        super().reset()


# -- ids ---------------------------------------------------------------------------------------------------------------


@mutant("every second create answers the id of the order before")
class SameId(Broken):
    before = 0
    made = 0

    def answered(self, operation, given, body):
        if operation.name.startswith("CREATE"):
            self.made += 1
            if self.made % 2 == 0:
                return body | {"OrderId": self.before}
            self.before = body["OrderId"]
        return body


@mutant("a renewal answers the id of the order that it renews", by_calls=False)
class RenewsItself(Broken):
    def answered(self, operation, given, body):
        return body | ({"OrderId": int(given["OrderId"])} if operation is Operation.RENEW else {})


@mutant("a renewal withdraws the old order", by_calls=False)
class RenewWithdraws(OnCall):
    on = frozenset([Operation.RENEW])
    when_refused = False

    def besides(self, record):
        self.put(record, State.REVOKED)


# -- lists -------------------------------------------------------------------------------------------------------------


class Lists(Broken):
    """A list is answered otherwise."""

    def changed(self, given, body, entries):
        """The entries of a page, as they shall be."""
        return entries

    def answered(self, operation, given, body):
        if operation is not Operation.LIST:
            return body
        return body | {"CertificateOrderList": self.changed(given, body, body["CertificateOrderList"])}

    def everything(self, given):
        """The whole list."""
        whole = Request(query=given | {"CurrentPage": "1", "ShowSize": "1000"})
        return self._list(call_of(Operation.LIST, whole, self.lifecycle))["CertificateOrderList"]


@mutant("a page begins one order too late")
class PageTooLate(Lists):
    def changed(self, given, body, entries):
        first = (body["CurrentPage"] - 1) * body["ShowSize"] + (body["CurrentPage"] > 1)
        return self.everything(given)[first : first + body["ShowSize"]]


@mutant("a page begins one order too early")
class PageTooEarly(Lists):
    def changed(self, given, body, entries):
        first = (body["CurrentPage"] - 1) * body["ShowSize"] - (body["CurrentPage"] > 1)
        return self.everything(given)[first : first + body["ShowSize"]]


@mutant("the page after the last is the last again")
class LastAgain(Lists):
    def changed(self, given, body, entries):
        return entries or self.everything(given)[-body["ShowSize"] :]


@mutant("a page has one order more than was asked for")
class OneTooMany(Lists):
    def changed(self, given, body, entries):
        first = (body["CurrentPage"] - 1) * body["ShowSize"]
        return self.everything(given)[first : first + body["ShowSize"] + 1]


@mutant("TotalCount counts the page")
class TotalOfPage(Broken):
    def answered(self, operation, given, body):
        return body | ({"TotalCount": len(body["CertificateOrderList"])} if operation is Operation.LIST else {})


@mutant("the list does not have the newest order")
class NotTheNewest(Lists):
    def changed(self, given, body, entries):
        return entries[:-1]


@mutant("the filter by status is ignored")
class NoFilter(Lists):
    def changed(self, given, body, entries):
        return self.everything({name: value for name, value in given.items() if name != "Status"})[: body["ShowSize"]]


@mutant("the keyword is ignored")
class NoKeyword(Broken):
    def _list(self, call):
        return super()._list(call._replace(selection=attrs.evolve(call.selection, keyword="")))


@mutant("deleted orders stay in the list")
class ListsDeleted(Broken):
    def _list(self, call):
        body = super()._list(call)
        gone = [r.id for r in self.store._records.values() if r.order.state is State.DELETED]
        ghosts = [{"OrderId": n, "Domain": "example.com", "Status": "PAYED"} for n in gone if not call.selection.status]
        return body | {
            "CertificateOrderList": body["CertificateOrderList"] + ghosts,
            "TotalCount": body["TotalCount"] + len(ghosts),
        }


@mutant("the list shows the status before the last change")
class StaleList(Lists):
    def changed(self, given, body, entries):
        stale = {r.id: status_of(r.previous) for r in self.records() if r.previous is not None}
        return [entry | {"Status": stale.get(entry["OrderId"], entry["Status"])} for entry in entries]


@mutant("a describe shows the state before the last change")
class StaleDescribe(Broken):
    def answered(self, operation, given, body):
        record = self.store.get(int(given["OrderId"])) if operation is Operation.DESCRIBE else None
        if record is None or record.previous is None:
            return body
        return {"Type": type_of(record.previous), "RequestId": body["RequestId"]}


@mutant("a deleted order can still be described")
class DescribesDeleted(Broken):
    def failed(self, operation, given, status, body):
        if operation is Operation.DESCRIBE and given["OrderId"].isdigit() and self.store.get(int(given["OrderId"])):
            return 200, {"Type": "payed", "RequestId": body["RequestId"]}
        return status, body


SERVERS = tuple(SERVERS)
