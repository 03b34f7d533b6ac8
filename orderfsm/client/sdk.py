"""The official SDK: which versions are supported, its names for the API's operations, and what a call came to.

Supported are `alibabacloud-cas20200407` 3.x, and 2.0.4. They raise different exceptions for the same answer; `Answer`
is what they have in common.
"""

from __future__ import annotations

import re
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from orderfsm.errors import Meaning
from orderfsm.extras import needs
from orderfsm.invalid import InvalidValue, OrderFSMError
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.trace import Outcome

from .arguments import id_of
from .errors import UnreadableAnswer
from .roles import is_always_there, roles

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
    from alibabacloud_cas20200407 import client, models
    from alibabacloud_tea_openapi import models as openapi
    from Tea.exceptions import TeaException, UnretryableException

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Operation

Client = client.Client
_OPTIONS = client if hasattr(client, "RuntimeOptions") else import_module("alibabacloud_tea_util.models")  # for 2.0.4
RuntimeOptions: Any = _OPTIONS.RuntimeOptions


@cache
def method_name(operation: str) -> str:
    """The SDK client's method for an operation: its action name in snake case."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()


field_name = method_name
"""The SDK's name for a field of a request or of an answer: the API's in snake case."""


def id_field(lifecycle: Lifecycle) -> str:
    """The SDK's name for the field with the id of an order of `lifecycle`."""
    return field_name(lifecycle.identity.parameter)


def require_offered(lifecycle: Lifecycle, client: type[Client]) -> None:
    """Raise `InvalidValue` unless `client`, a class of the SDK, has all that is called for orders of `lifecycle`.

    What begins an order may be an operation of another API.
    """
    its = roles(lifecycle)
    for operation in (*its.ruled, *its.fields):
        if not offers(client, operation):
            accepted = f"a table whose operations the client of {PACKAGE} has; it has no {operation}"
            raise InvalidValue("lifecycle", lifecycle.name, [accepted])


def offers(client: type[Client], operation: Operation) -> bool:
    """Whether `client`, a class of the SDK, has the operation."""
    return hasattr(client, f"{method_name(operation)}_with_options") and hasattr(models, f"{operation}Request")


def request(operation: Operation, **fields: Any) -> Any:
    """The SDK's request for `operation`, with `fields` by the SDK's names (`order_id`)."""
    return getattr(models, f"{operation}Request")(**fields)


