"""Recorded histories of V2.0 instances: two words of one answer, what completes unseen; and files that mix tables."""

from __future__ import annotations

import json
import pickle

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderfsm import ORDER_LIFECYCLE, InvalidValue
from orderfsm import Operation as OrderOperation
from orderfsm import trace as t
from orderfsm.rows import Actor
from orderfsm.tables.instances import LIFECYCLE, Event, Operation, State
from orderfsm.testing import check_history
from orderfsm.testing.strategies import illegal_histories, legal_histories
from orderfsm.trace import Events, Finding, Line
from orderfsm.trace.reading import words_of
from orderfsm.trace.tables import noun_of, tables_of

CONFORMS, VIOLATES, UNDECIDED = Finding
COMPLETE, PARTIAL = Events
ID = "cas-cn-68n1mm16"
TIME = "2026-08-05T06:10:{:02}Z"


def line(trigger, second=0, instance=ID, **fields):
    return Line(time=TIME.format(second), instance_id=instance, trigger=trigger, lifecycle=LIFECYCLE, **fields)


def got(state=None, second=None):
    """A read that answered these words."""
    return line(Operation.GET, state=state, certificate_state=second)


def refused(trigger, code=None):
    return line(trigger, outcome="refused", code=code)


def judged(*lines, events=COMPLETE):
    """The judgement on these lines, or triggers that were accepted, one second after another."""
    made = [each if isinstance(each, Line) else line(each) for each in lines]
    return t.judge([attrs.evolve(each, time=TIME.format(at)) for at, each in enumerate(made)], events=events)


def meant(state=None, second=None):
    """The states that a read of these words may mean."""
    words = words_of(LIFECYCLE)
    return words.states(words.said(state, second), frozenset())


BOUGHT = (Operation.PURCHASE, Event.PURCHASE_SETTLED)
UNDER_REVIEW = (*BOUGHT, Operation.UPDATE, Operation.APPLY, Event.SUBMISSION_ACCEPTED)
WITHDRAWN = (*UNDER_REVIEW, Operation.CANCEL, Event.WITHDRAWAL_COMPLETED)
ORDER = Line(time=TIME.format(0), order_id=7, operation="CreateCertificateRequest")


# -- lines -------------------------------------------------------------------------------------------------------------


def test_a_line_of_an_instance_has_its_id_under_its_own_key_and_keeps_what_nobody_knows():
    text = {"time": TIME.format(0), "instance_id": ID, "operation": "GetInstanceDetail", "outcome": "accepted"}
    words = {"state": "normal", "certificate_state": "issued", "note": 1}
    read = t.loads(json.dumps(text | words))
    assert (read.lifecycle, read.order_id, read.trigger) == (LIFECYCLE, ID, Operation.GET)
    assert (read.state, read.certificate_state, read.extra) == ("normal", "issued", {"note": 1})
    assert json.loads(t.dumps(read)) == text | words
    assert pickle.loads(pickle.dumps(read)) == read
    assert Line(**text, certificate_state="issued").lifecycle is LIFECYCLE, "the key says which table it is"


@pytest.mark.parametrize("trigger", [*Operation, *Event])
def test_every_trigger_of_an_instance_can_be_written_and_read(trigger, tmp_path):
    t.write([line(trigger)], tmp_path / "a.jsonl")
    _, read = t.read(tmp_path / "a.jsonl")
    assert (read.trigger, read.lifecycle) == (trigger, LIFECYCLE)


def test_of_an_order_the_second_word_is_a_key_that_nobody_knows():
    read = t.loads('{"time": "2026-08-05T06:10:01Z", "order_id": 7, "event": "submitted", "certificate_state": "x"}')
    assert (read.certificate_state, read.extra) == (None, {"certificate_state": "x"})
    with pytest.raises(InvalidValue, match="second word 'x': expected none: orders have no such word"):
        Line(time=TIME.format(0), order_id=7, event="submitted", certificate_state="x")


