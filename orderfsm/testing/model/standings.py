"""The ways in which an order may stand, and what a step, or others unseen, make of them."""

from __future__ import annotations

from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import attrs

from .roles import roles
from .steps import YOUNG

if TYPE_CHECKING:
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Transition, Trigger


class Standing(NamedTuple):
    """One way in which an order may stand; `used`: it holds a unit; `issued`: it was issued once."""

    state: State | None
    used: bool = False
    issued: bool = False


def after(lifecycle: Lifecycle, standing: Standing, row: Transition) -> Standing:
    """`standing` after a step."""
    return at(lifecycle, row.target, standing, row)


def at(lifecycle: Lifecycle, target: State | None, standing: Standing, row: Transition) -> Standing:
    """`standing` after a step that led to `target`."""
    used = standing.used and not row.gives_back(YOUNG if standing.issued else None)
    return Standing(target, used, standing.issued or lifecycle.state_rules[target].certified)


@attrs.frozen(eq=False)
class Others:
    """What others make of orders unseen, who do what is `acting`; worked out once for each set of standings."""

    lifecycle: Lifecycle
    acting: frozenset[Trigger]
    certifying: frozenset[Trigger]
    _made: dict[frozenset[Standing], tuple[frozenset[Standing], bool]] = attrs.field(factory=dict, init=False)
    _states: dict[frozenset[Standing], frozenset[State | None]] = attrs.field(factory=dict, init=False)

    @classmethod
    @lru_cache(maxsize=64)
    def of(cls, lifecycle: Lifecycle, acting: frozenset[Trigger]) -> Others:
        """Those of a table."""
        return cls(lifecycle, acting, frozenset(rule.trigger for rule in lifecycle.triggers if rule.certifies))

    def states(self, standings: frozenset[Standing]) -> frozenset[State | None]:
        """The states of some standings."""
        states = self._states.get(standings)
        if states is None:
            states = self._states[standings] = frozenset(each.state for each in standings)
        return states

    def may_make(self, standings: frozenset[Standing]) -> tuple[frozenset[Standing], bool]:
        """How an order may stand after a while that may have stood so; and whether it may have been certified."""
        if standings not in self._made:
            widened = self._widened(standings)
            rows = chain.from_iterable(self.lifecycle.outgoing(each.state) for each in widened)
            certifies = any(row.trigger in self.certifying & self.acting for row in rows)
            self._made[standings] = widened, certifies
        return self._made[standings]

    def _widened(self, standings: frozenset[Standing]) -> frozenset[Standing]:
        found = set(standings)
        frontier = list(standings)
        while frontier:
            standing = frontier.pop()
            for row in self.lifecycle.outgoing(standing.state):
                new = after(self.lifecycle, standing, row)
                if row.trigger in self.acting and not self._is_harm(row) and new not in found:
                    found.add(new)
                    frontier.append(new)
        return frozenset(found)

    def _is_harm(self, row: Transition) -> bool:
        """Whether somebody would act where nothing is under way and nothing was edited: nobody does in a run."""
        known = roles(self.lifecycle)
        unasked = self.lifecycle.trigger_rules[row.trigger].adverse or row in known.unasked[row.source]
        return unasked and row.source in known.at_rest
