"""The sweep: what it selects, what it touches, what it keeps to, and how it goes on after an interruption."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from between import Behind, Between, acceptance
from orders import call, in_form, obeyed, order_in, state_of
from Tea.exceptions import TeaException

from orderfsm import ORDER_LIFECYCLE, Event, InvalidValue, Operation, State, trace
from orderfsm.client import JournalFailed, guard, sweep, sweep_async
from orderfsm.client.journal import Journal
from orderfsm.client.sdk import Answer, request
from orderfsm.client.steps import Send
from orderfsm.client.sweep import _rate
from orderfsm.mock import Fault, MemoryStore, Service, mock_cas
from orderfsm.tables.api import RATE_LIMITS
from orderfsm.trace import Outcome

FAST = {"rate": 2000}
DAY = 86_400
FAULTS = (
    Fault(probability=0.01),
    Fault(probability=0.01, when="after"),
    Fault(probability=0.005, transport="reset"),
    Fault(probability=0.005, transport="truncate"),
    Fault(probability=0.01, retry_after=5),
    Fault(probability=0.005, read="missing"),
    Fault(probability=0.005, read="unknow"),
)


@pytest.fixture
def service(server):
    server.service.put_package("digicert-free-1-free", 20_000)
    return server.service


@pytest.fixture(params=["sync", "async"])
def sweeping(request, server):
    """`sweep` in both forms, on a client of the server."""
    run = in_form(request.param, sweep, sweep_async)
    return lambda **settings: run(server.client(), **FAST | settings)


def states_of(service):
    return {record.id: record.order.state for record in service.orders()}


# -- what is selected --------------------------------------------------------------------------------------------------


def test_orders_whose_review_failed_are_deleted_and_nothing_else(service, sweeping):
    orders = {order_in(service, state): state for state in State for _ in range(2)}
    failed = {order for order, state in orders.items() if state is State.VERIFY_FAIL}
    used = service.packages()[0].used
    report = sweeping()
    assert set(report.deleted) == failed
    assert (report.freed, report.perhaps_freed, report.left) == (2, 0, {})
    assert service.packages()[0].used == used - 2
    for order, state in orders.items():
        assert state_of(service, order) is (State.DELETED if order in failed else state)


def test_only_orders_of_the_age_are_selected(service, sweeping):
    """The age counts from the date in the list, which is the service's; its clock is moved an hour between the two."""
    old = order_in(service, State.VERIFY_FAIL)
    service.advance(3600)
    young = order_in(service, State.VERIFY_FAIL)
    report = sweeping(older_than=1e-9, dry_run=True)
    assert [each.order_id for each in report.selected] == [old]
    assert sweeping(older_than=7 * DAY).selected == ()
    assert state_of(service, young) is State.VERIFY_FAIL


def test_an_order_without_a_date_is_not_taken_for_an_old_one(service, between, sweeping):
    order_id = order_in(service, State.VERIFY_FAIL)
    between.answers[Operation.LIST] = acceptance(
        CertificateOrderList=[{"OrderId": order_id, "Status": "CHECKED_FAIL"}], TotalCount=1
    )
    assert sweeping(older_than=1, dry_run=True).selected == ()
    (candidate,) = sweeping(dry_run=True).selected
    assert (candidate.order_id, candidate.bought, candidate.domain) == (order_id, None, None)


def test_what_the_list_has_beside_what_was_asked_for_is_not_selected(service, between, sweeping):
    failed, issued = order_in(service, State.VERIFY_FAIL), order_in(service, State.ISSUED)
    rows = [{"OrderId": failed, "Status": "CHECKED_FAIL"}, {"OrderId": issued, "Status": "ISSUED"}]
    between.answers[Operation.LIST] = acceptance(CertificateOrderList=rows, TotalCount=2)
    assert [each.order_id for each in sweeping(dry_run=True).selected] == [failed]


