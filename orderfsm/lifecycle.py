"""What a lifecycle is: the table's rows compiled to lookups, and every question that can be asked of them.

A question about one step (`can`, `check`, `judge`, `narrow`) is one or two dictionary lookups. What a trigger or a
state is to the table (whether it creates, reads, has gone) is derived from the rows, here and nowhere else.

A plain string that equals a member's value is that member, everywhere. When a lookup has missed, and only then, a
string may also be another word for the same (`delete`, `process`, `ISSUED`; see `words`), so that a proper question
costs nothing more. Any other value is an `InvalidValue` that names it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import cached_property, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import attrs

from .errors import NotFound, OrderStateError, Refusal, ServiceError, Unspecified
from .identity import Identity
from .invalid import InvalidLifecycle, InvalidValue
from .rows import Actor, RefusalRule, Silence, StateRule, Transition, TriggerRule, Vocabulary
from .verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from .codes import Codes
    from .errors import Meaning
    from .explanation import Explanation
    from .paths import Plan
    from .rows import State, Trigger


def _age(value: object) -> float:
    """`value`, if it is how many seconds ago something began; else `InvalidValue`."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return value
    raise InvalidValue("age", value, ["seconds, 0 or more"])


class _Asked:
    """What every question and every refusal reads: a slot is read in half the time."""

    __slots__ = ("_refusals", "asked")
    _refusals: Mapping[State | None, Callable[..., Refusal]]
    """What makes the error of a refusal in each state: the class itself where it is the same for all triggers."""


