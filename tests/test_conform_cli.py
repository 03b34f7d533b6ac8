"""`orderfsm conform`: what it prints, and how it exits."""

from __future__ import annotations

import json
import random
import re
import socket
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

pytest.importorskip("click", reason="the extra `cli` is not installed")
pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")

from orderfsm import ORDER_LIFECYCLE, State
from orderfsm.cli import main
from orderfsm.mock import Service, mock_cas

PAIRS = len(ORDER_LIFECYCLE.state_rules) * len(ORDER_LIFECYCLE.trigger_rules)
CANCEL = ORDER_LIFECYCLE.transition(State.PENDING_REVIEW, "CancelOrderRequest")


@pytest.fixture
def conform(capsys):
    """The exit status, standard output and standard error of `orderfsm conform`."""

    def run(*arguments):
        status = main(["conform", *arguments])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


@pytest.fixture(scope="module")
def broken():
    """A mock that refuses to cancel what is pending review."""
    with mock_cas(Service(lifecycle=ORDER_LIFECYCLE.without(CANCEL), random=random.Random(1))) as server:
        server.service.put_package(
            "digicert-free-1-free", 10**6
        )  # it keeps the units of orders that it does not cancel
        yield server


def test_the_mock_conforms_and_exits_0(server, conform):
    status, out, err = conform(server.api, "--random", "1", "--concurrent", "2x5", "--seed", "7", "--budget", "300s")
    assert (status, err) == (0, "")
    assert out.splitlines()[-2] == "seed: 7"
    assert f"of {PAIRS} pairs 40 passed, 0 failed, {PAIRS - 40} not forced" in out
    assert out.splitlines()[-1].startswith(f"{PAIRS - 40} pairs were not forced; --control URL names a control port")


@pytest.mark.long
def test_with_a_control_port_every_pair_is_tried(server, conform):
    status, out, err = conform(server.api, "--control", server.control, "--seed", "7", "--budget", "300s")
    assert (status, err) == (0, "")
    assert f"of {PAIRS} pairs {PAIRS} passed, 0 failed, 0 not forced" in out


def test_a_violation_exits_1_and_its_program_is_written_if_it_is_asked_for(broken, conform, tmp_path):
    arguments = [broken.api, "--random", "0", "--budget", "300s", "--only", "pending_review", "--only", "cancel"]
    status, out, err = conform(*arguments)
    assert (status, err) == (1, "")
    assert out.startswith("CancelOrderRequest in pending_review: expected accepted, got OrderStateError (HTTP 403)\n")
    assert out.endswith("with --repro DIR, each violation is written to a file, as a program\n")
    assert "import" not in out
    out = conform(*arguments, "--repro", str(tmp_path / "new"))[1]
    [program] = (tmp_path / "new").iterdir()
    assert program.name == "cancel_in_pending_review_state_machine.py"
    assert out.endswith(f"a violation as a program: {program}\n")
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, timeout=300, check=False, env={}
    )
    *_, cancelled, expected = done.stdout.splitlines()
    assert re.fullmatch(r"cancel_order_request\(.*\): OrderStateError \(HTTP 403\)", cancelled)
    assert expected == "expected of the last answer: accepted"


def test_what_a_baseline_names_is_told_apart_and_does_not_decide(broken, conform, tmp_path):
    baseline = tmp_path / "known.json"
    arguments = [broken.api, "--random", "2", "--budget", "300s", "--only", "pending_review", "--only", "cancel"]
    assert conform(*arguments, "--write-baseline", str(baseline))[0] == 1
    known = {"state": "pending_review", "trigger": "CancelOrderRequest", "kind": "state machine"}
    assert json.loads(baseline.read_text()) == {"known": [known]}
    status, out, _ = conform(*arguments, "--baseline", str(baseline), "--json")
    document = json.loads(out)
    assert (status, document["verdict"], document["violations"], document["known"]) == (0, "conforms", [], [known])
    assert {"state": "pending_review", "trigger": "CancelOrderRequest", "result": "failed"} in document["coverage"]
    out = conform(*arguments, "--baseline", str(baseline))[1]
    assert "known before: CancelOrderRequest in pending_review (state machine)\n" in out


def test_what_is_left_out_is_not_tried(broken, conform):
    arguments = [broken.api, "--random", "2", "--budget", "300s", "--only", "CHECKING"]
    document = json.loads(conform(*arguments, "--exclude", "cancel", "--json")[1])
    assert {each["state"] for each in document["coverage"]} == {"pending_review", "being_reviewed"}
    assert "CancelOrderRequest" not in {each["trigger"] for each in document["coverage"]}
    assert document["violations"] == []


def test_what_a_baseline_names_and_is_not_found_any_more_is_said(server, conform, tmp_path):
    baseline = tmp_path / "known.json"
    keys = [
        {"state": "pending_review", "trigger": "CancelOrderRequest", "kind": "state machine"},
        {"state": "issued", "trigger": "DeleteCertificateRequest", "kind": "codes"},
    ]
    baseline.write_text(json.dumps({"known": keys}))
    only = ["--only", "pending_review", "--only", "cancel", "--random", "0", "--budget", "300s"]
    arguments = [server.api, *only, "--baseline", str(baseline)]
    status, out, _ = conform(*arguments)
    assert status == 0
    assert "known before, and not found any more: CancelOrderRequest in pending_review (state machine)\n" in out
    assert "issued" not in out, "it was not looked for"
    assert json.loads(conform(*arguments, "--json")[1])["vanished"] == keys[:1]


