"""The calls of the API about certificate orders, for drivers: what a create asks for, and what lists and counts say."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from orderfsm import wire
from orderfsm.tables.api import PARAMETERS
from orderfsm.tables.orders import Operation

from .driver import Answer, Entry, NoAnswer, Page, Quota, state_read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orderfsm.identity import Id
    from orderfsm.rows import State, Trigger

    from .cas import CASDriver

OTHER_PRODUCT = "symantec-free-1-free"
"""A second package: what happens to orders of one must leave the units of the other alone."""

CONTACT = {"Email": "test@example.com", "Phone": "13800000000", "Username": "test"}
CSR = """-----BEGIN CERTIFICATE REQUEST-----
MIHTMHwCAQAwGjEYMBYGA1UEAwwPY3NyLmV4YW1wbGUuY29tMFkwEwYHKoZIzj0C
AQYIKoZIzj0DAQcDQgAEdUSv/kTeHI0nK+Tf/g88kVvEHCzrtJz9gmb238/W5kf3
3KVIA2Tp2A13fEYLgburFoHe7Rxr7/68aUPuIes3NaAAMAoGCCqGSM49BAMCA0cA
MEQCICvE6P12O35vKlGkiav4/JEhiccteXicgCd/OHMLOOQuAiAWXSWOuEy2es5a
YhAO+UH873yAJ0wbSMSi86jAAch0aQ==
-----END CERTIFICATE REQUEST-----
"""
"""A request for csr.example.com; nobody has its key."""


def application(operation: Trigger, number: int, product: str | None = None) -> dict[str, str]:
    """The parameters of a create, by the API's names. `number` makes the domain one that no other order has."""
    required = PARAMETERS[Operation(operation)].required
    by_csr = "Csr" in required
    subject = {"Csr": CSR} if by_csr else {"Domain": f"order-{number}.example.com"}
    return {**CONTACT, **subject, "ValidateType": "DNS", **({} if product is None else {"ProductCode": product})}


def list_parameters(status: str | None, keyword: str | None, page: int, size: int) -> dict[str, str | int]:
    """The parameters of a list, by the API's names."""
    given = {"Status": status, "Keyword": keyword, "CurrentPage": page, "ShowSize": size}
    return {name: value for name, value in given.items() if value is not None}


class Orders:
    """The calls about orders, made by a driver. Each order has a domain of its own."""

    home, reads, lists_oldest_first = "/orders", Operation.DESCRIBE, True

    def __init__(self, driver: CASDriver) -> None:
        self._driver = driver
        self._numbers = count(1)
        self._domains: dict[Id, str] = {}

    @property
    def probes(self) -> Sequence[tuple[Trigger, Mapping[str, Any]]]:
        """Reads by which a server is found to be there."""
        products = self._driver.products[:1]
        return [
            *((Operation.DESCRIBE_PACKAGE, {"ProductCode": product}) for product in products),
            (Operation.LIST, {}),
            (Operation.DESCRIBE, {"OrderId": 1}),
        ]

    def create(self, operation: Operation | None, package: int) -> Answer:
        """Create an order, from a package."""
        create = Operation.CREATE_FOR_PACKAGE if operation is None else operation
        asked = application(create, next(self._numbers), self._driver.products[package - 1])
        answer = self._driver.request(create, asked)
        if answer.order_id is not None and "Domain" in asked:
            self._domains[answer.order_id] = asked["Domain"]
        return answer

    def call(self, operation: Trigger, order_id: Id) -> Answer:
        """Call an operation on an order."""
        return self._driver.request(operation, {"OrderId": order_id})

    def seen(self, order_id: Id) -> frozenset[State | None]:
        """By a describe, and by the list where the describe leaves several states."""
        lifecycle = self._driver.lifecycle
        body = self._driver.body_of(Operation.DESCRIBE, {"OrderId": order_id})
        states = state_read(body.get("Type"), wire.types(lifecycle), f"{Operation.DESCRIBE}: Type")
        return states if len(states) <= 1 else states & self._in_the_list(order_id) or states

    def _in_the_list(self, order_id: Id) -> frozenset[State | None]:
        """The states that the list says an order may be in; every one if it does not say."""
        anything = frozenset(self._driver.lifecycle.state_rules)
        try:
            found = self.listed(keyword=self._domains.get(order_id))
        except NoAnswer:
            return anything
        words = [entry.status for entry in found.entries if entry.order_id == order_id]
        known = wire.statuses(self._driver.lifecycle)
        return known.get(words[0], anything) if words and isinstance(words[0], str) else anything

    def listed(
        self,
        *,
        status: str | None = None,
        keyword: str | None = None,
        page: int = 1,
        size: int = 50,
        field: str | None = None,  # noqa: ARG002  # there is one only
    ) -> Page:
        """A page of the list; what is missing of the answer is empty."""
        body = self._driver.body_of(Operation.LIST, list_parameters(status, keyword, page, size))
        entries = [Entry(e.get("OrderId", 0), e.get("Status", ""), e.get("Domain", "")) for e in rows(body)]
        return Page(tuple(entries), body.get("TotalCount", 0), body)

    def placed(self) -> None:
        """None is: a create is completed at once."""

    def bought(self, _operation: Trigger, _again: Id | None = None) -> None:
        """None is bought: orders are made from packages."""

    def quota(self, package: int) -> Quota:
        """The counts of a package; what is missing of the answer is 0."""
        product = self._driver.products[package - 1]
        body = self._driver.body_of(Operation.DESCRIBE_PACKAGE, {"ProductCode": product})
        return Quota(body.get("TotalCount", 0), body.get("UsedCount", 0), body.get("IssuedCount", 0), body)


def rows(body: Mapping[str, Any], name: str = "CertificateOrderList") -> list[Mapping[str, Any]]:
    """The objects in a list of an answer; none if there is no such list."""
    listed = body.get(name)
    return [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
