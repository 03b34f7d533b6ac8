"""A client of another API: what is derived from the table alone guards, waits for and sweeps parcels as well."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import pickle
import sys
from types import SimpleNamespace

import attrs
import pytest

pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")

from alibabacloud_cas20200407.client import Client
from alibabacloud_tea_openapi.models import Config
from other_table import LIFECYCLE, EraseFailed, Event, NoSuchParcel, NotMoving, Operation, OutOfReach, State, WrongPhase
from Tea.exceptions import TeaException, UnretryableException

from orderfsm import ORDER_LIFECYCLE, InvalidValue, OrderStateError, Unreachable
from orderfsm import Operation as OfOrders
from orderfsm.client import (
    OutcomeUnknown,
    WaitTimeout,
    carry_out,
    carry_out_async,
    guard,
    observe,
    sdk,
    sweep,
    wait,
    wait_async,
)
from orderfsm.client.call import Settled, settle
from orderfsm.client.errors import SDKOrderStateError, combined, refused_here
from orderfsm.client.sweep import end_of, failed
from orderfsm.drift import drift
from orderfsm.errors import ServiceError
from orderfsm.rows import Vocabulary

WITH_A_LIST = attrs.evolve(
    LIFECYCLE,
    vocabularies=(*LIFECYCLE.vocabularies, Vocabulary(Operation.OVERVIEW, "Phase", "unknown")),
    states=[
        rule._replace(read_as=(*rule.read_as, rule.read_as[0]) if rule.read_as else ()) for rule in LIFECYCLE.states
    ],
    home="",
)

EXACT = attrs.evolve(
    LIFECYCLE,
    states=[
        rule._replace(read_as=("waiting", "moving")) if rule.state == "redirecting" else rule
        for rule in LIFECYCLE.states
    ],
    home="",
)
"""Redirecting is read as what it alone is read as."""


class Carrier:
    """Answers each call by what its table says of the parcel; a redirection is complete after so many reads."""

    def __init__(self):
        self.table = LIFECYCLE
        self.parcels = {}
        self.sent = []
        self.lose = []
        self.fails = {}
        self.completes_after = 99

    def put(self, state):
        """The id of a new parcel in `state`."""
        name = LIFECYCLE.identity.new(len(self.parcels) + 1)
        self.parcels[name] = state
        return name

    def client(self, **settings):
        """A guarded client of the carrier; it goes by the same table."""
        return guard(ParcelClient(self), **{"lifecycle": self.table, **settings})

    def answer(self, operation, asked):
        self.sent.append(operation)
        if operation in self.fails:
            raise error_of(self.fails[operation])
        response = sdk.response(operation, **self.body(operation, getattr(asked, "parcel_id", None)))
        if operation in self.lose:
            self.lose.remove(operation)
            raise UnretryableException(None, RuntimeError("lost"))
        return response

    def body(self, operation, name):
        if operation == Operation.OVERVIEW:
            listed = {name: state for name, state in self.parcels.items() if state not in LIFECYCLE.gone}
            rows = [SimpleNamespace(parcel_id=name, phase=self.words(state)["phase"]) for name, state in listed.items()]
            return {"parcel_list": rows, "total_count": len(rows)}
        if operation == Operation.ANNOUNCE:
            return {"parcel_id": self.put(State.ANNOUNCED)}
        state = self.parcels.get(name)
        if not LIFECYCLE.is_silent(state, operation):
            try:
                self.parcels[name] = LIFECYCLE.service_transition(state, operation).target
            except ServiceError as error:
                raise error_of(type(error)) from None
        if operation != Operation.TRACK:
            return {}
        self.completes_after -= 1
        if state == State.REDIRECTING and self.completes_after <= 0:
            self.parcels[name] = LIFECYCLE.check(state, Event.REDIRECTED)
        return self.words(state)

    def words(self, state):
        """The words by which it names a state: the first of each field."""
        rule = self.table.state_rules[state]
        return {each.key: next(iter(rule.readings(at)), None) for at, each in enumerate(self.table.vocabularies)}


class ParcelClient(Client):
    """A client of the official SDK, if that had the carrier's operations."""

    def __init__(self, carrier):
        super().__init__(Config(endpoint="127.0.0.1:1", access_key_id="a", access_key_secret="b"))
        self.carrier = carrier


