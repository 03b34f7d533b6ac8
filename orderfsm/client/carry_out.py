"""Bringing an order to a state by the operations that lead there."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

from orderfsm.errors import Refusal
from orderfsm.invalid import OrderFSMError, Unreachable

from .arguments import id_of, state_of
from .backoff import growing
from .call import calling
from .connection import Connection
from .errors import naming
from .observation import Observation, everything, found, perhaps_never_there
from .sdk import id_field, request
from .steps import Pause, Process

if TYPE_CHECKING:
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
def carry_out(client: Any, order_id: Id, goal: State | str, *, dry_run: Literal[True]) -> Plan: ...
@overload
def carry_out(client: Any, order_id: Id, goal: State | str, *, dry_run: Literal[False] = False) -> CarriedOut: ...
def carry_out(client: Any, order_id: Id, goal: State | str, *, dry_run: bool = False) -> Plan | CarriedOut:
    """Bring the order to the state `goal`, a `State` or its word, by operations: read, plan, call, and read again.

    From being reviewed to DELETED that is a cancel, then a delete. What the service completes some time after a call is
    waited for; operations that cannot be taken back, or cost money, are not in the plan. With `dry_run` the result is
    the plan, and nothing that changes anything is sent. If the order moves meanwhile, the rest is planned anew.

    `client` is a client of the official SDK, guarded or not; each call is guarded (see `guard`), with the settings of
    `client` if it is. Calls that are throttled are sent again after the pause that the service asks for.

    Raises `Unreachable` when operations lead to the goal from none of the states that the order may be in, from the
    start or because others moved it there; `Undecided` when what was read does not tell what to do; what a guarded
    call raises, but for refusals; `NotFoundOrder` for an order that is not found, unless this client met it before and
    so knows that it was deleted; and the SDK's exception for a read that the service refuses. Each names the order, and
    has its `order_id`.
    """
    connection = Connection.of(client)
    return connection.run(carrying_out(connection.preflight, order_id, goal, dry_run=dry_run))


@overload
async def carry_out_async(client: Any, order_id: Id, goal: State | str, *, dry_run: Literal[True]) -> Plan: ...
@overload
async def carry_out_async(
    client: Any, order_id: Id, goal: State | str, *, dry_run: Literal[False] = False
) -> CarriedOut: ...
async def carry_out_async(client: Any, order_id: Id, goal: State | str, *, dry_run: bool = False) -> Plan | CarriedOut:
    """`carry_out` with the SDK's asynchronous methods."""
    connection = Connection.of(client)
    return await connection.run_async(carrying_out(connection.preflight, order_id, goal, dry_run=dry_run))


def carrying_out(
    preflight: Preflight,
    order_id: Id,
    goal: State | str,
    *,
    dry_run: bool = False,
    touchable: set[State | None] | None = None,
) -> Process[Plan | CarriedOut]:
    """Carry it out as `carry_out` says. With `touchable`, an error if the order is in other states than these.

    Those that it is led to are added there, before the call: its answer may be lost.
    """
    lifecycle = preflight.lifecycle
    end, order_id = state_of(goal, lifecycle), id_of(order_id, lifecycle)
    if touchable is None:
        touchable = {*everything(lifecycle)}
    steps: list[Transition] = []
    moves = 0
    with naming(order_id, lifecycle.noun):
        while moves < MOVES:
            observation, plan = yield from _planned(preflight, order_id, end)
            if dry_run:
                return plan
            if not plan.steps:
                return CarriedOut(observation, tuple(steps))
            if not observation.found <= touchable:
                read = f"{observation.named} was read as {observation}"
                raise OrderFSMError(f"{read}: it is not in the states that were asked for any more")
            step = plan.steps[0]
            led_to = {step.target} - touchable
            touchable |= led_to
            if not lifecycle.by_client(step.trigger):
                yield from _completed(preflight, observation, step)
                continue
            asked = request(step.trigger, **{id_field(lifecycle): order_id})
            moves += 1
            try:
                yield from calling(preflight, step.trigger, asked, observation, throttles=THROTTLES)
            except Refusal:  # the order has moved
                touchable -= led_to
                continue
            steps.append(step)
            if step.target == end:
                return CarriedOut(preflight.memory.observation(order_id, frozenset([end]), None), tuple(steps))
        named = f"{lifecycle.noun} {order_id}"
        raise OrderFSMError(f"{named} does not come to {end} in {MOVES} calls: others keep moving it")


def _planned(preflight: Preflight, order_id: Id, goal: State) -> Process[tuple[Observation, Plan]]:
    """What was read of the order, and the plan that follows from it."""
    lifecycle = preflight.lifecycle
    observation = yield from preflight.reading.read_until(
        order_id, lambda now: perhaps_never_there(now, lifecycle) or decide(lifecycle, now, goal) is not None
    )
    preflight.reading.existing(observation)
    plan = decide(lifecycle, observation.states, goal)
    if plan is not None:
        return observation, plan
    if observation.states == everything(lifecycle) and observation.error is not None:
        raise observation.error
    raise Undecided(observation, goal)


def _completed(preflight: Preflight, seen: Observation, step: Transition) -> Process[None]:
    """Wait until the order is no longer where it was `seen`: the service completes there what was called before."""
    longest = max(PATIENCE, *(preflight.lifecycle.trigger_rules[step.trigger].takes or ()))
    deadline = preflight.clock() + longest
    attempt, answer, now = 0, None, seen
    while now.found & seen.found:
        attempt += 1
        pause = min(deadline - preflight.clock(), growing(attempt, answer, base=INTERVAL / 20, cap=INTERVAL).seconds)
        if pause <= 0:
            raise OrderFSMError(f"{seen.named} was read as {now}: {step.trigger} is not there after {longest:g} s")
        yield Pause(pause)
        now, answer = yield from preflight.reading.read(seen.order_id)


def decide(lifecycle: Lifecycle, now: frozenset[State | None], goal: State) -> Plan | None:
    """The plan for an order that is in one of the states `now`; None if the next step is not the same in all.

    `Unreachable` if operations lead to `goal` from none of them.
    """
    possible = found(now)
    plans: list[Plan] = []
    for state in (state for state in lifecycle.state_rules if state in possible):
        with suppress(Unreachable):
            plans.append(lifecycle.plan(state, goal))
    if not plans:
        raise Unreachable(possible, goal, "operations alone", lifecycle.name_of(None))
    same = len({plan.triggers[:1] for plan in plans}) == 1 and len(plans) == len(possible)
    return plans[0] if same else None
