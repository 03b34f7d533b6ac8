"""What the API port reads out of a request, once: a `Call`, or the gateway's error for what is wrong with it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from orderfsm import wire
from orderfsm.identity import MAX_ID
from orderfsm.mock.dns import asked as dns_asked
from orderfsm.mock.records import Application
from orderfsm.tables import alidns, api, instances
from orderfsm.tables.orders import Operation

from .ca import common_name
from .gateway import ALIDNS, CAS, GatewayError, Product, invalid, missing, not_offered
from .given import TAKEN, XML, are_domains, asked_format, given, number, tags, word
from .instances import asked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.mock.message import Request
    from orderfsm.mock.records import Record
    from orderfsm.rows import Trigger

DEFAULT_PRODUCT = "digicert-free-1-free"
VALIDATE_TYPES = ("DNS", "FILE")
PACKAGE_ORDERS, UPLOADED, CERTIFICATES = "CPACK", "UPLOAD", "CERT"
ORDER_TYPES = (PACKAGE_ORDERS, "BUY", UPLOADED, CERTIFICATES)
MAX_DOMAINS = 5


class CertificateOperation(StrEnum):
    """What is asked of a certificate that was issued, and so concerns no order's life."""

    DETAIL = "GetCertificateDetail"
    DOWNLOAD = "GetUserCertificateDetail"
    REMOVE = "DeleteUserCertificate"
    UPLOAD = "UploadUserCertificate"


_ACTIONS: Mapping[str, Any] = {
    **{each.value: each for kind in (Operation, instances.Operation, CertificateOperation) for each in kind},
    **{action: action for action in alidns.PARAMETERS},
}
_READERS: Mapping[str, Any] = {**asked.READERS, **dns_asked.READERS}
_VERSION_OF = api.PURCHASES | dict.fromkeys(alidns.PARAMETERS, alidns.VERSION)
_INSTANCE = instances.LIFECYCLE.identity.form.partition("{")[0]
_VERSIONS = (api.VERSION, *dict.fromkeys(_VERSION_OF.values()))


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

    `order_id` is the id of an order or of an instance, `about` what else is asked for that is not about orders. `wrong`
    is the gateway's error for the first parameter whose value is wrong: it is answered when the call's turn comes,
    after rate limits and faults.
    """

    operation: Trigger
    order_id: Id | None = None
    application: Application | None = None
    renewal: Renewal | None = None
    selection: Selection | None = None
    product_code: str | None = None
    about: asked.Asked | dns_asked.Asked | None = None
    wrong: GatewayError | None = None


def operation_of(request: Request) -> Trigger:
    """Which operation a request calls; the gateway's error if it is not one of ours, or not of its version."""
    if request.path != "/":
        raise GatewayError("InvalidAction.NotFound", 404, "The specified path is not found: every action is at /.")
    if request.method not in {"GET", "POST"}:
        raise GatewayError("UnsupportedHTTPMethod", 405, "This http method is not supported.")
    version = _version(request)
    if not version:
        raise missing("Version")
    if version not in _VERSIONS:
        raise invalid("Version", " or ".join(_VERSIONS))
    action = _system(request, "x-acs-action", "Action")
    if not action:
        raise missing("Action")
    if action not in _ACTIONS or _VERSION_OF.get(action, api.VERSION) != version:
        raise not_offered()
    operation: Trigger = _ACTIONS[action]
    return operation


def product_of(request: Request) -> Product:
    """The product that a request is for, by its version."""
    return ALIDNS if _version(request) == alidns.VERSION else CAS


def _version(request: Request) -> str | None:
    return _system(request, "x-acs-version", "Version")


def _system(request: Request, header: str, name: str) -> str | None:
    """A system parameter: that of the header if it can be signed, which is where `Authorization` stands; else `name`'s.

    Each stands in for the other where that one is not there.
    """
    headers, parameter = request.headers, request.parameters.get(name)
    return (headers.get(header) or parameter) if "authorization" in headers else (parameter or headers.get(header))


