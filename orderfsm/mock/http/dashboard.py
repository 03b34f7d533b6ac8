"""The dashboard on the control port: what the mock holds, drawn and live, and what may happen to an order next.

Functions from data to HTML, and the Starlette routes that serve it. The page works without its script: links choose an
order and a state, buttons are forms. The script only keeps it up to date (`/dashboard/stream` says when there is
something new). Everything is on this port; a content security policy allows nothing else. What is shown is picked field
by field, so that no certificate key can get into it.
"""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64encode
from collections import deque
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

import attrs
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from orderfsm.drawing import STYLE, svg
from orderfsm.errors import NotFound, Refusal
from orderfsm.explanation import with_article
from orderfsm.identity import MAX_ID
from orderfsm.invalid import InvalidValue
from orderfsm.mock.stores.store import StoreError
from orderfsm.trace import Outcome

from .connection import read_body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.mock.cas.service import Service
    from orderfsm.mock.records import Record
    from orderfsm.rows import State, Transition
    from orderfsm.trace import Line

SHOWN_ORDERS = 100
"""How many orders the page lists."""

FILTERED_ORDERS = 1000
"""Among how many of the newest orders a state is looked for."""

SHOWN_LINES = 200
"""How many lines of an order's history the page lists."""

POLL = 0.25
"""Seconds between two looks at the service's revision."""

_STATIC = Path(__file__).parent / "static"
_TEMPLATE = Environment(
    loader=FileSystemLoader(_STATIC), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
).get_template("dashboard.html")
_STYLE_HASH = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        f"default-src 'none'; script-src 'self'; style-src 'self' 'sha256-{_STYLE_HASH}'; connect-src 'self'; "
        "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "same-origin",  # with none at all, a form's Origin would be null
    "x-content-type-options": "nosniff",
}


# -- what is shown -----------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Chosen:
    """The order that was chosen: its fields, None if it is gone or never was; its history; the way that it took."""

    id: int
    fields: dict[str, Any] | None
    state: State | None
    history: list[dict[str, Any]]
    lines: int
    events: list[dict[str, Any]]
    operations: list[dict[str, Any]]
    drawing: Markup


def page(service: Service, *, order_id: int | None = None, state: str | None = None, problem: str = "") -> str:
    """The page as HTML, with the order that was chosen, and with the orders in `state` alone (None: in any).

    Raises `InvalidValue` if `state` is not a state of the service's table.
    """
    lifecycle = service.lifecycle
    filtered = None if state is None else lifecycle.state(state)  # type: ignore[arg-type]
    revision = service.revision()
    if filtered is None:
        records, looked_at = service.latest(SHOWN_ORDERS), None
    else:
        newest = service.latest(FILTERED_ORDERS)
        records = [record for record in newest if record.state == filtered][:SHOWN_ORDERS]
        looked_at = len(newest)
    chosen = None if order_id is None else choose(service, order_id)
    return _TEMPLATE.render(
        revision=revision,
        edition=lifecycle.edition,
        noun=lifecycle.noun,
        a_noun=with_article(lifecycle.noun),
        nothing=lifecycle.name_of(None),
        now=service.clock.now(),
        count=service.count(),
        orders=[_fields(record) for record in records],
        looked_at=looked_at,
        states=service.engine.found(),
        terminal={rule.state for rule in lifecycle.states if rule.terminal},
        filtered=filtered,
        chosen=chosen,
        drawing=_drawing(lifecycle) if chosen is None else chosen.drawing,
        packages=service.packages(),
        faults=[_fault(rule) for rule in service.fault_rules()],
        problem=problem,
        moment=_moment,
        link=partial(_link, order_id, filtered),
    )


