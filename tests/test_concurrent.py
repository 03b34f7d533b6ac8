"""Concurrent clients: honest services conform, and each kind of broken one is caught and shown."""

from __future__ import annotations

import asyncio
import random
import re
import sys
import threading
import time
from itertools import count
from types import SimpleNamespace

import attrs
import pytest

pytest.importorskip("sqlalchemy", reason="the extra `mock` is not installed")

from orderfsm import ORDER_LIFECYCLE, InvalidValue, Operation, State
from orderfsm.errors import NotRemainCount, OrderStateError
from orderfsm.machine import AsyncOrderMachine, OrderMachine
from orderfsm.mock import MemoryStore, Service
from orderfsm.testing.concurrency.run import HeldUnits, run_concurrent, run_concurrent_async
from orderfsm.testing.drivers.driver import Answer, NoAnswer
from orderfsm.testing.drivers.machine import MachineDriver
from orderfsm.testing.drivers.service import ServiceDriver
from orderfsm.trace import Finding, Line

CONFORMS, VIOLATES, UNDECIDED = Finding
PRODUCT = "digicert-free-1-free"
UNITS = 5


def driven(store=None, lifecycle=ORDER_LIFECYCLE, driver=ServiceDriver, units=UNITS):
    service = Service(store=store, lifecycle=lifecycle, random=random.Random(7))
    service.put_package(PRODUCT, units)
    return driver(service)


def run(driver, **options):
    return run_concurrent(driver, **{"clients": 8, "calls": 100, "seed": 7, "events": "complete", **options})


def test_an_honest_service_conforms():
    report = run(driven())
    assert report.verdict is CONFORMS, str(report)
    assert (report.problems, report.undecided, report.quota) == ((), (), True)
    assert report.orders > 10
    assert report.answers == len(report.lines) > 600
    assert str(report) == f"conforms: {report.answers} answers on {report.orders} orders; seed 7"
    assert report.as_json() == {
        "table": "orders",
        "verdict": "conforms",
        "answers": report.answers,
        "orders": report.orders,
        "quota_checked": True,
        "problems": [],
        "undecided": [],
        "seed": 7,
    }


@pytest.mark.parametrize("machine", [OrderMachine, AsyncOrderMachine])
def test_machines_conform_although_the_model_refuses_a_deleted_order_with_a_code_of_its_own(machine):
    report = run_concurrent(MachineDriver(machine), clients=1, calls=200, seed=1, events="complete")
    assert report.verdict is CONFORMS, str(report)
    assert "NotFoundOrder" in {line.code for line in report.lines}


def test_a_machine_that_refuses_what_the_table_allows_does_not():
    def refuse():
        raise OrderStateError

    def stubborn():
        machine = OrderMachine()
        machine.cancel = refuse
        return machine

    report = run_concurrent(MachineDriver(stubborn), clients=1, calls=200, seed=1, events="complete")
    assert report.verdict is VIOLATES
    assert {problem.culprit.trigger for problem in report.problems} == {Operation.CANCEL}


def test_every_operation_and_many_events_are_tried():
    lines = run(driven(units=3), calls=300).lines
    tried = {line.trigger for line in lines}
    assert tried >= {rule.trigger for rule in ORDER_LIFECYCLE.triggers if isinstance(rule.trigger, Operation)} - {
        Operation.LIST,
        Operation.DESCRIBE_PACKAGE,
    }
    assert {line.code for line in lines} >= {None, "OrderStateError", "NotFoundOrder", "NotRemainCount"}
    assert {line.client for line in lines} == set(range(1, 9))
    assert all(line.started <= line.ended for line in lines)


class LastWriteWins(MemoryStore):
    """A store that does not look whether somebody else was faster, who often is."""

    def get(self, order_id):
        record = super().get(order_id)
        time.sleep(1e-4)
        return record

    def commit(self, old, new, begun, happened):
        with self._lock:
            return super().commit(old and super().get(old.id), new, begun, happened)

    def _free_unit(self, product_code, units=1):
        """Whoever writes last may bring an order back, and with it its unit."""