def test_a_dry_run_shows_the_plans_and_changes_nothing(service, between, sweeping):
    orders = {order_in(service, state): state for state in State}
    between.arrived.clear()
    selected = sweeping(states=set(State) - {State.DELETED}, dry_run=True).selected
    assert set(between.arrived) == {Operation.LIST}
    plans = {orders[each.order_id]: each.plan and each.plan.triggers for each in selected}
    assert plans[State.BEING_REVIEWED] == (Operation.CANCEL, Operation.DELETE)
    assert plans[State.VERIFY_FAIL] == plans[State.PENDING_APPLICATION] == (Operation.DELETE,)
    assert plans[State.ISSUED] is None
    renewals = {orders[each.order_id] for each in selected if each.may_be_renewal}
    assert renewals == {State.PENDING_APPLICATION}


def test_an_order_that_a_renewal_may_have_begun_counts_if_the_table_says_that_such_a_one_holds_a_unit(service, server):
    renew = ORDER_LIFECYCLE.transition(State.ABOUT_TO_EXPIRE, Operation.RENEW)
    holding = ORDER_LIFECYCLE.without(renew).with_rows(attrs.evolve(renew, holds=1))
    for lifecycle, freed in ((ORDER_LIFECYCLE, (0, 1)), (holding, (1, 0))):
        order_in(service, State.PENDING_APPLICATION)
        report = sweep(guard(server.client(), lifecycle=lifecycle), states={State.PENDING_APPLICATION}, **FAST)
        assert (report.freed, report.perhaps_freed) == freed


def test_orders_in_other_states_are_taken_if_asked_for(service, sweeping):
    withdrawn, reviewed = order_in(service, State.PENDING_APPLICATION), order_in(service, State.BEING_REVIEWED)
    issued = order_in(service, State.ISSUED)
    report = sweeping(states={State.PENDING_APPLICATION, State.BEING_REVIEWED, State.ISSUED})
    assert set(report.deleted) == {withdrawn, reviewed}
    assert (report.freed, report.perhaps_freed) == (1, 1)
    assert list(report.left) == [issued]
    assert "deleted cannot be reached from about_to_expire or expired or issued or revoked" in report.left[issued]
    assert state_of(service, issued) is State.ISSUED


def test_an_order_that_leaves_the_filter_is_not_touched(service, between, sweeping):
    """Listed as failed, submitted again before it is read: it is being applied for, and stays."""
    order_id = order_in(service, State.VERIFY_FAIL)
    selected = sweeping(dry_run=True).selected
    service.happen(order_id, Event.SUBMITTED)
    between.arrived.clear()
    report = sweeping(selected=selected)
    assert "not in the states that were asked for any more" in report.left[order_id]
    assert between.sent(Operation.CANCEL) == between.sent(Operation.DELETE) == 0


def test_an_order_under_review_alone_is_not_taken_for_one_that_waits_for_validation(service, sweeping):
    """The list has one word for the two; the read before the call tells."""
    pending, reviewed = order_in(service, State.PENDING_REVIEW), order_in(service, State.BEING_REVIEWED)
    report = sweeping(states={State.BEING_REVIEWED})
    assert report.deleted == (reviewed,)
    assert list(report.left) == [pending]
    assert state_of(service, pending) is State.PENDING_REVIEW


# -- what it keeps to --------------------------------------------------------------------------------------------------


def test_the_documented_limits_are_kept():
    """The service would refuse what is too much; eight workers share one allowance."""
    unlimited = Service(store=MemoryStore())
    unlimited.put_package("digicert-free-1-free", 100)
    orders = [order_in(unlimited, State.VERIFY_FAIL) for _ in range(25)]
    with mock_cas(Service(store=unlimited.store, limits=RATE_LIMITS)) as server:
        between = Between(server.service)
        assert sorted(sweep(server.client(), concurrency=8).deleted) == orders
        throttled = between.answered.count(429)  # a busy machine may deliver the calls of two seconds in one
        assert 0 <= between.sent(Operation.DELETE) - 25 <= throttled < 5  # at 1,000 calls a second 13 are


