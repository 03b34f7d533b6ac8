"""Linearizability: whether calls of concurrent clients on one order could have happened one after the other.

A call took effect at some moment between its start and its end. A history is linearizable if such moments can be chosen
so that the table explains every answer. What explains an answer is the trace format's (`orderfsm.trace`): events that
are not in the history may happen at any time; a call whose outcome is unknown may happen at any time after its start,
or never.

It is Wing and Gong's search with Lowe's order of work. The starts and ends are gone through in time. What is kept is a
set of configurations: which of the calls that are under way have taken effect, and what is possible of the order then
(a `Possible` of the trace's automaton, which has unseen events and lost calls in it). When a call ends, those are kept
in which it has taken effect. As many configurations as there are subsets of the calls under way is all that there can
be, times a few; histories that fall apart into quiet moments cost next to nothing.
"""

from __future__ import annotations

import time
from fractions import Fraction
from math import isfinite
from typing import TYPE_CHECKING, Any, cast

import attrs

from orderfsm.errors import InvalidValue
from orderfsm.lifecycle import ORDER_LIFECYCLE, Lifecycle
from orderfsm.trace import Answer, Automaton, Events, Finding, Line, Outcome, instant_of, readings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orderfsm.trace import Possible, Reading


@attrs.frozen(eq=False)
class _Call:
    """A line with its interval, in seconds; an event, or a line without an interval, is a moment."""

    line: Line
    reading: Reading
    start: Fraction
    end: Fraction

    @property
    def lost(self) -> bool:
        """Whether it may happen at any time after its start: no answer says that it is over."""
        return self.reading.answer is Answer.PERHAPS

    @property
    def client(self) -> str:
        """The lane in which it is drawn."""
        return "-" if self.line.client is None else str(self.line.client)

    def __str__(self) -> str:
        outcome = self.line.code or self.line.state or ("" if self.line.outcome is Outcome.ACCEPTED else "unknown")
        return f"{self.line.trigger.name.lower()}{': ' if outcome else ''}{outcome}"


@attrs.frozen
class HistoryCheck:
    """What the history of one order comes to.

    VIOLATES: it is not linearizable; `culprit` is the line at whose end no order of the calls was left that the table
    explains. UNDECIDED: it is only if a vague line is read in the order's favour, or the time was over. `calls` is how
    many lines were checked.
    """

    verdict: Finding
    calls: int
    culprit: Line | None = None
    _overlapping: tuple[_Call, ...] = attrs.field(default=(), repr=False, eq=False)

    def picture(self) -> str:
        """The culprit and the calls that overlap, one lane for each client, time from left to right.

        Empty if there is no culprit.
        """
        if self.culprit is None:
            return ""
        moments = sorted({at for call in self._overlapping for at in (call.start, call.end)})
        width = max(len(str(call)) for call in self._overlapping) + 4
        lanes: dict[str, list[str]] = {}
        for call in self._overlapping:
            begin, end = (moments.index(at) * width for at in (call.start, call.end))
            lane = lanes.setdefault(call.client, [])
            mark = "  <-- not explained" if call.line is self.culprit else ""
            drawn = "|" if begin == end else f"|{str(call).center(end - begin - 1, '-')}|"
            lane.append(f"{' ' * begin}{drawn}{f' {call}' if begin == end else ''}{mark}")
        name = max(map(len, lanes))
        return "\n".join(f"{client:>{name}}  {each}" for client, lane in sorted(lanes.items()) for each in lane)


