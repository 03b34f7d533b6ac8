"""What happens to orders by the table: triggers are fired, others act in their time, quota and history follow.

An engine knows the table that it is handed, which may be any, a store and a clock, and nothing of requests and answers.
The table says whether a trigger is allowed, who fires it, where it leads, what it does to quota, and which error its
refusal is. An engine decides only where the table leaves something open: when what it says to take some time is done,
and what becomes of a call of which its sources say nothing.
"""

from __future__ import annotations

from functools import lru_cache
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from orderfsm.errors import Refusal, ServiceError
from orderfsm.invalid import InvalidValue, Unreachable
from orderfsm.rows import Actor, Basis, Term, Transition
from orderfsm.trace import Line, Outcome

from .clock import LAST_TIME, instant, seconds
from .records import Application, Happening, Moment, Record
from .review import AFTER, AT_ONCE, READS, Review
from .stores.store import FIRST_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from datetime import timedelta

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Trigger

    from .clock import Clock
    from .records import Package
    from .stores.store import Shared, Store


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

    Several engines may share a store and a clock, each with a table of its own: each sees its own orders alone.

    `review` is when owner and CA act by themselves, `approval` by which events; `seed` chooses the orders that they
    reject. A certificate is valid for `validity` seconds; `certify` makes it, when an order that has one is first read.
    `moved` is told of every step that changed an order's state, with its row, and gives the order with what the API's
    face keeps of it; it still sees the certificate that a new one replaces.

    What the service completes by itself is done by the clock: after as many seconds as `takes` says for the event, else
    within the time that the table says, at a moment that `seed` chooses. With `completions` "manual", or where the
    store says so, it waits for `happen`, and is due from when it began as soon as the clock decides again. Calendar,
    owner and CA do nothing of themselves while something is under way, nor to an order that `holds`: that waits until
    something else happened to it, or for `release`. A trigger of which the table's sources say
    nothing is refused, unless it `accepts_silent`; both ways it changes nothing.

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
        moved: Callable[[Record, Transition], Record] = lambda record, row: record,  # noqa: ARG005
        takes: Mapping[Trigger, float] = MappingProxyType({}),
        completions: str = CLOCK,
        holds: Callable[[Record], bool] | None = None,
        accepts_silent: bool = False,
    ) -> None:
        self.lifecycle = lifecycle
        self.store = store
        self.clock = clock
        self.review = review
        self.completions = self._default_completions = completion_mode(completions)
        self._approval = approval
        self._seed = seed
        self._validity = validity
        self._certify = certify
        self._moved = moved
        self._holds = holds
        self._accepts_silent = accepts_silent
        self._reads = lifecycle.reads
        self._errors = _errors(lifecycle)
        self._calendar = [
            (rule.trigger, rule.before_end, rule.term) for rule in lifecycle.triggers if rule.before_end is not None
        ]
        self._completions = _completions(lifecycle, takes)
        self._kinds = dict.fromkeys(type(state) for state in lifecycle.state_rules if state is not None)
        store.hold(lifecycle)

    # -- what is done to orders --------------------------------------------------------------------------------------

    def begin(
        self,
        trigger: Trigger,
        asked: Application = Application(),  # noqa: B008
        number: int | None = None,
    ) -> Record:
        """A new order, by a trigger that is allowed where there is none.

        With `number`, one that the store gave out, it is the order made of that: a new one, or that which is there.
        `NotFoundPackage` or `NotRemainCount` if its package has no unit for it; the table's refusal if it allows none.
        """
        row = self._row(None, self.lifecycle.trigger(trigger))
        if row.target is None:
            creates = [create for create in self.lifecycle.operations if create in self.lifecycle.creates]
            raise InvalidValue("trigger that begins", trigger, creates)
        record = self._begun(row, self.clock.now(), asked, number)
        # At once: what is due to the order by now happens as it begins.
        current, happened = self._caught_up(record, self.clock.now())
        if self.store.commit(None, None, current, [Happening(record.created, record.id, row.trigger), *happened]):
            return record
        return self.store.get(record.id) or record

    def place(self, state: State, asked: Application = Application()) -> Record:  # noqa: B008
        """A new order, moved to `state` on a shortest way by calls and events, which the history tells of.

        Of several ways it takes one without the calendar and what nobody hopes for, if there is one.
        """
        goal = self.lifecycle.state(state)
        if goal is None:
            raise InvalidValue("state", state, map(str, self.found()))
        create, *steps = _way(self.lifecycle.plain, goal)
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

    def fire(
        self,
        order_id: Id,
        trigger: Trigger,
        renewal: Callable[[Record], Application] | None = None,
        edit: Callable[[Record], Record] | None = None,
    ) -> Fired:
        """Fire `trigger` on an order, or the error with which the service refuses it there.

        If the table's row begins a second order, `renewal` says what that is asked for, by default the same. Where the
        row allows the trigger, `edit` changes what the order says of itself; it may raise what the API answers to data
        that it does not take. The change is one compare-and-set in the store. Who comes too late looks again, and is
        answered by the table.
        """
        order_id, trigger = self.lifecycle.identity.check(order_id), self.lifecycle.trigger(trigger)
        while True:
            old = self._get(order_id)
            if old is None:
                self._row(None, trigger)
                raise self.lifecycle.not_found
            now = self.clock.now()
            current, happened = self._caught_up(old, now)
            now = max(now, current.updated)
            try:
                row = self._row_now(current, trigger, now)
                if edit is not None:
                    current = edit(current)
            except ServiceError as refusal:
                if self.lifecycle.by_client(trigger):
                    happened.append(Happening(now, order_id, trigger, refusal.code))
                if self.store.commit(old, current.but(updated=now), None, happened):
                    raise
                continue
            new = self._stepped(current, row, now)
            begun = None if row.creates is None else self._begun(row, now, (renewal or _the_same)(current))
            new, seen = self._seen(new, trigger, begun, happened)
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

    def release(self, order_id: Id, edit: Callable[[Record], Record]) -> None:
        """Let owner and CA act on an order that is held, once `edit` has noted why; their time begins now."""
        while (old := self._get(order_id)) is not None:
            now = self.clock.now()
            current, happened = self._caught_up(old, now)
            if self.holds(current):
                current = edit(current).but(updated=max(now, current.updated), reads=0)
                if not (current.under_way or self.holds(current)):
                    due, _ = self._times(_moment(current, max(now, current.entered)))
                    current, more = self._caught_up(current.but(due=due), now)
                    happened += more
            if current is old or self.store.commit(old, current, None, happened):
                return

    # -- what there is -----------------------------------------------------------------------------------------------

    def order(self, order_id: Id) -> Record:
        """An order as it stands; the table's `not_found` if there is none, or none any more."""
        self.catch_up()
        record = self._get(order_id)
        if record is None or record.state in self.lifecycle.gone:
            missing = self.lifecycle.not_found()
            missing.order_id = order_id
            raise missing
        return record

    def orders(
        self, states: Collection[State | None] | None = None, after: Id | None = None, limit: int = 1000
    ) -> list[Record]:
        """The first `limit` orders that are found (in `states`), oldest first, those that began later than `after`."""
        number = 0 if after is None else self._number(after)
        self.catch_up()
        return self.store.after(self.found(states), number, limit)

    def latest(self, limit: int, states: Collection[State | None] | None = None, skip: int = 0) -> list[Record]:
        """The last `limit` orders that are found (in `states`), without the `skip` last of them, newest first."""
        self.catch_up()
        found = self.found(states)
        if not skip:
            return self.store.latest(found, limit)
        end = max(self.store.count(found) - skip, 0)
        begin = max(end - limit, 0)
        return self.store.select(found, "", begin, end - begin)[0][::-1] if end else []

    def count(self, states: Collection[State | None] | None = None) -> int:
        """How many orders are found (in `states`)."""
        return self.store.count(self.found(states))

    def found(self, states: Collection[State | None] | None = None) -> list[State]:
        """The states (of `states`) in which the service finds an order."""
        live = [state for state in self.lifecycle.state_rules if state is not None and state not in self.lifecycle.gone]
        return live if states is None else [state for state in live if state in states]

    def allows(self, order_id: Id | None, trigger: Trigger) -> bool:
        """Whether the table allows `trigger` on an order as it was last seen, or where there is none."""
        record = None if order_id is None else self._get(order_id)
        return self._can(None if record is None else record.state, trigger)

    def holds(self, record: Record) -> bool:
        """Whether what owner and CA would do to an order by themselves waits for something else."""
        return self._holds is not None and self._holds(record)

    def packages(self) -> list[Package]:
        """All packages, by product code."""
        self.catch_up()
        return self.store.packages()

    def history(self, order_id: Id | None = None) -> Iterator[Line]:
        """What happened, to one order or to all, as lines of the trace format."""
        self.catch_up()
        return (self.line(told) for told in self.store.history(order_id) if self.tells_of(told))

    def tells_of(self, happening: Happening) -> bool:
        """Whether that is something that happened to one of its orders."""
        trigger = happening.trigger
        rule = self.lifecycle.trigger_rules.get(trigger)
        return rule is not None and type(rule.trigger) is type(trigger)

    def line(self, happening: Happening) -> Line:
        """What happened to one of its orders, as a line of the trace format."""
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

    def refresh(self, shared: Shared | None = None) -> None:
        """Take over what other processes on the same store did to the clock, and to who completes what is under way.

        `shared` is what the store says of that, if it was just asked.
        """
        shared = self.store.shared() if shared is None else shared
        self.clock.offset = shared.offset
        self.completions = shared.completions or self._default_completions

    def catch_up(self) -> None:
        """Let everything happen that is due by now."""
        by_clock = self.completions == CLOCK
        for kind in self._kinds:
            while due := self.store.due(self.clock.now(), kind, completions=by_clock):
                for order_id in due:
                    old = self.store.get(order_id)
                    if old is not None:
                        new, happened = self._caught_up(old, self.clock.now())
                        self.store.commit(old, new, None, happened)

    # -- one step ----------------------------------------------------------------------------------------------------

    def _begun(self, row: Transition, now: float, asked: Application, number: int | None = None) -> Record:
        """The order that begins with `row`, which creates it, or creates it beside the order that it is about."""
        first = row.source is None
        state: State = row.target if first else row.creates  # type: ignore[assignment]  # one of both is there
        number = self.store.new_id() if number is None else number
        issued, expires = (now, now + self._validity) if self.lifecycle.state_rules[state].certified else (None, None)
        order_id = self.lifecycle.identity.new(number)
        ends = None if asked.period is None else now + asked.period
        due, under_way = self._times(Moment(order_id, None, state, now, expires, ends))
        return Record(
            id=order_id,
            made_of=number if self.lifecycle.identity.is_text else None,
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
            due=due,
            under_way=under_way,
            csr=asked.csr,
            tags=asked.tags,
            ends=ends,
            details=asked.details,
        )

    def _stepped(self, record: Record, row: Transition, now: float) -> Record:
        """`record` after the step of `row`."""
        state: State = row.target  # type: ignore[assignment]
        if state == record.state and not row.quota:
            return record.but(updated=now, reads=record.reads + (row.trigger in self._reads))
        issued, expires = record.issued, record.expires
        certifies = self.lifecycle.trigger_rules[row.trigger].certifies
        if certifies or (issued is None and self.lifecycle.state_rules[state].certified):
            issued, expires = now, now + self._validity
        holds_unit = record.holds_unit
        if row.quota:
            taken = row.quota > 0 and row.creates is None
            holds_unit = taken or (holds_unit and not row.gives_back(None if issued is None else now - issued))
        if state == record.state:
            return record.but(holds_unit=holds_unit, updated=now)
        due, under_way = self._times(Moment(record.id, record.state, state, now, expires, record.ends))
        changed = record.but(
            state=state,
            holds_unit=holds_unit,
            issued=issued,
            expires=expires,
            due=due,
            under_way=under_way,
            previous=record.state,
            entered=now,
            updated=now,
            reads=0,
        )
        changed = self._moved(changed, row)
        if certifies and record.certificate is not None:
            changed = changed.but(certificate=None, private_key=None)
        return changed

    def _seen(
        self, record: Record, trigger: Trigger, begun: Record | None, happened: list[Happening]
    ) -> tuple[Record, Record]:
        """`record` as it is after `trigger`, and as its caller sees it; a read may be what the review waits for."""
        read = None
        if trigger in self._reads:
            record = self._certified(record)
            read = record.state
        begins = None if begun is None else begun.id
        happened.append(Happening(record.updated, record.id, trigger, None, read, begins))
        if read is not None and self.review.mode == READS and record.reads >= self.review.amount:
            return self._reviewed(record, happened), record
        return record, record

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

    def _row_now(self, record: Record, trigger: Trigger, now: float) -> Transition:
        """The row by which the service lets `trigger` happen to that order now; else the error that refuses it."""
        row = self._row(record.state, trigger)
        if row.within is not None and not row.within.is_open(now - record.created):
            raise row.within.error
        return row

    def _can(self, state: State | None, trigger: Trigger) -> bool:
        return self.lifecycle.table[state].get(trigger) is not None

    def _get(self, order_id: Id) -> Record | None:
        """The order as it stands in the store, if it is one of this table."""
        record = self.store.get(order_id)
        return record if record is not None and type(record.state) in self._kinds else None

    def _number(self, order_id: Id) -> int:
        """The store's number of which an id was made, also that of an order that is gone or never was."""
        identity = self.lifecycle.identity
        number = identity.number(order_id)
        if number is None:
            known = self.store.get(order_id)
            if known is None:
                raise InvalidValue(identity.words, order_id, [f"one that is made as {identity.new(FIRST_ID)} is"])
            number = known.number
        return number

    # -- what happens by itself --------------------------------------------------------------------------------------

    def _times(self, moment: Moment) -> tuple[float | None, bool]:
        """When something will happen to an order by itself, None if nothing will; and whether that is a completion."""
        completed = self._completions_of(moment)
        if completed:
            return completed[0][0], True
        times = [at for at, _ in self._calendar_of(moment)]
        if self.review.mode in {AT_ONCE, AFTER} and self._verdict(moment) is not None:
            times.append(moment.entered + self.review.amount)
        return min(times, default=None), False

    def _calendar_of(self, record: Record | Moment) -> list[tuple[float, Trigger]]:
        """What the calendar will do to an order in its state, and when, the earliest first."""
        if record.expires is None and record.ends is None:
            return []
        coming = []
        for event, before, term in self._calendar:
            end = record.expires if term is Term.CERTIFICATE else record.ends
            if end is not None and self._can(record.state, event):
                coming.append((end - before, event))
        return sorted(coming)

    def _completions_of(self, record: Record | Moment) -> list[tuple[float, Trigger]]:
        """What the service will complete that is under way with an order, and when, the earliest first."""
        under_way = self._completions.get((record.previous, record.state))
        if under_way is None:
            return []
        coming = []
        for event, (least, most) in under_way:
            taken = least
            if least < most:
                taken = Random(f"{self._seed} {record.id} {event} {record.entered}").uniform(least, most)
            coming.append((record.entered + taken, event))
        return sorted(coming)

    def _verdict(self, record: Record | Moment) -> Trigger | None:
        """What owner and CA will do to an order next, if they act by themselves."""
        if (record.previous, record.state) in self._completions:
            return None
        rejected = Random(f"{self._seed} {record.id}").random() < self.review.reject_share
        for event in self._approval.rejecting if rejected else self._approval.passing:
            if self._can(record.state, event):
                return event
        return None

    def _reviewed(self, record: Record, happened: list[Happening]) -> Record:
        event = None if self.holds(record) else self._verdict(record)
        if event is None:
            return record
        happened.append(Happening(record.updated, record.id, event))
        return self._stepped(record, self.lifecycle.transition(record.state, event), record.updated)

    def _caught_up(self, record: Record, now: float) -> tuple[Record, list[Happening]]:
        """`record` after all that is due by `now`, and what that was."""
        happened: list[Happening] = []
        by_clock = self.completions == CLOCK
        while (due := record.due) is not None and due <= now and (by_clock or not record.under_way):
            coming = self._completions_of(record) if record.under_way else self._calendar_of(record)
            later = min((at for at, _ in coming if at > due), default=None)
            event = self._falls_due(record, coming)
            if event is None:
                record = record.but(due=later)
                continue
            at = max(due, record.updated)
            happened.append(Happening(at, record.id, event))
            new = self._stepped(record, self.lifecycle.transition(record.state, event), at)
            record = new.but(due=later) if new.state == record.state else new
        return record, happened

    def _falls_due(self, record: Record, coming: list[tuple[float, Trigger]]) -> Trigger | None:
        """What happens to `record` when it is due: of what is `coming`, or what owner and CA do, by whosever review."""
        if record.under_way:  # an engine of another seed may have found that it is due sooner than by ours
            return coming[0][1] if coming else None
        by_then = (event for at, event in coming if record.due is not None and at <= record.due)
        return next(by_then, None) or (None if self.holds(record) else self._verdict(record))


