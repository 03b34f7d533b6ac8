"""Histories of orders that never were: each walked along the table, call by call, and judged by `trace.judge`.

A script that is to be good conforms; one that is to be bad violates the table, at a line that is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import attrs

from orderfsm.rows import DAY, Actor
from orderfsm.tables.orders import Event, Operation
from orderfsm.trace import Events, Finding, Line, Outcome, judge
from orderfsm.wire import type_of

if TYPE_CHECKING:
    from random import Random

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Transition, Trigger

HOUR = 3_600

# How likely each trigger is where the table allows it, and after how many seconds, in the mean, it comes. Calls that
# are not named, creates among them, are one as likely as the other.
_WEIGHTS: dict[Trigger, float] = {
    Event.DOMAIN_VALIDATED: 40,
    Event.REVIEW_PASSED: 40,
    Event.REVIEW_FAILED: 2,
    Event.CERTIFICATE_REVOKED: 0.2,
    Event.SUBMITTED: 3,
    Event.EXPIRY_NEARED: 40,
    Event.EXPIRY_REACHED: 8,
    Operation.CANCEL: 2,
    Operation.DELETE: 8,
    Operation.CANCEL_FOR_PACKAGE: 1.5,
    Operation.RENEW: 6,
}
_SECONDS: dict[Trigger, float] = {
    Event.DOMAIN_VALIDATED: 2 * HOUR,
    Event.REVIEW_PASSED: 5 * HOUR,
    Event.REVIEW_FAILED: 9 * HOUR,
    Event.EXPIRY_NEARED: 60 * DAY,
    Event.EXPIRY_REACHED: 30 * DAY,
}
_CALL_SECONDS = 6 * HOUR
_RETRY_SECONDS = 4.0

# What goes otherwise than straight on, as shares of all steps.
_READ, _REFUSED, _THROTTLED, _LOST, _GIVEN_UP = 0.15, 0.015, 0.01, 0.008, 0.04

_BEGINNING = "2026-08-05T06:10:01Z"


class Step(NamedTuple):
    """A line to be: what is said, how long after the line before it, and of which of the script's orders."""

    trigger: Trigger
    outcome: Outcome = Outcome.ACCEPTED
    code: str | None = None
    state: str | None = None
    begins: bool = False
    second: bool = False
    after: float = _CALL_SECONDS

    @property
    def said(self) -> tuple[Trigger, Outcome, str | None, str | None]:
        """What the line says, whenever and of whichever order it is."""
        return self[:4]

    def line(self, number: int) -> Line:
        """The line, the `number`-th of its history; all are of one time."""
        return Line(
            time=_BEGINNING,
            order_id=2 if self.second else 1,
            trigger=self.trigger,
            outcome=self.outcome,
            code=self.code,
            state=self.state,
            new_order_id=2 if self.begins else None,
            number=number,
        )


@attrs.frozen
class Script:
    """The steps of an order, or of two if the first is renewed; `index` of the violation if it is a bad one."""

    steps: tuple[Step, ...]
    index: int = -1

    @property
    def ids(self) -> int:
        """How many orders it is about."""
        return 1 + any(step.begins for step in self.steps)


class Author:
    """Writes scripts: walks along the table of `lifecycle`."""

    def __init__(self, lifecycle: Lifecycle, events: Events, random: Random) -> None:
        self._lifecycle, self._events, self._random = lifecycle, events, random
        self._operations = [rule.trigger for rule in lifecycle.triggers if isinstance(rule.trigger, Operation)]

    def good(self) -> Script:
        """A script that obeys the table."""
        steps: list[Step] = []
        state = self._walk(None, steps, second=False)
        if any(step.begins for step in steps):
            state = next(row.creates for row in self._lifecycle.transitions if row.creates is not None)
            self._walk(state, steps, second=True)
        shown = [step for step in steps if self._events is Events.COMPLETE or isinstance(step.trigger, Operation)]
        return Script(tuple(shown))

    def bad(self) -> Script:
        """A script into which one line was put, or of which one was changed, so that it violates the table."""
        while True:
            steps = list(self.good().steps)
            if any(step.begins for step in steps):
                continue
            at = self._random.randrange(1, len(steps) + 1)
            script = _violation([*steps[:at], self._wrong(), *steps[at:]], self._events, self._lifecycle)
            if script is None and at < len(steps):
                script = _violation([*steps[:at], self._wrong(), *steps[at + 1 :]], self._events, self._lifecycle)
            if script is not None:
                return script

    def _wrong(self) -> Step:
        """A line that fits in few places."""
        triggers: list[Trigger] = [*self._operations]
        if self._events is Events.COMPLETE:
            triggers += Event
        trigger = self._random.choice(triggers)
        rule = self._random.choice(self._lifecycle.states)
        if trigger is Operation.DESCRIBE and rule.type is not None:
            return Step(trigger, state=rule.type)
        if isinstance(trigger, Operation) and self._random.random() < 0.25:
            return Step(trigger, Outcome.REFUSED, rule.service_code)
        return Step(trigger)

    def _walk(self, state: State | None, steps: list[Step], *, second: bool) -> State | None:
        """Go on from `state` until the order ends or is given up; a first order is renewed once at most."""
        renewed = second
        while True:
            rows = [row for row in self._lifecycle.outgoing(state) if row.creates is None or not renewed]
            if not rows or (state is not None and self._random.random() < _GIVEN_UP):
                return state
            if state is not None:
                self._aside(state, steps, second=second)
            row = self._random.choices(rows, [_WEIGHTS.get(row.trigger, 1) for row in rows])[0]
            renewed = renewed or row.creates is not None
            state = self._take(row, steps, second=second)

    def _take(self, row: Transition, steps: list[Step], *, second: bool) -> State | None:
        chance = self._random.random()
        after = _SECONDS.get(row.trigger, _CALL_SECONDS)
        by_client, own = self._lifecycle.actor(row) is Actor.CLIENT, row.source is not None
        if by_client and own and chance < _THROTTLED:
            steps.append(Step(row.trigger, Outcome.REFUSED, "Throttling.User", second=second, after=after))
            after = _RETRY_SECONDS
        if by_client and own and row.creates is None and chance > 1 - _LOST:
            steps.append(Step(row.trigger, Outcome.UNKNOWN, second=second, after=after))
            if self._random.random() < 0.5:
                return row.target
            after = _RETRY_SECONDS
        steps.append(Step(row.trigger, begins=row.creates is not None, second=second, after=after))
        return row.target

    def _aside(self, state: State, steps: list[Step], *, second: bool) -> None:
        """A read, or a call that is refused, before the order goes on."""
        chance = self._random.random()
        if chance < _READ and self._lifecycle.can(state, Operation.DESCRIBE):
            word = type_of(state, self._lifecycle)
            steps.append(Step(Operation.DESCRIBE, state=word, second=second))
        elif chance > 1 - _REFUSED:
            operation = self._random.choice([Operation.CANCEL, Operation.DELETE, Operation.RENEW])
            if not self._lifecycle.can(state, operation):
                code = self._lifecycle.service_refusals[state].code
                steps.append(Step(operation, Outcome.REFUSED, code, second=second))


def _violation(steps: list[Step], events: Events, lifecycle: Lifecycle) -> Script | None:
    """The script of these steps if it violates the table; None if it does not, or is not about the order alone."""
    lines = [step.line(number) for number, step in enumerate(steps)]
    if any(line.of_the_account for line in lines):
        return None
    found = judge(lines, events=events, lifecycle=lifecycle)
    return Script(tuple(steps), cast("int", found.index)) if found.verdict is Finding.VIOLATES else None
