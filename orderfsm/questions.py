"""The questions about a certificate order: the methods of `Lifecycle` as functions, which ask the orders' table.

This is the only file of the core that knows which table is the default one; `lifecycle=` takes any other. What
they answer is typed for the default one; the methods of a `Lifecycle` are typed for any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .rows import Actor
from .tables import orders

if TYPE_CHECKING:
    from collections.abc import Collection

    from . import rows
    from .explanation import Explanation
    from .lifecycle import Lifecycle
    from .paths import Plan
    from .tables.orders import Operation, State
    from .verdict import Verdict

ORDER_LIFECYCLE = orders.LIFECYCLE
"""The life cycle of a certificate order in CAS, the table that is asked unless another is given."""


def can(state: rows.State | None, trigger: rows.Trigger, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> bool:
    """Whether `trigger`, an `Operation` or an `Event`, is allowed in `state` (None: no order).

    >>> from orderfsm import Operation, State, can
    >>> can(State.ISSUED, Operation.DELETE), can("verify_fail", "DeleteCertificateRequest")
    (False, True)

    Anything that is neither a state nor a trigger is an `InvalidValue`, never False:

    >>> can(State.ISSUED, "delete_certificate")
    Traceback (most recent call last):
    ...
    orderfsm.invalid.InvalidValue: trigger 'delete_certificate': expected CancelOrderRequest, ...; did you mean ...
    """
    try:
        return lifecycle.asked[state][trigger] is not None
    except (KeyError, TypeError):
        return lifecycle.can(state, trigger)


def check(state: rows.State | None, trigger: rows.Trigger, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> State | None:
    """The state after `trigger` in `state`; raises `OrderStateError`, or `NotFoundOrder` if there is no order.

    >>> from orderfsm import Operation, State, check
    >>> check(State.BEING_REVIEWED, Operation.CANCEL)
    <State.PENDING_APPLICATION: 'pending_application'>
    >>> check(State.BEING_REVIEWED, Operation.DELETE)  # doctest: +NORMALIZE_WHITESPACE
    Traceback (most recent call last):
    ...
    orderfsm.errors.OrderStateError: DeleteCertificateRequest is not allowed in being_reviewed, only in
    pending_application and verify_fail. Allowed here: CancelOrderRequest. First: CancelOrderRequest, then
    DeleteCertificateRequest. (documented: https://...deletecertificaterequest)
    """
    return lifecycle.transition(state, trigger).target  # type: ignore[return-value]


def allowed(state: rows.State | None, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> tuple[Operation, ...]:
    """The operations that change something in `state`, in table order; reads are always allowed and not among them.

    >>> from orderfsm import State, allowed
    >>> allowed(State.VERIFY_FAIL)
    (<Operation.DELETE: 'DeleteCertificateRequest'>,)
    """
    return lifecycle.allowed(state)


def judge(
    states: Collection[rows.State | None],
    trigger: rows.Trigger,
    lifecycle: Lifecycle = ORDER_LIFECYCLE,
    *,
    age: float | None = None,
) -> Verdict:
    """The verdict on `trigger` when the order may be in any of `states`; an empty set is an `InvalidValue`.

    `age` is how many seconds ago the order began, if that is known and the table has rows that hold for a time only.

    >>> from orderfsm import Operation, State, judge
    >>> judge({State.PENDING_REVIEW, State.BEING_REVIEWED}, Operation.DELETE)
    <Verdict.ILLEGAL: 'illegal'>
    >>> judge({State.ISSUED, State.ABOUT_TO_EXPIRE}, Operation.RENEW)
    <Verdict.UNDECIDED: 'undecided'>
    """
    return lifecycle.judge(states, trigger, age=age)


def narrow(
    states: Collection[rows.State | None],
    trigger: rows.Trigger,
    *,
    accepted: bool,
    lifecycle: Lifecycle = ORDER_LIFECYCLE,
) -> frozenset[State | None]:
    """The states possible after `trigger` was accepted (moved along), or refused (kept), in one of `states`.

    Empty if no state of the set could have given that answer.

    >>> from orderfsm import Operation, State, narrow
    >>> sorted(narrow({State.BEING_REVIEWED, State.ISSUED}, Operation.CANCEL, accepted=True))
    [<State.PENDING_APPLICATION: 'pending_application'>]
    """
    return lifecycle.narrow(states, trigger, accepted=accepted)  # type: ignore[return-value]


def plan(
    state: rows.State | None,
    goal: rows.State | None,
    *,
    events: bool = False,
    grave: bool = False,
    age: float | None = None,
    lifecycle: Lifecycle = ORDER_LIFECYCLE,
) -> Plan:
    """A shortest path from `state` to `goal` over operations; of equally short ones, the first in table order.

    Events by which the service completes an operation count as steps too. With `events`, whatever others do counts, but
    after the client's own calls; `Plan.waits` says what to wait for, and who makes it happen. With `grave`, also
    operations that cannot be taken back or cost money. `age` as for `judge`. Raises `Unreachable` if there is no such
    path.

    >>> from orderfsm import State, plan
    >>> print(plan(State.BEING_REVIEWED, State.DELETED))
    CancelOrderRequest, then DeleteCertificateRequest
    >>> print(plan(State.PENDING_REVIEW, State.ISSUED, events=True))
    wait for domain_validated (owner), then wait for review_passed (ca)
    """
    return lifecycle.plan(state, goal, events=events, grave=grave, age=age)


def reachable(
    state: rows.State | None, *, by: Collection[Actor] = tuple(Actor), lifecycle: Lifecycle = ORDER_LIFECYCLE
) -> frozenset[State | None]:
    """The states that the order can get to, `state` included, by what the actors `by` may do (default: all actors).

    >>> from orderfsm import State, reachable
    >>> sorted(reachable(State.ABOUT_TO_EXPIRE))
    [<State.ABOUT_TO_EXPIRE: ...>, <State.EXPIRED: ...>, <State.REVOKED: ...>]
    """
    return lifecycle.reachable(state, by=by)  # type: ignore[return-value]


def explain(state: rows.State | None, trigger: rows.Trigger, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> Explanation:
    r"""Why `trigger` is allowed or refused in `state`, from which source, and what to do instead.

    >>> from orderfsm import Operation, State, explain
    >>> why = explain(State.ISSUED, Operation.DELETE)
    >>> print(why.reason, why.instead, sep="\n")
    DeleteCertificateRequest is not allowed in issued, only in pending_application and verify_fail.
    CancelCertificateForPackageRequest
    """
    return lifecycle.explain(state, trigger)


def verify(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> None:
    """Raise `InvalidLifecycle` unless the table is consistent; see `Lifecycle.verify`."""
    lifecycle.verify()
