"""Bringing an order to a state by the operations that lead there."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import attrs

from orderfsm.clocks import wall
from orderfsm.errors import Refusal
from orderfsm.explanation import listed
from orderfsm.invalid import OrderFSMError, Unreachable
from orderfsm.rows import DAY

from .arguments import id_of, state_of
from .backoff import growing
from .call import calling
from .connection import Connection
from .errors import naming
from .observation import Observation, everything, found, perhaps_never_there
from .roles import roles
from .sdk import Listed, id_field, request
from .steps import Pause, Process

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.paths import Plan
    from orderfsm.rows import State, Transition

    from .preflight import Preflight

MOVES = 20
"""How many calls are tried before an order is given up that others keep moving."""

THROTTLES = 10
"""How often a call that is throttled is sent again."""

PATIENCE = 3600
"""Seconds for which the service may complete a call whose table does not say how long that takes, and at least as long
as it does say."""

INTERVAL = 10
"""Seconds between two reads, up to which pauses grow, while the service completes a call."""

DOUBT = DAY
"""Seconds after the end of a time that the table allows, for which a call is sent all the same: the service may count
calendar days, and by another clock."""


class CarriedOut(NamedTuple):
    """The `steps` that were taken, and the observation after which nothing was left to do."""

    observation: Observation
    steps: tuple[Transition, ...]


class Undecided(OrderFSMError):
    """What to do is not the same in all the states that the order may be in, and reading it again does not tell.

    Made as `Undecided(observation, goal)`; `goal` is None if what is not known is in which of the states that were
    waited for the order is.
    """

    @property
    def observation(self) -> Observation:
        """What was read last."""
        return self.args[0]  # type: ignore[no-any-return]

    def __str__(self) -> str:
        seen, goal = self.args
        states = ", ".join(seen.names)
        if goal is None:
            return f"{seen.named} was read as {seen}; in which of {states} it is does not follow"
        return f"{seen.named} was read as {seen}; how it comes to {goal} is not the same in {states}"


@overload
def carry_out(
    client: Any,
    order_id: Id,
    goal: State | str,
    *,
    dry_run: Literal[True],
    grave: bool = ...,
    lifecycle: Lifecycle | None = ...,
) -> Plan: ...
@overload
def carry_out(
    client: Any,
    order_id: Id,
    goal: State | str,
    *,
    dry_run: Literal[False] = False,
    grave: bool = ...,
    lifecycle: Lifecycle | None = ...,
) -> CarriedOut: ...
def carry_out(
    client: Any,
    order_id: Id,
    goal: State | str,
    *,
    dry_run: bool = False,
    grave: bool = False,
    lifecycle: Lifecycle | None = None,
) -> Plan | CarriedOut:
    """Bring the order to the state `goal`, a `State` or its word, by operations: read, plan, call, and read again.

    From being reviewed to DELETED that is a cancel, then a delete; of an instance a withdrawal, a refund, a deletion,
    each after the one before it has landed. What the service completes some time after a call is waited for. With
    `dry_run` the result is the plan, and nothing that changes anything is sent. If the order moves meanwhile, the rest
    is planned anew. Operations that cannot be taken back, or cost money, are called only with `grave`. Nothing is
    called when the time for what would have to follow is over, by a day and by what the order says of its beginning.

    Where the words of an order leave open whether it is too early for the next call, the call is tried, and again after
    a pause, for an hour (or as long as the table says that the service may take): what is refused changes nothing.

    `client` is a client of the official SDK, guarded or not; each call is guarded (see `guard`), with the settings of
    `client` if it is. Calls that are throttled are sent again after the pause that the service asks for. `lifecycle` is
    the table of the order; None: the one of orders or of instances whose ids look like `order_id`.

    Raises `Unreachable` when operations lead to the goal from none of the states that the order may be in, from the
    start or because others moved it there; it says what else would lead there. `Undecided` when what was read does not
    tell what to do; what a guarded call raises, but for refusals, which are raised only when the time for another try
    is over; `NotFoundOrder` for an order that is not found, unless this client met it before and so knows that it was
    deleted; and the SDK's exception for a read that the service refuses. Each names the order, and has its `order_id`.
    """
    connection = Connection.of(client, order_id, lifecycle)
    return connection.run(carrying_out(connection.preflight, order_id, goal, dry_run=dry_run, grave=grave))


@overload
async def carry_out_async(
    client: Any,
    order_id: Id,
    goal: State | str,
    *,
    dry_run: Literal[True],
    grave: bool = ...,
    lifecycle: Lifecycle | None = ...,
) -> Plan: ...
@overload
async def carry_out_async(
    client: Any,
    order_id: Id,
    goal: State | str,
    *,
    dry_run: Literal[False] = False,
    grave: bool = ...,
    lifecycle: Lifecycle | None = ...,
) -> CarriedOut: ...
async def carry_out_async(
    client: Any,
    order_id: Id,
    goal: State | str,
    *,
    dry_run: bool = False,
    grave: bool = False,
    lifecycle: Lifecycle | None = None,
) -> Plan | CarriedOut:
    """`carry_out` with the SDK's asynchronous methods."""
    connection = Connection.of(client, order_id, lifecycle)
    carrying = carrying_out(connection.preflight, order_id, goal, dry_run=dry_run, grave=grave)
    return await connection.run_async(carrying)


