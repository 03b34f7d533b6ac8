"""What the table says that an account must answer: a model of its orders, which follows the answers step by step.

Of each order it keeps the *standings* that the answers so far leave possible: a state, and whether the order holds a
unit and was ever issued. Where others may act behind the kit's back (events are partial), the standings are widened
before each step by what owner, CA and calendar may have done meanwhile; the console is taken to be the tester's own.
What of an answer no standing explains is a `Contradiction`; an answer may have several, and only a `fatal` one leaves
the model behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from orderfsm import wire
from orderfsm.errors import BY_CODE, Meaning, NotFoundPackage, NotRemainCount
from orderfsm.paths import WAITED_FOR
from orderfsm.tables.api import meaning_of
from orderfsm.tables.orders import Event, Operation
from orderfsm.testing.drivers.answers import gone
from orderfsm.testing.drivers.driver import says_nothing
from orderfsm.trace import Events, Outcome

from .contradiction import Contradiction, Kind
from .shapes import failed, flaw
from .steps import Ask, Call, Create, Happen, Observe, ReadList, ReadQuota

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Transition, Trigger
    from orderfsm.testing.drivers.driver import Answer, Page, Quota

    from .steps import Step

COUNTED = {"used": "units used", "issued": "orders issued"}


class Standing(NamedTuple):
    """One way in which an order may stand; `used`: it holds a unit; `issued`: it was issued once."""

    state: State | None
    used: bool = False
    issued: bool = False


@attrs.define
class Package:
    """What is known of a package: its size, and how many units used and orders issued are others', at least, at most.

    After a count that contradicts the orders it is no more `judged`: what it should say then, nobody knows.
    """

    total: int | None
    others: dict[str, tuple[int, int]]
    judged: bool = True


class Account:
    """The model of an account.

    It was empty at first but for `packages` of `units` each if it is `ours` alone; else there may be other orders in
    it. `units` None is no package. Each method that learns an answer yields what contradicts the table.
    """

    def __init__(
        self, lifecycle: Lifecycle, events: Events, *, units: int | None, ours: bool, packages: int = 1
    ) -> None:
        self.lifecycle = lifecycle
        self.ids: dict[int, int] = {}
        self.standings: dict[int, frozenset[Standing]] = {}
        self._units = units
        self._ours = ours
        self._acting = WAITED_FOR if events is Events.PARTIAL else ()
        self._gone = gone(lifecycle)
        self._domains: dict[int, str] = {}
        self._pages: dict[tuple[object, ...], list[int]] = {}
        self._package_of: dict[int, int] = {}
        self._packages = {
            number: Package(units if ours else None, dict.fromkeys(COUNTED, (0, 0)) if ours else {})
            for number in range(1, packages + 1)
        }

    # -- what is known -----------------------------------------------------------------------------------------------

    def states(self, order: int | str) -> frozenset[State | None]:
        """The states in which an order may be; an id that the program does not know is no order's."""
        return frozenset(each.state for each in self._standings(order))

    def is_gone(self, order: int) -> bool:
        """Whether an order was deleted for certain."""
        return self.states(order) <= self._gone

    def knows_domain(self, order: int) -> bool:
        """Whether a list has told the domain of an order."""
        return order in self._domains

    def domain(self, order: int) -> str:
        """The domain of an order."""
        return self._domains[order]

    def time_passes(self) -> None:
        """Let others do what they may have done meanwhile."""
        if self._acting:
            self.standings = {order: self._widened(standings) for order, standings in self.standings.items()}

    def _standings(self, order: int | str) -> frozenset[Standing]:
        return self.standings[order] if isinstance(order, int) else frozenset([Standing(None)])

    def _widened(self, standings: frozenset[Standing]) -> frozenset[Standing]:
        found = set(standings)
        frontier = list(standings)
        while frontier:
            standing = frontier.pop()
            for row in self.lifecycle.outgoing(standing.state):
                new = self._after(standing, row)
                if self.lifecycle.actor(row) in self._acting and new not in found:
                    found.add(new)
                    frontier.append(new)
        return frozenset(found)

    def _after(self, standing: Standing, row: Transition) -> Standing:
        """`standing` after a step; the kit's certificates are as young as the kit's run."""
        used = standing.used and not row.gives_back(0.0 if standing.issued else None)
        return Standing(row.target, used, standing.issued or self.lifecycle.state_rules[row.target].certified)

    # -- answers -----------------------------------------------------------------------------------------------------

    def created(self, operation: Operation, order: int, answer: Answer, package: int = 1) -> Iterator[Contradiction]:
        """Learn the answer to a create that takes a unit of a package."""
        self._pages.clear()
        row = self.lifecycle.table[None][operation]
        if row is None:
            may_succeed, codes, kind = False, {self.lifecycle.service_refusals[None].code}, Kind.STATE_MACHINE
        else:
            may_succeed, codes = self._quota_answers(row, self._packages[package])
            of_quota = meaning_of(answer.code) is Meaning.NO_UNIT or not may_succeed
            kind = Kind.QUOTA if of_quota else Kind.STATE_MACHINE
        for wrong in self._judge(operation, answer, may_succeed=may_succeed, codes=codes, kind=kind):
            self._packages[package].judged &= wrong.kind is not Kind.QUOTA
            yield wrong
        if answer.outcome is Outcome.ACCEPTED and row is not None:
            yield from self._begin(order, answer, package, Standing(row.target, row.quota > 0))

    def called(
        self, operation: Operation, order: int | str, answer: Answer, begins: int | None = None
    ) -> Iterator[Contradiction]:
        """Learn the answer to a call on an order."""
        if isinstance(order, str) and not _is_order_id(order):
            yield from self._malformed(operation, order, answer)
            return
        rows = yield from self._fired(operation, order, answer)
        word = (answer.body or {}).get("Type")
        if operation is Operation.DESCRIBE and answer.outcome is Outcome.ACCEPTED and word is not None:
            yield from self._read(order, str(word), wire.types(self.lifecycle), "Type")
        second = [Standing(row.creates) for row in rows if row.creates is not None]
        if second and begins is not None and (answer.order_id, answer.body) != (None, None):
            package = self._package_of.get(order, 1) if isinstance(order, int) else 1
            yield from self._begin(begins, answer, package, *second)

    def happened(self, event: Event, order: int | str, answer: Answer) -> Iterator[Contradiction]:
        """Learn what came of an event."""
        yield from self._fired(event, order, answer)

    def observed(self, order: int, states: frozenset[State | None]) -> Iterator[Contradiction]:
        """Learn the states that a driver saw."""
        unknown = [state for state in states if state not in self.lifecycle.state_rules]
        if unknown:
            yield Contradiction("a state of the table", f"{unknown[0]!r}", Kind.SHAPES, itself=True)
        else:
            yield from self._narrow(order, frozenset(map(self.lifecycle.state, states)))

    def counted(self, quota: Quota, number: int = 1) -> Iterator[Contradiction]:
        """Learn the counts of a package."""
        yield from self._shape(Operation.DESCRIBE_PACKAGE, quota.body)
        package = self._packages[number]
        if package.judged:
            wrong = self._miscounted(quota, number, package)
            if wrong is not None:
                package.judged = False
                yield wrong

    def _miscounted(self, quota: Quota, number: int, package: Package) -> Contradiction | None:
        """What is wrong with the counts of a package; if nothing is, it is known better afterwards."""
        if package.total is not None and quota.total != package.total:
            return Contradiction(f"{package.total} units bought", f"{quota.total}", Kind.QUOTA)
        package.total = quota.total
        for field, got in (("used", quota.used), ("issued", quota.issued)):
            least, most = self._span(field, number)
            low, high = package.others.get(field, (got - most, got - least))
            if not low + least <= got <= high + most:
                name = COUNTED[field] + ("" if number == 1 else f" of package {number}")
                return Contradiction(f"{_span(low + least, high + most)} {name}", f"{got}", Kind.QUOTA)
            if field == "used" or self._ours or not self._acting:  # others' orders may be issued meanwhile
                package.others[field] = max(low, got - most), min(high, got - least)
        return None

    def turned_away(self, asked: Ask, answer: Answer) -> Iterator[Contradiction]:
        """Learn the answer to a request that no order is to see."""
        expected = f"{asked.code} (HTTP {asked.status}) to {asked}"
        if says_nothing(answer):
            yield Contradiction(expected, str(answer), Kind.CODES, passing=True)
        elif answer.code != asked.code or answer.http_status not in {None, asked.status}:
            yield Contradiction(expected, str(answer), Kind.CODES, itself=True)
        else:
            wrong = failed(answer.body) if answer.body is not None else None
            if wrong is not None:
                shape = ("the shape of refusals by the gateway",)
                expected = "a failure of the documented shape"
                yield Contradiction(expected, wrong, Kind.SHAPES, itself=True, once=shape)

    def listed(self, asked: ReadList, page: Page) -> Iterator[Contradiction]:
        """Learn a page of the list. Pages of one list that follow one another must make up that list."""
        yield from self._shape(Operation.LIST, page.body)
        yield from self._sized(asked, page)
        names = {id_: order for order, id_ in self.ids.items()}
        for entry in page.entries:
            order = names.get(entry.order_id)
            if order is None and self._ours:
                yield Contradiction("only orders that exist", f"order id {entry.order_id}", fatal=False)
            if order is not None:
                yield from self._listed(order, entry.status)
                self._domains.setdefault(order, entry.domain)
            if asked.status is not None and entry.status != asked.status:
                expected = f"only orders with status {asked.status}"
                yield Contradiction(expected, f"one with {entry.status}", Kind.SHAPES)
            if asked.like is not None and self._domains[asked.like] not in entry.domain:
                expected = f"only domains that contain {self._domains[asked.like]}"
                yield Contradiction(expected, entry.domain, Kind.SHAPES)
        yield from self._follow(asked, page)
        shown = [entry.order_id for entry in page.entries]
        begun = [order_id for order_id in self.ids.values() if order_id in shown]
        if begun != [order_id for order_id in shown if order_id in names]:
            yield Contradiction("orders oldest first", f"order ids {', '.join(map(str, shown))}", Kind.SHAPES)

    # -- inside: calls and events ------------------------------------------------------------------------------------

    def _fired(
        self, trigger: Trigger, order: int | str, answer: Answer
    ) -> Generator[Contradiction, None, list[Transition]]:
        """Judge the answer to a trigger on an order, and move the order; the rows by which it may have moved."""
        if isinstance(trigger, Event) or trigger not in self._reads():
            self._pages.clear()
        by_standing = {each: self.lifecycle.table[each.state][trigger] for each in self._standings(order)}
        codes = {code for each, row in by_standing.items() if row is None for code in self._codes(each.state, answer)}
        for wrong in self._judge(trigger, answer, may_succeed=any(by_standing.values()), codes=codes):
            if self._is_refused_read(trigger, answer):
                wrong.fatal = wrong.passing
            yield wrong
        accepted = answer.outcome is Outcome.ACCEPTED
        rows = [row for row in by_standing.values() if row is not None] if accepted else []
        if isinstance(order, int):
            left = [(each, row) for each, row in by_standing.items() if accepted == (row is not None)]
            named = [
                (each, row) for each, row in left if accepted or answer.code in {None, *self._codes(each.state, answer)}
            ]
            moved = frozenset(each if row is None else self._after(each, row) for each, row in named or left)
            self.standings[order] = moved or self.standings[order]
        return rows

    def _is_refused_read(self, trigger: Trigger, answer: Answer) -> bool:
        """Whether it is a read that told nothing: the order is where it was."""
        return trigger in self._reads() and answer.outcome is Outcome.REFUSED

    def _reads(self) -> frozenset[Trigger]:
        changing = {row.trigger for row in self.lifecycle.transitions if row.changes}
        return frozenset(self.lifecycle.trigger_rules) - changing

    def _codes(self, state: State | None, answer: Answer) -> set[str]:
        """The codes of a refusal in a state: the service's; without HTTP, the model's serves as well."""
        codes = {self.lifecycle.service_refusals[state].code}
        return codes if answer.http_status is not None else codes | {self.lifecycle.refusals[state].code}

    def _judge(
        self,
        trigger: Trigger,
        answer: Answer,
        *,
        may_succeed: bool,
        codes: set[str],
        kind: Kind = Kind.STATE_MACHINE,
    ) -> Iterator[Contradiction]:
        """What is wrong with an answer, unless its outcome may be, with the code and the status that it must have.

        If it must not have that outcome at all, this contradicts the table in the way of `kind`.
        """
        expected = " or ".join([*["accepted"] * may_succeed, *sorted(_with_status(code) for code in codes)])
        if says_nothing(answer):
            yield Contradiction(expected, str(answer), Kind.CODES if codes else kind, passing=True)
            return
        refused = answer.outcome is Outcome.REFUSED
        status = 200 if not refused else BY_CODE[answer.code].http_status if answer.code in BY_CODE else None
        if not refused and not may_succeed:
            yield Contradiction(expected, "accepted", kind)
        elif refused and not codes:
            yield Contradiction(expected, str(answer), kind)
        elif refused and answer.code is not None and answer.code not in codes:
            yield Contradiction(expected, str(answer), Kind.CODES)
        elif answer.http_status is not None and answer.http_status != (status or answer.http_status):
            accepted = "accepted (HTTP 200)"
            yield Contradiction(expected if refused else accepted, f"HTTP {answer.http_status}", Kind.CODES)
        if isinstance(trigger, Operation):
            yield from self._shape(trigger, answer.body, refused=refused)

    def _malformed(self, operation: Operation, order: str, answer: Answer) -> Iterator[Contradiction]:
        """An id that is no OrderId is turned away, over HTTP by the gateway with its own codes."""
        code = "InvalidOrderId" if order else "MissingOrderId"
        expected = f"{code} (HTTP 400)"
        if says_nothing(answer):
            yield Contradiction(expected, str(answer), Kind.CODES, passing=True)
        elif answer.outcome is Outcome.ACCEPTED:
            yield Contradiction(expected, str(answer), Kind.CODES)
        elif answer.http_status is not None:
            if answer.code != code or answer.http_status != 400:
                yield Contradiction(expected, str(answer), Kind.CODES)
            yield from self._shape(operation, answer.body, refused=True)

    def _begin(self, order: int, answer: Answer, package: int, *standings: Standing) -> Iterator[Contradiction]:
        """Take up a new order; its id must be a new one."""
        new = answer.order_id
        again = new in self.ids.values()
        if new is None or not _is_order_id(str(new)) or again:
            kind = Kind.STATE_MACHINE if again else Kind.SHAPES
            yield Contradiction("the id of a new order", f"{new}" + " again" * again, kind, fatal=True)
            return
        self.ids[order] = new
        self.standings[order] = frozenset(standings)
        self._package_of[order] = package

    def _shape(self, operation: Operation, body: object, *, refused: bool = False) -> Iterator[Contradiction]:
        wrong = flaw(operation, body, self.lifecycle, refused=refused) if isinstance(body, dict) else None
        if wrong is not None:
            expected = f"an answer of the documented shape of {operation}"
            yield Contradiction(expected, wrong, Kind.SHAPES, itself=True)

    # -- inside: reads -----------------------------------------------------------------------------------------------

    def _narrow(
        self, order: int | str, states: frozenset[State | None], *, fatal: bool = True
    ) -> Iterator[Contradiction]:
        standings = self._standings(order)
        found = frozenset(each for each in standings if each.state in states)
        if not found:
            yield Contradiction(self._named(each.state for each in standings), self._named(states), fatal=fatal)
        elif isinstance(order, int):
            self.standings[order] = found

    def _read(
        self, order: int | str, word: str, vocabulary: dict[str, frozenset[State | None]], kind: str
    ) -> Iterator[Contradiction]:
        """Learn the word that a read said of an order; if it cannot be, the read may be wrong, and not the order."""
        if word in vocabulary:
            yield from self._narrow(order, vocabulary[word], fatal=False)
        else:
            yield Contradiction(f"a documented {kind}", word, Kind.SHAPES)

    def _named(self, states: Iterable[State | None]) -> str:
        return " or ".join(dict.fromkeys("no order" if state is None else state for state in sorted(states, key=str)))

    def _listed(self, order: int, status: str) -> Iterator[Contradiction]:
        """An order in the list is there, with its status."""
        if self.is_gone(order):
            expected = f"no order {order} in the list, which is deleted"
            yield Contradiction(expected, f"status {status}", fatal=False)
            return
        words = {wire.status_of(state, self.lifecycle) or "absent" for state in self.states(order)}
        for wrong in self._read(order, status, wire.statuses(self.lifecycle), "Status"):
            expected = f"status {' or '.join(sorted(words))} of order {order}"
            yield Contradiction(expected, status, wrong.kind, fatal=False)

    def _sized(self, asked: ReadList, page: Page) -> Iterator[Contradiction]:
        left = min(asked.size, max(0, page.total - (asked.page - 1) * asked.size))
        if len(page.entries) != left:
            expected = f"{left} orders on page {asked.page} of {page.total} orders"
            yield Contradiction(expected, f"{len(page.entries)}", Kind.SHAPES)
        ids = [entry.order_id for entry in page.entries]
        if len(set(ids)) != len(ids):
            yield Contradiction("each order once", "an order twice on a page", Kind.SHAPES)
        certain, possible = self._matching(asked)
        if self._ours and not len(certain) <= page.total <= len(possible):
            yield Contradiction(f"{_span(len(certain), len(possible))} orders in all", f"{page.total}", Kind.SHAPES)

    def _follow(self, asked: ReadList, page: Page) -> Iterator[Contradiction]:
        """Hold a page against those of the same list before it, and the whole against what must be in it."""
        if self._acting and asked.status is not None:
            return  # orders may have moved between the pages
        key = (asked.status, asked.like, asked.size)
        before = [] if asked.page == 1 else self._pages.get(key)
        if before is None or len(before) != (asked.page - 1) * asked.size:
            return
        ids = [entry.order_id for entry in page.entries]
        if set(before) & set(ids):
            expected = f"on page {asked.page} orders that were not on the pages before"
            yield Contradiction(expected, "one of them again", Kind.SHAPES)
        self._pages[key] = whole = before + ids
        missing = [order for order in self._matching(asked)[0] if self.ids[order] not in whole]
        if missing and len(whole) >= page.total:
            yield Contradiction(f"order {missing[0]} in the list", "a list without it", Kind.SHAPES)

    def _matching(self, asked: ReadList) -> tuple[list[int], list[int]]:
        """The orders that are in a list for certain, and those that may be."""
        certain, possible = [], []
        for order in self.ids:
            matches = {self._matches(asked, order, state) for state in self.states(order)}
            certain += [order] if matches == {True} else []
            possible += [order] if True in matches else []
        return certain, possible

    def _matches(self, asked: ReadList, order: int, state: State | None) -> bool:
        status = wire.status_of(state, self.lifecycle)
        if status is None or asked.status not in {None, status}:
            return False
        return asked.like is None or self._domains[asked.like] in self._domains.get(order, "")

    def _quota_answers(self, row: Transition, package: Package) -> tuple[bool, set[str]]:
        """Whether a create may succeed, and with which codes it may be refused, by what the package has left."""
        if row.quota <= 0:
            return True, set()
        if self._ours and package.total is None:
            return False, {NotFoundPackage.code}
        if package.total is None or "used" not in package.others or not package.judged:
            return True, {NotRemainCount.code}
        number = next(number for number, each in self._packages.items() if each is package)
        least, most = self._span("used", number)
        low, high = package.others["used"]
        return low + least < package.total, {NotRemainCount.code} if high + most >= package.total else set()

    def _span(self, field: str, package: int) -> tuple[int, int]:
        """How many units of a package the orders hold, or how many of them were issued: at least, at most."""
        orders = (standings for order, standings in self.standings.items() if self._package_of[order] == package)
        counts = [[getattr(each, field) for each in standings] for standings in orders]
        return sum(map(min, counts)), sum(map(max, counts))


def _is_order_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) < 2**63


def _with_status(code: str) -> str:
    return f"{code} (HTTP {BY_CODE[code].http_status})"


def _span(least: int, most: int) -> str:
    return f"{least}" if least == most else f"{least} to {most}"


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
