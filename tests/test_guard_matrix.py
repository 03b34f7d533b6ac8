"""Every state, every ruled operation, both forms of the SDK, and all that can become of a call: the guard tells it."""

from __future__ import annotations

from itertools import count

import pytest

pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from between import Behind, Between, acceptance, refusal
from orders import call, in_form, invoke, invoke_async, obeyed, order_in, state_of
from Tea.exceptions import TeaException

from orderfsm import ORDER_LIFECYCLE, Operation, OrderStateError, State, Verdict, can, check, judge, wire
from orderfsm.client import guard
from orderfsm.client.errors import SDKNotFoundOrder, SDKOrderStateError
from orderfsm.mock import Fault, mock_cas

RULED = [Operation.CANCEL, Operation.DELETE, Operation.CANCEL_FOR_PACKAGE, Operation.RENEW]
GONE = frozenset([None, State.DELETED])
domains = (f"d{number}.example.com" for number in count())


@pytest.fixture(scope="module")
def running():
    with mock_cas() as server:
        server.service.put_package("digicert-free-1-free", 10_000)
        yield server, Between(server.service)
        obeyed(server.service)


class Case:
    """An order in `state`, and a guarded client that calls `operation` on it."""

    def __init__(self, running, form, state, operation, **settings):
        server, self.between = running
        self.service, self.state, self.operation = server.service, state, operation
        self.between.clear()
        self.order_id = order_in(self.service, state, Domain=next(domains))
        self.between.arrived.clear()
        self.divergences = []
        settings = {"grace": 0, "on_divergence": self.divergences.append} | settings
        self._client = guard(server.client(), **settings)
        self._invoke = in_form(form, invoke, invoke_async)
        word = wire.type_of(state)
        self.believed = GONE if word is None else wire.states_from_type(word)
        self.verdict = judge(self.believed, operation)
        self.legal = can(state, operation)

    def call(self):
        return self._invoke(self._client, self.operation, self.order_id)

    def refused(self):
        """The combined error that the call raises."""
        with pytest.raises(TeaException) as caught:
            self.call()
        assert type(caught.value) in {SDKOrderStateError, SDKNotFoundOrder}
        return caught.value

    def refused_here(self):
        error = self.refused()
        assert error.local
        assert error.possible == self.believed
        assert self.between.sent(self.operation) == 0
        assert self.is_in(self.state)

    def is_in(self, state):
        return state_of(self.service, self.order_id) is state


@pytest.fixture(params=["sync", "async"])
def form(request):
    return request.param


each_state = pytest.mark.parametrize("state", State)
each_loss = pytest.mark.parametrize(
    "fault", [{}, {"transport": "reset"}, {"transport": "truncate"}, {"transport": "empty"}], ids=str
)


@each_state
def test_agrees(running, form, state):
    """Service and table agree: the call is sent unless it is illegal in all that the read may mean."""
    for operation in RULED:
        case = Case(running, form, state, operation)
        if case.verdict is Verdict.ILLEGAL:
            case.refused_here()
        elif case.legal:
            case.call()
            assert case.is_in(check(state, operation))
        else:
            error = case.refused()
            assert not error.local
            assert state in error.possible
            assert not any(can(possible, operation) for possible in error.possible)
        assert case.between.sent(Operation.DESCRIBE) == 1
        assert case.divergences == []


@each_state
def test_the_service_refuses_what_the_table_allows(running, form, state):
    """Reported, read again once, sent again once if the table still allows it; then its refusal is raised."""
    for operation in RULED:
        case = Case(running, form, state, operation)
        case.between.answers[operation] = refusal()
        if case.verdict is Verdict.ILLEGAL:
            case.refused_here()
            continue
        error = case.refused()
        assert not error.local
        assert (error.code, error.http_status) == ("OrderStateError", 403)
        diverges = case.verdict is Verdict.LEGAL
        assert case.between.sent(operation) == (2 if diverges else 1)
        assert case.between.sent(Operation.DESCRIBE) == (2 if diverges else 1)
        assert len(case.divergences) == diverges
        for report in case.divergences:
            assert (report.order_id, report.states) == (case.order_id, case.believed)
            assert (report.operation, report.answer) == (operation, "OrderStateError")


