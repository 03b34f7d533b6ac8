"""What a guarded client decides: before a call, and after its answer or the loss of it.

Nothing here does I/O. A `Preflight` holds the settings and what was seen; its methods are processes (see `steps`).
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from enum import StrEnum
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from orderfsm.extras import needs
from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.tables.orders import Operation
from orderfsm.trace import Outcome

from .errors import refused_by_service
from .observation import Observation, meaning, meaning_of, perhaps_never_there
from .sdk import Answer, request
from .steps import Pause, Process, Send

with needs("client"):
    from tenacity import RetryCallState, wait_exponential, wait_random

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping

    from tenacity.wait import wait_base

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State

    from .decision_log import Divergence

RETRIES = 3
"""How often a call whose answer was lost is sent again, and how often a read that failed."""

MEMORY = 100_000
"""How many orders are remembered to have been met: of one that is not found, that tells a deleted one from none."""

PAGE = 50
"""Orders on a page of the list: the documented default."""

BACKOFF = wait_exponential(multiplier=0.05, max=5) + wait_random(0, 0.05)

_CHANGES = [row for row in ORDER_LIFECYCLE.transitions if row.changes and isinstance(row.trigger, Operation)]
CREATING = {Operation(row.trigger) for row in _CHANGES if row.source is None or row.creates}
"""The operations that make an order."""
RULED = {Operation(row.trigger) for row in _CHANGES if row.source is not None}
"""The operations that the order's state allows or refuses."""


_Choice = TypeVar("_Choice", bound=StrEnum)


class Mode(StrEnum):
    """What a guard does with a call that the table refuses: raise, warn and send it, or not even look."""

    ENFORCE = "enforce"
    WARN = "warn"
    OFF = "off"


class Trust(StrEnum):
    """Which refusals a guard makes itself: only those that the documents state, or those that are inferred too."""

    DOCUMENTED = "documented"
    INFERRED = "inferred"


def _mode(value: object) -> Mode:
    return _choice("mode", value, Mode)


def _trust(value: object) -> Trust:
    return _choice("trust", value, Trust)


def _choice(kind: str, value: object, accepted: type[_Choice]) -> _Choice:
    if isinstance(value, str) and value in tuple(accepted):
        return accepted(value)
    raise InvalidValue(kind, value, accepted)


def seconds(value: object) -> float:
    """`value`, if it is a duration in seconds; else `InvalidValue`."""
    if number(value) >= 0:
        return number(value)
    raise InvalidValue("duration", value, ["seconds, 0 or more"])


def number(value: object) -> float:
    """`value` as a float; NaN if it is no number, or too large a one."""
    if isinstance(value, Real) and not isinstance(value, bool):
        with suppress(OverflowError):
            return float(value)
    return float("nan")


def backoff(attempt: int, answer: Answer | None = None, wait: wait_base = BACKOFF) -> Pause:
    """How long to `wait` after failure number `attempt`, from 1: ever longer, or what a throttled `answer` asks for."""
    state = RetryCallState(None, None, (), {})  # type: ignore[arg-type]  # the wait looks at the attempt alone
    state.attempt_number = attempt
    asked = answer.retry_after if answer is not None and answer.retry_after else 0
    return Pause(max(asked, wait(state)))


def _monotonic() -> float:
    """The machine's clock, asked for at each call: what a test puts in the place of `time.monotonic` answers."""
    return time.monotonic()


