"""The control port, without I/O: what a test does behind the service's back (PROTOCOLS.md §2)."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orderfsm.errors import InvalidValue, NotFoundOrder, OrderStateError
from orderfsm.wire import parse_states

from .message import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from .service import Service
    from .store import Record

MAX_UNITS = 2**31 - 1


class Control:
    """Answers the control port's requests by calling the methods of `service`."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Response]]] = [
            (method, re.compile(pattern), answer)
            for method, pattern, answer in (
                ("POST", "/reset", self._reset),
                ("PUT", "/packages/([^/]+)", self._put_package),
                ("POST", "/orders/([^/]+)/events", self._happen),
                ("GET", "/orders/([^/]+)", self._order),
                ("GET", "/orders", self._orders),
                ("POST", "/clock", self._advance),
                ("GET", "/health", self._health),
            )
        ]

    def handle(self, request: Request) -> Response:
        """The response of the control port to `request`; it never raises."""
        allowed = set()
        for method, pattern, answer in self._routes:
            match = pattern.fullmatch(request.path)
            if match and method == request.method:
                try:
                    return answer(request, *match.groups())
                except NotFoundOrder as error:
                    return _problem(404, error.code, error.text)
                except OrderStateError as error:
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
        total = _member(request, "TotalCount")
        if type(total) is not int or not 0 <= total <= MAX_UNITS:
            raise InvalidValue("TotalCount", total, [f"an integer in 0 .. {MAX_UNITS}"])
        package = self.service.put_package(product_code, total)
        return Response.of(
            200, {"ProductCode": package.product_code, "TotalCount": package.total, "UsedCount": package.used}
        )

    def _happen(self, request: Request, order_id: str) -> Response:
        return Response.of(200, _shown(self.service.happen(_id(order_id), _member(request, "Event"))))

    def _order(self, _request: Request, order_id: str) -> Response:
        return Response.of(200, _shown(self.service.order(_id(order_id))))

    def _orders(self, request: Request) -> Response:
        word = request.query.get("state")
        states = None if word is None else parse_states(word, self.service.lifecycle)
        after, limit = (_natural(request, name, default) for name, default in (("after", 0), ("limit", 1000)))
        found = [r for r in self.service.orders() if r.id > after and (states is None or r.order.state in states)]
        shown = found[:limit]
        more = shown[-1].id if shown and len(found) > limit else None
        return Response.of(200, {"Orders": [_shown(record) for record in shown], "Next": more})

    def _advance(self, request: Request) -> Response:
        seconds = _member(request, "advance")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or abs(seconds) > 1e10:
            raise InvalidValue("advance", seconds, ["seconds, a number"])
        self.service.clock.advance(seconds)
        return Response.of(200, {"now": _time(self.service.clock.now())})

    def _health(self, _request: Request) -> Response:
        return Response.of(200, {"status": "ok", "orders": len(self.service.orders())})


def _problem(status: int, code: str, message: str) -> Response:
    return Response.of(status, {"Code": code, "Message": message})


def _member(request: Request, name: str) -> Any:
    try:
        return json.loads(request.body)[name]
    except (ValueError, KeyError, TypeError):
        raise InvalidValue("body", request.body[:60], [f'a JSON object with "{name}"']) from None


def _id(text: str) -> int:
    return int(text) if re.fullmatch("[0-9]{1,19}", text) else 0


def _natural(request: Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not re.fullmatch("[0-9]{1,19}", text):
        raise InvalidValue(name, text, ["a natural number"])
    return int(text)


def _shown(record: Record) -> dict[str, Any]:
    return {
        "OrderId": record.id,
        "State": record.order.state,
        "ProductCode": record.product_code,
        "Domain": ",".join(record.domains),
        "Created": _time(record.created),
        "Issued": None if record.issued is None else _time(record.issued),
        "Expires": None if record.expires is None else _time(record.expires),
        "HoldsUnit": record.holds_unit,
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