def choose(service: Service, order_id: int) -> Chosen:
    """All that the page says of one order; of one that is gone, how its life went."""
    lifecycle = service.lifecycle
    latest: deque[dict[str, Any]] = deque(maxlen=SHOWN_LINES)
    triggers, lines = [], 0
    try:
        record = service.order(order_id) if order_id <= MAX_ID else None
    except NotFound:
        record = None
    for line in service.history(order_id) if order_id <= MAX_ID else ():
        latest.append(_line(line, lifecycle))
        lines += 1
        if line.outcome is Outcome.ACCEPTED:
            triggers.append(line.trigger)
    steps = way(lifecycle, triggers)
    state = steps[-1].target if record is None and steps else None if record is None else record.state
    return Chosen(
        id=order_id,
        fields=None if record is None else _fields(record),
        state=state,
        history=list(reversed(latest)),
        lines=lines,
        events=[] if record is None else [_step(lifecycle, row) for row in allowed_events(lifecycle, state)],
        operations=[] if record is None else [_step(lifecycle, row) for row in _operations(lifecycle, state)],
        drawing=_drawing(lifecycle, state, steps),
    )


def way(lifecycle: Lifecycle, triggers: Iterable[Any]) -> list[Transition]:
    """The rows by which `triggers` led an order on, from no order or from where a renewal begins one.

    Empty if the table explains them from neither.
    """
    triggers = list(triggers)
    for start in dict.fromkeys([None, *(row.creates for row in lifecycle.transitions)]):
        state: State | None = start
        steps = []
        for trigger in triggers:
            row = lifecycle.table[state].get(trigger)
            if row is None:
                break
            steps.append(row)
            state = row.target
        else:
            return [row for row in steps if row.changes]
    return []


def allowed_events(lifecycle: Lifecycle, state: State | None) -> list[Transition]:
    """The rows by which others than the client can move an order that is in `state`."""
    rows = [row for row in lifecycle.table[state].values() if row is not None]
    return [row for row in rows if not lifecycle.by_client(row.trigger)]


def _operations(lifecycle: Lifecycle, state: State | None) -> list[Transition]:
    return [lifecycle.plain.transition(state, operation) for operation in lifecycle.allowed(state)]


def _drawing(lifecycle: Lifecycle, current: State | None = None, path: Iterable[Transition] = ()) -> Markup:
    return Markup(svg(lifecycle, current=current, path=tuple(path)))  # noqa: S704  (it escapes what it draws)


def _step(lifecycle: Lifecycle, row: Transition) -> dict[str, Any]:
    return {
        "trigger": str(row.trigger),
        "name": row.trigger.name.replace("_", " ").lower(),
        "actor": str(lifecycle.actor(row)),
        "target": row.target,
        "creates": row.creates,
        "basis": str(row.basis),
    }


def _fields(record: Record) -> dict[str, Any]:
    """What may be seen of an order: not its certificate, and never its key."""
    return {
        "id": record.id,
        "state": record.state,
        "product_code": record.product_code,
        "domains": ", ".join(record.domains),
        "validate_type": record.validate_type,
        "created": record.created,
        "issued": record.issued,
        "expires": record.expires,
        "holds_unit": record.holds_unit,
        "tags": record.tags,
    }


def _line(line: Line, lifecycle: Lifecycle) -> dict[str, Any]:
    by_client = lifecycle.by_client(line.trigger)
    return {
        "time": line.time[:19].replace("T", " "),
        "trigger": line.trigger,
        "by_client": by_client,
        "outcome": line.code or (line.outcome if by_client else "happened"),
        "refused": line.outcome is not Outcome.ACCEPTED,
        "state": line.state,
        "new_order_id": line.new_order_id,
    }


_WHICH_CALLS = ("Operation", "OrderId", "Times", "Probability")
_SAYS_NOTHING = (None, 0, "before")
_UNITS = {"Delay": " s", "RetryAfter": " ms"}


def _fault(rule: dict[str, Any]) -> dict[str, Any]:
    """A fault rule: which calls, how often, and what happens to them."""
    return {
        "operation": rule.get("Operation") or "*",
        "order_id": rule.get("OrderId"),
        "times": rule.get("Times"),
        "probability": rule.get("Probability"),
        "effect": [
            f"{name} {value}{_UNITS.get(name, '')}"
            for name, value in rule.items()
            if name not in _WHICH_CALLS and value not in _SAYS_NOTHING
        ],
    }


