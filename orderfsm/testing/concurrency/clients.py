"""Clients that call a server at the same time, on few orders: what they choose to call, and what they are told.

Of what may be called, they choose most often what is legal.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, cast

import attrs

from orderfsm.errors import Meaning
from orderfsm.testing.drivers.driver import Answer, NoAnswer, given
from orderfsm.testing.drivers.limit import TIMEOUT, Overdue, within_async
from orderfsm.testing.model.roles import roles
from orderfsm.testing.model.steps import YOUNG
from orderfsm.trace import Line, Outcome
from orderfsm.words import meanings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Operation, State, Transition, Trigger
    from orderfsm.testing.drivers.driver import Driver

ORDERS = 4
"""How many orders the clients work on at a time; now and then more, up to twice as many."""

FILLING, EXCEEDING = 0.5, 0.05
"""How often a client creates an order where there are fewer, and where there are enough."""

PROGRESS, READING = 0.55, 0.2
"""How often a client does what it believes to be legal, and how often it reads; else it calls anything."""

LOSING = 0.1
"""How often a client may end an order in a way that never gives its unit back, so that the package lasts."""

WHO_LOOKS = "after"
"""The client of what is seen after all calls."""

AFTER = 1e-6
"""Seconds by which what is seen after all calls comes after them."""

SWITCH_INTERVAL = 1e-5
"""Seconds after which Python lets another thread go on, so that clients meet in a server of this process as well."""


@attrs.define
class Recording:
    """What clients were told: a line for each call, and for each event that happened.

    `unsure` are orders to which an event may have happened of which no answer came: no line can say that.
    """

    lines: list[Line] = attrs.field(factory=list)
    unsure: set[Id] = attrs.field(factory=set)

    @property
    def orders(self) -> set[Id]:
        """The orders that the lines name."""
        return {order_id for line in self.lines for order_id in (line.order_id, line.begins) if order_id is not None}


async def record(
    driver: Driver,
    lifecycle: Lifecycle,
    *,
    clients: int,
    calls: int,
    seed: int,
    deadline: float,
    left_out: Collection[Trigger] = (),
) -> Recording:
    """Let `clients` clients make `calls` random calls each, all at once; none begins one after `deadline`.

    Triggers that are `left_out` are not fired. A client is a thread of its own, or a task if a method of the driver is
    a coroutine function. An error that the driver raises ends them all. A call that takes more than `TIMEOUT` seconds
    is one that was not answered.
    """
    shared = Shared.of(lifecycle, clients, left_out)
    if shared.choices.are_none:
        return shared.recording
    working = [Client(driver, number, Random(f"{seed} {number}"), shared) for number in range(1, clients + 1)]
    await _at_once(driver, working, lambda client: client.work(calls, deadline), max(deadline, time.monotonic()))
    return shared.recording


async def meet(
    driver: Driver, lifecycle: Lifecycle, order_id: Id | None, states: frozenset[State | None], triggers: list[Trigger]
) -> Recording:
    """Let clients fire `triggers`, each client one of them, at the same moment, on an order in one of `states`.

    Creates need no order. A client is what it is for `record`.
    """
    shared = Shared.of(lifecycle, len(triggers))
    meeting = [Client(driver, number, Random(number), shared) for number in range(1, len(triggers) + 1)]

    def work(client: Client) -> Coroutine[Any, Any, None]:
        return client.fire(triggers[client.number - 1], order_id, states)

    await _at_once(driver, meeting, work, time.monotonic())
    return shared.recording


def seen_after(states: frozenset[State | None], order_id: Id, recording: Recording, lifecycle: Lifecycle) -> list[Line]:
    """What an order was seen in once all calls of a recording had ended, as a line; none if that is not one state."""
    after = max([line.ended for line in recording.lines], default=0.0) + AFTER
    read = roles(lifecycle).read
    if read is None or not (None in states or len(states) == 1):
        return []
    line = partial(
        Line,
        lifecycle=lifecycle,
        time=datetime.fromtimestamp(after, UTC),
        order_id=order_id,
        trigger=read,
        client=WHO_LOOKS,
        started=after,
        ended=after,
    )
    if None in states:
        return [line(outcome=Outcome.REFUSED, code=lifecycle.service_refusal(None, read).error.code)]
    return [line(state=state) for state in states if state in lifecycle.state_rules]


async def _at_once(
    driver: Driver, clients: Sequence[Client], work: Callable[[Client], Coroutine[Any, Any, None]], deadline: float
) -> None:
    """Let all clients begin their work at the same moment, and wait for them; they begin nothing after `deadline`."""
    if any(map(inspect.iscoroutinefunction, (driver.create, driver.call, driver.observe, driver.happen))):
        try:
            async with asyncio.TaskGroup() as group:
                for client in clients:
                    group.create_task(work(client))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
    else:
        await asyncio.to_thread(_in_threads, clients, work, deadline)


def _in_threads(
    clients: Sequence[Client], work: Callable[[Client], Coroutine[Any, Any, None]], deadline: float
) -> None:
    errors: list[BaseException] = []
    all_there = threading.Barrier(len(clients))

    async def begin(client: Client) -> None:
        all_there.wait()
        await work(client)

    def run(client: Client) -> None:
        try:
            asyncio.run(begin(client))
        except BaseException as error:  # noqa: BLE001  # it is raised where the clients were started
            errors.append(error)
            all_there.abort()
            for other in clients:
                other.stop()

    threads = [threading.Thread(target=run, args=(client,), daemon=True) for client in clients]
    with _switching_often():
        for thread in threads:
            thread.start()
        for client, thread in zip(clients, threads, strict=True):
            thread.join(max(0.0, deadline - time.monotonic()) + TIMEOUT)
            if thread.is_alive():
                client.leave()
    if errors:
        raise errors[0]


@contextmanager
def _switching_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _clock() -> Callable[[], float]:
    epoch = time.time() - time.perf_counter()
    return lambda: epoch + time.perf_counter()


@attrs.frozen
class Shared:
    """What all clients of a run share; `now` is seconds since 1970, and never goes back."""

    pool: Pool
    choices: Choices
    recording: Recording
    now: Callable[[], float]

    @classmethod
    def of(cls, lifecycle: Lifecycle, clients: int, left_out: Collection[Trigger] = ()) -> Shared:
        """What so many clients share at first."""
        return cls(Pool(lifecycle, linger=clients), Choices(lifecycle, left_out), Recording(), _clock())


class Client:
    """A client that does one thing after the other, as its generator draws them, and notes what it is told."""

    def __init__(self, driver: Driver, number: int, random: Random, shared: Shared) -> None:
        self.number = number
        self._driver = driver
        self._random = random
        self._shared = shared
        self._lifecycle = shared.choices.lifecycle
        self._stopped = False
        self._under_way: tuple[Trigger, Id | None, float] | None = None

    def stop(self) -> None:
        """Begin nothing any more."""
        self._stopped = True

    def leave(self) -> None:
        """Note a call that is not answered, and nothing after it."""
        if self._under_way is not None:
            trigger, order_id, started = self._under_way
            if not self._lifecycle.by_client(trigger):
                self._shared.recording.unsure.add(cast("Id", order_id))
            else:
                self._note(trigger, order_id, started, Answer.unknown())
        self.stop()

    async def work(self, calls: int, deadline: float) -> None:
        """Make `calls` calls, until `deadline` by the monotonic clock."""
        for _ in range(calls):
            if self._stopped or time.monotonic() > deadline:
                return
            picked = self._shared.pool.pick(self._random)
            if picked is None:
                create = self._shared.choices.draw_create(self._random)
                try:
                    await self.fire(create.trigger, None, frozenset([create.target]))
                finally:
                    self._shared.pool.created()
            else:
                order_id, states = picked
                await self.fire(self._shared.choices.draw(states, self._random), order_id, states)

    async def fire(self, trigger: Trigger, order_id: Id | None, states: frozenset[State | None]) -> None:
        """Make a call or let an event happen, on an order in one of `states`; or create one, which is to be in one."""
        shared, started, by_client = self._shared, self._shared.now(), self._lifecycle.by_client(trigger)
        answer = await self._asked(started, trigger, order_id)
        if answer is None:
            shared.choices.never(trigger)
            return
        begun = answer.order_id if by_client and answer.outcome is Outcome.ACCEPTED else None
        if by_client or answer.outcome is Outcome.ACCEPTED:
            self._note(trigger, begun if order_id is None else order_id, started, answer)
        elif answer.outcome is Outcome.UNKNOWN and order_id is not None:
            shared.recording.unsure.add(order_id)
        if order_id is not None:
            shared.pool.learn(order_id, shared.choices.means(states, trigger, answer))
        if begun is not None:
            shared.pool.add(begun, states if order_id is None else shared.choices.anywhere)

    async def _asked(self, started: float, trigger: Trigger, order_id: Id | None) -> Answer | None:
        """What the driver answers to a trigger; None if it cannot fire it."""
        self._under_way = (trigger, order_id, started)
        try:
            if order_id is None:
                method, value = "create", self._driver.create(trigger)
            elif self._lifecycle.by_client(trigger):
                method, value = "call", self._driver.call(trigger, order_id)
            else:
                method, value = "happen", self._driver.happen(order_id, trigger)
            value = await within_async(TIMEOUT, value) if inspect.isawaitable(value) else value
        except (NoAnswer, Overdue):
            return Answer.unknown()
        finally:
            self._under_way = None
        return cast("Answer | None", given(method, value))

    def _note(self, trigger: Trigger, order_id: Id | None, started: float, answer: Answer) -> None:
        if self._stopped:
            return
        body = answer.body if answer.outcome is Outcome.ACCEPTED else None
        unnamed = order_id is None and answer.outcome is Outcome.ACCEPTED
        self._shared.recording.lines.append(
            Line(
                lifecycle=self._lifecycle,
                time=datetime.fromtimestamp(started, UTC),
                trigger=trigger,
                order_id=order_id,
                outcome=Outcome.UNKNOWN if unnamed else answer.outcome,
                code=answer.code or None,
                state=next(iter(roles(self._lifecycle).words_in(trigger, body).values()), None),
                new_order_id=answer.order_id if order_id is not None and order_id != answer.order_id else None,
                client=self.number,
                started=started,
                ended=self._shared.now(),
            )
        )


class Choices:
    """What can be called on an order, and what a client chooses of it."""

    def __init__(self, lifecycle: Lifecycle, left_out: Collection[Trigger]) -> None:
        self.lifecycle = lifecycle
        self.anywhere = frozenset(lifecycle.state_rules)
        self._roles = roles(lifecycle)
        possible = [row for row in lifecycle.transitions if row.trigger not in left_out]
        rows = [row for row in possible if row.source is not None]
        self._targets = {
            row.trigger: frozenset(other.target for other in rows if other.trigger == row.trigger) for row in rows
        }
        self.creates = [row for row in possible if row.source is None and lifecycle.by_client(row.trigger)]
        self._operations = [trigger for trigger in self._targets if lifecycle.by_client(trigger)]
        self._reads = [each for each in self._operations if each in lifecycle.reads] or self._operations
        ends = {rule.state for rule in lifecycle.states if rule.terminal}
        self._losing = [row for row in rows if row.target in ends and not row.gives_back(YOUNG)]
        self._impossible: set[Trigger] = set(left_out)

    @property
    def are_none(self) -> bool:
        """Whether nothing can be created, or nothing be called on an order."""
        return not (self.creates and self._operations)

    def draw(self, states: frozenset[State | None], random: Random) -> Trigger:
        """What to do with an order that is in one of `states`."""
        rows = [row for state in states for row in self.lifecycle.outgoing(state)]
        if random.random() >= LOSING:
            rows = [row for row in rows if row not in self._losing]
        progress = sorted({row.trigger for row in rows if row.source is not None} - self._impossible)
        drawn = random.random()
        if not progress or drawn >= PROGRESS + READING:
            return random.choice(self._possible(self._operations))
        if drawn >= PROGRESS or states == self.anywhere:
            return random.choice(self._possible(self._reads))
        return random.choice(progress)

    def draw_create(self, random: Random) -> Transition:
        """How to create an order."""
        return random.choice([row for row in self.creates if row.trigger not in self._impossible] or self.creates)

    def _possible(self, operations: list[Operation]) -> list[Operation]:
        return [operation for operation in operations if operation not in self._impossible] or operations

    def means(self, states: frozenset[State | None], trigger: Trigger, answer: Answer) -> frozenset[State | None]:
        """Where an order that was in one of `states` may be by an answer, if nobody else called."""
        if any(self.lifecycle.is_silent(state, trigger) for state in states):
            return self.anywhere
        if answer.outcome is Outcome.ACCEPTED:
            said = self._roles.words_in(trigger, answer.body).items()
            known = [meanings(self.lifecycle, vocabulary).get(word) for vocabulary, word in said]
            return frozenset.intersection(*filter(None, known)) if any(known) else self._targets[trigger]
        meaning = self.lifecycle.codes.meaning_of(answer.code)
        if meaning is Meaning.NOT_FOUND:
            return frozenset([None])
        refused = meaning is Meaning.STATE_FORBIDS
        return (self.lifecycle.narrow(states, trigger, accepted=False) if refused else None) or self.anywhere

    def never(self, trigger: Trigger) -> None:
        """The driver cannot fire `trigger`."""
        self._impossible.add(trigger)


class Pool:
    """The orders that the clients work on, and where each may be by the last answer that any of them got.

    A finished order stays for a few calls more; then a new one takes its place. Safe between threads.
    """

    def __init__(self, lifecycle: Lifecycle, linger: int) -> None:
        self._lifecycle = lifecycle
        self._linger = linger
        self._lock = threading.Lock()
        self._states: dict[Id, frozenset[State | None]] = {}
        self._left: dict[Id, int] = {}
        self._creating = 0

    def pick(self, random: Random) -> tuple[Id, frozenset[State | None]] | None:
        """An order to work on, and where it may be; None if one is to be created, and `created` is to be told."""
        with self._lock:
            orders = len(self._states) + self._creating
            wanted = FILLING if orders < ORDERS else EXCEEDING if orders < 2 * ORDERS else 0
            if not self._states or random.random() < wanted:
                self._creating += 1
                return None
            order_id = random.choice(list(self._states))
            states = self._states[order_id]
            if all(state is None or self._lifecycle.state_rules[state].terminal for state in states):
                left = self._left[order_id] = self._left.get(order_id, self._linger) - 1
                if left <= 0:
                    del self._states[order_id]
            return order_id, states

    def created(self) -> None:
        """The create that was asked for was answered."""
        with self._lock:
            self._creating -= 1

    def add(self, order_id: Id, states: frozenset[State | None]) -> None:
        """Work on a new order."""
        with self._lock:
            self._states[order_id] = states

    def learn(self, order_id: Id, states: frozenset[State | None]) -> None:
        """An answer said where an order may be."""
        with self._lock:
            if order_id in self._states:
                self._states[order_id] = states
