"""The conformance kit: servers that obey the table conform, whatever drives them; others are shown with few calls."""

from __future__ import annotations

import asyncio
import json
import random
import re
import subprocess
import sys

import attrs
import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")

import stores
from hypothesis import Phase, seed, settings
from mutants.servers import SERVERS
from mutants.stores import STORES

from orderfsm import ORDER_LIFECYCLE, Basis, Event, InvalidValue, Operation, State, Transition
from orderfsm.machine import OrderMachine
from orderfsm.mock import Fault, MemoryStore, Service, mock_cas
from orderfsm.mock.review import Review
from orderfsm.testing import (
    Answer,
    HTTPDriver,
    MachineDriver,
    NoAnswer,
    Result,
    ServiceDriver,
    check_conformance,
    conformance,
    lifecycle_machine,
)
from orderfsm.testing.model.session import Session
from orderfsm.testing.model.steps import trigger_of
from orderfsm.testing.programs.random_programs import failing_program
from orderfsm.trace import Events, Finding

AGES = 1e6
"""Seconds that no check ever takes: it ends when everything was tried."""

CONFORMS, VIOLATES, UNDECIDED = Finding
PASSED, FAILED, NOT_FORCED, NOT_OFFERED = Result
PAIRS = [(state, trigger) for state in (None, *State) for trigger in (*Operation, *Event)]


def mutant(name):
    """The mutant of that name."""
    return next(each for each in (*SERVERS, *STORES) if each.name == name)


def allowing(state, trigger, to=None):
    """A table that allows what the documents refuse."""
    row = Transition(state, trigger, state if to is None else to, Basis.INFERRED, "nobody says so")
    return ORDER_LIFECYCLE.with_rows(row)


DELETES_ISSUED = allowing(State.ISSUED, Operation.DELETE, State.DELETED)


def with_result(report, result):
    """The pairs that had a result."""
    return {pair for pair, each in report.coverage.items() if each is result}


# -- our mock conforms -------------------------------------------------------------------------------------------------


@pytest.fixture(params=["memory", *(pytest.param(kind, marks=pytest.mark.long) for kind in stores.KINDS[1:])])
def store(request, tmp_path):
    """A store of each kind."""
    made = stores.opened(request.param, request, tmp_path)
    yield made
    made.close()


REVIEWS = ["manual", "at-once", pytest.param("after=0.02", marks=pytest.mark.long), "reads=2"]


def conforms(driver, **options):
    """Check that the server behind a driver conforms."""
    report = check_conformance(driver, **{"seed": 1, "budget": AGES, **options})
    assert report.verdict is CONFORMS, str(report)
    assert report.violations == ()
    return report


def test_in_every_state_every_trigger_is_tried():
    report = conforms(ServiceDriver(Service()), random=20)
    assert with_result(report, PASSED) == set(PAIRS) == set(report.coverage)
    assert report.events is Events.COMPLETE
    assert report.checked > 5000


def test_by_calls_alone_the_mock_conforms_as_far_as_they_go(server):
    report = conforms(HTTPDriver(server.api), random=5)
    assert {state for state, _ in with_result(report, PASSED)} == {
        *(None, State.PENDING_REVIEW, State.PENDING_APPLICATION, State.DELETED)
    }
    assert with_result(report, NOT_FORCED) >= {pair for pair in PAIRS if isinstance(pair[1], Event)}
    assert server.service.packages()[0].used == 0, "all that it took is given back"


@pytest.mark.parametrize("review", REVIEWS)
def test_the_mock_conforms_with_the_ca_automatic_and_by_hand(review):
    service = Service(review=Review.parse(review, reject_share=0.3), random=random.Random(1))
    report = conforms(ServiceDriver(service), random=1)
    assert report.events is (Events.COMPLETE if review == "manual" else Events.PARTIAL)


def test_the_mock_conforms_on_every_store_with_eight_clients(store):
    conforms(ServiceDriver(Service(store=store)), random=0, concurrent=(8, 50))


def test_a_server_that_refuses_what_others_do_is_not_taken_for_one_that_acts_by_itself():
    """The table would explain the refusal if the order had been validated meanwhile; but nobody does that here."""
    row = ORDER_LIFECYCLE.transition(State.PENDING_REVIEW, Event.DOMAIN_VALIDATED)
    report = check_conformance(ServiceDriver(Service(lifecycle=ORDER_LIFECYCLE.without(row))), seed=1, patience=0.1)
    assert (report.verdict, report.events) == (VIOLATES, Events.COMPLETE)
    assert report.violations[0].trigger is Event.DOMAIN_VALIDATED


