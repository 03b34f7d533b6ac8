"""Real clients before real servers, recorded: what they do conforms, and what goes wrong is found in the log."""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import sys
import urllib.request
from itertools import groupby

import pytest

from orderfsm import InvalidValue, trace
from orderfsm.tables.acme import Event, Operation, State
from orderfsm.trace import Finding

pytest.importorskip("acme", reason="pip install 'orderfsm[acme]'")
pytest.importorskip("duckdb", reason="pip install 'orderfsm[audit]'")
import acme_controllers
from acme_servers import Unavailable, acmeeh, clients, running
from acme_servers.orders import answering, new_name
from acme_servers.process import free_port

from orderfsm.audit import audit
from orderfsm.recorder import recording

NEW, READ, FINALIZE, _, DOWNLOAD, REVOKE = Operation
ALL_VALID, FAILED, *_ = Event
ISSUED = [NEW, ALL_VALID, FINALIZE, READ, DOWNLOAD]
LIVES = {
    "certbot-debian": [*ISSUED, REVOKE],
    "certbot": [*ISSUED, REVOKE],
    "lego": [*ISSUED, REVOKE],
    "uacme": [NEW, ALL_VALID, READ, FINALIZE, READ, DOWNLOAD, REVOKE],
    "acme-tiny": ISSUED,
}
"""What each client does to its order before pebble, reads that follow each other as one: only uacme reads it ready."""


@pytest.fixture(scope="module")
def pebble():
    try:
        with running("pebble") as server:
            yield server
    except Unavailable as lacking:
        pytest.skip(str(lacking))


def lines_of(file):
    return [entry for entry in trace.read(file) if isinstance(entry, trace.Line)]


def controlled(server, folder, *controllers, port=0):
    """The trace of these controllers before a server, and the orders of each."""
    answers, out = folder / "answers", folder / "trace.jsonl"
    answers.mkdir(parents=True)
    with answering(server.http_port, answers), recording(server.directory, out, ca=server.ca, port=port) as recorder:
        controller = acme_controllers.Controller.before(server, recorder, answers)
        orders = [each(controller) for each in controllers]
    here = recorder.directory.rpartition("/")[0]
    return out, [order.replace(here, server.directory.rpartition("/")[0]) for order in orders]


@pytest.mark.parametrize("client", LIVES)
def test_what_clients_do_before_pebble_conforms(client, pebble, tmp_path):
    out, folder = tmp_path / "trace.jsonl", tmp_path / "client"
    folder.mkdir()
    at = {"http_port": pebble.http_port, "folder": folder}
    names = [new_name(), new_name()]
    with recording(pebble.directory, out, ca=pebble.ca) as recorder:
        try:
            done = clients.run(client, recorder.directory, recorder.ca, names, **at)
            if REVOKE in LIVES[client] and done.returncode == 0:
                done = clients.run(client, recorder.directory, recorder.ca, names, **at, revoke=True)
        except Unavailable as lacking:
            pytest.skip(str(lacking))
        assert done.returncode == 0, done.stdout
        assert recorder.totals.unread == {}
    found = trace.replay(trace.read(out))
    assert (found.verdict, found.orders, found.account_lines) == (Finding.CONFORMS, 1, 0)
    assert [trigger for trigger, _ in groupby(line.trigger for line in lines_of(out))] == LIVES[client]
    assert len({line.client for line in lines_of(out)} - {None}) == 1, "they have one account"
    assert audit(out).verdict is Finding.CONFORMS
    assert trace.replay(trace.read(out), events="complete").verdict is Finding.VIOLATES, "the CA's part is not in it"


