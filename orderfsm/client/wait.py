"""Waiting for an order to reach a state, and no longer than it still can."""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from orderfsm.invalid import InvalidValue, OrderFSMError, Unreachable
from orderfsm.paths import WAITED_FOR
from orderfsm.rows import Actor, Basis

from .arguments import id_of, seconds, states_of
from .backoff import growing
from .carry_out import Undecided
from .connection import Connection
from .errors import naming
from .observation import everything, read_as
from .roles import roles
from .steps import Pause, Process, Send

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State

    from .observation import Observation
    from .preflight import Preflight
    from .sdk import Answer

T = TypeVar("T")

LOGGER = logging.getLogger("orderfsm.wait")

LEAST_TIMEOUT = 1.0
"""Seconds that a call waits for its answer at least, although less is left: else none could be answered."""


class WaitTimeout(OrderFSMError, TimeoutError):
    """The time is over, and the order is in none of the states that were waited for.

    Made as `WaitTimeout(order_id, goals, seconds, path)`; `path` is what was seen: the first observation, and those at
    which the possible states had changed. `observation` is the last of it, or None if no read succeeded.
    """

    def __init__(
        self, order_id: int | str, goals: frozenset[State | None], timeout: float, path: tuple[Observation, ...]
    ) -> None:
        super().__init__()  # what an OSError is given, it takes for an errno and a file's name
        self.args = (order_id, goals, timeout, path)
        self.order_id = order_id
        self.goals = goals
        self.timeout = timeout
        self.path = path

    @property
    def observation(self) -> Observation | None:
        """What was seen last."""
        return self.path[-1] if self.path else None

    def __str__(self) -> str:
        goals = " or ".join(sorted(map(str, self.goals)))
        seen = ", then ".join(map(str, self.path)) or "nothing"
        return f"{self.noun} {self.order_id} is not {goals} after {self.timeout:g} s; seen: {seen}"


def wait(
    client: Any,
    order_id: Id,
    *,
    until: State | str | Collection[State | str],
    timeout: float = 3600,
    on_poll: Callable[[Observation], object] | None = None,
    interval: float = 10,
    lifecycle: Lifecycle | None = None,
) -> State:
    """Poll the order until it is in one of the states `until`; the state that it is in then.

    >>> state = wait(client, order_id, until={State.ISSUED, State.VERIFY_FAIL})  # doctest: +SKIP
    >>> if state is State.VERIFY_FAIL:  # doctest: +SKIP
    ...     carry_out(client, order_id, State.DELETED)

    `client` is a client of the official SDK, guarded or not. `until` is a state or several, each a `State` or a word
    that the command line takes for states: `certificate` is the four that read so. `lifecycle` is the table of the
    order; None: the one of orders or of instances whose ids look like `order_id`. The order is read again after a
    pause that grows from a twentieth of `interval` to `interval` (seconds, with jitter) and starts anew when the state
    has changed; `on_poll` is called with each `Observation`, and the logger `orderfsm.wait` says what is waited for,
    and what is seen. Where one word leaves open in which state the order is, the list of orders is asked as well. Reads
    that are throttled or not answered are repeated.

    `timeout` (seconds) is checked before each call, and no call waits longer for the service than is left, at least a
    second; but a synchronous one whose answer comes drop by drop ends only when the answer does.

    Where neither tells two states apart, their words are what is waited for: an instance that reads as issued may be
    one whose revocation is under way. Of several such states that are `until`, the one in which nothing is under way is
    the result.

    Raises `Unreachable` as soon as the order can reach none of `until` by what the owner, the CA, the calendar and the
    service may do; `WaitTimeout` when the time is over; `Undecided` if the order is in one of several states `until`
    for certain, but the list does not tell in which; `NotFoundOrder` for an order that is not found, unless this client
    met it before; and the SDK's exception for a read that the service refuses. Each names the order, and has its
    `order_id`.
    """
    connection = Connection.of(client, order_id, lifecycle)
    return connection.run(waiting(connection.preflight, order_id, until, timeout, on_poll, interval))


async def wait_async(
    client: Any,
    order_id: Id,
    *,
    until: State | str | Collection[State | str],
    timeout: float = 3600,  # it is reported with what was seen
    on_poll: Callable[[Observation], object] | None = None,
    interval: float = 10,
    lifecycle: Lifecycle | None = None,
) -> State:
    """`wait` with the SDK's asynchronous methods; it can be cancelled at any time, and never exceeds its time."""
    connection = Connection.of(client, order_id, lifecycle)
    return await connection.run_async(waiting(connection.preflight, order_id, until, timeout, on_poll, interval))


def waiting(
    preflight: Preflight, order_id: object, until: State | str | Collection[State | str], *settings: Any
) -> Process[State]:
    """Wait as `wait` says; `settings` are its `timeout`, `on_poll` and `interval`."""
    goals = states_of(until, preflight.lifecycle)
    order = _Waiting(preflight, id_of(order_id, preflight.lifecycle), goals, *settings)
    with naming(order.order_id, preflight.lifecycle.noun):
        return (yield from order.until(preflight.clock() + order.timeout))