def test_another_rate_is_kept_by_all_workers_together(service, sweeping):
    for _ in range(6):
        order_in(service, State.VERIFY_FAIL)
    started = time.monotonic()
    assert len(sweeping(rate=5, concurrency=6).deleted) == 6
    assert time.monotonic() - started > 1.0  # at least: a busy machine takes longer


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"rate": 0}, "rate 0: expected calls a second, more than 0"),
        ({"rate": float("nan")}, "rate nan"),
        ({"rate": float("inf")}, "rate inf"),
        ({"rate": "10"}, "rate '10'"),
        ({"rate": True}, "rate True"),
        ({"older_than": 10**400}, "duration"),
        ({"concurrency": 0}, "concurrency 0: expected an int, 1 or more"),
        ({"older_than": -1}, "duration -1"),
        ({"states": set()}, "possible states"),
        ({"states": {"faild"}}, "state 'faild'"),
    ],
    ids=str,
)
def test_bad_settings_are_named(sweeping, settings, named):
    with pytest.raises(InvalidValue, match=named):
        sweeping(**settings)


def test_orders_that_cannot_be_listed_are_the_sdks_error(service, sweeping):
    service.add_fault(Fault(operation=Operation.LIST, code="Forbidden.RAM", status=403))
    with pytest.raises(TeaException) as caught:
        sweeping()
    assert caught.value.code == "Forbidden.RAM"


def test_progress_is_told_for_each_order(service, sweeping):
    orders = [order_in(service, State.VERIFY_FAIL) for _ in range(3)]
    seen = []
    sweeping(on_progress=lambda each, reason: seen.append((each.order_id, reason)))
    assert sorted(seen) == [(order, None) for order in orders]


def test_what_the_caller_raises_ends_the_sweep(service, sweeping):
    order_in(service, State.VERIFY_FAIL)
    with pytest.raises(ZeroDivisionError):
        sweeping(on_progress=lambda *_: 1 / 0)


# -- faults ------------------------------------------------------------------------------------------------------------


def test_with_faults_all_reach_the_goal_or_are_listed_with_the_reason(service, sweeping, tmp_path):
    orders = {order_in(service, state): state for state in State for _ in range(10)}
    failed = {order_in(service, State.VERIFY_FAIL) for _ in range(150)} | {
        order for order, state in orders.items() if state is State.VERIFY_FAIL
    }
    for fault in FAULTS:
        service.add_fault(fault)
    report = sweeping(concurrency=8)
    assert set(report.deleted) | set(report.left) == failed
    after = states_of(service)
    assert all(after.get(order, State.DELETED) is State.DELETED for order in report.deleted)
    assert all(reason for reason in report.left.values())
    assert set(changes(service).values()) == {1}
    for order, state in orders.items():
        if order not in failed:
            assert state_of(service, order) is state


def test_an_order_that_is_not_found_but_listed_is_not_deleted(service, sweeping):
    """A read alone proves nothing: the list is asked again in the end."""
    order_id, other = order_in(service, State.VERIFY_FAIL), order_in(service, State.VERIFY_FAIL)
    service.add_fault(Fault(order_id=order_id, read="missing"))
    report = sweeping()
    assert report.deleted == (other,)
    assert report.left == {order_id: "it is in the list again"}
    assert state_of(service, order_id) is State.VERIFY_FAIL


def test_an_order_that_was_not_found_once_is_tried_again(service, sweeping):
    order_id = order_in(service, State.VERIFY_FAIL)
    service.add_fault(Fault(read="missing", times=1))
    assert sweeping().deleted == (order_id,)
    assert state_of(service, order_id) is State.DELETED


