"""`orderfsm instances`: what it prints, how it exits, and what it leaves alone; by the official SDK, on the mock."""

from __future__ import annotations

import asyncio
import json
import time
from types import SimpleNamespace

import pytest

pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
pytest.importorskip("click", reason="the extra `cli` is not installed")
pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from orderfsm import Unreachable, trace
from orderfsm.cli import main
from orderfsm.client import carry_out, carry_out_async, guard, wait, wait_async
from orderfsm.mock import mock_cas
from orderfsm.tables.instances import Event, Operation, State


@pytest.fixture(scope="module")
def running():
    with mock_cas() as server:
        yield server


@pytest.fixture
def server(running):
    running.reset()
    running.put_completions("clock")
    return running


@pytest.fixture(autouse=True)
def pauses(running, monkeypatch):
    """Nobody sleeps: each pause moves the clock of the mock by as much, and by a minute at least."""
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        running.advance(max(seconds, 60))

    async def sleep_async(seconds):
        sleep(seconds)

    monkeypatch.setattr("orderfsm.client.connection.time", SimpleNamespace(sleep=sleep))
    timed = SimpleNamespace(sleep=sleep_async, timeout=asyncio.timeout)
    monkeypatch.setattr("orderfsm.client.connection.asyncio", timed)
    return slept


@pytest.fixture
def instances(server, capsys):
    """The exit status, standard output and standard error of `orderfsm instances`."""

    def run(*arguments):
        status = main(["instances", "--endpoint", server.api, *map(str, arguments)])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def state_of(server, record):
    (found,) = [each.state for each in server.instances() if each.id == record.id] or [State.DELETED]
    return found


def test_list_shows_both_words(server, instances):
    bought = {state: server.instance(state) for state in (State.UNUSED, State.PENDING, State.ISSUED)}
    status, out, err = instances("list")
    assert (status, err) == (0, "")
    header, *rows = out.splitlines()
    assert header.split() == ["INSTANCE", "STATUS", "DOMAIN", "PRODUCT", "DATE"]
    words = ["inactive, -", "pending, -", "normal, issued"]
    for row, record, word in zip(rows, bought.values(), words, strict=True):
        assert row.startswith(f"{record.id}  {word}")
        assert row.split()[-2] == "ws.dv.f"
    status, out, _ = instances("list", "--status", "issued", "--json")
    (each,) = json.loads(out)["instances"]
    assert each.items() >= {"instance_id": bought[State.ISSUED].id, "status": "normal, issued", "plan": None}.items()


def test_orders_which_the_lists_of_instances_have_too_are_none_of_them(server, instances):
    server.order(state="verify_fail")
    bought = server.instance(State.CLOSED)
    for command in (["list"], ["sweep", "--yes", "--rate", 2000]):
        status, out, _ = instances(*command, "--json")
        assert status == 0
        (rows, *_) = json.loads(out).values()
        assert [each["instance_id"] for each in rows] == [bought.id]
    assert len(server.orders()) == 1


def test_show_says_which_states_it_may_be_and_what_is_allowed(server, instances):
    bought = server.instance(State.PENDING)
    status, out, _ = instances("show", bought.id)
    assert status == 0
    assert out.splitlines() == [
        f"instance: {bought.id}",
        "read as:  pending, -",
        "state:    submitting or pending or withdrawing",
        "allowed:  nothing that changes anything",
        "perhaps:  CancelPendingCertificate",
    ]
    status, out, _ = instances("show", "cas-cn-68n1mm16", "--json")
    assert status == 1
    assert json.loads(out).items() >= {"instance_id": "cas-cn-68n1mm16", "states": [None, "deleted"]}.items()


def test_a_call_is_made_only_if_that_is_said(server, instances):
    bought = server.instance(State.PENDING)
    status, out, _ = instances("withdraw", bought.id)
    assert status == 0
    assert "nothing was sent" in out
    assert not any(line.trigger == Operation.CANCEL for line in server.calls)
    status, out, _ = instances("withdraw", bought.id, "--json")
    assert json.loads(out) == {
        "operation": "CancelPendingCertificate",
        "instances": json.loads(out)["instances"],
        "dry_run": True,
    }
    assert json.loads(out)["instances"][0]["outcome"] == "undecided"
    assert instances("withdraw", bought.id, "--yes") == (0, f"{bought.id}: done\n", "")
    assert state_of(server, bought) is State.WITHDRAWING


def test_withdraw_refund_delete(server, instances):
    bought = server.instance(State.PENDING)
    for command, landed in (("withdraw", 180), ("refund", 60), ("delete", 0)):
        assert instances(command, bought.id, "--yes")[0] == 0
        server.advance(landed)
    assert state_of(server, bought) is State.DELETED
    status, out, _ = instances("delete", bought.id, "--yes")
    assert (status, out.startswith(f"{bought.id}: no instance {bought.id}: ")) == (1, True)


