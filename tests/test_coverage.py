"""Which rules of the table a test suite has tried: noted by a lifecycle that serves wherever one does."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import xml.etree.ElementTree as ET

import pytest
from suites import run_pytest

from orderfsm import (
    ORDER_LIFECYCLE,
    Event,
    InvalidValue,
    Operation,
    Order,
    OrderStateError,
    ServiceError,
    State,
    Verdict,
    can,
    check,
    explain,
    judge,
    narrow,
    plan,
    reachable,
)
from orderfsm.coverage import covering
from orderfsm.explanation import explain as explain_states
from orderfsm.machine import AsyncOrderMachine, OrderMachine
from orderfsm.tables.orders import TRANSITIONS

READS = {Operation.LIST, Operation.DESCRIBE_PACKAGE}
RULES = [(state, trigger) for state in (None, *State) for trigger in (*Operation, *Event) if trigger not in READS]
PAIR = State.ISSUED, Operation.DELETE
LEGAL = State.VERIFY_FAIL, Operation.DELETE


@pytest.fixture
def lifecycle():
    with covering() as recording:
        yield recording


def tried(lifecycle):
    """The rules that were tried."""
    return set(lifecycle.coverage.tried)


def refused(call, *arguments):
    """Call what the table refuses."""
    with pytest.raises(ServiceError) as caught:
        call(*arguments)
    assert str(caught.value)


@pytest.mark.parametrize("rule", [PAIR, LEGAL], ids=["refused", "legal"])
@pytest.mark.parametrize(
    "ask",
    [
        can,
        lambda state, trigger, lifecycle: lifecycle.can(state, trigger),
        explain,
        lambda state, trigger, lifecycle: judge({state}, trigger, lifecycle),
        lambda state, trigger, lifecycle: narrow({state}, trigger, accepted=True, lifecycle=lifecycle),
        lambda state, trigger, lifecycle: narrow([state, state], trigger, accepted=False, lifecycle=lifecycle),
        lambda state, trigger, lifecycle: Order(7, state).can(trigger, lifecycle),
        lambda state, _, lifecycle: OrderMachine(initial=state, lifecycle=lifecycle).may_delete(),
        lambda state, trigger, lifecycle: can(state.value, trigger.value, lifecycle),
    ],
)
def test_a_question_about_one_state_tries_just_that_rule(lifecycle, ask, rule):
    ask(*rule, lifecycle)
    assert tried(lifecycle) == {rule}


@pytest.mark.parametrize("state", ["issued", "ISSUED", State.ISSUED])
@pytest.mark.parametrize(
    "ask",
    [
        can,
        explain,
        judge,
        lambda state, trigger, lifecycle: narrow({state}, trigger, accepted=False, lifecycle=lifecycle),
        lambda state, trigger, lifecycle: refused(check, state, trigger, lifecycle),
        lambda state, trigger, lifecycle: refused(lifecycle.service_transition, state, trigger),
    ],
)
def test_a_question_in_other_words_for_a_state_and_a_trigger_tries_the_rule_that_they_name(lifecycle, ask, state):
    ask(state, "delete", lifecycle)
    assert tried(lifecycle) == {PAIR}


def test_an_explanation_of_a_word_for_several_states_tries_none_of_them(lifecycle):
    assert explain("CHECKING", "delete", lifecycle).legal is False
    assert tried(lifecycle) == set()


@pytest.mark.parametrize(
    "move",
    [
        check,
        lambda state, trigger, lifecycle: lifecycle.service_transition(state, trigger),
        lambda state, trigger, lifecycle: Order(7, state).apply(trigger, lifecycle),
        lambda state, trigger, lifecycle: Order(7, state).replay([trigger], lifecycle),
        lambda state, _, lifecycle: OrderMachine(initial=state, lifecycle=lifecycle).delete(),
        lambda state, _, lifecycle: asyncio.run(moved(AsyncOrderMachine(initial=state, lifecycle=lifecycle))),
    ],
)
def test_a_step_tries_just_that_rule_taken_or_refused(lifecycle, move):
    move(*LEGAL, lifecycle)
    assert tried(lifecycle) == {LEGAL}
    with pytest.raises(OrderStateError) as caught:
        move(*PAIR, lifecycle)
    assert "instead" in str(caught.value).lower()  # working that out tries nothing
    assert caught.value.allowed == (Operation.CANCEL_FOR_PACKAGE,)
    assert tried(lifecycle) == {LEGAL, PAIR}


async def moved(order):
    """Delete an order of the asynchronous machine."""
    await order.delete()


@pytest.mark.parametrize("rule", RULES)
def test_it_answers_as_the_table_that_it_watches(lifecycle, rule):
    assert can(*rule, lifecycle) is can(*rule)
    if can(*rule):
        assert check(*rule, lifecycle) is check(*rule)
    else:
        with pytest.raises(ServiceError) as caught:
            check(*rule, lifecycle)
        with pytest.raises(ServiceError) as plain:
            check(*rule)
        assert str(caught.value) == str(plain.value)


def test_of_several_possible_states_those_count_that_alone_could_change_the_verdict(lifecycle):
    reviewed = {State.PENDING_REVIEW, State.BEING_REVIEWED}
    assert judge(reviewed, Operation.DELETE, lifecycle) is Verdict.ILLEGAL
    assert tried(lifecycle) == {(state, Operation.DELETE) for state in reviewed}
    certified = {State.ISSUED, State.ABOUT_TO_EXPIRE, State.EXPIRED, State.REVOKED}
    with covering() as other:
        assert judge(certified, Operation.CANCEL_FOR_PACKAGE, other) is Verdict.UNDECIDED
        assert tried(other) == set()
        assert judge(certified, Operation.RENEW, other) is Verdict.UNDECIDED
        assert tried(other) == {(State.ABOUT_TO_EXPIRE, Operation.RENEW)}
        narrow(certified, Operation.CANCEL_FOR_PACKAGE, accepted=True, lifecycle=other)
        assert len(tried(other)) == 1


def test_plans_and_machines_by_themselves_try_nothing_and_what_is_bad_is_refused_as_ever(lifecycle):
    plan(State.BEING_REVIEWED, State.DELETED, lifecycle=lifecycle)
    reachable(State.ISSUED, lifecycle=lifecycle)
    OrderMachine(lifecycle=lifecycle)
    AsyncOrderMachine(lifecycle=lifecycle)
    for bad in (("nowhere", Operation.DELETE), (State.ISSUED, "delet")):
        for ask in (can, check, explain):
            with pytest.raises(InvalidValue):
                ask(*bad, lifecycle)
    with pytest.raises(InvalidValue):
        judge(set(), Operation.DELETE, lifecycle)
    assert "Instead" in str(explain_states(lifecycle, [State.ISSUED, State.ABOUT_TO_EXPIRE], Operation.DELETE))
    less = lifecycle.without(TRANSITIONS[0])
    assert not can(None, Operation.CREATE, less)
    assert tried(lifecycle) == set()


def test_an_error_survives_pickle_and_forgets_the_recording(lifecycle):
    with pytest.raises(OrderStateError) as caught:
        check(*PAIR, lifecycle)
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert again.args[0] is ORDER_LIFECYCLE
    assert copy.deepcopy(lifecycle) is lifecycle
    with covering() as other:
        assert lifecycle != other
        assert len({lifecycle, other, ORDER_LIFECYCLE}) == 3


def test_a_machine_may_have_triggers_of_its_own(lifecycle):
    order = OrderMachine(initial=State.ISSUED, lifecycle=lifecycle)
    order.add_transition("suspend", State.ISSUED, State.REVOKED)
    assert order.may_suspend()
    assert order.suspend()
    assert tried(lifecycle) == set()


def test_a_service_tries_what_it_is_asked_and_nothing_more(lifecycle):
    pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
    from orders import call, created

    from orderfsm.mock import Service

    service = Service(lifecycle=lifecycle)
    order_id = created(service)
    call(service, Operation.DELETE, OrderId=order_id)
    service.happen(order_id, Event.REVIEW_FAILED)
    call(service, Operation.DELETE, OrderId=order_id)
    order_id = created(service)
    service.happen(order_id, Event.DOMAIN_VALIDATED)
    service.happen(order_id, Event.REVIEW_PASSED)  # then it looks for when the certificate will expire
    assert tried(lifecycle) == {
        (State.PENDING_REVIEW, Event.DOMAIN_VALIDATED),
        (State.BEING_REVIEWED, Event.REVIEW_PASSED),
        (None, Operation.CREATE),
        (State.PENDING_REVIEW, Operation.DELETE),
        (State.PENDING_REVIEW, Event.REVIEW_FAILED),
        (State.VERIFY_FAIL, Operation.DELETE),
    }


def test_a_guard_tries_what_it_judges(lifecycle):
    pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
    sdk = pytest.importorskip("alibabacloud_cas20200407.models", reason="the extra `client` is not installed")
    from orderfsm.client import guard
    from orderfsm.mock import mock_cas

    with mock_cas() as server:
        client = guard(server.client(), lifecycle=lifecycle)
        created = client.create_certificate_request(
            sdk.CreateCertificateRequestRequest(
                domain="example.com", email="a@example.com", phone="1", username="u", validate_type="DNS"
            )
        )
        order_id = created.body.order_id
        with pytest.raises(OrderStateError):
            client.delete_certificate_request(sdk.DeleteCertificateRequestRequest(order_id=order_id))
        client.cancel_order_request(sdk.CancelOrderRequestRequest(order_id=order_id))
    found = tried(lifecycle)
    assert {(State.PENDING_REVIEW, Operation.DELETE), (State.PENDING_REVIEW, Operation.CANCEL)} <= found
    assert {state for state, _ in found} <= {None, State.PENDING_REVIEW}


# -- the report --------------------------------------------------------------------------------------------------------


def test_the_report_names_what_was_never_tried(lifecycle):
    can(*LEGAL, lifecycle)
    can(*PAIR, lifecycle)
    can(State.ISSUED, Operation.LIST, lifecycle)  # allowed everywhere: not counted
    coverage = lifecycle.coverage
    assert [(row.source, row.trigger) for row in coverage.rows] == [LEGAL]
    assert coverage.refusals == (PAIR,)
    text = str(coverage).splitlines()
    assert text[0] == "rows tried: 1 of 29, refusals tried: 1 of 121"
    assert "  verify_fail: delete -> deleted" not in text
    assert "  pending_application: delete -> deleted" in text
    (issued,) = [line for line in text if line.startswith("  issued: cancel, ")]
    assert " delete" not in issued
    document = json.loads(json.dumps(coverage.as_json()))
    assert (document["rows"]["tried"], document["rows"]["of"]) == (1, 29)
    assert (document["refusals"]["tried"], document["refusals"]["of"]) == (1, 121)
    untried = {(each["state"], each["trigger"]) for each in document["refusals"]["untried"]}
    untried |= {(each["source"], each["trigger"]) for each in document["rows"]["untried"]}
    assert untried == set(RULES) - {LEGAL, PAIR}


def test_when_all_was_tried_nothing_is_named(lifecycle):
    for rule in RULES:
        can(*rule, lifecycle)
    assert str(lifecycle.coverage) == "rows tried: 29 of 29, refusals tried: 121 of 121"


def test_the_drawing_shades_what_was_never_tried(lifecycle):
    can(*LEGAL, lifecycle)
    can(*PAIR, lifecycle)
    root = ET.fromstring(lifecycle.coverage.svg())
    texts = [text for text in root.iter("{http://www.w3.org/2000/svg}text") if text.get("data-trigger")]
    pale = [text for text in texts if "untried" in text.get("class")]
    assert len(texts) - len(pale) == 1
    strands = [
        g.get("class").split() for g in root.iter("{http://www.w3.org/2000/svg}g") if "strand" in (g.get("class") or "")
    ]
    assert sum("untried" not in classes for classes in strands) == 1 + 3  # and those of the legend
    titles = {g.get("data-state"): g[0].text for g in root.iter("{http://www.w3.org/2000/svg}g") if g.get("data-state")}
    assert titles["issued"].endswith(", 1 of 15 rules tried")
    assert titles["expired"].endswith(", terminal, 0 of 15 rules tried")


# -- pytest ------------------------------------------------------------------------------------------------------------

SUITE = """
from orderfsm import Operation, Order, State

