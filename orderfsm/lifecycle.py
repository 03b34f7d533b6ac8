"""What a lifecycle is: the table's rows compiled to lookups, and every question that can be asked of them.

A question about one step (`can`, `check`, `allowed`, `judge`, `narrow`) is one or two dictionary lookups; questions
about ways (`plan`, `reachable`, `explain`) are answered in `ways.py`. Each stands here twice: as a method of
`Lifecycle`, and as a function that asks `ORDER_LIFECYCLE` unless told to ask another.

A plain string that equals a member's value is that member, everywhere. Any other value is an `InvalidValue` that
names it: types are looked at only when a lookup has missed, so that the answer to a proper question costs nothing
more.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from operator import is_
from typing import TYPE_CHECKING, Any, NoReturn

import attrs

from .errors import BY_CODE, InvalidLifecycle, InvalidValue, Refusal
from .spec import EDITION, STATES, TRANSITIONS, TRIGGERS, Actor, StateRule, Transition, TriggerRule

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from .spec import Operation, State, Trigger
    from .ways import Explanation, Plan


class Verdict(StrEnum):
    """What holds in every one of a set of possible states: legal, illegal, or not the same in all."""

    LEGAL = "legal"
    ILLEGAL = "illegal"
    UNDECIDED = "undecided"


@attrs.frozen(repr=False)
class Lifecycle:
    """An immutable table of rules, compiled to lookups.

    `transitions` are its rows in table order; `states` and `triggers` say what belongs to a state and to a trigger;
    `edition` names the documents. The constructor refuses only rows for unknown states or triggers, and duplicate
    rows, so that a broken table can be built for a test; whether it is a good one is for `verify` to say.
    """

    transitions: tuple[Transition, ...]
    states: tuple[StateRule, ...] = STATES
    triggers: tuple[TriggerRule, ...] = TRIGGERS
    edition: str = EDITION
    table: Mapping[State | None, Mapping[Trigger, Transition | None]] = attrs.field(init=False, eq=False)
    """`table[state][trigger]` is the row, or None where the trigger is refused."""
    refusals: Mapping[State | None, type[Refusal]] = attrs.field(init=False, eq=False)
    """The error that a refusal is, by state, when the model is asked."""
    service_refusals: Mapping[State | None, type[Refusal]] = attrs.field(init=False, eq=False)
    """The error that a refusal is, by state, when the service answers."""
    state_rules: Mapping[State | None, StateRule] = attrs.field(init=False, eq=False)
    trigger_rules: Mapping[Trigger, TriggerRule] = attrs.field(init=False, eq=False)

    def __attrs_post_init__(self) -> None:
        put: Callable[[str, Any], None] = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731
        put("state_rules", {rule.state: rule for rule in self.states})
        put("trigger_rules", {rule.trigger: rule for rule in self.triggers})
        put("refusals", {rule.state: _refusal_class(rule.model_code) for rule in self.states})
        put("service_refusals", {rule.state: _refusal_class(rule.service_code) for rule in self.states})
        table: dict[State | None, dict[Trigger, Transition | None]] = {
            state: {
                rule.trigger: Transition(state, rule.trigger, state, rule.basis, rule.reference)
                if rule.account
                else None
                for rule in self.triggers
            }
            for state in self.state_rules
        }
        put("transitions", tuple(map(self._with_members, self.transitions)))
        for row in self.transitions:
            if table[row.source][row.trigger] is not None:
                named = f"{row.source} {row.trigger}"
                raise InvalidValue("duplicate row", named, ["one row for each state and trigger"])
            table[row.source][row.trigger] = row
        put("table", table)

    def __repr__(self) -> str:
        return f"Lifecycle(edition={self.edition!r}, {len(self.transitions)} transitions)"

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Pickle the real table by its name, any other by its rows."""
        if self is ORDER_LIFECYCLE:
            return "ORDER_LIFECYCLE"
        return type(self), (self.transitions, self.states, self.triggers, self.edition)

    def __deepcopy__(self, memo: object) -> Lifecycle:
        return self

    # -- what the rows say -------------------------------------------------------------------------------------------

    def state(self, state: State | None) -> State | None:
        """The member that `state` is or equals, None for no order; else `InvalidValue`."""
        if isinstance(state, str | None) and state in self.state_rules:
            return self.state_rules[state].state
        raise InvalidValue("state", state, self.state_rules)

    def trigger(self, trigger: Trigger) -> Trigger:
        """The member that `trigger` is or equals; else `InvalidValue`."""
        if isinstance(trigger, str) and trigger in self.trigger_rules:
            return self.trigger_rules[trigger].trigger
        raise InvalidValue("trigger", trigger, self.trigger_rules)

    def actor(self, row: Transition) -> Actor:
        """Who pulls the trigger of `row`."""
        return self.trigger_rules[row.trigger].actor

    def ways_out(self, state: State | None) -> list[Transition]:
        """The rows that change something in `state`, in table order."""
        return [row for row in self.transitions if row.source == state and row.changes]

    # -- other tables ------------------------------------------------------------------------------------------------

    def without(self, row: Transition) -> Lifecycle:
        """This table less one row; `InvalidValue` if it has no such row."""
        if row not in self.transitions:
            raise InvalidValue("row", row, ["one of .transitions"])
        return attrs.evolve(self, transitions=tuple(other for other in self.transitions if other != row))

    def with_rows(self, *rows: Transition) -> Lifecycle:
        """This table and `rows`, which come after the others in table order."""
        return attrs.evolve(self, transitions=(*self.transitions, *rows))

    # -- one step ----------------------------------------------------------------------------------------------------

    def transition(self, state: State | None, trigger: Trigger) -> Transition:
        """The row that allows `trigger` in `state`; else `OrderStateError`, or `NotFoundOrder` for None."""
        try:
            row = self.table[state][trigger]
        except (KeyError, TypeError):
            self._reject(state, trigger)
        if row is None:
            raise self.refusals[state](self, state, trigger)
        return row

    def answer(self, state: State | None, trigger: Trigger) -> Transition:
        """The row, as the *service* answers: where the order is deleted its refusal is `NotFoundOrder` as well."""
        state = self.state(state)
        row = self.table[state][self.trigger(trigger)]
        if row is None:
            raise self.service_refusals[state](self, state, trigger)
        return row

    def can(self, state: State | None, trigger: Trigger) -> bool:
        """Whether `trigger` is allowed in `state`."""
        try:
            return self.table[state][trigger] is not None
        except (KeyError, TypeError):
            self._reject(state, trigger)

    def check(self, state: State | None, trigger: Trigger) -> State | None:
        """The state after `trigger` in `state`; else a `Refusal`, as `transition`."""
        return self.transition(state, trigger).target

    def allowed(self, state: State | None) -> tuple[Operation, ...]:
        """The operations that change something in `state`, in table order."""
        return tuple(row.trigger for row in self.ways_out(self.state(state)) if self.actor(row) is Actor.CLIENT)  # type: ignore[misc]

    def judge(self, states: Collection[State | None], trigger: Trigger) -> Verdict:
        """Whether `trigger` is allowed in every one of the possible `states`, in none, or in some."""
        answers = {self.can(state, trigger) for state in self._possible(states)}
        if len(answers) == 2:
            return Verdict.UNDECIDED
        return Verdict.LEGAL if answers.pop() else Verdict.ILLEGAL

    def narrow(self, states: Collection[State | None], trigger: Trigger, *, accepted: bool) -> frozenset[State | None]:
        """The states possible after `trigger` was accepted, or refused, in one of `states`; maybe none."""
        rows = [(state, self.table[state][self.trigger(trigger)]) for state in self._possible(states)]
        if accepted:
            return frozenset(row.target for _, row in rows if row is not None)
        return frozenset(state for state, row in rows if row is None)

    # -- ways: their module is imported by the first who asks --------------------------------------------------------

    def plan(self, state: State | None, goal: State | None, *, events: bool = False) -> Plan:
        """A shortest way to `goal` by operations, with `events` also by what others do; else `Unreachable`."""
        from .ways import plan

        return plan(self, self.state(state), self.state(goal), events=events)

    def reachable(self, state: State | None, *, by: Collection[Actor] = tuple(Actor)) -> frozenset[State | None]:
        """The states in which the order may yet be found, `state` itself included, by what the actors `by` may do."""
        from .ways import reachable

        return reachable(self, self.state(state), by)

    def explain(self, state: State | None, trigger: Trigger) -> Explanation:
        """Why `trigger` is allowed or refused in `state`, who says so, and what to do instead."""
        from .ways import Explanation

        return Explanation(self, self.state(state), self.trigger(trigger))

    def verify(self) -> None:
        """Raise `InvalidLifecycle` with everything that is wrong, unless this is a good table.

        In a good table every target is a state, every state can be reached from no order, what is not marked terminal
        has a way out and what is marked has none, no value stands in two enums, and every row and every refusal has a
        reference.
        """
        from .ways import problems

        found = tuple(problems(self))
        if found:
            raise InvalidLifecycle(*found)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _with_members(self, row: Transition) -> Transition:
        """`row`, its plain strings replaced by the members that they equal; an unknown target stays for `verify`."""
        source, trigger = self.state(row.source), self.trigger(row.trigger)
        target, creates = (
            self.state(state) if state in self.state_rules else state for state in (row.target, row.creates)
        )
        if all(map(is_, (source, trigger, target, creates), (row.source, row.trigger, row.target, row.creates))):
            return row
        return attrs.evolve(row, source=source, trigger=trigger, target=target, creates=creates)

    def _reject(self, state: State | None, trigger: Trigger) -> NoReturn:
        """Name the one of the two that the table does not know."""
        self.state(state)
        raise InvalidValue("trigger", trigger, self.trigger_rules)

    def _possible(self, states: Collection[State | None]) -> list[State | None]:
        if isinstance(states, Iterable) and not isinstance(states, str):
            members = [self.state(state) for state in states]
            if members:
                return members
        raise InvalidValue("possible states", states, ["a set of at least one state"])