def test_what_would_be_refused_exits_1_and_says_why(server, instances):
    issued = server.instance(State.ISSUED)
    for yes in ([], ["--yes"]):
        status, out, _ = instances("delete", issued.id, *yes)
        assert status == 1
        assert "DeleteInstance is not allowed in issued or revoking" in out
    assert state_of(server, issued) is State.ISSUED
    status, out, _ = instances("delete", issued.id, "--yes", "--json")
    assert json.loads(out)["instances"][0]["code"] == "InvalidStatus.DeleteProtection"


def test_what_is_no_instance_id_is_one_line(instances):
    status, out, err = instances("show", "a b")
    assert (status, out) == (2, "")
    assert "instance id 'a b': expected 1 to 128 printable ASCII characters without spaces" in err
    assert len(err.splitlines()) == 1


def test_sweep_shows_and_with_yes_gives_up_what_can_be(server, instances, tmp_path):
    bought = {state: server.instance(state) for state in (State.UNUSED, State.PENDING, State.ISSUED, State.REFUNDED)}
    asked = ["--status", "unused", "--status", "pending", "--status", "refunded", "--rate", 2000]
    status, out, _ = instances("sweep", *asked, "--json")
    selected = json.loads(out)["selected"]
    assert status == 0
    assert [each["plan"] for each in selected] == [
        ["RefundInstance", "refund_completed", "DeleteInstance"],
        ["CancelPendingCertificate", "withdrawal_completed", "RefundInstance", "refund_completed", "DeleteInstance"],
        ["DeleteInstance"],
    ]
    assert {each.id for each in server.instances()} == {each.id for each in bought.values()}
    journal = tmp_path / "sweep.jsonl"
    status, out, _ = instances("sweep", *asked, "--yes", "--journal", journal)
    assert (status, out.splitlines()[-1]) == (0, "deleted: 3, left: 0")
    assert [each.id for each in server.instances()] == [bought[State.ISSUED].id]
    assert trace.replay(trace.read([journal])).verdict is trace.Finding.CONFORMS


def test_without_a_status_sweep_takes_what_can_only_be_deleted(server, instances):
    bought = {state: server.instance(state) for state in (State.UNUSED, State.PENDING, State.ENDED, State.CLOSED)}
    status, out, _ = instances("sweep")
    assert (status, out.splitlines()[-2:]) == (
        0,
        [
            "1 more, inactive, -, could be given up: ask for them by --status",
            "1 more, pending, -, could be given up: ask for them by --status",
        ],
    )
    assert json.loads(instances("sweep", "--json")[1])["not_asked_for"] == {"inactive, -": 1, "pending, -": 1}
    status, out, _ = instances("sweep", "--yes", "--rate", 2000, "--json")
    assert status == 0
    assert json.loads(out)["deleted"] == sorted(bought[state].id for state in (State.ENDED, State.CLOSED))
    assert json.loads(out).keys() == {"selected", "deleted", "left", "unverified", "by_others"}


# -- the official SDK, and the mock's clock ----------------------------------------------------------------------------


@pytest.fixture(params=["sync", "async"])
def form(request):
    return request.param


def carried(form, *arguments, **settings):
    if form == "sync":
        return carry_out(*arguments, **settings)
    return asyncio.run(carry_out_async(*arguments, **settings))


@pytest.mark.parametrize("guarded", [True, False])
@pytest.mark.parametrize("state", [State.SETTLING, State.UNUSED, State.SUBMITTING, State.PENDING, State.REVOKED])
def test_an_instance_is_given_up_on_the_mock(server, form, state, guarded):
    bought, divergences = server.instance(state), []
    client = guard(server.client(), on_divergence=divergences.append) if guarded else server.client()
    started = time.monotonic()
    carried(form, client, bought.id, "deleted")
    assert state_of(server, bought) is State.DELETED
    assert divergences == []
    assert time.monotonic() - started < 60
    assert trace.replay(server.history(), events=trace.Events.COMPLETE).verdict is trace.Finding.CONFORMS


def test_one_that_is_issued_meanwhile_is_kept(server, form):
    """The CA is faster than the withdrawal."""
    server.put_completions("manual")
    bought = server.instance(State.WITHDRAWING)
    server.happen(bought, Event.CERTIFICATE_ISSUED)
    with pytest.raises(Unreachable, match="only with RevokeCertificate"):
        carried(form, guard(server.client()), bought.id, "deleted")
    server.put_completions("clock")
    carried(form, guard(server.client()), bought.id, "deleted", grave=True)
    assert state_of(server, bought) is State.DELETED


def test_seven_days_after_the_payment_it_stops(server, form):
    from orderfsm.tables.instances import RefundOverTime

    bought = server.instance(State.PENDING)
    server.advance(7 * 86_400 + 60)
    with pytest.raises(RefundOverTime):
        carried(form, guard(server.client()), bought.id, "deleted")
    assert state_of(server, bought) is State.IDLE


def test_what_lands_later_is_waited_for(server, form):
    waiting = wait if form == "sync" else lambda *given, **more: asyncio.run(wait_async(*given, **more))
    bought = server.instance(State.WITHDRAWING)
    assert waiting(guard(server.client()), bought.id, until="normal") is State.IDLE
