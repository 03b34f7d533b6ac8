"""Orders and instances in one store: one count of numbers, one clock, one history, and each its own table's."""

from __future__ import annotations

import random

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from stores import KINDS, opened

from orderfsm import Event as OrderEvent
from orderfsm import InvalidValue, NotFoundOrder, trace
from orderfsm import State as OrderState
from orderfsm.errors import Refusal
from orderfsm.mock import Clock, Request, Service
from orderfsm.mock.records import Application
from orderfsm.tables.instances import LIFECYCLE, Event, InstanceNotFound, Operation, State
from orderfsm.trace import Events, Finding

START = 1_800_000_000.0
ASKED = {"Domain": "a.example.com"}


def service_on(store, **options):
    return Service(store=store, clock=Clock(lambda: START), random=random.Random(1), **options)


@pytest.fixture(params=KINDS)
def store(request, tmp_path):
    store = opened(request.param, request, tmp_path)
    yield store
    store.close()


@pytest.fixture
def service(store):
    return service_on(store)


def conforms(service, lifecycle):
    """Whether the history of the orders of that table conforms to it."""
    lines = [line for line in service.history() if line.lifecycle.name == lifecycle.name]
    return trace.replay(lines, lifecycle=lifecycle, events=Events.COMPLETE).verdict is Finding.CONFORMS


# -- one store ---------------------------------------------------------------------------------------------------------


def test_one_count_of_numbers_serves_both(service):
    first, second = service.begin("pending_review", ASKED), service.begin_instance()
    third = service.begin("issued", ASKED)
    assert (first.id, second.id, third.id) == (100_000_001, "cas-cn-100000002", 100_000_003)


def test_equal_words_of_two_tables_are_told_apart(service):
    order, instance = service.begin("issued", ASKED), service.begin_instance("issued")
    assert (service.count(), service.instances.count()) == (1, 1)
    assert [found.id for found in service.orders(frozenset({OrderState.ISSUED}))] == [order.id]
    assert [found.id for found in service.instances.orders({State.ISSUED})] == [instance.id]
    assert type(service.order(order.id).state) is OrderState
    assert type(service.instances.order(instance.id).state) is State


def test_both_are_listed_together_as_they_began(service):
    begun = [service.begin("issued", ASKED).id if n % 3 else service.begin_instance("issued").id for n in range(9)]
    states = [OrderState.ISSUED, State.ISSUED]
    found, total = service.store.select(states, "", 2, 4)
    assert ([record.id for record in found], total) == (begun[2:6], 9)
    assert [record.id for record in service.store.latest(states, 3)] == begun[:-4:-1]
    assert [record.id for record in service.store.after(states, found[-1].number, 9)] == begun[6:]
    assert service.store.select([State.ISSUED], "", 0, 9)[1] == service.store.count([State.ISSUED]) == 3


def test_one_is_not_found_under_the_number_of_the_other(service):
    order, instance = service.begin("issued", ASKED), service.begin_instance()
    assert service.store.get(instance.number) is service.store.get(f"cas-cn-{order.id}") is None
    with pytest.raises(NotFoundOrder):
        service.order(instance.number)
    with pytest.raises(NotFoundOrder):
        service.happen(instance.number, OrderEvent.CERTIFICATE_REVOKED)
    with pytest.raises(InstanceNotFound):
        service.happen(f"cas-cn-{order.id}", Event.CERTIFICATE_ISSUED)
    assert list(service.history(instance.number)) == list(service.history(f"cas-cn-{order.id}")) == []


def test_one_history_tells_of_both_each_under_its_own_key(service):
    order, instance = service.begin("pending_review", ASKED), service.begin_instance()
    lines = [line.order_id for line in service.history()]
    assert lines == [order.id, instance.id, instance.id]
    assert [str(line.trigger) for line in service.history(instance.id)] == ["CreateInstance", "purchase_settled"]
    assert f'"instance_id": "{instance.id}"' in trace.dumps(next(service.history(instance.id)))
    assert conforms(service, LIFECYCLE)
    assert conforms(service, service.lifecycle)


