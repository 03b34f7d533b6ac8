"""The official SDK: which versions are supported, its names for the API's operations, and what a call came to.

Supported are `alibabacloud-cas20200407` 3.x, and 2.0.4. They raise different exceptions for the same answer; `Answer`
is what they have in common.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.errors import InternalError, NotFoundOrder, OrderFSMError, OrderStateError
from orderfsm.extras import needs
from orderfsm.trace import Outcome

PACKAGE = "alibabacloud-cas20200407"
SUPPORTED = "3.x or 2.0.4"


class UnsupportedSDK(OrderFSMError, ImportError):
    """The installed version of the official SDK is not supported; the message names those that are."""


def require_supported(installed: str) -> None:
    """Raise `UnsupportedSDK` unless `installed` is a version of the SDK that is supported."""
    if installed != "2.0.4" and not installed.startswith("3."):
        raise UnsupportedSDK(f"{PACKAGE} {installed} is not supported, only {SUPPORTED}")


with suppress(PackageNotFoundError):  # the import below says what to install
    require_supported(version(PACKAGE))

with needs("client"):
    from alibabacloud_cas20200407 import models
    from alibabacloud_cas20200407.client import Client
    from alibabacloud_tea_openapi import models as openapi
    from Tea.exceptions import TeaException, UnretryableException

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from darabonba.runtime import RuntimeOptions

    from orderfsm.spec import Operation
else:
    try:
        from alibabacloud_cas20200407.client import RuntimeOptions
    except ImportError:  # 2.0.4 takes those of another package
        from alibabacloud_tea_util.models import RuntimeOptions

__all__ = [
    "Answer",
    "Client",
    "RuntimeOptions",
    "UnsupportedSDK",
    "domains_of_csr",
    "method_name",
    "request",
    "response",
    "send",
    "send_async",
    "send_raw",
]


@cache
def method_name(operation: str) -> str:
    """The SDK client's method for an operation: its action name in snake case."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()


def request(operation: Operation, **fields: Any) -> Any:
    """The SDK's request for `operation`, with `fields` by the SDK's names (`order_id`)."""
    return getattr(models, f"{operation}Request")(**fields)


def response(operation: Operation, **fields: Any) -> Any:
    """A response as the SDK makes it of an answer with the body `fields`, by the SDK's names (`order_id`)."""
    body = getattr(models, f"{operation}ResponseBody")(**fields)
    return getattr(models, f"{operation}Response")(headers={}, status_code=200, body=body)


def domains_of_csr(csr: str) -> tuple[str, ...]:
    """The domains that a certificate signing request (PEM) is for; none if it cannot be read."""
    from cryptography import x509  # the SDK itself needs it

    try:
        parsed = x509.load_pem_x509_csr(csr.encode())
    except ValueError:
        return ()
    names = [str(name.value) for name in parsed.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    try:
        alternatives = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return tuple(names)
    return (*names, *alternatives.get_values_for_type(x509.DNSName))


@attrs.frozen
class Answer:
    """What a call came to.

    ACCEPTED with the SDK's `response`; REFUSED with the service's `code` and the SDK's `error`: the call did nothing;
    or UNKNOWN with the `error`: no answer came, or one that does not say whether the call did anything (HTTP 5xx, which
    includes the code `Error`). `retry_after` (seconds) is what a throttled caller was asked to wait.
    """

    outcome: Outcome
    code: str | None = None
    response: Any = attrs.field(default=None, repr=False)
    error: Exception | None = None
    retry_after: float | None = None

    @classmethod
    def of_error(cls, error: Exception) -> Answer | None:
        """What the SDK's `error` says of the call; None if it is no answer but a fault on the caller's side."""
        code = getattr(error, "code", None)
        if isinstance(error, TeaException) and code:
            status = getattr(error, "statusCode", None)
            if code == InternalError.code or (isinstance(status, int) and status >= 500 and not _throttles(code)):
                return cls(Outcome.UNKNOWN, str(code), error=error)
            wait = getattr(error, "retry_after", None)
            return cls(Outcome.REFUSED, str(code), error=error, retry_after=wait / 1000 if wait else None)
        cause = getattr(error, "inner_exception", None)
        lost = isinstance(error, UnretryableException) or _is_of_the_network(error)
        return cls(Outcome.UNKNOWN, error=error) if lost and not _is_of_the_credentials(cause) else None

    @property
    def of_the_state(self) -> bool:
        """Whether it is a refusal because of the order's state, or because there is no such order."""
        return self.outcome is Outcome.REFUSED and self.code in (OrderStateError.code, NotFoundOrder.code)

    @property
    def not_found(self) -> bool:
        """Whether it says that there is no such order."""
        return self.outcome is Outcome.REFUSED and self.code == NotFoundOrder.code

    @property
    def throttled(self) -> bool:
        """Whether the call was refused because there were too many."""
        return self.outcome is Outcome.REFUSED and _throttles(self.code or "")

    @property
    def passing(self) -> bool:
        """Whether the same call may well succeed a little later: it was lost, or throttled."""
        return self.outcome is Outcome.UNKNOWN or self.throttled

    def __str__(self) -> str:
        if self.outcome is Outcome.ACCEPTED:
            return "accepted"
        return self.code or f"no answer ({type(self.error).__name__})"


def send(call: Callable[[], Any], *, lenient: bool = False) -> Answer:
    """What the SDK call `call` came to. An error that is no answer is raised, unless `lenient`: see `Send`."""
    try:
        return Answer(Outcome.ACCEPTED, response=call())
    except Exception as error:  # noqa: BLE001  # raised again if it is no answer
        return _answer_or_raise(error, lenient=lenient)


async def send_async(call: Callable[[], Awaitable[Any]], *, lenient: bool = False) -> Answer:
    """The same of an asynchronous call."""
    try:
        return Answer(Outcome.ACCEPTED, response=await call())
    except Exception as error:  # noqa: BLE001  # raised again if it is no answer
        return _answer_or_raise(error, lenient=lenient)


def send_raw(client: Client, action: str, version: str, parameters: Mapping[str, str], runtime: Any) -> Answer:
    """What any request came to, of an action that the SDK need not know; its response is a dictionary."""
    params = openapi.Params(
        action=action,
        version=version,
        protocol="HTTPS",
        pathname="/",
        method="POST",
        auth_type="AK",
        style="RPC",
        req_body_type="formData",
        body_type="json",
    )
    request = openapi.OpenApiRequest(query=dict(parameters))
    return send(lambda: client.call_api(params, request, runtime), lenient=True)


def _answer_or_raise(error: Exception, *, lenient: bool) -> Answer:
    answer = Answer.of_error(error)
    if answer is not None:
        return answer
    if lenient:
        return Answer(Outcome.UNKNOWN, error=error)
    raise error


def _throttles(code: str) -> bool:
    return code.startswith(("Throttling", "FlowControlError"))


def _is_of_the_network(error: Exception) -> bool:
    """Whether `error` means that no readable answer came: what requests, aiohttp and the SDK's JSON parser raise."""
    unreadable = isinstance(error, RuntimeError) and "json" in str(error)
    return unreadable or isinstance(error, OSError) or type(error).__module__.partition(".")[0] == "aiohttp"


def _is_of_the_credentials(error: object) -> bool:
    return type(error).__module__.partition(".")[0] == "alibabacloud_credentials"
