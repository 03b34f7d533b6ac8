"""The service behind the API port, without I/O: a request goes in, a response comes out.

It decides nothing about an order's life. The table says whether a trigger is allowed, where it leads and which error
its refusal is; the service reads parameters, keeps what the table's step made of the order, and writes the answer.
"""

from __future__ import annotations

import logging
import uuid
from http import HTTPStatus
from random import Random
from typing import TYPE_CHECKING, Any, cast

import attrs

from orderfsm import wire
from orderfsm.errors import InternalError, InvalidValue, NotFoundOrder, Refusal, ServiceError
from orderfsm.lifecycle import ORDER_LIFECYCLE, Lifecycle
from orderfsm.mock.clock import LAST_TIME, Clock, machine_time, seconds
from orderfsm.mock.faults import THROTTLED, Fault
from orderfsm.mock.message import Request, Response
from orderfsm.mock.records import Happening, Package, Record
from orderfsm.mock.review import AFTER, AT_ONCE, READS, Review
from orderfsm.mock.stores.memory import MemoryStore
from orderfsm.mock.stores.store import Store, StoreError
from orderfsm.order import Order
from orderfsm.order import order_id as valid_order_id
from orderfsm.spec import UNSPECIFIC_TYPE, VALIDITY, Actor, Event, Operation, State, Trigger

from . import answers
from .ca import CertificateAuthority
from .gateway import GatewayError, failure
from .parameters import (
    CERTIFICATES,
    DEFAULT_PRODUCT,
    PACKAGE_ORDERS,
    Application,
    Selection,
    answers_in_xml,
    application,
    domains,
    operation_of,
    order_id,
    parameters_of,
    selection,
    tags,
)
from .signature import Verifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import timedelta

    from orderfsm.spec import Transition
    from orderfsm.trace import Line

DEFAULT_UNITS = 20
MAX_PRODUCT_CODE = 128
MAX_UNITS = 2**31 - 1
MAX_VALIDITY = 100 * 366 * 86_400
"""Seconds that a certificate may be valid."""


