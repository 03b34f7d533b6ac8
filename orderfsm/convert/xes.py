"""XES (IEEE 1849-2016): one trace for each order, one event for each line.

`concept:name` of a trace is the order's id, that of an event its operation or event; `lifecycle:transition` says what
became of a call: `complete`, `ate_abort` if it was refused, `unknown` if no answer came. What else a line says stands
under the trace format's own keys. Lines that are about no order stand together in a trace called `account`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.parsers import expat

from orderfsm.streams import unpacked
from orderfsm.trace import Events, Outcome

from .attributes import KINDS, OURS, REST, happening
from .mapping import ACCOUNT, NUMBER, TRANSITIONS, Event, events_of
from .xml import escaped, parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from orderfsm.trace.tables import Tables

    from .spool import Put, Spool

_HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1849.2016" xes.features="" xmlns="http://www.xes-standard.org/">
<extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
<extension name="Time" prefix="time" uri="http://www.xes-standard.org/time.xesext"/>
<extension name="Lifecycle" prefix="lifecycle" uri="http://www.xes-standard.org/lifecycle.xesext"/>
<extension name="Organizational" prefix="org" uri="http://www.xes-standard.org/org.xesext"/>
<global scope="trace"><string key="concept:name" value=""/></global>
<global scope="event"><string key="concept:name" value=""/><date key="time:timestamp" value="1970-01-01T00:00:00Z"/>\
<string key="lifecycle:transition" value="complete"/></global>
<classifier name="Activity" keys="concept:name"/>
<classifier name="ActivityAndOutcome" keys="concept:name lifecycle:transition"/>
"""
_TAGS = {kind: kind for kind in KINDS.values()} | {"integer": "int"}


# -- writing -----------------------------------------------------------------------------------------------------------


def write(lines: Spool, events: Events, out: Callable[[str], object]) -> None:
    """Write the lines as XES; `events` says whether all events are among them."""
    declared = lines.of_one_type()
    out(_HEAD)
    out(_attribute(OURS, str(events)) + "\n")
    for some in lines.orders():
        first = next(some)
        out("<trace>")
        if first.order is None:
            out(_attribute("concept:name", ACCOUNT))
        else:
            out(_attribute("concept:name", str(first.order)) + _attribute(first.key, first.order))
        out("\n" + _event(first, declared))
        for put in some:
            out(_event(put, declared))
        out("</trace>\n")
    out("</log>\n")


def _event(put: Put, declared: set[str]) -> str:
    time, attributes, rest = happening(put.fields, put.key, declared.__contains__)
    outcome = Outcome(put.fields.get("outcome", Outcome.ACCEPTED))
    parts = [
        _attribute("concept:name", put.name),
        f'<date key="time:timestamp" value="{time}"/>',
        _attribute("lifecycle:transition", TRANSITIONS[outcome]),
        _attribute("org:resource", put.who) if put.who else "",
        *(_attribute(key, value) for key, value in attributes.items()),
        _attribute(REST, json.dumps(rest)) if rest else "",
        _attribute(NUMBER, put.number),
    ]
    return f"<event>{''.join(parts)}</event>\n"


def _attribute(key: str, value: Any) -> str:
    kind = KINDS[type(value)]
    text = escaped(value) if kind == "string" else json.dumps(value)
    return f'<{_TAGS[kind]} key="{key}" value="{text}"/>'


# -- reading -----------------------------------------------------------------------------------------------------------

_FROM_TEXT: Mapping[str, Callable[[str], Any]] = {
    "string": str,
    "id": str,
    "date": str,
    "int": int,
    "float": float,
    "boolean": {"true": True, "1": True, "false": False, "0": False}.__getitem__,
}
_LISTS = ("list", "container")


def read(path: str, name: str, tables: Tables) -> Iterator[Event | Events]:
    """The events of a log in XES, as they stand there; then, whether all events are among them.

    Ids stand under the keys of the `tables`.
    """
    with unpacked(path, name) as stream:
        yield from parsed(stream, _Reader(tables), name)


class _Element(NamedTuple):
    """An element that is open: an attribute's key and value, and the attributes inside, each with its key."""

    tag: str
    key: str
    value: Any
    inside: list[tuple[str, Any]]


class _Reader:
    """Makes events of elements; whoever reads on takes what it has `found`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.found: list[Event | Events] = []
        self._open: list[_Element] = []
        self._count = 0

    def start(self, tag: str, said: Mapping[str, str]) -> None:
        """An element begins."""
        tag, value = tag.rpartition(":")[2], said.get("value", "")
        if not self._open and tag != "log":
            raise expat.ExpatError(f"the root is {tag}, not log")
        self._open.append(_Element(tag, said.get("key", ""), _value(tag, value), []))

    def end(self, _tag: str) -> None:
        """An element ends."""
        element = self._open.pop()
        if element.tag == "event":
            self._count += 1
            self.found.append(self._event(dict(element.inside)))
        elif element.tag == "log":
            self.found.append(events_of(dict(element.inside).get(OURS)))
        elif element.tag == "values":
            self._open[-1].inside.extend(element.inside)
        elif element.tag in _LISTS:
            self._open[-1].inside.append((element.key, [{key: value} for key, value in element.inside]))
        elif element.tag in _FROM_TEXT:
            value = {"value": element.value, **dict(element.inside)} if element.inside else element.value
            self._open[-1].inside.append((element.key, value))

    def _event(self, said: dict[str, Any]) -> Event:
        log = dict(self._open[0].inside)
        trace = dict(self._open[1].inside) if len(self._open) > 1 else {}
        keys = [key for key in (table.identity.key for table in self._tables.known) if key in trace]
        about = {key: trace[key] for key in keys}
        # Other tools may lose the log's own attributes, but not those of events.
        ours = log.get(OURS, Events.PARTIAL if NUMBER in said else None)
        if not keys and ours is None and "concept:name" in trace:
            about = {self._tables.first.identity.key: trace["concept:name"]}
        name, time = (said.pop(key, "") for key in ("concept:name", "time:timestamp"))
        return Event(self._count, str(name), str(time), said, about, ours)


def _value(tag: str, text: str) -> Any:
    try:
        return _FROM_TEXT.get(tag, str)(text)
    except (ValueError, KeyError):
        return text
