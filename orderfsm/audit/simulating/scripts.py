"""Histories of orders that never were: each walked along the table, call by call, and judged by `trace.judge`.

A script that is to be good conforms; one that is to be bad violates the table, at a line that is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import attrs

from orderfsm.errors import Meaning
from orderfsm.invalid import InvalidValue
from orderfsm.rows import DAY, Actor, State, StateRule, Term, Transition, Trigger, TriggerRule
from orderfsm.trace import Events, Finding, Line, Outcome, judge

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from orderfsm.lifecycle import Lifecycle

HOUR = 3_600


class _Usual(NamedTuple):
    """How likely a trigger is where the table allows it, and after how many seconds, in the mean, it comes."""

    weight: float
    seconds: float


_BY_ACTOR = {
    Actor.CLIENT: _Usual(1, 6 * HOUR),
    Actor.OWNER: _Usual(40, 2 * HOUR),
    Actor.CA: _Usual(40, 5 * HOUR),
    Actor.CONSOLE: _Usual(3, 6 * HOUR),
    Actor.CALENDAR: _Usual(8, 30 * DAY),
    Actor.SERVICE: _Usual(40, 2 * HOUR),
}
_GRAVE = 0.2
"""How likely a call is that cannot be taken back, or costs money."""

_ADVERSE = 0.05
"""How likely what nobody hopes for is, as a share of what the same actor does else."""

_UNASKED = _Usual(1, 60)
"""What the service does without completing a call."""

_SUBSCRIPTION = _Usual(4, 240 * DAY)
"""That its time comes to an end."""

_KNOWN = {
    "review_failed": _Usual(2, 9 * HOUR),
    "certificate_revoked": _Usual(0.2, 6 * HOUR),
    "expiry_neared": _Usual(40, 60 * DAY),
    "CancelOrderRequest": _Usual(2, 6 * HOUR),
    "DeleteCertificateRequest": _Usual(8, 6 * HOUR),
    "CancelCertificateForPackageRequest": _Usual(1.5, 6 * HOUR),
    "RenewCertificateOrderForPackageRequest": _Usual(6, 6 * HOUR),
}
"""Of triggers of which more is known than who fires them; no rule depends on it."""

_RETRY_SECONDS = 4.0

# What goes otherwise than straight on, as shares of all steps.
_READ, _REFUSED, _THROTTLED, _LOST, _GIVEN_UP = 0.15, 0.015, 0.01, 0.008, 0.04

_BEGINNING = "2026-08-05T06:10:01Z"

_TRIES = 10_000
"""After so many lines put in somewhere, a table is taken for one that nothing violates."""


class Step(NamedTuple):
    """A line to be: what is said, how long after the line before it, and of which of the script's orders."""

    trigger: Trigger
    outcome: Outcome = Outcome.ACCEPTED
    code: str | None = None
    state: str | None = None
    certificate_state: str | None = None
    begins: bool = False
    second: bool = False
    after: float = 6 * HOUR

    @property
    def said(self) -> tuple[Trigger, Outcome, str | None, str | None, str | None]:
        """What the line says, whenever and of whichever order it is."""
        return self[:5]

    def line(self, number: int, lifecycle: Lifecycle) -> Line:
        """The line, the `number`-th of its history; all are of one time."""
        first, second = map(lifecycle.identity.new, (1, 2))
        return Line(
            time=_BEGINNING,
            order_id=second if self.second else first,
            trigger=self.trigger,
            outcome=self.outcome,
            code=self.code,
            state=self.state,
            certificate_state=self.certificate_state,
            new_order_id=second if self.begins else None,
            number=number,
            lifecycle=lifecycle,
        )


@attrs.frozen
class Script:
    """The steps of an order, or of two if the first is renewed; `index` of the violation if it is a bad one."""

    steps: tuple[Step, ...]
    index: int = -1

    @property
    def ids(self) -> int:
        """How many orders it is about."""
        return 1 + any(step.begins or step.second for step in self.steps)


