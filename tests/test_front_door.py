"""What a test does with the mock that it was given: orders in any state, packages, faults, the clock, a reset."""

from __future__ import annotations

from datetime import timedelta
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from orderfsm.questions import ORDER_LIFECYCLE

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from orders import call, create, obeyed
from test_mock import csr

from orderfsm import Event, InvalidValue, Operation, OrderFSMError, OrderStateError, State
from orderfsm.errors import NotRemainCount
from orderfsm.mock import Fault, Review, Server, Service, mock_cas
from orderfsm.mock.cas.gateway import GatewayError
from orderfsm.trace import Outcome

DAY = 86_400
FREE = "digicert-free-1-free"


@pytest.fixture(scope="module")
def running():
    with mock_cas(packages={FREE: 12, "geotrust-dv-1-starter": 3}) as server:
        yield server


@pytest.fixture
def server(running):
    running.reset()
    yield running
    obeyed(running.service)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("said", [lambda state: state, str, lambda state: state.name], ids=["member", "value", "name"])
def test_an_order_is_in_the_state_that_was_asked_for(server, state, said):
    order = server.order(state=said(state))
    assert order.state is order.order.state is state
    assert server.service.store.get(order.id) == order
    held = 0 if state in {State.DELETED, State.REVOKED} else 1
    assert {package.product_code: package.used for package in server.packages()}[FREE] <= max(held, 1)


@pytest.mark.parametrize("review", ["at-once", "after=0", "reads=1"])
@pytest.mark.parametrize("share", [0.0, 1.0])
@pytest.mark.parametrize("state", [state for state in State if state is not State.DELETED])
def test_an_order_is_in_that_state_whatever_the_ca_does_by_itself(review, share, state):
    service = Service(review=Review.parse(review, share), validity=0.5)
    order = service.begin(state, {"Domain": "a.example"})
    assert order.order.state is state
    service.catch_up()
    obeyed(service)


def test_an_order_may_be_asked_for_by_a_word_of_the_api(server):
    assert server.order("payed").state is State.PENDING_APPLICATION
    assert server.order("process").state is State.BEING_REVIEWED


@pytest.mark.parametrize("word", ["CHECKING", "certificate", "isued", "none", None, 7])
def test_a_word_that_means_no_one_state_is_refused_and_nothing_is_begun(server, word):
    with pytest.raises(InvalidValue, match="state"):
        server.order(word)
    assert server.history() == []


def test_several_orders_are_made_at_once(server):
    orders = server.order("issued", count=3, domain="a.example,*.b.example")
    assert [order.domains for order in orders] == [("a.example", "*.b.example")] * 3
    assert len({order.id for order in orders}) == 3
    assert server.orders() == server.orders("issued") == orders
    assert server.orders(State.EXPIRED) == []
    assert server.order(count=0) == []
    for count in (-1, True, "2"):
        with pytest.raises(InvalidValue, match="count"):
            server.order(count=count)


def test_an_order_is_for_what_was_asked_for(server):
    order = server.order(product_code="geotrust-dv-1-starter", validate_type="FILE", tags={"env": "test", "team": ""})
    assert (order.product_code, order.validate_type, order.domains) == (
        "geotrust-dv-1-starter",
        "FILE",
        ("example.com",),
    )
    assert order.tags == (("env", "test"), ("team", ""))
    assert server.order("issued", csr=csr("csr.example")).domains == ("csr.example",)
    with pytest.raises(TypeError, match=r"^domian of an order: it is asked for by domain, csr, "):
        server.order(domian="a.example")
    with pytest.raises(GatewayError, match=r"^InvalidDomain: "):
        server.order(domain="no domain")


def test_units_are_taken_and_no_fault_applies(server):
    server.fail()
    server.order(count=12)
    with pytest.raises(NotRemainCount):
        server.order()
    assert server.put_package(FREE, 13).used == 12
    server.order()


def test_events_happen_to_an_order_or_an_id(server):
    order = server.order()
    assert server.happen(order, "domain_validated").state is State.BEING_REVIEWED
    assert server.happen(order.id, "REVIEW_PASSED").state is State.ISSUED
    assert server.happen(order, Event.CERTIFICATE_REVOKED).state is State.REVOKED
    with pytest.raises(OrderStateError):
        server.happen(order, "review_passed")
    with pytest.raises(InvalidValue, match="trigger 'explode'"):
        server.happen(order, "explode")
    with pytest.raises(InvalidValue, match="event"):
        server.happen(order, "delete")
    with pytest.raises(InvalidValue, match="order id '7'"):
        server.happen("7", "review_passed")


