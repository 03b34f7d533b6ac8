"""What a lifecycle is: the table's rows compiled to lookups, and every question that can be asked of them.

A question about one step (`can`, `check`, `allowed`, `judge`, `narrow`) is one or two dictionary lookups. Paths
(`plan`, `reachable`), explanations and `verify` have modules of their own, which are imported when first needed. Each
question is a method of `Lifecycle`, and a function of the same name, which asks `ORDER_LIFECYCLE` unless it is given
another lifecycle.

A plain string that equals a member's value is that member, everywhere. When a lookup has missed, and only then, a
string may also be another word for the same (`delete`, `process`, `ISSUED`; see `words`), so that a proper question
costs nothing more. Any other value is an `InvalidValue` that names it.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import attrs

from .errors import BY_CODE, InvalidLifecycle, InvalidValue, Refusal, Uncertain
from .spec import EDITION, STATES, TRANSITIONS, TRIGGERS, Actor, StateRule, Transition, TriggerRule

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from .explanation import Explanation
    from .paths import Plan
    from .spec import Operation, State, Trigger


class Verdict(Uncertain, StrEnum):
    """What holds in every one of a set of possible states: legal, illegal, or not the same in all.

    It is no condition: `if judge(...)` is a TypeError. Compare it.
    """

    LEGAL = "legal"
    ILLEGAL = "illegal"
    UNDECIDED = "undecided"


def _tuple_of(rows: Iterable[Transition]) -> tuple[Transition, ...]:
    return tuple(rows)


def _from(work_out: Callable[[Lifecycle], Any]) -> Any:
    """The default of a field that is worked out of the fields before it."""
    return attrs.Factory(work_out, takes_self=True)


@attrs.frozen(repr=False, cache_hash=True)
class Lifecycle:
    """An immutable table of rules, compiled to lookups.

    `transitions` are its rows in table order; `states` and `triggers` are the rules of each state and of each trigger;
    `edition` names the documents. The constructor raises `InvalidValue` only for rows with an unknown state or trigger
    and for duplicate rows, so that a test can build a broken table; whether a table is consistent is for `verify` to
    say.
    """

    _rows: tuple[Transition, ...] = attrs.field(converter=_tuple_of, alias="transitions", eq=False)
    states: tuple[StateRule, ...] = STATES
    triggers: tuple[TriggerRule, ...] = TRIGGERS
    edition: str = EDITION

    state_rules: Mapping[State | None, StateRule] = attrs.field(
        default=_from(lambda self: {rule.state: rule for rule in self.states}), init=False, eq=False
    )
    trigger_rules: Mapping[Trigger, TriggerRule] = attrs.field(
        default=_from(lambda self: {rule.trigger: rule for rule in self.triggers}), init=False, eq=False
    )
    transitions: tuple[Transition, ...] = attrs.field(
        default=_from(lambda self: tuple(map(self._with_members, self._rows))), init=False
    )
    """The rows in table order, plain strings replaced by the members that they equal."""
    table: Mapping[State | None, Mapping[Trigger, Transition | None]] = attrs.field(
        default=_from(lambda self: self._compiled()), init=False, eq=False
    )
    """`table[state][trigger]` is the row, or None where the trigger is refused."""
    asked: Mapping[State | None, Mapping[Trigger, Transition | None]] = attrs.field(
        default=_from(lambda self: self.table), init=False, eq=False
    )
    """`table` for a question whether a trigger is allowed in a state: `orderfsm.coverage` watches it."""
    refusals: Mapping[State | None, type[Refusal]] = attrs.field(
        default=_from(lambda self: {rule.state: _refusal_class(rule.model_code) for rule in self.states}),
        init=False,
        eq=False,
    )
    """The error of a refusal in each state when the model is asked."""
    service_refusals: Mapping[State | None, type[Refusal]] = attrs.field(
        default=_from(lambda self: {rule.state: _refusal_class(rule.service_code) for rule in self.states}),
        init=False,
        eq=False,
    )
    """The error of a refusal in each state when the service answers."""

    def __repr__(self) -> str:
        return f"Lifecycle(edition={self.edition!r}, {len(self.transitions)} transitions)"

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Pickle the real table by its name, any other by its rows."""
        if self is ORDER_LIFECYCLE:
            return "ORDER_LIFECYCLE"
        return type(self), (self.transitions, self.states, self.triggers, self.edition)

    def __deepcopy__(self, memo: object) -> Lifecycle:
        return self

    @property
    def plain(self) -> Lifecycle:
        """This table, for questions that shall not count as tried by anybody: `orderfsm.coverage` counts the others."""
        return self

    # -- what the rows say -------------------------------------------------------------------------------------------

    def state(self, state: State | None) -> State | None:
        """The member that `state` is, equals or is another word for, None for no order; else `InvalidValue`."""
        if isinstance(state, str | None) and state in self.state_rules:
            return self.state_rules[state].state
        from .words import state_meant

        return state_meant(state, self.states)

    def trigger(self, trigger: Trigger) -> Trigger:
        """The member that `trigger` is, equals or is another word for; else `InvalidValue`."""
        if isinstance(trigger, str) and trigger in self.trigger_rules:
            return self.trigger_rules[trigger].trigger
        from .words import trigger_meant

        return trigger_meant(trigger, self.triggers, self.trigger_rules)

    def actor(self, row: Transition) -> Actor:
        """Who fires the trigger of `row`."""
        return self.trigger_rules[row.trigger].actor

    def members(self, states: Iterable[State | None] | str) -> list[State | None]:
        """The members that the possible `states` are or equal; `InvalidValue` if it is not a set of one or more.

        A string is a word that names one or several: `issued`, `CHECKING`.
        """
        if isinstance(states, str):
            from .words import states_meant

            return list(states_meant(states, self.states, self.state_rules))
        if isinstance(states, Iterable):
            members = [self.state(state) for state in states]
            if members:
                return members
        raise InvalidValue("possible states", states, ["a set of at least one state"])

    def outgoing(self, state: State | None) -> list[Transition]:
        """The rows that change something in `state`, in table order."""
        return [row for row in self.transitions if row.source == state and row.changes]

    # -- other tables ------------------------------------------------------------------------------------------------

    def without(self, row: Transition) -> Lifecycle:
        """A table like this one without `row`; `InvalidValue` if this one has no such row."""
        if row not in self.transitions:
            raise InvalidValue("row", row, ["one of .transitions"])
        return attrs.evolve(self, transitions=tuple(other for other in self.transitions if other != row))

    def with_rows(self, *rows: Transition) -> Lifecycle:
        """A table like this one with `rows` after the others."""
        return attrs.evolve(self, transitions=(*self.transitions, *rows))

    # -- one step ----------------------------------------------------------------------------------------------------

    def transition(self, state: State | None, trigger: Trigger) -> Transition:
        """The row that allows `trigger` in `state`; else `OrderStateError`, or `NotFoundOrder` for None."""
        try:
            row = self.asked[state][trigger]
        except (KeyError, TypeError):
            state, trigger = self.state(state), self.trigger(trigger)
            row = self.asked[state][trigger]
        if row is None:
            raise self.refusals[state](self, state, trigger)
        return row

    def service_transition(self, state: State | None, trigger: Trigger) -> Transition:
        """The row that allows `trigger` in `state`; else the error that the *service* answers.

        It differs from `transition` for a deleted order, which the service does not find: `NotFoundOrder`.
        """
        state, trigger = self.state(state), self.trigger(trigger)
        row = self.asked[state][trigger]
        if row is None:
            raise self.service_refusals[state](self, state, trigger)
        return row

    def can(self, state: State | None, trigger: Trigger) -> bool:
        """Whether `trigger` is allowed in `state`."""
        try:
            return self.asked[state][trigger] is not None
        except (KeyError, TypeError):
            return self.asked[self.state(state)][self.trigger(trigger)] is not None

    def check(self, state: State | None, trigger: Trigger) -> State | None:
        """The state after `trigger` in `state`; else a `Refusal`, as `transition`."""
        return self.transition(state, trigger).target

    def allowed(self, state: State | None) -> tuple[Operation, ...]:
        """The operations that change something in `state`, in table order."""
        return tuple(row.trigger for row in self.outgoing(self.state(state)) if self.actor(row) is Actor.CLIENT)  # type: ignore[misc]

    def judge(self, states: Collection[State | None], trigger: Trigger) -> Verdict:
        """Whether `trigger` is allowed in every one of the possible `states`, in none, or in some."""
        answers = {self.can(state, trigger) for state in self.members(states)}
        if len(answers) == 2:
            return Verdict.UNDECIDED
        return Verdict.LEGAL if answers.pop() else Verdict.ILLEGAL

    def narrow(self, states: Collection[State | None], trigger: Trigger, *, accepted: bool) -> frozenset[State | None]:
        """The states possible after `trigger` was accepted, or refused, in one of `states`; perhaps none."""
        rows = [(state, self.table[state][self.trigger(trigger)]) for state in self.members(states)]
        if accepted:
            return frozenset(row.target for _, row in rows if row is not None)
        return frozenset(state for state, row in rows if row is None)

    # -- paths and explanations: their modules are imported when they are first needed --------------------------------

    def plan(self, state: State | None, goal: State | None, *, events: bool = False) -> Plan:
        """A shortest path to `goal` by operations, with `events` also by what others do; else `Unreachable`."""
        from .paths import plan

        return plan(self, self.state(state), self.state(goal), events=events)

    def reachable(self, state: State | None, *, by: Collection[Actor] = tuple(Actor)) -> frozenset[State | None]:
        """The states that the order can get to, `state` itself included, by what the actors `by` may do."""
        from .paths import reachable

        return reachable(self, self.state(state), by)

    def explain(self, state: State | None, trigger: Trigger) -> Explanation:
        """Why `trigger` is allowed or refused in `state`, from which source, and what to do instead."""
        from .explanation import explain

        return explain(self, self.members(state) if isinstance(state, str) else [state], trigger)

    def verify(self) -> None:
        """Raise `InvalidLifecycle` with everything that is wrong, unless this table is consistent.

        In a consistent table every target is a state, every state can be reached from no order, a state is marked
        terminal exactly if no transition leaves it, no value is in two enums, and every row, every state and every
        refusal has a reference.
        """
        from .verification import problems

        found = tuple(problems(self))
        if found:
            raise InvalidLifecycle(*found)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _with_members(self, row: Transition) -> Transition:
        """`row`, its plain strings replaced by the members that they equal; an unknown target stays for `verify`."""
        members: dict[str, Any] = {
            "source": self.state(row.source),
            "trigger": self.trigger(row.trigger),
            "target": self._member_if_known(row.target),
            "creates": self._member_if_known(row.creates),
        }
        unchanged = all(getattr(row, field) is member for field, member in members.items())
        return row if unchanged else attrs.evolve(row, **members)

    def _member_if_known(self, state: State | None) -> State | None:
        return self.state(state) if state in self.state_rules else state

    def _compiled(self) -> dict[State | None, dict[Trigger, Transition | None]]:
        """The lookup of all rows; those of the account's reads are added in every state."""
        table: dict[State | None, dict[Trigger, Transition | None]] = {
            state: {
                rule.trigger: Transition(state, rule.trigger, state, rule.basis, rule.reference)
                if rule.account
                else None
                for rule in self.triggers
            }
            for state in self.state_rules
        }
        for row in self.transitions:
            if table[row.source][row.trigger] is not None:
                named = f"{row.source} {row.trigger}"
                raise InvalidValue("duplicate row", named, ["one row for each state and trigger"])
            table[row.source][row.trigger] = row
        return table