@attrs.frozen(repr=False, slots=False, cache_hash=True)
class Lifecycle(_Asked):
    """An immutable table of rules, compiled to lookups.

    `transitions` are its rows in table order; `states` and `triggers` are the rules of each state and of each trigger;
    `edition` names the documents. All others are keywords, which a table may leave out:

    * `name`: what `--table` calls it; `home`: from where it can be imported (`package.module:ATTRIBUTE`), if it can;
      `noun` and `title`: for texts, what one of its orders is called, and what is drawn here;
    * `identity`: what ids are; `vocabularies`: the fields that are read, each with its words in the states' rules;
    * `refusal_rules`: how what no row allows is refused, `OrderStateError` where none of them holds; `not_found`: the
      error where there is no order; `errors`, `gateway`, `parameters`, `code_prefix`: all codes, see `Codes`;
    * `silences`: the pairs of which the sources say nothing;
    * `places`: where the middle of a state's box is in a drawing, which else finds its own.

    The constructor raises `InvalidValue` only for rows with an unknown state or trigger and for duplicate rows, so that
    a test can build a broken table; whether a table is consistent is for `verify` to say.
    """

    _rows: tuple[Transition, ...] = attrs.field(alias="transitions", eq=False)
    states: tuple[StateRule, ...]
    triggers: tuple[TriggerRule, ...]
    edition: str = ""
    name: str = attrs.field(default="", kw_only=True)
    home: str = attrs.field(default="", kw_only=True)
    noun: str = attrs.field(default="object", kw_only=True)
    title: str = attrs.field(default="", kw_only=True)
    identity: Identity = attrs.field(factory=Identity, kw_only=True)
    vocabularies: tuple[Vocabulary, ...] = attrs.field(default=(), kw_only=True)
    refusal_rules: tuple[RefusalRule, ...] = attrs.field(default=(), kw_only=True)
    not_found: type[Refusal] = attrs.field(default=NotFound, kw_only=True)
    errors: tuple[type[ServiceError], ...] = attrs.field(default=(), kw_only=True)
    gateway: tuple[tuple[str, Meaning], ...] = attrs.field(default=(), kw_only=True)
    parameters: tuple[tuple[str, str], ...] = attrs.field(default=(), kw_only=True)
    code_prefix: str = attrs.field(default="", kw_only=True)
    silences: tuple[Silence, ...] = attrs.field(default=(), kw_only=True)
    places: Mapping[str | None, tuple[int, int]] = attrs.field(factory=dict, eq=False, kw_only=True)

    state_rules: Mapping[State | None, StateRule] = attrs.field(init=False, eq=False)
    trigger_rules: Mapping[Trigger, TriggerRule] = attrs.field(init=False, eq=False)
    transitions: tuple[Transition, ...] = attrs.field(init=False)
    """The rows in table order, plain strings replaced by the members that they equal."""
    table: Mapping[State | None, Mapping[Trigger, Transition | None]] = attrs.field(init=False, eq=False)
    """`table[state][trigger]` is the row, or None where the trigger is refused; of a silent pair it has nothing."""
    asked: Mapping[State | None, Mapping[Trigger, Transition | None]] = attrs.field(init=False, eq=False)
    """`table` for a question whether a trigger is allowed in a state: `orderfsm.coverage` watches it."""

    def __attrs_post_init__(self) -> None:
        put = partial(object.__setattr__, self)
        for given in ("_rows", "states", "triggers", "vocabularies", "refusal_rules", "errors", "silences"):
            put(given, tuple(getattr(self, given)))
        if not self.title:
            from .explanation import with_article

            put("title", f"The life of {with_article(self.noun)}")
        put("state_rules", {rule.state: rule for rule in self.states})
        put("trigger_rules", {rule.trigger: rule for rule in self.triggers})
        put("transitions", tuple(map(self._with_members, self._rows)))
        put("table", self._compiled())
        put("asked", self.table)
        put("_refusals", dict(self._refusals_by_state()))
        self._errors()

    # -- what states, triggers and codes are to the table: worked out when first asked for -----------------------------

    @cached_property
    def operations(self) -> tuple[Any, ...]:
        """What a client can call, in table order."""
        return tuple(filter(self.by_client, self.trigger_rules))

    @cached_property
    def events(self) -> tuple[Any, ...]:
        """What others do, in table order."""
        return tuple(trigger for trigger in self.trigger_rules if not self.by_client(trigger))

    @cached_property
    def account_reads(self) -> frozenset[Trigger]:
        """The operations that read the account, not one order."""
        return frozenset(rule.trigger for rule in self.triggers if rule.account)

    @cached_property
    def creates(self) -> frozenset[Trigger]:
        """The operations by which an order begins."""
        return frozenset(row.trigger for row in self.transitions if row.source is None)

    @cached_property
    def renewals(self) -> frozenset[Trigger]:
        """The operations of one order by which a second one begins."""
        return frozenset(row.trigger for row in self.transitions if row.creates is not None)

    @cached_property
    def reads(self) -> frozenset[Trigger]:
        """The operations that read one order, and change nothing."""
        changing = {row.trigger for row in self.transitions if row.changes}
        return frozenset(self.operations) - self.account_reads - changing

    @cached_property
    def gone(self) -> frozenset[State | None]:
        """Where the service finds no order: None, and the states of orders that it no longer knows."""
        return frozenset(rule.state for rule in self.states if not rule.found)

    @cached_property
    def codes(self) -> Codes:
        """The error codes, and what they mean."""
        from .codes import Codes

        return Codes(self._errors(), self.gateway, self.parameters, self.code_prefix)

    @cached_property
    def _outgoing(self) -> Mapping[State | None, tuple[Transition, ...]]:
        changing = [row for row in self.transitions if row.changes]
        return {state: tuple(row for row in changing if row.source == state) for state in self.state_rules}

    def __repr__(self) -> str:
        return f"Lifecycle(edition={self.edition!r}, {len(self.transitions)} transitions)"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:  # as IPython and Hypothesis call it
        """Show the same, and not every row of the table, where values that hold one are shown field by field."""
        printer.text(repr(self))

    def _repr_html_(self) -> str:  # as IPython calls it
        """The table drawn, and its rows. That room is upstairs: nothing here needs it, and it is loaded when asked."""
        return import_module("orderfsm.drawing").card(self)  # type: ignore[no-any-return]

    def _repr_svg_(self) -> str:
        return import_module("orderfsm.drawing").svg(self)  # type: ignore[no-any-return]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle a table that can be imported by the name of its home, any other by what it says."""
        module, _, attribute = self.home.partition(":")
        if getattr(sys.modules.get(module), attribute, None) is self:
            return _imported, (module, attribute)
        return _made, (type(self), self.given)

    @property
    def given(self) -> dict[str, Any]:
        """What it was made of, by the names that the constructor has for it."""
        fields = [field for field in attrs.fields(Lifecycle) if field.init]
        return {str(field.alias): getattr(self, field.name) for field in fields}

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

        return state_meant(state, self)

    def trigger(self, trigger: Trigger) -> Trigger:
        """The member that `trigger` is, equals or is another word for; else `InvalidValue`."""
        if isinstance(trigger, str) and trigger in self.trigger_rules:
            return self.trigger_rules[trigger].trigger
        from .words import trigger_meant

        return trigger_meant(trigger, self.triggers, self.trigger_rules)

    def actor(self, row: Transition) -> Actor:
        """Who fires the trigger of `row`."""
        return self.trigger_rules[row.trigger].actor

    def by_client(self, trigger: Trigger) -> bool:
        """Whether `trigger`, one of this table's, is an operation, which a client calls; the others are events."""
        return self.trigger_rules[trigger].actor is Actor.CLIENT

    def name_of(self, state: State | None) -> str:
        """What `state` is called in a text: its value, and `no order` (or what the table says) if there is none."""
        if state is not None:
            return str(state)
        return self.state_rules[None].words if None in self.state_rules else f"no {self.noun}"

    def members(self, states: Iterable[State | None] | str) -> list[State | None]:
        """The members that the possible `states` are or equal; `InvalidValue` if it is not a set of one or more.

        A string is a word that names one or several: `issued`, `CHECKING`.
        """
        if isinstance(states, str):
            from .words import states_meant

            return list(states_meant(states, self, self.state_rules))
        if isinstance(states, Iterable):
            members = [self.state(state) for state in states]
            if members:
                return members
        raise InvalidValue("possible states", states, ["a set of at least one state"])

    def outgoing(self, state: State | None) -> list[Transition]:
        """The rows that change something in `state`, in table order."""
        return list(self._outgoing.get(state, ()))

    def is_silent(self, state: State | None, trigger: Trigger) -> bool:
        """Whether the sources say nothing of that pair of members: it is neither allowed nor refused."""
        return trigger not in self.table[state]

    def silence(self, state: State | None, trigger: Trigger) -> Silence:
        """What the table says of a silent pair; `InvalidValue` of any other."""
        for silence in self.silences:
            if state in silence.states and trigger in silence.triggers:
                return silence
        raise InvalidValue("silent pair", (state, trigger), ["a pair of which the sources say nothing"])

    def refusal(self, state: State | None, trigger: Trigger) -> RefusalRule:
        """How the model refuses `trigger` in `state`, members of a pair that is refused."""
        if state is None:
            return RefusalRule(self.not_found)
        return next((rule for rule in self.refusal_rules if rule.holds(state, trigger)), _ANYWHERE)

    def service_refusal(self, state: State | None, trigger: Trigger) -> RefusalRule:
        """How the service refuses `trigger` in `state`: as `refusal`, but it does not find what is `gone`."""
        return RefusalRule(self.not_found) if state in self.gone else self.refusal(state, trigger)

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
        """The row that allows `trigger` in `state`; else a `Refusal`, or `Unspecified` if the sources are silent.

        The refusal is the table's, an `OrderStateError`; for None it is the table's `NotFound`.
        """
        try:
            row = self.asked[state][trigger]
        except (KeyError, TypeError):
            state, trigger = self.state(state), self.trigger(trigger)
            row = self._row_asked(state, trigger)
        if row is None:
            raise self._refusals[state](self, state, trigger)
        return row

    def service_transition(self, state: State | None, trigger: Trigger) -> Transition:
        """The row that allows `trigger` in `state`; else the error that the *service* answers.

        It differs from `transition` for an order that the service no longer finds.
        """
        state, trigger = self.state(state), self.trigger(trigger)
        row = self._row_asked(state, trigger)
        if row is None:
            raise self.service_refusal(state, trigger).error(self, state, trigger)
        return row

    def can(self, state: State | None, trigger: Trigger) -> bool:
        """Whether `trigger` is allowed in `state`; `Unspecified` if the sources are silent."""
        try:
            return self.asked[state][trigger] is not None
        except (KeyError, TypeError):
            return self._row_asked(self.state(state), self.trigger(trigger)) is not None

    def check(self, state: State | None, trigger: Trigger) -> State | None:
        """The state after `trigger` in `state`; errors as `transition`."""
        return self.transition(state, trigger).target

    def allowed(self, state: State | None) -> tuple[Any, ...]:
        """The operations that change something in `state`, in table order."""
        return tuple(row.trigger for row in self.outgoing(self.state(state)) if self.by_client(row.trigger))

    def judge(self, states: Collection[State | None], trigger: Trigger, *, age: float | None = None) -> Verdict:
        """Whether `trigger` is allowed in every one of the possible `states`, in none, or in some.

        Where the sources are silent it is undecided. `age` is how many seconds ago the order began, if that is known:
        a row whose time is over by then allows nothing; of an order of unknown age every row holds.
        """
        members = self.members(states)
        try:
            if age is None:
                answers = {self.can(state, trigger) for state in members}
            else:
                known = _age(age)
                rows = [self._row_asked(state, self.trigger(trigger)) for state in members]
                answers = {row is not None and row.holds_at(known) for row in rows}
        except Unspecified:
            return Verdict.UNDECIDED
        if len(answers) == 2:
            return Verdict.UNDECIDED
        return Verdict.LEGAL if answers.pop() else Verdict.ILLEGAL

    def narrow(self, states: Collection[State | None], trigger: Trigger, *, accepted: bool) -> frozenset[State | None]:
        """The states possible after `trigger` was accepted, or refused, in one of `states`; perhaps none.

        Where the sources are silent either may have happened: accepted, it may have led to any state. What may have
        happened already when it was accepted, has or has not.
        """
        possible, trigger = self.members(states), self.trigger(trigger)
        silent = frozenset(state for state in possible if self.is_silent(state, trigger))
        rows = [(state, self.table[state][trigger]) for state in possible if state not in silent]
        if not accepted:
            return silent | frozenset(state for state, row in rows if row is None or row.may_be_refused)
        anywhere = self.state_rules.keys() - {None} if silent else ()
        return frozenset().union(*(self.targets(row) for _, row in rows if row is not None), anywhere)

    def targets(self, row: Transition) -> frozenset[State | None]:
        """Where an order may be when the trigger of `row` is answered as accepted: events may have happened at once."""
        found = {row.target}
        for event in row.at_once:
            found |= {after.target for state in set(found) if (after := self.table[state].get(event)) is not None}
        return frozenset(found)

    def reading(self, answer: Mapping[str, str | None]) -> frozenset[State | None]:
        """The states in which the fields of `answer` may all have these words; perhaps none.

        Fields that no vocabulary has, and those that are None, say nothing, unless the table says what an absent field
        means; a word that nobody knows is `InvalidValue`.
        """
        from .words import meanings, states_read, word_in

        possible = frozenset(self.state_rules)
        for vocabulary in self.vocabularies:
            word = word_in(answer, vocabulary, self)
            if word is not None:
                possible &= states_read(word, vocabulary.field, meanings(self, vocabulary))
        return possible

    # -- paths and explanations: their modules are imported when they are first needed --------------------------------

    def plan(
        self,
        state: State | None,
        goal: State | None,
        *,
        events: bool = False,
        grave: bool = False,
        age: float | None = None,
    ) -> Plan:
        """A shortest path to `goal` by operations and what completes them; else `Unreachable`.

        With `events`, also by what others do, by what nobody hopes for only where there is no other way; with `grave`,
        also by operations that no plan takes unasked. `age` as for `judge`.
        """
        from .paths import plan

        known = None if age is None else _age(age)
        return plan(self, self.state(state), self.state(goal), events=events, grave=grave, age=known)

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
        terminal exactly if no transition leaves it, no value is in two enums, no pair is both silent and allowed, and
        every row, every state and every refusal has a reference.
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
        for silence in self.silences:
            for state in silence.states:
                for trigger in silence.triggers:
                    if table[self.state(state)].get(self.trigger(trigger)) is None:
                        table[state].pop(trigger, None)
        return table

    def _row_asked(self, state: State | None, trigger: Trigger) -> Transition | None:
        """The row of members, None where it is refused; `Unspecified` where the sources are silent."""
        try:
            return self.asked[state][trigger]
        except KeyError:
            raise Unspecified(self.plain, state, trigger) from None

    def _refusals_by_state(self) -> Iterator[tuple[State | None, Callable[..., Refusal]]]:
        for state in self.state_rules:
            errors = {trigger: self.refusal(state, trigger).error for trigger in self.trigger_rules}
            same = set(errors.values())
            yield state, same.pop() if len(same) == 1 else partial(_refusal, errors)

    def _errors(self) -> tuple[type[ServiceError], ...]:
        """Every error that the table names."""
        everywhere = any(not rule.triggers and not rule.states for rule in self.refusal_rules)
        refusals = self.refusal_rules if everywhere else (*self.refusal_rules, _ANYWHERE)
        named = [*self.errors, self.not_found, *(rule.error for rule in refusals)]
        named += [rule.fails for rule in self.triggers if rule.fails is not None]
        named += [row.within.error for row in self.transitions if row.within is not None]
        for error in named:
            if not (isinstance(error, type) and issubclass(error, ServiceError)):
                raise InvalidValue("error", error, ["a class of ServiceError"])
        return tuple(dict.fromkeys(named))


_ANYWHERE = RefusalRule(OrderStateError)


def _refusal(
    errors: Mapping[Trigger, type[Refusal]], lifecycle: Lifecycle, state: State | None, trigger: Trigger
) -> Refusal:
    """The refusal in a state in which errors differ by trigger."""
    return errors[trigger](lifecycle, state, trigger)


def _imported(module: str, attribute: str) -> Lifecycle:
    return getattr(import_module(module), attribute)  # type: ignore[no-any-return]


def _made(lifecycle: type[Lifecycle], given: Mapping[str, Any]) -> Lifecycle:
    return lifecycle(**given)