@pytest.mark.long
@pytest.mark.parametrize("control", [True, False], ids=["control", "calls alone"])
@pytest.mark.parametrize("review", REVIEWS)
def test_the_mock_conforms_over_http_on_every_store_however_the_ca_acts_with_eight_clients(store, review, control):
    with mock_cas(Service(store=store, review=Review.parse(review))) as server:
        server.service.put_package("digicert-free-1-free", 20)
        conforms(HTTPDriver(server.api, server.control if control else None), concurrent=(8, 100))


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 5))])
def test_faults_are_no_violations(seed):
    """Calls that are throttled, lost before and lost after they were carried out say nothing of the table."""
    service = Service(random=random.Random(seed))
    driver = ServiceDriver(service)
    reset = driver.reset

    def and_fail_now_and_then(units):
        reset(units)
        for fields in (
            {"status": 500, "code": "Error", "when": "after"},
            {"transport": "reset"},
            {"transport": "empty"},
        ):
            service.add_fault(Fault(operation="*", probability=0.002, **fields))
        return True

    driver.reset = and_fail_now_and_then
    report = check_conformance(driver, events="complete", random=20, seed=seed, concurrent=(4, 50), budget=AGES)
    assert report.verdict is CONFORMS, str(report)


# -- what drives it ----------------------------------------------------------------------------------------------------


def test_an_order_machine_conforms():
    report = conforms(MachineDriver(OrderMachine), random=20)
    assert {state for state, _ in with_result(report, PASSED)} == {None, *State}


class Async:
    """A driver whose methods are coroutine functions, of one event loop."""

    def __init__(self, driver):
        self._driver = driver
        self.loops = set()

    def __getattr__(self, name):
        method = getattr(self._driver, name)

        async def call(*arguments, **named):
            self.loops.add(asyncio.get_running_loop())
            await asyncio.sleep(0)
            return method(*arguments, **named)

        return call


def test_a_driver_may_be_asynchronous_and_is_used_in_one_event_loop():
    driver = Async(ServiceDriver(Service()))
    report = conforms(driver, random=2, concurrent=(4, 20))
    assert with_result(report, PASSED) == set(PAIRS)
    assert len(driver.loops) == 1
    assert check_conformance(Async(ServiceDriver(mutant("a deletion gives two units back").make()))).verdict is VIOLATES


class Bare:
    """A driver that has the four methods alone, for a server of which `can` says what it can do."""

    def __init__(self, service, can=lambda _trigger: True):
        self._driver = ServiceDriver(service)
        self._can = can

    def create(self, operation=Operation.CREATE_FOR_PACKAGE):
        return self._driver.create(operation) if self._can(operation) else None

    def call(self, operation, order_id):
        return self._driver.call(operation, order_id) if self._can(operation) else None

    def observe(self, order_id):
        return self._driver.observe(order_id)

    def happen(self, order_id, event):
        return self._driver.happen(order_id, event) if self._can(event) else None


def stocked(units=10**6, **options):
    """A service with units enough."""
    service = Service(**options)
    service.put_package("digicert-free-1-free", units)
    return service


def test_the_four_methods_are_enough():
    report = conforms(Bare(stocked()), random=5, concurrent=(4, 20))
    assert {trigger for _, trigger in with_result(report, NOT_FORCED)} == {Operation.LIST, Operation.DESCRIBE_PACKAGE}
    assert set(report.not_forced.values()) == {"the driver has no such method"}


@pytest.mark.parametrize(
    "missing",
    [
        {Operation.CREATE},
        {Operation.CREATE, Operation.CREATE_WITH_CSR},
        {Operation.DESCRIBE},
        {Operation.RENEW, Operation.CANCEL_FOR_PACKAGE},
        {Event.SUBMITTED, Event.EXPIRY_NEARED},
    ],
    ids=lambda triggers: " and ".join(sorted(trigger.name for trigger in triggers)),
)
def test_an_operation_that_a_driver_cannot_do_is_not_offered_and_an_event_not_forced(missing):
    report = conforms(Bare(stocked(), lambda trigger: trigger not in missing), random=1, concurrent=(2, 10))
    results = {report.coverage[state, trigger] for state in State for trigger in missing}
    assert results == {NOT_FORCED if missing <= set(Event) else NOT_OFFERED}
    assert report.coverage[State.PENDING_REVIEW, Operation.CANCEL] is PASSED


# -- verdicts ----------------------------------------------------------------------------------------------------------


