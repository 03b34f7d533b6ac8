"""What the conformance kit asks of whoever connects it to a server: a `Driver`, and the values that it gives back.

A driver has no rule of its own: it does what it is told, and tells what came of it. The four methods of `Driver` are
enough, for any table; whatever more of `AccountDriver` a driver has is checked as well. Any method may be `async def`.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import attrs

from orderfsm.errors import Meaning
from orderfsm.invalid import InvalidValue, OrderFSMError
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.tables.api import PARAMETERS, VERSION
from orderfsm.trace import Outcome
from orderfsm.verdict import Uncertain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping
    from typing import TypeAlias, TypeVar

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State

    from .exchanges import Exchanges

    _T = TypeVar("_T")
    Now: TypeAlias = _T | Awaitable[_T]
    Seen: TypeAlias = frozenset[State | None] | frozenset[str | None] | set[str | None] | dict[str, str]

TOO_MANY, UNAVAILABLE = 429, (502, 503, 504)
"""The HTTP statuses of a call that was turned away for the moment, whatever the code."""


class NoAnswer(OrderFSMError):
    """The server did not answer, or not in a way that could be read; the message says what came instead.

    `passing`: it may well answer if it is asked again. `answer`: the answer that came instead, if one came.
    """

    def __init__(self, message: str, *, passing: bool = True, answer: Answer | None = None) -> None:
        super().__init__(message)
        self.passing, self.answer = passing, answer


@attrs.frozen
class Answer(Uncertain):
    """What came of a create, of a call, or of an event.

    `code` is the error code of a refusal; None if the server has none. `http_status` is None where there is no HTTP, or
    where it is not to be judged. `order_id` is the order that a create made, or the second order of a renewal. `body`
    is the answer's JSON object, if there is one: its words for the order's state are judged.

    >>> from orderfsm.testing import Answer
    >>> Answer.accepted(order_id=7).order_id, Answer.refused("OrderStateError").code
    (7, 'OrderStateError')
    """

    _instead: ClassVar[str] = "ask its `.outcome`"
    outcome: Outcome = attrs.field(converter=Outcome)
    code: str | None = None
    http_status: int | None = None
    order_id: Id | None = None
    body: Mapping[str, Any] | None = attrs.field(default=None, repr=False)

    @classmethod
    def accepted(cls, **fields: Any) -> Answer:
        """It was done."""
        return cls(Outcome.ACCEPTED, **fields)

    @classmethod
    def refused(cls, code: str | None, **fields: Any) -> Answer:
        """It was refused, with that code."""
        return cls(Outcome.REFUSED, code, **fields)

    @classmethod
    def unknown(cls) -> Answer:
        """No answer came, or the server failed: it was done, or not."""
        return cls(Outcome.UNKNOWN)

    def __str__(self) -> str:
        if self.outcome is not Outcome.REFUSED and self.code is None:
            return "accepted" if self.outcome is Outcome.ACCEPTED else "no answer"
        http = "" if self.http_status is None else f" (HTTP {self.http_status})"
        return f"{self.code or 'refused'}{http}"


def throttled(answer: Answer, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> bool:
    """Whether the call came to nothing because there were too many."""
    if answer.outcome is not Outcome.REFUSED:
        return False
    return answer.http_status == TOO_MANY or lifecycle.codes.meaning_of(answer.code) is Meaning.THROTTLED


def kept_out(answer: Answer, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> bool:
    """Whether the call came to nothing because the caller may not make it."""
    return answer.outcome is Outcome.REFUSED and lifecycle.codes.meaning_of(answer.code) is Meaning.KEPT_OUT


def says_nothing(answer: Answer, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> bool:
    """Whether the server did not answer, or failed, or was busy, or kept the caller out."""
    if answer.outcome is not Outcome.REFUSED:
        return answer.outcome is Outcome.UNKNOWN
    meaning = lifecycle.codes.meaning_of(answer.code)
    failed = answer.http_status in UNAVAILABLE and answer.code not in lifecycle.codes.by_code
    return failed or answer.http_status == TOO_MANY or (meaning is not None and meaning.passing)


@attrs.frozen
class Entry:
    """An order in a list: its id, the `Status` that the list shows, and its domain; `words` of its other fields."""

    order_id: Id
    status: str
    domain: str = ""
    words: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Page:
    """A part of the list of orders, how many the whole list has (`TotalCount`), and the answer's JSON, if any."""

    entries: tuple[Entry, ...]
    total: int
    body: Mapping[str, Any] | None = attrs.field(default=None, repr=False)


