"""What happens by itself: the review, and the calendar; and the 30 days in which a revocation returns a unit."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from orders import obeyed

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from orderfsm import Event, InvalidValue, Operation, State
from orderfsm.mock import Clock, MemoryStore, Request, Review, Service
from orderfsm.mock.http.control import Control
from orderfsm.rows import DAY
from orderfsm.tables.orders import VALIDITY

NOW = 1e9


def service_with(review="manual", share=0.0, **options):
    """A service whose CA acts by itself, and whose clock stands still."""
    return Service(clock=Clock(lambda: NOW), random=Random(3), review=Review.parse(review, share), **options)


def call(service, operation, **parameters):
    headers = {"x-acs-version": "2020-04-07", "x-acs-action": operation}
    response = service.handle(Request("POST", "/", parameters, headers))
    assert response.status == 200, response.body
    return response.json


def created(service):
    return call(service, Operation.CREATE_FOR_PACKAGE, Domain="example.com")["OrderId"]


def state_of(service, order_id):
    return service.order(order_id).order.state


def happened(service, order_id):
    return [line.trigger for line in service.history(order_id)]


# -- review ------------------------------------------------------------------------------------------------------------


def test_by_hand_nothing_happens_by_itself():
    service = service_with()
    order_id = created(service)
    service.advance(1000 * DAY)
    assert state_of(service, order_id) is State.PENDING_REVIEW


def test_at_once_an_order_is_issued_as_it_is_created():
    service = service_with("at-once")
    order_id = created(service)
    assert call(service, Operation.DESCRIBE, OrderId=order_id)["Type"] == "certificate"
    assert happened(service, order_id)[1:3] == ["domain_validated", "review_passed"]


def test_after_a_time_each_step_comes():
    service = service_with("after=60")
    order_id = created(service)
    seen = []
    for seconds in (59, 1, 59, 1):
        service.advance(seconds)
        seen.append(state_of(service, order_id))
    assert seen == [State.PENDING_REVIEW, State.BEING_REVIEWED, State.BEING_REVIEWED, State.ISSUED]
    times = [line.time for line in service.history(order_id)]
    assert times == ["2001-09-09T01:46:40.000000Z", "2001-09-09T01:47:40.000000Z", "2001-09-09T01:48:40.000000Z"]


def test_steps_that_were_missed_come_in_their_order_and_at_their_times():
    service = service_with("after=60")
    order_id = created(service)
    service.advance(VALIDITY + 120)
    assert state_of(service, order_id) is State.EXPIRED
    assert happened(service, order_id)[1:] == ["domain_validated", "review_passed", "expiry_neared", "expiry_reached"]


REVIEWS = st.one_of(st.sampled_from(["manual", "at-once", "reads=1"]), st.integers(0, 100).map("after={}".format))


@pytest.mark.parametrize("other", ["manual", "after=0", "after=5", "after=1000", "at-once", "reads=2"])
def test_what_is_due_happens_when_it_was_due_also_under_another_review(other):
    store = MemoryStore()
    order_id = created(service_with("after=1", store=store))
    service = service_with(other, store=store)
    service.advance(10)
    first = list(service.history(order_id))[1]
    assert first.trigger is Event.DOMAIN_VALIDATED
    assert datetime.fromisoformat(first.time).timestamp() == NOW + 1


@given(
    reviews=st.lists(REVIEWS, min_size=2, max_size=3),
    steps=st.lists(
        st.tuples(st.sampled_from(["create", "describe", "list", "advance"]), st.integers(0, 2)),
        min_size=5,
        max_size=25,
    ),
)
@example(reviews=["after=1", "after=1000"], steps=[("create", 0), ("advance", 1)])
def test_under_several_reviews_on_one_store_nothing_happens_in_the_future(reviews, steps):
    store = MemoryStore()
    services = [service_with(review, 0.5, store=store) for review in reviews]
    ids = []
    for step, which in steps:
        service = services[which % len(services)]
        if step == "advance":
            service.advance(1 + 40 * which)
        elif step == "create" and len(ids) < 20:
            ids.append(created(service))
        elif step == "describe" and ids:
            call(service, Operation.DESCRIBE, OrderId=ids[which % len(ids)])
        else:
            call(service, Operation.LIST)
    looking = service_with(store=store)
    looking.refresh()
    times = {}
    for line in looking.history():
        at = datetime.fromisoformat(line.time).timestamp()
        assert times.get(line.order_id, 0) <= at <= looking.clock.now()
        times[line.order_id] = at
    obeyed(looking)


def test_after_n_reads_each_step_comes():
    service = service_with("reads=2")
    order_id = created(service)
    types = [call(service, Operation.DESCRIBE, OrderId=order_id)["Type"] for _ in range(5)]
    assert types == ["domain_verify", "domain_verify", "process", "process", "certificate"]


def test_a_withdrawn_order_is_not_reviewed():
    service = service_with("after=60")
    order_id = created(service)
    call(service, Operation.CANCEL, OrderId=order_id)
    service.advance(1000)
    assert state_of(service, order_id) is State.PENDING_APPLICATION


def test_a_chosen_share_is_rejected_and_the_same_again_from_the_same_seed():
    def outcomes():
        service = service_with("at-once", 0.3)
        service.put_package("digicert-free-1-free", 500)
        return [state_of(service, created(service)) for _ in range(400)]

    first = outcomes()
    assert first == outcomes()
    share = Counter(first)[State.VERIFY_FAIL] / 400
    assert set(first) == {State.ISSUED, State.VERIFY_FAIL}
    assert 0.2 < share < 0.4


@pytest.mark.parametrize("text", ["", "soon", "after", "after=", "after=-1", "after=x", "reads=0", "reads=1.5"])
def test_any_other_review_is_refused(text):
    with pytest.raises(InvalidValue, match=r"review .*: expected manual, at-once, after=SECONDS, reads=N"):
        Review.parse(text)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_a_share(share):
    with pytest.raises(InvalidValue, match="reject share"):
        Review.parse("manual", share)


# -- calendar ----------------------------------------------------------------------------------------------------------


def test_a_certificate_nears_its_end_30_days_before_it_and_then_expires():
    service = service_with("at-once")
    order_id = created(service)
    seen = []
    for days in (59, 1, 29, 1):
        service.advance(days * DAY)
        seen.append(state_of(service, order_id))
    assert seen == [State.ISSUED, State.ABOUT_TO_EXPIRE, State.ABOUT_TO_EXPIRE, State.EXPIRED]


def test_lists_and_counts_know_what_happened_by_itself():
    service = service_with("after=60")
    created(service)
    service.advance(120)
    assert call(service, Operation.LIST, Status="ISSUED")["TotalCount"] == 1
    assert call(service, Operation.DESCRIBE_PACKAGE)["IssuedCount"] == 1
    service.advance(70 * DAY)
    assert call(service, Operation.LIST)["CertificateOrderList"][0]["Status"] == "WILLEXPIRED"


def test_an_event_forced_early_is_not_repeated_by_the_calendar():
    service = service_with("at-once")
    order_id = created(service)
    service.happen(order_id, Event.EXPIRY_NEARED)
    service.advance(61 * DAY)
    assert happened(service, order_id).count("expiry_neared") == 1
    assert state_of(service, order_id) is State.ABOUT_TO_EXPIRE


def test_the_mock_may_be_told_another_validity():
    service = service_with("at-once", validity=40 * DAY)
    order_id = created(service)
    service.advance(10 * DAY)
    assert state_of(service, order_id) is State.ABOUT_TO_EXPIRE


def test_a_reset_sets_the_clock_right():
    service = service_with()
    service.advance(DAY)
    assert service.clock.now() == NOW + DAY
    service.reset()
    assert service.clock.now() == NOW


@pytest.mark.parametrize("advance", ["-1", "NaN", "Infinity", "1e12", "true", '"1"', "null"])
def test_the_clock_never_goes_back_and_never_beyond_2200(advance):
    control = Control(service_with())
    body = f'{{"advance": {advance}}}'.encode()
    assert control.handle(Request("POST", "/clock", {}, {}, body)).status == 400
    assert control.service.clock.now() == NOW


# -- the thirty days ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("age", "held"), [(0, 0), (30 * DAY, 0), (30 * DAY + 1, 1), (61 * DAY, 1)])
def test_a_revocation_returns_the_unit_within_30_days_of_issuance_the_end_included(age, held):
    service = service_with("at-once")
    order_id = created(service)
    service.advance(age)
    call(service, Operation.CANCEL_FOR_PACKAGE, OrderId=order_id)
    assert state_of(service, order_id) is State.REVOKED
    assert call(service, Operation.DESCRIBE_PACKAGE)["UsedCount"] == held


def test_the_age_is_counted_from_the_issuance_and_not_from_the_creation():
    service = service_with()
    order_id = created(service)
    service.advance(100 * DAY)
    service.happen(order_id, Event.DOMAIN_VALIDATED)
    service.happen(order_id, Event.REVIEW_PASSED)
    service.advance(20 * DAY)
    call(service, Operation.CANCEL_FOR_PACKAGE, OrderId=order_id)
    assert call(service, Operation.DESCRIBE_PACKAGE)["UsedCount"] == 0


# -- packages ----------------------------------------------------------------------------------------------------------


def test_a_package_that_shrank_below_what_is_held_has_nothing_free_until_enough_came_back():
    service = service_with()
    ids = [created(service) for _ in range(3)]
    service.put_package("digicert-free-1-free", 2)

    def create():
        headers = {"x-acs-version": "2020-04-07", "x-acs-action": Operation.CREATE_FOR_PACKAGE}
        return service.handle(Request("POST", "/", {"Domain": "a.com"}, headers)).status

    assert create() == 404
    for order_id in ids[:2]:
        call(service, Operation.CANCEL, OrderId=order_id)
        call(service, Operation.DELETE, OrderId=order_id)
    assert (create(), create()) == (200, 404)


def test_the_default_package_is_bought_once_for_a_store():
    store = MemoryStore()
    Service(store=store).put_package("digicert-free-1-free", 3)
    assert Service(store=store).packages()[0].total == 3


def test_of_services_that_begin_on_one_new_store_one_buys_the_default_package():
    class Slow(MemoryStore):
        bought = 0

        def setting(self, name, make):
            made = make()  # as a database may: each makes one, all get the first
            return super().setting(name, lambda: made)

        def put_package(self, product_code, total):
            self.bought += 1
            return super().put_package(product_code, total)

    store = Slow()
    for _ in range(3):
        Service(store=store)
    assert store.bought == 1


@pytest.mark.parametrize(("code", "total"), [("p", -1), ("p", 2**31), ("p", True), ("p", "5"), ("", 5), (None, 5)])
def test_a_package_has_a_code_and_a_size(code, total):
    with pytest.raises(InvalidValue):
        service_with().put_package(code, total)


def test_ids_go_on_after_a_reset():
    service = service_with()
    first = created(service)
    service.reset()
    service.put_package("digicert-free-1-free", 1)
    assert created(service) > first
    assert list(service.history(first)) == []