@attrs.define(eq=False)
class Preflight:
    """The settings of a guard (see `guard`), and what it has seen: reads that are young enough, and its own creates."""

    mode: Mode = attrs.field(default=Mode.ENFORCE, converter=_mode)
    trust: Trust = attrs.field(default=Trust.INFERRED, converter=_trust)
    max_age: float = attrs.field(default=0, converter=seconds)
    grace: float = attrs.field(default=10, converter=seconds)
    on_divergence: Callable[[Divergence], object] | None = None
    lifecycle: Lifecycle = ORDER_LIFECYCLE
    clock: Callable[[], float] = _monotonic
    headers: Mapping[str, str] = attrs.field(factory=dict, init=False)
    """The HTTP headers of the last page of the list."""
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _seen: dict[str, Observation] = attrs.field(factory=dict, init=False)
    _created: dict[str, float] = attrs.field(factory=dict, init=False)
    _met: dict[str, None] = attrs.field(factory=dict, init=False)
    _underway: Counter[Hashable] = attrs.field(factory=Counter, init=False)

    # -- what was seen -----------------------------------------------------------------------------------------------

    def observation(
        self, order_id: int | str, states: frozenset[State | None], word: str | None, **rest: Any
    ) -> Observation:
        """What was learned of an order just now; remembered for `max_age` seconds."""
        observation = Observation(order_id, states, word, datetime.now(UTC), self.clock(), **rest)
        if self.max_age:
            with self._lock:
                self._forget(self._seen, lambda seen: observation.at - seen.at > self.max_age)
                self._seen.pop(str(order_id), None)
                self._seen[str(order_id)] = attrs.evolve(observation, body=None, error=None)
        return observation

    def remembered(self, order_id: int | str) -> Observation | None:
        """The last observation of the order, if it is younger than `max_age`."""
        seen = self._seen.get(str(order_id))
        return seen if seen is not None and self.clock() - seen.at < self.max_age else None

    def created(self, order_id: int) -> None:
        """Remember that this client created an order just now."""
        now = self.clock()
        with self._lock:
            self._forget(self._created, lambda at: now - at > max(self.grace, 3600))
            self._created[str(order_id)] = now
        self.met(order_id)

    def met(self, order_id: int | str) -> None:
        """Remember that there is, or was, such an order."""
        with self._lock:
            self._met[str(order_id)] = None
            if len(self._met) > MEMORY:
                del self._met[next(iter(self._met))]

    def just_created(self, order_id: int | str) -> bool:
        """Whether this client created the order within the last `grace` seconds."""
        return self.clock() - self._created.get(str(order_id), float("-inf")) < self.grace

    def not_new(self, order_id: int | str) -> None:
        """From now on, that the order is not found means that it is gone, however young it is."""
        with self._lock:
            self._created.pop(str(order_id), None)

    @staticmethod
    def _forget(of: dict[str, Any], is_old: Callable[[Any], bool]) -> None:
        """Drop what is old at the beginning of `of`, which is in order of insertion."""
        while of and is_old(of[first := next(iter(of))]):
            del of[first]

    # -- reading -----------------------------------------------------------------------------------------------------

    def read(self, order_id: int | str, *, lenient: bool = False) -> Process[tuple[Observation, Answer]]:
        """One DescribeCertificateState: what was observed, and what the call came to. For `lenient` see `Send`."""
        answer = yield Send(Operation.DESCRIBE, request(Operation.DESCRIBE, order_id=order_id), lenient)
        return self.saw(order_id, answer), answer

    def saw(self, order_id: int | str, answer: Answer) -> Observation:
        """The observation that the answer to a DescribeCertificateState is."""
        body = answer.response.body if answer.outcome is Outcome.ACCEPTED else None
        if body is not None:
            self.met(order_id)
        just_created, met = self.just_created(order_id), str(order_id) in self._met
        states = meaning_of(answer, self.lifecycle, just_created=just_created, met=met)
        word = answer.code if body is None else body.type
        return self.observation(order_id, states, word, body=body, error=answer.error)

    def saw_response(self, operation: Operation, request: Any, response: Any) -> None:
        """Take note of what a caller's own read was answered, if that can be read."""
        answer = Answer.of_response(operation, response)
        if answer.outcome is not Outcome.ACCEPTED:
            return
        if operation is Operation.DESCRIBE:
            self.saw(request.order_id, answer)
        for row in getattr(response.body, "certificate_order_list", None) or ():
            self.met(row.order_id)

    def existing(self, observation: Observation) -> Observation:
        """`observation`, unless it says that there is no such order, and none was met: then `NotFoundOrder`."""
        if perhaps_never_there(observation.states, self.lifecycle) and observation.error is not None:
            raise refused_by_service(observation.error, self.lifecycle, (), Operation.DESCRIBE)
        return observation

    def read_until(
        self, order_id: int | str, suffices: Callable[[frozenset[State | None]], bool]
    ) -> Process[Observation]:
        """Read the order until what its states may be `suffices`, a bounded number of times; the last observation.

        Where one word of DescribeCertificateState means too many states, the list of orders may have another.
        """
        observation, answer = yield from self.read(order_id)
        for attempt in range(1, RETRIES + 1):
            if suffices(observation.states):
                return observation
            if not answer.passing and not answer.not_found:
                listed = yield from self.listed(observation)
                if suffices(listed.states) or answer.outcome is Outcome.REFUSED:
                    return listed
            yield backoff(attempt, answer)
            observation, answer = yield from self.read(order_id)
        return observation

    def listed(self, observation: Observation) -> Process[Observation]:
        """`observation`, narrowed by the `Status` that the list has for the order, if it is there."""
        row = yield from self.row(observation.order_id)
        if row is None:
            return observation
        self.met(observation.order_id)
        states = meaning(Operation.LIST, row.status, self.lifecycle)
        both = observation.states & states
        return self.observation(observation.order_id, both or states, row.status, body=observation.body)

    def row(self, order_id: int | str) -> Process[Any]:
        """The order's entry in the list; None if it is not there, or if the list cannot be read."""
        rows = yield from self.orders(until=lambda row: str(row.order_id) == str(order_id))
        found = [] if isinstance(rows, Answer) else rows
        return next((row for row in found if str(row.order_id) == str(order_id)), None)

    def orders(
        self, status: str | None = None, until: Callable[[Any], bool] = lambda _: False
    ) -> Process[list[Any] | Answer]:
        """The entries of the list, page by page up to one that `until` wants; or the answer with which a page failed.

        With `status`, those of that status alone.
        """
        found: list[Any] = []
        page = 0
        while True:
            page += 1
            answer = yield from self.page(page, status)
            if answer.outcome is not Outcome.ACCEPTED:
                return answer
            body = answer.response.body
            rows = body.certificate_order_list or []
            found += rows
            if not rows or page * PAGE >= (body.total_count or 0) or any(map(until, rows)):
                return found

    def page(self, number: int, status: str | None = None) -> Process[Answer]:
        """The answer to one page of the list, asked again a bounded number of times while it is lost or throttled."""
        asked = request(Operation.LIST, current_page=number, show_size=PAGE, status=status)
        answer: Answer = yield Send(Operation.LIST, asked)
        for attempt in range(1, RETRIES + 1):
            if not answer.passing:
                break
            yield backoff(attempt, answer)
            answer = yield Send(Operation.LIST, asked)
        if answer.outcome is Outcome.ACCEPTED:
            self.headers = answer.response.headers or {}
        return answer

    @contextmanager
    def creating(self, about: Hashable) -> Iterator[Callable[[], bool]]:
        """A create is under way; gives the question whether another one that is `about` the same is, too."""
        with self._lock:
            self._underway[about] += 1
        try:
            yield lambda: self._underway[about] > 1
        finally:
            with self._lock:
                self._underway[about] -= 1
                self._underway += Counter()  # keep what is positive

    def known_orders(self) -> frozenset[str]:
        """The orders that this client created lately, and knows of."""
        return frozenset(self._created)
