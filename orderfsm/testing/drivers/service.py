"""A driver for a `Service` of this process: the mock without its sockets."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from orderfsm.errors import Refusal
from orderfsm.extras import needs
from orderfsm.tables.api import VERSION
from orderfsm.tables.orders import Operation
from orderfsm.trace import Outcome

from .answers import OTHER_PRODUCT, application, gone, not_read, of_json, page_of, quota_of
from .driver import Answer, Page, Quota

with needs("mock"):
    from orderfsm.mock import Request, Service
    from orderfsm.mock.cas.parameters import DEFAULT_PRODUCT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orderfsm.rows import Event, State


class ServiceDriver:
    """Drives `service` by its `handle`, and by its methods for what happens behind the API's back.

    >>> from orderfsm.mock import Service
    >>> from orderfsm.testing import ServiceDriver, check_conformance
    >>> str(check_conformance(ServiceDriver(Service()), random=0).verdict)
    'conforms'
    """

    products = (DEFAULT_PRODUCT, OTHER_PRODUCT)

    def __init__(self, service: Service) -> None:
        self.service = service
        self._created = count(1)

    @property
    def packages(self) -> int:
        return len(self.products)

    def create(self, operation: Operation = Operation.CREATE_FOR_PACKAGE, package: int = 1) -> Answer:
        return self.request(operation, application(operation, next(self._created), self.products[package - 1]))

    def call(self, operation: Operation, order_id: int | str) -> Answer:
        return self.request(operation, {"OrderId": order_id})

    def observe(self, order_id: int) -> frozenset[State | None]:
        try:
            return frozenset([self.service.order(order_id).order.state])
        except Refusal:
            return gone(self.service.lifecycle)

    def happen(self, order_id: int, event: Event) -> Answer:
        try:
            self.service.happen(order_id, event)
        except Refusal as refusal:
            return Answer.refused(refusal.code)
        return Answer.accepted()

    def orders(self, *, status: str | None = None, keyword: str | None = None, page: int = 1, size: int = 50) -> Page:
        given = {"Status": status, "Keyword": keyword, "CurrentPage": page, "ShowSize": size}
        return page_of(self._read(Operation.LIST, {name: value for name, value in given.items() if value is not None}))

    def quota(self, package: int = 1) -> Quota:
        return quota_of(self._read(Operation.DESCRIBE_PACKAGE, {"ProductCode": self.products[package - 1]}))

    def reset(self, units: int | None) -> bool:
        self.service.reset()
        if units is not None:
            for product in self.products:
                self.service.put_package(product, units)
        return True

    def request(self, action: str, parameters: Mapping[str, Any], *, version: str = VERSION) -> Answer:
        headers = {"x-acs-version": version, "x-acs-action": action}
        response = self.service.handle(Request("POST", "/", parameters, headers))
        if response.transport is not None:
            return Answer.unknown()
        return of_json(response.status, response.json)

    def _read(self, operation: Operation, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = self.request(operation, parameters)
        if answer.body is None or answer.outcome is not Outcome.ACCEPTED:
            raise not_read(operation, answer)
        return answer.body