def _moment(record: Record, entered: float) -> Moment:
    """An order as if it had come into its state at that time."""
    return Moment(record.id, record.previous, record.state, entered, record.expires, record.ends)


def completion_mode(word: object) -> str:
    """Who completes what is under way, as `word` says: "clock" or "manual"; else `InvalidValue`."""
    if word in (CLOCK, MANUAL):
        return str(word)
    raise InvalidValue("completions", word, [CLOCK, MANUAL])


@lru_cache(maxsize=64)
def _errors(lifecycle: Lifecycle) -> Mapping[tuple[State | None, Trigger], Any]:
    """The error with which the service refuses each trigger in each state: where it does, and where none is told."""
    return {
        (state, trigger): lifecycle.service_refusal(state, trigger).error
        for state, rows in lifecycle.table.items()
        for trigger in lifecycle.trigger_rules
        if rows.get(trigger) is None
    }


@lru_cache(maxsize=256)
def _way(lifecycle: Lifecycle, goal: State) -> tuple[Transition, ...]:
    """The rows of a shortest way from no order to `goal`, by those who are the nearest to it that get there."""
    nearest = {Actor.CLIENT, Actor.SERVICE, Actor.OWNER, Actor.CA}
    actors = nearest | {Actor.CALENDAR}
    for who, hoped_for in ((nearest, True), (actors, True), (actors, False)):
        near = {rule.trigger for rule in lifecycle.triggers if rule.actor in who and not (hoped_for and rule.adverse)}
        rows = tuple(row for row in lifecycle.transitions if row.trigger in near)
        try:
            return attrs.evolve(lifecycle, transitions=rows).plan(None, goal, events=True, grave=True).steps
        except Unreachable:
            pass
    return lifecycle.plan(None, goal, events=True, grave=True).steps


def _completions(
    lifecycle: Lifecycle, takes: Mapping[Trigger, float]
) -> Mapping[tuple[State | None, State], list[tuple[Trigger, tuple[float, float]]]]:
    """What the service completes where an operation brought an order from one state to another, and in which time."""
    found: dict[tuple[State | None, State], list[tuple[Trigger, tuple[float, float]]]] = {}
    for rule in lifecycle.triggers:
        rows = [] if rule.follows is None else [row for row in lifecycle.transitions if row.trigger == rule.follows]
        for step in dict.fromkeys(step for row in rows for step in ((row.source, row.target), (None, row.creates))):
            previous, state = step
            if state is not None and lifecycle.table[state].get(rule.trigger) is not None:
                taken = takes.get(rule.trigger)
                between = rule.takes or (0.0, 0.0) if taken is None else (taken, taken)
                found.setdefault((previous, state), []).append((rule.trigger, between))
    return found


def _the_same(old: Record) -> Application:
    return Application(old.domains, old.validate_type, old.product_code, old.csr, old.tags)
