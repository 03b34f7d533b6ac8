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
from .model import Account, Contradiction, Kind
from .steps import Call, Create, Happen, Observe, Program, ReadList, ReadQuota, orders_of, trigger_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Mapping
    from types import TracebackType
    from typing import TypeAlias, TypeVar

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.spec import State, Trigger
    from orderfsm.trace import Events

    from .driver import Driver
    from .steps import Step

    _T = TypeVar("_T")
    Key: TypeAlias = tuple[State | None, Trigger, Kind]

UNKNOWN_ACTION = "InvalidAction.NotFound"
"""The gateway's code for an operation that the server does not have."""

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
    def accepted(self) -> bool:
        """Whether it was a call or an event, and was accepted."""
        return isinstance(self.result, Answer) and self.result.outcome is Outcome.ACCEPTED

    @property
    def refused(self) -> bool:
        """Whether it was a call or an event, and was refused."""
        return isinstance(self.result, Answer) and self.result.outcome is Outcome.REFUSED

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

    `passing`: there was no answer, or one that says nothing; it counts only if it comes again and again. `done` is what
    was done up to there, with packages of `units`.
    """

    state: State | None
    trigger: Trigger
    expected: str
    got: str
    kind: Kind
    passing: bool = False
    done: tuple[Done, ...] = attrs.field(default=(), eq=False, repr=False)
    units: int | None = attrs.field(default=None, eq=False, repr=False)

    @property
    def key(self) -> Key:
        """What it accuses, and of what."""
        return self.state, self.trigger, self.kind

    @property
    def program(self) -> Program:
        """The program that was played up to there."""
        return Program(tuple(done.step for done in self.done), self.units)

    def __str__(self) -> str:
        return f"{self.trigger} in {self.state or 'no order'}: expected {self.expected}, got {self.got}"

    def names(self, other: Failure) -> bool:
        """Whether it accuses the same trigger in the same state of the same kind of thing."""
        return self.key == other.key


class CannotForce(Exception):
    """A step that this driver cannot do, or a state that the server does not let an order come to; it says why."""

    def __init__(self, why: str = "no order could be brought to this state") -> None:
        super().__init__(why)


class Session:
    """Everything that one check does through one driver; a context manager.

    It plays one program at a time: `begin`, then `do` step after step. `found` is how the program failed up to now and
    could go on. `checked` counts the answers that were judged; `ours` says whether the account was emptied, so that
    nothing else is in it.

    Triggers that are `left_out` are never fired. An operation that the server says it does not have is `not_offered`,
    and no failure, unless this is `strict`.
    """

    def __init__(
        self,
        driver: Driver,
        lifecycle: Lifecycle,
        events: Events,
        *,
        left_out: Collection[Trigger] = (),
        strict: bool = False,
    ) -> None:
        self.driver = driver
        self.lifecycle = lifecycle
        self.events = events
        self.checked = 0
        self.ours = False
        self.account: Account
        self.units: int | None
        self.done: list[Done] = []
        self.found: list[Failure] = []
        self.left_out = frozenset(left_out)
        self.not_offered: set[Trigger] = set()
        self._offered: set[Trigger] = set()
        self._strict = strict
        self._ends: Callable[[Failure], bool] = _never
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
    def packages(self) -> range:
        """The numbers of the packages that the program uses: more than the first only where both are its own."""
        number = getattr(self.driver, "packages", 1)
        return range(1, 1 + (number if self.ours and isinstance(number, int) else 1))

    def begin(self, units: int | None) -> None:
        """Begin a program: on an empty account with a package of `units`, if the driver can empty it."""
        self.ours = self.can("reset") and self._called("reset", units) is not False
        if units is None and not self.ours:
            raise CannotForce
        self.units = units
        self.done = []
        self.found = []
        self.account = Account(self.lifecycle, self.events, units=units, ours=self.ours, packages=len(self.packages))

    def do(self, step: Step) -> Any:
        """Do a step and judge what comes of it: a `Contradiction` if the table does not explain it, and nothing after.

        Returns the result. What is wrong with it otherwise is `found`. `CannotForce` if the driver cannot do it, if it
        is left out, or if it needs an order that is not there.
        """
        trigger = trigger_of(step)
        if trigger in self.left_out:
            raise CannotForce("it is left out")
        if not orders_of(step) <= set(self.account.ids):
            raise CannotForce
        before = self._before(step)
        self.account.time_passes()
        try:
            result = self._perform(step)
        except NoAnswer as error:
            self._ask_whether_offered(trigger, error.code)
            self.done.append(Done(step, before, None))
            raise Contradiction("an answer", str(error), Kind.CODES, passing=error.passing, fatal=True) from error
        if result is None:
            if isinstance(trigger, Operation):
                self.not_offered.add(trigger)
            raise CannotForce("the driver cannot do it")
        self._ask_whether_offered(trigger, getattr(result, "code", None))
        self.done.append(Done(step, before, result))
        self.checked += 1
        for contradiction in sorted(self.learn(step, result), key=lambda each: each.fatal):
            if contradiction.fatal:
                raise contradiction
            self._note(contradiction)
        return result

    def _ask_whether_offered(self, trigger: Trigger | None, code: str | None) -> None:
        """`CannotForce` if the server says that it does not have an operation, and never answered it otherwise."""
        if trigger is None or self._strict:
            return
        if code != UNKNOWN_ACTION or trigger in self._offered:
            self._offered.add(trigger)
            self.not_offered.discard(trigger)
            return
        self.not_offered.add(trigger)
        raise CannotForce("the server does not offer it")

    def _note(self, contradiction: Contradiction) -> None:
        failure = self.failure(contradiction)
        if not any(map(failure.names, self.found)):
            self.found.append(failure)
        if self._ends(failure):
            raise contradiction

    def learn(self, step: Step, result: Any) -> list[Contradiction]:
        """Hold the result of a step against the model: what of it the table does not explain."""
        return [*self._fresh(getattr(result, "body", None)), *tell(self.account, step, result)]

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

    def play(self, program: Program, ends: Callable[[Failure], bool]) -> Failure | None:
        """Play a program until it fails in a way that `ends` it; how it did. Steps that cannot be done are left out."""
        self._ends = ends
        try:
            self.begin(program.units)
            for step in program.steps:
                with suppress(CannotForce):
                    self.do(step)
        except CannotForce:
            return None
        except Contradiction as found:
            failure = self.failure(found)
            return failure if ends(failure) else None
        finally:
            self._ends = _never
        return None

    def failure(self, found: Contradiction) -> Failure:
        """What the last step contradicts: itself, or the step before it of which it shows the effect."""
        state, trigger = culprit(self.done, self.lifecycle)
        return Failure(
            state, trigger, found.expected, found.got, found.kind, found.passing, tuple(self.done), self.units
        )

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
                    giving_up = [r.trigger for r in ways if self.gives_up(r.trigger)]
                    if not giving_up:
                        break
                    self._called("call", giving_up[0], order_id)

    def gives_up(self, trigger: Trigger) -> bool:
        """Whether a trigger gives an order up, and may be fired."""
        rule = self.lifecycle.trigger_rules[trigger]
        return rule.abandons and trigger not in self.left_out | self.not_offered

    # -- inside ------------------------------------------------------------------------------------------------------

    def _before(self, step: Step) -> frozenset[State | None]:
        order = getattr(step, "order", None)
        if isinstance(step, Create) or order is None:
            return frozenset([None])
        return self.account.states(order)

    def _perform(self, step: Step) -> Any:
        match step:
            case Create(operation, _, package):
                return self._called("create", operation, **_of(package))
            case Call(operation, order):
                return self._called("call", operation, self._id(order))
            case Happen(event, order):
                return self._called("happen", int(self._id(order)), event)
            case Observe(order):
                return self._called("observe", self._id(order))
            case ReadList(status, like, page, size):
                if not self.can("orders"):
                    raise CannotForce("the driver has no such method")
                if like is not None and not self.account.knows_domain(like):
                    raise CannotForce("no list has told the domain")
                keyword = None if like is None else self.account.domain(like)
                return self._called("orders", status=status, keyword=keyword, page=page, size=size)
            case ReadQuota(package):
                if not self.can("quota"):
                    raise CannotForce("the driver has no such method")
                return self._called("quota", **_of(package))

    def _id(self, order: int | str) -> int | str:
        return self.account.ids[order] if isinstance(order, int) else order

    def _called(self, method: str, *arguments: Any, **named: Any) -> Any:
        """What a method of the driver returns, awaited if it must be."""
        value = getattr(self.driver, method)(*arguments, **named)
        return self.wait_for(_awaited(value)) if inspect.isawaitable(value) else value

    def _fresh(self, body: Mapping[str, Any] | None) -> Iterator[Contradiction]:
        """No two answers have the same RequestId."""
        request_id = (body or {}).get("RequestId")
        if request_id is None:
            return
        if request_id in self._request_ids:
            yield Contradiction("a RequestId of its own", f"{request_id}, which another answer had", Kind.SHAPES)
        self._request_ids.add(request_id)


async def _awaited(value: Any) -> Any:
    return await value


def _never(_failure: Failure) -> bool:
    return False


def _of(package: int) -> dict[str, int]:
    """What a driver is given for a package; nothing for the first, which is the only one of most drivers."""
    return {} if package == 1 else {"package": package}


def tell(account: Account, step: Step, result: Any) -> Iterator[Contradiction]:
    """Tell a model the result of a step; what of it the table does not explain."""
    match step:
        case Create(operation, order, package):
            yield from account.created(operation, order, result, package)
        case Call(operation, order, begins):
            yield from account.called(operation, order, result, begins)
        case Happen(event, order):
            yield from account.happened(event, order, result)
        case Observe(order):
            yield from account.observed(order, result)
        case ReadList():
            yield from account.listed(step, result)
        case ReadQuota(package):
            yield from account.counted(result, package)


def culprit(done: list[Done], lifecycle: Lifecycle) -> tuple[State | None, Trigger]:
    """The state and the trigger that the last step accuses.

    What is observed is the effect of the last step before, read or not. A count of units is that of the last step since
    the count before that was no read, else of the last read, else of the last step at all that was no read. Anything
    else accuses itself. Of several states it may have been in, it names the first in which that answer was possible.
    """
    *before, last = done
    if isinstance(last.step, Observe):
        before = [each for each in before if not isinstance(each.step, Observe)]
    elif isinstance(last.step, ReadQuota):
        counts = [at for at, each in enumerate(before) if each.step == last.step]
        since = [each for each in before[counts[-1] + 1 :] if trigger_of(each.step) is not None] if counts else []
        before = _changing(since) or since or _changing(before)
    else:
        before = []
    accused = before[-1] if before else last
    trigger = trigger_of(accused.step)
    if trigger is None:
        raise OrderFSMError("a program cannot fail before anything was done")
    states = [state for state in lifecycle.state_rules if state in accused.before]
    return next((state for state in states if lifecycle.can(state, trigger) is accused.accepted), states[0]), trigger


def _changing(done: list[Done]) -> list[Done]:
    return [each for each in done if trigger_of(each.step) not in {None, *READS}]
