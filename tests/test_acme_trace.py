"""Recorded histories of ACME orders: words of calls, what does not happen unseen, and what a server may refuse."""

from __future__ import annotations

import json

import attrs
import pytest

from orderfsm import trace as t
from orderfsm.tables.acme import LIFECYCLE, Event, Operation, State
from orderfsm.testing import check_history
from orderfsm.testing.histories.history import smallest_history
from orderfsm.trace import Events, Finding, Line

CONFORMS, VIOLATES, UNDECIDED = Finding
COMPLETE, PARTIAL = Events
URL = "https://acme.example/order/7yeqTa?a=1"
TIME = "2026-11-29T04:10:{:02}Z"
URN = "urn:ietf:params:acme:error:"

NEW, READ, FINALIZE, DEACTIVATE, DOWNLOAD, REVOKE = Operation
ALL_VALID, AUTHORIZATION_FAILED, ISSUED, FAILED, EXPIRED = Event


def line(trigger, second=0, url=URL, **fields):
    return Line(time=TIME.format(second), order_id=url, trigger=trigger, lifecycle=LIFECYCLE, **fields)


def new(state="pending"):
    return line(NEW, state=state)


def got(state=None):
    """A read that answered this word."""
    return line(READ, state=state)


def refused(trigger, code=None):
    return line(trigger, outcome="refused", code=code)


def judged(*lines, events=PARTIAL):
    """The judgement on these lines, or triggers that were accepted, one second after another."""
    made = [each if isinstance(each, Line) else line(each) for each in lines]
    return t.judge([attrs.evolve(each, time=TIME.format(at)) for at, each in enumerate(made)], events=events)


READY = (new(), got("ready"))
VALID = (*READY, FINALIZE, got("valid"))
INVALID = (new(), got("invalid"))


def violates(*lines, at, possible=None, events=PARTIAL):
    found = judged(*lines, events=events)
    assert (found.verdict, found.index) == (VIOLATES, at)
    assert possible is None or set(found.possible) == set(possible)


# -- lines -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trigger", [*Operation, *Event])
def test_every_trigger_of_an_order_can_be_written_and_read_with_its_url(trigger, tmp_path):
    t.write([line(trigger)], tmp_path / "a.jsonl")
    _, read = t.read(tmp_path / "a.jsonl")
    assert (read.trigger, read.order_id, read.lifecycle) == (trigger, URL, LIFECYCLE)
    assert Line(time=TIME.format(0), order_url=URL, trigger=trigger) == line(trigger)


def test_a_line_with_lists_of_records_beside_its_url_is_no_envelope(tmp_path):
    text = {"order_url": URL, "records": [{}], "time": TIME.format(0), "operation": "finalize", "outcome": "accepted"}
    (tmp_path / "a.jsonl").write_text(json.dumps(text, indent=1))
    _, read = t.read(tmp_path / "a.jsonl")
    assert read.trigger is FINALIZE


def test_a_csv_file_with_order_urls_is_known_for_what_it_is(tmp_path):
    (tmp_path / "a.csv").write_text("time,order_url,operation,outcome\n")
    with pytest.raises(t.lines.InvalidValue, match="this is CSV"):
        list(t.read(tmp_path / "a.csv"))


def test_an_order_that_was_not_taken_is_of_the_account():
    assert line(NEW, url=None, outcome="refused", code="rejectedIdentifier").of_the_account
    assert not new().of_the_account


# -- events: settled point 1 -------------------------------------------------------------------------------------------


def test_a_finalize_that_is_accepted_while_the_order_is_pending_violates_the_table():
    violates(new(), FINALIZE, at=1, possible={State.PENDING})
    violates(new(), line(FINALIZE, state="processing"), got("valid"), at=1)
    violates(NEW, FINALIZE, at=1, events=PARTIAL)
    violates(new(), got("pending"), FINALIZE, at=2)


def test_an_order_becomes_ready_by_an_event_that_stands_in_the_log():
    assert judged(new(), ALL_VALID, FINALIZE, got("valid")).verdict is CONFORMS
    assert judged(new(), ALL_VALID, FINALIZE, ISSUED, got("valid"), events=COMPLETE).verdict is CONFORMS


def test_a_read_shows_what_happened_before_it():
    assert judged(new(), got("ready"), FINALIZE).verdict is CONFORMS
    assert judged(new(), got("invalid")).verdict is CONFORMS
    assert judged(*READY, got("invalid")).verdict is CONFORMS
    assert judged(*READY, FINALIZE, got("processing"), got("invalid")).verdict is CONFORMS
    violates(new(), got("processing"), at=1)
    violates(new(), got("valid"), at=1)
    violates(*READY, got("pending"), at=2, possible={State.READY})


def test_a_read_that_says_nothing_shows_nothing():
    violates(new(), got(), FINALIZE, at=2)


