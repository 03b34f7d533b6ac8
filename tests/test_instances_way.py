"""Waiting for V2.0 instances, giving them up, and sweeping them: each step after the one before it has landed."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from itertools import count

import attrs
import pytest

pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")

from cloud import Cloud, call

from orderfsm import Unreachable, trace
from orderfsm.client import (
    Undecided,
    WaitTimeout,
    carry_out,
    carry_out_async,
    observe,
    sweep,
    sweep_async,
    wait,
    wait_async,
)
from orderfsm.client.carry_out import MOVES, tentative
from orderfsm.client.connection import Connection
from orderfsm.client.observation import everything
from orderfsm.client.sweep import failed
from orderfsm.errors import Meaning
from orderfsm.rows import DAY
from orderfsm.tables.instances import (
    LIFECYCLE,
    InstanceNotFound,
    Operation,
    RefundNotSupport,
    RefundOverTime,
    State,
    StatusNotSupport,
)

C, V, R, D = Operation.CANCEL, Operation.REVOKE, Operation.REFUND, Operation.DELETE
WAYS = {
    State.SETTLING: (R, D),
    State.UNUSED: (R, D),
    State.SUBMITTING: (C, R, D),
    State.PENDING: (C, R, D),
    State.WITHDRAWING: (R, D),
    State.IDLE: (R, D),
    State.REVOKED: (R, D),
    State.REVOKED_REAPPLYING: (C, R, D),
    State.REVOKED_WITHDRAWING: (R, D),
    State.REFUNDING: (D,),
    State.REFUNDED: (D,),
    State.ENDED: (D,),
    State.CLOSED: (D,),
}
"""Section 8.7 of the dossier: the ways to the deletion, without what the service completes."""
THROUGH_A_REVOCATION = {
    State.ISSUED: (V, R, D),
    State.ABOUT_TO_EXPIRE: (V, R, D),
    State.REVOKING: (R, D),
    State.REISSUING: (C, V, R, D),
    State.REISSUE_WITHDRAWING: (V, R, D),
}
NO_WAY = (State.CERTIFICATE_EXPIRED, State.EXPIRED_REAPPLYING, State.EXPIRED_WITHDRAWING, State.ENDING)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Nobody sleeps here."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr("orderfsm.client.backoff.BASE", 0)
    monkeypatch.setattr(sys.modules["orderfsm.client.carry_out"], "INTERVAL", 0.001)


@pytest.fixture
def cloud():
    """A service that completes what is under way after two reads."""
    cloud = Cloud()
    cloud.completes_after = 2
    cloud.accepts_silent = False
    cloud.before_call = lambda operation, name: operation == Operation.GET and moved_on(cloud, name)
    return cloud


def moved_on(cloud, name):
    """What was under way before the first call is completed at the third read."""
    completions = [rule.trigger for rule in LIFECYCLE.triggers if rule.follows is not None]
    reads = cloud.sent.count(Operation.GET)
    events = [event for event in completions if name in cloud.states and LIFECYCLE.can(cloud.states[name], event)]
    if events and reads and reads % 3 == 0 and name not in cloud._due:
        cloud.happen(name, events[0])


@pytest.fixture(params=["sync", "async"])
def carrying(request):
    if request.param == "sync":
        return carry_out
    return lambda *arguments, **settings: asyncio.run(carry_out_async(*arguments, **settings))


def accepted(done):
    return tuple(step.trigger for step in done.steps)


@pytest.mark.parametrize("guarded", [True, False])
@pytest.mark.parametrize("state", WAYS)
def test_an_instance_is_given_up_step_by_step(cloud, carrying, state, guarded):
    """What is refused for now is tried again, until the service has completed what makes it too early."""
    name, divergences = cloud.put(state), []
    client = cloud.client(on_divergence=divergences.append) if guarded else cloud.bare()
    done = carrying(client, name, "deleted")
    assert accepted(done) == WAYS[state]
    assert cloud.states[name] is State.DELETED
    assert done.observation.states == {State.DELETED}
    assert divergences == []


@pytest.mark.parametrize("state", THROUGH_A_REVOCATION)
def test_an_issued_one_is_left_and_it_is_said_why(cloud, carrying, state):
    name = cloud.put(state)
    if state is State.REVOKING:
        cloud.before_call = lambda _operation, _name: None
    with pytest.raises(
        Unreachable, match=r"only with RevokeCertificate, which is not called unless asked for"
    ) as caught:
        carrying(cloud.client(), name, State.DELETED)
    assert "(grave=True)" in str(caught.value)
    assert caught.value.order_id == name
    assert cloud.calls() == []


@pytest.mark.parametrize("state", THROUGH_A_REVOCATION)
def test_it_is_revoked_if_that_is_asked_for(cloud, carrying, state):
    name = cloud.put(state)
    done = carrying(cloud.client(), name, "deleted", grave=True)
    assert accepted(done) == THROUGH_A_REVOCATION[state]
    assert cloud.states[name] is State.DELETED


@pytest.mark.parametrize("state", NO_WAY)
@pytest.mark.parametrize("grave", [True, False])
def test_where_only_the_end_of_the_subscription_leads_on_that_is_said(cloud, carrying, state, grave):
    name = cloud.put(state)
    with pytest.raises(Unreachable, match=r"only when (.* and )?subscription_ended ha(ve|s) happened"):
        carrying(cloud.client(), name, "deleted", grave=grave)
    assert cloud.calls() == []


@pytest.mark.parametrize("state", [State.UNUSED, State.PENDING, State.ISSUED, State.REISSUING])
@pytest.mark.parametrize("unit", [1, 1000])
def test_nothing_is_given_up_in_vain_when_the_time_for_the_refund_is_over(cloud, carrying, state, unit):
    """A revocation, which cannot be taken back, and a withdrawal are of use only while the refund is possible."""
    name = cloud.put(state, order_start_time=int((time.time() - 9 * DAY) * unit))
    with pytest.raises(Unreachable, match="only within 7 days of its beginning, by RefundInstance"):
        carrying(cloud.client(), name, "deleted", grave=True)
    assert cloud.calls() == []


@pytest.mark.parametrize("age", [7 * DAY + 3600, 6 * DAY, -DAY])
def test_until_the_day_is_over_the_service_is_asked(cloud, carrying, age):
    name = cloud.put(State.ISSUED, order_start_time=int(time.time() - age) * 1000)
    carrying(cloud.client(), name, "deleted", grave=True)
    assert cloud.states[name] is State.DELETED


def test_a_beginning_that_is_no_time_tells_nothing(cloud, carrying):
    name = cloud.put(State.UNUSED, order_start_time="2026-02-01")
    carrying(cloud.client(), name, "deleted")
    assert cloud.states[name] is State.DELETED


def test_where_somebody_else_refunded_meanwhile_that_is_waited_for(cloud, carrying):
    """What our own withdrawal led to tells nothing any more when the next call is refused."""
    name = cloud.put(State.PENDING)
    cloud.accepts_silent = False
    refused = count(1)

    def refunded_by_others(operation, _name):
        if operation == R:
            landed = next(refused) > 2 * MOVES
            cloud.states[name] = State.REFUNDED if landed else State.REFUNDING
            cloud.shown = {} if landed else {name: {"status": "normal", "certificate_status": None}}

    cloud.completes_after = 1
    cloud.before_call = refunded_by_others
    assert accepted(carrying(cloud.client(), name, "deleted")) == (C, D)


def test_it_stops_where_the_refund_is_too_late(cloud, carrying):
    name = cloud.put(State.PENDING)
    cloud.fails[R] = RefundOverTime
    with pytest.raises(RefundOverTime):
        carrying(cloud.client(), name, "deleted")
    assert cloud.states[name] is State.IDLE
    assert RefundOverTime.means is Meaning.TOO_LATE


def test_it_stops_where_the_certificate_is_issued_meanwhile(cloud, carrying):
    """The CA was faster than the withdrawal."""
    name = cloud.put(State.PENDING)
    cloud.before_call = lambda operation, name: (
        operation == Operation.GET
        and cloud.states[name] is State.WITHDRAWING
        and cloud.happen(name, "certificate_issued")
    )
    with pytest.raises(Unreachable, match="deleted cannot be reached from issued or revoking"):
        carrying(cloud.client(), name, "deleted")
    assert cloud.states[name] is State.ISSUED
    assert cloud.calls() == [C]


def test_what_is_refused_for_as_long_as_it_could_take_is_the_refusal_in_the_end(cloud, monkeypatch):
    name = cloud.put(State.SUBMITTING)
    cloud.before_call = lambda _operation, _name: None
    client = cloud.client(grace=0)
    Connection.of(client, name).preflight.clock = count(step=100).__next__
    cloud.shown[name] = {"status": "pending", "certificate_status": None}
    with pytest.raises(StatusNotSupport) as caught:
        carry_out(client, name, "deleted")
    assert not caught.value.local
    assert len(cloud.calls()) > 3


def test_a_dry_run_is_the_plan_and_sends_nothing(cloud, carrying):
    name = cloud.put(State.PENDING)
    plan = carrying(cloud.client(), name, "deleted", dry_run=True)
    assert plan.triggers == (C, "withdrawal_completed", R, "refund_completed", D)
    assert str(plan).startswith("CancelPendingCertificate, then wait for withdrawal_completed (service, 10 seconds to")
    assert cloud.sent == [Operation.GET]


def test_what_nobody_can_read_is_not_touched(cloud, carrying):
    name = cloud.put(State.UNUSED)
    cloud.shown[name] = {"status": "asleep", "certificate_status": None}
    with pytest.raises(Undecided, match=f"instance {name} was read as asleep, -; how it comes to deleted"):
        carrying(cloud.client(), name, "deleted")
    assert cloud.calls() == []


def test_nothing_is_tried_on_an_instance_of_which_nothing_is_known():
    """Also by a table in which every state has a way."""
    kept = {None, State.UNUSED, State.REFUNDING, State.REFUNDED, State.DELETED}
    rows = [row for row in LIFECYCLE.transitions if {row.source, row.target} <= kept]
    rules = [rule for rule in LIFECYCLE.states if rule.state in kept]
    table = attrs.evolve(LIFECYCLE, transitions=rows, states=rules, silences=(), home="")
    assert tentative(table, {State.UNUSED, State.REFUNDING}, State.DELETED).triggers[0] is R
    assert tentative(table, everything(table), State.DELETED) is None


def test_an_instance_that_was_never_there_is_no_success(cloud, carrying):
    with pytest.raises(InstanceNotFound, match=r"^no instance cas-cn-68n1mm16: "):
        carrying(cloud.client(), "cas-cn-68n1mm16", "deleted")


@pytest.mark.parametrize("operation", [C, R, D])
def test_a_lost_answer_on_the_way_is_no_reason_to_stop(cloud, carrying, operation):
    """What it came to is told by the words, if not at once, then by those that its completion brings."""
    name = cloud.put(State.PENDING)
    cloud.lose.append(operation)
    carrying(cloud.client(), name, "deleted")
    assert cloud.states[name] is State.DELETED
    assert cloud.calls().count(operation) == 1


# -- waiting -----------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["sync", "async"])
def waiting(request):
    settings = {"interval": 0.001}
    if request.param == "sync":
        return lambda *arguments, **given: wait(*arguments, **settings, **given)
    return lambda *arguments, **given: asyncio.run(wait_async(*arguments, **settings, **given))


@pytest.mark.parametrize(
    ("start", "event", "until", "state"),
    [
        (State.PENDING, "certificate_issued", "issued", State.ISSUED),
        (State.WITHDRAWING, "withdrawal_completed", {State.IDLE, State.ISSUED}, State.IDLE),
        (State.WITHDRAWING, "certificate_issued", "normal", State.ISSUED),
        (State.WITHDRAWING, "withdrawal_completed", "normal", State.IDLE),
        (State.REFUNDING, "refund_completed", "refunded", State.REFUNDED),
        (State.REVOKING, "revocation_completed", "revoked", State.REVOKED),
        (State.REISSUE_WITHDRAWING, "withdrawal_completed", "issued", State.ISSUED),
    ],
)
def test_an_instance_is_waited_for_by_its_words(cloud, waiting, start, event, until, state):  # noqa: PLR0917
    name = cloud.put(start)

    def after_two(seen):
        if len(seen) == 2:
            cloud.happen(name, event)

    polls = []
    found = waiting(cloud.client(), name, until=until, on_poll=lambda seen: (polls.append(seen), after_two(polls)))
    assert found is state
    assert len(polls) == 3


@pytest.mark.parametrize(
    ("ends_in", "word"),
    [
        (State.IDLE, "idle or refunding"),
        (State.REVOKED, "refunding or revoked"),
        (State.CERTIFICATE_EXPIRED, "certificate_expired"),
        (State.REFUNDED, "refunded"),
        (State.DELETED, "deleted"),
    ],
)
def test_nobody_waits_for_a_certificate_that_cannot_come_any_more(cloud, waiting, ends_in, word):
    """The review failed, it was revoked or has expired: each is said at once."""
    name = cloud.put(State.PENDING)

    def end(_):
        cloud.states[name] = ends_in

    with pytest.raises(Unreachable, match=f"instance {name}: issued cannot be reached from {word} by what the owner, "):
        waiting(cloud.client(), name, until="issued", on_poll=end)


def test_a_state_that_some_answer_tells_apart_is_waited_for_until_one_does(cloud, waiting):
    name = cloud.put(State.REFUNDING)
    cloud.shown[name] = {"status": "normal", "certificate_status": "revoked"}

    def told(_):
        cloud.shown[name] = {"status": "inactive", "certificate_status": "revoked"}

    with pytest.raises(WaitTimeout):
        waiting(cloud.client(), name, until="refunding", timeout=0)
    assert waiting(cloud.client(), name, until="refunding", on_poll=told) is State.REFUNDING


def test_hosting_applies_for_the_next_certificate_so_that_it_is_waited_for(cloud, waiting):
    name = cloud.put(State.ABOUT_TO_EXPIRE)
    with pytest.raises(WaitTimeout, match="is not issued after 0 s; seen: normal, willExpire"):
        waiting(cloud.client(), name, until="issued", timeout=0)


def test_one_read_is_one_call(cloud):
    """The list has the same words, so that it cannot tell more."""
    name = cloud.put(State.UNUSED)
    assert observe(cloud.client(), name).states == {State.SETTLING, State.UNUSED, State.SUBMITTING, State.REFUNDING}
    assert cloud.sent == [Operation.GET]


# -- sweeping ----------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["sync", "async"])
def sweeping(request):
    settings = {"lifecycle": LIFECYCLE, "rate": 2000, "concurrency": 1}
    if request.param == "sync":
        return lambda *arguments, **given: sweep(*arguments, **(settings | given))
    return lambda *arguments, **given: asyncio.run(sweep_async(*arguments, **(settings | given)))


def test_without_states_those_are_swept_of_which_nothing_is_left_but_to_delete_them(cloud, sweeping):
    names = {state: cloud.put(state, domain="example.com", spec="ws.dv.f") for state in State}
    assert failed(LIFECYCLE) == {State.REFUNDED, State.ENDED, State.CLOSED}
    report = sweeping(cloud.client(), dry_run=True)
    assert {each.order_id for each in report.selected} == {names[state] for state in failed(LIFECYCLE)}
    assert {(each.domain, each.product) for each in report.selected} == {("example.com", "ws.dv.f")}
    assert cloud.calls() == []
    report = sweeping(cloud.client())
    assert {*report.deleted} == {names[state] for state in failed(LIFECYCLE)}
    assert (report.freed, report.perhaps_freed, report.left) == (0, 0, {})


@pytest.mark.parametrize(
    ("word", "selected"),
    [
        ("inactive", [0, 3]),
        ("Status=pending", [1]),
        ("normal", [2, 3]),
        ("submitting", [0, 1]),
        ("refunding", [0, 2, 3]),
        (list(filter(None, State)), [0, 1, 2, 3]),
    ],
)
def test_a_word_selects_those_that_read_so_and_a_state_that_shows_in_none_all_that_may_be(
    cloud, sweeping, word, selected
):
    names = [cloud.put(state) for state in (State.UNUSED, State.PENDING, State.IDLE, State.REFUNDING)]
    cloud.shown[names[3]] = {"status": "inactive", "certificate_status": "revoked"}
    report = sweeping(cloud.client(), states=word, dry_run=True)
    assert [each.order_id for each in report.selected] == [names[each] for each in selected]


def test_what_is_asked_for_is_withdrawn_refunded_and_deleted(cloud, sweeping):
    given_up = {"pending", "unused", "idle"}
    names = {
        state: cloud.put(state) for state in (State.PENDING, State.UNUSED, State.IDLE, State.ISSUED, State.REVOKED)
    }
    report = sweeping(cloud.client(), states=given_up)
    assert {*report.deleted} == {names[State(state)] for state in given_up}
    assert report.left == {}
    assert cloud.states[names[State.ISSUED]] is State.ISSUED
    assert cloud.states[names[State.REVOKED]] is State.REVOKED


def test_an_issued_one_is_selected_if_asked_for_and_left_with_the_reason(cloud, sweeping):
    name = cloud.put(State.ISSUED)
    report = sweeping(cloud.client(), states="issued")
    (each,) = report.selected
    assert each.plan is None
    assert "only with RevokeCertificate, which is not called unless asked for" in report.left[name]
    assert cloud.calls() == []


def test_what_under_way_was_asked_for_takes_none_at_rest_that_reads_the_same(cloud, sweeping):
    """Whoever sweeps refunds that are under way does not refund what is unused."""
    name = cloud.put(State.UNUSED)
    report = sweeping(cloud.client(), states="refunding")
    assert "it may be settling or submitting or unused, which was not asked for" in report.left[name]
    assert cloud.calls() == []


def test_one_that_was_applied_for_meanwhile_is_left(cloud, sweeping):
    name = cloud.put(State.UNUSED)
    (selected,) = sweeping(cloud.client(), states="unused", dry_run=True).selected
    cloud.states[name] = State.PENDING
    report = sweeping(cloud.client(), states="unused", selected=[selected])
    assert "it may be pending or withdrawing, which was not asked for" in report.left[name]
    assert cloud.calls() == []


def test_a_sweep_that_was_interrupted_after_a_withdrawal_goes_on_from_its_journal(cloud, sweeping, tmp_path):
    path, name = tmp_path / "sweep.jsonl", cloud.put(State.PENDING)
    cloud.completes_after = 10**9

    def interrupted(operation, _name):
        if C in cloud.sent and operation == Operation.GET and cloud.sent.count(Operation.GET) > 4:
            raise KeyboardInterrupt

    cloud.before_call = interrupted
    with pytest.raises(KeyboardInterrupt):
        sweeping(cloud.client(), states="pending", journal=path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line.get("operation") for line in lines[1:4]] == [Operation.LIST, Operation.GET, C]
    assert lines[2].items() >= {"instance_id": name, "state": "pending", "certificate_state": ""}.items()
    cloud.before_call = lambda _operation, _name: None
    cloud.completes_after = 2
    cloud._due.clear()
    cloud.happen(name, "withdrawal_completed")
    report = sweeping(cloud.client(), states="pending", journal=path)
    assert report.deleted == (name,)
    assert cloud.calls() == [C, R, D]
    assert trace.replay(trace.read([path])).verdict is trace.Finding.CONFORMS


def test_refusals_of_what_is_too_early_are_not_the_end_of_a_sweep(cloud, sweeping):
    name, sent = cloud.put(State.SETTLING), []
    client = cloud.client()
    report = sweeping(client, states="inactive", on_progress=lambda *came: sent.append(came))
    assert report.deleted == (name,)
    assert [reason for _, reason in sent] == [None]
    with pytest.raises(RefundNotSupport):
        call(client, R, cloud.put(State.WITHDRAWING))
