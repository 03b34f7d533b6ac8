"""A driver for a `Service` of this process: the mock without its sockets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from orderfsm.extras import needs
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.tables.api import VERSION

from .cas import CASDriver, of_json, takes_quota
from .driver import Answer
from .orders import OTHER_PRODUCT

with needs("mock"):
    from orderfsm.mock import Request, Service
    from orderfsm.mock.cas.parameters import DEFAULT_PRODUCT
    from orderfsm.mock.http.control import Control

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orderfsm.lifecycle import Lifecycle


class ServiceDriver(CASDriver):
    """Drives `service` by its `handle`, and by what its control port does for what happens behind the API's back.

    `lifecycle` is a table of what the service has: of orders, or of instances.

    >>> from orderfsm.mock import Service
    >>> from orderfsm.testing import ServiceDriver, check_conformance
    >>> str(check_conformance(ServiceDriver(Service()), random=0).verdict)
    'conforms'
    """

    def __init__(self, service: Service, *, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> None:
        super().__init__(lifecycle, _ControlInProcess(service))
        self.service = service
        self.products = [DEFAULT_PRODUCT, OTHER_PRODUCT] if takes_quota(lifecycle) else []

    def request(self, action: str, parameters: Mapping[str, Any], *, version: str = VERSION) -> Answer:
        headers = {"x-acs-version": version, "x-acs-action": action}
        response = self.service.handle(Request("POST", "/", parameters, headers))
        if response.transport is not None:
            return Answer.unknown()
        return of_json(response.status, response.json)


class _ControlInProcess:
    """The control port of a service, without its socket."""

    def __init__(self, service: Service) -> None:
        self._control = Control(service)

    def ask(self, method: str, path: str, document: object = None) -> tuple[int, Any]:
        """The status and the JSON of an answer."""
        body = b"" if document is None else json.dumps(document).encode()
        response = self._control.handle(Request(method, path, body=body))
        return response.status, response.json if response.body else None
