"""The mock's engine with another table: parcels, whose ids are texts, and which nobody holds a quota of."""

from __future__ import annotations

import math

import attrs
import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from other_table import LIFECYCLE, Event, NoSuchParcel, NotMoving, Operation, OutOfReach, State, WrongPhase
from stores import KINDS

from orderfsm import InvalidValue, trace
from orderfsm.errors import NotFoundPackage, NotRemainCount, Refusal, Unspecified
from orderfsm.identity import Identity
from orderfsm.mock import Clock, MemoryStore, Package, SQLStore
from orderfsm.mock.engine import Engine
from orderfsm.mock.records import Application
from orderfsm.rows import Actor
from orderfsm.trace import Events, Finding

START = 1_800_000_000.0
PLACES = [state for state in State if state is not State.ERASED]


def engine_on(store, lifecycle=LIFECYCLE, **options):
    return Engine(lifecycle, store, Clock(lambda: START), **options)


def store_of(kind, request, tmp_path, lifecycle=LIFECYCLE):
    if kind == "memory":
        return MemoryStore()
    url = f"sqlite:///{tmp_path}/parcels.db" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    return SQLStore(url, lifecycle=lifecycle)


@pytest.fixture(params=KINDS)
def store(request, tmp_path):
    store = store_of(request.param, request, tmp_path)
    yield store
    store.close()


@pytest.fixture
def engine(store):
    return engine_on(store)


def conforms(engine):
    """Whether what the engine tells is what the table allows, in the eyes of the judge, of each parcel."""
    report = trace.replay(engine.history(), lifecycle=LIFECYCLE, events=Events.COMPLETE)
    assert report.bad_lines == ()
    return report.verdict


# -- every pair --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [*PLACES, State.ERASED])
def test_each_trigger_does_in_each_state_what_the_table_says_and_the_history_conforms(engine, state):
    for trigger in LIFECYCLE.trigger_rules:
        parcel = engine.place(state)
        assert (parcel.state, type(parcel.state)) == (state, State)
        fire = engine.fire if LIFECYCLE.by_client(trigger) else lambda *asked: engine.happen(*asked) and None
        row = LIFECYCLE.table[state].get(trigger)
        if row is None:
            with pytest.raises(LIFECYCLE.service_refusal(state, trigger).error) as caught:
                fire(parcel.id, trigger)
            assert caught.value.code == LIFECYCLE.service_refusal(state, trigger).error.code
            left = state
        else:
            fire(parcel.id, trigger)
            left = row.target
        assert engine.store.get(parcel.id).state is left
    assert conforms(engine) is Finding.CONFORMS


def test_refusals_have_the_codes_of_their_triggers_in_the_history_too(engine):
    parcel = engine.place(State.DELIVERED)
    for operation, error in [
        (Operation.REDIRECT, NotMoving),
        (Operation.WITHDRAW, OutOfReach),
        (Operation.REPLACE, WrongPhase),
    ]:
        with pytest.raises(error) as caught:
            engine.fire(parcel.id, operation)
        assert (caught.value.state, caught.value.trigger) == (State.DELIVERED, operation)
    assert [line.code for line in engine.history(parcel.id)][-3:] == ["NotMoving", "OutOfReach", "WrongPhase"]


def test_what_is_not_there_or_not_any_more_is_the_tables_not_found(engine):
    gone = engine.place(State.ERASED)
    for parcel_id in (gone.id, "pa-000007"):
        with pytest.raises(NoSuchParcel):
            engine.fire(parcel_id, Operation.TRACK)
        with pytest.raises(NoSuchParcel, match=f"{parcel_id}: there is no such parcel"):
            engine.order(parcel_id)
        with pytest.raises(NoSuchParcel, match=parcel_id):
            engine.happen(parcel_id, Event.ARRIVED)
    assert (engine.orders(), engine.count()) == ([], 0)