def _refusal_class(code: str) -> type[Refusal]:
    error = BY_CODE.get(code)
    if error is None or not issubclass(error, Refusal):
        raise InvalidValue("refusal code", code, [c for c, e in BY_CODE.items() if issubclass(e, Refusal)])
    return error


ORDER_LIFECYCLE = Lifecycle(TRANSITIONS)
"""The life cycle of a certificate order in CAS: the table of `spec.py`."""


def can(state: State | None, trigger: Trigger, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> bool:
    """Whether `trigger`, an `Operation` or an `Event`, is allowed in `state` (None: no order).

    >>> from orderfsm import Operation, State, can
    >>> can(State.ISSUED, Operation.DELETE), can("verify_fail", "DeleteCertificateRequest")
    (False, True)

    Anything that is neither a state nor a trigger is an `InvalidValue`, never False:

    >>> can(State.ISSUED, "delete_certificate")
    Traceback (most recent call last):
    ...
    orderfsm.errors.InvalidValue: trigger 'delete_certificate': expected CancelOrderRequest, ...; did you mean delete...
    """
    try:
        return lifecycle.asked[state][trigger] is not None
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
    """A shortest path from `state` to `goal` over operations; of equally short ones, the first in table order.

    With `events`, what others do counts too, but after the client's own calls; `Plan.waits` says what to wait for, and
    who makes it happen. Raises `Unreachable` if there is no such path.

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
    """The states that the order can get to, `state` included, by what the actors `by` may do (default: all actors).

    >>> from orderfsm import State, reachable
    >>> sorted(reachable(State.ABOUT_TO_EXPIRE))
    [<State.ABOUT_TO_EXPIRE: ...>, <State.EXPIRED: ...>, <State.REVOKED: ...>]
    """
    return lifecycle.reachable(state, by=by)


def explain(state: State | None, trigger: Trigger, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> Explanation:
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
