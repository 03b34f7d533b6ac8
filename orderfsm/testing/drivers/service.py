"""A driver for a `Service` of this process: the mock without its sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orderfsm.errors import Refusal
from orderfsm.extras import needs
from orderfsm.tables.api import VERSION

from .cas import OTHER_PRODUCT, CASDriver, of_json
from .driver import Answer

with needs("mock"):
    from orderfsm.mock import Request, Service
    from orderfsm.mock.cas.parameters import DEFAULT_PRODUCT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orderfsm.rows import Event, State


class ServiceDriver(CASDriver):
    """Drives `service` by its `handle`, and by its methods for what happens behind the API's back.

    >>> from orderfsm.mock import Service
    >>> from orderfsm.testing import ServiceDriver, check_conformance
    >>> str(check_conformance(ServiceDriver(Service()), random=0).verdict)
    'conforms'
    """

    products = (DEFAULT_PRODUCT, OTHER_PRODUCT)

    def __init__(self, service: Service) -> None:
        super().__init__()
        self.service = service

    def observe(self, order_id: int) -> frozenset[State | None]:
        try:
            return frozenset([self.service.order(order_id).order.state])
        except Refusal:
            return self.service.lifecycle.gone

    def happen(self, order_id: int, event: Event) -> Answer:
        try:
            self.service.happen(order_id, event)
        except Refusal as refusal:
            return Answer.refused(refusal.code)
        return Answer.accepted()

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