def error_of(error):
    return TeaException({"code": error.code, "message": error.text, "data": {"statusCode": error.http_status}})


def _method(operation):
    def call(self, request, _runtime):
        return self.carrier.answer(operation, request)

    async def call_async(self, request, _runtime):
        return self.carrier.answer(operation, request)

    return call, call_async


for _operation in Operation:
    _name = f"{sdk.method_name(_operation)}_with_options"
    _call, _call_async = _method(_operation)
    setattr(ParcelClient, _name, _call)
    setattr(ParcelClient, f"{_name}_async", _call_async)


@pytest.fixture
def models(monkeypatch):
    """The models that the SDK would have."""

    def given(self, **fields):
        vars(self).update(fields)

    for operation in Operation:
        for kind in ("Request", "Response", "ResponseBody"):
            name = f"{operation}{kind}"
            monkeypatch.setattr(sdk.models, name, type(name, (), {"__init__": given}), raising=False)


@pytest.fixture
def carrier(models, monkeypatch):
    monkeypatch.setattr("orderfsm.client.backoff.BASE", 0)
    monkeypatch.setattr(sys.modules["orderfsm.client.carry_out"], "INTERVAL", 0.01)
    return Carrier()


@pytest.fixture
def client(carrier):
    return carrier.client()


def call(client, operation, name):
    request = sdk.request(operation, parcel_id=name)
    method = getattr(client, f"{sdk.method_name(operation)}_with_options")
    return method(request, sdk.RuntimeOptions())


# -- what is guarded ---------------------------------------------------------------------------------------------------


def test_a_table_whose_operations_the_sdk_has_not_is_one_error_that_names_both():
    with pytest.raises(InvalidValue, match=r"lifecycle 'other_table:LIFECYCLE': expected a table whose operations .*"):
        guard(Client(Config(endpoint="127.0.0.1:1")), lifecycle=LIFECYCLE)


def test_a_table_by_which_no_order_can_be_read_is_one_error(carrier):
    blind = attrs.evolve(LIFECYCLE, vocabularies=(), home="")
    with pytest.raises(InvalidValue, match="an operation that reads the state of one order"):
        carrier.client(lifecycle=blind)


def replaced(client):
    """The operations whose methods the guard has replaced."""
    methods = {sdk.method_name(each): each for each in (*Operation, *OfOrders)}
    ours = {name.removesuffix("_with_options") for name in vars(type(client)) if name.endswith("_with_options")}
    return {methods[name] for name in ours}


def test_the_operations_that_the_given_table_rules_are_guarded_and_no_others(client):
    assert replaced(client) == set(Operation) - {Operation.OVERVIEW}


def test_an_operation_of_orders_that_the_given_table_does_not_have_is_not_guarded():
    rest = [rule for rule in ORDER_LIFECYCLE.triggers if rule.trigger != OfOrders.RENEW]
    rows = [row for row in ORDER_LIFECYCLE.transitions if row.trigger != OfOrders.RENEW]
    without = attrs.evolve(ORDER_LIFECYCLE, triggers=rest, transitions=rows)
    bare = Client(Config(endpoint="127.0.0.1:1"))
    assert replaced(guard(bare, lifecycle=ORDER_LIFECYCLE)) - replaced(guard(bare, lifecycle=without)) == {
        OfOrders.RENEW
    }


