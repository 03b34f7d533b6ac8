"""Faults that a test asks for: which calls fail, how often, and in which way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.errors import Meaning
from orderfsm.invalid import InvalidValue
from orderfsm.lifecycle import Lifecycle
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.tables import alidns, api, instances

if TYPE_CHECKING:
    from collections.abc import Callable

    from orderfsm.identity import Id
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
    "InstanceId": "instance_id",
}
"""The fields of a fault by their names in JSON, by which errors name them."""

WHEN = ("before", "after")
TRANSPORTS = ("reset", "truncate", "empty")
READS = ("unknow", "stale", "missing", "unreadable")
"""What a fault may say of when it strikes, of how an answer perishes, and of what a read answers."""

_NAMES = {field: member for member, field in _MEMBERS.items()}
_IDS = ("order_id", "instance_id")
TABLES = (ORDER_LIFECYCLE, instances.LIFECYCLE)
"""The tables whose calls can fail, unless others are named."""

OF_NO_TABLE = {*api.PARAMETERS, *alidns.PARAMETERS} - {call for table in TABLES for call in table.operations}
"""The actions that can fail as well, and are about no order or instance: on certificates, domains and records."""


def _none_if_any(value: Operation | str | None) -> Operation | None:
    return None if value == ANY else value  # type: ignore[return-value]  # a word, for now


def _member(value: Operation, lifecycles: Iterable[Lifecycle]) -> tuple[Operation, Lifecycle]:
    """The operation that a word means, in the first table that has one of that value, else of that name."""
    searched = lifecycles if isinstance(value, str) else ()
    for lifecycle in sorted(searched, key=lambda lifecycle: value not in lifecycle.trigger_rules):
        try:
            operation = lifecycle.trigger(value)
        except InvalidValue:
            continue
        if lifecycle.by_client(operation):
            return operation, lifecycle
    names = (known.name.lower() for lifecycle in lifecycles for known in lifecycle.operations)
    raise InvalidValue("Operation", value, [*dict.fromkeys(names), ANY])


def _tables(given: Lifecycle | Iterable[Lifecycle]) -> tuple[Lifecycle, ...]:
    tables = tuple(given) if isinstance(given, Iterable) else (given,)
    for table in tables:
        if not isinstance(table, Lifecycle):
            raise InvalidValue("lifecycle of a fault", table, ["a Lifecycle, or several"])
    return tables


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

    It applies to `operation` of `lifecycle` (a member, its name or its action, or an action `OF_NO_TABLE`; None: any)
    on `order_id` or on `instance_id` (None: any), `times` more times (None: without end), each time with `probability`.
    `lifecycle` is a table or several, of which the first that has such an operation is meant, and with an id that of
    the id. Then the call takes `delay` seconds longer; and unless that is all that the rule says:

    * `transport`: the answer does not arrive (`reset`), half of it does (`truncate`), or it is `empty`;
    * `read`: a describe answers `unknow`, the state before the last change (`stale`), no such order (`missing`), or
      what the SDK takes for no answer (`unreadable`);
    * else the answer is `code` with HTTP `status`, and `retry_after` milliseconds in its header.

    `when` is "before", and the call does nothing, or "after": it was carried out, and its answer is lost.

    `InvalidValue` names a member that makes no sense, or because of which no call can ever fail by the rule.

    >>> from orderfsm.mock import Fault
    >>> Fault(operation="delete", code="DeleteFail", times=1).operation
    <Operation.DELETE: 'DeleteCertificateRequest'>
    """

    operation: Operation | None = attrs.field(default=None, converter=_none_if_any)
    order_id: int | None = None
    instance_id: str | None = None
    times: int | None = attrs.field(default=None, validator=_integer(1, 2**31 - 1))
    probability: float = attrs.field(default=1.0, validator=_number(0, 1))
    status: int | None = attrs.field(default=None, validator=_integer(200, 599))
    code: str | None = attrs.field(default=None, validator=_accepts(_is_code, "a text of 1 to 128 characters"))
    retry_after: int | None = attrs.field(default=None, validator=_integer(0, 86_400_000))
    delay: float = attrs.field(default=0.0, validator=_number(0, 3600))
    when: str = attrs.field(default="before", validator=_word(*WHEN))
    transport: str | None = attrs.field(default=None, validator=_word(*TRANSPORTS))
    read: str | None = attrs.field(default=None, validator=_word(*READS))
    lifecycles: tuple[Lifecycle, ...] = attrs.field(
        default=TABLES, alias="lifecycle", converter=_tables, eq=False, repr=False
    )

    if not TYPE_CHECKING:

        def __init__(self, *positional: object, **members: Any) -> None:
            unknown = [repr(value) for value in positional]
            unknown += [name for name in members if name not in _NAMES and name != "lifecycle"]
            if unknown:
                raise TypeError(f"{unknown[0]} in a Fault: it takes, each by its name, {', '.join(_NAMES)}")
            self.__attrs_init__(**members)

    def __attrs_post_init__(self) -> None:
        lifecycles = self.lifecycles
        for name in _IDS:
            value = getattr(self, name)
            if value is not None:
                lifecycles = self._identified(name, value, lifecycles)
        if self.operation is None:
            return
        if isinstance(self.operation, str) and self.operation in OF_NO_TABLE:
            self._check_other()
            return
        operation, lifecycle = _member(self.operation, lifecycles)
        object.__setattr__(self, "operation", operation)
        if self.read is not None and operation not in lifecycle.reads:
            reads = [known for table in lifecycles for known in table.operations if known in table.reads]
            raise InvalidValue("Operation of a fault with a Read", operation, [*reads, ANY])
        identity = lifecycle.identity
        named = getattr(self, identity.key, None)
        if named is not None and operation in lifecycle.creates | lifecycle.account_reads:
            raise InvalidValue(f"{identity.parameter} of a fault of {operation}", named, ["none: it is given none"])

    def _check_other(self) -> None:
        """`InvalidValue` if no call of an action that is of no table can ever fail by the rule."""
        for name in (*_IDS, "read"):
            if getattr(self, name) is not None:
                about = f"{_NAMES[name]} of a fault of {self.operation}"
                raise InvalidValue(about, getattr(self, name), ["none: it is about no order"])

    def _identified(self, name: str, value: Id, lifecycles: tuple[Lifecycle, ...]) -> tuple[Lifecycle, ...]:
        """The tables of which `value`, in the field `name`, can be an id; `InvalidValue` if there are none."""
        found = tuple(lifecycle for lifecycle in lifecycles if lifecycle.identity.key == name)
        if not found:
            keys = [each.identity.parameter for each in lifecycles if each.identity.key in _IDS]
            raise InvalidValue(_NAMES[name], value, [f"none beside {', '.join(keys)}" if keys else "none"])
        for lifecycle in found:
            try:
                lifecycle.identity.check(value)
            except InvalidValue as error:
                raise InvalidValue(_NAMES[name], value, error.accepted) from None
        return found

    def matches(self, operation: Operation, order_id: Id | None) -> bool:
        """Whether the rule is about such a call, on an order or an instance of that id, if it is on one."""
        if self.read is not None and not any(operation in lifecycle.reads for lifecycle in self.lifecycles):
            return False
        named = self.order_id if self.order_id is not None else self.instance_id
        return self.operation in {None, operation} and named in {None, order_id}

    def _meaning(self) -> Meaning | None:
        """What the code means in the first table that knows it, that of the operation before others."""
        tables = sorted(self.lifecycles, key=lambda lifecycle: self.operation not in lifecycle.trigger_rules)
        meanings = (lifecycle.codes.meaning_of(self.code) for lifecycle in tables)
        return next((meaning for meaning in meanings if meaning is not None), None)

    @property
    def is_backend(self) -> bool:
        """Whether the code says that the service could not carry out what the table allows, and so comes only then."""
        meaning = self._meaning()
        return meaning is not None and meaning.of_the_backend

    @property
    def answers(self) -> tuple[str, int] | None:
        """The code and HTTP status that take the place of the answer; None if the rule leaves it as it is."""
        if self.code is None and self.status is None and (self.transport or self.read):
            return None
        if self.code is None and self.status is None and self.retry_after is None and self.delay:
            return None
        code = self.code or ("Error" if self.retry_after is None else THROTTLED)
        if self.status is not None:
            return code, self.status
        for lifecycle in self.lifecycles:
            if code in lifecycle.codes.by_code:
                return code, lifecycle.codes.by_code[code].http_status
        throttled = any(each.codes.meaning_of(code) is Meaning.THROTTLED for each in self.lifecycles)
        return code, 429 if throttled else 500

    @classmethod
    def parse(cls, rule: Any, *lifecycles: Lifecycle) -> Fault:
        """The rule that a JSON object says, of `lifecycles` (both of CAS, unless others are given).

        `InvalidValue` names the member that makes no sense.
        """
        if not isinstance(rule, dict):
            raise InvalidValue("fault rule", rule, ["a JSON object"])
        unknown = set(rule) - set(_MEMBERS)
        if unknown:
            raise InvalidValue("member of a fault rule", min(unknown), _MEMBERS)
        members = {_MEMBERS[name]: value for name, value in rule.items() if value is not None}
        return cls(lifecycle=lifecycles or TABLES, **members)

    def as_json(self) -> dict[str, Any]:
        """The rule as the JSON object that says it; of an `InstanceId` only if it names one."""
        document: dict[str, Any] = {name: getattr(self, field) for name, field in _MEMBERS.items()}
        document["Operation"] = self.operation or ANY
        if self.instance_id is None:
            del document["InstanceId"]
        return document
