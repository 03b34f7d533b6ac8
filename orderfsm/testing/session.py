"""Programs played against a server: each step done through the driver, and its answer held against the model."""

from __future__ import annotations

import asyncio
import inspect
import math
import re
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import attrs

from orderfsm.errors import Meaning
from orderfsm.invalid import OrderFSMError
from orderfsm.tables.api import VERSION, meaning_of
from orderfsm.tables.orders import Operation
from orderfsm.trace import Outcome

from .driver import Answer, NoAnswer, Page, Quota, checked, given, kept_out, packages_of, says_nothing, throttled
from .limit import TIMEOUT, Cancelled, Overdue, within, within_async
from .model import Account, Contradiction, Kind
from .steps import Ask, Call, Create, Happen, Observe, Program, ReadList, ReadQuota, orders_of, trigger_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Mapping
    from types import TracebackType
    from typing import TypeAlias, TypeVar

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.tables.orders import State, Trigger
    from orderfsm.trace import Events

    from .driver import Driver
    from .model import Once
    from .steps import Step

    _T = TypeVar("_T")
    Key: TypeAlias = tuple[State | None, Trigger, Kind]

READS = frozenset({Operation.DESCRIBE, Operation.LIST, Operation.DESCRIBE_PACKAGE})


TRIES = 3
"""How often a program is played whose outcome is not the same every time."""

MOST_STEPS_TO_GIVE_UP = 4
"""How many calls it takes at most to give an order up, others acting meanwhile."""

PAUSES = (0.0, 0.05, 0.2, 0.5)
"""Seconds after which a call is made again that was throttled or kept out, and so came to nothing."""

NOT_OFFERED = "the server does not offer it"
"""Why an operation cannot be forced that the server says it does not have."""

UUID = "[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}"
"""The form of a RequestId."""

MOST_SILENT = 2
"""Of so many orders that could not be given up since no answer came, no other is given up either."""


@attrs.frozen
class Done:
    """A step that was done: the states in which its order may have been before, and what came of it.

    `result` is an `Answer`, a `Page`, a `Quota`, or the states that were observed; None if nothing readable came, but
    perhaps an answer `instead`.
    """

    step: Step
    before: frozenset[State | None]
    result: Any
    instead: Answer | None = None

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
                return "no answer" if self.instead is None else str(self.instead)
            case states:
                return " or ".join(sorted("none" if state is None else str(state) for state in states))


@attrs.frozen
class Failure:
    """Where a program contradicted the table: in `state`, `trigger` was expected to do one thing, and did another.

    `passing`: there was no answer, or one that says nothing; it counts only if it comes again and again. `kept_off`:
    the call was throttled, or the caller may never make it, which is no fault of the server's. `once`: what every
    program would fail of, so that it is told once and then left out. `itself`: it is the last step's own fault, and
    shows no effect of what was done before. `done` is what was done up to there, with packages of `units`.
    """

    state: State | None
    trigger: Trigger
    expected: str
    got: str
    kind: Kind
    passing: bool = False
    kept_off: bool = False
    once: Once | None = None
    itself: bool = False
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

    def ends_as(self, other: Failure) -> bool:
        """Whether it names the same, by the same step."""
        return self.names(other) and self.done[-1].step == other.done[-1].step

    def names(self, other: Failure) -> bool:
        """Whether it accuses the same trigger in the same state of the same kind of thing, or of what is told once."""
        return self.key == other.key if self.once is None else self.once == other.once


class CannotForce(Exception):
    """A step that this driver cannot do, or a state that the server does not let an order come to; it says why."""

    def __init__(self, why: str = "no order could be brought to this state") -> None:
        super().__init__(why)