def rows_of(body: Any) -> list[Any]:
    """The entries of a list in the `body` of an answer: it has one field that is a list."""
    return next((value for value in vars(body).values() if isinstance(value, list)), [])


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
    or UNKNOWN with the `error`: no answer came, or one that does not say whether the call did anything (HTTP 5xx, also
    with the code `Error`, unless it is the status of a code that says more), or one that cannot be read. `retry_after`
    (seconds) is what a throttled caller was asked to wait, at most `MAX_RETRY_AFTER`. What a code means, the codes of
    `lifecycle` say.
    """

    outcome: Outcome
    code: str | None = None
    response: Any = attrs.field(default=None, repr=False)
    error: Exception | None = None
    retry_after: float | None = None
    lifecycle: Lifecycle = attrs.field(default=ORDER_LIFECYCLE, repr=False, eq=False)

    @classmethod
    def of_response(cls, operation: Operation, response: Any, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> Answer:
        """What the SDK's `response` says of the call: ACCEPTED, if its body is one that the API documents."""
        problem = _problem(operation, getattr(response, "body", None), lifecycle)
        if problem is None:
            return cls(Outcome.ACCEPTED, response=response, lifecycle=lifecycle)
        return cls(Outcome.UNKNOWN, error=UnreadableAnswer(operation, problem), lifecycle=lifecycle)

    @classmethod
    def of_error(cls, error: Exception, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> Answer | None:
        """What the SDK's `error` says of the call; None if it is no answer but a fault on the caller's side."""
        if isinstance(error, UnreadableAnswer):
            return cls(Outcome.UNKNOWN, error=error, lifecycle=lifecycle)
        code = getattr(error, "code", None)
        if isinstance(error, TeaException) and code:
            status, meaning = getattr(error, "statusCode", None), lifecycle.codes.meaning_of(str(code))
            documented = getattr(lifecycle.codes.by_code.get(str(code)), "http_status", None) == status
            failed = isinstance(status, int) and status >= 500 and meaning is not Meaning.THROTTLED and not documented
            if failed or meaning is Meaning.PERHAPS:
                return cls(Outcome.UNKNOWN, str(code), error=error, lifecycle=lifecycle)
            return cls(Outcome.REFUSED, str(code), None, error, _retry_after(error), lifecycle)
        cause = getattr(error, "inner_exception", None)
        lost = isinstance(error, UnretryableException) or _is_of_the_network(error)
        if not lost or type(cause).__module__.startswith("alibabacloud_credentials"):
            return None
        return cls(Outcome.UNKNOWN, error=error, lifecycle=lifecycle)

    @property
    def refused_as(self) -> Meaning | None:
        """What the code of a refusal means; None if it is no refusal, or nobody knows the code."""
        return self.lifecycle.codes.meaning_of(self.code) if self.outcome is Outcome.REFUSED else None

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


def answer_or_raise(operation: Operation, error: Exception, lifecycle: Lifecycle, *, lenient: bool = False) -> Answer:
    """What a call of `operation`, one of `lifecycle`, came to that raised `error`.

    If that is no answer, it is raised again, unless `lenient`: see `Send`.
    """
    answer = Answer.of_error(error, lifecycle)
    if answer is not None:
        return answer
    if any(frame.name in READING for frame in traceback.extract_tb(error.__traceback__)):
        unreadable = UnreadableAnswer(operation, "its body is not the object that is documented")
        unreadable.__cause__ = error
        return Answer(Outcome.UNKNOWN, error=unreadable, lifecycle=lifecycle)
    if lenient:
        return Answer(Outcome.UNKNOWN, error=error, lifecycle=lifecycle)
    raise error


READING = "from_map", "assert_as_map", "read_as_json", "read_as_json_async"
"""The SDK's functions that read an answer: what older versions raise there is about the answer, and not the call."""

_IN_LIST = dict.fromkeys(("domain", "common_name", "product_code", "spec"), str | None) | dict.fromkeys(
    ("buy_date", "order_start_time"), int | float | None
)
"""The types of what is read of an order in a list besides its id and state, by the SDK's names."""

LAST_DATE = datetime.max.replace(tzinfo=UTC).timestamp() * 1000
"""Milliseconds since the epoch after which there are no dates."""

SURELY_MILLISECONDS = 1e11
"""From where on a time is in milliseconds: the texts of the SDK say seconds, its examples are milliseconds."""


class Listed(NamedTuple):
    """What the list has of an order besides its id and its words: its domain, its product, and its date (Unix time)."""

    domain: str | None
    product: str | None
    date: float | None

    @classmethod
    def of(cls, row: Any) -> Listed:
        """That of a row of the SDK's: an order has a product and a date of purchase, an instance a spec and a start."""
        bought, began = _time(row, "buy_date"), _time(row, "order_start_time")
        milliseconds = began * 1000 if bought is None and began is not None and began < SURELY_MILLISECONDS else began
        date = milliseconds if bought is None else bought
        product = getattr(row, "product_code", None) or getattr(row, "spec", None)
        unix = date / 1000 if date is not None and 0 <= date < LAST_DATE else None
        return cls(getattr(row, "domain", None), product, unix)


def _time(of: object, name: str) -> float | None:
    value = getattr(of, name, None)
    return value if isinstance(value, int | float) else None


def _problem(operation: Operation, body: object, lifecycle: Lifecycle) -> str | None:
    """Why `body`, as the SDK has it, is none that the API documents; None if it is, in all that is read here."""
    if body is None:
        return "its body is not the object that is documented"
    its, named = roles(lifecycle), id_field(lifecycle)
    fields = {field_name(each.field): is_always_there(each, lifecycle) for each in its.fields.get(operation, ())}
    if hasattr(body, named) and (wrong := _wrong_id(body, named, lifecycle)):
        return wrong
    if operation != its.lists:
        return _wrong_words(body, fields)
    if not isinstance(total := getattr(body, "total_count", None), int | None) or isinstance(total, bool):
        return f"total_count is {total!r:.80}"
    problems = (_wrong_id(row, named, lifecycle) or _wrong_words(row, fields) or _wrong(row) for row in rows_of(body))
    return next(filter(None, problems), None)


def _wrong_id(of: object, named: str, lifecycle: Lifecycle) -> str | None:
    """What is wrong with the id, which may be written as its digits."""
    value = getattr(of, named, None)
    try:
        id_of(value, lifecycle)
    except InvalidValue:
        return f"{named} is {value!r:.80}"
    return None


def _wrong_words(of: object, fields: Mapping[str, bool]) -> str | None:
    """What is wrong with the words for the state: one of the fields must have one, and so must those marked as such."""
    words = {name: getattr(of, name, None) for name in fields}
    some = any(isinstance(word, str) for word in words.values())
    missing = {name for name, always in fields.items() if always or not some}
    wrong = (
        name for name, word in words.items() if not isinstance(word, str) and (word is not None or name in missing)
    )
    return next((f"{name} is {words[name]!r:.80}" for name in wrong), None)


def _wrong(row: object) -> str | None:
    """What is wrong with the rest of an order in the list."""
    for name, accepted in _IN_LIST.items():
        value = getattr(row, name, None)
        if not isinstance(value, accepted) or isinstance(value, bool):
            return f"{name} is {value!r:.80}"
    return None


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
