"""`orderfsm orders`: what it prints, how it exits, and what it leaves alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
pytest.importorskip("click", reason="the extra `cli` is not installed")
pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from between import Behind, Between, acceptance
from orders import call, order_in, state_of

from orderfsm import InvalidValue, Operation, State
from orderfsm.cli import main
from orderfsm.client.connect import connect
from orderfsm.mock import Fault


@pytest.fixture
def orders(server, capsys):
    """The exit status, standard output and standard error of `orderfsm orders`."""

    def run(*arguments, endpoint=server.api):
        status = main(["orders", "--endpoint", endpoint, *map(str, arguments)])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


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


def test_list_of_no_orders_is_its_header(orders):
    assert orders("list") == (0, "ORDER  STATUS  DOMAIN  PRODUCT  DATE\n", "")
    assert json.loads(orders("list", "--json")[1]) == {"orders": []}


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


def test_the_endpoint_may_stand_before_or_after_the_command(server, service, capsys):
    order_id = order_in(service, State.VERIFY_FAIL)
    for line in (["--endpoint", server.api, "list"], ["list", "--endpoint", server.api, "--region", "cn-beijing"]):
        assert main(["orders", *line]) == 0
        assert str(order_id) in capsys.readouterr().out


def test_show_of_no_order_exits_1(orders):
    status, out, _ = orders("show", 7)
    assert status == 1
    assert "read as:  NotFoundOrder" in out
    assert "allowed:  nothing that changes anything" in out
    assert "Create" not in out
    status, out, _ = orders("show", 7, "--json")
    assert (status, json.loads(out)) == (
        1,
        {"order_id": 7, "read": "NotFoundOrder", "states": [None, "deleted"], "allowed": [], "perhaps_allowed": []},
    )


def test_show_says_what_is_perhaps_allowed_if_a_read_leaves_several_states(service, orders):
    """The list, which would tell more, cannot be read."""
    order_id = order_in(service, State.ISSUED)
    service.add_fault(Fault(operation=Operation.LIST, code="Forbidden.RAM", status=403))
    status, out, _ = orders("show", order_id)
    assert status == 0
    assert out.splitlines()[1:] == [
        "read as:  certificate",
        "state:    issued or about_to_expire or expired or revoked",
        "allowed:  nothing that changes anything",
        "perhaps:  CancelCertificateForPackageRequest, RenewCertificateOrderForPackageRequest",
    ]


def test_cancel_then_delete(service, orders):
    order_id = order_in(service, State.BEING_REVIEWED)
    status, out, _ = orders("delete", order_id)
    assert (status, state_of(service, order_id)) == (1, State.BEING_REVIEWED)
    assert out.startswith(f"{order_id}: DeleteCertificateRequest is not allowed in being_reviewed")
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


@pytest.mark.parametrize("code", ["DeleteFail", "Forbidden.RAM", "Throttling.User"])
def test_what_was_done_is_said_although_the_next_order_fails(service, orders, code):
    """For whatever reason: of a call that changed something, the answer is never swallowed."""
    ids = [order_in(service, State.VERIFY_FAIL) for _ in range(3)]
    service.add_fault(Fault(operation=Operation.DELETE, order_id=ids[1], code=code, status=403))
    status, out, err = orders("delete", *ids, "--json")
    answers = json.loads(out)["orders"]
    assert (status, err) == (1, "")
    assert [(each["order_id"], each["outcome"]) for each in answers] == list(
        zip(ids, ["accepted", "refused", "accepted"], strict=True)
    )
    assert answers[1]["code"] == code
    assert answers[1]["reason"].startswith(f"the service: {code}: code: 403")
    assert "\n" not in answers[1]["reason"]


def test_a_call_that_was_lost_and_not_carried_out_is_said_so(service, orders):
    order_id = order_in(service, State.VERIFY_FAIL)
    service.add_fault(Fault(operation=Operation.DELETE, transport="reset"))
    status, out, _ = orders("delete", order_id)
    assert status == 1
    assert out.startswith(f"{order_id}: the service: no answer (")
    assert out.endswith(f": DeleteCertificateRequest of order {order_id} was sent 4 times, and was not carried out\n")


def test_a_deletion_of_which_nothing_is_known_exits_3(service, orders):
    refused, lost = order_in(service, State.BEING_REVIEWED), order_in(service, State.VERIFY_FAIL)
    service.add_fault(Fault(operation=Operation.DELETE, transport="reset", when="after"))
    service.add_fault(Fault(operation=Operation.DESCRIBE, order_id=lost))
    service.add_fault(Fault(operation=Operation.LIST))
    status, out, err = orders("delete", refused, lost)
    assert (status, err) == (3, "")
    assert f"{lost}: whether DeleteCertificateRequest of order {lost} was carried out is unknown" in out


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


def test_a_sweep_shows_its_progress_on_a_terminal(service, server):
    pty = pytest.importorskip("pty", reason="needs a pseudo-terminal")
    for _ in range(3):
        order_in(service, State.VERIFY_FAIL)
    terminal, its_end = pty.openpty()
    command = [sys.executable, "-m", "orderfsm.cli", "orders", "--endpoint", server.api, "sweep", "--yes", "--json"]
    with os.fdopen(terminal, "rb", buffering=0) as shown:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=its_end, timeout=300, check=True)
        os.close(its_end)
        progress = shown.read(65536).decode()
    assert json.loads(done.stdout)["freed"] == 3
    assert "gone: 3" in progress
    assert "None" not in progress


def test_an_interrupted_sweep_goes_on_from_its_journal(service, orders, tmp_path):
    """With the selection of the sweep that began it, and what is in the journal is not done again."""
    journal = tmp_path / "journal.jsonl"
    first = order_in(service, State.VERIFY_FAIL)
    assert orders("sweep", "--yes", "--journal", journal)[0] == 0
    order_in(service, State.VERIFY_FAIL)
    between = Between(service)
    status, out, _ = orders("sweep", "--yes", "--journal", journal, "--json")
    answer = json.loads(out)
    assert (status, answer["deleted"], answer["left"]) == (0, [first], [])
    assert between.arrived == []


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


def test_what_somebody_else_deleted_meanwhile_is_not_counted_as_freed(service, orders, tmp_path):
    """As by another sweep: it is gone when this one comes to it."""
    ids = [order_in(service, State.VERIFY_FAIL) for _ in range(2)]
    between = Between(service)
    between.after_read = lambda: call(Behind(between), Operation.DELETE, OrderId=ids[0])
    status, out, _ = orders("sweep", "--yes", "--concurrency", "1")
    assert status == 0
    assert out.splitlines()[-2:] == [
        f"gone already, so that this sweep freed nothing by them: {ids[0]}",
        "deleted: 2, left: 0, quota freed: 1",
    ]


@pytest.mark.parametrize("yes", [["--yes"], []])
def test_a_journal_that_is_none_is_one_line(service, orders, tmp_path, yes):
    """A device that has no end, another filter's, and one whose selection was cut."""
    journal = tmp_path / "journal.jsonl"
    order_in(service, State.VERIFY_FAIL)
    assert orders("sweep", "--yes", "--journal", journal)[0] == 0
    assert "expected a file" in one_line(orders("sweep", *yes, "--journal", "/dev/zero"))
    assert "expected a journal of" in one_line(orders("sweep", *yes, "--journal", journal, "--status", "payed"))
    journal.write_bytes(journal.read_bytes().splitlines(keepends=True)[0])
    assert "expected its whole selection, 1 orders, and not 0" in one_line(orders("sweep", *yes, "--journal", journal))


