"""Freeing the quota that failed and abandoned applications hold: deleting their orders."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext, suppress
from fractions import Fraction
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, cast

import attrs

from orderfsm import words
from orderfsm.clocks import jumps, wall
from orderfsm.errors import ServiceError
from orderfsm.extras import needs
from orderfsm.invalid import InvalidValue, OrderFSMError, Unreachable
from orderfsm.tables import api
from orderfsm.trace import Line, Outcome
from orderfsm.verdict import Uncertain

from .arguments import id_of, number, seconds, states_of
from .carry_out import Undecided, age_of, carrying_out, completed, decide, tentative
from .connection import Connection
from .errors import OutcomeUnknown, UnreadableAnswer
from .journal import Journal
from .observation import found, meaning, read_as, word_in, word_of
from .roles import roles
from .sdk import Answer, Listed, id_field
from .steps import Pause, Process, Send, run, run_async

with needs("client"):
    from pyrate_limiter import Duration, Limiter, Rate

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Mapping
    from contextlib import AbstractContextManager

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.paths import Plan
    from orderfsm.rows import Operation, State

    from .preflight import Preflight

PASSING = OutcomeUnknown, Undecided, UnreadableAnswer
"""The errors of a try after which another one may do better."""

ROUNDS = 3
"""How often an order is tried whose call failed in passing, or that is in the list again although it was not found."""


@attrs.frozen
class Candidate:
    """An order that a sweep selects: its id, its `status` as the list has it, its domain and product.

    `bought` is the date of the order (Unix time), None if the list has none. `states` are those that the status may
    mean. `plan` leads from there to the deletion; None if no operations do, or not the same in all `states`.
    `may_be_renewal`: orders that hold no quota, by the table, begin in this state when a certificate is renewed, and
    wait there to be submitted.
    """

    order_id: Id
    status: str
    domain: str | None
    product: str | None
    bought: float | None
    states: frozenset[State | None]
    plan: Plan | None
    may_be_renewal: bool


@attrs.frozen
class SweepReport(Uncertain):
    """What a sweep did: `deleted`, the ids of the orders that are gone, and `left`, the reasons of those that are not.

    `selected` are all candidates. `unverified`: why the list could not be read again in the end, which tells whether an
    order that was not found is gone; None if it could. `by_others` are those of `deleted` that were gone before this
    sweep called their deletion: somebody else, another sweep perhaps, deleted them. `freed` counts the units of quota
    that came back by this sweep; of an order of which it is not certain that it held one (a renewal holds none), or
    that it was this sweep that deleted it (`perhaps_ours`: it was interrupted then, or the answer was lost), it is
    counted in `perhaps_freed`. Instances hold no `units`.
    """

    _instead: ClassVar[str] = "ask its `.left` and its `.unverified`"
    selected: tuple[Candidate, ...]
    deleted: tuple[Id, ...] = ()
    left: Mapping[Id, str] = attrs.field(factory=dict)
    unverified: str | None = None
    by_others: tuple[Id, ...] = ()
    perhaps_ours: tuple[Id, ...] = ()
    units: bool = True

    @property
    def freed(self) -> int:
        """Units of quota that came back by this sweep."""
        return self.units * sum(
            not each.may_be_renewal and each.order_id not in self.perhaps_ours for each in self._ours
        )

    @property
    def perhaps_freed(self) -> int:
        """Units that perhaps came back by it, besides."""
        return self.units * len(self._ours) - self.freed

    @property
    def _ours(self) -> list[Candidate]:
        deleted = {*self.deleted} - {*self.by_others}
        return [candidate for candidate in self.selected if candidate.order_id in deleted]


def sweep(
    client: Any,
    *,
    states: State | str | Collection[State | str] | None = None,
    older_than: float = 0,
    dry_run: bool = False,
    selected: Collection[Candidate] | None = None,
    rate: float | None = None,
    concurrency: int = 4,
    journal: str | os.PathLike[str] | None = None,
    on_progress: Callable[[Candidate, str | None], object] | None = None,
    lifecycle: Lifecycle | None = None,
) -> SweepReport:
    """Delete the account's orders that are in `states` (as for `wait`) and at least `older_than` seconds old.

    Without `states`, those whose review failed: where nothing is left but to give the order up. Each order is read just
    before it is touched, and brought to DELETED as by `carry_out`; one that is in other states by then is left alone.
    With `dry_run` nothing is sent that changes anything, and the report holds the selection. Orders from which no
    operation leads to DELETED (issued ones) are selected if asked for, and left with that reason.

    * `selected`: the candidates of a dry run, to sweep exactly these.
    * `rate`: calls a second of each operation, for all workers together; None: the documented limits, 10 a second, of
      cancel 100. `concurrency`: how many orders are worked on at once.
    * `journal`: a file to which every call is written, in the trace format. If it exists, the sweep that wrote it is
      continued: with its selection, and without repeating what is done. It must be a whole journal of a sweep of the
      same `states`, `older_than` and endpoint, and no other sweep may be writing it.
    * `on_progress` is called for each order that is dealt with, with the reason if it was left; from several threads.
      Of a sweep that is continued, for those that are done already as well.
    * `lifecycle`: the table of what is swept; None: that of orders, or the one that `client` is guarded by. Of
      instances a deletion may take a withdrawal and a refund before it, each of which lands minutes later; without
      `states`, those are swept of which nothing is left but to delete them. Where words leave open in which of
      several states an instance is, it is touched only if all of these were asked for; with a state at rest, those in
      which something is under way and that read the same are asked for as well.

    Raises the SDK's exception if the orders cannot be listed, `InvalidValue` for settings that are none, or if `client`
    is guarded by a table whose orders the API does not list or that has no one state in which they are gone, and
    `JournalFailed` if the journal cannot be written; every call that was answered before is in it.
    """
    sweeping = _Sweep.of(client, lifecycle, states, older_than, rate, concurrency, on_progress)
    with sweeping.journaling(journal):
        return run(sweeping.process(selected, dry_run=dry_run), sweeping.perform)


async def sweep_async(
    client: Any,
    *,
    states: State | str | Collection[State | str] | None = None,
    older_than: float = 0,
    dry_run: bool = False,
    selected: Collection[Candidate] | None = None,
    rate: float | None = None,
    concurrency: int = 4,
    journal: str | os.PathLike[str] | None = None,
    on_progress: Callable[[Candidate, str | None], object] | None = None,
    lifecycle: Lifecycle | None = None,
) -> SweepReport:
    """`sweep` with the SDK's asynchronous methods, and tasks instead of threads."""
    sweeping = _Sweep.of(client, lifecycle, states, older_than, rate, concurrency, on_progress)
    with sweeping.journaling(journal):
        return await run_async(sweeping.process(selected, dry_run=dry_run), sweeping.perform_async)