def test_the_history_tells_of_calls_and_events_and_refusals(server):
    order, other = server.order("issued"), server.order()
    call(server.service, Operation.DELETE, OrderId=order.id)
    assert [line.trigger for line in server.history(order)] == [
        Operation.CREATE,
        Event.DOMAIN_VALIDATED,
        Event.REVIEW_PASSED,
        Operation.DELETE,
    ]
    assert server.history(order.id) == server.history(order)
    assert [line.order_id for line in server.calls] == [order.id, other.id, order.id]
    assert [line.outcome for line in server.calls] == [Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.REFUSED]
    with pytest.raises(InvalidValue, match="order id"):
        server.history("7")


def test_what_was_asked_is_noted_and_what_was_answered(server):
    order = server.order("verify_fail")
    assert server.requests == []  # nobody asked for it
    for transport in ("reset", None):
        server.fail("delete", transport=transport, code="DeleteFail", times=1)
    asked = {"Action": "DeleteCertificateRequest", "Version": "2020-04-07", "OrderId": str(order.id), "Format": "JSON"}
    url = f"{server.api}/?{urlencode(asked)}"
    statuses = [status_of(url), status_of(url), status_of(url), status_of(f"{url}&OrderId="), status_of(server.api)]
    assert statuses == [None, 403, 200, 400, 400]
    assert [(each.status, each.code, each.transport) for each in server.requests] == [
        (403, "DeleteFail", "reset"),
        (403, "DeleteFail", None),
        (200, None, None),
        (400, "MissingOrderId", None),
        (400, "MissingVersion", None),
    ]
    assert {each.action for each in server.requests} == {"DeleteCertificateRequest", ""}
    assert server.requests[0].parameters == {"OrderId": str(order.id)}
    assert str(server.requests[1]) == f"DeleteCertificateRequest(OrderId={order.id}): DeleteFail"
    assert str(server.requests[2]).endswith(": 200")
    server.reset()
    assert server.requests == []


def status_of(url):
    """The status of an answer; None if none came."""
    try:
        with urlopen(url) as response:
            return response.status
    except HTTPError as error:
        return error.code
    except OSError:
        return None


def test_the_code_of_an_answer_in_xml_is_read_too(server):
    assert status_of(f"{server.api}/?Action=No&Version=2020-04-07&Format=XML") == 404
    assert [each.code for each in server.requests] == ["InvalidAction.NotFound"]


def test_calls_fail_as_they_are_told_to(server):
    fault = server.fail("delete", code="DeleteFail", times=1)
    assert fault == Fault(operation=Operation.DELETE, code="DeleteFail", times=1)
    order = server.order("verify_fail")
    assert call(server.service, Operation.DELETE, OrderId=order.id).json["Code"] == "DeleteFail"
    assert call(server.service, Operation.DELETE, OrderId=order.id).status == 200
    server.add_fault(Fault(code="Error"))
    server.clear_faults()
    assert call(server.service, Operation.LIST).status == 200
    with pytest.raises(InvalidValue):
        server.fail("delet")
    with pytest.raises(TypeError, match="in a Fault"):
        server.fail("delete", cod="Error")


def test_a_client_signs_with_a_key_that_the_server_has():
    pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
    with mock_cas(keys={"id": "secret", "another": "other"}) as server:
        assert create(server.client()) == server.orders()[0].id
        assert create(server.client(access_key_id="another", access_key_secret="other"))
        assert "secret" not in repr(server)


def test_calls_on_one_order_fail(server):
    order, other = server.order("verify_fail", count=2)
    assert server.fail("delete", order_id=order, code="DeleteFail").order_id == order.id
    assert call(server.service, Operation.DELETE, OrderId=order.id).json["Code"] == "DeleteFail"
    assert call(server.service, Operation.DELETE, OrderId=other.id).status == 200
    with pytest.raises(InvalidValue, match="OrderId '7'"):
        server.fail("delete", order_id="7")


@pytest.mark.parametrize("rule", [{"Operation": "DeleteCertificateRequest"}, "delete", None], ids=str)
def test_a_rule_that_is_no_fault_is_refused(server, rule):
    with pytest.raises(InvalidValue, match="a Fault"):
        server.add_fault(rule)
    assert server.service.fault_rules() == []


def test_the_clock_goes_forward_by_seconds_or_a_timedelta(server):
    order = server.order("issued")
    began = server.clock.now()
    assert server.advance(timedelta(days=61)) >= began + 61 * DAY
    assert server.orders() == server.orders("about_to_expire")
    server.advance(30.5 * DAY)
    assert [found.id for found in server.orders("expired")] == [order.id]
    assert server.clock.now() >= began + 91.5 * DAY


@pytest.mark.parametrize("by", [-1, float("nan"), float("inf"), 1e18, True, "1", None, timedelta(-1), timedelta.max])
def test_the_clock_goes_nowhere_else(server, by):
    before = server.clock.offset
    with pytest.raises(InvalidValue, match=r"advance .*: expected seconds in 0 .. [0-9]+, or a timedelta"):
        server.advance(by)
    assert server.clock.offset == before


