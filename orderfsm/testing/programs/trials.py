"""The systematic part of a check: everything that the table says must be tried, as trials.

A *trial* is one attempt at one trigger in one state: bring an order there, let others stand by, fire the trigger, and
look at everything. It raises `CannotForce` where it lacks something, and a `Contradiction` where the table is broken.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from itertools import chain, cycle, islice, product, repeat
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.errors import NotFoundPackage
from orderfsm.tables.api import PARAMETERS
from orderfsm.tables.orders import Operation
from orderfsm.testing.drivers.orders import application
from orderfsm.testing.model.failure import Contradiction, Kind
from orderfsm.testing.model.particulars import LISTS
from orderfsm.testing.model.session import TRIES, CannotForce, unreached
from orderfsm.testing.model.steps import (
    Ask,
    Call,
    Happen,
    Observe,
    ReadAccount,
    ReadCertificate,
    ReadList,
    ReadQuota,
)
from orderfsm.trace import Events
from orderfsm.words import meanings

from .shrink import exact
from .ways import three_times, ways

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Transition, Trigger
    from orderfsm.testing.model.failure import Failure, Key
    from orderfsm.testing.model.session import Session

    from .ways import Pilot, Way

BYSTANDERS = 1
"""How many orders stand by, on either side, where the account cannot be emptied and units are few."""

MOST_AROUND = 9
"""In how many states other orders are at most while a step is made; there are as many of orders."""

MOST_TRIES = 4 * TRIES
"""How often a trial is played at most, if it fails in passing, and each time in another way."""

MOST_FREE = 5
"""The units of a package are used up if there are no more than that."""

MOST_PAGES = 100
"""Pages of a list that are read at most."""

NO_ACTION, NO_VERSION, NO_PRODUCT = "OrderfsmNoSuchAction", "1999-12-31", "orderfsm-no-such-product"
"""What no server has."""

BAD_REQUEST, NOT_FOUND = 400, 404


@attrs.frozen
class Tried:
    """What became of a trial: what of it passed, how it failed, and why it could not be played to its end."""

    passed: tuple[Trigger, ...]
    failures: tuple[Failure, ...]
    why: str


@attrs.frozen
class Trial:
    """An attempt at `trigger` in `state`, or at several: what is played, which yields each trigger that has passed."""

    state: State | None
    trigger: Trigger | None
    play: Callable[[Session], Iterable[Trigger]]

    def attempt(self, pilot: Pilot) -> Tried:
        """Play it, and give up its orders. What fails in passing must fail every time.

        What every trial would fail of is left out once it is told; if it ended this one, that is played again.
        """
        session = pilot.session
        found: dict[Key, Failure] = {}
        same: list[Failure] = []
        told: list[Failure] = []
        passed: tuple[Trigger, ...] = ()
        why = ""
        for _ in range(MOST_TRIES):
            passed, why, contradiction = self._played(pilot)
            ended = None if contradiction is None else session.failure(contradiction)
            session.give_up_orders()
            same = [] if ended is None else [*(each for each in same if each.ends_as(ended)), ended]
            told = [] if ended is None or (ended.passing and len(same) < TRIES) else [ended]
            failures = [*session.found, *(failure for failure in told if not failure.kept_off)]
            found = {failure.key: failure for failure in (exact(session, each) for each in failures)} | found
            again = any(failure.once is not None and failure.once not in session.told for failure in told)
            for failure in (*failures, *told):
                session.leave_out(failure)
            if not again and (told or ended is None or session.is_over):
                break
            if again:
                same = []
        kept_off = [f"the call was throttled or not permitted: {each.got}" for each in told if each.kept_off]
        return Tried(passed, tuple(found.values()), kept_off[0] if kept_off else why)

    def _played(self, pilot: Pilot) -> tuple[tuple[Trigger, ...], str, Contradiction | None]:
        """What passed, why it went no further, and what ended it."""
        passed: list[Trigger] = []
        why = ""
        try:
            try:
                for trigger in self.play(pilot.session):
                    passed.append(trigger)  # noqa: PERF402  # what passed before it ends counts
            except CannotForce as error:
                why = str(error) or unreached(pilot.lifecycle)
            pilot.give_up()
        except Contradiction as contradiction:
            return tuple(passed), f"a program failed before: {contradiction}", contradiction
        return tuple(passed), why, None


class Trials:
    """All trials of a `lifecycle`, for the orders of a `pilot`; those first that find most at least cost."""

    def __init__(self, lifecycle: Lifecycle, pilot: Pilot) -> None:
        self.lifecycle = lifecycle
        self._pilot = pilot
        self._roles = pilot.session.roles
        self._ways = {state: ways(lifecycle, state) for state in lifecycle.state_rules if state is not None}
        self._to_each = [found for found in self._ways.values() if found]
        self._surveyed = False

    def surveys(self) -> Iterator[Trial]:
        """Where units are not to be had for nothing: every trigger in every state, with as few orders as will do."""
        self._surveyed = True
        reads = [] if self._roles.lists is None or self._roles.counting is not None else [self._roles.lists]
        for state in self._ways:
            left = [trigger for trigger in self._roles.fired if not self.lifecycle.is_silent(state, trigger)]
            left += [*reads, *self._roles.told]
            left.sort(key=lambda trigger: self.lifecycle.table[state][trigger] is not None)
            before: list[Trigger] = []
            while left != before:
                before = list(left)
                yield Trial(state, None, partial(self._survey, state, left))

    def _survey(self, state: State, left: list[Trigger], session: Session) -> Iterator[Trigger]:
        """Try the triggers that are `left`: on one order, until it leaves the state, then on another one.

        It ends at the first that is wrong, or that takes or gives back a unit wrongly.
        """
        coming = list(left)
        left.clear()
        self._pilot.begin()
        if session.ours:
            return
        order: int | None = None
        for number, trigger in enumerate(coming, 1):
            if order is None or not self._pilot.may_be_in(order, state):
                order = self._pilot.bring(self._ways[state])
                session.do(Observe(order))
                _count(session)
            left[:] = coming[number:]
            try:
                self._fire(trigger, order)
            except CannotForce:
                continue
            session.do(Observe(order))
            _count(session)
            if any(failure.kind is Kind.QUOTA for failure in session.found):
                return
            yield trigger
        if order is not None:
            _look(session, order, thoroughly=True)
        left.clear()

    def all(self) -> Iterator[Trial]:
        """Each pair of a state and a trigger, steps amid many orders, ids, quota; then other ways to each state."""
        of_time = (self._purchases(), self._passing(), self._completions(), self._applications())
        others = (self._ids(), self._turned_away())
        if self._is_thrifty:
            return chain(*of_time, *others)
        return chain(*of_time, self.pairs(), self._steps_amid_many(), *others, self._quota(), self._other_ways())

    @property
    def _is_thrifty(self) -> bool:
        """Whether orders are paid for, and were surveyed: then no others are made to try the same again."""
        session, rules = self._pilot.session, self.lifecycle.trigger_rules
        costs = session.buys and not session.ours and all(rules[create].grave for create in self.lifecycle.creates)
        return costs and self._surveyed

    def pairs(self) -> Iterator[Trial]:
        """Every trigger in every state, where the sources speak of it, with an older and a younger order standing by.

        These take turns.
        """
        turns = cycle(self._to_each)
        for state in self.lifecycle.state_rules:
            for trigger in self.lifecycle.table[state]:
                yield self.pair(state, trigger, self._to(state), [next(turns)])
            next(turns)

    def _steps_amid_many(self) -> Iterator[Trial]:
        """Every step with older and younger orders in other states, by turns in each, and all ways to read the list."""
        number = min(MOST_AROUND, len(self._to_each))
        turns = cycle(self._to_each)
        for row in self.lifecycle.transitions:
            if row.changes:
                around = list(islice(turns, number))
                yield self.pair(row.source, row.trigger, self._to(row.source), around, package=2, thoroughly=True)

    def _other_ways(self) -> Iterator[Trial]:
        """What can be tried on an order, in states that it came to by other ways, or for the second or third time."""
        if self._pilot.session.events is Events.PARTIAL:
            return
        for state, found in self._ways.items():
            for way, trigger in product(found[1:], self._roles.fired):
                row = self.lifecycle.table[state].get(trigger, ...)
                if row is not ... and (row is not None or self.lifecycle.by_client(trigger)):
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
        package: int = 1,
        thoroughly: bool = False,
    ) -> Trial:
        """The trial of one pair: an order of a package goes one of the ways `to` its state.

        Others, gone ways `around`, stand by, the older ones of the first package, the younger ones of the second.
        """

        def play(session: Session) -> Iterator[Trigger]:
            self._pilot.begin()
            own, other = min(package, session.packages[-1]), session.packages[-1]
            self._stand_by(around)
            order = None if state is None else self._pilot.bring(to, own)
            self._stand_by(around, other)
            if order is not None:
                session.do(Observe(order))
            certain = order is None or session.account.states(order) == {state}
            _count(session)
            self._fire(trigger, order, own)
            _look(session, order, thoroughly=thoroughly)
            if trigger in self._roles.on_an_order and not self._is_silent(order, trigger):
                self._fire(trigger, order)
                _look(session, order)
            if not certain:
                raise CannotForce(f"it is not certain that the {self.lifecycle.noun} was in this state")
            yield trigger

        return Trial(state, trigger, play)

    def _is_silent(self, order: int | None, trigger: Trigger) -> bool:
        """Whether the sources say nothing of a trigger in a state in which an order may be."""
        states = [None] if order is None else self._pilot.session.account.states(order)
        return any(self.lifecycle.is_silent(state, trigger) for state in states)

    def _stand_by(self, around: Sequence[Sequence[Way]], package: int = 1) -> None:
        """Create orders that stand by, as far as there are units and the server lets them."""
        few = 0 if self._pilot.is_frugal else BYSTANDERS
        for to in around if self._pilot.session.ours else around[:few]:
            with suppress(CannotForce):
                self._pilot.bring(to, package)

    def _fire(self, trigger: Trigger, order: int | None, package: int = 1) -> None:
        session = self._pilot.session
        if trigger == self._roles.lists:
            session.do(ReadList(trigger))
        elif trigger == self._roles.counting:
            session.do(ReadQuota(trigger, package))
        elif trigger in self._roles.told:
            session.do(ReadAccount(trigger))
        elif trigger in self.lifecycle.creates:
            self._pilot.fire(trigger, package=package)
            self._pilot.expect_accepted()
        elif order is not None:
            self._pilot.fire(trigger, order)
        else:
            unknown = self._roles.unknown_id
            session.do(Call(trigger, unknown) if self.lifecycle.by_client(trigger) else Happen(trigger, unknown))

    def _ids(self) -> Iterator[Trial]:
        """Calls with ids that are none, and that no order has, beside an order that must not mind; ids used again."""
        for operation in self._roles.on_an_order:
            if not self.lifecycle.is_silent(None, operation):
                yield self._trial(None, operation, self._call_nothing)
        for row in self.lifecycle.outgoing(None):
            yield self._trial(None, row.trigger, self._create_after_all_ended)

    def _turned_away(self) -> Iterator[Trial]:
        """Requests that never reach an order, in an account without a package if it can be emptied, and with one.

        They are those of CAS.
        """
        if not self._pilot.session.abilities.speaks_cas:
            return
        asks = asked_loosely(self.lifecycle) if self.lifecycle.identity.is_text else asked()
        for operation, ask in asks:
            yield Trial(None, operation, partial(self._ask, ask))

    def _ask(self, ask: Ask, session: Session) -> Iterable[Trigger]:
        if session.ours:
            self._pilot.begin(None)
            session.do(ask)
        self._pilot.begin()
        _count(session)
        answer = session.do(ask)
        if session.done[-1].refused:
            _count(session)
        elif answer.order_id is not None:
            session.give_up_orders([answer.order_id])
        return ()

    def _trial(self, state: State | None, trigger: Trigger, play: Callable[[Trigger], None]) -> Trial:
        """A trial that plays a whole program for one trigger."""

        def whole(_session: Session) -> Iterator[Trigger]:
            play(trigger)
            yield trigger

        return Trial(state, trigger, whole)

    def _call_nothing(self, operation: Trigger) -> None:
        session = self._pilot.session
        self._pilot.begin()
        self._stand_by(self._to_each[:1])
        _count(session)
        for given in (*self._roles.malformed, self._roles.unknown_id):
            session.do(Call(operation, given))
            _count(session)
        _observe_all(session)

    def _create_after_all_ended(self, create: Trigger) -> None:
        """An order whose id is that of none before it, although those are at their ends."""
        self._pilot.begin()
        self._stand_by(
            [self._ways[state] for state, rule in self.lifecycle.state_rules.items() if state and rule.terminal]
        )
        self._pilot.fire(create)

    def _purchases(self) -> Iterator[Trial]:
        """An order that is paid for, and the same purchase again, which buys nothing else."""
        for row in self.lifecycle.outgoing(None):
            yield self._trial(None, row.trigger, self._buy_twice)

    def _buy_twice(self, create: Trigger) -> None:
        session = self._pilot.session
        self._pilot.begin()
        order = self._pilot.buy(create)
        _look(session, order)
        self._pilot.buy(create)
        self._pilot.buy(create, again=order)
        _look(session, order, thoroughly=True)

    def _applications(self) -> Iterator[Trial]:
        """One application after another on the same order, and all that can be read of it after each step."""
        for state in filter(self._roles.at_rest.__contains__, self.lifecycle.state_rules):
            for way in three_times(self.lifecycle, state):
                cycle_of = way[len(self._to(state)[0]) :]
                if state is not None and cycle_of[0].trigger in self._roles.submits:
                    yield self._trial(state, cycle_of[0].trigger, partial(self._apply_again, way))

    def _apply_again(self, way: Way, _trigger: Trigger) -> None:
        session = self._pilot.session
        self._pilot.begin()
        at = next(at for at, row in enumerate(way, 1) if row.target in self._roles.at_rest)
        order = self._pilot.bring([way[:at]])
        for row in way[at:]:
            self._pilot.fire(row.trigger, order)
            self._pilot.expect_accepted()
            _look(session, order)
            _read_account(session)

    def _passing(self) -> Iterator[Trial]:
        """What is refused for now, and is accepted once the service has completed what is under way."""
        for (state, trigger), refused in self._roles.refused.items():
            for by_the_clock in (False, True) if refused.passes and state is not None else ():
                yield self._trial(state, trigger, partial(self._pass, state, by_the_clock))

    def _pass(self, state: State | None, by_the_clock: bool, trigger: Trigger) -> None:
        session = self._pilot.session
        self._pilot.begin(by_the_clock=by_the_clock)
        order = self._pilot.bring(self._to(state))
        session.do(Observe(order))
        session.do(Call(trigger, order))
        session.do(Observe(order))
        if not session.done[-2].refused:
            return
        for event in self._roles.completed[state]:
            self._pilot.complete(event, order)
        session.do(Call(trigger, order))
        _look(session, order)

    def _completions(self) -> Iterator[Trial]:
        """What the service completes, by its clock."""
        for state, events in self._roles.completed.items():
            for event in events:
                yield self._trial(state, event, partial(self._complete, state))

    def _complete(self, state: State | None, event: Trigger) -> None:
        self._pilot.begin(by_the_clock=True)
        order = self._pilot.bring(self._to(state))
        self._pilot.session.do(Observe(order))
        self._pilot.complete(event, order)
        _look(self._pilot.session, order)

    def _quota(self) -> Iterator[Trial]:
        """Creates without a package and without a unit left; and each step, after which a create shows what is left."""
        creates = [row.trigger for row in self.lifecycle.outgoing(None) if row.quota > 0]
        if self._roles.counting is None or not creates:
            return
        for create in creates:
            yield self._trial(None, create, self._without_package)
            yield self._trial(None, create, self._use_up)
        for row in self.lifecycle.transitions:
            if row.source is not None and row.changes and self.lifecycle.by_client(row.trigger):
                for package in (1, 2):
                    play = partial(self._create_after, row, creates[0], package)
                    yield self._trial(row.source, row.trigger, play)

    def _without_package(self, create: Trigger) -> None:
        self._pilot.begin(None)
        self._pilot.fire(create)
        if self._roles.lists is not None:
            with suppress(CannotForce):
                self._pilot.session.do(ReadList(self._roles.lists))

    def _use_up(self, create: Trigger) -> None:
        """A package's units, and one more, which is to change nothing; another package does not mind."""
        session = self._pilot.session
        self._pilot.begin(1)
        for _ in repeat(None, _free(session) + 1):
            self._pilot.fire(create)
        _look(session, None)
        for package in session.packages[1:]:
            self._pilot.fire(create, package=package)
            self._pilot.fire(create, package=package)
            _look(session, None)

    def _create_after(self, row: Transition, create: Trigger, package: int, _trigger: Trigger) -> None:
        """With all units of all packages in use: fire the trigger of `row` on an order of one of them, then create."""
        session = self._pilot.session
        self._pilot.begin(1)
        if package not in session.packages:
            raise CannotForce("there is one package only")
        order = self._pilot.bring(self._to(row.source), package)
        for each in session.packages:
            for _ in repeat(None, _free(session, each)):
                self._pilot.fire(create, package=each)
        self._pilot.fire(row.trigger, order)
        _count(session)
        for each in session.packages:
            self._pilot.fire(create, package=each)
        _count(session)


