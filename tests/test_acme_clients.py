"""certbot, lego, uacme and acme-tiny order at the real servers, by http-01 on loopback."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from acme_servers import SERVERS, Unavailable, clients, running
from acme_servers.clients import CLIENTS
from acme_servers.orders import new_name

pytest.importorskip("cryptography", reason="the extra `mock` is not installed")

ROOT = Path(__file__).parents[1]
QUICK = [("pebble", "certbot"), ("acme2certifier", "lego"), ("pebble", "uacme"), ("pebble", "acme-tiny")]
REFUSED = {("acmeeh", client): '"up" Link header missing' for client in ("certbot", "certbot-debian")}
UNABLE_TO_REVOKE = {"acme-tiny"}
WITHOUT_REVOCATION = {"serles"}


@contextmanager
def ordering(server, client, folder, names=1, **settings):
    """A call that lets a client order at a server, always for the same names; a skip where either cannot be had."""
    names = [new_name() for _ in range(names)]
    try:
        with running(server) as at:
            settings |= {"http_port": at.http_port, "folder": folder}
            yield partial(clients.run, client, at.directory, at.ca, names, **settings)
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(("server", "client"), QUICK)
def test_a_client_gets_a_certificate_and_another_for_the_same_name(server, client, tmp_path):
    with ordering(server, client, tmp_path) as order:
        for done in order(), order():
            assert not done.returncode, done.stdout


@pytest.mark.long
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("server", SERVERS)
def test_every_client_orders_at_every_server(server, client, tmp_path):
    """What does not work is known: acmeeh lacks a header that certbot needs, and serles revokes nothing."""
    refused = REFUSED.get((server, client))
    with ordering(server, client, tmp_path, names=2) as order:
        done = order()
        assert bool(done.returncode) == bool(refused), done.stdout
        if refused:
            assert refused in done.stdout
        elif client not in UNABLE_TO_REVOKE:
            assert bool(order(revoke=True).returncode) == (server in WITHOUT_REVOCATION)


def test_an_unknown_client_is_refused_with_the_names_of_those_there_are(tmp_path):
    with pytest.raises(ValueError, match="client 'getssl': expected certbot, certbot-debian, lego, uacme, acme-tiny"):
        clients.run("getssl", "http://127.0.0.1:9/", None, ["a.test"], http_port=9, folder=tmp_path)


@pytest.mark.parametrize("client", [name for name in CLIENTS if name != "certbot"])
def test_a_client_that_is_missing_is_told_with_the_command_that_brings_it(client, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    package = client.removesuffix("-debian")
    with pytest.raises(Unavailable, match=f"^{package} is not installed: apt-get install {package}$"):
        clients.run(client, "http://127.0.0.1:9/", None, ["a.test"], http_port=9, folder=tmp_path)


def test_a_client_that_takes_too_long_is_ended(tmp_path):
    with ordering("pebble", "certbot", tmp_path, seconds=0.1) as order, pytest.raises(subprocess.TimeoutExpired):
        order()


def test_acme_tiny_cannot_revoke(tmp_path):
    with pytest.raises(ValueError, match="client 'acme-tiny': it cannot revoke"):
        clients.run("acme-tiny", "http://127.0.0.1:9/", None, ["a.test"], http_port=9, folder=tmp_path, revoke=True)


def test_one_command_lets_a_client_order_at_a_server():
    order = [sys.executable, "-m", "tests.acme_servers.clients", "acme-tiny"]
    command = [sys.executable, "-m", "tests.acme_servers", "pebble", *order]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    if "is not installed" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert "Certificate signed!" in done.stdout
    assert not done.returncode, done.stderr