def test_an_operation_that_the_given_table_allows_nowhere_is_guarded_all_the_same(carrier):
    never = attrs.evolve(
        LIFECYCLE,
        transitions=[row for row in LIFECYCLE.transitions if row.trigger not in {Operation.ERASE, Operation.ANNOUNCE}],
        home="",
    )
    client = carrier.client(lifecycle=never)
    name = carrier.put(State.RETURNED)
    with pytest.raises(WrongPhase, match=f"parcel {name}: EraseParcel is not allowed in returned, nor anywhere else"):
        call(client, Operation.ERASE, name)
    with pytest.raises(NoSuchParcel, match="AnnounceParcel is not allowed"):
        client.announce_parcel_with_options(sdk.request(Operation.ANNOUNCE), sdk.RuntimeOptions())
    assert carrier.sent == [Operation.TRACK]


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "operation", "error"),
    [
        (State.DELIVERED, Operation.REDIRECT, NotMoving),
        (State.DELIVERED, Operation.WITHDRAW, OutOfReach),
        (State.ANNOUNCED, Operation.ERASE, WrongPhase),
        (State.ERASED, Operation.ERASE, NoSuchParcel),
        (None, Operation.ERASE, NoSuchParcel),
    ],
)
def test_a_refusal_made_here_and_one_by_the_service_are_the_same_error_of_the_table(carrier, state, operation, error):
    name = carrier.put(state)
    with pytest.raises(error) as here:
        call(carrier.client(), operation, name)
    with pytest.raises(error) as there:
        call(carrier.client(mode="warn"), operation, name)
    assert (here.value.local, there.value.local) == (True, False)
    assert carrier.sent == [Operation.TRACK, Operation.TRACK, operation]
    for caught in (here.value, there.value):
        assert type(caught) is combined(error)
        assert isinstance(caught, TeaException)
        assert (caught.code, caught.status_code, caught.order_id) == (error.code, error.http_status, name)
        assert str(caught).startswith(f"no parcel {name}: " if error is NoSuchParcel else f"parcel {name}: ")
        for again in (pickle.loads(pickle.dumps(caught)), copy.copy(caught), copy.deepcopy(caught)):
            assert (type(again), str(again), again.local) == (type(caught), str(caught), caught.local)
            assert (again.possible, again.data) == (caught.possible, caught.data)


def test_a_refusal_whose_error_depends_on_a_state_that_is_not_known_is_what_they_have_in_common():
    states = {State.AT_LOCKER, State.DELIVERED}
    rules = (LIFECYCLE.refusal(State.AT_LOCKER, Operation.ERASE)._replace(error=OutOfReach, states=(State.AT_LOCKER,)),)
    table = attrs.evolve(LIFECYCLE, refusal_rules=(*rules, *LIFECYCLE.refusal_rules), home="")
    assert type(refused_here(table, states, Operation.REPLACE)) is SDKOrderStateError
    assert type(refused_here(LIFECYCLE, states, Operation.REPLACE)) is combined(WrongPhase)
    assert type(refused_here(table, {None, State.ERASED}, Operation.REPLACE)) is combined(NoSuchParcel)


def test_an_error_of_the_service_is_the_tables_too(carrier, client):
    name = carrier.put(State.RETURNED)
    carrier.fails[Operation.ERASE] = EraseFailed
    with pytest.raises(EraseFailed, match=f"^parcel {name}: the parcel could not be erased") as caught:
        call(client, Operation.ERASE, name)
    assert isinstance(caught.value, TeaException)


@pytest.mark.parametrize(
    ("basis", "trusted"), [("documented", set()), ("observed", {"observed"}), ("inferred", {"observed", "inferred"})]
)
def test_a_refusal_is_made_here_if_its_basis_is_as_firm_as_what_is_trusted(carrier, basis, trusted):
    """A second redirection was seen to be refused; who says that what is not ruled is refused, infers it."""
    lasting = [rule._replace(passes=False) for rule in LIFECYCLE.refusal_rules]
    carrier.table = attrs.evolve(EXACT, refusal_rules=lasting)
    client = carrier.client(trust=basis)
    redirecting, delivered = carrier.put(State.REDIRECTING), carrier.put(State.DELIVERED)
    with pytest.raises(NotMoving) as caught:
        call(client, Operation.REDIRECT, redirecting)
    assert caught.value.local is ("observed" in trusted)
    with pytest.raises(OutOfReach) as caught:
        call(client, Operation.WITHDRAW, delivered)
    assert caught.value.local  # that is documented


def test_what_is_refused_only_for_now_is_sent_and_the_refusal_says_that_it_passes(carrier):
    """Between the read and the call the service may have completed what made it too early."""
    carrier.table = EXACT
    name = carrier.put(State.REDIRECTING)
    with pytest.raises(NotMoving) as caught:
        call(carrier.client(), Operation.REDIRECT, name)
    assert not caught.value.local
    assert caught.value.passes
    assert carrier.sent == [Operation.TRACK, Operation.REDIRECT]


