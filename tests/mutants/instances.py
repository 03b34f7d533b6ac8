"""Mutants of instances: the mock with one small change, in the table behind it, in what it answers, or in its store."""

from __future__ import annotations

from functools import partial

import attrs

from orderfsm.mock import Service
from orderfsm.mock.cas.choices import Choices
from orderfsm.mock.message import Request, Response
from orderfsm.rows import Basis, Transition
from orderfsm.tables.instances import (
    LIFECYCLE,
    DeleteProtection,
    Event,
    InstanceNotFound,
    Operation,
    RefundNotSupport,
    RefundOverTime,
    State,
    StatusNotSupport,
    UpdateProtection,
)

from .mutant import Mutant
from .stores import LastWriteWins

AT_ONCE = dict.fromkeys([rule.trigger for rule in LIFECYCLE.triggers if rule.follows is not None], 0.0)
"""By the clock, everything is completed at once."""

SERVERS = []


def of_instances(name, make, **fields):
    """A mutant that is judged by the table of instances."""
    return Mutant(name, make, lifecycle=LIFECYCLE, **fields)


def mutant(name, *, by_calls=False):
    """Register the class of a broken service."""

    def register(cls):
        SERVERS.append(of_instances(name, cls, by_calls=by_calls))
        return cls

    return register


class Broken(Service):
    """A service whose answers and instances can be tampered with."""

    def answered(self, operation, given, body):
        """The body of an accepted call, as it shall be."""
        return body

    def failed(self, operation, given, status, body):
        """The status and the body of a refused call, as they shall be."""
        return status, body

    def before(self, operation, given):
        """What happens before a call is looked at; a refusal if it shall be answered at once."""

    def handle(self, request):
        action, given = request.headers["x-acs-action"], request.parameters
        if action not in (*Operation, "GetUserCertificateDetail"):
            return super().handle(request)
        refused = self.before(action, given)
        if refused is not None:
            return Response.of(refused.http_status, self.refused(refused))
        response = super().handle(request)
        if response.status == 200:
            return Response.of(200, self.answered(action, given, response.json))
        return Response.of(*self.failed(action, given, response.status, response.json))

    def refused(self, error):
        """The body of a refusal."""
        answered = super().handle(_NO_ACTION).json
        return answered | {"Code": error.code, "Message": error.text}

    def get(self, given):
        """The record of the instance that a call names; None if there is none."""
        return self.store.get(given.get("InstanceId") or given.get("TaskId") or "-")

    def put(self, record, state):
        """Put an instance into a state, past the table."""
        new = record.but(state=state, previous=record.state, version=record.version + 1)
        self.store.commit(record, new, None, [])

    def others(self, given):
        """The instances that a call does not name, oldest first."""
        named = self.get(given)
        return [record for record in self.instances.orders() if named is None or record.id != named.id]


_NO_ACTION = Request("POST", "/", {}, {"x-acs-version": "2020-04-07", "x-acs-action": "NoSuchAction"})
"""A request that is always refused, for the body of a refusal."""


# -- codes and statuses ------------------------------------------------------------------------------------------------


def failing(name, *, on=tuple(Operation), code=None, status=None, when=None, by_calls=True):
    """Refusals of some operations have another code, or another status."""

    @mutant(name, by_calls=by_calls)
    class Fails(Broken):
        def failed(self, operation, given, was, body):
            if operation not in on or (when is not None and body["Code"] != when.code):
                return was, body
            return status or was, body | ({} if code is None else {"Code": code})


failing("refusals have HTTP status 403", status=403)
failing("refusals have HTTP status 500 and the code Error", status=500, code="Error")
failing("StatusNotSupport has HTTP status 403", when=StatusNotSupport, status=403)
failing("DeleteProtection has HTTP status 409", when=DeleteProtection, status=409)
failing(
    "a refused deletion is StatusNotSupport", on=(Operation.DELETE,), when=DeleteProtection, code=StatusNotSupport.code
)
failing(
    "a refused refund is StatusNotSupport", on=(Operation.REFUND,), when=RefundNotSupport, code=StatusNotSupport.code
)
failing("a refused refund is OverTime", on=(Operation.REFUND,), when=RefundNotSupport, code=RefundOverTime.code)
failing(
    "a refused withdrawal is DeleteProtection",
    on=(Operation.CANCEL,),
    when=StatusNotSupport,
    code=DeleteProtection.code,
)
failing(
    "a refused application is OrderStateError", on=(Operation.APPLY,), when=StatusNotSupport, code="OrderStateError"
)
failing("a refused update is StatusNotSupport", when=UpdateProtection, code=StatusNotSupport.code)
failing("unknown ids are StatusNotSupport", when=InstanceNotFound, code=StatusNotSupport.code)
failing("unknown ids are InternalError", when=InstanceNotFound, code="InternalError", status=500)