def one_line(answer):
    """The line on standard error with which a command refused bad input."""
    status, out, err = answer
    assert (status, out, err.count("\n")) == (2, "", 1)
    return err


def test_sweep_of_old_orders_only(service, server, orders):
    """Nothing to do is said with what was looked for, and where: it may be the wrong region."""
    order_id = order_in(service, State.VERIFY_FAIL)
    host = server.api.removeprefix("http://")
    assert orders("sweep", "--yes", "--older-than", "7d")[1] == (
        f"0 orders in verify_fail, at least 604800 s old, at {host}\ndeleted: 0, left: 0, quota freed: 0\n"
    )
    assert state_of(service, order_id) is State.VERIFY_FAIL


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["sweep", "--older-than", "a week"], "duration 'a week': expected a number and s, m, h, d or w, such as 7d"),
        (["sweep", "--status", "faild"], "state 'faild'"),
        (["sweep", "--status", "none"], "state 'none': expected pending_application, "),
        (["list", "--status", "none"], "state 'none': expected pending_application, "),
        (["sweep", "--older-than", "7"], "duration '7': expected a number and s, m, h, d or w, such as 7d"),
        (["sweep", "--rate", "0"], "rate 0.0: expected calls a second, more than 0"),
        (["sweep", "--rate", "nan"], "rate nan: expected calls a second, more than 0"),
        (["sweep", "--yes", "--json", "--journal", "no/such/directory"], "No such file or directory"),
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


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "ftp://x",
        "http://",
        "http://:80",
        "http://[",
        "http://host:port",
        "http://host:65536",
        "two hosts",
        "https://host/path",
        "https://host?query",
        "https://host#fragment",
        "http://user:pw@host",
        "http://:pw@host",
        "user:p@pw@host",
        "http://user:p://pw@host",
    ],
)
def test_an_endpoint_that_is_none_is_named_without_a_password(endpoint):
    with pytest.raises(InvalidValue, match=r"endpoint .* expected a host") as caught:
        connect(endpoint)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("line", ["list", "show 7", "sweep", "sweep --yes --json"])
def test_a_service_that_is_not_there_is_one_line(orders, line):
    status, out, err = orders(*line.split(), endpoint="http://127.0.0.1:1")
    assert (status, out) == (2, "")
    assert err.startswith("orderfsm: the service: no answer (")
    assert err.endswith("Connection refused\n")
    assert err.count("\n") == 1


def test_a_service_that_forbids_it_is_one_line(service, orders):
    service.add_fault(Fault(code="Forbidden.RAM", status=403))
    status, out, err = orders("list")
    assert (status, out) == (2, "")
    assert err.startswith("orderfsm: the service: Forbidden.RAM: code: 403")
    assert err.count("\n") == 1


def test_no_credentials_is_one_line(server, tmp_path):
    """The SDK logs each source that fails with a traceback, as here one that does not answer."""
    environment = {
        "HOME": str(tmp_path),
        "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
        "ALIBABA_CLOUD_CREDENTIALS_URI": "http://127.0.0.1:1",
    }
    command = [sys.executable, "-m", "orderfsm.cli", "orders", "--endpoint", server.api, "list"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("orderfsm: no credentials: set ALIBABA_CLOUD_ACCESS_KEY_ID and ")
    assert done.stderr.count("\n") == 1