# -- silence -----------------------------------------------------------------------------------------------------------

SILENT = [(state, trigger) for each in LIFECYCLE.silences for state in each.states for trigger in each.triggers]


@pytest.mark.parametrize(("state", "operation"), SILENT)
def test_a_call_of_which_the_sources_say_nothing_is_sent_and_what_it_did_is_not_assumed(carrier, state, operation):
    client = carrier.client(max_age=60)
    name = carrier.put(state)
    call(client, operation, name)
    call(client, operation, name)
    assert carrier.sent == [Operation.TRACK, operation] * 2


@pytest.mark.parametrize(("state", "operation"), SILENT)
def test_whether_such_a_call_was_carried_out_whose_answer_was_lost_nobody_knows(carrier, state, operation):
    name, client = carrier.put(state), carrier.client(grace=0.01)
    carrier.lose.append(operation)
    with pytest.raises(OutcomeUnknown, match=f"whether {operation} of parcel {name} was carried out is unknown"):
        call(client, operation, name)
    assert carrier.sent.count(operation) == 1


@pytest.mark.parametrize(("takes", "settled"), [((60, 600), Settled.NOT_DONE), (None, Settled.UNCLEAR)])
def test_a_lost_call_that_may_be_completed_already_is_not_taken_for_one_that_was_never_made(takes, settled):
    rules = [rule._replace(takes=takes) if rule.trigger == Event.REDIRECTED else rule for rule in LIFECYCLE.triggers]
    silences = [each for each in LIFECYCLE.silences if Operation.REDIRECT not in each.triggers]
    table = attrs.evolve(LIFECYCLE, triggers=rules, silences=silences, home="")
    on_its_way = frozenset([State.IN_TRANSIT])
    assert settle(table, Operation.REDIRECT, on_its_way, on_its_way) is settled


# -- reading, waiting, carrying out ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", State)
def test_a_parcel_is_read_by_both_its_fields(carrier, client, state):
    name = carrier.put(state)
    seen = observe(client, name)
    expected = (
        {None, State.ERASED}
        if state == State.ERASED
        else LIFECYCLE.reading({each.field: carrier.words(state)[each.key] for each in LIFECYCLE.vocabularies})
    )
    assert seen.states == expected
    assert str(pickle.loads(pickle.dumps(attrs.evolve(seen, body=None)))) == str(seen)


def test_what_is_no_parcel_id_is_named(client):
    for act in (lambda given: carry_out(client, given, "erased"), lambda given: wait(client, given, until="lost")):
        with pytest.raises(InvalidValue, match="parcel id 7: expected 1 to 128 printable ASCII characters"):
            act(7)
    with pytest.raises(InvalidValue, match="parcel id 7"):
        call(client, Operation.ERASE, 7)


def test_a_parcel_that_is_not_there_is_called_so(client):
    with pytest.raises(NoSuchParcel, match=r"^no parcel pa-9: there is no such parcel") as caught:
        carry_out(client, "pa-9", "erased")
    assert caught.value.order_id == "pa-9"


def test_a_parcel_is_waited_for(carrier, client, caplog):
    caplog.set_level(logging.INFO, "orderfsm.wait")
    name = carrier.put(State.IN_TRANSIT)

    def arrive(_):
        carrier.parcels[name] = State.AT_LOCKER

    assert wait(client, name, until="at_locker", interval=0.01, on_poll=arrive) is State.AT_LOCKER
    assert f"parcel {name}: read as 'moving, moving': in_transit or redirecting" in caplog.text
    with pytest.raises(WaitTimeout, match=f"parcel {name} is not delivered after 0 s; seen: waiting, locker"):
        asyncio.run(wait_async(client, name, until="delivered", timeout=0))
    with pytest.raises(Unreachable, match=f"parcel {name}: announced cannot be reached from at_locker"):
        wait(client, name, until="announced")


def test_a_parcel_is_carried_to_its_end_and_the_call_is_the_tables(carrier, client):
    name = carrier.put(State.ANNOUNCED)
    done = carry_out(client, name, "erased")
    assert [step.trigger for step in done.steps] == [Operation.WITHDRAW, Operation.ERASE]
    assert carrier.parcels[name] is State.ERASED