def _free(session: Session, package: int = 1) -> int:
    """The units of a package that are left, if they are few enough to be used up."""
    assert session.roles.counting is not None
    quota = session.do(ReadQuota(session.roles.counting, package))
    left: int = quota.total - quota.used
    if left > MOST_FREE:
        raise CannotForce("the package has too many units to use them up")
    return left


def _look(session: Session, order: int | None, *, thoroughly: bool = False) -> None:
    """Read everything that the driver can read: states, counts, the list; then the states again.

    What a read says of a state that cannot be is the read's fault only if the state is still the same after it.
    """
    _observe_all(session)
    _count(session)
    if order is not None and session.roles.read is not None:
        with suppress(CannotForce):
            session.do(Call(session.roles.read, order))
            if session.done[-1].refused:
                _count(session)
            session.do(Observe(order))
    if session.roles.lists is None:
        return
    with suppress(CannotForce):
        _read_list(session)
        _observe_all(session)
        if thoroughly:
            _read_lists(session)
            _read_account(session)
            _observe_all(session)
            _count(session)


def _count(session: Session) -> None:
    """Read the counts of every package."""
    if session.roles.counting is not None:
        for package in session.packages:
            with suppress(CannotForce):
                session.do(ReadQuota(session.roles.counting, package))


def _observe_all(session: Session) -> None:
    for order in session.account.ids:
        session.do(Observe(order))


