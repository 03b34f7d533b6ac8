"""What a driver gives to the kit, and how long it may take: a mistake is named at the door, and nothing hangs."""

from __future__ import annotations

import asyncio
import re
import signal
import threading
import time

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")

from orderfsm import InvalidValue, Operation, State
from orderfsm.machine import AsyncOrderMachine, OrderMachine
from orderfsm.mock import Fault, Service
from orderfsm.testing import (
    Answer,
    HTTPDriver,
    MachineDriver,
    Result,
    ServiceDriver,
    check_conformance,
    lifecycle_machine,
    run_concurrent,
)
from orderfsm.testing.drivers.limit import Overdue, within
from orderfsm.testing.model.failure import Kind
from orderfsm.trace import Finding

# -- at the door -------------------------------------------------------------------------------------------------------


class NoHappen:
    create = call = observe = lambda *_: None


class NoId(ServiceDriver):
    def call(self, operation):  # noqa: ARG002
        return None


NO_DRIVERS = {
    "a URL": ("http://127.0.0.1:1", "driver 'http://127.0.0.1:1': expected a driver, such as HTTPDriver(URL)"),
    "a class": (OrderMachine, "expected an instance, OrderMachine(...), not the class"),
    "without happen": (NoHappen(), "with the methods create, call, observe, happen; it has no happen"),
    "nothing": (None, "it has no create and no call and no observe and no happen"),
    "other parameters": (NoId(Service()), "call(operation) of driver"),
}
WAYS = [check_conformance, lifecycle_machine, run_concurrent]


@pytest.mark.parametrize("check", WAYS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("named", NO_DRIVERS)
def test_what_is_no_driver_is_named_before_anything_is_asked(named, check):
    driver, message = NO_DRIVERS[named]
    with pytest.raises(InvalidValue, match=re.escape(message)):
        check(driver)


def giving(method, value):
    """A driver of which one method gives `value`."""
    driver = ServiceDriver(Service())
    setattr(driver, method, lambda *_, **__: value)
    return driver


async def _later(value):
    return value


WRONG = [
    ("observe", "pending_review", "a set of states, such as {State.ISSUED}, or None"),
    ("observe", State.ISSUED, "a set of states"),
    ("observe", frozenset(), "a set of states"),
    ("observe", ["issued"], "a set of states"),
    ("create", 7, "an Answer, or None"),
    ("call", True, "an Answer, or None"),
    ("happen", {"State": "issued"}, "an Answer, or None"),
    ("orders", [], "a Page, or None"),
    ("quota", 20, "a Quota, or None"),
    ("reset", "yes", "True, or False if it cannot"),
]


@pytest.mark.parametrize("given", [lambda value: value, _later], ids=["at once", "awaited"])
@pytest.mark.parametrize(("method", "value", "accepted"), WRONG)
def test_what_a_method_must_not_give_is_named(method, value, accepted, given):
    driver = ServiceDriver(Service())
    setattr(driver, method, lambda *_, **__: given(value))
    with pytest.raises(InvalidValue) as raised:
        check_conformance(driver, random=0, seed=1)
    assert str(raised.value).startswith(f"what the driver's {method}() gave, {value!r}: expected {accepted}")


@pytest.mark.parametrize(("method", "value", "accepted"), [wrong for wrong in WRONG if wrong[0] in {"create", "call"}])
def test_concurrent_clients_name_it_as_well(method, value, accepted):
    with pytest.raises(InvalidValue, match=re.escape(f"the driver's {method}() gave, {value!r}: expected {accepted}")):
        run_concurrent(giving(method, value), clients=2, calls=20, seed=1)


def test_a_machine_in_the_place_of_what_makes_machines_is_named():
    with pytest.raises(InvalidValue, match="expected what makes a machine, such as the class OrderMachine"):
        MachineDriver(OrderMachine())


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("localhost:8080/", "http://localhost:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("cas.aliyuncs.com", "https://cas.aliyuncs.com"),
        ("http://mock:8080/", "http://mock:8080"),
    ],
)
def test_a_url_without_a_scheme_is_http_on_this_machine(url, seen):
    assert HTTPDriver(url).api_url == seen
    assert HTTPDriver(url, "127.0.0.1:81/").control_url == "http://127.0.0.1:81"