def test_an_id_that_is_none_is_told_what_an_id_is(engine):
    with pytest.raises(InvalidValue, match="parcel id 7: expected 1 to 128 printable"):
        engine.fire(7, Operation.TRACK)


def test_an_event_is_one_of_the_table(engine):
    with pytest.raises(InvalidValue, match="expected handed_in, arrived, "):
        engine.happen(engine.begin(Operation.ANNOUNCE).id, "review_passed")


def test_what_does_not_begin_a_parcel_is_told_what_does(engine):
    with pytest.raises(InvalidValue, match=r"trigger that begins .*'ListParcels'>: expected AnnounceParcel"):
        engine.begin(Operation.OVERVIEW)
    with pytest.raises(NoSuchParcel):
        engine.begin(Operation.TRACK)
    with pytest.raises(InvalidValue, match="state 'none'"):
        engine.place("none")


# -- ids, and what there is --------------------------------------------------------------------------------------------


def test_ids_are_made_as_the_table_says_and_parcels_are_listed_as_they_were_begun(engine):
    begun = [engine.begin("announceparcel").id for _ in range(12)]
    assert begun[0] == "pa-100000001"
    assert begun == sorted(begun) == [parcel.id for parcel in engine.orders()]
    assert [parcel.id for parcel in engine.latest(3)] == begun[:-4:-1]
    assert [parcel.id for parcel in engine.orders(after=begun[4], limit=2)] == begun[5:7]
    found, total = engine.store.select([State.ANNOUNCED], "", 10, 5)
    assert ([parcel.id for parcel in found], total) == (begun[10:], 12)


def test_the_history_is_written_and_read_under_the_tables_own_keys(engine):
    lost = engine.place(State.LOST)
    second = engine.fire(lost.id, Operation.REPLACE).begun
    *_, last = map(trace.dumps, engine.history(lost.id))
    assert f'"parcel_id": "{lost.id}"' in last.replace('":"', '": "')
    assert f'"new_parcel_id": "{second.id}"' in last.replace('":"', '": "')
    assert second.state is State.ANNOUNCED
    engine.happen(second.id, Event.HANDED_IN)
    assert conforms(engine) is Finding.CONFORMS


def test_nobody_needs_a_package_where_no_row_has_quota(engine):
    parcel = engine.begin(Operation.ANNOUNCE)
    assert (parcel.holds_unit, engine.packages()) == (False, [])


# -- completions -------------------------------------------------------------------------------------------------------


def test_the_service_completes_an_operation_within_its_time(engine):
    parcels = [engine.place(State.IN_TRANSIT).id for _ in range(20)]
    for parcel in parcels:
        engine.fire(parcel, Operation.REDIRECT)
    dues = [engine.order(parcel).due - START for parcel in parcels]
    assert all(60 <= due <= 600 for due in dues)
    assert len(set(dues)) > 10
    engine.advance(59)
    assert {engine.order(parcel).state for parcel in parcels} == {State.REDIRECTING}
    engine.advance(sorted(dues)[9] - 59)
    assert [engine.order(parcel).state is State.IN_TRANSIT for parcel in parcels] == [
        due <= sorted(dues)[9] for due in dues
    ]
    engine.advance(600)
    assert {engine.order(parcel).state for parcel in parcels} == {State.IN_TRANSIT}
    assert conforms(engine) is Finding.CONFORMS


def test_the_moment_is_chosen_by_the_seed():
    def due(seed):
        engine = engine_on(MemoryStore(), seed=seed)
        parcel = engine.place(State.IN_TRANSIT)
        return engine.fire(parcel.id, Operation.REDIRECT).order.due

    assert due(1) == due(1) != due(2)


def test_what_is_refused_for_now_passes_by_itself(engine):
    parcel = engine.place(State.REDIRECTING)
    with pytest.raises(NotMoving) as caught:
        engine.fire(parcel.id, Operation.REDIRECT)
    assert caught.value.passes
    engine.advance(600)
    assert engine.fire(parcel.id, Operation.REDIRECT).order.state is State.REDIRECTING


