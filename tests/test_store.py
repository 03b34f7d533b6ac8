"""The stores: one contract, kept in memory, in an SQLite file and in PostgreSQL; by threads, and by processes."""

from __future__ import annotations

import importlib
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from itertools import chain

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

sa = pytest.importorskip("sqlalchemy", reason="the extra `mock` is not installed")

from orderfsm import InvalidValue, Operation, State
from orderfsm.errors import NotFoundPackage, NotRemainCount
from orderfsm.extras import MissingExtra
from orderfsm.identity import MAX_ID
from orderfsm.mock.faults import Fault
from orderfsm.mock.records import Happening, Package, Record
from orderfsm.mock.stores.memory import MemoryStore
from orderfsm.mock.stores.schema import SCHEMA
from orderfsm.mock.stores.sql import SQLStore
from orderfsm.mock.stores.store import FIRST_ID, StoreError
from orderfsm.tables.orders import Event

pytest_plugins = ["postgres"]

PRODUCT = "digicert-free-1-free"
THREADS = 8
LATE = 4e9


@pytest.fixture
def sqlite_url(tmp_path):
    return f"sqlite:///{tmp_path / 'orders.db'}"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request):
    """An empty database."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request):
    """An empty store."""
    if request.param == "memory":
        yield MemoryStore()
    else:
        with closing(SQLStore(request.getfixturevalue(f"{request.param}_url"))) as opened:
            yield opened


def new_order(store, state=State.PENDING_REVIEW, **fields):
    """A record that the store does not have yet."""
    known = {"product_code": PRODUCT, "domains": ("example.com",), "validate_type": "DNS", "holds_unit": False}
    times = {"created": 1.0, "entered": 1.0, "updated": 1.0}
    return Record(id=store.new_id(), state=state, **{**known, **times, **fields})


def create(store, state=State.PENDING_REVIEW, **fields):
    """A new order in the store, as it is there."""
    record = new_order(store, state, **fields)
    assert store.commit(None, None, record, [Happening(record.created, record.id, Operation.CREATE)])
    return store.get(record.id)


def moved(record, state, **fields):
    """`record` as it shall be."""
    return attrs.evolve(record, state=state, version=record.version + 1, **fields)


def told(record, trigger=Operation.CANCEL, at=2.0, **fields):
    """One line of the history."""
    return [Happening(at, record.id, trigger, **fields)]


def at_once(function, count=THREADS):
    """What `function(0)`, `function(1)`, ... return, called by as many threads, all of which begin together."""
    barrier = threading.Barrier(count)

    def begin(number):
        barrier.wait(30)
        return function(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


def everything(store):
    """All that can be read of a store, but for the revision."""
    return (
        store.select(list(State), "", 0, 10_000),
        list(store.history()),
        store.packages(),
        store.shared(),
        store.due(LATE),
    )


# -- orders ------------------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters() | st.sampled_from("\0\ud800\\0"), max_size=30)
TIME = st.floats(allow_nan=False, allow_infinity=False)
STATE = st.sampled_from(State)
RECORD = st.builds(
    Record,
    id=st.just(1),
    state=STATE,
    product_code=TEXT,
    domains=st.lists(TEXT, max_size=3).map(tuple),
    created=TIME,
    entered=TIME,
    updated=TIME,
    validate_type=TEXT,
    holds_unit=st.just(False),
    csr=st.none() | TEXT,
    tags=st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple),
    issued=st.none(),
    expires=st.none() | TIME,
    due=st.none() | TIME,
    reads=st.integers(0, MAX_ID),
    previous=st.none() | STATE,
    certificate=st.none() | TEXT,
    private_key=st.none() | TEXT,
    version=st.integers(0, 2**40),
)
ANY_STORE = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])


@ANY_STORE
@given(begun=RECORD, new=RECORD)
def test_a_record_reads_back_as_it_was_written(store, begun, new):
    order_id = store.new_id()
    begun, new = (attrs.evolve(record, id=order_id) for record in (begun, new))
    new = attrs.evolve(new, version=begun.version + 1)
    assert store.commit(None, None, begun, [])
    assert store.get(order_id) == begun
    assert store.commit(store.get(order_id), new, None, [])
    again = store.get(order_id)
    assert again == new
    assert type(again.order.state) is State
    assert again.holds_unit is False


LINE = st.builds(
    Happening,
    time=TIME,
    order_id=st.just(1),
    trigger=st.sampled_from([*Operation, *Event]),
    code=st.none() | TEXT,
    state=st.none() | STATE,
    new_order_id=st.none() | st.integers(1, MAX_ID),
)


@ANY_STORE
@given(line=LINE)
def test_a_line_of_the_history_reads_back_as_it_was_told(store, line):
    line = line._replace(order_id=store.new_id())
    assert store.commit(None, None, None, [line])
    (again,) = store.history(line.order_id)
    assert again == line
    assert type(again.trigger) is type(line.trigger)
    assert type(again.state) is type(line.state)


def test_an_order_that_nobody_began_is_not_there(store):
    for order_id in (-1, 0, 1, FIRST_ID, MAX_ID, MAX_ID + 1, 10**30):
        assert store.get(order_id) is None
        assert list(store.history(order_id)) == []
        assert store.after(list(State), order_id, MAX_ID) == []


def test_ids_begin_at_the_first_and_grow(store):
    assert [store.new_id() for _ in range(3)] == [FIRST_ID, FIRST_ID + 1, FIRST_ID + 2]


def test_ids_go_on_after_a_reset(store):
    before = [store.new_id() for _ in range(3)]
    store.reset()
    assert store.new_id() > max(before)


def test_a_change_of_what_is_no_longer_there_does_nothing(store):
    store.put_package(PRODUCT, 5)
    old = create(store, holds_unit=True)
    assert store.commit(old, moved(old, State.VERIFY_FAIL), None, told(old))
    before = everything(store)
    late = moved(old, State.DELETED, holds_unit=False, issued=3.0, due=3.0)
    assert not store.commit(old, late, new_order(store, holds_unit=True), told(old))
    assert everything(store) == before
    assert store.commit(store.get(old.id), late, None, told(old))


def test_a_change_of_an_order_that_a_reset_took_does_nothing(store):
    old = create(store)
    store.reset()
    assert not store.commit(old, moved(old, State.DELETED), None, told(old))
    assert not store.commit(old, None, None, told(old))
    assert store.get(old.id) is None
    assert list(store.history()) == []


def test_a_line_without_a_change_leaves_the_order_as_it_was(store):
    old = create(store)
    lines = told(old, code="OrderStateError")
    assert store.commit(old, None, None, lines)
    again = store.get(old.id)
    assert attrs.evolve(again, version=old.version) == old
    assert list(store.history(old.id))[1:] == lines
    assert store.commit(again, moved(again, State.DELETED), None, told(old))


def test_a_change_begins_an_order_with_it_or_not_at_all(store):
    store.put_package(PRODUCT, 1)
    old = create(store, State.ABOUT_TO_EXPIRE)
    second = new_order(store, State.PENDING_APPLICATION)
    line = Happening(2.0, old.id, Operation.RENEW, new_order_id=second.id)
    assert store.commit(old, attrs.evolve(old, version=1), second, [line])
    assert store.get(second.id) == second
    assert list(store.history())[-1] == line

    create(store, holds_unit=True)
    before, old = everything(store), store.get(old.id)
    with pytest.raises(NotRemainCount):
        store.commit(old, moved(old, State.EXPIRED), new_order(store, holds_unit=True), told(old))
    assert everything(store) == before
    assert store.commit(old, moved(old, State.EXPIRED), None, told(old))


def test_a_change_that_takes_a_unit_and_begins_an_order_that_takes_another_needs_both(store):
    store.put_package(PRODUCT, 1)
    old = create(store, State.ABOUT_TO_EXPIRE)
    second = new_order(store, State.PENDING_APPLICATION, holds_unit=True)
    taking = attrs.evolve(old, holds_unit=True, version=1)
    before = everything(store)
    with pytest.raises(NotRemainCount):
        store.commit(old, taking, second, told(old))
    assert everything(store) == before
    store.put_package(PRODUCT, 2)
    assert store.commit(old, taking, second, told(old))
    assert store.package(PRODUCT).used == 2


def test_of_eight_threads_that_change_an_order_exactly_one_wins(store):
    old = create(store)
    for at in range(12):
        targets = random.sample(list(State), THREADS)
        news = [moved(old, state, updated=float(number)) for number, state in enumerate(targets)]
        line = told(old, at=at + 2.0)
        won = at_once(lambda number, old=old, news=news, line=line: store.commit(old, news[number], None, line))
        assert sum(won) == 1
        old = store.get(old.id)
        assert old == attrs.evolve(news[won.index(True)], version=old.version)
    assert len(list(store.history())) == 13


# -- lists -------------------------------------------------------------------------------------------------------------


def test_a_keyword_is_found_in_the_domains_as_they_are_shown(store):
    first = create(store, domains=("a_b.example.com", "c.example.com"))
    second = create(store, domains=("A%B.example.com",))
    third = create(store, domains=("münchen.example", "a.b"))

    def found(keyword):
        return store.select(list(State), keyword, 0, 10)

    assert found("com,c.") == ([first], 1)
    assert found("example") == ([first, second, third], 3)
    assert found("A%B") == ([second], 1)
    assert found("a_b") == ([first], 1)
    assert found("ü") == ([third], 1)
    for nothing in ("%", "_%", "a*", "'", "\0", "\ud800", "x" * 10_000):
        assert found(nothing) == (([second], 1) if nothing == "%" else ([], 0))


def test_a_page_is_of_the_orders_of_now_oldest_first(store):
    orders = [create(store, state) for _ in range(4) for state in (State.ISSUED, State.DELETED, State.VERIFY_FAIL)]
    some = [record for record in orders if record.order.state is not State.DELETED]
    for offset, limit in [(0, 3), (2, 3), (6, 5), (8, 3), (0, 0), (MAX_ID, 1), (0, MAX_ID), (MAX_ID, MAX_ID)]:
        assert store.select({State.ISSUED, State.VERIFY_FAIL}, "", offset, limit) == (some[offset : offset + limit], 8)
        assert store.select({State.ISSUED, State.VERIFY_FAIL}, "e", offset, limit) == (some[offset : offset + limit], 8)
    assert store.after({State.ISSUED, State.VERIFY_FAIL}, some[2].id, 2) == some[3:5]
    assert store.latest({State.ISSUED, State.VERIFY_FAIL}, 3) == some[:-4:-1]
    assert store.count({State.ISSUED, State.VERIFY_FAIL}) == 8
    assert (store.select([], "", 0, 9), store.after([], 0, 9), store.latest([], 9), store.count([])) == (
        ([], 0),
        [],
        [],
        0,
    )


def test_what_is_due_comes_earliest_first(store):
    for due in (3.0, 1.0, None, 2.0, 1.0, 9.0):
        create(store, due=due)
    first = FIRST_ID
    assert store.due(3.0) == [first + 1, first + 4, first + 3, first]
    assert store.due(0.5) == []
    old = store.get(first + 1)
    store.commit(old, moved(old, State.ISSUED, due=None), None, told(old))
    old = store.get(first + 2)
    store.commit(old, moved(old, State.ISSUED, due=0.25), None, told(old))
    assert store.due(3.0) == [first + 2, first + 4, first + 3, first]


def test_of_much_that_is_due_the_earliest_comes(store):
    orders = [create(store, due=float(200 - number)) for number in range(150)]
    found = store.due(LATE)
    assert len(found) >= 100
    assert found == [record.id for record in orders[::-1]][: len(found)]


# -- history -----------------------------------------------------------------------------------------------------------


def test_the_history_is_told_in_order(store):
    first, second = create(store, created=1.0), create(store, created=2.0)
    lines = []
    for at, record in [(2.0, first), (2.0, second), (2.0, first), (3.5, second), (3.5, first)]:
        old = store.get(record.id)
        line = Happening(at, record.id, Operation.DESCRIBE, state=old.order.state)
        assert store.commit(old, None, None, [line, line._replace(trigger=Event.SUBMITTED, state=None)])
        lines += [line, line._replace(trigger=Event.SUBMITTED, state=None)]
    assert list(store.history())[2:] == lines
    assert list(store.history(first.id))[1:] == [line for line in lines if line.order_id == first.id]


def test_who_reads_the_history_does_not_hold_up_a_change(store):
    old = create(store)
    lines = told(old) * 3000
    assert store.commit(None, None, None, lines)
    reading = store.history()
    begun = [next(reading)]
    assert store.commit(old, moved(old, State.DELETED), None, told(old))
    assert [*begun, *reading][1:] == lines
    assert len(list(store.history())) == 3002
    next(store.history())  # left behind, without harm


# -- packages ----------------------------------------------------------------------------------------------------------


def test_a_package_that_nobody_bought_is_not_found(store):
    for code in (PRODUCT, "", "\0", "\\0000", "ü\ud800"):
        with pytest.raises(NotFoundPackage):
            store.package(code)
    with pytest.raises(NotFoundPackage):
        create(store, holds_unit=True)
    assert everything(store)[:3] == (([], 0), [], [])


def test_packages_come_by_product_code(store):
    codes = ["b", "a", "ü", "B", "\0", "\\0000", "Z\ud800"]
    for total, code in enumerate(codes):
        assert store.put_package(code, total) == Package(code, total)
    assert store.packages() == [Package(code, codes.index(code)) for code in sorted(codes)]


def test_a_package_counts_what_its_orders_hold(store):
    store.put_package(PRODUCT, 3)
    first, second = create(store, holds_unit=True), create(store, holds_unit=True)
    create(store, holds_unit=False)
    assert store.package(PRODUCT) == Package(PRODUCT, 3, used=2)
    store.commit(first, moved(first, State.ISSUED, issued=2.0), None, told(first))
    assert store.package(PRODUCT) == Package(PRODUCT, 3, used=2, issued=1)
    first = store.get(first.id)
    store.commit(first, moved(first, State.REVOKED, holds_unit=False), None, told(first))
    store.commit(second, moved(second, State.DELETED, holds_unit=False), None, told(second))
    assert store.package(PRODUCT) == Package(PRODUCT, 3, used=0, issued=1)


def test_an_order_that_begins_issued_is_counted_as_issued(store):
    store.put_package(PRODUCT, 1)
    create(store, State.ISSUED, holds_unit=True, issued=1.0)
    assert store.package(PRODUCT) == Package(PRODUCT, 1, used=1, issued=1)


def test_a_package_that_shrinks_has_no_unit_until_enough_came_back(store):
    store.put_package(PRODUCT, 2)
    orders = [create(store, holds_unit=True) for _ in range(2)]
    assert store.put_package(PRODUCT, 1) == Package(PRODUCT, 1, used=2)
    for old in orders:
        with pytest.raises(NotRemainCount):
            create(store, holds_unit=True)
        assert store.commit(old, moved(old, State.DELETED, holds_unit=False), None, told(old))
    assert create(store, holds_unit=True) is not None
    assert store.package(PRODUCT) == Package(PRODUCT, 1, used=1)


def take_units(store, count, product_code=PRODUCT):
    """How many of `count` creates found a unit."""
    taken = 0
    for _ in range(count):
        with suppress(NotRemainCount):
            create(store, product_code=product_code, holds_unit=True)
            taken += 1
    return taken


def test_a_package_gives_exactly_its_units_to_threads(store):
    store.put_package(PRODUCT, 30)
    assert sum(at_once(lambda _: take_units(store, 6))) == 30
    assert store.package(PRODUCT) == Package(PRODUCT, 30, used=30)
    assert store.select(list(State), "", 0, 0)[1] == len(list(store.history())) == 30


def traded(store, state):
    """The orders in a state that `trade_units` began."""
    return [record for record in store.after([state], 0, 10_000) if record.product_code == PRODUCT]


def trade_units(store, seed, count):
    """Begin orders and delete them, whosever they are, at random; how many creates and deletes there were."""
    choose, done = random.Random(seed), Counter()
    for _ in range(count):
        held = traded(store, State.PENDING_REVIEW)
        if held and choose.random() < 0.5:
            old = choose.choice(held)
            done["deleted"] += store.commit(old, moved(old, State.DELETED, holds_unit=False), None, told(old))
        else:
            done["created"] += take_units(store, 1)
    return done


def check_traded(store, done):
    """Units are held by the orders that stand, and by no more than there may be; each change is told once."""
    held, deleted = traded(store, State.PENDING_REVIEW), traded(store, State.DELETED)
    assert len(held) == store.package(PRODUCT).used == done["created"] - done["deleted"] <= store.package(PRODUCT).total
    assert len(deleted) == done["deleted"] > 0
    assert all(store.count([state]) == len(store.after([state], 0, 10_000)) for state in State)
    for record in held + deleted:
        triggers = [line.trigger for line in store.history(record.id)]
        assert triggers == [Operation.CREATE] + [Operation.CANCEL] * (record in deleted)


def test_units_are_conserved_by_threads(store):
    store.put_package(PRODUCT, 10)
    check_traded(store, sum(at_once(lambda number: trade_units(store, number, 25)), Counter()))


# -- what processes share ----------------------------------------------------------------------------------------------

FAULTS = [
    Fault(operation=Operation.DELETE, order_id=MAX_ID, times=2, probability=0.1, code="DeleteFail", status=503),
    Fault(),
    Fault(delay=0.1, retry_after=5, when="after", transport="reset", times=1),
    Fault(read="stale", times=2**31 - 1),
]


def test_faults_are_kept_in_order_and_counted_off(store):
    for fault in FAULTS:
        store.add_fault(fault)
    assert [fault for _, fault in store.shared().faults] == FAULTS
    first, endless, last, _ = (number for number, _ in store.shared().faults)
    assert [store.take_fault(first) for _ in range(3)] == [True, True, False]
    assert [store.take_fault(last) for _ in range(2)] == [True, False]
    assert all(store.take_fault(endless) for _ in range(3))
    assert [fault for _, fault in store.shared().faults] == [FAULTS[1], FAULTS[3]]
    store.take_fault(store.shared().faults[1][0])
    assert store.shared().faults[1][1].times == 2**31 - 2


def test_a_fault_that_was_forgotten_is_not_taken(store):
    store.add_fault(FAULTS[0])
    ((number, _),) = store.shared().faults
    store.clear_faults()
    assert store.shared().faults == ()
    store.add_fault(FAULTS[0])
    assert not store.take_fault(number)
    assert store.shared().faults[0][1] == FAULTS[0]
    store.reset()
    assert store.shared().faults == ()


def test_a_fault_is_taken_by_threads_exactly_as_often_as_it_says(store):
    store.add_fault(Fault(times=20))
    ((number, _),) = store.shared().faults
    assert sum(at_once(lambda _: sum(store.take_fault(number) for _ in range(5)))) == 20
    assert store.shared().faults == ()


def test_the_clock_is_moved_and_set_right_by_a_reset(store):
    assert store.shared().offset == 0.0
    store.advance(0.1)
    store.advance(0.2)
    assert store.shared().offset == 0.1 + 0.2
    store.reset()
    assert store.shared().offset == 0.0


def test_draws_are_numbered(store):
    assert [store.draw() for _ in range(3)] == [0, 1, 2]
    store.reset()
    assert store.draw() == 3
    assert sorted(at_once(lambda _: store.draw())) == list(range(4, 12))


def test_a_nonce_is_new_once(store):
    for nonce in ("a", "b", "", "\0", "ü\ud800"):
        assert store.remember_nonce(nonce, LATE)
        assert not store.remember_nonce(nonce, LATE)
    assert sum(at_once(lambda _: store.remember_nonce("c", LATE))) == 1
    store.reset()
    assert not store.remember_nonce("a", LATE)


def test_a_nonce_that_expired_is_new_again(store):
    past = time.time() - 1
    assert store.remember_nonce("a", past)
    assert store.remember_nonce("a", LATE)
    assert not store.remember_nonce("a", LATE)


def test_memory_does_not_grow_by_nonces_that_expired(monkeypatch):
    store, now = MemoryStore(), 1000.0
    monkeypatch.setattr(time, "time", lambda: now)
    sizes = []
    for round_ in range(3):
        for number in range(100):
            assert store.remember_nonce(f"{round_} {number}", now + number % 10)
        sizes.append(sum(len(list(kept)) for kept in (store._nonces, *store._expiring.values())))
        now += 11
    assert sizes == [200, 200, 200]


def test_expired_nonces_are_forgotten_and_others_are_not(url, monkeypatch):
    monkeypatch.setattr("orderfsm.mock.stores.sql._PURGE_EVERY", -1)
    with closing(SQLStore(url)) as store:
        for number in range(5):
            store.remember_nonce(f"old {number}", 1.0)
        store.remember_nonce("new", LATE)
        assert not store.remember_nonce("new", LATE)
    assert rows(url, "SELECT nonce FROM nonces") == [("new",)]


def test_calls_are_counted_within_their_window(store):
    assert [store.hit("CancelOrderRequest", 1_800_000_000) for _ in range(3)] == [1, 2, 3]
    assert store.hit("other", 1_800_000_000) == 1
    assert [store.hit("CancelOrderRequest", 1_800_000_001) for _ in range(2)] == [1, 2]
    assert sorted(at_once(lambda _: store.hit("third", 7))) == list(range(1, 9))


def test_a_setting_is_what_was_made_first(store):
    assert store.setting("a", lambda: "first\0ü") == "first\0ü"
    assert store.setting("a", lambda: pytest.fail("made twice")) == "first\0ü"
    store.reset()
    assert store.setting("a", lambda: "second") == "first\0ü"
    made = iter("abcdefgh")
    assert len(set(at_once(lambda _: store.setting("b", lambda: next(made))))) == 1
    assert store.setting("outer", lambda: store.setting("inner", lambda: "x") + "y") == "xy"


def test_the_revision_grows_with_every_change(store):
    store.put_package(PRODUCT, 5)
    record = new_order(store, holds_unit=True)
    changes = [
        lambda: store.put_package("other", 1),
        lambda: store.commit(None, None, record, []),
        lambda: store.commit(None, None, None, told(record)),
        lambda: store.commit(store.get(record.id), None, None, told(record)),
        lambda: store.commit(store.get(record.id), moved(record, State.ISSUED, issued=2.0), None, []),
        lambda: store.add_fault(Fault(times=1)),
        lambda: store.take_fault(store.shared().faults[0][0]),
        store.clear_faults,
        lambda: store.advance(1.0),
        store.reset,
        store.reset,
        lambda: create(store),
    ]
    seen = [store.revision()]
    for change in changes:
        change()
        seen.append(store.revision())
    assert seen == sorted(set(seen))


def test_a_reset_forgets_orders_packages_faults_and_history(store):
    store.put_package(PRODUCT, 5)
    old = create(store, holds_unit=True, due=2.0)
    store.add_fault(Fault())
    store.advance(5.0)
    store.reset()
    assert store.get(old.id) is None
    assert (store.shared().offset, store.shared().faults) == (0.0, ())
    assert everything(store)[:3] == (([], 0), [], [])
    assert store.due(LATE) == []
    with pytest.raises(NotFoundPackage):
        store.package(PRODUCT)


def test_a_reset_amid_changes_leaves_nothing_half_done(store):
    def work(number):
        if number == 0:
            store.reset()
            store.put_package(PRODUCT, 10)
        else:
            for _ in range(6):
                with suppress(NotFoundPackage):
                    trade_units(store, number, 1)

    store.put_package(PRODUCT, 10)
    for _ in range(25):
        at_once(work, 5)
        orders, total = store.select(list(State), "", 0, 1000)
        begun = [line.order_id for line in store.history() if line.trigger is Operation.CREATE]
        assert sorted(begun) == [record.id for record in orders]
        assert total == len(orders)
        assert store.package(PRODUCT).used == store.count([State.PENDING_REVIEW])


# -- a model -----------------------------------------------------------------------------------------------------------


class Modelled(RuleBasedStateMachine):
    """A store beside a dict, a list and a few numbers; both must answer alike, whatever is done."""

    def __init__(self, store):
        super().__init__()
        self.store = store
        store.reset()
        self.orders, self.packages, self.lines, self.faults = {}, {}, [], []
        self.offset = self.now = 0.0
        self.revision = -1
        self.stale = []

    def tell(self, order_id, **fields):
        self.now += 0.5
        return Happening(self.now, order_id, Operation.DESCRIBE, **fields)

    @rule(code=st.sampled_from("ab"), total=st.integers(0, 4))
    def buy(self, code, total):
        self.packages[code] = attrs.evolve(self.packages.get(code, Package(code, 0)), total=total)
        assert self.store.put_package(code, total) == self.packages[code]

    @rule(
        code=st.sampled_from("ab"),
        state=STATE,
        holds_unit=st.booleans(),
        domain=st.sampled_from("abc"),
        due=st.none() | st.integers(0, 9),
    )
    def begin(self, code, state, holds_unit, domain, due):
        record = new_order(self.store, state, product_code=code, holds_unit=holds_unit, domains=(domain, "x"), due=due)
        line = self.tell(record.id)
        package = self.packages.get(code)
        if holds_unit and (package is None or package.used >= package.total):
            with pytest.raises(NotFoundPackage if package is None else NotRemainCount):
                self.store.commit(None, None, record, [line])
            return
        assert self.store.commit(None, None, record, [line])
        if holds_unit:
            self.packages[code] = attrs.evolve(package, used=package.used + 1)
        self.orders[record.id] = record
        self.lines.append(line)

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), state=STATE, keep=st.booleans(), issued=st.booleans(), due=st.none() | st.integers(0, 9))
    def change(self, data, state, keep, issued, due):
        old = self.store.get(data.draw(st.sampled_from(sorted(self.orders))))
        package = self.packages.get(old.product_code)
        issued = 1.0 if old.issued is not None or (issued and package is not None) else None
        new = moved(old, state, holds_unit=old.holds_unit and keep, issued=issued, due=due)
        line = self.tell(old.id, state=state)
        assert self.store.commit(old, new, None, [line])
        if package is not None:
            self.packages[package.product_code] = attrs.evolve(
                package,
                used=package.used - (old.holds_unit and not keep),
                issued=package.issued + (issued is not None and old.issued is None),
            )
        self.orders[old.id] = new
        self.lines.append(line)
        self.stale.append(old)

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def refuse(self, data):
        old = self.store.get(data.draw(st.sampled_from(sorted(self.orders))))
        line = self.tell(old.id, code="OrderStateError")
        assert self.store.commit(old, None, None, [line])
        self.lines.append(line)

    @precondition(lambda self: self.stale)
    @rule(data=st.data(), state=STATE)
    def come_too_late(self, data, state):
        old = data.draw(st.sampled_from(self.stale))
        assert not self.store.commit(old, moved(old, state), None, [self.tell(old.id)])
        assert not self.store.commit(old, None, None, [self.tell(old.id)])

    @rule(fault=st.sampled_from(FAULTS))
    def fail(self, fault):
        self.store.add_fault(fault)
        self.faults.append(fault)

    @precondition(lambda self: self.faults)
    @rule(data=st.data())
    def take(self, data):
        at = data.draw(st.integers(0, len(self.faults) - 1))
        assert self.store.take_fault(self.store.shared().faults[at][0])
        times = self.faults[at].times
        if times is not None:
            left = [] if times == 1 else [attrs.evolve(self.faults[at], times=times - 1)]
            self.faults[at : at + 1] = left

    @rule()
    def forget_faults(self):
        self.store.clear_faults()
        self.faults = []

    @rule(seconds=st.integers(1, 9))
    def advance(self, seconds):
        self.store.advance(seconds)
        self.offset += seconds

    @rule()
    def reset(self):
        self.store.reset()
        self.orders, self.packages, self.lines, self.faults, self.offset = {}, {}, [], [], 0.0

    def among(self, states, keyword=""):
        found = [record for record in self.orders.values() if record.order.state in states]
        return [record for record in found if keyword in ",".join(record.domains)]

    def shown(self, records):
        return [attrs.evolve(record, version=0) for record in records]

    @rule(
        states=st.sets(STATE),
        keyword=st.sampled_from(["", "", "a", "b,x", "q"]),
        offset=st.integers(0, 6),
        limit=st.integers(0, 4),
        data=st.data(),
    )
    def list(self, states, keyword, offset, limit, data):
        expected = self.among(states, keyword)
        records, total = self.store.select(states, keyword, offset, limit)
        assert (self.shown(records), total) == (self.shown(expected[offset : offset + limit]), len(expected))
        expected = self.among(states)
        after = data.draw(st.sampled_from([0, MAX_ID, *self.orders]))
        later = [record for record in expected if record.id > after][:limit]
        assert self.shown(self.store.after(states, after, limit)) == self.shown(later)
        assert self.shown(self.store.latest(states, limit)) == self.shown(expected[::-1][:limit])
        assert self.store.count(states) == len(expected)

    @rule(now=st.integers(0, 9))
    def look_what_is_due(self, now):
        due = sorted((r.due, r.id) for r in self.orders.values() if r.due is not None and r.due <= now)
        assert self.store.due(now) == [order_id for _, order_id in due]

    @rule()
    def read_all(self):
        assert self.shown(map(self.store.get, self.orders)) == self.shown(self.orders.values())
        assert list(self.store.history()) == self.lines
        for order_id in self.orders:
            assert list(self.store.history(order_id)) == [line for line in self.lines if line.order_id == order_id]

    @invariant()
    def the_rest_is_alike(self):
        assert self.store.packages() == [self.packages[code] for code in sorted(self.packages)]
        shared = self.store.shared()
        assert (shared.offset, [fault for _, fault in shared.faults]) == (self.offset, self.faults)
        seen = self.store.revision()
        assert seen >= self.revision
        self.revision = seen


def test_a_store_answers_like_a_dict(store):
    run_state_machine_as_test(
        partial(Modelled, store), settings=settings(settings(), max_examples=10, stateful_step_count=40, deadline=None)
    )


# -- processes ---------------------------------------------------------------------------------------------------------

WORKER = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
work = getattr(importlib.import_module(sys.argv[3]), sys.argv[4])
from orderfsm.mock.stores.sql import SQLStore
store = SQLStore(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps(work(store, int(sys.argv[5]))), flush=True)
store.close()
"""


