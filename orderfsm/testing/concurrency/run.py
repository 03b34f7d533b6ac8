"""Concurrent clients on few orders: what they are told must be possible in some order of their calls."""

from __future__ import annotations

import asyncio
import inspect
import json
import math
import secrets
import time
from collections import defaultdict
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import attrs

from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.testing.drivers.driver import NoAnswer, checked, given
from orderfsm.testing.histories.history import HistoryJudge, smallest_history
from orderfsm.testing.histories.intervals import by_end, drawn, told
from orderfsm.testing.histories.quota import HeldUnits
from orderfsm.testing.model.roles import roles
from orderfsm.trace import Events, Finding, Judged, Line, Outcome, all_or_some, automaton, dumps, readings

from .clients import record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Trigger
    from orderfsm.testing.drivers.driver import Driver, Quota
    from orderfsm.testing.histories.history import HistoryCheck

    from .clients import Recording

LEAST = 0.05
"""Seconds that the check of a history has even if the budget is used up."""


@attrs.frozen
class Problem:
    """Something that clients were told and that cannot be: a sentence, the `lines` that show it, and their picture.

    `culprit` is the one of them that cannot be, or the last. `history` is the smallest history of the order that is not
    linearizable, if that is the problem.
    """

    sentence: str
    culprit: Line
    lines: tuple[Line, ...] = attrs.field(repr=False)
    picture: str = attrs.field(repr=False)
    history: HistoryCheck | None = attrs.field(default=None, repr=False)

    def __str__(self) -> str:
        return self.picture if self.history is not None else f"{self.sentence}\n{self.picture}"

    def as_json(self) -> dict[str, Any]:
        """The problem, with its calls in the trace format."""
        calls = [json.loads(dumps(line)) for line in self.lines]
        return {"problem": self.sentence, "calls": calls, "picture": self.picture}


@attrs.frozen(kw_only=True)
class ConcurrentReport(Judged):
    """What a run of concurrent clients came to.

    `lines` are all that they were told, in the trace format, on `orders` orders. The verdict is VIOLATES if there are
    `problems`; UNDECIDED if there was no order, or if the history of one is `undecided`; else CONFORMS. `quota` says
    whether the counts of the package could be checked. The `seed` repeats what the clients choose, but not when.
    """

    lines: tuple[Line, ...] = attrs.field(repr=False)
    orders: int
    problems: tuple[Problem, ...]
    undecided: tuple[Id, ...]
    quota: bool
    seed: int
    lifecycle: Lifecycle = attrs.field(default=ORDER_LIFECYCLE, repr=False)

    @property
    def answers(self) -> int:
        """How many answers were checked."""
        return sum(line.outcome is not Outcome.UNKNOWN for line in self.lines)

    @property
    def verdict(self) -> Finding:
        """Nothing checked is never a pass."""
        if self.problems:
            return Finding.VIOLATES
        return Finding.UNDECIDED if self.undecided or not self.orders else Finding.CONFORMS

    def __str__(self) -> str:
        quota = "" if self.quota or roles(self.lifecycle).counting is None else ", quota not checked"
        counts = f"{self.answers} answers on {self.orders} {self.lifecycle.noun}s{quota}"
        return "\n".join([*map(str, self.problems), f"{self.verdict}: {counts}; seed {self.seed}"])

    def as_json(self) -> dict[str, Any]:
        """The report as a document."""
        return {
            "table": self.lifecycle.name,
            "verdict": str(self.verdict),
            "answers": self.answers,
            "orders": self.orders,
            "quota_checked": self.quota,
            "problems": [problem.as_json() for problem in self.problems],
            "undecided": list(self.undecided),
            "seed": self.seed,
        }


def run_concurrent(driver: Driver, **options: Any) -> ConcurrentReport:
    """`run_concurrent_async` in an event loop of its own."""
    return asyncio.run(run_concurrent_async(driver, **options))