def test_by_hand_nothing_is_completed_unless_it_is_told_to(store):
    engine = engine_on(store, completions="manual")
    parcel = engine.place(State.REDIRECTING)
    engine.advance(10_000)
    assert engine.order(parcel.id).state is State.REDIRECTING
    assert engine.happen(parcel.id, Event.REDIRECTED).state is State.IN_TRANSIT
    with pytest.raises(InvalidValue, match="completions 'never': expected clock, manual"):
        engine_on(store, completions="never")


def test_what_an_engine_of_another_seed_began_is_completed_all_the_same(store):
    parcel = engine_on(store, seed=1).place(State.REDIRECTING)
    others = [engine_on(store, seed=seed) for seed in range(2, 8)]
    others[0].advance(parcel.due - START)
    assert [other.order(parcel.id).state for other in others] == [State.IN_TRANSIT] * len(others)


def test_a_completion_without_a_time_comes_at_once():
    redirected = LIFECYCLE.trigger_rules[Event.REDIRECTED]
    triggers = [rule._replace(takes=None) if rule == redirected else rule for rule in LIFECYCLE.triggers]
    engine = engine_on(MemoryStore(), attrs.evolve(LIFECYCLE, triggers=triggers))
    parcel = engine.place(State.IN_TRANSIT)
    engine.fire(parcel.id, Operation.REDIRECT)
    assert engine.order(parcel.id).state is State.IN_TRANSIT


def test_what_completes_the_beginning_of_a_second_parcel_comes_as_well():
    handed = LIFECYCLE.trigger_rules[Event.HANDED_IN]
    rule = handed._replace(actor=Actor.SERVICE, follows=Operation.REPLACE, takes=(5, 5))
    triggers = [rule if each == handed else each for each in LIFECYCLE.triggers]
    engine = engine_on(MemoryStore(), attrs.evolve(LIFECYCLE, triggers=triggers))
    second = engine.fire(engine.place(State.LOST).id, Operation.REPLACE).begun
    assert second.due == START + 5
    engine.advance(5)
    assert engine.order(second.id).state is State.IN_TRANSIT


def test_what_changes_nothing_happens_by_itself_once():
    row = LIFECYCLE.transition(State.REDIRECTING, Event.REDIRECTED)
    table = LIFECYCLE.without(row).with_rows(attrs.evolve(row, target=State.REDIRECTING))
    engine = engine_on(MemoryStore(), table)
    parcel = engine.place(State.REDIRECTING)
    engine.advance(10_000)
    assert [line.trigger for line in engine.history(parcel.id)][-2:] == [Operation.REDIRECT, Event.REDIRECTED]


# -- silent pairs ------------------------------------------------------------------------------------------------------

SILENT = [(State.AT_LOCKER, Operation.REDIRECT), (State.IN_TRANSIT, Operation.WITHDRAW)]


@pytest.mark.parametrize(("state", "operation"), SILENT)
def test_of_what_the_sources_say_nothing_is_refused_or_accepted_as_told_and_changes_nothing(store, state, operation):
    strict, kind = engine_on(store), engine_on(store, accepts_silent=True)
    parcel = strict.place(state)
    with pytest.raises(Unspecified):
        LIFECYCLE.transition(state, operation)
    with pytest.raises(Refusal, match="do not say") as caught:
        strict.fire(parcel.id, operation)
    assert type(caught.value) is LIFECYCLE.service_refusal(state, operation).error
    assert kind.fire(parcel.id, operation).order.state is state
    refused, accepted = list(strict.history(parcel.id))[-2:]
    assert (refused.code, accepted.code) == (caught.value.code, None)
    assert conforms(strict) is Finding.CONFORMS


# -- quota in a table of its own ---------------------------------------------------------------------------------------