def test_a_controller_that_finalizes_twice_or_stops_at_ready_is_found(pebble, tmp_path):
    out, (twice, stopped) = controlled(
        pebble, tmp_path, acme_controllers.finalizes_twice, acme_controllers.stops_at_ready
    )
    found = audit(out)
    assert found.verdict is Finding.CONFORMS, "neither does what the server must not let happen"
    refused = found.refusals[FINALIZE]
    assert (refused.refusals, refused.foreseeable, dict(found.errors[FINALIZE])) == (1, 1, {"orderNotReady": 1})
    assert [(each.order_id, each.refusals) for each in found.avoidable] == [(twice, 1)]
    assert found.standing == {State.READY: 1, State.VALID: 1}
    assert (found.waiting, [left.order_id for left in found.left]) == (1, [stopped])
    lines = [line for line in lines_of(out) if line.order_id == twice and line.trigger is FINALIZE]
    assert [line.outcome for line in lines] == ["accepted", "refused"]


def test_before_pebble_a_failed_authorization_makes_the_order_invalid(pebble, tmp_path):
    out, _ = controlled(pebble, tmp_path, acme_controllers.fails)
    assert [line.trigger for line in lines_of(out)] == [NEW, FAILED, READ]
    assert trace.replay(trace.read(out)).verdict is Finding.CONFORMS


def test_an_order_that_outlives_its_authorization_is_found_before_acme2certifier(tmp_path):
    """Its worst deviation: the order's own lines do not show it, those of the authorization do."""
    try:
        with running("acme2certifier") as server:
            out, (failed,) = controlled(server, tmp_path, acme_controllers.fails)
    except Unavailable as lacking:
        pytest.skip(str(lacking))
    (violation,) = trace.replay(trace.read(out)).violations
    assert (violation.order_id, violation.possible) == (failed, (State.INVALID,))
    assert str(violation.said) == "readOrder accepted, pending"
    own = [line for line in lines_of(out) if line.lifecycle.by_client(line.trigger)]
    assert trace.judge(own).verdict is Finding.CONFORMS, "without the event nothing shows it"


@pytest.mark.parametrize("name", ["acme2certifier", "serles"])
def test_what_a_controller_does_right_before_other_servers_conforms(name, tmp_path):
    """They name their URLs by the host that they are asked for, as pebble does."""
    try:
        with running(name) as server:
            out, _ = controlled(server, tmp_path, acme_controllers.finalizes_twice, acme_controllers.stops_at_ready)
    except Unavailable as lacking:
        pytest.skip(str(lacking))
    found = audit(out)
    assert (found.verdict, found.orders, found.waiting, len(found.avoidable)) == (Finding.CONFORMS, 2, 1, 1)


def test_a_server_that_has_an_address_of_its_own_is_told_the_recorders(tmp_path):
    """And acmeeh accepts a second finalize, which the log shows."""
    port = free_port()
    try:
        with running("acmeeh") as server, pytest.raises(InvalidValue, match="let it take http://localhost"):
            controlled(server, tmp_path / "refused")
        with acmeeh.running(tmp_path, free_port(), address=f"http://localhost:{port}") as server:
            out, (twice,) = controlled(server, tmp_path, acme_controllers.finalizes_twice, port=port)
    except Unavailable as lacking:
        pytest.skip(str(lacking))
    (violation,) = trace.replay(trace.read(out)).violations
    assert (violation.order_id, violation.possible) == (twice, (State.VALID,))
    assert violation.said.trigger is FINALIZE


def test_the_program_says_where_it_listens_and_in_the_end_what_it_recorded(pebble, tmp_path):
    command = [sys.executable, "-m", "orderfsm.cli", "record", pebble.directory]
    command += ["--ca", str(pebble.ca), "--out", str(tmp_path / "trace.jsonl")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as recorder:
        try:
            says = json.loads(recorder.stdout.readline())
            context = ssl.create_default_context(cafile=says["ca"])
            opener = urllib.request.build_opener(
                urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
            )
            with opener.open(says["directory"], timeout=20) as answer:
                assert json.loads(answer.read())["newOrder"].startswith(says["directory"].removesuffix("/dir"))
        finally:
            recorder.send_signal(signal.SIGTERM)
            out, err = recorder.communicate(timeout=20)
    assert (recorder.returncode, json.loads(out)["requests"]) == (0, 1)
    assert err.startswith("1 requests: 0 lines and 0 events of 0 orders")
