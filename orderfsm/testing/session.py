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

from orderfsm.errors import Meaning, OrderFSMError, meaning_of
from orderfsm.spec import Operation
from orderfsm.trace import Outcome

from .driver import Answer, NoAnswer, Page, Quota, checked, given, kept_out, says_nothing, throttled
from .limit import TIMEOUT, Cancelled, Overdue, within, within_async
from .model import Account, Contradiction
from .steps import Ask, Call, Create, Happen, Observe, Program, ReadList, ReadQuota, orders_of, trigger_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping
    from types import TracebackType
    from typing import TypeAlias, TypeVar

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.spec import State, Trigger
    from orderfsm.trace import Events

    from .driver import Driver
    from .steps import Step

    _T = TypeVar("_T")
    Once: TypeAlias = tuple[object, ...]

READS = frozenset({Operation.DESCRIBE, Operation.LIST, Operation.DESCRIBE_PACKAGE})


TRIES = 3
"""How often a program is played whose outcome is not the same every time."""

MOST_STEPS_TO_GIVE_UP = 4
"""How many calls it takes at most to give an order up, others acting meanwhile."""

PAUSES = (0.0, 0.05, 0.2, 0.5)
"""Seconds after which a call is made again that was throttled or kept out, and so came to nothing."""

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
    program would fail of, so that it is told once and then left out.
    """

    state: State | None
    trigger: Trigger
    expected: str
    got: str
    passing: bool = False
    kept_off: bool = False
    once: Once | None = None

    def names(self, other: Failure) -> bool:
        """Whether it accuses the same trigger in the same state, or is of the same thing that is told once."""
        if self.once is not None:
            return self.once == other.once
        return (self.state, self.trigger) == (other.state, other.trigger)


@attrs.frozen
class Told:
    """A failure that is told once, and the program that showed it."""

    failure: Failure
    done: list[Done]
    units: int | None


class CannotForce(Exception):
    """A step that this driver cannot do, or a state that the server does not let an order come to."""


class Session:
    """Everything that one check does through one driver; a context manager.

    It plays one program at a time: `begin`, then `do` step after step. `checked` counts the answers that were judged;
    `ours` says whether the account was emptied, so that nothing else is in it. A call of the driver may take `timeout`
    seconds; after the `deadline`, a time of `time.monotonic`, nothing is tried again.

    `told` are failures that would end every program, such as a read that is never answered. What they are of is left
    out once they are told, but for programs that are played again. `kept_off` has the calls that could not be judged
    since they were throttled or not permitted, each with the answer; `not_emptied` says why the account could not be
    emptied, if its driver should be able to do that.
    """

    def __init__(
        self,
        driver: Driver,
        lifecycle: Lifecycle,
        events: Events,
        *,
        timeout: float = TIMEOUT,
        deadline: float = math.inf,
    ) -> None:
        self.driver = checked(driver)
        self.lifecycle = lifecycle
        self.events = events
        self.deadline = deadline
        self.told: dict[Once, Told] = {}
        self.kept_off: dict[Trigger, str] = {}
        self.not_emptied = ""
        self._let_in: set[Trigger] = set()
        self._left_out: frozenset[Once] = frozenset()
        self._timeout = timeout
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
    def program(self) -> Program:
        """The program that was played up to now."""
        return Program(tuple(done.step for done in self.done), self.units)

    def begin(self, units: int | None) -> None:
        """Begin a program: on an empty account with a package of `units`, if the driver can empty it."""
        self.ours = self._emptied(units)
        if units is None and not self.ours:
            raise CannotForce
        self.units = units
        self.done = []
        self.account = Account(self.lifecycle, self.events, units=units, ours=self.ours)

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
        """Do a step and judge what comes of it: a `Contradiction` if the table does not explain it.

        Returns the result. `CannotForce` if the driver cannot do it, or if it needs an order that is not there.
        """
        if not orders_of(step) <= set(self.account.ids):
            raise CannotForce
        before = self._before(step)
        if {(type(step), trigger_of(step), None), (type(step), trigger_of(step), before)} & self._left_out:
            return self._without(step)
        self.account.time_passes()
        try:
            result = self._let_in_at_last(step)
        except NoAnswer as error:
            self.done.append(Done(step, before, None, error.answer))
            raise Contradiction("an answer", str(error), passing=error.passing) from error
        if result is None:
            return self._without(step)
        self.done.append(Done(step, before, result))
        self.checked += 1
        self.learn(step, result)
        return result

    def _without(self, step: Step) -> None:
        """Go on without what a step would have read, if nothing needs it."""
        if not isinstance(step, Observe):
            raise CannotForce

    def goes_on_without(self, failure: Failure) -> bool:
        """Whether the program just played is to be played again without what failed, since all would fail of it."""
        if failure.kept_off:
            self.kept_off.setdefault(failure.trigger, failure.got)
        if failure.once is None or failure.once in self._left_out:
            return False
        if not failure.kept_off:
            self.told.setdefault(failure.once, Told(failure, self.done, self.units))
        self._left_out |= {failure.once}
        return True

    @property
    def is_over(self) -> bool:
        """Whether nothing is to be tried again."""
        return time.monotonic() > self.deadline

    def learn(self, step: Step, result: Any) -> None:
        """Hold the result of a step against the model."""
        if isinstance(step, Call) and isinstance(step.order, int) and not _is_turned_away(result):
            self._let_in.add(step.operation)
        self._fresh(getattr(result, "body", None))
        try:
            tell(self.account, step, result)
        except Contradiction as found:
            if found.once not in self._left_out:
                raise

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

    def play(self, program: Program, like: Failure | None = None) -> Failure | None:
        """Play a whole program; what goes wrong first. Steps that cannot be done are left out.

        What was told once is left out as well, unless it is to fail `like` that.
        """
        left_out = self._left_out
        if like is not None:
            self._left_out -= {like.once}
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
        finally:
            self._left_out = left_out
        return None

    def failure(self, found: Contradiction) -> Failure:
        """What the last step contradicts: itself, or the step before it of which it shows the effect."""
        state, trigger = culprit(self.done, self.lifecycle, itself=found.itself)
        last = self.done[-1]
        answer = last.result if isinstance(last.result, Answer) else last.instead
        off = answer is not None and (throttled(answer) or (kept_out(answer) and trigger not in self._let_in))
        return Failure(state, trigger, found.expected, found.got, found.passing, off, found.once or self._once(last))

    def _once(self, last: Done) -> Once | None:
        """What every program would fail of, if the last step shows such a thing: a read that came to nothing.

        One that is refused, as none is whose action is not there, may be so because of the order's state.
        """
        step, result = last.step, last.result
        if _is_unread(last, self.lifecycle):
            return type(step), trigger_of(step), None
        is_read = isinstance(step, Call) and isinstance(step.order, int) and step.operation in READS
        if not is_read or (result is not None and result.outcome is Outcome.ACCEPTED):
            return None
        everywhere = result is None or says_nothing(result) or meaning_of(result.code) is Meaning.NOT_OFFERED
        return type(step), trigger_of(step), None if everywhere else last.before

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
            try:
                states = self._called("observe", order_id) or believed
            except NoAnswer:
                states = believed
            ways = [
                row for state in states if state in self.lifecycle.state_rules for row in self.lifecycle.outgoing(state)
            ]
            giving_up = [row for row in ways if self.lifecycle.trigger_rules[row.trigger].abandons]
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

    # -- inside ------------------------------------------------------------------------------------------------------

    def _before(self, step: Step) -> frozenset[State | None]:
        order = getattr(step, "order", None)
        if isinstance(step, Create) or order is None:
            return frozenset([None])
        return self.account.states(order)

    def _let_in_at_last(self, step: Step) -> Any:
        """The result of a step; what is throttled or kept out is tried again, a few times."""
        for pause in () if trigger_of(step) in self.kept_off else PAUSES:
            try:
                result = answer = self._perform(step)
            except NoAnswer as error:
                if error.answer is None or not _is_turned_away(error.answer):
                    raise
                answer = error.answer
            if not isinstance(answer, Answer) or not _is_turned_away(answer):
                return result
            time.sleep(pause if throttled(answer) else 0.0)
        return self._perform(step)

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
            case _:
                return self._perform_if_it_can(step)

    def _perform_if_it_can(self, step: Step) -> Any:
        """Do what not every driver can."""
        match step:
            case ReadList(status, like, page, size) if self.can("orders"):
                if like is not None and not self.account.knows_domain(like):
                    raise CannotForce
                keyword = None if like is None else self.account.domain(like)
                return self._called("orders", status=status, keyword=keyword, page=page, size=size)
            case ReadQuota() if self.can("quota"):
                return self._called("quota")
            case Ask(action, _, _, parameters, version) if self.can("request"):
                return self._called("request", action, dict(parameters), version=version)
        raise CannotForce

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

    def _fresh(self, body: Mapping[str, Any] | None) -> None:
        """No two answers have the same RequestId."""
        request_id = (body or {}).get("RequestId")
        if request_id is None:
            return
        form = ("the form of RequestIds",)
        if form not in self._left_out and not re.fullmatch(UUID, str(request_id)):
            raise Contradiction("a RequestId that is an upper-case UUID", f"{request_id!r}", itself=True, once=form)
        if request_id in self._request_ids:
            raise Contradiction("a RequestId of its own", f"{request_id}, which another answer had")
        self._request_ids.add(request_id)


def _is_turned_away(answer: Answer) -> bool:
    """Whether a call surely came to nothing, and may be made again."""
    return throttled(answer) or kept_out(answer)


def _is_unread(done: Done, lifecycle: Lifecycle) -> bool:
    """Whether a read came to nothing that can be read."""
    if not isinstance(done.step, Observe | ReadList | ReadQuota):
        return False
    unknown = isinstance(done.step, Observe) and not set(done.result or ()) <= set(lifecycle.state_rules)
    return done.result is None or unknown


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
            unknown = [state for state in result if state not in account.lifecycle.state_rules]
            if unknown:
                raise Contradiction("a state of the table", f"{unknown[0]!r}")
            account.observed(order, result)
        case ReadList():
            account.listed(step, result)
        case ReadQuota():
            account.counted(result)
        case Ask(_, code, status):
            account.turned_away(step, code, status, result)


def culprit(done: list[Done], lifecycle: Lifecycle, *, itself: bool = False) -> tuple[State | None, Trigger]:
    """The state and the trigger that the last step accuses: `itself`, or the one of which it shows the effect.

    What is observed is the effect of the last step before, read or not; a count of units that of the last that was no
    read. Anything else accuses itself. Of several states it may have been in, it names the first in which that answer
    was possible.
    """
    *before, last = done
    if itself or _is_unread(last, lifecycle):
        before = []
    elif isinstance(last.step, Observe):
        before = [each for each in before if not isinstance(each.step, Observe)]
    elif isinstance(last.step, ReadQuota):
        before = [each for each in before if trigger_of(each.step) not in {None, *READS}]
    else:
        before = []
    accused = before[-1] if before else last
    trigger = trigger_of(accused.step) or (Operation.DESCRIBE if accused is last else None)
    if trigger is None:
        raise OrderFSMError("a program cannot fail before anything was done")
    accepted = isinstance(accused.result, Answer) and accused.result.outcome is Outcome.ACCEPTED
    states = [state for state in lifecycle.state_rules if state in accused.before]
    return next((state for state in states if lifecycle.can(state, trigger) is accepted), states[0]), trigger