class Session:
    """Everything that one check does through one driver; a context manager.

    It plays one program at a time: `begin`, then `do` step after step. `found` is how the program failed up to now and
    could go on. `checked` counts the answers that were judged; `ours` says whether the account was emptied, so that
    nothing else is in it. A call of the driver may take `timeout` seconds; after the `deadline`, a time of
    `time.monotonic`, nothing is tried again.

    Triggers that are `left_out` are never fired. An operation that the server says it does not have is `not_offered`,
    and no failure, unless this is `strict`. What every program would fail of, such as a read that is never answered, is
    done without once it is `told`, but for programs that are played again. `kept_off` has the calls that could not be
    judged since they were throttled or not permitted, each with the answer; `not_emptied` says why the account could
    not be emptied, if its driver should be able to do that.
    """

    def __init__(
        self,
        driver: Driver,
        lifecycle: Lifecycle,
        events: Events,
        *,
        timeout: float = TIMEOUT,
        deadline: float = math.inf,
        left_out: Collection[Trigger] = (),
        strict: bool = False,
    ) -> None:
        self.driver = checked(driver)
        self.lifecycle = lifecycle
        self.events = events
        self.deadline = deadline
        self.told: frozenset[Once | None] = frozenset()
        self.kept_off: dict[Trigger, str] = {}
        self.not_emptied = ""
        self._let_in: set[Trigger] = set()
        self._timeout = timeout
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
        self._close_loop()

    def _close_loop(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None:
            with suppress(RuntimeError):  # in a thread that was left behind, it is still running
                loop.close()

    def can(self, method: str) -> bool:
        """Whether the driver has a method that not every driver has."""
        return callable(getattr(self.driver, method, None))

    @property
    def packages(self) -> range:
        """The numbers of the packages that the program uses: more than the first only where both are its own."""
        return range(1, 1 + (packages_of(self.driver) if self.ours else 1))

    def begin(self, units: int | None) -> None:
        """Begin a program: on an empty account with a package of `units`, if the driver can empty it."""
        self.ours = self._emptied(units)
        if units is None and not self.ours:
            raise CannotForce
        self.units = units
        self.done = []
        self.found = []
        self.account = Account(self.lifecycle, self.events, units=units, ours=self.ours, packages=len(self.packages))

    def _emptied(self, units: int | None) -> bool:
        """Whether the account was emptied. Where that was not answered often enough, it is not tried again."""
        if not self.can("reset") or self.not_emptied:
            return False
        why = ""
        for _ in range(TRIES):
            try:
                return self._called("reset", units) is not False
            except NoAnswer as error:
                why = str(error)
        self.not_emptied = why
        return False

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
        if _reading(step) in self.told:
            return self._without(step, "this read came to nothing before")
        self.account.time_passes()
        try:
            result = self._let_in_at_last(step)
        except NoAnswer as error:
            if error.answer is not None and self._is_lacking(step, error.answer):
                return self._without(step, NOT_OFFERED)
            self.done.append(Done(step, before, None, error.answer))
            is_read = trigger in {None, *READS}
            self._judge([Contradiction("an answer", str(error), Kind.CODES, passing=error.passing, fatal=not is_read)])
            return self._without(step, f"it was not answered: {error}")
        if result is None:
            if isinstance(trigger, Operation) and not isinstance(step, Ask):
                self.not_offered.add(trigger)
            return self._without(step, "the driver cannot do it")
        if self._is_lacking(step, result):
            return self._without(step, NOT_OFFERED)
        self.done.append(Done(step, before, result))
        self.checked += 1
        self._judge(self.learn(step, result))
        return result

    def _without(self, step: Step, why: str) -> None:
        """Go on without what a step would have read, if nothing needs it; else `CannotForce`."""
        if not isinstance(step, Observe):
            raise CannotForce(why)

    def _is_lacking(self, step: Step, result: Any) -> bool:
        """Whether the server says that it does not have an operation, and never answered it otherwise."""
        operation = _asked(step, result)
        if operation is None or self._strict:
            return False
        answer = result if isinstance(result, Answer) else None
        if answer is None or not (says_nothing(answer) or meaning_of(answer.code) is Meaning.NOT_OFFERED):
            self._offered.add(operation)
            self.not_offered.discard(operation)
        elif meaning_of(answer.code) is Meaning.NOT_OFFERED and operation not in self._offered:
            self.not_offered.add(operation)
            return True
        return False

    def leave_out(self, failure: Failure) -> bool:
        """Do without what every program would fail of, once it is told; whether that is new."""
        if failure.kept_off:
            self.kept_off.setdefault(failure.trigger, failure.got)
        if failure.once is None or failure.once in self.told:
            return False
        self.told |= {failure.once}
        return True

    @property
    def is_over(self) -> bool:
        """Whether nothing is to be tried again."""
        return time.monotonic() > self.deadline

    def _judge(self, contradictions: Iterable[Contradiction]) -> None:
        """Note what is wrong with the last step; the first `Contradiction` after which nothing can be judged."""
        for contradiction in sorted(contradictions, key=lambda each: each.fatal):
            if contradiction.fatal:
                raise contradiction
            self._note(contradiction)

    def _note(self, contradiction: Contradiction) -> None:
        failure = self.failure(contradiction)
        if failure.once in self.told:
            return
        if not any(map(failure.names, self.found)):
            self.found.append(failure)
        if self._ends(failure):
            raise contradiction

    def learn(self, step: Step, result: Any) -> list[Contradiction]:
        """Hold the result of a step against the model: what of it the table does not explain."""
        if isinstance(step, Call) and isinstance(step.order, int) and not _is_turned_away(result):
            self._let_in.add(step.operation)
        return [*self._fresh(getattr(result, "body", None)), *tell(self.account, step, result)]

    def quota(self) -> Quota | None:
        """The counts of the package, as they are; None if they cannot be read."""
        with suppress(NoAnswer):
            return self._called("quota") if self.can("quota") else None
        return None

    def peek(self, order: int) -> frozenset[State | None]:
        """The states that an order is seen in, once it was described as well; nothing is judged.

        `NoAnswer` if they cannot be read.
        """
        with suppress(NoAnswer):
            self._called("call", Operation.DESCRIBE, self.account.ids[order])
        states: frozenset[State | None] | None = self._called("observe", self.account.ids[order])
        if states is None:
            raise NoAnswer("this driver does not observe", passing=False)
        return states

    def wait_for(self, work: Coroutine[Any, Any, _T]) -> _T:
        """What a coroutine comes to, in the loop in which everything of this driver is done."""
        if self._loop is None:
            self._loop = asyncio.Runner()
        return self._loop.run(work)

    def play(self, program: Program, ends: Callable[[Failure], bool], like: Failure | None = None) -> Failure | None:
        """Play a program until it fails in a way that `ends` it; how it did. Steps that cannot be done are left out.

        So is what was told once, unless it is to fail `like` that.
        """
        told = self.told
        if like is not None:
            self.told -= {like.once}
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
            self.told = told
        return None

    def failure(self, found: Contradiction) -> Failure:
        """What the last step contradicts: itself, or the step before it of which it shows the effect."""
        last = self.done[-1]
        itself = found.itself or last.result is None
        state, trigger = culprit(self.done, self.lifecycle, itself=itself)
        answer = last.result if isinstance(last.result, Answer) else last.instead
        off = answer is not None and (throttled(answer) or (kept_out(answer) and trigger not in self._let_in))
        return Failure(
            state=state,
            trigger=trigger,
            expected=found.expected,
            got=found.got,
            kind=found.kind,
            passing=found.passing,
            kept_off=off and found.passing,
            once=found.once or (None if found.kind is Kind.SHAPES else _once(last)),
            itself=itself,
            done=tuple(self.done),
            units=self.units,
        )

    def give_up_orders(self, others: Iterable[int] = ()) -> None:
        """Give back the units of this program's orders, where the account cannot be emptied; as far as it goes.

        `others` are ids of orders that were created besides.
        """
        if self.ours:
            return
        silent = 0
        believed = {self.account.ids[order]: self.account.states(order) for order in self.account.ids}
        for order_id in {*believed, *others}:
            if not self._give_up(order_id, believed.get(order_id, frozenset())):
                silent += 1
                if silent == MOST_SILENT:
                    return

    def _give_up(self, order_id: int, believed: frozenset[State | None]) -> bool:
        """Give back the unit of an order, which is in one of the states `believed` if it cannot be observed.

        False if no answer came.
        """
        for _ in range(MOST_STEPS_TO_GIVE_UP):
            states = self.seen(order_id) or believed
            ways = [
                row for state in states if state in self.lifecycle.state_rules for row in self.lifecycle.outgoing(state)
            ]
            giving_up = [row for row in ways if self.gives_up(row.trigger)]
            if not giving_up:
                return bool(states)
            try:
                answer = self._called("call", giving_up[0].trigger, order_id)
            except NoAnswer:
                return False
            if answer is None or answer.outcome is Outcome.UNKNOWN:
                return False
            if answer.outcome is Outcome.ACCEPTED:
                believed = frozenset([giving_up[0].target])
        return True

    def seen(self, order_id: int) -> frozenset[State | None]:
        """The states that an order is seen in, and nothing is judged; none if they cannot be read."""
        try:
            states: frozenset[State | None] | None = self._called("observe", order_id)
        except NoAnswer:
            return frozenset()
        return states or frozenset()

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

    def _let_in_at_last(self, step: Step) -> Any:
        """The result of a step; what is throttled or kept out is tried again, a few times, and a read that failed once.

        A read changes nothing, so that it can be made again where it was.
        """
        is_read = trigger_of(step) in {None, *READS}
        for pause in () if trigger_of(step) in self.kept_off else PAUSES:
            result: Any = None
            try:
                result = answer = self._perform(step)
            except NoAnswer as error:
                if error.answer is None or not _may_be_made_again(error.answer, is_read=is_read):
                    raise
                answer = error.answer
            if not isinstance(answer, Answer) or not _may_be_made_again(answer, is_read=is_read):
                return result
            is_read = False
            time.sleep(pause if throttled(answer) else 0.0)
        return self._perform(step)

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
            case _:
                return self._perform_if_it_can(step)

    def _perform_if_it_can(self, step: Step) -> Any:
        """Do what not every driver can."""
        match step:
            case ReadList(status, like, page, size) if self.can("orders"):
                if like is not None and not self.account.knows_domain(like):
                    raise CannotForce("no list has told the domain")
                keyword = None if like is None else self.account.domain(like)
                return self._called("orders", status=status, keyword=keyword, page=page, size=size)
            case ReadQuota(package) if self.can("quota"):
                return self._called("quota", **_of(package))
            case Ask(action, _, _, parameters, version) if self.can("request"):
                return self._called("request", action, dict(parameters), version=version)
        raise CannotForce("the driver has no such method")

    def _id(self, order: int | str) -> int | str:
        return self.account.ids[order] if isinstance(order, int) else order

    def _called(self, method: str, *arguments: Any, **named: Any) -> Any:
        """What a method of the driver returns, awaited if it must be; `NoAnswer` if it takes too long.

        `InvalidValue` if it is not what that method gives.
        """
        try:
            value = within(self._timeout, partial(getattr(self.driver, method), *arguments, **named))
            if inspect.isawaitable(value):
                value = within(2 * self._timeout, partial(self.wait_for, within_async(self._timeout, value)))
        except Overdue as overdue:
            if not isinstance(overdue, Cancelled):
                self._close_loop()
            raise NoAnswer(f"{method}: no answer in {self._timeout:g} seconds") from None
        return given(method, value)

    def _fresh(self, body: Mapping[str, Any] | None) -> Iterator[Contradiction]:
        """No two answers have the same RequestId."""
        request_id = (body or {}).get("RequestId")
        if request_id is None:
            return
        form = ("the form of RequestIds",)
        if not re.fullmatch(UUID, str(request_id)):
            expected = "a RequestId that is an upper-case UUID"
            yield Contradiction(expected, f"{request_id!r}", Kind.SHAPES, itself=True, once=form)
        if request_id in self._request_ids:
            got = f"{request_id}, which another answer had"
            yield Contradiction("a RequestId of its own", got, Kind.SHAPES, itself=True)
        self._request_ids.add(request_id)


def _is_turned_away(answer: Answer) -> bool:
    """Whether a call surely came to nothing, and may be made again."""
    return throttled(answer) or kept_out(answer)


def _may_be_made_again(answer: Answer, *, is_read: bool) -> bool:
    return _is_turned_away(answer) or (is_read and says_nothing(answer))


def _asked(step: Step, result: Any) -> Operation | None:
    """The operation that a server was asked for, if what came of it says whether it has that."""
    match step:
        case Create(operation) | Call(operation):
            return operation
        case Observe():
            return Operation.DESCRIBE if isinstance(result, Answer) else None
        case ReadList():
            return Operation.LIST
        case ReadQuota():
            return Operation.DESCRIBE_PACKAGE
        case Ask(action, version=asked) if action in tuple(Operation) and asked == VERSION:
            return Operation(action)
    return None


def _reading(step: Step) -> Once:
    """What a step reads, of all orders."""
    return type(step), trigger_of(step)


def _once(last: Done) -> Once | None:
    """What every program would fail of, if the last step shows such a thing: a read that came to nothing.

    One that is refused may be so because of the order's state.
    """
    step, result = last.step, last.result
    is_call = isinstance(step, Call) and isinstance(step.order, int) and step.operation in READS
    if not (is_call or isinstance(step, Observe | ReadList | ReadQuota)):
        return None
    said = isinstance(result, Answer) and not (says_nothing(result) or meaning_of(result.code) is Meaning.NOT_OFFERED)
    return _reading(step) if result is None or (is_call and not said) else None


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
        case Ask():
            yield from account.turned_away(step, result)


def culprit(done: list[Done], lifecycle: Lifecycle, *, itself: bool = False) -> tuple[State | None, Trigger]:
    """The state and the trigger that the last step accuses: `itself`, or the one of which it shows the effect.

    What is observed is the effect of the last step before, read or not. A count of units is that of the last step since
    the count before that was no read, else of the last read, else of the last step at all that was no read. Anything
    else accuses itself. Of several states it may have been in, it names the first in which that answer was possible.
    """
    *before, last = done
    if itself:
        before = []
    elif isinstance(last.step, Observe):
        before = [each for each in before if not isinstance(each.step, Observe)]
    elif isinstance(last.step, ReadQuota):
        counts = [at for at, each in enumerate(before) if each.step == last.step]
        since = [each for each in before[counts[-1] + 1 :] if trigger_of(each.step) is not None] if counts else []
        before = _changing(since) or since or _changing(before)
    else:
        before = []
    accused = before[-1] if before else last
    trigger = trigger_of(accused.step) or (Operation.DESCRIBE if accused is last else None)
    if trigger is None:
        raise OrderFSMError("a program cannot fail before anything was done")
    states = [state for state in lifecycle.state_rules if state in accused.before]
    return next((state for state in states if lifecycle.can(state, trigger) is accused.accepted), states[0]), trigger


def _changing(done: list[Done]) -> list[Done]:
    return [each for each in done if trigger_of(each.step) not in {None, *READS}]
