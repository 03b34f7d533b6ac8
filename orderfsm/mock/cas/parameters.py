"""What the API port reads out of a request, once: a `Call`, or the gateway's error for what is wrong with it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import attrs

from orderfsm import wire
from orderfsm.identity import MAX_ID
from orderfsm.mock.records import Application
from orderfsm.tables import api
from orderfsm.tables.orders import Operation

from .ca import common_name
from .gateway import GatewayError, invalid, missing, not_offered
from .signature import contradicted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.mock.message import Request
    from orderfsm.mock.records import Record

DEFAULT_PRODUCT = "digicert-free-1-free"
VALIDATE_TYPES = ("DNS", "FILE")
PACKAGE_ORDERS, CERTIFICATES = "CPACK", "CERT"
ORDER_TYPES = (PACKAGE_ORDERS, "BUY", "UPLOAD", CERTIFICATES)
MAX_DOMAINS = 5
MAX_DOMAIN = 253
"""Characters of a domain name (RFC 1035)."""

MAX_TAGS = 20
JSON, XML = "JSON", "XML"

_DOMAIN = re.compile(
    r"(?:\*\.)?(?:(?!-)[a-z0-9-]{1,63}(?<!-)\.)+(?!-)(?=.*[a-z])[a-z0-9-]{1,63}(?<!-)", re.IGNORECASE | re.ASCII
)
_ACTIONS = {operation.value: operation for operation in Operation}
_MAX_LENGTHS = {"Domain": 1280, "Csr": 16_384, "Email": 254, "CompanyName": 256}
_MAX_LENGTH = 128
_LONGEST = {
    operation: {name: _MAX_LENGTHS.get(name, _MAX_LENGTH) for name in (*taken.required, *taken.any_of, *taken.optional)}
    for operation, taken in api.PARAMETERS.items()
}


@attrs.frozen
class Renewal:
    """What a renewal asks for: the `domains` of its signing request, None without one."""

    domains: tuple[str, ...] | None
    csr: str | None
    tags: tuple[tuple[str, str], ...]

    def application(self, old: Record) -> Application:
        """What the second order is asked for: all else is as in the order that is renewed."""
        return Application(self.domains or old.domains, old.validate_type, old.product_code, self.csr, self.tags)


@attrs.frozen
class Selection:
    """Which part of the list of orders is asked for: a page, of those that match."""

    page: int
    size: int
    order_type: str
    status: str | None
    keyword: str


class Call(NamedTuple):
    """What a request asks for: an operation, and that which its parameters say, each None where it takes no such.

    `wrong` is the gateway's error for the first parameter whose value is wrong: it is answered when the call's turn
    comes, after rate limits and faults.
    """

    operation: Operation
    order_id: int | None = None
    application: Application | None = None
    renewal: Renewal | None = None
    selection: Selection | None = None
    product_code: str | None = None
    wrong: GatewayError | None = None


def operation_of(request: Request) -> Operation:
    """Which operation a request calls; the gateway's error if it is not one of ours, or not of our version."""
    if request.path != "/":
        raise GatewayError("InvalidAction.NotFound", 404, "The specified path is not found: every action is at /.")
    if request.method not in {"GET", "POST"}:
        raise GatewayError("UnsupportedHTTPMethod", 405, "This http method is not supported.")
    version = _system(request, "x-acs-version", "Version")
    if not version:
        raise missing("Version")
    if version != api.VERSION:
        raise invalid("Version", api.VERSION)
    action = _system(request, "x-acs-action", "Action")
    if not action:
        raise missing("Action")
    if action not in _ACTIONS:
        raise not_offered()
    return _ACTIONS[action]


def _system(request: Request, header: str, name: str) -> str | None:
    """A system parameter: that of the header if it can be signed, which is where `Authorization` stands; else `name`'s.

    Each stands in for the other where that one is not there.
    """
    headers, parameter = request.headers, request.parameters.get(name)
    return (headers.get(header) or parameter) if "authorization" in headers else (parameter or headers.get(header))


def answers_in_xml(request: Request) -> bool:
    """Whether the answer is XML: if `Format` says so, or is absent from a query signature, whose default that is."""
    given = request.parameters
    asked_for = _format(given) if "Format" in given else None
    if asked_for is None:
        return "Signature" in given and "authorization" not in request.headers
    return asked_for == XML


def _format(given: Mapping[str, str]) -> str | None:
    """The `Format` in capitals; None if there is none, for which `aliyun-python-sdk-core` writes the word `None`."""
    asked_for = given.get("Format")
    return asked_for.upper() if asked_for and asked_for.upper() != "NONE" else None


def call_of(operation: Operation, request: Request, lifecycle: Lifecycle) -> Call:
    """The call of `operation` that a request is; the gateway's error for the first parameter that is missing."""
    given = _given(operation, request)
    try:
        return _asked(operation, given, lifecycle)
    except GatewayError as wrong:
        return Call(operation, wrong=wrong)


