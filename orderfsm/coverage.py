"""Which rules of the table a test suite has tried, and which it never did.

`covering` gives a lifecycle that notes which trigger is asked for in which state. It serves wherever a lifecycle does:
the guard, the mock's `Service`, `OrderMachine`, `Order` and the questions.

A *rule* is a state with a trigger: a row of the table, or a refusal. It counts as tried when somebody asked about just
that: by `can`, `check`, `explain`, a step of an order or a machine, a call to the service. If several states are
possible, as for a guard, `judge` tries those of them whose rule alone could have changed the verdict, and `narrow`
none. Plans and recorded histories try nothing. The account's reads, which are allowed everywhere, are not counted.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

import attrs

from . import showing
from .drawing import svg
from .lifecycle import Lifecycle
from .questions import ORDER_LIFECYCLE
from .verdict import Uncertain, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from .explanation import Explanation
    from .rows import State, Transition, Trigger

Rule: TypeAlias = "tuple[State | None, Trigger]"
"""A state and a trigger."""

_Value = TypeVar("_Value")


@attrs.frozen
class Coverage(Uncertain):
    """What was `tried` of the rules of `lifecycle`; rules and rows are in table order."""

    _instead: ClassVar[str] = "ask its `.untried_rows` and its `.untried_refusals`"
    lifecycle: Lifecycle
    tried: frozenset[Rule]

    @property
    def rows(self) -> tuple[Transition, ...]:
        """The rows that were tried."""
        return tuple(row for row in self.lifecycle.transitions if (row.source, row.trigger) in self.tried)

    @property
    def untried_rows(self) -> tuple[Transition, ...]:
        """The rows that were never tried."""
        return tuple(row for row in self.lifecycle.transitions if (row.source, row.trigger) not in self.tried)

    @property
    def refusals(self) -> tuple[Rule, ...]:
        """The refusals that were tried."""
        return tuple(rule for rule in self._all_refusals if rule in self.tried)

    @property
    def untried_refusals(self) -> tuple[Rule, ...]:
        """The refusals that were never tried."""
        return tuple(rule for rule in self._all_refusals if rule not in self.tried)

    @property
    def _all_refusals(self) -> list[Rule]:
        table = self.lifecycle.table
        return [(state, trigger) for state, rows in table.items() for trigger, row in rows.items() if row is None]

    def __str__(self) -> str:
        """How much was tried, then what was not: rows one by one, refusals by state."""
        name_of = self.lifecycle.name_of
        untried = [f"  {name_of(row.source)}: {row.trigger.name.lower()} -> {row.target}" for row in self.untried_rows]
        refused = [f"  {name_of(state)}: {', '.join(names)}" for state, names in self._untried_by_state.items()]
        lines = [self._counts]
        lines += ["rows never tried:", *untried] if untried else []
        lines += ["refusals never tried:", *refused] if refused else []
        return "\n".join(lines)

    @property
    def _counts(self) -> str:
        return (
            f"rows tried: {len(self.rows)} of {len(self.lifecycle.transitions)}, "
            f"refusals tried: {len(self.refusals)} of {len(self._all_refusals)}"
        )

    @property
    def _untried_by_state(self) -> dict[State | None, list[str]]:
        """The triggers of the refusals that were never tried."""
        by_state: dict[State | None, list[str]] = {}
        for state, trigger in self.untried_refusals:
            by_state.setdefault(state, []).append(trigger.name.lower())
        return by_state

    def _repr_html_(self) -> str:  # as IPython calls it
        """How much was tried, the table drawn with what was not in pale, and a list of that."""
        name_of = self.lifecycle.name_of
        rows = [(name_of(row.source), showing.code(row.trigger), str(row.target)) for row in self.untried_rows]
        refused = [(name_of(state), ", ".join(names)) for state, names in self._untried_by_state.items()]
        return showing.card(
            self._counts,
            showing.Html(self.svg()),
            showing.folded(
                f"{len(rows)} rows never tried", showing.table(("in", "trigger", "leads to"), rows, most=len(rows))
            ),
            showing.folded(
                f"{len(self.untried_refusals)} refusals never tried",
                showing.table(("in", "triggers"), refused, most=len(refused)),
            ),
        )

    def as_json(self) -> dict[str, Any]:
        """The same, ready for JSON; no order is `null`."""
        return {
            "table": self.lifecycle.name,
            "edition": self.lifecycle.edition,
            "rows": {
                "tried": len(self.rows),
                "of": len(self.lifecycle.transitions),
                "untried": [
                    {"source": row.source, "trigger": row.trigger, "target": row.target} for row in self.untried_rows
                ],
            },
            "refusals": {
                "tried": len(self.refusals),
                "of": len(self._all_refusals),
                "untried": [{"state": state, "trigger": trigger} for state, trigger in self.untried_refusals],
            },
        }

    def svg(self) -> str:
        """The table drawn, with what was never tried in pale; a bar in each box is the share of its rules tried."""
        return svg(self.lifecycle, tried=self.tried)


class _Watched(dict["Trigger", _Value]):
    """The rules of one `state`; which of them are looked up is noted in `tried`."""

    def __init__(self, rules: Mapping[Trigger, _Value], state: State | None, tried: set[Rule]) -> None:
        super().__init__(rules)
        self._state, self._tried = state, tried

    def __getitem__(self, trigger: Trigger) -> _Value:
        found = super().__getitem__(trigger)
        self._tried.add((self._state, trigger))
        return found

    def get(self, trigger: Trigger, default: Any = None) -> Any:
        if trigger in self:
            return self[trigger]
        return default


@attrs.frozen(repr=False, eq=False, kw_only=True)
class RecordingLifecycle(Lifecycle):
    """A lifecycle like `watched`, that notes what it is asked. It is equal to itself alone."""

    watched: Lifecycle
    _tried: set[Rule] = attrs.field(factory=set, init=False)

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    @classmethod
    def of(cls, lifecycle: Lifecycle) -> RecordingLifecycle:
        """A lifecycle that answers as `lifecycle` does."""
        watched = lifecycle.plain
        return cls(**watched.given, watched=watched)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        asked = {state: _Watched(rules, state, self._tried) for state, rules in self.table.items()}
        object.__setattr__(self, "asked", asked)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what it watches: an error that names this table gets that one."""
        return self.watched.__reduce__()

    @property
    def plain(self) -> Lifecycle:
        """The table that is watched."""
        return self.watched

    @property
    def coverage(self) -> Coverage:
        """What was tried so far."""
        members = ((self.state(state), self.trigger(trigger)) for state, trigger in set(self._tried))
        return Coverage(self.watched, frozenset(members))

    def without(self, row: Transition) -> Lifecycle:
        return self.watched.without(row)

    def with_rows(self, *rows: Transition) -> Lifecycle:
        return self.watched.with_rows(*rows)

    def judge(self, states: Collection[State | None], trigger: Trigger, *, age: float | None = None) -> Verdict:
        verdict = self.watched.judge(states, trigger, age=age)
        trigger = self.trigger(trigger)
        answers = {state: self.watched.table[state].get(trigger, ...) for state in self.members(states)}
        for state, answer in answers.items():
            others = {row if row in {None, ...} else True for other, row in answers.items() if other != state}
            if answer is not ... and len(others) < 2:  # they agree, so that this one decides
                self.asked[state][trigger]
        return verdict

    def narrow(self, states: Collection[State | None], trigger: Trigger, *, accepted: bool) -> frozenset[State | None]:
        after = self.watched.narrow(states, trigger, accepted=accepted)
        members = set(self.members(states))
        if len(members) == 1:
            self.asked[members.pop()].get(self.trigger(trigger))
        return after

    def explain(self, state: State | None, trigger: Trigger) -> Explanation:
        why = self.watched.explain(state, trigger)
        if len(why.states) == 1:
            self.asked[why.state].get(why.trigger)
        return why


@contextmanager
def covering(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> Iterator[RecordingLifecycle]:
    """A lifecycle that answers as `lifecycle` does and notes what it is asked; its `coverage` says what that was.

    >>> from orderfsm import Operation, Order, State
    >>> from orderfsm.coverage import covering
    >>> with covering() as lifecycle:
    ...     Order(7, State.VERIFY_FAIL).apply(Operation.DELETE, lifecycle)
    Order(id=7, state=<State.DELETED: 'deleted'>)
    >>> print(str(lifecycle.coverage).splitlines()[0])
    rows tried: 1 of 29, refusals tried: 0 of 121
    """
    yield RecordingLifecycle.of(lifecycle)