class Service:
    """A certificate service in process: `handle` answers its API, the other methods do what happens behind its back.

    `lifecycle` is the table that rules it, `store` where the orders are (memory), `clock` by which certificates
    expire and reviews end, `random` from which every choice is drawn. `review` is what the CA does by itself, or
    the words for it. With `keys`, secrets by access key id, signatures are verified; without, every key is
    accepted. `limits` are calls a second by operation. `validity` is how long a certificate is valid: seconds, or a
    timedelta. Safe between threads.
    """

    def __init__(
        self,
        *,
        lifecycle: Lifecycle = ORDER_LIFECYCLE,
        store: Store | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
        review: Review | str | None = None,
        keys: Mapping[str, str] | None = None,
        limits: Mapping[Operation, int] | None = None,
        validity: float | timedelta = VALIDITY,
    ) -> None:
        self.lifecycle = lifecycle
        self.store: Store = MemoryStore() if store is None else store
        self.clock = Clock() if clock is None else clock
        self.review = Review.parse(review) if isinstance(review, str) else review or Review()
        self.limits = dict(_limit(lifecycle, *limit) for limit in (limits or {}).items())
        self.validity = seconds("validity", validity, MAX_VALIDITY)
        self._seed = (Random() if random is None else random).getrandbits(64)
        self._ca = CertificateAuthority(self.store)
        self._verifier = Verifier(keys, fresh=self.store.remember_nonce) if keys else None
        self._live = [state for state, rule in lifecycle.state_rules.items() if state is not None and rule.type]
        self._calendar = [(rule.trigger, rule.before_end) for rule in lifecycle.triggers if rule.before_end is not None]
        self._answers: Mapping[Operation, Callable[[Operation, dict[str, str]], dict[str, Any]]] = {
            Operation.CREATE: self._create,
            Operation.CREATE_FOR_PACKAGE: self._create,
            Operation.CREATE_WITH_CSR: self._create,
            Operation.DESCRIBE: self._describe,
            Operation.LIST: self._list,
            Operation.CANCEL: self._step,
            Operation.DELETE: self._step,
            Operation.CANCEL_FOR_PACKAGE: self._step,
            Operation.RENEW: self._renew,
            Operation.DESCRIBE_PACKAGE: self._describe_package,
        }
        # Of several services that begin on one new store, the one whose name it keeps buys the default package.
        name = uuid.uuid4().hex
        if self.store.setting("default package bought by", lambda: name) == name:
            self.store.put_package(DEFAULT_PRODUCT, DEFAULT_UNITS)

    @property
    def verifies(self) -> bool:
        """Whether signatures are verified, and not every request is believed."""
        return self._verifier is not None

    # -- the API port ------------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        """The response of the API port to `request`; it never raises."""
        request_id = str(uuid.uuid4()).upper()
        try:
            response = self._handled(request, request_id)
        except Exception as error:  # noqa: BLE001  (it is logged)
            return self._unknown(request, request_id, error, exc_info=not isinstance(error, StoreError))
        return _in_format(response, request)

    def gave_up(self, request: Request, reason: str) -> Response:
        """The response to a call that nobody waits for any more, `reason` being for the log alone."""
        return self._unknown(request, str(uuid.uuid4()).upper(), reason)

    def _unknown(self, request: Request, request_id: str, reason: object, **logged: Any) -> Response:
        """The answer to a call of which nobody knows whether it was carried out."""
        logging.getLogger(__name__).error("orderfsm: request %s failed: %s", request_id, reason, **logged)
        response = failure(InternalError.code, InternalError.http_status, InternalError.text, request_id)
        return _in_format(response, request)

    def _handled(self, request: Request, request_id: str) -> Response:
        fault: Fault | None = None
        given: dict[str, str] = {}
        self.refresh()
        try:
            operation = operation_of(request)
            if self._verifier is not None:
                self._verifier.verify(request)
            given = parameters_of(operation, request)
            self._throttle(operation)
            fault = self._fault(operation, given)
            if fault is None or fault.when == "after" or not (fault.answers or fault.transport):
                response = Response.of(200, self._answers[operation](operation, given) | {"RequestId": request_id})
            else:
                response = Response.of(200, {})
        except ServiceError as error:
            response = failure(error.code, error.http_status, error.text, request_id)
        except GatewayError as error:
            response = failure(
                error.code, error.http_status, error.message + error.repeated, request_id, error.retry_after
            )
        return response if fault is None else self._spoiled(response, fault, request_id, given)

    def _create(self, operation: Operation, given: dict[str, str]) -> dict[str, Any]:
        asked = application(given)
        row = self.lifecycle.transition(None, operation)
        record = self._begun(row.target, self.clock.now(), asked, holds_unit=row.quota > 0)
        # At once: what is due to the order by now happens as it begins.
        current, happened = self._caught_up(record)
        begins = Happening(record.created, record.id, operation)
        self.store.commit(None, None, current, [begins, *happened])
        return {"OrderId": record.id}

    def _step(self, operation: Operation, given: dict[str, str]) -> dict[str, Any]:
        self._perform(order_id(given), operation)
        return {}

    def _renew(self, operation: Operation, given: dict[str, str]) -> dict[str, Any]:
        csr, labels = given.get("Csr"), tags(given)
        asked_for = None if csr is None else domains(given)

        def begin(old: Record, row: Transition, now: float) -> Record | None:
            if row.creates is None:
                return None
            asked = Application(asked_for or old.domains, old.validate_type, old.product_code, csr, labels)
            return self._begun(row.creates, now, asked, holds_unit=False)

        begun = self._perform(order_id(given), operation, begin)[1]
        return {} if begun is None else {"OrderId": begun.id}

    def _describe(self, operation: Operation, given: dict[str, str]) -> dict[str, Any]:
        record, _ = self._perform(order_id(given), operation)
        return answers.state_of(record, wire.type_of(record.order.state, self.lifecycle))

    def _list(self, _operation: Operation, given: dict[str, str]) -> dict[str, Any]:
        asked = selection(given, self.lifecycle)
        self.catch_up()
        certificates = asked.order_type == CERTIFICATES
        states = [state for state in self._live if asked.status in {None, wire.status_of(state, self.lifecycle)}]
        if certificates:
            rules = self.lifecycle.state_rules
            # Unless a status is asked for, only certificates that can still be used.
            states = [s for s in states if rules[s].certified and (asked.status or not rules[s].terminal)]
        elif asked.order_type != PACKAGE_ORDERS:
            states = []  # every order here was made from a package; none was bought, nothing was uploaded
        records, total = self._selected(states, asked)
        write = answers.certificate if certificates else answers.order
        return {
            "CertificateOrderList": [write(record, self.lifecycle) for record in records],
            "CurrentPage": asked.page,
            "ShowSize": asked.size,
            "TotalCount": total,
        }

    def _selected(self, states: list[State], asked: Selection) -> tuple[list[Record], int]:
        """A page of the orders in `states` that the keyword finds, by domain or instance id; and their number."""
        number = answers.order_of_instance(asked.keyword)
        if number is None:
            return self.store.select(states, asked.keyword, (asked.page - 1) * asked.size, asked.size)
        record = self.store.get(number)
        found = [record] if record is not None and record.order.state in states else []
        return found[(asked.page - 1) * asked.size :][: asked.size], len(found)

    def _describe_package(self, _operation: Operation, given: dict[str, str]) -> dict[str, Any]:
        self.catch_up()
        return answers.package(self.store.package(given.get("ProductCode", DEFAULT_PRODUCT)))

    # -- behind the API's back ---------------------------------------------------------------------------------------

    def begin(self, state: State | str, parameters: Mapping[str, str]) -> Record:
        """A new order, moved to `state` on a shortest way by calls and events, which the history tells of.

        `state` is a State, its value or name, or a word of the API that means no other. `parameters` are those of a
        create, by the names that the API gives them. No fault and no rate limit applies; quota does.
        """
        goal = self.lifecycle.state(cast("State", state))
        if goal is None:
            raise InvalidValue("state", state, map(str, self._live))
        for name, value in parameters.items():
            if not isinstance(value, str):
                raise InvalidValue(name, value, ["a text"])
        create, *steps = self.lifecycle.plan(None, goal, events=True).steps
        row = self.lifecycle.transition(None, create.trigger)
        begun = self._begun(row.target, self.clock.now(), application(dict(parameters)), holds_unit=row.quota > 0)
        # Nothing is due before the order is where it should be.
        begins = Happening(begun.created, begun.id, create.trigger)
        self.store.commit(None, None, attrs.evolve(begun, due=None), [begins])
        while (old := self.store.get(begun.id)) is not None:
            new, happened = attrs.evolve(old, due=begun.due), []
            for step in steps:
                now = max(self.clock.now(), new.updated)
                new = self._stepped(new, self.lifecycle.transition(new.order.state, step.trigger), now)
                happened.append(Happening(now, new.id, step.trigger))
            if self.store.commit(old, new, None, happened):
                return new
        raise NotFoundOrder  # by a reset

    def happen(self, order_id: int, event: Trigger) -> Record:
        """Let an `Event` happen to an order; the table's refusal where it cannot, which names the order."""
        rule = self.lifecycle.trigger_rules.get(event)
        if rule is None or rule.actor is Actor.CLIENT:
            raise InvalidValue("event", event, Event)
        try:
            return self._perform(valid_order_id(order_id), rule.trigger)[0]
        except Refusal as refusal:
            refusal.order_id = order_id
            raise

    def put_package(self, product_code: str, total: int) -> Package:
        """Buy a package, or change its size (0 .. 2**31-1); what is held stays held."""
        if not isinstance(product_code, str) or not 0 < len(product_code) <= MAX_PRODUCT_CODE:
            raise InvalidValue("product code", product_code, [f"a text of 1 to {MAX_PRODUCT_CODE} characters"])
        if type(total) is not int or not 0 <= total <= MAX_UNITS:
            raise InvalidValue("TotalCount", total, [f"an integer in 0 .. {MAX_UNITS}"])
        return self.store.put_package(product_code, total)

    def packages(self) -> list[Package]:
        """All packages, by product code."""
        self.catch_up()
        return self.store.packages()

    def order(self, order_id: int) -> Record:
        """An order as it stands; `NotFoundOrder` if there is none, or none any more."""
        self.catch_up()
        record = self.store.get(order_id)
        if record is None or record.order.state not in self._live:
            missing = NotFoundOrder()
            missing.order_id = order_id
            raise missing
        return record

    def orders(self, states: frozenset[State | None] | None = None, after: int = 0, limit: int = 1000) -> list[Record]:
        """The first `limit` orders that are not deleted (in `states`), oldest first, those with an id after `after`."""
        self.catch_up()
        return self.store.after([s for s in self._live if states is None or s in states], after, limit)

    def latest(self, limit: int) -> list[Record]:
        """The last `limit` orders that are not deleted, newest first."""
        self.catch_up()
        return self.store.latest(self._live, limit)

    def count(self) -> int:
        """How many orders there are that are not deleted."""
        return self.store.count(self._live)

    def history(self, order_id: int | None = None) -> Iterator[Line]:
        """What happened, to one order or to all, as lines of the trace format."""
        self.catch_up()
        return (answers.line(happening) for happening in self.store.history(order_id))

    def revision(self) -> int:
        """A number that grows whenever anything changes."""
        self.catch_up()
        return self.store.revision()

    def add_fault(self, fault: Fault) -> None:
        """Let calls fail by a rule, after those that there are."""
        if not isinstance(fault, Fault):
            raise InvalidValue("fault", fault, ["a Fault"])
        self.store.add_fault(fault)

    def clear_faults(self) -> None:
        """Let no call fail any more."""
        self.store.clear_faults()

    def fault_rules(self) -> list[dict[str, Any]]:
        """The fault rules that are in force, in order."""
        return [fault.as_json() for _, fault in self.store.shared().faults]

    def advance(self, by: float | timedelta) -> float:
        """Move the clock forward by seconds or a timedelta, to 2200 at most; the time that it is now."""
        left = max(0.0, LAST_TIME - self.clock.now())
        self.store.advance(seconds("advance", by, left, ": the clock goes forward, to 2200"))
        self.refresh()
        self.catch_up()
        return self.clock.now()

    def reset(self) -> None:
        """No orders, no packages, no faults, an empty history, the clock at now; ids go on."""
        self.store.reset()
        self.refresh()

    def refresh(self) -> None:
        """Take over what other processes on the same store did to the clock."""
        self.clock.offset = self.store.shared().offset

    def catch_up(self) -> None:
        """Let everything happen that is due by now."""
        while due := self.store.due(self.clock.now()):
            for number in due:
                old = self.store.get(number)
                if old is not None:
                    new, happened = self._caught_up(old)
                    self.store.commit(old, new, None, happened)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _perform(
        self,
        order_id: int,
        trigger: Trigger,
        begin: Callable[[Record, Transition, float], Record | None] = lambda *_: None,
    ) -> tuple[Record, Record | None]:
        """Fire `trigger` on an order: the order as the caller sees it, and the order that `begin` made of the step.

        The change is one compare-and-set in the store. Who comes too late looks again, and is answered by the table.
        """
        while True:
            old = self.store.get(order_id)
            if old is None:
                self.lifecycle.service_transition(None, trigger)
                raise NotFoundOrder
            current, happened = self._caught_up(old)
            now = max(self.clock.now(), current.updated)
            try:
                row = self.lifecycle.service_transition(current.order.state, trigger)
            except Refusal as refusal:
                if isinstance(trigger, Operation):
                    happened.append(Happening(now, order_id, trigger, refusal.code))
                if self.store.commit(old, attrs.evolve(current, updated=now), None, happened):
                    raise
                continue
            seen = new = self._stepped(current, row, now)
            begun = begin(current, row, now)
            read = None
            if trigger is Operation.DESCRIBE:
                read = new.order.state
                seen = new = self._with_certificate(attrs.evolve(new, reads=new.reads + 1))
            happened.append(Happening(now, order_id, trigger, None, read, None if begun is None else begun.id))
            if read is not None and self.review.mode == READS and new.reads >= self.review.amount:
                new = self._reviewed(new, happened)
            if self.store.commit(old, new, begun, happened):
                return seen, begun

    def _stepped(self, record: Record, row: Transition, now: float) -> Record:
        """`record` after the step of `row`."""
        if row.target == record.order.state:
            return attrs.evolve(record, updated=now)
        order = record.order.apply(row.trigger, self.lifecycle)
        issued, expires = record.issued, record.expires
        if issued is None and self.lifecycle.state_rules[order.state].certified:
            issued, expires = now, now + self.validity
        return attrs.evolve(
            record,
            order=order,
            holds_unit=record.holds_unit and not row.gives_back(None if issued is None else now - issued),
            issued=issued,
            expires=expires,
            due=self._next(order, now, expires),
            previous=record.order.state,
            entered=now,
            updated=now,
            reads=0,
        )

    def _next(self, order: Order, entered: float, expires: float | None) -> float | None:
        """When something will happen by itself to an order that came into its state at `entered`; None if nothing."""
        times = [at for at, _ in self._by_calendar(order, expires)]
        if self.review.mode in {AT_ONCE, AFTER} and self._verdict(order) is not None:
            times.append(entered + self.review.amount)
        return min(times, default=None)

    def _by_calendar(self, order: Order, expires: float | None) -> list[tuple[float, Trigger]]:
        """What the calendar will do to an order whose certificate expires then, and when."""
        if expires is None:
            return []
        return [
            (expires - before, trigger)
            for trigger, before in self._calendar
            if self.lifecycle.plain.can(order.state, trigger)
        ]

    def _falls_due(self, record: Record, due: float) -> Trigger | None:
        """What happens to `record` at `due`: the calendar's event, or the CA's next, whichever review set it."""
        by_then = [coming for coming in self._by_calendar(record.order, record.expires) if coming[0] <= due]
        return min(by_then)[1] if by_then else self._verdict(record.order)

    def _verdict(self, order: Order) -> Event | None:
        """What owner and CA will do to an order next, if they act by themselves."""
        rejected = Random(f"{self._seed} {order.id}").random() < self.review.reject_share
        for event in (Event.DOMAIN_VALIDATED, Event.REVIEW_FAILED if rejected else Event.REVIEW_PASSED):
            if self.lifecycle.plain.can(order.state, event):
                return event
        return None

    def _reviewed(self, record: Record, happened: list[Happening]) -> Record:
        event = self._verdict(record.order)
        if event is None:
            return record
        happened.append(Happening(record.updated, record.id, event))
        return self._stepped(record, self.lifecycle.transition(record.order.state, event), record.updated)

    def _caught_up(self, record: Record) -> tuple[Record, list[Happening]]:
        """`record` after all that is due by now, and what that was."""
        happened: list[Happening] = []
        now = self.clock.now()
        while record.due is not None and record.due <= now:
            event = self._falls_due(record, record.due)
            if event is None:
                return attrs.evolve(record, due=None), happened
            at = max(record.due, record.updated)
            happened.append(Happening(at, record.id, event))
            record = self._stepped(record, self.lifecycle.transition(record.order.state, event), at)
        return record, happened

    def _begun(self, state: State | None, now: float, asked: Application, *, holds_unit: bool) -> Record:
        order = Order(self.store.new_id(), cast("State", state))
        return Record(
            order=order,
            product_code=asked.product_code,
            domains=asked.domains,
            created=now,
            entered=now,
            updated=now,
            validate_type=asked.validate_type,
            holds_unit=holds_unit,
            due=self._next(order, now, None),
            csr=asked.csr,
            tags=asked.tags,
        )

    def _with_certificate(self, record: Record) -> Record:
        """`record` and its certificate, made when it is first read."""
        if record.issued is None or record.expires is None or record.certificate is not None:
            return record
        certificate, key = self._ca.issue(record.domains, record.issued, record.expires, record.csr)
        return attrs.evolve(record, certificate=certificate, private_key=key)

    # -- what goes wrong ---------------------------------------------------------------------------------------------

    def _throttle(self, operation: Operation) -> None:
        limit = self.limits.get(operation)
        if limit is not None:
            now = machine_time()
            if self.store.hit(operation, int(now)) > limit:
                wait = int((1 - now % 1) * 1000) + 1
                raise GatewayError(THROTTLED, 429, "Request was denied due to user flow control.", wait)

    def _fault(self, operation: Operation, given: dict[str, str]) -> Fault | None:
        """The first rule that applies to this call, counted off."""
        faults = self.store.shared().faults
        if not faults:
            return None
        number = order_id(given) if "OrderId" in given else None
        for at, fault in faults:
            if not fault.matches(operation, number) or (fault.is_backend and not self._allows(operation, number)):
                continue
            if self._drawn(fault.probability) and self.store.take_fault(at):
                return fault
        return None

    def _allows(self, operation: Operation, number: int | None) -> bool:
        record = None if number is None else self.store.get(number)
        return self.lifecycle.plain.can(None if record is None else record.order.state, operation)

    def _drawn(self, probability: float) -> bool:
        return probability >= 1 or Random(f"{self._seed} fault {self.store.draw()}").random() < probability

    def _spoiled(self, response: Response, fault: Fault, request_id: str, given: dict[str, str]) -> Response:
        """What arrives of `response` under `fault`."""
        if fault.answers is not None:
            code, status = fault.answers
            response = failure(code, status, "an injected fault", request_id, fault.retry_after)
        elif fault.read is not None and response.status == 200:
            response = self._misread(response, fault.read, request_id, given)
        return attrs.evolve(response, delay=fault.delay, transport=fault.transport)

    def _misread(self, response: Response, how: str, request_id: str, given: dict[str, str]) -> Response:
        """What a describe answers instead of the truth."""
        if how == "missing":
            return failure(NotFoundOrder.code, NotFoundOrder.http_status, NotFoundOrder.text, request_id)
        record = self.store.get(order_id(given))
        if how == UNSPECIFIC_TYPE or record is None:
            return Response.of(200, {"Type": UNSPECIFIC_TYPE, "RequestId": request_id})
        if record.previous is None:
            return response
        stale = answers.state_of(record, wire.type_of(record.previous, self.lifecycle))
        return Response.of(200, stale | {"RequestId": request_id})


def _limit(lifecycle: Lifecycle, operation: Operation, number: int) -> tuple[Trigger, int]:
    if type(number) is not int or number < 0:
        raise InvalidValue(f"limit of {operation}", number, ["an integer from 0"])
    return lifecycle.trigger(operation), number


def _in_format(response: Response, request: Request) -> Response:
    """`response`, as XML if `request` is for it, with the root that the documents give it."""
    if not (response.body and answers_in_xml(request)):
        return response
    succeeded = response.status == HTTPStatus.OK and "HostId" not in response.json
    return response.as_xml(f"{operation_of(request)}Response" if succeeded else "Error")