def carrying_out(
    preflight: Preflight,
    order_id: Id,
    goal: State | str,
    *,
    dry_run: bool = False,
    grave: bool = False,
    touchable: set[State | None] | None = None,
    led_to: frozenset[State | None] = frozenset(),
) -> Process[Plan | CarriedOut]:
    """Carry it out as `carry_out` says. With `touchable`, an error if the order is in other states than these.

    Those that it is led to are added there, before the call: its answer may be lost. `led_to` are the states to one of
    which a call led it that was accepted before.
    """
    lifecycle = preflight.lifecycle
    carrying = _CarryingOut(preflight, id_of(order_id, lifecycle), state_of(goal, lifecycle), grave, touchable, led_to)
    with naming(carrying.order_id, lifecycle.noun):
        return (yield from carrying.process(dry_run=dry_run))


@attrs.define
class _CarryingOut:
    """An order on its way to `goal`: where it may be touched, and where our last call led it."""

    preflight: Preflight
    order_id: Id
    goal: State
    grave: bool
    touchable: set[State | None] | None
    led_to: frozenset[State | None]
    steps: list[Transition] = attrs.field(factory=list, init=False)
    tries: int = attrs.field(default=0, init=False)
    given_up: float | None = attrs.field(default=None, init=False)

    @property
    def lifecycle(self) -> Lifecycle:
        return self.preflight.lifecycle

    def process(self, *, dry_run: bool) -> Process[Plan | CarriedOut]:
        moves = 0
        while moves < MOVES:
            observation, plan, sure = yield from self._planned()
            if dry_run:
                return plan
            if not plan.steps:
                return CarriedOut(observation, tuple(self.steps))
            step = plan.steps[0]
            leads = self._touch(observation, step)
            if not self.lifecycle.by_client(step.trigger):
                moves += yield from self._completed(observation, step)
                continue
            asked = request(step.trigger, **{id_field(self.lifecycle): self.order_id})
            sure = sure and not self.led_to  # what our own call led to, others may have left since
            moves += sure
            try:
                yield from calling(self.preflight, step.trigger, asked, observation, throttles=THROTTLES)
            except Refusal as refusal:  # the order has moved, or it is too early
                if self.touchable is not None:
                    self.touchable -= leads
                if not sure:
                    yield from self._pause_after(refusal)
                continue
            self.tries, self.given_up = 0, None
            self.steps.append(step)
            self.led_to = completed(self.lifecycle, step.target)
            if step.target == self.goal:
                seen = self.preflight.memory.observation(self.order_id, frozenset([self.goal]), None)
                return CarriedOut(seen, tuple(self.steps))
        named = f"{self.lifecycle.noun} {self.order_id}"
        raise OrderFSMError(f"{named} does not come to {self.goal} in {MOVES} calls: others keep moving it")

    def _planned(self) -> Process[tuple[Observation, Plan, bool]]:
        """What was read of the order, the plan that follows from it, and whether its first step is certain."""
        lifecycle, reading = self.lifecycle, self.preflight.reading
        observation = yield from reading.read_until(
            self.order_id,
            lambda now: perhaps_never_there(now.states, lifecycle) or self._decided(now) is not None,
        )
        reading.existing(observation)
        if observation.found & self.led_to:
            observation = attrs.evolve(observation, states=observation.found & self.led_to)
        else:
            self.led_to = frozenset()
        age = age_of(Listed.of(observation.body).date)
        plan = decide(lifecycle, observation.states, self.goal, grave=self.grave, age=age)
        if plan is not None:
            return observation, plan, True
        plan = tentative(lifecycle, observation.states, self.goal, grave=self.grave, age=age)
        if plan is not None:
            return observation, plan, False
        if observation.states == everything(lifecycle) and observation.error is not None:
            raise observation.error
        raise Undecided(observation, self.goal)

    def _decided(self, now: Observation) -> Plan | None:
        age = age_of(Listed.of(now.body).date)
        return decide(
            self.lifecycle, found(now.states) & self.led_to or now.states, self.goal, grave=self.grave, age=age
        )

    def _touch(self, observation: Observation, step: Transition) -> set[State | None]:
        """Add where `step` leads to what may be touched; these states. An error if the order may not be touched."""
        if self.touchable is None:
            return set()
        if not observation.found <= self.touchable:
            read = f"{observation.named} was read as {observation}"
            if observation.found & self.touchable:
                others = " or ".join(sorted(map(self.lifecycle.name_of, observation.found - self.touchable)))
                raise OrderFSMError(f"{read}: it may be {others}, which was not asked for")
            raise OrderFSMError(f"{read}: it is not in the states that were asked for any more")
        leads = {*completed(self.lifecycle, step.target)} - self.touchable
        self.touchable |= leads
        return leads

    def _pause_after(self, refusal: Refusal) -> Process[None]:
        """Wait before what was refused, perhaps only for now, is tried again; the refusal if that was often enough."""
        now = self.preflight.clock()
        self.given_up = now + _longest(self.lifecycle) if self.given_up is None else self.given_up
        self.tries += 1
        pause = growing(self.tries, None, base=INTERVAL / 20, cap=INTERVAL).seconds
        if now + pause > self.given_up:
            raise refusal
        yield Pause(pause)

    def _completed(self, seen: Observation, step: Transition) -> Process[bool]:
        """Wait until the order is no longer where it was `seen`: the service completes there what was called before.

        If it does not, an error; if only our own call says that it has to, forget that, and say so.
        """
        longest = _longest(self.lifecycle, step)
        deadline = self.preflight.clock() + longest
        tries, answer, now = 0, None, seen
        while now.found & seen.found:
            tries += 1
            grown = growing(tries, answer, base=INTERVAL / 20, cap=INTERVAL).seconds
            pause = min(deadline - self.preflight.clock(), grown)
            if pause <= 0:
                if now.found == seen.found:
                    what = f"{step.trigger} is not there after {longest:g} s"
                    raise OrderFSMError(f"{seen.named} was read as {now}: {what}")
                self.led_to = frozenset()
                return True
            yield Pause(pause)
            now, answer = yield from self.preflight.reading.read(seen.order_id)
        return False


