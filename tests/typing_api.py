"""The public API as type checkers must see it; mypy and pyright read this file, nobody runs it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, assert_type

from alibabacloud_cas20200407.client import Client

from orderfsm import (
    ORDER_LIFECYCLE,
    Basis,
    Event,
    Lifecycle,
    Operation,
    Order,
    OrderStateError,
    State,
    Transition,
    Verdict,
    allowed,
    can,
    check,
    explain,
    judge,
    narrow,
    plan,
    reachable,
)
from orderfsm.client import CarriedOut, Observation, carry_out, guard, observe, sweep, wait
from orderfsm.explanation import Explanation
from orderfsm.machine import OrderMachine
from orderfsm.mock import Fault, Record, Request, Response, Service, mock_cas
from orderfsm.paths import Plan

assert_type(can(State.ISSUED, Operation.DELETE), bool)
assert_type(can(None, Event.REVIEW_PASSED, lifecycle=ORDER_LIFECYCLE), bool)
assert_type(check(None, Operation.CREATE), State | None)
assert_type(allowed(State.VERIFY_FAIL), tuple[Operation, ...])
assert_type(judge({State.ISSUED, None}, Operation.RENEW), Verdict)
assert_type(judge([State.ISSUED], Event.EXPIRY_NEARED), Verdict)
assert_type(narrow({State.ISSUED}, Operation.RENEW, accepted=True), frozenset[State | None])
assert_type(reachable(State.ISSUED), frozenset[State | None])
assert_type(plan(State.ISSUED, State.REVOKED, events=True).steps, tuple[Transition, ...])
assert_type(explain(State.ISSUED, Operation.DELETE), Explanation)
assert_type(explain(State.ISSUED, Operation.DELETE).verdict, Verdict)
assert_type(explain(State.ISSUED, Operation.DELETE).instead, Plan | None)
assert_type(explain(State.ISSUED, Operation.DELETE).basis, Basis)
assert_type(explain(State.ISSUED, Operation.DELETE).reason, str)

order = Order(1, State.ISSUED)
assert_type(order.id, int)
assert_type(order.state, State)
assert_type(order.apply(Event.EXPIRY_NEARED), Order)
assert_type(order.replay([Event.EXPIRY_NEARED, Operation.RENEW]), Order)

row = ORDER_LIFECYCLE.transitions[0]
assert_type(row.quota, int)
assert_type(row.source, StrEnum | None)
assert_type(row.quota_text, str)
assert_type(row.note, str)
assert_type(ORDER_LIFECYCLE.transition(State.ISSUED, Event.EXPIRY_NEARED), Transition)
assert_type(ORDER_LIFECYCLE.service_transition(None, Operation.CREATE), Transition)
assert_type(ORDER_LIFECYCLE.outgoing(State.ISSUED), list[Transition])
assert_type(ORDER_LIFECYCLE.without(row), Lifecycle)
assert_type(ORDER_LIFECYCLE.with_rows(row), Lifecycle)

try:
    order.apply(Operation.DELETE)
except OrderStateError as error:
    assert_type(error.allowed, tuple[Any, ...])
    assert_type(error.state, StrEnum | None)
    assert_type(error.possible, frozenset[StrEnum | None])
    assert_type(error.basis, Basis | None)
    assert_type(error.http_status, int)
    assert_type(error.code, str)
    assert_type(error.message, str)

machine = OrderMachine(initial=State.ISSUED)
assert_type(machine.state, StrEnum)
machine.cancel_for_package()


def guarded(client: Client) -> Client:
    """A guarded client is a client, with the SDK's methods."""
    return assert_type(guard(client), Client)


with mock_cas() as server:
    assert_type(server.client(), Client)
    assert_type(server.order("issued", domain="a.example"), Record)
    assert_type(server.order(State.ISSUED, count=2), list[Record])
    assert_type(server.fail("delete", code="DeleteFail"), Fault)
assert_type(Service().handle(Request()), Response)


@mock_cas
def decorated(number: int) -> str:
    """A decorated function keeps its type."""
    return str(number)


@mock_cas(packages="p=1", review="at-once", autojump=True)
async def decorated_too(number: int) -> str:
    """With settings, too."""
    return str(number)


assert_type(decorated(1), str)


async def awaited() -> None:
    """And so does a coroutine."""
    assert_type(await decorated_too(1), str)


def carried_out(client: Client) -> None:
    """`wait`, `carry_out` and `sweep`, and what they return."""
    assert_type(carry_out(client, 1, State.DELETED, dry_run=True), Plan)
    assert_type(carry_out(client, 1, State.DELETED), CarriedOut)
    assert_type(wait(client, 1, until={State.ISSUED}), StrEnum)
    assert_type(wait(client, 1, until="certificate"), StrEnum)
    assert_type(observe(client, 1), Observation)
    assert_type(sweep(client).freed, int)
