"""Faults that a test asks for: which calls fail, how often, and in which way."""

from __future__ import annotations

from typing import Any

import attrs

from orderfsm.errors import BY_CODE, InvalidValue, meaning_of
from orderfsm.spec import Operation

THROTTLED = "Throttling.User"
ANY = "*"
_ACCEPTED: dict[str, tuple[str, ...]] = {
    "When": ("before", "after"),
    "Transport": ("reset", "truncate", "empty"),
    "Read": ("unknow", "stale", "missing"),
}


@attrs.frozen(kw_only=True)
class Fault:
    """A rule by which calls fail.

    It applies to `operation` (None: any) on `order_id` (None: any), `times` more times (None: without end), each time
    with `probability`. Then the call takes `delay` seconds longer; and unless that is all that the rule says:

    * `transport`: the answer does not arrive (`reset`), half of it does (`truncate`), or it is `empty`;
    * `read`: a describe answers `unknow`, the state before the last change (`stale`), or NotFoundOrder (`missing`);
    * else the answer is `code` with HTTP `status`, and `retry_after` milliseconds in its header.

    `when` is "before", and the call does nothing, or "after": it was carried out, and its answer is lost.
    """

    operation: Operation | None = None
    order_id: int | None = None
    times: int | None = None
    probability: float = 1.0
    status: int | None = None
    code: str | None = None
    retry_after: int | None = None
    delay: float = 0.0
    when: str = "before"
    transport: str | None = None
    read: str | None = None

    def matches(self, operation: Operation, order_id: int | None) -> bool:
        """Whether the rule is about such a call."""
        if self.read is not None and operation is not Operation.DESCRIBE:
            return False
        return self.operation in {None, operation} and self.order_id in {None, order_id}

    @property
    def is_backend(self) -> bool:
        """Whether the code says that the service could not carry out what the table allows, and so comes only then."""
        meaning = meaning_of(self.code)
        return meaning is not None and meaning.of_the_backend

    @property
    def answers(self) -> tuple[str, int] | None:
        """The code and HTTP status that take the place of the answer; None if the rule leaves it as it is."""
        if self.code is None and self.status is None and (self.transport or self.read):
            return None
        if self.code is None and self.status is None and self.retry_after is None and self.delay:
            return None
        code = self.code or ("Error" if self.retry_after is None else THROTTLED)
        known = BY_CODE[code].http_status if code in BY_CODE else 429 if code == THROTTLED else 500
        return code, self.status or known

    @classmethod
    def parse(cls, rule: Any) -> Fault:
        """The rule that a JSON object says; `InvalidValue` names the member that makes no sense."""
        if not isinstance(rule, dict):
            raise InvalidValue("fault rule", rule, ["a JSON object"])
        unknown = set(rule) - set(_MEMBERS)
        if unknown:
            raise InvalidValue("member of a fault rule", min(unknown), _MEMBERS)
        fields: dict[str, Any] = {}
        for name, value in rule.items():
            if value is not None:
                field, read = _MEMBERS[name]
                fields[field] = read(name, value)
        return cls(**fields)

    def as_json(self) -> dict[str, Any]:
        """The rule as the JSON object that says it."""
        document: dict[str, Any] = {name: getattr(self, field) for name, (field, _) in _MEMBERS.items()}
        document["Operation"] = self.operation or ANY
        return document


def _operation(name: str, value: Any) -> Operation | None:
    if value == ANY:
        return None
    if value not in tuple(Operation):
        raise InvalidValue(name, value, [*Operation, ANY])
    return Operation(value)


def _integer(low: int, high: int) -> Any:
    def read(name: str, value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise InvalidValue(name, value, [f"an integer in {low} .. {high}"])
        return value

    return read


def _number(low: float, high: float) -> Any:
    def read(name: str, value: Any) -> float:
        if type(value) not in {int, float} or not low <= value <= high:
            raise InvalidValue(name, value, [f"a number in {low} .. {high}"])
        return float(value)

    return read


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 128 or not value.isprintable():
        raise InvalidValue(name, value, ["a text of 1 to 128 characters"])
    return value


def _word(name: str, value: Any) -> str:
    if value not in _ACCEPTED[name]:
        raise InvalidValue(name, value, _ACCEPTED[name])
    return str(value)


_MEMBERS: dict[str, tuple[str, Any]] = {
    "Operation": ("operation", _operation),
    "OrderId": ("order_id", _integer(1, 2**63 - 1)),
    "Times": ("times", _integer(1, 2**31 - 1)),
    "Probability": ("probability", _number(0, 1)),
    "Status": ("status", _integer(200, 599)),
    "Code": ("code", _text),
    "RetryAfter": ("retry_after", _integer(0, 86_400_000)),
    "Delay": ("delay", _number(0, 3600)),
    "When": ("when", _word),
    "Transport": ("transport", _word),
    "Read": ("read", _word),
}