def test_where_nothing_could_be_checked_nothing_is_proved():
    report = check_conformance(Bare(stocked(), lambda _trigger: False), random=5, concurrent=(2, 5), seed=1)
    assert report.verdict is UNDECIDED
    assert set(report.coverage.values()) == {NOT_FORCED, NOT_OFFERED}
    assert report.reason == "no pair of a state and a trigger could be checked"
    assert "undecided because no pair of a state and a trigger could be checked" in str(report)


class Silent(Bare):
    """A server that never answers."""

    def create(self, _operation=None):
        return Answer.unknown()

    def call(self, _operation, _order_id):
        return Answer.unknown()

    def observe(self, _order_id):
        raise NoAnswer("nothing came")


def test_a_server_that_never_answers_violates_the_table():
    report = check_conformance(Silent(stocked()), random=0, seed=1)
    assert report.verdict is VIOLATES
    assert report.violations[0].got == "no answer"


class Steps:
    """A clock that stands still for so many questions, and then is far in the future."""

    def __init__(self, steps):
        self._left = steps

    def monotonic(self):
        """The time."""
        self._left -= 1
        return 0.0 if self._left > 0 else 1e9


def test_when_the_budget_is_used_up_it_is_undecided(monkeypatch):
    monkeypatch.setattr(conformance, "time", Steps(30))
    report = check_conformance(ServiceDriver(Service()), events="complete", seed=1)
    assert report.verdict is UNDECIDED
    assert report.reason == "the budget ended before everything was tried"
    assert NOT_FORCED in report.coverage.values()
    assert PASSED in report.coverage.values()


def test_a_violation_decides_even_if_the_budget_is_used_up(monkeypatch):
    monkeypatch.setattr(conformance, "time", Steps(30))
    service = mutant("refusals have HTTP status 400").make()
    assert check_conformance(ServiceDriver(service), events="complete", seed=1).verdict is VIOLATES


def test_a_failed_pair_is_failed_and_the_rest_is_tried_all_the_same():
    report = check_conformance(ServiceDriver(Service(lifecycle=DELETES_ISSUED)), random=0, seed=1)
    assert with_result(report, FAILED) == {(State.ISSUED, Operation.DELETE)}
    assert with_result(report, PASSED) == set(PAIRS) - {(State.ISSUED, Operation.DELETE)}


def test_every_refusal_that_is_broken_is_a_violation_of_its_own_up_to_ten():
    service = mutant("a refused call is answered as if it had been accepted").make()
    report = check_conformance(ServiceDriver(service), random=0, seed=1)
    keys = [violation.key for violation in report.violations]
    assert len(keys) == len(set(keys)) == 10
    assert {(state, trigger) for state, trigger, _ in keys} <= with_result(report, FAILED)
    assert len(report.failed) > 10
    assert f"not shown: {len(report.failed) - 10} violations more" in str(report)


def test_after_the_first_failure_it_ends_if_it_is_told_to():
    service = mutant("a refused call is answered as if it had been accepted").make()
    report = check_conformance(ServiceDriver(service), fail_fast=True, seed=1)
    assert len(report.violations) == 1
    assert NOT_FORCED in report.coverage.values()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"random": -1}, "random -1"),
        ({"random": 1.5}, "random 1.5"),
        ({"budget": 0}, "budget 0"),
        ({"events": "some"}, "events 'some': expected complete, partial"),
        ({"concurrent": (0, 5)}, "concurrent clients 0"),
        ({"concurrent": (5, 0)}, "concurrent calls 0"),
        ({"concurrent": 8}, "concurrent clients None"),
    ],
    ids=str,
)
def test_options_that_make_no_sense_are_named_before_anything_is_asked(options, named):
    with pytest.raises(InvalidValue, match=re.escape(named)):
        check_conformance(None, **options)


# -- counterexamples ---------------------------------------------------------------------------------------------------


def first_violation(service, **options):
    """The first violation of a broken service."""
    report = check_conformance(ServiceDriver(service), **{"random": 0, "seed": 1, "budget": AGES, **options})
    assert report.verdict is VIOLATES, str(report)
    return report.violations[0]


