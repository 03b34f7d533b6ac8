"""The smallest history that still shows why a longer one is not linearizable."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.trace import Events, Finding, all_or_some

from .history import History, HistoryCheck
from .intervals import calls as by_end
from .search import Search

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State
    from orderfsm.trace import Line

    from .search import Step

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
    history = History(found.order_id, lifecycle, all_or_some(events, ()))
    return _Shrinking(history, found, time.monotonic() + budget).smallest()


class _Shrinking:
    """One history, up to the end of its culprit, and the calls of it that were not lost."""

    def __init__(self, history: History, found: HistoryCheck, deadline: float) -> None:
        spans = by_end(found.calls)
        end = next(call.end for call in spans if call.line is found.culprit)
        steps, self._automaton = history.prepared([call.line for call in spans if call.start < end])
        self._lost = [step for step in steps if step.may_come_late(self._automaton, favour=True)]
        self._answered = [step for step in steps if not step.may_come_late(self._automaton, favour=True)]
        self._history = history
        self._found = found
        self._deadline = deadline

    def smallest(self) -> HistoryCheck:
        """Go back from pause to pause while few calls are enough."""
        best: HistoryCheck | None = None
        lost = [step.call.line for step in self._lost]
        kept: list[Line] = []
        until = len(self._answered)
        for at in (*_pauses(self._answered), 0):
            lines = [step.call.line for step in self._answered[at:until]]
            if at and best is not None and not any(map(self._history.moves, lines)):
                continue  # nothing but reads since: they can do without
            shown = self._without_reads(self._checked([*lines, *kept, *lost], self._states(at)))
            if best is not None and (shown.verdict is not Finding.VIOLATES or len(shown.calls) > ENOUGH):
                break
            kept, until = [line for line in shown.calls if line not in lost], at
            best = shown if shown.verdict is Finding.VIOLATES else None
        return self._found if best is None else best

    def _states(self, at: int) -> set[State | None]:
        """Where the order may be after the first `at` steps, and the lost ones from before their end."""
        if not at:
            return set(self._found.initial)
        end = self._answered[at - 1].call.end
        lost = [step for step in self._lost if step.call.start < end]
        before = sorted([*self._answered[:at], *lost], key=lambda step: step.call.end)
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


def _pauses(steps: Sequence[Step]) -> Iterator[int]:
    """How many of `steps`, which come by their ends, had ended when none was under way, the latest pause first."""
    earliest = (math.inf, 0, 0)
    for at in range(len(steps) - 1, 0, -1):
        earliest = min(earliest, steps[at].call.start)
        if steps[at - 1].call.end < earliest:
            yield at
