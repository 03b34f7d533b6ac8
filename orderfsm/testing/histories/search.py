"""The search for an order of concurrent calls that the table explains: Wing and Gong's, with Lowe's memory.

Of the calls left, any may be taken next that began before the first of them ended. A set of calls taken is two ints:
how many of those that ended first are all taken, and the others as bits. For each such set the search keeps the *runs*
that explain it, whichever order of its calls led there. It goes breadth first, one call more in each round, so that all
orders of a set have come together when it goes on from there.

Two things keep the sets few:

* A call that changes nothing is taken at once by the runs that explain it as they stand: they lose nothing by it.
* A call whose outcome is unknown is never waited for. It joins the lost calls of each run as soon as it may have begun,
  which is when all calls that ended before its start are taken; the `Automaton` lets it happen later, or never.
"""

from __future__ import annotations

import time
from bisect import bisect_left, insort
from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import attrs

from orderfsm.trace import covers, explain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from orderfsm.trace import Automaton, Possible, Reading, Run

    from .intervals import TimedCall

Taken: TypeAlias = tuple[int, int]
"""A set of calls: the first so many of them, and those that follow as bits, of which the lowest is 0."""


class Candidate(NamedTuple):
    """A call, and what it says of the order: a reading, or two if a renewal names its own order."""

    call: TimedCall
    readings: tuple[Reading, ...]

    def may_come_late(self, automaton: Automaton, *, favour: bool) -> bool:
        """Whether the call is not waited for: nobody knows what became of it, and the automaton takes late calls."""
        return automaton.late and self.readings[0].may_come_late(favour=favour)


@attrs.frozen
class Reached:
    """How far a search came: to the end, unless there is a `culprit`; `runs` explain all calls that end before it.

    If it ran `out_of_time`, there is a culprit only because of that.
    """

    culprit: Candidate | None
    runs: frozenset[Run]
    out_of_time: bool


class Search:
    """A search for an order of `candidates`, which come by their ends.

    Vague lines are read strictly, or in the order's `favour`. Calls of unknown outcome are waited for only if the
    automaton takes no late ones.
    """

    def __init__(self, candidates: Sequence[Candidate], automaton: Automaton, *, favour: bool) -> None:
        self._automaton = automaton
        self._favour = favour
        late = [each.may_come_late(automaton, favour=favour) for each in candidates]
        self._waited = [each for each, is_late in zip(candidates, late, strict=True) if not is_late]
        ends = [each.call.end for each in self._waited]
        self._joining: defaultdict[int, list[Reading]] = defaultdict(list)
        for candidate, is_late in zip(candidates, late, strict=True):
            if is_late:
                self._joining[bisect_left(ends, candidate.call.start)] += candidate.readings
        self._next = list(_may_be_next(self._waited, [self._moves(each.readings) for each in self._waited]))
        self._step = cache(self._step_and_rest)
        self._union = cache(self._united)

    def reached(self, start: Possible, deadline: float) -> Reached:
        """Search from `start` until `deadline`, by the monotonic clock."""
        layer = {(0, 0): self._joined(0, start)}
        furthest = 0
        runs: frozenset[Run] = frozenset()
        for _ in self._waited:
            coming: dict[Taken, Possible] = {}
            for taken, possible in layer.items():
                base = taken[0]
                if base >= furthest and explain(self._runs(possible)):
                    runs = self._runs(possible) | (runs if base == furthest else frozenset())
                    furthest = base
                if time.monotonic() > deadline:
                    return Reached(self._waited[furthest], runs, out_of_time=True)
                for after, what in self._following(taken, possible):
                    known = coming.get(after)
                    coming[after] = what if known is None or known is what else self._union(known, what)
            if not coming:
                return Reached(self._waited[furthest], runs, out_of_time=False)
            layer = coming
        found = self._runs(next(iter(layer.values())))
        if explain(found) or not self._waited:
            return Reached(None, found, out_of_time=False)
        return Reached(self._waited[furthest], runs, out_of_time=False)

    def _following(self, taken: Taken, possible: Possible) -> Iterator[tuple[Taken, Possible]]:
        """What one call more leads to."""
        base, bits = taken
        for index in self._next[base]:
            bit = 1 << (index - base)
            if bits & bit:
                continue
            after, possible = self._step(possible, self._waited[index].readings)
            if self._runs(after):
                yield self._counted(base, bits | bit, after)
            if not self._runs(possible):
                return

    def _counted(self, base: int, bits: int, possible: Possible) -> tuple[Taken, Possible]:
        """Count the first calls if they are taken."""
        while bits & 1:
            bits >>= 1
            base += 1
            possible = self._joined(base, possible)
        return (base, bits), possible

    def _joined(self, base: int, possible: Possible) -> Possible:
        """`possible` with the late calls that may have begun once the first `base` calls are taken."""
        for reading in self._joining.get(base, ()):
            possible = self._automaton.step(possible, reading)
        return possible

    def _step_and_rest(self, possible: Possible, readings: tuple[Reading, ...]) -> tuple[Possible, Possible]:
        """The runs after a call, and those runs before it that may do better to take other calls first."""
        after = possible
        for reading in readings:
            after = self._automaton.step(after, reading)
        if self._moves(readings):
            return after, possible
        return after, self._possible(self._runs(possible) - self._runs(after))

    def _united(self, one: Possible, other: Possible) -> Possible:
        runs = self._runs(one) | self._runs(other)
        return self._possible(frozenset(run for run in runs if not any(o != run and covers(o, run) for o in runs)))

    def _possible(self, runs: frozenset[Run]) -> Possible:
        return self._automaton.possible(runs, runs)

    def _runs(self, possible: Possible) -> frozenset[Run]:
        return possible.favour if self._favour else possible.strict

    def _moves(self, readings: Iterable[Reading]) -> bool:
        return any(map(self._automaton.moves, readings))


def _may_be_next(candidates: Sequence[Candidate], moves: Sequence[bool]) -> Iterator[list[int]]:
    """For each call that ends first of those left: those that began before its end, first those that move nothing."""
    by_start = iter(sorted(range(len(candidates)), key=lambda index: candidates[index].call.start))
    begun: list[tuple[bool, int]] = []
    coming = next(by_start, None)
    for first, candidate in enumerate(candidates):
        while coming is not None and candidates[coming].call.start < candidate.call.end:
            insort(begun, (moves[coming], coming))
            coming = next(by_start, None)
        yield [index for _, index in begun]
        begun.remove((moves[first], first))