def _read_account(session: Session) -> None:
    """What else can be read of the account, and of each order alone."""
    for operation in session.roles.told:
        for order in (None, *(session.account.ids if operation in LISTS else ())):
            with suppress(CannotForce):
                session.do(ReadAccount(operation, order))
                if order is not None:
                    session.do(ReadCertificate(operation, order))


def _read_lists(session: Session) -> None:
    """The list by each word, by each domain, and in pages of two sizes."""
    for at, vocabulary in enumerate(session.roles.listed):
        for word in filter(None, meanings(session.lifecycle, vocabulary)):
            _read_list(session, status=word, field=vocabulary.field if at else None)
    for order in session.account.ids:
        with suppress(CannotForce):
            _read_list(session, like=order)
    for size in (1, 2):
        _read_list(session, size=size)


def _read_list(session: Session, **filters: Any) -> None:
    """A list to its end, and the page after it."""
    assert session.roles.lists is not None
    for page in range(1, MOST_PAGES + 1):
        asked = ReadList(session.roles.lists, page=page, **filters)
        if (page - 1) * asked.size >= session.do(asked).total:
            return


def asked() -> Iterator[tuple[Operation, Ask]]:
    """Requests that never reach an order, each with the operation that is to answer for it: PROTOCOLS.md, section 1.

    Version, action, parameters, then the order and the quota: of two faults, the one that is checked first is answered.
    """
    read = Operation.DESCRIBE_PACKAGE
    yield read, Ask(read, NO_ACTION, "InvalidAction.NotFound", NOT_FOUND)
    yield Operation.LIST, Ask(Operation.LIST, Operation.LIST, "InvalidVersion", BAD_REQUEST, version=NO_VERSION)
    yield Operation.DESCRIBE, Ask(read, NO_ACTION, "InvalidVersion", BAD_REQUEST, version=NO_VERSION)
    yield read, Ask(read, read, NotFoundPackage.code, NotFoundPackage.http_status, (("ProductCode", NO_PRODUCT),))
    for operation in Operation:
        taken = PARAMETERS[operation]
        given = application(operation, 1) if {"Domain", "Csr"} & {*taken.required, *taken.any_of} else {}
        for name in (*taken.required, *taken.any_of[:1]):
            rest = {key: value for key, value in given.items() if key != name and key not in taken.any_of}
            for parameters in (rest, {**rest, name: ""}):
                yield operation, Ask(operation, operation, f"Missing{name}", BAD_REQUEST, tuple(parameters.items()))


def asked_loosely(lifecycle: Lifecycle) -> Iterator[tuple[Operation, Ask]]:
    """The same of operations of which nobody says with which code they are turned away."""
    first = next(each for each in lifecycle.operations if PARAMETERS[each].required)
    loosely = partial(Ask, code="", status=BAD_REQUEST, is_loose=True)
    yield first, loosely(first, NO_ACTION)
    yield first, loosely(first, first, version=NO_VERSION)
    for operation in lifecycle.operations:
        for name in PARAMETERS[operation].required if operation not in lifecycle.creates else ():
            for parameters in ((), ((name, ""),)):
                yield operation, loosely(operation, operation, parameters=parameters)