@mutant("a refused call is answered as if it had been accepted", by_calls=True)
class NeverRefuses(Broken):
    def failed(self, operation, given, status, body):
        return 200, {"RequestId": body["RequestId"]}


# -- the shape of answers ----------------------------------------------------------------------------------------------


def answering(name, operation, change, *, by_calls=True, choices=None):
    """What `operation` answers is changed."""

    @mutant(name, by_calls=by_calls)
    class Answers(Broken):
        def __init__(self, **options):
            super().__init__(**({} if choices is None else {"choices": choices}) | options)

        def answered(self, action, given, body):
            return change(dict(body)) if action == operation else body


def without(*names):
    """A change that leaves members out."""
    return lambda body: {name: value for name, value in body.items() if name not in names}


def with_entries(name, change):
    """A change of each entry of a list."""
    return lambda body: body | {name: [change(dict(entry)) for entry in body[name]]}


answering("the detail has no InstanceId", Operation.GET, without("InstanceId"))
answering("the detail has no Status", Operation.GET, without("Status"))
answering(
    "the detail tells CertificateId as a text",
    Operation.GET,
    lambda body: body | ({"CertificateId": str(body["CertificateId"])} if "CertificateId" in body else {}),
    by_calls=False,
)
answering("the detail has no CertificateId", Operation.GET, without("CertificateId"), by_calls=False)
answering("the list has no TotalCount", Operation.LIST, without("TotalCount"))
answering("the list is an object", Operation.LIST, lambda body: body | {"InstanceList": {"Instance": []}})
answering("entries of the list have no Status", Operation.LIST, with_entries("InstanceList", without("Status")))
answering("the summary has no InactiveCount", Operation.SUMMARY, without("InactiveCount"))
answering(
    "the list of certificates tells their ids as numbers",
    Operation.CERTIFICATES,
    with_entries("CertificateList", lambda entry: entry | {"CertificateId": int(entry["CertificateId"])}),
    by_calls=False,
)
answering(
    "the list of certificates is empty",
    Operation.CERTIFICATES,
    lambda body: body | {"CertificateList": [], "TotalCount": 0},
    by_calls=False,
)
answering(
    "the downloaded certificate is empty",
    "GetUserCertificateDetail",
    lambda body: body | {"Cert": ""},
    by_calls=False,
)
answering(
    "the detail has no CertificateStatus while another application is under way",
    Operation.GET,
    lambda body: without("CertificateStatus")(body) if body["Status"] == "pending" else body,
    by_calls=False,
)
answering(
    "the detail says inactive of a withdrawn instance",
    Operation.GET,
    lambda body: body | ({"Status": "inactive"} if body["Status"] == "normal" else {}),
)
answering(
    "the list says inactive of what is under review",
    Operation.LIST,
    with_entries("InstanceList", lambda e: e | ({"Status": "inactive"} if e["Status"] == "pending" else {})),
)
answering(
    "the list knows no CertificateStatus",
    Operation.LIST,
    with_entries("InstanceList", without("CertificateStatus")),
    by_calls=False,
)


@mutant("failures have no RequestId", by_calls=True)
class NoRequestId(Broken):
    def failed(self, operation, given, status, body):
        return status, without("RequestId")(body)


@mutant("every answer has the same RequestId", by_calls=True)
class OneRequestId(Broken):
    def answered(self, operation, given, body):
        return body | {"RequestId": "869CF4AD-B7AE-418E-B2B4-F902055D1243"}


@mutant("a certificate cannot be downloaded")
class NoDownload(Broken):
    def before(self, operation, given):
        return InstanceNotFound if operation == "GetUserCertificateDetail" else None


# -- what an application and a certificate leave behind ----------------------------------------------------------------


@mutant("the records stay after the withdrawal or the issuance")
class RecordsStay(Broken):
    def __init__(self, **options):
        super().__init__(**options)
        self.applied = set()

    def answered(self, operation, given, body):
        if operation == Operation.APPLY:
            self.applied.add(given["InstanceId"])
        if operation != Operation.GET or body["InstanceId"] not in self.applied:
            return body
        return {"DomainValidationList": [{"Domain": "example.com", "ValidationValue": body["InstanceId"]}]} | body


answering(
    "each application has the records of the first one",
    Operation.GET,
    lambda body: (
        with_entries("DomainValidationList", lambda entry: entry | {"ValidationValue": body["InstanceId"]})(body)
        if "DomainValidationList" in body
        else body
    ),
    by_calls=False,
    choices=Choices(shown_after=0),
)


