"""`orderfsm run`: a program that nobody edits calls the mock, and so do those that it starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("click", reason="the extra `cli` is not installed")
pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")

from orderfsm.cli import main
from orderfsm.cli.run import SITE
from orderfsm.mock import mock_cas
from orderfsm.mock.sdk import redirect

PROGRAM = """
import sys
from alibabacloud_cas20200407 import client, models
from alibabacloud_credentials.client import Client as CredentialClient
from alibabacloud_tea_openapi.models import Config

cas = client.Client(Config(credential=CredentialClient(), region_id="cn-hangzhou"))
request = models.CreateCertificateForPackageRequestRequest(domain="example.com")
print(cas.create_certificate_for_package_request(request).body.order_id, "orderfsm" in sys.modules)
"""
LIST = """
import requests
headers = {"x-acs-version": "2020-04-07", "x-acs-action": "ListUserCertificateOrder"}
print(requests.post("https://cas.aliyuncs.com/", headers=headers, timeout=60).json()["TotalCount"])
"""


@pytest.fixture
def run(monkeypatch, capfd):
    """Runs `orderfsm run` in this process: its exit status, and what was said to both streams."""
    for name in (*redirect.ACCESS_KEY, redirect.ENDPOINT, redirect.PASSTHROUGH, redirect.KEYS):
        monkeypatch.delenv(name, raising=False)

    def ran(*arguments, **environment):
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            status = main(["run", *arguments])
        said = capfd.readouterr()
        return status, said.out.strip(), said.err.strip()

    return ran


def test_a_program_that_nobody_edits_creates_its_order_at_the_mock(run):
    said = run("--package", "p=1", "--", sys.executable, "-c", PROGRAM, ORDERFSM_ACCESS_KEYS="id:secret")
    assert said == (0, "100000001 False", "")


def test_the_mock_of_its_own_takes_the_settings_of_serve(run):
    asking = """
import os, requests
said = requests.get(os.environ["ORDERFSM_CAS_CONTROL"] + "/domains", timeout=60).json()
print([each["DomainName"] for each in said["Domains"]])
"""
    status, out, _ = run("--validate", "dns", "--domain", "example.com", "--", sys.executable, "-c", asking)
    assert (status, out) == (0, "['example.com']")


def test_a_mock_that_runs_already_is_named_by_an_option_or_by_the_environment(run):
    with mock_cas() as server:
        server.order(count=3)
        assert run("--endpoint", server.api, sys.executable, "-c", LIST) == (0, "3", "")
        assert run(sys.executable, "-c", LIST, ORDERFSM_CAS_ENDPOINT=server.api.removeprefix("http://")) == (0, "3", "")
        status, _, error = run("--endpoint", server.api, "--review", "at-once", "true")
        assert (status, error) == (
            2,
            f"orderfsm: --package, --review, --validate and --domain {server.api!r}: "
            "expected none beside a mock that is running",
        )


def test_programs_that_it_starts_are_led_and_others_of_alibaba_cloud_are_refused_unless_they_are_let_through(run):
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {LIST!r}], check=True)"
    assert run(sys.executable, "-c", program) == (0, "0", "")
    other = (
        "import requests; requests.get('https://ecs.aliyuncs.com', proxies={'https': 'http://127.0.0.1:9'}, timeout=9)"
    )
    status, _, error = run(sys.executable, "-c", other)
    assert (status, error.splitlines()[-1].partition(":")[0]) == (1, "RuntimeError")
    status, _, error = run("--passthrough", "ecs.*", sys.executable, "-c", other)
    assert (status, error.splitlines()[-1].partition(":")[0]) == (1, "requests.exceptions.ProxyError")


def test_the_programs_own_sitecustomize_still_runs(run, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import builtins; builtins.of_its_own = 'yes'")
    assert run(sys.executable, "-c", "print(of_its_own)")[0] == 1
    said = run(sys.executable, "-c", "print(of_its_own)", PYTHONPATH=str(tmp_path))
    assert said == (0, "yes", "")


@pytest.mark.parametrize("status", [0, 1, 7])
def test_the_exit_status_is_that_of_the_program(run, status):
    assert run("sh", "-c", f"echo said; exit {status}") == (status, "said", "")


def test_a_signal_to_end_reaches_the_program():
    waits = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.1; done"
    command = [sys.executable, "-m", "orderfsm.cli", "run", "sh", "-c", waits]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 5


@pytest.mark.parametrize(
    "endpoint", ["ftp://127.0.0.1:1", "http://", "http://host:port", "http://user:pass@", "http://h/path", "http://h:0"]
)
def test_a_url_that_is_none_is_refused_before_anything_runs(run, endpoint, tmp_path):
    made = tmp_path / "made"
    status, said, error = run("--endpoint", endpoint, "touch", str(made))
    assert (status, said, made.exists()) == (2, "", False)
    assert error.startswith("orderfsm: ORDERFSM_CAS_ENDPOINT ")
    assert error.endswith(": expected http://HOST:PORT")
    assert "user" not in error


def test_a_program_whose_environment_names_no_url_does_not_start():
    environment = os.environ | {"PYTHONPATH": str(SITE), "ORDERFSM_CAS_ENDPOINT": "nowhere:x"}
    done = subprocess.run(
        [sys.executable, "-c", "print('it ran')"], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "orderfsm: ORDERFSM_CAS_ENDPOINT 'nowhere:x': expected http://HOST:PORT\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Missing argument"),
        (("no-such-program",), "cannot run no-such-program: "),
        (("--review", "never", "true"), "review 'never'"),
        (("--package", "p", "true"), "package 'p'"),
    ],
)
def test_what_cannot_be_run_is_one_line(run, arguments, said):
    status, _, error = run(*arguments)
    assert status == 2
    assert said in error
    assert len(error.splitlines()) == 1