def test_a_call_that_fails_in_passing_is_tried_again(service, sweeping):
    """Lost four times, and then a fifth time by the next round."""
    order_id = order_in(service, State.VERIFY_FAIL)
    service.add_fault(Fault(operation=Operation.DELETE, times=5))
    seen = []
    report = sweeping(on_progress=lambda each, reason: seen.append((each.order_id, reason)))
    assert (report.deleted, seen) == ((order_id,), [(order_id, None)])


def test_an_order_whose_reads_tell_nothing_is_tried_again(service, sweeping):
    order_id = order_in(service, State.VERIFY_FAIL)
    selected = sweeping(dry_run=True).selected
    service.add_fault(Fault(read="unknow", times=4))
    service.add_fault(Fault(operation=Operation.LIST, code="Forbidden.RAM", status=403, times=3))
    assert sweeping(selected=selected).deleted == (order_id,)


def test_a_list_that_cannot_be_read_again_is_said(service, sweeping):
    order_id = order_in(service, State.VERIFY_FAIL)
    selected = sweeping(dry_run=True).selected
    service.add_fault(Fault(operation=Operation.LIST, code="Forbidden.RAM", status=403))
    report = sweeping(selected=selected)
    assert (report.deleted, report.left, report.unverified) == ((order_id,), {}, "Forbidden.RAM")


def test_an_order_that_was_withdrawn_is_deleted_in_the_next_round(service, between, sweeping):
    """Its deletion failed in passing, and it is pending application by then: it was the sweep that led it there."""
    order_id = order_in(service, State.BEING_REVIEWED)
    service.add_fault(Fault(operation=Operation.DELETE, times=4))
    assert sweeping(states={State.BEING_REVIEWED}).deleted == (order_id,)
    assert state_of(service, order_id) is State.DELETED
    assert between.sent(Operation.CANCEL) == 1


def test_an_order_that_somebody_else_withdraws_is_left_alone(service, between, sweeping):
    """The sweep's own withdrawal was refused, so it is not the sweep that led it there."""
    order_id = order_in(service, State.BEING_REVIEWED)
    between.after_read = lambda: call(Behind(between), Operation.CANCEL, OrderId=order_id)
    report = sweeping(states={State.BEING_REVIEWED})
    assert "not in the states that were asked for any more" in report.left[order_id]
    assert state_of(service, order_id) is State.PENDING_APPLICATION
    assert between.sent(Operation.DELETE) == 0


def test_a_call_that_fails_for_good_is_the_reason(service, sweeping):
    order_id = order_in(service, State.VERIFY_FAIL)
    service.add_fault(Fault(operation=Operation.DELETE, code="DeleteFail", status=403))
    assert sweeping().left[order_id].startswith("DeleteFail: code: 403")


# -- the journal -------------------------------------------------------------------------------------------------------


def changes(service):
    """How often the service decided on each changing call, by order; one that is repeated is refused, and counts."""
    return Counter(
        (line.order_id, line.trigger)
        for line in service.history()
        if line.trigger in {Operation.CANCEL, Operation.DELETE}
    )


class Killed(BaseException):
    """The sweep is interrupted."""


def test_the_journal_is_a_conforming_trace(service, sweeping, tmp_path):
    for _ in range(20):
        order_in(service, State.VERIFY_FAIL)
    order_in(service, State.BEING_REVIEWED)
    sweeping(states={State.VERIFY_FAIL, State.BEING_REVIEWED}, journal=tmp_path / "journal.jsonl")
    report = trace.replay(trace.read(tmp_path / "journal.jsonl"))
    assert (report.verdict, report.orders, report.bad_lines) == (trace.Finding.CONFORMS, 21, ())


def test_each_call_is_in_the_file_as_soon_as_it_is_answered(service, sweeping, tmp_path):
    """So that a kill loses none."""
    for _ in range(3):
        order_in(service, State.VERIFY_FAIL)
    journal, deletions = tmp_path / "journal.jsonl", []
    sweeping(
        journal=journal,
        concurrency=1,
        on_progress=lambda *_: deletions.append(journal.read_text().count("DeleteCertificateRequest")),
    )
    assert deletions == [1, 2, 3]