def with_quota(**changes):
    """The parcels, each of which is announced from a package; `changes` of other rows by state and trigger."""
    rows = [
        attrs.evolve(row, **{"quota": 1} if row.source is None else changes.get(row.trigger.name, {}))
        for row in LIFECYCLE.transitions
    ]
    return attrs.evolve(LIFECYCLE, transitions=rows)


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_order_holds_what_its_row_says(kind, request, tmp_path):
    table = with_quota(REPLACE={"holds": 1})
    store = store_of(kind, request, tmp_path, table)
    engine = engine_on(store, table)
    with pytest.raises(NotFoundPackage):
        engine.begin(Operation.ANNOUNCE, Application(product_code="stamps"))
    store.put_package("stamps", 2)
    lost = engine.place(State.LOST, Application(product_code="stamps"))
    assert engine.fire(lost.id, Operation.REPLACE).begun.holds_unit
    with pytest.raises(NotRemainCount):
        engine.fire(lost.id, Operation.REPLACE)
    assert engine.packages() == [Package("stamps", 2, 2)]
    store.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_takes_a_unit_where_its_row_says_and_there_is_one(kind, request, tmp_path):
    table = with_quota(WITHDRAW={"quota": -1}, REDIRECT={"quota": 1}, HANDED_IN={"quota": -1}, TRACK={"quota": -1})
    store = store_of(kind, request, tmp_path, table)
    store.put_package("stamps", 2)
    engine = engine_on(store, table)
    first, second = (engine.place(State.IN_TRANSIT, Application(product_code="stamps")) for _ in range(2))
    store.put_package("stamps", 1)
    assert engine.fire(first.id, Operation.REDIRECT).order.holds_unit
    with pytest.raises(NotRemainCount):
        engine.fire(second.id, Operation.REDIRECT)
    assert engine.order(second.id).state is State.IN_TRANSIT
    assert not engine.fire(first.id, Operation.TRACK).order.holds_unit
    assert engine.packages() == [Package("stamps", 1, 0)]
    store.close()


def test_what_is_certified_from_the_beginning_is_issued_then_and_the_calendar_goes_on():
    certified = [rule._replace(certified=rule.state is State.ANNOUNCED) for rule in LIFECYCLE.states]
    ended = LIFECYCLE.trigger_rules[Event.HANDED_IN]
    triggers = [rule._replace(before_end=10) if rule == ended else rule for rule in LIFECYCLE.triggers]
    engine = engine_on(MemoryStore(), attrs.evolve(LIFECYCLE, states=certified, triggers=triggers), validity=100.0)
    parcel = engine.begin(Operation.ANNOUNCE)
    assert (parcel.issued, parcel.expires, parcel.due) == (START, START + 100, START + 90)
    engine.advance(90)
    assert engine.order(parcel.id).state is State.IN_TRANSIT


# -- databases ---------------------------------------------------------------------------------------------------------


def test_a_database_of_orders_is_none_for_parcels(tmp_path):
    url = f"sqlite:///{tmp_path}/some.db"
    SQLStore(url).close()
    with pytest.raises(InvalidValue, match=r"ids in sqlite:.*some.db 'order_id': expected parcel_id"):
        SQLStore(url, lifecycle=LIFECYCLE)


@pytest.mark.parametrize("form", ["pa-{}", "{:06}/x", "{:x}", "12-{}-34"])
def test_ids_of_any_legible_form_are_kept_in_a_database(tmp_path, form):
    table = attrs.evolve(LIFECYCLE, identity=Identity("parcel_id", "ParcelId", form=form))
    store = SQLStore(f"sqlite:///{tmp_path}/forms.db", lifecycle=table)
    engine = engine_on(store, table)
    begun = [engine.begin(Operation.ANNOUNCE).id for _ in range(3)]
    assert [parcel.id for parcel in engine.orders()] == begun
    assert engine.fire(begun[1], Operation.TRACK).order.id == begun[1]
    store.close()


