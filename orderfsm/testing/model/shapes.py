"""The shape of the answers of CAS: the members that the documents name for each, and their types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orderfsm import wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Trigger

Shape = dict[str, type]

REFUSAL: Shape = {"Code": str, "Message": str, "RequestId": str}
FAILURE: Shape = {**REFUSAL, "HostId": str, "Recommend": str}
"""Everything that a failure has; the calls of programs are held to what clients need of it."""

LISTED: Mapping[str, Shape] = {
    "CertificateOrderList": {"OrderId": int, "Domain": str, "Status": str},
    "InstanceList": {"InstanceId": str, "Status": str},
    "CertificateList": {"CertificateId": str},
}
"""What each entry of a list has, by what an answer calls the list."""

CERTIFICATE: Shape = {"Certificate": str, "CertId": str}
VALIDATION: Mapping[str, Shape] = {
    "DNS": {"RecordDomain": str, "RecordType": str, "RecordValue": str},
    "FILE": {"Uri": str, "Content": str},
}
"""What DescribeCertificateState answers besides, by the `ValidateType` in the answer."""

ACCEPTED: Mapping[str, Shape] = {
    "CreateCertificateRequest": {"OrderId": int},
    "CreateCertificateForPackageRequest": {"OrderId": int},
    "CreateCertificateWithCsrRequest": {"OrderId": int},
    "DescribeCertificateState": {"Type": str},
    "ListUserCertificateOrder": {"CertificateOrderList": list, "CurrentPage": int, "ShowSize": int, "TotalCount": int},
    "CancelOrderRequest": {},
    "DeleteCertificateRequest": {},
    "CancelCertificateForPackageRequest": {},
    "RenewCertificateOrderForPackageRequest": {"OrderId": int},
    "DescribePackageState": {"ProductCode": str, "TotalCount": int, "UsedCount": int, "IssuedCount": int},
    "CreateInstance": {"Data": dict},
    "GetInstanceDetail": {"InstanceId": str, "Status": str},
    "ListInstances": {"InstanceList": list, "CurrentPage": int, "ShowSize": int, "TotalCount": int},
    "GetInstanceSummary": {"TotalCount": int, "InactiveCount": int, "WillExpireCount": int},
    "ListCertificates": {"CertificateList": list, "TotalCount": int},
}
"""The members of what is accepted; of an operation that is not here, its RequestId."""


def flaw(operation: Trigger, body: Mapping[str, Any], lifecycle: Lifecycle, *, refused: bool = False) -> str | None:
    """What is wrong with the JSON of an answer, as a sentence; None if nothing is."""
    if refused:
        return flaw_in(body, REFUSAL)
    shape = ACCEPTED.get(operation, {})
    wrong = flaw_in(body, shape | {"RequestId": str})
    if wrong is None and "Type" in shape:
        wrong = flaw_in(body, _described(body, lifecycle))
    for name in shape.keys() & LISTED.keys() if wrong is None else ():
        entries = body[name]
        shown = LISTED[name]
        flaws = (flaw_in(each, shown) if isinstance(each, dict) else f"an entry is {each!r:.60}" for each in entries)
        wrong = next(filter(None, flaws), None)
    return wrong


def _described(body: Mapping[str, Any], lifecycle: Lifecycle) -> Shape:
    """What a describe has besides its `Type`: the certificate, or how to validate the domain if it says that."""
    certified = {wire.type_of(rule.state, lifecycle) for rule in lifecycle.states if rule.certified}
    return CERTIFICATE if body["Type"] in certified else VALIDATION.get(str(body.get("ValidateType")), {})


def flaw_in(body: Mapping[str, Any], shape: Shape) -> str | None:
    """The first member that is missing or of another type, as a sentence; None if there is none."""
    for name, kind in shape.items():
        value = body.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            return f"{name} is {value!r:.60}" if name in body else f"no {name}"
        if kind is str and not value and name not in {"Message", "Recommend"}:
            return f"{name} is empty"
    return None
