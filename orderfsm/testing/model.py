"""What the table says that an account must answer: a model of its orders, which follows the answers step by step.

Of each order it keeps the *runs* that the answers so far leave possible: a state, and whether the order holds a unit
and was ever issued. Where others may act behind the kit's back (events are partial), the runs are widened before each
step by what owner, CA and calendar may have done meanwhile; the console is taken to be the tester's own. An answer that
no run explains is a `Contradiction`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orderfsm import wire
from orderfsm.errors import BY_CODE, NotFoundPackage, NotRemainCount
from orderfsm.spec import Actor, Event, Operation
from orderfsm.trace import Events, Outcome

from .driver import says_nothing
from .shapes import failed, flaw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.spec import State, Transition, Trigger

    from .driver import Answer, Page, Quota
    from .steps import Ask, ReadList

COUNTED = {"used": "units used", "issued": "orders issued"}

UNSEEN = (Actor.OWNER, Actor.CA, Actor.CALENDAR)
"""Who may act behind the kit's back if events are partial."""


class Run(NamedTuple):
    """One way in which an order may stand; `used`: it holds a unit; `issued`: it was issued once."""

    state: State | None
    used: bool = False
    issued: bool = False


class Contradiction(Exception):
    """An answer that the table does not explain: what was `expected`, and what was `got` instead.

    `passing`: the server did not answer, or failed, or was busy. That contradicts the table only if it does so always.
    `itself`: it is the answer's own fault, and shows no effect of what was done before. `once`: what it is of, if every
    program would show it.
    """

    def __init__(
        self,
        expected: str,
        got: str,
        *,
        passing: bool = False,
        itself: bool = False,
        once: tuple[object, ...] | None = None,
    ) -> None:
        super().__init__(expected, got)
        self.expected, self.got, self.passing, self.itself, self.once = expected, got, passing, itself, once

    def __str__(self) -> str:
        return f"expected {self.expected}, got {self.got}"


