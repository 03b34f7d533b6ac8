"""The page as HTML."""

from __future__ import annotations

import threading
from functools import lru_cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from orderfsm.drawing import svg
from orderfsm.explanation import with_article
from orderfsm.invalid import InvalidValue
from orderfsm.mock.cas.instances.asked import DEFAULT_SPEC
from orderfsm.mock.cas.parameters import DEFAULT_PRODUCT
from orderfsm.mock.engine import CLOCK, MANUAL
from orderfsm.mock.faults import ANY, READS, TRANSPORTS, WHEN
from orderfsm.mock.http.snippets import snippets

from .chosen import choose
from .fields import moment, of_fault
from .forms import begins_in, settles_in
from .lists import SEARCH_KEY, kind_of, kinds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.mock.cas.service import Service

    from .chosen import Chosen
    from .lists import Kind, Listed

STATIC = Path(__file__).parent / "static"

LIFE_KEY = "life"
"""The parameter with the list of which the life is drawn while none is chosen."""

KEYS = ("state", "page", "instance_state", "instance_page", SEARCH_KEY, LIFE_KEY)
"""The parameters of the page."""

_TEMPLATES = Environment(
    loader=FileSystemLoader(STATIC), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_TEMPLATE = {name: _TEMPLATES.get_template(name) for name in _TEMPLATES.list_templates(["html"])}["dashboard.html"]

_NO_FORM: Mapping[str, str] = MappingProxyType({})


def page(
    service: Service,
    *,
    order_id: Id | None = None,
    problem: str = "",
    given: Mapping[str, str] = _NO_FORM,
    api: str = "",
    **asked: str | None,
) -> str:
    """The page as HTML, with the order or the instance that was chosen.

    It lists the orders that are `asked` for, by `state` (None: in any) and `page`, the instances, by `instance_state`
    and `instance_page`, and of both those that `q` finds; `life` names the list of which the life is drawn. Raises
    `InvalidValue` if one of these is no state of its table, no number, no list. After a form that was refused, it says
    the `problem`, and has what was `given`. `api` is the URL of the API port, if that is known.
    """
    revision = service.revision()
    orders, instances = kinds(service)
    lists = (orders.listed(asked), instances.listed(asked))
    chosen = None if order_id is None else choose(service, order_id)
    drawn = _drawn(lists, asked.get(LIFE_KEY)) if chosen is None else _list_of(lists, kind_of(service, chosen.id))
    here = lists[0].asked | lists[1].asked | {key: asked.get(key) for key in (SEARCH_KEY, LIFE_KEY)}
    rendered = _TEMPLATE.render(
        revision=revision,
        editions=", ".join(kind.lifecycle.edition for kind in (orders, instances)),
        a_noun=with_article(drawn.noun),
        now=service.clock.now(),
        completions=service.completions,
        completion_modes=(CLOCK, MANUAL),
        lists=lists,
        begin_states={"orders": begins_in(service.lifecycle), "instances": settles_in(service.instances.lifecycle)},
        chosen=chosen,
        drawn=drawn,
        drawing=_drawing(drawn, chosen),
        packages=service.packages(),
        default_package=DEFAULT_PRODUCT,
        default_spec=DEFAULT_SPEC,
        faults=[of_fault(rule) for rule in service.fault_rules()],
        any_operation=ANY,
        codes=_codes(service),
        fault_words={"When": WHEN, "Transport": TRANSPORTS, "Read": READS},
        snippets=snippets(api, signed=service.verifies) if api else {},
        problem=problem,
        given=given,
        sought=asked.get(SEARCH_KEY) or "",
        moment=moment,
        link=partial(link, order_id, here),
        form=partial(_form, order_id, here),
        here={key: value for key, value in here.items() if value is not None},
    )
    _lay_out_soon(*(listed.kind.lifecycle for listed in lists if listed is not drawn))
    return rendered


def _drawn(lists: tuple[Listed, ...], life: str | None) -> Listed:
    """The list of which the life is drawn: that which is asked for, else the first of which there is something."""
    by_path = {listed.kind.path: listed for listed in lists}
    if life is not None:
        if life not in by_path:
            raise InvalidValue(LIFE_KEY, life, by_path)
        return by_path[life]
    return next((listed for listed in lists if listed.count), lists[0])


def _list_of(lists: tuple[Listed, ...], kind: Kind) -> Listed:
    return next(listed for listed in lists if listed.kind.path == kind.path)


def _drawing(drawn: Listed, chosen: Chosen | None) -> Markup:
    current, way = (None, []) if chosen is None else (chosen.state, chosen.way)
    drawing = svg(drawn.kind.lifecycle, current=current, path=tuple(way), counts=drawn.counts)
    return Markup(drawing)  # noqa: S704  (it escapes what it draws)


@lru_cache(maxsize=32)
def _lay_out_soon(*lifecycles: Lifecycle) -> None:
    """Lay the tables out that will be drawn next, so that nobody has to wait for that then."""
    threading.Thread(target=lambda: [svg(each) for each in lifecycles], name="orderfsm drawing", daemon=True).start()


def _codes(service: Service) -> list[str]:
    """The error codes of both tables."""
    return sorted({code for lifecycle in service.lifecycles for code in lifecycle.codes.by_code if code})


def _path(order_id: Id | None) -> str:
    if order_id is None:
        return "/"
    return f"/dashboard/{'instances' if isinstance(order_id, str) else 'orders'}/{order_id}"


def _with_query(path: str, parameters: Mapping[str, Any]) -> str:
    query = urlencode({key: value for key, value in parameters.items() if value is not None})
    return f"{path}?{query}" if query else path


def link(chosen: Id | None, asked: Mapping[str, Any], **other: Any) -> str:
    """The address of this page with another `order`, or with other parameters."""
    return _with_query(_path(other.pop("order", chosen)), {**asked, **other})


def _form(chosen: Id | None, asked: Mapping[str, Any], name: str) -> str:
    """The address of a form on this page, to which it leads back."""
    return _with_query(f"/dashboard/{name}", asked if name.endswith("/events") else {**asked, "chosen": chosen})