def test_a_deletion(order_lifecycle):
    Order(7, State.VERIFY_FAIL).apply(Operation.DELETE, order_lifecycle)

def test_a_service(mock_cas):
    mock_cas.service.happen  # it is there
    assert mock_cas.service.lifecycle.can(State.ISSUED, Operation.CANCEL) is False
"""


def run_suite(folder, *options):
    """What pytest says of that suite, with the plugin."""
    (folder / "test_suite.py").write_text(SUITE)
    return run_pytest(folder, "test_suite.py", *options)


def test_the_plugin_reports_at_the_end_and_writes_text_json_and_a_drawing(tmp_path):
    pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
    files = [tmp_path / "not" / "there" / f"coverage.{suffix}" for suffix in ("txt", "json", "svg")]
    options = [f"--orderfsm-coverage-to={file}" for file in files]
    done = run_suite(tmp_path, "--orderfsm-coverage", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rows tried: 1 of 29, refusals tried: 1 of 121" in done.stdout
    text, document, drawing = (file.read_text(encoding="utf-8") for file in files)
    assert text.splitlines()[0] in done.stdout
    assert json.loads(document)["refusals"]["tried"] == 1
    assert "untried" in drawing
    assert ET.fromstring(drawing).tag.endswith("svg")


@pytest.mark.parametrize(
    "options", [["-n", "1"], ["-n", "2"], ["-n", "3", "--dist", "loadscope"], ["-n", "2", "--dist", "each"]]
)
def test_what_the_workers_of_xdist_tried_is_added_up(tmp_path, options):
    pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
    done = run_suite(tmp_path, *options, "--orderfsm-coverage", "--orderfsm-coverage-to=coverage.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rows tried: 1 of 29, refusals tried: 1 of 121" in done.stdout
    assert json.loads((tmp_path / "coverage.json").read_text())["rows"]["tried"] == 1


def test_a_worker_that_died_is_said_where_the_rules_are_counted(tmp_path):
    (tmp_path / "test_dies.py").write_text("import os\n\ndef test_dies():\n    os._exit(1)\n")
    done = run_suite(tmp_path, "test_dies.py", "-n", "1", "--max-worker-restart", "0", "--orderfsm-coverage")
    assert "workers ended without telling what they tried: at least this was tried" in done.stdout
