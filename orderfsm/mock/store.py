"""Where a mock keeps what it knows, and the store in memory.

A store knows no rule. It takes an order as it was and as it shall be, and replaces the one by the other if nobody
else was faster. What else belongs to a change goes with it or not at all: the order that it begins, the counts of the
packages, the lines of the history.
"""

from __future__ import annotations

import threading
import time
from heapq import merge
from itertools import count, islice
from typing import TYPE_CHECKING, Protocol

import attrs
from sortedcontainers import SortedList

from orderfsm.errors import NotFoundPackage, NotRemainCount
from orderfsm.invalid import OrderFSMError

from .records import Happening, Package, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from orderfsm.rows import State

    from .faults import Fault

FIRST_ID = 100_000_001

PATIENCE = 8.0
"""Seconds that a change in a database waits at most for others; the SDKs wait 10 for an answer."""


@attrs.frozen
class Shared:
    """What all processes that serve one store have in common: how far the clock was moved, and the faults by number."""

    offset: float = 0.0
    faults: tuple[tuple[int, Fault], ...] = ()


class StoreError(OrderFSMError):
    """A store cannot be read or written: it is locked, full, damaged or gone. Its text is one line that says why."""


class Store(Protocol):
    """What a `Service` asks of the place where its orders are. Any method may raise `StoreError`.

    `blocking` says that methods may wait for others, so that an event loop must call them in a thread.
    """

    blocking: bool

    def new_id(self) -> int:
        """An OrderId that was never given out before."""
        ...

    def get(self, order_id: int) -> Record | None:
        """The order as it stands; None if there never was one."""
        ...

    def commit(
        self, old: Record | None, new: Record | None, begun: Record | None, happened: Iterable[Happening]
    ) -> bool:
        """Put `new` where `old` is, begin `begun`, and write down what happened: all of it, or nothing.

        False if `old` is no longer what is there. If `begun` holds a unit and its package has none: `NotFoundPackage`
        or `NotRemainCount`.
        """
        ...

    def select(self, states: Collection[State], keyword: str, offset: int, limit: int) -> tuple[list[Record], int]:
        """A part of the orders in `states` whose domains contain `keyword`, oldest first; and how many those are."""
        ...

    def after(self, states: Collection[State], order_id: int, limit: int) -> list[Record]:
        """The first `limit` orders in `states` with an id greater than `order_id`, oldest first."""
        ...

    def latest(self, states: Collection[State], limit: int) -> list[Record]:
        """The last `limit` orders in `states`, newest first."""
        ...

    def count(self, states: Collection[State]) -> int:
        """How many orders are in `states`."""
        ...

    def due(self, now: float) -> list[int]:
        """Ids of orders to which something happens by itself until `now`, the earliest first; not all of many."""
        ...

    def history(self, order_id: int | None = None) -> Iterator[Happening]:
        """What happened, to one order or to all, in an order in which it may be told."""
        ...

    def revision(self) -> int:
        """A number that grows whenever anything changes."""
        ...

    def package(self, product_code: str) -> Package:
        """A package; `NotFoundPackage` if none of that product was bought."""
        ...

    def packages(self) -> list[Package]:
        """All packages, by product code."""
        ...

    def put_package(self, product_code: str, total: int) -> Package:
        """Buy a package, or change its size."""
        ...

    def shared(self) -> Shared:
        """What all processes have in common."""
        ...

    def advance(self, seconds: float) -> None:
        """Move the clock of all processes."""
        ...

    def add_fault(self, fault: Fault) -> None:
        """Add a rule behind the others."""
        ...

    def take_fault(self, number: int) -> bool:
        """Count a fault off; False if another call took its last time."""
        ...

    def clear_faults(self) -> None:
        """Forget all rules."""
        ...

    def draw(self) -> int:
        """The next of the numbers 0, 1, 2, ...: which draw from the generator this is."""
        ...

    def remember_nonce(self, nonce: str, until: float) -> bool:
        """Whether the nonce is new; it is remembered until the time `until`."""
        ...

    def hit(self, key: str, window: int) -> int:
        """Count a call of `key` in a window of time; how many there are by now."""
        ...

    def setting(self, name: str, make: Callable[[], str]) -> str:
        """A value that is made once, by whoever asks first."""
        ...

    def reset(self) -> None:
        """Forget orders, packages, faults and history, and set the clock right; ids go on."""
        ...

    def close(self) -> None:
        """Let go of what the store holds open."""
        ...


