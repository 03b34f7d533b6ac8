"""Calls on SQLite are carried out together: one commit for all, no answer before it, and each undoes itself alone."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import count

import attrs
import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from test_store import PRODUCT, create, in_processes, moved, new_order, told
from test_waiting import ask, orders
from test_waiting import create as ask_create

from orderfsm import State
from orderfsm.errors import NotRemainCount
from orderfsm.mock import Service, SQLStore, mock_cas
from orderfsm.mock.http.threads import Threads
from orderfsm.mock.stores.store import StoreError

TOO_LARGE = 2**63
"""An integer that no database takes."""


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/orders.db"


@pytest.fixture
def store(url):
    with closing(SQLStore(url)) as opened:
        yield opened


@pytest.fixture
def other(store, url):
    """The same file as another process sees it."""
    with closing(SQLStore(url)) as opened:
        yield opened


def shown(store):
    """The orders and packages of a store."""
    return store.select(list(State), "", 0, 10), store.packages()


# -- a block of a store ------------------------------------------------------------------------------------------------


def test_what_is_done_together_is_seen_by_others_when_it_is_committed(store, other):
    with store.together() as waits:
        assert not waits()
        first = create(store)
        second = create(store)
        assert waits()
        assert store.select(list(State), "", 0, 10) == ([first, second], 2)
        assert other.select(list(State), "", 0, 10) == ([], 0)
    assert other.select(list(State), "", 0, 10) == ([first, second], 2)


def test_another_thread_sees_nothing_of_it_either(store):
    with store.together(), ThreadPoolExecutor(1) as pool:
        order = create(store)
        assert pool.submit(store.get, order.id).result() is None
    assert store.get(order.id) == order


def test_one_that_is_refused_undoes_itself_alone(store, other):
    store.put_package(PRODUCT, 1)
    with store.together():
        old = create(store, holds_unit=True)
        assert store.commit(old, moved(old, State.VERIFY_FAIL), None, told(old))
        before = shown(store)
        stale = moved(old, State.DELETED, holds_unit=False)
        assert not store.commit(old, stale, new_order(store), told(old))
        again = store.get(old.id)
        with pytest.raises(NotRemainCount):
            store.commit(again, moved(again, State.ISSUED), new_order(store, holds_unit=True), told(old))
        assert not store.commit(None, None, attrs.evolve(old, holds_unit=False), told(old))
        assert shown(store) == before
    assert shown(other) == before
    assert len(list(other.history())) == 2


def test_an_error_undoes_all_and_who_was_told_that_something_waits_hears_of_it(store, other):
    def relying():
        with store.together() as waits:
            create(store)
            assert waits()
            with pytest.raises(OverflowError):
                create(store, reads=TOO_LARGE)
            assert not waits()
            with pytest.raises(StoreError):
                create(store)

    with pytest.raises(StoreError, match="undone"):
        relying()
    assert other.count(list(State)) == 0
    assert create(store) == other.get(other.new_id() - 1)


def test_who_relied_on_nothing_heard_of_the_error_when_it_came(store, other):
    with store.together(), pytest.raises(OverflowError):
        create(store, reads=TOO_LARGE)
    assert other.count(list(State)) == 0


def test_what_an_error_ends_is_not_committed(store, other):
    def failing():
        with store.together():
            create(store)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert other.count(list(State)) == 0
    assert create(store)


def work_together(store, _number):
    """A worker's part: blocks in which orders are created and one that others also change."""
    shared = store.after(list(State), 0, 1)[0].id
    for _ in range(30):
        with store.together():
            create(store, holds_unit=True)
            while True:
                old = store.get(shared)
                if store.commit(old, attrs.evolve(old, reads=old.reads + 1), None, told(old)):
                    break
            create(store)
    return shared


def test_two_processes_take_turns_with_what_they_do_together(store, url):
    store.put_package(PRODUCT, 60)
    shared = create(store)
    assert in_processes(url, work_together) == [shared.id] * 2
    assert store.get(shared.id).reads == 60
    assert store.count(list(State)) == 121
    assert store.package(PRODUCT).used == 60


# -- calls -------------------------------------------------------------------------------------------------------------


def at_once(calls, together):
    """What calls are answered that all come while the first is carried out; an error as the error."""
    go = threading.Event()

    async def run():
        threads = Threads(together=together)
        first = asyncio.ensure_future(threads.run(lambda: go.wait() and calls[0]()))
        await asyncio.sleep(0)
        others = [asyncio.ensure_future(threads.run(call)) for call in calls[1:]]
        await asyncio.sleep(0)
        go.set()
        return await asyncio.gather(first, *others, return_exceptions=True)

    return asyncio.run(run())


def test_no_call_is_answered_before_the_commit_of_all():
    said = []

    @contextmanager
    def together():
        yield lambda: True
        said.append("committed")

    def call(number):
        def do():
            said.append(number)
            return said

        return do

    answers = at_once([call(number) for number in range(5)], together)
    assert said == [0, 1, 2, 3, 4, "committed"]
    assert answers == [said] * 5


def test_calls_are_answered_at_once_as_long_as_nothing_waits():
    blocks = []

    @contextmanager
    def together():
        blocks.append("block")
        yield lambda: False

    assert at_once([lambda: 1] * 5, together) == [1] * 5
    assert len(blocks) == 5


def test_if_the_common_commit_fails_each_is_tried_alone_and_only_who_fails_alone_is_told():
    done, kept = [], []

    @contextmanager
    def together():
        done.clear()
        yield lambda: bool(done)
        if "bad" in done:
            raise StoreError("full")
        kept.extend(done)

    def call(word):
        return lambda: done.append(word) or word

    answers = at_once([call("a"), call("bad"), call("b")], together)
    assert [str(answer) for answer in answers] == ["a", "full", "b"]
    assert kept == ["a", "b"]


# -- a server ----------------------------------------------------------------------------------------------------------


def creates(server, number):
    """The answers to so many creates at once."""
    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(ask_create, [server.api] * number))


def test_calls_whose_common_commit_failed_are_carried_out_once(store, monkeypatch):
    service = Service(store=store)
    service.put_package("digicert-free-1-free", 100)
    together, failed = store.together, []

    @contextmanager
    def failing():
        with together() as waits:
            yield waits
            if waits() and len(failed) < 3:
                failed.append(1)
                raise StoreError("the disk is full")

    monkeypatch.setattr(store, "together", failing)
    with mock_cas(service) as server:
        answers = [answer for _ in range(6) for answer in creates(server, 8)]
        made = [answer["OrderId"] for status, answer in answers if status == 200]
        assert {answer["Code"] for status, answer in answers if status != 200} <= {"Error"}
        assert len(made) == len(set(made)) == orders(server.api)[1]["TotalCount"] >= 45
    assert failed


def test_of_calls_together_one_that_the_database_refuses_fails_alone(store, other, monkeypatch):
    service = Service(store=store)
    service.put_package("digicert-free-1-free", 100)
    handle, number, refused = service.handle, count(), []

    def handled(request):
        if threading.current_thread().name == "orderfsm call" and request.query["Domain"] == "refused.example.com":
            refused.append(next(number))
            create(store, reads=TOO_LARGE)
        return handle(request)

    monkeypatch.setattr(service, "handle", handled)
    with mock_cas(service) as server, ThreadPoolExecutor(9) as pool:
        path = "/?Domain=refused.example.com"
        bad = pool.submit(ask, server.api, "POST", path, "CreateCertificateForPackageRequest")
        assert {status for status, _ in creates(server, 8)} == {200}
        assert bad.exception() is not None or bad.result()[0] == 500
    assert refused
    assert other.count(list(State)) == 8
