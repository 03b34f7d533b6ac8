"""What happens to orders by the table: triggers are fired, others act in their time, quota and history follow.

An engine knows the table that it is handed, which may be any, a store and a clock, and nothing of requests and answers.
The table says whether a trigger is allowed, who fires it, where it leads, what it does to quota, and which error its
refusal is. An engine decides only where the table leaves something open: when what it says to take some time is done,
and what becomes of a call of which its sources say nothing.
"""

from __future__ import annotations

from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from orderfsm.errors import Refusal
from orderfsm.invalid import InvalidValue
from orderfsm.rows import Basis, Transition
from orderfsm.trace import Line, Outcome

from .clock import LAST_TIME, instant, seconds
from .records import Application, Happening, Record
from .review import AFTER, AT_ONCE, READS, Review

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from datetime import timedelta

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Trigger

    from .clock import Clock
    from .records import Package
    from .stores.store import Store


CLOCK, MANUAL = "clock", "manual"


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

    What the service completes by itself is done by the clock, within the time that the table says, at a moment that
    `seed` chooses; with `completions` "manual" only by `happen`. A trigger of which the table's sources say nothing is
    refused, unless it `accepts_silent`; both ways it changes nothing.

    >>> from orderfsm import ORDER_LIFECYCLE, Operation
    >>> from orderfsm.mock import Clock, MemoryStore
    >>> from orderfsm.mock.engine import Engine
    >>> from orderfsm.mock.records import Application
    >>> engine = Engine(ORDER_LIFECYCLE, MemoryStore(), Clock())
    >>> package = engine.store.put_package("p", 1)
    >>> order = engine.begin(Operation.CREATE, Application(("example.com",), product_code="p"))
    >>> engine.fire(order.id, Operation.CANCEL).order.state
    <State.PENDING_APPLICATION: 'pending_application'>
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
        completions: str = CLOCK,
        accepts_silent: bool = False,
    ) -> None:
        if completions not in {CLOCK, MANUAL}:
            raise InvalidValue("completions", completions, [CLOCK, MANUAL])
        self.lifecycle = lifecycle
        self.store = store
        self.clock = clock
        self.review = review
        self._approval = approval
        self._seed = seed
        self._validity = validity
        self._certify = certify
        self._accepts_silent = accepts_silent
        self._reads = lifecycle.reads
        self._errors = _errors(lifecycle)
        self._calendar = [(rule.trigger, rule.before_end) for rule in lifecycle.triggers if rule.before_end is not None]
        self._completions = _completions(lifecycle) if completions == CLOCK else {}

    # -- what is done to orders --------------------------------------------------------------------------------------

    def begin(self, trigger: Trigger, asked: Application = Application()) -> Record:  # noqa: B008
        """A new order, by a trigger that is allowed where there is none.

        `NotFoundPackage` or `NotRemainCount` if its package has no unit for it; the table's refusal if it allows none.
        """
        row = self._row(None, self.lifecycle.trigger(trigger))
        if row.target is None:
            creates = [create for create in self.lifecycle.operations if create in self.lifecycle.creates]
            raise InvalidValue("trigger that begins", trigger, creates)
        record = self._begun(row, self.clock.now(), asked)
        # At once: what is due to the order by now happens as it begins.
        current, happened = self._caught_up(record, self.clock.now())
        self.store.commit(None, None, current, [Happening(record.created, record.id, row.trigger), *happened])
        return record

    def place(self, state: State, asked: Application = Application()) -> Record:  # noqa: B008
        """A new order, moved to `state` on a shortest way by calls and events, which the history tells of."""
        goal = self.lifecycle.state(state)
        if goal is None:
            raise InvalidValue("state", state, map(str, self.found()))
        create, *steps = self.lifecycle.plan(None, goal, events=True, grave=True).steps
        begun = self._begun(self.lifecycle.transition(None, create.trigger), self.clock.now(), asked)
        # Nothing is due before the order is where it should be.
        begins = Happening(begun.created, begun.id, create.trigger)
        self.store.commit(None, None, begun.but(due=None), [begins])
        while (old := self.store.get(begun.id)) is not None:
            new, happened = old.but(due=begun.due), []
            for step in steps:
                now = max(self.clock.now(), new.updated)
                new = self._stepped(new, self.lifecycle.transition(new.state, step.trigger), now)
                happened.append(Happening(now, new.id, step.trigger))
            if self.store.commit(old, new, None, happened):
                return new
        raise self.lifecycle.not_found  # by a reset

    def fire(self, order_id: Id, trigger: Trigger, renewal: Callable[[Record], Application] | None = None) -> Fired:
        """Fire `trigger` on an order, or the error with which the service refuses it there.

        If the table's row begins a second order, `renewal` says what that is asked for, by default the same. The change
        is one compare-and-set in the store. Who comes too late looks again, and is answered by the table.
        """
        order_id, trigger = self.lifecycle.identity.check(order_id), self.lifecycle.trigger(trigger)
        while True:
            old = self.store.get(order_id)
            if old is None:
                self._row(None, trigger)
                raise self.lifecycle.not_found
            now = self.clock.now()
            current, happened = self._caught_up(old, now)
            now = max(now, current.updated)
            try:
                row = self._row(current.state, trigger)
            except Refusal as refusal:
                if self.lifecycle.by_client(trigger):
                    happened.append(Happening(now, order_id, trigger, refusal.code))
                if self.store.commit(old, current.but(updated=now), None, happened):
                    raise
                continue
            new = self._stepped(current, row, now)
            begun = None if row.creates is None else self._begun(row, now, (renewal or _the_same)(current))
            read = None
            if trigger in self._reads:
                new = self._certified(new)
                read = new.state
            seen = new
            happened.append(Happening(now, order_id, trigger, None, read, None if begun is None else begun.id))
            if read is not None and self.review.mode == READS and new.reads >= self.review.amount:
                new = self._reviewed(new, happened)
            if self.store.commit(old, new, begun, happened):
                return Fired(seen, begun)

    def happen(self, order_id: Id, event: Trigger) -> Record:
        """Let an event happen to an order: what is no call of a client; the table's refusal names the order."""
        if event not in self.lifecycle.trigger_rules or self.lifecycle.by_client(event):
            raise InvalidValue("event", event, self.lifecycle.events)
        try:
            return self.fire(order_id, event).order
        except Refusal as refusal:
            refusal.order_id = order_id
            raise

    # -- what there is -----------------------------------------------------------------------------------------------

    def order(self, order_id: Id) -> Record:
        """An order as it stands; the table's `not_found` if there is none, or none any more."""
        self.catch_up()
        record = self.store.get(order_id)
        if record is None or record.state in self.lifecycle.gone:
            missing = self.lifecycle.not_found()
            missing.order_id = order_id
            raise missing
        return record

    def orders(
        self, states: Collection[State | None] | None = None, after: Id | None = None, limit: int = 1000
    ) -> list[Record]:
        """The first `limit` orders that are found (in `states`), oldest first, those that began later than `after`."""
        self.catch_up()
        return self.store.after(self.found(states), after, limit)

    def latest(self, limit: int) -> list[Record]:
        """The last `limit` orders that are found, newest first."""
        self.catch_up()
        return self.store.latest(self.found(), limit)

    def count(self) -> int:
        """How many orders are found."""
        return self.store.count(self.found())

    def found(self, states: Collection[State | None] | None = None) -> list[State]:
        """The states (of `states`) in which the service finds an order."""
        live = [state for state in self.lifecycle.state_rules if state is not None and state not in self.lifecycle.gone]
        return live if states is None else [state for state in live if state in states]

    def allows(self, order_id: Id | None, trigger: Trigger) -> bool:
        """Whether the table allows `trigger` on an order as it was last seen, or where there is none."""
        record = None if order_id is None else self.store.get(order_id)
        return self._can(None if record is None else record.state, trigger)

    def packages(self) -> list[Package]:
        """All packages, by product code."""
        self.catch_up()
        return self.store.packages()

    def history(self, order_id: Id | None = None) -> Iterator[Line]:
        """What happened, to one order or to all, as lines of the trace format."""
        self.catch_up()
        return map(self._line, self.store.history(order_id))

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
                    new, happened = self._caught_up(old, self.clock.now())
                    self.store.commit(old, new, None, happened)

    # -- one step ----------------------------------------------------------------------------------------------------

    def _begun(self, row: Transition, now: float, asked: Application) -> Record:
        """The order that begins with `row`, which creates it, or creates it beside the order that it is about."""
        first = row.source is None
        state: State = row.target if first else row.creates  # type: ignore[assignment]  # one of both is there
        order_id = self.lifecycle.identity.new(self.store.new_id())
        issued, expires = (now, now + self._validity) if self.lifecycle.state_rules[state].certified else (None, None)
        return Record(
            id=order_id,
            state=state,
            product_code=asked.product_code,
            domains=asked.domains,
            created=now,
            entered=now,
            updated=now,
            validate_type=asked.validate_type,
            holds_unit=(row.quota if first else row.holds) > 0,
            issued=issued,
            expires=expires,
            due=self._next(order_id, None, state, now, expires),
            csr=asked.csr,
            tags=asked.tags,
        )

    def _stepped(self, record: Record, row: Transition, now: float) -> Record:
        """`record` after the step of `row`."""
        state: State = row.target  # type: ignore[assignment]
        if state == record.state and not row.quota:
            return record.but(updated=now, reads=record.reads + (row.trigger in self._reads))
        issued, expires = record.issued, record.expires
        if issued is None and self.lifecycle.state_rules[state].certified:
            issued, expires = now, now + self._validity
        holds_unit = record.holds_unit
        if row.quota:
            taken = row.quota > 0 and row.creates is None
            holds_unit = taken or (holds_unit and not row.gives_back(None if issued is None else now - issued))
        if state == record.state:
            return record.but(holds_unit=holds_unit, updated=now)
        return record.but(
            state=state,
            holds_unit=holds_unit,
            issued=issued,
            expires=expires,
            due=self._next(record.id, record.state, state, now, expires),
            previous=record.state,
            entered=now,
            updated=now,
            reads=0,
        )

    def _certified(self, record: Record) -> Record:
        """`record` and its certificate, made when it is first read."""
        if record.issued is None or record.expires is None or record.certificate is not None:
            return record
        return self._certify(record)

    def _row(self, state: State | None, trigger: Trigger) -> Transition:
        """The row by which the service lets `trigger` happen; else the error with which it refuses it."""
        rows = self.lifecycle.asked[state]
        if trigger in rows:
            row = rows[trigger]
        elif self._accepts_silent:
            row = Transition(state, trigger, state, Basis.INFERRED, self.lifecycle.silence(state, trigger).reference)
        else:
            row = None
        if row is None:
            raise self._errors[state, trigger](self.lifecycle, state, trigger)
        return row

    def _can(self, state: State | None, trigger: Trigger) -> bool:
        return self.lifecycle.table[state].get(trigger) is not None

    # -- what happens by itself --------------------------------------------------------------------------------------

    def _next(
        self, order_id: Id, previous: State | None, state: State, entered: float, expires: float | None
    ) -> float | None:
        """When something will happen by itself to an order that came into `state` at `entered`; None if nothing."""
        reviewed = self.review.mode in {AT_ONCE, AFTER}
        if expires is None and not reviewed and not self._completions:
            return None
        times = [at for at, _ in self._coming(order_id, previous, state, entered, expires)]
        if reviewed and self._verdict(order_id, state) is not None:
            times.append(entered + self.review.amount)
        return min(times, default=None)

    def _coming(
        self, order_id: Id, previous: State | None, state: State, entered: float, expires: float | None
    ) -> list[tuple[float, Trigger]]:
        """What the calendar and the service will do to an order, and when: the one as it expires, the other in time."""
        coming: list[tuple[float, Trigger]] = []
        if expires is not None:
            coming += [(expires - before, event) for event, before in self._calendar if self._can(state, event)]
        for event, (least, most) in self._completions.get((previous, state), ()):
            taken = Random(f"{self._seed} {order_id} {event} {entered}").uniform(least, most)
            coming.append((entered + taken, event))
        return coming

    def _verdict(self, order_id: Id, state: State) -> Trigger | None:
        """What owner and CA will do to an order next, if they act by themselves."""
        rejected = Random(f"{self._seed} {order_id}").random() < self.review.reject_share
        for event in self._approval.rejecting if rejected else self._approval.passing:
            if self._can(state, event):
                return event
        return None

    def _reviewed(self, record: Record, happened: list[Happening]) -> Record:
        event = self._verdict(record.id, record.state)
        if event is None:
            return record
        happened.append(Happening(record.updated, record.id, event))
        return self._stepped(record, self.lifecycle.transition(record.state, event), record.updated)

    def _caught_up(self, record: Record, now: float) -> tuple[Record, list[Happening]]:
        """`record` after all that is due by `now`, and what that was."""
        happened: list[Happening] = []
        while record.due is not None and record.due <= now:
            coming = self._coming(record.id, record.previous, record.state, record.entered, record.expires)
            event = self._falls_due(record, coming)
            if event is None:
                return record.but(due=None), happened
            at = max(record.due, record.updated)
            happened.append(Happening(at, record.id, event))
            new = self._stepped(record, self.lifecycle.transition(record.state, event), at)
            if new.state == record.state:
                new = new.but(due=min((later for later, _ in coming if later > record.due), default=None))
            record = new
        return record, happened

    def _falls_due(self, record: Record, coming: list[tuple[float, Trigger]]) -> Trigger | None:
        """What happens to `record` when it is due: of what is `coming`, or what owner and CA do, by whosever review."""
        by_then = [event for at, event in sorted(coming) if record.due is not None and at <= record.due]
        # Another engine, of another seed, may have found that a completion is due before it is by ours.
        completed = [event for _, event in sorted(coming) if self.lifecycle.trigger_rules[event].follows is not None]
        return next(iter(by_then), None) or self._verdict(record.id, record.state) or next(iter(completed), None)

    # -- what is told of it ------------------------------------------------------------------------------------------

    def _line(self, happening: Happening) -> Line:
        return Line(
            time=instant(happening.time),
            trigger=happening.trigger,
            order_id=happening.order_id,
            outcome=Outcome.ACCEPTED if happening.code is None else Outcome.REFUSED,
            code=happening.code,
            state=happening.state,
            new_order_id=happening.new_order_id,
            lifecycle=self.lifecycle,
        )