@attrs.frozen
class Quota:
    """A package: units bought, units that orders hold now, orders ever issued, and the answer's JSON, if any."""

    total: int
    used: int
    issued: int
    body: Mapping[str, Any] | None = attrs.field(default=None, repr=False)


def state_read(word: object, meanings: Mapping[str, frozenset[State | None]], kind: str) -> frozenset[State | None]:
    """The states that a word which was read may mean; `NoAnswer` if it is none of those that `meanings` has."""
    states = meanings.get(word) if isinstance(word, str) else None
    if states is None:
        raise NoAnswer(f"{kind} {word!r:.80}", passing=False)
    return states


class Driver(Protocol):
    """What connects the kit to a server, of which it uses one account and one package. Each method may be `async`.

    Operations and events are members of the table's enums, ids are as its servers make them. Where no answer comes,
    `create`, `call` and `happen` say so, and the other methods raise `NoAnswer`. They return None for what the driver
    cannot do, with any order: that is then not tried.
    """

    def create(self, operation: Any) -> Now[Answer | None]:
        """Create an order by one of the table's creates; `order_id` of the answer is its id.

        Orders are taken to have nothing to do with one another: each is for a domain, or names, of its own.
        """

    def call(self, operation: Any, order_id: Any) -> Now[Answer | None]:
        """Call an operation on an order. `order_id` is a text where it is to be malformed, or one that no order has."""

    def observe(self, order_id: Any) -> Now[Seen | None]:
        """The states that the order may be in, by the most exact way to read it, if possible one that is not a call.

        A set: one state where the server says exactly which, else several of them, or words that name them; None in it
        if the order is not found. Or the words that were read, by the fields of the table's vocabularies.
        """

    def happen(self, order_id: Any, event: Any) -> Now[Answer | None]:
        """Let an event happen."""


class AccountDriver(Driver, Protocol):
    """What a driver may have besides: the account's reads, a way to begin again, and more than one package.

    With `packages` more than 1, `create` and `quota` are given the number of another package as `package=2`. Units of
    one package must not move when an order of another one takes a unit, or gives it back. `orders` and `quota` are used
    where the table has a list whose words name states, and rows that take quota.
    """

    @property
    def packages(self) -> int:
        """How many packages `create` and `quota` take; 1 where there is no such attribute."""
        ...

    @property
    def speaks_cas(self) -> bool:
        """Whether the server speaks the API of the certificate service.

        Then the shapes of bodies are checked too, and what the gateway before that API answers. Where there is no such
        attribute it is taken to, if all operations of the table are of that API.
        """
        ...

    @property
    def takes_calls_at_once(self) -> bool:
        """Whether several threads may call it at once, so that clients can race; True where there is no such attribute.

        Without being told, the kit lets them race for what must be accepted once and then be refused.
        """
        ...

    @property
    def patience(self) -> float:
        """How many seconds others may take to move an order; half a second where there is no such attribute."""
        ...

    @property
    def exchanges(self) -> Exchanges:
        """What went over the wire, to which the driver adds each request; for reports as HAR and as curl lines."""
        ...

    @property
    def tells_second_orders(self) -> bool:
        """Whether it tells the ids of second orders, as of a renewal.

        Where there is no such attribute, it is expected to if its answer has a body, or an id.
        """
        ...

    def orders(
        self, *, status: str | None = None, keyword: str | None = None, page: int = 1, size: int = 50
    ) -> Now[Page]:
        """The account's list: a page of the orders that have `status` and whose domain contains `keyword`."""
        ...

    def quota(self, package: int = 1) -> Now[Quota]:
        """The counts of the package that `create` uses, or of another one."""
        ...

    def request(self, action: str, parameters: Mapping[str, str], *, version: str = VERSION) -> Now[Answer | None]:
        """Send any request to the API: an action and a version that it may not have, parameters by the API's names."""
        ...

    def place(self, operation: Any) -> Now[Answer | None]:
        """Create an order as it is once the service has completed that."""
        ...

    def buy(self, operation: Any, again: Any = None) -> Now[Answer | None]:
        """Create an order that is paid for; `again` is one that is to be bought by the very same request."""
        ...

    def certificate(self, certificate: int) -> Now[Answer | None]:
        """Download a certificate by its id; the `body` of the answer has it as `Cert`."""
        ...

    def read(self, operation: Any, order_id: Any = None) -> Now[Answer | None]:
        """Read what is of the account and shows no state, or of that what one order has: certificates, counts."""
        ...

    def flawed(self, trigger: Any, order_id: Any) -> Now[Answer | None]:
        """Call an operation so that it cannot be carried out, as the table's `fails` says; None if this driver cannot.

        Or begin to let an event happen, and do not complete it: then the answer is a refusal.
        """
        ...

    def reset(self, units: int | None) -> Now[bool]:
        """Begin again: no orders, and packages of `units` each; with None, no package. False if this driver cannot.

        What the service completes by itself, it completes from then on only when it `happen`s, where that can be set.
        """
        ...

    def by_the_clock(self) -> Now[bool]:
        """Let the service complete by its clock what is under way. False if this driver cannot set that."""
        ...

    def advance(self, seconds: float) -> Now[bool]:
        """Move the service's clock forward. False if this driver cannot."""
        ...