async def run_concurrent_async(
    driver: Driver,
    *,
    clients: int = 8,
    calls: int = 100,
    seed: int | None = None,
    lifecycle: Lifecycle = ORDER_LIFECYCLE,
    events: Events = Events.PARTIAL,
    budget: float = 30.0,
    left_out: Collection[Trigger] = (),
) -> ConcurrentReport:
    """Let `clients` clients make `calls` calls each on a few orders, all at once, and check what they are told.

    The clients are threads, or tasks if the driver's methods are `async`. Checked are that the history of every order
    is linearizable, that no id was given twice, and, if the driver can read its package (`quota`), that every refusal
    for lack of quota and every create was possible when it was made, and that in the end the package holds the units
    that it must. For that, nobody else may use the package or these orders.

    `events` are COMPLETE if nothing happens to orders but by the driver. The clients begin nothing once half of the
    `budget`, in seconds, is used up; a history that cannot be decided in the rest is undecided. Triggers that are
    `left_out` are not fired.
    """
    for name, value in (("clients", clients), ("calls", calls)):
        if type(value) is not int or value < 1:
            raise InvalidValue(name, value, ["an int, 1 or more"])
    if not 0 < budget < math.inf:
        raise InvalidValue("budget", budget, ["seconds, more than 0"])
    all_events = all_or_some(events, ())
    seed = secrets.randbits(32) if seed is None else seed
    checked(driver)
    begun = time.monotonic()
    before = await _quota(driver, lifecycle)
    recording = await record(
        driver, lifecycle, clients=clients, calls=calls, seed=seed, deadline=begun + budget / 2, left_out=left_out
    )
    after = await _quota(driver, lifecycle)
    problems, undecided = found_in(recording, lifecycle, all_events, begun + budget)
    if before is not None and after is not None:
        problems += of_quota(recording.lines, lifecycle, before, after)
    return ConcurrentReport(
        lines=tuple(recording.lines),
        orders=len({line.order_id for line in recording.lines} - {None}),
        problems=tuple(problems),
        undecided=tuple(undecided),
        quota=before is not None and after is not None,
        seed=seed,
        lifecycle=lifecycle,
    )


async def _quota(driver: Driver, lifecycle: Lifecycle) -> Quota | None:
    """The counts of the package; None if the table has none, or the driver cannot read them."""
    read = getattr(driver, "quota", None) if roles(lifecycle).counting is not None else None
    try:
        quota = None if read is None else read()
        return cast("Quota | None", given("quota", await quota if inspect.isawaitable(quota) else quota))
    except NoAnswer:
        return None


def found_in(
    recording: Recording,
    lifecycle: Lifecycle,
    events: Events,
    deadline: float,
    initial: Mapping[Id, frozenset[State | None]] = MappingProxyType({}),
) -> tuple[list[Problem], list[Id]]:
    """The orders whose history cannot be, or whose id is that of two orders; and those that are undecided.

    `initial` has the states of orders that were there before.
    """
    problems: list[Problem] = []
    undecided: list[Id] = []
    identity, by_order = lifecycle.identity, _by_order(recording.lines)
    machine = automaton(lifecycle, events, late=False)
    for order_id in sorted(by_order, key=identity.sort_key):
        lines = by_order[order_id]
        said = ((line, readings(line, order_id, lifecycle)) for line in lines)
        begins = [line for line, each in said if any(machine.creates(r) or r.named for r in each)]
        if len(begins) > 1:
            sentence = f"{identity.parameter} {order_id} was given to two {lifecycle.noun}s"
            problems.append(_problem(sentence, begins, begins[-1], lifecycle))
            continue
        known = Events.PARTIAL if order_id in recording.unsure else events
        until = max(deadline, time.monotonic() + LEAST)
        found = HistoryJudge(order_id, lifecycle, known).checked(lines, initial.get(order_id), until)
        if found.culprit is not None:
            few = smallest_history(found, lifecycle=lifecycle, events=known, budget=until - time.monotonic() + LEAST)
            problems.append(Problem(str(few), few.culprit or found.culprit, few.calls, few.picture(), few))
        elif found.verdict is Finding.UNDECIDED:
            undecided.append(order_id)
    return problems, undecided


def _by_order(lines: Iterable[Line]) -> dict[Id, list[Line]]:
    """The lines that say something of each order."""
    orders: defaultdict[Id, list[Line]] = defaultdict(list)
    for line in lines:
        for order_id in {line.order_id, line.begins}:
            if order_id is not None and not line.of_the_account:
                orders[order_id].append(line)
    return orders


def of_quota(lines: Collection[Line], lifecycle: Lifecycle, before: Quota, after: Quota) -> Iterator[Problem]:
    """What cannot be of the answers to creates, and of the counts of the package before and after all calls."""
    held = HeldUnits(lines, before.used, lifecycle)
    for call, units in held.impossible(before.total):
        bound = "at least" if call.line.outcome is Outcome.ACCEPTED else "at most"
        sentence = f"{told(call.line, lifecycle)}, while {bound} {units} of {before.total} units were held"
        yield _problem(sentence, [other.line for other in held.around(call)], call.line, lifecycle)
    least, most = held.least(), held.most()
    if held.changes and not least <= after.used <= most:
        expected = str(least) if least == most else f"{least} to {most}"
        sentence = f"in the end {after.used} units are used, and {expected} are held; before, {before.used} were used"
        yield _problem(sentence, [held.changes[-1].line], held.changes[-1].line, lifecycle)


def _problem(sentence: str, lines: Sequence[Line], culprit: Line, lifecycle: Lifecycle) -> Problem:
    calls = by_end(lines)
    return Problem(sentence, culprit, tuple(call.line for call in calls), drawn(calls, culprit, lifecycle))