def test_a_reset_gives_back_what_there_was_at_first(server):
    first = server.packages()
    server.order(count=5)
    server.fail()
    server.advance(DAY)
    server.put_package(FREE, 1)
    server.reset()
    assert server.packages() == first
    assert [(package.product_code, package.total, package.used) for package in first] == [
        (FREE, 12, 0),
        ("geotrust-dv-1-starter", 3, 0),
    ]
    assert (server.orders(), server.history(), server.service.fault_rules(), server.clock.offset) == ([], [], [], 0)


def test_packages_are_bought_beside_the_default_one_and_of_a_given_service():
    service = Service()
    service.put_package(FREE, 7)
    with mock_cas(service, packages={"p": 1}) as server:
        server.reset()
        assert [(package.product_code, package.total) for package in server.packages()] == [(FREE, 7), ("p", 1)]


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"domain": ["a.example"]}, "Domain"),
        ({"domain": 5}, "Domain"),
        ({"csr": b"a request"}, "Csr"),
        ({"product_code": 5}, "ProductCode"),
        ({"tags": {"a": 5}}, "Tags.1.Value"),
        ({"tags": {5: "a"}}, "Tags.1.Key"),
        ({"tags": [("a", "b")]}, "tags"),
    ],
    ids=str,
)
def test_an_order_is_asked_for_in_words(server, asked, named):
    with pytest.raises(InvalidValue, match=named):
        server.order(**asked)
    assert server.orders() == []


def test_what_is_none_is_not_asked_for(server):
    order = server.order(domain=None, csr=None, product_code=None, validate_type=None, tags=None)
    assert (order.domains, order.product_code, order.tags) == (("example.com",), FREE, ())
    with pytest.raises(GatewayError, match="MissingDomain"):
        server.service.begin("issued", {})


@pytest.mark.parametrize("packages", [{"p": -1}, {"p": "1"}, {"": 1}])
def test_a_package_that_makes_no_sense_is_refused(packages):
    with pytest.raises(InvalidValue), mock_cas(packages=packages):
        pass


def test_the_table_that_rules_the_mock_says_how_a_state_is_reached():
    row = ORDER_LIFECYCLE.transition(State.BEING_REVIEWED, Event.REVIEW_PASSED)
    with mock_cas(lifecycle=ORDER_LIFECYCLE.without(row)) as server, pytest.raises(OrderFSMError, match="issued"):
        server.order("issued")


def test_a_server_in_another_process_says_that_it_is():
    elsewhere = Server("http://127.0.0.1:1", "http://127.0.0.1:2")
    with pytest.raises(OrderFSMError, match="runs in another process"):
        elsewhere.order("issued")
    with pytest.raises(OrderFSMError, match="runs in another process"):
        _ = elsewhere.requests


# -- what a service is told --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("validity", [float("nan"), float("inf"), -1, 1e18, True, "90", None, timedelta(-1)])
def test_a_validity_that_no_certificate_can_have_is_refused(validity):
    with pytest.raises(InvalidValue, match="validity"):
        Service(validity=validity)


@pytest.mark.parametrize("validity", [0, 0.5, 1, 40 * DAY, timedelta(days=40), 100 * 366 * DAY])
def test_a_certificate_is_issued_for_any_validity_that_is_taken(validity):
    service = Service(validity=validity)
    service.advance(5_000_000_000)  # to 2185
    order = service.begin("issued", {"Domain": "a.example"})
    body = call(service, Operation.DESCRIBE, OrderId=order.id)
    assert (body.status, body.json["Type"]) == (200, "certificate")


@pytest.mark.parametrize(
    ("mode", "amount"),
    [("atonce", 0), ("after", float("nan")), ("after", -1), ("reads", float("inf")), ("after", "5"), ("reads", None)],
)
def test_a_review_that_makes_no_sense_is_refused(mode, amount):
    with pytest.raises(InvalidValue, match="review"):
        Review(mode, amount)


def test_a_review_may_be_said_in_the_words_of_the_command_line():
    assert Service(review="reads=3").review == Review("reads", 3)
    with pytest.raises(InvalidValue, match="review 'atonce'"):
        Service(review="atonce")


def test_a_limit_is_of_an_operation_by_any_of_its_names():
    service = Service(limits={"list": 0})
    assert call(service, Operation.LIST).status == 429
    assert call(service, Operation.DESCRIBE_PACKAGE).status == 200


@pytest.mark.parametrize("limits", [{"lits": 1}, {"list": -1}, {"list": True}, {"list": 0.5}, {"list": "1"}], ids=str)
def test_a_limit_that_makes_no_sense_is_refused(limits):
    with pytest.raises(InvalidValue, match=r"lits|limit of list"):
        Service(limits=limits)