def test_a_lost_update_is_caught():
    report = run(driven(LastWriteWins()))
    assert report.verdict is VIOLATES
    problem = next(problem for problem in report.problems if problem.history is not None)
    assert problem.history.verdict is VIOLATES
    assert problem.picture == str(problem) == problem.history.picture()
    assert problem.lines == problem.history.calls


def test_a_deletion_that_is_accepted_twice_is_caught():
    row = ORDER_LIFECYCLE.transition(State.VERIFY_FAIL, Operation.DELETE)
    deletes_again = ORDER_LIFECYCLE.with_rows(attrs.evolve(row, source=State.DELETED, quota=0))
    report = run(driven(lifecycle=deletes_again))
    assert report.verdict is VIOLATES
    problem = report.problems[0]
    assert "got delete: accepted" in problem.sentence
    assert "state just before the call drawn with `=`: deleted" in problem.picture
    assert len(problem.lines) <= 6


class GivesBackTwice(MemoryStore):
    """A store that gives two units back for one."""

    def _count(self, product_code, used, issued):
        super()._count(product_code, 2 * used if used < 0 else used, issued)


class NeverGivesBack(MemoryStore):
    """A store that gives no unit back."""

    def _count(self, product_code, used, issued):
        super()._count(product_code, max(used, 0), issued)


@pytest.mark.parametrize("store", [GivesBackTwice, NeverGivesBack])
def test_quota_that_is_returned_twice_or_never_is_caught(store):
    report = run(driven(store()))
    assert report.verdict is VIOLATES
    assert all(problem.history is None for problem in report.problems)
    last = report.problems[-1]
    assert last.sentence.startswith("in the end ")
    assert last.lines == (last.culprit,)


class Oversells(MemoryStore):
    """A store that sells more units than there are."""

    def _begin(self, record):
        package = self._packages[PRODUCT]
        self._packages[PRODUCT] = attrs.evolve(package, total=99)
        super()._begin(record)
        self._packages[PRODUCT] = attrs.evolve(self._packages[PRODUCT], total=package.total)


class IsStingy(MemoryStore):
    """A store that keeps the last unit."""

    def _begin(self, record):
        package = self._packages[PRODUCT]
        if package.used + 1 >= package.total:
            raise NotRemainCount
        super()._begin(record)


@pytest.mark.parametrize(
    ("store", "sentence"),
    [
        (Oversells, r"create\w*: accepted, while at least [2-9] of 2 units were held"),
        (IsStingy, r"create\w*: NotRemainCount, while at most 1 of 2 units were held"),
    ],
)
def test_an_answer_that_quota_does_not_allow_is_caught(store, sentence):
    report = run(driven(store(), units=2))
    problem = report.problems[0]
    assert re.fullmatch(sentence, problem.sentence)
    assert re.search(r"\|=+create", problem.picture)
    assert str(problem) == f"{problem.sentence}\n{problem.picture}"
    assert report.as_json()["problems"][0]["calls"][0]["operation"] in set(Operation)


class IdsTwice(MemoryStore):
    """A store that gives an id to two orders now and then."""

    def new_id(self):
        return super().new_id() // 8 * 8


def test_an_id_that_is_given_twice_is_caught():
    report = run(driven(IdsTwice()))
    problem = report.problems[0]
    assert problem.sentence.endswith("was given to two orders")
    assert len(problem.lines) > 1


# -- quota -------------------------------------------------------------------------------------------------------------


def line(text, started, ended, order_id=None, new_order_id=None):
    name, _, answer = text.partition(" ")
    return Line(
        time="2026-08-05T06:10:01Z",
        trigger=Operation[name.upper()],
        order_id=order_id,
        outcome={"": "accepted", "lost": "unknown"}.get(answer, "refused"),
        code=answer if answer not in {"", "lost"} else None,
        new_order_id=new_order_id,
        started=started,
        ended=ended,
    )


def impossible(*lines, total=1, before=0):
    held = HeldUnits([line(*each) for each in lines], before)
    return [(call.line.trigger.name.lower(), units) for call, units in held.impossible(total)]


REFUSED = "create NotRemainCount"