def _refusal_class(code: str) -> type[Refusal]:
    error = BY_CODE.get(code)
    if error is None or not issubclass(error, Refusal):
        raise InvalidValue("refusal code", code, [c for c, e in BY_CODE.items() if issubclass(e, Refusal)])
    return error


ORDER_LIFECYCLE = Lifecycle(TRANSITIONS)
"""The life of a certificate order in CAS, as `spec.py` tells it."""


def can(state: State | None, trigger: Trigger, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> bool:
    """Whether `trigger`, an `Operation` or an `Event`, is allowed in `state` (None: no order).

    >>> from orderfsm import Operation, State, can
    >>> can(State.ISSUED, Operation.DELETE), can("verify_fail", "DeleteCertificateRequest")
    (False, True)

    Anything that is neither a state nor a trigger is an `InvalidValue`, never False:

    >>> can(State.ISSUED, "delete_certificate")
    Traceback (most recent call last):
    ...
    orderfsm.errors.InvalidValue: trigger 'delete_certificate': expected CancelOrderRequest, ...
    """
    try:
        return lifecycle.table[state][trigger] is not None
    except (KeyError, TypeError):
        return lifecycle.can(state, trigger)


def check(state: State | None, trigger: Trigger, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> State | None:
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
    return lifecycle.transition(state, trigger).target


def allowed(state: State | None, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> tuple[Operation, ...]:
    """The operations that change something in `state`, in table order; reads are always allowed and not among them.

    >>> from orderfsm import State, allowed
    >>> allowed(State.VERIFY_FAIL)
    (<Operation.DELETE: 'DeleteCertificateRequest'>,)
    """
    return lifecycle.allowed(state)


def judge(states: Collection[State | None], trigger: Trigger, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> Verdict:
    """The verdict on `trigger` when the order may be in any of `states`; an empty set is an `InvalidValue`.

    >>> from orderfsm import Operation, State, judge
    >>> judge({State.PENDING_REVIEW, State.BEING_REVIEWED}, Operation.DELETE)
    <Verdict.ILLEGAL: 'illegal'>
    >>> judge({State.ISSUED, State.ABOUT_TO_EXPIRE}, Operation.RENEW)
    <Verdict.UNDECIDED: 'undecided'>
    """
    return lifecycle.judge(states, trigger)


def narrow(
    states: Collection[State | None],
    trigger: Trigger,
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
    return lifecycle.narrow(states, trigger, accepted=accepted)


def plan(
    state: State | None, goal: State | None, *, events: bool = False, lifecycle: Lifecycle = ORDER_LIFECYCLE
) -> Plan:
    """A shortest way from `state` to `goal` over operations; ties go to table order. Raises `Unreachable`.

    With `events`, what others do counts too, and `Plan.waits` says what has to be waited for, and from whom.

    >>> from orderfsm import State, plan
    >>> print(plan(State.BEING_REVIEWED, State.DELETED))
    CancelOrderRequest, then DeleteCertificateRequest
    >>> print(plan(State.PENDING_REVIEW, State.ISSUED, events=True))
    wait for domain_validated (owner), then wait for review_passed (ca)
    """
    return lifecycle.plan(state, goal, events=events)


def reachable(
    state: State | None, *, by: Collection[Actor] = tuple(Actor), lifecycle: Lifecycle = ORDER_LIFECYCLE
) -> frozenset[State | None]:
    """The states in which the order may yet be found, `state` included, by what the actors `by` may do (all of them).

    >>> from orderfsm import State, reachable
    >>> sorted(reachable(State.ABOUT_TO_EXPIRE))
    [<State.ABOUT_TO_EXPIRE: ...>, <State.EXPIRED: ...>, <State.REVOKED: ...>]
    """
    return lifecycle.reachable(state, by=by)


def explain(state: State | None, trigger: Trigger, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> Explanation:
    r"""Why `trigger` is allowed or refused in `state`, who says so, and what to do instead.

    >>> from orderfsm import Operation, State, explain
    >>> why = explain(State.ISSUED, Operation.DELETE)
    >>> print(why.reason, why.instead, sep="\n")
    DeleteCertificateRequest is not allowed in issued, only in pending_application and verify_fail.
    CancelCertificateForPackageRequest
    """
    return lifecycle.explain(state, trigger)


def verify(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> None:
    """Raise `InvalidLifecycle` unless the table holds together; see `Lifecycle.verify`."""
    lifecycle.verify()
