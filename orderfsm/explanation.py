"""Why a trigger is allowed or refused, from which source, and what to do instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from .errors import Uncertain
from .paths import Plan, shortest
from .spec import Basis

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .lifecycle import Lifecycle, Verdict
    from .spec import Operation, State, Transition, Trigger


class Others(Uncertain, tuple["Operation", ...]):
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
    """Why `lifecycle` allows or refuses `trigger` for an order that is in one of `states`.

    `states` are members, at least one, in table order. With several, each property says only what is true in all of
    them. Everything is worked out when it is asked for.
    """

    _instead: ClassVar[str] = "ask its `.legal`, which is True, False, or None where that depends on the state"
    lifecycle: Lifecycle
    states: tuple[State | None, ...]
    trigger: Trigger

    @property
    def state(self) -> State | None:
        """The state of the order; None if there is no order, or if several states are possible."""
        return self.states[0] if len(self.states) == 1 else None

    @property
    def verdict(self) -> Verdict:
        """LEGAL in every one of the states, ILLEGAL in every one, else UNDECIDED."""
        return self.lifecycle.judge(self.states, self.trigger)

    @property
    def legal(self) -> bool | None:
        """Whether the trigger is allowed in every one of the states; None if only in some."""
        answers = {row is not None for row in self._rows.values()}
        return answers.pop() if len(answers) == 1 else None

    @property
    def target(self) -> State | None:
        """The state after the step; None if it is refused, or leads to different states."""
        targets = {None if row is None else row.target for row in self._rows.values()}
        return targets.pop() if len(targets) == 1 else None

    @property
    def allowed(self) -> Others:
        """The operations that would change something in every one of the states, in table order."""
        first, *others = (self.lifecycle.allowed(state) for state in self.states)
        return Others(operation for operation in first if all(operation in other for other in others))

    @property
    def allowed_in(self) -> dict[State, tuple[Operation, ...]]:
        """For each of the states, the operations that would change something there; without "no order"."""
        return {state: self.lifecycle.allowed(state) for state in self.states if state is not None}

    @property
    def basis(self) -> Basis:
        """DOCUMENTED, or INFERRED if the rule for one of the states is."""
        return max((basis for basis, _ in self._sources), key=tuple(Basis).index)

    @property
    def reference(self) -> str:
        """The document that states the rule, or the nearest one; several are separated by `; `."""
        return "; ".join(dict.fromkeys(reference for _, reference in self._sources))

    @property
    def note(self) -> str:
        """Which part of a documented rule is inferred; else empty."""
        return "; ".join(dict.fromkeys(row.note for row in self._rows.values() if row is not None and row.note))

    @property
    def reason(self) -> str:
        """Where the step leads, or the only states in which it is allowed: a sentence or more."""
        refused = [state for state, row in self._rows.items() if row is None]
        sentences = [f"{self.trigger} is not allowed {_where(refused, 'or')}, {self._only}."] if refused else []
        return " ".join([*sentences, *(_leads(row) for row in self._rows.values() if row is not None)])

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
        next_states = self.lifecycle.narrow(self.states, self.trigger, accepted=True)
        return {
            "operation": self.trigger,
            "states": list(self.states),
            "verdict": self.verdict,
            "legal": self.legal,
            "next": [state for state in self.lifecycle.state_rules if state in next_states],
            "allowed": list(self.allowed),
            "basis": self.basis,
            "reference": self.reference,
            "reason": self.reason,
            "note": self.note,
            "instead": [] if self.instead is None else list(self.instead),
        }

    def __str__(self) -> str:
        sentences = [self.reason]
        if None in self._rows.values():
            here = "here" if len(self.states) == 1 else "in all of these"
            allowed = [f"{here}: {listed(self.allowed) or 'nothing that changes anything'}", *self._more]
            sentences.append(f"Allowed {'; '.join(allowed)}.")
        instead = self.instead
        if instead is not None:
            first = "First" if instead.triggers[-1] == self.trigger else "Instead"
            sentences.append(f"{first}: {instead}.")
        note = f" Note: {self.note}." if self.note else ""
        return f"{' '.join(sentences)} ({self.basis}: {self.reference}){note}"

    @property
    def _more(self) -> Iterator[str]:
        """What is allowed in some of the states, besides what is in all of them."""
        for state, operations in self.allowed_in.items():
            more = [operation for operation in operations if operation not in self.allowed]
            if more:
                yield f"in {state}: {listed(more)}"

    @property
    def _rows(self) -> dict[State | None, Transition | None]:
        return {state: self.lifecycle.table[state][self.trigger] for state in self.states}

    @property
    def _sources(self) -> list[tuple[Basis, str]]:
        refusal = self.lifecycle.trigger_rules[self.trigger]
        return [((row or refusal).basis, (row or refusal).reference) for row in self._rows.values()]

    @property
    def _only(self) -> str:
        sources = [state for state, rows in self.lifecycle.table.items() if rows[self.trigger] is not None]
        return f"only {_where(sources, 'and')}" if sources else "nor anywhere else"

    def _instead_in(self, state: State | None) -> Plan | None:
        lifecycle, trigger = self.lifecycle, self.trigger
        if state is None or lifecycle.can(state, trigger):
            return None
        if lifecycle.trigger_rules[trigger].abandons:
            steps = shortest(lifecycle, state, lambda reached: lifecycle.state_rules[reached].terminal, events=False)
        else:
            steps = shortest(lifecycle, state, lambda reached: lifecycle.can(reached, trigger), events=True)
            steps = steps and (*steps, lifecycle.transition(steps[-1].target, trigger))
        return Plan.of(lifecycle, state, steps) if steps else None


def explain(lifecycle: Lifecycle, states: Iterable[State | None], trigger: Trigger) -> Explanation:
    """The explanation for an order that is in one of `states`; `InvalidValue` if that is not a set of states."""
    members = lifecycle.members(states)
    ordered = tuple(state for state in lifecycle.state_rules if state in members)
    return Explanation(lifecycle.plain, ordered, lifecycle.trigger(trigger))


def listed(words: Sequence[str], conjunction: str = "and") -> str:
    """`words` as a sentence lists them: `A`, `A and B`, `A, B and C`."""
    return f" {conjunction} ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _where(states: Sequence[State | None], conjunction: str) -> str:
    existing = [state for state in states if state is not None]
    places = ["without an order"] if None in states else []
    if existing:
        places.append(f"in {listed(existing, conjunction)}")
    return f" {conjunction} ".join(places)


def _leads(row: Transition) -> str:
    leads = f"leads to {row.target}" if row.changes else "changes nothing"
    begins = f" and creates another order in {row.creates}" if row.creates is not None else ""
    return f"{row.trigger} is allowed {_where([row.source], 'and')}: it {leads}{begins}."