def test_a_finished_sweep_is_not_repeated(service, between, sweeping, tmp_path):
    orders = [order_in(service, State.VERIFY_FAIL) for _ in range(5)]
    first = sweeping(journal=tmp_path / "journal.jsonl")
    order_in(service, State.VERIFY_FAIL)  # failed since: it is for the next sweep
    between.arrived.clear()
    again = sweeping(journal=tmp_path / "journal.jsonl")
    assert sorted(again.deleted) == sorted(first.deleted) == orders
    assert again.selected == first.selected
    assert between.arrived == []


def test_an_interrupted_sweep_goes_on_without_repeating_a_call(service, sweeping, tmp_path):
    orders = [order_in(service, State.BEING_REVIEWED) for _ in range(10)]
    journal = tmp_path / "journal.jsonl"

    def interrupt(each, _):
        if each.order_id == orders[4]:
            raise Killed

    settings = {"states": {State.BEING_REVIEWED}, "journal": journal, "concurrency": 1}
    with pytest.raises(Killed):
        sweeping(on_progress=interrupt, **settings)
    assert 0 < sum(changes(service).values()) < 20
    seen = []
    report = sweeping(on_progress=lambda each, _: seen.append(each.order_id), **settings)
    assert sorted(report.deleted) == sorted(seen) == orders
    assert set(changes(service).values()) == {1}


def test_an_order_that_was_withdrawn_before_the_interruption_is_deleted_after_it(server, service, tmp_path):
    """Although it is pending application by then, which was not asked for: it was this sweep that led it there."""
    order_id, other = order_in(service, State.BEING_REVIEWED), order_in(service, State.PENDING_APPLICATION)
    journal = tmp_path / "journal.jsonl"
    settings = {"states": {State.BEING_REVIEWED}, "journal": journal, **FAST}
    service.add_fault(Fault(operation=Operation.DELETE))
    assert list(sweep(server.client(), **settings).left) == [order_id]
    assert state_of(service, order_id) is State.PENDING_APPLICATION
    lines = journal.read_bytes().splitlines(keepends=True)
    withdrawn = next(number for number, line in enumerate(lines) if b"CancelOrderRequest" in line)
    service.clear_faults()
    journal.write_bytes(b"".join(lines[:withdrawn]))  # killed before the answer to the withdrawal was written
    assert sweep(server.client(), **settings).deleted == (order_id,)
    assert state_of(service, other) is State.PENDING_APPLICATION


def test_an_order_that_somebody_else_withdrew_before_the_interruption_is_left_alone_after_it(
    server, service, between, tmp_path
):
    order_id = order_in(service, State.BEING_REVIEWED)
    settings = {"states": {State.BEING_REVIEWED}, "journal": tmp_path / "journal.jsonl", **FAST}
    between.after_read = lambda: call(Behind(between), Operation.CANCEL, OrderId=order_id)
    for _ in range(2):
        assert list(sweep(server.client(), **settings).left) == [order_id]
    assert state_of(service, order_id) is State.PENDING_APPLICATION


def test_a_last_line_that_was_cut_off_is_dropped(server, service, tmp_path):
    order_in(service, State.VERIFY_FAIL)
    journal = tmp_path / "journal.jsonl"
    sweep(server.client(), journal=journal, **FAST)
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"time": "2026-')
    sweep(server.client(), journal=journal, **FAST)
    assert journal.read_bytes() == whole


@pytest.mark.parametrize(
    "text", ["hello\n", '{"trace": 1, "events": "complete"}\n', "", '{"trace": 1, "events": "partial"}\nx\n']
)
def test_a_file_that_is_no_journal_is_named_and_left_as_it_is(server, tmp_path, text):
    file = tmp_path / "file"
    file.write_text(text)
    with pytest.raises(InvalidValue, match=r"journal .*expected a file that a sweep has written"):
        sweep(server.client(), journal=file, **FAST)
    assert file.read_text() == text


