"""The certificate order's life as a machine of each of the other libraries, built from the table's own rows.

Where a library offers several ways, the cheapest is taken. The creates are left out: a machine begins with an order
that exists.
"""

from __future__ import annotations

from importlib.metadata import version
from types import new_class
from typing import TYPE_CHECKING, Any, Protocol

import attrs
from automat import NoTransition, TypeMachineBuilder
from statemachine import State as ChartState
from statemachine import StateMachine
from statemachine.exceptions import TransitionNotAllowed
from transitions import Machine, MachineError

from orderfsm import ORDER_LIFECYCLE, Operation, Order, OrderStateError, State
from orderfsm.tables.orders import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROWS = [
    (row.trigger.name.lower(), State(row.source), State(row.target))
    for row in ORDER_LIFECYCLE.transitions
    if row.source is not None and row.target is not None
]


@attrs.frozen(eq=False)
class Contender:
    """A library, and the code by which its user says each thing to an `order` in PENDING_REVIEW.

    `create` makes such an order of an id; `refused` is the error of a refusal; `may_cancel` and `may_delete` are None
    where the library has no public way to ask; `names` are further names in the code.
    """

    distribution: str
    module: str
    create: Callable[[int], object]
    refused: type[Exception]
    may_cancel: str | None
    may_delete: str | None
    cancel_and_submit: str = "order.cancel(); order.submitted()"
    delete: str = "order.delete()"
    names: Mapping[str, object] = attrs.Factory(dict)

    def __str__(self) -> str:
        return f"{self.distribution} {version(self.distribution)}"


class Certificate:
    """What a user of transitions or python-statemachine hands to the machine: an object with an id."""

    def __init__(self, order_id: int) -> None:
        self.id = order_id


def ours() -> Contender:
    """Orders of orderfsm."""
    return Contender(
        "orderfsm",
        "orderfsm",
        lambda order_id: Order(order_id, State.PENDING_REVIEW),
        OrderStateError,
        "order.can(CANCEL)",
        "order.can(DELETE)",
        "order.apply(CANCEL).apply(SUBMITTED)",
        "order.apply(DELETE)",
        {"CANCEL": Operation.CANCEL, "DELETE": Operation.DELETE, "SUBMITTED": Event.SUBMITTED},
    )


def transitions() -> Contender:
    """Models of one shared machine: a third of the cost of a machine for each."""
    machine = Machine(
        model=None,
        states=State,
        transitions=[list(row) for row in ROWS],
        initial=State.PENDING_REVIEW,
        auto_transitions=False,
    )

    def create(order_id: int) -> Certificate:
        """A model with all its methods, then forgotten by the machine, whose search for a known model is linear."""
        order = Certificate(order_id)
        machine.add_model(order)
        machine.remove_model(order)
        return order

    return Contender("transitions", "transitions", create, MachineError, "order.may_cancel()", "order.may_delete()")


def python_statemachine() -> Contender:
    """Instances of a `StateMachine` class, whose final states may have no way out: their reads are left out."""
    final = {rule.state for rule in ORDER_LIFECYCLE.states if rule.terminal}
    members: dict[str, Any] = {
        state.value: ChartState(value=state, initial=state is State.PENDING_REVIEW, final=state in final)
        for state in State
    }
    for trigger, source, target in ROWS:
        if source not in final:
            ways = members[source].to(members[target])
            members[trigger] = members[trigger] | ways if trigger in members else ways
    machine = new_class("CertificateOrder", (StateMachine,), exec_body=lambda body: body.update(members))
    return Contender(
        "python-statemachine",
        "statemachine",
        lambda order_id: machine(Certificate(order_id)),
        TransitionNotAllowed,
        "'cancel' in order.allowed_events",
        "'delete' in order.allowed_events",
    )


class Inputs(Protocol):
    """The triggers of an order, as Automat wants them."""

    def submitted(self) -> None: ...
    def delete(self) -> None: ...
    def cancel_for_package(self) -> None: ...
    def domain_validated(self) -> None: ...
    def review_failed(self) -> None: ...
    def cancel(self) -> None: ...
    def review_passed(self) -> None: ...
    def expiry_neared(self) -> None: ...
    def certificate_revoked(self) -> None: ...
    def renew(self) -> None: ...
    def expiry_reached(self) -> None: ...
    def describe(self) -> None: ...


def automat() -> Contender:
    """Machines of Automat's typed builder, whose core is the order's id alone."""
    builder = TypeMachineBuilder(Inputs, int)
    states = {state: builder.state(state.value) for state in State}
    for trigger, source, target in ROWS:
        states[source].upon(getattr(Inputs, trigger)).to(states[target]).returns(None)
    machine = builder.build()
    initial = states[State.PENDING_REVIEW]
    return Contender("Automat", "automat", lambda order_id: machine(order_id, initial), NoTransition, None, None)


def contenders() -> list[Contender]:
    """All of them, orderfsm first."""
    return [ours(), transitions(), python_statemachine(), automat()]
