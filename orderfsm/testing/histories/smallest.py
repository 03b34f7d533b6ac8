"""The smallest history that still shows why a longer one is not linearizable."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.trace import Events, Finding, all_or_some

from .history import HistoryCheck, HistoryJudge
from .intervals import by_end
from .search import Search

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State
    from orderfsm.trace import Line

    from .search import Candidate

ENOUGH = 6
"""A smallest history has no more calls than that, if it need not; with fewer it would not show how it came to that."""


def smallest_history(
    found: HistoryCheck,
    *,
    lifecycle: Lifecycle = ORDER_LIFECYCLE,
    events: Events = Events.PARTIAL,
    budget: float = 10.0,
) -> HistoryCheck:
    """A few calls of a history that violates the table which still do; `lifecycle` and `events` as it was checked.

    What came before a moment at which no call was under way is replaced by the states to which it led: before the
    earliest such moment since which 6 calls are enough. Each call that changes nothing is left out if the others
    violate the table without it. A history that does not violate the table is given back as it is.
    """
    if found.culprit is None:
        return found
    history = HistoryJudge(found.order_id, lifecycle, all_or_some(events, ()))
    return _Shrinking(history, found, time.monotonic() + budget).smallest()


class _Shrinking:
    """One history, up to the end of its culprit, and the calls of it that were not lost."""

    def __init__(self, history: HistoryJudge, found: HistoryCheck, deadline: float) -> None:
        calls = by_end(found.calls)
        end = next(call.end for call in calls if call.line is found.culprit)
        candidates, self._automaton = history.prepared([call.line for call in calls if call.start < end])
        self._lost = [each for each in candidates if each.may_come_late(self._automaton, favour=True)]
        self._answered = [each for each in candidates if not each.may_come_late(self._automaton, favour=True)]
        self._history = history
        self._found = found
        self._deadline = deadline

    def smallest(self) -> HistoryCheck:
        """Go back from pause to pause while few calls are enough."""
        best: HistoryCheck | None = None
        lost = [each.call.line for each in self._lost]
        kept: list[Line] = []
        until = len(self._answered)
        for at in (*_pauses(self._answered), 0):
            lines = [each.call.line for each in self._answered[at:until]]
            if at and best is not None and not any(map(self._history.moves, lines)):
                continue  # nothing but reads since: they can do without
            shown = self._without_reads(self._checked([*lines, *kept, *lost], self._states(at)))
            if best is not None and (shown.verdict is not Finding.VIOLATES or len(shown.calls) > ENOUGH):
                break
            kept, until = [line for line in shown.calls if line not in lost], at
            best = shown if shown.verdict is Finding.VIOLATES else None
        return self._found if best is None else best

    def _states(self, at: int) -> set[State | None]:
        """Where the order may be after the first `at` calls, and the lost ones from before their end."""
        if not at:
            return set(self._found.initial)
        end = self._answered[at - 1].call.end
        lost = [each for each in self._lost if each.call.start < end]
        before = sorted([*self._answered[:at], *lost], key=lambda each: each.call.end)
        search = Search(before, self._automaton, favour=True)
        return {run.state for run in search.reached(self._automaton.at(self._found.initial), self._deadline).runs}

    def _checked(self, lines: Sequence[Line], initial: set[State | None]) -> HistoryCheck:
        return self._history.checked(lines, initial, self._deadline)

    def _without_reads(self, found: HistoryCheck) -> HistoryCheck:
        """Without each call that changes nothing and is not needed."""
        for line in found.calls:
            if not self._history.moves(line):
                others = [other for other in found.calls if other is not line]
                fewer = self._checked(others, set(found.initial))
                found = fewer if fewer.verdict is Finding.VIOLATES else found
        return found


def _pauses(candidates: Sequence[Candidate]) -> Iterator[int]:
    """How many calls, which come by their ends, had ended when none was under way, the latest pause first."""
    earliest = (math.inf, 0, 0)
    for at in range(len(candidates) - 1, 0, -1):
        earliest = min(earliest, candidates[at].call.start)
        if candidates[at - 1].call.end < earliest:
            yield at
