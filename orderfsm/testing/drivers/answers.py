"""The JSON of CAS, for drivers: what a create asks for, and what answers say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orderfsm.tables.api import PARAMETERS
from orderfsm.tables.orders import Operation

from .driver import Answer, Entry, NoAnswer, Page, Quota, says_nothing

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def not_read(operation: Operation, answer: Answer) -> NoAnswer:
    """What is to be raised where `operation`, a read, got that answer."""
    return NoAnswer(f"{operation}: {answer}", passing=says_nothing(answer), answer=answer)


def page_of(body: Mapping[str, Any]) -> Page:
    """The page of a list that a body is; what is missing is empty."""
    listed = body.get("CertificateOrderList")
    listed = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    entries = [Entry(e.get("OrderId", 0), e.get("Status", ""), e.get("Domain", "")) for e in listed]
    return Page(tuple(entries), body.get("TotalCount", 0), body)


def quota_of(body: Mapping[str, Any]) -> Quota:
    """The counts of a package that a body says; what is missing is 0."""
    return Quota(body.get("TotalCount", 0), body.get("UsedCount", 0), body.get("IssuedCount", 0), body)