def test_a_list_that_says_a_second_word_of_an_instance_is_a_read_of_it():
    assert line(Operation.LIST).of_the_account
    assert line(Operation.LIST, instance=None, state="normal").of_the_account
    assert not line(Operation.LIST, state="normal").of_the_account
    assert not line(Operation.LIST, certificate_state="").of_the_account
    assert judged(*BOUGHT, line(Operation.LIST, certificate_state="issued")).index == 2


# -- words: section 8.6 of the facts -----------------------------------------------------------------------------------

WORDS = {
    ("inactive", ""): {"settling", "unused", "submitting", "refunding"},
    ("inactive", "revoked"): {"refunding"},
    ("pending", ""): {"submitting", "pending", "withdrawing"},
    ("pending", "expired"): {"expired_reapplying", "expired_withdrawing"},
    ("pending", "issued"): {"reissuing", "reissue_withdrawing"},
    ("pending", "willExpire"): {"reissuing", "reissue_withdrawing"},
    ("pending", "revoked"): {"revoked_reapplying", "revoked_withdrawing"},
    ("normal", ""): {"idle", "refunding"},
    ("normal", "expired"): {"certificate_expired"},
    ("normal", "issued"): {"issued", "revoking"},
    ("normal", "revoked"): {"revoked", "refunding"},
    ("normal", "willExpire"): {"about_to_expire", "revoking"},
    ("willExpire", "issued"): {"ending"},
    ("expired", "expired"): {"ended"},
    ("refund", "revoked"): {"refunded"},
    ("closed", ""): {"closed"},
}


@pytest.mark.parametrize(("words", "states"), WORDS.items(), ids=map("-".join, WORDS))
def test_two_words_mean_what_both_may_mean(words, states):
    assert meant(*words) == states
    assert meant(words[0].upper(), words[1].upper()) == meant(*words)


def test_a_word_alone_means_all_that_it_may_mean():
    assert meant("pending") == {each for (first, _), states in WORDS.items() if first == "pending" for each in states}
    assert meant("issued") == {
        *(State.ISSUED, State.REVOKING, State.REISSUING, State.REISSUE_WITHDRAWING),
        *(State.REFUNDED, State.ENDING, State.ENDED, State.CLOSED),
    }
    assert meant("expired") == meant(second="expired") | {State.ENDED}
    assert meant("about_to_expire") == {State.ABOUT_TO_EXPIRE}
    assert meant("unused", "issued") == frozenset()


@pytest.mark.parametrize("none", ["", "absent", "ABSENT"])
def test_an_answer_without_a_certificate_is_an_empty_second_word_or_absent(none):
    assert meant("normal", none) == {State.IDLE, State.REFUNDING}
    assert judged(*WITHDRAWN, got("normal", none)).verdict is CONFORMS
    assert judged(*UNDER_REVIEW, Event.CERTIFICATE_ISSUED, got("normal", none)).index == 6


def test_a_second_word_that_is_null_says_nothing():
    for given_ in (None, float("nan")):
        text = {"time": TIME.format(0), "instance_id": ID, "operation": "GetInstanceDetail", "outcome": "accepted"}
        read = t.line_of(text | {"state": "normal", "certificate_state": given_})
        assert read.certificate_state is None
    assert judged(*UNDER_REVIEW, Event.CERTIFICATE_ISSUED, got("normal")).verdict is CONFORMS


def test_a_word_that_nobody_knows_is_vague_and_the_other_one_still_counts():
    assert judged(*UNDER_REVIEW, got("pending", "checking")).verdict is UNDECIDED
    assert judged(*UNDER_REVIEW, got("checking", "")).verdict is UNDECIDED
    assert judged(*UNDER_REVIEW, got("checking", "issued")).index == 5
    assert judged(*UNDER_REVIEW, got("normal", "checking")).index == 5


def test_what_is_read_while_the_words_lag_is_explained():
    assert judged(*BOUGHT, Operation.APPLY, got("inactive", "")).verdict is CONFORMS
    assert judged(*WITHDRAWN[:-1], got("pending", "")).verdict is CONFORMS
    assert judged(*BOUGHT, Operation.REFUND, got("inactive", ""), got("normal", "")).verdict is CONFORMS


# -- what explains a line ----------------------------------------------------------------------------------------------


