"""The control port, without I/O: what a test does behind the service's back.

==============================================  ==============================================================
``POST /reset``                                 no orders, packages, records, faults, history; the clock at now: 204
``PUT /packages/{code}`` ``{"TotalCount": n}``  set a package's size: 200 and its counts
``GET /packages``                               200 and all packages
``POST /orders/{id}/events`` ``{"Event": e}``   an event happens: 200 and the order; 400 unknown event; 404 no such
                                                order; 409 the table refuses it
``GET /orders/{id}``                            200 and the order; 404 for a deleted one too
``GET /orders``                                 all, oldest first, by ``state``, ``limit``, ``after``: 200
``POST /instances`` ``{"Spec", "Domain",        an instance as bought and settled, or in another ``State`` of these
"State"}``                                      two; all members are optional, without ``Spec`` and ``Domain`` it is
                                                filled in with example.com: 201 and the instance
``GET /instances``, ``/instances/{id}``,        as of orders, of instances
``POST /instances/{id}/events``
``PUT /completions`` ``{"Mode": m}``, ``GET``   whether what is under way is completed by the clock or when it is told
                                                to (``clock``, ``manual``): 200 and the mode
``PUT /domains/{name}``, ``DELETE``             take a domain into the account of DNS, or out of it: 200 and the domain,
                                                204
``GET /domains``, ``/domains/{name}``           the domains, and one with its records, as AliDNS answers them: 200; 404
``GET /history``                                all that happened, in the trace format: 200
``POST /faults`` a rule, ``GET``, ``DELETE``    fault rules, in order (`faults.Fault`): 201, 200, 204
``POST /clock`` ``{"advance": seconds}``        move the clock forward: 200 and the time that it is
``GET /clock``                                  200 and the time that it is
``GET /health``                                 200 and the number of orders, and of instances if there are any
==============================================  ==============================================================

Everything else is a JSON error: 400 what makes no sense, 404 what is not there, 405 what cannot be done to it.
"""

from __future__ import annotations

import json
import logging
import re
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from orderfsm import trace
from orderfsm.errors import NotFound, Refusal
from orderfsm.invalid import InvalidValue
from orderfsm.mock.cas.service import settled
from orderfsm.mock.clock import instant
from orderfsm.mock.dns.face import record_of
from orderfsm.mock.faults import Fault
from orderfsm.mock.message import Request, Response
from orderfsm.mock.stores.store import StoreError
from orderfsm.wire import parse_states

if TYPE_CHECKING:
    from collections.abc import Callable

    from orderfsm.identity import Id
    from orderfsm.mock.cas.service import Service
    from orderfsm.mock.engine import Engine
    from orderfsm.mock.records import Package, Record
    from orderfsm.rows import Event

MAX_ORDERS = 1000


class _Kind(NamedTuple):
    """What is alike of orders and of instances: where they are found, and how one is shown."""

    path: str
    engine: Engine
    shown: Callable[[Record], dict[str, Any]]

    @property
    def title(self) -> str:
        """Under which name a list of them stands."""
        return self.path.capitalize()

    def id(self, text: str) -> Id:
        """The id that `text` is; the table's not-found error if no order can have it."""
        identity = self.engine.lifecycle.identity
        try:
            order_id = identity.read(text)
        except InvalidValue:
            raise self.engine.lifecycle.not_found from None
        if str(order_id) != text:
            raise self.engine.lifecycle.not_found
        return order_id