@pytest.mark.parametrize("form", ["sync", "async"])
def test_what_the_service_completes_by_itself_is_waited_for(carrier, form):
    carrier.table = EXACT
    name, client = carrier.put(State.REDIRECTING), carrier.client()
    carrier.completes_after = 3
    if form == "sync":
        done = carry_out(client, name, "in_transit")
    else:
        done = asyncio.run(carry_out_async(client, name, "in_transit"))
    assert done.steps == ()
    assert done.observation.state is State.IN_TRANSIT
    assert set(carrier.sent) == {Operation.TRACK}


def test_what_cannot_be_taken_back_is_in_no_plan(carrier, client):
    name = carrier.put(State.AT_LOCKER)
    with pytest.raises(Unreachable, match=f"parcel {name}: erased cannot be reached from at_locker"):
        carry_out(client, name, "erased")
    assert carrier.parcels[name] is State.AT_LOCKER


def test_an_announcement_whose_answer_was_lost_is_never_repeated_where_no_list_tells(carrier, client):
    carrier.lose.append(Operation.ANNOUNCE)
    with pytest.raises(OutcomeUnknown, match="whether AnnounceParcel was carried out is unknown"):
        client.announce_parcel_with_options(sdk.request(Operation.ANNOUNCE), sdk.RuntimeOptions())
    assert carrier.sent == [Operation.ANNOUNCE]


def test_with_a_list_what_it_may_have_made_is_named(carrier):
    client = carrier.client(lifecycle=WITH_A_LIST, grace=0)
    carrier.lose.append(Operation.ANNOUNCE)
    with pytest.raises(OutcomeUnknown, match="it may have made one of the parcels pa-000001"):
        client.announce_parcel_with_options(sdk.request(Operation.ANNOUNCE), sdk.RuntimeOptions())


def test_a_decision_stands_under_the_tables_own_key(carrier, client, caplog):
    caplog.set_level(logging.INFO, "orderfsm.decisions")
    name = carrier.put(State.RETURNED)
    call(client, Operation.ERASE, name)
    (line,) = [json.loads(each.getMessage()) for each in caplog.records if each.name == "orderfsm.decisions"]
    assert (line["parcel_id"], line["observed"], line["answer"]) == (name, "done, sender", "accepted")
    assert "order_id" not in line


# -- sweeping, and the drift alarm -------------------------------------------------------------------------------------


def test_parcels_that_nobody_lists_cannot_be_swept(client):
    with pytest.raises(
        InvalidValue, match="lifecycle 'other_table:LIFECYCLE': expected a table with an operation that"
    ):
        sweep(client)


def test_a_sweep_gives_up_what_can_be_given_up_and_leaves_the_rest(carrier):
    carrier.table = WITH_A_LIST
    names = {state: carrier.put(state) for state in State}
    given_up = {State.DELIVERED, State.RETURNED, State.LOST}
    assert failed(WITH_A_LIST) == given_up
    report = sweep(carrier.client(), rate=2000)
    assert {*report.deleted} == {names[State.DELIVERED], names[State.RETURNED]}
    assert "how it comes to erased is not the same in" in report.left[names[State.LOST]]
    assert {state for state, name in names.items() if carrier.parcels[name] != state} == given_up - {State.LOST}


def test_a_table_without_one_end_cannot_be_swept(carrier):
    endless = attrs.evolve(
        WITH_A_LIST, states=[rule._replace(found=True) if rule.state else rule for rule in WITH_A_LIST.states]
    )
    assert end_of(WITH_A_LIST) is State.ERASED
    with pytest.raises(InvalidValue, match="one terminal state in which the service finds no order"):
        sweep(carrier.client(lifecycle=endless))


def test_the_drift_alarm_compares_no_other_api():
    with pytest.raises(InvalidValue, match="lifecycle 'other_table:LIFECYCLE': expected a table of the CAS API"):
        drift(lifecycle=LIFECYCLE)


def test_of_orders_a_sweep_takes_those_whose_review_failed():
    assert (failed(ORDER_LIFECYCLE), end_of(ORDER_LIFECYCLE)) == ({"verify_fail"}, "deleted")
    assert issubclass(SDKOrderStateError, OrderStateError)