def test_a_later_read_shows_why_finalize_was_refused():
    """The authorization expired, say: the server refuses finalize first, and the client reads why."""
    not_ready = refused(FINALIZE, "orderNotReady")
    assert judged(*READY, not_ready, got("invalid")).verdict is CONFORMS
    assert judged(*READY, not_ready, got(), got("invalid")).verdict is CONFORMS
    violates(*READY, not_ready, at=2, possible={State.READY})
    violates(*READY, not_ready, got(), got("ready"), at=2)
    violates(*READY, not_ready, FINALIZE, got("valid"), at=2)


def test_with_complete_events_all_of_them_stand_in_the_log():
    violates(*READY, at=1, events=COMPLETE)
    violates(new(), ALL_VALID, FINALIZE, got("valid"), at=3, events=COMPLETE)
    violates(new(), got("invalid"), at=1, events=COMPLETE)


def test_issued_and_failed_happen_unseen():
    assert judged(*READY, FINALIZE, DOWNLOAD).verdict is CONFORMS
    assert judged(*READY, line(FINALIZE, state="processing"), got("invalid")).verdict is CONFORMS


# -- words of calls: settled point 5 -----------------------------------------------------------------------------------


@pytest.mark.parametrize("events", Events)
def test_an_accepted_call_says_where_the_order_is_afterwards(events):
    assert judged(new("ready"), FINALIZE, events=events).verdict is CONFORMS
    assert judged(new("READY"), line(FINALIZE, state="valid"), DOWNLOAD, events=events).verdict is CONFORMS
    violates(new("pending"), FINALIZE, at=1, events=events)
    violates(new("ready"), line(FINALIZE, state="ready"), at=1, events=events)
    violates(new("valid"), at=0, possible={None}, events=events)
    violates(new("ready"), line(FINALIZE, state="pending"), at=1, events=events)


@pytest.mark.parametrize("before", [(new("ready"),), ()])
def test_finalize_may_be_answered_by_an_order_of_which_the_certificate_will_not_be_issued(before):
    """It may have failed, unseen, by the time that the answer was written; section 7.4 names that word."""
    invalid = line(FINALIZE, state="invalid")
    assert judged(*before, invalid, got("invalid")).verdict is CONFORMS
    assert check_history([*before, invalid]).verdict is CONFORMS
    violates(*before, invalid, FINALIZE, at=len(before) + 1, possible={State.INVALID})
    violates(*before, invalid, at=len(before), events=COMPLETE)


@pytest.mark.parametrize("events", Events)
def test_what_had_happened_when_a_call_was_answered_may_be_told_after_it_once(events):
    valid = line(FINALIZE, state="valid")
    assert judged(new("ready"), ALL_VALID, valid, ISSUED, got("valid"), DOWNLOAD, events=events).verdict is CONFORMS
    violates(new("ready"), ALL_VALID, ALL_VALID, at=2, events=events)
    violates(new("ready"), valid, ISSUED, ISSUED, at=3, events=events)
    violates(new("ready"), line(FINALIZE, state="processing"), ISSUED, ISSUED, at=3, events=events)
    violates(new("ready"), valid, ALL_VALID, at=2, events=events)


def test_a_call_whose_answer_has_no_such_word_is_not_read_by_one():
    """What a deactivation answers is the authorization, and not the order."""
    assert judged(new(), line(DEACTIVATE, state="deactivated"), got("invalid")).verdict is CONFORMS


# -- the vocabulary is closed: settled point 3 -------------------------------------------------------------------------


def test_a_word_that_no_order_has_violates_the_table_at_the_read_that_showed_it():
    violates(*VALID, got("deactivated"), at=4, possible={State.VALID})
    violates(new(), got("deactivated"), at=1)
    violates(new("deactivated"), at=0)
    violates(new("ready"), line(FINALIZE, state="queued"), at=1)


# -- what the dossier saw, section 4 -----------------------------------------------------------------------------------


def test_an_order_with_a_deactivated_authorization_is_never_ready():
    violates(new(), DEACTIVATE, got("ready"), at=2, possible={State.INVALID})
    assert judged(new(), DEACTIVATE, got("invalid")).verdict is CONFORMS
    violates(*READY, DEACTIVATE, got("ready"), at=3)


def test_a_bad_csr_leaves_the_order_ready():
    bad = refused(FINALIZE, URN + "badCSR")
    assert judged(*READY, bad, got("ready"), FINALIZE).verdict is CONFORMS
    violates(*READY, bad, got("processing"), at=3, possible={State.READY})
    violates(new(), bad, at=1)


def test_an_order_is_finalized_once():
    violates(*READY, FINALIZE, FINALIZE, at=3, possible={State.PROCESSING, State.VALID, State.INVALID})
    assert judged(*READY, FINALIZE, refused(FINALIZE, "orderNotReady"), got("valid")).verdict is CONFORMS


def test_an_authorization_that_failed_makes_its_order_invalid():
    violates(new(), AUTHORIZATION_FAILED, got("pending"), at=2, possible={State.INVALID})
    assert judged(new(), AUTHORIZATION_FAILED, got("invalid")).verdict is CONFORMS