@each_state
def test_the_service_accepts_what_the_table_refuses(running, form, state):
    """Where the call is sent although the table refuses it, its acceptance is reported, and the order read again."""
    for operation in RULED:
        case = Case(running, form, state, operation, mode="warn")
        case.between.answers[operation] = acceptance()
        case.call()
        diverges = case.verdict is Verdict.ILLEGAL
        assert [report.answer for report in case.divergences] == ["accepted"] * diverges
        assert case.between.sent(operation) == 1
        assert case.between.sent(Operation.DESCRIBE) == (2 if diverges else 1)


@each_loss
@each_state
def test_the_answer_is_lost_before_the_call_is_carried_out(running, form, state, fault):
    """It is read whether it was carried out; it was not, so it is sent again where it is still allowed."""
    for operation in RULED:
        case = Case(running, form, state, operation)
        case.service.add_fault(Fault(operation=operation, times=1, **fault))
        if case.verdict is Verdict.ILLEGAL:
            case.refused_here()
        elif case.legal:
            case.call()
            assert case.is_in(check(state, operation))
            assert case.between.sent(operation) == 2
        elif state is check(State.ISSUED, Operation.CANCEL_FOR_PACKAGE) and operation is Operation.CANCEL_FOR_PACKAGE:
            case.call()  # revoked is where the call leads to, and nobody can tell since when
        else:
            error = case.refused()
            assert isinstance(error, OrderStateError)
            assert case.is_in(state)


@each_loss
@each_state
def test_the_answer_is_lost_after_the_call_was_carried_out(running, form, state, fault):
    """Already done is success, and it is not sent again."""
    for operation in RULED:
        case = Case(running, form, state, operation)
        if case.verdict is not Verdict.ILLEGAL and case.legal:
            orders = case.service.count()
            case.service.add_fault(Fault(operation=operation, times=1, when="after", **fault))
            body = case.call()
            assert case.is_in(check(state, operation))
            assert case.between.sent(operation) == 1
            if operation is Operation.RENEW:
                assert case.service.count() == orders + 1
                assert case.service.store.get(body.order_id).order.state is State.PENDING_APPLICATION


@each_state
def test_the_call_is_throttled(running, form, state):
    """The SDK's own error, and nothing happened."""
    for operation in RULED:
        case = Case(running, form, state, operation)
        case.service.add_fault(Fault(operation=operation, retry_after=10))
        if case.verdict is Verdict.ILLEGAL:
            case.refused_here()
            continue
        with pytest.raises(TeaException) as caught:
            case.call()
        assert caught.value.code == "Throttling.User"
        assert case.between.sent(operation) == 1
        assert case.is_in(state)


@pytest.mark.parametrize("state", [state for state in State if wire.type_of(state)])
def test_the_read_answers_unknow(running, form, state):
    """A vague word refuses nothing: the service has the last word."""
    for operation in RULED:
        case = Case(running, form, state, operation)
        case.between.answers[Operation.DESCRIBE] = acceptance(Type="unknow")
        if case.legal:
            case.call()
            assert case.is_in(check(state, operation))
        else:
            error = case.refused()
            assert not error.local
            assert state in error.possible
        assert case.between.sent(operation) == 1
        assert case.divergences == []


@each_state
def test_the_state_moves_between_check_and_call(running, form, state):
    """The guard ends in what the service says of where the order is by then."""
    for row in ORDER_LIFECYCLE.outgoing(state):
        for operation in RULED:
            case = Case(running, form, state, operation)
            case.between.after_read = mover(case, row)
            if case.verdict is Verdict.ILLEGAL:
                error = case.refused()
                assert error.local
            elif can(row.target, operation):
                case.call()
                assert case.is_in(check(row.target, operation))
            else:
                error = case.refused()
                assert not error.local
                assert case.is_in(row.target)
                assert all(report.race for report in case.divergences)
                assert len(case.divergences) == (case.verdict is Verdict.LEGAL)


def mover(case, row):
    """What makes `row` happen to the order of a case."""

    def move():
        if isinstance(row.trigger, Operation):
            call(Behind(case.between), row.trigger, OrderId=case.order_id)
        else:
            case.service.happen(case.order_id, row.trigger)

    return move