def answers_in_xml(request: Request) -> bool:
    """Whether the answer is XML: if `Format` says so, or is absent from a query signature, whose default that is."""
    parameters = request.parameters
    asked_for = asked_format(parameters) if "Format" in parameters else None
    if asked_for is None:
        return "Signature" in parameters and "authorization" not in request.headers
    return asked_for == XML


def call_of(operation: Trigger, request: Request, lifecycle: Lifecycle) -> Call:
    """The call of `operation` that a request is; the gateway's error for the first parameter that is missing."""
    parameters = given(operation, request)
    try:
        return _asked(operation, parameters, lifecycle)
    except GatewayError as wrong:
        return Call(operation, wrong=wrong)


def _asked(operation: Trigger, given: dict[str, str], lifecycle: Lifecycle) -> Call:
    taken = TAKEN[operation]
    if "OrderId" in taken.required:
        if operation is Operation.RENEW:
            return Call(operation, _id_of_any_kind(given), renewal=_renewal(given))
        return Call(operation, _order_id(given))
    if operation is Operation.LIST:
        return Call(operation, selection=_selection(given, lifecycle))
    if operation is Operation.DESCRIBE_PACKAGE:
        return Call(operation, product_code=given.get("ProductCode", DEFAULT_PRODUCT))
    if not isinstance(operation, Operation):
        named = next((given[name] for name in asked.ON_AN_INSTANCE if name in taken.required), None)
        return Call(operation, named, about=_READERS[operation](given))
    return Call(operation, application=application(given))


def _order_id(given: Mapping[str, str]) -> int:
    """The `OrderId`: a number in 1 .. 2**63-1."""
    value = given["OrderId"]
    if value.isascii() and value.isdigit() and len(value) <= 19 and 0 < int(value) <= MAX_ID:
        return int(value)
    raise no_order_id()


def _id_of_any_kind(given: Mapping[str, str]) -> Id:
    """The `OrderId`, which here may be that of an instance: it will be refused for what it is."""
    try:
        return _order_id(given)
    except GatewayError:
        if given["OrderId"].startswith(_INSTANCE):
            return given["OrderId"]
        raise


def no_order_id() -> GatewayError:
    """The answer to an `OrderId` that is none."""
    return invalid("OrderId", f"a number in 1 .. {MAX_ID}")


def _domains(given: Mapping[str, str]) -> tuple[str, ...]:
    """The domains of an order, such that a certificate can be issued for them: in ASCII, each as DNS has them.

    That is the common name of the `Csr`, if there is one, else those of `Domain`.
    """
    csr = given.get("Csr")
    if not csr and not given.get("Domain"):
        raise missing("Domain")
    names = (common_name(csr),) if csr else tuple(given["Domain"].split(","))
    if len(names) > MAX_DOMAINS or not are_domains(names):
        raise invalid("Csr" if csr else "Domain", "a domain name" if csr else f"1 to {MAX_DOMAINS} domain names")
    return names


def application(given: Mapping[str, str]) -> Application:
    """What a create asks for, by the names that the API gives it."""
    validate_type = word(given, "ValidateType", VALIDATE_TYPES, VALIDATE_TYPES[0])
    product_code = given.get("ProductCode", DEFAULT_PRODUCT)
    return Application(_domains(given), validate_type, product_code, given.get("Csr"), tags(given))


def _renewal(given: Mapping[str, str]) -> Renewal:
    csr = given.get("Csr")
    return Renewal(None if csr is None else _domains(given), csr, tags(given))


def _selection(given: Mapping[str, str], lifecycle: Lifecycle) -> Selection:
    """What a list asks for."""
    order_type = word(given, "OrderType", ORDER_TYPES, ORDER_TYPES[0])
    status = word(given, "Status", list(wire.statuses(lifecycle))) or None
    page, size = number(given, "CurrentPage", 1), number(given, "ShowSize", 50)
    return Selection(page, size, order_type, status, given.get("Keyword", ""))
