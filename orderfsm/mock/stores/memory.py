"""The store in memory."""

from __future__ import annotations

import math
import threading
import time
from heapq import merge
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import attrs
from sortedcontainers import SortedList

from orderfsm.errors import NotFoundPackage, NotRemainCount
from orderfsm.mock.records import Package

from .store import FIRST_ID, Shared

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from orderfsm.identity import Id
    from orderfsm.mock.faults import Fault
    from orderfsm.mock.records import Happening, Record
    from orderfsm.rows import State


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
        self._records: dict[Id, Record] = {}
        self._in_state: dict[State, SortedList[Id]] = {}
        self._due: SortedList[Any] = SortedList()
        self._history: list[Happening] = []
        self._packages: dict[str, Package] = {}
        self._shared = Shared()

    # -- orders ------------------------------------------------------------------------------------------------------

    def new_id(self) -> int:
        return next(self._ids)

    def get(self, order_id: Id) -> Record | None:
        return self._records.get(order_id)

    def commit(
        self, old: Record | None, new: Record | None, begun: Record | None, happened: Iterable[Happening]
    ) -> bool:
        with self._lock:
            if old is not None and self._records.get(old.id) is not old:
                return False
            if old is not None and new is not None and new.holds_unit > old.holds_unit:
                both = begun is not None and begun.holds_unit and begun.product_code == old.product_code
                self._free_unit(old.product_code, 1 + both)
            if begun is not None:
                self._begin(begun)
            if old is not None and new is not None:
                self._replace(old, new)
            self._history.extend(happened)
            self._revision += 1
            return True

    def _begin(self, record: Record) -> None:
        if record.holds_unit:
            self._free_unit(record.product_code)
        self._count(record.product_code, record.holds_unit, record.issued is not None)
        self._records[record.id] = record
        self._in_state.setdefault(record.state, SortedList()).add(record.id)
        if record.due is not None:
            self._due.add((record.due, record.id))

    def _replace(self, old: Record, new: Record) -> None:
        issued = (new.issued is not None) - (old.issued is not None)
        self._count(old.product_code, new.holds_unit - old.holds_unit, issued)
        self._records[old.id] = new
        if new.state is not old.state:
            self._in_state[old.state].remove(old.id)
            self._in_state.setdefault(new.state, SortedList()).add(new.id)
        if new.due != old.due:
            if old.due is not None:
                self._due.remove((old.due, old.id))
            if new.due is not None:
                self._due.add((new.due, new.id))

    def _free_unit(self, product_code: str, units: int = 1) -> None:
        """`NotRemainCount` if a package has not so many units left."""
        package = self._package(product_code)
        if package.used + units > package.total:
            raise NotRemainCount

    def _count(self, product_code: str, used: int, issued: int) -> None:
        if not used and (not issued or product_code not in self._packages):
            return
        package = self._package(product_code)
        counts = attrs.evolve(package, used=package.used + used, issued=package.issued + issued)
        self._packages[product_code] = counts

    def select(self, states: Collection[State], keyword: str, offset: int, limit: int) -> tuple[list[Record], int]:
        """With a keyword it looks at every order."""
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

    def after(self, states: Collection[State], order_id: Id | None, limit: int) -> list[Record]:
        with self._lock:
            later = merge(*(ids.irange(order_id, inclusive=(False, True)) for ids in self._ids_in(states)))
            return [self._records[other] for other in islice(later, limit)]

    def latest(self, states: Collection[State], limit: int) -> list[Record]:
        with self._lock:
            newest = merge(*(reversed(ids) for ids in self._ids_in(states)), reverse=True)
            return [self._records[order_id] for order_id in islice(newest, limit)]

    def count(self, states: Collection[State]) -> int:
        return sum(map(len, self._ids_in(states)))

    def _ids_in(self, states: Collection[State]) -> list[SortedList[Id]]:
        return [ids for state, ids in self._in_state.items() if ids and state in states]

    def due(self, now: float) -> list[Id]:
        with self._lock:
            # Any pair with a time comes after the time alone.
            return [order_id for _, order_id in self._due.irange(None, (math.nextafter(now, math.inf),))]

    def history(self, order_id: Id | None = None) -> Iterator[Happening]:
        with self._lock:
            return iter([line for line in self._history if order_id in {None, line.order_id}])

    def revision(self) -> int:
        return self._revision

    # -- packages ----------------------------------------------------------------------------------------------------

    def package(self, product_code: str) -> Package:
        with self._lock:
            return self._package(product_code)

    def _package(self, product_code: str) -> Package:
        try:
            return self._packages[product_code]
        except KeyError:
            raise NotFoundPackage from None

    def packages(self) -> list[Package]:
        with self._lock:
            return [self._packages[code] for code in sorted(self._packages)]

    def put_package(self, product_code: str, total: int) -> Package:
        with self._lock:
            package = attrs.evolve(self._packages.get(product_code, Package(product_code, 0)), total=total)
            self._packages[product_code] = package
            self._revision += 1
            return package

    # -- what processes share ----------------------------------------------------------------------------------------

    def shared(self) -> Shared:
        return self._shared

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._share(offset=self._shared.offset + seconds)

    def add_fault(self, fault: Fault) -> None:
        with self._lock:
            self._share(faults=(*self._shared.faults, (next(self._faults), fault)))

    def take_fault(self, number: int) -> bool:
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
        with self._lock:
            self._share(faults=())

    def _share(self, **changes: object) -> None:
        self._shared = attrs.evolve(self._shared, **changes)  # type: ignore[arg-type]
        self._revision += 1

    def draw(self) -> int:
        return next(self._draws)

    def remember_nonce(self, nonce: str, until: float) -> bool:
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
        with self._lock:
            known, hits = self._hits.get(key, (window, 0))
            hits = hits + 1 if known == window else 1
            self._hits[key] = window, hits
            return hits

    def setting(self, name: str, make: Callable[[], str]) -> str:
        with self._lock:
            if name not in self._settings:
                self._settings[name] = make()
            return self._settings[name]

    def reset(self) -> None:
        with self._lock:
            self._forget()
            self._revision += 1

    def close(self) -> None:
        """It holds nothing open."""


def _nth(parts: list[SortedList[Any]], number: int) -> Any:
    """The id that has `number` smaller ones in all of `parts`: by halving, or, of texts, by merging them."""
    if isinstance(parts[0][0], str):
        return next(islice(merge(*parts), number, None))
    low: int = min(part[0] for part in parts)
    high: int = max(part[-1] for part in parts)
    while low < high:
        middle = (low + high) // 2
        if sum(part.bisect_right(middle) for part in parts) > number:
            high = middle
        else:
            low = middle + 1
    return low