class Control:
    """Answers the control port's requests by calling the methods of `service`."""

    def __init__(self, service: Service) -> None:
        self.service = service
        kinds = (
            _Kind("orders", service.engine, _shown),
            _Kind("instances", service.instances, self._instance),
        )
        answers: list[tuple[str, str, Callable[..., Response]]] = [
            ("POST", "/reset", self._reset),
            ("GET", "/packages", self._packages),
            ("PUT", "/packages/([^/]+)", self._put_package),
            ("POST", "/instances", self._begin_instance),
            ("GET", "/completions", self._completions),
            ("PUT", "/completions", self._put_completions),
            ("PUT", "/domains/([^/]+)", self._put_domain),
            ("DELETE", "/domains/([^/]+)", self._delete_domain),
            ("GET", "/domains/([^/]+)", self._domain),
            ("GET", "/domains", self._domains),
            ("GET", "/history", self._history),
            ("POST", "/faults", self._add_fault),
            ("GET", "/faults", self._faults),
            ("DELETE", "/faults", self._clear_faults),
            ("GET", "/clock", self._clock),
            ("POST", "/clock", self._advance),
            ("GET", "/health", self._health),
        ]
        for kind in kinds:
            answers += [
                ("POST", f"/{kind.path}/([^/]+)/events", partial(self._happen, kind)),
                ("GET", f"/{kind.path}/([^/]+)", partial(self._order, kind)),
                ("GET", f"/{kind.path}", partial(self._orders, kind)),
            ]
        self._routes = [(method, re.compile(pattern), answer) for method, pattern, answer in answers]

    def handle(self, request: Request) -> Response:
        """The response of the control port to `request`; it never raises."""
        try:
            return self._handled(request)
        except StoreError as error:
            return unavailable(str(error))
        except Exception:
            logging.getLogger(__name__).exception("%s %s failed", request.method, request.path[:200])
            return _problem(500, "InternalError", "the mock failed: see its standard error")

    def gave_up(self, _request: Request, reason: str) -> Response:
        """The response to a call that nobody waits for any more."""
        return unavailable(reason)

    def _handled(self, request: Request) -> Response:
        self.service.refresh()
        allowed = set()
        for method, pattern, answer in self._routes:
            match = pattern.fullmatch(request.path)
            if match and method == request.method:
                try:
                    return answer(request, *match.groups())
                except NotFound as error:
                    return _problem(404, error.code, error.text)
                except Refusal as error:
                    return _problem(409, error.code, str(error))
                except InvalidValue as error:
                    return _problem(400, "InvalidValue", str(error))
            if match:
                allowed.add(method)
        if allowed:
            return _problem(405, "MethodNotAllowed", f"{request.path} takes {', '.join(sorted(allowed))}")
        return _problem(404, "NotFound", f"nothing is at {request.path[:200]}")

    def _reset(self, _request: Request) -> Response:
        self.service.reset()
        return Response(204)

    def _put_package(self, request: Request, product_code: str) -> Response:
        return Response.of(200, _bought(self.service.put_package(product_code, _member(request, "TotalCount"))))

    def _packages(self, _request: Request) -> Response:
        return Response.of(200, {"Packages": [_bought(package) for package in self.service.packages()]})

    def _happen(self, kind: _Kind, request: Request, order_id: str) -> Response:
        event = _member(request, "Event")
        if not isinstance(event, str):
            raise InvalidValue("Event", event, kind.engine.lifecycle.events)
        return Response.of(200, kind.shown(self.service.happen(kind.id(order_id), cast("Event", event))))

    def _order(self, kind: _Kind, _request: Request, order_id: str) -> Response:
        return Response.of(200, kind.shown(kind.engine.order(kind.id(order_id))))

    def _orders(self, kind: _Kind, request: Request) -> Response:
        word = request.query.get("state")
        states = None if word is None else parse_states(word, kind.engine.lifecycle)
        is_text = kind.engine.lifecycle.identity.is_text
        after: Id | None = request.query.get("after") if is_text else _natural(request, "after", 0)
        limit = min(_natural(request, "limit", MAX_ORDERS), MAX_ORDERS)
        found = kind.engine.orders(states, after or None, limit + 1)
        shown = found[:limit]
        more = shown[-1].id if shown and len(found) > limit else None
        return Response.of(200, {kind.title: [kind.shown(record) for record in shown], "Next": more})

    def _begin_instance(self, request: Request) -> Response:
        asked = _json(request) if request.body else {}
        if not isinstance(asked, dict):
            raise InvalidValue("body", request.body[:60], ["a JSON object"])
        asked = {name: value for name, value in asked.items() if value is not None}
        lifecycle = self.service.instances.lifecycle
        states = settled(lifecycle)
        state = asked.pop("State", states[-1])
        if not isinstance(state, str) or state not in states:
            raise InvalidValue("State", state, states)
        filled_in = asked if asked.keys() & {"Spec", "Domain"} else asked | {"Domain": "example.com"}
        return Response.of(201, self._instance(self.service.begin_instance(state, filled_in)))

    def _instance(self, record: Record) -> dict[str, Any]:
        lifecycle = self.service.instances.lifecycle
        words = {vocabulary.field: None for vocabulary in lifecycle.vocabularies}
        return {
            lifecycle.identity.parameter: record.id,
            "State": record.state,
            **words,
            "Domain": "",
            **self.service.instance_fields(record),
            "Created": instant(record.created),
            "Ends": _instant(record.ends),
            "Issued": _instant(record.issued),
            "Expires": _instant(record.expires),
        }

    def _completions(self, _request: Request) -> Response:
        return Response.of(200, {"Mode": self.service.completions})

    def _put_completions(self, request: Request) -> Response:
        self.service.put_completions(_member(request, "Mode"))
        return self._completions(request)

    def _put_domain(self, request: Request, name: str) -> Response:
        self.service.put_domain(name)
        return self._domain(request, name)

    def _delete_domain(self, _request: Request, name: str) -> Response:
        if name.lower() not in self.service.domains():
            return _no_domain(name)
        self.service.delete_domain(name)
        return Response(204)

    def _domain(self, _request: Request, name: str) -> Response:
        if name.lower() not in self.service.domains():
            return _no_domain(name)
        records = [record_of(record) for record in self.service.dns_records(name)]
        return Response.of(200, {"DomainName": name.lower(), "Records": records})

    def _domains(self, _request: Request) -> Response:
        names = self.service.domains()
        counts = [{"DomainName": name, "RecordCount": len(self.service.dns_records(name))} for name in names]
        return Response.of(200, {"Domains": counts})

    def _history(self, _request: Request) -> Response:
        lines = [trace.header(), *map(trace.dumps, self.service.history())]
        body = "".join(f"{line}\n" for line in lines)
        return Response(200, body.encode(), {"content-type": "application/x-ndjson"})

    def _add_fault(self, request: Request) -> Response:
        fault = Fault.parse(_json(request), *self.service.lifecycles)
        self.service.add_fault(fault)
        return Response.of(201, fault.as_json())

    def _faults(self, _request: Request) -> Response:
        return Response.of(200, {"Faults": self.service.fault_rules()})

    def _clear_faults(self, _request: Request) -> Response:
        self.service.clear_faults()
        return Response(204)

    def _advance(self, request: Request) -> Response:
        return Response.of(200, {"now": instant(self.service.advance(_member(request, "advance")))})

    def _clock(self, _request: Request) -> Response:
        return Response.of(200, {"now": instant(self.service.clock.now())})

    def _health(self, _request: Request) -> Response:
        orders, instances = self.service.count(), self.service.instances.count()
        return Response.of(200, {"status": "ok", "orders": orders} | ({"instances": instances} if instances else {}))


