"""The kit carries any table: a server for parcels is held against theirs, by a driver of four methods."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import attrs
import pytest

pytest.importorskip("hypothesis", reason="the extra `testing` is not installed")

from hypothesis import given, settings
from other_table import LIFECYCLE, Event, Operation, State
from parcels import Carrier, Parcels, Refused
from suites import run_pytest

from orderfsm import ORDER_LIFECYCLE, InvalidValue, trace
from orderfsm.machine import OrderMachine
from orderfsm.testing import (
    MachineDriver,
    Result,
    check_conformance,
    check_history,
    lifecycle_machine,
    run_concurrent,
    strategies,
)
from orderfsm.testing.model.failure import Kind
from orderfsm.testing.programs.ways import shortest_way
from orderfsm.trace import Events, Finding, Line

AGES = 1e6
PAIRS = {(state, trigger) for state, rows in LIFECYCLE.table.items() for trigger in rows}
TRIED = {pair for pair in PAIRS if pair[1] is not Operation.OVERVIEW}
EVENTS = (Events.COMPLETE, Events.PARTIAL)


def check(driver, events=Events.COMPLETE, **options):
    """The report on a driver."""
    options = {"random": 0, "seed": 1, "budget": AGES, "patience": 0.01, **options}
    return check_conformance(driver, lifecycle=LIFECYCLE, events=events, **options)


def passed(report):
    """The pairs that passed."""
    return {pair for pair, result in report.coverage.items() if result is Result.PASSED}


class Machine:
    """A parcel as the table has it."""

    def __init__(self):
        self.state = State.ANNOUNCED

    def __getattr__(self, name):
        trigger = next(each for each in (*Operation, *Event) if each.name.lower() == name)

        def fire():
            if LIFECYCLE.is_silent(self.state, trigger):
                return
            self.state = LIFECYCLE.check(self.state, trigger)

        return fire


@pytest.mark.parametrize("events", EVENTS)
def test_machines_of_the_table_conform(events):
    report = check(MachineDriver(Machine, lifecycle=LIFECYCLE), events, random=5)
    assert report.verdict is Finding.CONFORMS, str(report)
    assert passed(report) == TRIED
    assert set(report.coverage) == PAIRS


@pytest.mark.parametrize("tracks", [False, True], ids=["states", "words"])
@pytest.mark.parametrize("events", EVENTS)
def test_a_server_with_a_driver_of_four_methods_conforms(events, tracks):
    report = check(Parcels(tracks=tracks), events, random=5)
    assert report.verdict is Finding.CONFORMS, str(report)
    if events is Events.COMPLETE or not tracks:
        assert passed(report) == TRIED


class ByItself(Carrier):
    """A redirection is completed by itself, once the parcel has been looked at."""

    def phase(self, number):
        phase = super().phase(number)
        if phase == "redirecting":
            self.parcels[number] = "in_transit"
        return phase


class Waiting(Parcels):
    """It cannot complete a redirection."""

    def happen(self, number, event):
        return None if event is Event.REDIRECTED else super().happen(number, event)


def test_whether_the_service_completes_by_itself_is_found_out():
    assert check(Parcels(), None).events is Events.COMPLETE
    report = check(Waiting(ByItself), None)
    assert (report.events, report.verdict) == (Events.PARTIAL, Finding.CONFORMS), str(report)


# -- mutants -----------------------------------------------------------------------------------------------------------

MUTANTS = {}


def mutant(name, state, trigger):
    """Register a broken carrier, and what it is to be accused of."""

    def register(cls):
        MUTANTS[name] = cls, state, trigger
        return cls

    return register


@mutant("a withdrawal leads to the locker", State.ANNOUNCED, Operation.WITHDRAW)
class WrongTarget(Carrier):
    def withdraw(self, number):
        self.move(number, {"announced": "at_locker"}, "OutOfReach", 410)


@mutant("a returned parcel cannot be erased", State.RETURNED, Operation.ERASE)
class RefusesErase(Carrier):
    def erase(self, number):
        self.move(number, dict.fromkeys(("delivered", "lost"), "erased"))


@mutant("a parcel in transit can be erased", State.IN_TRANSIT, Operation.ERASE)
class ErasesAnything(Carrier):
    def erase(self, number):
        self.move(number, dict.fromkeys(("delivered", "returned", "lost", "in_transit"), "erased"))


@mutant("a late withdrawal has another code", State.DELIVERED, Operation.WITHDRAW)
class WrongCode(Carrier):
    def withdraw(self, number):
        self.move(number, {"announced": "returned"})


@mutant("a late withdrawal has another status", State.DELIVERED, Operation.WITHDRAW)
class WrongStatus(Carrier):
    def withdraw(self, number):
        self.move(number, {"announced": "returned"}, "OutOfReach", 403)


@mutant("a redirection is never completed", State.REDIRECTING, Event.REDIRECTED)
class LosesCompletion(Carrier):
    def happen(self, number, event):
        if event != Event.REDIRECTED:
            super().happen(number, event)
        elif self.phase(number) != "redirecting":
            raise Refused("WrongPhase", 409)


@mutant("an erased parcel is still found", State.ERASED, Operation.TRACK)
class StillFound(Carrier):
    def phase(self, number):
        return "delivered" if self.parcels.get(number) == "erased" else super().phase(number)


@mutant("a replacement announces no second parcel", State.LOST, Operation.REPLACE)
class NoSecond(Carrier):
    def replace(self, number):
        self.move(number, {"lost": "lost"})


@mutant("the second parcel is on its way at once", State.LOST, Operation.REPLACE)
class SecondMoves(Carrier):
    def replace(self, number):
        second = super().replace(number)
        self.parcels[second] = "in_transit"
        return second


@mutant("a parcel that is being redirected is redirected again", State.REDIRECTING, Operation.REDIRECT)
class PassesTooEarly(Carrier):
    def redirect(self, number):
        self.move(number, dict.fromkeys(("in_transit", "redirecting"), "redirecting"), "NotMoving", 422)


@mutant("a parcel that was redirected is never redirected again", State.IN_TRANSIT, Operation.REDIRECT)
class NeverPasses(Carrier):
    def __init__(self):
        super().__init__()
        self.redirected = set()

    def redirect(self, number):
        if number in self.redirected:
            raise Refused("NotMoving", 422)
        super().redirect(number)
        self.redirected.add(number)


@mutant("tracking takes an announced parcel in", State.ANNOUNCED, Operation.TRACK)
class TrackingMoves(Carrier):
    def track(self, number):
        read = super().track(number)
        if self.parcels[number] == "announced":
            self.parcels[number] = "in_transit"
        return read


@mutant("a lost parcel is said to wait", State.LOST, Operation.TRACK)
class WrongWord(Carrier):
    def track(self, number):
        return {"Phase": "waiting"} if self.phase(number) == "lost" else super().track(number)


@mutant("a place that the terms do not have", State.AT_LOCKER, Operation.TRACK)
class UnknownWord(Carrier):
    def track(self, number):
        return super().track(number) | ({"Place": "box"} if self.phase(number) == "at_locker" else {})


@mutant("the numbers of erased parcels are given again", None, Operation.ANNOUNCE)
class NumbersAgain(Carrier):
    def announce(self):
        free = [number for number, phase in self.parcels.items() if phase == "erased"]
        number = free[0] if free else super().announce()
        self.parcels[number] = "announced"
        return number


@mutant("an erasure erases the parcel before it as well", State.DELIVERED, Operation.ERASE)
class ErasesTwo(Carrier):
    def erase(self, number):
        super().erase(number)
        before = f"pa-{int(number[3:]) - 1:06}"
        if self.parcels.get(before) == "announced":
            self.parcels[before] = "erased"


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_server_is_caught_in_few_calls(name):
    carrier, state, trigger = MUTANTS[name]
    report = check(Parcels(carrier), fail_fast=True)
    assert report.verdict is Finding.VIOLATES, str(report)
    violation = report.violations[0]
    assert violation.trigger is trigger, str(report)
    assert violation.state is state or state is State.DELIVERED, str(report)
    assert len(violation.calls) <= 7, str(report)


def test_where_others_act_a_redirection_may_have_been_completed_before_the_next():
    assert check(Parcels(PassesTooEarly), Events.PARTIAL).verdict is Finding.CONFORMS
    assert check(Parcels(WrongCode), Events.PARTIAL).verdict is Finding.VIOLATES


class Speaks(Carrier):
    """Of what the terms do not say, it answers this and that."""

    def redirect(self, number):
        self.move(number, {"in_transit": "redirecting", "at_locker": "in_transit"}, "NotMoving", 422)

    def withdraw(self, number):
        if self.phase(number) == "redirecting":
            raise Refused("Whatever", 418)
        self.move(number, {"announced": "returned", "in_transit": "lost"}, "OutOfReach", 410)


@pytest.mark.parametrize("events", EVENTS)
def test_of_what_the_terms_do_not_say_any_answer_is_right(events):
    report = check(Parcels(Speaks), events, random=30)
    assert report.verdict is Finding.CONFORMS, str(report)
    assert (State.AT_LOCKER, Operation.REDIRECT) not in report.coverage


def test_a_call_that_was_refused_in_passing_may_be_accepted_later():
    class SecondTime(Carrier):
        def __init__(self):
            super().__init__()
            self.refused = set()

        def redirect(self, number):
            if self.phase(number) != "redirecting":
                super().redirect(number)
            elif number not in self.refused:
                self.refused.add(number)
                raise Refused("NotMoving", 422)

    report = check(Parcels(SecondTime))
    assert report.verdict is Finding.CONFORMS, str(report)


# -- what is told ------------------------------------------------------------------------------------------------------


def test_a_counterexample_speaks_of_parcels():
    report = check(Parcels(ErasesAnything))
    [violation] = report.violations
    text = str(report)
    assert str(violation).splitlines()[0] == ("EraseParcel in in_transit: expected WrongPhase (HTTP 409), got accepted")
    assert "  1. AnnounceParcel(parcel=1): accepted, ParcelId pa-" in text
    assert "order" not in text
    assert report.as_json()["table"] == LIFECYCLE.name
    assert "from other_table import Event, Operation" in violation.script
    assert "parcel_1 = driver.create(Operation.ANNOUNCE).order_id" in violation.script


class Mute(Parcels):
    """Its calls tell nothing but that they were accepted; it observes by tracking."""

    def call(self, operation, number):
        return attrs.evolve(super().call(operation, number), body=None)

    def observe(self, number):
        try:
            return self.carrier.track(number)
        except Refused:
            return {None}


@pytest.mark.parametrize(
    ("field", "word", "kind"),
    [("Phase", "odd", Kind.SHAPES), ("Place", "odd", Kind.STATE_MACHINE), ("Phase", "waiting", Kind.STATE_MACHINE)],
)
@pytest.mark.parametrize("driver", [Mute, Parcels], ids=["observed", "answered"])
def test_a_word_that_cannot_be_is_a_violation_and_one_that_was_promised_not_to_come_a_grave_one(
    driver, field, word, kind
):
    class Odd(Carrier):
        def track(self, number):
            return super().track(number) | ({field: word} if self.phase(number) == "delivered" else {})

    report = check(driver(Odd))
    assert {violation.kind for violation in report.violations} == {kind}, str(report)
    assert word in str(report)


def test_a_way_takes_what_is_grave_only_if_there_is_no_other():
    erase = [row for row in LIFECYCLE.transitions if row.trigger is Operation.ERASE]
    without = attrs.evolve(LIFECYCLE, transitions=tuple(row for row in LIFECYCLE.transitions if row not in erase))
    assert shortest_way(LIFECYCLE, None, State.ERASED)[-1].trigger is Operation.ERASE
    assert shortest_way(without, None, State.ERASED)[-1].trigger is Operation.DESTROY


def test_a_word_that_is_a_state_and_an_event_means_the_state():
    report = check(Parcels(), only=["lost", Operation.ERASE])
    assert set(report.coverage) == {(State.LOST, Operation.ERASE)}
    assert check(Parcels(), only=["lost_on_the_way", State.IN_TRANSIT]).ok


def test_what_has_no_field_of_the_table_is_named():
    driver = Parcels()
    driver.observe = lambda _number: {"Colour": "brown"}
    with pytest.raises(InvalidValue, match=r"fields that observe\(\) gave \['Colour'\]: expected Phase, Place"):
        check(driver)


TestParcels = lifecycle_machine(Parcels(), lifecycle=LIFECYCLE).TestCase


# -- histories, clients at once, strategies ----------------------------------------------------------------------------


def call(client, trigger, started, ended, **answer):
    """A call on a parcel."""
    return Line(
        time="2026-09-01T06:10:01Z",
        parcel_id="pa-000007",
        trigger=trigger,
        client=client,
        started=started,
        ended=ended,
        lifecycle=LIFECYCLE,
        **answer,
    )


def test_a_history_of_a_parcel_is_checked_by_its_own_table():
    twice = [call(1, Operation.WITHDRAW, 0, 3), call(2, Operation.WITHDRAW, 1, 5)]
    found = check_history(twice, lifecycle=LIFECYCLE, initial=[State.ANNOUNCED], events=Events.COMPLETE)
    assert found.verdict is Finding.VIOLATES
    assert found.picture().splitlines()[0] == (
        "parcel pa-000007 violates the table: no order of the calls explains that client 2 got withdraw: accepted"
    )
    refused = [twice[0], call(2, Operation.WITHDRAW, 1, 5, outcome="refused", code="OutOfReach")]
    assert check_history(refused, lifecycle=LIFECYCLE, initial=[State.ANNOUNCED]).verdict is Finding.CONFORMS
    created = [call(1, Operation.ANNOUNCE, 0, 1), call(1, Event.PICKED_UP, 2, 3)]
    assert check_history(created, lifecycle=LIFECYCLE, events=Events.COMPLETE).index == 1


def test_a_history_is_judged_by_the_table_of_its_lines_or_that_table_is_named():
    withdrawn = [call(1, Operation.WITHDRAW, 0, 3)]
    assert check_history(withdrawn).verdict is Finding.CONFORMS
    with pytest.raises(InvalidValue, match="table of the line"):
        check_history(withdrawn, lifecycle=ORDER_LIFECYCLE)


class Locked(Parcels):
    """A driver whose server does one thing at a time."""

    def __init__(self, carrier=Carrier):
        super().__init__(carrier)
        self.lock = threading.Lock()

    def create(self, operation):
        with self.lock:
            return super().create(operation)

    def answered(self, method, *arguments):
        with self.lock:
            return super().answered(method, *arguments)


class Hasty(Carrier):
    """It looks first, and acts a moment later."""

    def move(self, number, ways, code="WrongPhase", status=409):
        phase = self.phase(number)
        time.sleep(1e-3)
        if phase not in ways:
            raise Refused(code, status)
        self.parcels[number] = ways[phase]


def test_clients_that_call_at_once_are_judged_by_their_table():
    options = {"clients": 4, "calls": 60, "seed": 1, "lifecycle": LIFECYCLE, "events": Events.COMPLETE}
    report = run_concurrent(Locked(), **options)
    assert report.verdict is Finding.CONFORMS, str(report)
    assert str(report).endswith(f"answers on {report.orders} parcels; seed 1")
    assert report.as_json()["table"] == LIFECYCLE.name
    assert run_concurrent(Parcels(Hasty), **options).verdict is Finding.VIOLATES


def test_a_race_that_is_lost_is_told_of_parcels():
    report = check(Parcels(Hasty), concurrent=(2, 1), only=[State.ANNOUNCED, Operation.WITHDRAW], fail_fast=True)
    violation = report.violations[0]
    assert violation.part == "concurrent"
    assert violation.picture.startswith("parcel pa-")
    assert "parcel" in violation.calls[-1]


@given(strategies.legal_histories(lifecycle=LIFECYCLE), strategies.illegal_histories(lifecycle=LIFECYCLE))
@settings(deadline=None, max_examples=50)
def test_histories_of_parcels_are_what_their_names_say(legal, illegal):
    judged = [trace.judge(lines, events=Events.COMPLETE, lifecycle=LIFECYCLE) for lines in (legal, illegal)]
    assert [each.verdict for each in judged] == [Finding.CONFORMS, Finding.VIOLATES]
    assert judged[1].index == len(illegal) - 1


@given(strategies.states(LIFECYCLE), strategies.triggers(LIFECYCLE), strategies.order_ids(LIFECYCLE))
def test_strategies_draw_from_any_table(state, trigger, parcel_id):
    assert state in tuple(State)
    assert trigger in {*Operation, *Event}
    assert LIFECYCLE.identity.check(parcel_id) == parcel_id


# -- at the door -------------------------------------------------------------------------------------------------------


def test_a_driver_that_speaks_cas_names_a_table_that_is_not_of_that_api():
    pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
    from orderfsm.mock import Service
    from orderfsm.testing import ServiceDriver

    with pytest.raises(InvalidValue, match="which has no AnnounceParcel: ServiceDriver speaks its API"):
        check(ServiceDriver(Service()))


def test_pytest_has_a_test_for_each_state_and_trigger_of_a_driver_of_ones_own(tmp_path):
    options = ["--orderfsm-driver", "parcels:Parcels", "--orderfsm-table", "other_table:LIFECYCLE"]

    def run(*more):
        done = run_pytest(tmp_path, *options, *more, PYTHONPATH=str(Path(__file__).parent))
        return done.stdout + done.stderr

    told = run("-k", "redirect", "-rA")
    assert "PASSED orderfsm::test_redirect_is_accepted_when_in_transit" in told
    assert "PASSED orderfsm::test_redirect_is_refused_when_there_is_no_parcel" in told
    assert not re.search("test_redirect_is_[a-z]+_when_at_locker", told), "the terms do not say"
    assert "failed" not in told
    broken = run("-k", "erase_is_refused_when_in_transit", "--orderfsm-driver", "test_other_kit:broken")
    assert "EraseParcel in in_transit: expected WrongPhase (HTTP 409), got accepted" in broken
    assert "--orderfsm-driver nowhere:x" in run("--orderfsm-driver", "nowhere:x")


def broken():
    """A driver of a broken server."""
    return Parcels(ErasesAnything)


@pytest.mark.parametrize("events", ["complete", "partial"])
def test_the_table_itself_conforms_as_a_machine(events):
    driver = MachineDriver(lambda: OrderMachine(lifecycle=LIFECYCLE), lifecycle=LIFECYCLE)
    report = check_conformance(driver, lifecycle=LIFECYCLE, random=10, seed=1, events=events)
    assert report.verdict is Finding.CONFORMS, str(report)
    assert {trigger for _, trigger in report.not_forced} == {Operation.OVERVIEW}