def test_a_reset_forgets_both_and_numbers_go_on(service):
    service.begin("pending_review", ASKED)
    last = service.begin_instance()
    service.reset()
    assert (service.count(), service.instances.count(), list(service.history())) == (0, 0, [])
    assert service.begin_instance().number == last.number + 1


def test_a_purchase_is_the_same_again_until_a_reset(service):
    asked = {"ProductCode": "cas", "SubscriptionType": "Subscription", "ClientToken": "t"}
    headers = {"x-acs-version": "2017-12-14", "x-acs-action": Operation.PURCHASE}

    def bought():
        return service.handle(Request("POST", "/", asked, headers)).json["Data"]["InstanceId"]

    first = bought()
    assert bought() == first
    service.reset()
    assert bought() != first


def test_the_calendar_of_one_does_not_wait_for_the_other(service):
    instance, order = service.begin_instance("settling"), service.begin("issued", ASKED)
    service.advance(90 * 86_400)
    assert service.order(order.id).state is OrderState.EXPIRED
    assert service.instances.order(instance.id).state is State.UNUSED


# -- completions -------------------------------------------------------------------------------------------------------

TAKEN = [
    (State.SETTLING, 5, State.UNUSED),
    (State.SUBMITTING, 17, State.PENDING),
    (State.WITHDRAWING, 180, State.IDLE),
    (State.REVOKING, 60, State.REVOKED),
    (State.REFUNDING, 60, State.REFUNDED),
]


@pytest.mark.parametrize(("state", "seconds", "then"), TAKEN)
def test_what_is_under_way_is_completed_by_the_clock(service, state, seconds, then):
    instance = service.begin_instance(state)
    service.advance(seconds - 0.5)
    assert service.instances.order(instance.id).state is state
    service.advance(0.5)
    assert service.instances.order(instance.id).state is then
    assert conforms(service, LIFECYCLE)


@pytest.mark.parametrize(("state", "seconds", "then"), TAKEN)
def test_by_hand_it_waits_and_by_the_clock_again_is_due_from_when_it_began(service, state, seconds, then):
    instance = service.begin_instance(state)
    service.put_completions("manual")
    service.advance(3600)
    assert service.instances.order(instance.id).state is state
    service.put_completions("clock")
    moved = service.instances.order(instance.id)
    assert (moved.state, moved.entered) == (then, START + seconds)


def test_a_call_by_hand_finds_what_is_under_way(service):
    service.put_completions("manual")
    instance = service.begin_instance("submitting")
    service.advance(3600)
    with pytest.raises(Refusal) as caught:
        service.instances.fire(instance.id, Operation.CANCEL)
    assert (caught.value.code, caught.value.passes) == ("OperationDenied.StatusNotSupport", True)
    assert service.happen(instance.id, Event.SUBMISSION_ACCEPTED).state is State.PENDING
    assert service.instances.fire(instance.id, Operation.CANCEL).order.state is State.WITHDRAWING


def test_what_submits_by_itself_is_taken_up_as_well(service):
    instance = service.happen(service.begin_instance().id, Event.AUTO_SUBMITTED)
    assert instance.due == START + 17
    service.advance(17)
    assert service.instances.order(instance.id).state is State.PENDING


def test_the_calendar_waits_until_what_is_under_way_has_finished(service):
    instance = service.begin_instance("reissuing")
    service.instances.fire(instance.id, Operation.CANCEL)
    service.put_completions("manual")
    service.advance(100 * 86_400)
    assert service.instances.order(instance.id).state is State.REISSUE_WITHDRAWING
    service.happen(instance.id, Event.WITHDRAWAL_COMPLETED)
    assert service.instances.order(instance.id).state is State.CERTIFICATE_EXPIRED
    assert conforms(service, LIFECYCLE)


def test_the_mode_is_that_of_all_services_on_the_store(store):
    one, other = service_on(store, completions="manual"), service_on(store, completions="manual")
    assert (one.completions, other.completions) == ("manual", "manual")
    one.put_completions("clock")
    other.refresh()
    assert other.completions == "clock"
    one.reset()
    assert one.completions == "clock"
    with pytest.raises(InvalidValue, match="completions 'never': expected clock, manual"):
        one.put_completions("never")