def test_an_id_that_only_has_the_number_of_another_is_not_that_one(engine):
    number = engine.begin(Operation.ANNOUNCE).id.removeprefix("pa-")
    for stranger in (f"pb-{number}", f"pa-0{number}", f"pa-{number[:3]}_{number[3:]}", number):
        with pytest.raises(NoSuchParcel):
            engine.fire(stranger, Operation.TRACK)
        assert list(engine.history(stranger)) == []


def test_ids_whose_number_cannot_be_read_are_for_memory_alone(tmp_path):
    table = attrs.evolve(LIFECYCLE, identity=Identity("parcel_id", "ParcelId", form="{:,}"))
    with pytest.raises(InvalidValue, match=r"form of an id '\{:,\}': expected .* a MemoryStore takes any"):
        SQLStore(f"sqlite:///{tmp_path}/forms.db", lifecycle=table)
    engine = engine_on(MemoryStore(), table)
    assert engine.fire(engine.begin(Operation.ANNOUNCE).id, Operation.TRACK).order.id == "100,000,001"


# -- a walk ------------------------------------------------------------------------------------------------------------


class Walk(RuleBasedStateMachine):
    """Parcels that anything is done to, beside what the table alone says of each."""

    def __init__(self):
        super().__init__()
        self.engine = engine_on(self.opened())
        self.states = {}

    def opened(self):
        return MemoryStore()

    def teardown(self):
        finding = conforms(self.engine)
        assert finding is Finding.CONFORMS
        self.engine.store.close()

    @initialize()
    def begin_first(self):
        self.begin()

    @rule()
    def begin(self):
        parcel = self.engine.begin(Operation.ANNOUNCE)
        self.states[parcel.id] = parcel.state
        assert parcel.state is State.ANNOUNCED

    @rule(data=st.data(), trigger=st.sampled_from(list(LIFECYCLE.trigger_rules)))
    def fire(self, data, trigger):
        parcel = data.draw(st.sampled_from(sorted(self.states)))
        state = self.states[parcel]
        row = LIFECYCLE.table[state].get(trigger)
        if row is None:
            with pytest.raises(LIFECYCLE.service_refusal(state, trigger).error):
                self.engine.fire(parcel, trigger)
            return
        fired = self.engine.fire(parcel, trigger)
        self.states[parcel] = row.target
        assert (fired.begun is not None) is (row.creates is not None)
        if fired.begun is not None:
            self.states[fired.begun.id] = row.creates

    @precondition(lambda self: State.REDIRECTING in self.states.values())
    @rule(seconds=st.sampled_from([0, 30, 59, 600, math.pi]))
    def wait(self, seconds):
        self.engine.advance(seconds)
        for parcel, state in self.states.items():
            if state is State.REDIRECTING and (seconds == 600 or self.engine.order(parcel).state is not state):
                assert self.engine.clock.now() >= START + 60
                self.states[parcel] = State.IN_TRANSIT

    @invariant()
    def every_parcel_is_where_the_table_says(self):
        for parcel, state in self.states.items():
            assert self.engine.store.get(parcel).state is state
        live = sorted(parcel for parcel, state in self.states.items() if state is not State.ERASED)
        assert [parcel.id for parcel in self.engine.orders()] == live


Walk.TestCase.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)


class TestWalkInMemory(Walk.TestCase):
    """In memory."""


@pytest.fixture
def _in_a_file(tmp_path, monkeypatch):
    names = iter(range(1_000_000))
    url = lambda: f"sqlite:///{tmp_path}/{next(names)}.db"  # noqa: E731
    monkeypatch.setattr(Walk, "opened", lambda _self: SQLStore(url(), lifecycle=LIFECYCLE))


@pytest.mark.usefixtures("_in_a_file")
class TestWalkInADatabase(Walk.TestCase):
    """In a database."""

    settings = settings(max_examples=5, stateful_step_count=20, deadline=None)