@mutant("each certificate has the id of the first one")
class FirstId(Broken):
    def __init__(self, **options):
        super().__init__(**options)
        self.first = {}

    def answered(self, operation, given, body):
        if operation != Operation.GET or "CertificateId" not in body:
            return body
        return body | {"CertificateId": self.first.setdefault(body["InstanceId"], body["CertificateId"])}


@mutant("the certificate has another id with each read")
class IdByRead(Broken):
    reads = 0

    def answered(self, operation, given, body):
        self.reads += 1
        return body | ({"CertificateId": body["CertificateId"] + self.reads} if "CertificateId" in body else {})


@mutant("a certificate has another id as soon as the next one is applied for")
class IdWhenApplied(Broken):
    def answered(self, operation, given, body):
        applied = operation == Operation.GET and body["Status"] == "pending" and "CertificateId" in body
        return body | ({"CertificateId": body["CertificateId"] + 1} if applied else {})


@mutant("the list of certificates has only those of other instances")
class OthersCertificates(Broken):
    def answered(self, operation, given, body):
        if operation != Operation.CERTIFICATES or "InstanceId" not in given:
            return body
        return body | {"CertificateList": [{"CertificateId": "1", "InstanceId": "cas-cn-000000"}], "TotalCount": 1}


# -- lists and counts --------------------------------------------------------------------------------------------------


def listing(name, change, *, by_calls=False):
    """The list is another one: `change` gives entries and number of what is asked for, from these and the request."""

    @mutant(name, by_calls=by_calls)
    class Lists(Broken):
        def answered(self, operation, given, body):
            if operation != Operation.LIST:
                return body
            entries, total = change(body["InstanceList"], body["TotalCount"], given)
            return body | {"InstanceList": entries, "TotalCount": total}


listing("the list misses the oldest instance", lambda entries, total, _given: (entries[1:], max(0, total - 1)))
listing(
    "the list misses what is inactive",
    lambda entries, total, _given: ([e for e in entries if e["Status"] != "inactive"], total),
    by_calls=True,
)
listing("the list shows each instance twice", lambda entries, total, _given: (entries * 2, total * 2), by_calls=True)
listing("the list counts one too many", lambda entries, total, _given: (entries, total + 1), by_calls=True)
listing(
    "every page of the list is the first one",
    lambda entries, total, given: (entries if given.get("CurrentPage") != "2" else entries or [{}], total),
)


def ignoring(name, parameter, operation=Operation.LIST, instead=None):
    """A parameter is not looked at, or taken for another one."""

    @mutant(name)
    class Ignores(Broken):
        def handle(self, request):
            if request.headers["x-acs-action"] == operation:
                kept = {key: value for key, value in request.query.items() if key != parameter}
                request = attrs.evolve(request, query=kept | ({} if instead is None else {parameter: instead}))
            return super().handle(request)


ignoring("the list does not look at Status", "Status")
ignoring("the list does not look at CertificateStatus", "CertificateStatus")
ignoring("the list does not look at the keyword", "Keyword")
ignoring("the list does not look at the page", "CurrentPage")
ignoring("a page of the list has at most two instances", "ShowSize", instead="2")
ignoring("a purchase does not look at its ClientToken", "ClientToken", Operation.PURCHASE)


def counting(name, change):
    """The summary counts otherwise."""
    answering(name, Operation.SUMMARY, change, by_calls=False)


counting("the summary counts one too many", lambda body: body | {"TotalCount": body["TotalCount"] + 1})
counting("the summary counts everything as inactive", lambda body: body | {"InactiveCount": body["TotalCount"]})
counting("the summary counts nothing as inactive", lambda body: body | {"InactiveCount": 0})
counting("the summary never counts what is about to expire", lambda body: body | {"WillExpireCount": 0})


# -- calls that do more, or less ---------------------------------------------------------------------------------------


def doing(name, on, act, *, accepted=True, refused=False, by_calls=False):
    """Beside a call, something happens: `act` is given the service and the parameters."""

    @mutant(name, by_calls=by_calls)
    class Does(Broken):
        def answered(self, operation, given, body):
            if operation == on and accepted:
                act(self, given)
            return body

        def failed(self, operation, given, status, body):
            if operation == on and refused and self.get(given) is not None:
                act(self, given)
            return status, body


def itself(state, *only):
    """The instance of the call is put into a state, if it is in one of some others."""

    def act(service, given):
        record = service.get(given)
        if record is not None and (not only or record.state in only):
            service.put(record, state)

    return act