def test_a_violation_has_the_fewest_calls_the_rule_and_its_source():
    violation = first_violation(Service(lifecycle=DELETES_ISSUED))
    assert violation.as_json() | {"script": "", "picture": ""} == {
        "state": "issued",
        "trigger": "DeleteCertificateRequest",
        "kind": "state machine",
        "expected": "OrderStateError (HTTP 403)",
        "got": "accepted",
        "calls": [
            {"call": "CreateCertificateRequest", "order": 1, "got": violation.calls[0]["got"]},
            {"force": "domain_validated", "order": 1, "got": "accepted"},
            {"force": "review_passed", "order": 1, "got": "accepted"},
            {"call": "DeleteCertificateRequest", "order": 1, "got": "accepted"},
        ],
        "part": "systematic",
        "rule": "DeleteCertificateRequest is not allowed in issued, only in pending_application and verify_fail. "
        "(documented)",
        "reference": ORDER_LIFECYCLE.explain(State.ISSUED, Operation.DELETE).reference,
        "script": "",
        "picture": "",
    }
    lines = str(violation).splitlines()
    assert lines[0] == "DeleteCertificateRequest in issued: expected OrderStateError (HTTP 403), got accepted"
    assert lines[-1] == "  4. DeleteCertificateRequest(order=1): accepted"


def test_what_is_observed_accuses_the_call_before_it():
    violation = first_violation(mutant("a cancel puts the next order into verify_fail").make())
    assert violation.trigger is Operation.CANCEL
    assert [call.get("call") or call.get("read") for call in violation.calls] == [
        *("CreateCertificateRequest", "CreateCertificateRequest", "CancelOrderRequest", "state")
    ]
    assert (violation.expected, violation.got) == ("pending_review", "verify_fail")


def test_a_shorter_program_that_fails_otherwise_is_shown_besides():
    """A mock that deletes in any state, and then uses the id again: two violations, one of which hides the other."""

    class Forgetful(MemoryStore):
        def new_id(self):
            taken = {record.id for record in self._records.values() if record.order.state is not State.DELETED}
            return next(number for number in range(1, 10**6) if number not in taken)

    report = check_conformance(
        ServiceDriver(
            Service(store=Forgetful(), lifecycle=allowing(State.PENDING_REVIEW, Operation.DELETE, State.DELETED))
        ),
        random=0,
        seed=1,
    )
    assert {violation.got for violation in report.violations} >= {"accepted", "1 again"}
    reused = next(violation for violation in report.violations if violation.got == "1 again")
    assert (reused.state, len(reused.calls)) == (None, 4)


def test_a_race_that_is_lost_is_drawn():
    violation = first_violation(mutant("of two calls at once, both are accepted").make(), concurrent=(8, 20))
    assert violation.part == "concurrent"
    assert violation.picture.count("client ") == 3, "two lanes, and the sentence"
    assert "state before these calls: pending_application" in violation.picture
    in_order = [call for call in violation.calls if "client" not in call]
    assert [call["call"] for call in in_order] == ["CreateCertificateRequest", "CancelOrderRequest"]
    assert len(violation.calls) == 4
    assert violation.picture in str(violation)


def run_script(script, **environment):
    """What a counterexample prints when it is run."""
    done = subprocess.run(
        [sys.executable, "-"], input=script, capture_output=True, text=True, timeout=300, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_over_http_the_counterexample_is_a_program_that_needs_the_sdk_alone():
    with mock_cas(Service(lifecycle=DELETES_ISSUED)) as server:
        report = check_conformance(HTTPDriver(server.api, server.control), fail_fast=True, seed=1)
        script = report.violations[0].script
        assert "orderfsm" not in script.replace("ORDERFSM_ACCESS_KEYS", "")
        said = run_script(script)
    assert said[-2].startswith("delete_certificate_request({'order_id': ")
    assert "RequestId" in said[-2]
    assert said[-1] == "expected of the last answer: OrderStateError (HTTP 403)"


@pytest.mark.parametrize(
    "name",
    [
        "the keyword is ignored",
        "a renewal creates no order",
        "a deletion gives two units back",
    ],
)
def test_every_kind_of_counterexample_runs_over_http(name, every_mutant):
    with mock_cas(every_mutant[name].make()) as server:
        report = check_conformance(HTTPDriver(server.api, server.control), fail_fast=True, seed=1)
        script = report.violations[0].script
        said = run_script(script)
    assert said[-1] == f"expected of the last answer: {report.violations[0].expected}"


@pytest.fixture(scope="module")
def every_mutant():
    """The mutants by their names."""
    from mutants import MUTANTS

    return {each.name: each for each in MUTANTS}


def test_without_http_the_counterexample_drives_the_same_driver():
    violation = first_violation(Service(lifecycle=DELETES_ISSUED))
    said = run_script(violation.script)
    assert said[-2] == "OrderStateError (HTTP 403)", "against a service with the right table"
    assert said[-1] == "expected of the last answer: OrderStateError (HTTP 403)"


# -- random programs ---------------------------------------------------------------------------------------------------


def test_the_seed_repeats_random_programs():
    def found(seed):
        broken = ServiceDriver(mutant("a deletion gives two units back").make())
        with Session(broken, ORDER_LIFECYCLE, Events.COMPLETE) as session:
            return [done.step for done in failing_program(session, 200, seed).done]

    assert found(5) == found(5) != found(6)


def test_the_seed_that_is_given_is_told():
    assert check_conformance(ServiceDriver(Service()), random=0, only=[State.DELETED], seed=5).seed == 5


def test_hypothesis_is_not_needed_to_draw_random_programs():
    check = "from orderfsm.machine import OrderMachine\nfrom orderfsm.testing import MachineDriver, check_conformance\n"
    check += "import sys\nprint(check_conformance(MachineDriver(OrderMachine), random=3).verdict, "
    check += "'hypothesis' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", check], capture_output=True, check=True, text=True, timeout=600)
    assert said.stdout == "conforms False\n"


