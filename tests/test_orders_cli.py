"""`orderfsm orders`: what it prints, how it exits, and what it leaves alone."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
pytest.importorskip("click", reason="the extra `cli` is not installed")
pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from orders import order_in
from test_guard_matrix import Between, acceptance

from orderfsm import InvalidValue, Operation, State
from orderfsm.cli import main
from orderfsm.client.connect import connect
from orderfsm.mock import Fault


@pytest.fixture
def service(server):
    return server.service


@pytest.fixture
def orders(server, capsys):
    """The exit status, standard output and standard error of `orderfsm orders`."""

    def run(*arguments, endpoint=server.api):
        status = main(["orders", "--endpoint", endpoint, *map(str, arguments)])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def state_of(service, order_id):
    return service.store.get(order_id).order.state


def test_list_shows_the_orders(service, orders):
    ids = {order_in(service, state): state for state in (State.VERIFY_FAIL, State.ISSUED, State.DELETED)}
    status, out, err = orders("list")
    assert (status, err) == (0, "")
    header, *rows = out.splitlines()
    assert header.split() == ["ORDER", "STATUS", "DOMAIN", "PRODUCT", "DATE"]
    assert [row.split()[:3] for row in rows] == [
        [str(order), word, "example.com"]
        for (order, _), word in zip(ids.items(), ["CHECKED_FAIL", "ISSUED"], strict=False)
    ]


def test_list_of_a_status_as_json(service, orders):
    failed, _ = order_in(service, State.VERIFY_FAIL), order_in(service, State.ISSUED)
    status, out, _ = orders("list", "--status", "verify_fail", "--json")
    (order,) = json.loads(out)["orders"]
    assert status == 0
    assert (order["order_id"], order["status"], order["plan"]) == (failed, "CHECKED_FAIL", ["DeleteCertificateRequest"])
    assert order.keys() == {"order_id", "status", "domain", "product", "date", "plan", "may_be_renewal"}


@pytest.mark.parametrize("state", [state for state in State if state is not State.DELETED])
def test_show_says_what_is_allowed_and_no_secret(service, orders, state):
    order_id = order_in(service, state)
    status, out, _ = orders("show", order_id, "--json")
    answer = json.loads(out)
    assert (status, answer["order_id"], answer["states"], answer["perhaps_allowed"]) == (0, order_id, [state], [])
    _, text, _ = orders("show", order_id)
    assert f"state:    {state}" in text
    for operation in answer["allowed"]:
        assert operation in text
    assert "BEGIN" not in out + text


def test_show_of_no_order_exits_1(orders):
    status, out, _ = orders("show", 7)
    assert status == 1
    assert "read as:  NotFoundOrder" in out
    assert "allowed:  nothing that changes anything" in out
    assert "Create" not in out


def test_cancel_then_delete(service, orders):
    order_id = order_in(service, State.BEING_REVIEWED)
    status, out, _ = orders("delete", order_id)
    assert (status, state_of(service, order_id)) == (1, State.BEING_REVIEWED)
    assert "First: CancelOrderRequest, then DeleteCertificateRequest." in out
    assert orders("cancel", order_id) == (0, f"{order_id}: done\n", "")
    status, out, _ = orders("delete", order_id, "--json")
    assert (status, state_of(service, order_id)) == (0, State.DELETED)
    assert json.loads(out) == {
        "operation": "DeleteCertificateRequest",
        "orders": [{"order_id": order_id, "outcome": "accepted"}],
    }


def test_of_several_orders_each_is_answered_for(service, orders):
    issued, failed = order_in(service, State.ISSUED), order_in(service, State.VERIFY_FAIL)
    status, out, _ = orders("delete", issued, failed, "--json")
    assert status == 1
    first, second = json.loads(out)["orders"]
    assert (first["outcome"], first["code"], second["outcome"]) == ("refused", "OrderStateError", "accepted")


def test_an_unknown_outcome_exits_3(service, orders):
    order_id = order_in(service, State.BEING_REVIEWED)
    between = Between(service)
    between.answers[Operation.DESCRIBE] = acceptance(Type="unknow")
    service.add_fault(Fault(operation=Operation.CANCEL, when="after", times=1))
    service.add_fault(Fault(operation=Operation.LIST, code="Forbidden.RAM", status=403))
    status, out, _ = orders("cancel", order_id, "--json")
    assert status == 3
    assert json.loads(out)["orders"][0]["outcome"] == "unknown"


def test_sweep_without_yes_changes_nothing(service, orders):
    failed, withdrawn = order_in(service, State.VERIFY_FAIL), order_in(service, State.PENDING_APPLICATION)
    status, out, _ = orders("sweep")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == ["ORDER", str(failed), "1"]
    status, out, _ = orders("sweep", "--status", "PAYED", "--status", "CHECKED_FAIL", "--json")
    assert [each["order_id"] for each in json.loads(out)["selected"]] == [failed, withdrawn]
    _, out, _ = orders("sweep", "--status", "PAYED")
    assert "1 of them may be renewals that wait to be submitted; deleting a renewal frees no quota." in out
    assert (state_of(service, failed), state_of(service, withdrawn)) == (State.VERIFY_FAIL, State.PENDING_APPLICATION)


def test_sweep_with_yes_does_it(service, orders, tmp_path):
    ids = [order_in(service, State.VERIFY_FAIL) for _ in range(3)]
    status, out, err = orders("sweep", "--yes", "--journal", tmp_path / "journal.jsonl")
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == "deleted: 3, left: 0, quota freed: 3"
    assert {state_of(service, order) for order in ids} == {State.DELETED}


def test_what_is_left_is_said_and_exits_1(service, orders):
    order_id = order_in(service, State.ISSUED)
    status, out, _ = orders("sweep", "--yes", "--status", "issued", "--json")
    assert status == 1
    answer = json.loads(out)
    assert (answer["deleted"], answer["freed"], answer["left"][0]["order_id"]) == ([], 0, order_id)
    _, out, _ = orders("sweep", "--yes", "--status", "issued")
    assert f"left: {order_id}: deleted cannot be reached" in out


def test_sweep_of_old_orders_only(service, orders):
    order_id = order_in(service, State.VERIFY_FAIL)
    assert orders("sweep", "--yes", "--older-than", "7d")[1] == "0 orders\ndeleted: 0, left: 0, quota freed: 0\n"
    assert state_of(service, order_id) is State.VERIFY_FAIL


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["sweep", "--older-than", "a week"], "duration 'a week': expected a number and s, m, h, d or w, such as 7d"),
        (["sweep", "--status", "faild"], "state 'faild'"),
        (["sweep", "--rate", "0"], "rate 0.0: expected calls a second, more than 0"),
        (["sweep", "--concurrency", "0"], "0 is not in the range"),
        (["show", "x"], "'x' is not a valid integer"),
        (["delete", "0"], "0 is not in the range"),
        (["delete"], "ORDER_ID"),
    ],
    ids=str,
)
def test_bad_input_exits_2_with_one_line(orders, arguments, named):
    status, out, err = orders(*arguments)
    assert (status, out) == (2, "")
    assert named in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("endpoint", ["ftp://x", "http://", "https://host/path", "http://user:pw@host"])
def test_an_endpoint_that_is_none_is_named(endpoint):
    with pytest.raises(InvalidValue, match=r"endpoint .* expected a host"):
        connect(endpoint)


def test_a_service_that_is_not_there_is_one_line(orders):
    status, out, err = orders("list", endpoint="http://127.0.0.1:1")
    assert (status, out) == (2, "")
    assert err.startswith("orderfsm: the service: no answer")
    assert err.count("\n") == 1


def test_a_service_that_forbids_it_is_one_line(service, orders):
    service.add_fault(Fault(code="Forbidden.RAM", status=403))
    status, out, err = orders("list")
    assert (status, out) == (2, "")
    assert err.startswith("orderfsm: the service: Forbidden.RAM: code: 403")
    assert err.count("\n") == 1


def test_no_credentials_is_one_line(server, tmp_path):
    environment = {"HOME": str(tmp_path), "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}
    command = [sys.executable, "-m", "orderfsm.cli", "orders", "--endpoint", server.api, "list"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("orderfsm: no credentials: set ALIBABA_CLOUD_ACCESS_KEY_ID and ")
    assert done.stderr.count("\n") == 1
