"""Answers that the API does not document: they refuse nothing, and what follows is never an error of another kind."""

from __future__ import annotations

import json
import pickle
from functools import partial

import pytest

pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from between import acceptance
from orders import create, in_form, invoke, invoke_async, order_in, state_of
from Tea.exceptions import UnretryableException

from orderfsm import Operation, State
from orderfsm.client import (
    OutcomeUnknown,
    UnreadableAnswer,
    WaitTimeout,
    carry_out,
    carry_out_async,
    guard,
    observe,
    observe_async,
    sweep,
    sweep_async,
    wait,
    wait_async,
)
from orderfsm.mock import Response

NO_OBJECTS = [None, 5, True, "text", [1], [[]], [None]]
NO_TYPES = [{}, {"Type": None}, {"Type": 5}, {"Type": True}, {"Type": ["issued"]}, {"Type": {"issued": 1}}]
NO_LISTS = [
    {"CertificateOrderList": 5},
    {"CertificateOrderList": "ab"},
    {"CertificateOrderList": {"a": 1}},
    {"CertificateOrderList": [1]},
    {"CertificateOrderList": [None]},
    {"CertificateOrderList": [[]]},
    {"CertificateOrderList": [{"OrderId": None, "Status": "ISSUED"}]},
    {"CertificateOrderList": [{"OrderId": "x", "Status": "ISSUED"}]},
    {"CertificateOrderList": [{"OrderId": 0, "Status": "ISSUED"}]},
    {"CertificateOrderList": [{"OrderId": -1, "Status": "ISSUED"}]},
    {"CertificateOrderList": [{"OrderId": 2**63, "Status": "ISSUED"}]},
    {"CertificateOrderList": [{"OrderId": "1" * 20, "Status": "ISSUED"}]},
    {"CertificateOrderList": [{"OrderId": 7}]},
    {"CertificateOrderList": [{"OrderId": 7, "Status": 5}]},
    {"CertificateOrderList": [{"OrderId": 7, "Status": "ISSUED", "Domain": 5}]},
    {"CertificateOrderList": [{"OrderId": 7, "Status": "ISSUED", "CommonName": ["a"]}]},
    {"CertificateOrderList": [{"OrderId": 7, "Status": "ISSUED", "ProductCode": {}}]},
    {"CertificateOrderList": [{"OrderId": 7, "Status": "ISSUED", "BuyDate": "today"}]},
    {"CertificateOrderList": [], "TotalCount": "many"},
]