def test_a_whole_life_conforms():
    ended = (*WITHDRAWN, Operation.REFUND, Event.REFUND_COMPLETED, Operation.DELETE)
    assert judged(*ended, refused(Operation.GET, "NotFound")).verdict is CONFORMS
    assert judged(*ended, Operation.GET).index == len(ended)


COMPLETED = {
    rule.trigger: rule.follows
    for rule in LIFECYCLE.triggers
    if rule.actor is Actor.SERVICE and rule.follows is not None
}


@pytest.mark.parametrize("completion", COMPLETED)
def test_a_completion_happens_unseen_unless_the_trace_is_complete(completion):
    for row in (row for row in LIFECYCLE.transitions if row.trigger is completion):
        for events in Events:
            automaton = t.automaton(LIFECYCLE, events, late=False)
            before_next = automaton.states_before_next(automaton.at([row.source]).strict)
            assert (row.target in before_next) is (events is PARTIAL)
            after = automaton.step(automaton.at([row.source]), t.Reading(completion, t.Answer.ACCEPTED))
            assert {run.state for run in after.strict} >= {row.target}


def test_a_call_that_is_refused_too_early_and_passes_later_conforms():
    early = (*BOUGHT, Operation.APPLY, refused(Operation.CANCEL, "OperationDenied.StatusNotSupport"))
    assert judged(*early, Event.SUBMISSION_ACCEPTED, Operation.CANCEL).verdict is CONFORMS
    assert judged(*early, Operation.CANCEL).index == 4
    assert judged(*early, Operation.CANCEL, events=PARTIAL).verdict is CONFORMS


@pytest.mark.parametrize("state", [state for state in State if state is not State.DELETED])
def test_a_refund_that_comes_too_late_is_turned_away_anywhere_and_changes_nothing(state):
    here = got(str(state))
    assert judged(here, refused(Operation.REFUND, "CouldNotRefund.OverTime"), here).verdict is CONFORMS


SILENT = [(state, trigger) for state in State for trigger in Operation if LIFECYCLE.is_silent(state, trigger)]


@pytest.mark.parametrize(("state", "trigger"), SILENT, ids=["-".join(each) for each in SILENT])
def test_where_the_sources_are_silent_any_answer_is_explained(state, trigger):
    here = got(str(state))
    for answer in (line(trigger), *(refused(trigger, code) for code in (None, "NotFound", "Surprise"))):
        assert judged(here, answer).verdict is CONFORMS
    assert judged(here, trigger, got("closed", "")).verdict is CONFORMS, "it may have led anywhere"


def test_there_are_26_pairs_of_which_nothing_is_said():
    assert len(SILENT) == 26


@pytest.mark.parametrize("events", Events)
def test_a_purchase_of_an_instance_that_exists_is_explained_by_nothing(events):
    assert judged(*BOUGHT, Operation.PURCHASE, events=events).index == 2
    assert judged(got("inactive", ""), Operation.PURCHASE, events=events).index == 1


def test_an_update_changes_no_state_and_is_no_read():
    assert judged(*BOUGHT, *[Operation.UPDATE] * 3, got("inactive", "")).verdict is CONFORMS
    assert judged(*UNDER_REVIEW, Operation.UPDATE).index == 5
    assert judged(*BOUGHT, line(Operation.UPDATE, state="refund")).verdict is CONFORMS, "it answers no words"


@given(legal_histories(lifecycle=LIFECYCLE))
def test_a_trace_of_the_table_conforms(lines):
    assert t.judge(lines, events=COMPLETE).verdict is CONFORMS
    assert t.judge([each for each in lines if LIFECYCLE.by_client(each.trigger)] or lines).verdict is CONFORMS


@given(illegal_histories(lifecycle=LIFECYCLE))
def test_a_planted_illegal_line_is_found(lines):
    assert t.judge(lines, events=COMPLETE).index == len(lines) - 1


# -- concurrent histories ----------------------------------------------------------------------------------------------


def call(trigger, started, ended, **fields):
    return line(trigger, client=started, started=started, ended=ended, **fields)