JOURNALS = {"states": {State.VERIFY_FAIL}, "older_than": 0}


def begun(server, journal, **settings):
    """The lines of the journal of a sweep that was interrupted before its first call."""

    def interrupt(*_):
        raise Killed

    with pytest.raises(Killed):
        sweep(server.client(), journal=journal, concurrency=1, on_progress=interrupt, **FAST | settings)
    return journal.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize(
    "settings",
    [{"states": "payed"}, {"states": [State.VERIFY_FAIL, State.PENDING_APPLICATION]}, {"older_than": DAY}],
    ids=str,
)
def test_a_journal_of_another_filter_is_refused_and_left_as_it_is(server, service, sweeping, tmp_path, settings):
    order_in(service, State.VERIFY_FAIL)
    journal = tmp_path / "journal.jsonl"
    begun(server, journal, **JOURNALS)
    before = journal.read_bytes()
    for dry_run in (True, False):
        with pytest.raises(InvalidValue, match=r"journal .*: expected a journal of \{.*\}, and not of \{.*\}"):
            sweeping(journal=journal, dry_run=dry_run, **JOURNALS | settings)
    assert journal.read_bytes() == before


def test_a_journal_of_another_service_is_refused(server, service, tmp_path):
    order_in(service, State.VERIFY_FAIL)
    journal = tmp_path / "journal.jsonl"
    begun(server, journal)
    with mock_cas() as other, pytest.raises(InvalidValue, match=r'expected a journal of .*"endpoint": "127\.0\.0\.1:'):
        sweep(other.client(), journal=journal, **FAST)


@pytest.mark.parametrize("kept", range(4))
def test_a_journal_whose_selection_was_cut_is_refused_and_left_as_it_is(server, service, sweeping, tmp_path, kept):
    """Also at the end of a line, where nothing looks cut: it would sweep fewer."""
    for _ in range(4):
        order_in(service, State.VERIFY_FAIL)
    journal = tmp_path / "journal.jsonl"
    lines = begun(server, journal)
    cut = b"".join(lines[: 1 + kept])
    journal.write_bytes(cut)
    with pytest.raises(InvalidValue, match=rf"journal .*: expected its whole selection, 4 orders, and not {kept}"):
        sweeping(journal=journal)
    assert journal.read_bytes() == cut
    journal.write_bytes(b"".join(lines[:5]))
    assert len(sweeping(journal=journal).deleted) == 4


def test_no_two_sweeps_write_one_journal(server, service, sweeping, tmp_path):
    """Neither one that goes on from it while another does, nor one that begins it at the same time."""
    order_in(service, State.VERIFY_FAIL)
    journal, refusals = tmp_path / "journal.jsonl", []

    def meanwhile(*_):
        for dry_run in (True, False):
            with pytest.raises(InvalidValue, match="expected one that no other sweep is writing") as caught:
                sweep(server.client(), journal=journal, dry_run=dry_run, **FAST)
            refusals.append(caught.value)

    assert len(sweeping(journal=journal, on_progress=meanwhile).deleted) == 1
    assert len(refusals) == 2
    other, client = tmp_path / "other.jsonl", server.client()
    unhindered = client.list_user_certificate_order_with_options

    class Late(type(client)):
        def list_user_certificate_order_with_options(self, *arguments):
            sweep(server.client(), journal=other, **FAST)
            return unhindered(*arguments)

    client.__class__ = Late
    with pytest.raises(InvalidValue, match="expected one that no other sweep has begun meanwhile"):
        sweep(client, journal=other, **FAST)


