"""Programs played against a server: each step done through the driver, and its answer held against the model."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import attrs

from orderfsm.errors import OrderFSMError
from orderfsm.spec import Operation
from orderfsm.trace import Outcome

from .driver import Answer, NoAnswer, Page, Quota
from .model import Account, Contradiction
from .steps import Call, Create, Happen, Observe, Program, ReadList, ReadQuota, orders_of, trigger_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping
    from types import TracebackType
    from typing import TypeVar

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.spec import State, Trigger
    from orderfsm.trace import Events

    from .driver import Driver
    from .steps import Step

    _T = TypeVar("_T")

READS = frozenset({Operation.DESCRIBE, Operation.LIST, Operation.DESCRIBE_PACKAGE})


TRIES = 3
"""How often a program is played whose outcome is not the same every time."""

MOST_STEPS_TO_GIVE_UP = 4
"""How many calls it takes at most to give an order up, others acting meanwhile."""


@attrs.frozen
class Done:
    """A step that was done: the states in which its order may have been before, and what came of it.

    `result` is an `Answer`, a `Page`, a `Quota`, or the states that were observed; None if nothing readable came.
    """

    step: Step
    before: frozenset[State | None]
    result: Any

    @property
    def got(self) -> str:
        """What came of it, in a few words."""
        match self.result:
            case Answer(order_id=order_id, body=body) as answer:
                word = (body or {}).get("Type") if trigger_of(self.step) is Operation.DESCRIBE else None
                return str(word or (f"accepted, OrderId {order_id}" if order_id is not None else answer))
            case Page(entries, total):
                return f"{', '.join(f'{e.order_id} {e.status}' for e in entries) or 'nothing'}; {total} in all"
            case Quota(total, used, issued):
                return f"{total} units, {used} used, {issued} issued"
            case None:
                return "no answer"
            case states:
                return " or ".join(sorted("none" if state is None else state for state in states))


@attrs.frozen
class Failure:
    """Where a program contradicted the table: in `state`, `trigger` was expected to do one thing, and did another.

    `passing`: there was no answer, or one that says nothing; it counts only if it comes again and again.
    """

    state: State | None
    trigger: Trigger
    expected: str
    got: str
    passing: bool = False

    def names(self, other: Failure) -> bool:
        """Whether it accuses the same trigger in the same state."""
        return (self.state, self.trigger) == (other.state, other.trigger)


class CannotForce(Exception):
    """A step that this driver cannot do, or a state that the server does not let an order come to."""


class Session:
    """Everything that one check does through one driver; a context manager.

    It plays one program at a time: `begin`, then `do` step after step. `checked` counts the answers that were judged;
    `ours` says whether the account was emptied, so that nothing else is in it.
    """

    def __init__(self, driver: Driver, lifecycle: Lifecycle, events: Events) -> None:
        self.driver = driver
        self.lifecycle = lifecycle
        self.events = events
        self.checked = 0
        self.ours = False
        self.account: Account
        self.units: int | None
        self.done: list[Done] = []
        self._request_ids: set[str] = set()
        self._loop: asyncio.Runner | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._loop is not None:
            self._loop.close()

    def can(self, method: str) -> bool:
        """Whether the driver has a method that not every driver has."""
        return callable(getattr(self.driver, method, None))

    @property
    def program(self) -> Program:
        """The program that was played up to now."""
        return Program(tuple(done.step for done in self.done), self.units)

    def begin(self, units: int | None) -> None:
        """Begin a program: on an empty account with a package of `units`, if the driver can empty it."""
        self.ours = self.can("reset") and self._called("reset", units) is not False
        if units is None and not self.ours:
            raise CannotForce
        self.units = units
        self.done = []
        self.account = Account(self.lifecycle, self.events, units=units, ours=self.ours)

    def do(self, step: Step) -> Any:
        """Do a step and judge what comes of it: a `Contradiction` if the table does not explain it.

        Returns the result. `CannotForce` if the driver cannot do it, or if it needs an order that is not there.
        """
        if not orders_of(step) <= set(self.account.ids):
            raise CannotForce
        before = self._before(step)
        self.account.time_passes()
        try:
            result = self._perform(step)
        except NoAnswer as error:
            self.done.append(Done(step, before, None))
            raise Contradiction("an answer", str(error), passing=error.passing) from error
        if result is None:
            raise CannotForce
        self.done.append(Done(step, before, result))
        self.checked += 1
        self.learn(step, result)
        return result

    def learn(self, step: Step, result: Any) -> None:
        """Hold the result of a step against the model."""
        self._fresh(getattr(result, "body", None))
        tell(self.account, step, result)

    def quota(self) -> Quota | None:
        """The counts of the package, as they are; None if they cannot be read."""
        with suppress(NoAnswer):
            return self._called("quota") if self.can("quota") else None
        return None

    def peek(self, order: int) -> frozenset[State | None]:
        """The states that an order is seen in, once it was described as well; nothing is judged."""
        with suppress(NoAnswer):
            self._called("call", Operation.DESCRIBE, self.account.ids[order])
        states: frozenset[State | None] = self._called("observe", self.account.ids[order])
        return states

    def wait_for(self, work: Coroutine[Any, Any, _T]) -> _T:
        """What a coroutine comes to, in the loop in which everything of this driver is done."""
        if self._loop is None:
            self._loop = asyncio.Runner()
        return self._loop.run(work)

    def play(self, program: Program) -> Failure | None:
        """Play a whole program; what goes wrong first. Steps that cannot be done are left out."""
        try:
            self.begin(program.units)
            for step in program.steps:
                try:
                    self.do(step)
                except CannotForce:
                    continue
        except CannotForce:
            return None
        except Contradiction as found:
            return self.failure(found)
        return None

    def failure(self, found: Contradiction) -> Failure:
        """What the last step contradicts: itself, or the step before it of which it shows the effect."""
        state, trigger = culprit(self.done, self.lifecycle)
        return Failure(state, trigger, found.expected, found.got, found.passing)

    def give_up_orders(self, others: Iterable[int] = ()) -> None:
        """Give back the units of this program's orders, where the account cannot be emptied; as far as it goes.

        `others` are ids of orders that were created besides.
        """
        if self.ours:
            return
        for order_id in {*self.account.ids.values(), *others}:
            with suppress(NoAnswer):
                for _ in range(MOST_STEPS_TO_GIVE_UP):
                    states = self._called("observe", order_id)
                    ways = [row for state in states for row in self.lifecycle.outgoing(state)]
                    giving_up = [r.trigger for r in ways if self.lifecycle.trigger_rules[r.trigger].abandons]
                    if not giving_up:
                        break
                    self._called("call", giving_up[0], order_id)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _before(self, step: Step) -> frozenset[State | None]:
        order = getattr(step, "order", None)
        if isinstance(step, Create) or order is None:
            return frozenset([None])
        return self.account.states(order)

    def _perform(self, step: Step) -> Any:
        match step:
            case Create(operation):
                return self._called("create", operation)
            case Call(operation, order):
                return self._called("call", operation, self._id(order))
            case Happen(event, order):
                return self._called("happen", int(self._id(order)), event)
            case Observe(order):
                return self._called("observe", self._id(order))
            case ReadList(status, like, page, size):
                if not self.can("orders") or (like is not None and not self.account.knows_domain(like)):
                    raise CannotForce
                keyword = None if like is None else self.account.domain(like)
                return self._called("orders", status=status, keyword=keyword, page=page, size=size)
            case ReadQuota():
                if not self.can("quota"):
                    raise CannotForce
                return self._called("quota")

    def _id(self, order: int | str) -> int | str:
        return self.account.ids[order] if isinstance(order, int) else order

    def _called(self, method: str, *arguments: Any, **named: Any) -> Any:
        """What a method of the driver returns, awaited if it must be."""
        value = getattr(self.driver, method)(*arguments, **named)
        return self.wait_for(_awaited(value)) if inspect.isawaitable(value) else value

    def _fresh(self, body: Mapping[str, Any] | None) -> None:
        """No two answers have the same RequestId."""
        request_id = (body or {}).get("RequestId")
        if request_id is None:
            return
        if request_id in self._request_ids:
            raise Contradiction("a RequestId of its own", f"{request_id}, which another answer had")
        self._request_ids.add(request_id)


async def _awaited(value: Any) -> Any:
    return await value


def tell(account: Account, step: Step, result: Any) -> None:
    """Tell a model the result of a step; a `Contradiction` if nothing explains it."""
    match step:
        case Create(operation, order):
            account.created(operation, order, result)
        case Call(operation, order, begins):
            account.called(operation, order, result, begins)
        case Happen(event, order):
            account.happened(event, order, result)
        case Observe(order):
            account.observed(order, result)
        case ReadList():
            account.listed(step, result)
        case ReadQuota():
            account.counted(result)


def culprit(done: list[Done], lifecycle: Lifecycle) -> tuple[State | None, Trigger]:
    """The state and the trigger that the last step accuses.

    What is observed is the effect of the last step before, read or not; a count of units that of the last that was no
    read. Anything else accuses itself. Of several states it may have been in, it names the first in which that answer
    was possible.
    """
    *before, last = done
    if isinstance(last.step, Observe):
        before = [each for each in before if not isinstance(each.step, Observe)]
    elif isinstance(last.step, ReadQuota):
        before = [each for each in before if trigger_of(each.step) not in {None, *READS}]
    else:
        before = []
    accused = before[-1] if before else last
    trigger = trigger_of(accused.step)
    if trigger is None:
        raise OrderFSMError("a program cannot fail before anything was done")
    accepted = isinstance(accused.result, Answer) and accused.result.outcome is Outcome.ACCEPTED
    states = [state for state in lifecycle.state_rules if state in accused.before]
    return next((state for state in states if lifecycle.can(state, trigger) is accepted), states[0]), trigger