def check_history(
    lines: Iterable[Line],
    *,
    events: Events | str = Events.PARTIAL,
    lifecycle: Lifecycle = ORDER_LIFECYCLE,
    budget: float = 10,
) -> HistoryCheck:
    """Whether the history of one order is linearizable: `lines` of the trace format, in any order.

    `started` and `ended` are numbers (seconds) or RFC 3339 times, of one clock; a line without them happened at its
    `time`. `events`: whether all events are among the lines, or may have happened unseen. After `budget` seconds the
    verdict is UNDECIDED. Lines of several orders, and intervals that end before they start, are an `InvalidValue`.

    >>> from orderfsm.testing import check_history
    >>> from orderfsm.trace import Line
    >>> create = {"time": "2026-08-05T06:10:01Z", "order_id": 7, "trigger": "CreateCertificateRequest"}
    >>> cancel = {"time": "2026-08-05T06:10:02Z", "order_id": 7, "trigger": "CancelOrderRequest"}
    >>> twice = [Line(**create), Line(**cancel, started=2, ended=4), Line(**cancel, started=3, ended=5)]
    >>> check_history(twice, events="complete").verdict  # both were accepted: one of them was lost
    <Finding.VIOLATES: 'violates'>
    """
    said, begins = readings(lines, lifecycle)
    calls = sorted((_call(line, reading) for line, reading in said), key=lambda call: (call.start, call.end))
    automaton = Automaton(lifecycle, cast("Events", events), late=True)
    search = _Search(automaton, automaton.no_order if begins else automaton.anywhere, time.monotonic() + budget)
    try:
        return search.result(calls)
    except TimeoutError:
        return HistoryCheck(Finding.UNDECIDED, len(calls))


def _call(line: Line, reading: Reading) -> _Call:
    at = _seconds(line.time)
    start = at if line.started is None else _seconds(line.started)
    end = max(start, at) if line.ended is None else _seconds(line.ended)
    if line.started is None and line.ended is not None:
        start = min(start, end)
    if end < start:
        raise InvalidValue("interval", (line.started, line.ended), ["one that ends after it starts"])
    return _Call(line, reading, start, end)


def _seconds(moment: Any) -> Fraction:
    """A number of seconds, or an RFC 3339 time as seconds since 1970, exactly."""
    if isinstance(moment, int | float) and not isinstance(moment, bool) and isfinite(moment):
        return Fraction(moment)
    seconds, digits = instant_of(moment)
    return seconds + Fraction(int(digits or 0), 10 ** len(digits))


class _Search:
    """The configurations of one history, as its starts and ends are gone through."""

    def __init__(self, automaton: Automaton, beginning: Possible, deadline: float) -> None:
        self._automaton = automaton
        self._deadline = deadline
        self._found: set[tuple[frozenset[int], Possible]] = {(frozenset(), beginning)}
        self._open: dict[int, _Call] = {}

    def result(self, calls: list[_Call]) -> HistoryCheck:
        """See `check_history`; `calls` in order of their starts."""
        moments = [(call.start, 0, number) for number, call in enumerate(calls)]
        moments += [(call.end, 1, number) for number, call in enumerate(calls) if not call.lost]
        for _, ends, number in sorted(moments):
            call = calls[number]
            if not ends:
                self._open[number] = call
            if ends or call.lost:
                self._end(number)
            if not any(possible.favour for _, possible in self._found):
                overlapping = [other for other in calls if other.start <= call.end and call.start <= other.end]
                return HistoryCheck(Finding.VIOLATES, len(calls), call.line, tuple(overlapping))
        strict = any(possible.strict for _, possible in self._found)
        return HistoryCheck(Finding.CONFORMS if strict else Finding.UNDECIDED, len(calls))

    def _end(self, number: int) -> None:
        """Keep the configurations in which the call has taken effect, in every order of it and the others open."""
        kept: set[tuple[frozenset[int], Possible]] = set()
        seen = set(self._found)
        frontier = list(self._found)
        while frontier:
            if time.monotonic() > self._deadline:
                raise TimeoutError
            done, possible = frontier.pop()
            if number in done:
                kept.add((done - {number}, possible))
                continue
            for other in self._open.keys() - done:
                after = (done | {other}, self._automaton.step(possible, self._open[other].reading))
                if after[1].favour and after not in seen:
                    seen.add(after)
                    frontier.append(after)
        del self._open[number]
        self._found = kept
