"""Where a mock keeps its orders and packages.

A store knows no rule. It takes an order as it was and as it shall be, and replaces the one by the other if nobody
else was faster; the package's count moves with it, by what the two say of the unit that the order holds.
"""

from __future__ import annotations

import threading
from itertools import count
from typing import TYPE_CHECKING, Protocol

import attrs

from orderfsm.errors import NotFoundPackage, NotRemainCount

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orderfsm.order import Order

FIRST_ID = 100_000_001


@attrs.frozen(kw_only=True)
class Record:
    """An order and all that a service knows of it. Times are seconds since the epoch."""

    order: Order
    product_code: str
    domains: tuple[str, ...]
    created: float
    validate_type: str = "DNS"
    holds_unit: bool = True
    csr: str | None = None
    issued: float | None = None
    expires: float | None = None
    certificate: str | None = attrs.field(default=None, repr=False)
    private_key: str | None = attrs.field(default=None, repr=False)
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def id(self) -> int:
        """The OrderId."""
        return self.order.id


@attrs.frozen
class Package:
    """A package of `total` units, `used` of them held by orders; `issued` of its orders were ever issued."""

    product_code: str
    total: int
    used: int = 0
    issued: int = 0


class Store(Protocol):
    """What a `Service` asks of the place where its orders are."""

    def new_id(self) -> int:
        """An OrderId that was never given out before."""
        ...

    def insert(self, record: Record) -> None:
        """Keep a new order; if it holds a unit, take that from its package: `NotFoundPackage`, `NotRemainCount`."""
        ...

    def get(self, order_id: int) -> Record | None:
        """The order as it stands; None if there never was one."""
        ...

    def replace(self, old: Record, new: Record) -> bool:
        """Put `new` where `old` is, and move the package's counts along; False, and nothing done, if it has changed."""
        ...

    def records(self) -> Iterator[Record]:
        """All orders, oldest first."""
        ...

    def package(self, product_code: str) -> Package:
        """A package; `NotFoundPackage` if none of that product was bought."""
        ...

    def put_package(self, product_code: str, total: int) -> Package:
        """Buy a package, or change its size."""
        ...

    def reset(self) -> None:
        """Forget orders and packages; ids go on."""
        ...


class MemoryStore:
    """A store in memory, for one process; safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = count(FIRST_ID)
        self._records: dict[int, Record] = {}
        self._packages: dict[str, Package] = {}

    def new_id(self) -> int:
        """See `Store`."""
        return next(self._ids)

    def insert(self, record: Record) -> None:
        """See `Store`."""
        with self._lock:
            if record.holds_unit:
                package = self._package(record.product_code)
                if package.used >= package.total:
                    raise NotRemainCount
                self._packages[package.product_code] = attrs.evolve(package, used=package.used + 1)
            self._records[record.id] = record

    def get(self, order_id: int) -> Record | None:
        """See `Store`."""
        return self._records.get(order_id)

    def replace(self, old: Record, new: Record) -> bool:
        """See `Store`."""
        with self._lock:
            if self._records.get(old.id) is not old:
                return False
            self._records[old.id] = new
            used = new.holds_unit - old.holds_unit
            issued = (new.issued is not None) - (old.issued is not None)
            if used or issued:
                package = self._package(old.product_code)
                self._packages[package.product_code] = attrs.evolve(
                    package, used=package.used + used, issued=package.issued + issued
                )
            return True

    def records(self) -> Iterator[Record]:
        """See `Store`."""
        return iter(list(self._records.values()))

    def package(self, product_code: str) -> Package:
        """See `Store`."""
        with self._lock:
            return self._package(product_code)

    def put_package(self, product_code: str, total: int) -> Package:
        """See `Store`."""
        with self._lock:
            package = attrs.evolve(self._packages.get(product_code, Package(product_code, 0)), total=total)
            self._packages[product_code] = package
            return package

    def reset(self) -> None:
        """See `Store`."""
        with self._lock:
            self._records.clear()
            self._packages.clear()

    def _package(self, product_code: str) -> Package:
        try:
            return self._packages[product_code]
        except KeyError:
            raise NotFoundPackage from None