def _moment(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _link(chosen: int | None, filtered: State | None, **other: Any) -> str:
    """The address of this page with another `order` or `state` chosen."""
    order_id, state = other.get("order", chosen), other.get("state", filtered)
    path = "/" if order_id is None else f"/dashboard/orders/{order_id}"
    return path if state is None else f"{path}?{urlencode({'state': state})}"


# -- how it is served --------------------------------------------------------------------------------------------------


class _OrderId(IntegerConvertor):
    """As many digits as an OrderId can have: of far more, `int` makes no number."""

    regex = "[0-9]{1,19}"


register_url_convertor("order_id", _OrderId())


def routes(service: Service, run: Callable[..., Awaitable[Any]]) -> list[Route]:
    """The dashboard of `service`: `GET /`, and what it needs under `/dashboard/`. `run` runs a call in a thread."""
    pages = _Pages(service, run)
    return [
        Route("/", pages.home),
        Route("/dashboard/orders/{order_id:order_id}", pages.order),
        Route("/dashboard/orders/{order_id:order_id}/events", pages.happen, methods=["POST"]),
        Route("/dashboard/stream", pages.stream),
        Route("/dashboard/dashboard.css", partial(_static, "dashboard.css", "text/css")),
        Route("/dashboard/dashboard.js", partial(_static, "dashboard.js", "text/javascript")),
    ]


@attrs.frozen
class _Pages:
    """What the routes answer. Whatever asks the service runs in a thread: its store may be a database."""

    service: Service
    run: Callable[..., Awaitable[Any]]

    async def home(self, request: Request) -> Response:
        answer: Response = await self.run(self._page, None, request.query_params.get("state"))
        return answer

    async def order(self, request: Request) -> Response:
        order_id: int = request.path_params["order_id"]
        answer: Response = await self.run(self._page, order_id, request.query_params.get("state"))
        return answer

    async def happen(self, request: Request) -> Response:
        """A button without the script: let the event of a form happen, and go back to the order."""
        order_id: int = request.path_params["order_id"]
        body = await read_body(request.scope, request.receive)
        form = parse_qs((body or b"").decode("utf-8", "replace"))
        answer: Response = await self.run(self._happen, order_id, form.get("Event", [""])[0])
        return answer

    async def stream(self, request: Request) -> Response:
        """Server-sent events: the revision now, and again whenever it has changed."""
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return _Stream(self._revisions(request), media_type="text/event-stream", headers=headers)

    async def _revisions(self, request: Request) -> AsyncIterator[str]:
        yield "retry: 500\n\n"
        last = None
        while not await request.is_disconnected():
            try:
                revision = await self.run(self.service.revision)
            except (StoreError, TimeoutError):
                return  # the page says that the mock is gone, and asks again
            if revision != last:
                yield f"data: {revision}\n\n"
                last = revision
            await asyncio.sleep(POLL)

    def _page(self, order_id: int | None, state: str | None, problem: str = "", status: int = 200) -> Response:
        try:
            body = page(self.service, order_id=order_id, state=state or None, problem=problem)
        except InvalidValue as error:
            body, status = page(self.service, order_id=order_id, problem=str(error)), 400
        return HTMLResponse(body, status, _HEADERS)

    def _happen(self, order_id: int, event: str) -> Response:
        try:
            self.service.happen(order_id, event)  # type: ignore[arg-type]
        except NotFound as error:
            return self._page(order_id, None, error.text, 404)
        except Refusal as error:
            return self._page(order_id, None, str(error), 409)
        except InvalidValue as error:
            return self._page(order_id, None, str(error), 400)
        return RedirectResponse(f"/dashboard/orders/{order_id}", 303)


class _Stream(StreamingResponse):
    """A response without an end, which a server that ends may cancel: then it is complete."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except asyncio.CancelledError:
            await send({"type": "http.response.body", "body": b""})


async def _static(name: str, media_type: str, _request: Request) -> Response:
    return FileResponse(_STATIC / name, media_type=media_type, headers={**_HEADERS, "cache-control": "no-cache"})