def end_of(lifecycle: Lifecycle) -> State:
    """The state to which a sweep brings orders: the terminal one in which the service does not find them any more."""
    match [rule.state for rule in lifecycle.states if rule.terminal and rule.state in lifecycle.gone]:
        case [end] if end is not None:
            return end
        case _:
            accepted = "a table with one terminal state in which the service finds no order"
            raise InvalidValue("lifecycle", lifecycle.name, [accepted])


def failed(lifecycle: Lifecycle) -> frozenset[State]:
    """The states that a sweep takes unless it is told otherwise: there is nothing left but to give the order up.

    From there an operation that abandons the order leads to its end at once; but the order has no certificate, and it
    is no renewal that waits to be submitted.
    """
    end, begun = end_of(lifecycle), {row.creates for row in lifecycle.transitions}
    rules = lifecycle.trigger_rules
    ends = [row for row in lifecycle.transitions if row.target == end and rules[row.trigger].abandons]
    states = {row.source for row in ends if row.source is not None and not rules[row.trigger].grave}
    return frozenset(state for state in states - begun if not lifecycle.state_rules[state].certified)


@attrs.frozen
class _Outcome:
    """What became of an order: the reason why it is not deleted, None if it is; whether to try `again`.

    `ours`: whether it was this sweep that deleted it; None if that is not known.
    """

    reason: str | None = None
    again: bool = False
    ours: bool | None = True


_Step: TypeAlias = "Send | Pause | list[Process[_Outcome]]"
"""A list of processes is the step to run them all, as many at once as is wanted; it comes to their results."""


def _calls_a_second(rate: object) -> float | None:
    if rate is not None and not 0 < number(rate) < float("inf"):
        raise InvalidValue("rate", rate, ["calls a second, more than 0"])
    return None if rate is None else number(rate)


