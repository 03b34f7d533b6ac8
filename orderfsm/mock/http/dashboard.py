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
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

import attrs
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.convertors import IntegerConvertor, StringConvertor, register_url_convertor
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from orderfsm.drawing import STYLE, svg
from orderfsm.errors import NotFound, Refusal
from orderfsm.explanation import with_article
from orderfsm.identity import LONGEST, MAX_ID
from orderfsm.invalid import InvalidValue
from orderfsm.mock.stores.store import StoreError
from orderfsm.trace import Outcome

from .connection import read_body
from .port import is_ending, pause

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.mock.cas.service import Service
    from orderfsm.mock.engine import Engine
    from orderfsm.mock.records import Record
    from orderfsm.rows import State, Transition
    from orderfsm.trace import Line

SHOWN_ORDERS = 100
"""How many orders a page of a list has."""

LONGEST_PAGE = 12
"""How many digits the number of a page may have."""

SHOWN_LINES = 200
"""How many lines of an order's history the page lists."""

POLL = 0.25
"""Seconds between two looks at the service's revision."""

NOTHING = "\u2013"
"""What stands where there is nothing to say."""

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


@attrs.frozen
class Kind:
    """What is listed together: the orders or the instances of a service, under which path, and what is shown of one.

    `state_key` and `page_key` are the parameters by which their list is asked for those in one state, and for a page.
    """

    path: str
    state_key: str
    page_key: str
    column: str
    engine: Engine
    latest: Callable[..., list[Record]]
    order: Callable[[Any], Record]
    fields: Callable[[Record], dict[str, Any]]

    @property
    def lifecycle(self) -> Lifecycle:
        """Their table."""
        return self.engine.lifecycle

    @property
    def key(self) -> str:
        """What the ids of elements begin with that are about one of them."""
        return self.path.removesuffix("s")

    def listed(self, asked: Mapping[str, str | None]) -> Listed:
        """A page of them, or of those in one state, newest first; of pages that are not there the last.

        `InvalidValue` if what is asked for is no state of their table, or no number of a page.
        """
        state, page = asked.get(self.state_key), asked.get(self.page_key) or "1"
        filtered = None if state is None else self.lifecycle.state(state)  # type: ignore[arg-type]
        if not (page.isascii() and page.isdigit() and len(page) <= LONGEST_PAGE and int(page)):
            raise InvalidValue(self.page_key, page, ["a number from 1"])
        states = None if filtered is None else [filtered]
        count = self.engine.count(states)
        pages = max(-(-count // SHOWN_ORDERS), 1)
        number = min(int(page), pages)
        first = (number - 1) * SHOWN_ORDERS
        return Listed(
            kind=self,
            noun=self.lifecycle.noun,
            nothing=self.lifecycle.name_of(None),
            count=self.engine.count(),
            orders=[self.fields(record) for record in self.latest(SHOWN_ORDERS, states, first)],
            first=first + 1,
            number=number,
            pages=pages,
            among=count,
            states=self.engine.found(),
            terminal=_terminal(self.lifecycle),
            filtered=filtered,
        )


@attrs.frozen(kw_only=True)
class Listed:
    """The page `number` of a list of orders of a kind, of which `first` is its first, as people count.

    That is of all `count` of them, or of those in the state `filtered`: `among` so many, on so many `pages`.
    """

    kind: Kind
    noun: str
    nothing: str
    count: int
    orders: list[dict[str, Any]]
    first: int
    number: int
    pages: int
    among: int
    states: list[State]
    terminal: set[State | None]
    filtered: State | None

    @property
    def asked(self) -> dict[str, Any]:
        """By which parameters one gets here."""
        return {self.kind.state_key: self.filtered, self.kind.page_key: self.number if self.number > 1 else None}


@attrs.frozen(kw_only=True)
class Chosen:
    """The order that was chosen: its fields, None if it is gone or never was; its history; the way that it took."""

    kind: Kind
    noun: str
    nothing: str
    terminal: set[State | None]
    id: Id
    fields: dict[str, Any] | None
    state: State | None
    history: list[dict[str, Any]]
    lines: int
    events: list[dict[str, Any]]
    operations: list[dict[str, Any]]
    drawing: Markup


def kinds(service: Service) -> tuple[Kind, ...]:
    """The orders and the instances of a service."""
    engine, shown = service.instances, partial(_instance_fields, service)
    return (
        Kind("orders", "state", "page", "Package", service.engine, service.latest, service.order, _fields),
        Kind("instances", "instance_state", "instance_page", "Words", engine, engine.latest, engine.order, shown),
    )


def kind_of(service: Service, order_id: Id) -> Kind:
    """Of which kind that is which has such an id."""
    engine = service.engine_of(order_id)
    return next(kind for kind in kinds(service) if kind.engine is engine)


def page(service: Service, *, order_id: Id | None = None, problem: str = "", **asked: str | None) -> str:
    """The page as HTML, with the order or the instance that was chosen.

    It lists the orders that are `asked` for, by `state` (None: in any) and `page`, and the instances, by
    `instance_state` and `instance_page`. Raises `InvalidValue` if one of these is no state of its table, or no number.
    """
    revision = service.revision()
    orders, instances = kinds(service)
    lists = (orders.listed(asked), instances.listed(asked))
    chosen = None if order_id is None else choose(service, order_id)
    default = kind_of(service, order_id) if order_id is not None else orders
    return _TEMPLATE.render(
        revision=revision,
        editions=", ".join(kind.lifecycle.edition for kind in (orders, instances)),
        a_noun=with_article(default.lifecycle.noun),
        now=service.clock.now(),
        completions=service.completions,
        lists=lists,
        chosen=chosen,
        drawing=_drawing(default.lifecycle) if chosen is None else chosen.drawing,
        packages=service.packages(),
        faults=[_fault(rule) for rule in service.fault_rules()],
        problem=problem,
        moment=_moment,
        link=partial(_link, order_id, lists[0].asked | lists[1].asked),
    )


def choose(service: Service, order_id: Id) -> Chosen:
    """All that the page says of one order or instance; of one that is gone, how its life went."""
    kind = kind_of(service, order_id)
    lifecycle = kind.lifecycle
    latest: deque[dict[str, Any]] = deque(maxlen=SHOWN_LINES)
    triggers, lines = [], 0
    possible = isinstance(order_id, str) or order_id <= MAX_ID
    try:
        record = kind.order(order_id) if possible else None
    except NotFound:
        record = None
    for line in service.history(order_id) if possible else ():
        latest.append(_line(line, lifecycle))
        lines += 1
        if line.outcome is Outcome.ACCEPTED:
            triggers.append(line.trigger)
    steps = way(lifecycle, triggers)
    state = steps[-1].target if record is None and steps else None if record is None else record.state
    return Chosen(
        kind=kind,
        noun=lifecycle.noun,
        nothing=lifecycle.name_of(None),
        terminal=_terminal(lifecycle),
        id=order_id,
        fields=None if record is None else kind.fields(record),
        state=state,
        history=list(reversed(latest)),
        lines=lines,
        events=[] if record is None else [_step(lifecycle, row) for row in allowed_events(lifecycle, state)],
        operations=[] if record is None else [_step(lifecycle, row) for row in _operations(lifecycle, state)],
        drawing=_drawing(lifecycle, state, steps),
    )


def _terminal(lifecycle: Lifecycle) -> set[State | None]:
    return {rule.state for rule in lifecycle.states if rule.terminal}


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
        "kind": record.product_code,
        "domains": ", ".join(record.domains),
        "created": record.created,
        "tags": record.tags,
        "rows": [
            ("Domain", ", ".join(record.domains)),
            ("Validation", record.validate_type),
            ("Package", record.product_code),
            ("Unit of quota", "held" if record.holds_unit else "not held"),
            ("Created", _moment(record.created)),
            ("Issued", _moment(record.issued) or "not yet"),
            ("Expires", _moment(record.expires) or NOTHING),
        ],
    }


def _instance_fields(service: Service, record: Record) -> dict[str, Any]:
    """What may be seen of an instance: the words that a read answers now, and what it says of itself."""
    answer = service.instance_fields(record)
    words = [(each.field, str(answer.get(each.field) or NOTHING)) for each in service.instances.lifecycle.vocabularies]
    return {
        "id": record.id,
        "state": record.state,
        "kind": " / ".join(word for _, word in words),
        "domains": ", ".join(record.domains),
        "created": record.created,
        "tags": record.tags,
        "rows": [
            *words,
            ("Domain", ", ".join(record.domains) or NOTHING),
            ("Spec", str(answer.get("Spec"))),
            ("Bought", _moment(record.created)),
            ("Ends", _moment(record.ends) or NOTHING),
            ("Issued", _moment(record.issued) or "not yet"),
            ("Expires", _moment(record.expires) or NOTHING),
            *([("Completed", _moment(record.due))] if record.under_way else []),
        ],
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


_WHICH_CALLS = ("Operation", "OrderId", "InstanceId", "Times", "Probability")
_SAYS_NOTHING = (None, 0, "before")
_UNITS = {"Delay": " s", "RetryAfter": " ms"}


def _fault(rule: dict[str, Any]) -> dict[str, Any]:
    """A fault rule: which calls, how often, and what happens to them."""
    return {
        "operation": rule.get("Operation") or "*",
        "order_id": rule.get("OrderId"),
        "instance_id": rule.get("InstanceId"),
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


def _link(chosen: Id | None, asked: dict[str, Any], **other: Any) -> str:
    """The address of this page with another `order`, or with other parameters of its lists."""
    order_id = other.pop("order", chosen)
    path = (
        "/" if order_id is None else f"/dashboard/{'instances' if isinstance(order_id, str) else 'orders'}/{order_id}"
    )
    query = urlencode({key: value for key, value in {**asked, **other}.items() if value is not None})
    return f"{path}?{query}" if query else path


# -- how it is served --------------------------------------------------------------------------------------------------


class _OrderId(IntegerConvertor):
    """As many digits as an OrderId can have: of far more, `int` makes no number."""

    regex = "[0-9]{1,19}"


class _InstanceId(StringConvertor):
    """What an id that is a text may be, but for what ends a part of a path."""

    regex = f"[!-.0->@-~]{{1,{LONGEST}}}"


register_url_convertor("order_id", _OrderId())
register_url_convertor("instance_id", _InstanceId())


def routes(service: Service, run: Callable[..., Awaitable[Any]]) -> list[Route]:
    """The dashboard of `service`: `GET /`, and what it needs under `/dashboard/`. `run` runs a call in a thread."""
    pages = _Pages(service, run)
    return [
        Route("/", pages.home),
        *(
            route
            for path in ("orders/{id:order_id}", "instances/{id:instance_id}")
            for route in (
                Route(f"/dashboard/{path}", pages.order),
                Route(f"/dashboard/{path}/events", pages.happen, methods=["POST"]),
            )
        ),
        Route("/dashboard/stream", pages.stream),
        Route("/dashboard/dashboard.css", partial(_static, "dashboard.css", "text/css")),
        Route("/dashboard/dashboard.js", partial(_static, "dashboard.js", "text/javascript")),
    ]


_ANY: Mapping[str, str | None] = MappingProxyType({})


@attrs.frozen
class _Pages:
    """What the routes answer. Whatever asks the service runs in a thread: its store may be a database."""

    service: Service
    run: Callable[..., Awaitable[Any]]

    async def home(self, request: Request) -> Response:
        answer: Response = await self.run(self._page, None, _asked(request))
        return answer

    async def order(self, request: Request) -> Response:
        answer: Response = await self.run(self._page, request.path_params["id"], _asked(request))
        return answer

    async def happen(self, request: Request) -> Response:
        """A button without the script: let the event of a form happen, and go back to the order."""
        body = await read_body(request.scope, request.receive)
        form = parse_qs((body or b"").decode("utf-8", "replace"))
        answer: Response = await self.run(self._happen, request.path_params["id"], form.get("Event", [""])[0])
        return answer

    async def stream(self, request: Request) -> Response:
        """Server-sent events: the revision now, and again whenever it has changed."""
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return _Stream(self._revisions(request), media_type="text/event-stream", headers=headers)

    async def _revisions(self, request: Request) -> AsyncIterator[str]:
        yield "retry: 500\n\n"
        last = None
        while not (is_ending(request.scope) or await request.is_disconnected()):
            try:
                revision = await self.run(self.service.revision)
            except (StoreError, TimeoutError):
                return  # the page says that the mock is gone, and asks again
            if revision != last:
                yield f"data: {revision}\n\n"
                last = revision
            await pause(request.scope, POLL)

    def _page(
        self, order_id: Id | None, asked: Mapping[str, str | None] = _ANY, problem: str = "", status: int = 200
    ) -> Response:
        try:
            body = page(self.service, order_id=order_id, problem=problem, **asked)
        except InvalidValue as error:
            body, status = page(self.service, order_id=order_id, problem=str(error)), 400
        return HTMLResponse(body, status, _HEADERS)

    def _happen(self, order_id: Id, event: str) -> Response:
        try:
            self.service.happen(order_id, event)  # type: ignore[arg-type]
        except NotFound as error:
            return self._page(order_id, problem=error.text, status=404)
        except Refusal as error:
            return self._page(order_id, problem=str(error), status=409)
        except InvalidValue as error:
            return self._page(order_id, problem=str(error), status=400)
        return RedirectResponse(_link(order_id, {}), 303)


def _asked(request: Request) -> dict[str, str | None]:
    """The states and the pages that the lists are asked for."""
    return {key: request.query_params.get(key) or None for key in ("state", "page", "instance_state", "instance_page")}


class _Stream(StreamingResponse):
    """A response without an end, which a server that ends may cancel: then it is complete."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except asyncio.CancelledError:
            await send({"type": "http.response.body", "body": b""})


async def _static(name: str, media_type: str, _request: Request) -> Response:
    return FileResponse(_STATIC / name, media_type=media_type, headers={**_HEADERS, "cache-control": "no-cache"})