@pytest.fixture(params=["sync", "async"])
def form(request):
    return request.param


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Reads are repeated without a pause."""
    monkeypatch.setattr("orderfsm.client.backoff.BASE", 0)


def answer(document):
    """An answer with success, whose body is that document."""
    return Response.of(200, document)


@pytest.fixture
def vague(between):
    """The service, whose reads are all answered with something else."""

    def spoil(describe, listed):
        between.arrived.clear()
        between.answers |= {Operation.DESCRIBE: answer(describe), Operation.LIST: answer(listed)}
        return between

    return spoil


@pytest.mark.parametrize("document", NO_OBJECTS + NO_TYPES, ids=json.dumps)
def test_a_guarded_call_is_sent_after_a_read_that_cannot_be_read(service, server, vague, form, document):
    order_id = order_in(service, State.VERIFY_FAIL)
    vague(document, document)
    in_form(form, invoke, invoke_async)(guard(server.client(), max_age=60), Operation.DELETE, order_id)
    assert state_of(service, order_id) is State.DELETED


@pytest.mark.parametrize("document", NO_OBJECTS + NO_TYPES, ids=json.dumps)
def test_nothing_is_touched_on_the_strength_of_such_a_read(service, server, vague, document):
    order_id = order_in(service, State.VERIFY_FAIL)
    between = vague(document, document)
    for run in (partial(carry_out, goal="deleted"), observe):
        with pytest.raises(
            UnreadableAnswer, match=f"^order {order_id}: the answer to DescribeCertificateState"
        ) as caught:
            run(server.client(), order_id)
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert {*between.arrived} <= {Operation.DESCRIBE, Operation.LIST}


def test_nor_by_the_asynchronous_forms(service, server, vague):
    order_id = order_in(service, State.VERIFY_FAIL)
    vague(None, None)
    for run in (
        in_form("async", None, partial(carry_out_async, goal="deleted")),
        in_form("async", None, observe_async),
    ):
        with pytest.raises(UnreadableAnswer):
            run(server.client(), order_id)


@pytest.mark.parametrize("body", [b'{"Type":"\xff"}', b"\xff"], ids=str)
def test_bytes_that_are_no_text_are_such_an_answer(service, server, between, form, body):
    order_id = order_in(service, State.VERIFY_FAIL)
    between.answers[Operation.DESCRIBE] = Response(200, body)
    with pytest.raises((UnreadableAnswer, UnretryableException)) as caught:
        in_form(form, observe, observe_async)(server.client(), order_id)
    assert caught.value.order_id == order_id
    in_form(form, invoke, invoke_async)(guard(server.client()), Operation.DELETE, order_id)
    assert state_of(service, order_id) is State.DELETED


@pytest.mark.parametrize("document", [None, {"Type": 5}], ids=json.dumps)
def test_a_wait_goes_on_after_such_a_read(service, server, vague, form, document):
    order_id = order_in(service, State.BEING_REVIEWED)
    between = vague(document, None)
    polls = []

    def then_it_can_be_read(seen):
        polls.append(seen.word)
        if len(polls) == 3:
            between.answers.clear()

    run = in_form(form, wait, wait_async)
    state = run(server.client(), order_id, until="process", interval=0.01, on_poll=then_it_can_be_read)
    assert (state, polls) == (State.BEING_REVIEWED, [None, None, None, "process"])
    between.answers[Operation.DESCRIBE] = answer(document)
    with pytest.raises(WaitTimeout, match=f"order {order_id} is not issued after 0 s; seen: nothing"):
        run(server.client(), order_id, until="issued", timeout=0)


@pytest.mark.parametrize("document", NO_OBJECTS + NO_LISTS, ids=json.dumps)
def test_a_list_that_cannot_be_read_selects_nothing(service, server, vague, form, document):
    order_in(service, State.VERIFY_FAIL)
    between = vague({"Type": "unknow"}, document)
    with pytest.raises(UnreadableAnswer, match="the answer to ListUserCertificateOrder cannot be read: "):
        in_form(form, sweep, sweep_async)(server.client(), rate=2000)
    assert {*between.arrived} == {Operation.LIST}


@pytest.mark.parametrize("document", NO_OBJECTS + NO_LISTS, ids=json.dumps)
def test_nor_does_it_narrow_a_vague_read_or_tell_what_a_lost_create_made(service, server, vague, document):
    order_id = order_in(service, State.VERIFY_FAIL)
    between = vague({"Type": "unknow"}, document)
    assert observe(server.client(), order_id).word == "unknow"
    between.answers[Operation.CREATE_FOR_PACKAGE] = answer(None)
    with pytest.raises(OutcomeUnknown):
        create(guard(server.client(), grace=0))


def test_a_sweep_leaves_an_order_whose_reads_cannot_be_read(service, server, between, form):
    order_id = order_in(service, State.VERIFY_FAIL)
    between.answers[Operation.DESCRIBE] = answer({"Type": 5})
    report = in_form(form, sweep, sweep_async)(server.client(), rate=2000)
    assert report.left == {order_id: "the answer to DescribeCertificateState cannot be read: type is 5"}
    assert between.sent(Operation.DELETE) == 0


@pytest.mark.parametrize("document", NO_OBJECTS, ids=json.dumps)
@pytest.mark.parametrize("carried_out", [True, False])
def test_a_call_whose_answer_cannot_be_read_is_a_lost_one(server, between, form, document, carried_out):
    service = server.service
    order_id = order_in(service, State.VERIFY_FAIL)
    handle = between._handle

    def spoil_the_first(request):
        if request.headers["x-acs-action"] != Operation.DELETE:
            return handle(request)
        between._handle = handle
        if carried_out:
            handle(request)
        return answer(document)

    between._handle = spoil_the_first
    in_form(form, invoke, invoke_async)(guard(server.client()), Operation.DELETE, order_id)
    assert state_of(service, order_id) is State.DELETED
    assert between.sent(Operation.DELETE) == (1 if carried_out else 2)


@pytest.mark.parametrize(
    "document",
    [{}, {"OrderId": None}, {"OrderId": "x"}, {"OrderId": [7]}, {"OrderId": True}, {"OrderId": 0}],
    ids=json.dumps,
)
def test_a_create_whose_answer_has_no_id_is_looked_for(service, server, between, document):
    handle = between._handle

    def spoil(request):
        response = handle(request)
        return answer(document) if request.headers["x-acs-action"] == Operation.CREATE_FOR_PACKAGE else response

    between._handle = spoil
    order_id = create(guard(server.client()))
    assert state_of(service, order_id) is State.PENDING_REVIEW
    assert (service.count(), between.sent(Operation.CREATE_FOR_PACKAGE)) == (1, 1)


@pytest.mark.parametrize("date", [10**400, -1, float("nan")], ids=["great", "negative", "nan"])
def test_a_listed_date_that_is_none_of_this_world_is_no_other_error(service, server, between, date):
    order_id = order_in(service, State.PENDING_REVIEW)
    row = {"OrderId": order_id, "Status": "CHECKING", "Domain": "other.example.com", "BuyDate": date}
    between.answers |= {
        Operation.CREATE_FOR_PACKAGE: answer(None),
        Operation.LIST: acceptance(CertificateOrderList=[row]),
    }
    with pytest.raises(UnreadableAnswer):  # it is not there, and each try was answered so
        create(guard(server.client(), grace=0))


def test_ids_may_be_written_as_their_digits(service, server, between, form):
    order_id = order_in(service, State.VERIFY_FAIL)
    row = {"OrderId": str(order_id), "Status": "CHECKED_FAIL"}
    between.answers[Operation.LIST] = acceptance(CertificateOrderList=[row], TotalCount=1)
    (candidate,) = in_form(form, sweep, sweep_async)(server.client(), dry_run=True).selected
    assert candidate.order_id == order_id


@pytest.mark.parametrize("date", [-1, 1e300, 10**400, 253402300800000])
def test_a_date_of_no_year_is_none(service, server, between, date):
    order_id = order_in(service, State.VERIFY_FAIL)
    row = {"OrderId": order_id, "Status": "CHECKED_FAIL", "BuyDate": date}
    between.answers[Operation.LIST] = acceptance(CertificateOrderList=[row], TotalCount=1)
    (candidate,) = sweep(server.client(), dry_run=True).selected
    assert candidate.bought is None
