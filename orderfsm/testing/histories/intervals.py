"""When calls happened: the intervals of a trace's lines, as moments that can be put in order, and as a picture.

A call precedes another one if it ended before the other began. Calls that touch, one ending at the very time at which
the other begins, do not precede each other: clocks are coarse. Lines that have no interval happened at their `time`,
one after the other as they stand. In the picture there is a lane for each client, and a bar for each call.
"""

from __future__ import annotations

import math
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.trace import Outcome, instant_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.trace import Instant, Line

Moment: TypeAlias = tuple[float, int, int]
"""Seconds; then, at one time, intervals begin, lines without one stand in their order, and intervals end."""

BEGINS, STANDS, ENDS = range(3)
ALWAYS: Moment = (-math.inf, BEGINS, 0)
NEVER: Moment = (math.inf, ENDS, 0)

LOST = "no answer"


class TimedCall(NamedTuple):
    """A line, and between which moments it happened."""

    start: Moment
    end: Moment
    line: Line


def by_end(lines: Iterable[Line]) -> list[TimedCall]:
    """The intervals of `lines`, by their ends.

    `started` and `ended` are seconds, or RFC 3339 times; if only one of them is there, the interval is open on the
    other side. Numbers are seconds since 1970 where there are RFC 3339 times among them. What is neither, and an
    interval that ends before it starts, is an `InvalidValue`.
    """
    in_order = sorted(lines, key=attrgetter("instant"))
    return sorted((_call(line, position) for position, line in enumerate(in_order)), key=attrgetter("end"))


def has_interval(line: Line) -> bool:
    """Whether a line says when the call started or ended."""
    return line.started is not None or line.ended is not None


def _call(line: Line, position: int) -> TimedCall:
    if not has_interval(line):
        at = _seconds(line.instant)
        return TimedCall((at, STANDS, 2 * position), (at, STANDS, 2 * position + 1), line)
    start = ALWAYS if line.started is None else (_time("started", line.started), BEGINS, 0)
    end = NEVER if line.ended is None else (_time("ended", line.ended), ENDS, 0)
    if end < start:
        raise InvalidValue("interval", (line.started, line.ended), ["an end that is not before the start"])
    return TimedCall(start, end, line)


def _time(name: str, value: Any) -> float:
    if type(value) in {int, float} and math.isfinite(value):
        return value  # type: ignore[no-any-return]  # an int stays one: it may be too long for a float
    if isinstance(value, str):
        return _seconds(instant_of(value))
    raise InvalidValue(name, value, ["seconds", "an RFC 3339 time such as 2026-08-05T06:10:01Z"])


def _seconds(instant: Instant) -> float:
    whole, fraction = instant
    return whole + float(f"0.{fraction or 0}")


def told(line: Line, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> str:
    """What a line says, in short.

    >>> from orderfsm.trace import Line
    >>> told(Line(time="2026-08-05T06:10:01Z", order_id=7, trigger="DeleteCertificateRequest", outcome="refused"))
    'delete: refused'
    """
    name = line.trigger.name.lower()
    if not lifecycle.by_client(line.trigger):
        return name
    if line.outcome is Outcome.UNKNOWN:
        return f"{name}: {LOST}"
    second = "" if line.certificate_state is None else f"/{line.certificate_state or 'absent'}"
    answer = f"{line.state or ''}{second}" if line.outcome is Outcome.ACCEPTED else line.code
    return f"{name}: {answer or line.outcome}"


def drawn(calls: Iterable[TimedCall], marked: Line | None = None, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> str:
    """The `calls` as lanes of text; the bar of `marked` is drawn with `=`.

    The picture shows what came before what, not how long it took. A bar that ends in `>` has no end: what became of the
    call is unknown, or when it ended.
    """
    in_order = sorted(calls, key=attrgetter("start"))
    said = {id(call.line): told(call.line, lifecycle) for call in in_order}
    lanes = lanes_of(in_order, lifecycle)
    columns = _columns((call for lane in lanes for call in lane[1]), said)
    width = max((len(name) for name, _ in lanes), default=0)
    return "\n".join(f"{name.ljust(width)}  {_bars(lane, columns, said, marked)}" for name, lane in lanes)


def lanes_of(calls: Sequence[TimedCall], lifecycle: Lifecycle) -> list[tuple[str, list[TimedCall]]]:
    """The calls of each client, those that overlap in lanes of their own."""
    lanes: list[tuple[str, list[TimedCall]]] = []
    for call in calls:
        name = _client(call.line, lifecycle)
        for other, lane in lanes:
            if other == name and lane[-1].end < call.start:
                lane.append(call)
                break
        else:
            lanes.append((name, [call]))
    return sorted(lanes, key=lambda lane: (len(lane[0]), lane[0]))


def _client(line: Line, lifecycle: Lifecycle) -> str:
    if line.client is not None:
        return f"client {line.client}"
    return "calls" if lifecycle.by_client(line.trigger) else "events"


def _columns(calls: Iterable[TimedCall], said: Mapping[int, str]) -> dict[Moment, int]:
    """The column of each moment, so that moments stay in order and every bar has room for what it says."""
    starts_of: dict[Moment, list[TimedCall]] = {}
    moments: set[Moment] = set()
    for call in calls:
        starts_of.setdefault(call.end, []).append(call)
        moments |= {call.start, call.end}
    columns: dict[Moment, int] = {}
    last = -1
    for moment in sorted(moments):
        least = [columns[call.start] + len(said[id(call.line)]) + 3 for call in starts_of.get(moment, [])]
        last = columns[moment] = max(last + 1, *least) if least else last + 1
    return columns


def _bars(
    lane: Iterable[TimedCall], columns: Mapping[Moment, int], said: Mapping[int, str], marked: Line | None
) -> str:
    text = ""
    for call in lane:
        fill = "=" if call.line is marked else "-"
        first = "<" if call.start == ALWAYS else "|"
        last = ">" if call.end == NEVER or call.line.outcome is Outcome.UNKNOWN else "|"
        room = columns[call.end] - columns[call.start] - 1
        text = text.ljust(columns[call.start]) + first + said[id(call.line)].center(room, fill) + last
    return text
