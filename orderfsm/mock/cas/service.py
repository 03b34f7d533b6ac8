"""The service behind the API port, without I/O: a request goes in, a response comes out.

It decides nothing about an order's life, which is the engine's and the table's. It reads a request once, into a
`Call`, lets the engine do what that says, and writes the answer.
"""

from __future__ import annotations

import logging
import os
import uuid
from functools import partial
from http import HTTPStatus
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import attrs

from orderfsm import wire
from orderfsm.errors import InternalError, NotFound, NotFoundPackage, ServiceError
from orderfsm.invalid import InvalidValue
from orderfsm.mock.clock import Clock, machine_time, seconds
from orderfsm.mock.dns.asked import domain_name
from orderfsm.mock.dns.face import Domains
from orderfsm.mock.dns.zones import Zones
from orderfsm.mock.engine import CLOCK, Approval, Engine, Fired, completion_mode
from orderfsm.mock.faults import THROTTLED, Fault
from orderfsm.mock.message import Request, Response
from orderfsm.mock.review import Review
from orderfsm.mock.stores.memory import MemoryStore
from orderfsm.mock.stores.store import Store, StoreError
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.tables import alidns
from orderfsm.tables import instances as instances_table
from orderfsm.tables.orders import UNSPECIFIC_TYPE, VALIDITY, Event, Operation

from . import answers
from .ca import CertificateAuthority
from .certificates import Certificates
from .choices import Choices
from .gateway import ALIDNS, CAS, GatewayError, Product, failure, not_offered, refusal
from .given import TAKEN
from .instances import asked
from .instances.answers import Answers
from .instances.details import moved
from .instances.face import Instances
from .instances.resources import Resources
from .instances.words import Words
from .ownership import Ownership, instance_waits, order_waits, validation_mode
from .parameters import (
    CERTIFICATES,
    DEFAULT_PRODUCT,
    PACKAGE_ORDERS,
    UPLOADED,
    Call,
    CertificateOperation,
    Selection,
    answers_in_xml,
    application,
    call_of,
    no_order_id,
    operation_of,
    product_of,
)
from .signature import Verifier
from .told import require

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from datetime import timedelta

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.mock.dns.zones import DNSRecord
    from orderfsm.mock.records import Package, Record
    from orderfsm.mock.stores.store import Shared
    from orderfsm.rows import State, Trigger
    from orderfsm.trace import Line

DEFAULT_UNITS = 20
MAX_PRODUCT_CODE = 128
MAX_UNITS = 2**31 - 1
MAX_VALIDITY = 100 * 366 * 86_400
"""Seconds that a certificate may be valid."""

APPROVAL = Approval(
    passing=(Event.DOMAIN_VALIDATED, Event.REVIEW_PASSED), rejecting=(Event.DOMAIN_VALIDATED, Event.REVIEW_FAILED)
)
ISSUANCE = Approval(
    passing=(instances_table.Event.CERTIFICATE_ISSUED,), rejecting=(instances_table.Event.REVIEW_FAILED,)
)
TAKES: Mapping[Trigger, float] = MappingProxyType(
    {
        instances_table.Event.PURCHASE_SETTLED: 5.0,
        instances_table.Event.SUBMISSION_ACCEPTED: 17.0,  # shown after 2 s, and 15 s later taken up
        instances_table.Event.WITHDRAWAL_COMPLETED: 180.0,
        instances_table.Event.REVOCATION_COMPLETED: 60.0,
        instances_table.Event.REFUND_COMPLETED: 60.0,
    }
)
"""Seconds after which what the service completes is done: our choice, within what was observed."""

INSTANCE_PARAMETERS = {"Spec": "spec", "Domain": "domain"}
"""What an instance that nobody bought may be asked for."""

UNREADABLE = "unreadable"
"""What a fault makes of a read: a 200 that the SDK cannot read."""

MAX_TAKES = 366 * 86_400
"""Seconds that a completion may take."""