METHODS = {"create": ("operation",), "call": ("operation", 1), "observe": (1,), "happen": (1, "event")}
"""What every driver has, and how many values are given to it."""


@attrs.frozen
class Abilities:
    """What may be expected of a driver's answers: see `AccountDriver`."""

    speaks_cas: bool = True
    tells_second_orders: bool | None = None
    lists_oldest_first: bool = True

    @classmethod
    def of(cls, driver: Driver, lifecycle: Lifecycle) -> Abilities:
        """Those of a driver; `InvalidValue` if it speaks CAS, and the table is not one of that API."""
        foreign = [operation for operation in lifecycle.operations if operation not in PARAMETERS]
        speaks_cas = bool(getattr(driver, "speaks_cas", not foreign))
        if speaks_cas and foreign:
            why = f"which has no {foreign[0]}: {type(driver).__name__} speaks its API"
            accepted = f"one of the certificate service, {why}; other tables need a driver of one's own"
            raise InvalidValue("table", lifecycle.name, [accepted])
        return cls(
            speaks_cas, getattr(driver, "tells_second_orders", None), bool(getattr(driver, "lists_oldest_first", True))
        )


def checked(driver: Driver) -> Driver:
    """A driver, if it is one; `InvalidValue` that says what it lacks if not."""
    if isinstance(driver, str):
        raise InvalidValue("driver", driver, ["a driver, such as HTTPDriver(URL)"])
    if isinstance(driver, type):
        raise InvalidValue("driver", driver, [f"an instance, {driver.__name__}(...), not the class"])
    missing = [name for name in METHODS if not callable(getattr(driver, name, None))]
    if missing:
        all_of_them = f"an object with the methods {', '.join(METHODS)}"
        raise InvalidValue("driver", driver, [f"{all_of_them}; it has no {' and no '.join(missing)}"])
    for name, arguments in METHODS.items():
        try:
            signature = inspect.signature(getattr(driver, name))
        except (TypeError, ValueError):
            continue  # written in C, say
        try:
            signature.bind(*arguments)
        except TypeError as error:
            accepted = f"a method that takes {len(arguments)} argument{'s' * (len(arguments) > 1)} ({error})"
            raise InvalidValue(f"{name}{signature} of driver", driver, [accepted]) from None
    return driver


def packages_of(driver: Driver) -> int:
    """How many packages a driver has; 1 if its `create` and `quota` do not take the number of another one."""
    number = getattr(driver, "packages", 1)
    if not isinstance(number, int) or number <= 1:
        return 1
    try:
        inspect.signature(driver.create).bind(*METHODS["create"], package=number)
        inspect.signature(driver.quota).bind(package=number)  # type: ignore[attr-defined]
    except (TypeError, ValueError, AttributeError):
        return 1
    return number


RETURNED = {
    **dict.fromkeys(("create", "call", "happen", "place"), ((Answer, type(None)), "an Answer, or None")),
    "observe": ((frozenset, set, dict, type(None)), "a set of states, such as {State.ISSUED}, or None"),
    "orders": ((Page, type(None)), "a Page, or None"),
    "quota": ((Quota, type(None)), "a Quota, or None"),
    "reset": ((bool, type(None)), "True, or False if it cannot"),
    **dict.fromkeys(("request", "flawed"), ((Answer, type(None)), "an Answer, or None")),
    "buy": ((Answer, type(None)), "an Answer, or None"),
    "certificate": ((Answer, type(None)), "an Answer, or None"),
    "read": ((Answer, type(None)), "an Answer, or None"),
    "by_the_clock": ((bool, type(None)), "True, or False if it cannot"),
    "advance": ((bool, type(None)), "True, or False if it cannot"),
}
"""What each method of a driver gives, and how that is said."""


def given(method: str, value: Any) -> Any:
    """What a method of a driver gave, if it is what that method gives; else `InvalidValue`."""
    kinds, said = RETURNED[method]
    if not isinstance(value, kinds) or (method == "observe" and value is not None and not value):
        raise InvalidValue(f"what the driver's {method}() gave,", value, [said])
    return value
