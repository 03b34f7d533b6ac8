"""Programs played against a server: each step done through the driver, and its answer held against the model."""

from __future__ import annotations

import math
import re
import time
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from orderfsm.errors import Meaning
from orderfsm.tables.api import VERSION
from orderfsm.testing.drivers.driver import (
    Abilities,
    Answer,
    NoAnswer,
    Quota,
    checked,
    kept_out,
    packages_of,
    says_nothing,
    throttled,
)
from orderfsm.testing.drivers.limit import TIMEOUT, LimitedDriver
from orderfsm.trace import Events, Outcome

from .account import Account, Waited, tell
from .failure import Contradiction, Done, Failure, Kind, culprit, once_of, reading_of
from .roles import roles
from .steps import (
    Ask,
    Buy,
    Call,
    Create,
    Happen,
    Observe,
    Place,
    Program,
    ReadAccount,
    ReadCertificate,
    ReadList,
    ReadQuota,
    Wait,
    is_flawed,
    orders_of,
    other,
    trigger_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Mapping
    from typing import TypeVar

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Transition, Trigger
    from orderfsm.testing.drivers.driver import Driver
    from orderfsm.testing.drivers.exchanges import Exchange, Exchanges

    from .failure import Once
    from .steps import Step

    _T = TypeVar("_T")

TRIES = 3
"""How often a program is played whose outcome is not the same every time."""

MOST_STEPS_TO_GIVE_UP = 4
"""How many calls it takes at most to give an order up, others acting meanwhile."""

PAUSES = (0.0, 0.05, 0.2, 0.5)
"""Seconds after which a call is made again that was throttled or kept out, and so came to nothing."""

NOT_OFFERED = "the server does not offer it"
"""Why an operation cannot be forced that the server says it does not have."""

CANNOT = "the driver cannot do it"
"""Why a step cannot be forced that the driver has no way to do."""

UUID = re.compile("[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}")
"""The form of a RequestId."""

ROUNDED = timedelta(seconds=1)
"""How much earlier something may happen than an answer says, which tells whole seconds."""

POLLS = 40
"""How often it is looked at most whether the service has completed a call."""

MOST_SILENT = 2
"""Of so many orders that could not be given up since no answer came, no other is given up either."""


class CannotForce(Exception):
    """A step that this driver cannot do: it says why. Or a state that the server does not let an order come to."""

    def __init__(self, why: str = "") -> None:
        super().__init__(why)


def unreached(lifecycle: Lifecycle) -> str:
    """Why a pair could not be forced, if nothing else is known."""
    return f"no {lifecycle.noun} could be brought to this state"


class Session(AbstractContextManager["Session"]):
    """Everything that one check does through one driver; a context manager.

    It plays one program at a time: `begin`, then `do` step after step. `found` is how the program failed up to now and
    could go on. `checked` counts the answers that were judged; `ours` says whether the account was emptied, so that
    nothing else is in it. A call of the driver may take `timeout` seconds; after the `deadline`, a time of
    `time.monotonic`, nothing is tried again.

    Triggers that are `left_out` are never fired. An operation that the server says it does not have is `not_offered`,
    and no failure, unless this is `strict`. What every program would fail of, such as a read that is never answered, is
    done without once it is `told`, but for programs that are played again. `kept_off` has the calls that could not be
    judged since they were throttled or not permitted, each with the answer; `not_emptied` says why the account could
    not be emptied, if its driver should be able to do that. `patience` is how many seconds the service may take to
    complete a call, where its clock cannot be moved; None: as many as the table says.
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
        patience: float | None = None,
    ) -> None:
        self.driver = checked(driver)
        self._limited = LimitedDriver(self.driver, timeout)
        self.lifecycle = lifecycle
        self.roles = roles(lifecycle)
        self.abilities = Abilities.of(driver, lifecycle)
        self._most_packages = packages_of(driver)
        self.events = events
        self.deadline = deadline
        self.told: frozenset[Once | None] = frozenset()
        self.kept_off: dict[Trigger, str] = {}
        self.not_emptied = ""
        self._let_in: set[Trigger] = set()
        self.checked = 0
        self.ours = False
        self.account: Account
        self.units: int | None
        self.by_the_clock = self._cannot_place = False
        self.patience = patience
        self.done: list[Done] = []
        self.found: list[Failure] = []
        self.left_out = frozenset(left_out)
        self.not_offered: set[Trigger] = set()
        self.cannot: set[Trigger] = set()
        """The events that the driver said that it can make happen to no order."""
        self._offered: set[Trigger] = set()
        self._strict = strict
        self._ends: Callable[[Failure], bool] = _never
        self._request_ids: set[str] = set()
        self.opening: tuple[Exchange, ...] = ()

    def exchanges(self) -> tuple[Exchange, ...]:
        """What went over the wire since the last time, as far as the driver tells."""
        noted: Exchanges | None = getattr(self.driver, "exchanges", None)
        return () if noted is None else noted.taken()

    def __exit__(self, *_: object) -> None:
        if any(self.roles.completed.values()):  # nobody else expects that completions wait to be told
            self._ask_for("by_the_clock")
        self._limited.close()

    @property
    def packages(self) -> range:
        """The numbers of the packages that the program uses: more than the first only where both are its own."""
        most = self._most_packages if self.ours and self.roles.counting is not None else 1
        return range(1, 1 + (min(most, self.driver.packages) if most > 1 else 1))  # type: ignore[attr-defined]

    @property
    def places(self) -> bool:
        """Whether the driver may have orders that are completed at once, as far as it did not say otherwise."""
        return self._limited.can("place") and self._is_complete and not self._cannot_place

    @property
    def flaws(self) -> bool:
        """Whether the driver can call operations so that they cannot be carried out."""
        return self._limited.can("flawed")

    @property
    def buys(self) -> bool:
        """Whether the driver can buy orders, of a server that sells them."""
        return self._limited.can("buy")

    def begin(self, units: int | None, *, by_the_clock: bool = False) -> None:
        """Begin a program: on an empty account with a package of `units`, if the driver can empty it.

        If it is `by_the_clock`, the service completes things by itself: `CannotForce` if that cannot be set.
        """
        self.exchanges()
        self.ours = self._emptied(units)
        if units is None and not self.ours:
            raise CannotForce
        if by_the_clock and self._is_complete and not self._ask_for("by_the_clock"):
            raise CannotForce("the service's clock cannot be set to complete things")
        self.opening = self.exchanges()
        self.units, self.by_the_clock = units, by_the_clock
        self.done = []
        self.found = []
        self.account = self.new_account(self.events, units, by_the_clock=by_the_clock)

    @property
    def _is_complete(self) -> bool:
        return self.events is not Events.PARTIAL

    def new_account(self, events: Events, units: int | None, *, by_the_clock: bool = False) -> Account:
        """What is known of an account in which a program has done nothing yet."""
        return Account(
            self.lifecycle,
            events,
            units=units,
            ours=self.ours,
            packages=len(self.packages),
            abilities=self.abilities,
            by_the_clock=by_the_clock,
        )

    def _ask_for(self, method: str, *given: float) -> bool:
        """Whether a driver could do something besides, that not every driver can."""
        if not self._limited.can(method):
            return False
        with suppress(NoAnswer):
            return self._limited.ask(method, *given) is True
        return False

    def advance(self, seconds: float) -> bool:
        """Whether the service's clock could be moved forward."""
        return self._ask_for("advance", seconds)

    def waited(self, step: Wait) -> Waited:
        """What is seen of an order when its completion has come, or should have.

        The clock is moved on if that can be done, else it takes as long as it may take, or as this session's patience.
        """
        pending = {state for state, events in self.roles.completed.items() if step.event in events}
        takes = [self.roles.completed[state][step.event] for state in pending & self.account.states(step.order)]
        longest = next((within[1] for within in takes if within is not None), None)
        limit = longest if self.patience is None else self.patience
        goes_on = bool(takes) and (self.by_the_clock or not self._is_complete)
        moves = goes_on and longest is not None and self.advance(0)
        begun = time.monotonic()
        for number in range(1, POLLS + 1):
            seen = self._seen_once_read(self.account.ids[step.order])
            if seen is None:
                raise CannotForce("this driver does not observe")
            may_be = self.account.states(step.order) & self.account.meant(seen)
            if not goes_on or (may_be and not may_be & pending):
                return Waited(seen, is_due=False)
            if moves and longest is not None:
                self.advance(longest / POLLS + 1)
            elif limit is None or time.monotonic() + limit / POLLS > self.deadline:
                return Waited(seen, is_due=False)
            else:
                time.sleep(max(0.0, begun + limit * number / POLLS - time.monotonic()))
        return Waited(self._seen_once_read(self.account.ids[step.order]), is_due=longest is not None)

    def _emptied(self, units: int | None) -> bool:
        """Whether the account was emptied. Where that was not answered often enough, it is not tried again."""
        if not self._limited.can("reset") or self.not_emptied:
            return False
        why = ""
        for _ in range(TRIES):
            try:
                return self._limited.ask("reset", units) is not False
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
        if reading_of(step) in self.told:
            return self._without(step, "this read came to nothing before")
        self.account.time_passes()
        self.exchanges()
        try:
            result = self._let_in_at_last(step)
        except NoAnswer as error:
            if error.answer is not None and self._is_lacking(step, error.answer):
                return self._without(step, NOT_OFFERED)
            self.done.append(Done(step, before, None, error.answer, exchanges=self.exchanges()))
            is_read = self._is_read(trigger)
            self._judge([Contradiction("an answer", str(error), Kind.CODES, passing=error.passing, fatal=not is_read)])
            return self._without(step, f"it was not answered: {error}")
        if result is None:
            self._cannot_place |= isinstance(step, Place)
            besides = isinstance(step, Ask | Buy | Place) or is_flawed(step)
            if trigger is not None and self.lifecycle.by_client(trigger) and not besides:
                self.not_offered.add(trigger)
            if isinstance(step, Happen) and isinstance(step.order, int) and step.event not in self.cannot:
                self.cannot.add(step.event)
                self.account.may_yet_happen(step.event, step.order)
            return self._without(step, CANNOT)
        lacking = self._is_lacking(step, result)
        if lacking or self._came_to_nothing(step, before, result):
            return self._without(step, NOT_OFFERED if lacking else "there was nothing to do it with")
        accepted = isinstance(result, Answer) and result.outcome is Outcome.ACCEPTED
        said = self.roles.words_in(trigger, result.body) if accepted else {}
        name = self.lifecycle.identity.parameter
        came = self.exchanges()
        self.done.append(Done(step, before, result, words=tuple(said.values()), id_name=name, exchanges=came))
        self.checked += 1
        self._judge(self.learn(step, result))
        return result

    def _came_to_nothing(self, step: Step, before: Iterable[State | None], result: Any) -> bool:
        """Whether a driver could not make an event happen that is allowed and that only it makes happen."""
        if not isinstance(step, Happen) or not self.lifecycle.trigger_rules[step.event].seen:
            return False
        refused = isinstance(result, Answer) and result.outcome is Outcome.REFUSED and result.code is None
        return refused and any(self.lifecycle.table[state].get(step.event) for state in before)

    def _is_read(self, trigger: Trigger | None) -> bool:
        return trigger is None or trigger in self.roles.reads

    def _without(self, step: Step, why: str) -> None:
        """Go on without what a step would have read, if nothing needs it; else `CannotForce`."""
        if not isinstance(step, Observe):
            raise CannotForce(why)

    def _is_lacking(self, step: Step, result: Any) -> bool:
        """Whether the server says that it does not have an operation, and never answered it otherwise."""
        operation = self._asked(step, result)
        if operation is None or self._strict:
            return False
        answer = result if isinstance(result, Answer) else None
        lacking = answer is not None and self.lifecycle.codes.meaning_of(answer.code) is Meaning.NOT_OFFERED
        if answer is None or not (lacking or says_nothing(answer, self.lifecycle)):
            self._offered.add(operation)
            self.not_offered.discard(operation)
        elif lacking and operation not in self._offered:
            self.not_offered.add(operation)
            return True
        return False

    def _asked(self, step: Step, result: Any) -> Trigger | None:
        """The operation that a server was asked for, if what came of it says whether it has that."""
        match step:
            case Happen() | Wait() | ReadCertificate() | Place():
                return None
            case Observe():
                return self.roles.read if isinstance(result, Answer) else None
            case Ask(operation, action, version=asked):
                return operation if (action, asked) == (operation, VERSION) else None
        return step.operation

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
        for contradiction in sorted(contradictions, key=attrgetter("fatal")):
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
        if isinstance(step, Call) and isinstance(step.order, int) and not self._is_turned_away(result):
            self._let_in.add(step.operation)
        self.account.what_is_due_happens(datetime.now(UTC) + ROUNDED)
        body = getattr(result, "body", None) if self.abilities.speaks_cas else None
        return [*self._fresh(body), *tell(self.account, step, result)]

    def quota(self) -> Quota | None:
        """The counts of the package, as they are; None if there are none, or they cannot be read."""
        with suppress(NoAnswer):
            return self._limited.ask("quota") if self.roles.counting and self._limited.can("quota") else None
        return None

    def peek(self, order: int) -> frozenset[State | None]:
        """The states that an order is seen in, once it was described as well; nothing is judged.

        `NoAnswer` if they cannot be read.
        """
        seen = self._seen_once_read(self.account.ids[order])
        if seen is None:
            raise NoAnswer("this driver does not observe", passing=False)
        return self.account.meant(seen)

    def _seen_once_read(self, order_id: Id) -> Any:
        """What is seen of an order that was read before: there are servers that go on only then."""
        with suppress(NoAnswer):
            if self.roles.read is not None:
                self._limited.ask("call", self.roles.read, order_id)
        return self._limited.ask("observe", order_id)

    def wait_for(self, work: Coroutine[Any, Any, _T]) -> _T:
        """What a coroutine comes to, in the loop in which everything of this driver is done."""
        return self._limited.wait_for(work)

    def play(self, program: Program, ends: Callable[[Failure], bool], like: Failure | None = None) -> Failure | None:
        """Play a program until it fails in a way that `ends` it; how it did. Steps that cannot be done are left out.

        So is what was told once, unless it is to fail `like` that.
        """
        told = self.told
        if like is not None:
            self.told -= {like.once}
        self._ends = ends
        try:
            self.begin(program.units, by_the_clock=program.by_the_clock)
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
        state, trigger, flawed = culprit(self.done, self.lifecycle, itself=itself)
        answer = last.result if isinstance(last.result, Answer) else last.instead
        off = answer is not None and (
            throttled(answer, self.lifecycle) or (kept_out(answer, self.lifecycle) and trigger not in self._let_in)
        )
        return Failure(
            state=state,
            trigger=trigger,
            expected=found.expected,
            got=found.got,
            kind=found.kind,
            passing=found.passing,
            kept_off=off and found.passing,
            once=found.once or (None if found.kind is Kind.SHAPES else once_of(last, self.lifecycle)),
            itself=itself,
            flawed=flawed,
            done=tuple(self.done),
            units=self.units,
            opening=self.opening,
            by_the_clock=self.by_the_clock,
            where=self.lifecycle.name_of(state),
            vocabulary=found.vocabulary,
        )

    def give_up_orders(self, others: Iterable[Id] = ()) -> None:
        """Give back the units of this program's orders, where the account cannot be emptied; as far as it goes.

        `others` are ids of orders that were created besides.
        """
        if self.ours or not self.roles.costs:
            return
        silent = 0
        believed = {self.account.ids[order]: self.account.states(order) for order in self.account.ids}
        for order_id in {*believed, *others}:
            if not self._give_up(order_id, believed.get(order_id, frozenset())):
                silent += 1
                if silent == MOST_SILENT:
                    return

    def _give_up(self, order_id: Id, believed: frozenset[State | None]) -> bool:
        """Give back the unit of an order, which is in one of the states `believed` if it cannot be observed.

        False if no answer came.
        """
        for _ in range(MOST_STEPS_TO_GIVE_UP):
            states = self.seen(order_id) or believed
            giving_up = self.giving_up(states)
            if not giving_up:
                return bool(states)
            try:
                answer = self._limited.ask("call", giving_up[0].trigger, order_id)
            except NoAnswer:
                return False
            if answer is None or answer.outcome is Outcome.UNKNOWN:
                return False
            if answer.outcome is Outcome.ACCEPTED:
                believed = frozenset([giving_up[0].target])
        return True

    def seen(self, order_id: Id) -> frozenset[State | None]:
        """The states that an order is seen in, and nothing is judged; none if they cannot be read."""
        try:
            states = self._limited.ask("observe", order_id)
            return frozenset() if states is None else self.account.meant(states)
        except (NoAnswer, Contradiction):
            return frozenset()

    def giving_up(self, states: Iterable[State | None]) -> list[Transition]:
        """The rows by which an order in one of some states is given up, and may be; those that are grave come last."""
        rules, barred = self.lifecycle.trigger_rules, self.left_out | self.not_offered
        rows = [row for state in states for row in self.lifecycle.outgoing(state) if rules[row.trigger].abandons]
        return sorted((row for row in rows if row.trigger not in barred), key=lambda row: rules[row.trigger].grave)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _before(self, step: Step) -> frozenset[State | None]:
        order = getattr(step, "order", None)
        if isinstance(step, Create | Buy | Place | ReadAccount | ReadCertificate) or order is None:
            return frozenset([None])
        return self.account.states(order)

    def _let_in_at_last(self, step: Step) -> Any:
        """The result of a step; what is throttled or kept out is tried again, a few times, and a read that failed once.

        A read changes nothing, so that it can be made again where it was.
        """
        is_read = self._is_read(trigger_of(step))
        for pause in () if trigger_of(step) in self.kept_off else PAUSES:
            result: Any = None
            try:
                result = answer = self._performed(step)
            except NoAnswer as error:
                if error.answer is None or not self._may_be_made_again(error.answer, is_read=is_read):
                    raise
                answer = error.answer
            if not isinstance(answer, Answer) or not self._may_be_made_again(answer, is_read=is_read):
                return result
            is_read = False
            time.sleep(pause if throttled(answer, self.lifecycle) else 0.0)
        return self._performed(step)

    def _performed(self, step: Step) -> Any:
        return self.waited(step) if isinstance(step, Wait) else _perform(step, self._limited, self.account)

    def _is_turned_away(self, answer: Answer) -> bool:
        """Whether a call surely came to nothing, and may be made again."""
        return throttled(answer, self.lifecycle) or kept_out(answer, self.lifecycle)

    def _may_be_made_again(self, answer: Answer, *, is_read: bool) -> bool:
        return self._is_turned_away(answer) or (is_read and says_nothing(answer, self.lifecycle))

    def _fresh(self, body: Mapping[str, Any] | None) -> Iterator[Contradiction]:
        """No two answers have the same RequestId."""
        request_id = (body or {}).get("RequestId")
        if request_id is None:
            return
        form = ("the form of RequestIds",)
        if not UUID.fullmatch(str(request_id)):
            expected = "a RequestId that is an upper-case UUID"
            yield Contradiction(expected, f"{request_id!r}", Kind.SHAPES, itself=True, once=form)
        if request_id in self._request_ids:
            got = f"{request_id}, which another answer had"
            yield Contradiction("a RequestId of its own", got, Kind.SHAPES, itself=True)
        self._request_ids.add(request_id)


def _never(_failure: Failure) -> bool:
    return False


def _perform(step: Step, driver: LimitedDriver, account: Account) -> Any:  # noqa: C901, PLR0912  # a case for each kind
    """What a driver gives for a step on the orders of an account.

    `CannotForce` if it has no such method, `NoAnswer` if no answer came.
    """
    method = ""
    given: tuple[Any, ...] = ()
    named: dict[str, Any] = {}
    match step:
        case Create(operation, _, package):
            method, given, named = "create", (operation,), other(package)
        case Call(operation, order, flawed=flawed):
            method, given = "flawed" if flawed else "call", (operation, _id(account, order))
        case Happen(event, order):
            method, given = "happen", (account.lifecycle.identity.read(_id(account, order)), event)
        case Observe(order):
            method, given = "observe", (_id(account, order),)
        case ReadList(_, status, like, page, size, field):
            keyword = None if like is None or account.listing is None else account.listing.domain(like)
            if like is not None and not keyword:
                raise CannotForce("no list has told the domain")
            method, named = "orders", {"status": status, "keyword": keyword, "page": page, "size": size}
            named |= {} if field is None else {"field": field}
        case Buy(operation, _, again):
            method, given = "buy", (operation, *(() if again is None else (account.ids[again],)))
        case Place(operation):
            method, given = "place", (operation,)
        case ReadAccount(operation, order):
            method, given = "read", (operation, *(() if order is None else (account.ids[order],)))
        case ReadCertificate(_, order):
            certificate = account.certificate(order)
            if certificate is None:
                raise CannotForce("no read has told the certificate's id")
            method, given = "certificate", (certificate,)
        case ReadQuota(_, package):
            method, named = "quota", other(package)
        case Ask(_, action, _, _, parameters, version):
            method, given, named = "request", (action, dict(parameters)), {"version": version}
    if not driver.can(method):
        raise CannotForce("the driver has no such method")
    return driver.ask(method, *given, **named)


def _id(account: Account, order: int | str) -> Id:
    return account.ids[order] if isinstance(order, int) else order
