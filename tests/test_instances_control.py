"""The control port of instances: what a test begins, reads and lets happen behind the service's back."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from stores import KINDS, opened

from orderfsm import InvalidValue, trace
from orderfsm.mock import Clock, Fault, Request, Service, mock_cas
from orderfsm.mock.http.control import Control
from orderfsm.tables.instances import LIFECYCLE, Event, Operation, State
from orderfsm.words import meanings

START = 1_800_000_000.0
STATUS, CERTIFICATE = LIFECYCLE.vocabularies


@pytest.fixture(params=KINDS)
def store(request, tmp_path):
    store = opened(request.param, request, tmp_path)
    yield store
    store.close()


@pytest.fixture
def control(store):
    return Control(Service(store=store, clock=Clock(lambda: START)))


def ask(control, method, path, document=None, **query):
    """Status and JSON that the control port answers."""
    body = b"" if document is None else json.dumps(document).encode()
    response = control.handle(Request(method, path, query, {}, body))
    return response.status, response.json if response.body else None


def begun(control, **members):
    status, answer = ask(control, "POST", "/instances", members)
    assert status == 201
    return answer["InstanceId"]


# -- instances ---------------------------------------------------------------------------------------------------------


def test_an_instance_begins_bought_and_settled_and_every_member_is_optional(control):
    status, answer = ask(control, "POST", "/instances")
    assert status == 201
    assert (answer["State"], answer["Status"], answer["CertificateStatus"]) == ("unused", "inactive", None)
    assert (answer["Spec"], answer["Domain"]) == ("ws.dv.f", "example.com")
    given = {"Spec": "geo.ov.w", "Domain": "*.b.example.com", "State": "settling"}
    status, answer = ask(control, "POST", "/instances", given)
    assert (status, {name: answer[name] for name in given}) == (201, given)


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"State": "issued"}, "State 'issued': expected settling, unused"),
        ({"State": 7}, "State 7: expected settling, unused"),
        ({"Spec": "dv"}, "Spec 'dv': expected brand.grade.kind"),
        ({"Domain": "-"}, "Domain '-': expected 1 to 100 domain names"),
        ({"Domain": ["a.example.com"]}, "Domain ['a.example.com']: expected a text"),
        ({"Sort": "dv"}, "member of an instance 'Sort': expected Spec, Domain"),
        ([1], "expected a JSON object"),
    ],
)
def test_what_makes_no_sense_begins_nothing_and_is_named(control, members, named):
    status, answer = ask(control, "POST", "/instances", members)
    assert status == 400
    assert named in answer["Message"]
    assert ask(control, "GET", "/instances")[1] == {"Instances": [], "Next": None}


def test_an_instance_is_read_until_it_is_deleted(control):
    instance = begun(control)
    assert ask(control, "GET", f"/instances/{instance}")[1]["State"] == "unused"
    for operation in (Operation.REFUND, Operation.DELETE):
        control.service.instances.fire(instance, operation)
        ask(control, "POST", "/clock", {"advance": 60})
    for path in (instance, "cas-cn-1", "7", "nonsense"):
        assert ask(control, "GET", f"/instances/{path}") == (
            404,
            {"Code": "NotFound", "Message": "the specified instance was not found"},
        )


def test_an_id_is_taken_as_it_is_written_and_not_as_it_could_be_read(control):
    order = control.service.begin("pending_review", {"Domain": "a.example.com"}).id
    assert ask(control, "GET", f"/orders/{order}")[0] == 200
    for path in (f"0{order}", f"+{order}", f"{order}.0", "9" * 30):
        assert ask(control, "GET", f"/orders/{path}")[0] == 404


def test_instances_are_listed_oldest_first_by_state_and_in_parts(control):
    every = [begun(control, State="settling" if n % 2 else "unused") for n in range(5)]
    ask(control, "POST", "/orders/1/events", {"Event": "submitted"})
    status, page = ask(control, "GET", "/instances", limit=2)
    assert (status, [each["InstanceId"] for each in page["Instances"]], page["Next"]) == (200, every[:2], every[1])
    page = ask(control, "GET", "/instances", after=page["Next"])[1]
    assert ([each["InstanceId"] for each in page["Instances"]], page["Next"]) == (every[2:], None)
    page = ask(control, "GET", "/instances", state="settling")[1]
    assert [each["InstanceId"] for each in page["Instances"]] == every[1::2]
    assert len(ask(control, "GET", "/instances", state="inactive")[1]["Instances"]) == 5


@pytest.mark.parametrize("query", [{"state": "payed"}, {"after": "7"}, {"after": "x y"}, {"limit": "-1"}])
def test_a_list_that_makes_no_sense_is_refused(control, query):
    status, answer = ask(control, "GET", "/instances", **query)
    assert (status, answer["Code"]) == (400, "InvalidValue")


@pytest.mark.parametrize("state", [state for state in State if state not in LIFECYCLE.gone])
def test_the_words_are_those_that_the_table_has_for_the_state(state):
    control = Control(Service(clock=Clock(lambda: START)))
    instance = control.service.begin_instance(state)
    answer = ask(control, "GET", f"/instances/{instance.id}")[1]
    assert answer["State"] == state
    for vocabulary in (STATUS, CERTIFICATE):
        assert state in meanings(LIFECYCLE, vocabulary)[answer[vocabulary.field] or ""]


# -- events ------------------------------------------------------------------------------------------------------------


def test_an_event_happens(control):
    instance = begun(control, State="settling")
    status, answer = ask(control, "POST", f"/instances/{instance}/events", {"Event": "purchase_settled"})
    assert (status, answer["State"]) == (200, "unused")


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("{}", {"Event": "review_passed"}, 400, "InvalidValue"),
        ("{}", {"Event": "ApplyCertificate"}, 400, "InvalidValue"),
        ("{}", {"Event": None}, 400, "InvalidValue"),
        ("{}", {}, 400, "InvalidValue"),
        ("{}", {"Event": "certificate_issued"}, 409, "OperationDenied.StatusNotSupport"),
        ("cas-cn-1", {"Event": "certificate_issued"}, 404, "NotFound"),
        ("1", {"Event": "certificate_issued"}, 404, "NotFound"),
    ],
)
def test_an_event_that_cannot_happen_is_refused(control, path, body, status, code):
    instance = begun(control)
    answered, answer = ask(control, "POST", f"/instances/{path.format(instance)}/events", body)
    assert (answered, answer["Code"]) == (status, code)
    assert ask(control, "GET", f"/instances/{instance}")[1]["State"] == "unused"


SILENT = [(state, event) for state in State for event in Event if LIFECYCLE.is_silent(state, event)]


@pytest.mark.parametrize(("state", "event"), SILENT)
def test_of_an_event_that_no_source_speaks_of_the_answer_is_409_and_nothing_happens(state, event):
    control = Control(Service(clock=Clock(lambda: START)))
    instance = control.service.begin_instance(state).id
    status, answer = ask(control, "POST", f"/instances/{instance}/events", {"Event": event})
    assert (status, answer["Code"]) == (409, LIFECYCLE.service_refusal(state, event).error.code)
    assert control.service.instances.order(instance).state is state


# -- completions, faults, and what both have in common -----------------------------------------------------------------


def test_the_mode_of_completions_is_set_and_told(control):
    assert ask(control, "GET", "/completions") == (200, {"Mode": "clock"})
    assert ask(control, "PUT", "/completions", {"Mode": "manual"}) == (200, {"Mode": "manual"})
    instance = begun(control, State="settling")
    ask(control, "POST", "/clock", {"advance": 3600})
    assert ask(control, "GET", f"/instances/{instance}")[1]["State"] == "settling"
    assert ask(control, "POST", "/reset")[0] == 204
    assert ask(control, "GET", "/completions") == (200, {"Mode": "manual"})
    for nonsense in ({"Mode": "never"}, {"Mode": None}, {"Mode": ["clock"]}, {}, []):
        assert ask(control, "PUT", "/completions", nonsense)[0] == 400
    assert ask(control, "POST", "/completions", {"Mode": "clock"})[0] == 405


def test_a_fault_is_on_an_instance_and_on_its_operations(control):
    instance = begun(control)
    given = {"InstanceId": instance, "Operation": "delete", "Code": "Error"}
    status, shown = ask(control, "POST", "/faults", given)
    assert (status, shown["InstanceId"], shown["Operation"]) == (201, instance, "DeleteInstance")
    assert ask(control, "GET", "/faults")[1] == {"Faults": [shown]}
    assert Fault.parse(shown).as_json() == shown
    fault = Fault.parse(shown)
    assert fault.matches(Operation.DELETE, instance)
    assert not fault.matches(Operation.DELETE, "cas-cn-1")
    assert not fault.matches(Operation.REFUND, instance)


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"instance_id": 7}, "InstanceId 7: expected 1 to 128 printable"),
        ({"instance_id": "cas-cn-1", "order_id": 7}, "InstanceId 'cas-cn-1': expected none beside OrderId"),
        ({"instance_id": "cas-cn-1", "operation": "purchase"}, "InstanceId of a fault of CreateInstance"),
        ({"instance_id": "cas-cn-1", "operation": "describe"}, "Operation 'describe': expected purchase, update"),
        ({"order_id": 7, "operation": "refund"}, "Operation 'refund': expected cancel, "),
        ({"read": "stale", "operation": Operation.APPLY}, "Operation of a fault with a Read"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_by_name(members, named):
    with pytest.raises(InvalidValue) as caught:
        Fault(**members)
    assert named in str(caught.value)


def test_a_word_for_an_operation_means_that_of_an_instance_where_the_orders_have_none():
    assert Fault(operation="refund").operation is Operation.REFUND
    assert Fault(operation="DeleteInstance").operation is Operation.DELETE
    assert Fault(operation="delete", instance_id="cas-cn-1").operation is Operation.DELETE
    assert str(Fault(operation="delete").operation) == "DeleteCertificateRequest"


def test_history_reset_and_health_are_of_both(control):
    control.service.put_package("p", 5)
    order = control.service.begin("pending_review", {"Domain": "a.example.com", "ProductCode": "p"}).id
    instance = begun(control)
    body = control.handle(Request("GET", "/history")).body.decode()
    header, *lines = body.splitlines()
    assert json.loads(header) == {"trace": 1, "events": "complete"}
    told = [(each.get("order_id", each.get("instance_id")), each.get("operation")) for each in map(json.loads, lines)]
    assert told == [(order, "CreateCertificateRequest"), (instance, "CreateInstance"), (instance, None)]
    assert ask(control, "GET", "/health") == (200, {"status": "ok", "orders": 1, "instances": 1})
    assert ask(control, "POST", "/reset")[0] == 204
    assert control.handle(Request("GET", "/history")).body.decode() == trace.header() + "\n"
    assert ask(control, "GET", "/health") == (200, {"status": "ok", "orders": 0})


# -- in Python ---------------------------------------------------------------------------------------------------------


def test_a_test_in_python_begins_moves_and_reads_instances():
    with mock_cas(completions="manual", takes={"refund_completed": 0}) as server:
        one, *others = server.instance("issued"), *server.instance(count=2, spec="ws.dv.f", domain="b.example.com")
        assert [one.state, *(other.state for other in others)] == [State.ISSUED, State.UNUSED, State.UNUSED]
        assert [found.id for found in server.instances("unused")] == [other.id for other in others]
        order = server.order("pending_review")
        assert server.happen(order, "domain_validated").id == order.id
        assert server.happen(one.id, "certificate_revoked").state is State.REVOKED
        server.fail("refund", instance_id=others[0], code="Error")
        assert server.service.fault_rules()[0]["InstanceId"] == others[0].id
        server.put_completions("clock")
        server.service.instances.fire(others[1].id, Operation.REFUND)
        assert [found.state for found in server.instances()][2] is State.REFUNDED
        assert [line.trigger for line in server.history(others[1])][-1] is Event.REFUND_COMPLETED
        assert [str(line.trigger) for line in server.calls if line.order_id == order.id] == ["CreateCertificateRequest"]