class Author:
    """Writes scripts: walks along the table of `lifecycle`.

    `InvalidValue` if no call begins an order there, since then a log of calls does not show it.
    """

    def __init__(self, lifecycle: Lifecycle, events: Events, random: Random) -> None:
        if not any(map(lifecycle.by_client, lifecycle.creates)):
            raise InvalidValue("table", lifecycle.name, [f"one in which a {lifecycle.noun} begins by a call"])
        self._lifecycle, self._random = lifecycle, random
        self._events = events
        self._usual = {rule.trigger: _usual(rule) for rule in lifecycle.triggers}
        every = events is Events.COMPLETE
        told = [event for event in lifecycle.events if every or lifecycle.trigger_rules[event].seen]
        self._told = [*lifecycle.operations, *told]
        moving = {row.trigger for row in lifecycle.transitions if row.changes and row.source is not None}
        self._calls = [trigger for trigger in lifecycle.operations if trigger in moving]
        self._throttled = next(_codes(lifecycle, Meaning.THROTTLED), None)

    def good(self) -> Script:
        """A script that obeys the table."""
        steps: list[Step] = []
        second = self._walk(None, steps, second=False)
        if second is not None:
            self._walk(second, steps, second=True)
        return Script(tuple(step for step in steps if step.trigger in self._told))

    def bad(self) -> Script:
        """A script into which one line was put, or of which one was changed, so that it violates the table."""
        for _ in range(_TRIES):
            script = self.good()
            if script.ids > 1:
                continue
            steps = script.steps
            at = self._random.randrange(1, len(steps) + 1)
            found = _violation([*steps[:at], self._wrong(), *steps[at:]], self._events, self._lifecycle)
            if found is None and at < len(steps):
                found = _violation([*steps[:at], self._wrong(), *steps[at + 1 :]], self._events, self._lifecycle)
            if found is not None:
                return found
        raise InvalidValue("table", self._lifecycle.name, ["one that a line can violate"])

    def _wrong(self) -> Step:
        """A line that fits in few places."""
        trigger = self._random.choice(self._told)
        rule = self._random.choice(self._lifecycle.states)
        words = self._words(rule)
        if trigger in words:
            return self._read(trigger, rule, words)
        if self._lifecycle.by_client(trigger) and self._random.random() < 0.25:
            return self._refused(rule.state, trigger)
        return Step(trigger)

    def _refused(self, state: State | None, call: Trigger, *, second: bool = False) -> Step:
        """A call that is refused, with the code that the table names for it, if it names one."""
        code = self._lifecycle.service_refusal(state, call).error.code or None
        return Step(call, Outcome.REFUSED, code, second=second)

    def _words(self, rule: StateRule) -> dict[Trigger, list[str]]:
        """What the reads of an order that is in that state may answer, second words aside."""
        words: dict[Trigger, list[str]] = {}
        for at, vocabulary in enumerate(self._lifecycle.vocabularies):
            if vocabulary.operation in self._lifecycle.reads and rule.readings(at) and not vocabulary.apart:
                words.setdefault(vocabulary.operation, []).extend(rule.readings(at))
        return words

    def _read(self, read: Trigger, rule: StateRule, words: dict[Trigger, list[str]], *, second: bool = False) -> Step:
        """A read of an order that is in that state; it answers a second word as well, if the table tells one apart."""
        state = self._random.choice(words[read])
        beside = [
            rule.readings(at)
            for at, vocabulary in enumerate(self._lifecycle.vocabularies)
            if vocabulary.apart and read in vocabulary.operations and rule.readings(at)
        ]
        return Step(
            read, state=state, certificate_state=self._random.choice(beside[0]) if beside else None, second=second
        )

    def _walk(self, state: State | None, steps: list[Step], *, second: bool) -> State | None:
        """Go on from `state` until the order ends or is given up; a first order is renewed once at most.

        It gives the state in which the second order begins, None if there is none.
        """
        begun: State | None = None
        once: set[Trigger] = set()
        while True:
            rows = [row for row in self._lifecycle.outgoing(state) if row.creates is None or not (second or begun)]
            rows = [row for row in rows if row.trigger not in once]
            if state is None:
                rows = [row for row in rows if self._lifecycle.by_client(row.trigger)]
            if not rows or (state is not None and self._random.random() < _GIVEN_UP):
                return begun
            if state is not None:
                self._aside(state, steps, second=second)
            row = self._random.choices(rows, [self._usual[row.trigger].weight for row in rows])[0]
            begun = begun or row.creates
            once.update({row.trigger}.intersection(row.optional_after))
            state = self._take(row, steps, second=second)

    def _take(self, row: Transition, steps: list[Step], *, second: bool) -> State | None:
        chance = self._random.random()
        after = self._usual[row.trigger].seconds
        own_call = self._lifecycle.by_client(row.trigger) and row.source is not None
        if own_call and chance < _THROTTLED and self._throttled is not None:
            steps.append(Step(row.trigger, Outcome.REFUSED, self._throttled, second=second, after=after))
            after = _RETRY_SECONDS
        if own_call and row.creates is None and chance > 1 - _LOST:
            steps.append(Step(row.trigger, Outcome.UNKNOWN, second=second, after=after))
            if self._random.random() < 0.5:
                return row.target
            after = _RETRY_SECONDS
        begins = row.creates is not None
        steps.append(Step(row.trigger, state=self._word_after(row), begins=begins, second=second, after=after))
        return row.target

    def _word_after(self, row: Transition) -> str | None:
        """The word for the state after `row`, if the answer of its call has one."""
        rule = self._lifecycle.state_rules[row.target]
        words = (
            word
            for at, vocabulary in enumerate(self._lifecycle.vocabularies)
            for word in rule.readings(at)
            if row.trigger in vocabulary.elsewhere and not vocabulary.apart
        )
        return next(words, None)

    def _aside(self, state: State, steps: list[Step], *, second: bool) -> None:
        """A read, or a call that is refused, before the order goes on."""
        chance = self._random.random()
        rows = self._lifecycle.table[state]
        if chance < _READ:
            words = self._words(self._lifecycle.state_rules[state])
            reads = [read for read in words if rows.get(read) is not None]
            if reads:
                read = self._random.choice(reads)
                steps.append(self._read(read, self._lifecycle.state_rules[state], words, second=second))
        elif chance > 1 - _REFUSED and self._calls:
            call = self._random.choice(self._calls)
            if rows.get(call, ...) is None:
                steps.append(self._refused(state, call, second=second))