@pytest.mark.parametrize("kind", ["fifo", "device", "directory"])
def test_what_is_no_file_is_no_journal(server, sweeping, tmp_path, kind):
    """It is not opened: a device has no end, and a pipe none before somebody writes."""
    path = {"fifo": tmp_path / "pipe", "device": Path("/dev/zero"), "directory": tmp_path}[kind]
    if kind == "fifo":
        os.mkfifo(path)
    for dry_run in (True, False):
        with pytest.raises(InvalidValue, match=f"journal '{path}': expected a file"):
            sweeping(journal=path, dry_run=dry_run)


@pytest.fixture
def small_disk():
    """No file can be longer than so many bytes, as on a full disk."""
    resource = pytest.importorskip("resource", reason="this system has no limits of this kind")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@given(st.floats(1e-6, 1e4))
def test_no_rate_is_so_small_that_more_calls_are_made(per_second):
    rate = _rate(per_second)
    assert rate.limit * 1000 <= rate.interval * per_second * 1.01


def test_a_journal_that_cannot_be_made_ends_the_sweep_before_it_begins(service, sweeping, tmp_path):
    order = order_in(service, State.VERIFY_FAIL)
    with pytest.raises(JournalFailed, match=r"^journal .*/no/journal\.jsonl: No such file or directory$"):
        sweeping(journal=tmp_path / "no" / "journal.jsonl")
    assert state_of(service, order) is State.VERIFY_FAIL


def test_a_full_disk_ends_the_sweep_before_it_begins_and_leaves_no_file(service, sweeping, tmp_path, small_disk):
    orders = [order_in(service, State.VERIFY_FAIL) for _ in range(20)]
    small_disk(1000)
    with pytest.raises(JournalFailed, match=rf"^journal {tmp_path}/journal.jsonl: File too large$") as caught:
        sweeping(journal=tmp_path / "journal.jsonl")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert {state_of(service, order) for order in orders} == {State.VERIFY_FAIL}


@pytest.mark.parametrize("changed", [{"bought": "x"}, {"bought": [1]}, {"domain": 5}, {"product": {}}], ids=str)
def test_a_journal_whose_selection_was_changed_is_refused(service, server, sweeping, tmp_path, changed):
    order_in(service, State.VERIFY_FAIL)
    path = tmp_path / "journal.jsonl"
    header, line, *_ = begun(server, path)
    path.write_bytes(header + json.dumps(json.loads(line) | changed).encode() + b"\n")
    with pytest.raises(InvalidValue, match=r"^journal '.*: expected a file that a sweep has written$"):
        sweeping(journal=path)


def test_a_line_for_which_there_was_no_room_is_not_there_by_half(service, server, tmp_path, small_disk):
    order_in(service, State.VERIFY_FAIL)
    path = tmp_path / "journal.jsonl"
    header, *lines = begun(server, path)
    with closing(Journal(path, json.loads(header)["sweep"])) as journal:
        step = Send(Operation.CANCEL, request(Operation.CANCEL, order_id=7))
        small_disk(path.stat().st_size + 20)
        with pytest.raises(JournalFailed):
            journal.note(step, Answer(Outcome.ACCEPTED))
        small_disk(10**9)
        journal.note(step, Answer(Outcome.ACCEPTED))
    last = path.read_bytes().splitlines()[-1]
    assert json.loads(last)["order_id"] == 7
    assert path.read_bytes().splitlines() == [header.rstrip(), *map(bytes.rstrip, lines), last]


def test_a_disk_that_gets_full_ends_the_sweep_and_it_goes_on_when_there_is_room(
    service, server, sweeping, tmp_path, small_disk
):
    for _ in range(5):
        order_in(service, State.VERIFY_FAIL)
    journal = tmp_path / "journal.jsonl"
    small_disk(sum(map(len, begun(server, journal))) + 500)
    with pytest.raises(JournalFailed):
        sweeping(journal=journal)
    small_disk(10**9)
    report = sweeping(journal=journal)
    assert len(report.deleted) == 5
    assert set(changes(service).values()) == {1}
    assert report.freed + report.perhaps_freed == 5