@pytest.mark.parametrize(
    "url", ["ftp://x", "http://", "", "http://h:port", "https://h", "http://h/orders", "http://h:0"]
)
def test_what_is_no_control_url_is_named(url):
    with pytest.raises(InvalidValue, match=re.escape(f"control URL {url!r}: expected http://HOST:PORT")):
        HTTPDriver("http://127.0.0.1:1", url)


# -- a state that the table does not have ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unknown",
    [
        {"half_issued"},
        *(pytest.param(odd, marks=pytest.mark.long) for odd in ({"half_issued", State.ISSUED}, {7}, {""})),
    ],
    ids=["half_issued", "half_issued or issued", "a number", "empty"],
)
def test_an_unknown_state_is_a_violation_of_the_read_that_showed_it(unknown):
    class Odd(ServiceDriver):
        def observe(self, order_id):
            states = super().observe(order_id)
            return unknown if State.ISSUED in states else states

    report = check_conformance(Odd(Service()), random=0, seed=1, budget=300)
    [violation] = report.violations
    assert violation.key == (State.ISSUED, Operation.DESCRIBE, Kind.SHAPES)
    assert violation.expected == "a state of the table"
    assert violation.calls[-1]["read"] == "state"
    assert {pair for pair, result in report.coverage.items() if result is Result.NOT_FORCED} == set()


# -- machines that are awaited -----------------------------------------------------------------------------------------


def test_an_asynchronous_machine_is_awaited():
    report = check_conformance(MachineDriver(AsyncOrderMachine), random=5, seed=1, budget=300)
    assert report.verdict is Finding.CONFORMS, str(report)
    passed = {state for (state, _), result in report.coverage.items() if result is Result.PASSED}
    assert passed == {None, *State}


@pytest.mark.long
def test_an_asynchronous_machine_with_another_table_violates():
    class Machine:
        """Deletes in every state."""

        def __init__(self):
            self._machine = AsyncOrderMachine()

        def __getattr__(self, name):
            return getattr(self._machine, name)

        async def delete(self):
            await asyncio.sleep(0)
            self._machine.state = State.DELETED

    report = check_conformance(MachineDriver(Machine), random=0, seed=1, budget=300)
    failed = {pair for pair, result in report.coverage.items() if result is Result.FAILED}
    assert failed == {
        (state, Operation.DELETE) for state in State if state not in {State.PENDING_APPLICATION, State.VERIFY_FAIL}
    }


# -- time --------------------------------------------------------------------------------------------------------------

FOREVER = 3600


def hang(*_, **__):
    """Never return."""
    threading.Event().wait(FOREVER)


async def hang_async(*_, **__):
    """Never come to anything."""
    await asyncio.sleep(FOREVER)


async def block(*_, **__):
    """Never let the event loop go on."""
    time.sleep(FOREVER)


LOST = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
STEPS = {"budget": 3600, "only": [Operation.CANCEL, Operation.DESCRIBE]}
"""What bounds a run by what is tried, and not by the clock."""
"""The first interruption of a call may come while garbage is collected, and is then lost."""


@LOST
@pytest.mark.parametrize("hangs", [hang, hang_async, block], ids=["thread", "awaited", "loop"])
@pytest.mark.parametrize(
    "method",
    [
        "call",
        "observe",
        "reset",
        *(pytest.param(m, marks=pytest.mark.long) for m in ("create", "happen", "orders", "quota")),
    ],
)
def test_a_call_that_never_returns_is_one_that_is_not_answered(method, hangs):
    driver = ServiceDriver(Service())
    setattr(driver, method, hangs)
    report = check_conformance(driver, random=0, seed=1, timeout=0.1, fail_fast=True, **STEPS)
    assert report.verdict is (Finding.UNDECIDED if method == "reset" else Finding.VIOLATES)
    assert method != "reset" or "no answer in 0.1 seconds" in report.reason
    assert {violation.got for violation in report.violations} <= {f"{method}: no answer in 0.1 seconds"}


@LOST
def test_it_is_so_in_a_thread_as_well():
    driver = ServiceDriver(Service())
    driver.observe = hang
    reports = []
    thread = threading.Thread(
        target=lambda: reports.append(check_conformance(driver, random=0, seed=1, timeout=0.1, **STEPS))
    )
    thread.start()
    thread.join(60)
    assert [violation.trigger for violation in reports[0].violations] == [Operation.DESCRIBE]


