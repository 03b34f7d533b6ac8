"""Surveys: every trigger in every state with as few orders as will do, where the account cannot be emptied.

An order serves for all that leaves it where it is: what is refused first, then what changes nothing, then what moves
it. Where orders cost nothing, each step is made once more beside an order in each state, and what leaves an order in
a state is tried where it came to that by another way.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from orderfsm.testing.model.failure import Contradiction, Kind
from orderfsm.testing.model.session import CANNOT, TRIES, CannotForce
from orderfsm.testing.model.steps import Observe

from .trial import Trial, Tries, count, look, observe_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Trigger
    from orderfsm.testing.model.session import Session

    from .ways import Pilot, Way

_T = TypeVar("_T")

BEFORE = 2
"""How many of the youngest orders are looked at after a step amid others: one may do something to the one before."""


class Surveys(Tries):
    """The surveys of a table's states: `why` has the pairs that could not be tried, each with the reason."""

    def __init__(self, lifecycle: Lifecycle, pilot: Pilot) -> None:
        super().__init__(lifecycle, pilot)
        self.why: dict[tuple[State | None, Trigger], str] = {}
        self._unanswered: Counter[object] = Counter()

    def each_state(self) -> Iterator[Trial]:
        """Every trigger in every state."""
        creates = () if self._roles.costs else filter(self.lifecycle.creates.__contains__, self.lifecycle.operations)
        called = (*creates, *self._roles.fired)
        reads = [] if self._roles.lists is None or self._roles.counting is not None else [self._roles.lists]
        if not self._roles.costs:
            nothing = [each for each in (*called, *self._roles.told) if each in self.lifecycle.table[None]]
            yield from self._until_all(None, nothing, self._survey_nothing)
        for state, found in self._ways.items():
            fired = [each for each in called if each in self.lifecycle.table[state]]
            left = [(trigger, False) for trigger in (*fired, *reads, *self._roles.told)]
            left += [(trigger, True) for trigger in self._flawed_in(state)]
            left.sort(key=partial(self._place_of, state))
            if not self._roles.costs:
                left = self._some_again(state, left)
            yield from self._until_all(state, left, partial(self._survey, state, found))

    def _some_again(self, state: State | None, left: list[tuple[Trigger, bool]]) -> list[tuple[Trigger, bool]]:
        """What is `left`, and what was refused once more before an order leaves the state.

        There are servers that let it pass the second time, or after something else was called.
        """
        moves = [each for each in left if not self._stays(state, *each)]
        stays = [each for each in left if self._stays(state, *each)]
        called = [each for each in stays if self.lifecycle.by_client(each[0])]
        return [*stays, *(each for each in called if (self.lifecycle.table[state][each[0]] is None) != each[1]), *moves]

    def _place_of(self, state: State | None, fired: tuple[Trigger, bool]) -> tuple[int, bool, bool]:
        """When to try a trigger in a state: what is refused first, then what leaves an order there.

        What cannot be carried out comes just before the same that can; an event, which a driver perhaps cannot make
        happen there, before a call that needs another order.
        """
        trigger, flawed = fired
        row = self.lifecycle.table[state][trigger]
        stays = row is not None and (flawed or row.target == state)
        moves = row is not None and not stays and not self._roles.costs
        place = 1 if row is None else 2 if stays else 3
        return place, row is not None and trigger not in self._roles.flawed, moves and self.lifecycle.by_client(trigger)

    def _until_all(
        self, state: State | None, left: list[_T], play: Callable[[list[_T], Session], Iterator[Trigger]]
    ) -> Iterator[Trial]:
        """Trials of what is `left`, which each takes from there, until nothing is, or nothing gets any further."""
        before: list[_T] = []
        while left != before:
            before = list(left)
            yield Trial(state, None, partial(play, left))

    @contextmanager
    def _taken(self, left: list[_T], coming: Sequence[_T], fired: object) -> Iterator[None]:
        """Take what is fired now from what is `left`, unless no answer comes, which must be so every time."""
        left[:] = coming[1:]
        try:
            yield
        except Contradiction as found:
            self._unanswered[fired] += found.passing
            if found.passing and self._unanswered[fired] < TRIES:
                left[:] = coming
            raise

    def _survey_nothing(self, left: list[Trigger], session: Session) -> Iterator[Trigger]:
        """Try the triggers that are `left` where there is no order, beside one that must not mind."""
        coming = list(left)
        left.clear()
        self._pilot.begin()
        if session.ours:
            return
        for number, trigger in enumerate(coming):
            try:
                with self._taken(left, coming[number:], (None, trigger)):
                    self._fire(trigger, None)
            except CannotForce as error:
                self.why[None, trigger] = str(error)
                continue
            yield trigger
        observe_all(session)

    def _survey(
        self,
        state: State,
        to: Sequence[Way],
        left: list[tuple[Trigger, bool]],
        session: Session,
        *,
        counts: bool = True,
    ) -> Iterator[Trigger]:
        """Try the triggers that are `left`: on one order, until it leaves the state, then on another one.

        It ends at the first that is wrong, or that takes or gives back a unit wrongly.
        """
        coming = list(left)
        left.clear()
        self._pilot.begin()
        if session.ours:
            return
        order: int | None = None
        for number, (trigger, flawed) in enumerate(coming):
            if trigger in session.cannot:
                self.why[state, trigger] = CANNOT
                continue
            if order is None or not self._pilot.may_be_in(order, state):
                order = self._brought(state, to, [each for each, _ in coming[number:]])
            with self._taken(left, coming[number:], (state, trigger, flawed)):
                passed = self._tried(state, order, trigger, flawed=flawed)
            if any(failure.kind is Kind.QUOTA for failure in session.found):
                return
            if passed and counts and not flawed:
                yield trigger
        if order is not None and self._roles.costs:
            look(session, order, thoroughly=True)
        left.clear()

    def _brought(self, state: State, to: Sequence[Way], coming: Iterable[Trigger]) -> int:
        """The number of an order in a state, seen to be there; if there is none, why what is `coming` is not tried."""
        try:
            order = self._pilot.bring(to)
        except CannotForce as error:
            self.why |= {(state, trigger): str(error) for trigger in coming if str(error)}
            raise
        self._pilot.look(order)
        count(self._pilot.session)
        return order

    def _tried(self, state: State, order: int, trigger: Trigger, *, flawed: bool) -> bool:
        """Fire a trigger on an order, and look at it; whether the order certainly was in a state."""
        certain = self._pilot.may_be_in(order, state) and not self._is_silent(order, trigger)
        if not certain:
            self.why[state, trigger] = f"it is not certain that the {self.lifecycle.noun} was in this state"
        try:
            fire = self._pilot.flaw if flawed else self._fire
            fire(trigger, order)
        except CannotForce as error:
            self.why[state, trigger] = str(error)
            if self._pilot.session.account.states(order) != {state}:
                self._pilot.session.do(Observe(order))
            return False
        self._pilot.session.do(Observe(order))
        count(self._pilot.session)
        return certain

    def amid_others(self) -> Iterator[Trial]:
        """Every step beside an order in each state, where orders cost nothing and were surveyed one by one."""
        yield Trial(None, None, self._step_amid_others)

    def _step_amid_others(self, session: Session) -> Iterator[Trigger]:
        self._pilot.begin()
        if session.ours:
            return
        self._stand_by(self._to_each, most=len(self._to_each))
        others = list(session.account.ids)
        for row in self.lifecycle.transitions:
            if row.source is None or not row.changes or (row.source, row.trigger) in self.why:
                continue
            with suppress(CannotForce):
                self._fire(row.trigger, self._pilot.bring(self._to(row.source)))
                for order in dict.fromkeys([*others, *list(session.account.ids)[-BEFORE:]]):
                    session.do(Observe(order))
        yield from ()

    def afterwards(self) -> Iterator[Trial]:
        """What may be refused once something else was called, after that; and the same again."""
        rows = [row for row in self.lifecycle.transitions if row.source is not None]
        for first in dict.fromkeys(trigger for row in rows for trigger in row.optional_after):
            for before in rows if self.lifecycle.by_client(first) else ():
                later = [row for row in rows if row.source == before.target and first in row.optional_after]
                if before.trigger == first and later:
                    triggers = [before.trigger, *(row.trigger for row in later)]
                    yield Trial(before.source, None, partial(self._fire_each, before.source, triggers))

    def _fire_each(self, state: State | None, triggers: Sequence[Trigger], session: Session) -> Iterator[Trigger]:
        self._pilot.begin()
        if session.ours:
            return
        order = self._pilot.bring(self._to(state))
        for trigger in triggers:
            self._fire(trigger, order)
            session.do(Observe(order))
        yield from ()

    def by_other_ways(self) -> Iterator[Trial]:
        """What leaves an order in a state, in states that it came to by other ways than the first that it went."""
        for state, found in self._ways.items():
            for way in found[1:]:
                left = [(trigger, False) for trigger in self._roles.on_an_order]
                left += [(trigger, True) for trigger in self._flawed_in(state)]
                stays = [each for each in left if self._stays(state, *each)]
                stays.sort(key=partial(self._place_of, state))
                yield from self._until_all(state, stays, partial(self._survey, state, [way], counts=False))

    def _stays(self, state: State | None, trigger: Trigger, flawed: bool) -> bool:
        row = self.lifecycle.table[state].get(trigger, ...)
        return row is not ... and (row is None or flawed or row.target == state)
