"""Faults that a test asks for: which calls fail, how often, and in which way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.errors import Meaning
from orderfsm.identity import MAX_ID
from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Operation

THROTTLED = "Throttling.User"
ANY = "*"
_MEMBERS = {
    "Operation": "operation",
    "OrderId": "order_id",
    "Times": "times",
    "Probability": "probability",
    "Status": "status",
    "Code": "code",
    "RetryAfter": "retry_after",
    "Delay": "delay",
    "When": "when",
    "Transport": "transport",
    "Read": "read",
}
"""The fields of a fault by their names in JSON, by which errors name them."""

_NAMES = {field: member for member, field in _MEMBERS.items()}


def _none_if_any(value: Operation | str | None) -> Operation | None:
    return None if value == ANY else value  # type: ignore[return-value]  # a word, for now


def _member(value: Operation, lifecycle: Lifecycle) -> Operation:
    accepted = [*(known.name.lower() for known in lifecycle.operations), ANY]
    try:
        operation = lifecycle.trigger(value)
    except InvalidValue:
        raise InvalidValue("Operation", value, accepted) from None
    if not lifecycle.by_client(operation):
        raise InvalidValue("Operation", value, accepted)
    return operation


def _accepts(check: Callable[[Any], bool], *accepted: str) -> Callable[[Fault, attrs.Attribute[Any], Any], None]:
    """A validator that takes what `check` is true of, and None if it is the default; its error names the `accepted`."""

    def validate(_fault: Fault, field: attrs.Attribute[Any], value: Any) -> None:
        if not (value is None and field.default is None) and not check(value):
            raise InvalidValue(_NAMES[field.name], value, accepted)

    return validate


def _integer(low: int, high: int) -> Any:
    return _accepts(lambda value: type(value) is int and low <= value <= high, f"an integer in {low} .. {high}")


def _number(low: float, high: float) -> Any:
    return _accepts(lambda value: type(value) in {int, float} and low <= value <= high, f"a number in {low} .. {high}")


def _word(*accepted: str) -> Any:
    return _accepts(lambda value: isinstance(value, str) and value in accepted, *accepted)


def _is_code(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 128 and value.isprintable()


@attrs.frozen(kw_only=True)
class Fault:
    """A rule by which calls fail.

    It applies to `operation` of `lifecycle` (a member, its name or its action; None: any) on `order_id` (None: any),
    `times` more times (None: without end), each time with `probability`. Then the call takes `delay` seconds longer;
    and unless that is all that the rule says:

    * `transport`: the answer does not arrive (`reset`), half of it does (`truncate`), or it is `empty`;
    * `read`: a describe answers `unknow`, the state before the last change (`stale`), or no such order (`missing`);
    * else the answer is `code` with HTTP `status`, and `retry_after` milliseconds in its header.

    `when` is "before", and the call does nothing, or "after": it was carried out, and its answer is lost.

    `InvalidValue` names a member that makes no sense, or because of which no call can ever fail by the rule.

    >>> from orderfsm.mock import Fault
    >>> Fault(operation="delete", code="DeleteFail", times=1).operation
    <Operation.DELETE: 'DeleteCertificateRequest'>
    """

    operation: Operation | None = attrs.field(default=None, converter=_none_if_any)
    order_id: int | None = attrs.field(default=None, validator=_integer(1, MAX_ID))
    times: int | None = attrs.field(default=None, validator=_integer(1, 2**31 - 1))
    probability: float = attrs.field(default=1.0, validator=_number(0, 1))
    status: int | None = attrs.field(default=None, validator=_integer(200, 599))
    code: str | None = attrs.field(default=None, validator=_accepts(_is_code, "a text of 1 to 128 characters"))
    retry_after: int | None = attrs.field(default=None, validator=_integer(0, 86_400_000))
    delay: float = attrs.field(default=0.0, validator=_number(0, 3600))
    when: str = attrs.field(default="before", validator=_word("before", "after"))
    transport: str | None = attrs.field(default=None, validator=_word("reset", "truncate", "empty"))
    read: str | None = attrs.field(default=None, validator=_word("unknow", "stale", "missing"))
    lifecycle: Lifecycle = attrs.field(default=ORDER_LIFECYCLE, eq=False, repr=False)

    if not TYPE_CHECKING:

        def __init__(self, *positional: object, **members: Any) -> None:
            unknown = [repr(value) for value in positional]
            unknown += [name for name in members if name not in _NAMES and name != "lifecycle"]
            if unknown:
                raise TypeError(f"{unknown[0]} in a Fault: it takes, each by its name, {', '.join(_NAMES)}")
            self.__attrs_init__(**members)

    def __attrs_post_init__(self) -> None:
        if self.operation is None:
            return
        lifecycle = self.lifecycle
        object.__setattr__(self, "operation", _member(self.operation, lifecycle))
        if self.read is not None and self.operation not in lifecycle.reads:
            reads = [operation for operation in lifecycle.operations if operation in lifecycle.reads]
            raise InvalidValue("Operation of a fault with a Read", self.operation, [*reads, ANY])
        if self.order_id is not None and self.operation in lifecycle.creates | lifecycle.account_reads:
            raise InvalidValue(f"OrderId of a fault of {self.operation}", self.order_id, ["none: it is given none"])

    def matches(self, operation: Operation, order_id: int | None) -> bool:
        """Whether the rule is about such a call."""
        if self.read is not None and operation not in self.lifecycle.reads:
            return False
        return self.operation in {None, operation} and self.order_id in {None, order_id}

    @property
    def is_backend(self) -> bool:
        """Whether the code says that the service could not carry out what the table allows, and so comes only then."""
        meaning = self.lifecycle.codes.meaning_of(self.code)
        return meaning is not None and meaning.of_the_backend

    @property
    def answers(self) -> tuple[str, int] | None:
        """The code and HTTP status that take the place of the answer; None if the rule leaves it as it is."""
        if self.code is None and self.status is None and (self.transport or self.read):
            return None
        if self.code is None and self.status is None and self.retry_after is None and self.delay:
            return None
        code = self.code or ("Error" if self.retry_after is None else THROTTLED)
        codes = self.lifecycle.codes
        if self.status is not None:
            return code, self.status
        if code in codes.by_code:
            return code, codes.by_code[code].http_status
        return code, 429 if codes.meaning_of(code) is Meaning.THROTTLED else 500

    @classmethod
    def parse(cls, rule: Any, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> Fault:
        """The rule that a JSON object says; `InvalidValue` names the member that makes no sense."""
        if not isinstance(rule, dict):
            raise InvalidValue("fault rule", rule, ["a JSON object"])
        unknown = set(rule) - set(_MEMBERS)
        if unknown:
            raise InvalidValue("member of a fault rule", min(unknown), _MEMBERS)
        members = {_MEMBERS[name]: value for name, value in rule.items() if value is not None}
        return cls(lifecycle=lifecycle, **members)

    def as_json(self) -> dict[str, Any]:
        """The rule as the JSON object that says it."""
        document: dict[str, Any] = {name: getattr(self, field) for name, field in _MEMBERS.items()}
        document["Operation"] = self.operation or ANY
        return document