def _longest(lifecycle: Lifecycle, step: Transition | None = None) -> float:
    """For how many seconds it is waited that the service completes `step`, or whatever it may have to complete."""
    rules = lifecycle.triggers if step is None else [lifecycle.trigger_rules[step.trigger]]
    return max([PATIENCE, *(most for rule in rules if rule.follows is not None for most in rule.takes or ())])


def completed(lifecycle: Lifecycle, state: State | None) -> frozenset[State | None]:
    """`state`, and the states to which the service leads an order from there by completing what was called."""
    states = {state}
    while (
        more := {
            row.target
            for row in lifecycle.transitions
            if row.source in states and lifecycle.trigger_rules[row.trigger].follows is not None
        }
        - states
    ):
        states |= more
    return frozenset(states)


def age_of(began: float | None) -> float | None:
    """For how many seconds at least there is an order that `began` then (Unix time); None if that is not known."""
    return None if began is None else max(0, wall() - began - DOUBT)


def decide(
    lifecycle: Lifecycle,
    now: frozenset[State | None],
    goal: State,
    *,
    grave: bool = False,
    age: float | None = None,
) -> Plan | None:
    """The plan for an order that is in one of the states `now`; None if the next step is not the same in all.

    `age` is how many seconds ago the order began, if that is known. `Unreachable` if operations lead to `goal` from
    none of the states.
    """
    plans = _plans(lifecycle, now, goal, grave=grave, age=age)
    if not any(plan is not None for plan in plans.values()):
        raise _unreachable(lifecycle, plans, goal, grave=grave, age=age)
    firsts = {None if plan is None else plan.triggers[:1] for plan in plans.values()}
    return next(iter(plans.values())) if len(firsts) == 1 else None


