"""The command line asks the table of ACME orders; where it is not offered, one line says so."""

from __future__ import annotations

import json

import pytest

from orderfsm import InvalidValue
from orderfsm.tables.acme import LIFECYCLE

pytest.importorskip("click", reason="the extra `cli` is not installed")

from orderfsm.cli import main
from orderfsm.export import FORMATS, exported


@pytest.fixture
def run(capsys):
    """Run a command line with the table: the exit status, standard output and standard error."""

    def run(line, *, json_too=False):
        status = main([*line.split(), "--table", "acme", *(["--json"] if json_too else [])])
        said = capsys.readouterr()
        return status, json.loads(said.out) if json_too and said.out else said.out, said.err

    return run


@pytest.mark.parametrize(
    ("line", "status", "verdict"),
    [
        ("check finalize --state ready", 0, "legal"),
        ("check finalize --state pending", 1, "illegal"),
        ("check finalize --state valid", 1, "illegal"),
        ("check deactivateAuthorization --state valid", 3, "undecided"),
        ("check new_order --state pending", 3, "undecided"),
        ("check new_order --state none", 0, "legal"),
    ],
)
def test_a_check_answers_by_the_rfc(run, line, status, verdict):
    found, document, err = run(line, json_too=True)
    assert (found, document["verdict"], document["table"], err) == (status, verdict, "acme", "")
    assert run(line)[0] == status


def test_whoever_may_not_finalize_is_told_what_to_wait_for(run):
    assert run("explain finalize --state pending")[1].splitlines() == [
        "pending: illegal",
        "  why:      finalize is not allowed in pending, only in ready.",
        "  source:   documented MUST, RFC 8555, section 7.4",
        "  allowed:  deactivateAuthorization",
        "  instead:  wait for all_authorizations_valid (ca), then finalize",
    ]
    said = run("explain finalize --state pending", json_too=True)[1]
    assert json.dumps(said).count('"strength": "MUST"') == 1


def test_a_processing_order_is_waited_for_and_not_finalized_again(run):
    out = run("plan --from processing --to valid --events")[1]
    assert out == "1. issued: processing -> valid  (wait: ca)\n"
    out = run("plan --from pending --to valid --events", json_too=True)[1]
    assert [step["trigger"] for step in out["steps"]] == ["all_authorizations_valid", "finalize", "issued"]


def test_the_table_says_at_once_what_may_be_refused_and_with_which_word(run):
    lines = {tuple(line.split()[:2]): line for line in run("table")[1].splitlines()}
    assert "pending, or ready at once, may be refused  documented " in lines["none", "newOrder"]
    assert "processing, or valid at once  " in lines["ready", "finalize"]
    assert "documented SHOULD  RFC 8555, section 7.4" in lines["pending", "expired"]
    assert "valid, edited, may be refused " in lines["valid", "revokeCert"]


@pytest.mark.parametrize("form", FORMATS)
def test_every_form_is_written(run, form):
    status, out, err = run(f"export {form}")
    assert (status, out, err) == (0, exported(form, LIFECYCLE), "")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("serve", "table 'acme': expected one of the CAS API's operations: over HTTP no other is served"),
        ("drift", "lifecycle 'acme': expected a table of the CAS API, whose SDK is compared; that has no newOrder"),
        ("check finalize --state deactivated", "state 'deactivated': expected none, pending, ready, processing, valid"),
        ("check cancel --state ready", "trigger 'cancel': expected new_order, read_order, finalize"),
    ],
)
def test_what_is_not_offered_is_said_in_one_line(run, line, said):
    status, out, err = run(line)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"orderfsm: {said}")


def test_the_mock_server_serves_no_acme():
    pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
    from orderfsm.mock import Service

    with pytest.raises(
        InvalidValue, match="table 'acme': expected one of the CAS API's operations: over HTTP no other"
    ):
        Service(lifecycle=LIFECYCLE)


def test_the_client_is_the_certificate_services():
    sdk = pytest.importorskip("alibabacloud_cas20200407.client", reason="the extra `client` is not installed")
    from alibabacloud_tea_openapi.models import Config

    from orderfsm.client import guard, observe, sweep, wait

    client = sdk.Client(Config(access_key_id="a", access_key_secret="b", endpoint="127.0.0.1:9"))
    url = LIFECYCLE.identity.new(7)
    for ask in (
        lambda: guard(client, lifecycle=LIFECYCLE),
        lambda: observe(client, url, lifecycle=LIFECYCLE),
        lambda: wait(client, url, until="ready", lifecycle=LIFECYCLE),
        lambda: sweep(client, lifecycle=LIFECYCLE),
    ):
        with pytest.raises(
            InvalidValue, match=r"^lifecycle 'acme': expected a table whose operations the client of \S+ has"
        ):
            ask()


def test_there_is_no_sdk_to_compare_it_with():
    pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
    from orderfsm.drift import drift

    with pytest.raises(
        InvalidValue, match=r"^lifecycle 'acme': expected a table of the CAS API, whose SDK is compared"
    ):
        drift(lifecycle=LIFECYCLE)


def test_action_trail_delivers_no_acme_orders(tmp_path):
    pytest.importorskip("duckdb", reason="the extra `duckdb` is not installed")
    from orderfsm.audit import audit

    event = {
        "eventId": "a",
        "eventTime": "2026-08-05T06:10:01Z",
        "eventName": "CreateCertificateRequest",
        "serviceName": "Cas",
        "eventVersion": 1,
    }
    file = tmp_path / "trail.json"
    file.write_text(json.dumps(event), encoding="utf-8")
    with pytest.raises(InvalidValue, match="this is a delivery of ActionTrail, which has no orders of the table acme"):
        audit(file, lifecycle=LIFECYCLE)