def test_a_withdrawal_against_the_issuance_has_exactly_one_ending():
    both = [call(Operation.CANCEL, 1, 5), call(Event.CERTIFICATE_ISSUED, 2, 4)]
    for state, second, verdict in (("normal", "issued", CONFORMS), ("normal", "", VIOLATES)):
        seen = call(Operation.GET, 6, 7, state=state, certificate_state=second)
        found = check_history([*both, seen], initial=["pending"], events=COMPLETE)
        assert (found.verdict, found.lifecycle) == (verdict, LIFECYCLE)
    assert "get: normal/absent" in found.picture()


def test_at_most_one_of_two_withdrawals_at_once_is_accepted():
    two = [call(Operation.CANCEL, 0, 3), call(Operation.CANCEL, 1, 5)]
    found = check_history(two, initial=["pending"], events=COMPLETE)
    assert (found.index, found.possible) == (1, (State.WITHDRAWING,))
    assert "instance cas-cn-68n1mm16 violates the table" in str(found)


def test_the_calls_of_an_order_and_an_instance_are_two_histories():
    with pytest.raises(InvalidValue, match=r"tables of the lines \['instances', 'orders'\]: expected one"):
        check_history([call(Operation.CANCEL, 0, 3), ORDER])


# -- files that mix tables ---------------------------------------------------------------------------------------------

WRONG = [
    ORDER,
    line(Operation.PURCHASE),
    attrs.evolve(ORDER, time=TIME.format(1), trigger=OrderOperation.DELETE),
    line(Operation.DELETE, 1),
    line(Operation.LIST, instance=None),
    Line(time=TIME.format(1), operation="DescribePackageState"),
    line(Operation.GET, instance="cas-cn-2", state="checking"),
]


def test_each_line_is_judged_by_the_table_of_its_id_and_the_id_stands_under_its_own_key(tmp_path):
    t.write(WRONG, tmp_path / "a.jsonl")
    report = t.replay(t.read(tmp_path / "a.jsonl"))
    assert (report.orders, report.lines, report.account_lines, report.bad_lines) == (3, 7, 2, ())
    document = report.as_json()
    assert [(each.get("order_id"), each.get("instance_id"), each["line"]) for each in document["violations"]] == [
        (7, None, 4),
        (None, ID, 5),
    ]
    assert (document["table"], document["undecided"], document["other"]) == ("orders,instances", ["cas-cn-2"], 2)
    assert document["tables"]["instances"] == {
        "verdict": "violates",
        "orders": 2,
        "conforms": 0,
        "violates": 1,
        "undecided": 1,
    }
    said = str(report)
    assert f"instance {ID} violates the table: DeleteInstance accepted\n  it could only be in:  settling\n" in said
    assert "instance cas-cn-2 is undecided" in said
    assert said.endswith(
        "violates: 1 orders, 2 instances, 0 conform, 2 violate the table, 1 are undecided; 7 lines, 0 of them bad"
    )


@pytest.mark.parametrize(("table", "orders", "other"), [(ORDER_LIFECYCLE, 1, 5), (LIFECYCLE, 2, 4)])
def test_of_one_table_alone_the_others_lines_are_counted(table, orders, other, tmp_path):
    t.write(WRONG, tmp_path / "a.jsonl")
    report = t.replay(t.read(tmp_path / "a.jsonl", lifecycle=table), lifecycle=table)
    assert (report.orders, report.as_json()["other"], report.lines) == (orders, other, 7)
    assert report.as_json()["table"] == table.name
    assert t.replay(WRONG, events=COMPLETE, lifecycle=table).violations == tuple(
        attrs.evolve(each, file="", line=0) for each in report.violations
    )


BAD = {
    "ids under two keys": ({"order_id": 7}, "ids under ('order_id', 'instance_id'): expected one of them"),
    "an order's operation": ({"operation": "CancelOrderRequest"}, "operation 'CancelOrderRequest': expected CreateIns"),
    "an order's event": ({"operation": None, "event": "submitted", "outcome": None}, "event 'submitted': expected pur"),
    "a number as id": (
        {"instance_id": 7},
        "instance id 7: expected 1 to 128 printable ASCII characters without spaces",
    ),
    "no id": ({"instance_id": None}, "instance id None: expected 1 to 128"),
    "no id, and no operation": ({"instance_id": None, "operation": "Get"}, "operation 'Get': expected CancelOrderReq"),
}


