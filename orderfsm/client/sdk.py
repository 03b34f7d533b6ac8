"""The official SDK: which versions are supported, its names for the API's operations, and what a call came to.

Supported are `alibabacloud-cas20200407` 3.x, and 2.0.4. They raise different exceptions for the same answer; `Answer`
is what they have in common.
"""

from __future__ import annotations

import re
import traceback
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from types import NoneType
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.errors import Meaning
from orderfsm.extras import needs
from orderfsm.invalid import InvalidValue, OrderFSMError
from orderfsm.tables.api import meaning_of
from orderfsm.trace import Outcome

from .arguments import order_id_of
from .errors import UnreadableAnswer

PACKAGE = "alibabacloud-cas20200407"
SUPPORTED = "3.x or 2.0.4"

MAX_RETRY_AFTER = 60
"""Seconds that a throttled call waits at most, whatever the service asks for: our choice, it documents no limit."""


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

    from orderfsm.rows import Operation
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
    includes the code `Error`), or one that cannot be read. `retry_after` (seconds) is what a throttled caller was asked
    to wait, at most `MAX_RETRY_AFTER`.
    """

    outcome: Outcome
    code: str | None = None
    response: Any = attrs.field(default=None, repr=False)
    error: Exception | None = None
    retry_after: float | None = None

    @classmethod
    def of_response(cls, operation: Operation, response: Any) -> Answer:
        """What the SDK's `response` says of the call: ACCEPTED, if its body is one that the API documents."""
        problem = _problem(getattr(response, "body", None))
        if problem is None:
            return cls(Outcome.ACCEPTED, response=response)
        return cls(Outcome.UNKNOWN, error=UnreadableAnswer(operation, problem))

    @classmethod
    def of_error(cls, error: Exception) -> Answer | None:
        """What the SDK's `error` says of the call; None if it is no answer but a fault on the caller's side."""
        if isinstance(error, UnreadableAnswer):
            return cls(Outcome.UNKNOWN, error=error)
        code = getattr(error, "code", None)
        if isinstance(error, TeaException) and code:
            status, meaning = getattr(error, "statusCode", None), meaning_of(str(code))
            failed = isinstance(status, int) and status >= 500 and meaning is not Meaning.THROTTLED
            if failed or meaning is Meaning.PERHAPS:
                return cls(Outcome.UNKNOWN, str(code), error=error)
            return cls(Outcome.REFUSED, str(code), error=error, retry_after=_retry_after(error))
        cause = getattr(error, "inner_exception", None)
        lost = isinstance(error, UnretryableException) or _is_of_the_network(error)
        return cls(Outcome.UNKNOWN, error=error) if lost and not _is_of_the_credentials(cause) else None

    @property
    def refused_as(self) -> Meaning | None:
        """What the code of a refusal means; None if it is no refusal, or nobody knows the code."""
        return meaning_of(self.code) if self.outcome is Outcome.REFUSED else None

    @property
    def of_the_state(self) -> bool:
        """Whether it is a refusal because of the order's state, or because there is no such order."""
        return self.refused_as is not None and self.refused_as.of_the_state

    @property
    def not_found(self) -> bool:
        """Whether it says that there is no such order."""
        return self.refused_as is Meaning.NOT_FOUND

    @property
    def throttled(self) -> bool:
        """Whether the call was refused because there were too many."""
        return self.refused_as is Meaning.THROTTLED

    @property
    def passing(self) -> bool:
        """Whether the same call may well succeed a little later: it was lost, or throttled."""
        return self.outcome is Outcome.UNKNOWN or self.throttled

    def __str__(self) -> str:
        if self.outcome is Outcome.ACCEPTED:
            return "accepted"
        return self.code or f"no answer ({type(self.error).__name__})"


def send(operation: Operation, call: Callable[[], Any], *, lenient: bool = False) -> Answer:
    """What the SDK call `call` of `operation` came to.

    An error that is no answer is raised, unless `lenient`: see `Send`.
    """
    try:
        response = call()
    except Exception as error:  # noqa: BLE001  # raised again if it is no answer
        return _answer_or_raise(operation, error, lenient=lenient)
    return Answer.of_response(operation, response)


