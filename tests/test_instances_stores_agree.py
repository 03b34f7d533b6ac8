"""Orders and instances, whatever is done to them: every kind of store answers the same, and the tables explain it."""

from __future__ import annotations

import itertools
import random

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stores import KINDS, opened

from orderfsm import ORDER_LIFECYCLE, trace
from orderfsm.errors import ServiceError
from orderfsm.mock import Clock, MemoryStore, Service
from orderfsm.mock.records import Application
from orderfsm.tables.instances import LIFECYCLE
from orderfsm.trace import Events, Finding

TABLES = (ORDER_LIFECYCLE, LIFECYCLE)
ON_ONE = [(table, trigger) for table in TABLES for trigger in table.trigger_rules]
CALLABLE = [
    (table, trigger) for table, trigger in ON_ONE if trigger not in table.creates and trigger not in table.account_reads
]
STEP = st.one_of(
    st.tuples(st.just("begin"), st.sampled_from(TABLES)),
    st.tuples(st.just("fire"), st.sampled_from(CALLABLE), st.integers(0, 5)),
    st.tuples(st.just("advance"), st.sampled_from([1, 5, 17, 60, 180, 86_400, 8 * 86_400, 400 * 86_400])),
    st.tuples(st.just("completions"), st.sampled_from(["clock", "manual"])),
)


class Both:
    """A service on a store, and what was begun in it."""

    def __init__(self, store):
        self.service = Service(store=store, clock=Clock(lambda: 1_800_000_000.0), random=random.Random(5))
        self.service.reset()
        self.service.put_completions("clock")
        self.service.put_package("p", 3)
        self.begun = {table.name: [] for table in TABLES}

    def engine(self, table):
        return next(engine for engine in self.service.engines if engine.lifecycle.name == table.name)

    def do(self, what, *arguments):
        """What a step does: how the order is then, or the code of its refusal."""
        try:
            return getattr(self, what)(*arguments)
        except ServiceError as error:
            return error.code

    def begin(self, table):
        asked = Application(("a.example.com",), "DNS", "p" if table is ORDER_LIFECYCLE else "", period=365 * 86_400.0)
        create = next(trigger for trigger in table.operations if trigger in table.creates)
        record = self.engine(table).begin(create, asked)
        self.begun[table.name].append(record.id)
        return self.shown(record)

    def fire(self, pair, number):
        table, trigger = pair
        known = self.begun[table.name]
        if not known:
            return None
        fired = self.engine(table).fire(known[number % len(known)], trigger)
        known.extend(filter(None, [fired.begun and fired.begun.id]))
        return self.shown(fired.order)

    def advance(self, seconds):
        self.service.advance(seconds)

    def completions(self, mode):
        self.service.put_completions(mode)

    def shown(self, record):
        return self.offset(record.id), record.state, record.due, record.under_way, record.ends, record.holds_unit

    def offset(self, order_id):
        """An id as where it stands among those that were begun: a store that was used before counts on."""
        return next((at for known in self.begun.values() for at, each in enumerate(known) if each == order_id), None)

    def everything(self):
        self.service.catch_up()
        states = [state for table in TABLES for state in table.state_rules if state is not None]
        records, total = self.service.store.select(states, "", 0, 10_000)
        order = [type(record.state).__module__ for record in records]
        told = [(line.time, line.trigger, line.code, line.state) for line in self.service.history()]
        return list(map(self.shown, records)), total, order, sorted(told, key=str), self.service.packages()


@pytest.fixture(params=[kind for kind in KINDS if kind != "memory"])
def store(request, tmp_path):
    store = opened(request.param, request, tmp_path)
    yield store
    store.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=5, max_size=40))
def test_a_database_answers_as_memory_does_and_the_tables_explain_both(store, steps):
    memory, database = Both(MemoryStore()), Both(store)
    for step in itertools.chain([("begin", table) for table in TABLES], steps):
        assert memory.do(*step) == database.do(*step), step
    assert memory.everything() == database.everything()
    for table in TABLES:
        history = database.engine(table).history()
        report = trace.replay(history, lifecycle=table, events=Events.COMPLETE)
        assert report.verdict is Finding.CONFORMS
        assert not report.bad_lines
