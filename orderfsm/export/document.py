"""The table as one JSON document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orderfsm.lifecycle import ORDER_LIFECYCLE, Lifecycle

if TYPE_CHECKING:
    from orderfsm.spec import Transition


def document(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> dict[str, Any]:
    """The edition, the states and the transitions of `lifecycle` in table order, ready for JSON; no order is `null`.

    `quota_within` is in seconds, `note` empty or the part of a documented rule that is inferred.
    """
    return {
        "edition": lifecycle.edition,
        "states": [rule.state for rule in lifecycle.states if rule.state is not None],
        "transitions": [_row(row) for row in lifecycle.transitions],
    }


def _row(row: Transition) -> dict[str, Any]:
    return {
        "source": row.source,
        "trigger": row.trigger,
        "target": row.target,
        "basis": row.basis,
        "reference": row.reference,
        "quota": row.quota,
        "quota_within": row.quota_within,
        "creates": row.creates,
        "note": row.note,
    }
