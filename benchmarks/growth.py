"""What a call on the mock costs as its store grows: `python -m benchmarks.growth`.

Stores of each kind hold more and more orders in all states, filled past the mock. Then each kind of call is made in
process, in turn on every size, so that whatever else the machine does hits all alike; compared is the CPU time of the
process (of PostgreSQL the wall time, as the server computes too), the largest store to the smallest.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import tracemalloc
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from benchmarks.core import machine
from orderfsm import Operation, State
from orderfsm.mock import MemoryStore, Request, Service, SQLStore
from orderfsm.mock.http.dashboard import page
from orderfsm.mock.records import Happening, Record
from orderfsm.mock.stores.schema import COUNTERS, HISTORY, ORDERS
from orderfsm.mock.stores.store import FIRST_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SIZES, LONG = (1_000, 100_000), (1_000, 100_000, 1_000_000)
ROUNDS, CALLS = 15, 20
AT_MOST = 1.3
PRODUCT = "p"
STATES = [State.PENDING_REVIEW] * 5 + [State.VERIFY_FAIL] * 2 + [State.ISSUED, State.DELETED, State.PENDING_APPLICATION]
"""The states of ten orders that follow each other."""


# -- stores, filled ----------------------------------------------------------------------------------------------------


def template(number: int) -> Record:
    """The order that is the `number`th, from 0."""
    return Record(
        id=FIRST_ID + number,
        state=STATES[number % len(STATES)],
        product_code=PRODUCT,
        domains=(f"host{number}.example.com",),
        created=1.8e9,
        entered=1.8e9,
        updated=1.8e9,
        validate_type="DNS",
        holds_unit=False,
    )


def in_memory(orders: int) -> tuple[Any, float]:
    """A store in memory with so many orders, and the bytes that each takes."""
    tracemalloc.start()
    store = MemoryStore()
    store.put_package(PRODUCT, 2**31 - 1)
    for number in range(orders):
        record = template(number)
        store.commit(None, None, record, [Happening(1.8e9, record.id, Operation.CREATE)])
        store.new_id()
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return store, size / orders


def in_database(url: str, orders: int, size: Callable[[sa.Connection], float]) -> tuple[Any, float]:
    """A store in an empty database with so many orders, copied there by itself, and the bytes that each takes."""
    store = SQLStore(url)
    store.put_package(PRODUCT, 2**31 - 1)
    for number in range(min(orders, len(STATES))):
        record = template(number)
        store.commit(None, None, record, [Happening(1.8e9, record.id, Operation.CREATE)])
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        there = len(STATES)
        while there < orders:
            some = min(there, orders - there)
            name = sa.literal("host") + sa.cast(ORDERS.c.id + there - FIRST_ID, sa.Text) + ".example.com"
            changed = {"id": ORDERS.c.id + there, "domain": name, "domains": sa.literal('["') + name + '"]'}
            copied = sa.select(*(changed.get(column.name, column) for column in ORDERS.c))
            copied = copied.where(ORDERS.c.id < FIRST_ID + some).order_by(ORDERS.c.id)
            connection.execute(sa.insert(ORDERS).from_select(list(ORDERS.c), copied))
            told = list(HISTORY.c)[1:]
            lines = sa.select(*((column + there if column.name == "order_id" else column) for column in told))
            lines = lines.where(HISTORY.c.order_id < FIRST_ID + some).order_by(HISTORY.c.order_id)
            connection.execute(sa.insert(HISTORY).from_select(told, lines))
            there += some
        if engine.dialect.name == "sqlite":
            # So much at once leaves more to be merged than so many orders one by one.
            connection.execute(sa.text("INSERT INTO grams (grams) VALUES ('optimize')"))
            ids = sa.update(COUNTERS).where(COUNTERS.c.name == "order_ids")
            connection.execute(ids.values(value=FIRST_ID + orders))
        else:
            connection.execute(sa.text(f"SELECT setval('order_ids', {FIRST_ID + orders})"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(
            sa.text("ANALYZE" if engine.dialect.name == "postgresql" else "PRAGMA wal_checkpoint(TRUNCATE)")
        )
        each = size(connection) / orders
    engine.dispose()
    return store, each


# -- calls -------------------------------------------------------------------------------------------------------------


class Calls:
    """A service on a store of so many orders, and what is measured of it: each call once when it is called."""

    def __init__(self, store: Any, orders: int) -> None:
        self._service = Service(store=store)
        self._orders = orders
        self._numbers = count()
        self._made: list[int] = []

    def kinds(self) -> Mapping[str, Callable[[], object]]:
        """What is measured, by what it is called."""
        listed = partial(self._call, "ListUserCertificateOrder")
        engine = self._service.engine
        pages = (self._orders * 9 // 10) // 50
        return {
            "create": self._create,
            "describe": lambda: self._call("DescribeCertificateState", OrderId=self._any()),
            "cancel": lambda: self._call("CancelOrderRequest", OrderId=self._made[next(self._numbers) % CALLS]),
            "delete": lambda: self._call("DeleteCertificateRequest", OrderId=self._made.pop()),
            "list": listed,
            "list by status": lambda: listed(Status="CHECKING"),
            "list by a keyword of one": lambda: listed(Keyword=f"host{self._any() - FIRST_ID}.example"),
            "list by a keyword of all": lambda: listed(Keyword="example"),
            "list by keyword and status": lambda: listed(Keyword="example", Status="CHECKING"),
            "a page in the middle": lambda: listed(CurrentPage=pages // 2),
            "the last page": lambda: listed(CurrentPage=pages),
            "a page in the middle by status": lambda: listed(CurrentPage=pages // 4, Status="CHECKING"),
            "count": engine.count,
            "the dashboard": lambda: page(self._service),
            "its page in the middle": lambda: page(self._service, page=str(pages // 4)),
            "an id that is looked for in it": lambda: page(self._service, q=str(self._any())),
            "its revision": self._service.revision,
        }

    def _call(self, action: str, **query: object) -> Any:
        headers = {"x-acs-version": "2020-04-07", "x-acs-action": action}
        answer = self._service.handle(
            Request("POST", "/", {name: str(value) for name, value in query.items()}, headers)
        )
        return answer.json

    def _create(self) -> None:
        answer = self._call("CreateCertificateForPackageRequest", Domain="example.com", ProductCode=PRODUCT)
        self._made.append(answer["OrderId"])

    def _any(self) -> int:
        """The id of an order somewhere in the store that a read finds."""
        at = next(self._numbers) * 7919 * 10 % self._orders
        return FIRST_ID + at


def measured(stores: Mapping[int, Any], clock: Callable[[], float], rounds: int) -> dict[str, dict[int, float]]:
    """Microseconds of each kind of call, by the number of orders: medians of interleaved rounds."""
    kinds = {size: Calls(store, size).kinds() for size, store in stores.items()}
    samples: dict[str, dict[int, list[float]]] = {}
    for _ in range(rounds):
        for name in next(iter(kinds.values())):
            for size, calls in kinds.items():
                began = clock()
                for _ in range(CALLS):
                    calls[name]()
                taken = (clock() - began) / CALLS * 1e6
                samples.setdefault(name, {}).setdefault(size, []).append(taken)
    return {name: {size: median(some) for size, some in of.items()} for name, of in samples.items()}


def report(kind: str, stores: Mapping[int, tuple[Any, float]], clock: Callable[[], float], rounds: int) -> None:
    """Measure a kind of store, and print its table."""
    costs = measured({size: store for size, (store, _) in stores.items()}, clock, rounds)
    smallest, *_, largest = stores
    names = " | ".join(f"{size:,} orders" for size in stores)
    print(f"\n| {kind}, µs a call | {names} | ratio, at most {AT_MOST} |\n| --- |{' --- |' * (len(stores) + 1)}")
    for name, of in costs.items():
        shown = " | ".join(f"{taken:,.0f}" for taken in of.values())
        print(f"| {name} | {shown} | {of[largest] / of[smallest]:.2f} |")
    shown = " | ".join(f"{each:,.0f}" for _, each in stores.values())
    print(f"| bytes an order | {shown} | |", flush=True)


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, help="numbers of orders, the smallest first (1000 100000)")
    parser.add_argument("--long", action="store_true", help="1,000, 100,000 and 1,000,000 orders")
    parser.add_argument("--store", action="append", choices=["memory", "sqlite", "postgresql"], help="all, if none")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    sizes = asked.sizes or (LONG if asked.long else SIZES)
    kinds = asked.store or ["memory", "sqlite", "postgresql"]
    print(f"{machine()}; medians of {asked.rounds} interleaved rounds")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if "memory" in kinds:
            report("memory", {size: in_memory(size) for size in sizes}, time.process_time, asked.rounds)
        if "sqlite" in kinds:
            stores = {}
            for size in sizes:
                file = folder / f"{size}.db"
                stores[size] = in_database(f"sqlite:///{file}", size, partial(_file_size, file))
            report("SQLite", stores, time.process_time, asked.rounds)
        if "postgresql" in kinds:
            _postgresql(stack, sizes, asked.rounds)


def _file_size(file: Path, _connection: sa.Connection) -> float:
    return file.stat().st_size


def _postgresql(stack: ExitStack, sizes: tuple[int, ...], rounds: int) -> None:
    from tests.postgres import find_programs, fresh_database, running_server

    programs = find_programs()
    if programs is None:
        print("\nPostgreSQL is not installed; nothing was measured on it")
        return

    def size(connection: sa.Connection) -> float:
        return float(connection.execute(sa.text("SELECT pg_database_size(current_database())")).scalar_one())

    server = stack.enter_context(running_server(programs))
    stores = {}
    for orders in sizes:
        url = stack.enter_context(fresh_database(server))
        stores[orders] = in_database(url, orders, size)
        stack.callback(stores[orders][0].close)
    report("PostgreSQL", stores, time.perf_counter, rounds)


if __name__ == "__main__":
    main()