def test_a_refusal_needs_a_moment_at_which_every_unit_may_be_held():
    assert impossible((REFUSED, 0, 1)) == [("create", 0)]
    assert impossible((REFUSED, 0, 1), before=1) == []
    assert impossible((REFUSED, 0, 1), ("create", 2, 3, 7)) == [("create", 0)]
    assert impossible((REFUSED, 0, 2), ("create", 2, 3, 7)) == []
    assert impossible((REFUSED, 0, 2), ("create lost", 1, 3)) == []
    assert impossible((REFUSED, 0, 2), ("create Error", 1, 3)) == []
    assert impossible((REFUSED, 0, 2), ("create CreateCertificateRequestFailed", 1, 3)) == [("create", 0)]
    once = ("create", 0, 1, 7)
    assert impossible(once, ("delete", 2, 4, 7), (REFUSED, 4, 5)) == []
    assert impossible(once, ("delete", 2, 4, 7), (REFUSED, 4.1, 5)) == [("create", 0)]
    assert impossible(once, ("delete lost", 2, 4, 7), (REFUSED, 5, 6)) == []
    assert impossible(once, ("renew", 2, 3, 7, 8), ("delete", 4, 5, 8), (REFUSED, 6, 7)) == []


def test_a_create_needs_a_moment_at_which_a_unit_may_be_left():
    once = ("create", 0, 1, 7)
    assert impossible(once, ("create_with_csr", 2, 3, 8)) == [("create_with_csr", 1)]
    assert impossible(once, ("create_with_csr", 2, 3, 8), total=2) == []
    assert impossible(("create_with_csr", 0, 1, 7), before=1) == [("create_with_csr", 1)]
    assert impossible(once, ("create_with_csr", 1, 3, 8), total=2) == []
    for gives in ("delete", "delete lost", "cancel_for_package"):
        assert impossible(once, ("create_with_csr", 2, 4, 8), (gives, 4, 5, 7)) == []
    for keeps in ("delete OrderStateError", "cancel", "describe"):
        assert impossible(once, ("create_with_csr", 2, 4, 8), (keeps, 3, 5, 7)) == [("create_with_csr", 1)]


def test_creates_at_once_must_not_take_more_units_than_there_are():
    at_once = [("create", 0, 2, 7), ("create", 1, 3, 8), ("create", 1, 4, 9)]
    assert impossible(*at_once, total=3) == []
    assert impossible(*at_once, total=2) == [("create", 3)]
    assert impossible(*at_once, total=1) == [("create", 2), ("create", 3)]
    assert impossible(*at_once, total=3, before=1) == [("create", 4)]
    assert impossible(*at_once[:2], ("create", 1, 3, 9), ("delete", 2, 6, 5), total=2) == []
    assert impossible(*at_once[:2], ("delete", 4, 6, 7), total=1) == [("create", 2)]


def test_at_rest_the_units_that_are_held_are_known_up_to_calls_that_were_lost():
    answered = [line("create", 0, 1, 7), line("create", 0, 1, 8), line("delete", 2, 3, 7)]
    held = HeldUnits(answered, 3)
    assert (held.least(), held.most()) == (4, 4)
    held = HeldUnits([*answered, line("create lost", 4, 5), line("delete lost", 4, 5, 8)], 3)
    assert (held.least(), held.most()) == (3, 5)


def test_where_only_some_states_give_a_unit_back_nobody_knows_whether_one_was():
    row = ORDER_LIFECYCLE.transition(State.VERIFY_FAIL, Operation.DELETE)
    keeps = ORDER_LIFECYCLE.without(row).with_rows(attrs.evolve(row, quota=0))
    held = HeldUnits([line("create", 0, 1, 7), line("delete", 2, 3, 7)], 0, keeps)
    assert (held.least(), held.most()) == (0, 1)


# -- drivers -----------------------------------------------------------------------------------------------------------


class AsyncDriver:
    """A service behind asynchronous methods."""

    def __init__(self, service):
        self._driver = ServiceDriver(service)

    def __getattr__(self, name):
        method = getattr(self._driver, name)

        async def call(*arguments):
            await asyncio.sleep(random.random() / 1000)
            answer = method(*arguments)
            await asyncio.sleep(random.random() / 1000)
            return answer

        return call


def test_an_asynchronous_driver_is_driven_by_tasks():
    report = run(driven(driver=AsyncDriver))
    assert report.verdict is CONFORMS, str(report)
    assert asyncio.run(run_concurrent_async(driven(driver=AsyncDriver), calls=5)).quota


