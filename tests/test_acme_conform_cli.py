"""`orderfsm conform DIRECTORY --table acme`, and pytest with that table: options, verdicts, programs."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import pytest

pytest.importorskip("acme", reason="the extra `acme` is not installed")
pytest.importorskip("click", reason="the extra `cli` is not installed")
pytest.importorskip("hypothesis", reason="the extra `testing` is not installed")

from acme_server import AcmeServer
from acme_wire import serving
from suites import run_pytest

from orderfsm.cli import main

FEW = ("--random", "0", "--budget", "60s")


class Forgiving(AcmeServer):
    """It takes a second finalize."""

    FINALIZED_FROM = ("ready", "valid")


@pytest.fixture
def conform(capsys):
    """The exit status, standard output and standard error of `orderfsm conform --table acme`."""

    def run(*arguments, table="acme"):
        status = main(["conform", *arguments, "--table", table])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


@pytest.fixture
def port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return str(taken.getsockname()[1])


def test_a_right_server_conforms(conform, port):
    with serving(AcmeServer(issued_after=1), http_port=int(port)) as url:
        status, out, err = conform(url, "--http-port", port, *FEW, "--json")
    document = json.loads(out)
    assert (status, err, document["violations"]) == (0, "", [])
    assert (document["verdict"], document["table"]) == ("conforms", "acme")
    tried = {(each["state"], each["trigger"]) for each in document["coverage"] if each["result"] == "passed"}
    states = ("pending", "ready", "processing", "valid", "invalid")
    assert tried >= {(state, trigger) for state in states for trigger in ("finalize", "readOrder")}


def test_a_second_finalize_that_is_taken_is_found_and_its_program_runs(conform, port, tmp_path):
    limits = ("--only", "valid", "--only", "finalize")
    with serving(Forgiving(), http_port=int(port)) as url:
        status, out, err = conform(url, "--http-port", port, *FEW, *limits, "--repro", str(tmp_path))
        assert (status, err) == (1, "")
        assert out.startswith("finalize in valid: expected orderNotReady")
        assert "RFC 8555, section 7.4" in out
        [program] = [path for path in tmp_path.iterdir() if "valid" in path.name]
        done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, check=True)
    *_, again, expected = done.stdout.splitlines()
    assert again == "accepted"
    assert expected.startswith("expected of the last answer: orderNotReady")


def test_what_is_known_decides_nothing(conform, port, tmp_path):
    baseline = str(tmp_path / "known.json")
    limits = ("--only", "valid", "--only", "finalize", "--exclude", "revokeCert")
    with serving(Forgiving(), http_port=int(port)) as url:
        assert conform(url, "--http-port", port, *FEW, *limits, "--write-baseline", baseline)[0] == 1
        status, out, _ = conform(url, "--http-port", port, *FEW, *limits, "--baseline", baseline, "--json")
    assert (status, json.loads(out)["violations"]) == (0, [])


def test_clients_finalize_at_once(conform, port):
    with serving(AcmeServer(issued_after=1), http_port=int(port)) as url:
        arguments = (url, "--http-port", port, *FEW, "--only", "ready", "--json")
        alone, together = (conform(*arguments, *more) for more in ((), ("--concurrent", "2x10")))
    assert (together[0], together[2]) == (0, "")
    assert json.loads(together[1])["checked"] > json.loads(alone[1])["checked"] + 20


@pytest.mark.parametrize(
    ("table", "options", "said"),
    [
        ("acme", ["--control", "http://127.0.0.1:1"], "--control is for servers that speak CAS, and the table is acme"),
        ("orders", ["--ca", __file__], "--ca is for servers that speak ACME, and the table is orders"),
        ("instances", ["--http-port", "5002"], "--http-port is for servers that speak ACME, and the table is inst"),
        ("acme", [], "no ACME directory: "),
        ("acme", ["--ca", "nowhere.pem"], "ca 'nowhere.pem'"),
    ],
)
def test_what_does_not_fit_is_one_line(conform, port, table, options, said):
    given = [*options, *(["--http-port", port] if table == "acme" and "--control" not in options else [])]
    status, out, err = conform("http://127.0.0.1:1/directory", *given, table=table)
    assert (status, out) == (2, "")
    assert said in err
    assert err.startswith("orderfsm: ")
    assert err.count("\n") == 1


def test_a_port_for_http_01_that_is_taken_is_one_line(conform):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, out, err = conform("http://127.0.0.1:1/directory", "--http-port", str(port))
    assert (status, out) == (2, "")
    assert f"http-01 port 127.0.0.1:{port}: " in err
    assert err.count("\n") == 1


# -- pytest --orderfsm-endpoint DIRECTORY --orderfsm-table acme --------------------------------------------------------


def pytest_in(folder, *options):
    """What pytest says of a server: its exit status, its output, and what it says to its user."""
    done = run_pytest(folder, "-rA", "--orderfsm-table", "acme", *options)
    return done.returncode, done.stdout, done.stderr


def test_pytest_tries_an_acme_server(port, tmp_path):
    with serving(Forgiving(), http_port=int(port)) as url:
        where = ("--orderfsm-endpoint", url, "--orderfsm-http-port", port)
        status, out, _ = pytest_in(tmp_path, *where, "-k", "finalize and (pending or valid)")
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "PASSED orderfsm::test_finalize_is_refused_when_pending" in out
    assert "FAILED orderfsm::test_finalize_is_refused_when_valid" in out
    assert "finalize in valid: expected orderNotReady (HTTP 403), got accepted" in out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--orderfsm-endpoint", "http://127.0.0.1:1/d"],
            "--orderfsm-endpoint: http://127.0.0.1:1/d: no ACME directory",
        ),
        (
            ["--orderfsm-endpoint", "http://127.0.0.1:1/d", "--orderfsm-control", "http://127.0.0.1:1"],
            "--orderfsm-control is for servers that speak CAS, and the table is acme",
        ),
    ],
)
def test_pytest_says_what_does_not_fit(port, tmp_path, options, said):
    status, out, err = pytest_in(tmp_path, *options, "--orderfsm-http-port", port)
    assert status == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: {said}" in err
    assert "Traceback" not in out + err


def test_a_har_file_has_the_requests_and_there_are_no_curl_lines_for_them(conform, port, tmp_path):
    file = tmp_path / "violations.har"
    with serving(Forgiving(), http_port=int(port)) as url:
        only = ("--only", "valid", "--only", "finalize", "--har", str(file), "--curl")
        status, out, err = conform(url, "--http-port", port, *FEW, *only)
    assert (status, err) == (1, "")
    assert "no curl lines where requests were made at once, or are signed for one use, as those of ACME\n" in out
    assert "curl -sS" not in out
    first, *_, last = json.loads(file.read_text())["log"]["entries"]
    assert first["comment"].endswith(": 1. newOrder(order=1): pending")
    assert last["comment"].endswith(": 4. finalize(order=1): valid")
    assert json.loads(last["request"]["postData"]["text"])["signature"] == "HIDDEN"