def test_a_driver_stays_in_the_thread_that_made_it():
    threads = set()

    class Watched(ServiceDriver):
        def create(self, operation=Operation.CREATE_FOR_PACKAGE, package=1):
            threads.add(threading.current_thread())
            return super().create(operation, package)

    check_conformance(Watched(Service()), random=0, seed=1, **STEPS)
    assert threads == {threading.main_thread()}


def test_a_driver_whose_create_takes_no_package_is_used_with_one():
    class OfOne(ServiceDriver):
        def create(self, operation=Operation.CREATE_FOR_PACKAGE):
            return super().create(operation)

    report = check_conformance(OfOne(Service()), random=0, seed=1, budget=300, only=["verify_fail"])
    assert report.verdict is Finding.CONFORMS, str(report)
    assert {*report.coverage.values()} == {Result.PASSED}


def test_the_alarm_of_another_is_set_again():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append("other"))
    try:
        signal.setitimer(signal.ITIMER_REAL, 500)
        assert within(1, lambda: 7) == 7
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        assert 400 < left <= 500
        with pytest.raises(Overdue):
            within(0.01, hang)
        assert 400 < signal.getitimer(signal.ITIMER_REAL)[0] <= 500
        signal.raise_signal(signal.SIGALRM)
        assert rung == ["other"]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_when_the_budget_ends_nothing_was_spent_on_shrinking():
    """A server that is wrong everywhere: the coverage is the same as that of a right one, shrinking comes after it."""
    told = []
    driver = giving("quota", None)
    driver.call = lambda *_: Answer.accepted()
    check_conformance(driver, random=0, seed=1, progress=lambda *said: told.append(said[0]))
    assert "shrinking" in told
    assert told == sorted(told, key=["systematic", "shrinking"].index)


# -- throttled, kept out, unavailable ----------------------------------------------------------------------------------

PASSING = [
    ("FlowControlError", 429),
    ("Forbidden.RAM", 403),
    ("ServiceUnavailable", 503),
    ("Throttling.User", 429),
    ("Throttling.Api", 400),
    ("TooBusy", 429),
    ("NoPermission", 403),
    ("SignatureNonceUsed", 400),
    ("BadGateway", 502),
]
FEW = [*PASSING[:3], *(pytest.param(*one, marks=pytest.mark.long) for one in PASSING[3:])]
TURNED_AWAY = [PASSING[1], *(pytest.param(*one, marks=pytest.mark.long) for one in (PASSING[0], *PASSING[3:7]))]


@pytest.mark.parametrize(("code", "status"), FEW)
def test_now_and_then_they_are_no_accusation(code, status):
    """Every 97th call, of whatever kind: a call with a malformed id among them."""
    service = Service()
    driver = ServiceDriver(service)
    handle, calls = service.handle, iter(range(1, 10**9))

    def now_and_then(request):
        service.clear_faults()
        if next(calls) % 97 == 0:
            service.add_fault(Fault(operation="*", times=1, code=code, status=status))
        return handle(request)

    service.handle = now_and_then
    report = check_conformance(driver, random=0, seed=1, budget=300)
    assert report.verdict is Finding.CONFORMS, str(report)


@pytest.mark.parametrize(("code", "status"), TURNED_AWAY)
def test_a_call_that_is_never_let_in_leaves_it_undecided(code, status):
    service = Service()
    driver = ServiceDriver(service)
    reset = driver.reset

    def kept_out(units):
        reset(units)
        service.add_fault(Fault(operation=Operation.DELETE, code=code, status=status))
        return True

    driver.reset = kept_out
    report = check_conformance(driver, random=0, seed=1, budget=3600, only=[Operation.DELETE, Operation.CANCEL])
    assert report.violations == ()
    assert report.verdict is Finding.UNDECIDED
    assert f"DeleteCertificateRequest: {code} (HTTP {status})" in report.reason


def test_a_refusal_that_only_one_state_gets_is_no_lack_of_a_permission():
    """`Forbidden` where OrderStateError belongs."""

    class Forbidding(ServiceDriver):
        def call(self, operation, order_id):
            answer = super().call(operation, order_id)
            wrong = operation is Operation.DELETE and answer.code == "OrderStateError"
            return Answer.refused("Forbidden", http_status=403, body=answer.body) if wrong else answer

    report = check_conformance(Forbidding(Service()), random=0, seed=1, budget=300)
    assert (State.ISSUED, Operation.DELETE) in {(each.state, each.trigger) for each in report.violations}