def test_files_for_other_tools_are_written_into_folders_that_need_not_be_there(broken, conform, tmp_path):
    har, junit = tmp_path / "new" / "violations.har", tmp_path / "other" / "tests.xml"
    arguments = [broken.api, "--random", "0", "--budget", "300s", "--only", "pending_review", "--only", "cancel"]
    status, out, err = conform(*arguments, "--har", str(har), "--junit", str(junit), "--curl")
    assert (status, err) == (1, "")
    assert "\n  order_1=$(curl -sS -X POST " in out
    urls = [entry["request"]["url"] for entry in json.loads(har.read_text())["log"]["entries"]]
    assert len(urls) == 2
    assert all(url.startswith(broken.api) for url in urls)
    assert [case.get("name") for case in ET.parse(junit).iter("testcase") if case.find("failure") is not None] == [
        "test_cancel_is_accepted_when_pending_review"
    ]


@pytest.mark.parametrize(
    ("text", "named"),
    [("[]", "known"), ("not json", "known.json"), ('{"known": [{"state": "x"}]}', "known.json")],
)
def test_a_baseline_that_is_none_is_named(conform, tmp_path, text, named):
    path = tmp_path / "known.json"
    path.write_text(text)
    status, out, err = conform("http://127.0.0.1:1", "--baseline", str(path))
    assert (status, out) == (2, "")
    assert named in err
    assert err.count("\n") == 1


def test_the_help_says_what_a_control_port_must_answer(conform):
    status, out, _ = conform("--help")
    assert status == 0
    for request in ("POST /reset", "PUT /packages/", "POST /orders/{OrderId}/events", "GET /orders/{OrderId}"):
        assert request in out


def test_json_is_one_document(broken, conform):
    status, out, err = conform(broken.api, "--random", "0", "--seed", "3", "--json", "--budget", "300s")
    document = json.loads(out)
    assert (status, err) == (1, "")
    assert set(document) >= {"verdict", "checked", "coverage", "violations", "seed"}
    assert (document["verdict"], document["seed"]) == ("violates", 3)
    assert document["checked"] > 100
    [violation] = document["violations"]
    assert set(violation) >= {"state", "trigger", "expected", "got", "calls"}
    assert (violation["state"], violation["trigger"]) == ("pending_review", "CancelOrderRequest")
    assert [call["call"] for call in violation["calls"]] == ["CreateCertificateRequest", "CancelOrderRequest"]


def test_what_cannot_be_decided_in_the_time_exits_3(server, conform):
    status, out, _ = conform(server.api, "--control", server.control, "--budget", "0.2", "--json")
    assert (status, json.loads(out)["verdict"]) == (3, "undecided")


def test_a_server_that_is_not_there_is_an_error_and_no_verdict(server, conform):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        without_scheme = nobody.removeprefix("http://")
        for urls in ((nobody,), (without_scheme,), (server.api, "--control", nobody)):
            status, out, err = conform(*urls)
            assert (status, out) == (2, "")
            assert err.startswith("orderfsm: ")
            assert nobody in err
            assert ("--control" in err) is (len(urls) > 1)
            assert err.count("\n") == 1


def test_a_server_is_found_without_a_scheme(server, conform):
    urls = [url.removeprefix("http://") for url in (server.api, server.control)]
    status, out, err = conform(urls[0], "--control", urls[1], "--random", "0", "--only", "deleted", "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)["checked"] > 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["nowhere://x"], "nowhere://x"),
        (["http://127.0.0.1:1", "--control", "ftp://x"], "ftp://x"),
        (["http://127.0.0.1:1", "--concurrent", "8"], "concurrent '8': expected CLIENTSxCALLS"),
        (["http://127.0.0.1:1", "--concurrent", "0x5"], "concurrent '0x5'"),
        (["http://127.0.0.1:1", "--budget", "soon"], "budget 'soon': expected a number of seconds"),
        (["http://127.0.0.1:1", "--budget", "0"], "budget '0'"),
        (["http://127.0.0.1:1", "--random", "-1"], "-1"),
        (["http://127.0.0.1:1", "--events", "some"], "some"),
        (["http://127.0.0.1:1", "--only", "delet"], "only 'delet': expected "),
        (["http://127.0.0.1:1", "--only", "issued", "--exclude", "ISSUED"], "exclude ['ISSUED']"),
        (["http://127.0.0.1:1", "--baseline", "/nonexistent/x"], "/nonexistent/x"),
        (["http://127.0.0.1:1", "--har", "/dev/null/x/y"], "/dev/null/x"),
        (["http://127.0.0.1:1", "--junit", "/tmp"], "'/tmp' is a directory"),
    ],
    ids=str,
)
def test_bad_input_is_named_and_exits_2(conform, arguments, named):
    status, out, err = conform(*arguments)
    assert (status, out) == (2, "")
    assert named in err
    assert err.count("\n") == 1


def test_keys_of_the_environment_sign_the_calls(conform, monkeypatch):
    with mock_cas(Service(keys={"me": "secret"})) as server:
        monkeypatch.setenv("ORDERFSM_ACCESS_KEYS", "me:secret,other:one")
        arguments = [server.api, "--control", server.control, "--random", "0", "--only", "cancel", "--json"]
        assert json.loads(conform(*arguments)[1])["violations"] == []
        for key, named in (("me:other", "SignatureDoesNotMatch"), ("me", "id:secret")):
            monkeypatch.setenv("ORDERFSM_ACCESS_KEYS", key)
            status, out, err = conform(*arguments)
            assert (status, out) == (2, "")
            assert named in err


def test_where_no_unit_is_left_for_an_order_nothing_is_proved(server, conform):
    server.service.put_package("digicert-free-1-free", 0)
    status, out, _ = conform(server.api, "--random", "1", "--json")
    document = json.loads(out)
    assert (status, document["verdict"]) == (3, "undecided")
    assert document["reason"] == "the package had no unit left for everything that was to be tried"
