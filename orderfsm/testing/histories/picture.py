"""A text picture of overlapping calls: a lane for each client, a bar from the beginning of a call to its end."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from orderfsm.tables.orders import Event
from orderfsm.trace import Outcome

from .intervals import ALWAYS, NEVER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orderfsm.trace import Line

    from .intervals import Moment, TimedCall

LOST = "no answer"


def told(line: Line) -> str:
    """What a line says, in short.

    >>> from orderfsm.trace import Line
    >>> told(Line(time="2026-08-05T06:10:01Z", order_id=7, trigger="DeleteCertificateRequest", outcome="refused"))
    'delete: refused'
    """
    name = line.trigger.name.lower()
    if isinstance(line.trigger, Event):
        return name
    if line.outcome is Outcome.UNKNOWN:
        return f"{name}: {LOST}"
    answer = line.state if line.outcome is Outcome.ACCEPTED else line.code
    return f"{name}: {answer or line.outcome}"


def drawn(calls: Iterable[TimedCall], marked: Line | None = None) -> str:
    """The `calls` as lanes of text; the bar of `marked` is drawn with `=`.

    The picture shows what came before what, not how long it took. A bar that ends in `>` has no end: what became of the
    call is unknown, or when it ended.
    """
    lanes = _lanes(sorted(calls, key=attrgetter("start")))
    columns = _columns(call for lane in lanes for call in lane[1])
    width = max((len(name) for name, _ in lanes), default=0)
    return "\n".join(f"{name.ljust(width)}  {_bars(lane, columns, marked)}" for name, lane in lanes)


def _lanes(calls: Sequence[TimedCall]) -> list[tuple[str, list[TimedCall]]]:
    """The calls of each client, those that overlap in lanes of their own."""
    lanes: list[tuple[str, list[TimedCall]]] = []
    for call in calls:
        name = _client(call.line)
        for other, lane in lanes:
            if other == name and lane[-1].end < call.start:
                lane.append(call)
                break
        else:
            lanes.append((name, [call]))
    return sorted(lanes, key=lambda lane: _natural(lane[0]))


def _client(line: Line) -> str:
    if line.client is not None:
        return f"client {line.client}"
    return "events" if isinstance(line.trigger, Event) else "calls"


def _natural(name: str) -> tuple[int, str]:
    return len(name), name


def _columns(calls: Iterable[TimedCall]) -> dict[Moment, int]:
    """The column of each moment, so that moments stay in order and every bar has room for what it says."""
    starts_of: dict[Moment, list[TimedCall]] = {}
    moments: set[Moment] = set()
    for call in calls:
        starts_of.setdefault(call.end, []).append(call)
        moments |= {call.start, call.end}
    columns: dict[Moment, int] = {}
    last = -1
    for moment in sorted(moments):
        least = [columns[call.start] + len(told(call.line)) + 3 for call in starts_of.get(moment, [])]
        last = columns[moment] = max(last + 1, *least) if least else last + 1
    return columns


def _bars(lane: Iterable[TimedCall], columns: dict[Moment, int], marked: Line | None) -> str:
    text = ""
    for call in lane:
        fill = "=" if call.line is marked else "-"
        first = "<" if call.start == ALWAYS else "|"
        last = ">" if call.end == NEVER or call.line.outcome is Outcome.UNKNOWN else "|"
        room = columns[call.end] - columns[call.start] - 1
        text = text.ljust(columns[call.start]) + first + told(call.line).center(room, fill) + last
    return text
