"""Waiting for an order to reach a state, and no longer than it still can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from orderfsm.errors import InvalidValue, OrderFSMError, Unreachable
from orderfsm.extras import needs
from orderfsm.spec import Actor

from .connection import Connection
from .preflight import backoff, seconds
from .steps import Pause

with needs("client"):
    from tenacity import wait_exponential, wait_random

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from orderfsm.spec import State

    from .observation import Observation
    from .preflight import Preflight
    from .sdk import Answer
    from .steps import Process

OTHERS = (Actor.OWNER, Actor.CA, Actor.CALENDAR)
"""Who may move the order while one waits. The console is not among them: a person there is not waited for."""


class Waited(NamedTuple):
    """The last observation, and the `path`: the first one, and those at which the possible states had changed."""

    observation: Observation
    path: tuple[Observation, ...]


class WaitTimeout(OrderFSMError, TimeoutError):
    """The time is over, and the order is in none of the states that were waited for.

    Made as `WaitTimeout(order_id, goals, seconds, path)`; `path` is what was seen (see `Waited`), `observation` the
    last of it, or None if no read succeeded.
    """

    def __init__(
        self, order_id: int | str, goals: frozenset[State | None], timeout: float, path: tuple[Observation, ...]
    ) -> None:
        super().__init__(order_id, goals, timeout, path)
        self.order_id = order_id
        self.goals = goals
        self.timeout = timeout
        self.path = path

    @property
    def observation(self) -> Observation | None:
        """What was seen last."""
        return self.path[-1] if self.path else None

    def __str__(self) -> str:
        goals = " or ".join(sorted(goal or "no order" for goal in self.goals))
        seen = ", then ".join(map(str, self.path)) or "nothing"
        return f"order {self.order_id} is not {goals} after {self.timeout:g} s; seen: {seen}"


def wait(
    client: Any,
    order_id: int,
    *,
    until: Collection[State | None],
    timeout: float = 3600,
    on_poll: Callable[[Observation], object] | None = None,
    interval: float = 10,
) -> Waited:
    """Poll the order until it is in one of the states `until`; the last observation and the path that was seen.

    `client` is a client of the official SDK, guarded or not. It reads again after a pause that grows from a twentieth
    of `interval` to `interval` (seconds, with jitter) and starts anew when the state has changed; `on_poll` is called
    with each observation. `certificate` is four states: where that leaves open whether the wait is over, the list of
    orders is asked as well. Reads that are throttled or not answered are repeated.

    Raises `Unreachable` as soon as the order can reach none of `until` by what the owner, the CA and the calendar may
    do; `WaitTimeout` after `timeout` seconds; and the SDK's exception for a read that the service refuses.
    """
    connection = Connection.of(client)
    goals = frozenset(connection.preflight.lifecycle.members(until))
    waiting = _Waiting(connection.preflight, order_id, goals, timeout, on_poll, interval)
    return connection.run(waiting.process())


async def wait_async(
    client: Any,
    order_id: int,
    *,
    until: Collection[State | None],
    timeout: float = 3600,  # it is reported with what was seen
    on_poll: Callable[[Observation], object] | None = None,
    interval: float = 10,
) -> Waited:
    """`wait` with the SDK's asynchronous methods; it can be cancelled at any time."""
    connection = Connection.of(client)
    goals = frozenset(connection.preflight.lifecycle.members(until))
    waiting = _Waiting(connection.preflight, order_id, goals, timeout, on_poll, interval)
    return await connection.run_async(waiting.process())


def _interval(value: object) -> float:
    if seconds(value) == 0:
        raise InvalidValue("interval", value, ["more than 0 seconds"])
    return seconds(value)


@attrs.define
class _Waiting:
    """A wait: what `wait` was given, and the path that was seen so far."""

    preflight: Preflight
    order_id: int | str
    goals: frozenset[State | None]
    timeout: float = attrs.field(converter=seconds)
    on_poll: Callable[[Observation], object] | None
    interval: float = attrs.field(converter=_interval)
    path: list[Observation] = attrs.field(factory=list, init=False)

    def process(self) -> Process[Waited]:
        """See `wait`."""
        pauses = wait_exponential(multiplier=self.interval / 20, max=self.interval) + wait_random(0, self.interval / 20)
        deadline = self.preflight.clock() + self.timeout
        attempt = 0
        while True:
            observation, answer = yield from self._look()
            if self._note(observation, answer):
                attempt = 0
            if observation.found <= self.goals:
                return Waited(observation, tuple(self.path))
            self._give_up(observation)
            left = deadline - self.preflight.clock()
            if left <= 0:
                raise WaitTimeout(self.order_id, self.goals, self.timeout, tuple(self.path))
            attempt += 1
            yield Pause(min(left, backoff(attempt, answer, pauses).seconds))

    def _look(self) -> Process[tuple[Observation, Answer]]:
        """Read the order; what can be known of it now, from that and from what was seen before."""
        observation, answer = yield from self.preflight.read(self.order_id)
        if observation.error is not None and not answer.passing and not answer.not_found:
            raise observation.error
        if self.path:
            can = {after for before in self.path[-1].states for after in self.preflight.lifecycle.reachable(before)}
            observation = attrs.evolve(observation, states=observation.states & can or observation.states)
        if observation.found & self.goals and not observation.found <= self.goals and not answer.passing:
            observation = yield from self.preflight.listed(observation)
        return observation, answer

    def _note(self, observation: Observation, answer: Answer) -> bool:
        """Add what was read to the path if it is new there; whether it is."""
        if self.on_poll is not None:
            self.on_poll(observation)
        new = not answer.passing and (not self.path or observation.states != self.path[-1].states)
        if new:
            self.path.append(observation)
        return new

    def _give_up(self, observation: Observation) -> None:
        lifecycle = self.preflight.lifecycle
        if not any(lifecycle.reachable(state, by=OTHERS) & self.goals for state in observation.found):
            raise Unreachable(observation.found, self.goals, "what the owner, the CA and the calendar may do")
