"""A driver for any server that speaks the API over HTTP: by the official SDK, and a control port if there is one."""

from __future__ import annotations

import json
import os
import time
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from orderfsm import wire
from orderfsm.errors import Meaning, OrderStateError
from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.tables import api
from orderfsm.tables.orders import Operation
from orderfsm.trace import Outcome
from orderfsm.urls import without_credentials

from .cas import OTHER_PRODUCT, CASDriver, of_json, state_read
from .driver import Abilities, Answer, NoAnswer, kept_out, throttled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orderfsm.client import sdk
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Event, State

PRODUCT = "digicert-free-1-free"
"""The package that is used unless another is named: the API's own default."""

ANY_KEY = ("test", "test")
"""The access key for servers that accept every key."""

THROTTLED_TRIES = 5
"""How often a call that was throttled is made again."""

CANNOT = (404, 405, 501)
"""HTTP statuses with which a control port says that it does not have a request."""

KEYS = "ORDERFSM_ACCESS_KEYS"
"""The environment variable that names access keys: `id:secret,id:secret`."""


def key_of_environment() -> tuple[str, str]:
    """The first access key that the environment names, else one that only servers accept that verify no signature."""
    first = os.environ.get(KEYS, "").split(",")[0]
    key_id, _, secret = first.partition(":")
    if first and not (key_id and secret):
        raise InvalidValue(KEYS, "entry 1", ["id:secret,id:secret"])
    return (key_id, secret) if first else ANY_KEY


class HTTPDriver(CASDriver):
    """Drives the server at `api_url` through the official SDK, signing with `key`, an access key's id and secret.

    At `control_url` is its control port (PROTOCOLS.md §2), by which events are forced, states are read, and the account
    is emptied before each program: **everything in it is lost**. Without a control port, only what calls can do is
    checked, in an account that nobody else uses meanwhile; the units that orders hold are given back where the API can.

    Without a scheme, a URL of this machine is http, and another API URL https. `product` is the package that is used,
    with a control port beside a second one; `timeout` is how many seconds an answer may take. `lifecycle` is a table of
    the certificate service's operations; else `InvalidValue`. Safe between threads.
    """

    def __init__(
        self,
        api_url: str,
        control_url: str | None = None,
        *,
        key: tuple[str, str] = ANY_KEY,
        product: str = PRODUCT,
        timeout: float = 10.0,
        lifecycle: Lifecycle = ORDER_LIFECYCLE,
    ) -> None:
        from orderfsm.client import sdk
        from orderfsm.client.connect import connect, url_of

        super().__init__()
        Abilities.of(self, lifecycle)
        self.api_url = url_of(api_url).geturl().rstrip("/")
        self.control_url = None if control_url is None else url_of_control(control_url)
        self.product = product
        second = [] if control_url is None or product == OTHER_PRODUCT else [OTHER_PRODUCT]
        self.products = [product, *second]
        self._client = connect(api_url, key=key)
        milliseconds = int(timeout * 1000)
        self._runtime = sdk.RuntimeOptions(connect_timeout=milliseconds, read_timeout=milliseconds)
        self._timeout = timeout
        self._control = None if self.control_url is None else ControlClient(self.control_url, timeout)
        self._lifecycle = lifecycle
        self._shows_orders = False

    def probe(self) -> None:
        """`NoAnswer` if there is no server, or none that lets us in. One that lacks a read is there."""
        from orderfsm.client import sdk

        reads: list[tuple[Operation, Mapping[str, Any]]] = [
            (Operation.DESCRIBE_PACKAGE, {"ProductCode": self.product}),
            (Operation.LIST, {}),
            (Operation.DESCRIBE, {"OrderId": 1}),
        ]
        came = sdk.Answer(Outcome.UNKNOWN)
        for operation, parameters in reads:
            came = self._sent(operation, parameters)
            if _answer(came).outcome is not Outcome.UNKNOWN and not kept_out(_answer(came)):
                break
        else:
            answer = _answer(came)
            why = "" if answer.outcome is not Outcome.UNKNOWN else f" ({' '.join(str(came.error).split()):.200})"
            raise NoAnswer(f"{self.api_url}: {answer}{why}")
        if self._control is not None:
            self._control.ask("GET", "/orders/1")

    def observe(self, order_id: int) -> frozenset[State | None]:
        """By the control port; without one by a describe, and by the list where the describe leaves several states."""
        if self._control is not None:
            status, order = self._control.ask("GET", f"/orders/{order_id}")
            if status == 200 and isinstance(order, dict):
                self._shows_orders = True
                known: dict[str, frozenset[State | None]] = {
                    state: frozenset([state]) for state in self._lifecycle.state_rules if state is not None
                }
                return state_read(order.get("State"), known, f"GET /orders/{order_id}: State")
            if status == 404:
                self._must_be_gone(order_id)
                return self._lifecycle.gone
            raise NoAnswer(f"GET /orders/{order_id}: HTTP {status}, {order!r:.200}", passing=status >= 500)
        try:
            body = self._read(Operation.DESCRIBE, {"OrderId": order_id})
        except NoAnswer as error:
            if error.answer is not None and self._lifecycle.codes.meaning_of(error.answer.code) is Meaning.NOT_FOUND:
                return self._lifecycle.gone
            raise
        states = state_read(body.get("Type"), wire.types(self._lifecycle), f"{Operation.DESCRIBE}: Type")
        return states if len(states) <= 1 else states & self._in_the_list(order_id) or states

    def _must_be_gone(self, order_id: int) -> None:
        """`NoAnswer` if the control port does not find an order that the API does, and never found one."""
        if self._shows_orders:
            return
        described = self.call(Operation.DESCRIBE, order_id)
        if described.outcome is Outcome.ACCEPTED:
            raise NoAnswer(f"GET /orders/{order_id}: HTTP 404, of an order that the API describes", passing=False)

    def happen(self, order_id: int, event: Event) -> Answer | None:
        """By the control port; without one, or with one that cannot force this event, None."""
        if self._control is None:
            return None
        status, body = self._control.ask("POST", f"/orders/{order_id}/events", {"Event": event})
        match status:
            case 200:
                return Answer.accepted()
            case 404:
                return Answer.refused(self._lifecycle.not_found.code)
            case 409:
                return Answer.refused(OrderStateError.code)
        if status in CANNOT or status == 400:
            return None
        raise NoAnswer(f"POST /orders/{order_id}/events: HTTP {status}, {body}")

    def request(self, action: str, parameters: Mapping[str, Any], *, version: str = api.VERSION) -> Answer:
        """A call that is throttled is made again."""
        came = self._sent(action, parameters, version)
        for _ in range(THROTTLED_TRIES):
            if throttled(_answer(came)):
                time.sleep(min(came.retry_after or 1.0, self._timeout))
                came = self._sent(action, parameters, version)
        return _answer(came)

    def reset(self, units: int | None) -> bool:
        """By the control port; False if there is none, or none that can."""
        if self._control is None:
            return False
        if self._control.do("POST", "/reset", unless=CANNOT) in CANNOT:
            return False
        for product in () if units is None else tuple(self.products):
            try:
                self._control.do("PUT", f"/packages/{quote(product, safe='')}", {"TotalCount": units})
            except NoAnswer:
                if product == self.product:
                    raise
                self.products = [self.product]
        return True

    def _in_the_list(self, order_id: int) -> frozenset[State | None]:
        """The states that the list says an order may be in; every one if it does not say."""
        anything = frozenset(self._lifecycle.state_rules)
        try:
            found = self.orders(keyword=self._domains.get(order_id))
        except NoAnswer:
            return anything
        words = [entry.status for entry in found.entries if entry.order_id == order_id]
        known = wire.statuses(self._lifecycle)
        return known.get(words[0], anything) if words and isinstance(words[0], str) else anything

    def _sent(self, action: str, parameters: Mapping[str, Any], version: str = api.VERSION) -> sdk.Answer:
        """What came of a call, as it came: an older SDK's models lack fields."""
        from orderfsm.client import sdk

        return sdk.send_raw(self._client, action, version, parameters, self._runtime)


