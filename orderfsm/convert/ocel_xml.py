"""OCEL 2.0 as XML."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from orderfsm.streams import unpacked

from . import ocel
from .ocel import ALWAYS, Happened, Object, Related, Written
from .xml import escaped, parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from orderfsm.trace import Events
    from orderfsm.trace.tables import Tables

    from .mapping import Event


# -- writing -----------------------------------------------------------------------------------------------------------


def write(log: Written, out: Callable[[str], object]) -> None:
    """Write the log, an object or an event a line."""
    out('<?xml version="1.0" encoding="UTF-8"?>\n<log>\n')
    out(_types("object", log.object_types) + _types("event", log.event_types))
    out("<objects>\n")
    for each in log.objects():
        attributes = (
            f'<attribute name="{key}" time="{ALWAYS}">{_text(value)}</attribute>'
            for key, value in each.attributes.items()
        )
        out(_element("object", {"id": each.name, "type": each.type}, attributes, each.related))
    out("</objects>\n<events>\n")
    for happened in log.events():
        attributes = (
            f'<attribute name="{key}">{_text(value)}</attribute>' for key, value in happened.attributes.items()
        )
        said = {"id": happened.name, "type": happened.type, "time": happened.time}
        out(_element("event", said, attributes, happened.related))
    out("</events>\n</log>\n")


def _types(what: str, types: Mapping[str, Mapping[str, str]]) -> str:
    every = (
        f'<{what}-type name="{escaped(name)}"><attributes>'
        + "".join(f'<attribute name="{key}" type="{kind}"/>' for key, kind in attributes.items())
        + f"</attributes></{what}-type>\n"
        for name, attributes in types.items()
    )
    return f"<{what}-types>\n{''.join(every)}</{what}-types>\n"


def _element(tag: str, said: Mapping[str, str], attributes: Iterable[str], related: Iterable[Related]) -> str:
    own = "".join(f' {key}="{escaped(value)}"' for key, value in said.items())
    to = "".join(
        f'<relationship object-id="{escaped(name)}" qualifier="{escaped(qualifier)}"/>' for name, qualifier in related
    )
    return f"<{tag}{own}><attributes>{''.join(attributes)}</attributes><objects>{to}</objects></{tag}>\n"


def _text(value: Any) -> str:
    return escaped(value if isinstance(value, str) else json.dumps(value))


# -- reading -----------------------------------------------------------------------------------------------------------

_BOOLEANS = {"true": True, "True": True, "1": True, "false": False, "False": False, "0": False}
_FROM_TEXT: Mapping[str, Callable[[str], Any]] = {
    "integer": int,
    "float": float,
    "boolean": _BOOLEANS.__getitem__,
}


def read(path: str, name: str, tables: Tables) -> Iterator[Event | Events]:
    """The events of a log, then whether all are among them."""
    objects = (each for each in _found(path, name) if isinstance(each, Object))
    happened = (each for each in _found(path, name) if isinstance(each, Happened))
    return ocel.read(objects, happened, tables)


def _found(path: str, name: str) -> Iterator[Object | Happened]:
    with unpacked(path, name) as stream:
        yield from parsed(stream, _Reader(), name)


class _Element(NamedTuple):
    """An element that is open: what its tag says, the texts in it, the attributes and objects inside."""

    tag: str
    said: Mapping[str, str]
    texts: list[str]
    attributes: list[tuple[Mapping[str, str], str]]
    related: list[Related]


class _Reader:
    """Makes objects and events of elements."""

    def __init__(self) -> None:
        self.found: list[Object | Happened] = []
        self._open: list[_Element] = []
        self._types: dict[tuple[str, str, str], str] = {}

    def start(self, tag: str, said: Mapping[str, str]) -> None:
        """An element begins."""
        self._open.append(_Element(tag.rpartition(":")[2], said, [], [], []))

    def text(self, text: str) -> None:
        """Text stands in an element."""
        self._open[-1].texts.append(text)

    def end(self, _tag: str) -> None:
        """An element ends."""
        element = self._open.pop()
        tag, said = element.tag, element.said
        around = self._open[-1] if self._open else element
        if tag == "attribute":
            around.attributes.append((said, "".join(element.texts)))
        elif tag in {"relationship", "relobj"}:
            around.related.append((said.get("object-id", ""), said.get("qualifier", "")))
        elif tag in {"attributes", "objects"} and around.tag in {"object", "event", "object-type", "event-type"}:
            around.attributes.extend(element.attributes)
            around.related.extend(element.related)
        elif tag in {"object-type", "event-type"}:
            for each, _ in element.attributes:
                self._types[tag, said.get("name", ""), each.get("name", "")] = each.get("type", "")
        elif tag == "object":
            self.found.append(Object(said.get("id", ""), said.get("type", ""), self._values(element), element.related))
        elif tag == "event":
            name, kind, time = (said.get(key, "") for key in ("id", "type", "time"))
            self.found.append(Happened(name, kind, time, self._values(element), element.related))

    def _values(self, element: _Element) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for said, text in element.attributes:
            key = said.get("name", "")
            if key not in values:
                kind = self._types.get((f"{element.tag}-type", element.said.get("type", ""), key), "")
                values[key] = text
                with suppress(ValueError, KeyError):
                    values[key] = _FROM_TEXT.get(kind, str)(text)
        return values