class LosesAnswers(ServiceDriver):
    """A service whose calls get lost on the way, or the answers on the way back."""

    def _lossy(self, do):
        drawn = random.random()
        answer = Answer.unknown() if drawn < 0.03 else do()
        return Answer.unknown() if drawn > 0.97 else answer

    def create(self, operation):
        return self._lossy(lambda: super(LosesAnswers, self).create(operation))

    def call(self, operation, order_id):
        return self._lossy(lambda: super(LosesAnswers, self).call(operation, order_id))

    def happen(self, order_id, event):
        return self._lossy(lambda: super(LosesAnswers, self).happen(order_id, event))


def test_calls_that_were_lost_may_have_happened():
    report = run(driven(driver=LosesAnswers), calls=200)
    assert report.verdict is CONFORMS, str(report)
    assert report.answers < len(report.lines)


class FourMethods:
    """A driver that cannot make anything happen, nor read quota."""

    def __init__(self, service):
        driver = ServiceDriver(service)
        self.create, self.call, self.observe = driver.create, driver.call, driver.observe

    def happen(self, order_id, event):  # noqa: ARG002
        return None


class NoQuota(ServiceDriver):
    """A service whose package cannot be read."""

    def quota(self):
        raise NoAnswer("no")


@pytest.mark.parametrize("driver", [FourMethods, NoQuota])
def test_without_quota_the_rest_is_checked(driver):
    report = run(driven(driver=driver))
    assert (report.verdict, report.quota) == (CONFORMS, False)
    assert "quota not checked" in str(report)


def test_no_order_is_no_pass():
    service = Service()
    service.put_package(PRODUCT, 0)
    report = run(ServiceDriver(service))
    assert (report.verdict, report.orders, report.problems) == (UNDECIDED, 0, ())


def test_threads_switch_often_during_a_run_and_as_before_after_it():
    driver, intervals, before = driven(), set(), sys.getswitchinterval()
    call = driver.call

    def watched(operation, order_id):
        intervals.add(sys.getswitchinterval())
        return call(operation, order_id)

    driver.call = watched
    run(driver, calls=10)
    assert max(intervals) < 1e-4 < before == sys.getswitchinterval()


@pytest.mark.parametrize("driver", [ServiceDriver, AsyncDriver])
def test_an_error_of_the_driver_ends_the_run(driver):
    broken = driven(driver=driver)
    inner = getattr(broken, "_driver", broken)
    calls, original = count(), inner.call

    def call(operation, order_id):
        if next(calls) == 20:
            raise ZeroDivisionError
        return original(operation, order_id)

    inner.call = call
    with pytest.raises(ZeroDivisionError):
        run(broken, calls=10_000)
    assert next(calls) < 1_000


def test_a_client_that_cannot_begin_does_not_keep_the_others_waiting(monkeypatch):
    run_loop = asyncio.run

    def fails_once(work):
        if threading.current_thread() is not threading.main_thread():
            monkeypatch.setattr(asyncio, "run", run_loop)
            work.close()
            raise OSError("too many open files")
        return run_loop(work)

    monkeypatch.setattr(asyncio, "run", fails_once)
    with pytest.raises(OSError, match="too many open files"):
        run(driven(), clients=3, calls=5)


def test_a_run_ends_within_its_budget(monkeypatch):
    looks = count()
    clock = SimpleNamespace(monotonic=lambda: next(looks) / 1000, time=time.time, perf_counter=time.perf_counter)
    for module in ("clients", "run"):
        monkeypatch.setattr(f"orderfsm.testing.concurrency.{module}.time", clock)
    report = run(driven(), calls=10**6, budget=0.2)
    assert 0 < report.answers <= 200, "each client looks at the clock before each call"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"clients": 0}, "clients 0: expected an int, 1 or more"),
        ({"calls": 1.5}, "calls 1.5"),
        ({"budget": -1}, "budget -1: expected seconds, more than 0"),
        ({"events": "some"}, "events 'some': expected complete, partial"),
    ],
)
def test_bad_input_is_one_clear_error(option, message):
    with pytest.raises(InvalidValue) as error:
        run(driven(), **option)
    assert message in str(error.value)
