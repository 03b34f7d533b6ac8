"""OCEL 2.0 as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from orderfsm.extras import needs
from orderfsm.invalid import InvalidValue
from orderfsm.streams import unpacked

from . import ocel
from .ocel import ALWAYS, Happened, Object, Written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from orderfsm.trace import Events
    from orderfsm.trace.tables import Tables

    from .mapping import Event


def write(log: Written, out: Callable[[str], object]) -> None:
    """Write the log, an object or an event a line."""
    out('{"objectTypes": ' + json.dumps(_types(log.object_types)))
    out(',\n"eventTypes": ' + json.dumps(_types(log.event_types)))
    out(',\n"objects": [\n')
    _joined(out, map(_object, log.objects()))
    out('],\n"events": [\n')
    _joined(out, map(_event, log.events()))
    out("]}\n")


def _joined(out: Callable[[str], object], documents: Iterable[Mapping[str, Any]]) -> None:
    for number, document in enumerate(documents):
        out(("" if number == 0 else ",\n") + json.dumps(document))
    out("\n")


def _types(types: Mapping[str, Mapping[str, str]]) -> list[dict[str, Any]]:
    return [
        {"name": name, "attributes": [{"name": key, "type": kind} for key, kind in attributes.items()]}
        for name, attributes in types.items()
    ]


def _object(each: Object) -> dict[str, Any]:
    attributes = [{"name": key, "time": ALWAYS, "value": value} for key, value in each.attributes.items()]
    return {"id": each.name, "type": each.type, "attributes": attributes, "relationships": _related(each)}


def _event(each: Happened) -> dict[str, Any]:
    attributes = [{"name": key, "value": value} for key, value in each.attributes.items()]
    said = {"id": each.name, "type": each.type, "time": each.time}
    return said | {"attributes": attributes, "relationships": _related(each)}


def _related(each: Object | Happened) -> list[dict[str, str]]:
    return [{"objectId": name, "qualifier": qualifier} for name, qualifier in each.related]


def read(path: str, name: str, tables: Tables) -> Iterator[Event | Events]:
    """The events of a log, then whether all are among them."""
    with needs("convert"):
        import ijson
    try:
        yield from ocel.read(_objects(path, name), _events(path, name), tables)
    except ijson.JSONError as error:
        raise InvalidValue("OCEL file", name, [f"an undamaged one ({error})"]) from error
    except (LookupError, TypeError, AttributeError) as error:
        raise InvalidValue("OCEL file", name, [f"one with the members of OCEL 2.0 ({error!r})"]) from error


def _objects(path: str, name: str) -> Iterator[Object]:
    """The objects; an attribute that changes has its first value."""
    for each in _items(path, "objects.item", name):
        attributes: dict[str, Any] = {said["name"]: said["value"] for said in reversed(each.get("attributes") or ())}
        yield Object(each["id"], each["type"], attributes)


def _events(path: str, name: str) -> Iterator[Happened]:
    for each in _items(path, "events.item", name):
        attributes: dict[str, Any] = {said["name"]: said["value"] for said in each.get("attributes") or ()}
        related = [(said["objectId"], said.get("qualifier") or "") for said in each.get("relationships") or ()]
        yield Happened(each["id"], each["type"], each["time"], attributes, related)


def _items(path: str, prefix: str, name: str) -> Iterator[Any]:
    import ijson

    with unpacked(path, name) as stream:
        yield from ijson.items(stream, prefix, use_float=True)