def test_without_a_seed_there_is_one_that_is_told():
    report = check_conformance(ServiceDriver(Service()), random=0, only=[State.DELETED])
    assert 0 <= report.seed < 2**32
    assert str(report).endswith(f"seed: {report.seed}")


TestMock = lifecycle_machine(ServiceDriver(Service())).TestCase
TestMock.settings = settings(max_examples=20, deadline=None)
TestOrderMachine = lifecycle_machine(MachineDriver(OrderMachine)).TestCase
TestOrderMachine.settings = settings(max_examples=20, deadline=None)


def test_a_lifecycle_machine_fails_with_what_was_done():
    renews = Service(lifecycle=allowing(State.PENDING_REVIEW, Operation.RENEW))
    case = seed(1)(lifecycle_machine(ServiceDriver(renews))).TestCase
    case.settings = settings(case.settings, phases=[Phase.generate], database=None)
    with pytest.raises(AssertionError, match="RenewCertificateOrderForPackageRequest in pending_review"):
        case("runTest").runTest()


def test_random_programs_delete_and_cancel_in_every_state():
    """A pool of few orders: none starves, and each gets far."""
    tried = set()

    class Watched(Session):
        def learn(self, step, result):
            before = self.done[-1].before
            tried.update((state, trigger_of(step)) for state in before)
            return super().learn(step, result)

    with Watched(ServiceDriver(Service()), ORDER_LIFECYCLE, Events.COMPLETE) as session:
        assert failing_program(session, 300, 1) is None
    assert tried >= {(state, trigger) for state in State for trigger in (Operation.DELETE, Operation.CANCEL)}


# -- the report --------------------------------------------------------------------------------------------------------


def test_the_report_is_a_document():
    report = check_conformance(ServiceDriver(Service(lifecycle=DELETES_ISSUED)), random=0, seed=7)
    document = json.loads(json.dumps(report.as_json()))
    assert list(document) == [
        *("table", "verdict", "checked", "coverage", "violations", "failed", "known", "vanished", "parts", "events"),
        *("reason", "seed"),
    ]
    assert document["failed"] == [
        {"state": "issued", "trigger": "DeleteCertificateRequest", "kind": "state machine"},
    ]
    assert (document["verdict"], document["seed"], document["checked"]) == ("violates", 7, report.checked)
    assert {"state": "issued", "trigger": "DeleteCertificateRequest", "result": "failed"} in document["coverage"]
    assert {"state": None, "trigger": "CreateCertificateRequest", "result": "passed"} in document["coverage"]
    assert len(document["coverage"]) == len(PAIRS)


def test_the_text_says_what_failed_in_each_state():
    report = check_conformance(Bare(stocked(lifecycle=DELETES_ISSUED)), random=0, seed=7)
    lines = str(report).splitlines()
    assert "issued: 14 of 17 triggers passed; failed: delete; not forced: list, describe_package" in lines
    assert lines[-2].endswith(f"of {len(PAIRS)} pairs {len(PAIRS) - 21} passed, 1 failed, 20 not forced")


def test_progress_is_told():
    told = []
    check_conformance(Bare(stocked()), random=0, concurrent=(2, 2), progress=lambda *said: told.append(said), seed=1)
    assert {part for part, _, _ in told} == {"systematic", "races"}
    for part in ("systematic", "races"):
        done = [(done, of) for each, done, of in told if each == part]
        assert done == [(number, len(done)) for number in range(1, len(done) + 1)]


def test_another_table_may_be_the_rule():
    edition = attrs.evolve(DELETES_ISSUED, edition="next")
    assert check_conformance(ServiceDriver(Service(lifecycle=edition)), lifecycle=edition, random=0).verdict is CONFORMS
    assert check_conformance(ServiceDriver(Service()), lifecycle=edition, random=0).verdict is VIOLATES