class MemoryStore:
    """A store in memory, for one process; safe between threads."""

    blocking = False

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._ids = count(FIRST_ID)
        self._draws = count()
        self._faults = count(1)
        self._revision = 0
        self._nonces: set[str] = set()
        self._expiring: SortedList[tuple[float, str]] = SortedList()
        self._hits: dict[str, tuple[int, int]] = {}
        self._settings: dict[str, str] = {}
        self._forget()

    def _forget(self) -> None:
        self._records: dict[int, Record] = {}
        self._in_state: dict[State, SortedList[int]] = {}
        self._due: SortedList[tuple[float, int]] = SortedList()
        self._history: list[Happening] = []
        self._packages: dict[str, Package] = {}
        self._shared = Shared()

    # -- orders ------------------------------------------------------------------------------------------------------

    def new_id(self) -> int:
        """See `Store`."""
        return next(self._ids)

    def get(self, order_id: int) -> Record | None:
        """See `Store`."""
        return self._records.get(order_id)

    def commit(
        self, old: Record | None, new: Record | None, begun: Record | None, happened: Iterable[Happening]
    ) -> bool:
        """See `Store`."""
        with self._lock:
            if old is not None and self._records.get(old.id) is not old:
                return False
            if begun is not None:
                self._begin(begun)
            if old is not None and new is not None:
                self._replace(old, new)
            self._history.extend(happened)
            self._revision += 1
            return True

    def _begin(self, record: Record) -> None:
        if record.holds_unit:
            package = self._package(record.product_code)
            if package.used >= package.total:
                raise NotRemainCount
        self._count(record.product_code, record.holds_unit, record.issued is not None)
        self._records[record.id] = record
        self._in_state.setdefault(record.order.state, SortedList()).add(record.id)
        if record.due is not None:
            self._due.add((record.due, record.id))

    def _replace(self, old: Record, new: Record) -> None:
        issued = (new.issued is not None) - (old.issued is not None)
        self._count(old.product_code, new.holds_unit - old.holds_unit, issued)
        self._records[old.id] = new
        if new.order.state is not old.order.state:
            self._in_state[old.order.state].remove(old.id)
            self._in_state.setdefault(new.order.state, SortedList()).add(new.id)
        if new.due != old.due:
            if old.due is not None:
                self._due.remove((old.due, old.id))
            if new.due is not None:
                self._due.add((new.due, new.id))

    def _count(self, product_code: str, used: int, issued: int) -> None:
        if used or issued:
            package = self._package(product_code)
            counts = attrs.evolve(package, used=package.used + used, issued=package.issued + issued)
            self._packages[product_code] = counts

    def select(self, states: Collection[State], keyword: str, offset: int, limit: int) -> tuple[list[Record], int]:
        """See `Store`; with a keyword it looks at every order."""
        with self._lock:
            if keyword:
                every = map(self._records.__getitem__, merge(*self._ids_in(states)))
                found = [record for record in every if keyword in ",".join(record.domains)]
                return found[offset : offset + limit], len(found)
            ids = self._ids_in(states)
            total = sum(map(len, ids))
            if offset >= total:
                return [], total
            first = _nth(ids, offset)
            shown = islice(merge(*(part.irange(first) for part in ids)), limit)
            return [self._records[order_id] for order_id in shown], total

    def after(self, states: Collection[State], order_id: int, limit: int) -> list[Record]:
        """See `Store`."""
        with self._lock:
            later = merge(*(ids.irange(order_id, inclusive=(False, True)) for ids in self._ids_in(states)))
            return [self._records[other] for other in islice(later, limit)]

    def latest(self, states: Collection[State], limit: int) -> list[Record]:
        """See `Store`."""
        with self._lock:
            newest = merge(*(reversed(ids) for ids in self._ids_in(states)), reverse=True)
            return [self._records[order_id] for order_id in islice(newest, limit)]

    def count(self, states: Collection[State]) -> int:
        """See `Store`."""
        return sum(map(len, self._ids_in(states)))

    def _ids_in(self, states: Collection[State]) -> list[SortedList[int]]:
        return [ids for state, ids in self._in_state.items() if ids and state in states]

    def due(self, now: float) -> list[int]:
        """See `Store`."""
        with self._lock:
            return [order_id for _, order_id in self._due.irange(None, (now, 1 << 63))]

    def history(self, order_id: int | None = None) -> Iterator[Happening]:
        """See `Store`."""
        with self._lock:
            return iter([line for line in self._history if order_id in {None, line.order_id}])

    def revision(self) -> int:
        """See `Store`."""
        return self._revision

    # -- packages ----------------------------------------------------------------------------------------------------

    def package(self, product_code: str) -> Package:
        """See `Store`."""
        with self._lock:
            return self._package(product_code)

    def _package(self, product_code: str) -> Package:
        try:
            return self._packages[product_code]
        except KeyError:
            raise NotFoundPackage from None

    def packages(self) -> list[Package]:
        """See `Store`."""
        with self._lock:
            return [self._packages[code] for code in sorted(self._packages)]

    def put_package(self, product_code: str, total: int) -> Package:
        """See `Store`."""
        with self._lock:
            package = attrs.evolve(self._packages.get(product_code, Package(product_code, 0)), total=total)
            self._packages[product_code] = package
            self._revision += 1
            return package

    # -- what processes share ----------------------------------------------------------------------------------------

    def shared(self) -> Shared:
        """See `Store`."""
        return self._shared

    def advance(self, seconds: float) -> None:
        """See `Store`."""
        with self._lock:
            self._share(offset=self._shared.offset + seconds)

    def add_fault(self, fault: Fault) -> None:
        """See `Store`."""
        with self._lock:
            self._share(faults=(*self._shared.faults, (next(self._faults), fault)))

    def take_fault(self, number: int) -> bool:
        """See `Store`."""
        with self._lock:
            fault = dict(self._shared.faults).get(number)
            if fault is None:
                return False
            if fault.times is not None:
                left = [] if fault.times == 1 else [(number, attrs.evolve(fault, times=fault.times - 1))]
                at = self._shared.faults.index((number, fault))
                self._share(faults=(*self._shared.faults[:at], *left, *self._shared.faults[at + 1 :]))
            return True

    def clear_faults(self) -> None:
        """See `Store`."""
        with self._lock:
            self._share(faults=())

    def _share(self, **changes: object) -> None:
        self._shared = attrs.evolve(self._shared, **changes)  # type: ignore[arg-type]
        self._revision += 1

    def draw(self) -> int:
        """See `Store`."""
        return next(self._draws)

    def remember_nonce(self, nonce: str, until: float) -> bool:
        """See `Store`."""
        with self._lock:
            if nonce in self._nonces:
                return False
            self._nonces.add(nonce)
            self._expiring.add((until, nonce))
            now = time.time()
            while self._expiring and self._expiring[0][0] < now:
                self._nonces.remove(self._expiring.pop(0)[1])
            return True

    def hit(self, key: str, window: int) -> int:
        """See `Store`."""
        with self._lock:
            known, hits = self._hits.get(key, (window, 0))
            hits = hits + 1 if known == window else 1
            self._hits[key] = window, hits
            return hits

    def setting(self, name: str, make: Callable[[], str]) -> str:
        """See `Store`."""
        with self._lock:
            if name not in self._settings:
                self._settings[name] = make()
            return self._settings[name]

    def reset(self) -> None:
        """See `Store`."""
        with self._lock:
            self._forget()
            self._revision += 1

    def close(self) -> None:
        """See `Store`."""


def _nth(parts: list[SortedList[int]], number: int) -> int:
    """The id that has `number` smaller ones in all of `parts`, by halving; merging them would cost as many steps."""
    low: int = min(part[0] for part in parts)
    high: int = max(part[-1] for part in parts)
    while low < high:
        middle = (low + high) // 2
        if sum(part.bisect_right(middle) for part in parts) > number:
            high = middle
        else:
            low = middle + 1
    return low
