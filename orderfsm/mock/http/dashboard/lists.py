"""The lists of the dashboard: the orders and the instances of a service, page by page, by state, and as looked for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.invalid import InvalidValue

from .fields import of_instance, of_order
from .sought import sought

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.mock.cas.service import Service
    from orderfsm.mock.engine import Engine
    from orderfsm.mock.records import Record
    from orderfsm.rows import State

    from .sought import Sought

SHOWN_ORDERS = 100
"""How many orders a page of a list has."""

LONGEST_PAGE = 12
"""How many digits the number of a page may have."""

SEARCH_KEY = "q"
"""The parameter with what is looked for, in all lists."""


@attrs.frozen
class Kind:
    """What is listed together: the orders or the instances of a service, under which path, and what is shown of one.

    `state_key` and `page_key` are the parameters by which their list is asked for those in one state, and for a page.
    """

    path: str
    state_key: str
    page_key: str
    column: str
    engine: Engine
    latest: Callable[..., list[Record]]
    order: Callable[[Any], Record]
    fields: Callable[[Record], dict[str, Any]]

    @property
    def lifecycle(self) -> Lifecycle:
        """Their table."""
        return self.engine.lifecycle

    @property
    def key(self) -> str:
        """What the ids of elements begin with that are about one of them."""
        return self.path.removesuffix("s")

    def listed(self, asked: Mapping[str, str | None]) -> Listed:
        """A page of them, or of those that are asked for, newest first; of pages that are not there the last.

        `InvalidValue` if what is asked for is no state of their table, or no number of a page.
        """
        state, page = asked.get(self.state_key), asked.get(self.page_key) or "1"
        filtered = None if state is None else self.lifecycle.state(state)  # type: ignore[arg-type]
        if not (page.isascii() and page.isdigit() and len(page) <= LONGEST_PAGE and int(page)):
            raise InvalidValue(self.page_key, page, ["a number from 1"])
        counts = {state: self.engine.count([state]) for state in self.engine.found()}
        looked_for = sought(asked.get(SEARCH_KEY) or "", self.engine)
        states = [state for state in counts if filtered in {None, state}]
        if looked_for.states is not None:
            states = [state for state in states if state in looked_for.states]
        found = self._found(looked_for, states, sum(counts[state] for state in states), int(page))
        return Listed(
            kind=self,
            counts=counts,
            orders=[self.fields(record) for record in found.records],
            number=found.number,
            pages=found.pages,
            among=found.among,
            filtered=filtered,
            sought=looked_for,
        )

    def _found(self, looked_for: Sought, states: list[State], count: int, page: int) -> _Found:
        if looked_for.record is not None:
            records = [looked_for.record] if looked_for.record.state in states else []
            return _Found(records, len(records), page)
        if not looked_for.keyword:
            found = _Found([], count, page)
            return attrs.evolve(found, records=self.latest(SHOWN_ORDERS, states, found.skipped) if states else [])
        select = partial(self.engine.store.select, states, looked_for.keyword)
        oldest, among = select(0, SHOWN_ORDERS) if states else ([], 0)
        found = _Found(oldest[::-1], among, page)
        if found.pages == 1:
            return found
        end = among - found.skipped
        begin = max(end - SHOWN_ORDERS, 0)
        return attrs.evolve(found, records=select(begin, end - begin)[0][::-1])


@attrs.frozen
class _Found:
    """The records of a page, and among how many they are; the number of the page is that of the last at most."""

    records: list[Record]
    among: int
    asked: int

    @property
    def pages(self) -> int:
        return max(-(-self.among // SHOWN_ORDERS), 1)

    @property
    def number(self) -> int:
        return min(self.asked, self.pages)

    @property
    def skipped(self) -> int:
        """How many are on the pages before it."""
        return (self.number - 1) * SHOWN_ORDERS


@attrs.frozen(kw_only=True)
class Listed:
    """The page `number` of a list of orders of a kind, on which `orders` are; `counts` says how many are in each state.

    That is of all of them, or of those in the state `filtered`, or of those that are `sought`: `among` so many, on so
    many `pages`.
    """

    kind: Kind
    counts: dict[State, int]
    orders: list[dict[str, Any]]
    number: int
    pages: int
    among: int
    filtered: State | None
    sought: Sought

    @property
    def noun(self) -> str:
        """What one of them is called."""
        return self.kind.lifecycle.noun

    @property
    def nothing(self) -> str:
        """How it is said that there is none."""
        return self.kind.lifecycle.name_of(None)

    @property
    def count(self) -> int:
        """How many there are in all states."""
        return sum(self.counts.values())

    @property
    def first(self) -> int:
        """Which the first of the page is, as people count."""
        return (self.number - 1) * SHOWN_ORDERS + 1

    @property
    def terminal(self) -> set[State | None]:
        """The states from which nothing leads on."""
        return terminal(self.kind.lifecycle)

    @property
    def narrowed(self) -> str:
        """In words, which of all are listed; empty for all of them."""
        states = self.sought.states
        words = []
        if self.sought.record is not None:
            words.append(f"with the {self.kind.lifecycle.identity.words} {self.sought.record.id}")
        if self.sought.keyword:
            words.append(f"with {self.sought.keyword} in a domain")
        if states is not None:
            words.append("in " + " or ".join(_spoken(state) for state in self.counts if state in states))
        if self.filtered is not None and (states is None or states != {self.filtered}):
            words.append(f"in {_spoken(self.filtered)}")
        return ", ".join(words)

    @property
    def asked(self) -> dict[str, Any]:
        """By which parameters one gets here, but for what is looked for."""
        return {self.kind.state_key: self.filtered, self.kind.page_key: self.number if self.number > 1 else None}


def _spoken(state: State) -> str:
    return state.replace("_", " ")


def terminal(lifecycle: Lifecycle) -> set[State | None]:
    """The states of a table from which nothing leads on."""
    return {rule.state for rule in lifecycle.states if rule.terminal}


def kinds(service: Service) -> tuple[Kind, ...]:
    """The orders and the instances of a service."""
    engine, shown = service.instances, partial(of_instance, service)
    return (
        Kind("orders", "state", "page", "Package", service.engine, service.latest, service.order, of_order),
        Kind("instances", "instance_state", "instance_page", "Words", engine, engine.latest, engine.order, shown),
    )


def kind_of(service: Service, order_id: Id) -> Kind:
    """Of which kind that is which has such an id."""
    engine = service.engine_of(order_id)
    return next(kind for kind in kinds(service) if kind.engine is engine)
