"""The service behind the API port, without I/O: a request goes in, a response comes out.

It decides nothing about an order's life. The table says whether a trigger is allowed, where it leads and which error
its refusal is; the service reads parameters, keeps what the table's step made of the order, and writes the answer.
"""

from __future__ import annotations

import uuid
from random import Random
from typing import TYPE_CHECKING, Any, cast

import attrs

from orderfsm import wire
from orderfsm.errors import BY_CODE, InvalidValue, NotFoundOrder, ServiceError
from orderfsm.lifecycle import ORDER_LIFECYCLE, Lifecycle
from orderfsm.order import Order
from orderfsm.spec import VALIDITY, Actor, Event, Operation, State

from . import answers
from .ca import CertificateAuthority, common_name
from .clock import Clock
from .message import GatewayError, Request, Response
from .parameters import (
    DEFAULT_PRODUCT,
    ORDER_TYPES,
    application,
    operation_of,
    order_id,
    parameters_of,
    selection,
    tags,
)
from .store import MemoryStore, Package, Record, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orderfsm.spec import Trigger

HOST = "cas.aliyuncs.com"
DEFAULT_UNITS = 20


@attrs.frozen
class Fault:
    """A rule by which calls fail: of `operation`, on `order_id`, `times` more times; None: any, any, always."""

    code: str
    operation: Operation | None = None
    order_id: int | None = None
    times: int | None = 1