def in_processes(url, work, count=2):
    """What `work(store, 0)`, `work(store, 1)`, ... return, each in a process; all begin when all are ready."""
    here = __file__.rpartition("/")[0]
    command = [sys.executable, "-W", "error", "-c", WORKER, here, url, work.__module__, work.__name__]
    workers = [
        subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(count)
    ]
    try:
        assert [worker.stdout.readline() for worker in workers] == ["ready\n"] * count
        for worker in workers:
            worker.stdin.write("go\n")
            worker.stdin.flush()
        return [json.loads(worker.communicate(timeout=300)[0]) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def contend(store, number):
    """A worker's part, by four threads: ids, draws, a fault's times, nonces, hits, a setting and units are fetched."""

    def fetch(thread):
        ids, draws, taken, nonces, hits = [], [], 0, [], []
        fault = store.shared().faults[0][0]
        for at in range(20):
            ids.append(store.new_id())
            draws.append(store.draw())
            taken += store.take_fault(fault)
            nonces += [at] * store.remember_nonce(f"nonce {at}", LATE)
            hits.append(store.hit("key", 1))
        return (
            ids,
            draws,
            taken,
            nonces,
            hits,
            take_units(store, 6, "scarce"),
            trade_units(store, 10 * number + thread, 20),
        )

    return store.setting("name", lambda: str(number)), at_once(fetch, 4)


def test_processes_share_what_a_store_gives(url):
    with closing(SQLStore(url)) as store:
        store.add_fault(Fault(times=70))
        store.put_package(PRODUCT, 10)
        store.put_package("scarce", 30)
        assert len(store.shared().faults) == 1
        settings, parts = zip(*in_processes(url, contend), strict=True)
        ids, draws, taken, nonces, hits, units, trades = zip(*chain.from_iterable(parts), strict=True)
        assert len(set(settings)) == 1
        assert all(part == sorted(part) for part in ids)
        assert len(set(chain.from_iterable(ids))) == 160
        assert sorted(chain.from_iterable(draws)) == list(range(160))
        assert sum(taken) == 70
        assert store.shared().faults == ()
        assert sorted(chain.from_iterable(nonces)) == list(range(20))
        assert sorted(chain.from_iterable(hits)) == list(range(1, 161))
        assert sum(units) == 30
        assert store.package("scarce") == Package("scarce", 30, used=30)
        check_traded(store, sum(map(Counter, trades), Counter()))


WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from test_store import create, moved, told, SQLStore, State
store = SQLStore(sys.argv[2])
while True:
    old = create(store, holds_unit=True)
    print("created", old.id, flush=True)
    assert store.commit(old, moved(old, State.DELETED, holds_unit=False), None, told(old))
    print("deleted", old.id, flush=True)
    old = create(store, holds_unit=True)
    print("created", old.id, flush=True)
"""


def test_what_a_process_acknowledged_survives_its_kill(url):
    here = __file__.rpartition("/")[0]
    with closing(SQLStore(url)) as store:
        store.put_package(PRODUCT, 10**6)
    acknowledged = []
    for _ in range(2):
        command = [sys.executable, "-c", WRITER, here, url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            acknowledged += [writer.stdout.readline() for _ in range(100)]
            writer.send_signal(signal.SIGKILL)
            acknowledged += [line for line in writer.stdout if line.endswith("\n")]
    seen = {}
    for line in acknowledged:
        what, order_id = line.split()
        seen[int(order_id)] = State.PENDING_REVIEW if what == "created" else State.DELETED
    with closing(SQLStore(url)) as store:
        orders, total = store.select(list(State), "", 0, 10**6)
        there = {record.id: record.order.state for record in orders}
        # Of what was not acknowledged any more, one change of each writer may be there.
        assert len(there.items() - seen.items()) <= 2
        assert all(there[order_id] in {state, State.DELETED} for order_id, state in seen.items())
        assert store.package(PRODUCT).used == store.count([State.PENDING_REVIEW])
        assert len(list(store.history())) == total + store.count([State.DELETED])
        assert store.new_id() > max(there)


# -- databases ---------------------------------------------------------------------------------------------------------


def rows(url, *statements):
    """What the last of some statements finds, past the store."""
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        for statement in statements:
            result = connection.execute(sa.text(statement))
        found = [tuple(row) for row in result] if result.returns_rows else []
    engine.dispose()
    return found


def test_what_was_written_is_there_when_opened_again(url):
    with closing(SQLStore(url)) as store:
        store.put_package(PRODUCT, 5)
        for state in State:
            create(store, state, holds_unit=state is State.ISSUED, due=1.0)
        store.add_fault(FAULTS[0])
        store.advance(3.0)
        store.draw()
        store.hit("key", 1)
        store.remember_nonce("nonce", LATE)
        store.setting("name", lambda: "value")
        before, revision, last = everything(store), store.revision(), store.new_id()
    with closing(SQLStore(url)) as store:
        assert everything(store) == before
        assert store.revision() >= revision
        assert store.new_id() > last
        assert (store.draw(), store.hit("key", 1), store.setting("name", lambda: "other")) == (1, 2, "value")
        assert not store.remember_nonce("nonce", LATE)


# -- notes -------------------------------------------------------------------------------------------------------------

KEY = st.sampled_from(["a", "b", "\0", "\\\ud800", ""])
CHANGES = st.dictionaries(st.tuples(KEY, KEY), st.tuples(st.none() | KEY, st.none() | KEY), max_size=4)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=st.lists(CHANGES, max_size=8))
def test_notes_are_changed_all_at_once_or_not_at_all(store, rounds):
    store.reset()
    known = {}
    for changes in rounds:
        as_said = all(known.get(at) == old for at, (old, _) in changes.items())
        revision = store.revision()
        assert store.write_notes(changes) is as_said
        if as_said:
            assert store.revision() > revision or all(old is new for old, new in changes.values())
            known |= {at: new for at, (_, new) in changes.items()}
            known = {at: text for at, text in known.items() if text is not None}
        for kind, key in [*known, ("a", "none")]:
            assert store.note(kind, key) == known.get((kind, key))
            assert store.notes(kind) == {at[1]: text for at, text in known.items() if at[0] == kind}
    store.reset()
    assert not any(store.notes(kind) for kind, _ in known)


def test_of_those_that_change_a_note_at_one_time_one_does(store):
    assert store.write_notes({("kind", "count"): (None, "0"), ("kind", "who"): (None, "nobody")})

    def count(number):
        for _ in range(10):
            while True:
                old, who = store.note("kind", "count"), store.note("kind", "who")
                changes = {("kind", "count"): (old, str(int(old) + 1)), ("kind", "who"): (who, str(number))}
                if store.write_notes(changes):
                    break

    at_once(count, 4)
    assert store.note("kind", "count") == "40"


def test_a_store_that_was_closed_opens_again_when_used(url):
    store = SQLStore(url)
    store.close()
    assert store.new_id() == FIRST_ID
    store.close()


def test_stores_that_are_opened_at_once_find_one_set_of_tables(url):
    stores = at_once(lambda _: SQLStore(url))
    assert len({store.new_id() for store in stores}) == THREADS
    for store in stores:
        store.close()


def test_another_schema_version_is_an_error_that_names_both(url):
    SQLStore(url).close()
    rows(url, "UPDATE meta SET value = '7'")
    with pytest.raises(InvalidValue, match=f"schema version of .* '7': expected {SCHEMA}$"):
        SQLStore(url)


@pytest.mark.parametrize(
    "tables",
    [
        ["CREATE TABLE orders (id INTEGER)"],
        ["CREATE TABLE orders (id INTEGER)", "CREATE TABLE meta (name TEXT, value TEXT)"],
        ["CREATE TABLE orders (id INTEGER)", "CREATE TABLE meta (version INTEGER)"],
    ],
)
def test_tables_of_others_are_an_error_and_left_alone(url, tables):
    rows(url, *tables, "INSERT INTO orders VALUES (1)")
    with pytest.raises(InvalidValue, match=r"tables in .*orders': expected none, those of orderfsm"):
        SQLStore(url)
    assert rows(url, "SELECT * FROM orders") == [(1,)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "orders.db",
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://u:secret@h/d",
        "postgresql://u:secret@h:port/d",
        "postgresql://u:p@secret@127.0.0.1:1/d",
        "postgresql+psycopg://u:p@sec/ret@secret@127.0.0.1:1/d",
        "postgresql://u:p@secret?secret@127.0.0.1:1/d",
        "postgresql://u@secret:secret@127.0.0.1:1/d",
        "mysql://u:p@secret@h/d",
        "postgres:/u:secret@h/d",
        "secret@h",
        "://",
    ],
)
def test_what_is_no_url_of_a_database_is_an_error_without_the_password(text):
    with pytest.raises(InvalidValue, match=r"database URL .*: expected sqlite:///PATH, postgresql://") as caught:
        SQLStore(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
def test_a_server_that_does_not_answer_is_one_error_without_the_password(driver):
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    with pytest.raises(InvalidValue, match=r"^database 'postgresql://127.0.0.1:1/orders': .*refused") as caught:
        SQLStore(f"{driver}://user:secret@127.0.0.1:1/orders?application_name=secret")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_option_is_an_error_without_the_password(postgres_url):
    with pytest.raises(InvalidValue, match="database 'postgresql://") as caught:
        SQLStore(postgres_url.replace("@", ":secret@") + "?nonsense=1")
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_an_error(tmp_path):
    path = tmp_path / "orders.db"
    path.write_text("certificates, orders and more\n" * 100)
    with pytest.raises(InvalidValue, match="file is not a database"):
        SQLStore(f"sqlite:///{path}")
    with pytest.raises(InvalidValue, match="unable to open database file"):
        SQLStore(f"sqlite:///{tmp_path / 'missing' / 'orders.db'}")


@pytest.mark.parametrize(("package", "extra"), [("sqlalchemy", "mock"), ("psycopg", "postgres")])
def test_a_missing_package_is_named_with_its_extra(monkeypatch, package, extra):
    monkeypatch.delitem(sys.modules, "orderfsm.mock.stores.sql")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=rf"pip install 'orderfsm\[{extra}\]'"):
        importlib.import_module("orderfsm.mock.stores.sql").SQLStore("postgresql://127.0.0.1:1/orders")


@pytest.mark.parametrize("call", [SQLStore.new_id, SQLStore.reset])
def test_a_server_that_was_away_is_found_again(postgres_url, call):
    ours = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with closing(SQLStore(postgres_url)) as store:
        at_once(lambda _: store.new_id())
        rows(postgres_url, f"SELECT pg_terminate_backend(pid) {ours}")
        with pytest.raises(StoreError):
            call(store)
        assert len(set(at_once(lambda _: store.new_id()))) == THREADS


def test_what_is_written_to_sqlite_is_in_a_log_first(sqlite_url, tmp_path):
    with closing(SQLStore(sqlite_url)) as store:
        create(store)
        assert rows(sqlite_url, "PRAGMA journal_mode") == [("wal",)]
        assert (tmp_path / "orders.db-wal").stat().st_size > 0
