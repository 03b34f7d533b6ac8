"""The control port, without I/O: what a test does behind the service's back.

==============================================  ==============================================================
``POST /reset``                                 no orders, packages, faults or history; the clock at now: 204
``PUT /packages/{code}`` ``{"TotalCount": n}``  set a package's size: 200 and its counts
``GET /packages``                               200 and all packages
``POST /orders/{id}/events`` ``{"Event": e}``   an event happens: 200 and the order; 400 unknown event; 404 no such
                                                order; 409 the table refuses it
``GET /orders/{id}``                            200 and the order; 404 for a deleted one too
``GET /orders``                                 all, oldest first, by ``state``, ``limit``, ``after``: 200
``GET /history``                                all that happened, in the trace format: 200
``POST /faults`` a rule, ``GET``, ``DELETE``    fault rules, in order (`faults.Fault`): 201, 200, 204
``POST /clock`` ``{"advance": seconds}``        move the clock forward: 200 and the time that it is
``GET /clock``                                  200 and the time that it is
``GET /health``                                 200
==============================================  ==============================================================

Everything else is a JSON error: 400 what makes no sense, 404 what is not there, 405 what cannot be done to it.
"""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any, cast

from orderfsm import trace
from orderfsm.errors import NotFound, Refusal
from orderfsm.invalid import InvalidValue
from orderfsm.mock.clock import instant
from orderfsm.mock.faults import Fault
from orderfsm.mock.message import Request, Response
from orderfsm.mock.stores.store import StoreError
from orderfsm.wire import parse_states

if TYPE_CHECKING:
    from collections.abc import Callable

    from orderfsm.mock.cas.service import Service
    from orderfsm.mock.records import Package, Record
    from orderfsm.rows import Event

MAX_ORDERS = 1000


class Control:
    """Answers the control port's requests by calling the methods of `service`."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Response]]] = [
            (method, re.compile(pattern), answer)
            for method, pattern, answer in (
                ("POST", "/reset", self._reset),
                ("GET", "/packages", self._packages),
                ("PUT", "/packages/([^/]+)", self._put_package),
                ("POST", "/orders/([^/]+)/events", self._happen),
                ("GET", "/orders/([^/]+)", self._order),
                ("GET", "/orders", self._orders),
                ("GET", "/history", self._history),
                ("POST", "/faults", self._add_fault),
                ("GET", "/faults", self._faults),
                ("DELETE", "/faults", self._clear_faults),
                ("GET", "/clock", self._clock),
                ("POST", "/clock", self._advance),
                ("GET", "/health", self._health),
            )
        ]

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

    def _happen(self, request: Request, order_id: str) -> Response:
        event = _member(request, "Event")
        if not isinstance(event, str):
            raise InvalidValue("Event", event, self.service.lifecycle.events)
        return Response.of(200, _shown(self.service.happen(self._id(order_id), cast("Event", event))))

    def _order(self, _request: Request, order_id: str) -> Response:
        return Response.of(200, _shown(self.service.order(self._id(order_id))))

    def _id(self, text: str) -> int:
        if re.fullmatch("[1-9][0-9]{0,17}", text):
            return int(text)
        raise self.service.lifecycle.not_found

    def _orders(self, request: Request) -> Response:
        word = request.query.get("state")
        states = None if word is None else parse_states(word, self.service.lifecycle)
        after = _natural(request, "after", 0)
        limit = min(_natural(request, "limit", MAX_ORDERS), MAX_ORDERS)
        found = self.service.orders(states, after, limit + 1)
        shown = found[:limit]
        more = shown[-1].id if shown and len(found) > limit else None
        return Response.of(200, {"Orders": [_shown(record) for record in shown], "Next": more})

    def _history(self, _request: Request) -> Response:
        lines = [trace.header(), *map(trace.dumps, self.service.history())]
        body = "".join(f"{line}\n" for line in lines)
        return Response(200, body.encode(), {"content-type": "application/x-ndjson"})

    def _add_fault(self, request: Request) -> Response:
        fault = Fault.parse(_json(request), self.service.lifecycle)
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
        return Response.of(200, {"status": "ok", "orders": self.service.count()})


def forbidden(reason: str) -> Response:
    """The answer to what is turned away before it is looked at."""
    return _problem(403, "Forbidden", reason)


def unavailable(reason: str) -> Response:
    """The control port's answer when the store fails."""
    logging.getLogger(__name__).error("orderfsm: a request to the control port failed: %s", reason)
    return _problem(503, "ServiceUnavailable", reason)


def _problem(status: int, code: str, message: str) -> Response:
    return Response.of(status, {"Code": code, "Message": message})


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


def _shown(record: Record) -> dict[str, Any]:
    return {
        "OrderId": record.id,
        "State": record.state,
        "ProductCode": record.product_code,
        "Domain": ",".join(record.domains),
        "ValidateType": record.validate_type,
        "Created": instant(record.created),
        "Issued": None if record.issued is None else instant(record.issued),
        "Expires": None if record.expires is None else instant(record.expires),
        "HoldsUnit": record.holds_unit,
        "Tags": [{"Key": key, "Value": value} for key, value in record.tags],
    }