class Account:
    """The model of an account.

    It was empty at first but for a package of `units` if it is `ours` alone; else there may be other orders in it.
    `units` None is no package.
    """

    def __init__(self, lifecycle: Lifecycle, events: Events, *, units: int | None, ours: bool) -> None:
        self.lifecycle = lifecycle
        self.ids: dict[int, int] = {}
        self.runs: dict[int, frozenset[Run]] = {}
        self._units = units
        self._ours = ours
        self._acting = UNSEEN if events is Events.PARTIAL else ()
        self._gone = frozenset(rule.state for rule in lifecycle.states if rule.type is None)
        self._domains: dict[int, str] = {}
        self._pages: dict[tuple[object, ...], list[int]] = {}
        self._total = units if ours else None
        # Of units used and orders issued, how many are others': at least, at most. Not known before the first read.
        self._others: dict[str, tuple[int, int]] = dict.fromkeys(COUNTED, (0, 0)) if ours else {}

    # -- what is known -----------------------------------------------------------------------------------------------

    def states(self, order: int | str) -> frozenset[State | None]:
        """The states in which an order may be; an id that the program does not know is no order's."""
        return frozenset(run.state for run in self._runs(order))

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
            self.runs = {order: self._widened(runs) for order, runs in self.runs.items()}

    def _runs(self, order: int | str) -> frozenset[Run]:
        return self.runs[order] if isinstance(order, int) else frozenset([Run(None)])

    def _widened(self, runs: frozenset[Run]) -> frozenset[Run]:
        found = set(runs)
        frontier = list(runs)
        while frontier:
            run = frontier.pop()
            for row in self.lifecycle.outgoing(run.state):
                new = self._after(run, row)
                if self.lifecycle.actor(row) in self._acting and new not in found:
                    found.add(new)
                    frontier.append(new)
        return frozenset(found)

    def _after(self, run: Run, row: Transition) -> Run:
        """`run` after a step; the kit's certificates are as young as the kit's run."""
        used = run.used and not row.gives_back(0.0 if run.issued else None)
        return Run(row.target, used, run.issued or self.lifecycle.state_rules[row.target].certified)

    # -- answers -----------------------------------------------------------------------------------------------------

    def created(self, operation: Operation, order: int, answer: Answer) -> None:
        """Learn the answer to a create."""
        self._pages.clear()
        row = self.lifecycle.table[None][operation]
        if row is None:
            may_succeed, codes = False, {self.lifecycle.service_refusals[None].code}
        else:
            may_succeed, codes = self._quota_answers(row)
        self._judge(operation, answer, may_succeed=may_succeed, codes=codes)
        if answer.outcome is Outcome.ACCEPTED and row is not None:
            self._begin(order, answer, Run(row.target, row.quota > 0))

    def called(self, operation: Operation, order: int | str, answer: Answer, begins: int | None = None) -> None:
        """Learn the answer to a call on an order."""
        if isinstance(order, str) and not _is_order_id(order):
            self._malformed(operation, order, answer)
            return
        rows = self._fired(operation, order, answer)
        if operation is Operation.DESCRIBE and answer.outcome is Outcome.ACCEPTED and answer.body is not None:
            self._narrow(order, _meaning(str(answer.body["Type"]), wire.types(self.lifecycle), "Type"))
        second = [Run(row.creates) for row in rows if row.creates is not None]
        if second and begins is not None and (answer.order_id, answer.body) != (None, None):
            self._begin(begins, answer, *second)

    def happened(self, event: Event, order: int | str, answer: Answer) -> None:
        """Learn what came of an event."""
        self._fired(event, order, answer)

    def observed(self, order: int, states: frozenset[State | None]) -> None:
        """Learn the states that a driver saw."""
        self._narrow(order, frozenset(map(self.lifecycle.state, states)))

    def counted(self, quota: Quota) -> None:
        """Learn the counts of the package."""
        self._shape(Operation.DESCRIBE_PACKAGE, quota.body)
        if self._total is not None and quota.total != self._total:
            raise Contradiction(f"{self._total} units bought", f"{quota.total}")
        self._total = quota.total
        for field, got in (("used", quota.used), ("issued", quota.issued)):
            least, most = self._span(field)
            low, high = self._others.get(field, (got - most, got - least))
            if not low + least <= got <= high + most:
                raise Contradiction(f"{_span(low + least, high + most)} {COUNTED[field]}", f"{got}")
            if field == "used" or self._ours or not self._acting:  # others' orders may be issued meanwhile
                self._others[field] = max(low, got - most), min(high, got - least)

    def turned_away(self, asked: Ask, code: str, status: int, answer: Answer) -> None:
        """Learn the answer to a request that no order is to see."""
        expected = f"{code} (HTTP {status}) to {asked}"
        if says_nothing(answer):
            raise Contradiction(expected, str(answer), passing=True)
        if answer.code != code or answer.http_status not in {None, status}:
            raise Contradiction(expected, str(answer), itself=True)
        wrong = failed(answer.body) if answer.body is not None else None
        if wrong is not None:
            shape = ("the shape of refusals by the gateway",)
            raise Contradiction("a failure of the documented shape", wrong, itself=True, once=shape)

    def listed(self, asked: ReadList, page: Page) -> None:
        """Learn a page of the list. Pages of one list that follow one another must make up that list."""
        self._shape(Operation.LIST, page.body)
        self._sized(asked, page)
        names = {id_: order for order, id_ in self.ids.items()}
        for entry in page.entries:
            order = names.get(entry.order_id)
            if order is None and self._ours:
                raise Contradiction("only orders that exist", f"order id {entry.order_id}")
            if order is not None:
                self._listed(order, entry.status)
                self._domains.setdefault(order, entry.domain)
            if asked.status is not None and entry.status != asked.status:
                raise Contradiction(f"only orders with status {asked.status}", f"one with {entry.status}")
            if asked.like is not None and self._domains[asked.like] not in entry.domain:
                raise Contradiction(f"only domains that contain {self._domains[asked.like]}", entry.domain)
        self._follow(asked, page)
        shown = [entry.order_id for entry in page.entries]
        begun = [order_id for order_id in self.ids.values() if order_id in shown]
        if begun != [order_id for order_id in shown if order_id in names]:
            got = f"order ids {', '.join(map(str, shown))}"
            raise Contradiction("orders oldest first", got, itself=True, once=("the order of the list",))

    # -- inside: calls and events ------------------------------------------------------------------------------------

    def _fired(self, trigger: Trigger, order: int | str, answer: Answer) -> list[Transition]:
        """Judge the answer to a trigger on an order, and move the order; the rows by which it may have moved."""
        if isinstance(trigger, Event) or trigger not in self._reads():
            self._pages.clear()
        by_run = {run: self.lifecycle.table[run.state][trigger] for run in self._runs(order)}
        codes = {code for run, row in by_run.items() if row is None for code in self._codes(run.state, answer)}
        self._judge(trigger, answer, may_succeed=any(by_run.values()), codes=codes)
        accepted = answer.outcome is Outcome.ACCEPTED
        rows = [row for row in by_run.values() if row is not None] if accepted else []
        if isinstance(order, int):
            self.runs[order] = frozenset(
                run if row is None else self._after(run, row)
                for run, row in by_run.items()
                if accepted == (row is not None)
                and (accepted or answer.code is None or answer.code in self._codes(run.state, answer))
            )
        return rows

    def _reads(self) -> frozenset[Trigger]:
        changing = {row.trigger for row in self.lifecycle.transitions if row.changes}
        return frozenset(self.lifecycle.trigger_rules) - changing

    def _codes(self, state: State | None, answer: Answer) -> set[str]:
        """The codes of a refusal in a state: the service's; without HTTP, the model's serves as well."""
        codes = {self.lifecycle.service_refusals[state].code}
        return codes if answer.http_status is not None else codes | {self.lifecycle.refusals[state].code}

    def _judge(self, trigger: Trigger, answer: Answer, *, may_succeed: bool, codes: set[str]) -> None:
        """Raise a `Contradiction` unless the outcome is one that may be, with the code and status that it must have."""
        expected = " or ".join([*["accepted"] * may_succeed, *sorted(_with_status(code) for code in codes)])
        if says_nothing(answer):
            raise Contradiction(expected, str(answer), passing=True)
        refused = answer.outcome is Outcome.REFUSED
        if not refused and not may_succeed:
            raise Contradiction(expected, "accepted")
        if refused and not (codes and (answer.code is None or answer.code in codes)):
            raise Contradiction(expected, str(answer))
        status = 200 if not refused else BY_CODE[answer.code].http_status if answer.code else answer.http_status
        if answer.http_status not in {None, status}:
            raise Contradiction(expected if refused else "accepted (HTTP 200)", f"HTTP {answer.http_status}")
        if isinstance(trigger, Operation):
            self._shape(trigger, answer.body, refused=refused)

    def _malformed(self, operation: Operation, order: str, answer: Answer) -> None:
        """An id that is no OrderId is turned away, over HTTP by the gateway with its own codes."""
        code = "InvalidOrderId" if order else "MissingOrderId"
        expected = f"{code} (HTTP 400)"
        if says_nothing(answer):
            raise Contradiction(expected, str(answer), passing=True)
        if answer.outcome is Outcome.ACCEPTED:
            raise Contradiction(expected, str(answer))
        if answer.http_status is None:
            return
        if answer.code != code or answer.http_status != 400:
            raise Contradiction(expected, str(answer))
        self._shape(operation, answer.body, refused=True)

    def _begin(self, order: int, answer: Answer, *runs: Run) -> None:
        """Take up a new order; its id must be a new one."""
        new = answer.order_id
        if new is None or not _is_order_id(str(new)) or new in self.ids.values():
            raise Contradiction("the id of a new order", f"{new}" + " again" * (new in self.ids.values()))
        self.ids[order] = new
        self.runs[order] = frozenset(runs)

    def _shape(self, operation: Operation, body: object, *, refused: bool = False) -> None:
        wrong = flaw(operation, body, self.lifecycle, refused=refused) if isinstance(body, dict) else None
        if wrong is not None:
            raise Contradiction(f"an answer of the documented shape of {operation}", wrong, itself=True)

    # -- inside: reads -----------------------------------------------------------------------------------------------

    def _narrow(self, order: int | str, states: frozenset[State | None]) -> None:
        runs = self._runs(order)
        found = frozenset(run for run in runs if run.state in states)
        if not found:
            raise Contradiction(self._named(run.state for run in runs), self._named(states))
        if isinstance(order, int):
            self.runs[order] = found

    def _named(self, states: Iterable[State | None]) -> str:
        return " or ".join(dict.fromkeys("no order" if state is None else state for state in sorted(states, key=str)))

    def _listed(self, order: int, status: str) -> None:
        """An order in the list is there, with its status."""
        if self.is_gone(order):
            raise Contradiction(f"no order {order} in the list, which is deleted", f"status {status}")
        words = {wire.status_of(state, self.lifecycle) or "absent" for state in self.states(order)}
        try:
            self._narrow(order, _meaning(status, wire.statuses(self.lifecycle), "Status"))
        except Contradiction:
            raise Contradiction(f"status {' or '.join(sorted(words))} of order {order}", status) from None

    def _sized(self, asked: ReadList, page: Page) -> None:
        left = min(asked.size, max(0, page.total - (asked.page - 1) * asked.size))
        if len(page.entries) != left:
            raise Contradiction(f"{left} orders on page {asked.page} of {page.total} orders", f"{len(page.entries)}")
        ids = [entry.order_id for entry in page.entries]
        if len(set(ids)) != len(ids):
            raise Contradiction("each order once", "an order twice on a page")
        certain, possible = self._matching(asked)
        if self._ours and not len(certain) <= page.total <= len(possible):
            raise Contradiction(f"{_span(len(certain), len(possible))} orders in all", f"{page.total}")

    def _follow(self, asked: ReadList, page: Page) -> None:
        """Hold a page against those of the same list before it, and the whole against what must be in it."""
        if self._acting and asked.status is not None:
            return  # orders may have moved between the pages
        key = (asked.status, asked.like, asked.size)
        before = [] if asked.page == 1 else self._pages.get(key)
        if before is None or len(before) != (asked.page - 1) * asked.size:
            return
        ids = [entry.order_id for entry in page.entries]
        if set(before) & set(ids):
            raise Contradiction(f"on page {asked.page} orders that were not on the pages before", "one of them again")
        self._pages[key] = whole = before + ids
        missing = [order for order in self._matching(asked)[0] if self.ids[order] not in whole]
        if missing and len(whole) >= page.total:
            raise Contradiction(f"order {missing[0]} in the list", "a list without it")

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

    def _quota_answers(self, row: Transition) -> tuple[bool, set[str]]:
        """Whether a create may succeed, and with which codes it may be refused, by what the package has left."""
        if row.quota <= 0:
            return True, set()
        if self._ours and self._total is None:
            return False, {NotFoundPackage.code}
        if self._total is None or "used" not in self._others:
            return True, {NotRemainCount.code}
        least, most = self._span("used")
        low, high = self._others["used"]
        return low + least < self._total, {NotRemainCount.code} if high + most >= self._total else set()

    def _span(self, field: str) -> tuple[int, int]:
        """How many units the orders hold, or how many of them were issued: at least, at most."""
        each = [[getattr(run, field) for run in runs] for runs in self.runs.values()]
        return sum(map(min, each)), sum(map(max, each))


def _is_order_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) < 2**63


def _meaning(word: str, vocabulary: dict[str, frozenset[State | None]], kind: str) -> frozenset[State | None]:
    if word not in vocabulary:
        raise Contradiction(f"a documented {kind}", word)
    return vocabulary[word]


def _with_status(code: str) -> str:
    return f"{code} (HTTP {BY_CODE[code].http_status})"


def _span(least: int, most: int) -> str:
    return f"{least}" if least == most else f"{least} to {most}"