def _asked(operation: Operation, given: dict[str, str], lifecycle: Lifecycle) -> Call:
    if "OrderId" in api.PARAMETERS[operation].required:
        renewal = _renewal(given) if operation is Operation.RENEW else None
        return Call(operation, _order_id(given), renewal=renewal)
    if operation is Operation.LIST:
        return Call(operation, selection=_selection(given, lifecycle))
    if operation is Operation.DESCRIBE_PACKAGE:
        return Call(operation, product_code=given.get("ProductCode", DEFAULT_PRODUCT))
    return Call(operation, application=application(given))


def _given(operation: Operation, request: Request) -> dict[str, str]:
    """The parameters of `operation`: none of the required ones absent or empty, none longer than it may be."""
    taken = api.PARAMETERS[operation]
    given = {name: value for name, value in request.parameters.items() if value}
    if ("Action" in given or "Version" in given) and "authorization" not in request.headers:
        for name in contradicted(request):
            if name in given:
                raise invalid(name, "what the header beside it says")
    if "Format" in given and _format(given) not in {JSON, XML, None}:
        raise invalid("Format", f"{JSON} or {XML}")
    for name in taken.required:
        if name not in given:
            raise missing(name)
    if taken.any_of and not any(name in given for name in taken.any_of):
        raise missing(taken.any_of[0])
    for name, longest in _LONGEST[operation].items():
        if name in given and len(given[name]) > longest:
            raise invalid(name, f"at most {longest} characters")
    return given


def _order_id(given: Mapping[str, str]) -> int:
    """The `OrderId`: a number in 1 .. 2**63-1."""
    value = given["OrderId"]
    if value.isascii() and value.isdigit() and len(value) <= 19 and 0 < int(value) <= MAX_ID:
        return int(value)
    raise invalid("OrderId", f"a number in 1 .. {MAX_ID}")


def _domains(given: Mapping[str, str]) -> tuple[str, ...]:
    """The domains of an order, such that a certificate can be issued for them: in ASCII, each as DNS has them.

    That is the common name of the `Csr`, if there is one, else those of `Domain`.
    """
    csr = given.get("Csr")
    if not csr and not given.get("Domain"):
        raise missing("Domain")
    names = (common_name(csr),) if csr else tuple(given["Domain"].split(","))
    if len(names) > MAX_DOMAINS or not all(len(name) <= MAX_DOMAIN and _DOMAIN.fullmatch(name) for name in names):
        raise invalid("Csr" if csr else "Domain", "a domain name" if csr else f"1 to {MAX_DOMAINS} domain names")
    return names


def application(given: Mapping[str, str]) -> Application:
    """What a create asks for, by the names that the API gives it."""
    validate_type = given.get("ValidateType", VALIDATE_TYPES[0])
    if validate_type not in VALIDATE_TYPES:
        raise invalid("ValidateType", " or ".join(VALIDATE_TYPES))
    product_code = given.get("ProductCode", DEFAULT_PRODUCT)
    return Application(_domains(given), validate_type, product_code, given.get("Csr"), _tags(given))


def _renewal(given: Mapping[str, str]) -> Renewal:
    csr, tags = given.get("Csr"), _tags(given)
    return Renewal(None if csr is None else _domains(given), csr, tags)


def _tags(given: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The flattened list `Tags.1.Key`, `Tags.1.Value`, ... as pairs."""
    numbered = [name.split(".") for name in given if name.startswith("Tags.")]
    numbers = sorted({int(parts[1]) for parts in numbered if len(parts) == 3 and re.fullmatch("[0-9]{1,4}", parts[1])})
    if len(numbers) > MAX_TAGS:
        raise invalid("Tags", f"at most {MAX_TAGS} tags")
    pairs = tuple((given.get(f"Tags.{n}.Key", ""), given.get(f"Tags.{n}.Value", "")) for n in numbers)
    for key, value in pairs:
        if not key or len(key) > _MAX_LENGTH or len(value) > _MAX_LENGTH:
            raise invalid("Tags", f"keys of 1 to {_MAX_LENGTH} characters, values of at most as many")
    return pairs


def _selection(given: Mapping[str, str], lifecycle: Lifecycle) -> Selection:
    """What a list asks for."""
    order_type, status = given.get("OrderType", ORDER_TYPES[0]), given.get("Status")
    if order_type not in ORDER_TYPES:
        raise invalid("OrderType", ", ".join(ORDER_TYPES))
    known = wire.statuses(lifecycle)
    if status is not None and status not in known:
        raise invalid("Status", ", ".join(known))
    page, size = _number(given, "CurrentPage", 1), _number(given, "ShowSize", 50)
    return Selection(page, size, order_type, status, given.get("Keyword", ""))


def _number(given: Mapping[str, str], name: str, default: int) -> int:
    value = given.get(name, str(default))
    if re.fullmatch("[0-9]{1,9}", value) and int(value) > 0:
        return int(value)
    raise invalid(name, "a number from 1 to 999999999")
