"""`orderfsm serve` as a program: it says where it is, serves, and ends cleanly."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from textwrap import indent
from urllib.parse import urlsplit

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("click", reason="the extra `cli` is not installed")

from suites import run_pytest

from orderfsm import InvalidValue
from orderfsm.mock.http.serve import Settings, access_keys
from orderfsm.mock.http.snippets import snippets

PROGRAM = [sys.executable, "-m", "orderfsm.cli", "serve"]


@contextlib.contextmanager
def served(*arguments, **environment):
    """A running server: its process, and its two URLs."""
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        ready = json.loads(process.stdout.readline())
        yield process, ready
    finally:
        process.terminate()
        process.communicate(timeout=300)


def ask(url, method, path, body=None, action=None):
    """Status and JSON of a request."""
    parts = urlsplit(url)
    headers = {"x-acs-version": "2020-04-07", "x-acs-action": action} if action else {}
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=300)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text else None
    finally:
        connection.close()


def create(url):
    return ask(url, "POST", "/?Domain=example.com", action="CreateCertificateForPackageRequest")


def test_the_first_line_says_where_and_sigterm_ends_it_cleanly():
    with served() as (process, ready):
        assert set(ready) == {"api", "control"}
        status, answer = create(ready["api"])
        assert status == 200
        assert ask(ready["control"], "GET", f"/orders/{answer['OrderId']}")[1]["State"] == "pending_review"
        process.send_signal(signal.SIGTERM)
        said, complained = process.communicate(timeout=300)
        assert (process.returncode, said) == (0, "")
        assert complained == (
            "orderfsm: every access key and signature is accepted; ORDERFSM_ACCESS_KEYS names those to verify\n"
        )


def test_on_a_terminal_it_also_says_where_the_dashboard_is_and_how_to_call_it():
    ours, its = os.openpty()
    command = [*PROGRAM, "--package", "p=1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=its, text=True) as process:
        os.close(its)
        ready = json.loads(process.stdout.readline())
        said = ""
        while "Ctrl-C" not in said:
            said += os.read(ours, 65536).decode()
        process.terminate()
        assert process.communicate(timeout=300)[0] == ""
    os.close(ours)
    said = said.replace("\r\n", "\n")
    assert f"\nDashboard: {ready['control']}\n" in said
    for language, program in snippets(ready["api"]).items():
        assert f"\n{language}:\n{indent(program, '  ')}\n" in said


@pytest.mark.parametrize(("options", "status"), [((), 403), (("--expose-control",), 200)], ids=str)
def test_the_control_port_is_reached_by_a_containers_name_if_it_is_exposed(options, status):
    with served(*options) as (_, ready):
        parts = urlsplit(ready["control"])
        with contextlib.closing(http.client.HTTPConnection(parts.hostname, parts.port, timeout=300)) as connection:
            connection.request("GET", "/health", headers={"Host": "mock:8080"})
            assert connection.getresponse().status == status


def test_with_access_keys_an_unsigned_call_is_turned_away():
    with served(ORDERFSM_ACCESS_KEYS="id:secret") as (process, ready):
        status, answer = create(ready["api"])
        assert (status, answer["Code"]) == (400, "MissingSignature")
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=300) == ("", "")
        assert process.returncode == 0


def test_packages_and_reviews_are_as_told():
    with served("--package", "p=1", "--review", "at-once", "--reject-share", "1", "--seed", "1") as (_, ready):
        query = "/?Domain=example.com&ProductCode=p"
        status, answer = ask(ready["api"], "POST", query, action="CreateCertificateForPackageRequest")
        assert status == 200
        assert ask(ready["control"], "GET", f"/orders/{answer['OrderId']}")[1]["State"] == "verify_fail"
        assert (
            ask(ready["api"], "POST", query, action="CreateCertificateForPackageRequest")[1]["Code"] == "NotRemainCount"
        )


def test_two_workers_serve_one_database_that_outlives_them(tmp_path):
    database = f"sqlite:///{tmp_path}/orders.db"
    with served("--database", database, "--workers", "2") as (_, ready):
        ids = [create(ready["api"])[1]["OrderId"] for _ in range(10)]
        assert len(set(ids)) == 10
        assert ask(ready["control"], "POST", "/clock", {"advance": 60})[0] == 200
        assert ask(ready["control"], "POST", "/faults", {"Times": 3})[0] == 201
        assert [create(ready["api"])[0] for _ in range(5)] == [500, 500, 500, 200, 200]
    with served("--database", database) as (_, ready):
        assert ask(ready["control"], "GET", "/health")[1] == {"status": "ok", "orders": 12}
        assert create(ready["api"])[1]["OrderId"] > max(ids)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers", "2"], "workers 2: expected 1, more, on one --database"),
        (["--control-host", "0.0.0.0"], "control host '0.0.0.0': expected a loopback address"),
        (["--package", "p"], "package 'p': expected CODE=N"),
        (["--review", "soon"], "review 'soon': expected manual, at-once, after=SECONDS, reads=N"),
        (["--port", "70000"], "70000"),
        (["--host", "not a host"], "cannot listen on not a host"),
        (["--database", "nonsense"], "nonsense"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_exit_2(arguments, message):
    done = subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, timeout=300, check=False)
    complaint = [line for line in done.stderr.splitlines() if "is accepted" not in line]
    assert (done.returncode, done.stdout, len(complaint)) == (2, "", 1)
    assert message in complaint[0]


def test_a_taken_port_is_one_clear_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run([*PROGRAM, "--port", str(port)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"orderfsm: cannot listen on 127.0.0.1 port {port}: Address already in use"


def test_access_keys_are_pairs_and_a_bad_one_is_named_by_its_place():
    assert access_keys("a:b,c:d:e") == {"a": "b", "c": "d:e"}
    assert access_keys("") == {}
    with pytest.raises(InvalidValue, match="entry 2") as caught:
        access_keys("a:b,secret-without-id")
    assert "secret-without-id" not in str(caught.value)


@pytest.mark.parametrize("text", ["a:secret,b:x,a:secret2", "a:secret,b:x, a:secret"])
def test_an_access_key_id_that_is_given_twice_is_an_error_that_shows_no_secret(text):
    with pytest.raises(InvalidValue, match=r"entry 3.*: expected an id that no entry before it has") as caught:
        access_keys(text)
    assert "secret" not in str(caught.value)


def test_settings_do_not_show_the_password_of_the_database():
    assert "secret" not in repr(Settings(database="postgresql://u:secret@127.0.0.1/d"))


# -- the pytest fixture ------------------------------------------------------------------------------------------------

FIXTURE_TEST = """
import sys

def test_nothing_heavy_is_loaded_until_the_fixture_is_used():
    assert not {"starlette", "uvicorn", "cryptography", "sqlalchemy", "orderfsm.mock.cas.service"} & set(sys.modules)

def test_it_is_a_mock(mock_cas):
    from urllib.request import urlopen
    assert urlopen(mock_cas.control + "/health").status == 200
"""


def run_fixture_test(path, **how):
    (path / "test_it.py").write_text(FIXTURE_TEST)
    return run_pytest(path, **how)


def test_the_fixture_is_there_for_everybody_and_heavy_for_nobody(tmp_path):
    done = run_fixture_test(tmp_path, installed=True)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_the_fixture_takes_a_running_one_that_the_environment_names(tmp_path, server):
    created = create(server.api)[1]["OrderId"]
    done = run_fixture_test(tmp_path, ORDERFSM_CAS_ENDPOINT=server.api, ORDERFSM_CAS_CONTROL=server.control)
    assert done.returncode == 0, done.stdout
    assert ask(server.control, "GET", f"/orders/{created}")[0] == 404  # it was reset before the test