def _limiters(sweeping: _Sweep) -> dict[Operation, Limiter]:
    """One limiter for each operation, shared by all workers."""
    documented: Mapping[Any, int] = api.RATE_LIMITS
    slowest = min(documented.values())
    rates = {each: sweeping.rate or documented.get(each, slowest) for each in sweeping.lifecycle.operations}
    return {each: Limiter(_rate(per_second)) for each, per_second in rates.items()}


def _rate(per_second: float) -> Rate:
    if per_second < 1:
        return Rate(1, ceil(Duration.SECOND.value / per_second))
    whole = Fraction(per_second).limit_denominator(100)
    return Rate(whole.numerator, whole.denominator * Duration.SECOND)


def _at_least_one(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise InvalidValue("concurrency", value, ["an int, 1 or more"])


@attrs.define(eq=False)
class _Sweep:
    """A sweep under way: its settings, and what became of the orders."""

    connection: Connection
    states: frozenset[State | None]
    alike: frozenset[State | None]
    lists: Operation
    end: State
    older_than: float = attrs.field(converter=seconds)
    rate: float | None = attrs.field(converter=_calls_a_second)
    concurrency: int = attrs.field(converter=_at_least_one)
    on_progress: Callable[[Candidate, str | None], object] | None
    limiters: dict[Operation, Limiter] = attrs.field(init=False, default=attrs.Factory(_limiters, takes_self=True))
    journal: Journal | None = attrs.field(default=None, init=False)
    touchable: dict[Id, set[State | None]] = attrs.field(factory=dict, init=False)
    """The states in which each order may be touched: those asked for, and those that it was led to."""
    perhaps_ended: set[Id] = attrs.field(factory=set, init=False)
    """The orders of which a call was lost, and may have been carried out."""

    @classmethod
    def of(
        cls,
        client: Any,
        lifecycle: Lifecycle | None,
        states: State | str | Collection[State | str] | None,
        *settings: Any,
    ) -> _Sweep:
        """A sweep by `client`, guarded or not, of the orders of that table that are in `states`."""
        connection = Connection.of(client, lifecycle=lifecycle)
        lifecycle = connection.preflight.lifecycle
        lists, end = roles(lifecycle).lists, end_of(lifecycle)
        if lists is None:
            raise InvalidValue("lifecycle", lifecycle.name, ["a table with an operation that lists orders by state"])
        wanted = states_of(failed(lifecycle) if states is None else states, lifecycle)
        under_way = roles(lifecycle).under_way
        alike = {
            each for state in wanted - under_way for read in read_as(state, lifecycle) for each in read & under_way
        }
        return cls(connection, wanted, wanted | alike, lists, end, *settings)

    def journaling(self, path: str | os.PathLike[str] | None) -> AbstractContextManager[Journal | None]:
        """The context in which every call is written to the journal at `path`, if there is to be one."""
        if path is None:
            return nullcontext()
        swept = {
            "states": sorted(map(str, self.states)),
            "older_than": float(self.older_than),
            "endpoint": getattr(self.connection.client, "_endpoint", None),
        }
        self.journal = Journal(path, swept, self.lifecycle)
        return closing(self.journal)

    @property
    def preflight(self) -> Preflight:
        return self.connection.preflight

    @property
    def lifecycle(self) -> Lifecycle:
        return self.preflight.lifecycle

    # -- the world ---------------------------------------------------------------------------------------------------

    def perform(self, step: _Step) -> Any:
        """Perform a step of any of the sweep's processes, within the rate."""
        if isinstance(step, list):
            pool = ThreadPoolExecutor(self.concurrency)
            try:
                return list(pool.map(partial(run, perform=self.perform), step))
            finally:
                pool.shutdown(cancel_futures=True)
        if isinstance(step, Send) and not jumps():
            self.limiters[step.operation].try_acquire(step.operation)
        return self._journaled(step, self.connection.perform(step))

    async def perform_async(self, step: _Step) -> Any:
        """The same, asynchronously."""
        if isinstance(step, list):
            free = asyncio.Semaphore(self.concurrency)

            async def one(process: Process[Any]) -> Any:
                async with free:
                    return await run_async(process, self.perform_async)

            tasks = [asyncio.create_task(one(process)) for process in step]
            try:
                return await asyncio.gather(*tasks)
            finally:  # if one failed: the others end before it is said
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        if isinstance(step, Send) and not jumps():
            await self.limiters[step.operation].try_acquire_async(step.operation)
        return self._journaled(step, await self.connection.perform_async(step))

    def _journaled(self, step: Send | Pause, answer: Answer | None) -> Answer | None:
        if self.journal is not None and isinstance(step, Send) and answer is not None:
            self.journal.note(step, answer)
        return answer

    # -- the process -------------------------------------------------------------------------------------------------

    def process(self, given: Collection[Candidate] | None, *, dry_run: bool) -> Process[SweepReport]:
        journal = self.journal
        if journal is not None and journal.begun:
            selected = [self._candidate(*each) for each in journal.selection]
        else:
            selected = list(given) if given is not None else (yield from self._select())
        for each in selected:
            if not isinstance(each, Candidate):
                raise InvalidValue("candidate", each, ["one of those that a dry run selects"])
            self.preflight.memory.met(each.order_id)
        if dry_run:
            return SweepReport(tuple(selected))
        if journal is not None and not journal.begun:
            journal.select(selected)
        unverified = None
        outcomes: dict[Id, _Outcome] = {}
        for each in filter(self._done_before, selected):
            outcomes[each.order_id] = _Outcome()
            self._dealt_with(each, None)
        for attempt in range(1, ROUNDS + 1):
            todo = [each for each in selected if each.order_id not in outcomes or outcomes[each.order_id].again]
            if not todo:
                break
            results = yield [self._attempt(each, last=attempt == ROUNDS) for each in todo]
            outcomes |= dict(zip((each.order_id for each in todo), results, strict=True))
            unverified = yield from self._verify(outcomes)
        left = {order: outcome.reason for order, outcome in outcomes.items() if outcome.reason is not None}
        deleted = tuple(order for order in outcomes if order not in left)
        by_others = tuple(order for order in deleted if outcomes[order].ours is False)
        perhaps_ours = tuple(order for order in deleted if outcomes[order].ours is None)
        units = any(row.quota < 0 and row.target == self.end for row in self.lifecycle.transitions)
        return SweepReport(tuple(selected), deleted, left, unverified, by_others, perhaps_ours, units)

    def _select(self) -> Process[list[Candidate]]:
        """The orders of the list that are in the states and of the age that were asked for, by id."""
        rows = yield from self._listed(self.states)
        if isinstance(rows, Answer):
            raise cast("Exception", rows.error)
        oldest = wall() - self.older_than
        selected: list[Candidate] = []
        for order_id, row in sorted(rows.items()):
            status = word_in(self.lists, row, self.lifecycle)
            each = self._candidate(order_id, status, *Listed.of(row))
            old_enough = not self.older_than or (each.bought is not None and each.bought <= oldest)
            if old_enough and self._asked_for(each.states):
                selected.append(each)
        return selected

    def _asked_for(self, states: frozenset[State | None]) -> bool:
        """Whether an order that may be in these `states` is one of those that were asked for.

        What is under way reads as what it comes from or leads to: beside a state at rest it alone selects nothing.
        """
        at_rest = self.states - roles(self.lifecycle).under_way
        return states <= self.states or bool(states & (at_rest or self.states))

    def _listed(self, states: Collection[State | None]) -> Process[dict[Id, Any] | Answer]:
        """The list's rows of orders that may be in `states`, by id; or the answer with which a page failed."""
        vocabulary = roles(self.lifecycle).fields[self.lists][0]
        known = words.meanings(self.lifecycle, vocabulary)
        statuses = {word for word, may_be in known.items() if word != vocabulary.unspecific and may_be & {*states}}
        rows: dict[Id, Any] = {}
        for status in [None] if statuses == known.keys() - {vocabulary.unspecific} else sorted(statuses):
            found = yield from self.preflight.reading.orders(status)
            if isinstance(found, Answer):
                return found
            rows |= {id_of(getattr(row, id_field(self.lifecycle)), self.lifecycle): row for row in found or ()}
        return rows

    def _candidate(
        self, order_id: Id, status: str, domain: str | None, product: str | None, bought: float | None
    ) -> Candidate:
        states = meaning(self.lists, status, self.lifecycle)
        without_unit = {row.creates for row in self.lifecycle.transitions if row.creates is not None and not row.holds}
        may_be_renewal, plan = bool(states & without_unit), self._planned(states, age_of(bought))
        return Candidate(order_id, status, domain, product, bought, states, plan, may_be_renewal)

    def _verify(self, outcomes: dict[Id, _Outcome]) -> Process[str | None]:
        """Take back what was concluded from a read alone: an order that was "not found" and is in the list.

        The reason why the list cannot be read, if it cannot.
        """
        owned = {state for state in self.lifecycle.state_rules if self.lifecycle.outgoing(state)}
        rows = yield from self._listed(owned - {None})
        if isinstance(rows, Answer):
            return str(rows)
        for order_id in rows:
            if order_id in outcomes and outcomes[order_id].reason is None:
                outcomes[order_id] = _Outcome("it is in the list again", again=True)
        return None

    def _attempt(self, candidate: Candidate, *, last: bool) -> Process[_Outcome]:
        """Bring one order to its deletion; what became of it."""
        try:
            touchable, led_to = self._led_to(candidate)
            touchable = self.touchable.setdefault(candidate.order_id, touchable)
            done = yield from carrying_out(
                self.preflight, candidate.order_id, self.end, touchable=touchable, led_to=led_to
            )
            outcome = _Outcome(ours=True if done.steps else self._perhaps_ours(candidate))
        except OrderFSMError as error:
            code = f"{error.code}: " if isinstance(error, ServiceError) else ""
            reason = str(error).removeprefix(f"{self.lifecycle.noun} {candidate.order_id}: ")
            if isinstance(error, OutcomeUnknown):
                self.perhaps_ended.add(candidate.order_id)
            outcome = _Outcome(f"{code}{reason}", again=isinstance(error, PASSING))
        except Exception as error:
            answer = Answer.of_error(error, self.lifecycle)
            if answer is None:
                raise
            outcome = _Outcome(str(answer), again=answer.passing)
        if last or not outcome.again:
            self._dealt_with(candidate, outcome.reason)
        return outcome

    def _dealt_with(self, candidate: Candidate, reason: str | None) -> None:
        if self.on_progress is not None:
            self.on_progress(candidate, reason)

    # -- what the journal says ---------------------------------------------------------------------------------------

    def _done_before(self, candidate: Candidate) -> bool:
        """Whether the journal has the deletion of the order."""
        ends = {row.trigger for row in self.lifecycle.transitions if row.target == self.end}
        lines = self._lines(candidate)
        return any(line.trigger in ends and line.outcome is Outcome.ACCEPTED for line in lines)

    def _perhaps_ours(self, candidate: Candidate) -> bool | None:
        """Of an order that is gone: None if an earlier try, also before an interruption, may have deleted it."""
        tried = any(line.trigger != self.lists for line in self._lines(candidate))
        return None if tried or candidate.order_id in self.perhaps_ended else False

    def _led_to(self, candidate: Candidate) -> tuple[set[State | None], frozenset[State | None]]:
        """The states that were asked for, and those that an earlier sweep led the order to, or may have.

        And those to one of which it led the order for certain.
        """
        touchable: set[State | None] = {*self.alike}
        leads: frozenset[State | None] = frozenset()
        led_to: frozenset[State | None] = frozenset()
        further: set[State | None] = set()
        read = roles(self.lifecycle).read
        for line in self._lines(candidate):
            if line.trigger == read and line.outcome is Outcome.ACCEPTED:
                states = found(meaning(read, word_of(line), self.lifecycle))
                led_to = led_to if led_to & states else frozenset()
                states = led_to & states or states
                plan = self._planned(states) if states <= touchable else None
                leads = (
                    frozenset() if plan is None or not plan.steps else completed(self.lifecycle, plan.steps[0].target)
                )
                further = {*leads} - touchable
                touchable |= further
            elif line.outcome is Outcome.REFUSED and line.trigger != read:
                touchable -= further
            elif line.outcome is Outcome.ACCEPTED and line.trigger != self.lists:
                led_to = leads
        return touchable, led_to

    def _planned(self, states: frozenset[State | None], age: float | None = None) -> Plan | None:
        """The plan by which an order in one of `states` is brought to its end; None if there is none."""
        with suppress(Unreachable):
            plan = decide(self.lifecycle, states, self.end, age=age)
            return tentative(self.lifecycle, states, self.end, age=age) if plan is None else plan
        return None

    def _lines(self, candidate: Candidate) -> list[Line]:
        return [] if self.journal is None else self.journal.lines[candidate.order_id]