class Service:
    """A certificate service in process: `handle` answers its API, the other methods do what happens behind its back.

    `lifecycle` is the table that rules its V1.0 orders, `instances` that of its V2.0 instances (one of these may also
    be given as `lifecycle`), `store` where both are (memory), `clock` by which certificates expire and reviews end,
    `random` from which every choice is drawn. `review` is what the CA does by itself, or the words for it. With `keys`,
    secrets by access key id, signatures are verified; without, every key is accepted. `limits` are calls a second by
    operation. `validity` is how long a certificate is valid: seconds, or a timedelta. `completions` says whether what
    is under way with an instance is completed by the clock ("clock") or only when it is told to ("manual"), as long as
    nobody has said otherwise to the store; `takes` how many seconds that takes by the clock, or a timedelta, by the
    completion, where it is not as `TAKES` says; `choices` what else of instances nobody documents. With `validate`
    "dns" owners validate their domains by the records that they publish through AliDNS, and not when the review says;
    `domains` are those of their account, in which else every one is that somebody can register. Safe between threads.
    """

    def __init__(
        self,
        *,
        lifecycle: Lifecycle = ORDER_LIFECYCLE,
        instances: Lifecycle = instances_table.LIFECYCLE,
        store: Store | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
        review: Review | str | None = None,
        keys: Mapping[str, str] | None = None,
        limits: Mapping[str, int] | None = None,
        validity: float | timedelta = VALIDITY,
        completions: str = CLOCK,
        takes: Mapping[Trigger, float | timedelta] | Mapping[str, float | timedelta] = MappingProxyType({}),
        choices: Choices = Choices(),  # noqa: B008  (it is immutable)
        validate: str | None = None,
        domains: Iterable[str] = (),
    ) -> None:
        require(
            {
                "lifecycle": lifecycle,
                "instances": instances,
                "store": store,
                "clock": clock,
                "random": random,
                "review": review,
                "keys": keys,
                "limits": limits,
                "takes": takes,
                "choices": choices,
                "domains": domains,
            }
        )
        lifecycle, instances = tables_of(lifecycle, instances)
        self.lifecycle = lifecycle
        self._types = {state: wire.type_of(state, lifecycle) for state in lifecycle.state_rules}
        self._statuses = {state: wire.status_of(state, lifecycle) for state in lifecycle.state_rules}
        self.store: Store = MemoryStore() if store is None else store
        self.clock = Clock() if clock is None else clock
        self.review = Review.parse(review) if isinstance(review, str) else review or Review()
        self.limits = dict(_limit(lifecycle, *limit) for limit in (limits or {}).items())
        self.validity = seconds("validity", validity, MAX_VALIDITY)
        self._seed = (Random() if random is None else random).getrandbits(64)
        self.validate = validation_mode(validate)
        authority = CertificateAuthority(self.store)
        by_dns = self.validate is not None
        words = Words(instances, choices.shown_after)
        self.engine = Engine(
            lifecycle,
            self.store,
            self.clock,
            review=self.review,
            approval=APPROVAL,
            seed=self._seed,
            validity=self.validity,
            certify=authority.certify,
            holds=order_waits(lifecycle) if by_dns else None,
        )
        self.instances = Engine(
            instances,
            self.store,
            self.clock,
            review=self.review,
            approval=ISSUANCE,
            seed=self._seed,
            validity=self.validity,
            takes=_takes(instances, takes),
            completions=completions,
            moved=partial(moved, lifecycle=instances, words=words),
            holds=instance_waits(words) if by_dns else None,
        )
        self.engines = (self.engine, self.instances)
        self._shared: Shared | None = None
        self._fired: set[int] = set()
        resources = Resources(self.instances, self.engine)
        written = Answers(words, in_seconds=choices.in_seconds)
        self._face = Instances(resources, choices, words, written)
        self._certificates = Certificates(resources, authority, words, written)
        self.zones = Zones(self.store, self.clock)
        self._ownership = Ownership(self.engine, self.instances, words, self.zones) if by_dns else None
        self._dns = Domains(self.zones, self._published)
        self._domains = tuple(map(_domain, domains))
        self._offered = {*lifecycle.trigger_rules, *instances.trigger_rules, *CertificateOperation, *alidns.PARAMETERS}
        self._verifier = Verifier(keys, fresh=self.store.remember_nonce) if keys else None
        self._answers: Mapping[str, Callable[[Call], dict[str, Any] | str]] = {
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
            **self._face.answers,
            **self._certificates.answers,
            **self._dns.answers,
        }
        # Of several services that begin on one new store, the one whose name it keeps buys the default package.
        name = uuid.uuid4().hex
        if self.store.setting("default package bought by", lambda: name) == name:
            self.store.put_package(DEFAULT_PRODUCT, DEFAULT_UNITS)
            self._put_domains()

    @property
    def verifies(self) -> bool:
        """Whether signatures are verified, and not every request is believed."""
        return self._verifier is not None

    # -- the API port ------------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        """The response of the API port to `request`; it never raises."""
        request_id = _new_request_id()
        call: Call | None = None
        try:
            self.refresh()
            call = self._read(request)
            response = self._answered(call, request_id)
        except GatewayError as error:
            response = refusal(error, request_id, product_of(request))
        except Exception as error:  # noqa: BLE001  (it is logged)
            return self._unknown(request, request_id, error, exc_info=not isinstance(error, StoreError))
        return _in_format(response, request, call)

    def gave_up(self, request: Request, reason: str) -> Response:
        """The response to a call that nobody waits for any more, `reason` being for the log alone."""
        return self._unknown(request, _new_request_id(), reason)

    def _unknown(self, request: Request, request_id: str, reason: object, **logged: Any) -> Response:
        """The answer to a call of which nobody knows whether it was carried out."""
        logging.getLogger(__name__).error("orderfsm: request %s failed: %s", request_id, reason, **logged)
        return _in_format(refusal(InternalError, request_id, product_of(request)), request)

    def _read(self, request: Request) -> Call:
        """What a request asks for, if it may ask."""
        operation = operation_of(request)
        if operation not in self._offered:
            raise not_offered()
        if self._verifier is not None:
            self._verifier.verify(request)
        call = call_of(operation, request, self.lifecycle)
        if self.limits:
            self._throttle(operation)
        return call

    def _throttle(self, operation: Trigger) -> None:
        limit = self.limits.get(operation)
        if limit is not None:
            now = machine_time()
            if self.store.hit(operation, int(now)) > limit:
                wait = int((1 - now % 1) * 1000) + 1
                raise GatewayError(THROTTLED, 429, "Request was denied due to user flow control.", wait)

    def _answered(self, call: Call, request_id: str) -> Response:
        fault = self._fault(call)
        if fault is None:
            return self._carried_out(call, request_id)
        if fault.when == "after" or not (fault.answers or fault.transport):
            response = self._carried_out(call, request_id)
        else:
            response = Response.of(200, {})
        return self._spoiled(response, fault, call, request_id)

    def _carried_out(self, call: Call, request_id: str) -> Response:
        try:
            if call.wrong is not None:
                raise call.wrong
            if self._ownership is not None and call.order_id is not None:
                self._ownership.look(call.order_id)
            answered = self._answers[call.operation](call)
            if isinstance(answered, str):
                return Response(200, f'{answered[:-1]},"RequestId":"{request_id}"}}'.encode())
            if not answered:  # as most changes are
                return Response(200, f'{{"RequestId":"{request_id}"}}'.encode())
            return Response.of(200, answered | {"RequestId": request_id})
        except (ServiceError, GatewayError) as error:
            return refusal(error, request_id, _product_of(call))

    # -- what each operation does ------------------------------------------------------------------------------------

    def _create(self, call: Call) -> dict[str, Any]:
        assert call.application is not None
        try:
            return {"OrderId": self.engine.begin(call.operation, call.application).id}
        except NotFoundPackage:
            self._refuse_instance(call.application.product_code)
            raise

    def _fire(self, call: Call) -> Fired:
        assert call.order_id is not None
        renewal = None if call.renewal is None else call.renewal.application
        return self.engine.fire(call.order_id, call.operation, renewal)

    def _step(self, call: Call) -> dict[str, Any]:
        self._fire(call)
        return {}

    def _renew(self, call: Call) -> dict[str, Any]:
        assert call.order_id is not None
        if isinstance(call.order_id, str):
            self._refuse_instance(call.order_id)
            raise no_order_id()
        try:
            begun = self._fire(call).begun
        except NotFound:
            self._refuse_instance(call.order_id)
            raise
        return {} if begun is None else {"OrderId": begun.id}

    def _describe(self, call: Call) -> dict[str, Any]:
        record = self._fire(call).order
        return answers.state_of(record, self._types[record.state])

    def _list(self, call: Call) -> dict[str, Any]:
        asked = call.selection
        assert asked is not None
        self.engine.catch_up()
        found = self.engine.found()
        states = [state for state in found if asked.status in {None, self._statuses[state]}]
        if asked.order_type in {CERTIFICATES, UPLOADED}:
            rules = self.lifecycle.state_rules
            # Unless a status is asked for, only certificates that can still be used.
            states = [s for s in states if rules[s].certified and (asked.status or not rules[s].terminal)]
            listed, total = self._certificates.of_orders(states if asked.order_type == CERTIFICATES else [], asked)
        else:
            # Every order here was made from a package; none was bought.
            records, total = self._selected(states if asked.order_type == PACKAGE_ORDERS else [], asked)
            listed = [answers.order(record, self._statuses[record.state]) for record in records]
        return {
            "CertificateOrderList": listed,
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
        found = [record] if record is not None and record.state in states else []
        return found[(asked.page - 1) * asked.size :][: asked.size], len(found)

    def _describe_package(self, call: Call) -> dict[str, Any]:
        assert call.product_code is not None
        self.engine.catch_up()
        return answers.package(self.store.package(call.product_code))

    def _refuse_instance(self, named: Id) -> None:
        """`InsufficientQuota` if what a create or a renewal names is an instance, whose certificates have no quota."""
        identity = self.instances.lifecycle.identity
        try:
            record = self.store.get(identity.new(named) if isinstance(named, int) else identity.check(named))
        except InvalidValue:
            return
        if record is not None:
            raise GatewayError("InsufficientQuota", 400, "The quota of the package is insufficient.")

    # -- what goes wrong ---------------------------------------------------------------------------------------------

    def _fault(self, call: Call) -> Fault | None:
        """The first rule that applies to this call, counted off."""
        assert self._shared is not None  # `refresh` has asked for it
        for at, fault in self._shared.faults:
            if not fault.matches(call.operation, call.order_id):
                continue
            if fault.is_backend and not self._engine_for(call.operation).allows(call.order_id, call.operation):
                continue
            if self._drawn(fault.probability) and self.store.take_fault(at):
                self._fired.add(at)
                return fault
        return None

    def _engine_for(self, operation: Trigger) -> Engine:
        """The engine of the orders or instances which an operation is about."""
        return self.instances if operation in self.instances.lifecycle.trigger_rules else self.engine

    def _drawn(self, probability: float) -> bool:
        return probability >= 1 or Random(f"{self._seed} fault {self.store.draw()}").random() < probability

    def _spoiled(self, response: Response, fault: Fault, call: Call, request_id: str) -> Response:
        """What arrives of `response` under `fault`."""
        if fault.answers is not None:
            code, status = fault.answers
            response = failure(
                code, status, "an injected fault", request_id, retry_after=fault.retry_after, product=_product_of(call)
            )
        elif fault.read is not None and response.status == 200:
            response = self._misread(response, fault.read, call, request_id)
        return attrs.evolve(response, delay=fault.delay, transport=fault.transport)

    def _misread(self, response: Response, how: str, call: Call, request_id: str) -> Response:
        """What a describe answers instead of the truth."""
        engine = self._engine_for(call.operation)
        if how == "missing":
            return refusal(engine.lifecycle.not_found, request_id)
        if how == UNREADABLE:
            return Response.of(200, [response.json])
        record = None if call.order_id is None else self.store.get(call.order_id)
        if engine is self.instances:
            told = self._face.misread(response.json, record, how)
            return Response.of(200, told | {"RequestId": request_id})
        if how == UNSPECIFIC_TYPE or record is None:
            return Response.of(200, {"Type": UNSPECIFIC_TYPE, "RequestId": request_id})
        if record.previous is None:
            return response
        stale = answers.state_of(record, self._types[record.previous])
        return Response.of(200, stale | {"RequestId": request_id})

    # -- behind the API's back ---------------------------------------------------------------------------------------

    def begin(self, state: State | str, parameters: Mapping[str, str]) -> Record:
        """A new order, moved to `state` on a shortest way by calls and events, which the history tells of.

        `state` is a State, its value or name, or a word of the API that means no other. `parameters` are those of a
        create, by the names that the API gives them. No fault and no rate limit applies; quota does.
        """
        for name, value in parameters.items():
            if not isinstance(value, str):
                raise InvalidValue(name, value, ["a text"])
        return self.engine.place(cast("State", state), application(parameters))

    def begin_instance(
        self, state: State | str | None = None, parameters: Mapping[str, str] = MappingProxyType({})
    ) -> Record:
        """A new instance, bought and settled unless another `state` is named; moved there as `begin` moves an order.

        `parameters` are its `Spec` and its `Domain`, several with commas. No fault applies.
        """
        for name, value in parameters.items():
            if name not in INSTANCE_PARAMETERS:
                raise InvalidValue("member of an instance", name, INSTANCE_PARAMETERS)
            if not isinstance(value, str):
                raise InvalidValue(name, value, ["a text"])
        given = {INSTANCE_PARAMETERS[name]: value for name, value in parameters.items()}
        if state is None:
            state = settled(self.instances.lifecycle)[-1]
        return self.instances.place(cast("State", state), asked.settled(**given))

    def instance_fields(self, record: Record) -> dict[str, Any]:
        """What GetInstanceDetail answers of an instance as it stands in `record`: no key, no certificate."""
        return self._face.written.detail(record, self.clock.now())

    def happen(self, order_id: Id, event: Trigger) -> Record:
        """Let an `Event` happen to an order or an instance; the table's refusal where it cannot, which names it."""
        record = self.engine_of(order_id).happen(order_id, event)
        if self._ownership is None:
            return record
        self._ownership.look(record.id)
        return self.store.get(record.id) or record

    def engine_of(self, order_id: Id) -> Engine:
        """The engine of an order, or of an instance, by the kind of its id."""
        return self.instances if isinstance(order_id, str) else self.engine

    def put_package(self, product_code: str, total: int) -> Package:
        """Buy a package, or change its size (0 .. 2**31-1); what is held stays held."""
        if not isinstance(product_code, str) or not 0 < len(product_code) <= MAX_PRODUCT_CODE:
            raise InvalidValue("product code", product_code, [f"a text of 1 to {MAX_PRODUCT_CODE} characters"])
        if type(total) is not int or not 0 <= total <= MAX_UNITS:
            raise InvalidValue("TotalCount", total, [f"an integer in 0 .. {MAX_UNITS}"])
        return self.store.put_package(product_code, total)

    def packages(self) -> list[Package]:
        """All packages, by product code."""
        return self.engine.packages()

    def put_domain(self, name: str) -> None:
        """Take a domain into the account: from the first one on, only those are there that were taken in."""
        self.zones.add(_domain(name))

    def delete_domain(self, name: str) -> None:
        """Let a domain leave the account, with its records; `InvalidValue` if it is not there."""
        self.zones.remove(self._known_domain(name))

    def domains(self) -> list[str]:
        """The domains of the account that were taken in, or have had records."""
        return list(self.zones.domains())

    def dns_records(self, domain: str) -> list[DNSRecord]:
        """The records of a domain, oldest first; `InvalidValue` if it is not in the account."""
        return self.zones.records(self._known_domain(domain))

    def _known_domain(self, name: str) -> str:
        if not self.zones.has(_domain(name)):
            raise InvalidValue("domain", name, self.domains() or ["one that can be registered"])
        return _domain(name)

    def _put_domains(self) -> None:
        for name in self._domains:
            self.zones.add(name)

    def _published(self, name: str) -> None:
        if self._ownership is not None:
            self._ownership.published(name)

    def order(self, order_id: int) -> Record:
        """An order as it stands; the table's `not_found` (`NotFoundOrder`) if there is none, or none any more."""
        return self.engine.order(order_id)

    def orders(self, states: frozenset[State | None] | None = None, after: int = 0, limit: int = 1000) -> list[Record]:
        """The first `limit` orders that are not deleted (in `states`), oldest first, those with an id after `after`."""
        return self.engine.orders(states, after or None, limit)

    def latest(self, limit: int, states: Collection[State | None] | None = None, skip: int = 0) -> list[Record]:
        """The last `limit` orders that are not deleted (in `states`), without the `skip` last of them, newest first."""
        return self.engine.latest(limit, states, skip)

    def count(self) -> int:
        """How many orders there are that are not deleted."""
        return self.engine.count()

    def history(self, order_id: Id | None = None) -> Iterator[Line]:
        """What happened, to one order or instance or to all, as lines of the trace format."""
        self.catch_up()
        for told in self.store.history(order_id):
            for engine in self.engines:
                if engine.tells_of(told):
                    yield engine.line(told)

    def revision(self) -> int:
        """A number that grows whenever anything changes."""
        self.catch_up()
        return self.store.revision()

    def add_fault(self, fault: Fault) -> None:
        """Let calls fail by a rule, after those that there are."""
        if not isinstance(fault, Fault):
            raise InvalidValue("fault", fault, ["a Fault"])
        self.store.add_fault(attrs.evolve(fault, lifecycle=self.lifecycles))

    def clear_faults(self) -> None:
        """Let no call fail any more."""
        self.store.clear_faults()

    def fault_rules(self) -> list[dict[str, Any]]:
        """The fault rules that are in force, in order."""
        return [fault.as_json() for _, fault in self.store.shared().faults]

    def unfired_faults(self) -> list[dict[str, Any]]:
        """Those of the fault rules that applied to no call yet of this process, in order."""
        return [fault.as_json() for at, fault in self.store.shared().faults if at not in self._fired]

    def advance(self, by: float | timedelta) -> float:
        """Move the clock forward by seconds or a timedelta, to 2200 at most; the time that it is now."""
        now = self.engine.advance(by)
        self.instances.catch_up()
        return now

    @property
    def lifecycles(self) -> tuple[Lifecycle, ...]:
        """The tables of orders and of instances."""
        return tuple(engine.lifecycle for engine in self.engines)

    @property
    def completions(self) -> str:
        """Whether what is under way is completed by the clock, or by hand: "clock" or "manual"."""
        return self.instances.completions

    def put_completions(self, mode: str) -> None:
        """Say, to all processes on the store, how what is under way is completed: "clock" or "manual".

        What is under way by then waits, and is due from when it began as soon as the clock decides again.
        """
        self.store.put_completions(completion_mode(mode))
        self.refresh()

    def reset(self) -> None:
        """No orders, instances, packages, records or faults, an empty history, the clock at now; ids go on.

        Of the account's domains those stay that the service was given.

        How what is under way is completed stays as it is.
        """
        self.store.reset()
        self.refresh()
        self._put_domains()

    def refresh(self) -> None:
        """Take over what other processes on the same store did to the clock, and to who completes what is under way."""
        shared = self.store.shared()
        if shared is not self._shared:
            self._shared = shared
            for engine in self.engines:
                engine.refresh(shared)

    def catch_up(self) -> None:
        """Let everything happen that is due by now."""
        for engine in self.engines:
            engine.catch_up()


def tables_of(lifecycle: Lifecycle, instances: Lifecycle = instances_table.LIFECYCLE) -> tuple[Lifecycle, Lifecycle]:
    """The tables of orders and of instances, of which `lifecycle` may be either; `InvalidValue` if it is neither."""
    if _is_of_instances(lifecycle):
        return ORDER_LIFECYCLE, lifecycle
    if not _is_of_instances(instances):
        raise InvalidValue("table of instances", instances.name or instances, ["one of the V2.0 API's operations"])
    refuse_others(lifecycle)
    return lifecycle, instances


def settled(instances: Lifecycle) -> tuple[State, ...]:
    """The states of an instance that was bought, and then settled."""
    bought = [row.target for row in instances.transitions if row.source is None and row.target is not None]
    follow = {rule.trigger for rule in instances.triggers if rule.follows in instances.creates}
    then = [row.target for row in instances.transitions if row.source in bought and row.trigger in follow]
    return tuple(dict.fromkeys(state for state in (*bought, *then) if state is not None))


def _is_of_instances(lifecycle: Lifecycle) -> bool:
    """Whether it is a table of the V2.0 API's operations, read as its answers say."""
    fields = {vocabulary.field for vocabulary in lifecycle.vocabularies}
    known = all(isinstance(operation, instances_table.Operation) for operation in lifecycle.operations)
    return bool(
        lifecycle.operations and known and lifecycle.identity.is_text and {"Status", "CertificateStatus"} <= fields
    )


def _takes(lifecycle: Lifecycle, given: Mapping[Any, float | timedelta]) -> dict[Trigger, float]:
    """How many seconds each completion takes; `InvalidValue` if one is `given` that is none."""
    completions = [rule.trigger for rule in lifecycle.triggers if rule.follows is not None]
    takes = dict(TAKES)
    for word, time in given.items():
        try:
            event = lifecycle.trigger(word)
        except InvalidValue:
            event = None
        if event not in completions:
            raise InvalidValue("completion", word, completions)
        takes[event] = seconds(f"seconds until {event}", time, MAX_TAKES)
    return takes


def refuse_others(lifecycle: Lifecycle) -> None:
    """`InvalidValue` unless `lifecycle` is a table of this API's operations, read as its answers say."""
    fields = {vocabulary.field for vocabulary in lifecycle.vocabularies}
    known = lifecycle.operations and all(isinstance(operation, Operation) for operation in lifecycle.operations)
    if not known or lifecycle.identity.is_text or not fields >= {"Type", "Status"}:
        accepted = (
            "one of the CAS API's operations: over HTTP no other is served; `Engine` of orderfsm.mock.engine lives by "
            "any, and `MachineDriver` of orderfsm.testing tries it"
        )
        raise InvalidValue("table", lifecycle.name or lifecycle, [accepted])


def _domain(name: object) -> str:
    """The domain that `name` is; `InvalidValue` if it is none."""
    try:
        return domain_name({"DomainName": name if isinstance(name, str) else ""})
    except GatewayError:
        raise InvalidValue("domain", name, ["a domain name"]) from None


def _product_of(call: Call) -> Product:
    return ALIDNS if call.operation in alidns.PARAMETERS else CAS


def _new_request_id() -> str:
    """A random UUID in capitals: `uuid` takes three times as long, for every call."""
    digits = os.urandom(16).hex().upper()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-A{digits[17:20]}-{digits[20:]}"


def _limit(lifecycle: Lifecycle, operation: str, number: int) -> tuple[str, int]:
    if type(number) is not int or number < 0:
        raise InvalidValue(f"limit of {operation}", number, ["an integer from 0"])
    return operation if operation in TAKEN else lifecycle.trigger(cast("Trigger", operation)), number


def _in_format(response: Response, request: Request, call: Call | None = None) -> Response:
    """`response`, as XML if `request` is for it, with the root that the documents give it."""
    if not (response.body and answers_in_xml(request)):
        return response
    succeeded = call is not None and response.status == HTTPStatus.OK and "HostId" not in response.json
    return response.as_xml(f"{call.operation}Response" if call is not None and succeeded else "Error")