class Service:
    """A certificate service in process: `handle` answers its API, the other methods do what happens behind its back.

    `lifecycle` is the table that rules it, `store` where the orders are (memory), `clock` by which certificates
    expire, `random` from which every choice is drawn. Safe between threads.
    """

    def __init__(
        self,
        *,
        lifecycle: Lifecycle = ORDER_LIFECYCLE,
        store: Store | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
    ) -> None:
        self.lifecycle = lifecycle
        self.store = MemoryStore() if store is None else store
        self.clock = Clock() if clock is None else clock
        self.random = Random() if random is None else random
        self.faults: list[Fault] = []
        self._ca = CertificateAuthority()
        self.store.put_package(DEFAULT_PRODUCT, DEFAULT_UNITS)
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

    # -- the API port ------------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        """The response of the API port to `request`; it never raises."""
        request_id = str(uuid.UUID(int=self.random.getrandbits(128), version=4)).upper()
        try:
            operation = operation_of(request)
            given = parameters_of(operation, request)
            self._fail(operation, given)
            answer = self._answers[operation](operation, given)
        except ServiceError as error:
            return _failure(error.code, error.http_status, error.text, request_id)
        except GatewayError as error:
            return _failure(error.code, error.http_status, error.message, request_id)
        return Response.of(200, answer | {"RequestId": request_id})

    def _create(self, operation: Operation, given: dict[str, str]) -> dict[str, Any]:
        asked = application(given)
        row = self.lifecycle.transition(None, operation)
        record = Record(
            order=self._new_order(row.target),
            product_code=asked.product_code,
            domains=asked.domains,
            created=self.clock.now(),
            validate_type=asked.validate_type,
            holds_unit=row.quota > 0,
            csr=asked.csr,
            tags=asked.tags,
        )
        self.store.insert(record)
        return {"OrderId": record.id}

    def _step(self, operation: Operation, given: dict[str, str]) -> dict[str, Any]:
        self._apply(order_id(given), operation)
        return {}

    def _renew(self, operation: Operation, given: dict[str, str]) -> dict[str, Any]:
        csr, labels = given.get("Csr"), tags(given)
        if csr is not None:
            common_name(csr)
        old, begins_in = self._apply(order_id(given), operation)
        new = Record(
            order=self._new_order(begins_in),
            product_code=old.product_code,
            domains=old.domains,
            created=self.clock.now(),
            validate_type=old.validate_type,
            holds_unit=False,
            csr=csr or old.csr,
            tags=labels,
        )
        self.store.insert(new)
        return {"OrderId": new.id}

    def _describe(self, operation: Operation, given: dict[str, str]) -> dict[str, Any]:
        record, _ = self._apply(order_id(given), operation)
        return answers.state_of(self._with_certificate(record), wire.type_of(record.order.state, self.lifecycle))

    def _list(self, _operation: Operation, given: dict[str, str]) -> dict[str, Any]:
        asked = selection(given, self.lifecycle)
        # Every order here was made from a package; the documents call those CPACK.
        orders = self.orders() if asked.order_type == ORDER_TYPES[0] else []
        entries = [answers.order(r, self.lifecycle) for r in orders if asked.keyword in ",".join(r.domains)]
        found = [entry for entry in entries if asked.status in {None, entry["Status"]}]
        return {
            "CertificateOrderList": found[(asked.page - 1) * asked.size : asked.page * asked.size],
            "CurrentPage": asked.page,
            "ShowSize": asked.size,
            "TotalCount": len(found),
        }

    def _describe_package(self, _operation: Operation, given: dict[str, str]) -> dict[str, Any]:
        return answers.package(self.store.package(given.get("ProductCode", DEFAULT_PRODUCT)))

    # -- behind the API's back ---------------------------------------------------------------------------------------

    def happen(self, order_id: int, event: Trigger) -> Record:
        """Let an `Event` happen to an order; the table's refusal where it cannot."""
        rule = self.lifecycle.trigger_rules[self.lifecycle.trigger(event)]
        if rule.actor is Actor.CLIENT:
            raise InvalidValue("event", event, Event)
        return self._apply(order_id, rule.trigger)[0]

    def put_package(self, product_code: str, total: int) -> Package:
        """Buy a package, or change its size; what is held stays held."""
        return self.store.put_package(product_code, total)

    def order(self, order_id: int) -> Record:
        """An order as it stands; `NotFoundOrder` if there is none, or none any more."""
        record = self.store.get(order_id)
        if record is None or wire.type_of(record.order.state, self.lifecycle) is None:
            raise NotFoundOrder
        return record

    def orders(self) -> list[Record]:
        """All orders that are not deleted, oldest first."""
        return [r for r in self.store.records() if wire.type_of(r.order.state, self.lifecycle) is not None]

    def reset(self) -> None:
        """No orders, no packages, no faults, the clock at now; ids go on."""
        self.store.reset()
        self.faults.clear()
        self.clock.reset()

    # -- inside ------------------------------------------------------------------------------------------------------

    def _apply(self, order_id: int, trigger: Trigger) -> tuple[Record, State | None]:
        """Move an order along the table: the order after, and where another one begins, if the step makes one."""
        while True:
            old = self.store.get(order_id)
            row = self.lifecycle.answer(None if old is None else old.order.state, trigger)
            if old is None:
                raise NotFoundOrder
            if row.target == old.order.state:
                return old, row.creates
            now = self.clock.now()
            new = attrs.evolve(old, order=old.order.apply(trigger, self.lifecycle))
            if new.holds_unit and row.gives_back(None if old.issued is None else now - old.issued):
                new = attrs.evolve(new, holds_unit=False)
            if wire.type_of(row.target, self.lifecycle) == "certificate" and old.issued is None:
                new = attrs.evolve(new, issued=now, expires=now + VALIDITY)
            if self.store.replace(old, new):
                return new, row.creates

    def _new_order(self, state: State | None) -> Order:
        return Order(self.store.new_id(), cast("State", state))

    def _with_certificate(self, record: Record) -> Record:
        """`record` and its certificate, made when it is first read."""
        while record.issued is not None and record.expires is not None and record.certificate is None:
            certificate, key = self._ca.issue(list(record.domains), record.issued, record.expires, record.csr)
            new = attrs.evolve(record, certificate=certificate, private_key=key)
            record = new if self.store.replace(record, new) else self.order(record.id)
        return record

    def _fail(self, operation: Operation, given: dict[str, str]) -> None:
        """Raise what the first fault for this call says, and count it off."""
        for at, fault in enumerate(self.faults):
            if fault.operation in {None, operation} and str(fault.order_id or "") in {"", given.get("OrderId")}:
                left = None if fault.times is None else fault.times - 1
                self.faults[at : at + 1] = [] if left == 0 else [attrs.evolve(fault, times=left)]
                raise BY_CODE[fault.code]


def _failure(code: str, http_status: int, message: str, request_id: str) -> Response:
    return Response.of(http_status, wire.error_body(code, message, request_id, HOST))