@pytest.mark.parametrize("answered", [("pending", "processing"), ("pending", "valid")])
def test_what_clients_do_conforms(answered):
    """certbot, lego and acme-tiny conclude from the authorizations; only uacme reads the order before it finalizes."""
    first, second = answered
    assert judged(new(first), ALL_VALID, line(FINALIZE, state=second), got("valid")).verdict is CONFORMS
    assert judged(new(first), ALL_VALID, got("ready"), line(FINALIZE, state=second), got("valid")).verdict is CONFORMS


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["rateLimited", "badNonce", "unauthorized", "malformed", "userActionRequired"])
def test_what_is_refused_for_another_reason_than_the_state_changes_nothing_and_convicts_nobody(code):
    for prefix in ("", URN):
        for lines in ((new(),), READY, VALID, INVALID):
            assert judged(*lines, refused(FINALIZE, prefix + code), refused(READ, prefix + code)).verdict is CONFORMS


def test_the_code_of_finalize_is_the_only_one_that_is_insisted_on():
    for lines in ((new(),), (*READY, FINALIZE), INVALID):
        for code in ("orderNotReady", URN + "orderNotReady"):
            assert judged(*lines, refused(FINALIZE, code)).verdict is CONFORMS
        assert judged(*lines, refused(FINALIZE, "noSuchCode")).verdict is UNDECIDED
    for code in (None, "noSuchCode", "orderNotReady", URN + "badCSR"):
        assert judged(new(), refused(DOWNLOAD, code)).verdict is CONFORMS


@pytest.mark.parametrize("code", [None, "noSuchCode", "malformed", "orderNotReady"])
def test_a_server_may_refuse_a_deactivation_as_it_likes_and_nothing_changes(code):
    assert judged(new(), refused(DEACTIVATE, code), got("pending")).verdict is CONFORMS
    assert judged(*READY, refused(DEACTIVATE, code), FINALIZE).verdict is CONFORMS
    assert judged(*INVALID, refused(DEACTIVATE, code)).verdict is CONFORMS


@pytest.mark.parametrize("code", [None, "alreadyRevoked", "noSuchCode"])
def test_only_after_a_revocation_may_the_server_refuse_the_certificate_or_another_revocation(code):
    assert judged(*VALID, REVOKE, refused(DOWNLOAD, code), refused(REVOKE, code), DOWNLOAD).verdict is CONFORMS
    assert judged(*VALID, line(REVOKE, outcome="unknown"), refused(REVOKE, code)).verdict is CONFORMS
    if code != "alreadyRevoked":
        assert judged(*VALID, refused(DOWNLOAD, code)).verdict is UNDECIDED
    violates(*VALID, refused(DOWNLOAD, "orderNotReady"), at=4)


def test_of_an_order_that_was_not_seen_from_its_beginning_nobody_knows_what_was_revoked():
    assert judged(got("valid"), refused(DOWNLOAD, "orderNotReady")).verdict is CONFORMS


def test_an_order_that_expired_may_be_gone():
    assert judged(new(), EXPIRED, refused(READ)).verdict is CONFORMS
    assert judged(new(), AUTHORIZATION_FAILED, refused(READ)).verdict is UNDECIDED
    assert judged(*INVALID, refused(READ, "noSuchCode")).verdict is CONFORMS, "that may be why it is invalid"


# -- silence -----------------------------------------------------------------------------------------------------------


def test_where_the_rfc_is_silent_nobody_is_accused():
    for state in ("valid", "invalid"):
        assert judged(*VALID, DEACTIVATE, got(state)).verdict is CONFORMS
        assert judged(*VALID, AUTHORIZATION_FAILED, got(state)).verdict is CONFORMS


# -- calls at once -----------------------------------------------------------------------------------------------------


def raced(*answers):
    """Two clients finalize a ready order at once."""
    calls = [
        line(FINALIZE, client=number, started=TIME.format(10), ended=TIME.format(11 + number), **answer)
        for number, answer in enumerate(answers)
    ]
    return check_history([new(), line(READ, 1, state="ready"), *calls])


NOT_READY = {"outcome": "refused", "code": "orderNotReady"}


def test_of_two_finalizes_at_once_one_is_accepted():
    assert raced({}, NOT_READY).verdict is CONFORMS
    assert raced(NOT_READY, {}).verdict is CONFORMS
    assert raced({"state": "processing"}, NOT_READY).verdict is CONFORMS
    assert raced({}, {}).verdict is VIOLATES
    found = raced(NOT_READY, NOT_READY)
    assert (found.verdict, found.index, found.possible) == (VIOLATES, 2, (State.READY,))


def test_the_smallest_history_of_two_finalizes_keeps_the_read_that_showed_the_order_ready():
    found = smallest_history(raced({"state": "valid"}, {"state": "valid"}))
    assert [call.trigger for call in found.calls] == [NEW, READ, FINALIZE, FINALIZE]
    assert found.culprit.client == 1
