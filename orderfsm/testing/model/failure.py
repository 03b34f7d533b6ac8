"""What of an answer the table does not explain; and how a program failed by it: what was done, and what is accused."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from orderfsm.errors import Meaning
from orderfsm.invalid import OrderFSMError
from orderfsm.testing.drivers.driver import Answer, Page, Quota, says_nothing
from orderfsm.trace import Outcome

from .roles import roles
from .steps import Call, Observe, Program, ReadList, ReadQuota, is_flawed, orders_of, trigger_of

if TYPE_CHECKING:
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Trigger, Vocabulary
    from orderfsm.testing.drivers.exchanges import Exchange

    from .steps import Step

    Key: TypeAlias = tuple[State | None, Trigger, "Kind"] | tuple[State | None, Trigger, "Kind", bool]
    """What is accused, and of what; True besides, if it is that a call was to fail."""

Once: TypeAlias = tuple[object, ...]
"""What every program would fail of: what is told once has the same one."""


class Kind(StrEnum):
    """What a contradiction is about; the gravest first."""

    STATE_MACHINE = "state machine"
    QUOTA = "quota"
    CODES = "codes"
    SHAPES = "shapes"


class Contradiction(Exception):
    """What of an answer the table does not explain: what was `expected`, and what was `got` instead.

    `passing`: the server did not answer, or failed, or was busy. That contradicts the table only if it does so always.
    `itself`: it is the answer's own fault, and shows no effect of what was done before. `once`: what it is of, if every
    program would show it. `fatal`: nobody knows any more where the orders are, so that nothing after it can be judged.
    `vocabulary`: what it is about is a word of that.
    """

    def __init__(
        self,
        expected: str,
        got: str,
        kind: Kind = Kind.STATE_MACHINE,
        *,
        passing: bool = False,
        fatal: bool | None = None,
        itself: bool = False,
        once: Once | None = None,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        super().__init__(expected, got)
        self.expected, self.got, self.kind, self.passing = expected, got, kind, passing
        self.fatal = passing or (kind is Kind.STATE_MACHINE if fatal is None else fatal)
        self.itself, self.once, self.vocabulary = itself, once, vocabulary

    def __str__(self) -> str:
        return f"expected {self.expected}, got {self.got}"


@attrs.frozen
class Done:
    """A step that was done: the states in which its order may have been before, and what came of it.

    `result` is an `Answer`, a `Page`, a `Quota`, or what was observed; None if nothing readable came, but perhaps an
    answer `instead`. `words` are what an answer said of the order's state, and `id_name` what the API calls its id.
    `exchanges` are what went over the wire for it, as far as the driver tells.
    """

    step: Step
    before: frozenset[State | None]
    result: Any
    instead: Answer | None = None
    words: tuple[str, ...] = ()
    id_name: str = ""
    exchanges: tuple[Exchange, ...] = attrs.field(default=(), eq=False, repr=False)

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
            case Answer(order_id=order_id) as answer:
                made = f"accepted, {self.id_name} {order_id}" if order_id is not None else str(answer)
                return " and ".join(word or "absent" for word in self.words) or made
            case Page(entries, total):
                return f"{', '.join(f'{e.order_id} {e.status}' for e in entries) or 'nothing'}; {total} in all"
            case Quota(total, used, issued):
                return f"{total} units, {used} used, {issued} issued"
            case None:
                return "no answer" if self.instead is None else str(self.instead)
            case (seen, _):
                return _seen(seen)
            case seen:
                return _seen(seen)


def _seen(seen: Any) -> str:
    if isinstance(seen, dict):
        return " and ".join(f"{field} {word or 'absent'}" for field, word in seen.items())
    return " or ".join(sorted("none" if state is None else str(state) for state in seen))


@attrs.frozen
class Failure:
    """Where a program contradicted the table: in `state`, `trigger` was expected to do one thing, and did another.

    `passing`: there was no answer, or one that says nothing; it counts only if it comes again and again. `kept_off`:
    the call was throttled, or the caller may never make it, which is no fault of the server's. `once`: what every
    program would fail of, so that it is told once and then left out. `itself`: it is the last step's own fault, and
    shows no effect of what was done before. `flawed`: the trigger was fired so that it could not be carried out. `done`
    is what was done up to there, with packages of `units`, where the service completed things `by_the_clock` or not;
    `opening` what went over the wire before, to empty the account.
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
    flawed: bool = False
    done: tuple[Done, ...] = attrs.field(default=(), eq=False, repr=False)
    units: int | None = attrs.field(default=None, eq=False, repr=False)
    opening: tuple[Exchange, ...] = attrs.field(default=(), eq=False, repr=False)
    by_the_clock: bool = attrs.field(default=False, eq=False, repr=False)
    where: str = attrs.field(default="", eq=False, repr=False)
    """What the state is called in a text."""
    vocabulary: Vocabulary | None = attrs.field(default=None, eq=False, repr=False)
    """Of which an answer has a word that it does not have."""

    @property
    def key(self) -> Key:
        """What it accuses, and of what."""
        return key_of(self.state, self.trigger, self.kind, flawed=self.flawed)

    @property
    def program(self) -> Program:
        """The program that was played up to there."""
        return Program(tuple(done.step for done in self.done), self.units, self.by_the_clock)

    def __str__(self) -> str:
        return f"{named(self.trigger, flawed=self.flawed)} in {self.where}: expected {self.expected}, got {self.got}"

    def ends_as(self, other: Failure) -> bool:
        """Whether it names the same, by the same step."""
        return self.names(other) and self.done[-1].step == other.done[-1].step

    def names(self, other: Failure) -> bool:
        """Whether it accuses the same trigger in the same state of the same kind of thing, or of what is told once."""
        return self.key == other.key if self.once is None else self.once == other.once


