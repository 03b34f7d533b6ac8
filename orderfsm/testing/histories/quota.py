"""Quota under concurrency: whether what a package's counts and refusals say is possible.

When a unit was taken or given back is known only to lie between the beginning and the end of a call. So at any moment
there is a most and a least of units that can be held, and each answer must be possible at some moment of its call: a
refusal with `NotRemainCount` at one at which no unit may have been left, an accepted create at one at which there may.

Nothing but these calls may take units of the package or give them back meanwhile.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from operator import attrgetter
from typing import TYPE_CHECKING

from orderfsm.errors import Meaning
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.tables.api import meaning_of
from orderfsm.trace import Outcome

from .intervals import NEVER, by_end

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.trace import Line

    from .intervals import Moment, TimedCall


class HeldUnits:
    """The units of a package that orders can hold at any moment of some calls, `before` of them before the first.

    Certificates are taken to be younger than any limit of the table within which a unit is given back.
    """

    def __init__(self, lines: Iterable[Line], before: int, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> None:
        taking = {row.trigger for row in lifecycle.transitions if row.quota > 0}
        giving = {row.trigger for row in lifecycle.transitions if row.gives_back(age=0)}
        keeping = {row.trigger for row in lifecycle.transitions if row.source is not None and not row.gives_back(age=0)}
        made = by_end(lines)
        free = {call.line.begins for call in made}
        takes = [call for call in made if call.line.trigger in taking]
        gives = [call for call in made if call.line.trigger in giving and call.line.order_id not in free]
        self._before = before
        self._created = [call for call in takes if _surely(call.line)]
        self._without = [call for call in takes if meaning_of(call.line.code) is Meaning.NO_UNIT]
        self._may_take = sorted(call.start for call in takes if _perhaps(call.line))
        self._have_taken = sorted(call.end for call in self._created)
        self._may_give = sorted(call.start for call in gives if _perhaps(call.line))
        self._have_given = sorted(call.end for call in gives if _surely(call.line) and call.line.trigger not in keeping)
        self.changes = sorted((call for call in (*takes, *gives) if _perhaps(call.line)), key=attrgetter("end"))
        """The calls that may have taken a unit or given one back, by their ends."""

    def most(self, at: Moment = NEVER) -> int:
        """How many can be held at a moment; at the end, unless it is given."""
        return self._before + bisect_right(self._may_take, at) - bisect_left(self._have_given, at)

    def least(self, at: Moment = NEVER) -> int:
        """How many must be held at a moment; at the end, unless it is given."""
        return self._before + bisect_left(self._have_taken, at) - bisect_right(self._may_give, at)

    def impossible(self, total: int) -> Iterator[tuple[TimedCall, int]]:
        """The creates whose answer is impossible with a package of `total` units, and how many were held at that.

        Of a refusal, the most that can have been held during the call; of an accepted create, the least, or the least
        that must be held when it ends if that is more than there are.
        """
        for call in self._without:
            most = max(map(self.most, _moments(call, self._may_take)))
            if most < total:
                yield call, most
        for call in self._created:
            least = min(map(self.least, _moments(call, self._may_give)))
            taken, given = bisect_right(self._have_taken, call.end), bisect_right(self._may_give, call.end)
            at_its_end = self._before + taken - given
            if least >= total or at_its_end > total:
                yield call, least if least >= total else at_its_end

    def around(self, call: TimedCall) -> list[TimedCall]:
        """A call, and the changes that overlap it."""
        overlapping = [each for each in self.changes if each.start <= call.end and call.start <= each.end]
        return overlapping if call in self._created else [call, *overlapping]


def _perhaps(line: Line) -> bool:
    return line.outcome is not Outcome.REFUSED or line.code is None or meaning_of(line.code) is Meaning.PERHAPS


def _surely(line: Line) -> bool:
    return line.outcome is Outcome.ACCEPTED


def _moments(call: TimedCall, changes: list[Moment]) -> list[Moment]:
    """The beginning of a call, and those of the changes that come until its end."""
    return [call.start, *changes[bisect_right(changes, call.start) : bisect_right(changes, call.end)]]
