"""The API of CAS, for drivers: calls by its requests, and what answers say in JSON."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from orderfsm.errors import Meaning
from orderfsm.explanation import with_article
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.tables.api import VERSION
from orderfsm.trace import Outcome

from .driver import Abilities, Answer, NoAnswer, says_nothing, state_read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Event, Operation, State, Trigger

    from .driver import Page, Quota, Seen
    from .instances import Instances
    from .orders import Orders

CANNOT = (404, 405, 501)
"""HTTP statuses with which a control port says that it does not have a request."""

REFUSED = (404, 409)
"""HTTP statuses with which it refuses an event: there is no such order, or its state does not allow that."""


def of_json(status: int, body: Any) -> Answer:
    """The answer that an HTTP status and a decoded body are."""
    if not isinstance(body, dict):
        return Answer.unknown()
    if status == 200:
        order_id = body.get("OrderId")
        return Answer.accepted(http_status=status, body=body, order_id=order_id if isinstance(order_id, int) else None)
    return Answer.refused(str(body.get("Code", "")), http_status=status, body=body)


def takes_quota(lifecycle: Lifecycle) -> bool:
    """Whether there are packages: whether any row takes a unit of one, or gives it back."""
    return any(row.quota for row in lifecycle.transitions)


class ControlPort(Protocol):
    """A control port: requests of PROTOCOLS.md, section 2, in JSON."""

    def ask(self, method: str, path: str, document: object = None) -> tuple[int, Any]:
        """The status and the JSON of an answer; `NoAnswer` if none comes."""
        ...


def done(control: ControlPort, method: str, path: str, document: object = None, *, unless: tuple[int, ...] = ()) -> int:
    """The HTTP status of a request of a control port that must succeed, unless it is one of those."""
    status, body = control.ask(method, path, document)
    if not 200 <= status < 300 and status not in unless:
        raise NoAnswer(f"{method} {path}: HTTP {status}, {body!r:.200}")
    return status


def calls_of(driver: CASDriver) -> Orders | Instances:
    """The calls that a driver makes, about orders or instances: by what the API calls an id of its table."""
    from .instances import Instances
    from .orders import Orders

    calls: Mapping[str, type[Orders | Instances]] = {"OrderId": Orders, "InstanceId": Instances}
    return calls[driver.lifecycle.identity.parameter](driver)


class CASDriver(ABC):
    """Calls the API of CAS by its requests, about orders or instances, as its `lifecycle` is a table of these.

    `products` are the packages of orders. A control port, if there is one, reads states and lets events happen.
    """

    speaks_cas = True
    products: Sequence[str] = ()

    def __init__(self, lifecycle: Lifecycle = ORDER_LIFECYCLE, control: ControlPort | None = None) -> None:
        self.lifecycle = lifecycle
        Abilities.of(self, lifecycle)
        self._calls = calls_of(self)
        self._control = control
        self._shows_states = False

    @abstractmethod
    def request(self, action: str, parameters: Mapping[str, Any], *, version: str = VERSION) -> Answer: ...

    @property
    def packages(self) -> int:
        return len(self.products)

    @property
    def lists_oldest_first(self) -> bool:
        return self._calls.lists_oldest_first

    def create(self, operation: Operation | None = None, package: int = 1) -> Answer | None:
        return self._calls.create(operation, package)  # type: ignore[arg-type]  # one of this table

    def call(self, operation: Operation, order_id: Id) -> Answer:
        return self._calls.call(operation, order_id)

    def observe(self, order_id: Id) -> Seen:
        """By the control port; without one by what reads say."""
        if self._control is not None:
            return self._shown(self._control, order_id)
        try:
            return self._calls.seen(order_id)
        except NoAnswer as error:
            if error.answer is not None and self._is_not_found(error.answer):
                return self.lifecycle.gone
            raise

    def happen(self, order_id: Id, event: Event) -> Answer | None:
        """By the control port; without one, or with one that cannot force this event, None."""
        if self._control is None:
            return None
        status, body = self._control.ask("POST", f"{self._calls.home}/{order_id}/events", {"Event": event})
        if status == 200:
            return Answer.accepted()
        if status in REFUSED:
            return Answer.refused(self.lifecycle.not_found.code if status in CANNOT else None)
        if status in CANNOT or status == 400:
            return None
        raise NoAnswer(f"POST {self._calls.home}/{order_id}/events: HTTP {status}, {body}")

    def orders(self, **asked: Any) -> Page:
        """What is missing of the answer is empty."""
        return self._calls.listed(**asked)

    def quota(self, package: int = 1) -> Quota | None:
        return self._calls.quota(package)

    def read(self, operation: Operation, order_id: Id | None = None) -> Answer:
        return self.request(operation, {} if order_id is None else {self.lifecycle.identity.parameter: order_id})

    def place(self, operation: Operation) -> Answer | None:  # noqa: ARG002  # there is one only
        return self._calls.placed()

    def buy(self, operation: Operation, again: Id | None = None) -> Answer | None:
        return self._calls.bought(operation, again)

    def certificate(self, certificate: int) -> Answer | None:
        """Download a certificate by its id; None if the server does not offer that."""
        answer = self.request("GetUserCertificateDetail", {"CertId": certificate})
        return None if self.lifecycle.codes.meaning_of(answer.code) is Meaning.NOT_OFFERED else answer

    def reset(self, units: int | None) -> bool:
        """By the control port; False if there is none, or none that can."""
        if self._control is None or self._told("POST", "/reset") in CANNOT:
            return False
        for product in [] if units is None else [*self.products]:
            try:
                self._told("PUT", f"/packages/{quote(product, safe='')}", {"TotalCount": units}, unless=())
            except NoAnswer:
                if product == self.products[0]:
                    raise
                self.products = self.products[:1]
        if any(rule.follows is not None for rule in self.lifecycle.triggers):
            self._told("PUT", "/completions", {"Mode": "manual"})
        return True

    def by_the_clock(self) -> bool:
        """By the control port; False if there is none, or none that can."""
        return self._control is not None and self._told("PUT", "/completions", {"Mode": "clock"}) not in CANNOT

    def advance(self, seconds: float) -> bool:
        """By the control port; False if there is none, or none that can."""
        return self._control is not None and self._told("POST", "/clock", {"advance": seconds}) not in CANNOT

    # -- for the calls -----------------------------------------------------------------------------------------------

    def placed(self, asked: Mapping[str, Any]) -> Answer | None:
        """What a control port made, by this driver's table; None if there is none, or none that can."""
        if self._control is None:
            return None
        status, body = self._control.ask("POST", self._calls.home, asked)
        if status in CANNOT:
            return None
        if status != 201 or not isinstance(body, dict):
            raise NoAnswer(f"POST {self._calls.home}: HTTP {status}, {body!r:.200}", passing=status >= 500)
        return Answer.accepted(order_id=body.get(self.lifecycle.identity.parameter))

    def body_of(self, operation: Trigger, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """The JSON of the answer to a read; `NoAnswer` if it was refused."""
        answer = self.request(operation, parameters)
        if answer.outcome is not Outcome.ACCEPTED or answer.body is None:
            raise NoAnswer(f"{operation}: {answer}", passing=says_nothing(answer, self.lifecycle), answer=answer)
        return answer.body

    # -- the control port --------------------------------------------------------------------------------------------

    def _shown(self, control: ControlPort, order_id: Id) -> frozenset[State | None]:
        path = f"{self._calls.home}/{order_id}"
        status, shown = control.ask("GET", path)
        if status == 200 and isinstance(shown, dict):
            self._shows_states = True
            known: dict[str, frozenset[State | None]] = {
                state: frozenset([state]) for state in self.lifecycle.state_rules if state is not None
            }
            return state_read(shown.get("State"), known, f"GET {path}: State")
        if status == 404:
            self._must_be_gone(path, order_id)
            return self.lifecycle.gone
        raise NoAnswer(f"GET {path}: HTTP {status}, {shown!r:.200}", passing=status >= 500)

    def _must_be_gone(self, path: str, order_id: Id) -> None:
        """`NoAnswer` if the control port does not find an order that the API does, and never found one."""
        if not self._shows_states and self.call(self._calls.reads, order_id).outcome is Outcome.ACCEPTED:
            text = f"GET {path}: HTTP 404, of {with_article(self.lifecycle.noun)} that the API describes"
            raise NoAnswer(text, passing=False)

    def _told(self, method: str, path: str, document: object = None, unless: tuple[int, ...] = CANNOT) -> int:
        assert self._control is not None
        return done(self._control, method, path, document, unless=unless)

    def _is_not_found(self, answer: Answer) -> bool:
        return self.lifecycle.codes.meaning_of(answer.code) is Meaning.NOT_FOUND