def _usual(rule: TriggerRule) -> _Usual:
    known = _KNOWN.get(rule.trigger)
    if known is not None:
        return known
    usual = _BY_ACTOR[rule.actor]
    if rule.actor is Actor.SERVICE and rule.follows is None:
        usual = _UNASKED
    elif rule.before_end is not None and rule.term is Term.SUBSCRIPTION:
        usual = _SUBSCRIPTION
    weight = usual.weight * (_ADVERSE if rule.adverse else 1)
    return _Usual(_GRAVE if rule.grave else weight, usual.seconds if rule.takes is None else sum(rule.takes) / 2)


def _codes(lifecycle: Lifecycle, meaning: Meaning) -> Iterator[str]:
    """The error codes that mean that."""
    yield from (error.code for error in lifecycle.codes.errors if error.means is meaning)
    yield from (code for code, means in lifecycle.codes.gateway if means is meaning)


def _violation(steps: list[Step], events: Events, lifecycle: Lifecycle) -> Script | None:
    """The script of these steps if it violates the table; None if it does not, or is not about the order alone."""
    lines = [step.line(number, lifecycle) for number, step in enumerate(steps)]
    if any(line.of_the_account for line in lines):
        return None
    found = judge(lines, events=events, lifecycle=lifecycle)
    return Script(tuple(steps), cast("int", found.index)) if found.verdict is Finding.VIOLATES else None