def forbidden(reason: str) -> Response:
    """The answer to what is turned away before it is looked at."""
    return _problem(403, "Forbidden", reason)


def unavailable(reason: str) -> Response:
    """The control port's answer when the store fails."""
    logging.getLogger(__name__).error("orderfsm: a request to the control port failed: %s", reason)
    return _problem(503, "ServiceUnavailable", reason)


def _problem(status: int, code: str, message: str) -> Response:
    return Response.of(status, {"Code": code, "Message": message})


def _no_domain(name: str) -> Response:
    return _problem(404, "InvalidDomainName.NoExist", f"the account has no domain {name[:200]}, or nobody named it")


def _json(request: Request) -> Any:
    try:
        return json.loads(request.body)
    except (ValueError, RecursionError):
        raise InvalidValue("body", request.body[:60], ["JSON"]) from None


def _member(request: Request, name: str) -> Any:
    document = _json(request)
    if not isinstance(document, dict) or name not in document:
        raise InvalidValue("body", request.body[:60], [f'a JSON object with "{name}"'])
    return document[name]


def _natural(request: Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not re.fullmatch("[0-9]{1,18}", text):
        raise InvalidValue(name, text, ["a natural number"])
    return int(text)


def _bought(package: Package) -> dict[str, Any]:
    return {"ProductCode": package.product_code, "TotalCount": package.total, "UsedCount": package.used}


def _instant(at: float | None) -> str | None:
    return None if at is None else instant(at)


def _shown(record: Record) -> dict[str, Any]:
    return {
        "OrderId": record.id,
        "State": record.state,
        "ProductCode": record.product_code,
        "Domain": ",".join(record.domains),
        "ValidateType": record.validate_type,
        "Created": instant(record.created),
        "Issued": _instant(record.issued),
        "Expires": _instant(record.expires),
        "HoldsUnit": record.holds_unit,
        "Tags": [{"Key": key, "Value": value} for key, value in record.tags],
    }