@lru_cache(maxsize=64)
def _errors(lifecycle: Lifecycle) -> Mapping[tuple[State | None, Trigger], Any]:
    """The error with which the service refuses each trigger in each state: where it does, and where none is told."""
    return {
        (state, trigger): lifecycle.service_refusal(state, trigger).error
        for state, rows in lifecycle.table.items()
        for trigger in lifecycle.trigger_rules
        if rows.get(trigger) is None
    }


def _completions(
    lifecycle: Lifecycle,
) -> Mapping[tuple[State | None, State], list[tuple[Trigger, tuple[float, float]]]]:
    """What the service completes where an operation brought an order from one state to another, and in which time."""
    found: dict[tuple[State | None, State], list[tuple[Trigger, tuple[float, float]]]] = {}
    for rule in lifecycle.triggers:
        rows = [] if rule.follows is None else [row for row in lifecycle.transitions if row.trigger == rule.follows]
        for step in dict.fromkeys(step for row in rows for step in ((row.source, row.target), (None, row.creates))):
            previous, state = step
            if state is not None and lifecycle.table[state].get(rule.trigger) is not None:
                found.setdefault((previous, state), []).append((rule.trigger, rule.takes or (0.0, 0.0)))
    return found


def _the_same(old: Record) -> Application:
    return Application(old.domains, old.validate_type, old.product_code, old.csr, old.tags)
