"""What a request gets that never reaches an order: PROTOCOLS.md, section 1, on codes and the order of checks.

Version, action, parameters, then the order and the quota: of two faults, the one that is checked first is answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orderfsm.errors import NotFoundPackage
from orderfsm.tables.api import PARAMETERS
from orderfsm.tables.orders import Operation
from orderfsm.testing.drivers.cas import application
from orderfsm.testing.model.steps import Ask

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_ACTION, NO_VERSION, NO_PRODUCT = "OrderfsmNoSuchAction", "1999-12-31", "orderfsm-no-such-product"
"""What no server has."""

BAD_REQUEST, NOT_FOUND = 400, 404


def asked() -> Iterator[tuple[Operation, Ask]]:
    """Requests that must be turned away, each with the operation that is to answer for it."""
    read = Operation.DESCRIBE_PACKAGE
    yield read, Ask(read, NO_ACTION, "InvalidAction.NotFound", NOT_FOUND)
    yield Operation.LIST, Ask(Operation.LIST, Operation.LIST, "InvalidVersion", BAD_REQUEST, version=NO_VERSION)
    yield Operation.DESCRIBE, Ask(read, NO_ACTION, "InvalidVersion", BAD_REQUEST, version=NO_VERSION)
    yield read, Ask(read, read, NotFoundPackage.code, NotFoundPackage.http_status, (("ProductCode", NO_PRODUCT),))
    for operation, taken in PARAMETERS.items():
        given = application(operation, 1) if {"Domain", "Csr"} & {*taken.required, *taken.any_of} else {}
        for name in (*taken.required, *taken.any_of[:1]):
            rest = {key: value for key, value in given.items() if key != name and key not in taken.any_of}
            for parameters in (rest, {**rest, name: ""}):
                yield operation, Ask(operation, operation, f"Missing{name}", BAD_REQUEST, tuple(parameters.items()))
