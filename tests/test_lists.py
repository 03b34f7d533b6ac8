"""Lists of orders: every kind of store finds the same by keyword and by state, on any page, as a plain list would."""

from __future__ import annotations

import random
from contextlib import closing

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from stores import KINDS, opened
from test_store import create, moved, told

from orderfsm import State
from orderfsm.mock.stores import pages, statements

pytest_plugins = ["postgres"]

EVERY = list(State)
LETTERS = st.sampled_from("abAB.-*%_'\u00e9\U0001f512 (^\"\\")
DOMAINS = st.lists(st.text(LETTERS, max_size=12), min_size=1, max_size=2).map(tuple)
STATE = st.sampled_from(State)


@pytest.fixture(params=KINDS)
def store(request, tmp_path, monkeypatch):
    monkeypatch.setattr(statements, "FEW", statements.FEW)  # restored afterwards
    with closing(opened(request.param, request, tmp_path)) as store:
        yield store


def keywords(orders):
    """Parts of the domains of orders, and other texts."""
    texts = [",".join(domains) for domains, _ in orders]
    parts = st.sampled_from(texts).flatmap(
        lambda text: st.tuples(st.integers(0, len(text)), st.integers(1, 12)).map(lambda at: text[at[0] :][: at[1]])
    )
    return (parts | st.text(LETTERS | st.sampled_from("\0\ud800"), max_size=5)).filter(bool)


def matching(records, keyword, states=EVERY):
    """What a keyword finds, by the word of the contract."""
    return [record for record in records if record.state in states and keyword in ",".join(record.domains)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(orders=st.lists(st.tuples(DOMAINS, STATE), min_size=1, max_size=12), states=st.sets(STATE), data=st.data())
def test_a_keyword_finds_the_same_in_every_kind_of_store(store, orders, states, data):
    statements.FEW = data.draw(st.sampled_from([0, 2, 500]))  # above it, an index is no help
    store.reset()
    for domains, state in orders:
        create(store, state, domains=domains)
    for record in store.after(EVERY, 0, 100)[::3]:
        renamed = data.draw(DOMAINS)
        assert store.commit(record, moved(record, record.state, domains=renamed), None, told(record))
        orders = [*orders, (renamed, record.state)]
    records = store.after(EVERY, 0, 100)
    for keyword in data.draw(st.lists(keywords(orders), min_size=3, max_size=6)):
        offset, limit = data.draw(st.integers(0, 4)), data.draw(st.integers(0, 4))
        found = matching(records, keyword, states)
        assert store.select(states, keyword, offset, limit) == (found[offset:][:limit], len(found)), keyword


def test_a_long_keyword_finds_what_holds_all_of_it(store):
    name = "".join(random.Random(1).choices("abcdefghij.", k=200))
    first, _ = create(store, domains=(name,)), create(store, domains=(name[:-1],))
    assert store.select(EVERY, name, 0, 5) == ([first], 1)


@pytest.mark.parametrize("near", [0, 200])
def test_a_page_far_behind_is_the_one_that_stands_there(store, near, monkeypatch):
    monkeypatch.setattr(pages, "_NEAR", near)
    draw = random.Random(near)
    for _ in range(300):
        create(store, draw.choice(EVERY))
    for record in store.after(EVERY, 0, 300)[::7]:
        assert store.commit(record, moved(record, draw.choice(EVERY)), None, told(record))
    for _ in range(draw.randrange(2000)):
        store.new_id()
    create(store, State.ISSUED)
    records = store.after(EVERY, 0, 1000)
    for states in (EVERY, [State.ISSUED], [State.ISSUED, State.DELETED, State.PENDING_REVIEW]):
        among = [record for record in records if record.state in states]
        for offset in (0, 1, len(among) // 2, len(among) - 2, len(among) - 1, len(among), len(among) + 1, 10**6):
            assert store.select(states, "", offset, 3) == (among[offset:][:3], len(among))
        assert store.count(states) == len(among)


def test_a_page_is_of_one_moment_and_holds_nobody_up(store):
    orders = [create(store) for _ in range(3)]
    assert store.select(EVERY, "", 10**6, 1) == ([], 3)
    old = orders[0]
    assert store.commit(old, attrs.evolve(old, reads=1), None, told(old))
    assert store.select(EVERY, "", 0, 1)[0][0].reads == 1


def test_who_forgets_all_finds_none_of_it_by_a_keyword(store):
    create(store, domains=("gone.example.com",))
    store.reset()
    again = create(store, domains=("here.example.com",))
    assert store.select(EVERY, "gone", 0, 5) == ([], 0)
    assert store.select(EVERY, "example", 0, 5) == ([again], 1)