def tentative(
    lifecycle: Lifecycle,
    now: frozenset[State | None],
    goal: State,
    *,
    grave: bool = False,
    age: float | None = None,
) -> Plan | None:
    """The plan whose first call may be tried, although the order may be in a state in which it has to wait; else None.

    In each of the states `now` it is the next step, or is refused and so changes nothing, or nobody says what it does.
    If there is nothing to do but to wait, it is a plan that begins with that. `Unreachable` if one of them is a state
    from which operations do not lead to `goal`, and the others have to wait.
    """
    if now == everything(lifecycle):
        return None
    plans = _plans(lifecycle, now, goal, grave=grave, age=age)
    firsts = {state: plan and plan.triggers[:1] for state, plan in plans.items()}
    calls = [first[0] for first in firsts.values() if first and lifecycle.by_client(first[0])]
    if any(plan is None for plan in plans.values()):
        if calls or () in firsts.values():
            return None
        raise _unreachable(lifecycle, plans, goal, grave=grave, age=age)
    waiting = not calls and () not in firsts.values()
    for state, plan in plans.items():
        if plan is not None and (waiting or firsts[state] == tuple(calls[:1])):
            rows = {other: lifecycle.table[other].get(calls[0]) for other in plans} if calls else {}
            safe = all(row is None or firsts[other] == (row.trigger,) for other, row in rows.items())
            return plan if safe else None
    return None


def _plans(
    lifecycle: Lifecycle, now: frozenset[State | None], goal: State, *, grave: bool, age: float | None
) -> dict[State | None, Plan | None]:
    """The plan from each of the possible states `now`, in table order; None where no operations lead to `goal`."""
    possible = found(now)
    plans: dict[State | None, Plan | None] = {state: None for state in lifecycle.state_rules if state in possible}
    for state in plans:
        with suppress(Unreachable):
            plans[state] = lifecycle.plan(state, goal, grave=grave, age=age)
    return plans


def _unreachable(
    lifecycle: Lifecycle, plans: Mapping[State | None, Plan | None], goal: State, *, grave: bool, age: float | None
) -> Unreachable:
    """The error that operations do not lead to `goal` where there are no `plans`, and what does lead there."""
    means = "operations alone"
    for state in (state for state, plan in plans.items() if plan is None):
        if not grave:
            with suppress(Unreachable):
                plan = lifecycle.plan(state, goal, grave=True, age=age)
                asked = [each for each in plan.triggers if lifecycle.trigger_rules[each].grave]
                means += f"; from {state} only with {listed(asked)}, which is not called unless asked for (grave=True)"
                continue
        if age is not None:
            with suppress(Unreachable):
                for row in lifecycle.plan(state, goal, grave=grave).steps:
                    if not row.holds_at(age):
                        means += f"; from {state} only {row.within} of its beginning, by {row.trigger}"
                continue
        if roles(lifecycle).lags:
            with suppress(Unreachable):
                events = [each for each, actor in lifecycle.plan(state, goal, events=True).waits]
                means += f"; from {state} only when {listed(events)} {'has' if len(events) == 1 else 'have'} happened"
    return Unreachable(frozenset(plans), goal, means, lifecycle.name_of(None))
