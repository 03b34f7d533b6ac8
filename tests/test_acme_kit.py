"""The kit holds a server against the table of ACME orders: what it tries, what it insists on, and what it tells."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import attrs
import pytest

pytest.importorskip("hypothesis", reason="the extra `testing` is not installed")
pytest.importorskip("cryptography", reason="the extra `mock` is not installed")

from acme_in_process import InProcess
from acme_server import AcmeServer, Refused
from hypothesis import Phase, settings
from mutants.acme import MUTANTS, LooksAndThenActs

from orderfsm import ORDER_LIFECYCLE, InvalidValue, tables
from orderfsm.machine import OrderMachine
from orderfsm.rows import Strength
from orderfsm.tables.acme import LIFECYCLE, Event, Operation, State
from orderfsm.testing import Answer, MachineDriver, Result, check_conformance, lifecycle_machine, selection
from orderfsm.testing.concurrency.run import races_for_one
from orderfsm.testing.model.failure import Kind
from orderfsm.trace import Events, Finding

HERE = Path(__file__).parent
NAMED = {mutant.name: mutant for mutant in MUTANTS}
ENDS_THE_ORDER = NAMED["a bad CSR ends the order"]
FINALIZE, READY = Operation.FINALIZE, State.READY
FORCED_BY_NOBODY = {Event.ISSUED, Event.FAILED, Event.EXPIRED}


def check(driver, **options):
    """The report on a driver."""
    options = {"random": 0, "seed": 1, "budget": 1e6, **options}
    return check_conformance(driver, lifecycle=LIFECYCLE, **options)


def passed(report):
    """The pairs that passed."""
    return {pair for pair, result in report.coverage.items() if result is Result.PASSED}


class Asked(InProcess):
    """A driver that counts what it is asked."""

    def __init__(self, server=None, **options):
        super().__init__(server, **options)
        self.calls = []

    def create(self, operation):
        self.calls.append((operation, None))
        return super().create(operation)

    def call(self, operation, order_id):
        self.calls.append((operation, order_id))
        return super().call(operation, order_id)

    def flawed(self, trigger, order_id):
        self.calls.append((trigger, "flawed"))
        return super().flawed(trigger, order_id)

    def happen(self, order_id, event):
        self.calls.append((event, order_id))
        return super().happen(order_id, event)


# -- what is tried -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("late", [0, 2])
def test_every_pair_is_tried_that_a_client_can_bring_about(late):
    report = check(InProcess(AcmeServer(late)))
    assert report.verdict is Finding.CONFORMS, str(report)
    assert report.events is Events.PARTIAL
    reached = {None, *State} - ({State.PROCESSING} if late == 0 else set())
    nothing_to_do_it_with = {
        (State.READY, Event.AUTHORIZATION_FAILED),
        (State.PROCESSING, Event.AUTHORIZATION_FAILED),
        (State.INVALID, Event.AUTHORIZATION_FAILED),
    }
    tried = {(state, trigger) for state, trigger in report.coverage if state in reached} - nothing_to_do_it_with
    assert passed(report) == {(state, trigger) for state, trigger in tried if trigger not in FORCED_BY_NOBODY}


def test_where_everything_can_be_made_to_happen_every_pair_is_tried_but_three():
    report = check(InProcess(AcmeServer(None), forces=True), events=Events.COMPLETE)
    assert report.verdict is Finding.CONFORMS, str(report)
    failed_twice = {(state, Event.AUTHORIZATION_FAILED) for state in (READY, State.PROCESSING, State.INVALID)}
    assert set(report.coverage) - passed(report) == failed_twice


@pytest.mark.parametrize("late", [0, 2])
def test_each_pair_is_tried_with_few_calls(late):
    driver = Asked(AcmeServer(late))
    report = check(driver)
    assert len(driver.calls) < 11 * len(passed(report))


class Clock:
    """A clock on which each call of a server takes so many seconds."""

    def __init__(self, monkeypatch, seconds):
        self.now, self.seconds = 0.0, seconds
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def driver(self, server):
        """A driver of a slow server."""
        clock = self

        class Slow(InProcess):
            def answered(self, method, *given):
                clock.now += clock.seconds
                return super().answered(method, *given)

        return Slow(server)


@pytest.mark.parametrize("late", [0, 4])
def test_a_server_that_takes_a_quarter_of_a_second_for_a_call_is_checked_within_two_minutes(monkeypatch, late):
    clock = Clock(monkeypatch, 0.25)
    report = check(clock.driver(AcmeServer(late)), budget=120)
    assert report.verdict is Finding.CONFORMS, str(report)
    assert (State.VALID, Operation.DOWNLOAD_CERTIFICATE) in passed(report)
    assert clock.now <= 120


def test_where_time_runs_out_coverage_was_first_and_what_passed_is_said(monkeypatch):
    clock = Clock(monkeypatch, 0.25)
    report = check(clock.driver(AcmeServer(2)), budget=60, random=1000)
    assert (report.verdict, "budget" in report.reason) == (Finding.UNDECIDED, True), str(report)
    assert {state for state, _ in passed(report)} == {None, *State}


def test_what_was_found_is_shown_although_there_was_no_time_to_shrink_it(monkeypatch):
    clock = Clock(monkeypatch, 100.0)
    server = NAMED["finalize is accepted in pending, and does nothing"].make()
    report = check(clock.driver(server), budget=3000)
    assert (State.PENDING, FINALIZE) in {(each.state, each.trigger) for each in report.violations}, str(report)


@pytest.mark.parametrize("patience", [None, 8.0])
def test_an_order_may_take_as_long_to_be_issued_as_the_driver_says(monkeypatch, patience):
    now, finalized = [0.0], {}
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.append(now.pop() + seconds))

    class Slow(AcmeServer):
        def find(self, number):
            order = super().find(number)
            if order.status == "processing" and now[0] > finalized.setdefault(number, now[0]) + 3:
                self.issue(order)
            return order

    driver = InProcess(Slow(None))
    driver.takes_calls_at_once = False
    if patience is not None:
        driver.patience = patience
    report = check(driver)
    assert report.verdict is Finding.CONFORMS, str(report)
    assert ((State.VALID, FINALIZE) in passed(report)) is (patience is not None)


def test_orders_that_cost_nothing_are_not_given_up():
    driver = Asked()
    check(driver)
    orders = {order_id for _, order_id in driver.calls} - {None, "flawed"}
    given_up = [trigger for trigger, _ in driver.calls if trigger is Operation.DEACTIVATE_AUTHORIZATION]
    assert 0 < len(given_up) < len(orders) / 3


def test_what_may_be_refused_after_a_revocation_is_called_after_one():
    driver = Asked()
    check(driver)
    calls = [call for call in driver.calls if call[0] in {Operation.REVOKE_CERT, Operation.DOWNLOAD_CERTIFICATE}]
    revoked = [order.number for order in driver.server.orders.values() if order.revoked]
    of_each = [[trigger for trigger, order_id in calls if order_id.endswith(f"/{number}")] for number in revoked]
    assert [Operation.REVOKE_CERT, Operation.DOWNLOAD_CERTIFICATE, Operation.REVOKE_CERT] in of_each


# -- what is insisted on -----------------------------------------------------------------------------------------------


def test_a_word_that_orders_do_not_have_is_a_violation_of_the_read_that_showed_it():
    report = check(NAMED["a deactivated authorization makes the order deactivated"].driver())
    violation = report.violations[0]
    assert (violation.state, violation.trigger, violation.kind) == (
        State.INVALID,
        Operation.READ_ORDER,
        "state machine",
    )
    assert (violation.expected, violation.got) == ("a documented status", "deactivated")
    assert violation.rule == "the status of an order is pending, ready, processing, valid or invalid. (documented)"
    assert violation.reference == "RFC 8555, section 7.1.3"


class Other(InProcess):
    """A driver that tells its answers in another way."""

    def answered(self, method, *given):
        return self.told(super().answered(method, *given))


class NoPrefix(Other):
    def told(self, answer):
        return Answer(
            answer.outcome, answer.code and answer.code.removeprefix(LIFECYCLE.code_prefix), None, answer.order_id
        )

    def observe(self, order_id):
        return {self.server.orders[int(order_id.rpartition("/")[2])].status}


class NoCodes(Other):
    def told(self, answer):
        return Answer(answer.outcome, None, None, answer.order_id, answer.body)


@pytest.mark.parametrize("driver", [NoPrefix, NoCodes])
@pytest.mark.parametrize("late", [0, 2])
def test_codes_may_be_told_without_their_prefix_or_not_at_all_and_states_by_themselves(driver, late):
    report = check(driver(AcmeServer(late)), random=10)
    assert report.verdict is Finding.CONFORMS, str(report)


class FailsAtOnce(AcmeServer):
    """An order may have failed by the time that finalize is answered."""

    def finalize(self, number, names, csr=b""):
        order = super().finalize(number, names, csr)
        self.fail(order)
        return order


def test_an_answer_to_finalize_may_say_that_the_order_failed_meanwhile():
    report = check(InProcess(FailsAtOnce(None)), random=10)
    assert report.verdict is Finding.CONFORMS, str(report)


class Reopens(AcmeServer):
    def deactivate(self, authorization):
        super().deactivate(authorization)
        for order in self.orders.values():
            order.status = "deactivated" if order.issued else order.status


def test_after_what_nobody_specified_the_read_is_accused_in_the_state_that_was_certain_last():
    report = check(InProcess(Reopens()), random=100)
    found = {(each.state, each.trigger) for each in report.violations}
    assert found == {(State.VALID, Operation.READ_ORDER)}, str(report)


class Expires(AcmeServer):
    """What is not finalized when it is asked for the fifth time has expired, and says that it would."""

    until, forgets = "2026-01-01T00:00:00Z", False

    def find(self, number):
        order = super().find(number)
        order.requests += 1
        if order.requests > 4 and order.status in {"pending", "ready"}:
            order.status = "invalid"
        if self.forgets and order.requests > 4 and order.status == "invalid":
            raise Refused("malformed", 404)
        return order


class TellsItsEnd(InProcess):
    def answered(self, method, *given):
        answer = super().answered(method, *given)
        return attrs.evolve(answer, body=answer.body and {**answer.body, "expires": self.server.until})


class Later(Expires):
    until = "9999-12-31T23:59:59Z"


class Forgets(Expires):
    forgets = True


def test_an_order_may_be_invalid_or_gone_once_it_expires_as_its_answers_say():
    """The server SHOULD change the status of the order to "invalid" and MAY delete the order resource [7.4]."""
    for server in (Expires, Forgets):
        report = check(TellsItsEnd(server()), random=10)
        assert report.verdict is Finding.CONFORMS, str(report)
    assert check(TellsItsEnd(Later())).verdict is Finding.VIOLATES
    assert check(InProcess(Expires())).verdict is Finding.VIOLATES


class NotWilling(AcmeServer):
    def new_order(self, _names):
        raise Refused("rejectedIdentifier", 403)


def test_a_server_that_takes_no_order_breaks_no_rule_and_is_not_judged():
    report = check(InProcess(NotWilling()))
    assert report.violations == ()
    assert report.coverage[None, Operation.NEW_ORDER] is Result.NOT_FORCED
    assert report.verdict is Finding.UNDECIDED
    assert (
        report.reason
        == "no order was created: the server answered urn:ietf:params:acme:error:rejectedIdentifier (HTTP 403)"
    )
    assert "rejectedIdentifier" in report.not_forced[State.VALID, Operation.DOWNLOAD_CERTIFICATE]


def test_what_a_client_could_not_make_happen_is_no_violation_and_is_told():
    report = check(InProcess())
    assert report.not_forced[READY, Event.AUTHORIZATION_FAILED] == "there was nothing to do it with"
    assert report.not_forced[READY, Event.EXPIRED] == "the driver cannot do it"


def test_an_id_is_an_address_so_that_nothing_malformed_is_asked_for():
    driver = Asked()
    check(driver, random=10)
    assert all(
        order_id is None or order_id == "flawed" or order_id.startswith("https://") for _, order_id in driver.calls
    )


# -- calls that cannot be carried out ----------------------------------------------------------------------------------


def test_in_every_state_finalize_is_also_called_with_a_bad_csr():
    driver = Asked(AcmeServer(3))
    report = check(driver)
    assert report.verdict is Finding.CONFORMS
    assert driver.calls.count((FINALIZE, "flawed")) >= len(State)
    assert (Event.ALL_AUTHORIZATIONS_VALID, "flawed") in driver.calls


def test_after_a_bad_csr_the_same_order_is_finalized_with_a_good_one():
    driver = Asked()
    check(driver, only=["ready"])
    at = driver.calls.index((FINALIZE, "flawed"))
    later = [(trigger, order_id) for trigger, order_id in driver.calls[at + 1 :] if trigger is not Operation.READ_ORDER]
    before = [order_id for trigger, order_id in driver.calls[:at] if trigger is Operation.READ_ORDER]
    assert next(call for call in later if call[0] is FINALIZE and call[1] != "flawed") == (FINALIZE, before[-1])


def test_what_a_bad_csr_did_is_told_as_the_breach_of_a_should_with_its_section():
    report = check(ENDS_THE_ORDER.driver())
    violation = report.violations[0]
    assert violation.strength is Strength.SHOULD
    assert violation.rule == (
        "finalize that cannot be carried out in ready fails with badCSR: it changes nothing. (documented SHOULD)"
    )
    assert violation.reference == "RFC 8555, section 7.4"
    assert violation.calls[2] == {
        "call": FINALIZE,
        "order": 1,
        "flawed": True,
        "got": f"{LIFECYCLE.code_prefix}badCSR (HTTP 400)",
    }
    assert str(violation).startswith("finalize, flawed, in ready: expected ready, got status invalid")
    document = json.loads(json.dumps(report.as_json()))
    assert (document["violations"][0]["strength"], document["violations"][0]["flawed"]) == ("SHOULD", True)
    assert document["failed"] == [{"state": "ready", "trigger": "finalize", "kind": "state machine", "flawed": True}]
    assert "1 violation; of these, 1 breaks a SHOULD" in str(report)


def test_the_breach_of_a_must_is_told_apart():
    report = check(NAMED["finalize is accepted in valid, and does nothing"].driver())
    violation = next(each for each in report.violations if each.state is State.VALID)
    assert (violation.strength, violation.flawed) == (Strength.MUST, False)
    assert violation.rule == "finalize is not allowed in valid, only in ready. (documented MUST)"
    assert "flawed" not in violation.as_json()
    assert "2 violations; of these, 2 break a MUST" in str(report), "one after the other, and at once"


def test_a_word_that_orders_do_not_have_is_told_where_only_the_call_was_to_be_tried_that_led_to_it():
    server = NAMED["a deactivated authorization makes the order deactivated"].driver()
    report = check(server, only=["ready", Operation.DEACTIVATE_AUTHORIZATION])
    assert (report.verdict, [each.got for each in report.violations]) == (Finding.VIOLATES, ["deactivated"])
    assert [call.get("call") for call in report.violations[0].calls][-2] == Operation.DEACTIVATE_AUTHORIZATION


def test_what_the_table_says_without_must_or_should_has_neither():
    report = check(NAMED["a deactivation is answered, and nothing is done"].driver())
    assert report.violations[0].strength is None
    assert "breaks a" not in str(report)


def test_a_known_failure_of_a_flawed_call_is_no_other_failure_in_the_same_state(tmp_path):
    report = check(ENDS_THE_ORDER.driver())
    selection.write_baseline(tmp_path / "known.json", report)
    known = selection.read_baseline(tmp_path / "known.json", LIFECYCLE)
    assert known == {(READY, FINALIZE, Kind.STATE_MACHINE, True)}
    assert check(ENDS_THE_ORDER.driver(), known=known).verdict is Finding.CONFORMS
    refuses = NAMED["finalize is refused in ready"]
    assert check(refuses.driver(), known=known).verdict is Finding.VIOLATES


def test_the_program_of_a_violation_calls_what_cannot_be_carried_out(tmp_path):
    violation = check(InProcess(AcmeServer()).__class__(ENDS_THE_ORDER.make())).violations[0]
    assert "print(driver.flawed(Operation.FINALIZE, order_1))" in violation.script
    program = violation.script.replace("InProcess()", "InProcess(ENDS())")
    program = program.replace("from acme_in_process", "from mutants.acme import MUTANTS\nfrom acme_in_process")
    made = "ENDS = next(each.make for each in MUTANTS if each.name == 'a bad CSR ends the order')\n\ndriver ="
    (tmp_path / "shown.py").write_text(program.replace("driver =", made, 1))
    ran = subprocess.run(
        [sys.executable, tmp_path / "shown.py"],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(HERE)},
    )
    assert "badCSR" in ran.stdout
    assert "{'status': 'invalid'}" in ran.stdout


def test_random_programs_call_what_cannot_be_carried_out():
    machine = lifecycle_machine(ENDS_THE_ORDER.driver(), lifecycle=LIFECYCLE, events=Events.PARTIAL)
    machine.TestCase.settings = settings(
        max_examples=2000, stateful_step_count=30, deadline=None, database=None, phases=[Phase.generate]
    )
    with pytest.raises(AssertionError, match="finalize, flawed"):
        machine.TestCase().runTest()


class FourMethods:
    """A driver that has no more than it must have."""

    def __init__(self, driver):
        self.create, self.call, self.observe, self.happen = driver.create, driver.call, driver.observe, driver.happen


def test_a_driver_without_such_calls_does_without():
    assert check(FourMethods(InProcess()), random=10).verdict is Finding.CONFORMS
    assert check(FourMethods(ENDS_THE_ORDER.driver()), random=10).verdict is Finding.CONFORMS


class FlawsNothing(InProcess):
    def flawed(self, _trigger, _order_id):
        return None


def test_nor_does_one_that_can_make_none_of_them():
    assert check(FlawsNothing(), random=10).verdict is Finding.CONFORMS
    assert Result.NOT_OFFERED not in check(FlawsNothing()).coverage.values()


class Wrong(InProcess):
    def flawed(self, _trigger, _order_id):
        return "badCSR"


def test_what_such_a_call_gave_is_checked():
    with pytest.raises(InvalidValue, match=re.escape("what the driver's flawed() gave")):
        check(Wrong())


# -- two calls at once -------------------------------------------------------------------------------------------------


def test_without_being_asked_two_clients_finalize_at_once():
    driver = LooksAndThenActs(0)
    report = check(InProcess(driver))
    violation = report.violations[0]
    assert (violation.part, violation.state, violation.trigger) == ("concurrent", READY, FINALIZE), str(report)
    assert violation.rule == "finalize is not allowed in processing or valid, only in ready. (documented MUST)"
    assert violation.strength is Strength.MUST
    assert violation.picture.count("finalize") >= 2
    assert "client 1" in violation.picture
    assert "client 2" in violation.picture


def test_a_driver_may_say_that_it_takes_one_call_at_a_time():
    driver = InProcess(LooksAndThenActs(0))
    driver.takes_calls_at_once = False
    assert check(driver).verdict is Finding.CONFORMS


def test_races_are_run_also_where_something_else_was_found():
    class Both(LooksAndThenActs):
        DEACTIVATES = True

        def deactivate(self, authorization):
            """Nothing."""

    found = {(each.state, each.trigger) for each in check(InProcess(Both(0))).violations}
    assert {(READY, FINALIZE), (READY, Operation.DEACTIVATE_AUTHORIZATION)} <= found


def test_only_what_must_be_refused_the_second_time_is_raced_without_being_asked():
    assert {(race.state, race.triggers) for race in races_for_one(LIFECYCLE)} == {(READY, (FINALIZE, FINALIZE))}
    assert sum(race.racers == 2 for race in races_for_one(LIFECYCLE)) >= 10
    assert [*races_for_one(ORDER_LIFECYCLE), *races_for_one(tables.named("instances"))] == []


# -- machines ----------------------------------------------------------------------------------------------------------


class Machine:
    """An order as the table has it."""

    def __init__(self):
        self.state = State.PENDING

    def __getattr__(self, name):
        trigger = next(each for each in (*Operation, *Event) if each.name.lower() == name)

        def fire():
            if not LIFECYCLE.is_silent(self.state, trigger):
                self.state = LIFECYCLE.check(self.state, trigger)

        return fire


@pytest.mark.parametrize("events", [Events.COMPLETE, Events.PARTIAL, None])
def test_a_machine_of_the_table_conforms_in_every_pair(events):
    report = check(MachineDriver(Machine, lifecycle=LIFECYCLE), events=events, random=5)
    assert report.verdict is Finding.CONFORMS, str(report)
    assert passed(report) == set(report.coverage)


ROWS = [row for row in LIFECYCLE.transitions if row.source is not None and not row.may_be_refused]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.source}-{row.trigger}")
def test_a_machine_that_lacks_a_row_is_caught(row):
    table = LIFECYCLE.without(row)
    driver = MachineDriver(lambda: OrderMachine(initial=State.PENDING, lifecycle=table), lifecycle=LIFECYCLE)
    report = check(driver, events=Events.COMPLETE)
    assert report.verdict is Finding.VIOLATES, str(report)
    assert (row.source, row.trigger) in {(each.state, each.trigger) for each in report.violations}
