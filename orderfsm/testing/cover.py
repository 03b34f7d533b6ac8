"""The systematic cover: everything that the table says must be tried, as trials.

A *trial* is one attempt at one trigger in one state: bring an order there, let others stand by, fire the trigger, and
look at everything. It raises `CannotForce` where it lacks something, and a `Contradiction` where the table is broken.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from itertools import chain, cycle, repeat
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.spec import Actor, Event, Operation
from orderfsm.trace import Events
from orderfsm.wire import PARAMETERS, statuses

from .gateway import asked
from .model import Contradiction
from .report import Result
from .session import TRIES, CannotForce, Failure, Session
from .steps import UNITS, Call, Happen, Observe, ReadList, ReadQuota
from .ways import NoUnits, Pilot, three_times, ways

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.spec import State, Transition, Trigger

    from .steps import Ask
    from .ways import Way

NO_ORDER = "9223372036854775807"
"""An OrderId that no order has."""

MALFORMED = ("", "0", "-1", "abc", "1.5", "9223372036854775808")
"""What is no OrderId."""

ON_AN_ORDER = tuple(operation for operation, taken in PARAMETERS.items() if "OrderId" in taken.required)
"""The operations that take an OrderId."""

FEW = 1
"""How many orders stand by, on either side, where the account cannot be emptied and units are few."""

MOST_FREE = 5
"""The units of a package are used up if there are no more than that."""

MOST_PAGES = 100
"""Pages of a list that are read at most."""


@attrs.frozen
class Trial:
    """An attempt at `trigger` in `state`: what is played in a session."""

    state: State | None
    trigger: Trigger
    play: Callable[[Session], None]

    def attempt(self, session: Session) -> Result | Failure:
        """What became of it: PASSED, NOT_FORCED, or how it failed. What fails in passing must fail every time.

        What every trial would fail of is noted in the session, and left out. `NoUnits` if the package had none left
        for the order that it takes.
        """
        came = self._came(session)
        while isinstance(came, Failure) and session.goes_on_without(came):
            came = self._came(session)
        return Result.NOT_FORCED if isinstance(came, Failure) and came.kept_off else came

    def _came(self, session: Session) -> Result | Failure:
        failure: Failure | None = None
        for _ in range(TRIES):
            try:
                self.play(session)
            except NoUnits:
                raise
            except CannotForce:
                return Result.NOT_FORCED
            except Contradiction as found:
                failure = session.failure(found)
                if not failure.passing:
                    break
                if session.is_over:
                    return Result.NOT_FORCED
            else:
                return Result.PASSED
        return failure or Result.NOT_FORCED


class Cover:
    """All trials of a `lifecycle`, for the orders of a `pilot`; those first that find most at least cost."""

    def __init__(self, lifecycle: Lifecycle, pilot: Pilot) -> None:
        self.lifecycle = lifecycle
        self._pilot = pilot
        self._ways = {state: ways(lifecycle, state) for state in lifecycle.state_rules if state is not None}
        self._to_each = [found for found in self._ways.values() if found]

    def trials(self) -> Iterator[Trial]:
        """Each pair of a state and a trigger, steps amid many orders, ids, quota; then other ways to each state."""
        return chain(
            self.pairs(),
            self._steps_amid_many(),
            self._ids(),
            self._turned_away(),
            self._quota(),
            self._other_ways(),
        )

    def pairs(self) -> Iterator[Trial]:
        """Every trigger in every state, with an older and a younger order standing by, which take turns."""
        turns = cycle(self._to_each)
        for state in self.lifecycle.state_rules:
            for trigger in self.lifecycle.trigger_rules:
                yield self.pair(state, trigger, self._to(state), [next(turns)])
            next(turns)

    def _steps_amid_many(self) -> Iterator[Trial]:
        """Every step with older and younger orders in every other state, and all ways to read the list."""
        for row in self.lifecycle.transitions:
            if row.changes:
                yield self.pair(row.source, row.trigger, self._to(row.source), self._to_each, thoroughly=True)

    def _other_ways(self) -> Iterator[Trial]:
        """What can be tried on an order, in states that it came to by other ways, or for the second or third time."""
        if self._pilot.session.events is Events.PARTIAL:
            return
        for state, found in self._ways.items():
            for way, trigger in ((way, trigger) for way in found[1:] for trigger in (*ON_AN_ORDER, *Event)):
                yield self.pair(state, trigger, [way], [])
        for row in self.lifecycle.transitions:
            for way in three_times(self.lifecycle, row.source)[:1]:
                yield self.pair(row.source, row.trigger, [way], [])

    def _to(self, state: State | None) -> Sequence[Way]:
        """The ways to a state, the shortest first."""
        return [] if state is None else self._ways[state]

    def pair(
        self,
        state: State | None,
        trigger: Trigger,
        to: Sequence[Way],
        around: Sequence[Sequence[Way]],
        *,
        thoroughly: bool = False,
    ) -> Trial:
        """The trial of one pair: an order goes one of the ways `to` its state; others, gone ways `around`, stand by."""

        def play(session: Session) -> None:
            self._pilot.begin()
            self._stand_by(around)
            order = None if state is None else self._pilot.bring(to)
            self._stand_by(around)
            if order is not None:
                session.do(Observe(order))
            certain = order is None or session.account.states(order) == {state}
            if thoroughly:
                _read_quota(session)
            self._fire(trigger, order)
            _look(session, order, thoroughly=thoroughly)
            if trigger in ON_AN_ORDER:
                self._fire(trigger, order)
                _look(session, order)
            if not certain:
                raise CannotForce

        return Trial(state, trigger, play)

    def _stand_by(self, around: Sequence[Sequence[Way]]) -> None:
        """Create orders that stand by, as far as there are units and the server lets them."""
        for to in around if self._pilot.session.ours else around[:FEW]:
            with suppress(CannotForce):
                self._pilot.bring(to)

    def _fire(self, trigger: Trigger, order: int | None) -> None:
        session = self._pilot.session
        if trigger is Operation.LIST:
            session.do(ReadList())
        elif trigger is Operation.DESCRIBE_PACKAGE:
            session.do(ReadQuota())
        elif self._pilot.creates(trigger):
            if self._pilot.fire(trigger) not in session.account.ids:
                raise NoUnits
        elif order is not None:
            self._pilot.fire(trigger, order)
        else:
            session.do(Happen(trigger, NO_ORDER) if isinstance(trigger, Event) else Call(trigger, NO_ORDER))

    def _ids(self) -> Iterator[Trial]:
        """Calls with ids that are none, and that no order has, beside an order that must not mind; ids used again."""
        for operation in ON_AN_ORDER:
            yield Trial(None, operation, partial(self._call_nothing, operation))
        for row in self.lifecycle.outgoing(None):
            yield Trial(None, row.trigger, partial(self._create_after_all_ended, row))

    def _turned_away(self) -> Iterator[Trial]:
        """Requests that never reach an order, in an account without a package if it can be emptied."""
        for operation, ask in asked():
            yield Trial(None, operation, partial(self._ask, ask))

    def _ask(self, ask: Ask, session: Session) -> None:
        self._pilot.begin(None if session.ours else UNITS)
        session.do(ask)

    def _call_nothing(self, operation: Operation, session: Session) -> None:
        self._pilot.begin()
        self._stand_by(self._to_each[:1])
        for given in (*MALFORMED, NO_ORDER):
            session.do(Call(operation, given))
        _observe_all(session)

    def _create_after_all_ended(self, create: Transition, _session: Session) -> None:
        """An order whose id is that of none before it, although those are at their ends."""
        self._pilot.begin()
        self._stand_by(
            [self._ways[state] for state, rule in self.lifecycle.state_rules.items() if state and rule.terminal]
        )
        self._pilot.fire(create.trigger)

    def _quota(self) -> Iterator[Trial]:
        """Creates without a package and without a unit left; and each step, after which a create shows what is left."""
        creates = [row for row in self.lifecycle.transitions if row.source is None]
        for row in creates:
            yield Trial(row.source, row.trigger, partial(self._without_package, row))
            yield Trial(row.source, row.trigger, partial(self._use_up, row))
        for row in self.lifecycle.transitions:
            if row.source is not None and row.changes and self.lifecycle.actor(row) is Actor.CLIENT:
                yield Trial(row.source, row.trigger, partial(self._create_after, row, creates[0]))

    def _without_package(self, create: Transition, _session: Session) -> None:
        self._pilot.begin(None)
        self._pilot.fire(create.trigger)

    def _use_up(self, create: Transition, session: Session) -> None:
        self._pilot.begin(1)
        for _ in repeat(None, _free(session) + 1):
            self._pilot.fire(create.trigger)
        session.do(ReadQuota())

    def _create_after(self, row: Transition, create: Transition, session: Session) -> None:
        """With all units in use: fire the trigger of `row`, then create."""
        self._pilot.begin(1)
        order = self._pilot.bring(self._ways[row.source]) if row.source else 0
        for _ in repeat(None, _free(session)):
            self._pilot.fire(create.trigger)
        self._pilot.fire(row.trigger, order)
        self._pilot.fire(create.trigger)
        session.do(ReadQuota())


def _free(session: Session) -> int:
    """The units that are left, if they are few enough to be used up."""
    quota = session.do(ReadQuota())
    left: int = quota.total - quota.used
    if left > MOST_FREE:
        raise CannotForce
    return left


def _look(session: Session, order: int | None, *, thoroughly: bool = False) -> None:
    """Read everything that the driver can read: states, the list, the quota; then the states again."""
    _observe_all(session)
    if order is not None:
        with suppress(CannotForce):
            session.do(Call(Operation.DESCRIBE, order))
    with suppress(CannotForce):
        _read_list(session)
        if thoroughly:
            _read_lists(session)
    _read_quota(session)
    _observe_all(session)


def _read_quota(session: Session) -> None:
    with suppress(CannotForce):
        session.do(ReadQuota())


def _observe_all(session: Session) -> None:
    for order in session.account.ids:
        session.do(Observe(order))


def _read_lists(session: Session) -> None:
    """The list by each status, by each domain, and in pages of two sizes."""
    for status in statuses(session.lifecycle):
        _read_list(session, status=status)
    for order in session.account.ids:
        with suppress(CannotForce):
            _read_list(session, like=order)
    for size in (1, 2):
        _read_list(session, size=size)


def _read_list(session: Session, **filters: Any) -> None:
    """A list to its end, and the page after it."""
    for page in range(1, MOST_PAGES + 1):
        asked = ReadList(page=page, **filters)
        if (page - 1) * asked.size >= session.do(asked).total:
            return