async def send_async(operation: Operation, call: Callable[[], Awaitable[Any]], *, lenient: bool = False) -> Answer:
    """The same of an asynchronous call."""
    try:
        response = await call()
    except Exception as error:  # noqa: BLE001  # raised again if it is no answer
        return _answer_or_raise(operation, error, lenient=lenient)
    return Answer.of_response(operation, response)


def send_raw(client: Client, action: str, version: str, parameters: Mapping[str, Any], runtime: Any) -> Answer:
    """What any request came to, of an action that the SDK need not know; its response is the dictionary that came."""
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
    request = openapi.OpenApiRequest(query={name: str(value) for name, value in parameters.items()})
    try:
        return Answer(Outcome.ACCEPTED, response=client.call_api(params, request, runtime))
    except Exception as error:  # noqa: BLE001  # whatever the SDK makes of an answer that it cannot read
        return Answer.of_error(error) or Answer(Outcome.UNKNOWN, error=error)


def _answer_or_raise(operation: Operation, error: Exception, *, lenient: bool) -> Answer:
    answer = Answer.of_error(error)
    if answer is not None:
        return answer
    if any(frame.name in READING for frame in traceback.extract_tb(error.__traceback__)):
        unreadable = UnreadableAnswer(operation, "its body is not the object that is documented")
        unreadable.__cause__ = error
        return Answer(Outcome.UNKNOWN, error=unreadable)
    if lenient:
        return Answer(Outcome.UNKNOWN, error=error)
    raise error


READING = "from_map", "assert_as_map", "read_as_json", "read_as_json_async"
"""The SDK's functions that read an answer: what older versions raise there is about the answer, and not the call."""

_IN_BODY: Mapping[str, tuple[type, ...]] = {"order_id": (int, str), "type": (str,), "total_count": (int, NoneType)}
_IN_LIST: Mapping[str, tuple[type, ...]] = {
    "order_id": (int, str),
    "status": (str,),
    "domain": (str, NoneType),
    "common_name": (str, NoneType),
    "product_code": (str, NoneType),
    "buy_date": (int, float, NoneType),
}
"""The types of the fields that are read here, by the SDK's names. An id may be written as its digits."""


def _problem(body: object) -> str | None:
    """Why `body`, as the SDK has it, is none that the API documents; None if it is, in all that is read here."""
    if body is None:
        return "its body is not the object that is documented"
    for name, accepted in _IN_BODY.items():
        if hasattr(body, name) and not _is_one(value := getattr(body, name), name, accepted):
            return f"{name} is {value!r:.80}"
    for row in getattr(body, "certificate_order_list", None) or ():
        for name, accepted in _IN_LIST.items():
            if not _is_one(value := getattr(row, name, None), name, accepted):
                return f"{name} is {value!r:.80}"
    return None


def _is_one(value: object, name: str, accepted: tuple[type, ...]) -> bool:
    """Whether `value` is one that the field `name` may have."""
    if name == "order_id":
        try:
            return bool(order_id_of(value))
        except InvalidValue:
            return False
    return isinstance(value, accepted) and not isinstance(value, bool)


def _retry_after(error: Exception) -> float | None:
    """What the service asks a throttled caller to wait, in seconds; None for what is no duration."""
    wait = getattr(error, "retry_after", None)
    if isinstance(wait, int | float) and wait > 0:
        return min(wait, MAX_RETRY_AFTER * 1000) / 1000
    return None


def _is_of_the_network(error: Exception) -> bool:
    """Whether `error` means that no readable answer came: what requests, aiohttp and the SDK's JSON parser raise."""
    unreadable = isinstance(error, RuntimeError) and "json" in str(error)
    return unreadable or isinstance(error, OSError) or type(error).__module__.partition(".")[0] == "aiohttp"


def _is_of_the_credentials(error: object) -> bool:
    return type(error).__module__.partition(".")[0] == "alibabacloud_credentials"