def key_of(state: State | None, trigger: Trigger, kind: Kind, *, flawed: bool) -> Key:
    """What is accused, and of what."""
    return (state, trigger, kind, True) if flawed else (state, trigger, kind)


def named(trigger: Trigger, *, flawed: bool) -> str:
    """A trigger in a text, which perhaps was fired so that it could not be carried out."""
    return f"{trigger}, flawed," if flawed else str(trigger)


def reading_of(step: Step) -> Once:
    """What a step reads, of all orders."""
    return type(step), trigger_of(step)


def once_of(last: Done, lifecycle: Lifecycle) -> Once | None:
    """What every program would fail of, if the last step shows such a thing: a read that came to nothing.

    One that is refused may be so because of the order's state.
    """
    step, result = last.step, last.result
    is_call = isinstance(step, Call) and isinstance(step.order, int) and step.operation in roles(lifecycle).reads
    if not (is_call or isinstance(step, Observe | ReadList | ReadQuota)):
        return None
    said = isinstance(result, Answer) and not (
        says_nothing(result, lifecycle) or lifecycle.codes.meaning_of(result.code) is Meaning.NOT_OFFERED
    )
    return reading_of(step) if result is None or (is_call and not said) else None


def culprit(done: list[Done], lifecycle: Lifecycle, *, itself: bool = False) -> tuple[State | None, Trigger, bool]:
    """The state and the trigger that the last step accuses: `itself`, or the one of which it shows the effect.

    What is observed is the effect of the last step before, read or not; if that was to observe the same by a read, of
    the read. A count of units is that of the last step since the count before that was no read, else of the last read,
    else of the last step at all that was no read. Anything else accuses itself. Of several states it may have been in,
    it names the first in which that answer was possible; of a read, the last one that was certain. True, if it is a
    call that was to fail.
    """
    *before, last = done
    before_last = before
    reads = isinstance(last.result, dict) and before and before[-1].step == last.step
    if itself or reads:
        before = []
    elif isinstance(last.step, Observe):
        before = [each for each in before if not isinstance(each.step, Observe)]
    elif isinstance(last.step, ReadQuota):
        counts = [at for at, each in enumerate(before) if each.step == last.step]
        since = [each for each in before[counts[-1] + 1 :] if trigger_of(each.step) is not None] if counts else []
        before = _changing(since, lifecycle) or since or _changing(before, lifecycle)
    else:
        before = []
    accused = before[-1] if before else last
    flawed = is_flawed(accused.step)
    trigger = trigger_of(accused.step) or (roles(lifecycle).read if accused is last else None)
    if trigger is None:  # a table that has no read
        trigger = next((fired for each in reversed(done) if (fired := trigger_of(each.step)) is not None), None)
    if trigger is None:
        raise OrderFSMError("a program cannot fail before anything was done")
    states = [state for state in lifecycle.state_rules if state in accused.before]
    allowed = {state: lifecycle.table[state].get(trigger) is not None for state in states}
    if accused is last and isinstance(last.result, dict) and len(states) > 1:
        sure = [each.before for each in before_last if orders_of(each.step) & orders_of(last.step)]
        states = next(([*each] for each in reversed(sure) if len(each) == 1 and each <= accused.before), states)
    accepted = accused.accepted or flawed or isinstance(accused.result, dict)
    return next((state for state in states if allowed[state] is accepted), states[0]), trigger, flawed


def _changing(done: list[Done], lifecycle: Lifecycle) -> list[Done]:
    return [each for each in done if trigger_of(each.step) not in {None, *roles(lifecycle).reads}]