# -- several sweeps at once --------------------------------------------------------------------------------------------


def test_two_sweeps_at_once_do_not_both_count_what_one_of_them_freed(service, server, sweeping):
    """The second selects all, and finds some gone when it comes to them."""
    orders = [order_in(service, State.VERIFY_FAIL) for _ in range(6)]
    used = service.packages()[0].used
    reports = []

    def the_other(each, _):
        if not reports and each.order_id == orders[2]:
            reports.append(sweep(server.client(), **FAST))

    reports.append(sweeping(on_progress=the_other, concurrency=1))
    other, one = reports
    assert one.deleted == tuple(orders)
    assert (one.by_others, one.freed, one.perhaps_freed) == (tuple(orders[3:]), 3, 0)
    assert (other.deleted, other.by_others, other.freed) == (tuple(orders[3:]), (), 3)
    assert used - service.packages()[0].used == one.freed + other.freed


def test_what_may_have_been_deleted_before_an_interruption_is_perhaps_freed(service, server, sweeping, tmp_path):
    """Killed between the call and the line that says what it came to."""
    order_id = order_in(service, State.VERIFY_FAIL)
    journal = tmp_path / "journal.jsonl"
    sweep(server.client(), journal=journal, **FAST)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(line for line in lines if b"DeleteCertificateRequest" not in line))
    report = sweeping(journal=journal)
    assert (report.deleted, report.freed, report.perhaps_freed) == ((order_id,), 0, 1)


def test_what_this_sweep_called_and_heard_nothing_of_is_perhaps_freed(service, between, sweeping):
    """The deletion was carried out, its answer lost, and the reads after it as well; by the next round it is gone."""
    order_id = order_in(service, State.VERIFY_FAIL)
    service.add_fault(Fault(operation=Operation.DELETE, when="after", times=1))
    between.after_read = lambda: service.add_fault(Fault(operation=Operation.DESCRIBE, times=4))
    report = sweeping()
    assert (report.deleted, report.by_others) == ((order_id,), ())
    assert (report.freed, report.perhaps_freed) == (0, 1)


# -- at length ---------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_ten_thousand_orders_with_faults_killed_twice(tmp_path):
    """All reach the goal or are listed with the reason; nothing else is touched; no accepted call is repeated."""
    pytest.importorskip("click", reason="the extra `cli` is not installed")
    journal = tmp_path / "journal.jsonl"
    with mock_cas(random=Random(7)) as server:
        service = server.service
        service.put_package("digicert-free-1-free", 20_000)
        failed = {order_in(service, State.VERIFY_FAIL) for _ in range(10_000)}
        others = {
            order_in(service, state): state for state in State if state is not State.VERIFY_FAIL for _ in range(25)
        }
        for fault in FAULTS:
            service.add_fault(fault)
        command = [sys.executable, "-m", "orderfsm.cli", "orders", "--endpoint", server.api, "sweep", "--yes", "--json"]
        command += ["--rate", "5000", "--concurrency", "8", "--journal", str(journal)]
        environment = os.environ | {"ALIBABA_CLOUD_ACCESS_KEY_ID": "a", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "b"}
        for deletions in (3_000, 6_000):
            with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as killed:
                while killed.poll() is None and sum(changes(service).values()) < deletions:
                    time.sleep(0.5)
                assert killed.poll() is None
                killed.send_signal(signal.SIGKILL)
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, timeout=300, check=False)
        report = json.loads(done.stdout)
        left = {each["order_id"]: each["reason"] for each in report["left"]}
        assert done.returncode == (1 if left else 0)
        assert set(report["deleted"]) | set(left) == failed
        assert all(left.values())
        assert len(left) < 10
        for order in report["deleted"]:
            assert state_of(service, order) is State.DELETED
        for order, state in others.items():
            assert state_of(service, order) is state
        assert set(changes(service).values()) == {1}
        obeyed(service)