def _answer(came: sdk.Answer) -> Answer:
    """What the answer that the SDK got says."""
    if came.response is not None:
        return of_json(came.response["statusCode"], came.response.get("body"))
    if came.code is None:
        return Answer.unknown()
    return of_json(getattr(came.error, "statusCode", None) or 500, getattr(came.error, "data", None))


def url_of_control(text: str) -> str:
    """The URL of a control port; `InvalidValue` if it is none."""
    try:
        url = urlsplit(text if "://" in text else f"http://{text}")
        if url.scheme == "http" and url.hostname and url.port != 0 and not (url.path.strip("/") or url.query):
            return url.geturl().rstrip("/")
    except ValueError:
        pass  # a port that is none
    raise InvalidValue("control URL", without_credentials(text), ["http://HOST:PORT"])


class ControlClient:
    """A client of a control port."""

    def __init__(self, url: str, timeout: float) -> None:
        parts = urlsplit(url)
        self._url = without_credentials(url)
        self._host, self._port, self._timeout = parts.hostname or "", parts.port, timeout

    def ask(self, method: str, path: str, document: object = None) -> tuple[int, Any]:
        """The status and the JSON of an answer; `NoAnswer` if none comes."""
        body = None if document is None else json.dumps(document)
        with closing(HTTPConnection(self._host, self._port, timeout=self._timeout)) as connection:
            try:
                connection.request(method, path, body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                text = response.read()
                return response.status, json.loads(text) if text else None
            except (OSError, HTTPException, ValueError) as error:
                raise NoAnswer(f"{method} {self._url}{path}: {error!r}") from error

    def do(self, method: str, path: str, document: object = None, *, unless: tuple[int, ...] = ()) -> int:
        """The status of a request that must succeed, unless it is one of those."""
        status, body = self.ask(method, path, document)
        if not 200 <= status < 300 and status not in unless:
            raise NoAnswer(f"{method} {self._url}{path}: HTTP {status}, {body!r:.200}")
        return status
