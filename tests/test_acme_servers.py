"""The real ACME servers start from a test, issue a certificate after a real http-01, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("acme", reason="the extra `acme` is not installed")

import psutil
from acme import errors, messages
from acme_servers import FLAVOURS, SERVERS, DidNotStart, Unavailable, pebble, process, running, venvs
from acme_servers.orders import answering, issued
from cryptography import x509

ROOT = Path(__file__).parents[1]
QUICK = ["pebble", "acme2certifier"]


@contextmanager
def started(name):
    """A server, or a skip that says what it lacks."""
    try:
        with running(name) as server:
            yield server
    except Unavailable as error:
        pytest.skip(str(error))


def is_free(port):
    """Whether nobody listens at a port; what is left of a connection does not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def lives(group):
    """Whether a process of the group is still at work; one that has ended and waits to be noticed is not."""
    members = [one for one in psutil.process_iter(["pid", "status"]) if _group(one.pid) == group]
    return any(one.info["status"] != psutil.STATUS_ZOMBIE for one in members)


def _group(pid):
    with suppress(ProcessLookupError):
        return os.getpgid(pid)


def soon(holds, *arguments):
    """Whether that comes to hold: the system may take a moment over the end of a process."""
    deadline = time.monotonic() + 20
    while not holds(*arguments) and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds(*arguments)


def is_over(server):
    """Whether a server is gone, and nobody listens at its ports."""
    return not lives(server.pid) and all(map(is_free, server.ports))


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_issues_by_http_01_and_by_dns_01_and_is_gone_afterwards(name, tmp_path):
    with started(name) as server, answering(server.http_port, tmp_path):
        order, another = issued(server, tmp_path), issued(server, tmp_path, dns=True)
        folder = server.log.parent
        assert lives(server.pid)
        assert not any(map(is_free, server.ports))
    assert order.body.status == another.body.status == messages.STATUS_VALID
    leaf = x509.load_pem_x509_certificate(order.fullchain_pem.encode())
    assert leaf.public_key() == x509.load_pem_x509_csr(order.csr_pem).public_key()
    assert soon(is_over, server)
    assert not folder.exists()


@pytest.mark.parametrize("name", QUICK)
def test_a_server_asks_for_the_challenge_and_issues_nothing_without_an_answer(name, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # a proxy is not asked
    with started(name) as server, answering(server.http_port, tmp_path) as asked:
        monkeypatch.delenv("http_proxy")
        with pytest.raises((errors.ValidationError, errors.TimeoutError)):
            issued(server, tmp_path, answers=False, seconds=1)
        assert asked


def test_a_flavour_of_acme2certifier_fails_whatever_is_finalized(tmp_path):
    with (
        started("acme2certifier-failing") as server,
        answering(server.http_port, tmp_path),
        pytest.raises(messages.Error, match="enrollment failed"),
    ):
        issued(server, tmp_path)


def test_a_server_begins_again_when_another_program_took_its_port(monkeypatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        ports = iter([other.getsockname()[1]])
        monkeypatch.setattr(pebble, "free_port", lambda: next(ports, None) or process.free_port())
        with started("pebble") as server:
            assert other.getsockname()[1] not in server.ports


def test_an_unknown_server_is_refused_with_the_names_of_those_there_are():
    with pytest.raises(ValueError, match="server 'boulder': expected pebble, acme2certifier"), running("boulder"):
        pass


@pytest.mark.parametrize("name", SERVERS)
def test_what_is_missing_is_told_with_the_command_that_brings_it(name, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(venvs, "FOLDER", tmp_path)
    wanted = "apt-get install pebble" if name == "pebble" else f"scripts/acme-servers {name}"
    with pytest.raises(Unavailable, match=f"is not installed: {wanted}$"), running(name):
        pass


def test_a_venv_that_was_made_for_other_requirements_is_not_used(monkeypatch, tmp_path):
    monkeypatch.setattr(venvs, "FOLDER", tmp_path)
    (tmp_path / "serles").mkdir()
    (tmp_path / "serles" / "made-for").write_text("serles-acme==1.2.*")
    with pytest.raises(Unavailable):
        venvs.find("serles", "serles-acme")


def test_a_program_that_ends_early_is_an_error_with_the_end_of_its_log(tmp_path):
    log = tmp_path / "log"
    with (
        process.program(["sh", "-c", "echo no such setting; exit 7"], log=log, cwd=tmp_path) as program,
        pytest.raises(DidNotStart, match=r"it ended with 7\nno such setting"),
    ):
        process.wait_for(program, "http://127.0.0.1:9/", log=log)


def test_a_program_that_does_not_answer_in_time_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "PATIENCE", 0.2)
    log = tmp_path / "log"
    with (
        process.program(["sleep", "60"], log=log, cwd=tmp_path) as program,
        pytest.raises(DidNotStart, match="Connection refused"),
    ):
        process.wait_for(program, "http://127.0.0.1:9/", log=log)


def test_a_program_that_ignores_its_end_is_ended_with_its_children(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "GRACE", 0.2)
    stubborn = "trap '' TERM; sleep 60 & echo begun; wait; wait"
    with process.program(["sh", "-c", stubborn], log=tmp_path / "log", cwd=tmp_path) as program:
        while "begun" not in (tmp_path / "log").read_text():
            time.sleep(0.01)
    assert program.returncode == -signal.SIGKILL
    assert soon(lambda: not lives(program.pid))


def carried_out(*words):
    """What `python -m tests.acme_servers` comes to."""
    command = [sys.executable, "-m", "tests.acme_servers", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_one_command_runs_another_against_a_server_and_returns_its_status():
    told = (
        'echo "$ORDERFSM_ACME_DIRECTORY $ORDERFSM_ACME_CA $ORDERFSM_ACME_HTTP_PORT"; echo {directory} {ca} {http_port}'
    )
    done = carried_out("pebble", "sh", "-c", f"{told}; cat {{ca}}; exit 5")
    if done.returncode == 3:
        pytest.skip(done.stderr.strip())
    by_environment, by_words, begin, *_ = done.stdout.splitlines()
    assert by_environment == by_words
    assert by_words.startswith("https://127.0.0.1:")
    assert begin == "-----BEGIN CERTIFICATE-----"
    assert done.returncode == 5


@contextmanager
def kept(folder):
    """The command that keeps pebble until it is ended, and the port of pebble, which writes below `folder`."""
    command = [sys.executable, "-m", "tests.acme_servers", "pebble"]
    env = os.environ | {"TMPDIR": str(folder)}
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        if not process.stdout.readline():
            pytest.skip(process.stderr.read().strip())
        told = dict(process.stdout.readline().removeprefix("export ").strip().split("=", 1) for _ in range(3))
        try:
            yield process, urlsplit(told["ORDERFSM_ACME_DIRECTORY"]).port
        finally:
            process.kill()


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_one_command_keeps_a_server_until_it_is_ended(by, tmp_path):
    with kept(tmp_path) as (process, port):
        assert not is_free(port)
        process.send_signal(by)
        assert process.wait(20) == 130
        assert soon(is_free, port)


@pytest.mark.skipif(process.BINDS is None, reason="setpriv is not installed: apt-get install util-linux")
def test_a_server_ends_with_whoever_started_it_and_was_killed(tmp_path):
    with kept(tmp_path) as (process, port):
        process.kill()
        assert soon(is_free, port)


def test_the_command_for_an_unknown_server_says_how_it_is_used():
    done = carried_out("boulder")
    assert done.returncode == 2
    assert done.stderr == f"usage: python -m tests.acme_servers {{{','.join(FLAVOURS)}}} [COMMAND ...]\n"