def neighbours(state, *only):
    """Every other instance is put into a state, if it is in one of some others."""

    def act(service, given):
        for record in service.others(given):
            if not only or record.state in only:
                service.put(record, state)

    return act


def on_refusal(operation, state):
    """A refused operation does it all the same."""
    name = f"a refused {operation.name.lower()} puts the instance into {state}"
    doing(name, operation, itself(state), accepted=False, refused=True, by_calls=True)


on_refusal(Operation.DELETE, State.DELETED)
on_refusal(Operation.CANCEL, State.IDLE)
on_refusal(Operation.REFUND, State.REFUNDED)
on_refusal(Operation.APPLY, State.IDLE)
on_refusal(Operation.REVOKE, State.REVOKED)
on_refusal(Operation.UPDATE, State.UNUSED)
doing("a detail submits what is unused", Operation.GET, itself(State.SUBMITTING, State.UNUSED))
doing("a detail deletes what is refunded", Operation.GET, itself(State.DELETED, State.REFUNDED), by_calls=True)
doing("asking for the task accepts the submission", Operation.TASK, itself(State.PENDING, State.SUBMITTING))
doing("a list deletes what is refunded", Operation.LIST, neighbours(State.DELETED, State.REFUNDED), by_calls=True)
doing("the summary refunds what is unused", Operation.SUMMARY, neighbours(State.REFUNDED, State.UNUSED))
doing("a list of certificates revokes them", Operation.CERTIFICATES, neighbours(State.REVOKED, State.ISSUED))
doing("the count of packages withdraws what is under review", Operation.COUNTS, neighbours(State.IDLE, State.PENDING))
doing("an update of an issued instance loses the certificate", Operation.UPDATE, itself(State.IDLE, State.ISSUED))
doing("a withdrawal withdraws every other instance", Operation.CANCEL, neighbours(State.IDLE, State.PENDING))
doing("a refund refunds every other instance", Operation.REFUND, neighbours(State.REFUNDED, State.UNUSED, State.IDLE))
doing("a deletion deletes everything refunded", Operation.DELETE, neighbours(State.DELETED, State.REFUNDED))
doing("a revocation closes every other instance", Operation.REVOKE, neighbours(State.CLOSED, State.UNUSED))
doing("an application submits every other instance", Operation.APPLY, neighbours(State.PENDING, State.UNUSED))
doing("a purchase makes two instances", Operation.PURCHASE, lambda service, _given: service.begin_instance())


@mutant("a deleted instance is back once it was read", by_calls=True)
class BackAgain(Broken):
    def failed(self, operation, given, status, body):
        record = self.get(given) if operation == Operation.GET else None
        if record is not None and record.state is State.DELETED:
            self.put(record, State.REFUNDED)
        return status, body


@mutant("every second purchase answers the instance before")
class SameInstance(Broken):
    last = None
    bought = 0

    def answered(self, operation, given, body):
        if operation != Operation.PURCHASE:
            return body
        self.bought += 1
        before, self.last = self.last, body["Data"]
        return body | ({"Data": before} if before and self.bought % 2 == 0 else {})


def never_again(operation, states=()):
    """A call that was refused once is refused for ever, on that instance."""
    where = f" in {states[0]}" if states else ""

    @mutant(f"a {operation.name.lower()} that was refused{where} never passes")
    class NeverPasses(Broken):
        def __init__(self, **options):
            super().__init__(**options)
            self.refusals = set()

        def before(self, action, given):
            again = action == operation and given.get("InstanceId") in self.refusals
            return LIFECYCLE.refusal(states[0], operation).error if again else None

        def failed(self, action, given, status, body):
            record = self.get(given)
            if action == operation and record is not None and record.state in states:
                self.refusals.add(record.id)
            return status, body


never_again(Operation.CANCEL, (State.SUBMITTING,))
never_again(Operation.REFUND, (State.SETTLING,))
never_again(Operation.REFUND, (State.WITHDRAWING,))
never_again(Operation.DELETE, (State.REFUNDING,))


def only_once(operation, error, *, by_calls=False):
    """A call is accepted once on each instance."""

    @mutant(f"a {operation.name.lower()} is accepted only once on an instance", by_calls=by_calls)
    class OnlyOnce(Broken):
        def __init__(self, **options):
            super().__init__(**options)
            self.done = set()

        def before(self, action, given):
            return error if action == operation and given.get("InstanceId") in self.done else None

        def answered(self, action, given, body):
            if action == operation:
                self.done.add(given["InstanceId"])
            return body


only_once(Operation.APPLY, StatusNotSupport)
only_once(Operation.CANCEL, StatusNotSupport)
only_once(Operation.UPDATE, UpdateProtection)