@pytest.mark.parametrize(("given_", "reason"), BAD.values(), ids=BAD)
def test_a_bad_line_says_why(given_, reason):
    fields = {"time": TIME.format(0), "instance_id": ID, "operation": "DeleteInstance", "outcome": "accepted"} | given_
    read = t.loads(json.dumps(fields))
    assert isinstance(read, t.BadLine)
    assert reason in read.reason
    assert t.line_of(fields) == read


def test_what_a_text_calls_them_names_each_kind_once():
    assert noun_of(tables_of(None).judged) == "order or instance"
    assert noun_of(tables_of(LIFECYCLE).judged) == "instance"


def test_one_table_alone_is_strict_about_its_lines():
    account = {"time": TIME.format(0), "operation": "ListInstances", "outcome": "accepted"}
    for said, reason in ((account | {"instance_id": ID}, "instance_id"), (account, "operation 'ListInstances'")):
        line = t.line_of(said, lifecycle=ORDER_LIFECYCLE)
        assert isinstance(line, t.BadLine)
        assert reason in line.reason
    assert isinstance(t.line_of(account | {"operation": 7}), t.BadLine)


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("Normal", "normal", None),
        ("pending", "pending", None),
        ("issued", "issued", "issued"),
        ("WillExpire", "willexpire", "willexpire"),
        ("absent", None, "absent"),
        ("checking", None, None),
    ],
)
def test_a_word_is_known_as_the_first_or_the_second_of_a_line(text, first, second):
    assert (words_of(LIFECYCLE).first(text), words_of(LIFECYCLE).second(text)) == (first, second)


def test_an_id_that_says_nothing_is_none_beside_another():
    both = {"time": TIME.format(0), "event": "review_failed"}
    assert t.line_of(both | {"instance_id": ID, "order_id": float("nan")}).lifecycle is LIFECYCLE
    assert t.line_of(both | {"instance_id": "", "order_id": 7}).lifecycle is ORDER_LIFECYCLE


@given(
    st.lists(legal_histories(lifecycle=LIFECYCLE) | illegal_histories(lifecycle=LIFECYCLE), max_size=3),
    st.lists(legal_histories() | illegal_histories(), max_size=3),
    st.randoms(use_true_random=False),
)
def test_the_report_on_a_mixed_trace_is_those_on_its_parts_added_up(instances, orders, random):
    ours = [attrs.evolve(each, order_id=f"cas-cn-{n}") for n, lines in enumerate(instances) for each in lines]
    theirs = [attrs.evolve(each, order_id=n + 1, new_order_id=None) for n, lines in enumerate(orders) for each in lines]
    parts = [t.replay(some, events=COMPLETE) for some in (theirs, ours)]
    places = [True] * len(ours) + [False] * len(theirs)
    random.shuffle(places)
    left, right = iter(ours), iter(theirs)
    mixed = t.replay([next(left if is_ours else right) for is_ours in places], events=COMPLETE)
    for name in ("orders", "lines", "account_lines", "conforms"):
        assert getattr(mixed, name) == sum(getattr(part, name) for part in parts)
    for name in ("violations", "undecided", "holding_quota"):
        assert getattr(mixed, name) == getattr(parts[0], name) + getattr(parts[1], name)


def test_the_command_line_replays_a_mixed_file_and_one_table_of_it(tmp_path, capsys):
    pytest.importorskip("click", reason="the extra `cli` is not installed")
    from orderfsm.cli import main

    t.write(WRONG, tmp_path / "a.jsonl", PARTIAL)
    assert main(["replay", str(tmp_path / "a.jsonl"), "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["orders"] == 3
    assert main(["replay", str(tmp_path / "a.jsonl"), "--table", "orders", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["other"] == 5
    t.write(WRONG[:1], tmp_path / "b.jsonl")
    assert main(["replay", str(tmp_path / "b.jsonl"), "--table", "instances"]) == 2
    assert "b.jsonl': expected one of instances: they are all of other tables" in capsys.readouterr().err
