"""The store in memory."""

from __future__ import annotations

import math
import threading
import time
from heapq import merge
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import attrs
from sortedcontainers import SortedDict, SortedList

from orderfsm.errors import NotFoundPackage, NotRemainCount
from orderfsm.mock.records import Package

from .store import FIRST_ID, UNTIL_RESET, Shared

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.mock.faults import Fault
    from orderfsm.mock.records import Happening, Record
    from orderfsm.rows import State

    from .store import Changes, Together


class MemoryStore:
    """A store in memory, for one process; safe between threads."""

    blocking = False
    together: Together | None = None

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._ids = count(FIRST_ID)
        self._draws = count()
        self._faults = count(1)
        self._revision = 0
        self._nonces: dict[str, float] = {}  # until when each is remembered
        self._expiring: SortedDict[float, list[str]] = SortedDict()  # the same by that time
        self._hits: dict[str, tuple[int, int]] = {}
        self._settings: dict[str, str] = {}
        self._completions = ""
        self._forget()

    def _forget(self) -> None:
        self._records: dict[Id, Record] = {}
        self._texts: dict[int, Id] = {}  # the ids that are texts, by the numbers of which they were made
        self._in_state: dict[tuple[type, State], SortedList[int]] = {}
        self._due: dict[tuple[type, bool], SortedList[Any]] = {}  # by the table, and whether something is under way
        self._history: list[Happening] = []
        self._packages: dict[str, Package] = {}
        self._notes: dict[str, dict[str, str]] = {}
        self._shared = Shared(completions=self._completions)

    # -- orders ------------------------------------------------------------------------------------------------------

    def hold(self, lifecycle: Lifecycle) -> None:
        """It takes the orders of any table."""

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
            if begun is not None and begun.id in self._records:
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
        if record.made_of is not None:
            self._texts[record.made_of] = record.id
        _put(self._in_state, (type(record.state), record.state), record.number)
        if record.due is not None:
            _put(self._due, (type(record.state), record.under_way), (record.due, record.number))

    def _replace(self, old: Record, new: Record) -> None:
        issued = (new.issued is not None) - (old.issued is not None)
        self._count(old.product_code, new.holds_unit - old.holds_unit, issued)
        self._records[old.id] = new
        if new.state is not old.state:
            self._in_state[type(old.state), old.state].remove(old.number)
            _put(self._in_state, (type(new.state), new.state), new.number)
        if new.due != old.due or new.under_way is not old.under_way:
            if old.due is not None:
                self._due[type(old.state), old.under_way].remove((old.due, old.number))
            if new.due is not None:
                _put(self._due, (type(new.state), new.under_way), (new.due, new.number))

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
                every = (number for part in self._numbers_in(states) for number in part)
                found = sorted(number for number in every if keyword in ",".join(self._numbered(number).domains))
                return [self._numbered(number) for number in found[offset : offset + limit]], len(found)
            parts = self._numbers_in(states)
            total = sum(map(len, parts))
            if offset >= total:
                return [], total
            first = _nth(parts, offset)
            shown = islice(merge(*(part.irange(first) for part in parts)), limit)
            return [self._numbered(number) for number in shown], total

    def after(self, states: Collection[State], number: int, limit: int) -> list[Record]:
        with self._lock:
            later = merge(*(part.irange(number, inclusive=(False, True)) for part in self._numbers_in(states)))
            return [self._numbered(other) for other in islice(later, limit)]

    def latest(self, states: Collection[State], limit: int) -> list[Record]:
        with self._lock:
            newest = merge(*(reversed(part) for part in self._numbers_in(states)), reverse=True)
            return [self._numbered(number) for number in islice(newest, limit)]

    def count(self, states: Collection[State]) -> int:
        return sum(map(len, self._numbers_in(states)))

    def _numbers_in(self, states: Collection[State]) -> list[SortedList[int]]:
        kept = (self._in_state.get(kind) for kind in dict.fromkeys((type(state), state) for state in states))
        return [part for part in kept if part]

    def _numbered(self, number: int) -> Record:
        return self._records[self._texts.get(number, number)]

    def due(self, now: float, kind: type[State] | None = None, *, completions: bool = True) -> list[Id]:
        with self._lock:
            # Any pair with a time comes after the time alone.
            until = (math.nextafter(now, math.inf),)
            lists: list[Iterator[tuple[float, int]]] = [
                times.irange(None, until)
                for (one, under_way), times in self._due.items()
                if times and kind in {None, one} and (completions or not under_way)
            ]
            return [self._texts.get(number, number) for _, number in merge(*lists)]

    def history(self, order_id: Id | None = None) -> Iterator[Happening]:
        with self._lock:
            if order_id is None:
                return iter(self._history.copy())
            return iter([line for line in self._history if line.order_id == order_id])

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

    def put_completions(self, mode: str) -> None:
        with self._lock:
            self._completions = mode
            self._share(completions=mode)

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
            now = time.time()
            if self._nonces.get(nonce, 0.0) >= now:
                return False
            self._nonces[nonce] = until
            if until not in self._expiring:
                self._forget_nonces(now)
                self._expiring[until] = []
            self._expiring[until].append(nonce)
            return True

    def _forget_nonces(self, now: float) -> None:
        while self._expiring and self._expiring.keys()[0] < now:
            for nonce in self._expiring.popitem(0)[1]:
                if self._nonces.get(nonce, now) < now:
                    del self._nonces[nonce]

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

    def note(self, kind: str, key: str) -> str | None:
        return self._notes.get(kind, {}).get(key)

    def notes(self, kind: str) -> dict[str, str]:
        with self._lock:
            return dict(self._notes.get(kind, {}))

    def write_notes(self, changes: Changes) -> bool:
        with self._lock:
            if any(self.note(*at) != old for at, (old, _) in changes.items()):
                return False
            for (kind, key), (_, new) in changes.items():
                if new is None:
                    self._notes.get(kind, {}).pop(key, None)
                else:
                    self._notes.setdefault(kind, {})[key] = new
            self._revision += 1
            return True

    def reset(self) -> None:
        with self._lock:
            self._forget()
            self._settings = {name: kept for name, kept in self._settings.items() if not name.startswith(UNTIL_RESET)}
            self._revision += 1

    def close(self) -> None:
        """It holds nothing open."""


def _put(lists: dict[Any, SortedList[Any]], key: Any, value: Any) -> None:
    if key not in lists:
        lists[key] = SortedList()
    lists[key].add(value)


def _nth(parts: list[SortedList[int]], number: int) -> int:
    """The one that has `number` smaller ones in all of `parts`."""
    low: int = min(part[0] for part in parts)
    high: int = max(part[-1] for part in parts)
    while low < high:
        middle = (low + high) // 2
        if sum(part.bisect_right(middle) for part in parts) > number:
            high = middle
        else:
            low = middle + 1
    return low
