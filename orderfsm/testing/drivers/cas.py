"""The API of CAS, for drivers: its calls, what a create asks for, and what answers say in JSON."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import count
from typing import TYPE_CHECKING, Any

from orderfsm.tables.api import PARAMETERS, VERSION
from orderfsm.tables.orders import Operation
from orderfsm.trace import Outcome

from .driver import Answer, Entry, NoAnswer, Page, Quota, says_nothing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orderfsm.identity import Id
    from orderfsm.rows import State, Trigger

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


def state_read(word: object, meanings: Mapping[str, frozenset[State | None]], kind: str) -> frozenset[State | None]:
    """The states that a word which was read may mean; `NoAnswer` if it is none of those that `meanings` has."""
    states = meanings.get(word) if isinstance(word, str) else None
    if states is None:
        raise NoAnswer(f"{kind} {word!r:.80}", passing=False)
    return states


def of_json(status: int, body: Any) -> Answer:
    """The answer that an HTTP status and a decoded body are."""
    if not isinstance(body, dict):
        return Answer.unknown()
    if status == 200:
        order_id = body.get("OrderId")
        return Answer.accepted(http_status=status, body=body, order_id=order_id if isinstance(order_id, int) else None)
    return Answer.refused(str(body.get("Code", "")), http_status=status, body=body)


class CASDriver(ABC):
    """Calls the API of CAS by its requests: `products` are its packages, and each order has a domain of its own."""

    speaks_cas = True
    products: Sequence[str]

    def __init__(self) -> None:
        self._numbers = count(1)
        self._domains: dict[Id, str] = {}

    @abstractmethod
    def request(self, action: str, parameters: Mapping[str, Any], *, version: str = VERSION) -> Answer: ...

    @property
    def packages(self) -> int:
        return len(self.products)

    def create(self, operation: Operation = Operation.CREATE_FOR_PACKAGE, package: int = 1) -> Answer:
        asked = application(operation, next(self._numbers), self.products[package - 1])
        answer = self.request(operation, asked)
        if answer.order_id is not None and "Domain" in asked:
            self._domains[answer.order_id] = asked["Domain"]
        return answer

    def call(self, operation: Operation, order_id: int | str) -> Answer:
        return self.request(operation, {"OrderId": order_id})

    def orders(self, *, status: str | None = None, keyword: str | None = None, page: int = 1, size: int = 50) -> Page:
        """What is missing of the answer is empty."""
        body = self._read(Operation.LIST, list_parameters(status, keyword, page, size))
        listed = body.get("CertificateOrderList")
        listed = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
        entries = [Entry(e.get("OrderId", 0), e.get("Status", ""), e.get("Domain", "")) for e in listed]
        return Page(tuple(entries), body.get("TotalCount", 0), body)

    def quota(self, package: int = 1) -> Quota:
        """What is missing of the answer is 0."""
        body = self._read(Operation.DESCRIBE_PACKAGE, {"ProductCode": self.products[package - 1]})
        return Quota(body.get("TotalCount", 0), body.get("UsedCount", 0), body.get("IssuedCount", 0), body)

    def _read(self, operation: Operation, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """The JSON of the answer to a read; `NoAnswer` if it was refused."""
        answer = self.request(operation, parameters)
        if answer.outcome is not Outcome.ACCEPTED or answer.body is None:
            raise NoAnswer(f"{operation}: {answer}", passing=says_nothing(answer), answer=answer)
        return answer.body
