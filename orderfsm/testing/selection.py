"""Which pairs of a state and a trigger a check tries, and which failures were known before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm import wire
from orderfsm.invalid import InvalidValue

from .model.failure import Kind, key_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Trigger

    from .model.failure import Key
    from .report import Pair, Report


@attrs.frozen
class Selection:
    """The pairs to try: those of `states` and `triggers`. Triggers that are `left_out` are not fired at all."""

    states: frozenset[State | None]
    triggers: frozenset[Trigger]
    left_out: frozenset[Trigger]

    @classmethod
    def of(cls, lifecycle: Lifecycle, only: Collection[str | None], exclude: Collection[str | None]) -> Selection:
        """What is left of the table: `only` these states and triggers if there are any, without those of `exclude`.

        States are named by their values or by what the API reads them as, no order by None or `none`; triggers by their
        names or values; in any case. A state's value means the state, whatever else it may name. `InvalidValue` for
        other words, and if nothing is left.
        """
        of_states, of_triggers = _meant("only", only, lifecycle)
        no_states, no_triggers = _meant("exclude", exclude, lifecycle)
        states = (of_states or frozenset(lifecycle.state_rules)) - no_states
        triggers = (of_triggers or frozenset(lifecycle.trigger_rules)) - no_triggers
        if not states or not triggers:
            raise InvalidValue("exclude", [*exclude], ["what leaves a state and a trigger to try"])
        return cls(states, triggers, no_triggers)

    def has(self, pair: Pair) -> bool:
        """Whether a pair is to be tried."""
        state, trigger = pair
        return state in self.states and trigger in self.triggers


def _meant(
    name: str, words: Iterable[str | None], lifecycle: Lifecycle
) -> tuple[frozenset[State | None], frozenset[Trigger]]:
    """The states and the triggers that words mean."""
    states: set[State | None] = set()
    triggers: set[Trigger] = set()
    for word in words:
        if isinstance(word, str | None) and word in lifecycle.state_rules:
            states.add(lifecycle.state(word))  # type: ignore[arg-type]
            continue
        try:
            triggers.add(wire.parse_trigger(word or "", lifecycle))
        except InvalidValue as no_trigger:
            try:
                states |= wire.parse_states(word or "", lifecycle)
            except InvalidValue as no_state:
                close = no_trigger.args[3] or no_state.args[3]
                raise InvalidValue(name, word, [*no_state.accepted, *no_trigger.accepted], close) from None
    return frozenset(states), frozenset(triggers)


def read_baseline(path: Path, lifecycle: Lifecycle) -> frozenset[Key]:
    """The failures that a file names as known; `InvalidValue` if it does not name failures as `write_baseline` does."""
    accepted = ['a JSON object such as {"known": [{"state": null, "trigger": "...", "kind": "codes"}]}']
    try:
        known: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["known"]
        return frozenset(
            key_of(
                lifecycle.state(each["state"]),
                lifecycle.trigger(each["trigger"]),
                Kind(each["kind"]),
                flawed=each.get("flawed") is True,
            )
            for each in known
        )
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise InvalidValue(f"baseline {path}", str(error), accepted) from error


def write_baseline(path: Path, report: Report) -> None:
    """Write all failures of a report to a file, those that were known and found again among them."""
    document = report.as_json()
    known = [*document["failed"], *document["known"]]
    path.write_text(json.dumps({"known": known}, indent=2) + "\n", encoding="utf-8")