# -- the clock ---------------------------------------------------------------------------------------------------------


def late(event):
    """By the clock, `event` comes a day late; by hand it comes."""
    name = f"by the clock, {event} takes a day"
    SERVERS.append(of_instances(name, partial(Service, takes={event: 86_400.0})))


for completion in AT_ONCE:
    if LIFECYCLE.trigger_rules[completion].takes is not None:
        late(completion)


# -- the table ---------------------------------------------------------------------------------------------------------

NEAR = (
    State.SETTLING,
    State.UNUSED,
    State.SUBMITTING,
    State.PENDING,
    State.WITHDRAWING,
    State.IDLE,
    State.ISSUED,
    State.REVOKED,
    State.REISSUING,
    State.REFUNDING,
    State.REFUNDED,
    State.DELETED,
)
"""The states in which the mutants of the table differ: few calls lead there."""

BY_CALLS = {State.UNUSED, State.PENDING, State.IDLE, State.REFUNDED, State.DELETED}
"""Those to which calls alone lead, where the service completes everything at once."""

NEED_FORCE = {Operation.APPLY, Operation.CANCEL}
"""What is refused: without a control port it may have been submitted with the update, or takes too many calls."""

MAY_BE = {(state, Operation.APPLY) for state in NEAR} | {(State.PENDING, Operation.UPDATE)}
"""What is allowed, and may be without a control port: the review may have failed, nothing may have been filled in."""

ROWS = [
    row
    for row in LIFECYCLE.transitions
    if row.source in NEAR and (LIFECYCLE.by_client(row.trigger) or LIFECYCLE.trigger_rules[row.trigger].follows)
]
"""What clients do there, and what the service completes."""


def of_table(name, lifecycle, state, *triggers):
    """A mutant that is the mock with another table, which differs at `triggers` in `state`."""
    by_calls = state in BY_CALLS and bool(triggers) and all(map(LIFECYCLE.by_client, triggers))
    return of_instances(name, partial(Service, instances=lifecycle), by_calls=by_calls)


def replaced(row, **fields):
    """The table with `row` changed."""
    return LIFECYCLE.without(row).with_rows(attrs.evolve(row, **fields))


def short(trigger):
    """A trigger's name in a sentence."""
    return trigger.name.lower()


def removed():
    """Every row removed, but for those without which nothing begins."""
    for row in ROWS:
        if row.trigger not in {Event.PURCHASE_SETTLED, Operation.TASK}:
            name = f"{short(row.trigger)} is refused in {row.source}"
            refused = of_table(name, LIFECYCLE.without(row), row.source, row.trigger)
            yield attrs.evolve(refused, by_calls=refused.by_calls and row.trigger not in NEED_FORCE)


def allowed():
    """Every refusal of a call that changes something allowed: it is accepted, and does nothing."""
    changing = [
        call for call in Operation if call not in {*LIFECYCLE.creates, *LIFECYCLE.account_reads, Operation.TASK}
    ]
    for state in NEAR:
        for trigger in changing:
            if LIFECYCLE.table[state].get(trigger, ...) is None:
                row = Transition(state, trigger, state, Basis.INFERRED, "nobody says so")
                made = of_table(f"{short(trigger)} is allowed in {state}", LIFECYCLE.with_rows(row), state, trigger)
                yield attrs.evolve(made, by_calls=made.by_calls and (state, trigger) not in MAY_BE)


def elsewhere():
    """Every step accepted, but the instance stays, or lands where it does not belong."""
    for row in ROWS:
        if row.target == row.source or row.trigger == Event.PURCHASE_SETTLED:
            continue
        wrong = State.UNUSED if row.target is not State.UNUSED and row.source is not State.UNUSED else State.CLOSED
        by_client = LIFECYCLE.by_client(row.trigger)
        name, target = ("leaves the instance there", row.source) if by_client else (f"leads to {wrong}", wrong)
        made = of_table(
            f"{short(row.trigger)} in {row.source} {name}", replaced(row, target=target), row.source, row.trigger
        )
        # Calls alone take the shortest way to what is completed, which leads over no withdrawal.
        yield attrs.evolve(made, by_calls=made.by_calls and row.source is not State.IDLE)


TABLES = (*removed(), *allowed(), *elsewhere())

STORES = (
    of_instances(
        "of two calls on an instance at once, both are accepted",
        lambda **options: Service(store=LastWriteWins(), **options),
        clients=True,
        only=("pending", "CancelPendingCertificate"),
    ),
)

INSTANCES = (*SERVERS, *STORES, *TABLES)