def hoped_for(lifecycle: Lifecycle, state: State | None) -> set[State | None]:
    """Where an order gets from `state` by what others do; but the console, and what the service was never seen to do.

    That the service does something unasked there, and not because of a call, somebody must have documented or seen.
    """
    found, frontier = {state}, [state]
    while frontier:
        for row in lifecycle.outgoing(frontier.pop()):
            rule = lifecycle.trigger_rules[row.trigger]
            unasked = rule.actor is Actor.SERVICE and rule.follows is None and row.basis is Basis.INFERRED
            if rule.actor in WAITED_FOR and not unasked and row.target not in found:
                found.add(row.target)
                frontier.append(row.target)
    return found


def _interval(value: object) -> float:
    if seconds(value) == 0:
        raise InvalidValue("interval", value, ["more than 0 seconds"])
    return seconds(value)


@attrs.define
class _Waiting:
    """A wait: what `wait` was given, and the path that was seen so far."""

    preflight: Preflight
    order_id: Id
    goals: frozenset[State | None]
    timeout: float = attrs.field(converter=seconds)
    on_poll: Callable[[Observation], object] | None
    interval: float = attrs.field(converter=_interval)
    path: list[Observation] = attrs.field(factory=list, init=False)

    @property
    def named(self) -> str:
        """The order, as texts name it."""
        return f"{self.preflight.lifecycle.noun} {self.order_id}"

    def until(self, deadline: float) -> Process[State]:
        goals = " or ".join(sorted(map(str, self.goals)))
        LOGGER.info("%s: waiting until it is %s, for at most %g s", self.named, goals, self.timeout)
        attempt, lifecycle = 0, self.preflight.lifecycle
        while True:
            observation, answer = yield from self._within(deadline, self._look())
            attempt = 1 if self._note(observation, answer) else attempt + 1
            if (state := self._reached(observation)) is not None:
                return state
            if not any(hoped_for(lifecycle, state) & self.goals for state in observation.found):
                means = "what the owner, the CA and the calendar may do"
                if roles(lifecycle).lags:
                    means = "what the owner, the CA, the calendar and the service may do"
                raise Unreachable(observation.found, self.goals, means, lifecycle.name_of(None))
            grown = growing(attempt, answer, base=self.interval / 20, cap=self.interval)
            pause = min(deadline - self.preflight.clock(), grown.seconds)
            if pause <= 0:
                raise WaitTimeout(self.order_id, self.goals, self.timeout, tuple(self.path))
            LOGGER.debug("%s: reading it again in %.1f s", self.named, pause)
            yield Pause(pause)

    def _reached(self, observation: Observation) -> State | None:
        """The state that was waited for, if the order is in it, as far as anybody can tell; else None."""
        seen, lifecycle = observation.found, self.preflight.lifecycle
        here = seen & self.goals
        if len(seen) == 1 and here:
            return next(iter(here))
        if roles(lifecycle).list_tells_more:
            if seen <= self.goals:
                raise Undecided(observation, None)
            return None
        if observation.states == everything(lifecycle):
            return None
        if not seen <= self.goals:
            here = frozenset(state for state in here if all(len(each) > 1 for each in read_as(state, lifecycle)))
        told = [state for state in lifecycle.state_rules if state in here]
        return min(told, key=lambda state: state in roles(lifecycle).under_way, default=None)

    def _within(self, deadline: float, process: Process[T]) -> Process[T]:
        """`process`, with its pauses and calls cut to what is left until the `deadline`; the first call is sent."""
        came_to, sent = None, False
        with closing(process):
            while True:
                try:
                    step = process.send(came_to)
                except StopIteration as done:
                    return done.value  # type: ignore[no-any-return]
                left = deadline - self.preflight.clock()
                if sent and left <= 0:
                    raise WaitTimeout(self.order_id, self.goals, self.timeout, tuple(self.path))
                if isinstance(step, Send):
                    came_to, sent = (yield attrs.evolve(step, timeout=max(left, LEAST_TIMEOUT))), True
                else:
                    came_to = yield Pause(min(left, step.seconds))

    def _look(self) -> Process[tuple[Observation, Answer]]:
        """Read the order; what can be known of it now, from that and from what was seen before."""
        observation, answer = yield from self.preflight.reading.read(self.order_id)
        if observation.error is not None and not answer.passing and not answer.not_found:
            raise observation.error
        self.preflight.reading.existing(observation)
        if self.path and not roles(self.preflight.lifecycle).lags:
            can = {after for before in self.path[-1].states for after in self.preflight.lifecycle.reachable(before)}
            observation = attrs.evolve(observation, states=observation.states & can or observation.states)
        several = len(observation.found) > 1 and roles(self.preflight.lifecycle).list_tells_more
        if observation.found & self.goals and several and not answer.passing:
            observation = yield from self.preflight.reading.listed(observation)
        return observation, answer

    def _note(self, observation: Observation, answer: Answer) -> bool:
        """Add what was read to the path if it is new there; whether it is."""
        if self.on_poll is not None:
            self.on_poll(observation)
        new = not answer.passing and (not self.path or observation.states != self.path[-1].states)
        if new:
            LOGGER.info("%s: read as %r: %s", self.named, str(observation), " or ".join(observation.names))
            self.path.append(observation)
        return new
