"""What happens to orders by the table: triggers are fired, calendar and CA go on, quota and history follow.

An engine knows the table that it is handed, a store and a clock, and nothing of requests and answers. It decides
nothing itself: the table says whether a trigger is allowed, who fires it, where it leads, what it does to quota, and
which error its refusal is.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, NamedTuple

import attrs

from orderfsm.errors import NotFoundOrder, Refusal
from orderfsm.invalid import InvalidValue
from orderfsm.order import Order
from orderfsm.order import order_id as valid_order_id
from orderfsm.rows import Actor
from orderfsm.trace import Line, Outcome

from .clock import LAST_TIME, instant, seconds
from .records import Application, Happening, Record
from .review import AFTER, AT_ONCE, READS, Review

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from datetime import timedelta

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Transition, Trigger

    from .clock import Clock
    from .records import Package
    from .stores.store import Store


class Fired(NamedTuple):
    """What a trigger did: the order as its caller sees it, and the second order that it began, if it did."""

    order: Record
    begun: Record | None


@attrs.frozen(kw_only=True)
class Approval:
    """The events by which owner and CA approve an order and by which they reject it, each in order."""

    passing: tuple[Trigger, ...] = ()
    rejecting: tuple[Trigger, ...] = ()


class Engine:
    """Orders in `store` that live by `lifecycle` and by `clock`. Safe between threads.

    `review` is when owner and CA act by themselves, `approval` by which events; `seed` chooses the orders that they
    reject. A certificate is valid for `validity` seconds; `certify` makes it, when an order that has one is first read.
    """

    def __init__(
        self,
        lifecycle: Lifecycle,
        store: Store,
        clock: Clock,
        *,
        review: Review = Review(),  # noqa: B008  (it is immutable)
        approval: Approval = Approval(),
        seed: int = 0,
        validity: float = 0.0,
        certify: Callable[[Record], Record] = lambda record: record,
    ) -> None:
        self.lifecycle = lifecycle
        self.store = store
        self.clock = clock
        self.review = review
        self._approval = approval
        self._seed = seed
        self._validity = validity
        self._certify = certify
        rules = lifecycle.triggers
        self._found = [state for state, rule in lifecycle.state_rules.items() if state is not None and rule.type]
        self._calendar = [(rule.trigger, rule.before_end) for rule in rules if rule.before_end is not None]
        self._calls = frozenset(rule.trigger for rule in rules if rule.actor is Actor.CLIENT)
        self._reads = self._calls - {row.trigger for row in lifecycle.transitions if row.changes}

    # -- what is done to orders --------------------------------------------------------------------------------------

    def begin(self, trigger: Trigger, asked: Application) -> Record:
        """A new order, by a trigger that is allowed where there is none.

        `NotFoundPackage` or `NotRemainCount` if its package has no unit for it; the table's refusal if it allows none.
        """
        row = self.lifecycle.transition(None, trigger)
        record = self._begun(row, self.clock.now(), asked)
        # At once: what is due to the order by now happens as it begins.
        current, happened = self._caught_up(record)
        self.store.commit(None, None, current, [Happening(record.created, record.id, trigger), *happened])
        return record

    def place(self, state: State, asked: Application) -> Record:
        """A new order, moved to `state` on a shortest way by calls and events, which the history tells of."""
        create, *steps = self.lifecycle.plan(None, state, events=True).steps
        begun = self._begun(self.lifecycle.transition(None, create.trigger), self.clock.now(), asked)
        # Nothing is due before the order is where it should be.
        begins = Happening(begun.created, begun.id, create.trigger)
        self.store.commit(None, None, attrs.evolve(begun, due=None), [begins])
        while (old := self.store.get(begun.id)) is not None:
            new, happened = attrs.evolve(old, due=begun.due), []
            for step in steps:
                now = max(self.clock.now(), new.updated)
                new = self._stepped(new, self.lifecycle.transition(new.order.state, step.trigger), now)
                happened.append(Happening(now, new.id, step.trigger))
            if self.store.commit(old, new, None, happened):
                return new
        raise NotFoundOrder  # by a reset

    def fire(self, order_id: int, trigger: Trigger, renewal: Callable[[Record], Application] | None = None) -> Fired:
        """Fire `trigger` on an order, or the error with which the service refuses it there.

        If the table's row begins a second order, `renewal` says what that is asked for, by default the same. The change
        is one compare-and-set in the store. Who comes too late looks again, and is answered by the table.
        """
        while True:
            old = self.store.get(order_id)
            if old is None:
                self.lifecycle.service_transition(None, trigger)
                raise NotFoundOrder
            current, happened = self._caught_up(old)
            now = max(self.clock.now(), current.updated)
            try:
                row = self.lifecycle.service_transition(current.order.state, trigger)
            except Refusal as refusal:
                if trigger in self._calls:
                    happened.append(Happening(now, order_id, trigger, refusal.code))
                if self.store.commit(old, attrs.evolve(current, updated=now), None, happened):
                    raise
                continue
            new = self._stepped(current, row, now)
            begun = None if row.creates is None else self._begun(row, now, (renewal or _the_same)(current))
            read = None
            if trigger in self._reads:
                new = self._certified(new)
                read = new.order.state
            seen = new
            happened.append(Happening(now, order_id, trigger, None, read, None if begun is None else begun.id))
            if read is not None and self.review.mode == READS and new.reads >= self.review.amount:
                new = self._reviewed(new, happened)
            if self.store.commit(old, new, begun, happened):
                return Fired(seen, begun)

    def happen(self, order_id: int, event: Trigger) -> Record:
        """Let an event happen to an order: what is no call of a client; the table's refusal names the order."""
        rule = self.lifecycle.trigger_rules.get(event)
        if rule is None or rule.trigger in self._calls:
            events = [rule.trigger for rule in self.lifecycle.triggers if rule.trigger not in self._calls]
            raise InvalidValue("event", event, events)
        try:
            return self.fire(valid_order_id(order_id), rule.trigger).order
        except Refusal as refusal:
            refusal.order_id = order_id
            raise

    # -- what there is -----------------------------------------------------------------------------------------------

    def order(self, order_id: int) -> Record:
        """An order as it stands; `NotFoundOrder` if there is none, or none any more."""
        self.catch_up()
        record = self.store.get(order_id)
        if record is None or record.order.state not in self._found:
            missing = NotFoundOrder()
            missing.order_id = order_id
            raise missing
        return record

    def orders(self, states: Collection[State | None] | None = None, after: int = 0, limit: int = 1000) -> list[Record]:
        """The first `limit` orders that are found (in `states`), oldest first, those with an id after `after`."""
        self.catch_up()
        return self.store.after(self.found(states), after, limit)

    def latest(self, limit: int) -> list[Record]:
        """The last `limit` orders that are found, newest first."""
        self.catch_up()
        return self.store.latest(self._found, limit)

    def count(self) -> int:
        """How many orders are found."""
        return self.store.count(self._found)

    def found(self, states: Collection[State | None] | None = None) -> list[State]:
        """The states (of `states`) in which the service finds an order."""
        return [state for state in self._found if states is None or state in states]

    def allows(self, order_id: int | None, trigger: Trigger) -> bool:
        """Whether the table allows `trigger` on an order as it was last seen, or where there is none."""
        record = None if order_id is None else self.store.get(order_id)
        return self.lifecycle.plain.can(None if record is None else record.order.state, trigger)

    def packages(self) -> list[Package]:
        """All packages, by product code."""
        self.catch_up()
        return self.store.packages()

    def history(self, order_id: int | None = None) -> Iterator[Line]:
        """What happened, to one order or to all, as lines of the trace format."""
        self.catch_up()
        return map(_line, self.store.history(order_id))

    def revision(self) -> int:
        """A number that grows whenever anything changes."""
        self.catch_up()
        return self.store.revision()

    # -- time --------------------------------------------------------------------------------------------------------

    def advance(self, by: float | timedelta) -> float:
        """Move the clock forward by seconds or a timedelta, to 2200 at most; the time that it is now."""
        left = max(0.0, LAST_TIME - self.clock.now())
        self.store.advance(seconds("advance", by, left, ": the clock goes forward, to 2200"))
        self.refresh()
        self.catch_up()
        return self.clock.now()

    def refresh(self) -> None:
        """Take over what other processes on the same store did to the clock."""
        self.clock.offset = self.store.shared().offset

    def catch_up(self) -> None:
        """Let everything happen that is due by now."""
        while due := self.store.due(self.clock.now()):
            for order_id in due:
                old = self.store.get(order_id)
                if old is not None:
                    new, happened = self._caught_up(old)
                    self.store.commit(old, new, None, happened)

    # -- one step ----------------------------------------------------------------------------------------------------

    def _begun(self, row: Transition, now: float, asked: Application) -> Record:
        """The order that begins with `row`, which creates it, or creates it beside the order that it is about."""
        order = Order(self.store.new_id(), row.target if row.source is None else row.creates)  # type: ignore[arg-type]
        return Record(
            order=order,
            product_code=asked.product_code,
            domains=asked.domains,
            created=now,
            entered=now,
            updated=now,
            validate_type=asked.validate_type,
            holds_unit=_holds_unit(row),
            due=self._next(order, now, None),
            csr=asked.csr,
            tags=asked.tags,
        )

    def _stepped(self, record: Record, row: Transition, now: float) -> Record:
        """`record` after the step of `row`."""
        if row.target == record.order.state:
            return attrs.evolve(record, updated=now, reads=record.reads + (row.trigger in self._reads))
        order = Order(record.order.id, row.target)  # type: ignore[arg-type]
        issued, expires = record.issued, record.expires
        if issued is None and self.lifecycle.state_rules[order.state].certified:
            issued, expires = now, now + self._validity
        return attrs.evolve(
            record,
            order=order,
            holds_unit=record.holds_unit and not row.gives_back(None if issued is None else now - issued),
            issued=issued,
            expires=expires,
            due=self._next(order, now, expires),
            previous=record.order.state,
            entered=now,
            updated=now,
            reads=0,
        )

    def _certified(self, record: Record) -> Record:
        """`record` and its certificate, made when it is first read."""
        if record.issued is None or record.expires is None or record.certificate is not None:
            return record
        return self._certify(record)

    # -- what happens by itself --------------------------------------------------------------------------------------

    def _next(self, order: Order, entered: float, expires: float | None) -> float | None:
        """When something will happen by itself to an order that came into its state at `entered`; None if nothing."""
        times = [at for at, _ in self._by_calendar(order, expires)]
        if self.review.mode in {AT_ONCE, AFTER} and self._verdict(order) is not None:
            times.append(entered + self.review.amount)
        return min(times, default=None)

    def _falls_due(self, record: Record, due: float) -> Trigger | None:
        """What happens to `record` at `due`: the calendar's event, or the CA's next, whichever review set it."""
        by_then = [coming for coming in self._by_calendar(record.order, record.expires) if coming[0] <= due]
        return min(by_then)[1] if by_then else self._verdict(record.order)

    def _by_calendar(self, order: Order, expires: float | None) -> list[tuple[float, Trigger]]:
        """What the calendar will do to an order whose certificate expires then, and when."""
        if expires is None:
            return []
        return [
            (expires - before, trigger)
            for trigger, before in self._calendar
            if self.lifecycle.plain.can(order.state, trigger)
        ]

    def _verdict(self, order: Order) -> Trigger | None:
        """What owner and CA will do to an order next, if they act by themselves."""
        rejected = Random(f"{self._seed} {order.id}").random() < self.review.reject_share
        for event in self._approval.rejecting if rejected else self._approval.passing:
            if self.lifecycle.plain.can(order.state, event):
                return event
        return None

    def _reviewed(self, record: Record, happened: list[Happening]) -> Record:
        event = self._verdict(record.order)
        if event is None:
            return record
        happened.append(Happening(record.updated, record.id, event))
        return self._stepped(record, self.lifecycle.transition(record.order.state, event), record.updated)

    def _caught_up(self, record: Record) -> tuple[Record, list[Happening]]:
        """`record` after all that is due by now, and what that was."""
        happened: list[Happening] = []
        now = self.clock.now()
        while record.due is not None and record.due <= now:
            event = self._falls_due(record, record.due)
            if event is None:
                return attrs.evolve(record, due=None), happened
            at = max(record.due, record.updated)
            happened.append(Happening(at, record.id, event))
            record = self._stepped(record, self.lifecycle.transition(record.order.state, event), at)
        return record, happened


def _holds_unit(row: Transition) -> bool:
    """Whether the order that begins with `row` holds a unit; the second order of a renewal never does."""
    return row.source is None and row.quota > 0


def _the_same(old: Record) -> Application:
    return Application(old.domains, old.validate_type, old.product_code, old.csr, old.tags)


def _line(happening: Happening) -> Line:
    return Line(
        time=instant(happening.time),
        trigger=happening.trigger,
        order_id=happening.order_id,
        outcome=Outcome.ACCEPTED if happening.code is None else Outcome.REFUSED,
        code=happening.code,
        state=happening.state,
        new_order_id=happening.new_order_id,
    )
