"""A mock certificate service on loopback, served from a thread of the process that asked for it."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

import attrs

from orderfsm.extras import needs
from orderfsm.invalid import InvalidValue, OrderFSMError
from orderfsm.mock.faults import Fault
from orderfsm.mock.records import Record
from orderfsm.order import order_id
from orderfsm.tables.orders import State
from orderfsm.wire import parse_states

from .port import served

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterator
    from datetime import timedelta

    from alibabacloud_cas20200407.client import Client
    from starlette.types import ASGIApp

    from orderfsm.identity import Id
    from orderfsm.mock.cas.service import Service
    from orderfsm.mock.clock import Clock
    from orderfsm.mock.records import Package
    from orderfsm.rows import Event, Operation
    from orderfsm.trace import Line

    from .requests import Exchange

LOOPBACK = "127.0.0.1"
ANY_KEY = ("test", "test")
"""The access key of clients where every key is accepted."""

_NAMES = {"domain": "Domain", "csr": "Csr", "product_code": "ProductCode", "validate_type": "ValidateType"}


class Asked(TypedDict, total=False):
    """What a new order may be asked for: a domain, or several with commas, or a signing request in PEM, and more."""

    domain: str
    csr: str
    product_code: str
    validate_type: str
    tags: Mapping[str, str]


@attrs.frozen
class Server:
    """A running mock: the URLs of its `api` and `control` ports, and the service, if it runs in this process."""

    api: str
    control: str
    _service: Service | None = None
    _packages: Mapping[str, int] = attrs.field(factory=dict)
    _key: tuple[str, str] = attrs.field(default=ANY_KEY, repr=False)
    _exchanges: deque[Exchange] | None = attrs.field(default=None, repr=False, eq=False)

    @property
    def service(self) -> Service:
        """The service behind both ports; an `OrderFSMError` if it runs in another process."""
        if self._service is None:
            raise OrderFSMError(f"the service at {self.api} runs in another process: use its control port")
        return self._service

    def client(self, **config: Any) -> Client:
        """An official SDK client of this server, with the first of its keys, if it was given some.

        `config` overrides fields of the SDK's `Config`.
        """
        with needs("client"):
            from alibabacloud_cas20200407.client import Client
            from alibabacloud_tea_openapi.models import Config

        key_id, secret = self._key
        settings: dict[str, Any] = {
            "access_key_id": key_id,
            "access_key_secret": secret,
            "protocol": "http",
            "endpoint": self.api.removeprefix("http://"),
            # The SDK obeys HTTP_PROXY even for loopback; the server takes what a proxy would get.
            "http_proxy": self.api,
        }
        return Client(Config(**(settings | config)))

    # -- what a test does with it --------------------------------------------------------------------------------------

    @overload
    def order(self, state: State | str = ..., *, count: None = ..., **asked: Unpack[Asked]) -> Record: ...

    @overload
    def order(self, state: State | str = ..., *, count: int, **asked: Unpack[Asked]) -> list[Record]: ...

    def order(
        self, state: State | str = State.PENDING_REVIEW, *, count: int | None = None, **asked: Unpack[Asked]
    ) -> Record | list[Record]:
        """A new order that is in `state`, or a list of `count` of them, each with a unit of its own.

        It is created and moved there by calls and events, which is what its history says; see `Service.begin`. Unless
        `asked` for another `domain`, `csr`, `product_code`, `validate_type` or `tags`, it is for example.com.
        """
        parameters = _parameters(asked)
        orders = [self.service.begin(state, parameters) for _ in range(_number(count))]
        return orders[0] if count is None else orders

    @overload
    def instance(
        self, state: State | str = ..., *, count: None = ..., spec: str = ..., domain: str = ...
    ) -> Record: ...

    @overload
    def instance(self, state: State | str = ..., *, count: int, spec: str = ..., domain: str = ...) -> list[Record]: ...

    def instance(
        self,
        state: State | str | None = None,
        *,
        count: int | None = None,
        spec: str | None = None,
        domain: str | None = None,
    ) -> Record | list[Record]:
        """A new instance that was bought and settled, or is in `state`, or a list of `count` of them.

        It is moved there by calls and events, as its history says; see `Service.begin_instance`. Unless another `spec`
        or `domain` is asked for, it is `ws.dv.f`, filled in with example.com.
        """
        asked = {"Spec": spec, "Domain": "example.com" if domain is None and spec is None else domain}
        given = {name: value for name, value in asked.items() if value is not None}
        made = [self.service.begin_instance(state, given) for _ in range(_number(count))]
        return made[0] if count is None else made

    def instances(self, state: State | str | None = None) -> list[Record]:
        """All instances that are not deleted, oldest first; with a `state` (or a word of the API), those in it."""
        engine = self.service.instances
        states = None if state is None else parse_states(state, engine.lifecycle)
        return engine.orders(states, limit=engine.count())

    def orders(self, state: State | str | None = None) -> list[Record]:
        """All orders that are not deleted, oldest first; with a `state` (or a word of the API), those in it."""
        states = None if state is None else parse_states(state, self.service.lifecycle)
        return self.service.orders(states, limit=self.service.count())

    def happen(self, order: Record | Id, event: Event | str) -> Record:
        """Let an event happen to an order or an instance, or to that of an id; what it is then, or the refusal."""
        order_id = _id(order)
        lifecycle = self.service.engine_of(order_id).lifecycle
        return self.service.happen(order_id, lifecycle.trigger(event))  # type: ignore[arg-type]

    def history(self, order: Record | Id | None = None) -> list[Line]:
        """What happened, to one order or instance or to all: calls, those that were refused too, and events."""
        return list(self.service.history(None if order is None else _id(order)))

    @property
    def calls(self) -> list[Line]:
        """The calls in the history, oldest first: those that made an order or were about one, refused ones too.

        A call that a fault met is not there, unless it was carried out: see `requests`.
        """
        return [line for line in self.history() if line.lifecycle.by_client(line.trigger)]

    @property
    def requests(self) -> list[Exchange]:
        """What came to the API port, oldest first, and what it answered: reads, faults and whatever was malformed too.

        The last 10,000 since the mock began or was reset.
        """
        if self._exchanges is None:
            raise OrderFSMError(f"nobody notes what comes to {self.api}: it runs in another process")
        return list(self._exchanges)

    def packages(self) -> list[Package]:
        """All packages, by product code."""
        return self.service.packages()

    def put_package(self, product_code: str, total: int) -> Package:
        """Buy a package, or change its size; what is held stays held."""
        return self.service.put_package(product_code, total)

    def fail(
        self,
        operation: Operation | str | None = None,
        *,
        order_id: Record | int | None = None,
        instance_id: Record | str | None = None,
        **members: Any,
    ) -> Fault:
        """Let calls of `operation` (None: any) fail, on an order or an instance, or on any.

        `members` are those of a `Fault`, which is given back.
        """
        for name, given in (("order_id", order_id), ("instance_id", instance_id)):
            members[name] = given.id if isinstance(given, Record) else given
        fault = Fault(operation=operation, lifecycle=self.service.lifecycles, **members)
        self.service.add_fault(fault)
        return fault

    def add_fault(self, fault: Fault) -> None:
        """Let calls fail by a rule, after those that there are."""
        self.service.add_fault(fault)

    def assert_all_fired(self) -> None:
        """Raise an AssertionError that names the faults that no call has met."""
        usual = Fault().as_json() | {"Operation": None}
        unfired = [
            json.dumps({name: value for name, value in rule.items() if value != usual.get(name)})
            for rule in self.service.unfired_faults()
        ]
        if unfired:
            raise AssertionError(f"{len(unfired)} of the faults never fired: {'; '.join(unfired)}")

    def clear_faults(self) -> None:
        """Let no call fail any more."""
        self.service.clear_faults()

    @property
    def completions(self) -> str:
        """Whether what is under way with an instance is completed by the clock ("clock"), or by `happen` ("manual")."""
        return self.service.completions

    def put_completions(self, mode: str) -> None:
        """Let what is under way with instances be completed by the clock ("clock"), or only by `happen` ("manual")."""
        self.service.put_completions(mode)

    @property
    def clock(self) -> Clock:
        """The movable clock, by which certificates expire, reviews end and what is under way completes.

        `advance` moves it.
        """
        return self.service.clock

    def advance(self, by: float | timedelta) -> float:
        """Move the clock forward by seconds or a timedelta; the time that it is now."""
        return self.service.advance(by)

    def reset(self) -> None:
        """What `mock_cas` gave: its packages, nothing held of them; no orders, no faults, the clock at now."""
        self.service.reset()
        if self._exchanges is not None:
            self._exchanges.clear()
        for product_code, total in self._packages.items():
            self.service.put_package(product_code, total)


def _parameters(asked: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a create by the names that the API gives them."""
    for name in asked:
        if name not in Asked.__annotations__:
            raise TypeError(f"{name} of an order: it is asked for by {', '.join(Asked.__annotations__)}")
    given = {_NAMES[name]: value for name, value in asked.items() if name in _NAMES and value is not None}
    tags = asked.get("tags") or {}
    if not isinstance(tags, Mapping):
        raise InvalidValue("tags", tags, ["a mapping of keys to values"])
    for number, (key, value) in enumerate(tags.items(), 1):
        given |= {f"Tags.{number}.Key": key, f"Tags.{number}.Value": value}
    return given if "Csr" in given else {"Domain": "example.com"} | given


def _id(order: Record | Id) -> Id:
    if isinstance(order, Record):
        return order.id
    return order if isinstance(order, str) and not order.isdigit() else order_id(order)  # type: ignore[arg-type]


def _number(count: int | None) -> int:
    if count is not None and (type(count) is not int or count < 0):
        raise InvalidValue("count", count, ["an integer from 0"])
    return 1 if count is None else count


@contextmanager
def _serve(app: ASGIApp) -> Iterator[str]:
    """Serve an application on a free loopback port until the block ends; its value is the URL."""
    with socket.create_server((LOOPBACK, 0)) as listener, served(app, listener):
        yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"
