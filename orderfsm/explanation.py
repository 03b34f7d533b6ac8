"""Why a trigger is allowed or refused, from which source, and what to do instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from . import showing
from .paths import Plan, shortest
from .rows import Basis, Strength
from .verdict import Uncertain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .rows import RefusalRule, State, Transition, Trigger
    from .table import Table
    from .verdict import Verdict


NOTHING = "nothing that changes anything"
"""What is allowed where nothing is, but to read."""


class Others(Uncertain, tuple[Any, ...]):
    """Operations other than the one that was asked about: that there are some is no answer to that question."""

    __slots__ = ()
    _instead = (
        "`.allowed` lists other operations (len() counts them, list() is fit for JSON); ask `.legal` whether this one "
        "is allowed"
    )

    def __repr__(self) -> str:
        return super().__repr__()  # pprint asks for the truth of what is shown as a tuple itself is


@attrs.frozen
class Explanation(Uncertain):
    """Why `lifecycle` allows or refuses `trigger` for an order that is in one of `states`, or says nothing of it.

    `states` are members, at least one, in table order. With several, each property says only what is true in all of
    them. `age` is how many seconds ago the order began, if that is known: rows whose time is over allow nothing.
    Everything is worked out when it is asked for.
    """

    _instead: ClassVar[str] = "ask its `.legal`, which is True, False, or None where that depends on the state"
    lifecycle: Table
    states: tuple[State | None, ...]
    trigger: Trigger
    age: float | None = None

    @property
    def state(self) -> State | None:
        """The state of the order; None if there is no order, or if several states are possible."""
        return self.states[0] if len(self.states) == 1 else None

    @property
    def verdict(self) -> Verdict:
        """LEGAL in every one of the states, ILLEGAL in every one, else UNDECIDED, as where the sources are silent."""
        return self.lifecycle.judge(self.states, self.trigger, age=self.age)

    @property
    def legal(self) -> bool | None:
        """Whether the trigger is allowed in every one of the states; None if only in some, or nobody knows."""
        answers = {state in self._rows_in_time for state in self._rows}
        return answers.pop() if len(answers) == 1 and not self._silent else None

    @property
    def passes(self) -> bool:
        """Whether it is refused in every one of the states, and the same call succeeds later, by itself."""
        return self.legal is False and not self._late and all(rule.passes for rule in self._refusals.values())

    @property
    def target(self) -> State | None:
        """The state after the step; None if it is refused, or leads to different states."""
        rows = self._rows_in_time
        targets = {rows[state].target if state in rows else None for state in self._rows}
        return targets.pop() if len(targets) == 1 else None

    @property
    def allowed(self) -> Others:
        """The operations that would change something in every one of the states, in table order."""
        first, *others = map(self._allowed, self.states)
        return Others(operation for operation in first if all(operation in other for other in others))

    @property
    def allowed_in(self) -> dict[State, tuple[Any, ...]]:
        """For each of the states, the operations that would change something there; without "no order"."""
        return {state: self._allowed(state) for state in self.states if state is not None}

    def _allowed(self, state: State | None) -> tuple[Any, ...]:
        rows = self.lifecycle.table[state]
        return tuple(each for each in self.lifecycle.allowed(state) if rows[each].holds_at(self.age))  # type: ignore[union-attr]

    @property
    def basis(self) -> Basis:
        """What the rule stands on; of the rules for several states, the least firm."""
        return max((basis for basis, _ in self._sources), key=tuple(Basis).index)

    @property
    def reference(self) -> str:
        """The document that states the rule, or the nearest one; several are separated by `; `."""
        return "; ".join(dict.fromkeys(reference for _, reference in self._sources))

    @property
    def strength(self) -> Strength | None:
        """The word by which the documents state the rule, if they use one; of several rules, the weakest.

        None also if one of several is stated without.
        """
        said = list(self._strengths)
        return None if None in said else max(said, key=tuple(Strength).index, default=None)

    @property
    def source(self) -> str:
        """Basis, strength and reference, as a text has them in brackets."""
        return f"{standing(self.basis, self.strength)}: {self.reference}"

    @property
    def note(self) -> str:
        """Which part of a documented rule is inferred; else empty."""
        return "; ".join(dict.fromkeys(row.note for row in self._rows.values() if row is not None and row.note))

    @property
    def reason(self) -> str:
        """Where the step leads, or the only states in which it is allowed: a sentence or more."""
        leads = [self._is_allowed([state], self._leads(row)) for state, row in self._rows_in_time.items()]
        return " ".join([*self._not_allowed, *leads])

    @property
    def gathered(self) -> str:
        """The `reason`, with one sentence for all the states from which the step leads to the same."""
        leads: dict[str, list[State | None]] = {}
        for state, row in self._rows_in_time.items():
            leads.setdefault(self._leads(row), []).append(state)
        return " ".join([*self._not_allowed, *(self._is_allowed(states, to) for to, states in leads.items())])

    @property
    def instead(self) -> Plan | None:
        """A path that serves the caller's purpose where the step is refused; None if it is legal or there is none.

        For a caller who gives the order up (cancel, delete, cancel for package) it is the shortest path to a terminal
        state; for any other, the shortest path to where the trigger is allowed, and the trigger. If several states are
        possible there is one only if the same triggers serve in all of them; the plan starts in the first.
        """
        plans = [self._instead_in(state) for state in self.states]
        first = plans[0]
        same = first is not None and all(plan is not None and plan.triggers == first.triggers for plan in plans)
        return first if same else None

    def as_json(self) -> dict[str, Any]:
        """What `orderfsm explain --json` prints; no order is `null`."""
        in_time = [state for state in self.states if state not in self._late]
        next_states = self.lifecycle.narrow(in_time, self.trigger, accepted=True) if in_time else ()
        return {
            "table": self.lifecycle.name,
            "operation": self.trigger,
            "states": list(self.states),
            "verdict": self.verdict,
            "legal": self.legal,
            "next": [state for state in self.lifecycle.state_rules if state in next_states],
            "allowed": list(self.allowed),
            "basis": self.basis,
            "strength": self.strength,
            "reference": self.reference,
            "reason": self.reason,
            "note": self.note,
            "instead": [] if self.instead is None else list(self.instead),
        }

    @property
    def where(self) -> str:
        """The states in words: `in issued`, `without an order and in deleted`."""
        return self._where(self.states, "and")

    @property
    def advice(self) -> str:
        """What to do first, or instead, in a sentence; empty if there is no such path."""
        instead = self.instead
        if instead is None:
            return ""
        return f"{'First' if instead.triggers[-1] == self.trigger else 'Instead'}: {instead}."

    def __str__(self) -> str:
        sentences = [self.reason]
        if self._refusals:
            here = "here" if len(self.states) == 1 else "in all of these"
            more = [f"in {state}: {listed(operations)}" for state, operations in self._more]
            allowed = [f"{here}: {listed(self.allowed) or NOTHING}", *more]
            sentences.append(f"Allowed {'; '.join(allowed)}.")
        note = f"Note: {self.note}." if self.note else ""
        return " ".join(filter(None, [*sentences, self.advice, f"({self.source})", note]))

    def _repr_html_(self) -> str:  # as IPython calls it
        """The verdict, why, what to do instead, and who says so."""
        instead, allowed = self.instead, [*self.allowed]
        return showing.card(
            showing.joined(showing.code(self.trigger), f" {self._where(self.states, 'or')}"),
            showing.facts(
                ("why", self.reason),
                ("instead", None if instead is None else str(instead)),
                ("allowed", listed(allowed) or NOTHING),
                *((f"in {state}", listed(operations)) for state, operations in self._more),
                ("note", self.note),
                ("source", showing.joined(f"{standing(self.basis, self.strength)}: ", showing.source(self.reference))),
            ),
            said=showing.badge(self.verdict, self.legal),
        )

    @property
    def _more(self) -> Iterator[tuple[State, list[Any]]]:
        """What is allowed in some of the states, besides what is in all of them."""
        for state, operations in self.allowed_in.items():
            more = [operation for operation in operations if operation not in self.allowed]
            if more:
                yield state, more

    @property
    def _silent(self) -> list[State | None]:
        return [state for state in self.states if self.lifecycle.is_silent(state, self.trigger)]

    @property
    def _rows(self) -> dict[State | None, Transition | None]:
        """What the table says of the states of which it says something."""
        silent = self._silent
        return {state: self.lifecycle.table[state][self.trigger] for state in self.states if state not in silent}

    @property
    def _rows_in_time(self) -> dict[State | None, Transition]:
        return {state: row for state, row in self._rows.items() if row is not None and row.holds_at(self.age)}

    @property
    def _late(self) -> dict[State | None, Transition]:
        """The rows that allowed it, and do not any more."""
        return {state: row for state, row in self._rows.items() if row is not None and not row.holds_at(self.age)}

    @property
    def _refusals(self) -> dict[State | None, RefusalRule]:
        refused = [state for state, row in self._rows.items() if row is None]
        return {state: self.lifecycle.refusal(state, self.trigger) for state in refused}

    @property
    def _sources(self) -> Iterator[tuple[Basis, str]]:
        rule = self.lifecycle.trigger_rules[self.trigger]
        for state in self._silent:
            yield Basis.INFERRED, self.lifecycle.silence(state, self.trigger).reference
        for state, row in self._rows.items():
            if row is not None:
                yield row.basis, row.reference
            else:
                refusal = self._refusals[state]
                yield refusal.basis or rule.basis, refusal.reference or rule.reference

    @property
    def _strengths(self) -> Iterator[Strength | None]:
        for state, row in self._rows.items():
            yield self._refusals[state].strength if row is None else row.strength

    @property
    def _not_allowed(self) -> list[str]:
        """The sentences on the states in which it is refused, or not known to be allowed."""
        sentences = []
        if self._silent:
            sentences.append(
                f"The sources do not say whether {self.trigger} is allowed {self._where(self._silent, 'or')}."
            )
        if self._refusals:
            refused = list(self._refusals)
            sentences.append(f"{self.trigger} is not allowed {self._where(refused, 'or')}, {self._only}.")
        sentences += [self._passes(state, rule) for state, rule in self._refusals.items() if rule.passes]
        return sentences + [self._is_over(row) for row in self._late.values()]

    def _is_allowed(self, states: Sequence[State | None], leads: str) -> str:
        return f"{self.trigger} is allowed {self._where(states, 'and')}{leads}."

    @property
    def _only(self) -> str:
        sources = [state for state, rows in self.lifecycle.table.items() if rows.get(self.trigger) is not None]
        return f"only {self._where(sources, 'and')}" if sources else "nor anywhere else"

    def _where(self, states: Sequence[State | None], conjunction: str) -> str:
        existing = [state for state in states if state is not None]
        places = [f"without {with_article(self.lifecycle.noun)}"] if None in states else []
        if existing:
            places.append(f"in {listed(existing, conjunction)}")
        return f" {conjunction} ".join(places)

    def _passes(self, state: State | None, rule: RefusalRule) -> str:
        """Why it is too early, and when the same call succeeds."""
        steps = shortest(self.lifecycle, state, self._allows, events=False)
        waits = [] if steps is None else [row.trigger for row in steps]
        when = f"when {listed(waits)} {'has' if len(waits) == 1 else 'have'} happened" if waits else "later, by itself"
        why = f"{rule.because}; the" if rule.because else "the"
        where = "" if len(self.states) == 1 else f" {self._where([state], 'and')}"
        return f"Too early{where}: {why} same call passes {when}."

    def _allows(self, state: State | None) -> bool:
        return self.lifecycle.table[state].get(self.trigger) is not None

    def _leads(self, row: Transition) -> str:
        """Within which time of the order's life it is allowed, and where it leads."""
        leads = f"leads to {row.target}" if row.changes else "changes nothing"
        at_once = [str(state) for state in self.lifecycle.targets(row) - {row.target}]
        leads += f", or at once to {listed(sorted(at_once), 'or')}" if at_once else ""
        begins = f" and creates another {self.lifecycle.noun} in {row.creates}" if row.creates is not None else ""
        within = "" if row.within is None else f" {row.within} of its beginning"
        may_refuse = "; the service may refuse it" if row.optional else ""
        if row.optional_after:
            may_refuse = f"; after {listed([*map(str, row.optional_after)], 'or')} the service may refuse it"
        return f"{within}: it {leads}{begins}{may_refuse}"

    def _is_over(self, row: Transition) -> str:
        where, code = self._where([row.source], "and"), row.within.error.code  # type: ignore[union-attr]
        return f"{row.trigger} is not allowed {where} any more, only {row.within} of its beginning: {code}."

    def _instead_in(self, state: State | None) -> Plan | None:
        lifecycle, trigger, age = self.lifecycle, self.trigger, self.age
        if state is None or state in self._rows_in_time or state in self._silent:
            return None
        if lifecycle.trigger_rules[trigger].abandons:
            ends = {rule.state for rule in lifecycle.states if rule.terminal}
            steps = shortest(lifecycle, state, ends.__contains__, events=False, age=age)
        else:
            steps = shortest(lifecycle, state, self._allows, events=True, age=age)
            steps = steps and (*steps, lifecycle.transition(steps[-1].target, trigger))
        return Plan.of(lifecycle, state, steps) if steps else None


def explain(
    lifecycle: Table, states: Iterable[State | None], trigger: Trigger, age: float | None = None
) -> Explanation:
    """The explanation for an order that is in one of `states`; `InvalidValue` if that is not a set of states."""
    members = lifecycle.members(states)
    ordered = tuple(state for state in lifecycle.state_rules if state in members)
    return Explanation(lifecycle.plain, ordered, lifecycle.trigger(trigger), age)


def standing(basis: Basis, strength: Strength | None) -> str:
    """What a rule stands on, and the word by which it is stated: `documented`, `documented MUST`."""
    return str(basis) if strength is None else f"{basis} {strength}"


def listed(words: Sequence[str], conjunction: str = "and") -> str:
    """`words` as a sentence lists them: `A`, `A and B`, `A, B and C`."""
    return f" {conjunction} ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def with_article(noun: str) -> str:
    """`noun` with `a` or `an` before it."""
    return f"{'an' if noun[:1] in tuple('aeiou') else 'a'} {noun}"
