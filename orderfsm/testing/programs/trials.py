"""The systematic part of a check: everything that the table says must be tried, as trials."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from itertools import chain, cycle, islice, product, repeat
from typing import TYPE_CHECKING

from orderfsm.errors import NotFoundPackage
from orderfsm.tables.api import PARAMETERS
from orderfsm.tables.orders import Operation
from orderfsm.testing.drivers.orders import application
from orderfsm.testing.model.session import CannotForce
from orderfsm.testing.model.steps import Ask, Call, Observe, ReadList, ReadQuota
from orderfsm.trace import Events

from .surveys import Surveys
from .trial import Trial, Tries, count, look, observe_all, read_account
from .ways import three_times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Transition, Trigger
    from orderfsm.testing.model.session import Session

    from .ways import Pilot, Way

MOST_AROUND = 9
"""In how many states other orders are at most while a step is made; there are as many of orders."""

MOST_FREE = 5
"""The units of a package are used up if there are no more than that."""

NO_ACTION, NO_VERSION, NO_PRODUCT = "OrderfsmNoSuchAction", "1999-12-31", "orderfsm-no-such-product"
"""What no server has."""

BAD_REQUEST, NOT_FOUND = 400, 404


class Trials(Tries):
    """All trials of a `lifecycle`, for the orders of a `pilot`; those first that find most at least cost."""

    def __init__(self, lifecycle: Lifecycle, pilot: Pilot) -> None:
        super().__init__(lifecycle, pilot)
        self._surveys = Surveys(lifecycle, pilot)
        self._surveyed = False

    @property
    def why(self) -> Mapping[tuple[State | None, Trigger], str]:
        """Why a pair could not be tried when all states were surveyed."""
        return self._surveys.why

    def surveys(self) -> Iterator[Trial]:
        """Where the account cannot be emptied: every trigger in every state, with as few orders as will do."""
        self._surveyed = True
        return self._surveys.each_state()

    def all(self) -> Iterator[Trial]:
        """Each pair of a state and a trigger, steps amid many orders, ids, quota; then other ways to each state."""
        of_time = (self._purchases(), self._passing(), self._completions(), self._applications())
        others = (self._ids(), self._turned_away())
        if self._is_thrifty:
            return chain(*of_time, *others)
        if self._surveyed and not self._roles.costs:
            return chain(
                *of_time, self._surveys.amid_others(), self._surveys.afterwards(), self._surveys.by_other_ways()
            )
        many = (self.pairs(), self._flaws(), self._steps_amid_many())
        return chain(*of_time, *many, *others, self._quota(), self._other_ways())

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

    def _flaws(self) -> Iterator[Trial]:
        """What cannot be carried out, in every state, and then the same that can."""
        for state in self.lifecycle.state_rules:
            for trigger in self._flawed_in(state):
                yield self._trial(state, trigger, partial(self._flaw, state))

    def _flaw(self, state: State | None, trigger: Trigger) -> None:
        session = self._pilot.session
        self._pilot.begin()
        order = self._pilot.bring(self._to(state))
        session.do(Observe(order))
        self._pilot.flaw(trigger, order)
        look(session, order)
        self._fire(trigger, order)
        look(session, order)

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
            count(session)
            self._fire(trigger, order, own)
            look(session, order, thoroughly=thoroughly)
            if trigger in self._roles.on_an_order and not self._is_silent(order, trigger):
                self._fire(trigger, order)
                look(session, order)
            if not certain:
                raise CannotForce(f"it is not certain that the {self.lifecycle.noun} was in this state")
            yield trigger

        return Trial(state, trigger, play)

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
        count(session)
        answer = session.do(ask)
        if session.done[-1].refused:
            count(session)
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
        count(session)
        for given in (*self._roles.malformed, self._roles.unknown_id):
            session.do(Call(operation, given))
            count(session)
        observe_all(session)

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
        look(session, order)
        self._pilot.buy(create)
        self._pilot.buy(create, again=order)
        look(session, order, thoroughly=True)

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
            look(session, order)
            read_account(session)

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
        look(session, order)

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
        look(self._pilot.session, order)

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
        look(session, None)
        for package in session.packages[1:]:
            self._pilot.fire(create, package=package)
            self._pilot.fire(create, package=package)
            look(session, None)

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
        count(session)
        for each in session.packages:
            self._pilot.fire(create, package=each)
        count(session)


def _free(session: Session, package: int = 1) -> int:
    """The units of a package that are left, if they are few enough to be used up."""
    assert session.roles.counting is not None
    quota = session.do(ReadQuota(session.roles.counting, package))
    left: int = quota.total - quota.used
    if left > MOST_FREE:
        raise CannotForce("the package has too many units to use them up")
    return left


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