def test_how_long_completions_take_is_settable_and_at_once_is_at_once(store):
    service = service_on(store, takes={"purchase_settled": 0, Event.REFUND_COMPLETED: 7})
    instance = service.begin_instance("settling")
    assert service.instances.order(instance.id).state is State.UNUSED
    assert service.instances.fire(instance.id, Operation.REFUND).order.due == START + 7


@pytest.mark.parametrize(
    ("takes", "said"),
    [
        ({"shut_down": 1}, "completion 'shut_down': expected purchase_settled, submission_accepted"),
        ({"refund_completed": -1}, "seconds until refund_completed -1: expected seconds in 0 .."),
        ({"refunded": 1}, "completion 'refunded': expected purchase_settled, submission_accepted"),
    ],
)
def test_a_time_that_makes_no_sense_is_named(takes, said):
    with pytest.raises(InvalidValue, match=said):
        Service(takes=takes)


def test_the_ca_does_nothing_of_itself_while_something_is_under_way(store):
    service = service_on(store, review="at-once")
    instance = service.begin_instance("pending")
    assert service.instances.order(instance.id).state is State.ISSUED
    other = service.begin_instance("withdrawing")
    assert service.instances.order(other.id).state is State.WITHDRAWING
    service.advance(180)
    assert service.instances.order(other.id).state is State.IDLE


def test_nor_does_it_where_it_waits_for_reads(store):
    service = service_on(store, review="reads=1")
    instance = service.begin_instance("withdrawing")
    service.instances.fire(instance.id, Operation.GET)
    assert service.instances.order(instance.id).state is State.WITHDRAWING
    instance = service.begin_instance("pending")
    assert service.instances.fire(instance.id, Operation.GET).order.state is State.PENDING
    assert service.instances.order(instance.id).state is State.ISSUED


# -- one step ----------------------------------------------------------------------------------------------------------


def test_of_a_number_one_instance_is_made_however_often_that_is_asked_for(service):
    number = service.store.new_id()
    asked = [Application(domains=(f"{name}.example.com",)) for name in "ab"]
    begun = [service.instances.begin(Operation.PURCHASE, each, number) for each in asked]
    assert [(instance.id, instance.domains) for instance in begun] == [(f"cas-cn-{number}", ("a.example.com",))] * 2
    assert [line.trigger for line in service.history()] == [Operation.PURCHASE]
    assert service.instances.count() == 1


def test_what_an_instance_says_of_itself_is_changed_where_the_table_allows_the_call_alone(service):
    instance = service.begin_instance()
    filled = (("team", "web"),)
    assert (
        service.instances.fire(instance.id, Operation.UPDATE, edit=lambda it: it.but(tags=filled)).order.tags == filled
    )
    assert service.instances.order(instance.id).tags == filled
    service.instances.fire(instance.id, Operation.APPLY)
    with pytest.raises(Refusal):
        service.instances.fire(instance.id, Operation.UPDATE, edit=lambda it: it.but(tags=()))
    assert service.instances.order(instance.id).tags == filled


@pytest.mark.parametrize(
    ("state", "way"),
    [
        ("issued", "ApplyCertificate submission_accepted certificate_issued"),
        ("idle", "ApplyCertificate submission_accepted CancelPendingCertificate withdrawal_completed"),
        ("about_to_expire", "ApplyCertificate submission_accepted certificate_issued certificate_neared_end"),
        (
            "certificate_expired",
            "ApplyCertificate submission_accepted certificate_issued certificate_neared_end certificate_ended",
        ),
        ("ended", "subscription_neared_end subscription_ended"),
        ("closed", "shut_down"),
    ],
)
def test_an_instance_gets_where_it_shall_be_as_most_do(state, way):
    service = Service()
    told = [str(line.trigger) for line in service.history(service.begin_instance(state).id)]
    assert told == ["CreateInstance", "purchase_settled", *way.split()]
